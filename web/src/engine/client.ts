/** The page's interface to the worker. */

import type { ImageSize } from "../lifting/lifter";
import type { Keypoints } from "../lifting/skeleton";
import type { Answer, Backend, Choice, Found, Request } from "./messages";

export type FrameAnswer = Extract<Answer, { kind: "frame" }>;

/** The number of poses lifted between two progress reports. */
const BATCH = 64;
const MOST_THREADS = 4;

/**
 * Returns the number of threads for the detector: one per processor, but one
 * less if there are more than two; 1 if threads are not available.
 */
function threadsToUse(): number {
  const { hardwareConcurrency } = navigator;
  if (!globalThis.crossOriginIsolated || hardwareConcurrency < 2) return 1;
  return Math.max(2, Math.min(MOST_THREADS, hardwareConcurrency - 1));
}

export class Engine {
  readonly ready: Promise<Backend>;
  private readonly worker: Worker;
  private readonly waiting = new Map<
    number,
    { resolve: (answer: Answer) => void; reject: (error: Error) => void }
  >();
  private count = 0;

  constructor(choice: Choice) {
    this.worker = new Worker(new URL("./worker.ts", import.meta.url), { name: "ampose" });
    const { content } = document.querySelector<HTMLMetaElement>("meta[name=assets]")!;
    const assets = new URL(content, document.baseURI).href;
    this.ready = this.answered(0).then((answer) => {
      if (answer.kind !== "ready") throw new Error(`unexpected ${answer.kind}`);
      return answer.backend;
    });
    this.worker.addEventListener("message", ({ data }: MessageEvent<Answer>) => {
      const id = data.kind === "ready" ? 0 : data.id;
      const waiting = this.waiting.get(id);
      this.waiting.delete(id);
      if (data.kind === "failed") waiting?.reject(new Error(data.message));
      else waiting?.resolve(data);
    });
    this.worker.addEventListener("error", (event) => {
      const error = new Error(event.message || "the page's worker cannot be loaded");
      for (const { reject } of this.waiting.values()) reject(error);
      this.waiting.clear();
    });
    this.send({ kind: "start", assets, threads: threadsToUse(), choice });
  }

  /** Loads other networks; waiting images still use the previous ones. */
  async choose(choice: Choice): Promise<Backend> {
    const answer = await this.ask((id) => ({ kind: "choose", id, choice }));
    return (answer as Extract<Answer, { kind: "chosen" }>).backend;
  }

  /** @param fresh Whether another video begins, or there was a pause. */
  async frame(image: ImageBitmap, seconds: number, fresh: boolean): Promise<FrameAnswer> {
    const answer = await this.ask((id) => ({ kind: "frame", id, image, seconds, fresh }), [image]);
    return answer as FrameAnswer;
  }

  /**
   * Lifts the people in a file, in images of the same size.
   *
   * @throws The signal's reason, soon after it was aborted.
   */
  async lift(
    people: Keypoints[],
    size: ImageSize,
    placed: boolean,
    progress: (done: number) => void,
    signal: AbortSignal,
  ): Promise<(Found | null)[]> {
    const lifted: (Found | null)[] = [];
    for (let start = 0; start < people.length; start += BATCH) {
      const batch = people.slice(start, start + BATCH);
      const answer = await this.ask((id) => ({ kind: "lift", id, people: batch, size, placed }));
      if (answer.kind === "lifted") lifted.push(...answer.people);
      signal.throwIfAborted();
      progress(lifted.length);
    }
    return lifted;
  }

  private async ask(make: (id: number) => Request, transfer: Transferable[] = []): Promise<Answer> {
    await this.ready;
    this.count += 1;
    const id = this.count;
    const answer = this.answered(id);
    this.send(make(id), transfer);
    return answer;
  }

  private answered(id: number): Promise<Answer> {
    return new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
  }

  private send(request: Request, transfer: Transferable[] = []): void {
    this.worker.postMessage(request, transfer);
  }
}

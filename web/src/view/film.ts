/** Passes the images of a camera or a video file to the engine. */

import type { Engine, FrameAnswer } from "../engine/client";
import { messageOf } from "../errors";

/** Requested from the camera, which may choose another size. */
const ASKED = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
const ASSUMED_FPS = 30;
const BUSY = ["NotReadableError", "AbortError"];
const PAUSE_MS = 700;
const LEAST_STEP_MS = 1;
/** The slowest rate of browsers. A file starts slowly, and then speeds up. */
const SLOWEST = 0.0625;
const FIRST_RATE = 0.2;
const FASTER = 1.006;
const SLOWER = 0.7;
/** Consecutive images without pixels, which cameras may have at the start. */
const MOST_EMPTY = 30;
/** The number of waiting images at which the video is paused. */
const MOST_WAITING = 2;

export interface FilmEvents {
  /**
   * @param answer The receiver must close its image.
   * @param seconds Time of the image since the camera's start, or in the video.
   */
  onImage(answer: FrameAnswer, seconds: number): void;
  /**
   * The video has ended, or the camera was disconnected.
   *
   * @param problem Reason for a premature end.
   */
  onEnd(problem?: string): void;
  onError(message: string): void;
}

interface Waiting {
  image: ImageBitmap;
  seconds: number;
}

/** Returns a message for a browser's error about the camera. */
export function cameraMessage(error: DOMException): string {
  switch (error.name) {
    case "NotAllowedError":
    case "SecurityError":
      return "Access to the camera was denied. Allow it in the browser's address bar and start again, or open a video.";
    case "NotFoundError":
    case "OverconstrainedError":
      return "No camera was found. Connect one and start again, or open a video.";
    case "NotReadableError":
    case "AbortError":
      return "The camera cannot be read; it may be in use by another program. Close that program and start again.";
    default:
      return `The camera cannot be started: ${error.message}`;
  }
}

/** Requests the camera twice, because it may be busy just after its release. */
async function askForCamera(asked: MediaStreamConstraints): Promise<MediaStream> {
  try {
    return await navigator.mediaDevices.getUserMedia(asked);
  } catch (error) {
    if (!(error instanceof DOMException) || !BUSY.includes(error.name)) throw error;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    return navigator.mediaDevices.getUserMedia(asked);
  }
}

/** @throws If the browser does not report when a video shows an image. */
function checkBrowser(): void {
  if (!("requestVideoFrameCallback" in HTMLVideoElement.prototype)) {
    throw new Error("this browser is too old to process videos; update it");
  }
}

export class Film {
  /** Frames per second according to the camera. */
  fps = ASSUMED_FPS;
  /** Whether the camera faces away from the user. */
  isRear = false;
  private stream: MediaStream | null = null;
  private url = "";
  private run = 0;
  private busy = false;
  /** Images that the browser is still copying. */
  private taken = 0;
  private empty = 0;
  private fresh = true;
  private waiting: Waiting[] = [];
  private presented = 0;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly engine: Engine,
    private readonly events: FilmEvents,
  ) {
    document.addEventListener("visibilitychange", () => this.onVisibility());
  }

  get isCamera(): boolean {
    return this.stream !== null;
  }

  get isRunning(): boolean {
    return this.stream !== null || this.url !== "";
  }

  /** @throws The browser's error if the camera is not available. */
  async startCamera(deviceId: string): Promise<void> {
    this.stop();
    checkBrowser();
    if (!navigator.mediaDevices) {
      throw new Error("the camera requires https:// or localhost");
    }
    const run = this.run;
    const stream = await askForCamera({
      audio: false,
      video: { ...ASKED, ...(deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "user" }) },
    });
    if (run !== this.run) {
      for (const track of stream.getTracks()) track.stop();
      return; // Stopped while the browser was asking the user.
    }
    this.stream = stream;
    const [track] = stream.getVideoTracks();
    const { frameRate, facingMode } = track!.getSettings();
    this.fps = frameRate || ASSUMED_FPS;
    this.isRear = facingMode === "environment";
    track!.addEventListener("ended", () => {
      if (this.stream === stream) this.events.onEnd("it was disconnected");
    });
    this.video.srcObject = stream;
    await this.begin();
  }

  /** @throws If the browser is too old, or cannot play the file. */
  async startFile(file: Blob): Promise<void> {
    this.stop();
    checkBrowser();
    this.url = URL.createObjectURL(file);
    this.video.src = this.url;
    await new Promise<void>((resolve, reject) => {
      this.video.onloadeddata = () => resolve();
      this.video.onerror = () =>
        reject(new Error("this browser cannot play the file; try .mp4 (H.264) or .webm"));
    });
    if (!this.video.videoWidth) throw new Error("the file contains no images");
    const { run } = this;
    this.video.onended = () => void this.end(run);
    this.video.onerror = () => {
      const at = this.video.currentTime.toFixed(2);
      void this.end(run, `cannot be read after ${at} s; the poses so far are kept`);
    };
    await this.begin();
  }

  /** Stops the camera or the video; pending images are discarded. */
  stop(): void {
    this.run += 1;
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.video.onended = this.video.onerror = this.video.onloadeddata = null;
    this.video.pause();
    this.video.srcObject = null;
    if (this.url) {
      this.video.removeAttribute("src");
      this.video.load();
      URL.revokeObjectURL(this.url);
      this.url = "";
    }
    this.forget();
  }

  private forget(): void {
    for (const { image } of this.waiting) image.close();
    this.waiting = [];
  }

  private async begin(): Promise<void> {
    this.fresh = true;
    this.presented = this.empty = 0;
    this.video.playbackRate = this.stream ? 1 : FIRST_RATE;
    this.listen(this.run);
    await this.video.play();
  }

  /**
   * @param start Time of the camera's first image, in milliseconds.
   * @param before Time of the previous image, in milliseconds.
   */
  private listen(run: number, start = NaN, before = -Infinity): void {
    if (run !== this.run) return;
    this.video.requestVideoFrameCallback((_, { captureTime, presentationTime, mediaTime, presentedFrames }) => {
      if (run !== this.run) return;
      // The time of capture, if the browser reports it.
      const filmed = captureTime ?? presentationTime;
      // Some cameras' clocks are not monotonic, but ours must be.
      const now = Math.max(filmed, before + LEAST_STEP_MS);
      const first = Number.isNaN(start) ? now : start;
      this.listen(run, first, now);
      this.onImage(run, this.stream ? (now - first) / 1000 : mediaTime, presentedFrames);
    });
  }

  private onImage(run: number, seconds: number, presented: number): void {
    const missed = presented - this.presented > 1 && this.presented > 0;
    this.presented = presented;
    if (document.hidden) return;
    // If images were missed, this speed is too high for the browser.
    if (!this.stream) {
      const rate = this.video.playbackRate * (missed ? SLOWER : FASTER);
      this.video.playbackRate = Math.min(1, Math.max(SLOWEST, rate));
    }
    void this.take(run, seconds);
  }

  /** Passes on an image, or queues it while the engine is busy. */
  private async take(run: number, seconds: number): Promise<void> {
    try {
      this.taken += 1;
      const image = await createImageBitmap(this.video).finally(() => (this.taken -= 1));
      if (run !== this.run) {
        image.close();
        return;
      }
      this.empty = 0;
      // A camera does not wait; only its newest image is kept.
      if (this.stream) this.forget();
      this.waiting.push({ image, seconds });
      if (!this.stream && this.waiting.length >= MOST_WAITING) this.video.pause();
      if (!this.busy) await this.work();
    } catch (error) {
      if (run !== this.run) return;
      const isEmpty = error instanceof DOMException && error.name === "InvalidStateError";
      if (!isEmpty || (this.empty += 1) > MOST_EMPTY) this.fail(error);
    }
  }

  private async work(): Promise<void> {
    this.busy = true;
    for (let next = this.waiting.shift(); next; next = this.waiting.shift()) {
      const { run, fresh } = this;
      this.fresh = false;
      if (!this.stream && this.waiting.length === 0) this.goOn();
      try {
        const answer = await this.engine.frame(next.image, next.seconds, fresh);
        if (run === this.run) this.events.onImage(answer, next.seconds);
        else answer.image.close();
      } catch (error) {
        // Caught here, because another video may have begun.
        if (run === this.run) this.fail(error);
      }
    }
    this.busy = false;
  }

  private goOn(): void {
    if (!this.video.paused || this.video.ended || this.video.error || document.hidden) return;
    const { run } = this;
    this.video.play().catch((error: unknown) => {
      // Errors of the file have their own event.
      if (run === this.run && !this.video.error) this.fail(error);
    });
  }

  private fail(error: unknown): void {
    this.events.onError(messageOf(error));
  }

  /** Ends a video after its last image has been lifted. */
  private async end(run: number, problem?: string): Promise<void> {
    while (run === this.run && (this.taken > 0 || this.busy || this.waiting.length > 0)) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    if (run === this.run) this.events.onEnd(problem);
  }

  /** Pauses the camera or the video while the page is hidden. */
  private onVisibility(): void {
    if (!this.isRunning) return;
    for (const track of this.stream?.getVideoTracks() ?? []) track.enabled = !document.hidden;
    if (document.hidden) {
      this.video.pause();
    } else {
      this.fresh = true;
      this.presented = 0;
      this.goOn();
    }
  }
}

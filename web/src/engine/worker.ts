/** The worker: lifts images or keypoints to people in 3D. */

import { DETECTOR_SIZE } from "../detector/anchors";
import { LANDMARKS_SIZE } from "../detector/landmarks";
import { Tracker } from "../detector/tracking";
import { messageOf } from "../errors";
import { lift, type ImageSize } from "../lifting/lifter";
import { solveRoot } from "../lifting/root";
import { convert, isSeen, type Keypoints } from "../lifting/skeleton";
import type { Answer, Backend, Choice, DetectorName, Found, Request, Times } from "./messages";
import { hasGpu, load, Network, type Accelerator } from "./runtime";

/** Larger images are scaled down: the network sees a person in 256 pixels. */
const MOST_PIXELS = 1280;
/** The largest difference of WebGPU from the processor: pixels of 256, and logits. */
const EXACT_PIXELS = 0.05;
const TIMED_RUNS = 4;
const ENOUGH_MS = 300;

// Outputs of BlazePose's networks, in their files' order.
const BOXES = 0;
const LOGITS = 1;
const VALUES = 0;
const PRESENCE = 1;
const HEATMAP = 3;

let assets = "";
let threads = 1;
/** Where each detector runs, as measured. */
const backends = new Map<DetectorName, Backend>();
const networks = new Map<string, Promise<Network>>();
let choice: Choice = { lifter: "ampose_s", detector: "full" };

function answer(message: Answer, transfer: Transferable[] = []): void {
  postMessage(message, { transfer });
}

function network(name: string, where: Accelerator = "wasm"): Promise<Network> {
  const key = `${name} ${where}`;
  let found = networks.get(key);
  if (!found) {
    // The lifter is so small that threads would slow it down.
    const several = name.startsWith("ampose") ? 1 : threads;
    found = fetched(name).then((content) => Network.load(content, where, several));
    // A failed download is repeated at the next request.
    found.catch(() => networks.delete(key));
    networks.set(key, found);
  }
  return found;
}

/** Frees a network that is not needed, if it was loaded. */
async function drop(name: string, where: Accelerator): Promise<void> {
  const key = `${name} ${where}`;
  const loaded = networks.get(key);
  networks.delete(key);
  (await loaded)?.delete();
}

async function fetched(name: string): Promise<Uint8Array> {
  const response = await fetch(`${assets}${name}.tflite`);
  if (!response.ok) throw new Error(`${name}.tflite cannot be loaded: status ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

const IMAGE_SHAPE = [1, LANDMARKS_SIZE, LANDMARKS_SIZE, 3];

const tracker = new Tracker({
  async detect(image) {
    const detector = await network("pose_detection");
    const shape = [1, DETECTOR_SIZE, DETECTOR_SIZE, 3];
    const [boxes, logits] = await detector.run({ "*": [image, shape] }, [BOXES, LOGITS]);
    return [boxes!, logits!];
  },
  async landmarks(image) {
    const marker = await network(`pose_landmark_${choice.detector}`, (await backend()).accelerator);
    const wanted = [VALUES, PRESENCE, HEATMAP];
    const [values, presence, heatmap] = await marker.run({ "*": [image, IMAGE_SHAPE] }, wanted);
    return [values!, presence![0]!, heatmap!];
  },
});

async function predict(keypoints: Float32Array, seen: Float32Array): Promise<Float32Array> {
  const lifter = await network(choice.lifter);
  const inputs = {
    keypoints_2d: [keypoints, [1, 17, 2]] as [Float32Array, number[]],
    seen: [seen, [1, 17]] as [Float32Array, number[]],
  };
  return (await lifter.run(inputs, [0]))[0]!;
}

/** Returns where the chosen detector runs. */
async function backend(): Promise<Backend> {
  let found = backends.get(choice.detector);
  if (!found) {
    found = await chooseAccelerator();
    backends.set(choice.detector, found);
    await drop(`pose_landmark_${choice.detector}`, found.accelerator === "webgpu" ? "wasm" : "webgpu");
  }
  return found;
}

/** Compiles the chosen networks before the first image. */
async function prepare(): Promise<Backend> {
  const found = await backend();
  await network("pose_detection");
  await network(`pose_landmark_${choice.detector}`, found.accelerator);
  await predict(new Float32Array(34), new Float32Array(17).fill(1));
  return found;
}

/** Returns a test image that activates the whole network: waves of three colours. */
function testImage(): Float32Array {
  const image = new Float32Array(3 * LANDMARKS_SIZE * LANDMARKS_SIZE);
  return image.map((_, i) => {
    const pixel = Math.floor(i / 3);
    const across = pixel % LANDMARKS_SIZE;
    const down = Math.floor(pixel / LANDMARKS_SIZE);
    return 0.5 + 0.5 * Math.sin(across / 9 + (i % 3)) * Math.cos(down / 13);
  });
}

/** Chooses WebGPU if its results are the same and it is faster; else the processor. */
async function chooseAccelerator(): Promise<Backend> {
  const onProcessor = (reason: string): Backend => ({ threads, accelerator: "wasm", reason });
  if (!hasGpu()) return onProcessor("WebGPU finds no GPU here");
  const name = `pose_landmark_${choice.detector}`;
  await network(name); // Outside of try: a failed download is no failure of WebGPU.
  try {
    const image = testImage();
    const measured = async (where: Accelerator) => {
      const marker = await network(name, where);
      const run = () => marker.run({ "*": [image, IMAGE_SHAPE] }, [VALUES, PRESENCE, HEATMAP]);
      const result = await run();
      const start = performance.now();
      let runs = 0;
      while (runs < TIMED_RUNS && performance.now() - start < ENOUGH_MS) {
        await run();
        runs += 1;
      }
      return { result, ms: (performance.now() - start) / runs };
    };
    const exact = await measured("wasm");
    const other = await measured("webgpu");
    const apart = Math.max(
      ...[0, 1, 2].map((k) =>
        exact.result[k]!.reduce((most, v, i) => {
          const difference = Math.abs(v - other.result[k]![i]!);
          // Comparisons with NaN are false, and it must not pass.
          return difference <= most ? most : Number.isNaN(difference) ? Infinity : difference;
        }, 0),
      ),
    );
    if (!(apart <= EXACT_PIXELS)) return onProcessor(`WebGPU is ${apart.toPrecision(2)} off`);
    if (other.ms >= exact.ms) {
      const [gpu, cpu] = [other.ms, exact.ms].map((ms) => ms.toFixed(0));
      return onProcessor(`WebGPU takes ${gpu} ms, the processor ${cpu}`);
    }
    return { threads, accelerator: "webgpu", reason: `${apart.toPrecision(2)} from the processor's results` };
  } catch (error) {
    return onProcessor(`WebGPU failed: ${messageOf(error)}`);
  }
}

const canvas = new OffscreenCanvas(1, 1);
const context = canvas.getContext("2d", { willReadFrequently: true })!;

async function frame(request: Extract<Request, { kind: "frame" }>): Promise<void> {
  const { id, image, seconds, fresh } = request;
  const start = performance.now();
  const size: ImageSize = [image.width, image.height];
  const scale = Math.min(1, MOST_PIXELS / Math.max(...size));
  const [width, height] = size.map((side) => Math.max(1, Math.round(side * scale)));
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width!;
    canvas.height = height!;
  }
  context.drawImage(image, 0, 0, width!, height!);
  const picture = context.getImageData(0, 0, width!, height!);
  const read = performance.now() - start;
  if (fresh) tracker.reset();
  const [person, stages] = await tracker.find(picture, seconds);
  const begun = performance.now();
  let found: Found | null = null;
  if (person) {
    const pixels = person.pixels.map((value, i) =>
      i % 2 ? (value * size[1]) / height! : (value * size[0]) / width!,
    );
    found = await lifted(convert("MediaPipe-33", pixels, person.scores), size, true);
  }
  const times: Times = { read, ...stages, lift: found ? performance.now() - begun : 0 };
  answer({ kind: "frame", id, image, found, times }, [image]);
}

async function lifted(keypoints: Keypoints, size: ImageSize, placed: boolean): Promise<Found | null> {
  const pose = await lift(keypoints, size, predict);
  if (!pose) return null;
  const weights = keypoints.scores.map((score) => (isSeen(score) ? score : 0));
  const root = placed ? solveRoot(pose.joints, keypoints.pixels, weights, size) : null;
  return { keypoints, pose, root, choice };
}

async function handle(request: Request): Promise<void> {
  switch (request.kind) {
    case "start": {
      ({ assets, threads, choice } = request);
      await load(assets, threads);
      answer({ kind: "ready", backend: await prepare() });
      break;
    }
    case "choose": {
      const before = choice;
      choice = request.choice;
      try {
        answer({ kind: "chosen", id: request.id, backend: await prepare() });
      } catch (error) {
        choice = before;
        throw error;
      }
      break;
    }
    case "frame":
      try {
        await frame(request);
      } catch (error) {
        request.image.close();
        throw error;
      }
      break;
    case "lift": {
      const people: (Found | null)[] = [];
      for (const one of request.people) {
        people.push(await lifted(one, request.size, request.placed));
      }
      answer({ kind: "lifted", id: request.id, people });
      break;
    }
  }
}

// Requests are handled one after another, because interpreters cannot be shared.
let last = Promise.resolve();
addEventListener("message", ({ data }: MessageEvent<Request>) => {
  last = last
    .then(() => handle(data))
    .catch((error: unknown) => {
      answer({ kind: "failed", id: "id" in data ? data.id : 0, message: messageOf(error) });
    });
});

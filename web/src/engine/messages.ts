/** Messages between the page and its worker. */

import type { ImageSize, Pose } from "../lifting/lifter";
import type { Point } from "../lifting/root";
import type { Keypoints } from "../lifting/skeleton";

export type LifterName = "ampose_s" | "ampose_t";
export type DetectorName = "lite" | "full";

export interface Choice {
  lifter: LifterName;
  detector: DetectorName;
}

/** Milliseconds of an image's processing stages. */
export interface Times {
  /** From the browser's image to pixels. */
  read: number;
  /** Searching the image; 0 while a person is tracked. */
  detect: number;
  landmarks: number;
  lift: number;
}

/** A person found in an image, and lifted. */
export interface Found {
  keypoints: Keypoints;
  pose: Pose;
  root: Point | null;
  /** The networks that computed this; the page's own choice may lag behind. */
  choice: Choice;
}

/** Where the networks run. */
export interface Backend {
  threads: number;
  /** Where the detector runs; the lifter always runs on the processor. */
  accelerator: "webgpu" | "wasm";
  /** Why WebGPU is not used, or its numerical difference. */
  reason: string;
}

export type Request =
  | { kind: "start"; assets: string; threads: number; choice: Choice }
  | { kind: "choose"; id: number; choice: Choice }
  | { kind: "frame"; id: number; image: ImageBitmap; seconds: number; fresh: boolean }
  | { kind: "lift"; id: number; people: Keypoints[]; size: ImageSize; placed: boolean };

export type Answer =
  | { kind: "ready"; backend: Backend }
  | { kind: "chosen"; id: number; backend: Backend }
  | {
      kind: "frame";
      id: number;
      /** The same image, to be shown with the result, and then closed. */
      image: ImageBitmap;
      found: Found | null;
      times: Times;
    }
  | { kind: "lifted"; id: number; people: (Found | null)[] }
  | { kind: "failed"; id: number; message: string };

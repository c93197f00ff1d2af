/** Lifts 2D to 3D, like the Python package's `Lifter` with default settings. */

import tables from "../tables.json";
import { COUNT, isSeen, MIRRORED, type Keypoints } from "./skeleton";

export type ImageSize = [width: number, height: number];

/** The network: (17, 2) in [-1, 1] and (17) of 0 or 1, to (17, 3) metres. */
export type Predict = (keypoints: Float32Array, seen: Float32Array) => Promise<Float32Array>;

/** A person in 3D. */
export interface Pose {
  /** (17, 3) metres; camera frame (x right, y down, z forward), from the hip. */
  joints: Float32Array;
  /** (17) metres, half the distance between the two predictions. */
  spread: Float32Array;
  seen: boolean[];
}

/** The normalisation of both models, as named in saved results. */
export const NORMALISATION = tables.models.ampose_s.normalisation;

/** Maps pixels so that the image's longer side becomes [-1, 1]: (17, 2). */
export function normalize(pixels: ArrayLike<number>, [width, height]: ImageSize): Float32Array {
  const half = Math.max(width, height) / 2;
  return Float32Array.from(pixels, (value, i) => (value - (i % 2 ? height : width) / 2) / half);
}

/** Mirrors (17, D): negates x and exchanges left and right joints. */
export function mirror(points: Float32Array, dimensions: number): Float32Array {
  const mirrored = new Float32Array(points.length);
  for (let j = 0; j < COUNT; j += 1) {
    for (let axis = 0; axis < dimensions; axis += 1) {
      const value = points[dimensions * MIRRORED[j]! + axis]!;
      mirrored[dimensions * j + axis] = axis === 0 ? -value : value;
    }
  }
  return mirrored;
}

/**
 * Lifts a person: returns the mean of the predictions for the image and its
 * mirror image, or null if no joint is seen.
 */
export async function lift(
  keypoints: Keypoints,
  size: ImageSize,
  predict: Predict,
): Promise<Pose | null> {
  const seen = Array.from(keypoints.scores, isSeen);
  if (!seen.includes(true)) return null;
  // The network ignores joints that were not seen.
  const points = normalize(keypoints.pixels, size).map((value, i) => (seen[i >> 1] ? value : 0));
  const single = await predict(points, Float32Array.from(seen, Number));
  const mirrored = mirror(
    await predict(mirror(points, 2), Float32Array.from(MIRRORED, (j) => Number(seen[j]))),
    3,
  );
  const joints = single.map((value, i) => (value + mirrored[i]!) / 2);
  const spread = new Float32Array(COUNT);
  for (let j = 0; j < COUNT; j += 1) {
    const apart = [0, 1, 2].map((axis) => single[3 * j + axis]! - mirrored[3 * j + axis]!);
    spread[j] = Math.hypot(...apart) / 2;
  }
  if (!joints.every(Number.isFinite)) throw new Error("the network's pose is not finite");
  return { joints, spread, seen };
}

/** Decodes BlazePose's 33 landmarks, and two for tracking. */

import { sigmoid } from "./detection";
import { toImage, type Region } from "./region";

export const LANDMARKS_SIZE = 256;
export const LANDMARKS = 33;

/** Landmarks after the body's 33: the hips' midpoint, and a point on the circle. */
const HIPS = 33;
const TOP = 34;
/** The number of values per landmark: x, y, z, visibility, presence. */
const VALUES = 5;
const POINTS = 39;
const HEATMAP_SIDE = 64;
/** The number of cells on each side of a landmark that refine it. */
const REACH = 3;
const LEAST_CONFIDENCE = 0.5;
const LEAST_PRESENCE = 0.5;

/** A person in an image. */
export interface Person {
  /** (33, 2) pixels. */
  pixels: Float32Array;
  /** (33) from 0 to 1, the probability that the landmark is visible. */
  scores: Float32Array;
  hips: [number, number];
  top: [number, number];
}

/**
 * Moves landmarks to the centre of mass of the heatmaps around them.
 *
 * A landmark is not moved if no cell in its window reaches the least confidence.
 *
 * @param points (39, 2) from 0 to 1, changed in place.
 * @param heatmap (side, side, 39) logits, row by row.
 */
export function refine(points: Float32Array, heatmap: Float32Array, side = HEATMAP_SIDE): void {
  const count = points.length / 2;
  for (let k = 0; k < count; k += 1) {
    const column = Math.trunc(points[2 * k]! * side);
    const row = Math.trunc(points[2 * k + 1]! * side);
    if (!(column >= 0 && row >= 0 && column < side && row < side)) continue;
    let total = 0;
    let surest = 0;
    let x = 0;
    let y = 0;
    for (let j = Math.max(0, row - REACH); j <= Math.min(side - 1, row + REACH); j += 1) {
      for (let i = Math.max(0, column - REACH); i <= Math.min(side - 1, column + REACH); i += 1) {
        const confidence = sigmoid(heatmap[(j * side + i) * count + k]!);
        total += confidence;
        surest = Math.max(surest, confidence);
        x += confidence * i;
        y += confidence * j;
      }
    }
    if (surest >= LEAST_CONFIDENCE && total > 0) {
      points[2 * k] = x / side / total;
      points[2 * k + 1] = y / side / total;
    }
  }
}

/**
 * Returns the person in a region, or null if there is none.
 *
 * @param values (39, 5), pixels of the network's image and logits.
 * @param presence Probability that there is a person.
 * @param heatmap (64, 64, 39) logits.
 */
export function personOf(
  values: Float32Array,
  presence: number,
  heatmap: Float32Array,
  region: Region,
): Person | null {
  if (!(presence >= LEAST_PRESENCE)) return null;
  const points = new Float32Array(2 * POINTS);
  for (let k = 0; k < POINTS; k += 1) {
    points[2 * k] = values[VALUES * k]! / LANDMARKS_SIZE;
    points[2 * k + 1] = values[VALUES * k + 1]! / LANDMARKS_SIZE;
  }
  refine(points, heatmap);
  const pixels = new Float32Array(2 * LANDMARKS);
  const scores = new Float32Array(LANDMARKS);
  for (let k = 0; k < LANDMARKS; k += 1) {
    const [x, y] = toImage(region, points[2 * k]!, points[2 * k + 1]!);
    pixels[2 * k] = x;
    pixels[2 * k + 1] = y;
    scores[k] = sigmoid(values[VALUES * k + 3]!);
  }
  return {
    pixels,
    scores,
    hips: toImage(region, points[2 * HIPS]!, points[2 * HIPS + 1]!),
    top: toImage(region, points[2 * TOP]!, points[2 * TOP + 1]!),
  };
}

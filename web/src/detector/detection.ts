/** Decodes the outputs of BlazePose's detector. */

import { DETECTOR_SIZE } from "./anchors";

/** A person in the detector's image, in units of its side. */
export interface Detection {
  score: number;
  /** Corners x0, y0, x1, y1. */
  box: [number, number, number, number];
  /** The midpoint of the hips, (x, y). */
  hips: [number, number];
  /** A point above the hips, on the circle around the person. */
  top: [number, number];
}

/** The number of values per anchor: box (x, y, width, height) and four points. */
const VALUES = 12;
const MOST_LOGIT = 100;
export const LEAST_SCORE = 0.5;
const LEAST_OVERLAP = 0.3;

export function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

/**
 * Returns the people with scores of at least `leastScore`, in any order.
 *
 * @param boxes (N, 12) offsets from the anchors in pixels.
 * @param logits (N).
 * @param centres (N, 2), see `anchorCentres`.
 */
export function decode(
  boxes: Float32Array,
  logits: Float32Array,
  centres: Float32Array,
  leastScore = LEAST_SCORE,
): Detection[] {
  const found: Detection[] = [];
  const leastLogit = Math.log(leastScore / (1 - leastScore));
  for (let i = 0; i < logits.length; i += 1) {
    const logit = Math.min(Math.max(logits[i]!, -MOST_LOGIT), MOST_LOGIT);
    if (!(logit >= leastLogit)) continue;
    const at = i * VALUES;
    const point = (k: number): [number, number] => [
      boxes[at + 2 * k]! / DETECTOR_SIZE + centres[2 * i]!,
      boxes[at + 2 * k + 1]! / DETECTOR_SIZE + centres[2 * i + 1]!,
    ];
    const [x, y] = point(0);
    if (!(boxes[at + 2]! >= 0 && boxes[at + 3]! >= 0)) continue;
    const halfWidth = boxes[at + 2]! / DETECTOR_SIZE / 2;
    const halfHeight = boxes[at + 3]! / DETECTOR_SIZE / 2;
    found.push({
      score: sigmoid(logit),
      box: [x - halfWidth, y - halfHeight, x + halfWidth, y + halfHeight],
      hips: point(2),
      top: point(3),
    });
  }
  return found;
}

/** Returns the intersection over union of two boxes. */
export function overlap(one: Detection["box"], other: Detection["box"]): number {
  const width = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
  const height = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
  if (width <= 0 || height <= 0) return 0;
  const area = (box: Detection["box"]) => (box[2] - box[0]) * (box[3] - box[1]);
  const both = width * height;
  return both / (area(one) + area(other) - both);
}

/**
 * Returns one detection per person, sorted by decreasing score.
 *
 * This is non-maximum suppression in which overlapping detections are averaged,
 * weighted by their scores.
 */
export function suppress(detections: Detection[], leastOverlap = LEAST_OVERLAP): Detection[] {
  let left = [...detections].sort((a, b) => b.score - a.score);
  const kept: Detection[] = [];
  while (left.length > 0) {
    const best = left[0]!;
    const same = left.filter((one) => one === best || overlap(one.box, best.box) > leastOverlap);
    left = left.filter((one) => !same.includes(one));
    const total = same.reduce((sum, one) => sum + one.score, 0);
    const mean = (value: (one: Detection) => number) =>
      same.reduce((sum, one) => sum + one.score * value(one), 0) / total;
    kept.push({
      score: best.score,
      box: [0, 1, 2, 3].map((k) => mean((one) => one.box[k]!)) as Detection["box"],
      hips: [mean((one) => one.hips[0]), mean((one) => one.hips[1])],
      top: [mean((one) => one.top[0]), mean((one) => one.top[1])],
    });
  }
  return kept;
}

/**
 * Reads 2D keypoints from files, in some of the forms that `lift.py` reads:
 *
 * - `{"frames": [...], "image_size": [w, h], "fps": n}`. Each frame is a list of
 *   MediaPipe's 33 landmarks, `{x, y, visibility}` from 0 to 1 (empty: none),
 *   or `{"keypoints": [[x, y, s], ...]}` in pixels with 17 joints, which are
 *   COCO's unless there is `"skeleton": "H36M-17"` beside the frames;
 * - COCO results, `[{"image_id": 0, "keypoints": [x, y, s, ...], "score": s}]`;
 * - rtmlib, `[{"frame": 0, "keypoints": [[[x, y], ...]], "scores": [[...]]}]`.
 *
 * If a frame contains several people, the one with the highest score is used.
 */

import { convert, isSeen, jointsOf, type Keypoints, type SkeletonName } from "../lifting/skeleton";
import type { ImageSize } from "../lifting/lifter";
import { brief, FileError, isObject, list, MAX_PEOPLE, MAX_ROWS, number, numbers, RATE, type JsonObject } from "./checks";

const MAX_PIXEL = 100_000;
const PIXEL = { low: -MAX_PIXEL, high: MAX_PIXEL };
const SIDE = { low: 1, high: MAX_PIXEL };
/** Landmarks may be outside the image. */
const UNIT = { low: -100, high: 100 };
const SHARE = { low: 0, high: 1.1 };

/** A person in a file, before conversion. */
interface Body {
  frame: number;
  skeleton: SkeletonName;
  pixels: number[];
  scores: number[];
  surety: number;
}

export interface Clip {
  people: { frame: number; keypoints: Keypoints }[];
  imageSize: ImageSize;
  imageCorner: [number, number];
  /** Whether the file contains the image size; roots require it. */
  sizeKnown: boolean;
  fps: number | null;
  notes: string[];
}

/** Returns the keypoints in parsed JSON. */
export function read(content: unknown): Clip {
  const bodies = isObject(content) && Array.isArray(content.frames)
    ? framesOf(content, content.frames)
    : list(content, "the file").flatMap(bodiesOf);
  const best = new Map<number, Body>();
  for (const body of bodies) {
    const other = best.get(body.frame);
    if (!other || body.surety > other.surety) best.set(body.frame, body);
  }
  if (best.size === 0) throw new FileError("it contains no person");
  const people = [...best.values()]
    .sort((a, b) => a.frame - b.frame)
    .map((body) => ({
      frame: body.frame,
      keypoints: convert(body.skeleton, body.pixels, body.scores),
    }));
  const notes =
    best.size < bodies.length ? ["In frames with several people, the one with the highest score is used."] : [];
  const size = isObject(content) && content.image_size !== undefined ? content.image_size : null;
  const fps = isObject(content) && content.fps !== undefined ? content.fps : null;
  const clip: Clip = {
    people,
    imageSize: [1, 1],
    imageCorner: [0, 0],
    sizeKnown: size !== null,
    fps: fps === null ? null : number(fps, "fps", RATE),
    notes,
  };
  if (size !== null) {
    clip.imageSize = numbers(size, "image_size", 2, SIDE) as ImageSize;
    return clip;
  }
  return assumeSize(clip, [...best.values()]);
}

function framesOf(content: JsonObject, frames: unknown[]): Body[] {
  checkCount(frames.length);
  if (!frames.some(Array.isArray)) {
    const bodies = frames.flatMap(bodiesOf);
    if (content.skeleton !== "H36M-17") return bodies;
    return bodies.map((body) =>
      body.skeleton === "COCO-17" ? { ...body, skeleton: "H36M-17" } : body,
    );
  }
  const [width, height] = numbers(content.image_size, "image_size", 2, SIDE) as ImageSize;
  return frames.flatMap((frame, index): Body[] => {
    const landmarks = list(frame, "frames");
    if (landmarks.length === 0) return [];
    list(landmarks, "frames: landmarks", jointsOf("MediaPipe-33").length);
    const pixels: number[] = [];
    const scores: number[] = [];
    for (const landmark of landmarks) {
      if (!isObject(landmark)) {
        throw new FileError(`frames: expected landmarks with x and y, got ${brief(landmark)}`);
      }
      pixels.push(number(landmark.x, "x", UNIT) * width, number(landmark.y, "y", UNIT) * height);
      scores.push(
        landmark.visibility === undefined ? 1 : Math.min(1, number(landmark.visibility, "visibility", SHARE)),
      );
    }
    return [{ frame: index, skeleton: "MediaPipe-33", pixels, scores, surety: 1 }];
  });
}

/** Returns the people in an entry of COCO results, or in a frame of rtmlib. */
function bodiesOf(entry: unknown, index: number): Body[] {
  checkCount(index);
  if (!isObject(entry) || !Array.isArray(entry.keypoints)) {
    throw new FileError(`expected people with keypoints, got ${brief(entry)}`);
  }
  const named = entry.image_id ?? entry.frame ?? entry.frame_number ?? index;
  const frame = number(named, "image_id", { low: 0, high: 10_000_000 });
  if (!Number.isInteger(frame)) throw new FileError(`image_id: expected whole numbers, got ${frame}`);
  if (typeof entry.keypoints[0] === "number") {
    const values = entry.keypoints;
    if (values.length !== 51 && values.length !== 34) {
      throw new FileError(`keypoints: expected COCO's 17 joints, got ${values.length} numbers`);
    }
    const step = values.length / 17;
    const triples = Array.from({ length: 17 }, (_, j) => values.slice(step * j, step * (j + 1)));
    return [bodyOf(frame, triples, undefined, entry.score)];
  }
  const people = entry.keypoints;
  const several = Array.isArray(people[0]) && Array.isArray(people[0][0]);
  const scores = entry.scores ?? entry.keypoint_scores;
  if (!several) return people.length === 0 ? [] : [bodyOf(frame, people, scores, entry.score)];
  if (people.length > MAX_PEOPLE) {
    throw new FileError(`keypoints: expected at most ${MAX_PEOPLE} people in a frame, got ${people.length}`);
  }
  return people.map((person, i) =>
    bodyOf(frame, person, Array.isArray(scores) ? scores[i] : undefined, undefined),
  );
}

function bodyOf(frame: number, points: unknown, scores: unknown, surety: unknown): Body {
  const joints = list(points, "keypoints");
  const skeleton = joints.length === 33 ? "MediaPipe-33" : "COCO-17";
  list(joints, "keypoints", jointsOf(skeleton).length);
  const rows = joints.map((joint) => list(joint, "keypoints"));
  const pixels = rows.flatMap((row) => [
    number(row[0], "keypoints", PIXEL),
    number(row[1], "keypoints", PIXEL),
  ]);
  const given = scores === undefined
    ? rows.map((row) => (row.length > 2 ? row[2] : 1))
    : list(scores, "scores", joints.length);
  const checked = given.map((score) => Math.min(1, number(score, "scores", { low: 0, high: 2 })));
  const placed = checked.map((score, j) => (pixels[2 * j] === 0 && pixels[2 * j + 1] === 0 ? 0 : score));
  const mean = placed.reduce((sum, score) => sum + score, 0) / placed.length;
  return {
    frame,
    skeleton,
    pixels,
    scores: placed,
    surety: typeof surety === "number" ? surety : mean,
  };
}

/** Assumes a square around all people, enlarged by a quarter, as in Python. */
function assumeSize(clip: Clip, bodies: Body[]): Clip {
  const low = [Infinity, Infinity];
  const high = [-Infinity, -Infinity];
  for (const { pixels, scores } of bodies) {
    scores.forEach((score, j) => {
      if (!isSeen(score)) return;
      for (const axis of [0, 1]) {
        low[axis] = Math.min(low[axis]!, pixels[2 * j + axis]!);
        high[axis] = Math.max(high[axis]!, pixels[2 * j + axis]!);
      }
    });
  }
  if (!(low[0]! <= high[0]!)) throw new FileError("no joint is visible");
  const side = Math.max(1, Math.ceil(1.25 * Math.max(high[0]! - low[0]!, high[1]! - low[1]!)));
  const corner = [0, 1].map((axis) => (low[axis]! + high[axis]!) / 2 - side / 2);
  for (const { keypoints } of clip.people) {
    keypoints.pixels.forEach((_, i) => {
      keypoints.pixels[i]! -= corner[i % 2]!;
    });
  }
  return {
    ...clip,
    imageSize: [side, side],
    imageCorner: corner as [number, number],
    notes: [
      ...clip.notes,
      `The image size is unknown: a square of ${side} pixels around the person is assumed.`,
    ],
  };
}

function checkCount(count: number): void {
  if (count > MAX_ROWS) throw new FileError(`not read: more than ${MAX_ROWS} frames; split it`);
}

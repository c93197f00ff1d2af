/** People's poses over time, and their placement in a room. */

import { floorOf, LEVEL, lowestAnkle, rotationToWorld, turned } from "./floor";
import type { ImageSize, Pose } from "./lifter";
import { fillRoots, type Point } from "./root";
import { COUNT, type Keypoints } from "./skeleton";
import { OneEuroStream, type OneEuro } from "./smoothing";

/** One person in one frame. */
export interface Row {
  frame: number;
  /** (17, 3) metres, camera frame, relative to the hip. */
  joints: Float32Array;
  /** The hip in the camera's frame; null if unknown. */
  root: Point | null;
  /** (17, 2) pixels; NaN where unknown. */
  pixels: Float32Array;
  scores: Float32Array;
  seen: boolean[];
  /** (17) metres; NaN where unknown. */
  spread: Float32Array;
}

export interface Track {
  id: number;
  /** Sorted by frame; all frames are different. */
  rows: Row[];
}

export interface Motion {
  tracks: Track[];
  imageSize: ImageSize;
  /** The image's upper left corner in the file's pixels. */
  imageCorner: [number, number];
  fps: number | null;
  up: Point;
  notes: string[];
  /** The side by which the network's keypoints were normalised. */
  normalisation: string;
  /** Input, model and other origins, by name. */
  provenance: Record<string, string>;
}

/** A person as drawn on the page: the row, and the joints in the room. */
export interface Shown {
  /** The track's id. */
  id: number;
  row: Row;
  /** (17, 3) metres in the room: x right, y away from the camera, z up. */
  room: Float32Array;
}

/** Returns the row for a person who was found and lifted. */
export function rowOf(frame: number, found: Keypoints, pose: Pose, root: Point | null): Row {
  const pixels = found.pixels.map((value, i) => (pose.seen[i >> 1] ? value : NaN));
  return { frame, joints: pose.joints, root, pixels, scores: found.scores, seen: pose.seen, spread: pose.spread };
}

/** Smooths one person's joints and root with One-Euro. */
export class RowSmoother {
  private joints: OneEuroStream;
  private roots: OneEuroStream;

  constructor(settings: OneEuro) {
    this.joints = new OneEuroStream(settings);
    this.roots = new OneEuroStream(settings);
  }

  set settings(settings: OneEuro) {
    this.joints.settings = this.roots.settings = settings;
  }

  step(row: Row, seconds: number): Row {
    return {
      ...row,
      joints: Float32Array.from(this.joints.step(row.joints, seconds)),
      root: row.root && (Array.from(this.roots.step(row.root, seconds)) as Point),
    };
  }
}

/** Returns the motion with all roots of a track filled in, or none. */
export function withRoots(motion: Motion): Motion {
  const tracks = motion.tracks.map((track) => {
    const roots = fillRoots(
      track.rows.map((row) => row.frame),
      track.rows.map((row) => row.root),
    );
    return { ...track, rows: track.rows.map((row, i) => ({ ...row, root: roots && roots[i]! })) };
  });
  return { ...motion, tracks };
}

/** Returns the smoothed motion; in each track all roots are known, or none. */
export function smoothed(motion: Motion, settings: OneEuro, fps: number): Motion {
  const tracks = motion.tracks.map((track) => {
    const smoother = new RowSmoother(settings);
    return { ...track, rows: track.rows.map((row) => smoother.step(row, row.frame / fps)) };
  });
  const note =
    `Poses are smoothed over time by One-Euro: ${settings.minCutoffHz} Hz at rest, ` +
    `${settings.betaPerM} Hz for each m/s.`;
  return { ...motion, tracks, notes: [...motion.notes, note] };
}

/** Seconds around a frame that determine its floor: longer than a jump. */
const FLOOR_S = 1.5;
/** The largest number of frames within that time that are used. */
const FLOOR_SAMPLES = 100;

/**
 * Returns all people in a room with the floor at 0, by frame number.
 *
 * For display only: unlike in Python's `floor.world_positions`, the floor is at
 * a person's lowest ankles around each moment, so that people who walk in front
 * of a tilted camera do not rise. People without a root are placed at the
 * origin, with the lower ankle at an ankle's height in each frame.
 */
export function inRoom(motion: Motion, fps: number): Map<number, Shown[]> {
  const rows = rotationToWorld(motion.up);
  const frames = new Map<number, Shown[]>();
  for (const track of motion.tracks) {
    const placed = track.rows.map((row) => ({ id: track.id, row, room: turned(row.joints, row.root, rows) }));
    const lowest = placed.map(({ room }) => lowestAnkle(room));
    let first = 0;
    let end = 0;
    for (const shown of placed) {
      const { frame, root } = shown.row;
      while (track.rows[first]!.frame < frame - FLOOR_S * fps) first += 1;
      while (end < placed.length && track.rows[end]!.frame <= frame + FLOOR_S * fps) end += 1;
      const around = root ? spread(lowest, first, end) : [lowestAnkle(shown.room)];
      lower(shown.room, floorOf(around));
      const others = frames.get(frame);
      if (others) others.push(shown);
      else frames.set(frame, [shown]);
    }
  }
  return frames;
}

/** Returns the values between two indices: all, or every n-th of many. */
function spread(values: number[], first: number, end: number): number[] {
  const step = Math.ceil((end - first) / FLOOR_SAMPLES);
  const found: number[] = [];
  for (let i = Math.ceil(first / step) * step; i < end; i += step) found.push(values[i]!);
  return found;
}

function lower(room: Float32Array, height: number): void {
  for (let j = 0; j < COUNT; j += 1) room[3 * j + 2]! -= height;
}

/** Places a person in the live image in a room, with the floor of the past. */
export class LiveRoom {
  private before: { seconds: number; lowest: number }[] = [];
  private readonly rows = rotationToWorld(LEVEL);

  place(row: Row, seconds: number): Shown {
    const room = turned(row.joints, row.root, this.rows);
    const lowest = lowestAnkle(room);
    if (!row.root) {
      lower(room, floorOf([lowest]));
      return { id: 0, row, room };
    }
    this.before = this.before.filter((one) => one.seconds > seconds - FLOOR_S);
    this.before.push({ seconds, lowest });
    lower(room, floorOf(this.before.map((one) => one.lowest)));
    return { id: 0, row, room };
  }
}

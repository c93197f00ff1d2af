/** People's poses over time, and how they look in a room. */

import { floorOf, LEVEL, lowestAnkle, rotationToWorld, turned } from "./floor";
import type { ImageSize, Pose } from "./lifter";
import { fillRoots, type Point } from "./root";
import { COUNT, type Keypoints } from "./skeleton";
import { OneEuroStream, type OneEuro } from "./smoothing";

/** One person in one frame. */
export interface Row {
  frame: number;
  /** (17, 3) metres, camera frame, from the hip. */
  joints: Float32Array;
  /** The hip in the camera's frame; null where it is not known. */
  root: Point | null;
  /** (17, 2) pixels; NaN where not known. */
  pixels: Float32Array;
  scores: Float32Array;
  seen: boolean[];
  /** (17) metres; NaN where not known. */
  spread: Float32Array;
}

export interface Track {
  id: number;
  /** In order of their frames, which differ. */
  rows: Row[];
}

export interface Motion {
  tracks: Track[];
  imageSize: ImageSize;
  /** Where the image begins in the file's pixels. */
  imageCorner: [number, number];
  fps: number | null;
  up: Point;
  notes: string[];
  /** What the network's keypoints were divided by. */
  normalisation: string;
  /** What it was made of and how, by name. */
  provenance: Record<string, string>;
}

/** What the page draws of one person: the same row, and its place. */
export interface Shown {
  /** The track's. */
  id: number;
  row: Row;
  /** (17, 3) metres in the room: x right, y away from the camera, z up. */
  room: Float32Array;
}

/** Returns the row of a person who was found and lifted. */
export function rowOf(frame: number, found: Keypoints, pose: Pose, root: Point | null): Row {
  const pixels = found.pixels.map((value, i) => (pose.seen[i >> 1] ? value : NaN));
  return { frame, joints: pose.joints, root, pixels, scores: found.scores, seen: pose.seen, spread: pose.spread };
}

/** One-Euro for one person's joints and root. */
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

/** Returns the motion with the roots of every track known, or none. */
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

/** Returns the motion smoothed; its roots are all known in a track, or none. */
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

/** Seconds around a frame by which its floor goes: longer than a jump. */
const FLOOR_S = 1.5;
/** Of more frames within that time, as many spread over it say enough. */
const FLOOR_SAMPLES = 100;

/**
 * Returns everybody in a room with the floor at 0, by frame number.
 *
 * For the eye: unlike `floor.world_positions` in Python, the floor is where
 * a person's ankles are lowest around each moment, so that one who walks
 * before a tilted camera does not rise. People without a root stand above the
 * origin, with the lower ankle at its height in every frame.
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

/** Returns the values between two places: all of them, or every n-th of many. */
function spread(values: number[], first: number, end: number): number[] {
  const step = Math.ceil((end - first) / FLOOR_SAMPLES);
  const found: number[] = [];
  for (let i = Math.ceil(first / step) * step; i < end; i += step) found.push(values[i]!);
  return found;
}

function lower(room: Float32Array, height: number): void {
  for (let j = 0; j < COUNT; j += 1) room[3 * j + 2]! -= height;
}

/** The room of a person who is filmed now: the floor is that of before. */
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

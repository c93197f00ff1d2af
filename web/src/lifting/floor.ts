/** Converts from the camera's frame to a room with z up and the floor at 0. */

import tables from "../tables.json";
import type { Point } from "./root";
import { COUNT, joint } from "./skeleton";
import { cross, unit } from "./vectors";

export const LEVEL: Point = [0, -1, 0];

const ANKLES = [joint("RFoot"), joint("LFoot")];
const FLOOR_SHARE = 0.05;

type Rows = [right: Point, forward: Point, up: Point];

/**
 * Returns the rows of the rotation from the camera's axes to the room's: the
 * camera's right and forward directions, both horizontal, and up.
 */
export function rotationToWorld(up: Point): Rows {
  // For a camera on its side, right is up or down, and forward is used instead.
  const forward =
    Math.abs(up[0]) < 0.9
      ? unit(cross(up, [1, 0, 0]))
      : unit([0, 1, 2].map((i) => (i === 2 ? 1 : 0) - up[2] * up[i]!) as Point);
  return [cross(forward, up), forward, up];
}

/** Returns a pose's joints in the room's axes, relative to the camera: (17, 3). */
export function turned(
  pose: ArrayLike<number>,
  root: Point | null,
  rows: Rows,
): Float32Array {
  const made = new Float32Array(3 * COUNT);
  for (let j = 0; j < COUNT; j += 1) {
    const at = [0, 1, 2].map((axis) => pose[3 * j + axis]! + (root ? root[axis]! : 0));
    rows.forEach((row, axis) => {
      made[3 * j + axis] = row[0] * at[0]! + row[1] * at[1]! + row[2] * at[2]!;
    });
  }
  return made;
}

/** Returns the height of the lower ankle. */
export function lowestAnkle(joints: ArrayLike<number>): number {
  return Math.min(...ANKLES.map((j) => joints[3 * j + 2]!));
}

/**
 * Returns the floor's height: an ankle height below the 5th percentile of the
 * lower ankle's height, interpolated linearly like NumPy's percentile.
 */
export function floorOf(lowest: number[]): number {
  const sorted = [...lowest].sort((a, b) => a - b);
  const place = FLOOR_SHARE * (sorted.length - 1);
  const before = Math.floor(place);
  const low = sorted[before]!;
  const high = sorted[Math.min(before + 1, sorted.length - 1)]!;
  return low + (place - before) * (high - low) - tables.ankle_height_m;
}

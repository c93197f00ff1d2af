/**
 * Joint angles in degrees, as defined in `lifting/writers/angles.py`: 0 is
 * standing at attention, and flexion is positive.
 */

import type { Point } from "./root";
import { joint } from "./skeleton";
import { cross, dot, unit } from "./vectors";

/** The angles that the page shows for each side. */
export const ANGLES = ["knee", "hip", "elbow", "shoulder"] as const;
export type AngleName = (typeof ANGLES)[number];
export type Angles = Record<AngleName, { left: number; right: number }>;

const degrees = (y: number, x: number) => (Math.atan2(y, x) * 180) / Math.PI;

/** Returns the angle between two vectors, 0 to 180. */
export function between(a: Point, b: Point): number {
  return degrees(Math.hypot(...cross(a, b)), dot(a, b));
}

/** Returns the flexions of a pose (17, 3), in any right-handed frame. */
export function anglesOf(pose: ArrayLike<number>): Angles {
  const bone = (start: string, end: string): Point => {
    const [a, b] = [3 * joint(start), 3 * joint(end)];
    return [0, 1, 2].map((axis) => pose[b + axis]! - pose[a + axis]!) as Point;
  };
  // Forward and up directions of the lower and upper trunk.
  const lower = sagittal(bone("RHip", "LHip"), bone("Hip", "Spine"));
  const upper = sagittal(bone("RShoulder", "LShoulder"), bone("Spine", "Thorax"));
  const side = (letter: string) => {
    const thigh = bone(`${letter}Hip`, `${letter}Knee`);
    const arm = bone(`${letter}Shoulder`, `${letter}Elbow`);
    return {
      knee: between(thigh, bone(`${letter}Knee`, `${letter}Foot`)),
      hip: flexion(thigh, lower),
      elbow: between(arm, bone(`${letter}Elbow`, `${letter}Wrist`)),
      shoulder: flexion(arm, upper),
    };
  };
  const left = side("L");
  const right = side("R");
  return Object.fromEntries(
    ANGLES.map((name) => [name, { left: left[name], right: right[name] }]),
  ) as Angles;
}

function sagittal(left: Point, up: Point): [forward: Point, up: Point] {
  const upwards = unit(up);
  const along = dot(left, upwards);
  const leftwards = unit([0, 1, 2].map((i) => left[i]! - along * upwards[i]!) as Point);
  return [cross(leftwards, upwards), upwards];
}

/** Returns the flexion of a limb, seen from the side; 0 if it hangs. */
function flexion(limb: Point, [forward, up]: [Point, Point]): number {
  return degrees(dot(limb, forward), -dot(limb, up));
}

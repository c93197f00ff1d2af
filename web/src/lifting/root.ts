/** Finds the position of a person's hip in the camera's frame, in metres. */

import tables from "../tables.json";
import type { ImageSize } from "./lifter";
import { COUNT } from "./skeleton";

const FEWEST_JOINTS = 4;
/** The least spread of the joints' directions, as a tangent: that at 500 m. */
const LEAST_SPREAD = 1e-3;
const LEAST_DEPTH_M = 0.01;
const GAUSS_NEWTON_STEPS = 8;

export type Point = [number, number, number];

/** Returns the focal length in pixels for a field of view. */
export function focalLength(size: ImageSize, degrees = tables.field_of_view_deg): number {
  return Math.max(...size) / 2 / Math.tan((degrees * Math.PI) / 360);
}

/**
 * Returns the root for which a pose projects onto its keypoints.
 *
 * It minimises the sum over the joints of weight x squared distance in pixels.
 * The linear equations of the joints' directions give a first solution, which
 * Gauss-Newton steps on the pixels refine.
 *
 * @param joints (17, 3) metres from the hip.
 * @param pixels (17, 2); ignored where the weight is 0.
 * @param weights (17), at least 0.
 * @returns null for fewer than four joints, for joints at a single point, or
 *   if the pose only fits behind the camera.
 */
export function solveRoot(
  joints: ArrayLike<number>,
  pixels: ArrayLike<number>,
  weights: ArrayLike<number>,
  size: ImageSize,
): Point | null {
  const focal = focalLength(size);
  const centre = [size[0] / 2, size[1] / 2];
  const used: number[] = [];
  for (let j = 0; j < COUNT; j += 1) if (weights[j]! > 0) used.push(j);
  if (used.length < FEWEST_JOINTS) return null;
  const ray = (j: number, axis: number) => (pixels[2 * j + axis]! - centre[axis]!) / focal;
  if (spread(used, weights, ray) <= LEAST_SPREAD) return null;
  const pose = (j: number, axis: number) => joints[3 * j + axis]!;
  const leastDepth = (z: number) => z + Math.min(...used.map((j) => pose(j, 2)));

  let root = normalEquations(used, weights, (j, axis) => [
    1,
    -ray(j, axis),
    ray(j, axis) * pose(j, 2) - pose(j, axis),
  ]);
  if (!(leastDepth(root[2]) > LEAST_DEPTH_M)) return null;
  for (let step = 0; step < GAUSS_NEWTON_STEPS; step += 1) {
    const [x, y, z] = root;
    const moved = normalEquations(used, weights, (j, axis) => {
      const depth = z + pose(j, 2);
      const direction = ((axis ? y : x) + pose(j, axis)) / depth;
      const across = focal / depth;
      return [across, -across * direction, focal * (ray(j, axis) - direction)];
    });
    const tried: Point = [x + moved[0], y + moved[1], z + moved[2]];
    if (leastDepth(tried[2]) > LEAST_DEPTH_M) root = tried;
  }
  return root;
}

/** Returns the weighted standard deviation of directions. */
function spread(
  used: number[],
  weights: ArrayLike<number>,
  ray: (j: number, axis: number) => number,
): number {
  const total = used.reduce((sum, j) => sum + weights[j]!, 0);
  let square = 0;
  for (const axis of [0, 1]) {
    const mean = used.reduce((sum, j) => sum + (weights[j]! / total) * ray(j, axis), 0);
    square += used.reduce((sum, j) => sum + (weights[j]! / total) * (ray(j, axis) - mean) ** 2, 0);
  }
  return Math.sqrt(square);
}

/**
 * Solves weighted least squares for (x, y, z).
 *
 * @param equation Function of joint and axis that returns the coefficients of
 *   x or y and of z, and the right side.
 */
function normalEquations(
  used: number[],
  weights: ArrayLike<number>,
  equation: (j: number, axis: number) => [number, number, number],
): Point {
  // The matrix is [[a, 0, c], [0, b, d], [c, d, e]]: x and y are eliminated.
  const squares = [0, 0];
  const mixed = [0, 0];
  const ends = [0, 0];
  let last = 0;
  let lastEnd = 0;
  for (const j of used) {
    for (const axis of [0, 1]) {
      const [across, along, side] = equation(j, axis);
      const weight = weights[j]!;
      squares[axis]! += weight * across * across;
      mixed[axis]! += weight * across * along;
      ends[axis]! += weight * across * side;
      last += weight * along * along;
      lastEnd += weight * along * side;
    }
  }
  for (const axis of [0, 1]) {
    const share = mixed[axis]! / squares[axis]!;
    last -= share * mixed[axis]!;
    lastEnd -= share * ends[axis]!;
  }
  const z = lastEnd / last;
  return [(ends[0]! - mixed[0]! * z) / squares[0]!, (ends[1]! - mixed[1]! * z) / squares[1]!, z];
}

/**
 * Fills in unknown roots: by linear interpolation, and with the nearest root
 * before the first and after the last known one.
 *
 * @param frames Increasing frame numbers.
 * @returns null if no root is known.
 */
export function fillRoots(frames: ArrayLike<number>, roots: (Point | null)[]): Point[] | null {
  const known = roots.flatMap((root, i) => (root ? [i] : []));
  if (known.length === 0) return null;
  let next = 0;
  return roots.map((root, i) => {
    if (root) return root;
    while (next < known.length && known[next]! < i) next += 1;
    const before = known[next - 1];
    const after = known[next];
    if (before === undefined) return [...roots[after!]!] as Point;
    if (after === undefined) return [...roots[before]!] as Point;
    const share = (frames[i]! - frames[before]!) / (frames[after]! - frames[before]!);
    const [one, other] = [roots[before]!, roots[after]!];
    return one.map((value, axis) => value + share * (other[axis]! - value)) as Point;
  });
}

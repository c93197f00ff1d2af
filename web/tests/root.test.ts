import { describe, expect, it } from "vitest";

import { fillRoots, focalLength, solveRoot, type Point } from "../src/lifting/root";
import { COUNT } from "../src/lifting/skeleton";

/** A pose of points on a helix, 1.6 m high. */
const joints = Float64Array.from({ length: 3 * COUNT }, (_, i) => {
  const j = Math.floor(i / 3);
  return [0.3 * Math.sin(j), 0.1 * j - 0.8, 0.2 * Math.cos(2 * j)][i % 3]!;
});
const size: [number, number] = [640, 480];

function project(root: Point): Float64Array {
  const focal = focalLength(size);
  return Float64Array.from({ length: 2 * COUNT }, (_, i) => {
    const [j, axis] = [i >> 1, i % 2];
    const depth = joints[3 * j + 2]! + root[2];
    return (focal * (joints[3 * j + axis]! + root[axis]!)) / depth + size[axis]! / 2;
  });
}

describe("the root", () => {
  it("has the focal length of 60 degrees", () => {
    expect(focalLength(size)).toBeCloseTo(320 / Math.tan(Math.PI / 6), 9);
    expect(focalLength([480, 640], 90)).toBeCloseTo(320, 9);
  });

  it("is where the pose projects onto its keypoints", () => {
    const weights = new Float32Array(COUNT).fill(0.7);
    for (const root of [[0, 0, 2], [-0.7, 0.4, 5.5]] as Point[]) {
      const found = solveRoot(joints, project(root), weights, size)!;
      found.forEach((value, axis) => expect(value).toBeCloseTo(root[axis]!, 6));
    }
  });

  it("does not look at joints of weight 0", () => {
    const weights = new Float32Array(COUNT).fill(1);
    const pixels = project([0.2, 0, 3]);
    weights[4] = 0;
    pixels.set([1e9, NaN], 8);
    solveRoot(joints, pixels, weights, size)!.forEach((value, axis) =>
      expect(value).toBeCloseTo([0.2, 0, 3][axis]!, 6),
    );
  });

  it("is not told by three joints, nor by joints on one point", () => {
    const weights = new Float32Array(COUNT);
    weights.fill(1, 0, 3);
    expect(solveRoot(joints, project([0, 0, 2]), weights, size)).toBeNull();
    const point = new Float32Array(2 * COUNT).fill(100);
    expect(solveRoot(joints, point, weights.fill(1), size)).toBeNull();
  });

  it("is taken from the frames around where it is not told", () => {
    const roots = [null, [0, 0, 2], null, [3, 0, 5], null] as (Point | null)[];
    expect(fillRoots([0, 1, 3, 4, 9], roots)).toEqual([
      [0, 0, 2], [0, 0, 2], [2, 0, 4], [3, 0, 5], [3, 0, 5],
    ]);
    expect(fillRoots([0, 1], [null, null])).toBeNull();
  });
});

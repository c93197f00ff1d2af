import { describe, expect, it } from "vitest";

import { anchorCentres, DETECTOR_SIZE } from "../src/detector/anchors";
import { decode, overlap, sigmoid, suppress, type Detection } from "../src/detector/detection";

describe("anchors", () => {
  it("are BlazePose's 2254, layer by layer", () => {
    const centres = anchorCentres();
    // 28² x 2 + 14² x 2 + 7² x 6.
    expect(centres.length).toBe(2 * 2254);
    expect([...centres.slice(0, 6)]).toEqual(
      [0.5 / 28, 0.5 / 28, 0.5 / 28, 0.5 / 28, 1.5 / 28, 0.5 / 28].map(Math.fround),
    );
    expect(centres[2 * 28 * 28 * 2]).toBe(Math.fround(0.5 / 14));
    expect([...centres.slice(-2)]).toEqual([6.5 / 7, 6.5 / 7].map(Math.fround));
  });

  it("lie row by row", () => {
    // Two cells a side, two anchors each.
    expect([...anchorCentres(16, [8])]).toEqual(
      [
        [0.25, 0.25], [0.25, 0.25], [0.75, 0.25], [0.75, 0.25],
        [0.25, 0.75], [0.25, 0.75], [0.75, 0.75], [0.75, 0.75],
      ].flat(),
    );
  });
});

describe("decoding", () => {
  const centres = Float32Array.from([0.5, 0.5, 0.25, 0.75]);
  const side = DETECTOR_SIZE;
  const boxes = new Float32Array(24);
  // Of the second anchor: middle, size, hips, top, two points not used.
  boxes.set([side / 4, -side / 4, side / 2, side, 0, 0, side / 8, -side / 2, 0, 0, 0, 0], 12);

  it("adds the anchor and divides by the image's side", () => {
    const [found, ...others] = decode(boxes, Float32Array.from([-1, 2]), centres);
    expect(others).toEqual([]);
    expect(found!.box).toEqual([0.25, 0, 0.75, 1]);
    expect(found!.hips).toEqual([0.25, 0.75]);
    expect(found!.top).toEqual([0.375, 0.25]);
    expect(found!.score).toBeCloseTo(1 / (1 + Math.exp(-2)), 12);
  });

  it("keeps a score of one half, and no NaN", () => {
    expect(decode(boxes, Float32Array.from([0, NaN]), centres).length).toBe(1);
    expect(decode(boxes, Float32Array.from([-1e-3, -50]), centres)).toEqual([]);
  });

  it("clips logits so that no exponential overflows", () => {
    expect(decode(boxes, Float32Array.from([-1e9, 1e9]), centres)[0]!.score).toBe(sigmoid(100));
  });
});

function detection(score: number, x: number): Detection {
  return { score, box: [x, 0, x + 1, 1], hips: [x, 0], top: [x, 1] };
}

describe("suppression", () => {
  it("knows how much boxes overlap", () => {
    // Half of each is common: 0.5 / 1.5.
    expect(overlap([0, 0, 1, 1], [0.5, 0, 1.5, 1])).toBeCloseTo(1 / 3, 12);
    expect(overlap([0, 0, 1, 1], [1, 0, 2, 1])).toBe(0);
  });

  it("averages what overlaps by score, and keeps the others", () => {
    const found = suppress([detection(0.6, 5), detection(0.25, 0.2), detection(0.75, 0)]);
    expect(found.map(({ score }) => score)).toEqual([0.75, 0.6]);
    // (0.75 x 0 + 0.25 x 0.2) / 1.
    expect(found[0]!.hips[0]).toBeCloseTo(0.05, 12);
    expect(found[0]!.box[2]).toBeCloseTo(1.05, 12);
    expect(found[1]!.box).toEqual([5, 0, 6, 1]);
  });
});

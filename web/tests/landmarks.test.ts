import { describe, expect, it } from "vitest";

import { LANDMARKS_SIZE, personOf, refine } from "../src/detector/landmarks";

describe("refinement", () => {
  it("moves to the weighted middle of the window", () => {
    const side = 16;
    const heatmap = new Float32Array(side * side).fill(-100);
    heatmap[5 * side + 6] = 0; // one half
    heatmap[5 * side + 8] = 100; // one
    const points = Float32Array.from([6 / side, 5 / side]);
    refine(points, heatmap, side);
    // (6 x 0.5 + 8 x 1) / 1.5 cells.
    expect(points[0]).toBeCloseTo(22 / 3 / side, 6);
    expect(points[1]).toBeCloseTo(5 / side, 6);
  });

  it("leaves what no cell is sure of, and what lies outside", () => {
    const heatmap = new Float32Array(16 * 16 * 2).fill(-0.01);
    const points = Float32Array.from([0.5, 0.25, -0.1, 0.5]);
    refine(points, heatmap, 16);
    expect([...points]).toEqual([0.5, 0.25, Math.fround(-0.1), 0.5]);
  });

  it("does not look beyond three cells", () => {
    const heatmap = new Float32Array(16 * 16).fill(-100);
    heatmap[8 * 16 + 12] = 100;
    const points = Float32Array.from([8 / 16, 8 / 16]);
    refine(points, heatmap, 16);
    expect(points[0]).toBe(0.5);
  });
});

describe("a person", () => {
  const values = new Float32Array(39 * 5);
  for (let k = 0; k < 39; k += 1) values.set([LANDMARKS_SIZE / 2, k, 0, k - 16, 0], 5 * k);
  const heatmap = new Float32Array(64 * 64 * 39).fill(-100);
  const region = { x: 300, y: 400, side: 512, angle: 0 };

  it("is placed in the image, with the visibility's score", () => {
    const person = personOf(values, 0.9, heatmap, region)!;
    // Two pixels of the image for one of the network's, from (44, 144) on.
    expect([...person.pixels.slice(0, 4)]).toEqual([300, 144, 300, 146]);
    expect(person.scores[16]).toBe(0.5);
    expect(person.hips).toEqual([300, 144 + 2 * 33]);
    expect(person.top).toEqual([300, 144 + 2 * 34]);
  });

  it("is none if the network says so", () => {
    expect(personOf(values, 0.49, heatmap, region)).toBeNull();
    expect(personOf(values, NaN, heatmap, region)).toBeNull();
  });
});

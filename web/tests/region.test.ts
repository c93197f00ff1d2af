import { describe, expect, it } from "vitest";

import { personRegion, searchRegions, Steady, toImage, wholeImage } from "../src/detector/region";
import { sample } from "../src/detector/sampling";

describe("regions", () => {
  it("of an upright person are not turned", () => {
    const region = personRegion([100, 200], [100, 120]);
    expect(region).toEqual({ x: 100, y: 200, side: 200, angle: 0 });
  });

  it("turn with the person", () => {
    // Who lies with the head to the right: up in the square is right in the image.
    const region = personRegion([100, 200], [180, 200]);
    expect(region.angle).toBeCloseTo(Math.PI / 2, 12);
    const [x, y] = toImage(region, 0.5, 0);
    expect([x, y]).toEqual([expect.closeTo(200, 9), expect.closeTo(200, 9)]);
    // Their left-hand side of the square is up in the image.
    const [leftX, leftY] = toImage(region, 0, 0.5);
    expect([leftX, leftY]).toEqual([expect.closeTo(100, 9), expect.closeTo(100, 9)]);
  });

  it("of a whole image have bars above and below", () => {
    expect(toImage(wholeImage(640, 480), 0, 0)).toEqual([0, -80]);
    expect(toImage(wholeImage(640, 480), 1, 1)).toEqual([640, 560]);
  });

  it("search the whole image, then its parts from end to end", () => {
    const [whole, ...parts] = searchRegions(480, 1000);
    expect(whole!.side).toBe(1000);
    expect(parts.map(({ x, y, side }) => [x, y, side])).toEqual([
      [240, 300, 600], [240, 500, 600], [240, 700, 600],
    ]);
  });
});

describe("steadied regions", () => {
  it("of a still person stay, whatever trembles slowly", () => {
    const steady = new Steady();
    const first = steady.step([100, 200], [100, 100], 0);
    expect(first).toEqual(personRegion([100, 200], [100, 100]));
    // A hundredth of the diameter in a tenth of a second: a speed of 0.1,
    // low-passed at 1 Hz, is a cut-off of 0.01 + 10 x 0.1 x share Hz.
    const share = (hz: number) => 1 / (1 + 1 / (2 * Math.PI * hz * 0.1));
    const second = steady.step([102, 200], [102, 100], 0.1);
    expect(second.x).toBeCloseTo(100 + 2 * share(0.01 + share(1)), 9);
    expect(second.y).toBe(200);
  });

  it("begin anew where time has not gone on", () => {
    const steady = new Steady();
    steady.step([100, 200], [100, 100], 5);
    expect(steady.step([500, 200], [500, 100], 2).x).toBe(500);
  });
});

describe("sampling", () => {
  /** Red is x, green is y, of a picture of 4 x 3. */
  const picture = { data: new Uint8ClampedArray(4 * 12), width: 4, height: 3 };
  for (let y = 0; y < 3; y += 1) {
    for (let x = 0; x < 4; x += 1) picture.data.set([10 * x, 10 * y, 255, 255], 4 * (4 * y + x));
  }

  it("at the picture's own size copies it, with black bars", () => {
    const into = new Float32Array(4 * 4 * 3);
    sample(picture, { x: 2, y: 1.5, side: 4, angle: 0 }, 4, "black", 0, 255, into);
    // The square begins half a pixel above: each of its rows is between two.
    expect([...into.slice(3, 6)].map(Math.round)).toEqual([10, 0, 255]);
    expect([...into.slice(15, 18)].map(Math.round)).toEqual([10, 5, 255]);
    sample(picture, { x: 2, y: 2, side: 4, angle: 0 }, 4, "black", -1, 1, into);
    expect(into[2]).toBeCloseTo(1, 6);
    expect(into[3 * 15]).toBe(-1);
  });

  it("interpolates, and turns clockwise", () => {
    const one = new Float32Array(3);
    sample(picture, { x: 1.75, y: 1.5, side: 1, angle: 0 }, 1, "border", 0, 255, one);
    expect([...one]).toEqual([expect.closeTo(12.5, 4), expect.closeTo(10, 4), expect.closeTo(255, 3)]);
    const four = new Float32Array(12);
    sample(picture, { x: 2, y: 1.5, side: 2, angle: Math.PI / 2 }, 2, "border", 0, 255, four);
    // The square's first pixel is its upper left, in the image the upper right.
    expect(four[0]).toBeCloseTo(20, 4);
    expect(four[1]).toBeCloseTo(5, 4);
    expect(four[3]).toBeCloseTo(20, 4);
    expect(four[4]).toBeCloseTo(15, 4);
  });

  it("gives black or the border's colours beyond the picture", () => {
    const into = new Float32Array(12).fill(9);
    sample(picture, { x: 500, y: -500, side: 10, angle: 1 }, 2, "border", 0, 255, into);
    expect([...into.slice(0, 3)].map(Math.round)).toEqual([30, 0, 255]);
    sample(picture, { x: 500, y: -500, side: 10, angle: 1 }, 2, "black", -1, 1, into);
    expect([...into]).toEqual(new Array(12).fill(-1));
  });
});

import { describe, expect, it } from "vitest";

import { OneEuroStream } from "../src/lifting/smoothing";

const settings = { minCutoffHz: 1, betaPerM: 8, derivativeCutoffHz: 1 };

describe("One-Euro", () => {
  it("returns the first frame, and one after half a second, as they are", () => {
    const stream = new OneEuroStream(settings);
    expect([...stream.step([1, 2, 3], 0)]).toEqual([1, 2, 3]);
    expect([...stream.step([9, 9, 9], 0.6)]).toEqual([9, 9, 9]);
  });

  it("steps by the share of a cut-off that rises with speed", () => {
    const stream = new OneEuroStream(settings);
    stream.step([0, 0, 0, 5, 5, 5], 0);
    const elapsed = 0.1;
    const share = (hz: number) => 1 / (1 + 1 / (2 * Math.PI * hz * elapsed));
    // A velocity of (3, 4, 0) / 0.1 s, low-passed at 1 Hz from 0.
    const speed = 50 * share(1);
    const part = share(1 + 8 * speed);
    const [x, y, z, ...still] = stream.step([3, 4, 0, 5, 5, 5], elapsed);
    expect(x).toBeCloseTo(3 * part, 12);
    expect(y).toBeCloseTo(4 * part, 12);
    expect(z).toBe(0);
    expect(still).toEqual([5, 5, 5]);
  });

  it("does not depend on where the axes point", () => {
    const [one, other] = [new OneEuroStream(settings), new OneEuroStream(settings)];
    one.step([0, 0, 0], 0);
    other.step([0, 0, 0], 0);
    expect(one.step([5, 0, 0], 0.05)[0]).toBeCloseTo(Math.hypot(...other.step([3, 4, 0], 0.05)), 12);
  });

  it("refuses time that does not go on", () => {
    const stream = new OneEuroStream(settings);
    stream.step([0, 0, 0], 1);
    expect(() => stream.step([0, 0, 0], 1)).toThrow("expected a frame after");
  });
});

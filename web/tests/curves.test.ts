import { describe, expect, it } from "vitest";

import { columnsOf, type Sample } from "../src/view/curves";

const sample = (seconds: number) => ({ seconds }) as Sample;

describe("curves", () => {
  it("go through every sample where there is room, and break at pauses", () => {
    const columns = columnsOf([0, 0.4, 1].map(sample), ({ seconds }) => 10 * seconds, (seconds) => 100 * seconds);
    expect(columns).toEqual([
      { at: 0, values: [0], isStart: true },
      { at: 40, values: [4], isStart: false },
      { at: 100, values: [10], isStart: true },
    ]);
  });

  it("have no more points than four a pixel, and lose no peak", () => {
    const samples = Array.from({ length: 40_000 }, (_, i) => sample(i / 100));
    const valueOf = ({ seconds }: Sample) => (seconds === 123 ? 170 : seconds === 124 ? -50 : 20);
    const columns = columnsOf(samples, valueOf, (seconds) => seconds / 2);
    expect(columns.length).toBe(200);
    expect(columns.every(({ values }) => values.length <= 4)).toBe(true);
    expect(columns.filter(({ isStart }) => isStart).length).toBe(1);
    expect(columns[61]!.values).toEqual([20, 20, 170, 20]);
    expect(columns[62]!.values).toEqual([-50, -50, 20, 20]);
  });
});

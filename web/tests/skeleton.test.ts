import { describe, expect, it } from "vitest";

import { COUNT, convert, isSeen, joint, jointsOf, MIRRORED, SIDES } from "../src/lifting/skeleton";

function person(name: "COCO-17" | "MediaPipe-33") {
  const joints = jointsOf(name);
  const pixels = new Float32Array(2 * joints.length);
  const scores = new Float32Array(joints.length).fill(1);
  const place = (one: string, x: number, y: number) => pixels.set([x, y], 2 * joints.indexOf(one));
  return { joints, pixels, scores, place };
}

describe("conversion", () => {
  it("makes hip, spine, thorax, neck and head of hips, shoulders and ears", () => {
    const { pixels, scores, place } = person("MediaPipe-33");
    place("left_hip", 10, 100);
    place("right_hip", -10, 100);
    place("left_shoulder", 20, 0);
    place("right_shoulder", -20, 0);
    place("left_ear", 8, -40);
    place("right_ear", -8, -40);
    const made = convert("MediaPipe-33", pixels, scores);
    const y = (name: string) => made.pixels[2 * joint(name) + 1];
    expect(y("Hip")).toBe(100);
    expect(y("Spine")).toBeCloseTo(55, 4);
    expect(y("Thorax")).toBe(0);
    expect(y("Neck/Nose")).toBe(-20);
    expect(y("Head")).toBeCloseTo(-44, 4);
    expect(made.pixels[2 * joint("LHip")]).toBe(10);
  });

  it("takes another way to the head where an ear is not seen", () => {
    const { joints, pixels, scores, place } = person("COCO-17");
    place("left_shoulder", 20, 0);
    place("right_shoulder", -20, 0);
    place("left_ear", 8, -40);
    scores[joints.indexOf("right_ear")] = 0.1;
    scores[joints.indexOf("left_ear")] = 0.8;
    const made = convert("COCO-17", pixels, scores);
    // The ear, moved inwards by a fifth of the line between the shoulders;
    // the head a fifth beyond.
    expect(made.scores[joint("Head")]).toBeCloseTo(0.8, 6);
    expect(made.pixels[2 * joint("Head")]).toBeCloseTo(1.2 * (8 - 0.2 * 40), 4);
    expect(made.pixels[2 * joint("Head") + 1]).toBeCloseTo(-48, 4);
  });

  it("is as sure as the least of the sources, and (0, 0) where that is 0", () => {
    const { joints, pixels, scores, place } = person("COCO-17");
    place("left_hip", 4, 4);
    scores[joints.indexOf("left_hip")] = 0.25;
    scores[joints.indexOf("right_hip")] = 0;
    const made = convert("COCO-17", pixels, scores);
    expect(made.scores[joint("LHip")]).toBe(0.25);
    expect(made.scores[joint("Hip")]).toBe(0);
    expect(made.pixels[2 * joint("Hip")]).toBe(0);
  });

  it("refuses another number of joints", () => {
    expect(() => convert("COCO-17", new Float32Array(32), new Float32Array(16))).toThrow("17 joints");
  });
});

describe("the skeleton", () => {
  it("mirrors sides to each other", () => {
    for (let j = 0; j < COUNT; j += 1) {
      expect(MIRRORED[MIRRORED[j]!]).toBe(j);
      const other = { left: "right", right: "left", middle: "middle" }[SIDES[j]!];
      expect(SIDES[MIRRORED[j]!]).toBe(other);
    }
  });

  it("counts joints as seen from 0.3 on", () => {
    expect([0, 0.29, 0.3, 1].map(isSeen)).toEqual([false, false, true, true]);
  });
});

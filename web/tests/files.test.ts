import { describe, expect, it } from "vitest";

import { brief, FileError, MAX_BYTES, MAX_ROWS, parse } from "../src/files/checks";
import * as keypoints from "../src/files/keypoints";
import * as results from "../src/files/results";
import { LEVEL } from "../src/lifting/floor";
import type { Motion } from "../src/lifting/motion";
import { printable } from "../src/page";
import { COUNT, joint } from "../src/lifting/skeleton";

const motion: Motion = {
  tracks: [
    {
      id: 3,
      rows: [2, 5].map((frame) => ({
        frame,
        joints: Float32Array.from({ length: 51 }, (_, i) => Math.fround(i / 7 + frame)),
        root: [0.1, -0.2, 3].map(Math.fround) as [number, number, number],
        pixels: Float32Array.from({ length: 34 }, (_, i) => (i < 2 ? NaN : i * 1.7)),
        scores: new Float32Array(COUNT).fill(0.9),
        seen: Array.from({ length: COUNT }, (_, j) => j > 0),
        spread: new Float32Array(COUNT).fill(0.01),
      })),
    },
  ],
  imageSize: [640, 480],
  imageCorner: [0, 0],
  fps: 29.97,
  up: LEVEL,
  notes: ["<b>A note</b>"],
  normalisation: "width",
  provenance: { input: "camera" },
};

type Json = Record<string, any>;

function saved(change: (content: Json) => void = () => undefined): Json {
  const content = JSON.parse(results.write(motion)) as Json;
  change(content);
  return content;
}

describe("saved results", () => {
  it("are read as they were written, to the bit", () => {
    const content = saved();
    expect(results.isResult(content)).toBe(true);
    expect(results.read(content)).toEqual(motion);
    expect(content.tracks[0].keypoints_px[0][0]).toEqual([null, null]);
  });

  it("are small enough to be read, however long", () => {
    const rows = Array.from({ length: 50 }, (_, frame) => ({
      ...motion.tracks[0]!.rows[0]!,
      frame: 1e6 + frame,
      // The longest decimals that a room of ten metres has.
      joints: Float32Array.from({ length: 51 }, (_, i) => -(2 + i / 7 + 1 / 3)),
      root: [-1 / 30, -2 - 1 / 3, 7 + 1 / 3] as [number, number, number],
      pixels: Float32Array.from({ length: 34 }, (_, i) => 1000 + i * 1.7 + 1 / 3),
      scores: new Float32Array(COUNT).fill(1 / 3),
      seen: new Array<boolean>(COUNT).fill(false),
      spread: new Float32Array(COUNT).fill(1 / 300),
    }));
    const size = (count: number) => results.write({ ...motion, tracks: [{ id: 0, rows: rows.slice(0, count) }] }).length;
    const each = (size(50) - size(10)) / 40;
    expect(each * MAX_ROWS).toBeLessThan(MAX_BYTES - size(1));
  });

  it("have the shortest decimals of their float32", () => {
    expect(results.decimal(Math.fround(0.1))).toBe(0.1);
    expect(results.decimal(Math.fround(1 / 3))).toBe(0.33333334);
    expect(results.decimal(NaN)).toBeNull();
    for (const value of [1e-20, 123456.789, -7.0000005].map(Math.fround)) {
      expect(Math.fround(results.decimal(value)!)).toBe(value);
    }
  });

  it.each([
    ["units", (c: Json) => (c.units = "inches"), 'units: expected "metres", got "inches"'],
    ["joints", (c: Json) => (c.joint_names[0] = "<img>"), "joint_names: expected Human3.6M's"],
    ["no tracks", (c: Json) => (c.tracks = []), "expected 1 to 200 people, got 0"],
    ["rows", (c: Json) => c.tracks[0].seen.pop(), "seen: expected 2 values, got 1"],
    ["a pose", (c: Json) => c.tracks[0].poses_3d[1].pop(), "poses_3d: expected 17 values, got 16"],
    ["null", (c: Json) => (c.tracks[0].poses_3d[0][0][0] = null), "poses_3d: expected a number"],
    ["a text", (c: Json) => (c.tracks[0].scores[0][0] = "1"), 'scores: expected a number from 0 to 1, got "1"'],
    ["order", (c: Json) => c.tracks[0].frame_numbers.reverse(), "expected increasing whole numbers, got 2"],
    ["far frames", (c: Json) => (c.tracks[0].frame_numbers[1] = 1e12), "from 0 to 10000000"],
    ["up", (c: Json) => (c.up = [0, 0, 0]), "up: expected a vector of length 1"],
    ["ids", (c: Json) => c.tracks.push(c.tracks[0]), "track_id: expected different ids"],
    ["normalisation", (c: Json) => (c.normalisation = "x"), "expected longest or width"],
    ["provenance", (c: Json) => (c.provenance = []), "provenance: expected an object"],
    ["fps", (c: Json) => (c.fps = 0), "fps: expected a number"],
    ["high fps", (c: Json) => (c.fps = 1001), "fps: expected a number from 0.000001 to 1000"],
  ])("are refused for wrong %s", (_, change, message) => {
    expect(() => results.read(saved(change))).toThrow(message);
    expect(() => results.read(saved(change))).toThrow(FileError);
  });
});

describe("keypoints", () => {
  it("of MediaPipe are scaled by the image, frames without a person left out", () => {
    const frame = Array.from({ length: 33 }, (_, k) => ({ x: 0.5, y: k / 100, z: 9, visibility: 0.8 }));
    const clip = keypoints.read({ frames: [[], frame], image_size: [200, 100], fps: 25 });
    expect(clip.people.map((one) => one.frame)).toEqual([1]);
    expect(clip.imageSize).toEqual([200, 100]);
    expect(clip.fps).toBe(25);
    const { pixels, scores } = clip.people[0]!.keypoints;
    // The left hip is MediaPipe's 23rd.
    expect([...pixels.slice(2 * joint("LHip"), 2 * joint("LHip") + 2)]).toEqual([100, 23]);
    expect(scores[0]).toBeCloseTo(0.8, 6);
  });

  it("of COCO keep the surest of several people, within an assumed square", () => {
    const person = (x: number, score: number) => ({
      image_id: 4,
      score,
      keypoints: Array.from({ length: 51 }, (_, i) => [x + (i === 0 ? 80 : 0), 10 + i, 0.9][i % 3]),
    });
    const clip = keypoints.read([person(500, 0.2), person(100, 0.7)]);
    expect(clip.people.length).toBe(1);
    expect(clip.sizeKnown).toBe(false);
    // From 100 to 180: a quarter more than 80 wide.
    expect(clip.imageSize).toEqual([100, 100]);
    expect(clip.imageCorner[0]).toBe(90);
    expect(clip.people[0]!.keypoints.pixels[2 * joint("LWrist")]).toBe(10);
    expect(clip.notes.length).toBe(2);
  });

  it("of rtmlib have lists of people", () => {
    const points = Array.from({ length: 17 }, (_, j) => [j + 1, 2 * j + 1]);
    const clip = keypoints.read([
      { frame: 7, keypoints: [points], scores: [new Array(17).fill(1.02)] },
      { frame: 8, keypoints: [], scores: [] },
    ]);
    expect(clip.people.map((one) => one.frame)).toEqual([7]);
    expect(clip.people[0]!.keypoints.scores[5]).toBe(1);
  });

  it("at (0, 0) are not seen", () => {
    const points = Array.from({ length: 17 }, (_, j) => (j === 9 ? [0, 0] : [5, j + 1]));
    const clip = keypoints.read({ frames: [{ keypoints: points }], image_size: [9, 9] });
    expect(clip.people[0]!.keypoints.scores[joint("LWrist")]).toBe(0);
    expect(clip.people[0]!.keypoints.scores[joint("RWrist")]).toBe(1);
  });

  it.each([
    [{}, "the file: expected a list"],
    [[], "it contains no person"],
    [[{ keypoints: [1, 2] }], "expected COCO's 17 joints, got 2 numbers"],
    [[{ image_id: 1e9, keypoints: new Array(51).fill(1) }], "image_id: expected a number"],
    [[{ keypoints: new Array(17).fill([1e9, 0]) }], "keypoints: expected a number"],
    [[{ keypoints: new Array(17).fill([0, 0]) }], "no joint is visible"],
    [[{ keypoints: new Array(201).fill([[1, 2]]) }], "at most 200 people in a frame, got 201"],
    [{ frames: [[]], image_size: [0, 5] }, "image_size: expected a number from 1"],
    [{ frames: [[{ x: 1 }]], image_size: [5, 5] }, "landmarks: expected 33 values, got 1"],
  ])("%j are refused", (content, message) => {
    expect(() => keypoints.read(content)).toThrow(message);
  });
});

describe("texts of strangers", () => {
  it("are short and printable on the page", () => {
    expect(printable("\u202ea\u0007b\u200bc\ud800")).toBe("?a?b?c?");
    expect(printable("Grüße, 你好 😀")).toBe("Grüße, 你好 😀");
    expect(printable("x".repeat(301)).length).toBe(300);
    expect(printable("x".repeat(300))).toBe("x".repeat(300));
  });

  it("are short and printable in messages", () => {
    expect(brief({ a: "\u202e\u0007x".repeat(50) }).length).toBeLessThanOrEqual(61);
    expect(brief("\u0007")).toBe('"\\u0007"');
  });

  it("may be deep", () => {
    const deep = parse(`${"[".repeat(100_000)}${"]".repeat(100_000)}`);
    expect(() => keypoints.read(deep)).toThrow("expected people with keypoints, got a list of 1");
    for (const name of ["units", "up", "normalisation"]) {
      expect(() => results.read(saved((c) => (c[name] = [deep])))).toThrow("expected");
    }
    expect(() => results.read(saved((c) => (c.joint_names[0] = deep)))).toThrow("joint_names: expected Human3.6M's");
    expect(results.read(saved((c) => (c.notes = [deep, { a: deep }]))).notes).toEqual(["a list of 1", "an object of a"]);
    expect(results.read(saved((c) => (c.provenance.input = deep))).provenance).toEqual({ input: "a list of 1" });
  });

  it("that are no JSON are said to be none", () => {
    expect(() => parse("<html>")).toThrow("it is not JSON");
  });
});

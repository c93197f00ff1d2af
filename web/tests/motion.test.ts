import { describe, expect, it } from "vitest";

import { floorOf, LEVEL, rotationToWorld } from "../src/lifting/floor";
import { inRoom, LiveRoom, rowOf, smoothed, type Motion, type Row } from "../src/lifting/motion";
import { rateOf, Recording } from "../src/lifting/recording";
import { COUNT, joint } from "../src/lifting/skeleton";
import { DEFAULT } from "../src/lifting/smoothing";
import { contain, viewOf } from "../src/view/overlay";
import { heldAt } from "../src/view/player";

/** Someone whose feet are 0.8 m below the hip, y pointing down. */
function row(frame: number, root: Row["root"], feet = 0.8): Row {
  const joints = new Float32Array(3 * COUNT);
  for (const side of "LR") joints[3 * joint(`${side}Foot`) + 1] = feet;
  return {
    frame,
    joints,
    root,
    pixels: new Float32Array(2 * COUNT),
    scores: new Float32Array(COUNT).fill(1),
    seen: new Array<boolean>(COUNT).fill(true),
    spread: new Float32Array(COUNT),
  };
}

function motionOf(...rows: Row[]): Motion {
  return {
    tracks: [{ id: 0, rows }],
    imageSize: [640, 480],
    imageCorner: [0, 0],
    fps: 10,
    up: LEVEL,
    notes: [],
    normalisation: "longest",
    provenance: {},
  };
}

describe("the room", () => {
  it("has z up, y away from the camera and x to its right", () => {
    expect(rotationToWorld(LEVEL).map((r) => r.map((v) => v + 0))).toEqual([[1, 0, 0], [0, 0, 1], [0, -1, 0]]);
    // A camera on its side: its right is up.
    const [right, forward, up] = rotationToWorld([1, 0, 0]);
    expect([right, forward, up].map((r) => r.map((v) => v + 0))).toEqual([[0, 1, 0], [0, 0, 1], [1, 0, 0]]);
  });

  it("has its floor an ankle below the lowest twentieth", () => {
    // Of 0, 1, ..., 20 the twentieth is 1.
    expect(floorOf(Array.from({ length: 21 }, (_, i) => 20 - i))).toBeCloseTo(0.91, 12);
    expect(floorOf([3])).toBeCloseTo(2.91, 12);
  });

  it("puts people on the floor, and lets them jump", () => {
    const rows = Array.from({ length: 30 }, (_, i) => row(i, [1, i === 15 ? -0.5 : 0, 4]));
    const frames = inRoom(motionOf(...rows), 10);
    const foot = 3 * joint("LFoot");
    const at = (frame: number) => [...frames.get(frame)![0]!.room.slice(foot, foot + 3)];
    expect(at(3)).toEqual([1, 4, expect.closeTo(0.09, 5)]);
    expect(at(15)[2]).toBeCloseTo(0.59, 5);
  });

  it("takes time by the rows alone, at any rate", () => {
    const timeOf = (count: number) => {
      const start = performance.now();
      inRoom(motionOf(...Array.from({ length: count }, (_, i) => row(i, [1, Math.sin(i), 4]))), 1000);
      return performance.now() - start;
    };
    timeOf(500); // compiled
    // A window of 3000 rows, sorted for every row, would take a minute.
    expect(timeOf(20_000)).toBeLessThan(5000);
  });

  it("has the same floor where a window has more rows than are looked at", () => {
    const rows = Array.from({ length: 3000 }, (_, i) => row(i, [1, 0, 4]));
    const foot = 3 * joint("LFoot") + 2;
    for (const [{ room }] of inRoom(motionOf(...rows), 1000).values() as Iterable<{ room: Float32Array }[]>) {
      expect(room[foot]).toBeCloseTo(0.09, 5);
    }
  });

  it("stands people without a root above the origin, in every frame", () => {
    const frames = inRoom(motionOf(row(0, null, 0.8), row(1, null, 0.4)), 10);
    for (const [frame, hip] of [[0, 0.89], [1, 0.49]] as const) {
      const { room } = frames.get(frame)![0]!;
      expect([...room.slice(0, 3)]).toEqual([0, 0, expect.closeTo(hip, 5)]);
    }
  });

  it("goes by the floor of before while someone is filmed", () => {
    const live = new LiveRoom();
    const height = (seconds: number, y: number) =>
      live.place(row(0, [0, y, 3]), seconds).room[3 * joint("LFoot") + 2];
    expect(height(0, 0)).toBeCloseTo(0.09, 5);
    expect(height(0.5, -0.4)).toBeCloseTo(0.09 + 0.4 - 0.05 * 0.4, 5);
    // The first is forgotten.
    expect(height(1.9, -0.4)).toBeCloseTo(0.09, 5);
  });
});

describe("a played clip", () => {
  it("shows everyone through gaps of half a second, each as last seen", () => {
    const motion = motionOf(row(0, [0, 0, 3]), row(3, [0, 0, 4]), row(20, [0, 0, 5]));
    motion.tracks.push({ id: 7, rows: [row(2, [1, 0, 3])] });
    const frames = inRoom(motion, 10);
    const at = (frame: number) => heldAt(frames, frame, 10).map(({ id, row: { frame: of } }) => [id, of]);
    expect(at(1)).toEqual([[0, 0]]);
    expect(at(4)).toEqual([[0, 3], [7, 2]]);
    expect(at(8)).toEqual([[0, 3]]);
    expect(at(9)).toEqual([]);
    expect(at(20)).toEqual([[0, 20]]);
  });
});

describe("recordings", () => {
  it("number frames from the first by the rate, each once", () => {
    const recording = new Recording([640, 480], 100);
    for (const seconds of [5, 5.04, 5.05, 5.16]) {
      const lifter = seconds < 5.05 ? "one" : "other";
      recording.add(row(0, [0, 0, seconds]), seconds, { lifter, detector: "full" });
    }
    expect(recording.used("lifter")).toEqual(["one", "other"]);
    expect(recording.used("detector")).toEqual(["full"]);
    const motion = recording.finish(null, 25, ["A note."], { input: "camera" })!;
    const [track] = motion.tracks;
    expect(track!.rows.map(({ frame }) => frame)).toEqual([0, 1, 4]);
    expect(track!.rows.map(({ root }) => root![2])).toEqual([5, 5.04, 5.16]);
    expect(motion.notes).toEqual(["A note."]);
    expect(motion.provenance).toEqual({ input: "camera" });
    // A video's frames are counted from its start.
    const numbers = recording.finish(4.8, 25, [], {})!.tracks[0]!.rows.map(({ frame }) => frame);
    expect(numbers).toEqual([5, 6, 9]);
  });

  it("hold no more than they may, and are nothing without a person", () => {
    const recording = new Recording([640, 480], 2);
    expect(recording.finish(null, 25, [], {})).toBeNull();
    for (const seconds of [0, 1, 2]) recording.add(row(0, null), seconds, { lifter: "one", detector: "full" });
    expect(recording.full).toBe(true);
    expect(recording.count).toBe(2);
  });

  it("know usual rates from times with gaps", () => {
    const times = [0, 1, 2, 4, 5, 6, 9].map((frame) => (frame * 1001) / 30000);
    expect(rateOf(times)).toBe(30000 / 1001);
    expect(rateOf([0, 0.14, 0.28, 0.42])).toBe(7.14);
    expect(rateOf([0, 1])).toBeNull();
    for (const fps of [24, 30, 50, 60]) {
      const rounded = Array.from({ length: 90 }, (_, i) => Math.round((1000 * i) / fps) / 1000);
      expect(rateOf(rounded)).toBe(fps);
      expect(rateOf(rounded.filter((_, i) => i % 7 !== 3))).toBe(fps);
    }
  });

  it("mark what was not seen as unknown", () => {
    const found = { pixels: new Float32Array(34).fill(7), scores: new Float32Array(17) };
    const seen = new Array<boolean>(17).fill(false).fill(true, 0, 1);
    const made = rowOf(3, found, { joints: new Float32Array(51), spread: new Float32Array(17), seen }, null);
    expect([...made.pixels.slice(0, 3)]).toEqual([7, 7, NaN]);
  });

  it("are smoothed with their roots, and say so", () => {
    const motion = motionOf(row(0, [0, 0, 3]), row(1, [0, 0, 4]));
    const [, second] = smoothed(motion, DEFAULT, 10).tracks[0]!.rows;
    expect(second!.root![2]).toBeGreaterThan(3.5);
    expect(second!.root![2]).toBeLessThan(4);
    expect(smoothed(motion, DEFAULT, 10).notes[0]).toContain("One-Euro: 1 Hz");
    expect(motion.tracks[0]!.rows[1]!.root![2]).toBe(4);
  });
});

describe("the 2D view", () => {
  it("shows an image whole, in the middle of its panel", () => {
    const whole = (width: number, height: number) => ({ x: 0, y: 0, width, height });
    expect(contain(whole(640, 480), 640, 640)).toEqual({ left: 0, top: 80, scale: 1 });
    expect(contain(whole(480, 640), 640, 320)).toEqual({ left: 200, top: 0, scale: 0.5 });
  });

  it("shows the part of an image that people are in", () => {
    const one = row(0, null);
    one.pixels.fill(200);
    one.pixels.set([100, 300, 200, 100], 0);
    // 200 high: 30 around them, and nothing beyond the image.
    expect(viewOf([one], [640, 310])).toEqual({ x: 70, y: 70, width: 160, height: 240 });
    expect(contain(viewOf([one], [640, 310]), 320, 480)).toEqual({ left: -140, top: -140, scale: 2 });
    one.seen.fill(false);
    expect(viewOf([one], [640, 310])).toEqual({ x: 0, y: 0, width: 640, height: 310 });
  });
});

import { describe, expect, it } from "vitest";

import { lift, mirror, normalize } from "../src/lifting/lifter";
import { COUNT, joint, MIRRORED } from "../src/lifting/skeleton";

describe("normalisation", () => {
  it("maps the longest side to [-1, 1], the middle to 0", () => {
    expect([...normalize([0, 0, 640, 480, 320, 240], [640, 480])]).toEqual([-1, -0.75, 1, 0.75, 0, 0]);
    expect([...normalize([0, 0, 480, 640], [480, 640])]).toEqual([-0.75, -1, 0.75, 1]);
  });
});

describe("lifting", () => {
  const keypoints = {
    pixels: Float32Array.from({ length: 2 * COUNT }, (_, i) => 10 * i),
    scores: new Float32Array(COUNT).fill(1),
  };

  it("is the mean of the image and its mirror image", async () => {
    const asked: Float32Array[] = [];
    // A network that says: depth is 1 for the image, 3 for its mirror image,
    // and x is the keypoint's own.
    const pose = await lift(keypoints, [640, 480], async (points) => {
      asked.push(points);
      return Float32Array.from({ length: 3 * COUNT }, (_, i) =>
        i % 3 === 0 ? points[(2 * i) / 3]! : i % 3 === 2 ? 2 * asked.length - 1 : 0,
      );
    });
    expect(asked.length).toBe(2);
    expect(asked[1]).toEqual(mirror(asked[0]!, 2));
    for (let j = 0; j < COUNT; j += 1) {
      expect(pose!.joints[3 * j]).toBeCloseTo((20 * j - 320) / 320, 6);
      expect(pose!.joints[3 * j + 2]).toBe(2);
      expect(pose!.spread[j]).toBeCloseTo(1, 6);
    }
  });

  it("shows the network nothing of what was not seen", async () => {
    const scores = keypoints.scores.slice();
    scores[joint("LKnee")] = 0.2;
    const seen: Float32Array[] = [];
    const pose = await lift({ ...keypoints, scores }, [640, 480], async (points, mask) => {
      seen.push(mask);
      const hidden = mask.indexOf(0);
      expect([...points.slice(2 * hidden, 2 * hidden + 2)].map(Math.abs)).toEqual([0, 0]);
      return new Float32Array(3 * COUNT);
    });
    expect(seen.map((mask) => mask.indexOf(0))).toEqual([joint("LKnee"), MIRRORED[joint("LKnee")]]);
    expect(pose!.seen.filter((one) => !one).length).toBe(1);
  });

  it("is null where nothing is seen, and an error where the pose is NaN", async () => {
    const none = { ...keypoints, scores: new Float32Array(COUNT) };
    expect(await lift(none, [640, 480], async () => new Float32Array(51))).toBeNull();
    await expect(
      lift(keypoints, [640, 480], async () => new Float32Array(51).fill(NaN)),
    ).rejects.toThrow("not finite");
  });

  it("mirrors x and the sides alone", () => {
    const points = Float32Array.from({ length: 51 }, (_, i) => i + 1);
    const mirrored = mirror(points, 3);
    expect([...mirrored.slice(0, 3)]).toEqual([-1, 2, 3]);
    const left = 3 * joint("LWrist");
    const right = 3 * joint("RWrist");
    expect([...mirrored.slice(left, left + 3)]).toEqual([-(right + 1), right + 2, right + 3]);
    expect(mirror(mirrored, 3)).toEqual(points);
  });
});

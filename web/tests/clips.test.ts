import { describe, expect, it } from "vitest";

import { clipOf } from "../src/clips";
import type { Engine } from "../src/engine/client";
import type { Found, LifterName } from "../src/engine/messages";
import { COUNT } from "../src/lifting/skeleton";

const FILE = JSON.stringify({
  frames: Array.from({ length: 3 }, () => ({
    keypoints: Array.from({ length: 17 }, (_, joint) => [100 + joint, 50, 0.9]),
  })),
  image_size: [640, 480],
  fps: 25,
});

/** An engine that lifts each person with the lifter chosen by then. */
function engineOf(...lifters: LifterName[]): Engine {
  const lift: Engine["lift"] = async (people) =>
    people.map((keypoints, i): Found => ({
      keypoints,
      pose: {
        joints: new Float32Array(3 * COUNT),
        spread: new Float32Array(COUNT),
        seen: new Array<boolean>(COUNT).fill(true),
      },
      root: null,
      choice: { lifter: lifters[i]!, detector: "full" },
    }));
  return { lift } as Engine;
}

describe("a lifted file", () => {
  it("names the networks that lifted it", async () => {
    const { signal } = new AbortController();
    const open = (...lifters: LifterName[]) =>
      clipOf(FILE, "walk.json", engineOf(...lifters), () => undefined, signal);
    const one = await open("ampose_t", "ampose_t", "ampose_t");
    expect(one.motion.provenance).toEqual({ input: "walk.json", model: "ampose_t_float32.tflite" });
    const two = await open("ampose_s", "ampose_t", "ampose_t");
    expect(two.motion.provenance.model).toBe("ampose_s_float32.tflite, ampose_t_float32.tflite");
  });
});

import { describe, expect, it } from "vitest";

import { DETECTOR_SIZE } from "../src/detector/anchors";
import { LANDMARKS_SIZE } from "../src/detector/landmarks";
import { Tracker, type Networks } from "../src/detector/tracking";

const picture = { data: new Uint8ClampedArray(4 * 200 * 100), width: 200, height: 100 };

/** Networks that find someone while they are told to. */
class Stub implements Networks {
  calls: string[] = [];
  presence = 1;
  detected = true;

  async detect(): Promise<[Float32Array, Float32Array]> {
    this.calls.push("detect");
    const boxes = new Float32Array(2254 * 12);
    const logits = new Float32Array(2254).fill(-10);
    // The last anchor is at 6.5 / 7: hips are moved to the middle, the top
    // to a tenth of the image above.
    const back = (0.5 - 6.5 / 7) * DETECTOR_SIZE;
    boxes.set([back, back, 50, 50, back, back, back, back - 0.1 * DETECTOR_SIZE], 2253 * 12);
    if (this.detected) logits[2253] = 5;
    return [boxes, logits];
  }

  async landmarks(): Promise<[Float32Array, number, Float32Array]> {
    this.calls.push("landmarks");
    const values = new Float32Array(39 * 5).fill(LANDMARKS_SIZE / 2);
    values[5 * 34 + 1] = LANDMARKS_SIZE / 4; // the circle's top
    return [values, this.presence, new Float32Array(64 * 64 * 39).fill(-100)];
  }
}

describe("tracking", () => {
  it("runs the detector only until a person is found", async () => {
    const stub = new Stub();
    const tracker = new Tracker(stub);
    const [first] = await tracker.find(picture, 1);
    // The whole image is 200 pixels wide: the person is in its middle.
    expect(first!.hips[0]).toBeCloseTo(100, 4);
    expect(first!.hips[1]).toBeCloseTo(50, 4);
    await tracker.find(picture, 2);
    await tracker.find(picture, 3);
    expect(stub.calls).toEqual(["detect", "landmarks", "landmarks", "landmarks"]);
  });

  it("searches the same image again when the person is lost", async () => {
    const stub = new Stub();
    const tracker = new Tracker(stub);
    await tracker.find(picture, 4);
    stub.presence = 0;
    stub.calls = [];
    const [lost] = await tracker.find(picture, 5);
    expect(lost).toBeNull();
    expect(stub.calls).toEqual(["landmarks", "detect", "landmarks"]);
    stub.presence = 1;
    stub.calls = [];
    await tracker.find(picture, 6);
    expect(stub.calls).toEqual(["detect", "landmarks"]);
  });

  it("also searches a part of an image without a person", async () => {
    const stub = new Stub();
    stub.detected = false;
    const [person] = await new Tracker(stub).find(picture, 7);
    expect(person).toBeNull();
    expect(stub.calls).toEqual(["detect", "detect"]);
  });

  it("forgets whom it followed", async () => {
    const stub = new Stub();
    const tracker = new Tracker(stub);
    await tracker.find(picture, 8);
    tracker.reset();
    stub.calls = [];
    await tracker.find(picture, 9);
    expect(stub.calls[0]).toBe("detect");
  });
});

import { describe, expect, it } from "vitest";

import { anglesOf, between } from "../src/lifting/angles";
import { joint } from "../src/lifting/skeleton";

type Vector = [number, number, number];

/** Standing at attention in front of the camera: x right, y down, z away. */
function attention(changes: Record<string, Vector> = {}): Float32Array {
  // Facing the camera, the person's left is on the image's right.
  const places: Record<string, Vector> = {
    Hip: [0, 0, 0], Spine: [0, -0.2, 0], Thorax: [0, -0.5, 0], "Neck/Nose": [0, -0.6, 0], Head: [0, -0.7, 0],
    LHip: [0.1, 0, 0], LKnee: [0.1, 0.4, 0], LFoot: [0.1, 0.8, 0],
    RHip: [-0.1, 0, 0], RKnee: [-0.1, 0.4, 0], RFoot: [-0.1, 0.8, 0],
    LShoulder: [0.2, -0.5, 0], LElbow: [0.2, -0.2, 0], LWrist: [0.2, 0.1, 0],
    RShoulder: [-0.2, -0.5, 0], RElbow: [-0.2, -0.2, 0], RWrist: [-0.2, 0.1, 0],
    ...changes,
  };
  const pose = new Float32Array(51);
  for (const [name, place] of Object.entries(places)) pose.set(place, 3 * joint(name));
  return pose;
}

describe("angles", () => {
  it("are 0 at attention", () => {
    for (const { left, right } of Object.values(anglesOf(attention()))) {
      expect(left).toBeCloseTo(0, 4);
      expect(right).toBeCloseTo(0, 4);
    }
  });

  it("of a raised thigh with a hanging shank are 90 and 90", () => {
    // Towards the camera, which is ahead of the person.
    const angles = anglesOf(attention({ LKnee: [0.1, 0, -0.4], LFoot: [0.1, 0.4, -0.4] }));
    expect(angles.hip.left).toBeCloseTo(90, 4);
    expect(angles.knee.left).toBeCloseTo(90, 4);
    expect(angles.hip.right).toBeCloseTo(0, 4);
  });

  it("are negative behind, 180 overhead", () => {
    const angles = anglesOf(
      attention({ RElbow: [-0.2, -0.5 + 0.3 * Math.SQRT1_2, 0.3 * Math.SQRT1_2], LElbow: [0.2, -0.8, -1e-9] }),
    );
    expect(angles.shoulder.right).toBeCloseTo(-45, 4);
    expect(Math.abs(angles.shoulder.left)).toBeCloseTo(180, 4);
  });

  it("between two vectors are exact near 0 and 180", () => {
    expect(between([1, 0, 0], [1, 1e-9, 0])).toBeCloseTo(1e-9 * (180 / Math.PI), 15);
    expect(between([1, 0, 0], [-1, 0, 0])).toBe(180);
  });
});

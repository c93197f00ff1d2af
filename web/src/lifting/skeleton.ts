/** Human3.6M's 17 joints, and conversions from other skeletons. */

import tables from "../tables.json";

export const JOINTS: readonly string[] = tables.skeleton.joints;
export const COUNT = JOINTS.length;
export const EDGES = tables.skeleton.edges as [number, number][];
export const MIRRORED: readonly number[] = tables.skeleton.mirrored;
export const SEEN_SCORE = tables.seen_score;

/** Returns a joint's index by its name. */
export function joint(name: string): number {
  const index = JOINTS.indexOf(name);
  if (index < 0) throw new Error(`no joint ${name}`);
  return index;
}

export type Side = "left" | "right" | "middle";

/** The side of the person for each joint. */
export const SIDES: readonly Side[] = JOINTS.map((_, j) =>
  tables.skeleton.left.includes(j) ? "left" : tables.skeleton.right.includes(j) ? "right" : "middle",
);

/** Whether a joint counts as seen; joints with a score of 0 never do. */
export function isSeen(score: number): boolean {
  return score >= SEEN_SCORE && score > 0;
}

/** A person in 2D with Human3.6M's joints. */
export interface Keypoints {
  /** (17, 2) pixels, (0, 0) for joints that were not seen. */
  pixels: Float32Array;
  /** (17) from 0 to 1. */
  scores: Float32Array;
}

interface Conversion {
  joints: string[];
  sides: number[][];
  /** Alternatives for each joint, as lists of [source, weight] pairs. */
  alternatives: [number, number][][][];
}

const CONVERSIONS = tables.conversions as unknown as Record<string, Conversion>;

export type SkeletonName = "MediaPipe-33" | "COCO-17" | "H36M-17";

/** Returns the names of another skeleton's joints. */
export function jointsOf(name: SkeletonName): readonly string[] {
  return CONVERSIONS[name]!.joints;
}

/**
 * Converts one person's joints.
 *
 * Each joint is a weighted mean of other joints. The first alternative whose
 * sources are all seen is used; if there is none, the one with the highest
 * score. The score of an alternative, and of the joint, is the lowest score of
 * its sources.
 *
 * @param pixels (S, 2).
 * @param scores (S).
 */
export function convert(
  name: SkeletonName,
  pixels: ArrayLike<number>,
  scores: ArrayLike<number>,
): Keypoints {
  const { alternatives, joints } = CONVERSIONS[name]!;
  if (scores.length !== joints.length || pixels.length !== 2 * joints.length) {
    throw new Error(`expected the ${joints.length} joints of ${name}, got ${scores.length}`);
  }
  const made = { pixels: new Float32Array(2 * COUNT), scores: new Float32Array(COUNT) };
  alternatives.forEach((ways, j) => {
    let taken = ways[0]!;
    let best = leastScore(taken, scores);
    for (const way of ways.slice(1)) {
      const score = leastScore(way, scores);
      if (!isSeen(best) && score > best) {
        taken = way;
        best = score;
      }
    }
    made.scores[j] = best;
    if (!(best > 0)) return;
    for (const axis of [0, 1]) {
      made.pixels[2 * j + axis] = taken.reduce(
        (sum, [source, weight]) => sum + weight * pixels[2 * source + axis]!,
        0,
      );
    }
  });
  return made;
}

function leastScore(way: [number, number][], scores: ArrayLike<number>): number {
  return Math.min(...way.map(([source]) => scores[source]!));
}

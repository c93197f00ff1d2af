/** Squares in an image, rotated so that a person is upright in them. */

import { share } from "../lifting/smoothing";

/** A square in pixels of the image; the angle is clockwise, in radians. */
export interface Region {
  x: number;
  y: number;
  side: number;
  angle: number;
}

/** Scale of the square relative to the circle around the person. */
const MARGIN = 1.25;

/**
 * Returns the square around a person.
 *
 * @param hips Midpoint of the hips in pixels.
 * @param top A point above it, on the circle around the whole person.
 */
export function personRegion(hips: [number, number], top: [number, number]): Region {
  const dx = top[0] - hips[0];
  const dy = top[1] - hips[1];
  return {
    x: hips[0],
    y: hips[1],
    side: 2 * Math.hypot(dx, dy) * MARGIN,
    // If the person stands upright, dx = 0 and dy < 0.
    angle: Math.atan2(dx, -dy),
  };
}

/**
 * Smooths the two points of a person's region over time.
 *
 * Jitter of a region causes jitter of the landmarks in it. As in MediaPipe's
 * pose_landmark_filtering, each coordinate is filtered with One-Euro; the unit
 * of speed is the diameter of the circle around the person per second.
 */
export class Steady {
  private static readonly CUTOFF_HZ = 0.01;
  private static readonly BETA = 10;
  private static readonly OF_SPEED_HZ = 1;
  private raw: number[] | null = null;
  private points: number[] = [];
  private speeds: number[] = [];
  private seconds = 0;

  /** @param seconds Increasing time; otherwise the filter restarts. */
  step(hips: [number, number], top: [number, number], seconds: number): Region {
    const now = [...hips, ...top];
    const elapsed = seconds - this.seconds;
    if (!this.raw || !(elapsed > 0)) {
      this.points = now;
      this.speeds = now.map(() => 0);
    } else {
      const before = this.raw;
      const diameter = 2 * Math.max(Math.hypot(top[0] - hips[0], top[1] - hips[1]), 1e-6);
      this.points = this.points.map((point, i) => {
        const speed = (now[i]! - before[i]!) / diameter / elapsed;
        this.speeds[i]! += share(Steady.OF_SPEED_HZ, elapsed) * (speed - this.speeds[i]!);
        const cutoff = Steady.CUTOFF_HZ + Steady.BETA * Math.abs(this.speeds[i]!);
        return point + share(cutoff, elapsed) * (now[i]! - point);
      });
    }
    this.raw = now;
    this.seconds = seconds;
    const [hipX, hipY, topX, topY] = this.points as [number, number, number, number];
    return personRegion([hipX, hipY], [topX, topY]);
  }
}

/** Returns the smallest square that contains the whole image. */
export function wholeImage(width: number, height: number): Region {
  return { x: width / 2, y: height / 2, side: Math.max(width, height), angle: 0 };
}

/**
 * Returns squares in which to search for people, also for small ones.
 *
 * The first is the whole image. Three squares of 0.6 of its longer side, spaced
 * evenly along that side, follow.
 */
export function searchRegions(width: number, height: number): Region[] {
  const side = 0.6 * Math.max(width, height);
  const along = [0, 0.5, 1];
  const places = width >= height
    ? along.map((share) => [side / 2 + share * (width - side), height / 2])
    : along.map((share) => [width / 2, side / 2 + share * (height - side)]);
  return [
    wholeImage(width, height),
    ...places.map(([x, y]) => ({ x: x!, y: y!, side, angle: 0 })),
  ];
}

/** Returns the position in the image of (x, y) in the square, from 0 to 1. */
export function toImage(region: Region, x: number, y: number): [number, number] {
  const cos = Math.cos(region.angle);
  const sin = Math.sin(region.angle);
  const right = (x - 0.5) * region.side;
  const down = (y - 0.5) * region.side;
  return [region.x + cos * right - sin * down, region.y + sin * right + cos * down];
}

/** Squares of an image, turned so that a person stands upright in them. */

import { share } from "../lifting/smoothing";

/** In pixels of the image, the angle clockwise in radians. */
export interface Region {
  x: number;
  y: number;
  side: number;
  angle: number;
}

/** By how much the square is larger than the circle about the person. */
const MARGIN = 1.25;

/**
 * Returns the square around a person.
 *
 * @param hips The middle of the hips in pixels.
 * @param top A point above it, on the circle that holds the whole person.
 */
export function personRegion(hips: [number, number], top: [number, number]): Region {
  const dx = top[0] - hips[0];
  const dy = top[1] - hips[1];
  return {
    x: hips[0],
    y: hips[1],
    side: 2 * Math.hypot(dx, dy) * MARGIN,
    // Of a person who stands, the top is at dx = 0, dy < 0.
    angle: Math.atan2(dx, -dy),
  };
}

/**
 * The two points of a person's region over time, with less tremble.
 *
 * A region that trembles makes the landmarks within it tremble. As MediaPipe's
 * pose_landmark_filtering: One-Euro for each coordinate by itself, with speeds
 * in diameters of the circle about the person a second.
 */
export class Steady {
  private static readonly CUTOFF_HZ = 0.01;
  private static readonly BETA = 10;
  private static readonly OF_SPEED_HZ = 1;
  private raw: number[] | null = null;
  private points: number[] = [];
  private speeds: number[] = [];
  private seconds = 0;

  /** @param seconds Later every time; others begin anew. */
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

/** Returns the square that holds the whole image, with bars beside it. */
export function wholeImage(width: number, height: number): Region {
  return { x: width / 2, y: height / 2, side: Math.max(width, height), angle: 0 };
}

/**
 * Returns squares that are searched for people who are small in the image.
 *
 * The whole image first, then as many squares of 0.6 of its longer side, in
 * the middle's height, as its width or height takes.
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

/** Returns where (x, y) of the square, from 0 to 1, is in the image. */
export function toImage(region: Region, x: number, y: number): [number, number] {
  const cos = Math.cos(region.angle);
  const sin = Math.sin(region.angle);
  const right = (x - 0.5) * region.side;
  const down = (y - 0.5) * region.side;
  return [region.x + cos * right - sin * down, region.y + sin * right + cos * down];
}

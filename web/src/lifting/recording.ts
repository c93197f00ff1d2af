/** Collects rows, and converts them to a motion at the end. */

import { LEVEL } from "./floor";
import { NORMALISATION, type ImageSize } from "./lifter";
import type { Motion, Row } from "./motion";
import { withRoots } from "./motion";

/** Usual frame rates of videos; a measured rate near one is replaced by it. */
const USUAL_FPS = [10, 12, 15, 20, 24000 / 1001, 24, 25, 30000 / 1001, 30, 48, 50, 60000 / 1001, 60, 90, 100, 120, 240];
const NEAR = 0.004;
/** The quantile of steps that is used as a regular one; others may be longer. */
const STEADY = 0.25;
/** Steps longer than a regular one by this factor span several frames. */
const MISSED = 1.5;

/** Returns the frame rate from a video's times, or null for too few. */
export function rateOf(seconds: number[]): number | null {
  const steps = seconds
    .slice(1)
    .map((time, i) => time - seconds[i]!)
    .filter((step) => step > 0)
    .sort((a, b) => a - b);
  if (steps.length < 2) return null;
  // The mean of steps, because files may have times in whole milliseconds.
  const steady = steps[Math.floor(STEADY * steps.length)]!;
  const single = steps.filter((step) => step < MISSED * steady && step > steady / MISSED);
  const rate = single.length / single.reduce((sum, step) => sum + step, 0);
  const nearest = USUAL_FPS.reduce((best, one) =>
    Math.abs(one - rate) < Math.abs(best - rate) ? one : best,
  );
  return Math.abs(nearest - rate) < NEAR * rate ? nearest : Math.round(100 * rate) / 100;
}

interface Networks {
  lifter: string;
  detector: string;
}

export class Recording {
  private readonly networks = { lifter: new Set<string>(), detector: new Set<string>() };
  private readonly rows: { row: Row; seconds: number }[] = [];

  constructor(
    readonly imageSize: ImageSize,
    private readonly most: number,
  ) {}

  get count(): number {
    return this.rows.length;
  }

  get full(): boolean {
    return this.rows.length >= this.most;
  }

  /** @param networks Names of the networks that computed the row. */
  add(row: Row, seconds: number, networks: Networks): void {
    if (this.full) return;
    this.rows.push({ row, seconds });
    this.networks.lifter.add(networks.lifter);
    this.networks.detector.add(networks.detector);
  }

  /** Returns the networks that were used, which may have changed over time. */
  used(which: keyof Networks): string[] {
    return [...this.networks[which]];
  }

  /**
   * Returns the recorded motion.
   *
   * @param start Time of frame 0; null for that of the first row.
   * @param fps Rate at which times are converted to frame numbers. If two rows
   *   have the same frame, the first is kept.
   */
  finish(start: number | null, fps: number, notes: string[], provenance: Record<string, string>): Motion | null {
    const origin = start ?? this.rows[0]?.seconds ?? 0;
    const kept: Row[] = [];
    for (const { row, seconds } of this.rows) {
      const frame = Math.round((seconds - origin) * fps);
      if (frame > (kept.at(-1)?.frame ?? -1)) kept.push({ ...row, frame });
    }
    if (kept.length === 0) return null;
    return withRoots({
      tracks: [{ id: 0, rows: kept }],
      imageSize: this.imageSize,
      imageCorner: [0, 0],
      fps,
      up: LEVEL,
      notes,
      normalisation: NORMALISATION,
      provenance,
    });
  }
}

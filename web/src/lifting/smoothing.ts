/** The One-Euro filter [Casiez et al., 2012], as in the Python package. */

import tables from "../tables.json";

/** Settings; see `lifting/smoothing.py` for their meaning. */
export interface OneEuro {
  /** Cutoff frequency for a joint at rest; lower values reduce jitter. */
  minCutoffHz: number;
  /** Increase of the cutoff in Hz per m/s; higher values reduce lag. */
  betaPerM: number;
  derivativeCutoffHz: number;
}

export const DEFAULT: OneEuro = {
  minCutoffHz: tables.one_euro.min_cutoff_hz,
  betaPerM: tables.one_euro.beta_per_m,
  derivativeCutoffHz: tables.one_euro.derivative_cutoff_hz,
};

/** After a longer pause the filter restarts. */
const LONGEST_PAUSE_S = 0.5;

/** A filter for consecutive frames of (J, 3) joints. */
export class OneEuroStream {
  private points: Float64Array | null = null;
  private velocity = new Float64Array(0);
  private seconds = -Infinity;

  constructor(public settings: OneEuro) {}

  /**
   * Returns a frame's smoothed points. The first frame, and one more than half
   * a second after the last, is returned unchanged.
   *
   * @param points (J, 3) metres.
   * @param seconds Time of the frame, increasing.
   */
  step(points: ArrayLike<number>, seconds: number): Float64Array {
    const elapsed = seconds - this.seconds;
    if (!(elapsed > 0)) throw new Error(`expected a frame after ${this.seconds} s, got ${seconds} s`);
    this.seconds = seconds;
    const now = Float64Array.from(points);
    if (!this.points || elapsed > LONGEST_PAUSE_S) {
      this.velocity = new Float64Array(now.length);
      this.points = now;
      return now.slice();
    }
    const { minCutoffHz, betaPerM, derivativeCutoffHz } = this.settings;
    const before = this.points;
    const steady = share(derivativeCutoffHz, elapsed);
    for (let j = 0; j < now.length; j += 3) {
      let square = 0;
      for (let i = j; i < j + 3; i += 1) {
        const velocity = (now[i]! - before[i]!) / elapsed;
        this.velocity[i]! += steady * (velocity - this.velocity[i]!);
        square += this.velocity[i]! ** 2;
      }
      const part = share(minCutoffHz + betaPerM * Math.sqrt(square), elapsed);
      for (let i = j; i < j + 3; i += 1) now[i] = before[i]! + part * (now[i]! - before[i]!);
    }
    this.points = now;
    return now.slice();
  }
}

/** Returns the weight of the new value in a first-order low-pass. */
export function share(cutoffHz: number, elapsed: number): number {
  return 1 / (1 + 1 / (2 * Math.PI * cutoffHz * elapsed));
}

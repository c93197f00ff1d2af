/** Shows frames per second, and the milliseconds of a frame's stages. */

import type { Times } from "../engine/messages";

const SECONDS = 2;
const REDRAWN_MS = 300;

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

export class Meters {
  private frames: { at: number; times: Times; found: boolean }[] = [];
  private drawn = 0;

  constructor(
    private readonly rate: HTMLElement,
    private readonly marker: HTMLElement,
    private readonly lifter: HTMLElement,
  ) {}

  clear(): void {
    this.frames = [];
    for (const element of [this.rate, this.marker, this.lifter]) element.textContent = "–";
  }

  add(times: Times, found: boolean): void {
    const now = performance.now();
    this.frames.push({ at: now, times, found });
    while (this.frames[0]!.at < now - 1000 * SECONDS) this.frames.shift();
    if (now - this.drawn < REDRAWN_MS || this.frames.length < 2) return;
    this.drawn = now;
    const elapsed = now - this.frames[0]!.at;
    this.rate.textContent = ((1000 * (this.frames.length - 1)) / elapsed).toFixed(0);
    const all = this.frames.map(({ times: { detect, landmarks } }) => detect + landmarks);
    this.marker.textContent = `${median(all).toFixed(0)} ms`;
    const lifted = this.frames.filter((frame) => frame.found).map(({ times }) => times.lift);
    this.lifter.textContent = lifted.length > 0 ? `${median(lifted).toFixed(1)} ms` : "–";
  }
}

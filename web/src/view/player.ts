/** Plays a motion: timeline, keys and the people shown at each time. */

import type { Shown } from "../lifting/motion";

export interface PlayerParts {
  bar: HTMLElement;
  play: HTMLButtonElement;
  seek: HTMLInputElement;
  clock: HTMLOutputElement;
}

/** Seconds for which a missing person is still shown, to bridge missing frames. */
const HELD_S = 0.5;

/** Returns the people shown at a frame: those in it, and those just before. */
export function heldAt(frames: Map<number, Shown[]>, at: number, fps: number): Shown[] {
  const found = new Map<number, Shown>();
  for (let frame = at; frame >= at - HELD_S * fps; frame -= 1) {
    for (const shown of frames.get(frame) ?? []) {
      if (!found.has(shown.id)) found.set(shown.id, shown);
    }
  }
  return [...found.values()];
}

export class Player {
  private frames = new Map<number, Shown[]>();
  private first = 0;
  private last = 0;
  private fps = 30;
  private at = 0;
  private playing = false;
  private begun = 0;

  constructor(
    private readonly parts: PlayerParts,
    private readonly onFrame: (people: Shown[], seconds: number) => void,
  ) {
    parts.play.addEventListener("click", () => this.toggle());
    parts.seek.addEventListener("input", () => {
      this.pause();
      this.show(Number(parts.seek.value));
    });
  }

  /** @param keepTime Whether it is the same clip with other smoothing. */
  load(frames: Map<number, Shown[]>, fps: number, keepTime: boolean): void {
    this.frames = frames;
    this.fps = fps;
    // No spread arguments: there may be too many for a call.
    this.first = Infinity;
    this.last = -Infinity;
    for (const frame of frames.keys()) {
      this.first = Math.min(this.first, frame);
      this.last = Math.max(this.last, frame);
    }
    this.parts.bar.hidden = false;
    this.parts.seek.min = String(this.first);
    this.parts.seek.max = String(this.last);
    if (keepTime) {
      this.show(this.at);
    } else {
      this.show(this.first);
      if (!matchMedia("(prefers-reduced-motion: reduce)").matches) this.play();
    }
  }

  unload(): void {
    this.pause();
    this.frames = new Map();
    this.parts.bar.hidden = true;
  }

  get isLoaded(): boolean {
    return this.frames.size > 0;
  }

  toggle(): void {
    if (this.playing) this.pause();
    else this.play();
  }

  step(frames: number): void {
    this.pause();
    this.show(this.at + frames);
  }

  private play(): void {
    if (!this.isLoaded) return;
    this.playing = true;
    this.label();
    this.begun = performance.now() - ((this.at - this.first) / this.fps) * 1000;
    const tick = (now: number) => {
      if (!this.playing) return;
      const count = this.last - this.first + 1;
      const frame = this.first + (Math.floor(((now - this.begun) / 1000) * this.fps) % count);
      if (frame !== this.at && frame >= this.first) this.show(frame);
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  private pause(): void {
    this.playing = false;
    this.label();
  }

  private label(): void {
    this.parts.play.setAttribute("aria-label", this.playing ? "Pause" : "Play");
    this.parts.play.classList.toggle("playing", this.playing);
  }

  private show(frame: number): void {
    this.at = Math.min(this.last, Math.max(this.first, frame));
    const seconds = this.at / this.fps;
    this.parts.seek.value = String(this.at);
    this.parts.seek.setAttribute("aria-valuetext", `${seconds.toFixed(2)} seconds`);
    this.parts.clock.value = `${seconds.toFixed(2)} s`;
    this.onFrame(heldAt(this.frames, this.at, this.fps), seconds);
  }
}

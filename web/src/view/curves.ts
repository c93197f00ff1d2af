/** Joint angles as numbers and small curves. */

import { ANGLES, anglesOf, type AngleName, type Angles } from "../lifting/angles";
import type { Row } from "../lifting/motion";
import { joint } from "../lifting/skeleton";

/** Degrees that a curve's height spans. */
const RANGES: Record<AngleName, [number, number]> = {
  knee: [0, 150],
  hip: [-40, 130],
  elbow: [0, 150],
  shoulder: [-60, 180],
};
const NEEDED: Record<AngleName, (side: string) => string[]> = {
  knee: (side) => [`${side}Hip`, `${side}Knee`, `${side}Foot`],
  hip: (side) => [`${side}Hip`, `${side}Knee`, "Spine"],
  elbow: (side) => [`${side}Shoulder`, `${side}Elbow`, `${side}Wrist`],
  shoulder: (side) => [`${side}Shoulder`, `${side}Elbow`, "Thorax"],
};
const LIVE_SECONDS = 8;

export interface Sample {
  seconds: number;
  angles: Angles;
}

/** Returns the angles of a row. */
export function sampleOf(row: Row, seconds: number): Sample {
  return { seconds, angles: anglesOf(row.joints) };
}

interface Card {
  values: { left: HTMLElement; right: HTMLElement };
  canvas: HTMLCanvasElement;
}

export class Curves {
  private readonly cards = {} as Record<AngleName, Card>;
  private samples: Sample[] = [];
  private window: [number, number] = [0, LIVE_SECONDS];
  private cursor: number | null = null;

  constructor(section: HTMLElement) {
    for (const name of ANGLES) {
      const card = document.createElement("article");
      const title = document.createElement("h3");
      const measure = document.createElement("small");
      measure.textContent = " flexion";
      title.append(`${name[0]!.toUpperCase()}${name.slice(1)}`, measure);
      const values = {} as Card["values"];
      const list = document.createElement("p");
      for (const side of ["left", "right"] as const) {
        const value = document.createElement("span");
        value.className = side;
        value.dataset.angle = `${name}-${side}`;
        value.textContent = "–";
        const spoken = document.createElement("span");
        spoken.className = "spoken";
        spoken.textContent = `${side} `;
        values[side] = value;
        list.append(spoken, value);
      }
      const canvas = document.createElement("canvas");
      canvas.setAttribute("aria-hidden", "true");
      card.append(title, list, canvas);
      section.append(card);
      this.cards[name] = { values, canvas };
    }
    new ResizeObserver(() => this.draw()).observe(section);
  }

  clear(): void {
    this.samples = [];
    this.cursor = null;
    this.window = [0, LIVE_SECONDS];
    this.say(null);
    this.draw();
  }

  /** Adds a row of a person who is filmed now. */
  push(row: Row, seconds: number): void {
    if (seconds <= (this.samples.at(-1)?.seconds ?? -Infinity)) this.samples = [];
    this.samples.push(sampleOf(row, seconds));
    while (this.samples[0]!.seconds < seconds - LIVE_SECONDS) this.samples.shift();
    this.window = [seconds - LIVE_SECONDS, seconds];
    this.cursor = null;
    this.say(row);
    this.draw();
  }

  /** Shows a whole clip. */
  load(samples: Sample[]): void {
    this.samples = samples;
    this.window = [samples[0]?.seconds ?? 0, samples.at(-1)?.seconds ?? 1];
    this.draw();
  }

  /** Marks a time of the clip; the row is the person's there, if any. */
  mark(row: Row | null, seconds: number): void {
    this.cursor = seconds;
    this.say(row);
    this.draw();
  }

  private say(row: Row | null): void {
    const angles = row && anglesOf(row.joints);
    for (const name of ANGLES) {
      for (const [side, letter] of [["left", "L"], ["right", "R"]] as const) {
        const value = this.cards[name].values[side];
        value.textContent = angles ? `${Math.round(angles[name][side])}°` : "–";
        const guessed = row !== null && NEEDED[name](letter).some((one) => !row.seen[joint(one)]);
        value.classList.toggle("guessed", guessed);
      }
    }
  }

  draw(): void {
    for (const name of ANGLES) this.drawCard(name);
  }

  private drawCard(name: AngleName): void {
    const { canvas } = this.cards[name];
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const [width, height] = [canvas.clientWidth * ratio, canvas.clientHeight * ratio].map(Math.round) as [number, number];
    if (width === 0 || height === 0) return;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const context = canvas.getContext("2d")!;
    const style = getComputedStyle(canvas);
    context.clearRect(0, 0, width, height);
    const [low, high] = RANGES[name];
    const [from, to] = this.window;
    const x = (seconds: number) => ((seconds - from) / Math.max(to - from, 1e-6)) * width;
    const y = (degrees: number) => height - 3 * ratio - ((degrees - low) / (high - low)) * (height - 6 * ratio);
    context.lineWidth = ratio;
    context.strokeStyle = style.getPropertyValue("--line");
    for (const degrees of [0, 90]) {
      context.beginPath();
      context.moveTo(0, y(degrees));
      context.lineTo(width, y(degrees));
      context.stroke();
    }
    context.lineJoin = "round";
    context.lineWidth = 1.75 * ratio;
    for (const side of ["right", "left"] as const) {
      context.strokeStyle = style.getPropertyValue(`--${side}`);
      context.beginPath();
      let before = -Infinity;
      for (const { seconds, angles } of this.samples) {
        const point = [x(seconds), y(Math.min(high, Math.max(low, angles[name][side])))] as const;
        // A pause is no line.
        if (seconds - before > 0.5) context.moveTo(...point);
        else context.lineTo(...point);
        before = seconds;
      }
      context.stroke();
    }
    if (this.cursor !== null) {
      context.fillStyle = style.getPropertyValue("--ink");
      context.fillRect(x(this.cursor) - ratio / 2, 0, ratio, height);
    }
  }
}

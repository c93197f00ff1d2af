/** Shows joint angles as numbers and small curves. */

import { ANGLES, anglesOf, type AngleName, type Angles } from "../lifting/angles";
import type { Row } from "../lifting/motion";
import { joint } from "../lifting/skeleton";

/** The range of a curve's height in degrees. */
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
/** Curves are interrupted at longer pauses. */
const PAUSE_S = 0.5;

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
  /** The curves without the cursor, on a hidden canvas. */
  lines: HTMLCanvasElement;
}

export class Curves {
  private readonly cards = {} as Record<AngleName, Card>;
  private samples: Sample[] = [];
  private window: [number, number] = [0, LIVE_SECONDS];
  private cursor: number | null = null;
  /** Counts the changes of what the curves show. */
  private version = 0;

  constructor(section: HTMLElement) {
    for (const name of ANGLES) {
      const card = document.createElement("article");
      const title = document.createElement("h2");
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
      this.cards[name] = { values, canvas, lines: document.createElement("canvas") };
    }
    new ResizeObserver(() => this.draw()).observe(section);
  }

  clear(): void {
    this.version += 1;
    this.samples = [];
    this.cursor = null;
    this.window = [0, LIVE_SECONDS];
    this.say(null);
    this.draw();
  }

  /** Adds a row of the live person. */
  push(row: Row, seconds: number): void {
    if (seconds <= (this.samples.at(-1)?.seconds ?? -Infinity)) this.samples = [];
    this.samples.push(sampleOf(row, seconds));
    while (this.samples[0]!.seconds < seconds - LIVE_SECONDS) this.samples.shift();
    this.window = [seconds - LIVE_SECONDS, seconds];
    this.version += 1;
    this.cursor = null;
    this.say(row);
    this.draw();
  }

  /** Shows a whole clip. */
  load(samples: Sample[]): void {
    this.version += 1;
    this.samples = samples;
    this.window = [samples[0]?.seconds ?? 0, samples.at(-1)?.seconds ?? 1];
    this.draw();
  }

  /** Marks a time in the clip, with the person's row at that time, if any. */
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
    const { canvas, lines } = this.cards[name];
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const [width, height] = [canvas.clientWidth * ratio, canvas.clientHeight * ratio].map(Math.round) as [number, number];
    if (width === 0 || height === 0) return;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const theme = document.documentElement.dataset.theme;
    const key = `${this.version} ${width} ${height} ${theme}`;
    // The curves of a clip are constant; only the cursor moves.
    if (lines.dataset.key !== key) {
      lines.dataset.key = key;
      lines.width = width;
      lines.height = height;
      this.drawLines(lines, getComputedStyle(canvas), name, ratio);
    }
    const context = canvas.getContext("2d")!;
    context.clearRect(0, 0, width, height);
    context.drawImage(lines, 0, 0);
    if (this.cursor === null) return;
    const [from, to] = this.window;
    context.fillStyle = getComputedStyle(canvas).getPropertyValue("--ink");
    context.fillRect(((this.cursor - from) / Math.max(to - from, 1e-6)) * width - ratio / 2, 0, ratio, height);
  }

  private drawLines(canvas: HTMLCanvasElement, style: CSSStyleDeclaration, name: AngleName, ratio: number): void {
    const { width, height } = canvas;
    const context = canvas.getContext("2d")!;
    const [low, high] = RANGES[name];
    const [from, to] = this.window;
    const x = (seconds: number) => ((seconds - from) / Math.max(to - from, 1e-6)) * width;
    const y = (degrees: number) =>
      height - 3 * ratio - ((Math.min(high, Math.max(low, degrees)) - low) / (high - low)) * (height - 6 * ratio);
    context.lineWidth = ratio;
    context.strokeStyle = style.getPropertyValue("--line");
    context.fillStyle = style.getPropertyValue("--faint");
    context.font = `${9 * ratio}px system-ui, sans-serif`;
    for (const degrees of [0, 90]) {
      context.fillText(`${degrees}°`, 2 * ratio, y(degrees) - 2 * ratio);
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
      for (const { at, values, isStart } of columnsOf(this.samples, (one) => one.angles[name][side], x)) {
        if (isStart) context.moveTo(at, y(values[0]!));
        for (const value of values) context.lineTo(at, y(value));
      }
      context.stroke();
    }
  }
}

interface Column {
  at: number;
  /** The only value, or the first, least, greatest and last value. */
  values: number[];
  /** Whether a line begins here, because there was no person before. */
  isStart: boolean;
}

/**
 * Returns the points of a curve: all samples, or the extremes of several
 * samples within the width of a pixel.
 */
export function columnsOf(
  samples: Sample[],
  valueOf: (sample: Sample) => number,
  x: (seconds: number) => number,
): Column[] {
  const columns: Column[] = [];
  let before = -Infinity;
  let pixel = NaN;
  for (const sample of samples) {
    const at = x(sample.seconds);
    const value = valueOf(sample);
    const isStart = sample.seconds - before > PAUSE_S;
    const last = columns.at(-1);
    if (last && !isStart && Math.floor(at) === pixel) {
      const [first] = last.values;
      const [least, most] = [Math.min(value, ...last.values), Math.max(value, ...last.values)];
      last.values = [first!, least, most, value];
    } else {
      columns.push({ at, values: [value], isStart });
    }
    pixel = Math.floor(at);
    before = sample.seconds;
  }
  return columns;
}

/** Draws the 2D skeleton, with or without the image. */

import type { ImageSize } from "../lifting/lifter";
import type { Row } from "../lifting/motion";
import { EDGES, SIDES } from "../lifting/skeleton";

export interface Placed {
  left: number;
  top: number;
  scale: number;
}

/** A part of an image, in pixels. */
export interface View {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Returns the placement of an image for which a part of it fits into a box. */
export function contain(view: View, boxWidth: number, boxHeight: number): Placed {
  const scale = Math.min(boxWidth / view.width, boxHeight / view.height);
  return {
    left: boxWidth / 2 - (view.x + view.width / 2) * scale,
    top: boxHeight / 2 - (view.y + view.height / 2) * scale,
    scale,
  };
}

/** The margin around people, as a share of their extent. */
const MARGIN = 0.15;

/** Returns the part of the image that contains the people in all rows. */
export function viewOf(rows: Iterable<Row>, [width, height]: ImageSize): View {
  const low = [width, height];
  const high = [0, 0];
  for (const { pixels, seen } of rows) {
    seen.forEach((one, j) => {
      for (const axis of [0, 1]) {
        const value = pixels[2 * j + axis]!;
        if (!one || !Number.isFinite(value)) continue;
        low[axis] = Math.min(low[axis]!, value);
        high[axis] = Math.max(high[axis]!, value);
      }
    });
  }
  if (!(low[0]! < high[0]! && low[1]! < high[1]!)) return { x: 0, y: 0, width, height };
  const margin = MARGIN * Math.max(high[0]! - low[0]!, high[1]! - low[1]!);
  const x = Math.max(0, low[0]! - margin);
  const y = Math.max(0, low[1]! - margin);
  return {
    x,
    y,
    width: Math.min(width, high[0]! + margin) - x,
    height: Math.min(height, high[1]! + margin) - y,
  };
}

export class Overlay {
  private readonly context: CanvasRenderingContext2D;
  private people: Row[] = [];
  private size: ImageSize = [0, 0];
  private image: ImageBitmap | null = null;
  private view: View | null = null;

  constructor(private readonly canvas: HTMLCanvasElement) {
    this.context = canvas.getContext("2d")!;
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  /**
   * @param image Image to draw, closed when the next one arrives; null for none.
   * @param view Part of the image to show; null for the whole image.
   */
  show(people: Row[], size: ImageSize, image: ImageBitmap | null, view: View | null = null): void {
    this.image?.close();
    this.people = people;
    this.size = size;
    this.image = image;
    this.view = view;
    this.draw();
  }

  clear(): void {
    this.show([], [0, 0], null);
  }

  draw(): void {
    const { canvas, context } = this;
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const [width, height] = [canvas.clientWidth * ratio, canvas.clientHeight * ratio].map(Math.round);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width!;
      canvas.height = height!;
    }
    context.clearRect(0, 0, canvas.width, canvas.height);
    const style = getComputedStyle(canvas);
    if (this.size[0] === 0) return;
    const view = this.view ?? { x: 0, y: 0, width: this.size[0], height: this.size[1] };
    const { left, top, scale } = contain(view, canvas.width, canvas.height);
    const place = [left, top, this.size[0] * scale, this.size[1] * scale] as const;
    if (this.image) {
      context.drawImage(this.image, ...place);
    } else {
      context.fillStyle = style.getPropertyValue("--film");
      context.fillRect(...place);
    }
    for (const row of this.people) {
      const at = (j: number): [number, number] => [
        left + row.pixels[2 * j]! * scale,
        top + row.pixels[2 * j + 1]! * scale,
      ];
      const thick = Math.max(2 * ratio, personHeight(row) * scale * 0.018);
      const known = (j: number) => row.seen[j]! && Number.isFinite(row.pixels[2 * j]!);
      context.lineCap = "round";
      for (const [width, colour] of [
        [thick * 2, "rgba(8, 12, 18, 0.55)"],
        [thick, ""],
      ] as const) {
        for (const [parent, child] of EDGES) {
          if (!known(parent) || !known(child)) continue;
          context.strokeStyle = colour || style.getPropertyValue(`--${SIDES[child]}`);
          context.lineWidth = width;
          context.beginPath();
          context.moveTo(...at(parent));
          context.lineTo(...at(child));
          context.stroke();
        }
      }
      SIDES.forEach((side, j) => {
        if (!known(j)) return;
        context.beginPath();
        context.arc(...at(j), thick * 0.95, 0, 2 * Math.PI);
        context.fillStyle = "#fff";
        context.fill();
        context.lineWidth = thick * 0.55;
        context.strokeStyle = style.getPropertyValue(`--${side}`);
        context.stroke();
      });
    }
  }
}

function personHeight(row: Row): number {
  let low = Infinity;
  let high = -Infinity;
  row.seen.forEach((seen, j) => {
    const y = row.pixels[2 * j + 1]!;
    if (!seen || !Number.isFinite(y)) return;
    low = Math.min(low, y);
    high = Math.max(high, y);
  });
  return high > low ? high - low : 0;
}

/** The 2D skeleton, over the image that it was found in or alone. */

import type { ImageSize } from "../lifting/lifter";
import type { Row } from "../lifting/motion";
import { EDGES, SIDES } from "../lifting/skeleton";

export interface Placed {
  left: number;
  top: number;
  scale: number;
}

/** Returns where an image is that is shown whole in a box, in its middle. */
export function contain([width, height]: ImageSize, boxWidth: number, boxHeight: number): Placed {
  const scale = Math.min(boxWidth / width, boxHeight / height);
  return { left: (boxWidth - width * scale) / 2, top: (boxHeight - height * scale) / 2, scale };
}

export class Overlay {
  private readonly context: CanvasRenderingContext2D;
  private people: Row[] = [];
  private size: ImageSize = [0, 0];
  private image: ImageBitmap | null = null;

  constructor(private readonly canvas: HTMLCanvasElement) {
    this.context = canvas.getContext("2d")!;
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  /** @param image Which is closed when the next one comes; null for none. */
  show(people: Row[], size: ImageSize, image: ImageBitmap | null): void {
    this.image?.close();
    this.people = people;
    this.size = size;
    this.image = image;
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
    const { left, top, scale } = contain(this.size, canvas.width, canvas.height);
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

/** Samples images for networks. */

import { toImage, type Region } from "./region";

/** RGBA, rows from the top. */
export interface Picture {
  data: Uint8ClampedArray;
  width: number;
  height: number;
}

/** The pixels outside a picture: black, or the colours of its border. */
export type Beyond = "black" | "border";

/**
 * Samples a square of a picture by bilinear interpolation.
 *
 * @param size Side of the result in pixels.
 * @param low Value of black pixels.
 * @param high Value of white pixels.
 * @param into Output array (size, size, 3).
 */
export function sample(
  picture: Picture,
  region: Region,
  size: number,
  beyond: Beyond,
  low: number,
  high: number,
  into: Float32Array,
): void {
  const { data, width, height } = picture;
  const scale = (high - low) / 255;
  // Positions are those of pixel centres: the first is half a pixel from the corner.
  const [x0, y0] = toImage(region, 0.5 / size, 0.5 / size);
  const step = region.side / size;
  const cos = Math.cos(region.angle) * step;
  const sin = Math.sin(region.angle) * step;
  const stride = 4 * width;
  let at = 0;
  for (let row = 0; row < size; row += 1) {
    let x = x0 - 0.5 - sin * row;
    let y = y0 - 0.5 + cos * row;
    for (let column = 0; column < size; column += 1) {
      const outside = x < -0.5 || y < -0.5 || x > width - 0.5 || y > height - 0.5;
      if (outside && beyond === "black") {
        into[at] = into[at + 1] = into[at + 2] = low;
      } else {
        const inX = Math.min(Math.max(x, 0), width - 1);
        const inY = Math.min(Math.max(y, 0), height - 1);
        const left = Math.max(0, Math.min(inX | 0, width - 2));
        const top = Math.max(0, Math.min(inY | 0, height - 2));
        const right = inX - left;
        const down = inY - top;
        const a = (1 - right) * (1 - down) * scale;
        const b = right * (1 - down) * scale;
        const c = (1 - right) * down * scale;
        const d = right * down * scale;
        const p = stride * top + 4 * left;
        // In a picture with one row or column, the next one is the same.
        const q = height > 1 ? p + stride : p;
        const n = width > 1 ? 4 : 0;
        into[at] = low + a * data[p]! + b * data[p + n]! + c * data[q]! + d * data[q + n]!;
        into[at + 1] =
          low + a * data[p + 1]! + b * data[p + n + 1]! + c * data[q + 1]! + d * data[q + n + 1]!;
        into[at + 2] =
          low + a * data[p + 2]! + b * data[p + n + 2]! + c * data[q + 2]! + d * data[q + n + 2]!;
      }
      at += 3;
      x += cos;
      y += sin;
    }
  }
}

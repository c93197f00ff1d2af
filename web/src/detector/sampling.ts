/** Images as networks want them. */

import { toImage, type Region } from "./region";

/** RGBA, rows from the top. */
export interface Picture {
  data: Uint8ClampedArray;
  width: number;
  height: number;
}

/**
 * Samples a square of a picture by bilinear interpolation.
 *
 * What lies beyond the picture is black.
 *
 * @param size Pixels of the result's side.
 * @param low What a black pixel becomes.
 * @param high What a white pixel becomes.
 * @param into (size, size, 3), which is filled.
 */
export function sample(
  picture: Picture,
  region: Region,
  size: number,
  low: number,
  high: number,
  into: Float32Array,
): void {
  const { data, width, height } = picture;
  const scale = (high - low) / 255;
  // Of pixels' centres: the first is half a pixel from the corner.
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
      const left = Math.floor(x);
      const top = Math.floor(y);
      const right = x - left;
      const down = y - top;
      if (left >= 0 && top >= 0 && left < width - 1 && top < height - 1) {
        const a = (1 - right) * (1 - down) * scale;
        const b = right * (1 - down) * scale;
        const c = (1 - right) * down * scale;
        const d = right * down * scale;
        const p = stride * top + 4 * left;
        const q = p + stride;
        into[at] = low + a * data[p]! + b * data[p + 4]! + c * data[q]! + d * data[q + 4]!;
        into[at + 1] =
          low + a * data[p + 1]! + b * data[p + 5]! + c * data[q + 1]! + d * data[q + 5]!;
        into[at + 2] =
          low + a * data[p + 2]! + b * data[p + 6]! + c * data[q + 2]! + d * data[q + 6]!;
      } else if (left >= -1 && top >= -1 && left < width && top < height) {
        for (let channel = 0; channel < 3; channel += 1) {
          const pixel = (i: number, j: number) =>
            i < 0 || j < 0 || i >= width || j >= height ? 0 : data[stride * j + 4 * i + channel]!;
          into[at + channel] =
            low +
            scale *
              ((1 - down) * ((1 - right) * pixel(left, top) + right * pixel(left + 1, top)) +
                down * ((1 - right) * pixel(left, top + 1) + right * pixel(left + 1, top + 1)));
        }
      } else {
        into[at] = into[at + 1] = into[at + 2] = low;
      }
      at += 3;
      x += cos;
      y += sin;
    }
  }
}

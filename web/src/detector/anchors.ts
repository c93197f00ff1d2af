/**
 * Anchors of BlazePose's detector, in its image of 224 pixels.
 *
 * Follows MediaPipe's ssd_anchors_calculator with the options of
 * modules/pose_detection: a layer for each stride, two anchors in each cell,
 * layers of the same stride on one grid, and a fixed size of all anchors.
 */

export const DETECTOR_SIZE = 224;

const STRIDES = [8, 16, 32, 32, 32];
const ANCHORS_OF_A_LAYER = 2;

/** Returns the centres (x, y) of the N anchors, from 0 to 1: (2N). */
export function anchorCentres(size = DETECTOR_SIZE, strides: number[] = STRIDES): Float32Array {
  const centres: number[] = [];
  for (let layer = 0; layer < strides.length; ) {
    const stride = strides[layer]!;
    let count = 0;
    while (strides[layer] === stride) {
      count += ANCHORS_OF_A_LAYER;
      layer += 1;
    }
    const cells = Math.ceil(size / stride);
    for (let row = 0; row < cells; row += 1) {
      for (let column = 0; column < cells; column += 1) {
        for (let i = 0; i < count; i += 1) {
          centres.push((column + 0.5) / cells, (row + 0.5) / cells);
        }
      }
    }
  }
  return Float32Array.from(centres);
}

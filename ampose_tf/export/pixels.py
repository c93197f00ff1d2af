"""From a detector's pixels to what the network takes, within the graph.

What `camera.normalize_screen` and `conversion` do in NumPy, in operators that
phones take. All constants here are small whole numbers, which float16 holds
exactly, and no coordinate is ever quantised: an image of 8,000 pixels keeps
its hundredths of a pixel in every format.

That is so where the delegate computes in float32. Of delegates that compute
in float16, as those of GPUs do unless told otherwise, nothing here overflows
for coordinates up to 65,504; but float16 has eleven bits, so that a keypoint
at the side of an image is off by up to 1/2,048 of that side, however large
the image.
"""

import numpy as np
import tensorflow as tf

from ampose_tf.conversion import COCO_17, SEEN_SCORE

_SEEN_TENTHS = round(10 * SEEN_SCORE)


def normalize(
    keypoints_px: tf.Tensor, image_size: tf.Tensor, normalisation: str
) -> tf.Tensor:
    """Returns screen-normalised keypoints, (B, J, 2).

    Args:
        keypoints_px: (B, J, 2) pixels.
        image_size: (B, 2), width and height.
        normalisation: See `camera.normalize_screen`.
    """
    size, side = _sides(image_size, normalisation)
    return (keypoints_px - size / 2) / (side / 2)


def normalize_coco(
    keypoints_px: tf.Tensor, image_size: tf.Tensor, normalisation: str
) -> tf.Tensor:
    """Returns Human3.6M's joints of COCO's, screen-normalised, (B, 17, 2).

    The conversion's rows sum to one, so that it may follow the normalisation;
    its weights are whole numbers over one divisor. Pixels times those would
    be beyond float16.
    """
    weights, divisor = _whole_numbers(COCO_17.matrix)
    normalized = normalize(keypoints_px, image_size, normalisation)
    channels = tf.transpose(normalized, (0, 2, 1))  # (B, 2, 17)
    converted = tf.matmul(channels, tf.constant(weights.T))
    return tf.transpose(converted, (0, 2, 1)) / divisor


def seen_of_coco(scores: tf.Tensor) -> tf.Tensor:
    """Returns which of Human3.6M's joints were seen, (B, 17) of 1 and 0.

    A joint is seen where all COCO joints that it is made of have a score of
    `SEEN_SCORE` or more. No comparison: phones' float operators alone.

    Args:
        scores: (B, 17), COCO's.
    """
    used = (COCO_17.matrix != 0).astype(np.float32)  # (17, 17)
    # Whole numbers from here on: 0 or, of a joint that was not seen, -1.
    missing = tf.floor(tf.minimum(scores * 10 - _SEEN_TENTHS, 0.0))
    missing = tf.maximum(missing, -1.0)
    return tf.maximum(tf.matmul(missing, tf.constant(used.T)) + 1.0, 0.0)


def _sides(image_size, normalisation):
    """Returns (B, 1, 2), the size, and (B, 1, 1), the side that counts."""
    size = tf.reshape(image_size, (-1, 1, 2))
    width, height = size[:, :, :1], size[:, :, 1:]
    if normalisation == "width":
        return size, width
    return size, tf.maximum(width, height)


def _whole_numbers(matrix):
    """Returns (whole numbers, d) of which `matrix` is the quotient."""
    for divisor in range(1, 1000):
        whole = np.round(matrix * divisor)
        if np.abs(whole / divisor - matrix).max() < 1e-7:
            return whole.astype(np.float32), divisor
    raise ValueError("Expected a conversion in thousandths or coarser")

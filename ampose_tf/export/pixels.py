"""Converts a detector's pixels to the network's inputs, within the graph.

This implements `camera.normalize_screen` and `conversion` with operators that
phones support. All constants are small integers, which float16 represents
exactly, and coordinates are never quantised: in an image of 8,000 pixels,
hundredths of a pixel are preserved in every format.

This holds if the delegate computes in float32. GPU delegates compute in
float16 by default. Coordinates up to 65,504 do not overflow then, but float16
has eleven bits of precision: a keypoint at the side of an image is off by up
to 1/2,048 of that side, for any image size.
"""

import numpy as np
import tensorflow as tf

from ampose_tf.conversion import COCO_17, SEEN_SCORE

_SEEN_TENTHS = round(10 * SEEN_SCORE)

# COCO's conversion in two parts, each too small to be quantised in any format.
# (17, 17), with rows of 0 for joints that have several alternatives.
_ONE = COCO_17.rows(
    [one[0] if len(one) == 1 else {} for one in COCO_17.alternatives]
)
_OF, _LISTED = zip(
    *(
        (joint, weights)
        for joint, several in enumerate(COCO_17.alternatives)
        for weights in several
        if len(several) > 1
    ),
    strict=True,
)
# (K, 17), the K alternatives of these joints, and the joint of each.
_SEVERAL = COCO_17.rows(_LISTED)
_BELONGS = np.eye(17, dtype=np.float32)[list(_OF)]


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


def taken_of_coco(scores: tf.Tensor) -> tf.Tensor:
    """Selects alternatives of joints, (B, 1, K) of 1 and 0.

    K is the number of alternatives of all joints that have several (see
    `conversion.COCO_17`). For each joint, the first alternative is selected
    whose sources are all seen, if any. Only uses float operators that phones
    support, and therefore no comparisons.

    Args:
        scores: (B, 17), scores of COCO's joints.
    """
    seen = _seen(_missing(scores), _SEVERAL, np.ones(len(_SEVERAL)))
    # A seen alternative is not selected after another one of the same joint.
    same = _BELONGS @ _BELONGS.T  # (K, K)
    turn = np.eye(len(same)) - np.triu(same, 1)
    return tf.nn.relu(_times(seen, turn))


def normalize_coco(
    keypoints_px: tf.Tensor,
    image_size: tf.Tensor,
    normalisation: str,
    taken: tf.Tensor | None,
) -> tf.Tensor:
    """Converts COCO's joints to Human3.6M's, screen-normalised, (B, 17, 2).

    As rows of the conversion sum to one, it can be applied after the
    normalisation. Its weights are integers with a common divisor; products of
    these and pixels would overflow float16.

    Args:
        keypoints_px: (B, 17, 2) pixels.
        image_size: (B, 2), width and height.
        normalisation: See `camera.normalize_screen`.
        taken: See `taken_of_coco`. Joints without a selected alternative are
            at the image's centre. None selects the first alternative of each
            joint.
    """
    normalized = normalize(keypoints_px, image_size, normalisation)
    channels = tf.transpose(normalized, (0, 2, 1))  # (B, 2, 17)
    if taken is None:
        weights, divisor = _whole_numbers(COCO_17.matrix)
        converted = _times(channels, weights.T)
    else:
        weights, divisor = _whole_numbers(np.concatenate([_ONE, _SEVERAL]))
        one, several = np.split(weights, [len(_ONE)])
        chosen = _times(channels, several.T) * taken  # (B, 2, K)
        converted = _times(channels, one.T) + _times(chosen, _BELONGS)
    return tf.transpose(converted, (0, 2, 1)) / divisor


def seen_of_coco(scores: tf.Tensor, taken: tf.Tensor) -> tf.Tensor:
    """Returns whether Human3.6M's joints were seen, (B, 17) of 1 and 0.

    A joint is seen if all COCO joints that it is computed from have a score
    of `SEEN_SCORE` or more.

    Args:
        scores: (B, 17), scores of COCO's joints.
        taken: See `taken_of_coco`.
    """
    single = _seen(_missing(scores), _ONE, _ONE.any(axis=1))
    return tf.reshape(single + _times(taken, _BELONGS), (-1, 17))


def _missing(scores):
    """Returns (B, 1, 17), 0 for seen joints, -1 for others."""
    scores = tf.reshape(scores, (-1, 1, 17))
    missing = tf.floor(tf.minimum(scores * 10 - _SEEN_TENTHS, 0.0))
    return tf.maximum(missing, -1.0)


def _seen(missing, rows, made):
    """Returns (B, 1, rows), `made` if all sources of a row are seen, or 0."""
    return tf.nn.relu(
        _times(missing, (rows != 0).T) + tf.constant(made, tf.float32)
    )


def _times(tensor, matrix):
    return tf.matmul(tensor, tf.constant(matrix, tf.float32))


def _sides(image_size, normalisation):
    """Returns (B, 1, 2), the size, and (B, 1, 1), the side to divide by."""
    size = tf.reshape(image_size, (-1, 1, 2))
    width, height = size[:, :, :1], size[:, :, 1:]
    if normalisation == "width":
        return size, width
    return size, tf.maximum(width, height)


def _whole_numbers(matrix):
    """Returns (integers, divisor), whose quotient is `matrix`."""
    for divisor in range(1, 1000):
        whole = np.round(matrix * divisor)
        if np.abs(whole / divisor - matrix).max() < 1e-7:
            return whole.astype(np.float32), divisor
    raise ValueError("Expected weights with a common divisor below 1000")

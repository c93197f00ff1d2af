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

# COCO's conversion in two parts, small enough that no format quantises them.
# (17, 17), rows of 0 for joints with several alternatives.
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
# (K, 17), their K alternatives, and which joint each belongs to.
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
    """Returns which alternatives are taken, (B, 1, K) of 1 and 0.

    Those of the joints that have several (`conversion.COCO_17`), K in all:
    of each joint the first whose sources are all seen, if any is. No
    comparison: phones' float operators alone.

    Args:
        scores: (B, 17), COCO's.
    """
    seen = _seen(_missing(scores), _SEVERAL, np.ones(len(_SEVERAL)))
    # An earlier alternative of the same joint takes a seen one's place.
    same = _BELONGS @ _BELONGS.T  # (K, K)
    turn = np.eye(len(same)) - np.triu(same, 1)
    return tf.nn.relu(_times(seen, turn))


def normalize_coco(
    keypoints_px: tf.Tensor,
    image_size: tf.Tensor,
    normalisation: str,
    taken: tf.Tensor | None,
) -> tf.Tensor:
    """Returns Human3.6M's joints of COCO's, screen-normalised, (B, 17, 2).

    The conversion's rows sum to one, so that it may follow the normalisation;
    its weights are whole numbers over one divisor. Pixels times those would
    be beyond float16.

    Args:
        keypoints_px: (B, 17, 2) pixels.
        image_size: (B, 2), width and height.
        normalisation: See `camera.normalize_screen`.
        taken: See `taken_of_coco`; a joint of which none is taken is in the
            image's centre. None takes the first alternative of each.
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
    """Returns which of Human3.6M's joints were seen, (B, 17) of 1 and 0.

    A joint is seen where all COCO joints that it is made of have a score of
    `SEEN_SCORE` or more.

    Args:
        scores: (B, 17), COCO's.
        taken: See `taken_of_coco`.
    """
    single = _seen(_missing(scores), _ONE, _ONE.any(axis=1))
    return tf.reshape(single + _times(taken, _BELONGS), (-1, 17))


def _missing(scores):
    """Returns (B, 1, 17), 0 or, of a joint that was not seen, -1."""
    scores = tf.reshape(scores, (-1, 1, 17))
    missing = tf.floor(tf.minimum(scores * 10 - _SEEN_TENTHS, 0.0))
    return tf.maximum(missing, -1.0)


def _seen(missing, rows, made):
    """Returns (B, 1, rows), `made` where a row lacks no source, or 0."""
    return tf.nn.relu(
        _times(missing, (rows != 0).T) + tf.constant(made, tf.float32)
    )


def _times(tensor, matrix):
    return tf.matmul(tensor, tf.constant(matrix, tf.float32))


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

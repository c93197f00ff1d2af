"""What a 2D detector would have made of exact keypoints, in keras.ops."""

import numpy as np
from keras import ops

from ampose_tf.config.ranges import Detector
from ampose_tf.conversion import SEEN_SCORE
from ampose_tf.data.augmentation.randomness import between, between_logarithms
from ampose_tf.data.augmentation.viewpoints import Views
from ampose_tf.skeleton import H36M_17


def _marked(*groups):
    """Returns (groups, J) with 1 at the joints of each group."""
    marks = np.zeros((len(groups), len(H36M_17.joints)), np.float32)
    for row, names in enumerate(groups):
        for name in names:
            marks[row, H36M_17.joints.index(name)] = 1
    return marks


_ARMS = [
    tuple(side + joint for joint in ("Shoulder", "Elbow", "Wrist"))
    for side in "LR"
]
_LEGS = [
    tuple(side + joint for joint in ("Hip", "Knee", "Foot")) for side in "LR"
]
_AXIS = ("Hip", "Spine", "Thorax", "Neck/Nose", "Head")
# What drifts together.
_CHAINS = _marked(*_ARMS, *_LEGS, _AXIS)
# Whole limbs, and without the joint at the body.
_HIDDEN_LIMBS = _marked(
    *_ARMS, *_LEGS, *(limb[1:] for limb in (*_ARMS, *_LEGS))
)
_HIDDEN_HALVES = _marked(
    (*_LEGS[0][1:], *_LEGS[1][1:]),
    (*_ARMS[0], *_LEGS[0]),
    (*_ARMS[1], *_LEGS[1]),
)
_SWAPPED = _marked(
    (*_ARMS[0], *_ARMS[1]),
    (*_LEGS[0], *_LEGS[1]),
    (*_ARMS[0], *_ARMS[1], *_LEGS[0], *_LEGS[1]),
)


def detected(views: Views, ranges: Detector, random):
    """Adds a detector's errors and scores to exact keypoints.

    Args:
        views: B people with Human3.6M's 17 joints.
        ranges: Sizes and shares of the errors.
        random: See `randomness.Source`.

    Returns:
        keypoints_2d (B, 17, 2) and scores (B, 17) of [0, 1]: below
        `SEEN_SCORE` for hidden joints and those outside the image; for the
        others the lower, the larger the error, which may bring them below it,
        too.
    """
    exact = _swapped(views.keypoints_2d, ranges, random)
    error = views.person_size * _errors(exact, ranges, random)
    keypoints_2d = exact + error
    hidden = ops.maximum(
        _hidden(keypoints_2d, ranges, random),
        _outside(keypoints_2d, views.half_image),
    )
    return keypoints_2d, _scores(error / views.person_size, hidden, random)


def _swapped(keypoints_2d, ranges, random):
    """Exchanges left and right of the arms, the legs, or both."""
    count = ops.shape(keypoints_2d)[0]
    swap = _one_of(_SWAPPED, ranges.swap, count, random)[..., None]
    other = ops.take(keypoints_2d, np.array(H36M_17.mirrored), axis=1)
    return keypoints_2d + swap * (other - keypoints_2d)


def _errors(keypoints_2d, ranges, random):
    """Returns (B, J, 2), in sizes of the person."""
    count, joints = ops.shape(keypoints_2d)[0], keypoints_2d.shape[1]
    amount = between_logarithms(ranges.noise, random.uniform((count, 1, 1)))
    noisy = _happens(1 - ranges.clean, random.uniform((count, 1, 1)))
    tail = _happens(ranges.tail, random.uniform((count, joints, 1)))
    own = random.normal((count, joints, 2))
    own = own * (1 + (ranges.tail_factor - 1) * tail)
    common = random.normal((count, 2, len(_CHAINS)))
    drift = ops.transpose(ops.matmul(common, _CHAINS), (0, 2, 1))
    return noisy * amount * (own + ranges.drift * drift)


def _hidden(keypoints_2d, ranges, random):
    """Returns (B, J), 1 where nothing is to be seen of a joint."""
    count, joints = ops.shape(keypoints_2d)[0], keypoints_2d.shape[1]
    share = ranges.hide_joint * random.uniform((count, 1))
    hidden = _happens(share, random.uniform((count, joints)))
    for marks, rate in (
        (_HIDDEN_LIMBS, ranges.hide_limb),
        (_HIDDEN_HALVES, ranges.hide_half),
    ):
        hidden = ops.maximum(hidden, _one_of(marks, rate, count, random))
    return ops.maximum(hidden, _cropped(keypoints_2d, ranges, random))


def _cropped(keypoints_2d, ranges, random):
    """Cuts off up to half of the person at the left, right, top or bottom."""
    count = ops.shape(keypoints_2d)[0]
    # One border's coordinate grows towards each of the four.
    towards = ops.concatenate([keypoints_2d, -keypoints_2d], axis=-1)
    side = ops.floor(4 * random.uniform((count, 1, 1)))
    chosen = ops.cast(side == np.arange(4.0, dtype=np.float32), "float32")
    along = ops.sum(towards * chosen, axis=-1)  # (B, J)
    low = ops.min(along, axis=1, keepdims=True)
    high = ops.max(along, axis=1, keepdims=True)
    border = high - between((0, 0.5), random.uniform((count, 1))) * (
        high - low
    )
    cut = _happens(ranges.crop, random.uniform((count, 1)))
    return cut * ops.cast(along > border, "float32")


def _outside(keypoints_2d, half_image):
    """Returns (B, J), 1 for joints beyond the image's borders."""
    beyond = ops.abs(keypoints_2d) > half_image
    return ops.cast(ops.any(beyond, axis=-1), "float32")


def _scores(error, hidden, random):
    """Returns (B, J); error is (B, J, 2) in sizes of the person."""
    length = ops.sqrt(ops.sum(ops.square(error), axis=-1))
    uniform = random.uniform(ops.shape(hidden))
    # An error of a tenth of the body, two hands, brings down even a
    # detector's highest scores; how much it notices, differs.
    noticed = (1 - ops.exp(-length / 0.1)) * uniform
    seen = between((1.0, SEEN_SCORE), noticed * 1.2)
    return ops.where(hidden > 0, SEEN_SCORE * uniform * 0.999, seen)


def _one_of(marks, rate, count, random):
    """Returns (B, J): at some rate one of the rows of marks, else zeros."""
    uniform = random.uniform((count, 1)) / max(rate, 1e-9)
    # Of [0, 1) in the chosen share of the poses, which it numbers evenly.
    row = ops.floor(uniform * len(marks))
    chosen = ops.cast(
        row == np.arange(len(marks), dtype=np.float32), "float32"
    )
    return ops.matmul(chosen, marks)


def _happens(rate, uniform):
    return ops.cast(uniform < rate, "float32")

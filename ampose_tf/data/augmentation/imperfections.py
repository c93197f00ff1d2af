"""Adds errors, gaps and scores to exact keypoints, in keras.ops."""

from typing import NamedTuple

import numpy as np
from keras import ops

from ampose_tf.conversion import SEEN_SCORE
from ampose_tf.data.augmentation.randomness import between, between_logarithms
from ampose_tf.data.augmentation.viewpoints import Views

_ARMS = [
    tuple(side + joint for joint in ("Shoulder", "Elbow", "Wrist"))
    for side in "LR"
]
_LEGS = [
    tuple(side + joint for joint in ("Hip", "Knee", "Foot")) for side in "LR"
]


class Groups(NamedTuple):
    """Groups of J joints that err, are hidden or are exchanged together.

    Attributes:
        chains: (5, J), the four limbs and the rest; each drifts as a whole.
        limbs: (8, J), whole limbs, and limbs without their first joint.
        halves: (3, J), both legs, the left side and the right side.
        swapped: (3, J), arms, legs, and both.
        mirrored: (J,), counterpart of each joint.
        together: (J, J), 1 for joints of the same limb.
    """

    chains: np.ndarray
    limbs: np.ndarray
    halves: np.ndarray
    swapped: np.ndarray
    mirrored: np.ndarray
    together: np.ndarray


def groups_of(joints: tuple[str, ...]) -> Groups:
    """Returns the groups of joints.

    Args:
        joints: Names of the joints. Limbs have Human3.6M's names.
    """

    def marked(*rows):
        return np.array(
            [[name in row for name in joints] for row in rows], np.float32
        )

    limbs = (*_ARMS, *_LEGS)
    rest = [name for name in joints if not any(name in limb for limb in limbs)]
    other = {"L": "R", "R": "L"}
    of_limb = marked(*limbs)
    return Groups(
        chains=marked(*limbs, rest),
        limbs=marked(*limbs, *(limb[1:] for limb in limbs)),
        halves=marked(
            (*_LEGS[0][1:], *_LEGS[1][1:]),
            (*_ARMS[0], *_LEGS[0]),
            (*_ARMS[1], *_LEGS[1]),
        ),
        swapped=marked(
            (*_ARMS[0], *_ARMS[1]),
            (*_LEGS[0], *_LEGS[1]),
            (*_ARMS[0], *_ARMS[1], *_LEGS[0], *_LEGS[1]),
        ),
        mirrored=np.array(
            [
                joints.index(other.get(name[0], name[0]) + name[1:])
                for name in joints
            ]
        ),
        together=of_limb.T @ of_limb,
    )


def detected(views: Views, exact, covered, clean, groups, ranges, random):
    """Adds errors to exact keypoints and scores them.

    Args:
        views: B people.
        exact: (B, J, 2), exact positions of the joints.
        covered: (B, J), degree to which the body hides them, 0 to 1.
        clean: Share of people whose keypoints stay exact.
        groups: Groups of the J joints, from `groups_of`.
        ranges: Sizes and shares of the errors.
        random: See `randomness.Source`.

    Returns:
        Keypoints (B, J, 2) and scores (B, J) in [0, 1].
    """
    exact = _swapped(exact, groups, ranges, random)
    error = _errors(covered, clean, groups, ranges, random)
    keypoints = exact + views.person_size * error
    hidden = ops.maximum(
        _hidden(keypoints, groups, ranges, random),
        _outside(keypoints, views.half_image),
    )
    # Hidden joints of a limb lower the scores of its other joints.
    with_limb = ops.max(covered[:, None] * groups.together, axis=-1)
    dropped = ops.maximum(covered, 0.6 * with_limb)
    # A limb is dropped or guessed as a whole.
    luck = ops.matmul(
        random.uniform((ops.shape(covered)[0], len(groups.chains))),
        groups.chains,
    )
    return keypoints, _scores(error, dropped * luck, hidden, ranges, random)


def _swapped(keypoints_2d, groups, ranges, random):
    """Exchanges left and right of the arms, the legs, or both."""
    count = ops.shape(keypoints_2d)[0]
    swap = _one_of(groups.swapped, ranges.swap, count, random)[..., None]
    other = ops.take(keypoints_2d, groups.mirrored, axis=1)
    return keypoints_2d + swap * (other - keypoints_2d)


def _errors(covered, clean, groups, ranges, random):
    """Returns (B, J, 2), in sizes of the person."""
    count, joints = ops.shape(covered)[0], covered.shape[1]
    amount = between_logarithms(ranges.noise, random.uniform((count, 1, 1)))
    noisy = happens(1 - clean, random.uniform((count, 1, 1)))
    tail = happens(ranges.tail, random.uniform((count, joints, 1)))
    larger = 1 + (ranges.covered_factor - 1) * covered[..., None]
    own = random.normal((count, joints, 2)) * larger
    own = own * (1 + (ranges.tail_factor - 1) * tail)
    common = random.normal((count, 2, len(groups.chains)))
    drift = ops.transpose(ops.matmul(common, groups.chains), (0, 2, 1))
    rate = between((ranges.stray, ranges.stray_covered), covered[..., None])
    stray = happens(rate, random.uniform((count, joints, 1)))
    far = ranges.stray_size * random.normal((count, joints, 2))
    return noisy * (amount * (own + ranges.drift * drift) + stray * far)


def _hidden(keypoints_2d, groups, ranges, random):
    """Returns (B, J), 1 for joints that are hidden."""
    count, joints = ops.shape(keypoints_2d)[0], keypoints_2d.shape[1]
    share = ranges.hide_joint * random.uniform((count, 1))
    hidden = happens(share, random.uniform((count, joints)))
    for marks, rate in (
        (groups.limbs, ranges.hide_limb),
        (groups.halves, ranges.hide_half),
    ):
        hidden = ops.maximum(hidden, _one_of(marks, rate, count, random))
    return ops.maximum(hidden, _cropped(keypoints_2d, ranges, random))


def _cropped(keypoints_2d, ranges, random):
    """Crops up to half of the person at the left, right, top or bottom."""
    count = ops.shape(keypoints_2d)[0]
    # Coordinates that increase towards each of the four borders.
    towards = ops.concatenate([keypoints_2d, -keypoints_2d], axis=-1)
    side = ops.floor(4 * random.uniform((count, 1, 1)))
    chosen = ops.cast(side == np.arange(4.0, dtype=np.float32), "float32")
    along = ops.sum(towards * chosen, axis=-1)  # (B, J)
    low = ops.min(along, axis=1, keepdims=True)
    high = ops.max(along, axis=1, keepdims=True)
    border = high - between((0, 0.5), random.uniform((count, 1))) * (
        high - low
    )
    cut = happens(ranges.crop, random.uniform((count, 1)))
    return cut * ops.cast(along > border, "float32")


def _outside(keypoints_2d, half_image):
    """Returns (B, J), 1 for joints beyond the image's borders."""
    beyond = ops.abs(keypoints_2d) > half_image
    return ops.cast(ops.any(beyond, axis=-1), "float32")


def _scores(error, dropped, hidden, ranges, random):
    """Returns (B, J).

    Args:
        error: (B, J, 2), in sizes of the person.
        dropped: (B, J), degree to which a joint is hidden, 0 to 1.
        hidden: (B, J), 1 for joints whose score is below `SEEN_SCORE`.
        ranges: See `detected`.
        random: See `randomness.Source`.
    """
    length = ops.sqrt(ops.sum(ops.square(error), axis=-1) + 1e-12)
    uniform = random.uniform(ops.shape(hidden))
    # An error of a tenth of the body, two hands, lowers even a detector's
    # highest scores, by an amount that varies.
    noticed = 3 * (1 - ops.exp(-length / 0.08)) * uniform
    # Some detectors omit hidden joints, others guess them with high scores.
    count = ops.shape(hidden)[0]
    honesty = between(ranges.honesty, random.uniform((count, 1)))
    dropped = dropped * honesty
    seen = between((1.0, SEEN_SCORE), ops.maximum(noticed, dropped))
    lost = SEEN_SCORE * uniform * 0.999
    return ops.where(hidden > 0, lost, ops.clip(seen, 0.0, 1.0))


def _one_of(marks, rate, count, random):
    """Returns (B, J): one of the rows of marks at some rate, else zeros."""
    uniform = random.uniform((count, 1)) / max(rate, 1e-9)
    # In the chosen share of poses these are uniform in [0, 1) again.
    row = ops.floor(uniform * len(marks))
    chosen = ops.cast(
        row == np.arange(len(marks), dtype=np.float32), "float32"
    )
    return ops.matmul(chosen, marks)


def happens(rate, uniform):
    """Returns 1 for events that happen at a rate, else 0."""
    return ops.cast(uniform < rate, "float32")

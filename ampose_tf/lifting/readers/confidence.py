"""Converts the joint scores of all tools to [0, 1].

* 0, 1, 2: COCO's "not labelled", "labelled but not visible", "labelled and
  visible". The position of a labelled joint is trusted: 0, 1, 1.
* Slightly above 1: RTMPose's (SimCC's peaks) and others'; clipped to 1.
* Up to 100: percent.
* Far below 1 for all joints of people with a high score: probabilities of
  single cells of Detectron2's heatmaps.
* In lists `[x, y, number]`, the number may be z: MediaPipe's, relative to the
  hip, or that of a pose that is already 3D.
"""

import numpy as np

from ampose_tf.conversion import SEEN_SCORE
from ampose_tf.lifting.keypoints import diagonals
from ampose_tf.lifting.readers.records import Account

# Detectron2's score of a joint is the probability of one cell of its heatmap.
# Its visualiser draws joints above 0.05 (`_KEYPOINT_THRESHOLD`). For the same
# joints to count as seen, 0.05 becomes `SEEN_SCORE`.
DETECTRON2_SCALE = round(SEEN_SCORE / 0.05)

# For Detectron2's people: upper bounds of the median and of the 95th
# percentile of joint scores, and a lower bound of the median person score.
_HALF_BELOW = 0.15
_MOST_BELOW = 0.6
_CERTAIN = 0.5
# Scores up to this one are not percentages: RTMPose's are about 1, and seldom
# above 5.
_NO_PERCENTAGE = 15
# If a larger share of the numbers is negative, they are not scores.
_NEGATIVE = 0.02
# Upper bound of the distance of MediaPipe's hips from z = 0, and of a 3D
# pose's hips from the origin, in diagonals of the person.
_AT_HIP = 0.15
_HIPS = (23, 24)

_IS_3D = (
    "its joints are already 3D (x, y, z); expected a 2D detector's pixels, "
    "x and y of each joint, optionally with a score within [0, 1]"
)


def settle(
    points: np.ndarray,
    scores: np.ndarray,
    placed: np.ndarray,
    person_scores: np.ndarray,
    third: str,
    account: Account,
) -> np.ndarray:
    """Returns scores within [0, 1].

    Args:
        points: (D, S, 2).
        scores: (D, S) as in the file, NaN where missing.
        placed: (D, S) bool, whether a joint has a position.
        person_scores: (D,) as in the file, NaN where missing.
        third: See `records.Detection` and `kind_of`.
        account: Account of the file; assumptions are noted.

    Raises:
        ValueError: If the scores are z coordinates of 3D joints.
    """
    given = scores[placed & np.isfinite(scores)]
    if third == "none" or not given.size:
        if third == "none":
            account.note("The file has no scores: all joints count as seen.")
        return np.nan_to_num(np.clip(scores, 0, 1))
    if not given.any():
        account.note(
            "All scores in the file are 0; they are ignored, and all joints "
            "count as seen."
        )
        return np.ones(scores.shape)
    unscored = int((placed & np.isnan(scores)).sum())
    if unscored:
        account.note(
            f"{unscored} joints have a position but no score, while others "
            "have one: they count as not seen."
        )
    negative = (given < 0) & (given != -1)
    largest = given.max()
    if third == "either" and (
        negative.mean() > _NEGATIVE or largest > _NO_PERCENTAGE
    ):
        if _is_depth(points, scores, placed):
            account.note(
                "The third number of each joint is MediaPipe's z, not a "
                "score: all joints count as seen."
            )
            return np.where(np.isnan(scores), 0.0, 1.0)
        if negative.mean() > _NEGATIVE:
            raise ValueError(_IS_3D)
    if largest > 100 or np.isposinf(largest):
        raise ValueError(
            _IS_3D
            if third == "either"
            else f"a score of {largest:g}; expected scores within [0, 1], or "
            "in percent"
        )
    if third == "detectron2":
        scores = scores * DETECTRON2_SCALE
    elif largest > _NO_PERCENTAGE:
        account.note("Scores are read as percent.")
        scores = scores / 100
    elif largest > 1 and not np.isin(given, (0, 1, 2, -1)).all():
        account.note("Scores above 1, as RTMPose writes them, count as 1.")
    elif _are_detectron2(given, person_scores):
        account.note(
            "All scores are low, like Detectron2's probabilities: they are "
            f"multiplied by {DETECTRON2_SCALE}, so that its threshold of "
            f"0.05 becomes {SEEN_SCORE:g}."
        )
        scores = scores * DETECTRON2_SCALE
    return np.nan_to_num(np.clip(scores, 0, 1))


def kind_of(third: str, format: str | None) -> str:
    """Returns the kind of scores, given the format that the user has named.

    Args:
        third: See `records.Detection`.
        format: One of `formats.FORMATS`, or None.
    """
    is_named = format == "detectron2" and third != "none"
    return "detectron2" if is_named else third


def _is_depth(points, scores, placed):
    """Whether the third numbers are MediaPipe's z, relative to the hip."""
    if points.shape[1] != 33:
        return False
    whole = placed[:, _HIPS].all(axis=1)
    if not whole.any():
        return False
    size = np.maximum(diagonals(points, placed)[whole], 1e-9)
    hips = points[whole][:, _HIPS].mean(axis=1)
    depth = scores[whole][:, _HIPS].mean(axis=1)
    return bool(
        np.median(np.abs(depth) / size) < _AT_HIP
        and np.median(np.linalg.norm(hips, axis=1) / size) > _AT_HIP
    )


def _are_detectron2(given, person_scores):
    known = person_scores[np.isfinite(person_scores)]
    positive = given[given > 0]
    return bool(
        positive.size
        and np.median(positive) < _HALF_BELOW
        and np.quantile(positive, 0.95) < _MOST_BELOW
        and known.size
        and np.median(known) >= _CERTAIN
    )

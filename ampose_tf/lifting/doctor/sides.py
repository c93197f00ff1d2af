"""Checks whether left and right are swapped, in parts or in the whole body."""

import numpy as np

from ampose_tf.conversion import Conversion
from ampose_tf.lifting.doctor import symptoms
from ampose_tf.lifting.doctor.findings import (
    LIKELY,
    POSSIBLE,
    ExaminedPerson,
    Finding,
)
from ampose_tf.lifting.motion import ASSUMED_FPS
from ampose_tf.skeleton import H36M_17

_JOINT = {name: index for index, name in enumerate(H36M_17.joints)}
# Least log odds of swapped sides, averaged over the frames: for people who
# move, where the direction of walking helps, and for others. Chosen on
# training subjects.
_MOVING = 2.0
_STAYING = 4.5
# A person who goes at least this far within a movement moves, in heights of
# the person across the image; _DEPTH is the weight of changes of size.
_MOVES = 0.1
_DEPTH = 1.5
# Products of two pairs' directions, in squares of the person's height. Each
# frame counts for at most _FULL, so that a few twisted frames do not decide.
# Frames with opposite directions must outweigh the others by _SHARE of all
# frames, or by _FEWEST frames if there are few.
_FULL = 0.001
_SHARE = 0.2
_FEWEST = 5
# Least share of the total weight of frames with opposite directions: for hips
# and shoulders, and for a face, which may look back over a shoulder.
_MOST = 0.75
_NEARLY_ALL = 0.9


def examine(
    people: tuple[ExaminedPerson, ...],
    skeleton: Conversion,
    image_size: tuple[int, int] | None,
    fps: float | None,
) -> tuple[Finding | None, bool]:
    """Returns a finding if left and right are swapped.

    Args:
        people: At least one person, upright, in pixels.
        skeleton: Skeleton of the file.
        image_size: (width, height); None if unknown.
        fps: Frames per second; None if unknown.

    Returns:
        The finding or None, and whether the clip is conclusive.
    """
    what = disagreement(people, skeleton)
    if what:
        finding = Finding(
            "sides_swapped",
            f"{what} do not agree on which side is left; swap left and right "
            "of one of them, or describe the skeleton in a JSON file for "
            "--skeleton",
            LIKELY,
        )
        return finding, True
    swapped, least = odds(people, image_size, fps)
    if swapped < least:
        return None, swapped < -least
    finding = Finding(
        "sides_swapped",
        "people seem to walk backwards: left and right seem to be swapped; "
        "describe the skeleton in a JSON file for --skeleton with its sides "
        "swapped",
        POSSIBLE,
    )
    return finding, True


def odds(
    people: tuple[ExaminedPerson, ...],
    image_size: tuple[int, int] | None,
    fps: float | None,
) -> tuple[float, float]:
    """Returns the log odds of swapped sides, and the threshold for them.

    The arguments are those of `examine`.
    """
    judged = [_sides_odds(person, image_size, fps) for person in people]
    moving = [own for own, moved in judged if moved > _MOVES]
    staying = [own for own, _ in judged]
    mean = float(np.mean(np.concatenate(moving or staying)))
    return mean, _MOVING if moving else _STAYING


def disagreement(
    people: tuple[ExaminedPerson, ...], skeleton: Conversion
) -> str | None:
    """Returns the names of two body parts with opposite sides, or None."""
    hips = _across(people, "LHip", "RHip")
    shoulders = _across(people, "LShoulder", "RShoulder")
    if _opposite(hips, shoulders, _MOST):
        return "hips and shoulders"
    for part in ("ear", "eye"):
        pair = f"left_{part}", f"right_{part}"
        if not set(pair) <= set(skeleton.joints):
            continue
        left, right = (skeleton.joints.index(name) for name in pair)
        face = np.concatenate(
            [
                _between(p.source, p.source_seen, left, right) / p.height
                for p in people
            ]
        )
        if _opposite(face, shoulders, _NEARLY_ALL):
            return f"{part}s and shoulders"
    return None


def _across(people, left, right):
    """Returns vectors (F, 2) from right to left, in heights of the person."""
    left, right = _JOINT[left], _JOINT[right]
    return np.concatenate(
        [_between(p.pixels, p.seen, left, right) / p.height for p in people]
    )


def _between(points, seen, left, right):
    both = seen[:, left] & seen[:, right]
    return np.where(both[:, None], points[:, left] - points[:, right], np.nan)


def _opposite(first, second, most):
    """Whether two directions (F, 2) are opposite in most of the frames.

    Directions are NaN in frames in which a joint is not seen.
    """
    along = np.nan_to_num(np.sum(first * second, axis=1))
    along = np.clip(along / _FULL, -1, 1)
    needed = max(min(_FEWEST, len(along)), _SHARE * len(along))
    against = -np.minimum(along, 0).sum()
    return -along.sum() >= needed and against > most * np.abs(along).sum()


def _sides_odds(person, image_size, fps):
    """Returns the log odds of swapped sides, and how far a person moves.

    The odds are (N,), of some frames; the distance is their mean.
    """
    step = max(1, round(symptoms.STEP_S * (fps or ASSUMED_FPS)))
    away = step * (np.arange(symptoms.STEPS) - symptoms.STEPS // 2)
    frames, rows = person.frames, person.spread()
    asked = np.clip(frames[rows, None] + away, frames[0], frames[-1])
    movements = person.at(asked)
    seen = person.seen[rows]
    half_side = None
    if image_size is not None:
        movements -= np.array(image_size) / 2
        half_side = max(image_size) / 2
    odds = symptoms.sides_swapped(movements, seen, half_side)
    odds = np.clip(odds, -symptoms.ONE_FRAME, symptoms.ONE_FRAME)
    across, grown = symptoms.moved(movements[:, [0, -1]], seen)
    moved = np.hypot(across / person.height, _DEPTH * grown)
    return odds, float(np.nan_to_num(moved).mean())

"""Checks whether the image is squeezed, from the shapes of people."""

import numpy as np

from ampose_tf.lifting.doctor import symptoms
from ampose_tf.lifting.doctor.findings import (
    POSSIBLE,
    ExaminedPerson,
    Finding,
)

# Least log odds of a squeezed image, averaged over the people and windows of
# the clip: for people who move by at least `_MOVES` of their height, who walk
# and turn, and for others. Chosen on training subjects; see
# benchmarks/doctor.py.
_MOVING = 2.2
_STAYING = 4.2
_MOVES = 0.08
_FEWEST_FRAMES = 8


def examine(
    people: tuple[ExaminedPerson, ...],
) -> tuple[Finding | None, bool]:
    """Returns a finding if people look squeezed or stretched.

    Args:
        people: At least one person, upright.

    Returns:
        The finding or None, and whether a mistake would have been noticed.
    """
    odds, moved = [], []
    for person in people:
        if len(person.frames) < _FEWEST_FRAMES:
            continue
        pixels, seen, _ = person.windows()
        odds.append(symptoms.aspects(pixels, seen))
        number = np.maximum(seen.sum(axis=2), 1)[..., None]
        middle = (pixels * seen[..., None]).sum(axis=2) / number
        way = np.linalg.norm(np.ptp(middle, axis=1), axis=1)
        moved.append(way.max() / person.height)
    if not odds:
        return None, False
    odds = np.concatenate(odds)
    odds = np.clip(
        odds - odds[:, :1], -symptoms.ONE_FRAME, symptoms.ONE_FRAME
    ).mean(axis=0)
    narrow, wide = odds[1:]
    if max(narrow, wide) < (_MOVING if max(moved) > _MOVES else _STAYING):
        return None, max(narrow, wide) < 0
    return finding(narrow > wide), True


def finding(narrow: bool) -> Finding:
    """Returns the finding that people look narrow or wide."""
    return Finding(
        "aspect",
        f"people look {'narrow' if narrow else 'wide'}: the image seems to "
        "have been squeezed, or x and y scaled by different factors; scale x "
        "and y back to pixels of the original image",
        POSSIBLE,
    )

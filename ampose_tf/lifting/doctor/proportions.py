"""Whether the image is squeezed or stretched: by the shapes of people."""

import numpy as np

from ampose_tf.lifting.doctor import symptoms
from ampose_tf.lifting.doctor.findings import (
    POSSIBLE,
    ExaminedPerson,
    Finding,
)

# By how much a squeezed image must be likelier, in logarithms of
# probabilities, the mean over the people and stretches of the clip: of people
# who move by `_MOVES` of their height, as those do who walk and turn, and of
# others. Chosen on training subjects; see benchmarks/doctor.py.
_MOVING = 2.2
_STAYING = 4.2
_MOVES = 0.08
_FEWEST_FRAMES = 8


def examine(
    people: tuple[ExaminedPerson, ...],
) -> tuple[Finding | None, bool]:
    """Returns a finding if people look squeezed or stretched.

    Args:
        people: At least one, upright.

    Returns:
        The finding or None, and whether it would have been seen.
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
    """Returns the finding that people look narrow, or wide."""
    return Finding(
        "aspect",
        f"people look {'narrow' if narrow else 'wide'}: the image seems to "
        "have been squeezed, or x and y scaled by other factors; scale x and "
        "y back, to pixels of the image as it was filmed",
        POSSIBLE,
    )

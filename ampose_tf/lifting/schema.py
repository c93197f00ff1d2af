"""What each value of a saved result may be, whichever file it is in.

What its values contradict each other in is for `motion.Motion`.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ampose_tf import reading
from ampose_tf.data.poses import FRAME, ROOT, UNITS
from ampose_tf.lifting import untrusted
from ampose_tf.lifting.untrusted import (
    MAX_FRAMES,
    MAX_PEOPLE,
    MAX_PIXEL,
    SPARSE,
    brief,
)

# Metres. Lifted from what is no person, joints and places may be far away;
# their squares are float32, too.
MAX_METRES = 1e9
# A square is assumed around people who may be out of the image, and what was
# not seen is made up beyond them.
_MAX_PIXEL = 10 * MAX_PIXEL
# What JSON's readers keep exact.
_MAX_ID = 2**53
_MAX_TEXTS = 1000
_MAX_TEXT = 4000


class Values(NamedTuple):
    """What the numbers of an array may be.

    Attributes:
        dtype: Of the array.
        low: At least.
        high: At most.
        may_lack: Whether NaN, in JSON null, stands for an unknown number.
    """

    dtype: type
    low: float
    high: float
    may_lack: bool = False


# Of one person, by name.
ROWS = {
    "frame_numbers": Values(np.int64, 0, untrusted.MAX_FRAME),
    "poses_3d": Values(np.float32, -MAX_METRES, MAX_METRES),
    "root_positions": Values(
        np.float32, -MAX_METRES, MAX_METRES, may_lack=True
    ),
    "keypoints_px": Values(np.float32, -_MAX_PIXEL, _MAX_PIXEL, may_lack=True),
    "scores": Values(np.float32, 0, 1),
    "seen": Values(bool, 0, 1),
    "spread_m": Values(np.float32, 0, MAX_METRES, may_lack=True),
}
_WHOLE = (np.int64, bool)


def rows(track: dict) -> dict[str, np.ndarray]:
    """Returns the arrays of one person, by the names of `ROWS`.

    Raises:
        KeyError: If one is missing.
        ValueError: If one holds anything else.
    """
    found = {}
    for name, expected in ROWS.items():
        values = untrusted.numbers(track[name], name)
        low, high = expected.low, expected.high
        fits = (values >= low) & (values <= high)
        if expected.may_lack:
            fits |= np.isnan(values)
        if expected.dtype in _WHOLE:
            fits &= values == np.rint(values)
        if not fits.all():
            kind = "whole numbers" if expected.dtype in _WHOLE else "numbers"
            raise ValueError(
                f"{name}: expected {kind} from {low:g} to {high:g}, got "
                f"{values[~fits].flat[0]:g}"
            )
        found[name] = values.astype(expected.dtype)
    return found


def check_frames(tracks: Iterable) -> None:
    """Checks that frame numbers may be of one clip.

    Args:
        tracks: The frame numbers of each person, or of several in one array.

    Raises:
        ValueError: If they are too far apart to be shown one by one, or one
            is there more than `MAX_PEOPLE` times.
    """
    found = [untrusted.numbers(track, "frame_numbers") for track in tracks]
    if not all(numbers.ndim == 1 for numbers in found):
        raise ValueError("frame_numbers: expected a list of numbers")
    numbers, counts = np.unique(
        np.concatenate([np.empty(0), *found]), return_counts=True
    )
    if not len(numbers):
        return
    if counts.max() > MAX_PEOPLE:
        raise ValueError(
            f"frame_numbers: more than {MAX_PEOPLE} people in the frame "
            f"{numbers[counts.argmax()]:.0f}"
        )
    first, last = numbers[0], numbers[-1]
    if last - first >= max(MAX_FRAMES, SPARSE * len(numbers)):
        raise ValueError(
            f"frame_numbers: {len(numbers)} from {first:.0f} to {last:.0f} "
            "are too far apart for one clip"
        )


def track_id(value) -> int:
    """Returns a person's number.

    Raises:
        ValueError: If it is wrong.
    """
    if (
        isinstance(value, bool)
        or not isinstance(value, int)
        or abs(value) > _MAX_ID
    ):
        raise ValueError(f"track_id: expected a number, got {brief(value)}")
    return value


def described(content: dict) -> dict:
    """Returns what a result says of all people, as arguments of `Motion`.

    Notes and provenance are shown and written elsewhere: what cannot be
    printed in them becomes escapes.

    Raises:
        KeyError: If something is missing.
        ValueError: If something is not what it should be.
    """
    for name, expected in (("units", UNITS), ("frame", FRAME), ("root", ROOT)):
        if content[name] != expected:
            raise ValueError(
                f"{name}: expected {expected!r}, got {brief(content[name])}"
            )
    fps = content["fps"]
    notes = content["notes"]
    provenance = content.get("provenance", {})
    if not isinstance(notes, (list, tuple)):
        raise ValueError(f"notes: expected a list, got {brief(notes)}")
    if not isinstance(provenance, dict):
        raise ValueError(
            f"provenance: expected an object, got {brief(provenance)}"
        )
    names = _texts("provenance", list(provenance))
    return {
        "image_size": _sides(content["image_size"]),
        "image_corner": _numbers(content, "image_corner", 2, _MAX_PIXEL),
        "fps": None if fps is None else untrusted.frame_rate(fps, "fps"),
        "notes": _texts("notes", notes),
        "up": _numbers(content, "up", 3, 1.01),
        "normalisation": content["normalisation"],
        "provenance": dict(
            zip(
                names,
                _texts("provenance", list(provenance.values())),
                strict=True,
            )
        ),
    }


def _numbers(content, name, count, most):
    values = untrusted.numbers(content[name], name)
    if values.shape != (count,) or not (np.abs(values) <= most).all():
        raise ValueError(
            f"{name}: expected {count} numbers of at most {most:g}, got "
            f"{brief(content[name])}"
        )
    return tuple(values.tolist())


def _sides(size):
    sides = untrusted.numbers(size, "image_size")
    if sides.shape != (2,) or not ((sides >= 1) & (sides <= _MAX_PIXEL)).all():
        raise ValueError(
            "image_size: expected a width and a height of 1 to "
            f"{_MAX_PIXEL} pixels, got {brief(size)}"
        )
    return tuple(
        int(side) if side == int(side) else side for side in sides.tolist()
    )


def _texts(name, values):
    if len(values) > _MAX_TEXTS:
        raise ValueError(f"{name}: more than {_MAX_TEXTS} texts")
    for value in values:
        if not isinstance(value, str):
            raise ValueError(f"{name}: expected texts, got {brief(value)}")
    return tuple(reading.shown(value, _MAX_TEXT) for value in values)

"""Valid values of a saved result, for all file formats.

`motion.Motion` checks that the values are consistent with each other.
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

# Metres. Joints and roots may be far away if the input shows no person; their
# squares must fit into float32.
MAX_METRES = 1e9
# Larger than `MAX_PIXEL`: an assumed image includes people outside of the
# true one, and unseen joints are filled in beyond it.
_MAX_PIXEL = 10 * MAX_PIXEL
# Largest integer that all JSON readers keep exact.
_MAX_ID = 2**53
_MAX_TEXTS = 1000
_MAX_TEXT = 4000


class Values(NamedTuple):
    """Valid numbers of an array.

    Attributes:
        dtype: Type of the array.
        low: Smallest valid number.
        high: Largest valid number.
        may_lack: Whether numbers may be unknown: NaN, or null in JSON.
    """

    dtype: type
    low: float
    high: float
    may_lack: bool = False


# Arrays of one person, by name.
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
        KeyError: If an array is missing.
        ValueError: If an array contains invalid values.
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
    """Checks that frame numbers can belong to one clip.

    Args:
        tracks: Arrays of frame numbers, each of one or several people.

    Raises:
        ValueError: If the numbers are too far apart to show every frame, or a
            number occurs more than `MAX_PEOPLE` times.
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
            f"frame_numbers: more than {MAX_PEOPLE} people in frame "
            f"{numbers[counts.argmax()]:.0f}"
        )
    first, last = numbers[0], numbers[-1]
    if last - first >= max(MAX_FRAMES, SPARSE * len(numbers)):
        raise ValueError(
            f"frame_numbers: {len(numbers)} numbers from {first:.0f} to "
            f"{last:.0f} are too far apart for one clip"
        )


def track_id(value) -> int:
    """Returns a person's track id.

    Raises:
        ValueError: If the id is not an integer of at most 2**53.
    """
    if (
        isinstance(value, bool)
        or not isinstance(value, int)
        or abs(value) > _MAX_ID
    ):
        raise ValueError(f"track_id: expected an integer, got {brief(value)}")
    return value


def described(content: dict) -> dict:
    """Returns the description of all people, as arguments of `Motion`.

    Unprintable characters in notes and provenance become escapes, since these
    texts are shown and saved again.

    Raises:
        KeyError: If a value is missing.
        ValueError: If a value is invalid.
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
            f"{name}: expected {count} numbers of magnitude at most {most:g}, "
            f"got {brief(content[name])}"
        )
    return tuple(values.tolist())


def _sides(size):
    sides = untrusted.numbers(size, "image_size")
    if sides.shape != (2,) or not ((sides >= 1) & (sides <= _MAX_PIXEL)).all():
        raise ValueError(
            "image_size: expected a width and height from 1 to "
            f"{_MAX_PIXEL} pixels, got {brief(size)}"
        )
    return tuple(
        int(side) if side == int(side) else side for side in sides.tolist()
    )


def _texts(name, values):
    if len(values) > _MAX_TEXTS:
        raise ValueError(f"{name}: more than {_MAX_TEXTS} strings")
    for value in values:
        if not isinstance(value, str):
            raise ValueError(f"{name}: expected strings, got {brief(value)}")
    return tuple(reading.shown(value, _MAX_TEXT) for value in values)

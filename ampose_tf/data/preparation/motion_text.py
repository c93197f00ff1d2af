"""Reads numbers from text files, with positions in error messages."""

import os
import re

import numpy as np

from ampose_tf import reading

# The longest of CMU's 2,500 recordings use a third of this.
MOST_BYTES = 64 * 2**20
_MOST_LINES = 2_000_000
# Joints of a skeleton; detailed hands have fifty.
MOST_JOINTS = 1000
# Frames times joints, which limits the memory needed for a file.
_MOST_PLACES = 4_000_000
# Micrometres in a kilometre; squares of larger numbers might overflow.
_LARGEST = 1e9


def read(path: str | os.PathLike) -> list[str]:
    """Returns a file's lines. Line numbers in messages count from one.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If the file is larger than any recording.
    """
    try:
        content = reading.content(path, MOST_BYTES)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if content.count(b"\n") + content.count(b"\r") > _MOST_LINES:
        raise ValueError(f"{path}: more than {_MOST_LINES} lines")
    # Comments may have any encoding; everything else is ASCII.
    return re.split("\r\n?|\n", content.decode("latin-1"))


def check_size(where: str, frames: int, joints: int) -> None:
    """Checks that a motion fits into memory.

    Raises:
        ValueError: If the motion is larger than any recording.
    """
    if frames * joints > _MOST_PLACES:
        raise ValueError(
            f"{where}: {frames} frames of {joints} joints are more than in "
            "any recording"
        )


def numbers(words: list[str], count: int, where: str) -> np.ndarray:
    """Returns `count` finite numbers of at most 1e9, (count,) float64.

    Args:
        words: Words of a line.
        count: Expected number of words.
        where: File, line and name of the numbers, for messages.

    Raises:
        ValueError: If the number of words differs, or one is not such a
            number.
    """
    if len(words) != count:
        some = "1 number" if count == 1 else f"{count} numbers"
        raise ValueError(f"{where}: expected {some}, got {len(words)}")
    try:
        values = np.array(words, dtype=np.float64)
    except ValueError:
        values = None
    if values is None or not (np.abs(values) <= _LARGEST).all():
        wrong = next(word for word in words if not _is_usable(word))
        raise ValueError(f"{where}: expected finite numbers, got {wrong!r}")
    return values


def _is_usable(word):
    try:
        return abs(float(word)) <= _LARGEST
    except ValueError:
        return False

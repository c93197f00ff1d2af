"""Reading numbers from text files, saying where one is wrong."""

import os
import pathlib

import numpy as np

# The longest of CMU's 2,500 recordings take a third of it.
MOST_BYTES = 64 * 2**20


def read(path: str | os.PathLike) -> list[str]:
    """Returns a file's lines. Line numbers in messages count from one.

    Raises:
        OSError: Where it cannot be read.
        ValueError: Where it is larger than any recording.
    """
    path = pathlib.Path(path)
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ValueError(
            f"{path}: expected at most {MOST_BYTES >> 20} MiB of text, got "
            f"{size >> 20} MiB"
        )
    # Comments hold bytes of forgotten encodings; what is read is ASCII.
    return path.read_text(encoding="latin-1").splitlines()


def numbers(words: list[str], count: int, where: str) -> np.ndarray:
    """Returns `count` finite numbers, (count,) float64.

    Args:
        words: A line's, split.
        count: How many are expected.
        where: The file, the line and what is read, for messages.

    Raises:
        ValueError: Where there are more or fewer, or one is no number.
    """
    if len(words) != count:
        some = "1 number" if count == 1 else f"{count} numbers"
        raise ValueError(f"{where}: expected {some}, got {len(words)}")
    try:
        values = np.array(words, dtype=np.float64)
    except ValueError:
        values = None
    if values is None or not np.isfinite(values).all():
        wrong = next(word for word in words if not _is_finite(word))
        raise ValueError(f"{where}: expected finite numbers, got {wrong!r}")
    return values


def _is_finite(word):
    try:
        return bool(np.isfinite(float(word)))
    except ValueError:
        return False

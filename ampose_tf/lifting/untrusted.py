"""Files from strangers, within bounds: bytes, JSON, numbers and sizes."""

import contextlib
import json
import os
import zipfile
from collections.abc import Callable

import numpy as np
import orjson

from ampose_tf import unpacking

# Of a file, of what an .npz unpacks to, of all files of a folder, and of
# standard input. An hour of one person at 30 frames a second is 100 MB of
# COCO's results.
MAX_BYTES = 256 * 2**20
# Of lists and objects in JSON, which take up to 200 bytes each, however short
# they are written: with the numbers in them, a file takes some 4 GB. That
# hour has 4 million where every joint is an object.
MAX_NODES = 16_000_000

# Beyond these a file is taken for damaged, or for another kind of file.
MAX_PIXEL = 100_000  # Of a coordinate, either sign, and of an image's side.
MAX_PEOPLE = 200  # In one frame.
MAX_FRAMES = 1_000_000  # In a clip: nine hours at 30 a second.
MAX_FRAME = 10_000_000  # Of a frame's number.
MAX_FPS = 10_000


def read(path: str | os.PathLike, most: int | None = None) -> bytes:
    """Returns what is in a file.

    Args:
        path: Of the file.
        most: Bytes; `MAX_BYTES` where None.

    Raises:
        OSError: Where it cannot be read.
        ValueError: Where it is larger.
    """
    most = MAX_BYTES if most is None else most
    with open(path, "rb") as file:
        # Python takes memory for as many bytes as are asked for, of each of
        # thousands of files in a folder; what is no file has no size.
        size = min(most, os.fstat(file.fileno()).st_size)
        content = file.read(size + 1)
        if len(content) > size:
            content += file.read(most - size)
    if len(content) > most:
        raise ValueError(f"larger than {most} bytes")
    return content


def unpacked(content: bytes) -> bytes:
    """Returns what a gzip file unpacks to; other content as it is.

    Raises:
        ValueError: If it is more than `MAX_BYTES`, or damaged.
    """
    return unpacking.gunzipped(content, MAX_BYTES)


def check_unpacked_size(path: str | os.PathLike) -> None:
    """Checks what a zip archive, as `.npz` are, would unpack to.

    Raises:
        ValueError: Where that is more than `MAX_BYTES`.
    """
    try:
        with zipfile.ZipFile(path) as members:
            size = sum(member.file_size for member in members.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return  # Which `archive` will explain.
    if size > MAX_BYTES:
        raise ValueError(f"unpacks to more than {MAX_BYTES} bytes")


def parse(text: str | bytes, object_of: Callable | None = None):
    """Parses JSON.

    Args:
        text: Text, or bytes in UTF-8.
        object_of: Makes an object of its (name, value) pairs, and raises a
            ValueError where it does not want to; None for a dict.

    Raises:
        ValueError: Where it is none; it says where, in one line.
    """
    signs = ("[", "{") if isinstance(text, str) else (b"[", b"{")
    if sum(map(text.count, signs)) > MAX_NODES:
        raise ValueError(
            f"not read: more than {MAX_NODES} lists and objects; split it"
        )
    if object_of is None:
        # What it refuses, as NaN, UTF-16 and mistakes, is for json.
        with contextlib.suppress(orjson.JSONDecodeError):
            return orjson.loads(text)
    try:
        return json.loads(text, object_pairs_hook=object_of)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"not JSON: {error.msg} (line {error.lineno}, column "
            f"{error.colno})"
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError("not JSON: its text is not UTF-8") from error
    except RecursionError as error:
        raise ValueError("not read: its JSON is nested too deeply") from error


def numbers(values, what: str) -> np.ndarray:
    """Returns numbers of a file as float64; null becomes NaN.

    Raises:
        ValueError: Where they are something else.
    """
    kind = values.dtype.kind if isinstance(values, np.ndarray) else "O"
    if kind not in "biufO":
        raise ValueError(f"{what}: expected numbers, got {brief(values)}")
    try:
        # A signalling NaN of a damaged file is a NaN all the same.
        with np.errstate(invalid="ignore"):
            return np.asarray(values, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{what}: expected numbers") from error


def triples(values, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Splits x1, y1, score1, x2, …, the layout of COCO and OpenPose.

    Returns:
        (S, 2) points and (S,) scores.

    Raises:
        ValueError: Where it is not that.
    """
    flat = numbers(values, what)
    if flat.ndim != 1 or not flat.size or flat.size % 3:
        raise ValueError(
            f"{what}: expected x, y, score of every joint in one list, got "
            f"shape {flat.shape}"
        )
    flat = flat.reshape(-1, 3)  # (S, 3)
    return flat[:, :2], flat[:, 2]


def whole_number(value, what: str) -> int:
    """Returns a number of a frame or of a person.

    Raises:
        ValueError: Where it is not whole, negative, or above `MAX_FRAME`.
    """
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not 0 <= value <= MAX_FRAME
        or value != int(value)
    ):
        raise ValueError(
            f"{what}: expected a whole number from 0 to {MAX_FRAME}, got "
            f"{brief(value)}"
        )
    return int(value)


def image_size(size, what: str) -> tuple[int, int]:
    """Returns an image's (width, height).

    Raises:
        ValueError: Where they are not positive, or above `MAX_PIXEL`.
    """
    sides = numbers(size, what)
    if sides.shape != (2,) or not ((sides >= 1) & (sides <= MAX_PIXEL)).all():
        raise ValueError(
            f"{what}: expected a positive width and height of at most "
            f"{MAX_PIXEL} pixels, got {brief(size)}"
        )
    return int(sides[0]), int(sides[1])


def frame_rate(fps, what: str) -> float:
    """Returns frames a second.

    Raises:
        ValueError: Where they are not above 0 and at most `MAX_FPS`.
    """
    rate = numbers(fps, what)
    if rate.shape != () or not 0 < rate <= MAX_FPS:
        raise ValueError(
            f"{what}: expected frames a second above 0 and at most "
            f"{MAX_FPS}, got {brief(fps)}"
        )
    return float(rate)


def brief(value) -> str:
    """Returns what a value of a file is, in a few words of one line."""
    if isinstance(value, dict):
        if not value:
            return "an empty object"
        keys = ", ".join(brief(key) for key in list(value)[:8])
        return f"an object with {keys}{', …' if len(value) > 8 else ''}"
    if isinstance(value, (list, tuple)):
        if not value:
            return "an empty list"
        first = value[0]
        first = "a list" if isinstance(first, list) else brief(first)
        return f"a list of {len(value)}, the first {first}"
    if isinstance(value, np.ndarray) and value.size > 4:
        return f"an array of shape {value.shape} of {value.dtype}"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}…"

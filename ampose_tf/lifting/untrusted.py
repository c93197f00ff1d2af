"""Files from strangers, within bounds: bytes, JSON, numbers and sizes."""

import contextlib
import json
import os
import re
from collections.abc import Callable

import numpy as np
import orjson

from ampose_tf import reading, unpacking

# Of a file, of what an .npz unpacks to, of all files of a folder, and of
# standard input. An hour of one person at 30 frames a second is 100 MB of
# COCO's results.
MAX_BYTES = 256 * 2**20
# Of lists and objects in JSON, which take up to 200 bytes each, however short
# they are written: with the numbers in them, a file takes some 4 GB. That
# hour has 4 million where every joint is an object.
MAX_NODES = 16_000_000
# Of lists in lists, in JSON; no tool's file has ten.
MAX_DEPTH = 64
# Of numbers in an array, which become float64: those of MAX_BYTES of float32.
MAX_NUMBERS = 2**26

# Beyond these a file is taken for damaged, or for another kind of file.
MAX_PIXEL = 100_000  # Of a coordinate, either sign, and of an image's side.
MAX_PEOPLE = 200  # In one frame.
MAX_FRAMES = 1_000_000  # In a clip: nine hours at 30 a second.
MAX_FRAME = 10_000_000  # Of a frame's number.
# Numbers count the frames of one clip if at least one of so many is there, or
# all lie within so many, an hour at 30 a second.
SPARSE = 20
HOUR = 108_000
MIN_FPS = 1e-6  # One every eleven days.
MAX_FPS = 10_000


def read(path: str | os.PathLike, most: int | None = None) -> bytes:
    """Returns what is in a file.

    Args:
        path: Of the file.
        most: Bytes; `MAX_BYTES` where None.

    Raises:
        OSError: If it cannot be read, or is not a file.
        ValueError: If it is larger.
    """
    return reading.content(path, MAX_BYTES if most is None else most)


def unpacked(content: bytes) -> bytes:
    """Returns what a gzip file unpacks to; other content as it is.

    Raises:
        ValueError: If it is more than `MAX_BYTES`, or damaged.
    """
    return unpacking.gunzipped(content, MAX_BYTES)


def parse(text: str | bytes, object_of: Callable | None = None):
    """Parses JSON.

    Args:
        text: Text, or bytes in UTF-8.
        object_of: Makes an object of its (name, value) pairs, and raises a
            ValueError where it does not want to; None for a dict.

    Raises:
        ValueError: If it is no JSON; it says where, in one line.
    """
    content = _as_utf8(text)
    nodes = content.count(b"[") + content.count(b"{")
    if nodes > MAX_NODES:
        raise ValueError(
            f"not read: more than {MAX_NODES} lists and objects; split it"
        )
    if nodes > MAX_DEPTH and _depth(content) > MAX_DEPTH:
        raise ValueError(
            f"not read: its JSON is nested too deeply, more than {MAX_DEPTH} "
            "lists and objects in each other"
        )
    if object_of is None:
        # What it refuses, as NaN and mistakes, is for json.
        with contextlib.suppress(orjson.JSONDecodeError):
            return orjson.loads(content)
    try:
        return json.loads(
            content, object_pairs_hook=object_of, parse_int=_integer
        )
    except json.JSONDecodeError as error:
        raise ValueError(
            f"not JSON: {error.msg} (line {error.lineno}, column "
            f"{error.colno})"
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError("not JSON: its text is not UTF-8") from error


def _integer(digits):
    if len(digits) > 4000:  # Python's own bound is 4300.
        raise ValueError(f"not read: a number of {len(digits)} digits")
    # As orjson does beyond 64 bits; as keys, larger numbers can be chosen so
    # that their hashes are one.
    value = int(digits)
    return value if -(2**63) <= value < 2**64 else float(digits)


def _as_utf8(text):
    if isinstance(text, str):
        return text.encode("utf-8", "surrogatepass")
    coding = json.detect_encoding(text)
    if coding.startswith("utf-8"):
        return text
    try:
        text = text.decode(coding, "surrogatepass")
        return text.encode("utf-8", "surrogatepass")
    except UnicodeError as error:
        raise ValueError(f"not JSON: its text is not {coding}") from error


# All bytes but those that decide on JSON's structure, and texts of what is
# left of them.
_NO_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"\\'))
_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_QUOTED = re.compile(rb'"[^"]*"?')
# By byte: how much deeper or less deep it is after it.
_STEPS = np.zeros(256, np.int8)
_STEPS[list(b"[{")] = 1
_STEPS[list(b"]}")] = -1


def _depth(content):
    """Returns how many lists and objects of JSON are in each other."""
    if b"\\" in content:
        content = _ESCAPED.sub(b"", content)
    structure = content.translate(None, _NO_STRUCTURE)
    # Most texts are empty by now; two quotes less change nothing for the rest.
    structure = _QUOTED.sub(b"", structure.replace(b'""', b""))
    steps = _STEPS[np.frombuffer(structure, np.uint8)]
    return int(np.cumsum(steps, dtype=np.int32).max(initial=0))


def numbers(values, what: str) -> np.ndarray:
    """Returns numbers of a file as float64; null becomes NaN.

    Raises:
        ValueError: If they are something else.
    """
    is_array = isinstance(values, np.ndarray)
    if is_array and values.size > MAX_NUMBERS:
        raise ValueError(f"{what}: more than {MAX_NUMBERS} numbers")
    is_text = isinstance(values, str)
    if is_text or (is_array and values.dtype.kind not in "biufO"):
        raise ValueError(f"{what}: expected numbers, got {brief(values)}")
    try:
        # A signalling NaN of a damaged file is a NaN all the same.
        with np.errstate(invalid="ignore"):
            return np.asarray(values, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{what}: expected numbers") from error


def whole_number(value, what: str) -> int:
    """Returns a number of a frame or of a person.

    Raises:
        ValueError: If it is not whole, negative, or above `MAX_FRAME`.
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
        ValueError: If they are not positive, or above `MAX_PIXEL`.
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
        ValueError: If they are not from `MIN_FPS` to `MAX_FPS`.
    """
    rate = numbers(fps, what)
    if rate.shape != () or not MIN_FPS <= rate <= MAX_FPS:
        raise ValueError(
            f"{what}: expected frames a second above 0, at least {MIN_FPS:g} "
            f"and at most {MAX_FPS}, got {brief(fps)}"
        )
    return float(rate)


def brief(value) -> str:
    """Returns what a value of a file is, in a few words of one line."""
    if isinstance(value, dict):
        if not value:
            return "an empty object"
        keys = ", ".join(brief(key) for key in list(value)[:8])
        keys = reading.shown(keys, 120)
        return f"an object with {keys}{', …' if len(value) > 8 else ''}"
    if isinstance(value, (list, tuple)):
        if not value:
            return "an empty list"
        first = value[0]
        is_list = isinstance(first, (list, tuple))
        first = "a list" if is_list else brief(first)
        return f"a list of {len(value)}, the first {first}"
    if isinstance(value, np.ndarray):
        if value.size > 4 or value.dtype.hasobject:
            return f"an array of shape {value.shape} of {value.dtype}"
        value = value.tolist()
    if isinstance(value, int) and value.bit_length() > 128:
        return "a number of more than 38 digits"
    if isinstance(value, str):
        return reading.shown(repr(str(value[:40])), 40)
    return reading.shown(
        str(value[:40] if isinstance(value, bytes) else value), 40
    )

"""Reads untrusted files within limits: bytes, JSON, numbers and sizes."""

import contextlib
import json
import os
import re
from collections.abc import Callable

import numpy as np
import orjson

from ampose_tf import reading, unpacking

# Largest size of a file, of an unpacked .npz, of all files in a folder, and of
# standard input. An hour of one person at 30 frames per second is 100 MB of
# COCO results.
MAX_BYTES = 256 * 2**20
# Most lists and objects in JSON. Each takes up to 200 bytes of memory, even if
# its text is short: with the numbers in them, a file takes some 4 GB. An hour
# of one person has 4 million if every joint is an object.
MAX_NODES = 16_000_000
# Deepest nesting of JSON; the files of known tools have fewer than ten levels.
MAX_DEPTH = 64
# Most numbers in an array, which become float64: MAX_BYTES of float32.
MAX_NUMBERS = 2**26

# A file beyond these limits is considered damaged or of another kind.
MAX_PIXEL = 100_000  # Absolute coordinate, and side of an image.
MAX_PEOPLE = 200  # In one frame.
MAX_FRAMES = 1_000_000  # In a clip: nine hours at 30 per second.
MAX_FRAME = 10_000_000  # Frame number.
# Frame numbers belong to one clip if at least one in SPARSE is present, or all
# are within HOUR, an hour at 30 frames per second.
SPARSE = 20
HOUR = 108_000
MIN_FPS = 1e-6  # One frame every eleven days.
MAX_FPS = 10_000


def read(path: str | os.PathLike, most: int | None = None) -> bytes:
    """Returns the content of a file.

    Args:
        path: Path of the file.
        most: Largest number of bytes; None for `MAX_BYTES`.

    Raises:
        OSError: If the path cannot be read, or is not a file.
        ValueError: If the file is larger.
    """
    return reading.content(path, MAX_BYTES if most is None else most)


def unpacked(content: bytes) -> bytes:
    """Unpacks the content of a gzip file; returns other content unchanged.

    Raises:
        ValueError: If the unpacked content is larger than `MAX_BYTES`, or
            damaged.
    """
    return unpacking.gunzipped(content, MAX_BYTES)


def parse(text: str | bytes, object_of: Callable | None = None):
    """Parses JSON.

    Args:
        text: Text, or bytes in UTF-8.
        object_of: Returns an object for its (name, value) pairs, or raises a
            ValueError to refuse them; None to return dicts.

    Raises:
        ValueError: If the text is not JSON; the message states the position,
            in one line.
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
        # json handles what orjson refuses: NaN, and errors.
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
        raise ValueError("not JSON: the text is not UTF-8") from error


def _integer(digits):
    if len(digits) > 4000:  # Python's own limit is 4300.
        raise ValueError(f"not read: a number of {len(digits)} digits")
    # Beyond 64 bits, a float as in orjson: larger integers can be chosen to
    # have the same hash.
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
        raise ValueError(f"not JSON: the text is not {coding}") from error


# All bytes except those that determine the structure of JSON, and patterns of
# escapes and strings.
_NO_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"\\'))
_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_QUOTED = re.compile(rb'"[^"]*"?')
# Change of the nesting depth for each byte.
_STEPS = np.zeros(256, np.int8)
_STEPS[list(b"[{")] = 1
_STEPS[list(b"]}")] = -1


def _depth(content):
    """Returns the nesting depth of lists and objects in JSON."""
    if b"\\" in content:
        content = _ESCAPED.sub(b"", content)
    structure = content.translate(None, _NO_STRUCTURE)
    # Most strings are empty now; removing these does not affect the others.
    structure = _QUOTED.sub(b"", structure.replace(b'""', b""))
    steps = _STEPS[np.frombuffer(structure, np.uint8)]
    return int(np.cumsum(steps, dtype=np.int32).max(initial=0))


def numbers(values, what: str) -> np.ndarray:
    """Returns numbers of a file as float64; null becomes NaN.

    Raises:
        ValueError: If the values are not numbers.
    """
    is_array = isinstance(values, np.ndarray)
    if is_array and values.size > MAX_NUMBERS:
        raise ValueError(f"{what}: more than {MAX_NUMBERS} numbers")
    is_text = isinstance(values, str)
    if is_text or (is_array and values.dtype.kind not in "biufO"):
        raise ValueError(f"{what}: expected numbers, got {brief(values)}")
    try:
        # A damaged file may contain signalling NaN.
        with np.errstate(invalid="ignore"):
            return np.asarray(values, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{what}: expected numbers") from error


def whole_number(value, what: str) -> int:
    """Returns a frame number or a person's id.

    Raises:
        ValueError: If the value is not an integer from 0 to `MAX_FRAME`.
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
        ValueError: If they are not from 1 to `MAX_PIXEL`.
    """
    sides = numbers(size, what)
    if sides.shape != (2,) or not ((sides >= 1) & (sides <= MAX_PIXEL)).all():
        raise ValueError(
            f"{what}: expected a width and height from 1 to "
            f"{MAX_PIXEL} pixels, got {brief(size)}"
        )
    return int(sides[0]), int(sides[1])


def frame_rate(fps, what: str) -> float:
    """Returns a frame rate in frames per second.

    Raises:
        ValueError: If the rate is not from `MIN_FPS` to `MAX_FPS`.
    """
    rate = numbers(fps, what)
    if rate.shape != () or not MIN_FPS <= rate <= MAX_FPS:
        raise ValueError(
            f"{what}: expected frames per second from {MIN_FPS:g} to "
            f"{MAX_FPS}, got {brief(fps)}"
        )
    return float(rate)


def brief(value) -> str:
    """Describes a value of a file in a few words, in one line."""
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

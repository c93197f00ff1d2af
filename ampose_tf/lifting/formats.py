"""Reading keypoint files of any tool.

A file is recognised by what is in it. The forms are described, with their
sources, in `readers.frame_forms` (one frame in JSON), `readers.clip_forms` (a
clip in JSON) and `readers.array_files` (`.npy`, `.npz`, `.csv`). A folder
holds one JSON file for each frame, as OpenPose and MMPose write them. `-` is
standard input and holds JSON lines, as a `.jsonl` file does: one frame a
line, see `stream`.

Nothing in a file is executed. Files beyond the bounds of `untrusted` are
refused, as are coordinates, people and frames beyond its limits.
"""

import contextlib
import gc
import os
import pathlib
import re
import sys
import threading
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from ampose_tf.conversion import Conversion
from ampose_tf.data import archive
from ampose_tf.lifting import results, untrusted
from ampose_tf.lifting.keypoints import Keypoints
from ampose_tf.lifting.readers import (
    array_files,
    clip_forms,
    detections,
    sequences,
    streams,
)
from ampose_tf.lifting.readers.streams import checked_image_size, stream

__all__ = [
    "FORMATS",
    "MAX_LINE_BYTES",
    "checked_image_size",
    "frames_in",
    "is_one_frame",
    "natural",
    "parse_image_size",
    "read",
    "read_array",
    "read_lines",
    "stream",
]

MAX_LINE_BYTES = 16 * 2**20

_LARGE_BYTES = 2**20
_NOT_PAUSED = contextlib.nullcontext()

# What may stand before JSON: blanks and the mark of UTF-8.
_SPACE = b" \t\r\n\xef\xbb\xbf"

FORMATS = (
    "coco",
    "alphapose",
    "openpose",
    "mmpose",
    "ultralytics",
    "detectron2",
    "mediapipe",
    "movenet",
    "tfjs",
    "array",
    "csv",
)


def read(
    path: str | os.PathLike,
    image_size: tuple[int, int] | None = None,
    format: str | None = None,
    skeleton: Conversion | None = None,
) -> Keypoints:
    """Reads the people of a clip.

    Args:
        path: A file, a folder of one JSON file for each frame, or `-` for
            JSON lines on standard input.
        image_size: (width, height) in pixels, which beats the file's.
        format: One of `FORMATS`; None to recognise it.
        skeleton: Of the file's joints, see `keypoints.find_skeleton` and
            `own_skeleton.load`; None to tell it by their names or number.

    Returns:
        Keypoints in pixels, in the order of the file's skeleton.

    Raises:
        OSError: Where it cannot be read.
        ValueError: Where it is of no known format, or wrong in itself.
    """
    image_size = _checked(image_size, format)
    try:
        paused = _collector_paused if _is_large(path) else _NOT_PAUSED
        with paused:
            if str(path) == "-":
                path = "standard input"
                lines = _bounded(read_lines(sys.stdin.buffer))
                recording = streams.read_clip(lines, format, skeleton)
            else:
                path = pathlib.Path(path)
                read_one = _folder if path.is_dir() else _file
                recording = read_one(path, format, skeleton)
        return detections.settle(recording, image_size)
    except ValueError as error:
        message = str(error)
        if message.startswith(f"{path}: "):  # `archive` names its file.
            raise
        raise ValueError(f"{path}: {message}") from error


def read_array(
    array: np.ndarray,
    image_size: tuple[int, int] | None = None,
    format: str | None = None,
    skeleton: Conversion | None = None,
) -> Keypoints:
    """Reads keypoints from an array as from a `.npy` that holds it.

    Args:
        array: See `readers.array_files`.
        image_size: As in `read`.
        format: As in `read`.
        skeleton: As in `read`.

    Raises:
        ValueError: Where its shape or its values are wrong.
    """
    image_size = _checked(image_size, format)
    recording = array_files.read_array(array, format, skeleton)
    return detections.settle(recording, image_size)


def read_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yields lines as they come, see `stream`.

    Raises:
        ValueError: Where one is longer than `MAX_LINE_BYTES`.
    """
    while line := file.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            raise ValueError(f"a line of more than {MAX_LINE_BYTES} bytes")
        yield line


def parse_image_size(text: str) -> tuple[int, int]:
    """Parses "WIDTHxHEIGHT" in pixels.

    Raises:
        ValueError: Where it is not two positive whole numbers.
    """
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(p.isdecimal() and int(p) for p in parts):
        raise ValueError(
            f"--image_size: expected WIDTHxHEIGHT in pixels, both above 0, "
            f"got {text!r}"
        )
    return int(parts[0]), int(parts[1])


def is_one_frame(path: pathlib.Path) -> bool:
    """Whether a JSON file holds a single frame, or cannot be read."""
    try:
        return clip_forms.is_one_frame(untrusted.parse(untrusted.read(path)))
    except (ValueError, OSError):
        return True


def frames_in(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the JSON files of a folder, in the order of their numbers."""
    found = [p for p in folder.iterdir() if p.suffix.lower() == ".json"]
    return sorted(found, key=lambda path: natural(path.name))


def natural(name: str) -> list[tuple[int, int, str]]:
    """Returns a key that sorts "2.json" before "10.json"."""
    return [
        (1, int(part), "") if part.isdecimal() else (0, 0, part)
        for part in re.split(r"([0-9]{1,18})", name)
    ]


class _Pause:
    """Pauses Python's garbage collector.

    None of the millions of objects that a large file becomes is garbage, and
    looking for some takes half of the time. Several threads may read at a
    time: it is on again when the last has ended.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._readers = 0
        self._is_on = False

    def __enter__(self):
        with self._lock:
            if not self._readers:
                self._is_on = gc.isenabled()
                gc.disable()
            self._readers += 1

    def __exit__(self, *_):
        with self._lock:
            self._readers -= 1
            if self._is_on and not self._readers:
                gc.enable()


_collector_paused = _Pause()


def _is_large(path):
    """Whether reading takes so long that garbage collection matters."""
    path = pathlib.Path(path)
    return not path.is_file() or path.stat().st_size > _LARGE_BYTES


def _checked(image_size, format):
    """Returns the image's size, once the format is known to exist."""
    if format is not None and format not in FORMATS:
        raise ValueError(
            f"unknown format {format!r}; known: {', '.join(FORMATS)}"
        )
    if image_size is None:
        return None
    return untrusted.image_size(image_size, "image_size")


def _file(path, format, skeleton):
    if not path.exists():
        raise FileNotFoundError(f"no keypoint file {path}")
    content = untrusted.read(path)
    if content.startswith(b"\x93NUMPY"):
        array = archive.read_npy(path)
        return array_files.read_array(array, format, skeleton)
    if content.startswith(b"PK"):
        untrusted.check_unpacked_size(path)
        members = archive.read(path)
        _refuse_lifted(members)
        return array_files.read_npz(members, format, skeleton)
    if _is_table(path, content, format):
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError("its text is not UTF-8") from error
        return array_files.read_csv(text, format, skeleton)
    if not content.lstrip(_SPACE).startswith((b"[", b"{", b"null")):
        raise ValueError(
            "an empty file"
            if not content.strip()
            else "neither JSON, nor .npy or .npz, nor a table whose header "
            "has <joint>_x and <joint>_y"
        )
    if _are_json_lines(content):
        return streams.read_clip(content.splitlines(), format, skeleton)
    value = untrusted.parse(content)
    del content  # It may be large, and so is what the reader makes of it.
    _refuse_lifted(value)
    return clip_forms.read_clip(value, format, skeleton)


def _is_table(path, content, format):
    if format == "csv" or path.suffix.lower() == ".csv":
        return True
    header = content[:4096].lstrip(b"\xef\xbb\xbf").split(b"\n")[0]
    return b"_x" in header and b"," in header and header[:1] not in b"[{"


def _are_json_lines(content):
    """Whether the first of several lines is JSON of its own."""
    content = content.lstrip()
    first = content.partition(b"\n")[0].partition(b"\r")[0]
    if not content[len(first) :].strip():
        return False
    try:
        untrusted.parse(first)
    except ValueError:
        return False
    return True


def _folder(path, format, skeleton):
    files = frames_in(path)
    if not files:
        raise ValueError("no .json file in this folder")
    items, rest = [], untrusted.MAX_BYTES
    for file in files:
        try:
            content = untrusted.read(file, rest)
        except ValueError as error:
            raise ValueError(
                f"its files are larger than {untrusted.MAX_BYTES} bytes"
            ) from error
        rest -= len(content)
        try:
            items.append(untrusted.parse(content))
            _refuse_lifted(items[-1])
        except ValueError as error:
            raise ValueError(f"{file.name}: {error}") from error
    if len(items) == 1:
        return clip_forms.read_clip(items[0], format, skeleton)
    for file, item in zip(files, items, strict=True):
        if clip_forms.has_several_images(item):
            raise ValueError(
                f"{file.name}: several frames; expected one frame in each "
                "file of a folder"
            )
    names = [file.name for file in files]
    frames, form = sequences.read_frames(items, format, names)
    numbers = [sequences.last_number(name) for name in names]
    if None not in numbers and 1 < len(set(numbers)) < len(numbers):
        # Where all are the same, it is not the frames that they count.
        raise ValueError(
            "two files have the same number; expected one clip a folder"
        )
    numbers = sequences.number_frames(names)
    return sequences.record(frames, numbers, skeleton, form)


def _bounded(lines):
    """Yields lines that are not longer than `MAX_BYTES` together."""
    rest = untrusted.MAX_BYTES
    for line in lines:
        rest -= len(line)
        if rest < 0:
            raise ValueError(f"larger than {untrusted.MAX_BYTES} bytes")
        yield line


def _refuse_lifted(value):
    if results.is_motion(value):
        raise ValueError(
            "lifted motion, no keypoints; results.load reads it in Python, "
            "and lift.py writes it in other --formats"
        )

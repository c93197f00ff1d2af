"""Reads the keypoint files of pose detectors.

The format is detected from a file's contents. The formats are described, with
their sources, in `readers.forms`: `frame_forms` (one frame in JSON),
`clip_forms` (a clip in JSON), `array_files` (`.npy`, `.npz`), `tables`
(`.csv`), `yolo` and `h5_files`. A folder contains one file per frame, as
written by OpenPose, MMPose and YOLO. `-` is standard input, which contains
JSON lines like a `.jsonl` file: one frame per line, see `stream`.

Nothing in a file is executed. Files beyond the limits of `untrusted` are
refused: limits on bytes, coordinates, people and frames.
"""

import contextlib
import gc
import os
import pathlib
import sys
import threading
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from ampose_tf import reading
from ampose_tf.conversion import Conversion
from ampose_tf.lifting import untrusted
from ampose_tf.lifting.keypoints import PERSON_SCORE, Keypoints, check_score
from ampose_tf.lifting.readers import detections, evidence
from ampose_tf.lifting.readers.forms import (
    array_files,
    files,
    streams,
)
from ampose_tf.lifting.readers.forms.files import (
    frames_in,
    is_one_frame,
    natural,
)
from ampose_tf.lifting.readers.forms.streams import checked_image_size, stream
from ampose_tf.lifting.readers.records import Account
from ampose_tf.lifting.readers.sequences import Options

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

_LONGEST_MESSAGE = 250

_LARGE_BYTES = 2**20
_NOT_PAUSED = contextlib.nullcontext()

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
    "yolo",
    "h5",
)


def read(
    path: str | os.PathLike,
    image_size: tuple[int, int] | None = None,
    format: str | None = None,
    skeleton: Conversion | None = None,
    *,
    frames: str | None = None,
    person_score: float = PERSON_SCORE,
) -> Keypoints:
    """Reads the people of a clip.

    Args:
        path: A file, a folder with one JSON file or YOLO label per frame, or
            `-` for JSON lines on standard input.
        image_size: (width, height) in pixels; overrides the file's.
        format: One of `FORMATS`; None to detect it.
        skeleton: Skeleton of the file, see `keypoints.find_skeleton` and
            `own_skeleton.load`; None to detect it from the names or the
            number of joints.
        frames: How to read a plain list of bodies: `"list"` as consecutive
            frames, `"people"` as the people in one frame; None to decide from
            repeated ids and the distances between bodies.
        person_score: People with a lower overall score are left out. From 0
            to 1; 0 keeps all.

    Returns:
        Keypoints in pixels, in the order of the file's skeleton. Their notes
        list what was assumed, left out and not read.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If the file has no known format or is invalid, or an
            argument is invalid.
    """
    image_size, options = _checked(
        image_size, format, skeleton, frames, person_score
    )
    account = Account()
    try:
        paused = _collector_paused if _is_large(path) else _NOT_PAUSED
        with paused, reading.guarded():
            if str(path) == "-":
                path = "standard input"
                lines = _bounded(read_lines(sys.stdin.buffer))
                recording = streams.read_clip(lines, options, account)
            else:
                path = pathlib.Path(path)
                read_one = (
                    files.read_folder if path.is_dir() else files.read_file
                )
                recording = read_one(path, options, account)
            return detections.settle(
                recording, image_size, person_score, account
            )
    except ValueError as error:
        message = reading.shown(str(error), _LONGEST_MESSAGE)
        raise ValueError(f"{path}: {message}") from error


def read_array(
    array: np.ndarray,
    image_size: tuple[int, int] | None = None,
    format: str | None = None,
    skeleton: Conversion | None = None,
    *,
    person_score: float = PERSON_SCORE,
) -> Keypoints:
    """Reads keypoints from an array as from a `.npy` file.

    Args:
        array: See `readers.array_files`.
        image_size: As in `read`.
        format: As in `read`.
        skeleton: As in `read`.
        person_score: As in `read`.

    Raises:
        ValueError: If the shape or the values are invalid.
    """
    image_size, options = _checked(
        image_size, format, skeleton, None, person_score
    )
    account = Account()
    recording = array_files.read_array(array, options, account)
    return detections.settle(recording, image_size, person_score, account)


def read_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yields lines as they arrive, see `stream`.

    Raises:
        ValueError: If a line is longer than `MAX_LINE_BYTES`.
    """
    while line := file.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            raise ValueError(f"a line of more than {MAX_LINE_BYTES} bytes")
        yield line


def parse_image_size(text: str) -> tuple[int, int]:
    """Parses "WIDTHxHEIGHT" in pixels.

    Raises:
        ValueError: If the text is not two positive integers.
    """
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(p.isdecimal() and int(p) for p in parts):
        raise ValueError(
            f"--image_size: expected WIDTHxHEIGHT in pixels, both above 0, "
            f"got {text!r}"
        )
    return int(parts[0]), int(parts[1])


class _Pause:
    """Pauses Python's garbage collector.

    A large file becomes millions of objects, none of which is garbage, and
    collection would take half of the time. Several threads may read at a
    time: collection resumes when the last of them ends.
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
    """Whether the file is so large that garbage collection matters."""
    path = pathlib.Path(path)
    return not path.is_file() or path.stat().st_size > _LARGE_BYTES


def _checked(image_size, format, skeleton, frames, person_score):
    """Checks the arguments; returns the image size and the options."""
    if format is not None and format not in FORMATS:
        raise ValueError(
            f"unknown format {format!r}; known: {', '.join(FORMATS)}"
        )
    if frames not in (None, evidence.FRAMES, evidence.PEOPLE):
        raise ValueError(
            f"frames: expected {evidence.FRAMES!r} or {evidence.PEOPLE!r}, "
            f"got {frames!r}"
        )
    check_score(person_score, "person_score")
    if image_size is not None:
        image_size = untrusted.image_size(image_size, "image_size")
    return image_size, Options(format, skeleton, frames)


def _bounded(lines):
    """Yields lines, up to a total of `MAX_BYTES`."""
    rest = untrusted.MAX_BYTES
    for line in lines:
        rest -= len(line)
        if rest < 0:
            raise ValueError(f"larger than {untrusted.MAX_BYTES} bytes")
        yield line

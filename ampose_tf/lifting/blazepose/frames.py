"""Reads pictures from a video, a folder of images, or one image.

    with frames.opened("clip.mp4") as clip:
        for picture in clip:
            ...  # picture.pixels is (H, W, 3)

Only one picture is in memory at a time. Files are untrusted: formats are
detected from contents rather than names, and files that they refer to are
not opened.
"""

import abc
import contextlib
import errno
import math
import os
import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from ampose_tf import reading
from ampose_tf.lifting import untrusted
from ampose_tf.lifting.blazepose import decoder, ffmpeg, images
from ampose_tf.lifting.formats import natural

_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
_VIDEO_ENDINGS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg")
_BEGINNING = 512
# Seconds by which sound may end later than the pictures.
_SHORT_S = 0.5
# Other files, by their signatures.
_OTHERS = (
    (re.compile(rb"\s*<"), "a web page or XML, not a video"),
    (
        re.compile(rb"#EXTM3U|ffconcat|\[playlist\]"),
        "a playlist, which is not supported; give the video itself",
    ),
    (
        re.compile(rb"\s*[\[{]|\x93NUMPY|PK|\x89HDF"),
        "not a video; use --keypoints for a file of keypoints",
    ),
    (
        re.compile(rb"....ftyp(hei[cxms]|mif1|msf1|avi[fs])", re.DOTALL),
        "HEIC or AVIF, which is not supported; save it as .jpg or .png",
    ),
)


class Picture(NamedTuple):
    """One picture of a clip.

    Attributes:
        index: Index in the clip's `times`, or in the folder.
        pixels: (H, W, 3) uint8, red, green and blue.
    """

    index: int
    pixels: np.ndarray


class Clip(contextlib.AbstractContextManager):
    """A sequence of pictures that can be iterated over once.

    Attributes:
        size: (width, height) of the pictures.
        times: Times of all pictures so far, including those that are left
            out, in seconds from the clip's first picture; NaN if the file
            contains no time. None for images, which have no times.
        rates: Pictures per second according to the file, the mean first.
        expected: Approximate number of pictures; None if unknown.
    """

    size: tuple[int, int]
    times: Sequence[float] | None = None
    rates: tuple[float, ...] = ()
    expected: int | None = None

    @abc.abstractmethod
    def __iter__(self) -> Iterator[Picture]:
        """Yields the pictures.

        Raises:
            ValueError: If there are no pictures.
        """

    @abc.abstractmethod
    def notes(self) -> list[str]:
        """Returns notes on problems in the part of the file read so far."""


def opened(
    path: str | os.PathLike,
    start: float = 0.0,
    end: float = math.inf,
    every: int = 1,
    longest: int | None = None,
) -> Clip:
    """Opens a video, a folder of images, or an image.

    Args:
        path: A video, a folder with images as frames, in the order of the
            numbers in their names, or an image.
        start: Time of the first picture, in seconds from the video's first
            picture.
        end: Time in seconds before which to stop.
        every: Use every n-th picture.
        longest: Largest length of the longer side in pixels, to which larger
            pictures are shrunk; None to keep their size.

    Raises:
        OSError: If the path cannot be read, or ffmpeg is not installed.
        ValueError: If the file is neither a video nor an image, or an argument
            is invalid.
    """
    if not 0 <= start < end:
        raise ValueError(
            f"expected 0 <= start < end in seconds, got {start:g} and {end:g}"
        )
    if every < 1:
        raise ValueError(f"every: expected 1 or more, got {every}")
    place = pathlib.Path(path)
    if not place.exists():
        raise FileNotFoundError(f"no video or folder of images {path}")
    if place.is_dir():
        return _Images(images_in(place), start, end, every, longest)
    if not place.is_file():
        # For example the pipe of a shell's `<(command)`. Files are read twice.
        message = "Is a pipe or a device, expected a file"
        raise OSError(errno.EINVAL, message, os.fspath(path))
    if images.is_image(place):
        return _Images([place], start, end, every, longest)
    return _Video(place, start, end, every, longest)


def images_in(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the images in a folder, "2.png" before "10.png".

    Raises:
        OSError: If the folder cannot be read.
        ValueError: If it contains no images, or too many.
    """
    visible = [p for p in folder.iterdir() if not p.name.startswith(".")]
    found = [p for p in visible if p.suffix.lower() in _ENDINGS]
    if not found:
        videos = [p for p in visible if p.suffix.lower() in _VIDEO_ENDINGS]
        raise ValueError(
            f"{folder}: no image in this folder"
            + (
                f"; give one of its videos, such as {videos[0].name}"
                if videos
                else ""
            )
        )
    if len(found) > untrusted.MAX_FRAMES:
        raise ValueError(
            f"{folder}: {len(found)} images; at most {untrusted.MAX_FRAMES}"
        )
    return sorted(found, key=lambda path: natural(path.name))


class _Video(Clip):
    def __init__(self, path, start, end, every, longest):
        _check_beginning(path)
        self._probed = probed = ffmpeg.probe(path)
        self.size = _shrunk(probed.size, longest)
        self.rates = probed.rates
        if probed.seconds is not None and probed.rates:
            seconds = min(end, probed.seconds) - start
            self.expected = max(1, round(seconds * probed.rates[0] / every))
        self._path, self._start, self._end = path, start, end
        self._every = every
        self._last, self._is_whole = 0, True

    def __enter__(self):
        self._decoder = decoder.Decoder(
            self._path, self._probed, self._start, self._every, self.size
        )
        self.times = self._decoder.times
        return self

    def __exit__(self, *error):
        self._decoder.__exit__(*error)

    def __iter__(self):
        count = 0
        for index, pixels in self._decoder:
            # Needed for files in which ffmpeg cannot seek.
            if self.times[index] < self._start:
                continue
            if self.times[index] >= self._end:
                break
            if count == untrusted.MAX_FRAMES:
                self._is_whole = False
                break
            count += 1
            self._last = index
            yield Picture(index, pixels)
        if not count:
            raise ValueError(f"{self._path}: {self._why_nothing()}")

    def notes(self):
        notes = []
        if not self._is_whole or self._decoder.is_cut:
            notes.append(
                f"The video is read up to frame {self._last} and contains "
                "more; set start and end to read another part."
            )
        count, when = self._decoder.untrusted_times
        if count:
            notes.append(
                f"{_counted(count, 'frame', 'has', 'have')} a time more than "
                f"{decoder.MOST_GAP_S} s away, the first after {when:.2f} s; "
                "each is numbered directly after the frame before."
            )
        if self._decoder.faults:
            when, what = self._decoder.faults[0]
            last = self.times[-1] if self.times else 0.0
            reached = ""
            if (
                self._probed.seconds is not None
                and self._end == math.inf
                and last + _SHORT_S < self._probed.seconds
            ):
                reached = (
                    f", and ends at {last:.2f} s of an expected "
                    f"{self._probed.seconds:.2f} s"
                )
            notes.append(
                f"The video is damaged at about {when:.2f} s{reached}; "
                f"ffmpeg reports: {what}. Decoded frames are kept."
            )
        return notes

    def _why_nothing(self):
        if self._decoder.faults:
            return f"ffmpeg decodes no frame: {self._decoder.faults[0][1]}"
        if self._start > 0 or self._end < math.inf:
            seconds = self._probed.seconds
            has = "" if seconds is None else f"; it lasts {seconds:.2f} s"
            until = "" if self._end == math.inf else f" before {self._end:g} s"
            return f"no frame from {self._start:g} s on{until}{has}"
        return "the video contains no frames"


class _Images(Clip):
    def __init__(self, paths, start, end, every, longest):
        if start > 0 or end < math.inf:
            raise ValueError(
                "start and end require a video; images have no times"
            )
        self._paths = paths[::every]
        self._every = every
        self._longest = longest
        # Only counts and examples are kept; there may be a million images.
        self._unread, self._others, self._several = (
            _Counted() for _ in range(3)
        )
        self.expected = len(self._paths)
        self._begin()
        self.size = _shrunk(self._first.size, longest)

    def _begin(self):
        """Reads the first readable image.

        Raises:
            OSError: If no image is readable; the error of the first image.
            ValueError: If no image is readable; the error of the first image.
        """
        for place in range(len(self._paths)):
            self._first = self._read(place)
            if self._first is not None:
                self._place = place
                return
        raise self._unread.first

    def _read(self, place):
        """Returns an image, or None if it cannot be read."""
        path = self._paths[place]
        try:
            image, is_several = images.read(path)
        except (OSError, ValueError) as error:
            self._unread.add(error)
            return None
        if is_several:
            self._several.add(path.name)
        return image

    def __exit__(self, *_):
        self._first.close()

    def __iter__(self):
        for place in range(self._place, len(self._paths)):
            is_first = place == self._place
            image = self._first if is_first else self._read(place)
            if image is None:
                continue
            if image.size != self._first.size:
                self._others.add(self._paths[place].name)
                continue
            if self._longest is not None:
                image = image.resize(self.size, Image.Resampling.BOX)
            yield Picture(place * self._every, np.asarray(image))

    def notes(self):
        notes = []
        if self._unread.count:
            notes.append(
                f"{_counted(self._unread.count, 'image')} cannot be read"
                f"{self._unread.example(150)}."
            )
        if self._others.count:
            width, height = self._first.size
            notes.append(
                f"{_counted(self._others.count, 'image', 'is', 'are')} left "
                f"out, because the size differs from the first image's "
                f"{width}x{height} pixels{self._others.example(80)}."
            )
        if self._several.count:
            notes.append(
                f"{_counted(self._several.count, 'file', 'has', 'have')} more "
                "than one image; only the first is read"
                f"{self._several.example(80)}."
            )
        return notes


class _Counted:
    """A count of items, and the first of them."""

    def __init__(self):
        self.count, self.first = 0, None

    def add(self, one):
        self.count += 1
        if self.count == 1:
            self.first = one

    def example(self, most):
        """Returns the end of a sentence with the first item."""
        first = reading.shown(str(self.first), most)
        return f": {first}" if self.count == 1 else f", such as {first}"


def _counted(count, noun, one="", many=""):
    """Returns a number with a noun and an optional verb."""
    text = f"{count} {noun} {one}" if count == 1 else f"{count} {noun}s {many}"
    return text.rstrip()


def _check_beginning(path):
    """Raises ValueError for a file that is clearly not a video."""
    with reading.opened(path) as file:
        content = file.read(_BEGINNING)
    if not content:
        raise ValueError(f"{path}: the file is empty")
    for pattern, what in _OTHERS:
        if pattern.match(content):
            raise ValueError(f"{path}: {what}")


def _shrunk(size, longest):
    """Returns (width, height), scaled down if the longer side is longer."""
    if longest is None or max(size) <= longest:
        return size
    width, height = (max(1, round(s * longest / max(size))) for s in size)
    return width, height

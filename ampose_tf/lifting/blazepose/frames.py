"""Pictures of a video, of a folder of images, or of one image.

    with frames.opened("clip.mp4") as clip:
        for picture in clip:
            ...  # picture.pixels is (H, W, 3)

There is one picture at a time in memory. Files are those of strangers: a
file's contents, not its name, say what it is, and nothing that it names is
opened.
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
# Seconds by which a sound may end later than the pictures.
_SHORT_S = 0.5
# Other files, by how they begin.
_OTHERS = (
    (re.compile(rb"\s*<"), "a web page or XML, no video"),
    (
        re.compile(rb"#EXTM3U|ffconcat|\[playlist\]"),
        "a playlist, which is not followed; give the video itself",
    ),
    (
        re.compile(rb"\s*[\[{]|\x93NUMPY|PK|\x89HDF"),
        "no video; a file of keypoints is for --keypoints",
    ),
    (
        re.compile(rb"....ftyp(hei[cxms]|mif1|msf1|avi[fs])", re.DOTALL),
        "a photograph as HEIC or AVIF; save it as .jpg or .png",
    ),
)


class Picture(NamedTuple):
    """One of a clip's pictures.

    Attributes:
        index: Its number in the clip's `times`, or in the folder.
        pixels: (H, W, 3) uint8, red, green and blue.
    """

    index: int
    pixels: np.ndarray


class Clip(contextlib.AbstractContextManager):
    """Pictures in a row, to be gone through once.

    Attributes:
        size: (width, height) of the pictures.
        times: Seconds from the first picture of the clip on, of all pictures
            up to now, also of those that are left out; NaN where the file
            does not say. None of images, which have no times.
        rates: Pictures a second that the file says, the mean first.
        expected: How many pictures there will be, about; None if unknown.
    """

    size: tuple[int, int]
    times: Sequence[float] | None = None
    rates: tuple[float, ...] = ()
    expected: int | None = None

    @abc.abstractmethod
    def __iter__(self) -> Iterator[Picture]:
        """Yields the pictures.

        Raises:
            ValueError: If there is none.
        """

    @abc.abstractmethod
    def notes(self) -> list[str]:
        """Returns what is wrong with the file, as far as it was read."""


def opened(
    path: str | os.PathLike,
    start: float = 0.0,
    end: float = math.inf,
    every: int = 1,
    longest: int | None = None,
) -> Clip:
    """Opens a video, a folder of images, or an image.

    Args:
        path: A video, a folder whose images are the frames in the order of
            their numbers, or an image.
        start: Seconds from the first picture on to begin at.
        end: Seconds at which to end; that picture is not shown.
        every: Every n-th picture is shown.
        longest: Pixels of the longer side that pictures are shrunk to; None
            leaves them as they are.

    Raises:
        OSError: If it cannot be read, or there is no ffmpeg.
        ValueError: If it is no video and no image, or an argument is wrong.
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
        # Also the pipe of a shell's `<(command)`: the file is read twice.
        message = "Is a pipe or a device, expected a file"
        raise OSError(errno.EINVAL, message, os.fspath(path))
    if images.is_image(place):
        return _Images([place], start, end, every, longest)
    return _Video(place, start, end, every, longest)


def images_in(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the images of a folder, "2.png" before "10.png".

    Raises:
        OSError: If it cannot be read.
        ValueError: If there is none, or there are too many.
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
            # Also of a file whose beginning cannot be sought.
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
                f"The video is read up to its frame {self._last}, and "
                "has more; start and end choose another part."
            )
        count, when = self._decoder.untrusted_times
        if count:
            notes.append(
                f"{_counted(count, 'frame', 'has', 'have')} a time more than "
                f"{decoder.MOST_GAP_S} s away, the first after {when:.2f} s; "
                "each is taken to follow the frame before."
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
                    f", and ends at {last:.2f} of the "
                    f"{self._probed.seconds:.2f} s that it should have"
                )
            notes.append(
                f"The video is damaged at about {when:.2f} s{reached}; "
                f"ffmpeg says: {what}. The frames that it decodes are kept."
            )
        return notes

    def _why_nothing(self):
        if self._decoder.faults:
            return (
                f"ffmpeg decodes no frame of it: {self._decoder.faults[0][1]}"
            )
        if self._start > 0 or self._end < math.inf:
            seconds = self._probed.seconds
            has = "" if seconds is None else f"; the video has {seconds:.2f} s"
            until = "" if self._end == math.inf else f" before {self._end:g} s"
            return f"no frame from {self._start:g} s on{until}{has}"
        return "no frame in it"


class _Images(Clip):
    def __init__(self, paths, start, end, every, longest):
        if start > 0 or end < math.inf:
            raise ValueError(
                "start and end are for videos; images have no times"
            )
        self._paths = paths[::every]
        self._every = every
        self._longest = longest
        # There may be a million of each.
        self._unread, self._others, self._several = (
            _Counted() for _ in range(3)
        )
        self.expected = len(self._paths)
        self._begin()
        self.size = _shrunk(self._first.size, longest)

    def _begin(self):
        """Reads the first image that can be read.

        Raises:
            OSError: If there is none, as of the first one.
            ValueError: If there is none, as of the first one.
        """
        for place in range(len(self._paths)):
            self._first = self._read(place)
            if self._first is not None:
                self._place = place
                return
        raise self._unread.first

    def _read(self, place):
        """Returns an image, or None of one that cannot be read."""
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
                f"out, for another size than {width}x{height} pixels, the "
                f"first one's{self._others.example(80)}."
            )
        if self._several.count:
            notes.append(
                f"{_counted(self._several.count, 'file', 'has', 'have')} more "
                "than one image, of which the first is read"
                f"{self._several.example(80)}."
            )
        return notes


class _Counted:
    """How many there are of something, and the first."""

    def __init__(self):
        self.count, self.first = 0, None

    def add(self, one):
        self.count += 1
        if self.count == 1:
            self.first = one

    def example(self, most):
        """Returns the end of a sentence, which names the first."""
        first = reading.shown(str(self.first), most)
        return f": {first}" if self.count == 1 else f", such as {first}"


def _counted(count, noun, one="", many=""):
    """Returns a number and a noun, and a verb where it is given."""
    text = f"{count} {noun} {one}" if count == 1 else f"{count} {noun}s {many}"
    return text.rstrip()


def _check_beginning(path):
    """Raises ValueError for a file that is clearly no video."""
    with reading.opened(path) as file:
        content = file.read(_BEGINNING)
    if not content:
        raise ValueError(f"{path}: an empty file")
    for pattern, what in _OTHERS:
        if pattern.match(content):
            raise ValueError(f"{path}: {what}")


def _shrunk(size, longest):
    """Returns (width, height) whose longer side is no more than that."""
    if longest is None or max(size) <= longest:
        return size
    width, height = (max(1, round(s * longest / max(size))) for s in size)
    return width, height

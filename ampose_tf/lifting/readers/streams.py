"""Keypoints in JSON lines, one frame a line: as they come, or of a file.

A line is the JSON of one frame in any of the forms of `frame_forms`; of
COCO's, it may also be one person, whose frame ends where `image_id` changes.
null, [] and {} are a frame without people; blank lines are nothing.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from ampose_tf.conversion import Conversion
from ampose_tf.lifting import untrusted
from ampose_tf.lifting.keypoints import Frame
from ampose_tf.lifting.readers import (
    coco_forms,
    detections,
    recognition,
    sequences,
)
from ampose_tf.lifting.readers.frame_forms import EITHER, FramePeople, is_empty
from ampose_tf.lifting.readers.tracks import Tracker
from ampose_tf.lifting.untrusted import MAX_FRAME, MAX_PEOPLE, brief


class _LineFrame(NamedTuple):
    """A frame, the line where it ends, and what COCO's form says beside it.

    Attributes:
        line: Its number, from 1.
        frame: Its people; its number where one is given.
        image: COCO's id of its image, or None.
        has_index: See `coco_forms.has_index`.
    """

    line: int
    frame: FramePeople
    image: int | str | None = None
    has_index: bool = False


def stream(
    lines: Iterable[str | bytes],
    image_size: tuple[int, int] | None = None,
    format: str | None = None,
    skeleton: Conversion | None = None,
) -> Iterator[Frame]:
    """Yields frame by frame, in constant memory.

    The first people's skeleton holds for all that follow. People are followed
    here until the tool gives somebody an id; from then on its ids hold, and
    who has none is left out.

    Args:
        lines: Text, or bytes in UTF-8.
        image_size: (width, height) in pixels, for normalised coordinates.
        format: One of `formats.FORMATS`; None to recognise it.
        skeleton: Of the joints; None to tell it by their names or number.

    Raises:
        ValueError: Where a line is not that; it names the line.
    """
    assembler = _Assembler(format)
    clip = _Stream(image_size, skeleton)
    for read in assembler.frames(lines):
        try:
            frame = clip.frame(read, assembler.form)
        except ValueError as error:
            raise ValueError(f"line {read.line}: {error}") from error
        yield frame


def read_clip(
    lines: Iterable[str | bytes],
    format: str | None,
    skeleton: Conversion | None,
) -> detections.Recording:
    """Reads all lines of a file, as the same frames in a list would be.

    Args:
        lines: Text, or bytes in UTF-8.
        format: One of `formats.FORMATS`, where the user says it.
        skeleton: Of its joints, where the user says it.

    Raises:
        ValueError: Where a line is wrong, or all together are.
    """
    assembler = _Assembler(format)
    read = []
    for one in assembler.frames(lines):
        read.append(one)
        if len(read) > untrusted.MAX_FRAMES:
            raise ValueError(f"more than {untrusted.MAX_FRAMES} frames")
    images = {}
    for one in read:
        if one.image is not None:
            images.setdefault(one.image, []).extend(one.frame.people)
        elif one.frame.people:
            images = None
            break
    if images:
        frames = [FramePeople(None, people) for people in images.values()]
        numbers = sequences.number_frames(list(images))
    else:
        frames = [one.frame for one in read]
        numbers = sequences.own_numbers(frames)
    if any(one.has_index for one in read):
        frames = coco_forms.without_useless_ids(frames)
    return sequences.record(frames, numbers, skeleton, assembler.form)


def checked_image_size(size) -> tuple[int, int]:
    """Returns the image size that a stream is given.

    Raises:
        ValueError: Where it is None: a stream has no extents to guess it by;
            or where it is none.
    """
    if size is None:
        raise ValueError(
            "a stream needs its image's size; give "
            "--image_size=WIDTHxHEIGHT, in Python image_size"
        )
    return untrusted.image_size(size, "image_size")


class _Assembler:
    """Makes frames of lines.

    Attributes:
        form: See `frame_forms`; None as long as all frames are empty.
    """

    def __init__(self, format):
        self.form = None
        self._format = format
        self._begun = None  # A frame of which more lines may follow.

    def frames(self, lines: Iterable[str | bytes]) -> Iterator[_LineFrame]:
        """Yields each frame as soon as it is complete."""
        number = 0
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                complete = self._read(number, untrusted.parse(line))
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
            yield from complete
        if self._begun is not None:
            yield self._begun._replace(line=number)

    def _read(self, line, value):
        """Returns the frames that a line completes."""
        frame, self.form = sequences.read_one(value, self._format, self.form)
        people = _of_coco(value, self.form)
        images = _images(people)
        if len(images) > 1:
            raise ValueError(
                f"results of {len(images)} images; expected one frame a line"
            )
        image = images.pop() if images else None
        has_index = any(map(coco_forms.has_index, people))
        if image is not None:
            frame = frame._replace(number=_number(image))
        read = _LineFrame(line, frame, image, has_index)
        begun, self._begun = self._begun, None
        if image is None or isinstance(value, list):
            return [read] if begun is None else [begun, read]
        if begun is None or begun.image != image:
            self._begun = read
            return [] if begun is None else [begun]
        together = [*begun.frame.people, *frame.people]
        if len(together) > MAX_PEOPLE:
            raise ValueError(
                f"more than {MAX_PEOPLE} people in the image {brief(image)}"
            )
        self._begun = read._replace(
            frame=frame._replace(people=together),
            has_index=begun.has_index or has_index,
        )
        return []


class _Stream:
    """What is known of a stream so far."""

    def __init__(self, image_size, skeleton):
        self._image_size = image_size
        self._skeleton = skeleton
        self._are_tracked = None
        self._tracker = Tracker()
        self._index = -1
        self._stride = None  # Least difference of two frames' numbers.

    def frame(self, read: _LineFrame, form: str | None) -> Frame:
        """Returns the next frame, in pixels and with everybody's id."""
        index = self._index + 1
        if read.frame.number is not None:
            index = read.frame.number
        if not self._index < index <= MAX_FRAME:
            raise ValueError(
                f"frame {index} after frame {self._index}; expected them in "
                f"order, and at most {MAX_FRAME}"
            )
        if self._index >= 0:
            away = index - self._index
            self._stride = min(self._stride or away, away)
        self._index = index
        batch, skeleton = detections.gather(
            [(index, read.frame.people)], self._skeleton
        )
        if skeleton is None:
            return self._empty(index)
        if self._skeleton is None and form == "array":
            skeleton = recognition.of_arrays(batch.points)
        batch, present = detections.clean(
            batch, "either" if form in EITHER else "pixels", self._image_size
        )
        if not present.any():
            return self._empty(index)
        self._skeleton = skeleton
        batch = detections.chosen(batch, present)
        batch = self._identified(batch, read.has_index)
        return Frame(
            skeleton.name,
            index,
            batch.track_ids,
            batch.points.astype(np.float32),
            batch.scores.astype(np.float32),
        )

    def _identified(self, batch, has_index):
        if self._are_tracked is None:
            self._are_tracked = _are_tracked(batch.track_ids, has_index)
        if self._are_tracked:
            batch = detections.chosen(batch, batch.track_ids >= 0)
            detections.split(batch)  # For what it refuses.
            return batch
        ids = self._tracker.step(
            int(batch.frames[0]),
            batch.points,
            batch.scores,
            self._stride or 1,
        )
        return batch._replace(track_ids=ids)

    def _empty(self, index):
        joints = len(self._skeleton.joints) if self._skeleton else 0
        return Frame(
            self._skeleton.name if self._skeleton else None,
            index,
            np.empty(0, np.int64),
            np.empty((0, joints, 2), np.float32),
            np.empty((0, joints), np.float32),
        )


def _are_tracked(ids, has_index):
    """Whether a frame shows that the tool follows people; None: not yet."""
    known = ids[ids >= 0].tolist()
    if not known:
        return None
    if not has_index or coco_forms.are_tracked([known]):
        return True
    # Everybody's index is 0: of several, it is no id; of one, it may be.
    return False if len(known) > 1 else None


def _of_coco(value, form):
    """Returns the people of a line in COCO's form; none of another."""
    if form != "coco" or is_empty(value):
        return []
    return [value] if isinstance(value, dict) else value


def _images(people):
    """Returns the ids of the images that people in COCO's form are in."""
    labels = [person.get("image_id") for person in people]
    for label in labels:
        if not isinstance(label, (int, str, type(None))):
            raise ValueError(f"image_id: got {brief(label)}")
    return set(labels)


def _number(label):
    """Returns the number of a frame in the name of its image, or None."""
    number = sequences.last_number(label)
    return None if number is None or number > MAX_FRAME else number

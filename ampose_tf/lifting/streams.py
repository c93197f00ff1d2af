"""Keypoints as they come: JSON lines, one frame a line."""

import json
from collections.abc import Iterable, Iterator

import numpy as np

from ampose_tf.conversion import Conversion
from ampose_tf.lifting import coco_forms, detections, recognition, sequences
from ampose_tf.lifting.frame_forms import EITHER, FramePeople, form_of
from ampose_tf.lifting.keypoints import Frame
from ampose_tf.lifting.tracks import Tracker
from ampose_tf.lifting.values import MAX_FRAME, MAX_PEOPLE, brief


def stream(
    lines: Iterable[str | bytes],
    image_size: tuple[int, int] | None = None,
    format: str | None = None,
    skeleton: Conversion | None = None,
) -> Iterator[Frame]:
    """Yields frame by frame, in constant memory.

    A line is the JSON of one frame in any of the forms of `frame_forms`;
    of COCO's, it may also be one person, whose frame ends where `image_id`
    changes. null, [] and {} are a frame without people; blank lines are
    nothing. What the first people show holds for all that follow: their
    skeleton, and whether the tool follows them. If it does, people without an
    id are left out.

    Args:
        lines: Text, or bytes in UTF-8.
        image_size: (width, height) in pixels, for normalised coordinates.
        format: One of `formats.FORMATS`; None to recognise it.
        skeleton: Of the joints; None to tell it by their names or number.

    Raises:
        ValueError: Where a line is not that; it names the line.
    """
    reader = _Reader(image_size, format, skeleton)
    number = 0
    for line in lines:
        number += 1
        if not line.strip():
            continue
        try:
            frames = reader.read(line)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
        yield from frames
    try:
        frames = reader.end()
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from error
    yield from frames


def parse(text: str | bytes):
    """Parses JSON.

    Raises:
        ValueError: Where it is none; it says where, in one line.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"not JSON: {error.msg} (line {error.lineno}, column "
            f"{error.colno})"
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError("not JSON: its text is not UTF-8") from error
    except RecursionError as error:
        raise ValueError("not read: its JSON is nested too deeply") from error


class _Reader:
    """What is known of a stream so far."""

    def __init__(self, image_size, format, skeleton):
        self._image_size = image_size
        self._format = format
        self._skeleton = skeleton
        self._form = None
        self._are_tracked = None
        self._tracker = Tracker()
        self._index = -1
        self._image = None  # COCO's id of the frame that is not yet complete,
        self._people = []  # and who is in it.

    def read(self, line):
        """Returns the frames that the line completes."""
        value = parse(line)
        frame, self._form = sequences.read_one(value, self._format, self._form)
        images = _images(value)
        if len(images) > 1:
            raise ValueError(
                f"results of {len(images)} images; expected one frame a line"
            )
        label = images.pop() if images else None
        if not isinstance(value, dict) or label is None:
            if label is not None:
                frame = frame._replace(number=_number(label))
            return [*self.end(), self._frame(frame)]
        completed = []
        if label != self._image:
            completed = self.end()
            self._image = label
        self._people += frame.people
        if len(self._people) > MAX_PEOPLE:
            raise ValueError(
                f"more than {MAX_PEOPLE} people in the image {brief(label)}"
            )
        return completed

    def end(self):
        """Returns the frame that no further line has completed."""
        if self._image is None:
            return []
        frame = FramePeople(_number(self._image), self._people)
        self._image, self._people = None, []
        return [self._frame(frame)]

    def _frame(self, frame):
        index = self._index + 1 if frame.number is None else frame.number
        if not self._index < index <= MAX_FRAME:
            raise ValueError(
                f"frame {index} after frame {self._index}; expected them in "
                f"order, and at most {MAX_FRAME}"
            )
        self._index = index
        batch, skeleton = detections.gather(
            [(index, frame.people)], self._skeleton
        )
        if skeleton is None:
            return self._empty(index)
        if self._skeleton is None and self._form == "array":
            skeleton = recognition.of_arrays(batch.points)
        batch, present = detections.clean(
            batch,
            "either" if self._form in EITHER else "pixels",
            self._image_size,
        )
        if not present.any():
            return self._empty(index)
        self._skeleton = skeleton
        batch = self._identified(detections.chosen(batch, present))
        return Frame(
            skeleton.name,
            index,
            batch.track_ids,
            batch.points.astype(np.float32),
            batch.scores.astype(np.float32),
        )

    def _identified(self, batch):
        if self._are_tracked is None:
            ids = batch.track_ids.tolist()
            self._are_tracked = min(ids) >= 0 and coco_forms.are_tracked([ids])
        if self._are_tracked:
            batch = detections.chosen(batch, batch.track_ids >= 0)
            detections.split(batch)  # For what it refuses.
            return batch
        ids = self._tracker.step(
            int(batch.frames[0]), batch.points, batch.scores
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


def _images(value):
    """Returns the ids of the images that a line of COCO's form is about."""
    if form_of(value) != "coco":
        return set()
    people = [value] if isinstance(value, dict) else value
    labels = [person.get("image_id") for person in people]
    for label in labels:
        if not isinstance(label, (int, str, type(None))):
            raise ValueError(f"image_id: got {brief(label)}")
    return set(labels)


def _number(label):
    """Returns the number of a frame in the name of its image, or None."""
    number = None if label is None else sequences.last_number(label)
    return None if number is None or number > MAX_FRAME else number

"""Frames in a row: of one form, and each with its number."""

import itertools
import re
from collections.abc import Collection

from ampose_tf.conversion import Conversion
from ampose_tf.lifting import untrusted
from ampose_tf.lifting.readers import frame_forms, recognition
from ampose_tf.lifting.readers.detections import Recording, gather
from ampose_tf.lifting.readers.frame_forms import (
    EITHER,
    FramePeople,
    form_of,
    is_empty,
    read_frame,
)

# Numbers count frames where at least one of so many is there, or all lie
# within so many, an hour at 30 a second; otherwise they are names.
_SPARSE = 20
_HOUR = 108_000


def record(
    frames: list[FramePeople],
    numbers: list[int],
    skeleton: Conversion | None,
    form: str | None,
) -> Recording:
    """Makes a recording of frames in one form.

    Args:
        frames: In any order.
        numbers: Theirs, all different.
        skeleton: Of their joints, where it is known.
        form: See `frame_forms`.

    Raises:
        ValueError: See `detections.gather`.
    """
    ordered = sorted(zip(numbers, frames, strict=True), key=lambda f: f[0])
    batch, found = gather(
        [(number, frame.people) for number, frame in ordered], skeleton
    )
    if form == "array" and skeleton is None and found is not None:
        found = recognition.of_arrays(batch.points)
    return Recording(
        batch,
        found,
        max(numbers, default=-1) + 1,
        "either" if form in EITHER else "pixels",
    )


def check_format(form: str | None, format: str | None) -> None:
    """Compares a form with the format that the user has named.

    Raises:
        ValueError: Where they differ.
    """
    # What AlphaPose writes is in COCO's form; a list of points is whose the
    # user says it is.
    alike = {"coco": "alphapose", "mediapipe": "array", "array": "mediapipe"}
    if None not in (form, format) and format not in (form, alike.get(form)):
        raise ValueError(
            f"it has the form of {form}, not of the format {format}"
        )


def read_frames(
    items: list, format: str | None, names: list[str] | None = None
) -> tuple[list[FramePeople], str | None]:
    """Reads values of single frames, all of one form.

    Args:
        items: JSON of each frame.
        format: One of `formats.FORMATS`, where the user says it.
        names: What to call the frames in messages; None for their places.

    Returns:
        The frames, and their form; None where all are empty.

    Raises:
        ValueError: Where one is of no known form or of another one.
    """
    if len(items) > untrusted.MAX_FRAMES:
        raise ValueError(
            f"{len(items)} frames; at most {untrusted.MAX_FRAMES} are read"
        )
    frames, form = [], None
    for place, item in enumerate(items):
        try:
            frame, form = read_one(item, format, form)
        except ValueError as error:
            if len(items) == 1:
                raise
            name = names[place] if names else f"frame {place}"
            raise ValueError(f"{name}: {error}") from error
        frames.append(frame)
    return frames, form


def read_one(
    value, format: str | None, before: str | None
) -> tuple[FramePeople, str | None]:
    """Reads the next frame of a clip.

    Args:
        value: Its JSON.
        format: As in `read_frames`.
        before: The form of the frames before; None where all were empty.

    Returns:
        The frame, and the form of the clip as far as it is known.

    Raises:
        ValueError: Where it is of no known form or of another one.
    """
    form = form_of(value)
    if form is None and not is_empty(value):
        raise ValueError(frame_forms.nearest(value))
    if form is None:
        return read_frame(value, None), before
    check_format(form, format)
    # A list of points is whose the user says it is.
    if {form, format} == {"mediapipe", "array"}:
        form = format
    if before not in (None, form):
        raise ValueError(
            f"it has the form of {form}, what came before that of {before}"
        )
    return read_frame(value, form), form


def number_frames(labels: list[int | str]) -> list[int]:
    """Numbers the frames of a clip by the names of their images.

    A name's number is its last one: "clip_000000000012_keypoints.json" is 12.
    Where names have none, or share them, or their numbers are so far apart
    that they cannot count frames, as COCO's image ids, frames are counted in
    the order of the numbers, or of the labels.

    Args:
        labels: One for each frame, all different.

    Returns:
        Their numbers, all different.
    """
    numbers = [last_number(label) for label in labels]
    if None in numbers or len(set(numbers)) < len(numbers):
        return list(range(len(labels)))
    span = max(numbers, default=0) - min(numbers, default=0) + 1
    if span <= _SPARSE * len(numbers) and max(numbers) <= untrusted.MAX_FRAME:
        return numbers
    rank = {number: place for place, number in enumerate(sorted(numbers))}
    return [rank[number] for number in numbers]


def last_number(label: int | str) -> int | None:
    """Returns the last number in the name of an image, or None."""
    if isinstance(label, int):
        return label if label >= 0 else None
    found = re.findall(r"[0-9]{1,18}", label.rsplit(".", 1)[0])
    return int(found[-1]) if found else None


def own_numbers(frames: list[FramePeople]) -> list[int]:
    """Returns the frames' own numbers; their places where one has none.

    Raises:
        ValueError: Where one is there twice, see also `check_span`.
    """
    numbers = [frame.number for frame in frames]
    if None in numbers:
        return list(range(len(frames)))
    ordered = sorted(numbers)
    for number, following in itertools.pairwise(ordered):
        if number == following:
            raise ValueError(f"frame {number} is there twice")
    check_span(numbers)
    return numbers


def check_span(numbers: Collection[int]) -> None:
    """Checks that different numbers may count the frames of one clip.

    Two frames a year apart would make a film of a year.

    Raises:
        ValueError: Where they are too far apart.
    """
    first, last = min(numbers, default=0), max(numbers, default=0)
    if last - first + 1 > max(_SPARSE * len(numbers), _HOUR):
        raise ValueError(
            f"{len(numbers)} frames with numbers from {first} to {last}; "
            "expected those of one clip, counted from its first frame on"
        )

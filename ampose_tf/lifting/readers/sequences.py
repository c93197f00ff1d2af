"""Sequences of frames, each with its number and its people."""

from typing import NamedTuple

import numpy as np

from ampose_tf.conversion import Conversion
from ampose_tf.lifting import untrusted
from ampose_tf.lifting.readers import evidence, labels, recognition, vocabulary
from ampose_tf.lifting.readers.detections import gather
from ampose_tf.lifting.readers.records import (
    Account,
    Group,
    Recording,
    third_of,
)

# The share of steps back in time up to which frames are only out of order.
_SOME = 0.25


class Options(NamedTuple):
    """The user's options for reading a file.

    Attributes:
        format: One of `formats.FORMATS`; None to detect it.
        skeleton: Skeleton of the joints; None to detect it from their names
            or number.
        frames: `evidence.FRAMES` or `evidence.PEOPLE` for bodies in a list;
            None to detect it.
    """

    format: str | None = None
    skeleton: Conversion | None = None
    frames: str | None = None


class Numbered(NamedTuple):
    """Frames with their numbers, in increasing order.

    Attributes:
        frames: (number, people) of each frame.
        size: (width, height) of all images; None if it is unknown, or not
            the same for all.
        has_one_size: False if the images differ in size.
        fps: Frames per second, from times or as in the file; None if the file
            contains neither.
    """

    frames: list[tuple[int, list]]
    size: tuple[int, int] | None = None
    has_one_size: bool = True
    fps: float | None = None


def check_format(form: str | None, format: str | None) -> None:
    """Checks a form against the format that the user has named.

    Raises:
        ValueError: If they differ.
    """
    # AlphaPose and Detectron2's evaluator write COCO's form; for a list of
    # points, the user's format is trusted.
    alike = {
        "coco": ("alphapose", "detectron2"),
        "openpose": ("alphapose",),
        "mediapipe": ("array", "tfjs"),
        "array": ("mediapipe",),
    }
    if None not in (form, format) and format not in (
        form,
        *alike.get(form, ()),
    ):
        raise ValueError(
            f"it is in the format {form}, not in the format {format}"
        )


def numbered(
    groups: list[Group],
    options: Options,
    account: Account,
    are_people: bool = False,
) -> Numbered:
    """Collects groups into frames and numbers these.

    Args:
        groups: Groups in the order of the file.
        options: The user's options.
        account: Account of the file.
        are_people: Whether lists in this form contain people rather than
            frames, where both are possible.

    Raises:
        ValueError: If a frame occurs twice, if there are too many, or if
            people and frames cannot be distinguished.
    """
    groups, kind = _joined(groups, options, account, are_people)
    if len(groups) > untrusted.MAX_FRAMES:
        raise ValueError(
            f"{len(groups)} frames; at most {untrusted.MAX_FRAMES} are read"
        )
    fps = None
    if kind in ("number", "place"):
        own = [getattr(group, kind) for group in groups]
        numbers = labels.own_numbers(own, account)
        fps = _rate(groups, numbers)
    elif kind == "image":
        numbers = labels.of_images([g.image for g in groups], account)
        fps = _rate(groups, numbers)
    elif kind == "time":
        numbers, fps = labels.of_times(
            [g.time for g in groups], groups[0].unit, account
        )
    else:
        numbers = list(range(len(groups)))
    rates = {group.fps for group in groups} - {None}
    if fps is None and len(rates) == 1:
        (fps,) = rates
    sizes = {group.size for group in groups if group.size is not None}
    frames = sorted(
        zip(numbers, [g.people for g in groups], strict=True),
        key=lambda frame: frame[0],
    )
    size = sizes.pop() if len(sizes) == 1 else None
    if sizes and kind != "image":  # They may be sizes of boxes.
        account.note(
            "The frames have different widths and heights: these are not used "
            "as the image size."
        )
        sizes = ()
    return Numbered(frames, size, not sizes, fps)


def record(
    clip: Numbered,
    skeleton: Conversion | None,
    account: Account,
    form: str | None = None,
) -> Recording:
    """Creates a recording from numbered frames.

    Args:
        clip: The frames.
        skeleton: Skeleton of the joints, if it is known.
        account: Account of the file.
        form: See `tools.form_of`.

    Raises:
        ValueError: See `detections.gather`.
    """
    if not clip.has_one_size:
        account.note(
            "The images have different sizes, so they are read as separate "
            "photographs: people are not tracked between them."
        )
    batch, found = gather(clip.frames, skeleton)
    people = [person for _, persons in clip.frames for person in persons]
    if skeleton is None and people and people[0].names is None:
        found = recognition.by_places(batch.points, found, form, account)
    if found is not None and people[0].names is not None:
        own = set(map(vocabulary.joint, found.joints))
        named = dict.fromkeys(
            n for names in {p.names for p in people} for n in names
        )
        account.unread(
            (name for name in named if vocabulary.joint(name) not in own),
            "joints",
        )
    return Recording(
        batch,
        found,
        clip.frames[-1][0] + 1 if clip.frames else 0,
        third=third_of(people),
        image_size=clip.size,
        fps=clip.fps,
        is_clip=clip.has_one_size,
    )


def _joined(groups, options, account, are_people):
    """Returns one group per frame, and the kind of their labels."""
    full = [group for group in groups if group.people or group.is_person]
    are_persons = all(group.is_person for group in full)
    if are_persons and options.frames == evidence.PEOPLE and len(full) > 1:
        people = [person for group in full for person in group.people]
        return [full[0]._replace(people=people, is_person=False)], None
    kind = _kind(groups)
    if kind == "time" and _are_durations(groups):
        account.note(
            "Times are not used, because they do not increase from frame to "
            "frame. Frames are numbered in the order of the file."
        )
        groups = [group._replace(time=None) for group in groups]
        return groups, None
    if kind is not None:
        return _by_label(groups, kind), kind
    if any(_kind([group]) for group in groups):
        account.note(
            "Only some frames have a number: they are numbered in the order "
            "of the file."
        )
    bodies = [group for group in full if group.people]
    if not are_persons or len(bodies) < 2 or len(full) < len(groups):
        return groups, None
    places = evidence.frames_of(
        [group.people[0] for group in bodies],
        options.frames,
        are_people,
        account,
    )
    frames = {}
    for place, group in zip(places, bodies, strict=True):
        frames.setdefault(place, []).append(group)
    return [
        frames[place][0]._replace(
            people=[p for group in frames[place] for p in group.people]
        )
        for place in sorted(frames)
    ], None


def _kind(groups):
    """Returns the kind of label that all groups have, or None."""
    for kind in ("number", "image", "time"):
        if groups and all(
            getattr(group, kind) is not None for group in groups
        ):
            return kind
    places = {group.place for group in groups} - {None}
    return "place" if 1 < len(places) == len(groups) else None


def _are_durations(groups):
    """Whether the times of whole frames are durations, not points in time.

    Durations repeat, or go up and down.
    """
    if any(group.is_person for group in groups):
        return False
    times = [group.time for group in groups]
    down = np.mean(np.diff(times) < 0) if len(times) > 1 else 0
    return len(set(times)) < len(times) or _SOME < down < 1


def _by_label(groups, kind):
    """Returns one group per label, with all people in that frame."""
    frames = {}
    for group in groups:
        label = getattr(group, kind)
        if label not in frames:
            frames[label] = group
            continue
        if not (group.is_person and frames[label].is_person):
            raise ValueError(f"frame {label} occurs twice")
        frames[label].people.extend(group.people)
    return list(frames.values())


def _rate(groups, numbers):
    """Returns the frame rate from frames' times and numbers, or None."""
    times = [group.time for group in groups]
    if len(times) < 2 or None in times:
        return None
    order = np.argsort(numbers)
    steps = np.diff(np.asarray(times)[order]) / np.diff(
        np.asarray(numbers)[order]
    )
    step = float(np.median(steps))
    return labels.rate_of(step, groups[0].unit)

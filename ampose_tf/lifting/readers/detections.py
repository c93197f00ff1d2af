"""From the people in a file's frames to keypoints: what all readers share.

What counts as a joint that was not seen, in every format: a score of 0 or
below, a score or coordinate that is NaN or null, and the positions (0, 0) and
(-1, -1), which detectors write where they found nothing.
"""

from typing import NamedTuple

import numpy as np

from ampose_tf.conversion import Conversion
from ampose_tf.lifting.keypoints import Keypoints, Track
from ampose_tf.lifting.readers import recognition, tracks
from ampose_tf.lifting.readers.recognition import canonical
from ampose_tf.lifting.untrusted import MAX_PEOPLE, MAX_PIXEL

# In pixels, half of all coordinates never lie this close to the corner.
_NORMALISED = 2


class Detection(NamedTuple):
    """One person in one frame, as a file has it.

    Attributes:
        points: (S, 2) float64, x and y; NaN where missing.
        scores: (S,) float64; NaN where missing.
        names: Of the joints; None where the file counts them.
        track_id: None where the file does not say.
    """

    points: np.ndarray
    scores: np.ndarray
    names: tuple[str, ...] | None = None
    track_id: int | None = None


class Batch(NamedTuple):
    """All people of all frames, frame by frame.

    Attributes:
        frames: (D,) int64, not decreasing.
        points: (D, S, 2) float64.
        scores: (D, S) float64.
        track_ids: (D,) int64, -1 where the file does not say.
    """

    frames: np.ndarray
    points: np.ndarray
    scores: np.ndarray
    track_ids: np.ndarray


class Recording(NamedTuple):
    """A clip as a file has it.

    Attributes:
        batch: Its people.
        skeleton: Of their joints; None where there is nobody.
        frame_count: Frames, with those in which there is nobody.
        coordinates: `"pixels"`, `"normalised"` to [0, 1], or `"either"`,
            which their size tells.
        image_size: (width, height), or None.
        fps: Frames a second, or None.
        is_clip: Whether frames follow each other, so that people can be
            followed; False for a collection of photographs.
    """

    batch: Batch
    skeleton: Conversion | None
    frame_count: int
    coordinates: str = "pixels"
    image_size: tuple[int, int] | None = None
    fps: float | None = None
    is_clip: bool = True


def gather(
    frames: list[tuple[int, list[Detection]]], wanted: Conversion | None
) -> tuple[Batch, Conversion | None]:
    """Puts the people of all frames into arrays.

    Args:
        frames: (number, people) of each, in increasing order.
        wanted: The skeleton, where it is known; None to tell it by the
            joints' names or number.

    Returns:
        The batch, and the skeleton; None where there is nobody.

    Raises:
        ValueError: Where there are too many people, several skeletons, or an
            unknown one.
    """
    people = []
    for number, persons in frames:
        if len(persons) > MAX_PEOPLE:
            raise ValueError(
                f"frame {number}: {len(persons)} people; at most {MAX_PEOPLE}"
            )
        people.extend((number, person) for person in persons)
    if not people:
        return _EMPTY, None
    skeleton = _common_skeleton(people, wanted)
    count = len(skeleton.joints)
    points = np.full((len(people), count, 2), np.nan)
    scores = np.zeros((len(people), count))
    # People whose joints are in one order, together.
    alike = {}
    for row, (_, person) in enumerate(people):
        alike.setdefault((person.names, len(person.points)), []).append(row)
    for (names, length), rows in alike.items():
        joints, sources = _places(names, length, skeleton.joints)
        where = np.ix_(rows, joints)
        own = [people[row][1] for row in rows]
        table = np.concatenate([person.points for person in own])
        points[where] = table.reshape(len(rows), length, 2)[:, sources]
        table = np.concatenate([person.scores for person in own])
        scores[where] = table.reshape(len(rows), length)[:, sources]
    ids = [-1 if p.track_id is None else p.track_id for _, p in people]
    numbers = np.array([number for number, _ in people], np.int64)
    return Batch(numbers, points, scores, np.array(ids, np.int64)), skeleton


_EMPTY = Batch(
    np.empty(0, np.int64),
    np.empty((0, 0, 2)),
    np.empty((0, 0)),
    np.empty(0, np.int64),
)


def clean(
    batch: Batch, coordinates: str, image_size: tuple[int, int] | None
) -> tuple[Batch, np.ndarray]:
    """Finds what was not seen and makes pixels of normalised coordinates.

    Args:
        batch: Of at least one person.
        coordinates: As in `Recording`.
        image_size: (width, height), or None.

    Returns:
        The batch in pixels, with (0, 0) and score 0 for joints that were not
        seen, and (D,) bool: whose joints were seen at all.

    Raises:
        ValueError: Where coordinates are out of all bounds, or normalised
            without need or without an image size.
    """
    points = batch.points
    scores = np.clip(np.nan_to_num(batch.scores, nan=0), 0, 1)
    nowhere = (
        np.isnan(points).any(axis=2)
        | (points == 0).all(axis=2)
        | (points == -1).all(axis=2)
    )
    scores = np.where(nowhere, 0, scores)
    seen = scores > 0
    if seen.any():
        points = _in_pixels(points, seen, coordinates, image_size)
    points = np.where(seen[..., None], points, 0)
    outside = ~(np.abs(points) <= MAX_PIXEL).all(axis=2)
    if outside.any():
        person, joint = np.argwhere(outside)[0]
        x, y = points[person, joint]
        raise ValueError(
            f"joint {joint} of frame {batch.frames[person]} lies at "
            f"({x:g}, {y:g}); at most {MAX_PIXEL} pixels from the corner are "
            "possible"
        )
    return batch._replace(points=points, scores=scores), seen.any(axis=1)


def settle(
    recording: Recording, image_size: tuple[int, int] | None
) -> Keypoints:
    """Makes keypoints of what a reader found.

    A person's id is the file's where it has one. Where only some people have
    one, the others are those whom the tool's own tracker has not confirmed;
    they are left out, and counted. Where nobody has one, `tracks.associate`
    follows them.

    Args:
        recording: Of any format.
        image_size: (width, height) by the user, which beats the file's.

    Raises:
        ValueError: Where nobody is in it, see also `clean`.
    """
    image_size = image_size or recording.image_size
    if not len(recording.batch.frames):
        raise ValueError(f"nobody in its {recording.frame_count} frames")
    batch, present = clean(recording.batch, recording.coordinates, image_size)
    if not present.any():
        raise ValueError(
            f"no joint of anybody was seen in its {recording.frame_count} "
            "frames"
        )
    batch = chosen(batch, present)
    notes = ()
    known = batch.track_ids >= 0
    if known.any():
        if not known.all():
            notes = (
                f"{int((~known).sum())} detections are left out: the file "
                "does not say who they are, and of others it does.",
            )
        batch = chosen(batch, known)
    elif recording.is_clip:
        ids = tracks.associate(batch.frames, batch.points, batch.scores)
        batch = batch._replace(track_ids=ids)
    else:
        batch = batch._replace(track_ids=np.arange(len(batch.frames)))
    return Keypoints(
        recording.skeleton.name,
        image_size,
        recording.fps,
        recording.frame_count,
        split(batch),
        notes,
    )


def chosen(batch: Batch, rows: np.ndarray) -> Batch:
    """Returns some of the people of a batch, by index or (D,) bool."""
    return Batch(*(array[rows] for array in batch))


def _common_skeleton(people, wanted):
    first_frame, first = people[0]
    names = {}  # Those of everybody, in order of appearance.
    for frame, person in people:
        if (person.names is None) != (first.names is None):
            raise ValueError(
                f"frame {frame}: the joints of one person have names, those "
                "of another have none"
            )
        if first.names is None and len(person.points) != len(first.points):
            raise ValueError(
                f"a person of {len(first.points)} joints in frame "
                f"{first_frame} and one of {len(person.points)} in frame "
                f"{frame}; one skeleton a file"
            )
        if person.names is not None:
            names.update(dict.fromkeys(person.names))
    if first.names is None:
        return recognition.by_count(len(first.points), wanted)
    return recognition.by_names(tuple(names), wanted)


def _places(names, count, joints):
    """Returns where in the skeleton, and from where in the file."""
    if names is None:
        here = np.arange(min(count, len(joints)))
        return here, here
    index = {canonical(name): place for place, name in enumerate(names)}
    found = [
        (joint, index[canonical(name)])
        for joint, name in enumerate(joints)
        if canonical(name) in index
    ]
    own, theirs = np.array(found, np.int64).reshape(-1, 2).T
    return own, theirs


def _in_pixels(points, seen, coordinates, image_size):
    small = float(np.median(np.abs(points[seen]))) < _NORMALISED
    if coordinates == "pixels" and small:
        raise ValueError(
            "expected pixels; half of all coordinates are below "
            f"{_NORMALISED}, as if they had been normalised"
        )
    if coordinates == "pixels" or (coordinates == "either" and not small):
        return points
    if not small:
        raise ValueError(
            "expected coordinates normalised to [0, 1], as this format has "
            "them; these are larger"
        )
    if image_size is None:
        raise ValueError(
            "its coordinates are normalised to [0, 1] and the file does not "
            "say its image's size; give --image_size=WIDTHxHEIGHT"
        )
    with np.errstate(over="ignore"):  # What is too large, `clean` refuses.
        return points * np.asarray(image_size, np.float64)


def split(batch: Batch) -> tuple[Track, ...]:
    """Splits people into tracks by their ids, which are all known.

    Raises:
        ValueError: Where somebody is twice in a frame.
    """
    order = np.lexsort((batch.frames, batch.track_ids))
    batch = chosen(batch, order)
    again = (np.diff(batch.track_ids) == 0) & (np.diff(batch.frames) == 0)
    if again.any():
        row = int(np.flatnonzero(again)[0])
        raise ValueError(
            f"frame {batch.frames[row]} has the person "
            f"{batch.track_ids[row]} twice"
        )
    ids, starts = np.unique(batch.track_ids, return_index=True)
    rows = np.split(np.arange(len(order)), starts[1:])
    return tuple(
        Track(
            int(track_id),
            batch.frames[own],
            batch.points[own].astype(np.float32),
            batch.scores[own].astype(np.float32),
        )
        for track_id, own in zip(ids, rows, strict=True)
    )

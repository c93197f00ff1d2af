"""Converts the people in a file's frames to keypoints, for all readers.

`confidence` scales scores to [0, 1], `crowd` drops unlikely and duplicate
people, and `tracks` follows the others. In every format, a joint counts as
not seen if its score is 0 or below, if its score or a coordinate is NaN or
null, or if it is at (0, 0) or (-1, -1), which detectors write for joints that
they have not found.
"""

import numpy as np

from ampose_tf.conversion import Conversion
from ampose_tf.lifting.keypoints import Keypoints, Track
from ampose_tf.lifting.readers import (
    confidence,
    crowd,
    recognition,
    tracks,
    vocabulary,
)
from ampose_tf.lifting.readers.records import (
    Account,
    Batch,
    Detection,
    Recording,
    chosen,
)
from ampose_tf.lifting.untrusted import MAX_PEOPLE, MAX_PIXEL

# If half of all coordinates are smaller than this, they are not pixels.
_NORMALISED = 2
# People who leave the image explain at most this share of coordinates on the
# other side of 0, or of normalised ones that are `_BEYOND` the border.
_ACROSS = 0.2
_BEYOND = 0.1


def gather(
    frames: list[tuple[int, list[Detection]]], wanted: Conversion | None
) -> tuple[Batch, Conversion | None]:
    """Puts the people of all frames into arrays.

    Args:
        frames: (number, people) of each frame, in increasing order.
        wanted: The skeleton, if it is known; None to detect it from the
            names or the number of the joints.

    Returns:
        The batch, and the skeleton; None if there are no people.

    Raises:
        ValueError: If there are too many people, several skeletons, or an
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
    # People whose joints are in the same order are handled together.
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
    persons = [person for _, person in people]
    unknown = [np.nan if p.score is None else p.score for p in persons]
    batch = Batch(
        np.array([number for number, _ in people], np.int64),
        points,
        scores,
        crowd.numbered([person.track_id for person in persons]),
        np.array(unknown, np.float64),
    )
    return batch, skeleton


_EMPTY = Batch(
    np.empty(0, np.int64),
    np.empty((0, 0, 2)),
    np.empty((0, 0)),
    np.empty(0, np.int64),
    np.empty(0),
)


def clean(
    batch: Batch,
    coordinates: str,
    third: str,
    image_size: tuple[int, int] | None,
    account: Account,
) -> tuple[Batch, np.ndarray]:
    """Marks joints that were not seen and converts coordinates to pixels.

    Args:
        batch: At least one person.
        coordinates: As in `Recording`.
        third: As in `Detection`.
        image_size: (width, height), or None.
        account: Account of the file.

    Returns:
        The batch in pixels, with (0, 0) and score 0 for joints that were not
        seen, and (D,) bool: whether any joint of the person was seen.

    Raises:
        ValueError: If coordinates are out of bounds or 3D, or are normalised
            and the image size is unknown.
    """
    points = batch.points
    nowhere = (
        np.isnan(points).any(axis=2)
        | (points == 0).all(axis=2)
        | (points == -1).all(axis=2)
    )
    settled = confidence.settle(
        points, batch.scores, ~nowhere, batch.person_scores, third, account
    )
    settled = np.where(nowhere, 0, settled)
    seen = settled > 0
    if seen.any():
        points = _in_pixels(points, seen, coordinates, image_size)
    points = np.where(seen[..., None], points, 0)
    outside = ~(np.abs(points) <= MAX_PIXEL).all(axis=2)
    if outside.any():
        person, joint = np.argwhere(outside)[0]
        x, y = points[person, joint]
        raise ValueError(
            f"joint {joint} in frame {batch.frames[person]} is at "
            f"({x:g}, {y:g}); expected at most {MAX_PIXEL} pixels from the "
            "corner"
        )
    return batch._replace(points=points, scores=settled), seen.any(axis=1)


def settle(
    recording: Recording,
    image_size: tuple[int, int] | None,
    person_score: float,
    account: Account,
) -> Keypoints:
    """Converts a recording to keypoints.

    People keep the file's ids if these are usable. If only some people have
    an id, the tool's own tracker has not confirmed the others; they are left
    out, and counted in a note. If there are no ids, `tracks.associate`
    follows the people.

    Args:
        recording: Recording from a file of any format.
        image_size: (width, height) given by the user; it takes precedence
            over the file's.
        person_score: People with a lower score are left out.
        account: Account of the file.

    Raises:
        ValueError: If the recording contains no person, see also `clean`.
    """
    image_size = image_size or recording.image_size
    count = recording.frame_count
    frames = f"{count} frame{'' if count == 1 else 's'}"
    if not len(recording.batch.frames):
        raise ValueError(f"no person in its {frames}")
    batch, present = clean(
        recording.batch,
        recording.coordinates,
        recording.third,
        image_size,
        account,
    )
    if not present.any():
        raise ValueError(f"no joint of any person was seen in its {frames}")
    batch = chosen(batch, present)
    batch = chosen(batch, crowd.surer(batch, person_score, account))
    batch = crowd.merged(batch, account)
    batch = batch._replace(track_ids=crowd.useful(batch, account))
    known = batch.track_ids >= 0
    if known.any():
        if not known.all():
            account.note(
                f"{int((~known).sum())} detections without an id are left "
                "out, because others in the file have one."
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
        count,
        split(batch),
        account.notes(),
        recording.of_video,
    )


def _common_skeleton(people, wanted):
    first_frame, first = people[0]
    names = {}  # Those of all people, in order of appearance.
    for frame, person in people:
        if (person.names is None) != (first.names is None):
            raise ValueError(
                f"frame {frame}: the joints of one person have names, those "
                "of another have none"
            )
        if first.names is None and len(person.points) != len(first.points):
            raise ValueError(
                f"a person has {len(first.points)} joints in frame "
                f"{first_frame}, and one has {len(person.points)} in frame "
                f"{frame}; expected one skeleton per file"
            )
        if person.names is not None:
            names.update(dict.fromkeys(person.names))
    if first.names is None:
        return recognition.by_count(len(first.points), wanted)
    return recognition.by_names(tuple(names), wanted)


def _places(names, count, joints):
    """Returns indices in the skeleton, and the matching ones in the file."""
    if names is None:
        here = np.arange(min(count, len(joints)))
        return here, here
    index = {vocabulary.joint(name): place for place, name in enumerate(names)}
    found = [
        (place, index[vocabulary.joint(name)])
        for place, name in enumerate(joints)
        if vocabulary.joint(name) in index
    ]
    own, theirs = np.array(found, np.int64).reshape(-1, 2).T
    return own, theirs


def _in_pixels(points, seen, coordinates, image_size):
    placed = points[seen]
    small = float(np.median(np.abs(placed))) < _NORMALISED
    if not small and coordinates == "either":
        negative = (placed < 0).mean(axis=0)
        if (np.minimum(negative, 1 - negative) > _ACROSS).all():
            raise ValueError(
                "its coordinates are centred on 0, as 3D coordinates in "
                "millimetres or pixels from the image's centre are; expected "
                "pixels from the image's upper left corner"
            )
        return points
    if not small:
        raise ValueError(
            "expected coordinates normalised to [0, 1], as usual in this "
            "format; these are larger"
        )
    negative = (placed < -_BEYOND).mean(axis=0)
    if negative.max() > _ACROSS:
        raise ValueError(
            "its coordinates are within a few units of 0, as 3D coordinates "
            "in metres or ones normalised to [-1, 1] are; expected pixels, or "
            "coordinates normalised to [0, 1], from the image's upper left "
            "corner"
        )
    if image_size is None:
        raise ValueError(
            "its coordinates are normalised to [0, 1] and the file does not "
            "contain the image size; give --image_size=WIDTHxHEIGHT"
        )
    with np.errstate(over="ignore"):  # `clean` rejects too large values.
        return points * np.asarray(image_size, np.float64)


def split(batch: Batch) -> tuple[Track, ...]:
    """Splits people into tracks by their ids, which are all known.

    Raises:
        ValueError: If an id occurs twice in a frame.
    """
    order = np.lexsort((batch.frames, batch.track_ids))
    frames, track_ids = batch.frames[order], batch.track_ids[order]
    again = (np.diff(track_ids) == 0) & (np.diff(frames) == 0)
    if again.any():
        row = int(np.flatnonzero(again)[0])
        raise ValueError(
            f"frame {frames[row]} contains person {track_ids[row]} twice"
        )
    ids, starts = np.unique(track_ids, return_index=True)
    # With a million frames, each copy counts.
    points = batch.points.astype(np.float32)
    scores = batch.scores.astype(np.float32)
    return tuple(
        Track(int(track_id), batch.frames[own], points[own], scores[own])
        for track_id, own in zip(ids, np.split(order, starts[1:]), strict=True)
    )

"""Unwraps the frames of a clip from the structures around them in JSON.

* Objects around the frames, `{"result": {"predictions": […]}}`: their other
  fields describe the clip.
* A list for each field, `{"keypoints": […], "scores": […], "frame": […]}`,
  instead of one object for each body.
* A list for each person, `{"1": [{"frame": 0, …}, …], "2": …}`, instead of one
  for each frame.
"""

import re

import numpy as np

from ampose_tf.lifting import untrusted
from ampose_tf.lifting.readers import vocabulary
from ampose_tf.lifting.readers.forms import bodies
from ampose_tf.lifting.readers.forms.fields import (
    fields_of,
    is_empty,
    joints_key,
)
from ampose_tf.lifting.readers.forms.frame_forms import is_person
from ampose_tf.lifting.readers.records import Account

_LABELS = (vocabulary.FRAME, vocabulary.IMAGE, vocabulary.TIME)
# Meanings of the fields that may be lists with a value for each body.
_OF_BODIES = (
    *_LABELS,
    vocabulary.FRAMES,
    vocabulary.JOINT_SCORES,
    vocabulary.SCORE,
    vocabulary.PERSON,
    vocabulary.ID,
    vocabulary.PERSON_SCORE,
)
_SCORES = (vocabulary.SCORE, vocabulary.JOINT_SCORES)
# Names of objects that describe a clip.
_ABOUT = re.compile(r"(?i)video|clip|image|info|meta|source|camera|stream")
# Meanings of the fields that describe a clip.
ABOUT = (
    vocabulary.FPS,
    vocabulary.SIZE,
    vocabulary.SHAPE,
    vocabulary.WIDTH,
    vocabulary.HEIGHT,
    vocabulary.JOINT_NAMES,
)
# The number of items of a list that are examined, and the depth.
_FIRST = 4
_DEPTH = 6
_NO_FRAMES = ("categories", "skeleton", "meta_info")


def holds_people(value, depth: int = _DEPTH) -> bool:
    """Whether a JSON value contains people at any depth."""
    if is_person(value):
        return True
    if isinstance(value, dict):
        if any(
            vocabulary.meaning(key)
            in (vocabulary.PEOPLE, vocabulary.JOINTS, vocabulary.JOINTS_3D)
            for key in value
        ):
            return True
        value = list(value.values())
    return (
        depth > 0
        and isinstance(value, list)
        and any(
            holds_people(item, depth - 1)
            for item in [item for item in value if item][:_FIRST]
            if isinstance(item, (dict, list))
        )
    )


def around(value: dict) -> str | None:
    """Returns the only field that contains people, or None.

    None also if the object itself has joints or a list of people.
    """
    fields = fields_of(value)
    if joints_key(value) or vocabulary.PEOPLE in fields or is_person(value):
        return None
    keys = [
        key
        for key, own in value.items()
        if isinstance(own, (dict, list))
        and key not in _NO_FRAMES
        and holds_people(own)
    ]
    return keys[0] if len(keys) == 1 else None


def described(value: dict) -> dict:
    """Returns an object's fields with those of nested descriptions.

    The object's own fields take precedence.
    """
    inner = {}
    for key, own in value.items():
        if isinstance(own, dict) and _ABOUT.search(key):
            inner |= own
    return inner | value


def is_about(value) -> bool:
    """Whether an object among frames describes the clip: its rate or size."""
    return (
        isinstance(value, dict)
        and not holds_people(value)
        and not _named(value, *_LABELS)
        and bool(_named(value, *ABOUT))
    )


def bodies_of(value: dict) -> tuple[list[dict], dict] | None:
    """Converts lists by field to an object per body; also returns the rest.

    None if the value does not consist of such lists.
    """
    key = joints_key(value)
    several = value.get(key)
    if (
        key is None
        or not isinstance(several, list)
        or len(several) < 2
        or bodies.is_body(several)
        or any(_is_label(value[name]) for name in _named(value, *_LABELS))
    ):
        return None
    count = len(several)
    columns = {"keypoints": several}
    for name in _named(value, *_OF_BODIES):
        own = value[name]
        if isinstance(own, list) and len(own) == count:
            meaning = vocabulary.meaning(name)
            columns["frame" if meaning == vocabulary.FRAMES else name] = own
    rest = {
        name: own
        for name, own in value.items()
        if name != key and own is not columns.get(name)
    }
    records = [
        dict(zip(columns, row, strict=True))
        for row in zip(*columns.values(), strict=True)
    ]
    return records, rest


def tracks_of(value, account: Account) -> list[dict] | None:
    """Converts a list for each person to one list of people in all frames.

    None if the value is not a list for each person.
    """
    if isinstance(value, dict):
        tracks = list(value.items())
        if any(map(vocabulary.meaning, value)) or (
            len(tracks) < 2
            and not any(
                _are_columns(own)
                or (name.isdecimal() and isinstance(own, list))
                for name, own in tracks
            )
        ):
            return None
    elif isinstance(value, list):
        tracks = [
            (_id_of(item, place), item) for place, item in enumerate(value)
        ]
    else:
        return None
    if not all(isinstance(own, (dict, list)) for _, own in tracks):
        return None
    found = []
    for own, track in tracks:
        records = (
            None if is_person(track) else _frames_of_person(track, len(tracks))
        )
        if records is None:
            return None
        found += [record | {"person_id": own} for record in records]
    if len(found) <= len(tracks):
        return None
    account.note(
        "Its lists of frames are read as people: "
        + ", ".join(untrusted.brief(own) for own, _ in tracks[:3])
        + ("." if len(tracks) < 4 else " and others.")
    )
    return found


def _are_columns(value):
    return isinstance(value, dict) and bodies_of(value) is not None


def _id_of(item, place):
    if isinstance(item, dict):
        for name in _named(item, vocabulary.PERSON, vocabulary.ID):
            if isinstance(item[name], (int, str)):
                return item[name]
    return place


def are_of_frames(people) -> bool:
    """Whether the people in a list belong to different frames."""
    return (
        isinstance(people, list)
        and len({_label_of(item) for item in people} - {None}) > 1
    )


def _frames_of_person(track, others):
    """Returns an object for each frame of a person, or None.

    If objects by number are nested in objects by number, those of which there
    are more are the frames.
    """
    if isinstance(track, dict):
        split = bodies_of(track)
        if split is not None:
            records = split[0]
            return records if _label_of(records[0]) is not None else None
        keys = _named(track, vocabulary.FRAMES)
        if keys and isinstance(track[keys[0]], (dict, list)):
            return _frames_of_person(track[keys[0]], others)
        if len(track) > others and all(
            key.isdecimal() and is_person(own) for key, own in track.items()
        ):
            return [
                (own if isinstance(own, dict) else {"keypoints": own})
                | {"frame": int(key)}
                for key, own in track.items()
            ]
        return None
    if not all(is_empty(item) or is_person(item) for item in track):
        return None
    labels = [_label_of(item) for item in track if not is_empty(item)]
    if not labels or None in labels or len(set(labels)) < len(labels):
        return None
    return [item for item in track if not is_empty(item)]


def _label_of(item):
    """Returns the frame's label in an object that is a person, or None."""
    if not isinstance(item, dict):
        return None
    for name in _named(item, *_LABELS):
        if _is_label(item[name]):
            return item[name]
    return None


def _is_label(value):
    return isinstance(value, (int, float, str)) and value != ""


def records_of(value):
    """Converts columns, as written by pandas, to a list of objects.

    Other values are returned unchanged.
    """
    if not isinstance(value, dict):
        return value
    names, data = value.get("columns"), value.get("data")
    if (
        isinstance(names, list)
        and isinstance(data, list)
        and all(
            isinstance(row, list) and len(row) == len(names) for row in data
        )
    ):
        return [dict(zip(map(str, names), row, strict=True)) for row in data]
    columns = list(value.values())
    if (
        not columns
        or not all(
            isinstance(own, (dict, list)) and len(own) == len(columns[0])
            for own in columns
        )
        or not any(map(vocabulary.joint_column, value))
    ):
        return value
    rows = [own.values() if isinstance(own, dict) else own for own in columns]
    return [
        dict(zip(value, row, strict=True)) for row in zip(*rows, strict=True)
    ]


def _named(value, *meanings):
    fields = fields_of(value)
    return [key for what in meanings for key in fields.get(what, ())]


def as_arrays(value) -> dict[str, np.ndarray] | None:
    """Returns arrays of bodies and scores, if frames can be stacked.

    None if the number of people varies, if frames have other fields, if there
    is only one person, or if the value is not a list of frames.
    """
    if not isinstance(value, list) or not value:
        return None
    columns = {"keypoints": value}
    if isinstance(value[0], dict):
        names = tuple(value[0])
        scores = [name for name in names if name != "keypoints"]
        if (
            "keypoints" not in names
            or any(vocabulary.meaning(n) not in _SCORES for n in scores)
            or any(tuple(item) != names for item in value)
        ):
            return None
        columns = {n: [item[n] for item in value] for n in names}
    first = columns["keypoints"]
    for _ in range(3):
        if not isinstance(first, list) or not first:
            return None
        first = first[0]
    if not bodies.is_row(first):
        return None
    try:
        arrays = {n: untrusted.numbers(own, n) for n, own in columns.items()}
    except ValueError:
        return None
    shape = arrays["keypoints"].shape
    return arrays if len(shape) == 4 and shape[1] > 1 else None

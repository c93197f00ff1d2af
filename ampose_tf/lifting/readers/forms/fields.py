"""Looks up the fields of JSON objects by their meanings."""

import contextlib
import functools
import re
from typing import NamedTuple

from ampose_tf.lifting import untrusted
from ampose_tf.lifting.readers import vocabulary
from ampose_tf.lifting.readers.forms import bodies
from ampose_tf.lifting.readers.records import Account
from ampose_tf.lifting.untrusted import whole_number

# Meanings of fields with an image's size; a height without a width is none.
SIZES = (vocabulary.SIZE, vocabulary.SHAPE, vocabulary.WIDTH)
# For comparison, nanoseconds since 1970 are 2e18.
_LARGEST = 1e20


class _Fields(NamedTuple):
    """The fields of an object by meaning, and those without one."""

    by_meaning: dict[str, tuple[str, ...]]
    unread: tuple[str, ...]


@functools.lru_cache(1024)
def _fields(keys: tuple[str, ...]) -> _Fields:
    found, unread = {}, []
    for key in keys:
        what = vocabulary.meaning(key)
        if what is None:
            unread.append(key)
        else:
            found[what] = (*found.get(what, ()), key)
    return _Fields(found, tuple(unread))


def fields_of(value: dict) -> dict[str, tuple[str, ...]]:
    """Returns {meaning: keys} for an object, see `vocabulary.meaning`."""
    return _fields(tuple(value)).by_meaning


def unread_of(value: dict) -> tuple[str, ...]:
    """Returns the fields of an object that have no known meaning."""
    return _fields(tuple(value)).unread


def is_empty(value) -> bool:
    """Whether a value is a frame without people, in any form."""
    return value is None or value == [] or value == {}


@functools.lru_cache(4096)
def _keys_of(keys, *meanings):
    fields = _fields(keys).by_meaning
    return tuple(key for what in meanings for key in fields.get(what, ()))


def keys(value: dict, *meanings: str) -> tuple[str, ...]:
    """Returns the fields with these meanings."""
    return _keys_of(tuple(value), *meanings)


def is_finite(value) -> bool:
    """Whether a value is a number in the range of times and scores."""
    return isinstance(value, (int, float)) and abs(value) < _LARGEST


def rate_of(fps, account: Account) -> float | None:
    """Returns frames per second; None, with a note, if invalid."""
    if fps is None:
        return None
    if isinstance(fps, str):
        with contextlib.suppress(ValueError):
            fps = float(fps)
    try:
        return untrusted.frame_rate(fps, "fps")
    except ValueError as error:
        account.note(f"Not used: {error}.")
        return None


def score_of(value, what: str, account: Account) -> float | None:
    """Returns a person's score; None for null, and for lists of several.

    An invalid score is noted and not used.
    """
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None or isinstance(value, list):
        return None
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = float(value)
    if is_finite(value):
        return float(value)
    if value == value:  # NaN stands for no score, and needs no note.
        account.note(
            f"Not used: {what}: expected a score, got "
            f"{untrusted.brief(value)}."
        )
    return None


def size_of(value: dict, account: Account) -> tuple[int, int] | None:
    """Returns the image's (width, height) in an object, or None.

    An invalid size is noted and not used.
    """
    for key in keys(value, vocabulary.IMAGE):
        if isinstance(value[key], dict):
            return size_of(value[key], account)
    fields = fields_of(value)
    if fields.keys().isdisjoint(SIZES):
        return None
    size = what = None
    for key in fields.get(vocabulary.SIZE, ()):
        own = value[key]
        if isinstance(own, dict):
            inner = fields_of(own)
            if vocabulary.WIDTH in inner and vocabulary.HEIGHT in inner:
                own = [
                    own[inner[side][0]]
                    for side in (vocabulary.WIDTH, vocabulary.HEIGHT)
                ]
        elif isinstance(own, str):
            own = [int(n) for n in re.findall(r"[0-9]{1,6}", own)]
        if isinstance(own, list) and any(k.startswith("pred_") for k in value):
            own = own[::-1]  # Detectron2's Instances: height, width.
        size, what = own, key
    for key in fields.get(vocabulary.SHAPE, ()):
        own = value[key]
        if size is None and isinstance(own, list) and len(own) in (2, 3):
            size, what = own[1::-1], key  # A shape is (height, width).
    is_box = vocabulary.X in fields or "left" in value
    if size is None and not is_box:
        sides = [
            value[fields[side][0]]
            for side in (vocabulary.WIDTH, vocabulary.HEIGHT)
            if side in fields
        ]
        if len(sides) == 2:
            size, what = sides, "width and height"
    if size is None:
        return None
    try:
        return untrusted.image_size(size, what)
    except ValueError as error:
        account.note(f"Not used: {error}.")
        return None


def person_id(value, what: str, account: Account) -> int | str | None:
    """Returns a person's id; None for null and -1, trackers' missing id.

    An invalid id is noted and not used.
    """
    # AlphaPose and OpenPose write it in a list.
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None or value == [] or value == -1:
        return None
    if isinstance(value, str) and 0 < len(value) <= 100:
        return int(value) if value.isdecimal() and len(value) < 8 else value
    if type(value) in (int, float) and untrusted.MAX_FRAME < value < 1e300:
        return f"{value:.0f}"  # It is used as a name.
    try:
        return whole_number(value, what)
    except ValueError as error:
        account.note(f"Not used: {error}.")
        return None


def first(value):
    """Returns the first non-empty item of a list, or None."""
    if not isinstance(value, list):
        return None
    return next((item for item in value if not is_empty(item)), None)


def first_value(value: dict):
    """Returns the first value of an object, or None."""
    return next(iter(value.values()), None)


def people_keys(value: dict) -> list[str]:
    """Returns the fields that contain people: a list, or an object."""
    return [
        key
        for key in keys(value, vocabulary.PEOPLE, vocabulary.PERSON)
        if isinstance(value[key], list)
        and (
            vocabulary.meaning(key) == vocabulary.PEOPLE
            or isinstance(first(value[key]), dict)
        )
        or isinstance(value[key], dict)
        and (
            vocabulary.meaning(key) == vocabulary.PEOPLE
            or any(
                isinstance(own, (list, dict)) for own in value[key].values()
            )
        )
    ]


def joints_key(value: dict) -> str | None:
    """Returns the field of an object that contains joints, or None."""
    found = [
        key
        for key in keys(value, vocabulary.JOINTS, vocabulary.NAME)
        if isinstance(value[key], (list, dict))
        and not are_names(value[key])
        or value[key] is None
        and vocabulary.meaning(key) == vocabulary.JOINTS
    ]
    full = [key for key in found if not is_empty(value[key])]
    return (full or found or [None])[0]


def are_names(value) -> bool:
    """Whether a value is a list of strings, such as names of joints."""
    return bool(
        value
        and isinstance(value, (list, tuple))
        and all(isinstance(name, str) for name in value)
        and not bodies.is_numeric(value)
    )

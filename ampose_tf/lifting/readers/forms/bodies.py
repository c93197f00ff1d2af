"""Readers for people's joints in JSON, in all layouts.

A person's joints are a list of numbers (x, y and score of each joint, or x and
y), a list of lists `[x, y]`, `[x, y, score]` or `[x, y, z, score]`, a list of
objects with x and y, an object that contains these by the joints' names or
numbers, or an object with lists `x`, `y` and `visible`. Names of fields are
looked up in `vocabulary`.
"""

import functools
import re
from typing import NamedTuple

import numpy as np

from ampose_tf.lifting.readers import vocabulary
from ampose_tf.lifting.readers.records import Account, Detection
from ampose_tf.lifting.untrusted import brief, numbers

# Numbers of joints in known skeletons, for lists that omit some.
_COUNTS = (16, 17, 18, 25, 26, 33, 133, 136)
# If all coordinates are smaller than this, they are not pixels.
_NORMALISED = 2
# The largest score, in percent.
_MOST_SCORE = 100
_NUMBER = re.compile(r"(?i)\s*[+-]?([0-9]*\.?[0-9]+(e[+-]?[0-9]+)?|nan)\s*")
_LONGEST_NUMBER = 64
# The least number of named points in an object that is a person.
_FEW = 3
# The largest number of values for a point.
_LONGEST_POINT = 4
# Preferred scores first: visibility is more informative than presence.
_SCORE_ORDER = ("score", "confidence", "visibility")


class _Fields(NamedTuple):
    """The fields of a point; None for those that are missing."""

    x: str | None
    y: str | None
    scores: tuple[str, ...]
    name: str | None
    position: str | None
    joints: tuple[str, ...]
    unread: tuple[str, ...]


@functools.lru_cache(1024)
def _fields(keys: tuple[str, ...]) -> _Fields:
    found, scores, joints, unread = {}, [], [], []
    for key in keys:
        what = vocabulary.meaning(key)
        if what in (vocabulary.SCORE, vocabulary.JOINT_SCORES):
            scores.append(key)
        elif what in (vocabulary.X, vocabulary.Y, vocabulary.POSITION):
            found.setdefault(what, key)
        elif what in (vocabulary.NAME, vocabulary.JOINT_NAMES):
            found[vocabulary.NAME] = key
        elif what in (vocabulary.ID, vocabulary.JOINT_NUMBER):
            found.setdefault(vocabulary.NAME, key)
        elif what == vocabulary.JOINTS:
            joints.append(key)
        elif what is None:
            unread.append(key)

    def rank(key):
        squeezed = key.lower()
        for place, word in enumerate(_SCORE_ORDER):
            if squeezed.startswith(word[:4]):
                return place
        return len(_SCORE_ORDER) + ("presence" in squeezed)

    return _Fields(
        found.get(vocabulary.X),
        found.get(vocabulary.Y),
        tuple(sorted(scores, key=rank)),
        found.get(vocabulary.NAME),
        found.get(vocabulary.POSITION),
        tuple(joints),
        tuple(unread),
    )


def is_point(value) -> bool:
    """Whether a JSON value is an object with x and y, or with a position."""
    if not isinstance(value, dict):
        return False
    fields = _fields(tuple(value))
    if any(isinstance(value[key], (list, dict)) for key in fields.joints):
        return False  # A person; x and y are those of the box.
    if fields.x and fields.y:
        return not isinstance(value[fields.x], (list, dict))
    inner = value.get(fields.position) if fields.position else None
    return is_point(inner) or (
        isinstance(inner, list) and len(inner) > 1 and is_numeric(inner)
    )


def is_numeric(value: list) -> bool:
    """Whether a JSON list contains only numbers and null.

    Numbers may be text, as some tools write them.
    """
    return all(
        item is None
        or isinstance(item, (int, float))
        or (
            isinstance(item, str)
            and len(item) <= _LONGEST_NUMBER
            and _NUMBER.fullmatch(item) is not None
        )
        for item in value
    )


def is_row(value) -> bool:
    """Whether a JSON value is a list with the numbers of one point."""
    return (
        isinstance(value, list)
        and 1 < len(value) <= _LONGEST_POINT
        and is_numeric(value)
    )


def is_joint(value) -> bool:
    """Whether a JSON value may be a joint in an object of named joints."""
    return is_point(value) or is_row(value)


def is_flat(value) -> bool:
    """Whether a JSON value is a list with the numbers of many points."""
    return (
        isinstance(value, list)
        and len(value) > _LONGEST_POINT
        # The other values are checked when they are converted.
        and is_numeric(value[:2])
    )


def is_body(value) -> bool:
    """Whether a JSON value may be the joints of one person."""
    if isinstance(value, dict):
        return (
            _columns_of(value) is not None
            or sum(map(is_point, value.values())) >= _FEW
            or sum(map(is_row, value.values())) >= _FEW
        )
    if not isinstance(value, list):
        return False
    if is_flat(value):
        return True
    first = next((item for item in value if item), None)
    return is_point(first) or is_row(first)


def read(value, scores, account: Account) -> list[Detection]:
    """Reads the joints of one person, or of several in a list.

    Args:
        value: Value of a field with joints.
        scores: Value of a field with their scores; None if there is none.
        account: Account of the file.

    Raises:
        ValueError: If the value does not contain joints.
    """
    if value is None or value == [] or value == {}:
        return []
    if isinstance(value, dict):
        return _of_object(value, scores, account)
    if not isinstance(value, list):
        raise ValueError(f"joints: expected a list, got {brief(value)}")
    if is_flat(value):
        return [_scored(_of_flat(value), scores)]
    first = next((item for item in value if item), None)
    if is_point(first):
        return [_scored(_of_points(value, account), scores)]
    if is_row(first):
        return [_scored(_of_rows(numbers(value, "points")), scores)]
    if not isinstance(first, (list, dict)):
        raise ValueError(f"joints: expected numbers, got {brief(value)}")
    several = scores if _are_of_people(scores, value) else [scores]
    if len(several) != len(value):
        several = [None] * len(value)
    return [
        person
        for one, its in zip(value, several, strict=True)
        for person in read(one, its, account)
    ]


def _are_of_people(scores, people):
    return (
        isinstance(scores, list)
        and len(scores) == len(people)
        and all(isinstance(its, list) for its in scores)
    )


def _of_object(value, scores, account):
    columns = _columns_of(value)
    if columns is not None:
        account.unread(_fields(tuple(value)).unread, "fields of joints")
        return [_scored(columns, scores)]
    own = _fields(tuple(value)).scores
    for key, inner in value.items():  # ml5's pose contains them, too.
        if vocabulary.meaning(key) in (
            vocabulary.JOINTS,
            vocabulary.NAME,
            vocabulary.FRAMES,  # Ultralytics' data.
        ) and isinstance(inner, (list, dict)):
            its = next(
                (value[k] for k in own if isinstance(value[k], list)), scores
            )
            people = read(inner, its, account)
            if people:
                return people
    named = {name: one for name, one in value.items() if is_joint(one)}
    if named:
        return [_scored(_of_named(named, account), scores)]
    raise ValueError(f"expected joints, got {brief(value)}")


def _columns_of(value):
    """Returns a person given by lists x, y and scores, or None."""
    fields = _fields(tuple(value))
    if not (fields.x and fields.y):
        return None
    if not isinstance(value[fields.x], list):
        return None
    x = numbers(value[fields.x], "x")
    y = numbers(value[fields.y], "y")
    if x.ndim != 1 or x.shape != y.shape or not x.size:
        raise ValueError(
            "expected lists x and y of one person, with a number for each "
            f"joint, got shapes {x.shape} and {y.shape}"
        )
    points = np.stack([x, y], axis=1)
    person = Detection(points, np.ones(len(x)), third="none")
    for key in fields.scores:
        if value[key] is not None:  # Null if the model predicts no scores.
            return _scored(person, value[key])
    return person


def _of_named(named, account):
    names = list(named)
    rows = list(named.values())
    if isinstance(rows[0], dict):
        person = _of_points(rows, account)._replace(names=None)
    else:
        person = _of_rows(numbers(rows, "points"))
    if all(name.isdecimal() and len(name) < 4 for name in names):
        return _placed(person, [int(name) for name in names])
    return _named(person, names)


def _named(person, names):
    if len({vocabulary.joint(name) for name in names}) < len(names):
        raise ValueError("two points of a person have the same name")
    return person._replace(names=tuple(names))


def _placed(person, places):
    """Returns a person with joints placed by their numbers."""
    count = len(places)
    if len(set(places)) < count or min(places) < 0:
        raise ValueError("two points of a person have the same number")
    if sorted(places) == list(range(1, count + 1)):
        places = [place - 1 for place in places]
    if max(places) >= count:  # Some joints are missing.
        count = next((c for c in _COUNTS if c > max(places)), None)
        if count is None:
            raise ValueError(
                f"points are numbered up to {max(places)}; expected the "
                "numbers of a known skeleton"
            )
    points, scores = np.full((count, 2), np.nan), np.zeros(count)
    points[places], scores[places] = person.points, person.scores
    return person._replace(points=points, scores=scores)


def _of_points(points, account):
    """Reads a list of objects with x, y and optionally a score and a name."""
    fields = None
    rows, names = [], []
    for point in points:
        if not isinstance(point, dict):
            raise ValueError(
                f"expected points with x and y, got {brief(point)}"
            )
        keys = tuple(point)
        fields = _fields(keys)
        place = point
        if fields.x is None or fields.y is None:
            place = point.get(fields.position) if fields.position else None
            if isinstance(place, list) and len(place) > 1:
                place = {"x": place[0], "y": place[1]}
            if not isinstance(place, dict):
                raise ValueError("expected points with x and y")
            inner = _fields(tuple(place))
            if inner.x is None or inner.y is None:
                raise ValueError("expected points with x and y")
            x, y = place[inner.x], place[inner.y]
        else:
            x, y = point[fields.x], point[fields.y]
        score = None
        for key in fields.scores:
            # Null if the model predicts none.
            if point[key] is not None:
                score = point[key]
                break
        rows.append((x, y, score))
        names.append(point[fields.name] if fields.name else None)
        if fields.unread:
            account.unread(fields.unread, "fields of points")
    table = numbers(rows, "points")
    person = Detection(table[:, :2], table[:, 2])
    if all(row[2] is None for row in rows):
        person = Detection(table[:, :2], np.ones(len(rows)), third="none")
    if all(isinstance(name, str) for name in names):
        if all(name.isdecimal() and len(name) < 4 for name in names):
            return _placed(person, list(map(int, names)))
        if len(set(names)) == 1 < len(names):
            return person  # A label of the whole list, not of a joint.
        return _named(person, names)
    if all(isinstance(name, int) for name in names) and len(set(names)) == len(
        names
    ):
        return _placed(person, names)
    return person


def _of_rows(table):
    if table.ndim != 2 or table.shape[1] not in (2, 3, 4):
        raise ValueError(
            f"expected points of 2 to 4 numbers, got shape {table.shape}"
        )
    if table.shape[1] == 2:
        return Detection(table, np.ones(len(table)), third="none")
    if table.shape[1] == 4:  # x, y, z and score.
        return Detection(table[:, :2], table[:, 3])
    return Detection(table[:, :2], table[:, 2], third="either")


def _of_flat(values):
    """Splits x1, y1, score1, x2, … (COCO and OpenPose), or x1, y1, x2, …."""
    flat = numbers(values, "keypoints")
    count = len(flat)
    if count == 4 * 33:  # MediaPipe's x, y, z, visibility.
        return _of_rows(flat.reshape(-1, 4))
    are_triples, are_pairs = count % 3 == 0, count % 2 == 0
    if are_triples and are_pairs:
        # fmax ignores NaN.
        if np.fmax.reduce(flat) < _NORMALISED:
            are_triples = count // 2 not in _COUNTS or count // 3 in _COUNTS
        else:  # In pairs, every third number is a coordinate.
            are_triples = not np.fmax.reduce(flat[2::3]) > _MOST_SCORE
    if are_triples:
        return _of_rows(flat.reshape(-1, 3))
    if are_pairs:
        return _of_rows(flat.reshape(-1, 2))
    raise ValueError(
        "keypoints: expected x, y, score of every joint in one list, got "
        f"shape {flat.shape}"
    )


def _scored(person, scores):
    """Returns a person with scores from a separate field."""
    if scores is None:
        return person
    given = numbers(scores, "scores").squeeze()
    if given.ndim == 0:
        given = given[None]
    # COCO's visibility may be replaced by scores; z may not.
    if (
        person.third == "either"
        and not np.isin(person.scores, (0, 1, 2)).all()
    ):
        raise ValueError(
            "keypoints: they are already 3D; expected a 2D detector's x and "
            "y of each joint"
        )
    check_shapes(person.points, given)
    return person._replace(scores=given, third="score")


def check_shapes(points: np.ndarray, scores: np.ndarray) -> None:
    """Checks that the shapes are (S, 2) and (S,).

    Raises:
        ValueError: If the shapes differ from these.
    """
    if points.shape != (*scores.shape, 2) or scores.ndim != 1:
        raise ValueError(
            "expected x, y and a score for every joint, got shapes "
            f"{points.shape} and {scores.shape}"
        )

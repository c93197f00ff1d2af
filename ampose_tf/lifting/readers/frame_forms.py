"""One frame's people in JSON, in the form of each tool.

Form, and where it is described:

* openpose: `{"people": [{"pose_keypoints_2d": [x, y, score, …]}]}`, BODY_25
  or COCO-18; OpenPose's doc/02_output.md, `--write_json`. AlphaPose's
  `--format open`, and `--format cmu`: `{"bodies": [{"joints": […]}]}`.
* mmpose: `[{"keypoints": [[x, y], …], "keypoint_scores": […]}]`, alone or as
  `{"frame_id": 0, "instances": […]}`; MMPose's `split_instances`, which its
  inferencer and its demos save. rtmlib's `keypoints` and `scores` of one
  person or of all.
* ultralytics: `[{"name", "class", "confidence", "box", "track_id",
  "keypoints": {"x": […], "y": […], "visible": […]}}]`; `Results.to_json`.
* tfjs: `[{"score", "id", "keypoints": [{"x", "y", "score", "name"}, …]}]`,
  what `estimatePoses` of @tensorflow-models/pose-detection returns; also
  `{"nose": {"x", "y", "score"}, …}`; PoseNet's and ml5's `{"part", "score",
  "position": {"x", "y"}}`.
* mediapipe: 33 landmarks `{"x", "y", "z", "visibility"}` or `[x, y]`,
  `[x, y, z]`, `[x, y, visibility]`, `[x, y, z, visibility]`, or a list of
  people who have them; alone or under `landmarks`, `pose_landmarks`,
  `poseLandmarks` or `landmark`; PoseLandmarkerResult and the older
  solutions.pose; ML Kit's with `inFrameLikelihood`.
* coco: `{"image_id", "keypoints": [x, y, score or visibility, …]}` or a list
  of them, https://cocodataset.org/#format-results; also AlphaPose's (its
  docs/output.md) and OpenPifPaf's.
* array: joints `[x, y]` or `[x, y, score]`, in the order of a skeleton of
  `recognition.by_count`.

Names of fields are understood by `vocabulary` in any of these forms. null, []
and {} are a frame without people in every form.
"""

import functools
import re
from typing import NamedTuple

from ampose_tf.lifting import untrusted
from ampose_tf.lifting.readers import bodies, labels, recognition, vocabulary
from ampose_tf.lifting.readers.records import Account, Detection
from ampose_tf.lifting.untrusted import brief, whole_number

# A form's characteristic keys, to name the nearest form of an unknown one.
_KEYS = {
    "openpose": {"people", "version", "pose_keypoints_2d", "person_id"},
    "mmpose": {"instances", "frame_id", "keypoint_scores", "bbox_score"},
    "ultralytics": {"name", "class", "confidence", "box", "visible"},
    "tfjs": {"keypoints", "score", "x", "y", "part", "position"},
    "mediapipe": {"landmarks", "pose_landmarks", "visibility", "presence"},
    "coco": {"image_id", "category_id", "keypoints", "images", "annotations"},
}


_SIZES = (vocabulary.SIZE, vocabulary.SHAPE, vocabulary.WIDTH)


# Nanoseconds since 1970 are 2e18.
_LARGEST = 1e20


class Group(NamedTuple):
    """The people of one frame, or one person of it.

    Attributes:
        people: Of the frame.
        number: Of the frame; None if its value does not say.
        image: The name or id of its image, or None.
        time: In the unit of the file, or None.
        unit: Seconds of that unit, if the field's name says it.
        size: (width, height) of its image, or None.
        is_person: Whether it is one person, and others of the same frame may
            follow; False for a whole frame.
        form: What `form_of` says, if it was asked.
        fps: Frames a second, or None.
        place: What `id` or `index` of a whole frame says, or None.
    """

    people: list[Detection]
    number: int | None = None
    image: int | str | None = None
    time: float | None = None
    unit: float | None = None
    size: tuple[int, int] | None = None
    is_person: bool = False
    form: str | None = None
    fps: float | None = None
    place: int | None = None

    @property
    def label(self) -> int | str | float | None:
        """What the file calls the frame."""
        labels = (self.number, self.image, self.time)
        return next((own for own in labels if own is not None), None)


class _Fields(NamedTuple):
    """The fields of an object, by their meanings."""

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
    """Returns {meaning: its keys} of an object, see `vocabulary.meaning`."""
    return _fields(tuple(value)).by_meaning


def is_empty(value) -> bool:
    """Whether it is a frame without people, in whatever form."""
    return value is None or value == [] or value == {}


def read(value, account: Account) -> Group:
    """Reads a frame's people, or a person.

    Args:
        value: JSON.
        account: Of the file.

    Raises:
        ValueError: If it is of no known form, or something in it is not as
            the form has it.
    """
    if is_empty(value):
        return Group([])
    if isinstance(value, dict):
        return _of_object(value, account)
    if not isinstance(value, list):
        raise ValueError(nearest(value))
    if bodies.is_body(value):
        return Group(bodies.read(value, None, account), is_person=True)
    people, size, labels = [], None, set()
    if _is_pair(value):
        return Group(bodies.read(*value, account))
    for item in value:
        if isinstance(item, (dict, list)):
            if isinstance(item, dict) and _is_other_object(item):
                continue
            group = read(item, account)
            people += group.people
            size = size or group.size
            labels.add((group.number, group.image, group.time, group.unit))
        elif item is not None:
            raise ValueError(nearest(value))
    if not people and any(_is_other_object(item) for item in value):
        raise ValueError(
            "detections without keypoints; expected those of a pose model"
        )
    if len(labels) > 1:
        raise ValueError(
            f"results of {len(labels)} images; expected those of one frame"
        )
    return Group(people, *(labels.pop() if labels else ()), size=size)


def _is_pair(value):
    """Whether it is rtmlib's tuple of people and their joints' scores."""
    return (
        len(value) == 2
        and all(isinstance(own, list) and own for own in value)
        and bodies.is_body(value[0][0])
        and not bodies.is_flat(value[0][0])
        and isinstance(value[1][0], list)
        and len(value[0]) == len(value[1])
        and len(value[0][0]) == len(value[1][0])
        and bodies.is_flat(value[1][0])
    )


def is_person(value) -> bool:
    """Whether a value of JSON is one person: a body, or an object of one."""
    if not isinstance(value, dict):
        return isinstance(value, list) and bodies.is_body(value)
    key = joints_key(value)
    if key is None:
        return not _people_keys(value) and bodies.is_body(value)
    if _people_keys(value):
        return False
    return bodies.is_body(value[key]) or (
        isinstance(value[key], dict) and not is_empty(value[key])
    )


def is_several_people(value) -> bool:
    """Whether a value of JSON is a list of people of one frame or of many."""
    return isinstance(value, list) and not bodies.is_body(value)


def nearest(value) -> str:
    """Says what an unknown value is and which forms it resembles."""
    keys = set()
    for part in (value, _first(value)):
        for inner in (part, _first(part)):
            if isinstance(inner, dict):
                keys |= {key for key in inner if isinstance(key, str)}
                for nested in list(inner.values())[:8]:
                    nested = _first(nested)
                    if isinstance(nested, dict):
                        keys |= {k for k in nested if isinstance(k, str)}
    shared = {form: len(keys & own) for form, own in _KEYS.items()}
    most = max(shared.values())
    forms = [form for form, count in shared.items() if count == most > 0]
    return (
        f"{brief(value)} is no known form of keypoints; "
        f"{'nearest' if forms else 'known'}: {', '.join(forms or _KEYS)}"
    )


def form_of(value) -> str | None:
    """Returns the form of one frame's people; None for none of them."""
    first = value
    while isinstance(first, list) and not bodies.is_body(first):
        first = _first(first)
    if isinstance(first, list):
        if bodies.is_flat(first):
            return "coco"
        point = _first(first)
        if isinstance(point, dict):
            return _form_of_points(first)
        return "mediapipe" if len(first) == 33 else "array"
    if not isinstance(first, dict):
        return None
    fields = fields_of(first)
    people = [key for key in _people_keys(first) if first[key]]
    if people:
        if "instances" in people:
            return "mmpose"
        inner = _first(first[people[0]])
        keys = inner if isinstance(inner, dict) else ()
        if "people" in people or "pose_keypoints_2d" in keys:
            return "openpose"
        return form_of(first[people[0]])
    key = joints_key(first)
    if key is None:
        return "tfjs" if bodies.is_body(first) else None
    if vocabulary.JOINT_SCORES in fields or "scores" in first:
        return "mmpose"
    if key.lower().startswith(("landmark", "pose_land", "poseland")):
        return "mediapipe"
    if key == "pose_keypoints_2d":
        return "openpose"
    joints = first[key]
    if isinstance(joints, dict):
        return (
            "tfjs"
            if bodies.is_point(_first_value(joints))
            else ("ultralytics")
        )
    if isinstance(_first(joints), dict):
        return _form_of_points(joints)
    return "coco"


def _form_of_points(points):
    point = _first(points)
    named = vocabulary.NAME in fields_of(point) if point else False
    return "tfjs" if named else "mediapipe"


def _first(value):
    """Returns the first item of a list that is not empty."""
    if not isinstance(value, list):
        return None
    return next((item for item in value if not is_empty(item)), None)


def _first_value(value):
    return next(iter(value.values()), None)


@functools.lru_cache(4096)
def _keys_of(keys, *meanings):
    fields = _fields(keys).by_meaning
    return tuple(key for what in meanings for key in fields.get(what, ()))


def _keys(value, *meanings):
    """Returns the fields of these meanings."""
    return _keys_of(tuple(value), *meanings)


def _people_keys(value):
    """Returns the fields that hold a list of people, or one."""
    return [
        key
        for key in _keys(value, vocabulary.PEOPLE, vocabulary.PERSON)
        if isinstance(value[key], list)
        and (
            vocabulary.meaning(key) == vocabulary.PEOPLE
            or isinstance(_first(value[key]), dict)
        )
        or isinstance(value[key], dict)
    ]


def joints_key(value: dict) -> str | None:
    """Returns the field of an object that holds joints, or None."""
    keys = [
        key
        for key in _keys(value, vocabulary.JOINTS, vocabulary.NAME)
        if isinstance(value[key], (list, dict))
        and not _are_names(value[key])
        or value[key] is None
        and vocabulary.meaning(key) == vocabulary.JOINTS
    ]
    full = [key for key in keys if not is_empty(value[key])]
    return (full or keys or [None])[0]


def _are_names(value):
    return bool(
        value
        and isinstance(value, (list, tuple))
        and all(isinstance(name, str) for name in value)
        and not bodies.is_numeric(value)
    )


def _is_without_people(value):
    """Whether an object says of a frame that there is nobody in it."""
    says = any(own is False for own in value.values()) or _keys(
        value, vocabulary.FRAME, vocabulary.IMAGE, vocabulary.TIME
    )
    return bool(says) and all(
        own in (None, False, 0, [], {})
        or vocabulary.meaning(key) is not None
        and not isinstance(own, (list, dict))
        for key, own in value.items()
    )


def _is_other_object(value):
    """Whether it is a detection of a box: a car, or of no pose model."""
    return (
        isinstance(value, dict)
        and joints_key(value) is None
        and {"class", "box"} <= value.keys()
    )


def _of_object(value, account):
    people_keys = _people_keys(value)
    key = joints_key(value)
    if people_keys:
        people = []
        for own in people_keys:
            items = value[own]
            if isinstance(items, dict):
                items = _of_dict(items)
            people += _persons(items, own, account)
        group = _labelled(value, people, account, is_person=False)
        place = next((value[k] for k in _keys(value, vocabulary.ID)), None)
        is_number = type(place) is int and 0 <= place <= untrusted.MAX_FRAME
        return group._replace(place=place if is_number else None)
    for own in _keys(value, vocabulary.PEOPLE):
        if not isinstance(value[own], (list, dict)):
            raise ValueError(
                f"{own}: expected a list, got {brief(value[own])}"
            )
    if key is not None:
        return _of_person(value, key, account)
    if bodies.is_body(value):
        (person,) = bodies.read(value, None, account)
        return _labelled(value, [person], account, is_person=True)
    solid = _keys(value, vocabulary.JOINTS_3D)
    if solid and not all(is_empty(value[own]) for own in solid):
        raise ValueError(_is_solid(value, solid))
    if _is_without_people(value):
        return _labelled(value, [], account, is_person=False)
    names = {vocabulary.joint(name) for name in value}
    if (
        value
        and all(map(is_person, value.values()))
        and names.isdisjoint(recognition.JOINTS)
    ):
        people = _persons(_of_dict(value), "people", account)
        return Group(people)
    if _is_other_object(value):
        raise ValueError(
            "detections without keypoints; expected those of a pose model"
        )
    raise ValueError(nearest(value))


def _of_dict(items):
    """Returns the people of an object of them by id, or of one person."""
    if is_person(items) or joints_key(items):
        return [items]
    return [
        (item if isinstance(item, dict) else {"keypoints": item})
        | {"person_id": key}
        for key, item in items.items()
    ]


def _persons(items, what, account):
    people = []
    for item in items:
        if is_empty(item):
            continue
        if not isinstance(item, (dict, list)):
            raise ValueError(f"{what}: expected objects, got {brief(item)}")
        if _is_other_object(item):
            continue
        people += read(item, account).people
    return people


def _is_solid(value, keys):
    if any("world" in key.lower() for key in keys):
        return (
            "only world landmarks, which are 3D, in metres from the hip; "
            "save the landmarks in the image"
        )
    if "pose_keypoints_3d" in keys:
        return (
            "this is OpenPose's 3D output; save the 2D with --write_json "
            "without --3d"
        )
    return (
        f"its joints ({brief(keys[0])}) are 3D already; expected the 2D that "
        "a detector found"
    )


def _of_person(value, key, account):
    """Reads an object of one body, or of several in its field of joints."""
    joint_scores = person_score = None
    for name in _keys(value, vocabulary.JOINT_SCORES, vocabulary.SCORE):
        if isinstance(value[name], list) and joint_scores is None:
            joint_scores = value[name]
    for name in _keys(value, vocabulary.PERSON_SCORE, vocabulary.SCORE):
        score = value[name]
        while isinstance(score, list) and len(score) == 1:
            score = score[0]
        if _is_finite(score):
            person_score = float(score)
            break
    else:
        person_score = _score_of_box(value)
    if is_empty(value[key]):  # Only a hand or a face was found.
        solid = [k for k in _keys(value, vocabulary.JOINTS_3D) if value[k]]
        if solid:
            raise ValueError(_is_solid(value, solid))
        return _labelled(value, [], account, is_person=True)
    several = not bodies.is_body(value[key]) and isinstance(value[key], list)
    if (
        several
        and joint_scores is not None
        and len(joint_scores) == len(value[key])
        and bodies.is_numeric(joint_scores)
    ):
        joint_scores = None  # They are of the people.
    people = bodies.read(value[key], joint_scores, account)
    if several:
        people = _with_lists(people, value, account)
    if len(people) == 1:
        own = None
        for name in _keys(value, vocabulary.PERSON, vocabulary.ID):
            if not (several and isinstance(value[name], list)):
                own = person_id(value[name], name, account)
            if own is not None:
                break
        people = [
            person._replace(
                track_id=person.track_id if own is None else own,
                score=person.score if person_score is None else person_score,
            )
            for person in people
        ]
    for name in _keys(value, vocabulary.JOINTS):
        if name != key and not is_empty(value[name]):
            account.unread([name])
    names = _keys(value, vocabulary.JOINT_NAMES)
    if names and people:
        people = [with_names(p, value[names[0]]) for p in people]
    return _labelled(value, people, account, is_person=not several)


def _score_of_box(value):
    """Returns the fifth number of a box, as MMPose's had it, or None."""
    for name in ("bbox", "box"):
        box = value.get(name)
        if isinstance(box, list) and len(box) == 5 and _is_finite(box[4]):
            return float(box[4]) if 0 <= box[4] <= 1 else None
    return None


def _with_lists(people, value, account):
    """Returns people with the scores and ids that lists say of each."""

    def lists(*meanings):
        return (
            value[name]
            for name in _keys(value, *meanings)
            if isinstance(value[name], list)
            and len(value[name]) == len(people)
        )

    for own in lists(
        vocabulary.PERSON_SCORE, vocabulary.SCORE, vocabulary.JOINT_SCORES
    ):
        if all(map(_is_finite, own)):
            people = [
                person._replace(score=float(its))
                for person, its in zip(people, own, strict=True)
            ]
            break
    for own in lists(vocabulary.PERSON, vocabulary.ID):
        people = [
            person._replace(track_id=person_id(its, "track_id", account))
            for person, its in zip(people, own, strict=True)
        ]
        break
    return people


def with_names(person: Detection, names) -> Detection:
    """Returns a person whose joints have the names in a list of the file."""
    if (
        person.names is not None
        or not _are_names(names)
        or len(names) != len(person.points)
    ):
        return person
    return person._replace(names=tuple(names))


def _is_finite(value):
    """Whether it is a number that a time or a score may be."""
    return isinstance(value, (int, float)) and abs(value) < _LARGEST


def _labelled(value, people, account, is_person):
    """Returns a group with what an object says of its frame."""
    number = image = time = unit = None
    for key in _keys(value, vocabulary.FRAME):
        own = value[key]
        if isinstance(own, str) and re.fullmatch(r"\s*[0-9]+\s*", own):
            own = int(own)
        if isinstance(own, str) and own:
            image = own if image is None else image
        elif own is not None and number is None:
            number = whole_number(own, key)
    for key in _keys(value, vocabulary.IMAGE):
        own = value[key]
        if isinstance(own, (int, str)) and not isinstance(own, bool):
            image = own if image is None else image
        elif not is_empty(own) and not isinstance(own, dict):
            raise ValueError(f"{key}: got {brief(own)}")
    for key in _keys(value, vocabulary.TIME):
        if time is None and not is_empty(value[key]):
            time, unit = labels.time_of(key, value[key], account)
    for key in value:
        if vocabulary.is_clip(key):
            account.clip(value[key])
    size = size_of(value, account)
    unread = _fields(tuple(value)).unread
    if unread:
        known = {
            key
            for key in unread
            if bodies.is_point(value[key]) or bodies.is_row(value[key])
        }
        account.unread(key for key in unread if key not in known)
    rates = [value[key] for key in _keys(value, vocabulary.FPS)]
    fps = rate_of(rates[0], account) if rates else None
    return Group(people, number, image, time, unit, size, is_person, fps=fps)


def rate_of(fps, account: Account) -> float | None:
    """Returns frames a second; None if it cannot be, and noted."""
    if fps is None:
        return None
    try:
        return untrusted.frame_rate(fps, "fps")
    except ValueError as error:
        account.note(f"Not used: {error}.")
        return None


def size_of(value: dict, account: Account) -> tuple[int, int] | None:
    """Returns the image's (width, height) that an object says, or None.

    One that cannot be is noted and not used.
    """
    for key in _keys(value, vocabulary.IMAGE):
        if isinstance(value[key], dict):
            return size_of(value[key], account)
    fields = fields_of(value)
    if fields.keys().isdisjoint(_SIZES):
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
            size, what = own[1::-1], key  # Rows come first.
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
    """Returns an id; None for null and for the -1 of who is not followed.

    What is no id is noted and not used.
    """
    # AlphaPose and OpenPose put it into a list.
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None or value == [] or value == -1:
        return None
    if isinstance(value, str) and 0 < len(value) <= 100:
        return int(value) if value.isdecimal() and len(value) < 8 else value
    if type(value) in (int, float) and untrusted.MAX_FRAME < value < 1e300:
        return f"{value:.0f}"  # A name like any other.
    try:
        return whole_number(value, what)
    except ValueError as error:
        account.note(f"Not used: {error}.")
        return None

"""Readers for the people in one frame, in JSON of each tool.

Forms, and where they are described:

* openpose: `{"people": [{"pose_keypoints_2d": [x, y, score, …]}]}`, BODY_25
  or COCO-18; OpenPose's doc/02_output.md, `--write_json`. AlphaPose's
  `--format open`, and `--format cmu`: `{"bodies": [{"joints": […]}]}`.
* mmpose: `[{"keypoints": [[x, y], …], "keypoint_scores": […]}]`, alone or as
  `{"frame_id": 0, "instances": […]}`; MMPose's `split_instances`, which its
  inferencer and its demos save. rtmlib's `keypoints` and `scores`, for one
  person or for all.
* ultralytics: `[{"name", "class", "confidence", "box", "track_id",
  "keypoints": {"x": […], "y": […], "visible": […]}}]`; `Results.to_json`.
* tfjs: `[{"score", "id", "keypoints": [{"x", "y", "score", "name"}, …]}]`,
  the result of @tensorflow-models/pose-detection's `estimatePoses`; also
  `{"nose": {"x", "y", "score"}, …}`; PoseNet's and ml5's `{"part", "score",
  "position": {"x", "y"}}`.
* mediapipe: 33 landmarks `{"x", "y", "z", "visibility"}` or `[x, y]`,
  `[x, y, z]`, `[x, y, visibility]`, `[x, y, z, visibility]`, or a list of
  people with such landmarks; alone or under `landmarks`, `pose_landmarks`,
  `poseLandmarks` or `landmark`; PoseLandmarkerResult and the older
  solutions.pose; ML Kit's with `inFrameLikelihood`.
* coco: `{"image_id", "keypoints": [x, y, score or visibility, …]}` or a list
  of them, https://cocodataset.org/#format-results; also AlphaPose's (its
  docs/output.md) and OpenPifPaf's.
* array: joints `[x, y]` or `[x, y, score]`, in the order of one of the
  skeletons of `recognition.by_count`.

In all forms, names of fields are looked up in `vocabulary`, and null, [] and
{} are a frame without people.
"""

import functools
import re

from ampose_tf.lifting import untrusted
from ampose_tf.lifting.readers import labels, recognition, vocabulary
from ampose_tf.lifting.readers.forms import bodies, fields, tools
from ampose_tf.lifting.readers.records import Account, Detection, Group
from ampose_tf.lifting.untrusted import brief, whole_number


def read(value, account: Account) -> Group:
    """Reads the people in a frame, or one person.

    Args:
        value: JSON value.
        account: Account of the file.

    Raises:
        ValueError: If the form is unknown, or the value does not conform to
            it.
    """
    if fields.is_empty(value):
        return Group([])
    if isinstance(value, dict):
        return _of_object(value, account)
    if not isinstance(value, list):
        raise ValueError(tools.nearest(value))
    if bodies.is_body(value):
        return Group(bodies.read(value, None, account), is_person=True)
    people, size, named = [], None, set()
    if _is_pair(value):
        return Group(bodies.read(*value, account))
    for item in value:
        if isinstance(item, (dict, list)):
            if _is_other_object(item):
                account.unread(fields.unread_of(item))
                continue
            group = read(item, account)
            people += group.people
            size = size or group.size
            named.add((group.number, group.image, group.time, group.unit))
        elif item is not None:
            raise ValueError(tools.nearest(value))
    if not people and any(_is_other_object(item) for item in value):
        raise ValueError(
            "detections without keypoints; expected those of a pose model"
        )
    if len(named) > 1:
        raise ValueError(
            f"results of {len(named)} images; expected those of one frame"
        )
    return Group(people, *(named.pop() if named else ()), size=size)


def _is_pair(value):
    """Whether a value is rtmlib's tuple of people and their joint scores."""
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
    """Whether a JSON value is one person: a body, or an object with one."""
    if not isinstance(value, dict):
        return isinstance(value, list) and bodies.is_body(value)
    key = fields.joints_key(value)
    if key is None:
        return not fields.people_keys(value) and bodies.is_body(value)
    if fields.people_keys(value):
        return False
    return bodies.is_body(value[key]) or (
        isinstance(value[key], dict) and not fields.is_empty(value[key])
    )


def _is_without_people(value):
    """Whether an object describes a frame without people."""
    says = any(own is False for own in value.values()) or fields.keys(
        value, vocabulary.FRAME, vocabulary.IMAGE, vocabulary.TIME
    )
    return bool(says) and all(
        own in (None, False, 0, [], {})
        or vocabulary.meaning(key) is not None
        and not isinstance(own, (list, dict))
        for key, own in value.items()
    )


def _is_other_object(value):
    """Whether a value is a box without joints: a car, or no pose model."""
    return (
        isinstance(value, dict)
        and {"class", "box"} <= value.keys()
        and fields.joints_key(value) is None
    )


def _of_object(value, account):
    people_keys = fields.people_keys(value)
    if people_keys:
        people = []
        for own in people_keys:
            items = value[own]
            if isinstance(items, dict):
                items = _of_dict(items)
            people += _persons(items, own, account)
        group = _labelled(value, people, account, is_person=False)
        for own in fields.keys(value, vocabulary.ID)[:1]:
            place = value[own]
            if type(place) is int and 0 <= place <= untrusted.MAX_FRAME:
                return group._replace(place=place)
        return group
    key = fields.joints_key(value)
    for own in fields.keys(value, vocabulary.PEOPLE):
        if not isinstance(value[own], (list, dict)):
            raise ValueError(
                f"{own}: expected a list, got {brief(value[own])}"
            )
    if key is not None:
        return _of_person(value, key, account)
    if bodies.is_body(value):
        (person,) = bodies.read(value, None, account)
        rest = {k: v for k, v in value.items() if not bodies.is_joint(v)}
        return _labelled(rest, [person], account, is_person=True)
    solid = fields.keys(value, vocabulary.JOINTS_3D)
    if solid and not all(fields.is_empty(value[own]) for own in solid):
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
    raise ValueError(tools.nearest(value))


def _of_dict(items):
    """Returns the people in an object: one person, or people by their ids."""
    if is_person(items) or fields.joints_key(items):
        return [items]
    return [
        (item if isinstance(item, dict) else {"keypoints": item})
        | {"person_id": key}
        for key, item in items.items()
    ]


def _persons(items, what, account):
    people = []
    for item in items:
        if fields.is_empty(item):
            continue
        if not isinstance(item, (dict, list)):
            raise ValueError(f"{what}: expected objects, got {brief(item)}")
        if _is_other_object(item):
            account.unread(fields.unread_of(item))
            continue
        people += read(item, account).people
    return people


def _is_solid(value, keys):
    if any("world" in key.lower() for key in keys):
        return (
            "only world landmarks, which are 3D, in metres from the hip; "
            "expected the landmarks in the image"
        )
    if "pose_keypoints_3d" in keys:
        return (
            "this is OpenPose's 3D output; save its 2D output, with "
            "--write_json and without --3d"
        )
    return (
        f"its joints ({brief(keys[0])}) are already 3D; expected a detector's "
        "2D joints"
    )


def _of_person(value, key, account):
    """Reads an object whose field of joints contains one or more bodies."""
    joint_scores = person_score = None
    for name in fields.keys(value, vocabulary.JOINT_SCORES, vocabulary.SCORE):
        if isinstance(value[name], list) and joint_scores is None:
            joint_scores = value[name]
    for name in fields.keys(value, vocabulary.PERSON_SCORE, vocabulary.SCORE):
        person_score = fields.score_of(value[name], name, account)
        if person_score is not None:
            break
    else:
        person_score = _score_of_box(value)
    if fields.is_empty(value[key]):  # Only a hand or a face was detected.
        solid = [
            k for k in fields.keys(value, vocabulary.JOINTS_3D) if value[k]
        ]
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
        joint_scores = None  # They are scores of people, not of joints.
    people = bodies.read(value[key], joint_scores, account)
    if several:
        people = _with_lists(people, value, account)
    if len(people) == 1:
        own = None
        for name in fields.keys(value, vocabulary.PERSON, vocabulary.ID):
            if not (several and isinstance(value[name], list)):
                own = fields.person_id(value[name], name, account)
            if own is not None:
                break
        people = [
            person._replace(
                track_id=person.track_id if own is None else own,
                score=person.score if person_score is None else person_score,
            )
            for person in people
        ]
    for name in fields.keys(value, vocabulary.JOINTS):
        if name != key and not fields.is_empty(value[name]):
            account.unread([name])
    names = fields.keys(value, vocabulary.JOINT_NAMES)
    if names and people:
        people = [with_names(p, value[names[0]]) for p in people]
    return _labelled(value, people, account, is_person=not several)


def _score_of_box(value):
    """Returns the fifth number of a box, as in MMPose, or None."""
    for name in ("bbox", "box"):
        box = value.get(name)
        if (
            isinstance(box, list)
            and len(box) == 5
            and fields.is_finite(box[4])
        ):
            return float(box[4]) if 0 <= box[4] <= 1 else None
    return None


def _with_lists(people, value, account):
    """Returns people with the scores and ids from lists beside them."""

    def lists(*meanings):
        return (
            value[name]
            for name in fields.keys(value, *meanings)
            if isinstance(value[name], list)
            and len(value[name]) == len(people)
        )

    for own in lists(
        vocabulary.PERSON_SCORE, vocabulary.SCORE, vocabulary.JOINT_SCORES
    ):
        if all(map(fields.is_finite, own)):
            people = [
                person._replace(score=float(its))
                for person, its in zip(people, own, strict=True)
            ]
            break
    for own in lists(vocabulary.PERSON, vocabulary.ID):
        people = [
            person._replace(
                track_id=fields.person_id(its, "track_id", account)
            )
            for person, its in zip(people, own, strict=True)
        ]
        break
    return people


def with_names(person: Detection, names) -> Detection:
    """Returns a person whose joints have the names in a list, if it fits."""
    if (
        person.names is not None
        or not fields.are_names(names)
        or len(names) != len(person.points)
    ):
        return person
    return person._replace(names=tuple(names))


# Meanings of an object's fields that describe its frame.
_OF_FRAME = (
    vocabulary.FRAME,
    vocabulary.IMAGE,
    vocabulary.TIME,
    vocabulary.FPS,
    *fields.SIZES,
)


@functools.lru_cache(1024)
def _says_more(names):
    """Whether any field with these names describes a frame, or is unknown."""
    return any(
        what is None or what in _OF_FRAME or vocabulary.is_clip(name)
        for name, what in zip(
            names, map(vocabulary.meaning, names), strict=True
        )
    )


def _labelled(value, people, account, is_person):
    """Returns a group with an object's description of its frame."""
    if not _says_more(tuple(value)):
        return Group(people, is_person=is_person)
    number = image = time = unit = None
    for key in fields.keys(value, vocabulary.FRAME):
        own = value[key]
        if isinstance(own, str) and re.fullmatch(r"\s*[0-9]{1,18}\s*", own):
            own = int(own)
        if isinstance(own, str) and own:
            image = own if image is None else image
        elif own is not None and number is None:
            number = whole_number(own, key)
    for key in fields.keys(value, vocabulary.IMAGE):
        own = value[key]
        if isinstance(own, (int, str)) and not isinstance(own, bool):
            image = own if image is None else image
        elif not fields.is_empty(own) and not isinstance(own, dict):
            raise ValueError(
                f"{key}: expected an image's name or number, got {brief(own)}"
            )
    for key in fields.keys(value, vocabulary.TIME):
        if time is None and not fields.is_empty(value[key]):
            time, unit = labels.time_of(key, value[key], account)
    for key in value:
        if vocabulary.is_clip(key):
            account.clip(value[key])
    size = fields.size_of(value, account)
    unread = fields.unread_of(value)
    if unread:
        account.unread(unread)
    rates = [value[key] for key in fields.keys(value, vocabulary.FPS)]
    fps = fields.rate_of(rates[0], account) if rates else None
    return Group(people, number, image, time, unit, size, is_person, fps=fps)

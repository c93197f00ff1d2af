"""One frame's people in JSON, in the form of each tool.

Form, and where it is described:

* openpose: `{"people": [{"pose_keypoints_2d": [x, y, score, …]}]}`, BODY_25
  or COCO-18; OpenPose's doc/02_output.md, `--write_json`.
* mmpose: `[{"keypoints": [[x, y], …], "keypoint_scores": […]}]`, alone or as
  `{"frame_id": 0, "instances": […]}`; MMPose's `split_instances`, which its
  inferencer and its demos save.
* ultralytics: `[{"name", "class", "confidence", "box", "track_id",
  "keypoints": {"x": […], "y": […], "visible": […]}}]`; `Results.to_json`.
* tfjs: `[{"score", "id", "keypoints": [{"x", "y", "score", "name"}, …]}]`,
  what `estimatePoses` of @tensorflow-models/pose-detection returns; also
  `{"nose": {"x", "y", "score"}, …}`.
* mediapipe: 33 landmarks `{"x", "y", "z", "visibility"}` or `[x, y]`,
  `[x, y, z]`, `[x, y, visibility]`, `[x, y, z, visibility]`, or a list of
  people who have them; alone or under `landmarks`, `pose_landmarks`,
  `poseLandmarks` or `landmark`; PoseLandmarkerResult and the older
  solutions.pose. The third number is z where any of them lies outside [0, 1].
* coco: `{"image_id", "keypoints": [x, y, score or visibility, …]}` or a list
  of them, https://cocodataset.org/#format-results; also AlphaPose's (its
  docs/output.md) and OpenPifPaf's.
* array: joints `[x, y]` or `[x, y, score]`, in the order of a skeleton of
  `recognition.by_count`.

null, [] and {} are a frame without people in every form.
"""

from typing import NamedTuple

import numpy as np

from ampose_tf.lifting.readers.detections import Detection
from ampose_tf.lifting.readers.points import (
    check_shapes,
    is_numeric,
    is_point,
    of_named_points,
    of_points,
)
from ampose_tf.lifting.untrusted import brief, numbers, triples, whole_number

_LANDMARKS = ("landmarks", "pose_landmarks", "poseLandmarks", "landmark")
_WORLD = ("worldLandmarks", "pose_world_landmarks", "poseWorldLandmarks")
_LANDMARK_KEYS = frozenset((*_LANDMARKS, *_WORLD))

# Forms whose coordinates may be in pixels or normalised to [0, 1].
EITHER = ("ultralytics", "tfjs", "mediapipe")

# Named points that make a person, where an object may have other entries.
_FEW = 3

# A form's characteristic keys, to name the nearest form of an unknown one.
_KEYS = {
    "openpose": {"people", "version", "pose_keypoints_2d", "person_id"},
    "mmpose": {"instances", "frame_id", "keypoint_scores", "bbox_score"},
    "ultralytics": {"name", "class", "confidence", "box", "visible"},
    "tfjs": {"keypoints", "score", "x", "y", "part", "position"},
    "mediapipe": {*_LANDMARK_KEYS, "visibility", "presence", "z"},
    "coco": {"image_id", "category_id", "keypoints", "images", "annotations"},
}


class FramePeople(NamedTuple):
    """The people of one frame.

    Attributes:
        number: Of the frame; None where its value does not say.
        people: Whoever is in it.
    """

    number: int | None
    people: list[Detection]


def is_empty(value) -> bool:
    """Whether it is a frame without people, in whatever form."""
    return value is None or value == [] or value == {}


def form_of(value) -> str | None:
    """Returns the form of one frame's people; None for none of them."""
    if isinstance(value, dict):
        return _form_of_object(value)
    first = _first(value)
    if isinstance(first, dict):
        if "keypoints" in first or {"class", "box"} <= first.keys():
            return _form_of_object(first)
        return _form_of_points(value)
    if isinstance(first, list):
        # Points, or people who are lists of points.
        return _form_of_points(value) or _form_of_points(first)
    return None


def read_frame(value, form: str | None) -> FramePeople:
    """Reads the people of one frame.

    Args:
        value: JSON of the form, or empty.
        form: What `form_of` says.

    Raises:
        ValueError: Where something in it is not as the form has it.
    """
    number = None
    if isinstance(value, dict):
        number = value.get("frame_id", value.get("frame"))
        # The name of an image says no more than its place does.
        number = None if isinstance(number, str) else number
    if number is not None:
        number = whole_number(number, "frame")
    people = [] if is_empty(value) else _READERS[form](value)
    return FramePeople(number, people)


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


def _first(value):
    """Returns the first item of a list that is not empty."""
    if not isinstance(value, list):
        return None
    return next((item for item in value if not is_empty(item)), None)


def _form_of_object(value):
    if "people" in value:
        return "openpose"
    if "instances" in value:
        return "mmpose"
    if not _LANDMARK_KEYS.isdisjoint(value):
        return "mediapipe"
    if "keypoints" in value:
        keypoints = value["keypoints"]
        if "keypoint_scores" in value:
            return "mmpose"
        if isinstance(keypoints, dict):
            return "ultralytics"
        if isinstance(_first(keypoints), dict):
            return "tfjs"
        return "coco"
    if {"class", "box"} <= value.keys():
        return "ultralytics"
    if sum(is_point(point) for point in value.values()) >= _FEW:
        return "tfjs"
    return None


def _form_of_points(value):
    first = _first(value)
    if isinstance(first, dict) and is_point(first):
        return "tfjs" if "name" in first else "mediapipe"
    if isinstance(first, list) and is_numeric(first):
        return "mediapipe" if len(value) == 33 else "array"
    return None


def _objects(values, what):
    """Yields the objects of a list."""
    if isinstance(values, dict):
        values = [values]
    if not isinstance(values, list):
        raise ValueError(f"{what}: expected a list, got {brief(values)}")
    for value in values:
        if not isinstance(value, dict):
            raise ValueError(f"{what}: expected objects, got {brief(value)}")
        yield value


def track_id(value, what: str) -> int | None:
    """Returns an id; None for null and for the -1 of who is not followed.

    Raises:
        ValueError: Where it is none.
    """
    # AlphaPose and OpenPose put it into a list.
    if isinstance(value, list) and value:
        value = value[0]
    if value is None or value == [] or value == -1:
        return None
    return whole_number(value, what)


def _openpose(value):
    people = []
    for person in _objects(value["people"], "people"):
        # Of versions before 1.2.
        keypoints = person.get("pose_keypoints", [])
        keypoints = person.get("pose_keypoints_2d", keypoints)
        if is_empty(keypoints):  # Of whom only a hand or a face was found.
            continue
        points, scores = triples(keypoints, "pose_keypoints_2d")
        own = track_id(person.get("person_id"), "person_id")
        people.append(Detection(points, scores, track_id=own))
    return people


def _mmpose(value):
    if isinstance(value, dict) and "instances" in value:
        value = value["instances"]
    people = []
    for person in _objects(value, "instances"):
        if "keypoints" not in person or "keypoint_scores" not in person:
            raise ValueError(
                "instances: expected keypoints and keypoint_scores, got "
                f"{brief(person)}"
            )
        points = numbers(person["keypoints"], "keypoints")
        scores = numbers(person["keypoint_scores"], "keypoint_scores")
        if points.ndim == 2 and points.shape[1] == 3:
            raise ValueError(
                "keypoints: they are in 3D, of a model that has lifted them; "
                "expected those of a 2D detector"
            )
        check_shapes(points, scores)
        own = track_id(person.get("track_id"), "track_id")
        people.append(Detection(points, scores, track_id=own))
    return people


def _ultralytics(value):
    people, others = [], 0
    for person in _objects(value, "detections"):
        keypoints = person.get("keypoints")
        if not isinstance(keypoints, dict):
            others += 1
            continue
        x, y = (
            numbers(keypoints.get(axis), f"keypoints.{axis}") for axis in "xy"
        )
        if x.ndim != 1 or x.shape != y.shape:
            raise ValueError(
                "keypoints: expected lists x and y of one length, got shapes "
                f"{x.shape} and {y.shape}"
            )
        scores = np.ones(len(x))
        # Models that were trained without visibility have none.
        if keypoints.get("visible") is not None:
            scores = numbers(keypoints["visible"], "keypoints.visible")
        points = np.stack([x, y], axis=1)
        check_shapes(points, scores)
        own = track_id(person.get("track_id"), "track_id")
        people.append(Detection(points, scores, track_id=own))
    if others and not people:
        raise ValueError(
            "detections without keypoints; expected those of a pose model"
        )
    return people


def _tfjs(value):
    if isinstance(value, list) and _form_of_points(value) == "tfjs":
        return [of_points(value)]
    people = []
    for person in _objects(value, "poses"):
        if "keypoints" not in person:
            people.append(of_named_points(person))
        elif not is_empty(person["keypoints"]):
            own = track_id(person.get("id"), "id")
            found = of_points(person["keypoints"])
            people.append(found._replace(track_id=own))
    return people


def _mediapipe(value):
    if isinstance(value, dict):
        key = next((key for key in _LANDMARKS if key in value), None)
        if key is None:
            raise ValueError(
                "only world landmarks, which are metres from the hip; "
                "expected the landmarks in the image"
            )
        value = value[key]
    if isinstance(value, dict):
        value = value.get("landmark", value)
    if is_empty(value):
        return []
    if isinstance(value, dict):
        return [of_named_points(value)]
    if not isinstance(value, list):
        raise ValueError(f"landmarks: expected a list, got {brief(value)}")
    if _form_of_points(value):
        return [of_points(value)]
    people = []
    for person in value:
        if isinstance(person, dict):
            person = person.get("landmark")
        if not is_empty(person):
            people.append(of_points(person))
    return people


def _coco(value):
    return [coco_person(person) for person in _objects(value, "results")]


def coco_person(person: dict) -> Detection:
    """Reads a result or annotation of COCO's form.

    Visibility 0, "not labelled", is score 0; 1, "labelled but not visible",
    and 2, "labelled and visible", are 1: where somebody who saw the image
    placed a joint, there it is.

    Raises:
        ValueError: Where it is not that.
    """
    points, scores = triples(person.get("keypoints"), "keypoints")
    key = "track_id" if "track_id" in person else "idx"
    return Detection(points, scores, track_id=track_id(person.get(key), key))


def _array(value):
    if _form_of_points(value):
        return [of_points(value)]
    return [of_points(person) for person in value if not is_empty(person)]


_READERS = {
    "openpose": _openpose,
    "mmpose": _mmpose,
    "ultralytics": _ultralytics,
    "tfjs": _tfjs,
    "mediapipe": _mediapipe,
    "coco": _coco,
    "array": _array,
}

"""Detects the tool that has written a frame, for messages and --format."""

from ampose_tf.lifting.readers import vocabulary
from ampose_tf.lifting.readers.forms import bodies, fields
from ampose_tf.lifting.untrusted import brief

# Characteristic keys of each form, to find the form nearest to a value.
_KEYS = {
    "openpose": {"people", "version", "pose_keypoints_2d", "person_id"},
    "mmpose": {"instances", "frame_id", "keypoint_scores", "bbox_score"},
    "ultralytics": {"name", "class", "confidence", "box", "visible"},
    "tfjs": {"keypoints", "score", "x", "y", "part", "position"},
    "mediapipe": {"landmarks", "pose_landmarks", "visibility", "presence"},
    "coco": {"image_id", "category_id", "keypoints", "images", "annotations"},
}


def nearest(value) -> str:
    """Returns a message on an unknown value, with the forms it resembles."""
    keys = set()
    for part in (value, fields.first(value)):
        for inner in (part, fields.first(part)):
            if isinstance(inner, dict):
                keys |= {key for key in inner if isinstance(key, str)}
                for nested in list(inner.values())[:8]:
                    nested = fields.first(nested)
                    if isinstance(nested, dict):
                        keys |= {k for k in nested if isinstance(k, str)}
    shared = {form: len(keys & own) for form, own in _KEYS.items()}
    most = max(shared.values())
    forms = [form for form, count in shared.items() if count == most > 0]
    return (
        f"{brief(value)} is not a known form of keypoints; "
        f"{'nearest' if forms else 'known'}: {', '.join(forms or _KEYS)}"
    )


def form_of(value) -> str | None:
    """Returns the form of one frame's people; None if it is unknown."""
    first = value
    while isinstance(first, list) and not bodies.is_body(first):
        first = fields.first(first)
    if isinstance(first, list):
        if bodies.is_flat(first):
            return "coco"
        point = fields.first(first)
        if isinstance(point, dict):
            return _form_of_points(first)
        return "mediapipe" if len(first) == 33 else "array"
    if not isinstance(first, dict):
        return None
    known = fields.fields_of(first)
    people = [key for key in fields.people_keys(first) if first[key]]
    if people:
        if "instances" in people:
            return "mmpose"
        inner = fields.first(first[people[0]])
        keys = inner if isinstance(inner, dict) else ()
        if "people" in people or "pose_keypoints_2d" in keys:
            return "openpose"
        return form_of(first[people[0]])
    key = fields.joints_key(first)
    if key is None:
        return "tfjs" if bodies.is_body(first) else None
    if vocabulary.JOINT_SCORES in known or "scores" in first:
        return "mmpose"
    if key.lower().startswith(("landmark", "pose_land", "poseland")):
        return "mediapipe"
    if key == "pose_keypoints_2d":
        return "openpose"
    joints = first[key]
    if isinstance(joints, dict):
        return (
            "tfjs"
            if bodies.is_point(fields.first_value(joints))
            else ("ultralytics")
        )
    if isinstance(fields.first(joints), dict):
        return _form_of_points(joints)
    return "coco"


def _form_of_points(points):
    point = fields.first(points)
    named = vocabulary.NAME in fields.fields_of(point) if point else False
    return "tfjs" if named else "mediapipe"

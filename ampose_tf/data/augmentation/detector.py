"""Simulates a 2D detector, in keras.ops.

A share of the poses consists of Human3.6M's own joints, as in data sets. For
the others, landmarks with a face are placed (`landmarks`), those occluded by
the body are hidden (`visibility`), and the joints of one of several detectors
are computed and converted to Human3.6M's like users' files
(`ampose_tf.conversion`).
"""

import numpy as np
from keras import ops

from ampose_tf.config.ranges import Detector
from ampose_tf.conversion import CONVERSIONS
from ampose_tf.data.augmentation import imperfections, visibility
from ampose_tf.data.augmentation.landmarks import FACE, LANDMARKS, located
from ampose_tf.data.augmentation.viewpoints import Views
from ampose_tf.skeleton import H36M_17

# Simulated detectors, used for equal shares of the other poses.
DETECTORS = ("COCO-17", "BODY_25", "MediaPipe-33", "Halpe-26")
# MediaPipe marks a small face on every head, even from behind; other detectors
# omit hidden landmarks.
_DRAWS_FACES = ("MediaPipe-33",)
_DRAWN_FACE_SIZE = 0.6

# Words in the names of detectors' joints, and the landmarks used for them.
# Feet, hands and mouths, which conversions do not use, are approximated by
# ankles, wrists and noses.
_WORDS = {
    "nose": "Nose",
    "mouth": "Nose",
    "eye": "Eye",
    "ear": "Ear",
    "head": "Ear",
    "neck": "Shoulder",
    "shoulder": "Shoulder",
    "elbow": "Elbow",
    "hip": "Hip",
    "knee": "Knee",
    **dict.fromkeys(("ankle", "heel", "toe", "foot"), "Foot"),
    **dict.fromkeys(("wrist", "pinky", "index", "thumb"), "Wrist"),
}


def _rows(conversion):
    """Returns (S, L) weights of a detector's joints over `LANDMARKS`."""
    rows = np.zeros((len(conversion.joints), len(LANDMARKS)), np.float32)
    for row, joint in zip(rows, conversion.joints, strict=True):
        word = next(word for word in _WORDS if word in joint)
        mark = _WORDS[word]
        sides = [
            side[0].upper() for side in ("left", "right") if side in joint
        ]
        names = [mark] if mark in FACE else [s + mark for s in sides or "LR"]
        row[[LANDMARKS.index(name) for name in names]] = 1 / len(names)
    return rows


_OF_JOINTS = imperfections.groups_of(H36M_17.joints)
_OF_LANDMARKS = imperfections.groups_of(LANDMARKS)
_ROWS = {name: _rows(CONVERSIONS[name]) for name in DETECTORS}


def detected(views: Views, ranges: Detector, random):
    """Returns simulated detections of people, with errors and scores.

    Args:
        views: B people with Human3.6M's 17 joints.
        ranges: Sizes and shares of the errors.
        random: See `randomness.Source`.

    Returns:
        keypoints_2d (B, 17, 2) and scores (B, 17) in [0, 1] for Human3.6M's
        joints. Scores are below `SEEN_SCORE` for joints that are hidden or
        outside the image. Other scores decrease with the error, and may also
        fall below it.
    """
    count = views.keypoints_2d.shape[0]
    parts, start = [], 0
    for name, end in _ends(count, ranges.exact):
        if end > start:
            some = Views(*(array[start:end] for array in views))
            parts.append(
                _as_landmarks(some, name, ranges, random)
                if name
                else _as_joints(some, ranges, random)
            )
        start = end
    keypoints_2d, scores = zip(*parts, strict=True)
    return ops.concatenate(keypoints_2d), ops.concatenate(scores)


def as_joints(count: int, ranges: Detector) -> np.ndarray:
    """Returns which of B poses consist of Human3.6M's own joints.

    Args:
        count: B.
        ranges: As in `detected`.

    Returns:
        (B, 1) float32, 1 for such poses.
    """
    _, end = next(_ends(count, ranges.exact))
    return np.float32(np.arange(count) < end)[:, None]


def _ends(count, exact):
    """Yields (detector, end of its poses in the batch); "" for no detector."""
    yield "", round(exact * count)
    for index, name in enumerate(DETECTORS, 1):
        share = exact + (1 - exact) * index / len(DETECTORS)
        yield name, round(share * count)


def _as_joints(views, ranges, random):
    """Returns keypoints and scores of Human3.6M's joints themselves."""
    exact = views.keypoints_2d
    nothing = ops.zeros_like(exact[..., 0])
    return imperfections.detected(
        views, exact, nothing, ranges.clean, _OF_JOINTS, ranges, random
    )


def _as_landmarks(views, name, ranges, random):
    """Returns keypoints and scores converted from a detector's joints."""
    keypoints, scores = marked(views, name, ranges, random)
    conversion = CONVERSIONS[name]
    return (
        conversion.convert(keypoints, scores),
        conversion.convert_scores(scores),
    )


def marked(views: Views, name: str, ranges: Detector, random):
    """Returns simulated detections in a detector's own joints.

    Args:
        views: As in `detected`.
        name: One of `DETECTORS`.
        ranges: As in `detected`.
        random: See `randomness.Source`.

    Returns:
        Keypoints (B, S, 2) and scores (B, S) of the detector's S joints.
    """
    draws_faces = name in _DRAWS_FACES
    landmarks = located(
        views.joints, _DRAWN_FACE_SIZE if draws_faces else 1.0, ranges, random
    )
    points = landmarks.points
    exact = views.focal * points[..., :2] / points[..., 2:]
    covered = visibility.covered(landmarks)
    face, limbs = ops.split(covered, [len(FACE)], axis=1)
    marks, scores = imperfections.detected(
        views,
        exact,
        ops.concatenate([ops.zeros_like(face), limbs], axis=1),
        0.0,
        _OF_LANDMARKS,
        ranges,
        random,
    )
    if not draws_faces:
        of_face, of_limbs = ops.split(scores, [len(FACE)], axis=1)
        gone = imperfections.happens(face, random.uniform(ops.shape(face)))
        scores = ops.concatenate([of_face * (1 - gone), of_limbs], axis=1)
    rows = _ROWS[name]
    return ops.matmul(rows, marks), ops.matmul(scores, rows.T)

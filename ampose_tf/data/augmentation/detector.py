"""What a 2D detector would have made of people, in keras.ops.

A share of the poses arrives as Human3.6M's own joints, as data sets have
them. The others are seen as detectors see them: landmarks with a face
(`landmarks`), hidden by the body where it is between them and the camera
(`visibility`), in the joints of one of several detectors, and converted to
Human3.6M's joints as users' files are (`ampose_tf.conversion`).
"""

import numpy as np
from keras import ops

from ampose_tf.config.ranges import Detector
from ampose_tf.conversion import CONVERSIONS
from ampose_tf.data.augmentation import imperfections, visibility
from ampose_tf.data.augmentation.landmarks import FACE, LANDMARKS, located
from ampose_tf.data.augmentation.viewpoints import Views
from ampose_tf.skeleton import H36M_17

# Detectors whose joints the other poses have, in equal parts.
DETECTORS = ("COCO-17", "BODY_25", "MediaPipe-33", "Halpe-26")
# MediaPipe marks a small face on every head, even from behind; the others
# leave out what is hidden.
_DRAWS_FACES = ("MediaPipe-33",)
_DRAWN_FACE_SIZE = 0.6

# What a detector's joint is called, and its landmark. Feet, hands and mouths,
# which no conversion takes, are ankles, wrists and noses.
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
    """Returns (S, L): a detector's joints as means of `LANDMARKS`."""
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
    """Returns what a detector makes of people, with its errors and scores.

    Args:
        views: B people with Human3.6M's 17 joints.
        ranges: Sizes and shares of the errors.
        random: See `randomness.Source`.

    Returns:
        keypoints_2d (B, 17, 2) and scores (B, 17) of [0, 1], both of
        Human3.6M's joints: below `SEEN_SCORE` for hidden joints and those
        outside the image; for the others the lower, the larger the error,
        which may bring them below it, too.
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
    """Returns which of B poses arrive as Human3.6M's joints.

    Args:
        count: B.
        ranges: As of `detected`.

    Returns:
        (B, 1) float32, 1 for those.
    """
    _, end = next(_ends(count, ranges.exact))
    return np.float32(np.arange(count) < end)[:, None]


def _ends(count, exact):
    """Yields (detector, where its poses end in the batch); "" has none."""
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
    """Returns the same, converted from a detector's joints."""
    keypoints, scores = marked(views, name, ranges, random)
    conversion = CONVERSIONS[name]
    return (
        conversion.convert(keypoints, scores),
        conversion.convert_scores(scores),
    )


def marked(views: Views, name: str, ranges: Detector, random):
    """Returns what one detector makes of people, in its own joints.

    Args:
        views: As of `detected`.
        name: One of `DETECTORS`.
        ranges: As of `detected`.
        random: See `randomness.Source`.

    Returns:
        keypoints (B, S, 2) and scores (B, S), S the detector's joints.
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

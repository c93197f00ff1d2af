"""Finds landmarks that a person's own body hides, in keras.ops."""

import numpy as np
from keras import ops

from ampose_tf.data.augmentation.landmarks import FACE, LANDMARKS, Landmarks


def _spheres():
    """Returns spheres between landmarks that approximate the body.

    Returns:
        (S, L) weights of the centres, (S,) radii in metres, and (S, L), 1 for
        the landmarks that a sphere can hide: those that are neither on it nor
        next to it.
    """
    trunk = ("LShoulder", "RShoulder", "LHip", "RHip")
    ears, shoulders = ("LEar", "REar"), trunk[:2]
    by_head = (*FACE, *shoulders)
    made = [
        (dict.fromkeys(ears, 0.5), 0.1, by_head),
        (dict.fromkeys((*ears, *shoulders), 0.25), 0.07, by_head),
    ]
    for side, other in ("LR", "RL"):
        # Two columns of spheres, spaced by the width of chest and hips.
        for up in (0.1, 0.35, 0.65, 0.9):
            column = {
                side + "Shoulder": 0.7 * up,
                other + "Shoulder": 0.3 * up,
                side + "Hip": 0.7 * (1 - up),
                other + "Hip": 0.3 * (1 - up),
            }
            made.append((column, 0.14, trunk))
        arm = tuple(side + joint for joint in ("Shoulder", "Elbow", "Wrist"))
        for share, radius in ((0.0, 0.07), (0.35, 0.055), (0.7, 0.05)):
            made.append(
                ({arm[0]: 1 - share, arm[1]: share}, radius, (*arm, *trunk))
            )
        leg = tuple(side + joint for joint in ("Hip", "Knee", "Foot"))
        for upper, lower, share, radius in (
            (leg[0], leg[1], 0.15, 0.085),
            (leg[0], leg[1], 0.4, 0.08),
            (leg[0], leg[1], 0.75, 0.07),
            (leg[1], leg[2], 0.0, 0.06),
            (leg[1], leg[2], 0.3, 0.055),
            (leg[1], leg[2], 0.65, 0.05),
        ):
            made.append(({upper: 1 - share, lower: share}, radius, leg))
    weights = np.zeros((len(made), len(LANDMARKS)), np.float32)
    hides = np.ones((len(made), len(LANDMARKS)), np.float32)
    for row, (parts, _, beside) in enumerate(made):
        for name, part in parts.items():
            weights[row, LANDMARKS.index(name)] += part
        hides[row, [LANDMARKS.index(name) for name in beside]] = 0
    return (
        weights,
        np.array([radius for _, radius, _ in made], np.float32),
        hides,
    )


_CENTERS, _RADII_M, _HIDES = _spheres()
# A landmark is hidden only if it is at least this far behind a sphere.
_BEHIND_M = 0.1
# The cosines between a facial landmark's direction and that to the camera from
# which on it is seen: the nose and the near eye up to 95 degrees from the
# front, the far eye up to 80, the far ear up to 10, and from 155 on.
_FACE_SEEN = np.array([-0.09, 0.035, 0.035, -0.3, -0.3], np.float32)


def covered(landmarks: Landmarks):
    """Returns the degree to which each landmark is hidden, (B, 17).

    It is 0 for visible landmarks and 1 for those behind the trunk, a limb or
    the head, or on a side of the head that the camera does not see.
    """
    points = landmarks.points
    distance = ops.sqrt(ops.sum(ops.square(points), axis=-1))  # (B, L)
    rays = points / distance[..., None]
    centers = ops.matmul(_CENTERS, points)  # (B, S, 3)
    along = ops.matmul(rays, ops.transpose(centers, (0, 2, 1)))  # (B, L, S)
    squared = ops.sum(ops.square(centers), axis=-1)[:, None]
    beside = ops.sqrt(ops.maximum(squared - ops.square(along), 1e-12))
    inside = _step(_RADII_M - beside, 0.02)
    behind = _step(distance[..., None] - along - _BEHIND_M, 0.03)
    by_body = ops.max(inside * behind * _HIDES.T, axis=-1)
    looking = -ops.sum(
        landmarks.face_normals * rays[:, : len(FACE)], axis=-1
    )  # (B, 5)
    face = ops.maximum(
        by_body[:, : len(FACE)], _step(_FACE_SEEN - looking, 0.06)
    )
    return ops.concatenate([face, by_body[:, len(FACE) :]], axis=1)


def _step(value, width):
    """Returns 0 below zero and 1 above, with a smooth transition."""
    return ops.sigmoid(value / width)

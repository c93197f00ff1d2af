"""What hides a person's landmarks from a camera, in keras.ops."""

import numpy as np
from keras import ops

from ampose_tf.data.augmentation.landmarks import FACE, LANDMARKS, Landmarks


def _spheres():
    """Returns the body as spheres between landmarks.

    Returns:
        (S, L) weights of their centres, (S,) radii in metres, and (S, L)
        with 1 at the landmarks that a sphere can hide: those that are not on
        it or beside it.
    """
    trunk = ("LShoulder", "RShoulder", "LHip", "RHip")
    ears, shoulders = ("LEar", "REar"), trunk[:2]
    by_head = (*FACE, *shoulders)
    made = [
        (dict.fromkeys(ears, 0.5), 0.1, by_head),
        (dict.fromkeys((*ears, *shoulders), 0.25), 0.07, by_head),
    ]
    for side, other in ("LR", "RL"):
        # Two columns, as far apart as chest and hips are wide.
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
# A landmark must lie this far behind what hides it.
_BEHIND_M = 0.1
# From which cosine on between what a landmark of the face looks at and the
# direction to the camera it is seen: the nose and the near eye until 95
# degrees from the front, the far eye until 80, the far ear until 10, and from
# 155 on.
_FACE_SEEN = np.array([-0.09, 0.035, 0.035, -0.3, -0.3], np.float32)


def covered(landmarks: Landmarks):
    """Returns how far each landmark is hidden, (B, 17).

    0: in plain sight, to 1: behind the trunk, a limb or the head, or on a side
    of the head that the camera does not see.
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
    """Returns 0 below zero and 1 above it, with a slope between."""
    return ops.sigmoid(value / width)

"""Places detectors' landmarks relative to Human3.6M's joints, in keras.ops."""

import math
from typing import NamedTuple

import numpy as np
from keras import ops

from ampose_tf.config.ranges import Detector
from ampose_tf.data.augmentation.joints import JOINT, unit
from ampose_tf.data.augmentation.randomness import between
from ampose_tf.skeleton import H36M_17

LIMBS = tuple(name for name in H36M_17.joints if name[0] in "LR")
FACE = ("Nose", "LEye", "REye", "LEar", "REar")
LANDMARKS = (*FACE, *LIMBS)
_AT_LIMBS = np.array([JOINT[name] for name in LIMBS])

# Points of an adult's face in metres from the midpoint of the ears: left, up,
# front. Ears are 0.15 m apart, eyes 0.065 m.
_FACE_M = np.array(
    [
        (0.0, -0.02, 0.115),
        (0.0325, 0.025, 0.09),
        (-0.0325, 0.025, 0.09),
        (0.075, 0.0, 0.0),
        (-0.075, 0.0, 0.0),
    ],
    np.float32,
)
# Directions in which these points face: away from the head, ears slightly
# backwards.
_FACE_TURNED = np.radians([0.0, 8.0, -8.0, 97.5, -97.5])
_FACE_NORMALS = np.stack(
    [np.sin(_FACE_TURNED), 0 * _FACE_TURNED, np.cos(_FACE_TURNED)],
    axis=-1,
).astype(np.float32)


class Landmarks(NamedTuple):
    """Landmarks of B people.

    Attributes:
        points: (B, 17, 3), `LANDMARKS` in metres in the camera's frame.
        face_normals: (B, 5, 3), unit vectors in the directions that the points
            of the face are facing.
    """

    points: object
    face_normals: object


def located(joints, face_size, ranges: Detector, random) -> Landmarks:
    """Places the face on the head, and limbs as detectors mark them.

    Motion capture does not record the face: the head has the axis of the neck,
    faces in the direction of the chest, and is turned and tilted at random.

    Args:
        joints: (B, 17, 3) metres, camera frame, Human3.6M's joints.
        face_size: Size of the face as marked by the detector, relative to the
            real one.
        ranges: Ranges of head angles and of offsets of hips and shoulders.
        random: See `randomness.Source`.
    """
    count = ops.shape(joints)[0]
    left, right = (
        joints[:, JOINT["LShoulder"]],
        joints[:, JOINT["RShoulder"]],
    )
    thorax, head = (left + right) / 2, joints[:, JOINT["Head"]]
    front, upwards = _axes(left - right, head - thorax)
    turn = ranges.head_turn_deg * (math.pi / 180) * random.normal((count, 1))
    nod = ranges.head_nod_deg * (math.pi / 180) * random.normal((count, 1))
    to_left = ops.cross(upwards, front)
    front = ops.cos(turn) * front + ops.sin(turn) * to_left
    front, upwards = (
        ops.cos(nod) * front - ops.sin(nod) * upwards,
        ops.cos(nod) * upwards + ops.sin(nod) * front,
    )
    frame = ops.stack([ops.cross(upwards, front), upwards, front], axis=1)
    share = between(ranges.ears_up, random.uniform((count, 1)))
    ears = thorax + share * (head - thorax)
    ears = ears + front * between(
        ranges.ears_front_m, random.uniform((count, 1))
    )
    size = face_size * (1 + 0.1 * random.normal((count, 1, 1)))
    face = ears[:, None] + size * ops.matmul(_FACE_M, frame)
    limbs = ops.take(joints, _AT_LIMBS, axis=1)
    limbs = limbs + _off_center(limbs, ranges, random)
    return Landmarks(
        ops.concatenate([face, limbs], axis=1),
        ops.matmul(_FACE_NORMALS, frame),
    )


def _axes(to_left, upwards):
    """Returns the head's front and up directions, unit vectors (B, 3)."""
    upwards = unit(upwards)
    return unit(ops.cross(to_left, upwards)), upwards


def _pairs():
    """Marks hips and shoulders among the joints of limbs, and their sides.

    Returns:
        (12, 2), 1 for hips in the first and for shoulders in the second
        column; (12, 1), 1 for the left and -1 for the right side.
    """
    pairs = np.zeros((len(LIMBS), 2), np.float32)
    sides = np.zeros((len(LIMBS), 1), np.float32)
    for index, name in enumerate(LIMBS):
        sides[index] = 1 if name[0] == "L" else -1
        for pair, joint in enumerate(("Hip", "Shoulder")):
            pairs[index, pair] = name[1:] == joint
    return pairs, sides


_PAIRS, _SIDES = _pairs()


def _off_center(limbs, ranges, random):
    """Returns (B, limbs, 3), the offsets of hips and shoulders."""
    count = ops.shape(limbs)[0]
    hips, shoulders = (
        [limbs[:, LIMBS.index(side + joint)] for side in "LR"]
        for joint in ("Hip", "Shoulder")
    )
    upwards = unit(sum(shoulders) - sum(hips))
    to_left = ops.stack(
        [unit(hips[0] - hips[1]), unit(shoulders[0] - shoulders[1])], axis=1
    )  # (B, 2, 3)
    largest = np.float32([[ranges.hips_off_m], [ranges.shoulders_off_m]])
    off = largest * random.normal((count, 2, 2))
    outwards = ops.matmul(_PAIRS, off[..., :1] * to_left)
    up = ops.matmul(_PAIRS, off[..., 1:] * upwards[:, None])
    # Hips are marked on the visible surface of the body, front or back.
    front = ops.cross(to_left[:, 0], upwards)
    to_camera = -unit(sum(hips))
    facing = ops.sum(front * to_camera, axis=-1, keepdims=True)
    surface = between(ranges.hips_surface_m, random.uniform((count, 1)))
    surface = (surface * facing * front)[:, None]
    return _SIDES * outwards + up + _PAIRS[:, :1] * surface

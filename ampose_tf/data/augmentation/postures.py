"""Creates new postures from captured ones, in keras.ops."""

import math

from keras import ops

from ampose_tf.config.ranges import Postures
from ampose_tf.data.augmentation.joints import (
    JOINT,
    below,
    column,
    turned,
    unit,
)

# Joints that are rotated, with the joints that they move; the trunk, which
# moves arms and head, is first. Knees and elbows keep their angles: random
# rotations would bend them the wrong way.
_UPPER_BODY = column("Spine") + below("Spine")
_TURNED = (
    ("Hip", _UPPER_BODY),
    *((name, below(name)) for name in ("LShoulder", "RShoulder")),
    *((name, below(name)) for name in ("LHip", "RHip")),
)


def varied(world, ranges: Postures, random):
    """Exchanges upper bodies, and rotates trunks, arms and legs.

    Captured people repeat a small number of movements, and networks overfit
    to the resulting postures.

    Args:
        world: (B, 17, 3) metres, Human3.6M's joints, z up. The new upper body
            of a pose is that of the pose before it, if both are upright.
        ranges: Probabilities and sizes of the changes.
        random: See `randomness.Source`.

    Returns:
        (B, 17, 3) metres; bones keep the lengths of their original poses.
    """
    count = ops.shape(world)[0]
    is_upright = _upright(world)
    is_exchanged = (
        (random.uniform((count, 1)) < ranges.exchanged)
        & is_upright
        & ops.roll(is_upright, 1, axis=0)
    )
    world = ops.where(is_exchanged[..., None], _exchanged(world), world)
    largest = ranges.turn_deg * (math.pi / 180) * random.uniform((count, 1))
    is_turned = random.uniform((count, 1)) < ranges.turned
    largest = ops.where(is_turned, largest, 0.0)
    for name, carried in _TURNED:
        turn = largest * random.normal((count, 3))
        pivot = world[:, JOINT[name]][:, None]
        there = pivot + _turned_about(world - pivot, turn)
        world = world + carried * (there - world)
    return world


def _upright(world):
    """Returns (B, 1) bool: whether the trunk leans less than 60 degrees."""
    trunk = world[:, JOINT["Thorax"]] - world[:, 0]
    return unit(trunk)[:, 2:] > math.cos(math.radians(60))


def _exchanged(world):
    """Replaces upper bodies by other people's, with the same heading."""
    other = ops.roll(world, 1, axis=0)
    angle = _heading(world) - _heading(other)  # (B, 1)
    upper = world[:, :1] + turned(other - other[:, :1], angle)
    return world + _UPPER_BODY * (upper - world)


def _heading(world):
    """Returns the direction of the left hip from above, (B, 1) radians."""
    left = world[:, JOINT["LHip"]] - world[:, JOINT["RHip"]]
    return ops.arctan2(left[:, 1:2], left[:, :1])


def _turned_about(vectors, turn):
    """Rotates (B, J, 3) about axes (B, 3) by their lengths in radians."""
    angle = ops.sqrt(ops.sum(ops.square(turn), axis=-1, keepdims=True) + 1e-12)
    axis = (turn / angle)[:, None]  # (B, 1, 3)
    cosine, sine = ops.cos(angle)[:, None], ops.sin(angle)[:, None]
    along = ops.sum(axis * vectors, axis=-1, keepdims=True)
    across = ops.cross(ops.broadcast_to(axis, ops.shape(vectors)), vectors)
    return cosine * vectors + sine * across + (1 - cosine) * along * axis

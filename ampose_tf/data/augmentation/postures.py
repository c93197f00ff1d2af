"""Postures that were not captured, made of those that were, in keras.ops."""

import math

import numpy as np
from keras import ops

from ampose_tf.config.ranges import Postures
from ampose_tf.skeleton import H36M_17

_JOINT = {name: index for index, name in enumerate(H36M_17.joints)}


def _below(name):
    """Returns (J, 1) with 1 at the joints that a joint carries."""
    carried = np.zeros((len(H36M_17.joints), 1), np.float32)
    reached = {_JOINT[name]}
    for parent, child in H36M_17.edges:
        if parent in reached:
            reached.add(child)
            carried[child] = 1
    return carried


# Where limbs turn, the trunk first, which carries arms and head. Knees and
# elbows keep their angles, which turned at random would bend to either side.
_UPPER_BODY = _below("Spine")
_UPPER_BODY[_JOINT["Spine"]] = 1
_TURNED = (
    ("Hip", _UPPER_BODY),
    *((name, _below(name)) for name in ("LShoulder", "RShoulder")),
    *((name, _below(name)) for name in ("LHip", "RHip")),
)


def varied(world, ranges: Postures, random):
    """Exchanges upper bodies, and turns trunks, arms and legs.

    Captured people do a few things each, over and over; a network that sees
    the same postures often enough learns them by heart.

    Args:
        world: (B, 17, 3) metres, Human3.6M's joints, z up. A pose's upper
            body comes from the pose before it.
        ranges: How often, and by how much.
        random: See `randomness.Source`.

    Returns:
        (B, 17, 3) metres; each bone is as long as in the pose it is from.
    """
    count = ops.shape(world)[0]
    is_exchanged = random.uniform((count, 1, 1)) < ranges.exchanged
    world = ops.where(is_exchanged, _exchanged(world), world)
    largest = ranges.turn_deg * (math.pi / 180) * random.uniform((count, 1))
    for name, carried in _TURNED:
        turn = largest * random.normal((count, 3))
        pivot = world[:, _JOINT[name]][:, None]
        turned = pivot + _turned(world - pivot, turn)
        world = world + carried * (turned - world)
    return world


def _exchanged(world):
    """Gives each the upper body of another, to the same front."""
    other = ops.roll(world, 1, axis=0)
    angle = _heading(world) - _heading(other)  # (B, 1)
    cosine, sine = ops.cos(angle), ops.sin(angle)
    x, y, z = (other[..., i] - other[:, :1, i] for i in range(3))
    turned = ops.stack([cosine * x - sine * y, sine * x + cosine * y, z], -1)
    return world + _UPPER_BODY * (world[:, :1] + turned - world)


def _heading(world):
    """Returns where the left hip is, seen from above, (B, 1) radians."""
    left = world[:, _JOINT["LHip"]] - world[:, _JOINT["RHip"]]
    return ops.arctan2(left[:, 1:2], left[:, :1])


def _turned(vectors, turn):
    """Turns (B, J, 3) about axes (B, 3) by their lengths in radians."""
    angle = ops.sqrt(ops.sum(ops.square(turn), axis=-1, keepdims=True) + 1e-12)
    axis = (turn / angle)[:, None]  # (B, 1, 3)
    cosine, sine = ops.cos(angle)[:, None], ops.sin(angle)[:, None]
    along = ops.sum(axis * vectors, axis=-1, keepdims=True)
    across = ops.cross(ops.broadcast_to(axis, ops.shape(vectors)), vectors)
    return cosine * vectors + sine * across + (1 - cosine) * along * axis

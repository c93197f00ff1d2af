"""Transfers batches of motion to other bodies, in keras.ops."""

import numpy as np
from keras import ops

from ampose_tf.config.ranges import Bodies
from ampose_tf.data.augmentation.joints import JOINT, column, unit
from ampose_tf.data.augmentation.randomness import between, between_logarithms
from ampose_tf.skeleton import H36M_17

# Joints whose bones to their parents share a factor: bodies are symmetric.
_LIMBS = (
    ("LKnee", "RKnee"),
    ("LFoot", "RFoot"),
    ("LElbow", "RElbow"),
    ("LWrist", "RWrist"),
    ("Spine",),
    ("Thorax",),
    ("Neck/Nose",),
    ("Head",),
)
_HIPS = ("LHip", "RHip")
_SHOULDERS = ("LShoulder", "RShoulder")
_GROUPS = (*_LIMBS, _HIPS, _SHOULDERS)


def _bones():
    """Returns the matrix (J, J) from joints to bones; the hip is kept."""
    matrix = np.eye(len(H36M_17.joints), dtype=np.float32)
    for parent, child in H36M_17.edges:
        matrix[child, parent] = -1
    return matrix


def _spread():
    """Returns the matrix (J, groups) that maps factors to bones."""
    matrix = np.zeros((len(H36M_17.joints), len(_GROUPS)), np.float32)
    for group, names in enumerate(_GROUPS):
        for name in names:
            matrix[JOINT[name], group] = 1
    return matrix


_TO_BONES = _bones()
_FROM_BONES = np.linalg.inv(_TO_BONES).astype(np.float32)
_SPREAD = _spread()
_AT_HIPS = column("Hip", *_HIPS)
_AT_SHOULDERS = column(*_SHOULDERS)


def resized(world, as_joints, ranges: Bodies, random):
    """Changes people's bone lengths; the directions of bones are kept.

    Before that, hips, shoulders and thorax are moved to account for different
    definitions of these joints, see `config.ranges.Bodies`.

    The hip's height is scaled with the legs, so that the feet of standing
    people stay on the floor, and those of others near it.

    Args:
        world: (B, 17, 3) metres, Human3.6M's joints, z up, floor at 0.
        as_joints: (B, 1), 1 for poses whose keypoints will be these joints.
            The thorax is moved only in these: detectors have no thorax, so
            other poses keep that of motion capture.
        ranges: Ranges of the factors.
        random: See `randomness.Source`.

    Returns:
        (B, 17, 3) metres.
    """
    world = _ends_of_trunk_moved(world, ranges, random)
    world = _thorax_moved(world, as_joints, ranges, random)
    count = ops.shape(world)[0]

    def draw(groups):
        return random.uniform((count, groups))

    factors = ops.concatenate(
        [
            between((1 - ranges.limbs, 1 + ranges.limbs), draw(len(_LIMBS))),
            between_logarithms(ranges.hips, draw(1)),
            between_logarithms(ranges.shoulders, draw(1)),
        ],
        axis=-1,
    )
    factors = factors * between_logarithms(ranges.size, draw(1))
    legs = (factors[:, :1] + factors[:, 1:2]) / 2  # thighs and shanks
    per_bone = ops.matmul(factors, _SPREAD.T)  # (B, 17), 0 for the hip
    bones = ops.matmul(_TO_BONES, world)
    hip = bones[:, :1]
    hip = ops.concatenate([hip[..., :2], hip[..., 2:] * legs[:, None]], -1)
    bones = bones[:, 1:] * per_bone[:, 1:, None]
    return ops.matmul(_FROM_BONES, ops.concatenate([hip, bones], axis=1))


def _ends_of_trunk_moved(world, ranges, random):
    """Moves hips and shoulders along the line between their midpoints."""
    count = ops.shape(world)[0]
    left, right = JOINT["LShoulder"], JOINT["RShoulder"]
    trunk = (world[:, left] + world[:, right]) / 2 - world[:, 0]
    upwards = unit(trunk)[:, None]  # (B, 1, 3)
    hips = between(ranges.hips_up_m, random.uniform((count, 1, 1)))
    shoulders = between(ranges.shoulders_up_m, random.uniform((count, 1, 1)))
    return world + upwards * (hips * _AT_HIPS + shoulders * _AT_SHOULDERS)


def _thorax_moved(world, as_joints, ranges, random):
    """Moves the thorax towards the shoulders' midpoint, or beyond it."""
    thorax = JOINT["Thorax"]
    middle = (world[:, JOINT["LShoulder"]] + world[:, JOINT["RShoulder"]]) / 2
    share = between(ranges.thorax, random.uniform((ops.shape(world)[0], 1)))
    move = as_joints * share * (middle - world[:, thorax])  # (B, 3)
    return world + column("Thorax") * move[:, None]

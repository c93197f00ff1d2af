"""Draws batches of simulated detections from motion, in keras.ops."""

from keras import ops

from ampose_tf.config import Data
from ampose_tf.conversion import SEEN_SCORE
from ampose_tf.data.augmentation import (
    bodies,
    detector,
    postures,
    viewpoints,
)
from ampose_tf.skeleton import H36M_17, mirror


def frames(cumulative, uniform):
    """Maps uniform numbers (B,) to frames (B,).

    Args:
        cumulative: (N,) cumulative sums of the frames' shares; the last is 1.
        uniform: Numbers in [0, 1).
    """
    return ops.searchsorted(cumulative[:-1], uniform, side="right")


def drawn(world, mirrored, data: Data, random, seen_input: bool):
    """Returns (inputs, targets) of one batch.

    Args:
        world: (B, 17, 3) metres, Human3.6M's joints, z up, floor at 0.
        mirrored: (B,) bool, which poses to mirror; ignored if
            `data.flip_training` is off.
        data: Settings of postures, bodies, cameras and errors.
        random: See `randomness.Source`.
        seen_input: Whether the network's input includes which joints were
            seen. If not, no joints are hidden.

    Returns:
        (keypoints_2d (B, 17, 2), poses_3d (B, 17, 3)); with `seen_input`
        the first is {"keypoints_2d": ..., "seen": (B, 17)}.
    """
    if data.flip_training:
        # Any vertical mirror will do, because cameras are on all sides.
        world = ops.where(
            mirrored[:, None, None], mirror(world, H36M_17), world
        )
    world = postures.varied(world, data.postures, random)
    as_joints = detector.as_joints(world.shape[0], data.detector)
    world = bodies.resized(world, as_joints, data.bodies, random)
    views = viewpoints.seen(world, data.viewpoints, random)
    keypoints_2d, scores = detector.detected(views, data.detector, random)
    poses_3d = views.joints - views.joints[:, :1]
    if not seen_input:
        return keypoints_2d, poses_3d
    seen = ops.cast(scores >= SEEN_SCORE, "float32")
    return {"keypoints_2d": keypoints_2d, "seen": seen}, poses_3d

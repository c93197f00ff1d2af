"""`Poses` to tf.data."""

import math

import numpy as np
import tensorflow as tf

from ampose_tf.data.poses import Poses
from ampose_tf.skeleton import Skeleton, mirror


def steps_per_epoch(poses: Poses, batch_size: int) -> int:
    """Returns the batches in one pass, the last and smaller one included."""
    return math.ceil(poses.count / batch_size)


def training_batches(
    poses: Poses,
    skeleton: Skeleton,
    batch_size: int,
    seed: int,
    epochs: range,
    flip: bool,
) -> tf.data.Dataset:
    """Returns the batches of some epochs, one epoch after the other.

    Every pose comes once per epoch. Order and augmentation are functions of
    (seed, epoch, step) alone, so that a run that was killed and starts again
    at an epoch sees what it would have seen. Indices are shuffled, not poses:
    a uniform shuffle of millions of poses costs one permutation.

    Args:
        poses: What to train on.
        skeleton: Whose sides mirroring swaps.
        batch_size: B; the last batch of an epoch may be smaller.
        seed: Of the order and the mirroring.
        epochs: Which epochs, counted from 0.
        flip: Whether to mirror each pose with probability one half.

    Returns:
        Of (keypoints_2d (B, J, 2), poses_3d (B, J, 3)).
    """
    steps = steps_per_epoch(poses, batch_size)
    keypoints_2d = tf.constant(poses.keypoints_2d)
    poses_3d = tf.constant(poses.poses_3d)

    def epoch_batches(epoch):
        epoch_seed = tf.stack([tf.constant(seed, tf.int64), epoch])
        order = tf.random.experimental.stateless_shuffle(
            tf.range(poses.count), epoch_seed
        )

        def batch(step):
            index = order[step * batch_size : (step + 1) * batch_size]
            pair = tf.gather(keypoints_2d, index), tf.gather(poses_3d, index)
            if flip:
                step_seed = tf.random.experimental.stateless_fold_in(
                    epoch_seed, step
                )
                pair = mirror_at_random(*pair, skeleton, step_seed)
            return pair

        return tf.data.Dataset.range(steps).map(
            batch, num_parallel_calls=tf.data.AUTOTUNE
        )

    return (
        tf.data.Dataset.range(epochs.start, epochs.stop)
        .flat_map(epoch_batches)
        .prefetch(tf.data.AUTOTUNE)
    )


def mirror_at_random(keypoints_2d, poses_3d, skeleton: Skeleton, seed):
    """Mirrors each pair of a batch with probability one half.

    Args:
        keypoints_2d: (B, J, 2).
        poses_3d: (B, J, 3).
        skeleton: Whose sides to swap.
        seed: (2,) integers; the same seed mirrors the same poses.
    """
    chosen = tf.random.stateless_uniform(
        (tf.shape(keypoints_2d)[0], 1, 1), seed=seed
    )
    return tuple(
        tf.where(chosen < 0.5, mirror(points, skeleton), points)
        for points in (keypoints_2d, poses_3d)
    )


def validation_batches(poses: Poses, batch_size: int) -> tf.data.Dataset:
    """Returns all poses once, in order, as pairs."""
    return tf.data.Dataset.from_tensor_slices(
        (np.asarray(poses.keypoints_2d), np.asarray(poses.poses_3d))
    ).batch(batch_size)

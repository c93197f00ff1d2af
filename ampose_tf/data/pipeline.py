"""Builds `tf.data` datasets of `Poses`, `Motion3D` and `Shards`."""

import contextlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from ampose_tf.config import Data
from ampose_tf.data import sampling
from ampose_tf.data.augmentation import drawing
from ampose_tf.data.mocap import Motion3D
from ampose_tf.data.poses import Poses
from ampose_tf.data.shards import Shards
from ampose_tf.skeleton import Skeleton, mirror

# Number of shards that are read in parallel, and number of pairs that are
# shuffled together, of 340 bytes each.
_SHARDS_AT_ONCE = 8
_BUFFER = 2**16


def training_batches(
    poses: Poses,
    skeleton: Skeleton,
    batch_size: int,
    seed: int,
    epochs: range,
    flip: bool,
    inputs: tuple[str, ...] = ("keypoints_2d",),
    first_step: int = 0,
) -> tf.data.Dataset:
    """Returns the batches of consecutive epochs.

    Every pose is used once per epoch. Order and augmentation only depend on
    (seed, epoch, step), so that a resumed run gets the same batches. Indices
    are shuffled instead of poses: a uniform shuffle of millions of poses costs
    one permutation.

    Args:
        poses: Training poses.
        skeleton: Skeleton of the poses, used for mirroring.
        batch_size: B; the last batch of an epoch may be smaller.
        seed: Seed of the order and the mirroring.
        epochs: Range of epochs, counted from 0.
        flip: Whether to mirror each pose with probability one half.
        inputs: Names of the network's inputs: "keypoints_2d", and any of
            "seen" (1 for all joints) and "intrinsics" and "root_depth" of
            `Poses`.
        first_step: First step of the first epoch.

    Returns:
        Dataset of (inputs, poses_3d (B, J, 3)). The inputs are keypoints_2d
        (B, J, 2), or a dict by name if there are several.
    """
    columns = {
        name: tf.constant(column)
        for name, column in poses.columns(inputs).items()
    }
    poses_3d = tf.constant(poses.poses_3d)

    def epoch_of(epoch_seed):
        order = tf.random.experimental.stateless_shuffle(
            tf.range(poses.count), epoch_seed
        )

        def batch(step, seed):
            index = order[step * batch_size : (step + 1) * batch_size]
            arrays = {
                name: tf.gather(column, index)
                for name, column in columns.items()
            }
            target = tf.gather(poses_3d, index)
            if flip:
                arrays["keypoints_2d"], target = mirror_at_random(
                    (arrays["keypoints_2d"], target), skeleton, seed
                )
                if "intrinsics" in arrays:
                    arrays["intrinsics"] = _center_mirrored(
                        arrays["intrinsics"], seed
                    )
            return _as_told(arrays, inputs), target

        return batch

    steps = poses.batches(batch_size)
    return _batches(epoch_of, steps, seed, epochs, first_step)


def shard_batches(
    shards: Shards,
    skeleton: Skeleton,
    batch_size: int,
    seed: int,
    epochs: range,
    flip: bool,
    inputs: tuple[str, ...] = ("keypoints_2d",),
    first_step: int = 0,
) -> tf.data.Dataset:
    """Same as `training_batches`, for pairs in files.

    Each epoch reads the shards in another order, eight in parallel, record by
    record. Pairs are shuffled and mirrored 65,536 at a time, which is several
    times as fast as in single batches. Random numbers only depend on
    (seed, epoch).

    Args:
        shards: Training pairs.
        skeleton: Skeleton of the poses, used for mirroring.
        batch_size: B; the last batch of an epoch may be smaller.
        seed: Seed of the order and the mirroring.
        epochs: Range of epochs, counted from 0.
        flip: Whether to mirror each pose with probability one half.
        inputs: "keypoints_2d", and "seen" if the network has this input.
        first_step: First step of the first epoch; earlier pairs are read and
            skipped.

    Returns:
        See `training_batches`.
    """
    paths = tf.constant([str(path) for path in shards.paths])
    width = 5 * shards.joints

    def rows_of(record):
        # The files are little-endian on every machine.
        return tf.reshape(
            tf.io.decode_raw(record, tf.float32, little_endian=True),
            (-1, width),
        )

    def epoch_batches(epoch):
        epoch_seed = tf.stack([tf.constant(seed, tf.int64), epoch])
        order = tf.random.experimental.stateless_shuffle(
            tf.range(len(shards.shards)), epoch_seed
        )

        def shuffled(number, rows):
            own = tf.random.experimental.stateless_fold_in(epoch_seed, number)
            index = tf.random.experimental.stateless_shuffle(
                tf.range(tf.shape(rows)[0]), own
            )
            rows = tf.gather(rows, index)
            end = 2 * shards.joints
            pair = (
                tf.reshape(rows[:, :end], (-1, shards.joints, 2)),
                tf.reshape(rows[:, end:], (-1, shards.joints, 3)),
            )
            if flip:
                own = tf.random.experimental.stateless_fold_in(own, 1)
                pair = mirror_at_random(pair, skeleton, own)
            return _as_told({"keypoints_2d": pair[0]}, inputs), pair[1]

        first = tf.where(epoch == epochs.start, first_step, 0)
        return (
            tf.data.Dataset.from_tensor_slices(tf.gather(paths, order))
            .interleave(
                tf.data.TFRecordDataset,
                cycle_length=_SHARDS_AT_ONCE,
                num_parallel_calls=2,
                deterministic=True,
            )
            .map(rows_of)
            .rebatch(_BUFFER)
            .enumerate()
            .map(shuffled, num_parallel_calls=2, deterministic=True)
            .rebatch(batch_size)
            .skip(tf.cast(first, tf.int64))
        )

    return _untuned(
        tf.data.Dataset.range(epochs.start, epochs.stop)
        .flat_map(epoch_batches)
        .prefetch(tf.data.AUTOTUNE)
    )


def make_motion_batches(
    motion: Motion3D,
    data: Data,
    batch_size: int,
    seed: int,
    seen_input: bool,
) -> Callable[..., tf.data.Dataset]:
    """Returns a function that returns batches of motion for some epochs.

    Repeated calls share one graph, which takes seconds to trace. Poses are
    drawn in proportion to `sampling.shares`, mirrored with probability one
    half, varied (`postures`), transferred to another body (`bodies`),
    projected to a random camera (`viewpoints`), and distorted by errors of
    detectors (`detector`). Random numbers only depend on (seed, epoch, step),
    as in `training_batches`. All batches have the same size.

    Args:
        motion: Training motion.
        data: Ranges of random parameters, and number of poses per epoch.
        batch_size: B.
        seed: Seed of all random numbers.
        seen_input: Whether the network has the input `seen`. Otherwise, joints
            are never hidden.

    Returns:
        Function of (epochs, first_step=0), as in `training_batches`. It
        returns a dataset of (keypoints_2d (B, 17, 2), poses_3d (B, 17, 3));
        with `seen_input` the first is {"keypoints_2d": ..., "seen": (B, 17)}.
    """
    cumulative = tf.constant(
        np.cumsum(sampling.shares(motion, data.balance)), tf.float32
    )
    joints = tf.constant(motion.joints)

    # If it were inlined, `tf.data` would optimise it; see `_unoptimised`.
    @tf.function(autograph=False, experimental_attributes={"_noinline": True})
    def batch(step, seed):
        random = _Stateless(seed)
        index = drawing.frames(cumulative, random.uniform((batch_size,)))
        world = tf.gather(joints, index)
        mirrored = _mirrored(world, seed)
        return drawing.drawn(world, mirrored, data, random, seen_input)

    def batches(epochs, first_step=0):
        steps = data.poses_per_epoch // batch_size
        with _unoptimised():
            return _batches(
                lambda epoch_seed: batch, steps, seed, epochs, first_step
            )

    return batches


@contextlib.contextmanager
def _unoptimised():
    """Turns off graph optimisation for functions called in this context.

    TensorFlow's graph optimiser replaces x + y + z by an operation that starts
    with the first input whose memory is no longer needed. If all three are
    used elsewhere, the order of the sum, and thus its rounding, depends on
    which other operations have ended.
    """
    name = "disable_meta_optimizer"
    before = tf.config.optimizer.get_experimental_options()[name]
    tf.config.optimizer.set_experimental_options({name: True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({name: before})


def _batches(epoch_of, steps, seed, epochs, first_step):
    """Maps each (step, step's seed) with the function of the epoch.

    `epoch_of` returns this function for an epoch's seed.
    """

    def epoch_batches(epoch):
        epoch_seed = tf.stack([tf.constant(seed, tf.int64), epoch])
        batch = epoch_of(epoch_seed)
        first = tf.where(epoch == epochs.start, first_step, 0)
        first = tf.cast(first, tf.int64)
        return tf.data.Dataset.range(first, steps).map(
            lambda step: batch(
                step,
                tf.random.experimental.stateless_fold_in(epoch_seed, step),
            ),
            num_parallel_calls=tf.data.AUTOTUNE,
        )

    return _untuned(
        tf.data.Dataset.range(epochs.start, epochs.stop)
        .flat_map(epoch_batches)
        .prefetch(tf.data.AUTOTUNE)
    )


def in_order(arrays: tuple, batch_size: int) -> tf.data.Dataset:
    """Returns batches of the rows of arrays, in their order.

    Args:
        arrays: Nested arrays with N rows each.
        batch_size: B; the last batch may be smaller.
    """
    rows = tf.data.Dataset.from_tensor_slices(arrays)
    return _untuned(rows.batch(batch_size).prefetch(tf.data.AUTOTUNE))


def _untuned(batches):
    """Returns a dataset without the thread that tunes its parallelism.

    TensorFlow 2.21 often misses the signal that ends this thread; the end of
    an iteration then waits until it next wakes up, for up to a minute.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)


class _Stateless:
    """A `randomness.Source`; the same seed yields the same numbers."""

    def __init__(self, seed):
        self._seed = seed
        self._draws = 0

    def uniform(self, shape):
        return tf.random.stateless_uniform(shape, self._next())

    def normal(self, shape):
        return tf.random.stateless_normal(shape, self._next())

    def _next(self):
        self._draws += 1
        # An int32 would truncate the seed to 32 bits, and batches would be
        # repeated.
        return tf.random.experimental.stateless_fold_in(
            self._seed, tf.constant(self._draws, tf.int64)
        )


def mirror_at_random(arrays: tuple, skeleton: Skeleton, seed) -> tuple:
    """Mirrors each pose of a batch with probability one half.

    Args:
        arrays: Arrays (B, J, 2) or (B, J, 3), in which the same poses are
            mirrored.
        skeleton: Skeleton of the poses.
        seed: (2,) integers; the same seed mirrors the same poses.
    """
    chosen = _mirrored(arrays[0], seed)[:, None, None]
    return tuple(
        tf.where(chosen, mirror(points, skeleton), points) for points in arrays
    )


def _center_mirrored(intrinsics, seed):
    """Returns the intrinsics of the poses' mirror images."""
    other = intrinsics * [1.0, 1.0, -1.0, 1.0]
    return tf.where(_mirrored(intrinsics, seed)[:, None], other, intrinsics)


def _mirrored(array, seed):
    """Returns whether each pose of a batch is mirrored, (B,) bool."""
    return tf.random.stateless_uniform((tf.shape(array)[0],), seed) < 0.5


def _as_told(arrays, inputs):
    """Returns the inputs, with all joints seen; a dict if several."""
    if "seen" in inputs:
        seen = tf.ones(tf.shape(arrays["keypoints_2d"])[:2])
        arrays = arrays | {"seen": seen}
    return arrays if len(arrays) > 1 else arrays["keypoints_2d"]

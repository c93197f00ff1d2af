"""Feeds of training batches: poses in memory or in files, or drawn poses.

All feeds have the same attributes and methods.
"""

import functools
import itertools
import math
from collections.abc import Sequence

import keras
import numpy as np

from ampose_tf.config import Config
from ampose_tf.data.mocap import Motion3D
from ampose_tf.data.poses import Poses
from ampose_tf.data.shards import Shards
from ampose_tf.skeleton import by_joint_count


class PosesFeed:
    """Feeds poses in memory; each is used once per epoch.

    Args:
        config: The experiment.
        poses: Training poses.

    Attributes:
        steps: Batches per epoch.
        description: Description of the data of an epoch.
        inputs: Names of the network's inputs.
    """

    def __init__(self, config: Config, poses: Poses):
        self._config = config
        self._poses = poses
        self.steps = poses.batches(config.train.batch_size)
        self.description = f"{poses.count} training poses"
        self.inputs = _inputs(config)

    def batches(self, epochs: range, first_step: int = 0):
        """Returns the batches of consecutive epochs, a `tf.data.Dataset`.

        Args:
            epochs: Range of epochs, counted from 0.
            first_step: First step of the first epoch.
        """
        # Imported lazily. TensorFlow feeds networks of other backends, too.
        from ampose_tf.data import pipeline

        config = self._config
        return pipeline.training_batches(
            self._poses,
            by_joint_count(config.data.joints),
            batch_size=config.train.batch_size,
            seed=config.train.seed,
            epochs=epochs,
            flip=config.data.flip_training,
            inputs=self.inputs,
            first_step=first_step,
        )

    def mean_pose(self) -> np.ndarray:
        """Returns the mean of all poses, (J, 3)."""
        return self._poses.poses_3d.mean(axis=0, dtype=np.float64)

    def calibration(
        self, at_most: int, seen_input: bool
    ) -> dict[str, np.ndarray]:
        """Returns the network's inputs for some poses, {name: (N, ...)}.

        Args:
            at_most: Largest N.
            seen_input: Whether the network has the input `seen`.

        Raises:
            ValueError: If there are no poses.
        """
        if not self._poses.count:
            raise ValueError("There are no training poses to calibrate on")
        return self._poses.spread(at_most).sample_inputs(seen_input)


class ShardsFeed:
    """Feeds poses in files; each is used once per epoch.

    Attributes are those of `PosesFeed`.

    Args:
        config: The experiment.
        shards: Training poses.
    """

    def __init__(self, config: Config, shards: Shards):
        self._config = config
        self._shards = shards
        self.steps = shards.batches(config.train.batch_size)
        self.description = (
            f"{shards.count} training poses in {len(shards.shards)} shards"
        )
        self.inputs = _inputs(config)

    def batches(self, epochs: range, first_step: int = 0):
        """Returns the batches of some epochs, see `PosesFeed.batches`."""
        from ampose_tf.data import pipeline

        config = self._config
        return pipeline.shard_batches(
            self._shards,
            by_joint_count(config.data.joints),
            batch_size=config.train.batch_size,
            seed=config.train.seed,
            epochs=epochs,
            flip=config.data.flip_training,
            inputs=self.inputs,
            first_step=first_step,
        )

    def mean_pose(self) -> np.ndarray:
        """Returns the mean of all poses, (J, 3)."""
        return self._shards.mean_pose

    def calibration(
        self, at_most: int, seen_input: bool
    ) -> dict[str, np.ndarray]:
        """Same as `PosesFeed.calibration`, for the first poses."""
        return self._shards.first(at_most).sample_inputs(seen_input)


class MotionFeed:
    """Feeds poses drawn from motion, with random cameras and detections.

    Poses are drawn by JAX if it is Keras's backend, which does not require
    TensorFlow, and by TensorFlow otherwise; their random numbers differ.
    Attributes are those of `PosesFeed`.

    Args:
        config: The experiment.
        motion: Motion that training poses are drawn from.
    """

    def __init__(self, config: Config, motion: Motion3D):
        self._config = config
        self._motion = motion
        size = config.train.batch_size
        self.steps = config.data.poses_per_epoch // size
        self.description = (
            f"{len(motion.joints)} training frames, "
            f"{self.steps * size} drawn poses per epoch"
        )
        self.inputs = _inputs(config)

    def batches(self, epochs: range, first_step: int = 0):
        """Returns the batches of some epochs, see `PosesFeed.batches`.

        The result is a `tf.data.Dataset` or, with JAX, a generator of arrays
        on its device.
        """
        return self._training_batches(epochs, first_step)

    @functools.cached_property
    def _training_batches(self):
        """Function that draws training batches; its tracing takes seconds."""
        config = self._config
        return self._make_batches(
            config.train.batch_size, config.model.seen_input
        )

    def mean_pose(self) -> np.ndarray:
        """Returns the mean of the first epoch's first 4,096 poses, (J, 3)."""
        count = math.ceil(4096 / self._config.train.batch_size)
        some = itertools.islice(self.batches(range(1)), count)
        poses_3d = np.concatenate([np.asarray(target) for _, target in some])
        return poses_3d.mean(axis=0, dtype=np.float64)

    def calibration(
        self, at_most: int, seen_input: bool
    ) -> dict[str, np.ndarray]:
        """Same as `PosesFeed.calibration`, for poses of the first epoch."""
        count = min(at_most, self._config.data.poses_per_epoch)
        batches = self._make_batches(count, seen_input)
        given, _ = next(iter(batches(range(1))))
        if not seen_input:
            given = {"keypoints_2d": given}
        return {name: np.asarray(array) for name, array in given.items()}

    def _make_batches(self, batch_size, seen_input):
        # Imported lazily, as only one of them may be installed.
        if keras.backend.backend() == "jax":
            from ampose_tf.data import jax_pipeline as pipeline
        else:
            from ampose_tf.data import pipeline

        return pipeline.make_motion_batches(
            self._motion,
            self._config.data,
            batch_size=batch_size,
            seed=self._config.train.seed,
            seen_input=seen_input,
        )


def make_feed(
    config: Config, training: Poses | Motion3D | Shards
) -> PosesFeed | MotionFeed | ShardsFeed:
    """Returns the feed of a config's training data."""
    if isinstance(training, Poses):
        return PosesFeed(config, training)
    if isinstance(training, Shards):
        return ShardsFeed(config, training)
    return MotionFeed(config, training)


def validation_arrays(poses: Poses, inputs: Sequence[str]) -> tuple:
    """Returns (inputs, targets) of all poses, as NumPy arrays.

    Args:
        poses: Poses of which all joints are seen.
        inputs: Names of the network's inputs.

    Returns:
        The inputs are keypoints_2d (N, J, 2), or a dict by name if there are
        several; the targets are poses_3d (N, J, 3).

    Raises:
        ValueError: If the poses do not have one of the inputs.
    """
    arrays = poses.columns(inputs)
    if "seen" in inputs:
        arrays["seen"] = np.ones(poses.keypoints_2d.shape[:2], np.float32)
    given = arrays if len(arrays) > 1 else arrays["keypoints_2d"]
    return given, poses.poses_3d


def _inputs(config):
    names = ["keypoints_2d"]
    if config.model.seen_input:
        names.append("seen")
    if config.train.lifter:
        names += ["intrinsics", "root_depth"]
    return tuple(names)

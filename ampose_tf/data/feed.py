"""Training batches, whether of poses or of motion seen anew each epoch."""

import math

import numpy as np

from ampose_tf.config import Config
from ampose_tf.data.mocap import Motion3D
from ampose_tf.data.poses import Poses
from ampose_tf.skeleton import by_joint_count


class Feed:
    """What a config's training sees, epoch by epoch.

    Args:
        config: The experiment.
        training: Its training poses, or the motion that they are drawn from.

    Attributes:
        steps: Batches of an epoch.
        description: What an epoch holds, in words.
        inputs: Names of what the network takes.
    """

    def __init__(self, config: Config, training: Poses | Motion3D):
        self._config = config
        self._training = training
        self.inputs = _inputs(config)
        size = config.train.batch_size
        if isinstance(training, Poses):
            self.steps = training.batches(size)
            self.description = f"{training.count} training poses"
        else:
            self.steps = config.data.poses_per_epoch // size
            self.description = (
                f"{len(training.joints)} training frames, "
                f"{self.steps * size} drawn poses per epoch"
            )

    def batches(self, epochs: range):
        """Returns the batches of some epochs, a `tf.data.Dataset`."""
        # TensorFlow feeds the model; who trains it may have another backend.
        from ampose_tf.data import pipeline

        config, training = self._config, self._training
        recipe = config.train
        if isinstance(training, Poses):
            return pipeline.training_batches(
                training,
                by_joint_count(config.data.joints),
                recipe.batch_size,
                recipe.seed,
                epochs,
                config.data.flip_training,
                self.inputs,
            )
        return pipeline.motion_batches(
            training,
            config.data,
            recipe.batch_size,
            recipe.seed,
            epochs,
            config.model.seen_input,
        )

    def mean_pose(self) -> np.ndarray:
        """Returns (J, 3); of drawn poses, the mean of some 4,000."""
        if isinstance(self._training, Poses):
            return self._training.poses_3d.mean(axis=0, dtype=np.float64)
        count = math.ceil(4096 / self._config.train.batch_size)
        some = self.batches(range(1)).take(count).as_numpy_iterator()
        poses_3d = np.concatenate([poses_3d for _, poses_3d in some])
        return poses_3d.mean(axis=0, dtype=np.float64)


def _inputs(config):
    names = ["keypoints_2d"]
    if config.model.seen_input:
        names.append("seen")
    if config.train.lifter:
        names += ["intrinsics", "root_depth"]
    return tuple(names)

"""A program that trains on two logical CPU devices, which TensorFlow cannot
make once it has started.

    python -m tests.logical_devices WORKDIR [--kill] field=value ...

`--kill` ends it with SIGKILL after the first epoch; a field is one of
`config.train` or `config.model`.
"""

import ast
import os
import pathlib
import signal
import sys

import numpy as np
import tensorflow as tf

from ampose_tf import training
from ampose_tf.config import Config, Data, Model, Train
from ampose_tf.data.mocap import Motion3D
from ampose_tf.data.poses import Poses
from ampose_tf.models.recorder import Recorder
from tests.people import STANDING

POSES = 195


def split_the_processor():
    (processor,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        processor, 2 * [tf.config.LogicalDeviceConfiguration()]
    )


def poses(count, seed):
    random = np.random.default_rng(seed)
    keypoints_2d = random.uniform(-0.8, 0.8, (count, 17, 2))
    depth = keypoints_2d.sum(axis=-1, keepdims=True) / 2
    poses_3d = np.concatenate([keypoints_2d, depth], axis=-1)
    return Poses(
        keypoints_2d.astype(np.float32),
        (poses_3d - poses_3d[:, :1]).astype(np.float32),
        np.zeros(count, np.int32),
        np.full(count, "S1"),
        ("Walking",),
        np.tile(np.float32([2, 2, 0, 0]), (count, 1)),
        np.full(count, 5, np.float32),
    )


def motion():
    joints = np.tile(STANDING, (7, 1, 1)).astype(np.float32)
    joints[:, 13, 2] += np.linspace(0, 0.5, 7)
    return Motion3D(
        joints, np.full(7, "P"), np.zeros(7, np.int32), ("P/a",), ("waves",)
    )


def config(arguments):
    experiment = Config(
        data=Data(dataset="mocap", poses_per_epoch=24),
        model=Model(depth=1, width=6, heads=2),
        train=Train(batch_size=8, learning_rate=1e-2, seed=3, devices="all"),
    )
    for argument in arguments:
        field, value = argument.split("=")
        sections = (experiment.train, experiment.model, experiment.data)
        (section,) = (s for s in sections if hasattr(s, field))
        known = getattr(section, field)
        is_text = isinstance(known, str)
        setattr(section, field, value if is_text else ast.literal_eval(value))
    return experiment


def kill(recorder):
    os.kill(os.getpid(), signal.SIGKILL)


def main(workdir, *arguments):
    split_the_processor()
    if "--kill" in arguments:
        Recorder._publish = kill
    experiment = config(a for a in arguments if a != "--kill")
    drawn = experiment.data.training_cameras == "drawn"
    training.train(
        experiment,
        motion() if drawn else poses(POSES, seed=0),
        poses(11, seed=1),
        pathlib.Path(workdir),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Small inputs that several test files share."""

import os
import pathlib

import numpy as np
import pytest

from ampose_tf.config import Config, Data, Model, Train
from ampose_tf.config.ranges import Cameras
from ampose_tf.data import human36m, mocap, synthetic
from ampose_tf.data.mocap import Motion3D
from ampose_tf.data.poses import Poses


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """What tests remember of models is not the user's business."""
    # An empty one counts as unset.
    user = pathlib.Path(
        os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    )
    cache = tmp_path_factory.mktemp("cache")
    # BlazePose's, which take a download, are the user's. Each is linked by
    # itself: a file that a test puts there is not put into the user's folder.
    models = cache / "ampose_tf" / "blazepose"
    models.mkdir(parents=True)
    for path in (user / "ampose_tf" / "blazepose").glob("*.tflite"):
        (models / path.name).symlink_to(path.absolute())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        # Its list of fonts takes seconds to make.
        patch.setenv("MPLCONFIGDIR", str(user / "matplotlib"))
        yield


@pytest.fixture(scope="session")
def make_poses():
    """Returns a maker of random poses whose depth the 2D gives away."""

    def make(count, seed=0, joints=17):
        random = np.random.default_rng(seed)
        keypoints_2d = random.uniform(-0.8, 0.8, (count, joints, 2))
        keypoints_2d[:, 0] *= 0.1
        depth = keypoints_2d.sum(axis=-1, keepdims=True) / 2
        poses_3d = np.concatenate([keypoints_2d, depth], axis=-1)
        return Poses(
            keypoints_2d.astype(np.float32),
            (poses_3d - poses_3d[:, :1]).astype(np.float32),
            random.integers(0, 2, count).astype(np.int32),
            np.full(count, "S1"),
            ("Walking", "Sitting"),
        )

    return make


@pytest.fixture(scope="session")
def walk_of():
    """Returns a maker of poses of somebody who walks, from four sides."""

    def walk(subject, frames=20):
        joints = synthetic.generate(subject, "Walking", frames, seed=0)
        motion = Motion3D(
            joints[:, human36m.JOINTS_OF_32],
            np.full(frames, subject),
            np.zeros(frames, np.int32),
            (f"{subject}/walk",),
            ("walk",),
        )
        return mocap.seen_by_cameras(motion, Cameras(), 1, "longest", 5)

    return walk


@pytest.fixture
def tiny_config():
    """A config that trains in seconds, with every source of randomness."""
    return Config(
        data=Data(dataset="synthetic"),
        model=Model(depth=1, width=6, heads=2, dropout=0.2, drop_path=0.1),
        train=Train(epochs=2, batch_size=7, learning_rate=1e-2, seed=3),
    )

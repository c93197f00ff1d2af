"""Poses that virtual cameras see, as a detector sees them."""

import dataclasses
import zlib

import numpy as np

from ampose_tf.config import Cameras, Config
from ampose_tf.conversion import SEEN_SCORE
from ampose_tf.data.augmentation import detector
from ampose_tf.data.augmentation.viewpoints import Views
from ampose_tf.data.poses import Poses


def detected_poses(
    poses: Poses, experiment: Config, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Returns what a detector makes of poses.

    Args:
        poses: N poses, seen exactly by the config's cameras.
        experiment: Its `data.detector` says how imperfect the detectors are,
            which all mark landmarks here.
        name: Of the condition: different names, different errors.

    Returns:
        keypoints_2d (N, 17, 2) float32, and which joints were seen, (N, 17)
        bool.
    """
    data = experiment.data
    seed = (data.cameras.validation_seed, zlib.crc32(name.encode()))
    views = views_of(poses, data.cameras)
    # Detectors take turns in a batch, motions in the archive.
    order = np.random.default_rng(seed).permutation(poses.count)
    keypoints_2d, scores = detector.detected(
        Views(*(array[order] for array in views)),
        dataclasses.replace(data.detector, exact=0.0),
        _Drawn(seed),
    )
    back = np.argsort(order)
    return (
        np.asarray(keypoints_2d, np.float32)[back],
        np.asarray(scores)[back] >= SEEN_SCORE,
    )


def views_of(poses: Poses, cameras: Cameras) -> Views:
    """Returns poses, seen exactly, as what detectors are shown."""
    size = np.array([cameras.image_width, cameras.image_height], np.float32)
    focal, center = np.split(poses.intrinsics[:, None], 2, axis=-1)
    depth = poses.root_depth[:, None, None]
    hip = (poses.keypoints_2d[:, :1] - center) / focal * depth
    return Views(
        poses.keypoints_2d,
        poses.poses_3d + np.concatenate([hip, depth], axis=-1),
        np.tile(size / size.max(), (poses.count, 1, 1)),
        1.7 * focal[..., :1] / depth,
        focal[..., :1],
    )


class _Drawn:
    """A `randomness.Source` in NumPy."""

    def __init__(self, seed):
        self._random = np.random.default_rng(seed)

    def uniform(self, shape):
        return self._random.random(shape, np.float32)

    def normal(self, shape):
        return self._random.standard_normal(shape, np.float32)

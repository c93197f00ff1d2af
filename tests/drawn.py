"""People before drawn cameras, for tests of augmentation."""

import numpy as np

from ampose_tf.config.ranges import Viewpoints
from ampose_tf.data.augmentation import viewpoints
from ampose_tf.skeleton import H36M_17
from tests.people import STANDING

COUNT = 211
# Those with lines of sight that are level.
LEVEL = {"tilted": 0.0, "rolled": 0.0}


class Draws:
    """A source of random numbers for tests."""

    def __init__(self, seed=0):
        self._random = np.random.default_rng(seed)

    def uniform(self, shape):
        return self._random.uniform(size=shape).astype(np.float32)

    def normal(self, shape):
        return self._random.normal(size=shape).astype(np.float32)


class Constant:
    """A source of the same numbers again and again."""

    def __init__(self, uniform=0.5, normal=0.0):
        self._uniform, self._normal = uniform, normal

    def uniform(self, shape):
        return np.full(shape, self._uniform, np.float32)

    def normal(self, shape):
        return np.full(shape, self._normal, np.float32)


def turned(world, angle):
    """Turns (..., 3) about the vertical by angles (N,) in radians."""
    turn = np.zeros((len(angle), 3, 3))
    turn[:, 0, 0] = turn[:, 1, 1] = np.cos(angle)
    turn[:, 0, 1], turn[:, 1, 0] = np.sin(angle), -np.sin(angle)
    turn[:, 2, 2] = 1
    return world @ turn


def people(count=COUNT, seed=1):
    """People who stand somewhere and face any way."""
    random = np.random.default_rng(seed)
    angle = random.uniform(0, 2 * np.pi, count)
    place = random.uniform(-9, 9, (count, 1, 3)) * [1, 1, 0]
    return (turned(STANDING, -angle) + place).astype(np.float32)


def seen(ranges=None, seed=0, world=None):
    """Returns NumPy `Views` of people."""
    world = people() if world is None else world
    views = viewpoints.seen(world, ranges or Viewpoints(), Draws(seed))
    return viewpoints.Views(*map(np.asarray, views))


def before_camera(degrees, pose=STANDING):
    """Returns a person in a camera's frame, (17, 3) float32 metres.

    The camera is level, 3 m away and 1 m high.

    Args:
        degrees: 0: the person faces it, 90: their left is towards it.
        pose: (17, 3), at the origin, facing along x.
    """
    x, y, z = turned(pose, np.radians([-degrees]))[0].T
    return np.stack([y, 1 - z, 3 - x], axis=-1).astype(np.float32)


def views_of(joints):
    """Returns `Views` (B, 17, 3) of people in the camera's frame.

    Focal length 1, an image so large that all of them is in it.
    """
    one = np.ones((len(joints), 1, 1), np.float32)
    return viewpoints.Views(
        joints[..., :2] / joints[..., 2:],
        joints,
        one * np.float32([9, 9]),
        1.7 / joints[:, :1, 2:],
        one,
    )


def bone_lengths(joints):
    return np.stack(
        [
            np.linalg.norm(joints[:, child] - joints[:, parent], axis=-1)
            for parent, child in H36M_17.edges
        ],
        axis=1,
    )

"""Skeletons whose joints turn, and where that puts the joints.

What the readers of motion-capture files (`asf_amc`, `bvh`) have in common. The
frame is the files': y up, x to the person's left where they face along z.
"""

from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

# Rates that differ by less than this share are one: files round 120 frames
# per second to a frame time of .0083333, and 29.97 is meant as 30.
_SAME_RATE = 0.005


class Hierarchy(NamedTuple):
    """A tree of joints, parents before their children.

    Attributes:
        joints: Names. A bone that ends without a joint ends in
            "<joint> end", which never turns.
        parents: Index of each joint's parent, -1 of the root, the first.
        offsets: (J, 3) from the parent, in the parent's frame; the root's
            are of no account.
    """

    joints: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: np.ndarray


class JointMotion(NamedTuple):
    """What a skeleton does in T frames.

    Attributes:
        root: (T, 3) where the root is, in the unit of the offsets.
        rotations: Of each of the J joints against its parent, T each.
        fps: Frames per second.
        moved: (T, J, 3), added to the offsets; None where they stay.
    """

    root: np.ndarray
    rotations: tuple[Rotation, ...]
    fps: float
    moved: np.ndarray | None = None


def positions(skeleton: Hierarchy, motion: JointMotion) -> np.ndarray:
    """Returns where the joints are, (T, J, 3), in the unit of the offsets."""
    placed, turned = [motion.root], [motion.rotations[0]]
    for joint, parent in list(enumerate(skeleton.parents))[1:]:
        offset = skeleton.offsets[joint]
        if motion.moved is not None:
            offset = offset + motion.moved[:, joint]
        offset = turned[parent].apply(offset)
        placed.append(placed[parent] + offset)
        turned.append(turned[parent] * motion.rotations[joint])
    return np.stack(placed, axis=1)


def at_rest(skeleton: Hierarchy) -> np.ndarray:
    """Returns where the joints are when none turns, (J, 3)."""
    still = (Rotation.identity(1),) * len(skeleton.joints)
    return positions(skeleton, JointMotion(np.zeros((1, 3)), still, 1.0))[0]


def scaled(
    skeleton: Hierarchy, motion: JointMotion, unit: float
) -> tuple[Hierarchy, JointMotion]:
    """Returns both with lengths multiplied by `unit`."""
    return (
        skeleton._replace(offsets=skeleton.offsets * unit),
        motion._replace(
            root=motion.root * unit,
            moved=None if motion.moved is None else motion.moved * unit,
        ),
    )


def frames(motion: JointMotion, chosen: slice | np.ndarray) -> JointMotion:
    """Returns some of a motion's frames, at the same rate."""
    return motion._replace(
        root=motion.root[chosen],
        rotations=tuple(rotation[chosen] for rotation in motion.rotations),
        moved=None if motion.moved is None else motion.moved[chosen],
    )


def sampled(motion: JointMotion, fps: float) -> tuple[JointMotion, np.ndarray]:
    """Returns the motion at another rate, and where its frames come from.

    Where the rate divides the motion's own (to half a per cent), frames are
    picked. Elsewhere rotations are interpolated on the shortest arc and
    places along a line, so that bones keep their lengths.

    Returns:
        The motion, and (T,) positions among the old frames, fractions where
        frames are interpolated.
    """
    count = len(motion.root)
    step = motion.fps / fps
    picked = round(step)
    if picked and abs(step / picked - 1) < _SAME_RATE:
        chosen = np.arange(0, count, picked)
        thinned = frames(motion, chosen)._replace(fps=fps)
        return thinned, chosen.astype(np.float64)
    own = np.arange(count)
    # The last frame is met in spite of rounding.
    places = np.arange(int((count - 1) / step + 1e-9) + 1) * step
    places = np.minimum(places, count - 1)
    if count == 1:
        return motion._replace(fps=fps), places

    def between(values):
        rows = values.reshape(count, -1).T
        made = [np.interp(places, own, row) for row in rows]
        return np.stack(made, axis=1).reshape(-1, *values.shape[1:])

    turned = tuple(Slerp(own, r)(places) for r in motion.rotations)
    moved = None if motion.moved is None else between(motion.moved)
    return JointMotion(between(motion.root), turned, fps, moved), places

"""Forward kinematics of skeletons with rotating joints.

Shared by the readers of motion-capture files (`asf_amc`, `bvh`). The frame is
that of the files: y up, and x to the left of a person who faces along z.
"""

from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

# Rates that differ by less than this share count as equal: files round 120
# frames per second to a frame time of .0083333, and 29.97 stands for 30.
_SAME_RATE = 0.005


class Hierarchy(NamedTuple):
    """A tree of joints, parents before their children.

    Attributes:
        joints: Names of the joints. The end of a bone without a further joint
            is named "<joint> end", and does not rotate.
        parents: Index of each joint's parent; -1 for the root, which is first.
        offsets: (J, 3) from the parent, in the parent's frame; the root's
            offset is ignored.
    """

    joints: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: np.ndarray


class JointMotion(NamedTuple):
    """Motion of a skeleton in T frames.

    Attributes:
        root: (T, 3), position of the root, in the unit of the offsets.
        rotations: T rotations of each of the J joints relative to its parent.
        fps: Frames per second.
        moved: (T, J, 3), displacements added to the offsets; None for none.
    """

    root: np.ndarray
    rotations: tuple[Rotation, ...]
    fps: float
    moved: np.ndarray | None = None


def positions(skeleton: Hierarchy, motion: JointMotion) -> np.ndarray:
    """Returns the joints' positions (T, J, 3), in the unit of the offsets."""
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
    """Returns the joints' positions without rotations, (J, 3)."""
    still = (Rotation.identity(1),) * len(skeleton.joints)
    return positions(skeleton, JointMotion(np.zeros((1, 3)), still, 1.0))[0]


def scaled(
    skeleton: Hierarchy, motion: JointMotion, unit: float
) -> tuple[Hierarchy, JointMotion]:
    """Returns skeleton and motion with lengths multiplied by `unit`."""
    return (
        skeleton._replace(offsets=skeleton.offsets * unit),
        motion._replace(
            root=motion.root * unit,
            moved=None if motion.moved is None else motion.moved * unit,
        ),
    )


def frames(motion: JointMotion, chosen: slice | np.ndarray) -> JointMotion:
    """Returns some of a motion's frames, with the same rate."""
    return motion._replace(
        root=motion.root[chosen],
        rotations=tuple(rotation[chosen] for rotation in motion.rotations),
        moved=None if motion.moved is None else motion.moved[chosen],
    )


def sampled(motion: JointMotion, fps: float) -> tuple[JointMotion, np.ndarray]:
    """Returns the motion at another rate, and the sources of its frames.

    If the rate divides the motion's own (within half a per cent), frames are
    selected. Otherwise rotations are interpolated on the shortest arc and
    positions linearly, so that bones keep their lengths.

    Returns:
        The motion, and (T,) indices of its frames among the old ones,
        fractional for interpolated frames.
    """
    count = len(motion.root)
    step = motion.fps / fps
    picked = round(step)
    if picked and abs(step / picked - 1) < _SAME_RATE:
        chosen = np.arange(0, count, picked)
        thinned = frames(motion, chosen)._replace(fps=fps)
        return thinned, chosen.astype(np.float64)
    own = np.arange(count)
    # Rounding must not lose the last frame.
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

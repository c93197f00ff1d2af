"""Fits a skeleton with rotating joints to positions, for animation in BVH.

The rotation of a joint rigidly moves all its descendants. Positions leave two
questions open, which this module decides:

* Bones that meet in a joint do not move as one rigid piece. Therefore the
  lower spine and the collar bones have additional nodes (`LowerBack`,
  `LClavicle`, `RClavicle`), as in the CMU database's BVH files. The two hips
  do form one rigid piece, the pelvis.
* Positions do not determine the rotation of a bone about its long axis. The
  pelvis follows the line between the hips, and the upper spine that between
  the shoulders; every other bone is turned from rest to its direction by the
  smallest rotation in its parent's frame.
"""

from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from ampose_tf.lifting.motion import ANKLE_HEIGHT_M
from ampose_tf.lifting.vectors import dot, unit
from ampose_tf.skeleton import Skeleton

# The parent of each node, one branch after another.
_PARENTS = {
    "Hip": "",
    **{"RHip": "Hip", "RKnee": "RHip", "RFoot": "RKnee"},
    **{"LHip": "Hip", "LKnee": "LHip", "LFoot": "LKnee"},
    **{"LowerBack": "Hip", "Spine": "LowerBack", "Thorax": "Spine"},
    **{"Neck/Nose": "Thorax", "Head": "Neck/Nose"},
    **{"LClavicle": "Spine", "LShoulder": "LClavicle"},
    **{"LElbow": "LShoulder", "LWrist": "LElbow"},
    **{"RClavicle": "Spine", "RShoulder": "RClavicle"},
    **{"RElbow": "RShoulder", "RWrist": "RElbow"},
}
# The joints at the positions of the additional nodes.
_LIES_AT = {"LowerBack": "Hip", "LClavicle": "Thorax", "RClavicle": "Thorax"}

# At rest a person stands with arms spread (T-pose): x to the person's left,
# y upwards, z to the front. The direction to each joint from its parent:
_LEFT, _UP, _FRONT = np.eye(3)
_AT_REST = {
    **dict.fromkeys(("LHip", "LShoulder", "LElbow", "LWrist"), _LEFT),
    **dict.fromkeys(("RHip", "RShoulder", "RElbow", "RWrist"), -_LEFT),
    **dict.fromkeys(("Hip", "Spine", "Thorax", "Neck/Nose", "Head"), _UP),
    **dict.fromkeys(("LKnee", "LFoot", "RKnee", "RFoot"), -_UP),
}
# Ends of hands, feet and skull, for which there are no joints; metres.
_ENDS = {
    "Head": 0.05 * _UP,
    "LWrist": 0.1 * _LEFT,
    "RWrist": -0.1 * _LEFT,
    "LFoot": 0.15 * _FRONT - ANKLE_HEIGHT_M * _UP,
    "RFoot": 0.15 * _FRONT - ANKLE_HEIGHT_M * _UP,
}

# Directions within 3 degrees of one line do not span a plane.
_LEAST_SINE = 0.05


class Node(NamedTuple):
    """A joint of the rig.

    Attributes:
        name: Name of the skeleton's joint, or of an additional node.
        parent: Index of the parent node; -1 for the first node.
        offset: (3,) metres from the parent, at rest.
        end: (3,) metres from the node to the end of its branch's last bone, at
            rest; None if the node has children.
    """

    name: str
    parent: int
    offset: np.ndarray
    end: np.ndarray | None


class Animation(NamedTuple):
    """A rig of M nodes in F frames.

    Attributes:
        nodes: Parents before children, one branch after another.
        root: (F, 3) metres, position of the first node.
        rotations: (F, M, 3, 3), rotation of each node relative to its parent;
            the identity at rest.
    """

    nodes: tuple[Node, ...]
    root: np.ndarray
    rotations: np.ndarray


def fit(positions: np.ndarray, skeleton: Skeleton) -> Animation:
    """Fits a rig with bones of median length to positions.

    If bones have constant lengths and the hip is on the line between the two
    hips, the rig reproduces positions exactly; otherwise it reproduces the
    directions of bones.

    Args:
        positions: (F, J, 3) metres; y upwards, right-handed.
        skeleton: Skeleton of the J joints: Human3.6M's 17 or 16.

    Returns:
        The rig and its rotations in F frames.
    """
    positions = np.asarray(positions, np.float64)
    at = dict(zip(skeleton.joints, np.moveaxis(positions, 1, 0), strict=True))
    hips = at["LHip"] - at["RHip"]
    shoulders = at["LShoulder"] - at["RShoulder"]
    names = [name for name in _PARENTS if _LIES_AT.get(name, name) in at]
    nodes, turns = [], []
    rotations = np.empty((len(positions), len(names), 3, 3))
    for index, name in enumerate(names):
        parent = _parent(name, names)
        place = _LIES_AT.get(name, name)
        offset, before = np.zeros(3), np.eye(3)
        if parent:
            way = at[place] - at[_LIES_AT.get(parent, parent)]
            length = np.median(np.linalg.norm(way, axis=-1))
            offset = length * _AT_REST[place]
            before = turns[names.index(parent)]
        turn = np.broadcast_to(before, (len(positions), 3, 3))
        children = [n for n in names if _parent(n, names) == name]
        if name == "Hip":
            spine = at["Spine"] - at["Hip"]
            turn = _turned(turn, (_LEFT, hips), (_UP, spine))
        elif name == "Spine":
            bone = at["Thorax"] - at["Spine"]
            turn = _turned(turn, (_UP, bone), (_LEFT, shoulders))
        elif children:
            bone = at[children[0]] - at[place]
            turn = _swung(turn, _AT_REST[children[0]], bone)
        nodes.append(
            Node(
                name,
                names.index(parent) if parent else -1,
                offset,
                _ENDS.get(name),
            )
        )
        turns.append(turn)
        rotations[:, index] = np.swapaxes(before, -1, -2) @ turn
    return Animation(tuple(nodes), positions[:, 0], rotations)


def _parent(name, names):
    """Returns the nearest ancestor of a node that is among the names."""
    parent = _PARENTS[name]
    while parent and parent not in names:
        parent = _PARENTS[parent]
    return parent


def _swung(before, rest, direction):
    """Returns the rotation nearest to `before` that aligns a bone.

    A bone of length 0 has no direction and keeps the parent's rotation.

    Args:
        before: (F, 3, 3), the parent's rotation.
        rest: (3,), direction of the bone at rest.
        direction: (F, 3), direction of the bone.
    """
    aim = unit(np.einsum("fji,fj->fi", before, direction))  # Parent's frame.
    across, along = np.cross(rest, aim), dot(rest, aim)
    # This is the quaternion (axis sin a/2, cos a/2), up to its length. For
    # opposite directions any perpendicular axis will do.
    any_axis = np.roll(rest, 1)
    opposite = along[:, None] < -1 + 1e-9
    quaternion = np.concatenate([across, 1 + along[:, None]], axis=1)
    quaternion = np.where(opposite, np.append(any_axis, 0), quaternion)
    swing = Rotation.from_quat(quaternion).as_matrix()
    return before @ swing


def _turned(before, exact, nearly):
    """Returns the rotation that aligns one direction, and another nearly.

    If the two directions are on one line, the result is that of `_swung`.

    Args:
        before: (F, 3, 3), the parent's rotation.
        exact: The first direction, at rest (3,) and in the frames (F, 3).
        nearly: The second direction, likewise.
    """
    swung = _swung(before, *exact)
    turn = _axes(exact[1], nearly[1]) @ _axes(exact[0], nearly[0]).T
    sine = np.linalg.norm(np.cross(unit(exact[1]), unit(nearly[1])), axis=-1)
    return np.where((sine > _LEAST_SINE)[:, None, None], turn, swung)


def _axes(first, second):
    """Returns orthogonal axes as columns (..., 3, 3).

    The first is parallel to the first direction, the second perpendicular to
    both directions, and the third to the other two axes.
    """
    one = unit(first)
    two = unit(np.cross(first, second))
    return np.stack([one, two, np.cross(one, two)], axis=-1)

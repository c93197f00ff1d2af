"""A skeleton with rotating joints, fitted to positions: what BVH animates.

A joint's rotation turns everything that hangs on it, as one piece. Positions
leave two things open, which are settled here:

* Where several bones meet, they do not move as one piece. So the lower spine
  and the collar bones get nodes of their own (`LowerBack`, `LClavicle`,
  `RClavicle`), as in the CMU database's BVH files. The two hips do stay one
  piece, the pelvis.
* Positions do not show how a bone turns about itself. The pelvis follows the
  line of the hips, and the upper spine that of the shoulders; every other
  bone swings from its place at rest to where it points by the smallest
  rotation, in its parent's frame.
"""

from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from ampose_tf.lifting.motion import ANKLE_HEIGHT_M
from ampose_tf.lifting.vectors import dot, unit
from ampose_tf.skeleton import Skeleton

# Of each node, what it hangs on; a branch after the other.
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
# The joints at which the additional nodes lie.
_LIES_AT = {"LowerBack": "Hip", "LClavicle": "Thorax", "RClavicle": "Thorax"}

# At rest a person stands with arms spread (T-pose): x to the person's left,
# y upwards, z to the front. The way to each joint from the one before:
_LEFT, _UP, _FRONT = np.eye(3)
_AT_REST = {
    **dict.fromkeys(("LHip", "LShoulder", "LElbow", "LWrist"), _LEFT),
    **dict.fromkeys(("RHip", "RShoulder", "RElbow", "RWrist"), -_LEFT),
    **dict.fromkeys(("Hip", "Spine", "Thorax", "Neck/Nose", "Head"), _UP),
    **dict.fromkeys(("LKnee", "LFoot", "RKnee", "RFoot"), -_UP),
}
# Where hands, feet and skull end, which no joint shows; metres.
_ENDS = {
    "Head": 0.05 * _UP,
    "LWrist": 0.1 * _LEFT,
    "RWrist": -0.1 * _LEFT,
    "LFoot": 0.15 * _FRONT - ANKLE_HEIGHT_M * _UP,
    "RFoot": 0.15 * _FRONT - ANKLE_HEIGHT_M * _UP,
}

# Two directions closer to one line than this, 3 degrees, span no plane.
_LEAST_SINE = 0.05


class Node(NamedTuple):
    """A joint of the rig.

    Attributes:
        name: Of the skeleton's joint, or of an additional node.
        parent: Index among the nodes; -1 for the first.
        offset: (3,) metres from the parent, at rest.
        end: (3,) metres, where the last bone of a branch ends at rest; None
            where the branch goes on.
    """

    name: str
    parent: int
    offset: np.ndarray
    end: np.ndarray | None


class Animation(NamedTuple):
    """A rig of M nodes in F frames.

    Attributes:
        nodes: Parents before children, one branch after the other.
        root: (F, 3) metres, where the first node is.
        rotations: (F, M, 3, 3), of each node against its parent; at rest
            the identity.
    """

    nodes: tuple[Node, ...]
    root: np.ndarray
    rotations: np.ndarray


def fit(positions: np.ndarray, skeleton: Skeleton) -> Animation:
    """Returns the rig, its bones of median length, turned as positions say.

    Joints come back exactly where bones keep their lengths and the hip is on
    the line between the hips; otherwise bones keep their directions.

    Args:
        positions: (F, J, 3) metres; y upwards, right-handed.
        skeleton: Of the J joints: Human3.6M's 17 or 16.
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
    """Returns the node that one hangs on, of those that there are."""
    parent = _PARENTS[name]
    while parent and parent not in names:
        parent = _PARENTS[parent]
    return parent


def _swung(before, rest, direction):
    """Returns the smallest turn from `before` that points a bone somewhere.

    A bone of no length points nowhere and stays as it is.

    Args:
        before: (F, 3, 3) the parent's turn.
        rest: (3,) where the bone points at rest.
        direction: (F, 3) where it points.
    """
    aim = unit(np.einsum("fji,fj->fi", before, direction))  # Parent's frame.
    across, along = np.cross(rest, aim), dot(rest, aim)
    # The quaternion (axis sin a/2, cos a/2) is this one, of length 1. For
    # opposite directions any axis across will do.
    any_axis = np.roll(rest, 1)
    opposite = along[:, None] < -1 + 1e-9
    quaternion = np.concatenate([across, 1 + along[:, None]], axis=1)
    quaternion = np.where(opposite, np.append(any_axis, 0), quaternion)
    swing = Rotation.from_quat(quaternion).as_matrix()
    return before @ swing


def _turned(before, exact, nearly):
    """Returns the turn that aligns one direction, and another nearly.

    Args:
        before: (F, 3, 3) the parent's turn, from which the bone swings where
            the two directions are one line.
        exact: Where it points at rest (3,), and in the frames (F, 3).
        nearly: The same of the second direction.
    """
    swung = _swung(before, *exact)
    turn = _axes(exact[1], nearly[1]) @ _axes(exact[0], nearly[0]).T
    sine = np.linalg.norm(np.cross(unit(exact[1]), unit(nearly[1])), axis=-1)
    return np.where((sine > _LEAST_SINE)[:, None, None], turn, swung)


def _axes(first, second):
    """Returns orthogonal axes (..., 3, 3) in columns: one along the first
    direction, one across both, one across these two."""
    one = unit(first)
    two = unit(np.cross(first, second))
    return np.stack([one, two, np.cross(one, two)], axis=-1)

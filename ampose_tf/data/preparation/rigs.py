"""Finds Human3.6M's joints on the skeletons of motion-capture files.

| Human3.6M | CMU's .asf      | cgspeed's .bvh | Daz figure     |
|-----------|-----------------|----------------|----------------|
| Hip       | lfemur, rfemur  | both UpLegs    | lThigh, rThigh |
| LHip      | lfemur          | LeftUpLeg      | lThigh         |
| LKnee     | ltibia          | LeftLeg        | lShin          |
| LFoot     | lfoot           | LeftFoot       | lFoot          |
| Spine     | upperback       | Spine          | abdomen        |
| Thorax    | lowerneck       | Neck           | chest          |
| Neck/Nose | upperneck, head | Neck1, Head    | head           |
| Head      | end of head     | end of Head    | end of head    |
| LShoulder | lhumerus        | LeftArm        | lShldr         |
| LElbow    | lradius         | LeftForeArm    | lForeArm       |
| LWrist    | lhand           | LeftFingerBase | lHand          |

A name in the table stands for the start of the bone, and two names for the
midpoint. Names on the right side are analogous. Case is ignored, and so is a
prefix that ends in a colon ("mixamorig:Hips"). BVH files with CMU's own names
are treated like cgspeed's.

Limbs have constant lengths. Distances from midpoints of moving joints do not:
hip to spine, and neck to thorax and head, vary by up to 1.6 cm in CMU's data.

CMU's forearm consists of two bones, lradius and lwrist; the wrist is at the
end of the second.

cgspeed's files were created with amc2bvh, which omits bones with several
children: CMU's thorax (12 cm) and lwrist (10 cm) are missing, and their
descendants are too near. `recognise` restores these bones. The lwrist has half
the length of the lradius, as in CMU's skeletons. The thorax continues the
curve of the spine: it is the bone below, plus half of the difference between
that bone and the one below it. Compared with motion of two subjects from their
ASF files, legs agree up to rounding, wrists exactly, and the thorax with its
descendants within 2 mm.

The joints of a Daz figure are placed for its surface: its elbows are bent at
rest, and its lengths are not a person's. cgspeed's conversion matched the
figure at rest to CMU's skeleton in a T-pose. Therefore each part keeps its
rotations, and its bone is replaced by that of CMU's median person in this
pose, with arms 8 degrees down, in proportion to the figure's legs. Compared
with the same recording in ASF/AMC (two frames of one), directions differ by 1
to 5 degrees in the limbs, 2 to 7 in trunk and neck, and 11 at the shoulders.
"""

from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from ampose_tf.data.preparation import kinematics
from ampose_tf.data.preparation.kinematics import Hierarchy, JointMotion
from ampose_tf.skeleton import H36M_17

# CMU's unit of length: files hold inches times 0.45.
CMU_UNIT_M = 0.0254 / 0.45
# Units of BVH files. They differ by factors of at least 2.2, which is more
# than the sizes of adults differ.
_UNITS_M = (1.0, CMU_UNIT_M, 0.0254, 0.01, 0.001)
_LEG_M = 0.82  # Thigh and shank: the median of CMU's subjects.
_LEGS_M = (0.55, 1.2)

_SIDES = ("l", "r")
_CMU = {
    "Hip": ("lfemur", "rfemur"),
    "Spine": ("upperback",),
    "Thorax": ("lowerneck",),
    "Neck/Nose": ("upperneck", "head"),
    "Head": ("head end",),
} | {
    f"{side.upper()}{joint}": (f"{side}{bone}",)
    for side in _SIDES
    for joint, bone in (
        ("Hip", "femur"),
        ("Knee", "tibia"),
        ("Foot", "foot"),
        ("Shoulder", "humerus"),
        ("Elbow", "radius"),
        ("Wrist", "hand"),
    )
}
_DAZ = {
    "Hip": ("lthigh", "rthigh"),
    "Spine": ("abdomen",),
    "Thorax": ("chest",),
    "Neck/Nose": ("head",),
    "Head": ("head end",),
} | {
    f"{side.upper()}{joint}": (f"{side}{bone}",)
    for side in _SIDES
    for joint, bone in (
        ("Hip", "thigh"),
        ("Knee", "shin"),
        ("Foot", "foot"),
        ("Shoulder", "shldr"),
        ("Elbow", "forearm"),
        ("Wrist", "hand"),
    )
}
# CMU's median person in cgspeed's T-pose, on the parts of a Daz figure: part,
# parent, metres with x outwards. The abdomen is relative to the midpoint of
# the hips.
_DAZ_BONES = (
    ("abdomen", "hip", (0.0, 0.214, -0.058)),
    ("chest", "abdomen", (0.0, 0.238, 0.0)),
    ("neck", "chest", (0.0, 0.0, 0.0)),
    ("head", "neck", (0.0, 0.142, -0.019)),
    ("head end", "head", (0.0, 0.142, 0.0)),
) + tuple(
    (part.format(side), parent.format(side), (sign * x, y, z))
    for side, sign in (("l", 1), ("r", -1))
    for part, parent, (x, y, z) in (
        ("{}collar", "chest", (0.0, 0.0, 0.0)),
        ("{}shldr", "{}collar", (0.187, 0.059, -0.010)),
        ("{}forearm", "{}shldr", (0.292, -0.041, 0.0)),
        ("{}hand", "{}forearm", (0.296, -0.042, 0.0)),
        ("{}shin", "{}thigh", (0.0, -0.400, 0.0)),
        ("{}foot", "{}shin", (0.0, -0.437, 0.0)),
    )
)
_DAZ_LEG_M = 0.837

# CMU's names and cgspeed's, as in the README of cgspeed's MotionBuilder
# release.
_CGSPEED = {
    "upperback": "Spine",
    "thorax": "Spine1",
    "lowerneck": "Neck",
    "upperneck": "Neck1",
    "head": "Head",
    "head end": "Head end",
} | {
    f"{side}{ours}": f"{long}{theirs}"
    for side, long in (("l", "Left"), ("r", "Right"))
    for ours, theirs in (
        ("femur", "UpLeg"),
        ("tibia", "Leg"),
        ("foot", "Foot"),
        ("clavicle", "Shoulder"),
        ("humerus", "Arm"),
        ("radius", "ForeArm"),
        ("wrist", "Hand"),
        ("hand", "FingerBase"),
    )
}
_TO_CMU = {theirs.lower(): ours for ours, theirs in _CGSPEED.items()}
# Required joints besides those in the table.
_CMU_BESIDES = {"thorax", "lclavicle", "rclavicle", "lwrist", "rwrist"}
_DAZ_BESIDES = {"hip", "neck", "lcollar", "rcollar"}

# T-poses in files are created by hand, with arms slightly down; degrees.
_T_POSE_DEG = 25.0


class Rig(NamedTuple):
    """A skeleton with known joints.

    Attributes:
        skeleton: Skeleton with missing bones restored; a Daz figure has the
            bones of a person.
        sources: For each of Human3.6M's 17 joints, the joints whose mean it
            is.
    """

    skeleton: Hierarchy
    sources: tuple[tuple[int, ...], ...]


def recognise(skeleton: Hierarchy, where: str) -> Rig:
    """Finds Human3.6M's joints on a skeleton.

    Args:
        skeleton: Skeleton as read from a file.
        where: Path of the file, for messages.

    Raises:
        ValueError: If joints are missing, or the skeleton at rest is not
            upright along y. The message contains missing joints.
    """
    found = tuple(name.lower().split(":")[-1] for name in skeleton.joints)
    # Files of Daz figures do not contain the top of the head.
    headed = found if "head end" in found else (*found, "head end")
    families = (
        (_CMU, _CMU_BESIDES, tuple(_TO_CMU.get(name, name) for name in found)),
        (_DAZ, _DAZ_BESIDES, headed),
    )
    missing = [
        sorted(besides.union(*table.values()) - set(names))
        for table, besides, names in families
    ]
    nearest = min((0, 1), key=lambda i: len(missing[i]))
    table, _, names = families[nearest]
    if missing[nearest]:
        lacking = [
            f"{name} ({_CGSPEED[name]})" if table is _CMU else name
            for name in missing[nearest]
        ]
        raise ValueError(
            f"{where}: expected the joints of CMU's skeletons (cgspeed's "
            f"names in brackets) or of Daz', missing {_some(lacking)}; "
            f"found {_some(skeleton.joints)}"
        )
    if table is _CMU:
        offsets = _with_lost_bones(skeleton.offsets, names)
        skeleton = skeleton._replace(offsets=offsets)
    else:
        skeleton = _with_cmu_bones(skeleton, names, where)
    sources = tuple(
        tuple(names.index(name) for name in table[joint])
        for joint in H36M_17.joints
    )
    rig = Rig(skeleton, sources)
    rest = _halfway(kinematics.at_rest(skeleton), sources)
    upward = rest[H36M_17.joints.index("Head")] - rest[0]
    if upward[1] < 0.7 * np.linalg.norm(upward):
        raise ValueError(
            f"{where}: expected a skeleton that is upright along y at rest, "
            f"got the head at {np.round(upward, 3).tolist()} from the hips"
        )
    return rig


def _some(names):
    """Returns the first four names, to keep messages short."""
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    shown = [name if name.isprintable() else repr(name) for name in names[:4]]
    return ", ".join(name[:30] for name in shown) + more


def joints(rig: Rig, motion: JointMotion) -> np.ndarray:
    """Returns Human3.6M's joints, (T, 17, 3), z up.

    The conversion from y up to z up is (x, y, z) -> (x, -z, y). This is a
    rotation about the origin, so left stays left.
    """
    # The top of a Daz figure's head is not in the file, and does not rotate.
    added = len(rig.skeleton.joints) - len(motion.rotations)
    still = (Rotation.identity(len(motion.root)),) * added
    motion = motion._replace(rotations=motion.rotations + still)
    if motion.moved is not None:
        moved = np.pad(motion.moved, ((0, 0), (0, added), (0, 0)))
        motion = motion._replace(moved=moved)
    places = kinematics.positions(rig.skeleton, motion)
    x, y, z = np.moveaxis(_halfway(places, rig.sources), -1, 0)
    return np.stack([x, -z, y], axis=-1)


def leg_length(rig: Rig) -> float:
    """Returns the length of thigh plus shank, in the unit of the offsets."""
    knee, foot = (
        rig.sources[H36M_17.joints.index(name)][0]
        for name in ("LKnee", "LFoot")
    )
    return sum(np.linalg.norm(rig.skeleton.offsets[[knee, foot]], axis=1))


def guess_unit(rig: Rig, where: str) -> float:
    """Guesses the unit of length from the legs, and returns it in metres.

    Among metres, CMU's unit, inches, centimetres and millimetres, this is the
    unit in which the ratio of thigh plus shank to 0.82 m is closest to 1.

    Raises:
        ValueError: If thigh plus shank are not between 0.55 and 1.2 m in any
            of these units.
    """
    leg = leg_length(rig)
    if leg > 0:
        unit = min(_UNITS_M, key=lambda u: abs(np.log(leg * u / _LEG_M)))
        if _LEGS_M[0] <= leg * unit <= _LEGS_M[1]:
            return unit
    raise ValueError(
        f"{where}: thigh and shank are {leg:.4g} long together, which is not "
        "human in metres, CMU's unit, inches, centimetres or millimetres; set "
        "the unit"
    )


def is_t_pose(frame: np.ndarray) -> bool:
    """Returns whether arms point sideways, legs down and the trunk up.

    The tolerance is 25 degrees, because T-poses in files are created by hand.

    Args:
        frame: (17, 3), z up.
    """
    at = dict(zip(H36M_17.joints, frame, strict=True))
    up = np.array([0.0, 0.0, 1.0])
    left = at["LShoulder"] - at["RShoulder"]
    directions = [
        (at["Thorax"] - at["Hip"], up),
        (at["LElbow"] - at["LShoulder"], left),
        (at["LWrist"] - at["LElbow"], left),
        (at["RElbow"] - at["RShoulder"], -left),
        (at["RWrist"] - at["RElbow"], -left),
        (at["LKnee"] - at["LHip"], -up),
        (at["LFoot"] - at["LKnee"], -up),
        (at["RKnee"] - at["RHip"], -up),
        (at["RFoot"] - at["RKnee"], -up),
    ]
    cosines = [
        bone @ wanted / np.linalg.norm(bone) / np.linalg.norm(wanted)
        for bone, wanted in directions
    ]
    return bool(min(cosines) > np.cos(np.radians(_T_POSE_DEG)))


def _halfway(places, sources):
    return np.stack(
        [places[..., list(own), :].mean(axis=-2) for own in sources], axis=-2
    )


def _with_lost_bones(offsets, names):
    """Returns offsets with the bones that amc2bvh omits; see the module."""
    offsets = offsets.copy()
    at = names.index
    chest = [at(name) for name in ("lowerneck", "lclavicle", "rclavicle")]
    if not offsets[chest].any():
        below, above = offsets[at("upperback")], offsets[at("thorax")]
        offsets[chest] = above + (above - below) / 2
    for side in _SIDES:
        hand = at(f"{side}hand")
        if not offsets[hand].any():
            offsets[hand] = offsets[at(f"{side}wrist")] / 2
    return offsets


def _with_cmu_bones(skeleton, names, where):
    """Returns a Daz figure with CMU's bones; see the module."""
    at = names.index
    parents, offsets = list(skeleton.parents), skeleton.offsets
    joints = skeleton.joints
    if len(names) > len(joints):
        joints = (*joints, "head end")
        parents.append(at("head"))
        offsets = np.append(offsets, np.zeros((1, 3)), axis=0)
    leg = np.linalg.norm(offsets[[at("lshin"), at("lfoot")]], axis=1).sum()
    rest = kinematics.at_rest(skeleton)
    hips = (rest[at("lthigh")] + rest[at("rthigh")]) / 2 - rest[at("hip")]
    offsets = offsets.copy()
    for part, parent, vector in _DAZ_BONES:
        if names[parents[at(part)]] != parent:
            raise ValueError(
                f"{where}: expected {parent} as the parent of {part}, got "
                f"{joints[parents[at(part)]]}"
            )
        offsets[at(part)] = np.array(vector) * leg / _DAZ_LEG_M
    offsets[at("abdomen")] += hips
    return Hierarchy(joints, tuple(parents), offsets)

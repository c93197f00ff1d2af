"""Recordings for tests: a skeleton like CMU's, its files, slow kinematics.

Nothing here shares code with the readers: rotations are written out.
"""

import numpy as np
from scipy.spatial.transform import Rotation

# Metres per unit of CMU's files.
UNIT_M = 0.0254 / 0.45

_ANY = "rx ry rz"
_LEG = (
    # Bone, what it hangs on, vector, axis in degrees, dof.
    ("hipjoint", "root", (1.6, -1.7, 0.6), (0, 0, 0), ""),
    ("femur", "hipjoint", (2.5, -6.8, 0.0), (0, 0, 20), _ANY),
    ("tibia", "femur", (2.6, -7.2, 0.0), (0, 0, 20), "rx"),
    ("foot", "tibia", (0.2, -0.5, 2.3), (90, 0, 20), "rx rz"),
    ("toes", "foot", (0.0, 0.0, 1.1), (90, 0, 20), "rx"),
)
_ARM = (
    ("clavicle", "thorax", (3.4, 1.1, -0.4), (0, 0, 0), "ry rz"),
    ("humerus", "clavicle", (5.1, 0.0, 0.0), (180, 30, 90), _ANY),
    ("radius", "humerus", (3.6, 0.0, 0.0), (180, 30, 90), "rx"),
    # Half of the radius, as in all of CMU's skeletons.
    ("wrist", "radius", (1.8, 0.0, 0.0), (180, 30, 90), "ry"),
    ("hand", "wrist", (0.7, 0.0, 0.0), (180, 30, 90), "rx rz"),
    ("fingers", "hand", (0.6, 0.0, 0.0), (180, 30, 90), "rx"),
    ("thumb", "wrist", (0.6, 0.0, 0.6), (90, 45, 0), "rx rz"),
)
_TRUNK = (
    ("lowerback", "root", (0.02, 2.0, -0.2), (0, 0, 0), _ANY),
    ("upperback", "lowerback", (0.04, 2.1, -0.04), (0, 0, 0), _ANY),
    # As the curve of the two below goes on.
    ("thorax", "upperback", (0.05, 2.15, 0.04), (0, 0, 0), _ANY),
    ("lowerneck", "thorax", (-0.05, 1.7, 0.2), (0, 0, 0), _ANY),
    ("upperneck", "lowerneck", (0.1, 1.8, -0.1), (0, 0, 0), _ANY),
    ("head", "upperneck", (0.04, 1.8, -0.06), (0, 0, 0), _ANY),
)


def _side(bones, side):
    """Names and mirrors the bones of a side, the right one a bit longer."""
    left = side == "l"
    for bone, parent, (x, y, z), (a, b, c), dof in bones:
        yield (
            f"{side}{bone}",
            parent if parent in ("root", "thorax") else f"{side}{parent}",
            (x, y, z) if left else (-1.02 * x, 1.02 * y, 1.02 * z),
            (a, b, c) if left else (a, -b, -c),
            dof,
        )


BONES = (
    *_side(_LEG, "l"),
    *_side(_LEG, "r"),
    *_TRUNK,
    *_side(_ARM, "l"),
    *_side(_ARM, "r"),
)
DOF = {bone: dof.split() for bone, _, _, _, dof in BONES}
_AXES = {bone: axis for bone, _, _, axis, _ in BONES}

CGSPEED = {
    "root": "Hips",
    **{"lowerback": "LowerBack", "upperback": "Spine", "thorax": "Spine1"},
    **{"lowerneck": "Neck", "upperneck": "Neck1", "head": "Head"},
}
for _s, _long in (("l", "Left"), ("r", "Right")):
    CGSPEED |= {
        f"{_s}hipjoint": f"{_s.upper()}HipJoint",
        **{f"{_s}femur": f"{_long}UpLeg", f"{_s}tibia": f"{_long}Leg"},
        **{f"{_s}foot": f"{_long}Foot", f"{_s}toes": f"{_long}ToeBase"},
        **{f"{_s}clavicle": f"{_long}Shoulder", f"{_s}humerus": f"{_long}Arm"},
        **{f"{_s}radius": f"{_long}ForeArm", f"{_s}wrist": f"{_long}Hand"},
        f"{_s}hand": f"{_long}FingerBase",
        f"{_s}fingers": f"{_long}HandIndex1",
        f"{_s}thumb": f"{_s.upper()}Thumb",
    }


def turn(axis, degrees):
    """Returns the matrix that turns about "x", "y" or "z"."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return {
        "x": np.array([[1, 0, 0], [0, c, -s], [0, s, c]]),
        "y": np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]),
        "z": np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]),
    }[axis]


def fixed(axes, degrees):
    """Returns the turn about fixed axes, one after the other."""
    matrix = np.eye(3)
    for axis, angle in zip(axes, degrees, strict=True):
        matrix = turn(axis, angle) @ matrix
    return matrix


def moving(frames, seed=0, fps=120):
    """Returns someone who walks on the spot, waves and looks about.

    {bone: (T, dofs) degrees}, of the root (T, 6): TX TY TZ RX RY RZ, in
    CMU's unit and y up.
    """
    random = np.random.default_rng(seed)
    time = np.arange(frames)[:, None] / fps

    def swing(size, count):
        phase = random.uniform(0, 2 * np.pi, count)
        return size * np.sin(2 * np.pi * random.uniform(0.3, 1) * time + phase)

    motion = {bone: swing(25, len(dof)) for bone, dof in DOF.items() if dof}
    for side in "lr":
        motion[f"{side}tibia"] = 40 + motion[f"{side}tibia"]
    place = [2, 17.6, -7] + swing(1, 3)
    motion["root"] = np.hstack([place, swing(30, 3)])
    return motion


def local_turn(bone, motion, frame):
    """Returns a bone's turn against its parent at a frame: C M inv(C)."""
    if bone == "root":
        return fixed("xyz", motion["root"][frame, 3:])
    if not DOF[bone]:
        return np.eye(3)
    own = fixed([dof[1] for dof in DOF[bone]], motion[bone][frame])
    axes = fixed("xyz", _AXES[bone])
    return axes @ own @ axes.T


def slow_joints(motion):
    """Returns Human3.6M's joints of `moving`, (T, 17, 3) metres, z up."""
    result = []
    for frame in range(len(motion["root"])):
        ends, turns = {"root": motion["root"][frame, :3]}, {}
        turns["root"] = local_turn("root", motion, frame)
        for bone, parent, vector, _, _ in BONES:
            turns[bone] = turns[parent] @ local_turn(bone, motion, frame)
            ends[bone] = ends[parent] + turns[bone] @ np.array(vector)
        legs = [
            [ends[f"{s}hipjoint"], ends[f"{s}femur"], ends[f"{s}tibia"]]
            for s in "rl"
        ]
        arms = [
            [ends[f"{s}clavicle"], ends[f"{s}humerus"], ends[f"{s}wrist"]]
            for s in "lr"
        ]
        joints = [
            (legs[0][0] + legs[1][0]) / 2,
            *legs[0],
            *legs[1],
            ends["lowerback"],
            ends["thorax"],
            (ends["lowerneck"] + ends["upperneck"]) / 2,
            ends["head"],
            *arms[0],
            *arms[1],
        ]
        result.append([[x, -z, y] for x, y, z in joints])
    return np.array(result) * UNIT_M


def asf_text():
    """Returns the skeleton's file."""
    lines = [
        "# AST/ASF file",
        ":version 1.10",
        ":name VICON",
        ":units",
        "  mass 1.0",
        "  length 0.45",
        "  angle deg",
        ":documentation",
        "   made for a test",
        ":root",
        "   order TX TY TZ RX RY RZ",
        "   axis XYZ",
        "   position 0 0 0  ",
        "   orientation 0 0 0 ",
        ":bonedata",
    ]
    for number, (bone, _, vector, axis, dof) in enumerate(BONES, 1):
        length = np.linalg.norm(vector)
        direction = " ".join(f"{x:.9f}" for x in np.array(vector) / length)
        lines += [
            "  begin",
            f"     id {number} ",
            f"     name {bone}",
            f"     direction {direction} ",
            f"     length {length:.9f} ",
            f"     axis {axis[0]} {axis[1]} {axis[2]}  XYZ",
        ]
        if dof:
            lines.append(f"    dof {dof}")
            limits = ["(-160.0 20.0)"] * len(dof.split())
            lines.append(f"    limits {limits[0]}")
            lines += [f"           {limit}" for limit in limits[1:]]
        lines.append("  end")
    lines += [":hierarchy", "  begin"]
    for parent in ("root", *DOF):
        children = [bone for bone, above, *_ in BONES if above == parent]
        if children:
            lines.append(f"    {parent} {' '.join(children)}")
    return "\n".join([*lines, "  end", ""])


def amc_text(motion):
    """Returns a motion's file."""
    lines = ["#!OML:ASF C:\\capture", ":FULLY-SPECIFIED", ":DEGREES"]
    for frame in range(len(motion["root"])):
        lines.append(str(frame + 1))
        for bone in ("root", *(bone for bone, dof in DOF.items() if dof)):
            values = " ".join(f"{x:.7f}" for x in motion[bone][frame])
            lines.append(f"{bone} {values}")
    return "\n".join([*lines, ""])


def bvh_text(
    motion, lossy=False, t_pose=False, names=CGSPEED, scale=1.0, places=None
):
    """Returns skeleton and motion in one file, as amc2bvh writes it.

    Args:
        motion: From `moving`.
        lossy: Without the bones on which several joints hang.
        t_pose: With cgspeed's first frame.
        names: {bone: joint}.
        scale: Units of the file per unit of CMU's.
        places: "parent" gives all joints six channels with their places, as
            Blender does, "offset" with what these are beyond the offsets,
            and "stated" without numbers.
    """
    vectors = {bone: np.array(vector) for bone, _, vector, _, _ in BONES}
    vectors["root"] = np.zeros(3)
    if lossy:
        vectors |= {bone: np.zeros(3) for bone in ("thorax", "lwrist")}
        vectors["rwrist"] = np.zeros(3)
    order = []

    def offset(vector):
        return " ".join(f"{x:.7f}" for x in scale * vector)

    def joint(bone, parent, indent):
        order.append(bone)
        children = [b for b, above, *_ in BONES if above == bone]
        placed = parent is None or places
        channels = "Xposition Yposition Zposition " if placed else ""
        start = vectors[parent] if parent else np.zeros(3)
        yield f"{indent}{'JOINT' if parent else 'ROOT'} {names[bone]}"
        yield f"{indent}{{"
        yield f"{indent}\tOFFSET {offset(start)}"
        yield (
            f"{indent}\tCHANNELS {6 if placed else 3} {channels}"
            "Zrotation Yrotation Xrotation "
        )
        for child in children:
            yield from joint(child, bone, indent + "\t")
        if not children:
            yield f"{indent}\tEnd Site"
            yield f"{indent}\t{{"
            yield f"{indent}\t\tOFFSET {offset(vectors[bone])}"
            yield f"{indent}\t}}"
        yield f"{indent}}}"

    lines = ["HIERARCHY", *joint("root", None, "")]
    count = len(motion["root"])
    columns = [scale * motion["root"][:, :3]]
    for bone in order:
        matrices = [local_turn(bone, motion, frame) for frame in range(count)]
        turns = Rotation.from_matrix(np.array(matrices))
        if bone != "root" and places in ("parent", "offset"):
            (above,) = (over for name, over, *_ in BONES if name == bone)
            place = (places == "parent") * scale * vectors[above]
            columns.append(np.tile(place, (count, 1)))
        columns.append(turns.as_euler("ZYX", degrees=True))
    rows = np.hstack(columns).tolist()
    if t_pose:
        # Degrees about z that straighten legs and lower arms.
        turned = {"lfemur": -21, "rfemur": 21, "lhumerus": -8, "rhumerus": 8}
        first = rows[0][:3]
        for bone in order:
            first = [*first, turned.get(bone, 0), 0, 0]
        rows.insert(0, first)
    lines += ["MOTION", f"Frames: {len(rows)}", "Frame Time: .0083333"]
    lines += [" ".join(f"{x:.7f}" for x in row) for row in rows]
    return "\n".join([*lines, ""])

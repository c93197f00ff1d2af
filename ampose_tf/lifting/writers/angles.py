"""Joint angles from joint centres, with anatomical names.

All angles are in degrees; flexion and abduction are positive, and all angles
are 0 for a person standing at attention with hanging arms.

* knee and elbow flexion: angle between the two bones, 0 to 180. Hyperextension
  counts as flexion, too.
* hip flexion: angle of the thigh to the lower trunk (hip to spine), seen from
  the side; positive with the thigh in front.
* hip abduction: angle of the thigh to the lower trunk's plane of symmetry,
  -90 to 90; positive outwards.
* shoulder flexion: angle of the upper arm to the upper trunk (spine to
  thorax), seen from the side; positive in front, 180 overhead.
* shoulder abduction: angle of the upper arm to the upper trunk's plane of
  symmetry, -90 to 90; positive outwards.
* trunk forward lean and left lean: angles of the line from hip to thorax to
  the vertical, seen from the person's side and front.
* trunk left turn: rotation of the shoulders relative to the hips about the
  trunk; positive with the shoulders turned to the left.

The axis of the side view is the line between the hips (or shoulders), made
perpendicular to the trunk. Near 90 degrees of abduction an arm or thigh is
parallel to this axis, and its flexion is not meaningful.

17 joint centres do not show the tilt of the pelvis, so hip angles are relative
to the lower trunk. They do not show rotations of thighs and arms about their
long axes, or the angles of ankles and wrists. These are not the ISB's joint
angles, which require more markers.
"""

import numpy as np

from ampose_tf.lifting.vectors import angle_deg, dot, unit
from ampose_tf.skeleton import Skeleton

_SIDES = (("left", "L", 1), ("right", "R", -1))

ANGLES = (
    *(
        f"{side}_{angle}"
        for side, _, _ in _SIDES
        for angle in (
            "hip_flexion",
            "hip_abduction",
            "knee_flexion",
            "shoulder_flexion",
            "shoulder_abduction",
            "elbow_flexion",
        )
    ),
    "trunk_forward_lean",
    "trunk_left_lean",
    "trunk_left_turn",
)


def angles_deg(
    poses_3d: np.ndarray, skeleton: Skeleton, up: tuple[float, float, float]
) -> dict[str, np.ndarray]:
    """Returns the angles defined in the module's documentation.

    Args:
        poses_3d: (F, J, 3) metres, in any right-handed frame.
        skeleton: Skeleton of the J joints.
        up: Unit vector that points upwards in the poses' frame.

    Returns:
        {name: (F,) degrees}, with the names in `ANGLES`.
    """
    poses_3d = np.asarray(poses_3d, np.float64)

    def bone(start, end):
        joints = skeleton.joints
        return (
            poses_3d[:, joints.index(end)] - poses_3d[:, joints.index(start)]
        )

    lower = _frame(bone("RHip", "LHip"), bone("Hip", "Spine"))
    upper = _frame(bone("RShoulder", "LShoulder"), bone("Spine", "Thorax"))
    angles = {}
    for name, side, sign in _SIDES:
        thigh = bone(f"{side}Hip", f"{side}Knee")
        shank = bone(f"{side}Knee", f"{side}Foot")
        arm = bone(f"{side}Shoulder", f"{side}Elbow")
        forearm = bone(f"{side}Elbow", f"{side}Wrist")
        flexion, abduction = _swing(thigh, lower, sign)
        angles[f"{name}_hip_flexion"] = flexion
        angles[f"{name}_hip_abduction"] = abduction
        angles[f"{name}_knee_flexion"] = angle_deg(thigh, shank)
        flexion, abduction = _swing(arm, upper, sign)
        angles[f"{name}_shoulder_flexion"] = flexion
        angles[f"{name}_shoulder_abduction"] = abduction
        angles[f"{name}_elbow_flexion"] = angle_deg(arm, forearm)

    trunk = bone("Hip", "Thorax")
    left, forward, _ = _frame(bone("RHip", "LHip"), np.array(up))
    height = dot(trunk, np.array(up))
    angles["trunk_forward_lean"] = _atan2(dot(trunk, forward), height)
    angles["trunk_left_lean"] = _atan2(dot(trunk, left), height)
    left, forward, _ = _frame(bone("RHip", "LHip"), trunk)
    shoulders = bone("RShoulder", "LShoulder")
    angles["trunk_left_turn"] = _atan2(
        -dot(shoulders, forward), dot(shoulders, left)
    )
    return angles


def _frame(left, up):
    """Returns unit axes (F, 3): to the left, forwards, upwards.

    `up` keeps its direction; `left` is made perpendicular to it.
    """
    up = unit(up)
    left = unit(left - dot(left, up)[..., None] * up)
    return left, np.cross(left, up), up


def _swing(limb, frame, sign):
    """Returns flexion and abduction of a limb; both are 0 if it hangs.

    Args:
        limb: (F, 3).
        frame: See `_frame`.
        sign: +1 for limbs on the left side, -1 for the right.
    """
    left, forward, up = frame
    ahead, below = dot(limb, forward), -dot(limb, up)
    return (
        _atan2(ahead, below),
        _atan2(sign * dot(limb, left), np.hypot(ahead, below)),
    )


def _atan2(one, other):
    return np.degrees(np.arctan2(one, other))

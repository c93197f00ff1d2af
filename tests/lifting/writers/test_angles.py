"""Joint angles of poses that one can picture."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ampose_tf.lifting.writers.angles import ANGLES, angles_deg
from ampose_tf.skeleton import H36M_16, H36M_17, mirror
from tests.people import STANDING

UP = (0.0, 0.0, 1.0)
AT = H36M_17.joints.index


def posed(**bones):
    """STANDING with some bones, named by their ends, pointing elsewhere.

    What hangs on a bone moves along with it.
    """
    pose = STANDING.copy()
    for name, direction in bones.items():
        joint = AT(name)
        parent = H36M_17.parents[joint]
        length = np.linalg.norm(STANDING[joint] - STANDING[parent])
        to = pose[parent] + length * np.array(direction) / np.linalg.norm(
            direction
        )
        move = to - pose[joint]
        moved = {joint}
        for other, above in enumerate(H36M_17.parents):
            if above in moved:
                moved.add(other)
        pose[sorted(moved)] += move
    return pose


def angles_of(pose):
    found = angles_deg(pose[None], H36M_17, UP)
    return {name: value.item() for name, value in found.items()}


def test_at_attention_all_are_zero():
    found = angles_of(STANDING)
    assert tuple(found) == ANGLES and len(ANGLES) == 15
    np.testing.assert_allclose(list(found.values()), 0, atol=1e-9)


SQRT3 = np.sqrt(3)


@pytest.mark.parametrize(
    ("bones", "expected"),
    [
        # Sitting upright: thigh forwards, shank down.
        (
            {"RKnee": (1, 0, 0), "RFoot": (0, 0, -1)},
            {"right_hip_flexion": 90, "right_knee_flexion": 90},
        ),
        # Kicking backwards, with a bent knee.
        (
            {"LKnee": (-1, 0, -SQRT3), "LFoot": (-1, 0, 0)},
            {"left_hip_flexion": -30, "left_knee_flexion": 60},
        ),
        # Legs spread; left is +y.
        (
            {"LKnee": (0, 1, -1), "LFoot": (0, 1, -1)},
            {"left_hip_abduction": 45},
        ),
        (
            {"RKnee": (0, -1, -1), "RFoot": (0, -1, -1)},
            {"right_hip_abduction": 45},
        ),
        # Arms forwards, upwards, sideways, crossed in front.
        (
            {"LElbow": (1, 0, 0), "LWrist": (1, 0, 0)},
            {"left_shoulder_flexion": 90},
        ),
        (
            {"RElbow": (1, 0, SQRT3), "RWrist": (1, 0, SQRT3)},
            {"right_shoulder_flexion": 150},
        ),
        (
            {"RElbow": (0, -SQRT3, -1), "RWrist": (0, -SQRT3, -1)},
            {"right_shoulder_abduction": 60},
        ),
        (
            {"LElbow": (0, -1, -SQRT3), "LWrist": (0, -1, -SQRT3)},
            {"left_shoulder_abduction": -30},
        ),
        # A forearm that points up beside a hanging arm.
        ({"RWrist": (1, 0, 1)}, {"right_elbow_flexion": 135}),
    ],
)
def test_limbs(bones, expected):
    found = angles_of(posed(**bones))
    for name, value in found.items():
        assert value == pytest.approx(expected.get(name, 0), abs=1e-6), name


def tilted(axis, degrees, pose=STANDING, joint="Hip"):
    """A pose turned above a joint of the trunk, with arms and head."""
    pose, start = pose.copy(), AT(joint)
    turn = Rotation.from_euler(axis, degrees, degrees=True).as_matrix()
    above = slice(max(start + 1, AT("Spine")), None)
    pose[above] = pose[start] + (pose[above] - pose[start]) @ turn.T
    return pose


@pytest.mark.parametrize(
    ("axis", "degrees", "expected"),
    [
        # Bowing: hips bend, and arms stay along the trunk.
        (
            "y",
            25,
            {
                "trunk_forward_lean": 25,
                "left_hip_flexion": 25,
                "right_hip_flexion": 25,
            },
        ),
        # Seen from the trunk, both legs swing to the left.
        (
            "x",
            -20,
            {
                "trunk_left_lean": 20,
                "left_hip_abduction": 20,
                "right_hip_abduction": -20,
            },
        ),
        ("z", 35, {"trunk_left_turn": 35}),
    ],
)
def test_trunk(axis, degrees, expected):
    found = angles_of(tilted(axis, degrees))
    for name, value in found.items():
        assert value == pytest.approx(expected.get(name, 0), abs=1e-6), name


def test_turned_while_bowing():
    """The turn is about the trunk, wherever the trunk points."""
    found = angles_of(tilted("y", 40, tilted("z", 30)))
    expected = {
        "trunk_forward_lean": 40,
        "trunk_left_turn": 30,
        "left_hip_flexion": 40,
        "right_hip_flexion": 40,
    }
    for name, value in found.items():
        assert value == pytest.approx(expected.get(name, 0), abs=1e-6), name


def test_arms_belong_to_the_shoulders_and_legs_to_the_lower_trunk():
    """Bent by 30 and turned by 35 degrees in the upper spine alone."""
    arm = posed(LElbow=(1, 0, 0), LWrist=(1, 0, 0))
    found = angles_of(tilted("z", 35, arm, "Spine"))
    for name, value in found.items():
        expected = {"left_shoulder_flexion": 90, "trunk_left_turn": 35}
        assert value == pytest.approx(expected.get(name, 0), abs=1e-6), name
    # Two links of equal length, one upright: half the bend.
    found = angles_of(tilted("y", 30, arm, "Spine"))
    for name, value in found.items():
        expected = {"left_shoulder_flexion": 90, "trunk_forward_lean": 15}
        assert value == pytest.approx(expected.get(name, 0), abs=1e-6), name


def test_frame_and_sides_do_not_matter():
    """Turned into a camera's frame, alike; mirrored, with sides swapped."""
    random = np.random.default_rng(1)
    poses_3d = STANDING + random.normal(0, 0.05, (13, 17, 3))
    found = angles_deg(poses_3d, H36M_17, UP)
    turn = Rotation.from_euler("xyz", [1, 2, 3]).as_matrix()
    turned = angles_deg(poses_3d @ turn.T, H36M_17, tuple(turn @ UP))
    # `mirror` negates x, which here is the front: so turn about it first.
    aside = Rotation.from_euler("z", 90, degrees=True).as_matrix()
    mirrored = angles_deg(mirror(poses_3d @ aside.T, H36M_17), H36M_17, UP)
    for name, values in found.items():
        np.testing.assert_allclose(turned[name], values, atol=1e-6)
        if name.startswith("trunk_left"):
            other = -mirrored[name]
        else:
            swap = {"left": "right", "right": "left"}
            side = name.split("_")[0]
            other = mirrored[name.replace(side, swap.get(side, side))]
        np.testing.assert_allclose(other, values, atol=1e-6, err_msg=name)
    fewer = np.delete(poses_3d, AT("Neck/Nose"), axis=1)
    for name, values in angles_deg(fewer, H36M_16, UP).items():
        np.testing.assert_array_equal(values, found[name])

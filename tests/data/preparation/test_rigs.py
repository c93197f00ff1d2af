import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ampose_tf.data.preparation import bvh, kinematics, rigs
from ampose_tf.skeleton import H36M_17
from tests import recorded
from tests.people import STANDING

AT = {name: index for index, name in enumerate(H36M_17.joints)}


def read(tmp_path, **how):
    """Reads a .bvh of `moving`; returns rig, motion and slow joints."""
    motion = recorded.moving(4, fps=2)
    path = tmp_path / "a.bvh"
    path.write_text(recorded.bvh_text(motion, **how))
    skeleton, motion_read = bvh.read(path)
    joints = recorded.slow_joints(motion)
    return rigs.recognise(skeleton, "a.bvh"), motion_read, joints


def test_lost_bones_are_put_back(tmp_path):
    """The made skeleton's bones are what the rule says of lost ones."""
    rig, motion, joints = read(tmp_path, lossy=True)
    found = recorded.UNIT_M * rigs.joints(rig, motion)
    np.testing.assert_allclose(found, joints, atol=1e-6)


def test_what_is_lost_is_big(tmp_path):
    """Had they not been put back, the test above would see it."""
    path = tmp_path / "a.bvh"
    path.write_text(recorded.bvh_text(recorded.moving(1), lossy=True))
    skeleton, _ = bvh.read(path)
    rest = recorded.UNIT_M * kinematics.at_rest(skeleton)
    at = skeleton.joints.index
    assert not np.any(rest[at("Neck")] - rest[at("Spine1")])
    assert not np.any(rest[at("LeftFingerBase")] - rest[at("LeftHand")])


@pytest.mark.parametrize(
    "names",
    [
        {bone: bone for bone in recorded.CGSPEED},
        {bone: bone.upper() for bone in recorded.CGSPEED},
        {b: f"mixamorig:{name}" for b, name in recorded.CGSPEED.items()},
    ],
    ids=["CMU", "capitals", "prefix"],
)
def test_other_names_of_the_joints(tmp_path, names):
    rig, motion, joints = read(tmp_path, names=names)
    found = recorded.UNIT_M * rigs.joints(rig, motion)
    np.testing.assert_allclose(found, joints, atol=1e-6)


def test_unknown_joints_are_told(tmp_path):
    names = recorded.CGSPEED | {"ltibia": "Links", "lhand": "Hand"}
    with pytest.raises(ValueError) as raised:
        read(tmp_path, names=names)
    message = str(raised.value)
    assert message.startswith("a.bvh: expected the joints of CMU's")
    missing = "missing lhand (LeftFingerBase), ltibia (LeftLeg); found Hips, "
    assert missing in message
    assert "Links" in message
    assert "\n" not in message


@pytest.mark.parametrize("axis", [0, 2])
def test_a_skeleton_that_lies_down(axis):
    text = {bone: bone for bone in recorded.CGSPEED}
    parents = {bone: above for bone, above, *_ in recorded.BONES}
    vectors = {"root": np.zeros(3)} | {b[0]: b[2] for b in recorded.BONES}
    order = ["root", *(bone for bone, *_ in recorded.BONES)]
    offsets = [np.zeros(3), *(vectors[parents[b]] for b in order[1:])]
    skeleton = kinematics.Hierarchy(
        (*(text[bone] for bone in order), "head end"),
        (-1, *(order.index(parents[b]) for b in order[1:]), 16),
        np.array([*offsets, vectors["head"]]),
    )
    assert skeleton.joints[16] == "head"
    rigs.recognise(skeleton, "a")
    turned = np.roll(skeleton.offsets, axis - 1, axis=1)
    with pytest.raises(
        ValueError, match="a: expected a skeleton that is upright"
    ):
        rigs.recognise(skeleton._replace(offsets=turned), "a")


@pytest.mark.parametrize(
    ("scale", "unit"),
    [
        (1.0, 0.0254 / 0.45),
        (recorded.UNIT_M, 1.0),
        (recorded.UNIT_M / 0.0254, 0.0254),
        (recorded.UNIT_M * 100, 0.01),
        (recorded.UNIT_M * 1000, 0.001),
        # A child and a giant, in centimetres.
        (recorded.UNIT_M * 70, 0.01),
        (recorded.UNIT_M * 130, 0.01),
    ],
)
def test_units_are_told_from_the_legs(tmp_path, scale, unit):
    rig, _, _ = read(tmp_path, scale=scale)
    leg = rigs.leg_length(rig)
    assert leg == pytest.approx(scale * np.hypot(2.5, 6.8) * 2.056, rel=0.01)
    assert rigs.guess_unit(rig, "a") == unit


@pytest.mark.parametrize("scale", [1e-9, 0.3, 1e5])
def test_a_unit_that_cannot_be_told(tmp_path, scale):
    rig, _, _ = read(tmp_path, scale=scale)
    with pytest.raises(ValueError, match=r"a\.bvh: thigh .* set the unit"):
        rigs.guess_unit(rig, "a.bvh")


def t_pose(**moved):
    pose = STANDING.copy()
    for side, sign in (("L", 1), ("R", -1)):
        shoulder = pose[AT[f"{side}Shoulder"]]
        pose[AT[f"{side}Elbow"]] = shoulder + [0, 0.3 * sign, -0.04]
        pose[AT[f"{side}Wrist"]] = shoulder + [0, 0.55 * sign, -0.08]
    for joint, by in moved.items():
        pose[AT[joint]] += by
    return pose


def test_t_poses():
    assert rigs.is_t_pose(t_pose())
    # Whichever way it faces; not if it lies.
    assert rigs.is_t_pose(t_pose() @ recorded.turn("z", 130).T)
    assert not rigs.is_t_pose(t_pose() @ recorded.turn("x", 90).T)
    assert not rigs.is_t_pose(STANDING)
    assert not rigs.is_t_pose(t_pose(LWrist=(0.25, -0.2, 0)))
    assert not rigs.is_t_pose(t_pose(RElbow=(0, 0, 0.2)))
    assert not rigs.is_t_pose(t_pose(LFoot=(-0.3, 0, 0.1)))


# The figure that cgspeed's conversion for Daz has, in round centimetres.
_FIGURE = """
hip - 0 0 0
abdomen hip 0 21 -1
chest abdomen 0 12 0
neck chest 0 22 -2
head neck 0 7 1
leftEye head 4 8 8
rCollar chest -3 19 -5
rShldr rCollar -9 -2 1
rForeArm rShldr -28 -2 0
rHand rForeArm -23 1 7
lCollar chest 3 19 -5
lShldr lCollar 9 -2 1
lForeArm lShldr 28 -2 0
lHand lForeArm 23 1 7
rButtock hip -9 4 1
rThigh rButtock 0 -2 -2
rShin rThigh 0 -37 0
rFoot rShin 1 -45 -5
lButtock hip 9 4 1
lThigh lButtock 0 -2 -2
lShin lThigh 0 -37 0
lFoot lShin -1 -45 -5
"""


def figure(**parents):
    rows = [line.split() for line in _FIGURE.split("\n") if line]
    names = [row[0] for row in rows]
    above = [parents.get(row[0], row[1]) for row in rows]
    return kinematics.Hierarchy(
        tuple(names),
        tuple(names.index(name) if name != "-" else -1 for name in above),
        np.array([row[2:] for row in rows], float),
    )


def test_a_daz_figure_gets_a_persons_bones():
    skeleton = figure()
    rig = rigs.recognise(skeleton, "a")
    assert rigs.guess_unit(rig, "a") == 0.01
    still = Rotation.identity(1)
    motion = kinematics.JointMotion(
        np.array([[0.0, 90.0, 0.0]]), (still,) * len(skeleton.joints), 120.0
    )
    joints = rigs.joints(rig, motion)[0] / 100
    assert rigs.is_t_pose(joints)
    # Its hips are where they were: 2 over the hip and 1 behind.
    np.testing.assert_allclose(joints[0], [0, 0.01, 0.92], atol=1e-9)
    lengths = {
        H36M_17.joints[child]: np.linalg.norm(joints[child] - joints[parent])
        for parent, child in H36M_17.edges
    }
    # CMU's medians, in proportion to legs of 82.3 instead of 83.7 cm.
    for name, length in {
        **{"LKnee": 0.400, "RKnee": 0.400, "LFoot": 0.437, "RFoot": 0.437},
        **{"Spine": 0.222, "Thorax": 0.238, "Neck/Nose": 0.143},
        **{"Head": 0.142, "LShoulder": 0.196, "RShoulder": 0.196},
        **{"LElbow": 0.295, "RElbow": 0.295, "LWrist": 0.299},
    }.items():
        leg = 0.37 + np.linalg.norm([0.01, 0.45, 0.05])
        expected = length * leg / 0.837
        assert lengths[name] == pytest.approx(expected, abs=1e-3), name
    assert joints[AT["LWrist"], 0] > 0.7 > -0.7 > joints[AT["RWrist"], 0]


def test_parts_of_a_daz_figure_turn():
    """A chest that turns takes arms and head along, not the legs."""
    skeleton = figure()
    rig = rigs.recognise(skeleton, "a")
    turns = [Rotation.identity(1)] * len(skeleton.joints)
    start = kinematics.JointMotion(np.zeros((1, 3)), tuple(turns), 120.0)
    before = rigs.joints(rig, start)[0]
    chest = skeleton.joints.index("chest")
    turns[chest] = Rotation.from_euler("Y", [90], degrees=True)
    after = rigs.joints(rig, start._replace(rotations=tuple(turns)))[0]
    below = [AT[name] for name in ("LFoot", "RKnee", "Spine", "Thorax")]
    np.testing.assert_allclose(after[below], before[below], atol=1e-9)
    arm = before[AT["LWrist"]] - before[AT["Thorax"]]
    turned = after[AT["LWrist"]] - after[AT["Thorax"]]
    # About z by now: x to y.
    np.testing.assert_allclose(turned, [-arm[1], arm[0], arm[2]], atol=1e-9)


def test_a_figure_of_another_build():
    with pytest.raises(
        ValueError, match="a: expected chest as the parent of neck"
    ):
        rigs.recognise(figure(neck="abdomen"), "a")

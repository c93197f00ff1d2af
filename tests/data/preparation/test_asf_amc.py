import numpy as np
import pytest

from ampose_tf.data.preparation import asf_amc, kinematics, motion_text, rigs
from tests import recorded

ONE_BONE = """:version 1.10
:units
  mass 1.0
  length {length}
  angle {angle}
:root
  order {order}
  axis XYZ
  position 0 0 0
  orientation 0 0 0
:bonedata
  begin
    id 1
    name Arm
    direction 0 2 0
    length 2
    axis {axis}
    dof {dof}
    limits (-inf inf)
           (-10 10)
  end
:hierarchy
  begin
    root arm
  end
"""


def end_of_bone(
    tmp_path,
    values,
    root="1 2 3 0 0 0",
    header=":FULLY-SPECIFIED\n:DEGREES\n",
    **changes,
):
    """Returns where a bone ends that is 2 long, upright on (1, 2, 3).

    In the file's unit.
    """
    skeleton = {
        "length": "0.0254",
        "angle": "deg",
        "order": "TX TY TZ RX RY RZ",
        "axis": "0 0 0 XYZ",
        "dof": "rx",
    }
    asf, amc = tmp_path / "a.asf", tmp_path / "a.amc"
    asf.write_text(ONE_BONE.format(**skeleton | changes))
    amc.write_text(f"{header}1\nroot {root}\narm {values}\n")
    acclaim = asf_amc.read_asf(asf)
    motion = asf_amc.read_amc(amc, acclaim, 120.0)
    assert acclaim.skeleton.joints == ("root", "arm", "arm end")
    return kinematics.positions(acclaim.skeleton, motion)[0, 2]


@pytest.mark.parametrize(
    ("axis", "dof", "values", "end"),
    [
        ("0 0 0 XYZ", "rx", "90", (0, 0, 2)),
        ("0 0 0 XYZ", "rz", "90", (-2, 0, 0)),
        ("0 0 0 XYZ", "ry", "90", (0, 2, 0)),
        # About fixed axes: y to z, and that about y to x.
        ("0 0 0 XYZ", "rx ry", "90 90", (2, 0, 0)),
        ("0 0 0 XYZ", "ry rx", "90 90", (0, 0, 2)),
        # The bone's x is the world's y, its y the world's -x.
        ("0 0 90 XYZ", "rx", "90", (0, 2, 0)),
        ("0 0 90 XYZ", "ry", "90", (0, 0, -2)),
        # The bone's x is the world's -z if x turns first, y otherwise.
        ("90 90 0 XYZ", "rx", "90", (2, 0, 0)),
        ("90 90 0 YXZ", "rx", "90", (0, 2, 0)),
    ],
)
def test_a_bone_turns_about_its_own_axes(tmp_path, axis, dof, values, end):
    found = end_of_bone(tmp_path, values, axis=axis, dof=dof)
    np.testing.assert_allclose(found, np.add((1, 2, 3), end), atol=1e-12)


@pytest.mark.parametrize(
    ("order", "root", "end"),
    [
        # y to z, and that about y to x.
        ("TX TY TZ RX RY RZ", "1 2 3 90 90 0", (3, 2, 3)),
        # y stays about y, then to z.
        ("TX TY TZ RZ RY RX", "1 2 3 0 90 90", (1, 2, 5)),
        ("TZ RX TY TX RY RZ", "3 90 2 1 90 0", (3, 2, 3)),
        ("RY RX RZ TX TZ TY", "90 90 0 1 3 2", (1, 2, 5)),
    ],
)
def test_the_root_turns_in_its_order(tmp_path, order, root, end):
    found = end_of_bone(tmp_path, "0", root=root, order=order)
    np.testing.assert_allclose(found, end, atol=1e-12)


def test_lengths_are_inches_times_the_units_length(tmp_path):
    found = end_of_bone(tmp_path, "0", length="0.45")
    np.testing.assert_allclose(found, np.array([1, 4, 3]) * 0.0254 / 0.45)


@pytest.mark.parametrize(
    ("angle", "header", "right"),
    [
        ("rad", ":FULLY-SPECIFIED\n:RADIANS\n", "1.5707963267948966"),
        # What the motion says of itself outweighs the skeleton.
        ("rad", ":FULLY-SPECIFIED\n:DEGREES\n", "90"),
        ("deg", ":RADIANS\n", "1.5707963267948966"),
        ("rad", "", "1.5707963267948966"),
        ("deg", "", "90"),
    ],
)
def test_angles_are_in_the_unit_that_files_state(
    tmp_path, angle, header, right
):
    quarter = {"rad": "1.5707963267948966", "deg": "90"}[angle]
    found = end_of_bone(
        tmp_path,
        right,
        header=header,
        angle=angle,
        axis=f"0 0 {quarter} XYZ",
        dof="ry",
    )
    np.testing.assert_allclose(found, (1, 2, 1), atol=1e-12)


def read(tmp_path, asf=None, amc=None, motion=None):
    """Reads the skeleton and a motion, spoilt or not."""
    asf = recorded.asf_text() if asf is None else asf
    if amc is None:
        amc = recorded.amc_text(motion or recorded.moving(3))
    (tmp_path / "01.asf").write_text(asf, encoding="latin-1")
    (tmp_path / "01_02.amc").write_text(amc, encoding="latin-1")
    acclaim = asf_amc.read_asf(tmp_path / "01.asf")
    return acclaim, asf_amc.read_amc(tmp_path / "01_02.amc", acclaim, 120.0)


def read_joints(tmp_path, **what):
    acclaim, motion = read(tmp_path, **what)
    rig = rigs.recognise(acclaim.skeleton, "test")
    return rigs.joints(rig, motion)


def test_joints_equal_slow_kinematics(tmp_path):
    motion = recorded.moving(5, fps=2)
    joints = read_joints(tmp_path, motion=motion)
    np.testing.assert_allclose(joints, recorded.slow_joints(motion), atol=1e-6)


def test_knees_bend_forward_and_left_is_left(tmp_path):
    """As in CMU's data, where a tibia's rx is from -10 to 170."""
    motion = {b: 0 * angles for b, angles in recorded.moving(1).items()}
    motion["ltibia"] = np.array([[80.0]])
    joints = read_joints(tmp_path, motion=motion)[0]
    left = joints[4] - joints[1]  # hips
    forward = np.cross(left, [0, 0, 1])
    # At rest CMU's people face along z, which z up turns to -y.
    np.testing.assert_allclose(forward / left[0], [0, -1, 0], atol=0.01)
    ankle = joints[6] - joints[5]
    assert ankle @ forward < -0.9 * np.linalg.norm(ankle) * left[0]
    assert left[0] > 0.15
    # The other leg is straight.
    thigh, shank = joints[2] - joints[1], joints[3] - joints[2]
    cosine = thigh @ shank / np.linalg.norm(thigh) / np.linalg.norm(shank)
    assert cosine > 0.999


def test_files_of_other_systems(tmp_path):
    """Capital letters, Windows' line ends, comments, commas, odd bytes."""
    asf = recorded.asf_text().replace("lfemur", "LFemur")
    asf = asf.replace("axis 0 0 20  XYZ", "axis 0, 0, 20 xyz # \xe9")
    amc = recorded.amc_text(recorded.moving(3)).replace("ltibia", "LTIBIA")
    plain = read_joints(tmp_path)
    joints = read_joints(
        tmp_path,
        asf=asf.replace("\n", "\r\n"),
        amc=amc.replace("\n", "\r\n\r\n"),
    )
    np.testing.assert_array_equal(joints, plain)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  length 0.45\n", "", r"01\.asf: expected length in :units"),
        ("  angle deg\n", "", r"01\.asf: expected angle in :units"),
        ("angle deg", "angle turns", r"01\.asf:7: .* deg or rad, got 'turns'"),
        ("length 0.45", "length 0", r"01\.asf:6: length: .* positive"),
        ("length 0.45", "length x", r"01\.asf:6: length: .* got 'x'"),
        (":units", ":unit", r"01\.asf: expected a section :units"),
        (":hierarchy", ":skin", r"01\.asf: expected a section :hierarchy"),
        ("TX TY TZ RX RY RZ", "TX TY TZ RX RY", r"01\.asf:11: expected TX TY"),
        ("position 0 0 0", "position 0 1 0", r"01\.asf:13: .* of zeros"),
        ("orientation 0 0 0", "orientation 0 0 5", r"01\.asf:14: .* of zeros"),
        ("  axis XYZ\n", "  colour 3\n", r"01\.asf:12: .* got 'colour'"),
        ("dof rx rz", "dof rx l", r"01\.asf:\d+: dof: .* got 'rx l'"),
        ("dof rx rz", "dof rx rx", r"01\.asf:\d+: dof: .* got 'rx rx'"),
        ("0 0 20  XYZ", "0 0 20", r"01\.asf:\d+: axis: expected three"),
        ("0 0 20  XYZ", "0 nan 20 XYZ", r"01\.asf:\d+: axis: .* got 'nan'"),
        ("     id 2 ", "     colour 2", r"01\.asf:24: .* got 'colour'"),
        (
            "name ltibia",
            "name lfemur",
            r"01\.asf:\d+: two bones have the name 'lfem",
        ),
        ("     name ltibia\n", "", r"01\.asf:\d+: expected a bone's name"),
        ("  end\n:hier", ":hier", r"01\.asf: the last bone has no end"),
        ("  begin\n     id 1 ", "     id 1 ", r"01\.asf:16: expected begin"),
        ("lfemur ltibia", "lfemur lshin", r"01\.asf:\d+: .* got 'lshin'"),
        ("lfoot ltoes", "lfoot lfoot", r"01\.asf:\d+: lfoot has two parents"),
        ("    lfoot ltoes\n", "", "ltoes is not connected to the root"),
        ("    root", "    lhipjoint", "head is not connected to the root"),
    ],
)
def test_a_skeleton_that_is_damaged(tmp_path, old, new, message):
    text = recorded.asf_text()
    assert old in text
    with pytest.raises(ValueError, match=message):
        read(tmp_path, asf=text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("before", "section"),
    [
        (":units", ":namespace mo_walk\n"),
        (":units", ":Comment\n  by hand, 3 takes\n"),
        (":bonedata", ":markers\n  begin\n  lfwt 1 2 3\n  end\n"),
        (":hierarchy", ":skin skin.obj\n"),
    ],
)
def test_sections_that_say_nothing_about_the_body(tmp_path, before, section):
    plain = read_joints(tmp_path)
    text = recorded.asf_text().replace(before, section + before, 1)
    np.testing.assert_array_equal(read_joints(tmp_path, asf=text), plain)


@pytest.mark.parametrize(
    ("header", "fps"),
    [
        (":SAMPLES-PER-SECOND 60", 60),
        (":samples_per_second 59.94", 59.94),
        (":FrameRate 100", 100),
        (":NAMESPACE mo_walk\n:Frames-Per-Second 30", 30),
        (":TAKE 3 of 5", 120),
        (":DEGREES\n:VERSION 1.10", 120),
    ],
)
def test_headers_of_other_programs(tmp_path, header, fps):
    motion = recorded.moving(3)
    _, plain = read(tmp_path, motion=motion)
    text = recorded.amc_text(motion)
    for before in (":FULLY", "1\n"):
        changed = text.replace(f"\n{before}", f"\n{header}\n{before}", 1)
        assert header in changed
        _, made = read(tmp_path, amc=changed)
        assert made.fps == fps
        np.testing.assert_array_equal(made.root, plain.root)


def test_a_rate_that_is_none(tmp_path):
    text = f":SAMPLES-PER-SECOND fast\n{recorded.amc_text(recorded.moving(3))}"
    with pytest.raises(ValueError, match=r"amc:1: :SAMPLES.* got 'fast'"):
        read(tmp_path, amc=text)


def test_a_skeleton_that_is_none(tmp_path):
    with pytest.raises(ValueError, match=r"01\.asf:1: .* not an Acclaim"):
        read(tmp_path, asf="Solid 3\n")
    with pytest.raises(ValueError, match=r"01\.asf: expected a section :uni"):
        read(tmp_path, asf="")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        # Cut short in a frame: 29 bones and its number a frame.
        (lambda t: t[: t.rindex("ltoes")], r":\d+: the file ends: frame 3"),
        (lambda t: t[: t.rindex(" ")], r":93: rthumb: .* 2 numbers, got 1"),
        (lambda t: t.replace("\nltibia", "\nltib", 1), "got 'ltib'"),
        (
            lambda t: t.replace("\nltibia", "\nlfemur", 1),
            "got 'lfemur' again",
        ),
        (lambda t: t.replace("\n2\n", "\n4\n"), "expected frame 2, got 4"),
        (lambda t: t.replace("\n1\n", "\n"), "a frame number, got 'root'"),
        (lambda t: t.replace(":DEGREES", ":TURNS"), ":3: .* got ':TURNS'"),
        (lambda t: t.replace("\nltoes ", "\nltoes 0 ", 1), "1 number, got 2"),
        (lambda t: t.replace("\nltoes ", "\nltoes e", 1), "finite .* got 'e"),
        (lambda t: t[: t.index("\n1\n")], "expected frames, got none"),
        (lambda t: "", "expected frames, got none"),
    ],
)
def test_a_motion_that_is_damaged(tmp_path, change, message):
    text = recorded.amc_text(recorded.moving(3))
    with pytest.raises(ValueError, match=rf"01_02\.amc:?.*({message})"):
        read(tmp_path, amc=change(text))


def test_infinite_values(tmp_path):
    motion = recorded.moving(3)
    motion["lhumerus"][1, 2] = np.inf
    with pytest.raises(ValueError, match=r"amc:\d+: lhumerus: .* 'inf'"):
        read(tmp_path, motion=motion)


def test_a_file_of_unlikely_size(tmp_path, monkeypatch):
    monkeypatch.setattr(motion_text, "MOST_BYTES", 1000)
    with pytest.raises(ValueError, match=r"01\.asf: larger than 1000 bytes"):
        read(tmp_path)

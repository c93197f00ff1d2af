import numpy as np
import pytest

from ampose_tf.data.preparation import bvh, kinematics, motion_text, rigs
from tests import recorded

ARM = """HIERARCHY
ROOT Hips
{{
  OFFSET 5 5 5
  CHANNELS 6 {root}
  JOINT Arm
  {{
    OFFSET 0 1 0
    CHANNELS {arm}
    End Site
    {{
      OFFSET 0 2 0
    }}
  }}
}}
MOTION
Frames: {frames}
Frame Time: 0.01
{values}
"""
PLAIN = "Xposition Yposition Zposition Zrotation Yrotation Xrotation"


def read_arm(tmp_path, values, root=PLAIN, arm="1 Xrotation", frames=1):
    path = tmp_path / "arm.bvh"
    path.write_text(
        ARM.format(values=values, root=root, arm=arm, frames=frames)
    )
    return bvh.read(path)


def end_of_arm(tmp_path, values, **channels):
    """Returns where an arm ends that starts 1 over the root and is 2 long."""
    skeleton, motion = read_arm(tmp_path, values, **channels)
    assert skeleton.joints == ("Hips", "Arm", "Arm end")
    assert skeleton.parents == (-1, 0, 1)
    return kinematics.positions(skeleton, motion)[0, 2]


@pytest.mark.parametrize(
    ("values", "end"),
    [
        # The root's place is its channels alone, not its offset as well.
        ("1 2 3 0 0 0 0", (1, 5, 3)),
        ("1 2 3 0 0 0 90", (1, 3, 5)),
        ("1 2 3 90 0 0 0", (-2, 2, 3)),
        # In listed order about axes that turn along: Rz Ry Rx.
        ("1 2 3 0 90 90 0", (4, 2, 3)),
        ("1 2 3 90 0 90 0", (1, 2, 6)),
        ("1 2 3 90 90 0 0", (-2, 2, 3)),
        # The root's half turn about x, and a quarter more at the arm.
        ("1 2 3 0 0 180 90", (1, 1, 1)),
    ],
)
def test_turns_and_places(tmp_path, values, end):
    found = end_of_arm(tmp_path, values)
    np.testing.assert_allclose(found, end, atol=1e-12)


def test_channels_in_other_orders(tmp_path):
    root = "Xrotation Zposition Yrotation Xposition Yposition Zrotation"
    found = end_of_arm(tmp_path, "90 3 0 1 2 90 0", root=root)
    # Rx Ry Rz: y to -x, which stays about x.
    np.testing.assert_allclose(found, (-2, 2, 3), atol=1e-12)
    found = end_of_arm(
        tmp_path, "1 2 3 0 0 0 90 90", arm="2 Yrotation Xrotation"
    )
    np.testing.assert_allclose(found, (3, 3, 3), atol=1e-12)


def test_joints_that_do_not_turn(tmp_path):
    found = end_of_arm(tmp_path, "1 2 3 0 0 90", arm="0")
    np.testing.assert_allclose(found, (1, 2, 6), atol=1e-12)


SIX = f"6 {PLAIN}"
TURNS = "0 0 0"


@pytest.mark.parametrize(
    ("arm", "values", "end"),
    [
        # In its parent's frame, in place of the offset (0, 1, 0).
        (SIX, f"1 2 3 {TURNS} 0 1 0 {TURNS}", (1, 5, 3)),
        (SIX, f"1 2 3 {TURNS} 0 1.5 0.5 {TURNS}", (1, 5.5, 3.5)),
        (SIX, f"1 2 3 90 0 0 0 1.5 0.5 {TURNS}", (-2.5, 2, 3.5)),
        # Nearer to zero than to the offset: beyond the offset.
        (SIX, f"1 2 3 {TURNS} 0 0 0 {TURNS}", (1, 5, 3)),
        (SIX, f"1 2 3 {TURNS} 0 0.2 0 {TURNS}", (1, 5.2, 3)),
        # Of one axis alone, the others stay; and in another order.
        ("2 Yposition Xrotation", f"1 2 3 {TURNS} 1.5 90", (1, 3.5, 5)),
        ("2 Xrotation Yposition", f"1 2 3 {TURNS} 90 1.5", (1, 3.5, 5)),
    ],
)
def test_joints_with_places(tmp_path, arm, values, end):
    found = end_of_arm(tmp_path, values, arm=arm)
    np.testing.assert_allclose(found, end, atol=1e-12)


def test_places_that_move(tmp_path):
    """Hips below a root that stays, as games' skeletons have them."""
    rows = [f"0 0 0 {TURNS} {i} {1 + i} 0 {i} 0 0" for i in range(5)]
    text = "\n".join(rows)
    skeleton, motion = read_arm(tmp_path, text, arm=SIX, frames=5)
    ends = kinematics.positions(skeleton, motion)[:, 2]
    angles = np.radians(np.arange(5))
    expected = [
        [i - 2 * np.sin(angles[i]), 1 + i + 2 * np.cos(angles[i]), 0]
        for i in range(5)
    ]
    np.testing.assert_allclose(ends, expected, atol=1e-12)
    # Other units, fewer frames, another rate: what moves goes along.
    _, twice = kinematics.scaled(skeleton, motion, 2)
    np.testing.assert_allclose(twice.moved, 2 * motion.moved)
    chosen = kinematics.frames(motion, slice(1, 3))
    np.testing.assert_allclose(chosen.moved, motion.moved[1:3])
    thinned, places = kinematics.sampled(motion, 40)
    assert places.tolist() == [0, 2.5]
    np.testing.assert_allclose(thinned.moved[:, 1], [[0, 0, 0], [2.5, 2.5, 0]])


@pytest.mark.parametrize("places", ["parent", "offset", "stated"])
@pytest.mark.parametrize("lossy", [False, True])
def test_six_channels_a_joint(tmp_path, places, lossy):
    motion = recorded.moving(5, fps=2)
    text = recorded.bvh_text(motion, lossy, places=places)
    assert text.count("CHANNELS 6") == 31
    skeleton, read_motion = read(tmp_path, text)
    rig = rigs.recognise(skeleton, "test")
    joints = recorded.UNIT_M * rigs.joints(rig, read_motion)
    np.testing.assert_allclose(joints, recorded.slow_joints(motion), atol=1e-5)


def test_frames_per_second(tmp_path):
    assert read_arm(tmp_path, "1 2 3 0 0 0 0")[1].fps == pytest.approx(100)


@pytest.mark.parametrize("seed", range(3))
def test_random_orders_equal_slow_kinematics(tmp_path, seed):
    random = np.random.default_rng(seed)
    orders = [random.permutation(list("XYZ")) for _ in range(2)]
    root, arm = (" ".join(f"{a}rotation" for a in order) for order in orders)
    values = random.uniform(-180, 180, 9)
    values[:3] = random.normal(size=3)
    found = end_of_arm(
        tmp_path,
        " ".join(map(str, values)),
        root=f"Xposition Yposition Zposition {root}",
        arm=f"3 {arm}",
    )
    matrices = []
    for order, angles in zip(orders, (values[3:6], values[6:]), strict=True):
        first, second, third = (
            recorded.turn(axis.lower(), angle)
            for axis, angle in zip(order, angles, strict=True)
        )
        matrices.append(first @ second @ third)
    elbow = values[:3] + matrices[0] @ [0, 1, 0]
    end = elbow + matrices[0] @ matrices[1] @ [0, 2, 0]
    np.testing.assert_allclose(found, end, atol=1e-12)


def read(tmp_path, text):
    path = tmp_path / "a.bvh"
    path.write_text(text)
    return bvh.read(path)


def test_joints_equal_slow_kinematics(tmp_path):
    motion = recorded.moving(5, fps=2)
    skeleton, read_motion = read(tmp_path, recorded.bvh_text(motion))
    rig = rigs.recognise(skeleton, "test")
    joints = recorded.UNIT_M * rigs.joints(rig, read_motion)
    np.testing.assert_allclose(joints, recorded.slow_joints(motion), atol=1e-6)


def test_layouts_of_other_writers(tmp_path):
    text = recorded.bvh_text(recorded.moving(3))
    plain = read(tmp_path, text)
    other = read(
        tmp_path,
        text.replace("\n\t", "\n").replace("\n{", " {").replace("\n", " \r\n"),
    )
    assert other[0].joints == plain[0].joints
    np.testing.assert_array_equal(other[0].offsets, plain[0].offsets)
    np.testing.assert_array_equal(other[1].root, plain[1].root)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("HIERARCHY", "HIERARCHIE", r":1: expected HIERARCHY, got 'HIERAR"),
        ("ROOT", "JOINT", r":2: expected ROOT, got 'JOINT'"),
        ("\tOFFSET", "\tOFSET", r":4: expected OFFSET, got 'OFSET'"),
        ("OFFSET 0.0", "OFFSET x", r":4: OFFSET: .* got 'x000000'"),
        ("OFFSET 0.0", "OFFSET nan ", r":4: OFFSET: .* got 'nan'"),
        ("End Site", "Ende", r":\d+: expected JOINT, End Site or }, got"),
        ("CHANNELS 6", "CHANNELS 7", r":5: CHANNELS: expected three pos"),
        ("CHANNELS 6", "CHANNELS x", r":5: CHANNELS: expected three pos"),
        ("Xposition", "Xrotation", r":5: CHANNELS: expected three pos"),
        ("3 Zrot", "3 Zscl", r":9: CHANNELS: expected up to three pos"),
        ("3 Zrot", "3 Yrot", r":9: CHANNELS: expected up to three pos"),
        ("LeftLeg", "LeftUpLeg", r": two joints have the name 'LeftUpLeg'"),
        ("}\nMOTION", "MOTION", r": its HIERARCHY is incomplete"),
        ("}\nMOTION", "}}\nMOTION", r":\d+: expected JOINT, .* got '}}'"),
        ("}\nMOTION", "}\n}\nMOTION", r":\d+: expected MOTION, got '}'"),
        ("MOTION", "MOVES", r": expected a line MOTION, got none"),
        ("Frames:", "Frame:", r":\d+: expected Frames:, got 'Frame: 3'"),
        ("Frames: 3", "Frames: 4", r": expected 4 frames as stated, got 3"),
        ("Frames: 3", "Frames: 2", r": expected 2 frames as stated, got 3"),
        ("Frame Time: .0", "Frame Time: -.0", r":\d+: expected a positive"),
        ("Frame Time: .", "Frame Time: x.", r":\d+: frame time: .* got 'x"),
        ("Frame Time: .0083333\n", "", r":\d+: expected Frame Time:, got"),
    ],
)
def test_damage(tmp_path, old, new, message):
    text = recorded.bvh_text(recorded.moving(3))
    assert old in text
    with pytest.raises(ValueError, match=rf"a\.bvh{message}"):
        read(tmp_path, text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        # 33 joints turn about three axes, and the root moves.
        (lambda line: f"{line} 1", "expected 96 numbers, got 97"),
        (lambda line: line[: line.rindex(" ")], "expected 96 .* got 95"),
        (lambda line: f"{line}e", "expected finite numbers, got '.*e'"),
        (
            lambda line: f"nan {line[line.index(' ') :]}",
            "expected finite .* 'nan'",
        ),
        (
            lambda line: f"-inf {line[line.index(' ') :]}",
            "expected finite .* '-inf'",
        ),
    ],
)
def test_damaged_frames(tmp_path, change, message):
    lines = recorded.bvh_text(recorded.moving(3)).splitlines()
    lines[-2] = change(lines[-2])
    with pytest.raises(
        ValueError, match=rf"a\.bvh:{len(lines) - 1}: {message}"
    ):
        read(tmp_path, "\n".join(lines))


def test_a_file_that_is_cut_short(tmp_path):
    text = recorded.bvh_text(recorded.moving(3))
    for share in (0.1, 0.5):
        with pytest.raises(ValueError, match=r"a\.bvh: expected a line MOT"):
            read(tmp_path, text[: int(share * text.index("MOTION"))])
    with pytest.raises(ValueError, match=r"a\.bvh:\d+: expected Frames:"):
        read(tmp_path, text[: text.index("Frames")])
    with pytest.raises(ValueError, match=r"a\.bvh:\d+: expected 96 numbers"):
        read(tmp_path, text[:-100])
    with pytest.raises(ValueError, match=r"a\.bvh: expected a line MOTION"):
        read(tmp_path, "")


def test_a_file_of_unlikely_size(tmp_path, monkeypatch):
    monkeypatch.setattr(motion_text, "MOST_BYTES", 1000)
    with pytest.raises(ValueError, match=r"a\.bvh: larger than 1000 bytes"):
        read(tmp_path, recorded.bvh_text(recorded.moving(3)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # Each takes more memory than the file has bytes, or more time.
        ("x\n" * 2_000_001, "more than 2000000 lines"),
        (
            "HIERARCHY ROOT a { OFFSET 0 0 0 CHANNELS 3 Xposition Yposition "
            "Zposition "
            + "".join(
                f"JOINT b{n} {{ OFFSET 0 0 0 CHANNELS 0 }}\n"
                for n in range(1000)
            )
            + "}\nMOTION\nFrames: 1\nFrame Time: 1\n0 0 0\n",
            "more than 1000 joints",
        ),
        (
            "HIERARCHY ROOT a { OFFSET 0 0 0 CHANNELS 3 Xposition Yposition "
            "Zposition "
            + "".join(
                f"JOINT b{n} {{ OFFSET 0 0 0 CHANNELS 0 }}\n"
                for n in range(999)
            )
            + "}\nMOTION\nFrames: 4001\nFrame Time: 1\n"
            + "0 0 0\n" * 4001,
            "4001 frames of 1000 joints are more",
        ),
    ],
    ids=["lines", "joints", "places"],
)
def test_more_than_any_recording_has_is_refused(tmp_path, text, message):
    path = tmp_path / "clip.bvh"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        bvh.read(path)

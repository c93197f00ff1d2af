"""Conditions for models of real motion, and what is measured under them."""

import json

import numpy as np
import pytest

from ampose_tf.config import Cameras, Config, Data
from ampose_tf.config.ranges import Detector
from ampose_tf.data import mocap
from ampose_tf.data.augmentation import detector
from ampose_tf.data.mocap import Motion3D
from ampose_tf.skeleton import H36M_17
from benchmarks import conditions, measures
from tests.people import STANDING, facing_the_camera

JOINTS = H36M_17.joints
UP = np.array([[0.0, -1.0, 0.0]])


def place(pose, **joints):
    """Returns a copy of (J, 3) with some joints elsewhere."""
    pose = pose.copy()
    for name, position in joints.items():
        pose[JOINTS.index(name)] = position
    return pose


def about_y(degrees):
    """Turns x towards z."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def about_x(degrees):
    """What a camera sees that has been turned down."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[1, 0, 0], [0, c, s], [0, -s, c]])


def leaning(degrees):
    """The thorax away from the camera, so many degrees off the vertical."""
    angle = np.radians(degrees)
    top = 0, -0.5 * np.cos(angle), 0.5 * np.sin(angle)
    return place(facing_the_camera(), Thorax=top)


@pytest.mark.parametrize("pitch", [0, 40])
@pytest.mark.parametrize("turned", [0, 90, 180])
def test_trunks_lean_in_the_cameras_plane_and_bend_in_the_persons(
    pitch, turned
):
    seen = about_x(pitch)
    up = UP @ seen
    true = facing_the_camera() @ about_y(turned)
    # Away from the camera, wherever the person faces.
    lifted = place(true, Thorax=leaning(10)[JOINTS.index("Thorax")])
    measured = measures.measure(
        (lifted @ seen)[None], (true @ seen)[None], JOINTS, up
    )
    found = {name: values.item() for name, values in measured.items()
             if values.size == 1}  # fmt: skip
    assert found["pitch_deg"] == pytest.approx(pitch)
    assert found["facing_deg"] == pytest.approx(turned, abs=1e-5)
    assert found["trunk_lean_deg"] == pytest.approx(10)
    bent = {0: -10, 90: 0, 180: 10}[turned]
    assert found["trunk_bent_deg"] == pytest.approx(bent, abs=1e-5)
    summary = measures.summarise(measured)
    assert summary["trunk_lean_deg"] == pytest.approx(10)
    (group,) = summary["trunk_bent_by_facing"]
    assert group == {0: "front", 90: "side", 180: "behind"}[turned]
    # A true lean that is lifted as it is, is no error.
    again = measures.measure(lifted[None], lifted[None], JOINTS, UP)
    assert again["trunk_lean_deg"].item() == 0


def test_people_lying_across_the_plane_have_no_lean():
    vectors = np.array([[1.0, -0.1, 0.1], [0.1, -1.0, 0.0]])
    up, ahead = np.tile(UP, (2, 1)), np.tile([0.0, 0.0, 1.0], (2, 1))
    found = measures.lean(vectors, up, ahead)
    assert np.isnan(found[0]) and found[1] == 0


def test_straight_joints_that_are_lifted_bent():
    true = facing_the_camera()
    true = place(true, RFoot=(-0.1, 0.4, 0.4))  # bent by 90 degrees
    lifted = place(true, LFoot=(0.1, 0.4 + 0.3, 0.3), RFoot=(-0.1, 0.8, 0))
    over = measures.straight_flexion(lifted[None], true[None], JOINTS, "knee")
    np.testing.assert_allclose(over, [[45, np.nan]])
    summary = measures.summarise(
        measures.measure(lifted[None], true[None], JOINTS, None)
    )
    assert summary["knee_flexion_deg"] == pytest.approx(45)
    assert summary["elbow_flexion_deg"] == 0
    assert "trunk_lean_deg" not in summary


def test_sizes_sides_and_order_in_depth():
    true = place(
        facing_the_camera(), LFoot=(0.1, 0.8, 0.06), RFoot=(-0.1, 0.8, 0.04)
    )
    deep = place(true, LFoot=(0.1, 0.8, -0.06), RFoot=(-0.1, 0.8, -0.04))
    for lifted, size, exchanged, order in (
        (1.1 * true, 1.1, 0, 1),
        (true[list(H36M_17.mirrored)], 1, 1, 0),  # its left foot is at 0.04
        (deep, 1, 0, 0),
    ):
        measured = measures.measure(
            lifted[None], true[None], JOINTS, UP, H36M_17.edges
        )
        assert measured["size_ratio"].item() == pytest.approx(size)
        assert measured["sides_exchanged"].item() == exchanged
        # Of eight limb bones one has ends more than 5 cm apart in depth.
        known = measured["depth_order"][~np.isnan(measured["depth_order"])]
        if not exchanged:
            assert known.tolist() == [order]


def turning(frames=24):
    """A person on a turntable, world frame."""
    angles = np.linspace(0, 2 * np.pi, frames, endpoint=False)
    c, s = np.cos(angles), np.sin(angles)
    turn = np.zeros((frames, 3, 3))
    turn[:, 0, 0] = turn[:, 1, 1] = c
    turn[:, 0, 1], turn[:, 1, 0] = s, -s
    turn[:, 2, 2] = 1
    return (STANDING @ turn).astype(np.float32)


@pytest.fixture
def experiment(tmp_path):
    for name, subjects in (
        ("tiny", {"train": ["P1"], "validation": ["P2"]}),
        ("uiprmd", {"validation": ["UIPRMD10"]}),
    ):
        card = {"joints": JOINTS} | subjects
        (tmp_path / f"{name}.json").write_text(json.dumps(card))
        people = sum(subjects.values(), [])
        np.savez(
            tmp_path / f"{name}.npz", **{f"{p}/a": turning() for p in people}
        )
    data = Data(
        dataset="mocap",
        root=str(tmp_path),
        archives=("tiny", "uiprmd"),
        validation_subjects=(),
        train_subjects=(),
    )
    return Config(data=data)


def test_conditions_and_their_subjects(experiment):
    made = conditions.conditions_of(experiment)
    assert list(made) == [
        *conditions.CONDITIONS,
        "steep",
        "behind",
        "exercises",
        *conditions.DETECTED,
    ]
    for name, (poses, seen) in made.items():
        subjects = {"UIPRMD10"} if name == "exercises" else {"P2"}
        assert set(poses.subjects) == subjects
        assert (seen is None) == (name not in conditions.DETECTED)
        # Upright: the head is above the hip, as far as in the world.
        height = np.sum(poses.poses_3d[:, 10] * poses.up, axis=1)
        np.testing.assert_allclose(
            height, STANDING[10, 2] - STANDING[0, 2], atol=1e-5
        )
    # Other archives change nothing.
    experiment.data.archives = ("tiny",)
    alone = conditions.conditions_of(experiment)
    assert set(made) - set(alone) == {"exercises"}
    for name, (poses, seen) in alone.items():
        for mine, its in zip(poses, made[name].poses, strict=True):
            np.testing.assert_array_equal(mine, its)
        np.testing.assert_array_equal(seen, made[name].seen)
    # On a turntable a third is seen from behind.
    fixed, behind = (made[name].poses for name in ("fixed", "behind"))
    assert behind.count == pytest.approx(fixed.count / 3, abs=4)
    facing = measures.facing(behind.poses_3d, JOINTS, behind.up)
    assert facing.min() >= 120


def test_steep_cameras_look_30_to_60_degrees_down():
    names = tuple(f"P1/{n}" for n in range(200))
    motion = Motion3D(
        np.tile(STANDING, (200, 1, 1)).astype(np.float32),
        np.full(200, "P1"),
        np.arange(200),
        names,
        names,
    )
    steep = Cameras(**conditions.STEEP)
    poses = mocap.seen_by_cameras(motion, steep, 1, "longest")
    assert poses.count == 800
    found = measures.pitch(poses.up)
    assert 30 <= found.min() < 36 and 54 < found.max() <= 60


def test_what_a_detector_is_shown(experiment):
    exact = conditions.conditions_of(experiment)["steep"].poses
    views = conditions.views_of(exact, experiment.data.cameras)
    focal, center = (
        exact.intrinsics[:, None, :2],
        exact.intrinsics[:, None, 2:],
    )
    np.testing.assert_allclose(
        focal * views.joints[..., :2] / views.joints[..., 2:] + center,
        exact.keypoints_2d,
        atol=1e-5,
    )
    np.testing.assert_allclose(
        views.joints - views.joints[:, :1], exact.poses_3d, atol=1e-5
    )
    assert views.half_image.shape == (exact.count, 1, 2)
    depth = views.joints[:, :1, 2:]
    np.testing.assert_allclose(
        views.person_size, 1.7 * focal[..., :1] / depth, rtol=1e-5
    )


def test_detected_poses_are_in_the_order_of_the_exact(experiment, monkeypatch):
    exact = conditions.conditions_of(experiment)["fixed"].poses
    given = []

    def detected(views, ranges, random):
        given.append(views.keypoints_2d)
        x = views.keypoints_2d[..., 0]
        return 2 * views.keypoints_2d, np.where(x > 0, 0.9, 0.1)

    monkeypatch.setattr(detector, "detected", detected)
    keypoints_2d, seen = conditions.detected_poses(exact, experiment, "some")
    np.testing.assert_array_equal(keypoints_2d, 2 * exact.keypoints_2d)
    np.testing.assert_array_equal(seen, exact.keypoints_2d[..., 0] > 0)
    # Detectors take turns among poses of all kinds.
    assert (given[0] != exact.keypoints_2d).any()


def test_errors_of_detected_poses(experiment):
    exact = conditions.conditions_of(experiment)["steep"].poses
    ends = [JOINTS.index(name) for name in ("LFoot", "RFoot", "LKnee")]

    def made(name="detected", **ranges):
        experiment.data.detector = Detector(stray=0, stray_covered=0, **ranges)
        keypoints_2d, seen = conditions.detected_poses(exact, experiment, name)
        return (keypoints_2d - exact.keypoints_2d)[:, ends], seen

    # No joint of a leg is moved but by noise, and noise is to scale.
    small, all_seen = made(noise=(0.001, 0.001))
    large, _ = made(noise=(0.002, 0.002))
    np.testing.assert_allclose(large, 2 * small, rtol=0.01, atol=1e-5)
    views = conditions.views_of(exact, experiment.data.cameras)
    spread = (small / views.person_size).std()
    assert spread == pytest.approx(0.0015, rel=0.3)
    # People face a camera or turn their back on it; legs are never hidden.
    assert all_seen[:, ends].mean() > 0.9
    # What training hides and exchanges at random is left out.
    hidden, seen = made(
        noise=(0.001, 0.001),
        swap=1.0,
        hide_joint=1.0,
        hide_limb=1.0,
        hide_half=1.0,
        crop=1.0,
    )
    np.testing.assert_array_equal(hidden, small)
    np.testing.assert_array_equal(seen, all_seen)
    other, _ = made("another name", noise=(0.001, 0.001))
    assert (other != small).all(axis=2).mean() > 0.99


def test_the_share_of_joints_that_are_unseen(experiment):
    class Flat:
        skeleton = H36M_17
        seen_input = True

        def __call__(self, keypoints_2d, seen=None):
            return np.stack([facing_the_camera()] * len(keypoints_2d))

    made = conditions.conditions_of(experiment)
    judged = conditions.judge(Flat(), made)
    text = conditions.as_text(judged)
    for name, row in judged.items():
        assert ("unseen" in row) == (name in conditions.DETECTED)
    for name in conditions.DETECTED:
        share = 1 - made[name].seen.mean()
        assert judged[name]["unseen"] == pytest.approx(share)
        (line,) = (
            line
            for line in text.splitlines()
            if line.startswith(f"{name:18}") and line.endswith(f"{share:.0%}")
        )
        assert 0 < share < 0.5


def test_archives_are_loaded_once(experiment, monkeypatch):
    load, loaded = mocap.load, []

    def counted(*arguments):
        loaded.append(arguments)
        return load(*arguments)

    monkeypatch.setattr(mocap, "load", counted)
    made = conditions.conditions_of(experiment)
    assert len(loaded) == 1
    # The subjects of the exercises may be named, too.
    experiment.data.validation_subjects = ("UIPRMD10",)
    named = conditions.conditions_of(experiment)
    np.testing.assert_array_equal(
        named["fixed"].poses.keypoints_2d,
        made["exercises"].poses.keypoints_2d,
    )


def test_subjects_that_are_not_there(experiment):
    experiment.data.validation_subjects = ("P1",)  # is for training
    with pytest.raises(ValueError, match="no validation subject P1"):
        conditions.conditions_of(experiment)


def test_measures_of_joints_that_are_known():
    true = facing_the_camera()[None]
    lifted = 1.1 * true
    true[:, JOINTS.index("LWrist")] = np.nan
    measured = measures.measure(lifted, true, JOINTS, UP)
    assert measured["size_ratio"].item() == pytest.approx(1.1)
    assert measured["sides_exchanged"].item() == 0
    swapped = lifted[:, list(H36M_17.mirrored)]
    measured = measures.measure(swapped, true, JOINTS, UP)
    assert measured["sides_exchanged"].item() == 1
    nothing = np.full_like(true, np.nan)
    measured = measures.measure(lifted, nothing, JOINTS, UP)
    assert np.isnan(measured["size_ratio"]).all()
    assert np.isnan(measured["sides_exchanged"]).all()

import json
import os

import numpy as np
import pytest

from ampose_tf import skeleton
from ampose_tf.config.ranges import Cameras
from ampose_tf.data import mocap
from ampose_tf.data.mocap import Motion3D
from tests.people import STANDING

TRIALS = {"P1/a": 5, "P1/b": 3, "P2/a": 7, "P10/a": 2, "P3/a": 11}


def standing(frames, seed=0):
    """Frames of someone who wanders about and trembles."""
    random = np.random.default_rng(seed)
    steps = random.uniform(-1, 1, (frames, 1, 3)) * [1, 1, 0]
    noise = random.uniform(-0.03, 0.03, (frames, 17, 3))
    return (STANDING + steps + noise).astype(np.float32)


def made_card(**changes):
    return {
        "joints": list(skeleton.H36M_17.joints),
        "train": ["P1", "P2", "P10"],
        "validation": ["P3"],
        "meta": {"P1/a": {"description": "walk"}},
    } | changes


def made_motion():
    return {key: standing(n, n) for key, n in TRIALS.items()}


def write(root, name="tiny", card=None, motion=None):
    text = json.dumps(made_card() if card is None else card)
    (root / f"{name}.json").write_text(text, encoding="utf-8")
    np.savez(
        root / f"{name}.npz", **(made_motion() if motion is None else motion)
    )


def load_spoilt(root, change):
    """Loads an archive one of whose trials `change` has spoilt."""
    motion = made_motion()
    motion["P2/a"] = change(motion["P2/a"])
    write(root, motion=motion)
    return mocap.load(root, ("tiny",), "train")


def one_trial(joints, name="P1/a", description="walk"):
    return Motion3D(
        joints,
        np.full(len(joints), name.split("/")[0]),
        np.zeros(len(joints), np.int32),
        (name,),
        (description,),
    )


def test_the_archives_own_split(tmp_path):
    write(tmp_path)
    train = mocap.load(tmp_path, ("tiny",), "train")
    # Names in their order; descriptions where there are any.
    assert train.trial_names == ("P1/a", "P1/b", "P10/a", "P2/a")
    assert train.descriptions == ("walk", "P1/b", "P10/a", "P2/a")
    assert train.trials.tolist() == [0] * 5 + [1] * 3 + [2] * 2 + [3] * 7
    assert train.subjects.tolist() == ["P1"] * 8 + ["P10"] * 2 + ["P2"] * 7
    np.testing.assert_array_equal(train.joints[5:8], standing(3, 3))
    assert train.joints.dtype == np.float32
    validation = mocap.load(tmp_path, ("tiny",), "validation")
    assert validation.trial_names == ("P3/a",)
    np.testing.assert_array_equal(validation.joints, standing(11, 11))


def test_chosen_subjects(tmp_path):
    write(tmp_path)
    chosen = mocap.load(tmp_path, ("tiny",), "train", ("P10", "P2"))
    assert chosen.trial_names == ("P10/a", "P2/a")


def test_a_frame_is_seen_alike_at_every_stride(tmp_path):
    """Strides start anew in each trial and do not move the cameras."""
    write(tmp_path)
    motion = mocap.load(tmp_path, ("tiny",), "train")
    noisy = Cameras(noise=0.01)
    every = mocap.seen_by_cameras(motion, noisy, 1, "longest")
    thin = mocap.seen_by_cameras(motion, noisy, 1, "longest", stride=3)
    kept, start = [], 0
    for frames in (5, 3, 2, 7):
        for _ in range(4):  # cameras
            kept += range(start, start + frames, 3)
            start += frames
    assert start == every.count
    np.testing.assert_array_equal(thin.poses_3d, every.poses_3d[kept])
    np.testing.assert_array_equal(thin.keypoints_2d, every.keypoints_2d[kept])


def test_several_archives(tmp_path):
    write(tmp_path)
    # One that is for training only.
    card = made_card(train=["Q"])
    del card["validation"], card["meta"]
    write(tmp_path, "more", card, {"Q/a": standing(3)})
    both = mocap.load(tmp_path, ("tiny", "more"), "train")
    assert both.trial_names == ("P1/a", "P1/b", "P10/a", "P2/a", "Q/a")
    assert both.trials.tolist()[-3:] == [4, 4, 4]
    assert both.subjects.tolist()[-3:] == ["Q"] * 3
    validation = mocap.load(tmp_path, ("tiny", "more"), "validation")
    assert validation.trial_names == ("P3/a",)
    with pytest.raises(ValueError, match="no validation subjects"):
        mocap.load(tmp_path, ("more",), "validation")


def test_an_unknown_subject(tmp_path):
    write(tmp_path)
    with pytest.raises(ValueError, match=r"tiny: nothing .* train \(P7\)"):
        mocap.load(tmp_path, ("tiny",), "train", ("P1", "P7"))


@pytest.mark.parametrize(
    ("split", "subject", "other"),
    [("train", "P3", "validation"), ("validation", "P2", "train")],
)
def test_a_subject_of_the_other_split(tmp_path, split, subject, other):
    write(tmp_path)
    with pytest.raises(
        ValueError, match=f"tiny: {subject} is one of the archive's {other}"
    ):
        mocap.load(tmp_path, ("tiny",), split, (subject,))


def test_a_subject_of_another_archives_other_split(tmp_path):
    write(tmp_path)
    card = made_card(train=["P3", "P1"])
    del card["validation"]
    write(tmp_path, "more", card, {"P3/b": standing(3), "P1/c": standing(3)})
    both = ("tiny", "more")
    with pytest.raises(ValueError, match="tiny: P3 .* validation subjects"):
        mocap.load(tmp_path, both, "train")
    with pytest.raises(ValueError, match="more: P3 is one of .* train"):
        mocap.load(tmp_path, both, "validation")
    # A subject in both training lists is no leak.
    chosen = mocap.load(tmp_path, both, "train", ("P1",))
    assert chosen.trial_names == ("P1/a", "P1/b", "P1/c")


def test_splits_that_share_a_subject(tmp_path):
    write(tmp_path, card=made_card(validation=["P3", "P2"]))
    with pytest.raises(
        ValueError, match=r"tiny\.json: P2 is both in train and"
    ):
        mocap.load(tmp_path, ("tiny",), "train")


@pytest.mark.parametrize("ending", ["json", "npz"])
def test_half_of_the_pair_is_missing(tmp_path, ending):
    write(tmp_path)
    (tmp_path / f"tiny.{ending}").unlink()
    with pytest.raises(
        FileNotFoundError, match=rf"tiny\.{ending}: .* consists"
    ):
        mocap.load(tmp_path, ("tiny",), "train")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        "{}",
        '{"joints": 3}',
        '{"joints": [], "train": 5}',
        "[" * 100_000,
    ],
)
def test_a_card_that_is_none(tmp_path, text):
    write(tmp_path)
    (tmp_path / "tiny.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"tiny\.json: not the card of a"):
        mocap.load(tmp_path, ("tiny",), "train")


def test_a_card_of_other_joints(tmp_path):
    joints = list(skeleton.H36M_17.joints)
    joints[1], joints[4] = joints[4], joints[1]
    write(tmp_path, card=made_card(joints=joints))
    with pytest.raises(ValueError, match=r"tiny\.json: expected the joints"):
        mocap.load(tmp_path, ("tiny",), "train")


def test_a_damaged_archive(tmp_path):
    write(tmp_path)
    whole = (tmp_path / "tiny.npz").read_bytes()
    (tmp_path / "tiny.npz").write_bytes(whole[:-100])
    with pytest.raises(ValueError, match=r"tiny\.npz: not a readable"):
        mocap.load(tmp_path, ("tiny",), "train")


def with_value(value):
    def change(frames):
        frames[3, 5, 1] = value
        return frames

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_value(np.nan), "contains NaN or infinite values"),
        (with_value(-np.inf), "contains NaN or infinite values"),
        (lambda frames: frames * 1000, "expected metres .* RHip is 1"),
        (lambda frames: frames / 0.3048, "metres .* RHip is 0.3"),
        (lambda frames: frames[:, ::-1], "Human3.6M's joint order"),
        # MPII's order: from the ankle upwards.
        (
            lambda frames: frames[
                :, [3, 2, 1, 4, 5, 6, 0, 8, 9, 10, 16, 15, 14, 11, 12, 13, 7]
            ],
            "Human3.6M's joint order, but RHip",
        ),
        (lambda frames: frames[:0], r"\(T, 17, 3\), got \(0, 17, 3\)"),
        (lambda frames: frames[:, :16], r"got \(7, 16, 3\)"),
        (lambda frames: frames[..., :2], r"got \(7, 17, 2\)"),
        (lambda frames: frames[0], r"got \(17, 3\)"),
        (lambda frames: frames.astype(int), "expected floats"),
    ],
    ids=[
        "nan",
        "inf",
        "millimetres",
        "feet",
        "reversed",
        "mpii",
        "empty",
        "joints",
        "axes",
        "frame",
        "integers",
    ],
)
def test_motion_that_cannot_be_right(tmp_path, change, message):
    with pytest.raises(ValueError, match=f"tiny: P2/a: .*{message}"):
        load_spoilt(tmp_path, change)


def test_what_is_not_asked_for_is_not_checked(tmp_path):
    motion = made_motion()
    motion["P2/a"][:] = np.nan
    write(tmp_path, motion=motion)
    assert mocap.load(tmp_path, ("tiny",), "train", ("P1",)).joints.size


HIP = np.array([3.0, -2.0, 0.9])


def many_cameras(trials=61, **changes):
    return [
        mocap.fixed_cameras(HIP, f"P/{trial}", Cameras(**changes), 1)
        for trial in range(trials)
    ]


def place(camera):
    """Distance and azimuth of a camera from the hip, and its height."""
    x, y, z = np.array(camera.translation) - [HIP[0], HIP[1], 0]
    return np.hypot(x, y), np.degrees(np.arctan2(y, x)), z


def test_cameras_stand_within_their_ranges():
    # Spec, section 9, and most of each range is used.
    places = np.array(
        [[place(camera) for camera in trial] for trial in many_cameras()]
    )
    assert places.shape == (61, 4, 3)
    for values, low, high in (
        (places[..., 0], 4, 6),
        (places[..., 2], 1.2, 1.8),
    ):
        margin = 0.05 * (high - low)
        assert low <= values.min() < low + margin
        assert high - margin < values.max() <= high


def test_cameras_stand_evenly_but_for_the_jitter():
    steps, starts = [], []
    for trial in many_cameras():
        azimuths = np.array([place(camera)[1] for camera in trial])
        steps.append((np.roll(azimuths, -1) - azimuths) % 360)
        starts.append(azimuths[0] % 360)
    # 90 degrees, each end off by up to 17.
    steps = np.array(steps)
    assert 90 - 34 <= steps.min() < 90 - 20
    assert 90 + 20 < steps.max() <= 90 + 34
    assert np.histogram(starts, 4, (0, 360))[0].min() >= 5


def test_cameras_without_jitter():
    azimuths = [
        place(camera)[1]
        for camera in many_cameras(1, number=5, azimuth_jitter_deg=0.0)[0]
    ]
    steps = (np.roll(azimuths, -1) - azimuths) % 360
    np.testing.assert_allclose(steps, 72, atol=1e-9)


def test_cameras_are_upright():
    for trial in many_cameras(7):
        for camera in trial:
            right, down, forward = camera.rotation().T
            assert abs(right[2]) < 1e-12
            assert down[2] < -0.9
            # A right-handed frame.
            np.testing.assert_allclose(
                np.cross(right, down), forward, atol=1e-12
            )


def test_cameras_are_aimed():
    heights = []
    for trial in many_cameras():
        for camera in trial:
            # Where the optical axis meets the vertical through the hip.
            forward = camera.rotation()[:, 2]
            distance, _, height = place(camera)
            heights.append(
                height + forward[2] / np.hypot(*forward[:2]) * distance
            )
            aim = np.array([HIP[0], HIP[1], heights[-1]])
            pixel = camera.project(camera.world_to_camera(aim))
            np.testing.assert_allclose(pixel, [500, 500], atol=1e-6)
    assert 0.7 <= min(heights) < 0.72
    assert 1.08 < max(heights) <= 1.1


def test_cameras_have_the_configured_image():
    camera = many_cameras(
        1, image_width=720, image_height=1280, focal_length_px=1004.0
    )[0][0]
    assert camera.image_size == (720, 1280)
    assert camera.center == (360, 640)
    assert camera.focal_length == (1004, 1004)
    assert not any(camera.radial_distortion + camera.tangential_distortion)


def test_cameras_depend_on_seed_and_trial_alone():
    def cameras(name, seed):
        return mocap.fixed_cameras(HIP, name, Cameras(), seed)

    assert cameras("P/a", 1) == cameras("P/a", 1)
    assert cameras("P/a", 1) != cameras("P/b", 1)
    assert cameras("P/a", 1) != cameras("P/a", 0)
    # Golden, from this code: figures on the same seed must stay comparable.
    first = mocap.fixed_cameras(np.zeros(3), "CMU03/03_01", Cameras(), 1)[0]
    np.testing.assert_allclose(
        first.translation, [3.939456, 1.571635, 1.670824], atol=1e-6
    )


def test_poses_do_not_depend_on_what_else_is_loaded(tmp_path):
    write(tmp_path)
    whole = mocap.seen_by_cameras(
        mocap.load(tmp_path, ("tiny",), "train"), Cameras(), 1, "longest"
    )
    alone = mocap.seen_by_cameras(
        mocap.load(tmp_path, ("tiny",), "train", ("P2",)),
        Cameras(),
        1,
        "longest",
    )
    np.testing.assert_array_equal(
        whole.keypoints_2d[whole.subjects == "P2"], alone.keypoints_2d
    )
    assert alone.count == 4 * 7


@pytest.mark.parametrize("normalisation", ["longest", "width"])
def test_seen_by_cameras_equals_a_slow_computation(tmp_path, normalisation):
    write(tmp_path)
    motion = mocap.load(tmp_path, ("tiny",), "train")
    settings = Cameras(number=3, image_width=700, image_height=1100)
    seen = mocap.seen_by_cameras(motion, settings, 5, normalisation)
    # Each frame once per camera: trial by trial, camera by camera.
    half = 350 if normalisation == "width" else 550
    assert seen.action_names == ("P1/b", "P10/a", "P2/a", "walk")
    row = 0
    for trial, key in enumerate(motion.trial_names):
        world = made_motion()[key].astype(np.float64)
        cameras = mocap.fixed_cameras(
            world[:, 0].mean(axis=0), key, settings, 5
        )
        assert len(cameras) == 3
        for camera in cameras:
            right, down, forward = camera.rotation().T
            for frame in world:
                offsets = frame - camera.translation
                joints = np.array(
                    [(o @ right, o @ down, o @ forward) for o in offsets]
                )
                np.testing.assert_allclose(
                    seen.poses_3d[row], joints - joints[0], atol=1e-6
                )
                image = [
                    (1145 * x / z / half, 1145 * y / z / half)
                    for x, y, z in joints
                ]
                np.testing.assert_allclose(
                    seen.keypoints_2d[row], image, atol=1e-5
                )
                assert seen.subjects[row] == key.split("/")[0]
                name = motion.descriptions[trial]
                assert seen.action_names[seen.actions[row]] == name
                row += 1
    assert row == seen.count == 3 * 17


def walk_towards(camera, distances):
    """Frames of someone at given distances before a camera's plane."""
    forward = camera.rotation()[:, 2]
    frames = []
    for distance in distances:
        # The nearest joint stands exactly at the distance.
        depth = (STANDING - camera.translation) @ forward
        step = (distance - depth.min()) / (forward[:2] @ forward[:2])
        frames.append(STANDING + step * np.append(forward[:2], 0))
    return np.array(frames)


def test_frames_too_near_to_the_camera_are_dropped():
    settings = Cameras(number=1)
    # The mean hip decides where the camera stands: it is moved back there.
    hip = np.array([0.3, -0.2, 0.9])
    camera = mocap.fixed_cameras(hip, "P1/a", settings, 1)[0]
    near = walk_towards(camera, [0.98, 1.02, -3.0, 2.0])
    rest = len(near) * hip[:2] - near[:, 0, :2].sum(axis=0)
    balance = np.tile(STANDING, (11, 1, 1))
    balance[..., :2] += hip[:2] + rest / 11
    world = np.concatenate([near, balance])
    np.testing.assert_allclose(world[:, 0].mean(axis=0), hip)
    depth = camera.world_to_camera(world)[..., 2].min(axis=1)
    np.testing.assert_allclose(depth[:4], [0.98, 1.02, -3, 2], atol=1e-9)
    assert depth[4:].min() > 1
    seen = mocap.seen_by_cameras(one_trial(world), settings, 1, "longest")
    assert seen.count == 13
    kept = camera.world_to_camera(world[[1, 3, *range(4, 15)]])
    np.testing.assert_allclose(seen.poses_3d, kept - kept[:, :1], atol=1e-6)


def test_frames_outside_the_image():
    def seen(inside):
        # Two metres to either side: half of the poses leave the image.
        random = np.random.default_rng(2)
        sides = random.uniform(-2, 2, (53, 1, 3)) * [1, 1, 0]
        return mocap.seen_by_cameras(
            one_trial(STANDING + sides),
            Cameras(inside_image=inside, image_height=700),
            1,
            "longest",
        )

    whole, inside = seen(False), seen(True)
    assert whole.count == 4 * 53
    within = (np.abs(whole.keypoints_2d) <= [1, 0.7]).all(axis=(1, 2))
    assert 20 < within.sum() < 190
    np.testing.assert_array_equal(
        inside.keypoints_2d, whole.keypoints_2d[within]
    )
    np.testing.assert_array_equal(inside.poses_3d, whole.poses_3d[within])


def test_nobody_in_view():
    settings = Cameras(inside_image=True, image_height=10)
    with pytest.raises(ValueError, match="No frame of the motion"):
        mocap.seen_by_cameras(
            one_trial(STANDING[None]), settings, 1, "longest"
        )


@pytest.mark.skipif(
    "AMPOSE_MOCAP" not in os.environ, reason="AMPOSE_MOCAP is not set"
)
def test_real_motion():
    # Figures of the archive's README.
    root = os.environ["AMPOSE_MOCAP"]
    train = mocap.load(root, ("cmu17",), "train")
    validation = mocap.load(root, ("cmu17",), "validation")
    assert len(validation.joints) == 6051
    assert len(train.joints) == 80467 - 6051
    assert len(set(train.subjects)) == 16
    assert set(validation.subjects) == {
        "CMU03",
        "CMU09",
        "CMU35",
        "CMU93",
        "CMU131",
    }
    assert len(train.trial_names) + len(validation.trial_names) == 228
    seen = mocap.seen_by_cameras(validation, Cameras(), 1, "longest", 5)
    # Every trial's first frame is one, and its last may be.
    frames = np.bincount(validation.trials)
    most = 4 * np.sum((frames + 4) // 5)
    assert 0.9 * most < seen.count <= most
    assert np.abs(seen.keypoints_2d).max() < 5


def test_where_up_is_in_the_cameras_frame():
    world = np.tile(STANDING, (3, 1, 1)).astype(np.float32)
    seen = mocap.seen_by_cameras(
        one_trial(world), Cameras(height_m=(1.0, 5.0)), 1, "longest"
    )
    assert seen.up.shape == (seen.count, 3) and seen.up.dtype == np.float32
    height = np.sum(seen.poses_3d * seen.up[:, None], axis=-1)
    expected = STANDING[:, 2] - STANDING[0, 2]
    np.testing.assert_allclose(
        height, np.tile(expected, (seen.count, 1)), atol=1e-6
    )


def test_noise_is_in_proportion_to_the_person(tmp_path):
    world = np.tile(STANDING, (997, 1, 1)).astype(np.float32)
    exact, noisy = (
        mocap.seen_by_cameras(
            one_trial(world), Cameras(noise=noise), 1, "longest"
        )
        for noise in (0.0, 0.01)
    )
    np.testing.assert_array_equal(noisy.poses_3d, exact.poses_3d)
    error = noisy.keypoints_2d - exact.keypoints_2d  # of 500 pixels
    cameras = mocap.fixed_cameras(world[:, 0].mean(0), "P1/a", Cameras(), 1)
    for camera, own in zip(cameras, np.split(error, 4), strict=True):
        depth = camera.world_to_camera(world[:1])[0, 0, 2]
        sigma = 0.01 * 1145 * 1.7 / depth / 500
        assert own.std() == pytest.approx(sigma, rel=0.02)
        assert abs(own.mean()) < 0.02 * sigma

import numpy as np
import pytest

from ampose_tf.config import Generated
from ampose_tf.data import archive, human36m, synthetic
from ampose_tf.skeleton import H36M_17
from tests import commands

# Small, prime, and long enough for a smooth movement to be seen as such.
FRAMES, SEED = 13, 5
LONG = 211

# Of the 32 joints: hip, knee and ankle of the right and the left leg,
# shoulder, elbow and wrist of the arms.
LEGS = ((1, 2, 3), (6, 7, 8))
ARMS = ((25, 26, 27), (17, 18, 19))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthetic")
    synthetic.write(folder, FRAMES, SEED)
    return folder


@pytest.fixture(scope="module")
def world(root):
    return archive.read(root / "data_3d_h36m.npz")["positions_3d"]


@pytest.fixture(scope="module")
def long():
    """Returns {action: four seconds of it}, by turns of all subjects."""
    subjects = human36m.SUBJECTS
    return {
        action: synthetic.generate(
            subjects[index % len(subjects)], f"{action} 1", LONG, SEED
        ).astype(np.float64)
        for index, action in enumerate(human36m.ACTIONS)
    }


def sequences(world):
    for subject, actions in world.items():
        for name, positions in actions.items():
            yield subject, name, positions.astype(np.float64)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def bend(positions, limb):
    """Returns the angle by which a limb's middle joint bends, degrees."""
    start, middle, end = (positions[:, joint] for joint in limb)
    cosine = np.sum(unit(middle - start) * unit(end - middle), axis=-1)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def test_counts_and_shapes(root, world):
    assert list(world) == ["S1", "S5", "S6", "S7", "S8", "S9", "S11"]
    for subject, actions in world.items():
        assert len(actions) == (29 if subject == "S11" else 30)
        assert ("Directions" in actions) == (subject != "S11")
        assert {name.split(" ")[0] for name in actions} == set(
            human36m.ACTIONS
        )
        for positions in actions.values():
            assert positions.shape == (FRAMES, 32, 3)
            assert positions.dtype == np.float32
            assert np.isfinite(positions).all()
    for keypoints in ("gt", "cpn_ft_h36m_dbb"):
        members = archive.read(root / f"data_2d_h36m_{keypoints}.npz")
        assert members["metadata"] == {
            "layout_name": "h36m",
            "num_joints": 17,
            "keypoints_symmetry": [
                [4, 5, 6, 11, 12, 13],
                [1, 2, 3, 14, 15, 16],
            ],
        }
        for subject, actions in members["positions_2d"].items():
            assert list(actions) == list(world[subject])
            for views in actions.values():
                assert [view.shape for view in views] == [(FRAMES, 17, 2)] * 4
                assert {view.dtype for view in views} == {np.dtype("f4")}


@pytest.mark.parametrize("keypoints", ["gt", "cpn_ft_h36m_dbb"])
def test_files_load_as_human36m(root, keypoints):
    poses = human36m.load(root, ("S9", "S11"), keypoints)
    assert np.sum(poses.subjects == "S9") == FRAMES * 4 * 30
    assert np.sum(poses.subjects == "S11") == FRAMES * 4 * 29


def test_files_say_that_they_are_generated(root):
    assert archive.read(root / "data_3d_h36m.npz")["metadata"] == {
        "generator": "ampose_tf.data.synthetic",
        "frames": FRAMES,
        "seed": SEED,
        "units": "metres",
        "fps": 50,
    }


def test_bones_keep_their_lengths(world):
    kept = list(human36m.JOINTS_OF_32)
    parents, children = np.transpose(H36M_17.edges)
    lengths = {subject: [] for subject in world}
    for subject, _, positions in sequences(world):
        bones = (
            positions[:, kept][:, children] - positions[:, kept][:, parents]
        )
        lengths[subject].append(np.linalg.norm(bones, axis=-1))
    for subject, measured in lengths.items():
        measured = np.concatenate(measured)
        # Positions of up to 4 m in float32. Shoulders shrug about the
        # thorax without changing its distance.
        assert np.ptp(measured, axis=0).max() < 3e-6, subject
        left, right = list(H36M_17.left), list(H36M_17.right)
        bone = np.argsort(children)  # of each joint but the hip
        np.testing.assert_allclose(
            measured[0, bone[np.array(left) - 1]],
            measured[0, bone[np.array(right) - 1]],
            atol=3e-6,
        )


def test_people_differ_and_those_tested_on_lie_between_the_others(world):
    kept = list(human36m.JOINTS_OF_32)
    parents, children = np.transpose(H36M_17.edges)
    sizes = {}
    for subject, actions in world.items():
        joints = actions["Walking"][0, kept]
        sizes[subject] = np.linalg.norm(
            joints[children] - joints[parents], axis=-1
        ).sum()
    assert np.diff(np.sort(list(sizes.values()))).min() > 1e-3
    held_out = {sizes.pop("S9"), sizes.pop("S11")}
    assert min(sizes.values()) < min(held_out)
    assert max(held_out) < max(sizes.values())


def test_the_32_joints_are_a_body(world):
    for subject, name, positions in sequences(world):
        hip = positions[:, :1]
        assert np.abs(positions - hip).max() < 1.6, (subject, name)
        for joint, copy in ((0, 11), (13, 16), (13, 24), (19, 20), (27, 28)):
            np.testing.assert_array_equal(
                positions[:, joint], positions[:, copy]
            )
        for joint, parent in (
            (4, 3), (5, 4), (9, 8), (10, 9),
            (21, 19), (23, 19), (29, 27), (31, 27),
        ):  # fmt: skip
            length = np.linalg.norm(
                positions[:, joint] - positions[:, parent], axis=-1
            )
            assert np.all((length > 0.04) & (length < 0.2))


def test_knees_bend_backwards(world):
    for subject, name, positions in sequences(world):
        # From right to left; the knees' axes point along it, more or less.
        across = positions[:, 6] - positions[:, 1]
        for limb in LEGS:
            hip, knee, ankle = (positions[:, joint] for joint in limb)
            hinge = np.cross(knee - hip, ankle - knee)
            assert np.sum(hinge * across, axis=-1).min() > 0, (subject, name)
            assert bend(positions, limb).max() < 150, (subject, name)


def test_elbows_bend_forwards(world):
    for subject, name, positions in sequences(world):
        spine = positions[:, 13] - positions[:, 12]
        across = positions[:, 17] - positions[:, 25]
        left = unit(across)
        up = unit(spine - np.sum(spine * left, -1, keepdims=True) * left)
        chest = np.stack([np.cross(left, up), left, up], axis=1)
        for limb, side in zip(ARMS, (-1, 1), strict=True):
            shoulder, elbow, wrist = (
                np.einsum("tij,tj->ti", chest, positions[:, joint])
                for joint in limb
            )
            upper, lower = unit(elbow - shoulder), unit(wrist - elbow)
            # Take back the raising of the arm, sideways and forwards. What
            # is left is the forearm of a hanging arm: it may bend forward,
            # and be turned inward and outward by the shoulder, but never
            # point backward.
            abduction = np.arcsin(np.clip(side * upper[:, 1], -1, 1))
            flexion = np.arctan2(upper[:, 0], -upper[:, 2])
            x = lower[:, 0] * np.cos(flexion) + lower[:, 2] * np.sin(flexion)
            z = lower[:, 2] * np.cos(flexion) - lower[:, 0] * np.sin(flexion)
            y = side * lower[:, 1]
            y = y * np.cos(abduction) + z * np.sin(abduction)
            twist = np.degrees(np.arctan2(-y, x))
            bent = bend(positions, limb)
            # The chest's frame is measured, not known: shrugging shoulders
            # are not level.
            twist = twist[bent > 10]
            assert np.all((twist > -75) & (twist < 110)), (subject, name)
            assert bent.min() > 3
            assert bent.max() < 151


def test_spine_and_head_stay_within_human_ranges(world):
    for subject, name, positions in sequences(world):
        assert bend(positions, (0, 12, 13)).max() < 50, (subject, name)
        # The nose's direction leans 30 degrees forward by itself.
        assert bend(positions, (12, 13, 14)).max() < 90, (subject, name)


def test_feet_stand_on_the_floor(world):
    soles = [3, 4, 5, 8, 9, 10]
    for subject, name, positions in sequences(world):
        height = positions[..., 2]
        # A hand that props may press a little into it.
        assert height.min() > -0.01, (subject, name)
        lowest = height[:, soles].min(axis=1)
        # The ankle's height, where someone sits with the toes up.
        assert lowest.max() < 0.1, (subject, name)


def test_standing_feet_do_not_slide(long):
    for action in ("Walking", "WalkDog", "WalkTogether", "Discussion"):
        balls = long[action][:, [4, 9]]
        speed = np.linalg.norm(np.diff(balls, axis=0), axis=-1) * 50
        # One foot or the other stands at any time, against 4 m/s in swing.
        assert speed.min(axis=1).max() < 0.2, action


def test_motion_is_smooth(long):
    for action, positions in long.items():
        speed = np.linalg.norm(np.diff(positions, axis=0), axis=-1) * 50
        change = np.diff(positions, n=2, axis=0) * 50**2
        acceleration = np.linalg.norm(change, axis=-1)
        # Walking, toes reach 6 m/s; hands of people who wave, 5 m/s and
        # 60 m/s^2. The hip is slower.
        assert speed.max() < 7, action
        assert acceleration.max() < 90, action
        assert speed[:, 0].max() < 2.5, action
        assert acceleration[:, 0].max() < 30, action
        # It moves at all: no frame is like the one before.
        assert speed.max(axis=1).min() > 1e-3, action


def test_everybody_is_inside_all_images(root):
    for keypoints, tolerance in (("gt", 0), ("cpn_ft_h36m_dbb", 350)):
        image = archive.read(root / f"data_2d_h36m_{keypoints}.npz")
        for subject, actions in image["positions_2d"].items():
            for name, views in actions.items():
                for camera, view in zip(
                    human36m.cameras(subject), views, strict=True
                ):
                    assert view.min() > -tolerance, (subject, name)
                    beyond = view - np.array(camera.image_size)
                    assert beyond.max() < tolerance, (subject, name)


def test_true_keypoints_are_projections_with_distortion(root, world):
    image = archive.read(root / "data_2d_h36m_gt.npz")["positions_2d"]
    kept = list(human36m.JOINTS_OF_32)
    for subject, name, positions in sequences(world):
        for camera, view in zip(
            human36m.cameras(subject), image[subject][name], strict=True
        ):
            expected = camera.project(
                camera.world_to_camera(positions[:, kept])
            )
            np.testing.assert_allclose(view, expected, atol=1e-3)


def test_detections_err_like_a_detector(root):
    truth, found = (
        archive.read(root / f"data_2d_h36m_{keypoints}.npz")["positions_2d"]
        for keypoints in ("gt", "cpn_ft_h36m_dbb")
    )
    true_px, found_px = (
        np.concatenate(
            [
                view
                for actions in image.values()
                for views in actions.values()
                for view in views
            ]
        )
        for image in (truth, found)
    )
    error = np.linalg.norm(found_px - true_px, axis=-1)
    median = np.median(error)
    assert 2.5 < median < 8
    # Of a normal distribution in the plane, one in 1e7 is beyond 5 medians.
    assert 0.002 < np.mean(error > 5 * median) < 0.05
    assert np.median(error[:, [3, 6, 13, 16]]) > 1.4 * np.median(error[:, 0])
    left, right = [5, 6], [2, 3]
    apart = np.linalg.norm(true_px[:, left] - true_px[:, right], axis=-1)
    swapped = (
        np.linalg.norm(found_px[:, left] - true_px[:, right], axis=-1)
        < apart / 3
    ) & (apart > 60)
    rate = swapped.all(axis=1).sum() / (apart > 60).all(axis=1).sum()
    assert 0.002 < rate < 0.05


def test_detections_err_more_the_faster_joints_move():
    still = np.full((499, 17, 2), 500.0)
    moving = still + 20 * np.arange(499)[:, None, None] * np.array([1, 0])
    errors = [
        np.median(
            np.linalg.norm(
                synthetic.detect(true_px, np.random.default_rng(3)) - true_px,
                axis=-1,
            )
        )
        for true_px in (still, moving)
    ]
    assert errors[1] > 2 * errors[0]


def test_detections_of_neighbouring_frames_err_alike():
    true_px = np.full((997, 17, 2), 500.0)
    error = synthetic.detect(true_px, np.random.default_rng(7)) - true_px
    # Ranks, since outliers rule a plain correlation.
    ranks = np.argsort(np.argsort(error[:, 0, 0]))
    correlation = np.corrcoef(ranks[1:], ranks[:-1])[0, 1]
    assert 0.35 < correlation < 0.7


def test_same_seed_same_files_and_other_seed_other_people(root, tmp_path):
    again = tmp_path / "again"
    synthetic.write(again, FRAMES, SEED)
    for name in synthetic.FILES:
        assert_same(archive.read(root / name), archive.read(again / name))
    one, other = (
        synthetic.generate("S1", "Walking", FRAMES, seed) for seed in (5, 6)
    )
    thighs = [
        np.linalg.norm(positions[0, 2] - positions[0, 1])
        for positions in (one, other)
    ]
    assert abs(thighs[0] - thighs[1]) > 1e-4
    assert np.abs(one - other).max() > 0.05


def assert_same(one, other):
    if isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list):
        for first, second in zip(one, other, strict=True):
            assert_same(first, second)
    else:
        np.testing.assert_array_equal(one, other)


def test_no_two_sequences_are_alike(world):
    for actions in world.values():
        for action in human36m.ACTIONS:
            if action in actions:
                apart = actions[action] - actions[f"{action} 1"]
                assert np.abs(apart).max() > 0.05
    first = [
        (positions[0] - positions[0, 0]).tobytes()
        for _, _, positions in sequences(world)
    ]
    assert len(set(first)) == len(first) == 209


def test_short_sequences_are_the_start_of_long_ones(long):
    for index, action in enumerate(human36m.ACTIONS):
        subject = human36m.SUBJECTS[index % 7]
        short = synthetic.generate(subject, f"{action} 1", 3, SEED)
        np.testing.assert_allclose(
            short, long[action][:3], atol=1e-6, err_msg=action
        )


def test_people_face_all_ways(world):
    across = np.array(
        [
            positions[0, 6] - positions[0, 1]
            for *_, positions in sequences(world)
        ]
    )
    facing = np.degrees(np.arctan2(across[:, 1], across[:, 0]))
    counts, _ = np.histogram(facing, bins=8, range=(-180, 180))
    assert counts.min() > 209 / 8 / 3


def test_actions_look_like_themselves(long):
    travelled = {
        action: np.linalg.norm(np.diff(p[:, 0, :2], axis=0), axis=-1).sum()
        for action, p in long.items()
    }
    for action, metres in travelled.items():
        # 4.2 s at walking pace, against swaying on the spot.
        assert (metres > 2.8) == action.startswith("Walk"), action
    hip = {action: p[:, 0, 2] for action, p in long.items()}
    assert hip["Sitting"].max() < 0.6
    assert np.ptp(hip["SittingDown"]) > 0.3
    for action in ("Walking", "Waiting", "Greeting"):
        assert hip[action].min() > 0.7
    # A hand at the ear, both in front of the face, one higher than the
    # shoulder.
    wrists = {action: p[:, [19, 27]] for action, p in long.items()}
    head = {action: p[:, 14] for action, p in long.items()}
    ear = np.linalg.norm(wrists["Phoning"] - head["Phoning"][:, None], axis=-1)
    assert ear.min(axis=1).max() < 0.3
    camera = np.linalg.norm(wrists["Photo"] - head["Photo"][:, None], axis=-1)
    assert np.median(camera.max(axis=1)) < 0.45
    assert wrists["Greeting"][..., 2].max() > long["Greeting"][0, 13, 2]


def test_arms_swing_against_the_legs(long):
    positions = long["Walking"]
    across = positions[:, 6] - positions[:, 1]
    forward = unit(np.cross(across, [0, 0, 1]))

    def ahead(left, right):
        return np.sum((positions[:, left] - positions[:, right]) * forward, -1)

    assert np.corrcoef(ahead(8, 3), ahead(19, 27))[0, 1] < -0.7


def test_mean_pose_is_far_from_most_poses(root):
    train = human36m.load(root, ("S1", "S5", "S6", "S7", "S8")).poses_3d
    test = human36m.load(root, ("S9", "S11")).poses_3d
    error = np.linalg.norm(test - train.mean(axis=0), axis=-1)
    assert error.mean() > 0.15


def test_ensure_writes_once(tmp_path, capsys):
    synthetic.ensure(tmp_path / "new", 2, 3)
    assert "S11: 29 sequences" in capsys.readouterr().out
    times = [
        (tmp_path / "new" / name).stat().st_mtime_ns
        for name in synthetic.FILES
    ]
    synthetic.ensure(tmp_path / "new", 2, 3)
    assert times == [
        (tmp_path / "new" / name).stat().st_mtime_ns
        for name in synthetic.FILES
    ]
    for frames, seed, named in ((3, 3, "frames=2"), (2, 4, "seed=3")):
        with pytest.raises(ValueError, match=f"new: .*{named}"):
            synthetic.ensure(tmp_path / "new", frames, seed)


def test_ensure_completes_what_was_killed(tmp_path, capsys):
    synthetic.write(tmp_path, 2, 3)
    whole = {name: archive.read(tmp_path / name) for name in synthetic.FILES}
    for name in synthetic.FILES[1:]:
        (tmp_path / name).unlink()
        synthetic.ensure(tmp_path, 2, 3)
        for file, content in whole.items():
            assert_same(archive.read(tmp_path / file), content)


def test_ensure_never_touches_other_files(tmp_path):
    real = {"S1": {"Walking": np.ones((2, 32, 3), np.float32)}}
    archive.write(tmp_path / "data_3d_h36m.npz", positions_3d=real)
    with pytest.raises(ValueError, match="not generated") as caught:
        synthetic.ensure(tmp_path, 2, 3)
    assert str(tmp_path) in str(caught.value)
    for name in synthetic.FILES[1:]:
        archive.write(tmp_path / name, positions_2d={})
    with pytest.raises(ValueError, match="not generated") as caught:
        synthetic.ensure(tmp_path, 2, 3)
    assert str(tmp_path) in str(caught.value)
    assert_same(
        archive.read(tmp_path / "data_3d_h36m.npz"), {"positions_3d": real}
    )


def test_bad_sizes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="frames"):
        synthetic.write(tmp_path / "none", 1, 0)
    assert not (tmp_path / "none").exists()


def run(*arguments):
    return commands.run("python -m ampose_tf.data.synthetic", ".", *arguments)


def test_command_line(tmp_path):
    folder = tmp_path / "written"
    done = run(f"--output={folder}", "--frames=2", "--seed=3")
    assert done.returncode == 0, done.stderr
    assert "7 subjects, 209 sequences, 418 frames, 1672 pairs" in done.stdout
    assert {p.name for p in folder.iterdir()} == set(synthetic.FILES)
    views = archive.read(folder / "data_2d_h36m_gt.npz")["positions_2d"]
    np.testing.assert_array_equal(
        archive.read(folder / "clip_S9_Walking.npz")["keypoints_px"],
        views["S9"]["Walking"][0],
    )
    refused = run(f"--output={folder}", "--frames=3")
    assert refused.returncode == 2
    assert "frames=2" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_defaults_are_those_of_the_configuration():
    assert synthetic.write.__defaults__ == (Generated.frames, Generated.seed)

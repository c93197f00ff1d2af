import copy
import os
import pathlib

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ampose_tf import skeleton
from ampose_tf.data import archive, human36m

# The raw recordings' joints that the 17 are taken from, by the task's figures.
KEPT = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]
SIZES = [(1000, 1002), (1000, 1000), (1000, 1000), (1000, 1002)]
NECK = 9

LAYOUT = {
    "S1": {"Directions": 5, "Walking 1": 7},
    "S9": {"Directions 1": 3, "Sitting 1": 5, "SittingDown": 2},
    "S11": {"Directions": 11, "Directions 1": 5, "Photo": 3},
}


def make_recordings(layout=LAYOUT, joints=17, seed=3):
    """Returns positions_3d and positions_2d with distinct random values."""
    rng = np.random.default_rng(seed)
    world, image = {}, {}
    for subject, actions in layout.items():
        world[subject] = {
            name: rng.uniform(-0.6, 0.6, size=(frames, 32, 3)).astype(
                np.float32
            )
            + np.float32([0, 0, 1])
            for name, frames in actions.items()
        }
        image[subject] = {
            name: [
                rng.uniform(50, 950, size=(frames, joints, 2)).astype(
                    np.float32
                )
                for _ in range(4)
            ]
            for name, frames in actions.items()
        }
    return world, image


def write(root, world, image, keypoints="gt"):
    archive.write(root / "data_3d_h36m.npz", positions_3d=world)
    archive.write(
        root / f"data_2d_h36m_{keypoints}.npz",
        positions_2d=image,
        metadata={"layout_name": "h36m"},
    )


def load_changed(root, change, **options):
    """Loads S1 from files that `change(world, image)` has spoilt."""
    world, image = make_recordings({"S1": LAYOUT["S1"]})
    change(world["S1"], image["S1"])
    write(root, world, image)
    return human36m.load(root, ("S1",), **options)


@pytest.fixture
def root(tmp_path):
    write(tmp_path, *make_recordings())
    return tmp_path


def test_joints_are_those_of_the_protocol():
    assert list(human36m.JOINTS_OF_32) == KEPT
    assert len(human36m.ACTIONS) == len(set(human36m.ACTIONS)) == 15


def test_counts(root):
    # Frames times four cameras; S11's Directions is left out.
    for subject, frames in (("S1", 12), ("S9", 10), ("S11", 8)):
        poses = human36m.load(root, (subject,))
        assert poses.count == 4 * frames
        assert set(poses.subjects) == {subject}
    both = human36m.load(root, ("S9", "S11"))
    assert both.subjects.tolist() == 40 * ["S9"] + 32 * ["S11"]


def test_the_order_of_subjects_is_that_asked_for(root):
    poses = human36m.load(root, ("S11", "S1"))
    assert poses.subjects.tolist() == 32 * ["S11"] + 48 * ["S1"]


def expected_pairs(subject, stride=1):
    """A slow second opinion on `load` for one subject."""
    world, image = make_recordings()
    keypoints_2d, poses_3d, names = [], [], []
    for name, joints_32 in world[subject].items():
        if (subject, name) == ("S11", "Directions"):
            continue
        for index, view in enumerate(human36m.cameras(subject)):
            turn = Rotation.from_quat(view.orientation, scalar_first=True)
            width, height = SIZES[index]
            for t in range(0, len(joints_32), stride):
                seen = [
                    turn.inv().apply(joints_32[t, j] - view.translation)
                    for j in KEPT
                ]
                poses_3d.append([joint - seen[0] for joint in seen])
                keypoints_2d.append(
                    [
                        (2 * u / width - 1, 2 * v / width - height / width)
                        for u, v in image[subject][name][index][t]
                    ]
                )
                names.append(name.split(" ")[0])
    return np.array(keypoints_2d), np.array(poses_3d), names


@pytest.mark.parametrize("subject", LAYOUT)
@pytest.mark.parametrize("stride", [1, 3])
def test_values_equal_a_slow_computation(root, subject, stride):
    poses = human36m.load(root, (subject,), stride=stride)
    keypoints_2d, poses_3d, names = expected_pairs(subject, stride)
    np.testing.assert_allclose(poses.keypoints_2d, keypoints_2d, atol=1e-6)
    np.testing.assert_allclose(poses.poses_3d, poses_3d, atol=1e-6)
    assert [poses.action_names[a] for a in poses.actions] == names
    np.testing.assert_array_equal(poses.poses_3d[:, 0], 0)


def test_projections_of_the_recordings_agree_with_their_poses(tmp_path):
    # The whole convention at once: what a camera sees on the right is to
    # the right of the hip in the pose, and further down is further down.
    world, image = make_recordings({"S5": {"Eating": 7}})
    joints = world["S5"]["Eating"][:, KEPT]
    image["S5"]["Eating"] = [
        view.project(view.world_to_camera(joints))
        for view in human36m.cameras("S5")
    ]
    write(tmp_path, world, image)
    poses = human36m.load(tmp_path, ("S5",))
    offsets = poses.keypoints_2d - poses.keypoints_2d[:, :1]
    for axis in (0, 1):
        apart = np.abs(poses.poses_3d[..., axis]) > 0.3
        assert apart.sum() > 100
        np.testing.assert_array_equal(
            np.sign(offsets[..., axis])[apart],
            np.sign(poses.poses_3d[..., axis])[apart],
        )


def test_normalisation_by_the_longest_side(root):
    by_width = human36m.load(root, ("S1",))
    by_longest = human36m.load(root, ("S1",), normalisation="longest")
    # Cameras of 1000 x 1002 in the first, of 1000 x 1000 in the second place.
    np.testing.assert_allclose(
        by_longest.keypoints_2d[:5] * 1.002,
        by_width.keypoints_2d[:5],
        atol=1e-6,
    )
    np.testing.assert_array_equal(
        by_longest.keypoints_2d[5:10], by_width.keypoints_2d[5:10]
    )


@pytest.mark.parametrize("stored", [17, 16])
def test_16_joints(tmp_path, stored):
    world, image = make_recordings()
    write(tmp_path, world, image)
    whole = human36m.load(tmp_path, ("S1", "S9"))
    if stored == 16:
        for actions in image.values():
            for views in actions.values():
                views[:] = [np.delete(view, NECK, axis=1) for view in views]
        write(tmp_path, world, image)
    poses = human36m.load(tmp_path, ("S1", "S9"), joints=16)
    assert poses.keypoints_2d.shape == (88, 16, 2)
    assert skeleton.H36M_17.joints[NECK] not in skeleton.H36M_16.joints
    np.testing.assert_array_equal(
        poses.keypoints_2d, np.delete(whole.keypoints_2d, NECK, axis=1)
    )
    np.testing.assert_array_equal(
        poses.poses_3d, np.delete(whole.poses_3d, NECK, axis=1)
    )


def test_17_joints_from_files_of_16(tmp_path):
    write(tmp_path, *make_recordings(joints=16))
    with pytest.raises(
        ValueError, match="S1 'Directions' camera 0: .*17 joints, got 16"
    ):
        human36m.load(tmp_path, ("S1",))


def test_detected_keypoints_come_from_their_own_file(tmp_path):
    world, image = make_recordings()
    write(tmp_path, world, image)
    for views in image["S1"].values():
        for view in views:
            view += 100
    # Detections also cover subjects without 3D.
    image["S2"] = image["S1"]
    write(tmp_path, world, image, "cpn_ft_h36m_dbb")
    projected = human36m.load(tmp_path, ("S1",))
    detected = human36m.load(tmp_path, ("S1",), keypoints="cpn_ft_h36m_dbb")
    np.testing.assert_allclose(
        detected.keypoints_2d, projected.keypoints_2d + 0.2, atol=1e-6
    )


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("Sitting", "Sitting"),
        ("Sitting 1", "Sitting"),
        ("SittingDown", "SittingDown"),
        ("SittingDown 2", "SittingDown"),
        ("WalkTogether 1", "WalkTogether"),
        ("TakingPhoto", "Photo"),
        ("TakingPhoto 1", "Photo"),
        ("WalkingDog", "WalkDog"),
        ("WalkDog 1", "WalkDog"),
        ("Walking 3", "Walking"),
    ],
)
def test_names_of_actions(tmp_path, name, action):
    write(tmp_path, *make_recordings({"S1": {name: 2}}))
    poses = human36m.load(tmp_path, ("S1",))
    assert {poses.action_names[a] for a in poses.actions} == {action}
    assert poses.action_names == human36m.ACTIONS


@pytest.mark.parametrize("name", ["Sit", "walking", "Jumping 1", ""])
def test_unknown_actions_are_named(tmp_path, name):
    write(tmp_path, *make_recordings({"S1": {"Eating": 2, name: 2}}))
    with pytest.raises(ValueError, match=f"S1: '{name}' is not one"):
        human36m.load(tmp_path, ("S1",))


def test_the_corrupt_sequence_is_left_out_by_its_exact_name(root):
    poses = human36m.load(root, ("S11",))
    names = [poses.action_names[a] for a in poses.actions]
    assert names == 20 * ["Directions"] + 12 * ["Photo"]
    _, image = make_recordings()
    np.testing.assert_allclose(
        poses.keypoints_2d[0, 0],
        image["S11"]["Directions 1"][0][0, 0] / 500 - [1, 1.002],
        atol=1e-6,
    )
    # Other subjects' Directions stays.
    assert human36m.load(root, ("S1",)).actions[0] == 0


@pytest.mark.parametrize("missing_in", ["world", "image"])
def test_the_corrupt_sequence_may_be_missing(tmp_path, missing_in):
    world, image = make_recordings()
    del {"world": world, "image": image}[missing_in]["S11"]["Directions"]
    write(tmp_path, world, image)
    assert human36m.load(tmp_path, ("S11",)).count == 32


def test_the_corrupt_sequence_alone_is_no_data(tmp_path):
    write(tmp_path, *make_recordings({"S11": {"Directions": 3}}))
    with pytest.raises(ValueError, match="no sequences of 'S11'"):
        human36m.load(tmp_path, ("S11",))


def test_surplus_2d_frames_are_cut(tmp_path):
    world, image = make_recordings()
    write(tmp_path, world, image)
    expected = human36m.load(tmp_path, ("S9",), stride=2)
    longer = copy.deepcopy(image)
    for views in longer["S9"].values():
        for index, view in enumerate(views):
            views[index] = np.concatenate([view, view[: index + 1] + 7])
    write(tmp_path, world, longer)
    again = human36m.load(tmp_path, ("S9",), stride=2)
    for one, other in zip(again, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def cut_2d(world, image):
    image["Walking 1"][2] = image["Walking 1"][2][:-1]


def three_cameras(world, image):
    del image["Walking 1"][3]


def no_list(world, image):
    image["Walking 1"] = "Walking 1"


def no_array(world, image):
    image["Walking 1"][1] = [[1, 2]]


def third_axis_2d(world, image):
    image["Walking 1"][1] = np.full((7, 17, 3), 100.0)


def text_2d(world, image):
    image["Walking 1"][1] = np.full((7, 17, 2), "a")


def nan_2d(world, image):
    image["Walking 1"][3][5, 2, 1] = np.nan


def normalised_2d(world, image):
    image["Walking 1"][0] = image["Walking 1"][0] / 500 - 1


def joints_2d(world, image):
    image["Walking 1"][3] = image["Walking 1"][3][:, :13]


def joints_3d(world, image):
    world["Walking 1"] = world["Walking 1"][:, :17]


def flat_3d(world, image):
    world["Walking 1"] = world["Walking 1"].reshape(7, 96)


def nan_3d(world, image):
    world["Walking 1"][6, 3, 2] = np.nan


def infinite_3d(world, image):
    world["Walking 1"][6, 3, 2] = np.inf


def millimetres(world, image):
    world["Walking 1"] *= 1000


def centimetres(world, image):
    world["Walking 1"] *= 100


def lacking_2d(world, image):
    del image["Walking 1"]


def lacking_3d(world, image):
    del world["Walking 1"]


def numbered(world, image):
    world[7] = image[7] = image.pop("Walking 1")
    del world["Walking 1"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cut_2d, "S1 'Walking 1' camera 2: 6 frames of 2D, but 7 of 3D"),
        (three_cameras, "S1 'Walking 1': expected 2D for 4 cameras, got 3"),
        (no_list, "gt.npz: S1 'Walking 1': expected a list of cameras"),
        (no_array, r"gt.npz: S1 'Walking 1' camera 1: .*\(T, J, 2\), got li"),
        (third_axis_2d, r"camera 1: .*\(T, J, 2\), got \(7, 17, 3\)"),
        (text_2d, "gt.npz: S1 'Walking 1' camera 1: expected 2D"),
        (nan_2d, "gt.npz: S1 'Walking 1' camera 3: 2D contains NaN"),
        (normalised_2d, "gt.npz: S1 'Walking 1' camera 0: expected pixels"),
        (joints_2d, "S1 'Walking 1' camera 3: .*17 joints, got 13"),
        (joints_3d, r"3d_h36m.npz: S1 'Walking 1': .*got \(7, 17, 3\)"),
        (flat_3d, r"3d_h36m.npz: S1 'Walking 1': .*got \(7, 96\)"),
        (nan_3d, "3d_h36m.npz: S1 'Walking 1': 3D contains NaN"),
        (infinite_3d, "3d_h36m.npz: S1 'Walking 1': 3D contains NaN or inf"),
        (millimetres, "3d_h36m.npz: S1 'Walking 1': .*like millimetres"),
        (centimetres, "3d_h36m.npz: S1 'Walking 1': expected metres"),
        (lacking_2d, "gt.npz: S1 has no 'Walking 1', unlike .*3d_h36m.npz"),
        (lacking_3d, "3d_h36m.npz: S1 has no 'Walking 1', unlike .*gt.npz"),
        (numbered, "npz: S1: 7 is not the name of an action"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_spoilt_files_are_refused_by_place(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        load_changed(tmp_path, change)


def test_unspoilt_files_of_the_same_kind_load(tmp_path):
    assert load_changed(tmp_path, lambda world, image: None).count == 48


@pytest.mark.parametrize("joints", [15, 18])
def test_other_numbers_of_joints(root, joints):
    with pytest.raises(ValueError, match=f"{joints} joints, got 17"):
        human36m.load(root, ("S1",), joints=joints)


def test_missing_subjects_are_named(root):
    with pytest.raises(
        ValueError, match="3d_h36m.npz: no subject S8; it contains S1, S9, S11"
    ):
        human36m.load(root, ("S1", "S8"))


def test_subjects_in_one_file_only(tmp_path):
    world, image = make_recordings()
    del image["S9"]
    write(tmp_path, world, image)
    with pytest.raises(
        ValueError, match="h36m_gt.npz: no subject S9; it contains S1, S11"
    ):
        human36m.load(tmp_path, ("S9",))


def test_subjects_without_calibration(tmp_path):
    write(tmp_path, *make_recordings({"S2": {"Eating": 2}}))
    with pytest.raises(ValueError, match="no calibration for a subject 'S2'"):
        human36m.load(tmp_path, ("S2",))


def test_files_of_another_kind(tmp_path):
    world, image = make_recordings()
    write(tmp_path, world, image)
    archive.write(tmp_path / "data_3d_h36m.npz", poses=np.ones(3))
    with pytest.raises(ValueError, match="'positions_3d'; it contains poses"):
        human36m.load(tmp_path, ("S1",))
    archive.write(
        tmp_path / "data_3d_h36m.npz", positions_3d={"S1": np.ones(3)}
    )
    with pytest.raises(ValueError, match="'S1'.* not a dictionary of actions"):
        human36m.load(tmp_path, ("S1",))


def test_missing_files_say_where_they_come_from(tmp_path):
    with pytest.raises(
        FileNotFoundError, match="data_3d_h36m.npz: .*vision.imar.ro/human3.6m"
    ):
        human36m.load(tmp_path, ("S1",))
    write(tmp_path, *make_recordings())
    with pytest.raises(
        FileNotFoundError, match="cpn_ft_h36m_dbb.npz: .*dl.fbaipublicfiles"
    ):
        human36m.load(tmp_path, ("S1",), keypoints="cpn_ft_h36m_dbb")
    (tmp_path / "data_2d_h36m_gt.npz").unlink()
    with pytest.raises(FileNotFoundError, match="data_2d_h36m_gt.npz: it is"):
        human36m.load(tmp_path, ("S1",))


def test_unknown_sources_of_keypoints(root):
    with pytest.raises(ValueError, match="'sh'.* gt or cpn_ft_h36m_dbb"):
        human36m.load(root, ("S1",), keypoints="sh")


@pytest.mark.parametrize("keypoints", ["gt", "cpn_ft_h36m_dbb"])
def test_sample_files(keypoints):
    if "AMPOSE_SAMPLES" not in os.environ:
        pytest.skip("AMPOSE_SAMPLES names no folder of sample files")
    samples = pathlib.Path(os.environ["AMPOSE_SAMPLES"])
    for subject, count in (("S1", 320), ("S9", 320), ("S11", 160)):
        poses = human36m.load(
            samples / "made_from_cmu", (subject,), keypoints=keypoints
        )
        assert poses.count == count
        # People: nobody's foot is further than 1.3 m from the hip.
        reach = np.linalg.norm(poses.poses_3d, axis=-1).max(axis=1)
        assert 0.6 < np.median(reach) < 1.3
        assert np.abs(poses.keypoints_2d).max() < 1.5

import os
import pathlib

import numpy as np
import pytest
import scipy.io

from ampose_tf.camera import Camera
from ampose_tf.data import archive, human36m, mpi_inf_3dhp, synthetic
from ampose_tf.data.preparation import official_mpi_inf_3dhp
from benchmarks.downloads import annotations, write_annotations

# The task's table: frames, valid ones, width and height.
OFFICIAL = {
    "TS1": (6151, 603, 2048, 2048),
    "TS2": (6080, 540, 2048, 2048),
    "TS3": (5838, 505, 2048, 2048),
    "TS4": (6007, 553, 2048, 2048),
    "TS5": (320, 276, 1920, 1080),
    "TS6": (492, 452, 1920, 1080),
}
VALID = {"TS1": [1, 0, 1, 1, 1], "TS5": [0, 1, 1, 0, 0]}
NECK = 9


def recorded(name):
    """Returns somebody before a camera: pixels and metres, Human3.6M's."""
    width, height = OFFICIAL[name][2:]
    camera = Camera(
        width=width,
        height=height,
        focal_length=(1500.0, 1500.0),
        center=(width / 2, height / 2),
        # Looks along y from 4 m off.
        orientation=(0.5**0.5, -(0.5**0.5), 0.0, 0.0),
        translation=(0.0, -4.0, 1.0),
    )
    world = synthetic.generate(
        "S9", "Walking", len(VALID[name]), seed=int(name[2:])
    )
    joints = world[:, human36m.JOINTS_OF_32].astype(float)
    joints[..., :2] -= joints[:, :1, :2]
    joints = camera.world_to_camera(joints)
    return camera.project(joints), joints


def arrays_of(name):
    return annotations(*recorded(name), VALID[name])


def write(source, name, change=None):
    arrays = arrays_of(name)
    if change is not None:
        change(arrays)
    path = source / name / "annot_data.mat"
    write_annotations(path, arrays)
    return path


@pytest.fixture
def source(tmp_path):
    source = tmp_path / "mpi_inf_3dhp_test_set"
    for name in VALID:
        write(source, name)
    return source


@pytest.fixture
def root(source, tmp_path):
    """The folder of the prepared file."""
    official_mpi_inf_3dhp.prepare(source, tmp_path / "data", tuple(VALID))
    return tmp_path / "data"


def test_the_table_of_sequences():
    found = {
        name: (sequence.frames, sequence.valid, *sequence.image_size)
        for name, sequence in mpi_inf_3dhp.SEQUENCES.items()
    }
    assert found == OFFICIAL
    assert sum(valid for _, valid, _, _ in found.values()) == 2929


def test_the_valid_frames_come_back(root):
    poses = mpi_inf_3dhp.load(root)
    assert poses.action_names == tuple(OFFICIAL)
    assert poses.subjects.tolist() == 4 * ["TS1"] + 2 * ["TS5"]
    assert poses.actions.tolist() == 4 * [0] + 2 * [4]
    start = 0
    for name, valid in VALID.items():
        keypoints_px, joints = recorded(name)
        width, height = OFFICIAL[name][2:]
        for frame in np.flatnonzero(valid):
            np.testing.assert_allclose(
                poses.poses_3d[start],
                joints[frame] - joints[frame, 0],
                atol=1e-5,
            )
            np.testing.assert_allclose(
                poses.keypoints_2d[start],
                2 * keypoints_px[frame] / width - [1, height / width],
                atol=1e-6,
            )
            start += 1
    assert start == poses.count == 6


def test_16_joints_lack_the_neck(root):
    whole, poses = mpi_inf_3dhp.load(root), mpi_inf_3dhp.load(root, joints=16)
    for array, expected in zip(poses[:2], whole[:2], strict=True):
        np.testing.assert_array_equal(array, np.delete(expected, NECK, axis=1))


def test_the_order_of_joints(tmp_path):
    """Each joint is somewhere of its own: the task's table by number."""
    order = [14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4]
    joints = np.zeros((2, 17, 3), np.float32)
    joints[..., 0] = 100 * np.arange(17)
    archive.write(
        tmp_path / mpi_inf_3dhp.FILE,
        **{
            "TS6/keypoints_px": joints[..., :2] + 50,
            "TS6/joints_mm": joints,
        },
    )
    poses = mpi_inf_3dhp.load(tmp_path)
    np.testing.assert_allclose(
        poses.poses_3d[0, :, 0], (np.array(order) - 14) / 10, atol=1e-6
    )
    np.testing.assert_allclose(
        poses.keypoints_2d[1, :, 0],
        (100 * np.array(order) + 50) / 960 - 1,
        atol=1e-6,
    )


def test_chosen_sequences_and_strides(root):
    poses = mpi_inf_3dhp.load(root, ("TS5", "TS1"), stride=3)
    whole = mpi_inf_3dhp.load(root)
    assert poses.subjects.tolist() == ["TS5", "TS1", "TS1"]
    np.testing.assert_array_equal(poses.poses_3d, whole.poses_3d[[4, 0, 3]])


def test_both_normalisations_are_one_for_these_images(root):
    one, other = (
        mpi_inf_3dhp.load(root, normalisation=by).keypoints_2d
        for by in ("width", "longest")
    )
    np.testing.assert_array_equal(one, other)


def test_the_file_needs_no_pickles(root):
    with np.load(root / mpi_inf_3dhp.FILE, allow_pickle=False) as members:
        assert {name: members[name].shape for name in members} == {
            "TS1/keypoints_px": (4, 17, 2),
            "TS1/joints_mm": (4, 17, 3),
            "TS5/keypoints_px": (2, 17, 2),
            "TS5/joints_mm": (2, 17, 3),
        }
        assert all(members[name].dtype == np.float32 for name in members)


def test_what_is_printed(source, tmp_path, capsys):
    official_mpi_inf_3dhp.prepare(source, tmp_path, ("TS1", "TS5"))
    assert capsys.readouterr().out.splitlines() == [
        "TS1: 4 valid frames of 5; official: 603 of 6151 (differs)",
        "TS5: 2 valid frames of 5; official: 276 of 320 (differs)",
        f"{tmp_path / mpi_inf_3dhp.FILE}: 2 of 6 sequences, 6 valid frames; "
        "official: 2929",
    ]


def test_official_numbers_on_demand(source, tmp_path, capsys, monkeypatch):
    with pytest.raises(ValueError, match="TS1, TS5 differ from the official"):
        official_mpi_inf_3dhp.prepare(source, tmp_path, tuple(VALID), True)
    assert not (tmp_path / mpi_inf_3dhp.FILE).exists()
    for name, valid in VALID.items():
        monkeypatch.setitem(
            mpi_inf_3dhp.SEQUENCES,
            name,
            mpi_inf_3dhp.SEQUENCES[name]._replace(
                frames=len(valid), valid=sum(valid)
            ),
        )
    official_mpi_inf_3dhp.prepare(source, tmp_path, tuple(VALID), True)
    assert "TS5: 2 valid frames of 5; official: 2 of 5\n" in (
        capsys.readouterr().out
    )


def test_all_sequences_by_default(source, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*TS2.annot_data"):
        official_mpi_inf_3dhp.prepare(source, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def spoil(change):
    return lambda path: write(path.parents[1], "TS1", change)


def lacking(name):
    return spoil(lambda arrays: arrays.pop(name))


def changed(name, change):
    def spoilt(arrays):
        arrays[name] = change(arrays[name])

    return spoil(spoilt)


def version_5(path):
    scipy.io.savemat(path, arrays_of("TS1"))


def truncated(path):
    path.write_bytes(path.read_bytes()[:3000])


def with_nan(array):
    array[2, 0, 3, 1] = np.nan
    return array


MISTAKES = {
    "version": (
        version_5,
        "version 5, .* 7.3; download it again, or load it in",
    ),
    "truncated": (truncated, "not a readable MATLAB 7.3"),
    "empty": (lambda path: path.write_bytes(b""), "not a readable MATLAB 7.3"),
    "missing": (lambda path: path.unlink(), "no file .*TS1.*get_testset.sh"),
    "no 2D": (lacking("annot2"), "no array annot2; it contains activity"),
    "no 3D": (lacking("univ_annot3"), "no array univ_annot3"),
    "no valid_frame": (lacking("valid_frame"), "no array valid_frame"),
    "shape": (
        changed("annot2", lambda array: array[:, 0]),
        r"annot2 of shape \(N, 1, 17, 2\), got \(5, 17, 2\)",
    ),
    "joints": (
        changed("univ_annot3", lambda array: array[:, :, :16]),
        r"univ_annot3 of shape \(N, 1, 17, 3\), got \(5, 1, 16, 3\)",
    ),
    "lengths": (
        changed("annot2", lambda array: array[:4]),
        "same number of frames; .*'annot2': 4",
    ),
    "values": (
        changed("valid_frame", lambda array: 2 * array),
        "valid_frame to be 0 or 1",
    ),
    "none valid": (
        changed("valid_frame", np.zeros_like),
        r"annot_data.mat: expected 3D .* got \(0, 17, 3\)",
    ),
    "NaN": (changed("univ_annot3", with_nan), "3D contains NaN"),
    "NaN pixels": (changed("annot2", with_nan), "2D contains NaN"),
    "metres": (
        changed("univ_annot3", lambda array: array / 1000),
        "expected millimetres, .*; it looks like metres",
    ),
    "normalised": (
        changed("annot2", lambda array: array / 1024),
        "expected pixels",
    ),
    "text": (
        changed("annot2", lambda array: array.astype("S3")),
        r"annot_data.mat: .*expected numbers in annot2",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_in_the_download(source, tmp_path, mistake):
    spoil_file, message = MISTAKES[mistake]
    path = source / "TS1" / "annot_data.mat"
    spoil_file(path)
    with pytest.raises((ValueError, OSError), match=message) as raised:
        official_mpi_inf_3dhp.prepare(source, tmp_path / "data", ("TS1",))
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "data").exists()


def test_invalid_frames_may_hold_anything(source, tmp_path):
    def spoilt(arrays):
        arrays["univ_annot3"][1] = np.nan  # TS1's second is not valid.

    write(source, "TS1", spoilt)
    official_mpi_inf_3dhp.prepare(source, tmp_path, ("TS1",))
    assert mpi_inf_3dhp.load(tmp_path).count == 4


def test_unknown_sequences(source, root):
    with pytest.raises(ValueError, match="'TS7'; expected some of TS1, TS2"):
        official_mpi_inf_3dhp.prepare(source, root, ("TS7",))
    with pytest.raises(
        ValueError, match="no sequence TS2; it contains TS1, TS5"
    ):
        mpi_inf_3dhp.load(root, ("TS1", "TS2"))


def test_a_missing_file_says_how_it_is_made(tmp_path):
    with pytest.raises(
        FileNotFoundError, match="no file .*npz: .*data.prepare mpi_inf_3dhp"
    ):
        mpi_inf_3dhp.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("TS1/keypoints_px", None, "TS1: expected 2D .*, got NoneType"),
        ("TS1/keypoints_px", np.ones((3, 17, 2)), r"got \(3, 17, 2\)"),
        ("TS1/joints_mm", np.ones(()), r"expected 3D .*, got \(\)"),
        ("TS1/joints_mm", np.ones((4, 17, 3), int), "expected 3D"),
        ("TS1/joints_mm", np.ones((4, 17, 3)), "expected millimetres"),
    ],
)
def test_damaged_files(root, name, value, message):
    members = archive.read(root / mpi_inf_3dhp.FILE)
    del members[name]
    if value is not None:
        members[name] = value
    archive.write(root / mpi_inf_3dhp.FILE, **members)
    with pytest.raises(ValueError, match=message):
        mpi_inf_3dhp.load(root)


def test_a_file_without_sequences(tmp_path):
    archive.write(tmp_path / mpi_inf_3dhp.FILE, other=np.zeros(3))
    with pytest.raises(ValueError, match="it contains none of TS1, "):
        mpi_inf_3dhp.load(tmp_path)


def test_the_sample(tmp_path):
    if "AMPOSE_SAMPLES" not in os.environ:
        pytest.skip("AMPOSE_SAMPLES names no folder of sample files")
    samples = pathlib.Path(os.environ["AMPOSE_SAMPLES"]) / "made_from_cmu"
    official_mpi_inf_3dhp.prepare(
        samples / "mpi_inf_3dhp_test_set", tmp_path, ("TS1",)
    )
    poses = mpi_inf_3dhp.load(tmp_path)
    assert poses.count == 57
    # Upright people before the camera: y points down.
    head, feet = poses.poses_3d[:, 10, 1], poses.poses_3d[:, [3, 6], 1]
    assert (head < -0.4).all() and (feet.max(axis=1) > 0.5).all()
    seen = poses.keypoints_2d - poses.keypoints_2d[:, :1]
    apart = np.abs(poses.poses_3d[..., :2]) > 0.3
    np.testing.assert_array_equal(
        np.sign(seen)[apart], np.sign(poses.poses_3d[..., :2])[apart]
    )

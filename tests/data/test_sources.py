import dataclasses
import json

import numpy as np
import pytest

from ampose_tf import skeleton
from ampose_tf.config import Config, Data, Generated
from ampose_tf.config.ranges import Cameras
from ampose_tf.data import archive, human36m, mocap, mpi_inf_3dhp, sources
from tests.people import STANDING

SUBJECTS = {"S1": 3, "S5": 5, "S9": 7, "S11": 2}
PEOPLE = {"P1": 3, "P2": 5, "P3": 7}


def write_human36m(root):
    random = np.random.default_rng(2)
    world, image = {}, {}
    for subject, frames in SUBJECTS.items():
        joints = random.uniform(-0.6, 0.6, (frames, 32, 3)) + [0, 0, 1]
        world[subject] = {"Walking": joints.astype(np.float32)}
        image[subject] = {
            "Walking": [
                random.uniform(50, 950, (frames, 17, 2)).astype(np.float32)
                for _ in range(4)
            ]
        }
    archive.write(root / "data_3d_h36m.npz", positions_3d=world)
    archive.write(root / "data_2d_h36m_gt.npz", positions_2d=image)
    detected = {
        subject: {name: [view + 1 for view in views]}
        for subject, actions in image.items()
        for name, views in actions.items()
    }
    archive.write(
        root / "data_2d_h36m_cpn_ft_h36m_dbb.npz", positions_2d=detected
    )


def write_mocap(root):
    random = np.random.default_rng(3)
    motion = {}
    for person, frames in PEOPLE.items():
        noise = random.uniform(-0.03, 0.03, (frames, 17, 3))
        motion[f"{person}/a"] = (STANDING + noise).astype(np.float32)
    np.savez(root / "tiny.npz", **motion)
    card = {
        "joints": skeleton.H36M_17.joints,
        "train": ["P1", "P2"],
        "validation": ["P3"],
    }
    (root / "tiny.json").write_text(json.dumps(card), encoding="utf-8")


@pytest.fixture
def human36m_config(tmp_path):
    write_human36m(tmp_path)
    config = Config()
    config.data.root = str(tmp_path)
    config.data.train_subjects = ("S5", "S1")
    return config


@pytest.fixture
def mocap_config(tmp_path):
    write_mocap(tmp_path)
    config = Config()
    config.data.dataset = "mocap"
    config.data.root = str(tmp_path)
    config.data.archives = ("tiny",)
    config.data.train_subjects = config.data.validation_subjects = ()
    return config


def assert_same(one, other):
    for array, expected in zip(one, other, strict=True):
        np.testing.assert_array_equal(array, expected)


def test_human36m_by_default(human36m_config):
    root = human36m_config.data.root
    train = sources.load(human36m_config, "train")
    assert train.count == 4 * (5 + 3)
    assert_same(
        train, human36m.load(root, ("S5", "S1"), "gt", 17, 1, "longest")
    )
    validation = sources.load(human36m_config, "validation")
    assert validation.subjects.tolist() == 28 * ["S9"] + 8 * ["S11"]


def test_every_field_reaches_human36m(human36m_config):
    root = human36m_config.data.root
    human36m_config.data.keypoints = "cpn_ft_h36m_dbb"
    human36m_config.data.joints = 16
    human36m_config.data.train_stride = 2
    human36m_config.data.validation_stride = 3
    human36m_config.model.normalisation = "width"
    options = ("cpn_ft_h36m_dbb", 16)
    assert_same(
        sources.load(human36m_config, "train"),
        human36m.load(root, ("S5", "S1"), *options, 2, "width"),
    )
    assert_same(
        sources.load(human36m_config, "validation"),
        human36m.load(root, ("S9", "S11"), *options, 3, "width"),
    )


@pytest.mark.parametrize(
    ("split", "seed", "stride"), [("train", 5, 2), ("validation", 7, 3)]
)
def test_mocap(mocap_config, split, seed, stride):
    settings = Cameras(number=2, train_seed=5, validation_seed=7)
    settings.image_width, settings.image_height = 700, 1100
    mocap_config.data.cameras = settings
    mocap_config.data.train_stride = 2
    mocap_config.data.validation_stride = 3
    mocap_config.model.normalisation = "width"
    motion = mocap.load(mocap_config.data.root, ("tiny",), split)
    expected = mocap.seen_by_cameras(motion, settings, seed, "width", stride)
    assert 0 < expected.count < 2 * len(motion.joints)
    assert_same(sources.load(mocap_config, split), expected)


def test_motion_for_drawn_cameras(mocap_config):
    mocap_config.data.training_cameras = "drawn"
    mocap_config.data.thinning_m = 0.0
    motion = sources.load(mocap_config, "train")
    assert motion.trial_names == ("P1/a", "P2/a")
    assert len(motion.joints) == 8
    # The noise of a frame moves no joint by a metre.
    mocap_config.data.thinning_m = 1.0
    assert len(sources.load(mocap_config, "train").joints) == 2
    # Validation is before fixed cameras all the same.
    assert sources.load(mocap_config, "validation").count > 7


def test_chosen_people(mocap_config):
    mocap_config.data.train_subjects = ("P2",)
    assert set(sources.load(mocap_config, "train").subjects) == {"P2"}
    assert set(sources.load(mocap_config, "validation").subjects) == {"P3"}


def test_motion_archives_have_17_joints(mocap_config):
    mocap_config.data.joints = 16
    with pytest.raises(ValueError, match="17 joints, not 16"):
        sources.load(mocap_config, "train")


def test_a_missing_file_is_named(tmp_path):
    config = Config()
    config.data.root = str(tmp_path)
    with pytest.raises(OSError, match="data_3d_h36m.npz"):
        sources.load(config, "train")


def test_describe_motion_archives():
    config = Config()
    config.data.dataset = "mocap"
    config.data.archives = ("cmu17", "cmu_daz17")
    config.data.cameras.number = 3
    assert sources.describe(config) == (
        "motion archive cmu17 + cmu_daz17 seen by 3 virtual cameras"
    )


def test_generated_motion_is_made_where_it_is_missing(tmp_path):
    config = Config(
        data=Data(
            dataset="synthetic",
            root=str(tmp_path),
            generated=Generated(frames=3, seed=2),
            validation_stride=2,
        )
    )
    validation = sources.load(config, "validation")
    # S9 30 sequences, S11 one less, 4 cameras, frames 0 and 2.
    assert validation.count == (30 + 29) * 4 * 2
    made = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert sources.load(config, "train").count == 5 * 30 * 4 * 3
    assert {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == made
    # Read as Human3.6M's, they still say what they are.
    for dataset in ("synthetic", "human36m"):
        data = dataclasses.replace(config.data, dataset=dataset)
        assert sources.describe(Config(data=data)) == (
            "generated motion in the format of Human3.6M, gt, 17 joints"
        )


def test_no_frames_are_no_data(tmp_path):
    world = {"S9": {"Walking": np.zeros((0, 32, 3), np.float32)}}
    image = {"S9": {"Walking": [np.zeros((0, 17, 2), np.float32)] * 4}}
    archive.write(tmp_path / "data_3d_h36m.npz", positions_3d=world)
    archive.write(tmp_path / "data_2d_h36m_gt.npz", positions_2d=image)
    data = Data(root=str(tmp_path), validation_subjects=("S9",))
    with pytest.raises(ValueError, match="no frames of S9"):
        sources.load(Config(data=data), "validation")


def test_recordings_are_called_so(tmp_path):
    write_human36m(tmp_path)
    config = Config(data=Data(root=str(tmp_path)))
    assert sources.describe(config) == "Human3.6M, gt, 17 joints"


@pytest.fixture
def mpi_inf_3dhp_config(tmp_path):
    random = np.random.default_rng(4)
    members = {}
    for name, frames in (("TS2", 3), ("TS6", 5)):
        members[f"{name}/keypoints_px"] = random.uniform(
            50, 950, (frames, 17, 2)
        )
        members[f"{name}/joints_mm"] = random.uniform(
            -600, 600, (frames, 17, 3)
        )
    archive.write(tmp_path / mpi_inf_3dhp.FILE, **members)
    return Config(
        data=Data(
            dataset="mpi_inf_3dhp",
            root=str(tmp_path),
            train_subjects=(),
            validation_subjects=(),
        )
    )


def test_mpi_inf_3dhp_is_for_validation(mpi_inf_3dhp_config):
    config = mpi_inf_3dhp_config
    poses = sources.load(config, "validation")
    assert poses.subjects.tolist() == 3 * ["TS2"] + 5 * ["TS6"]
    assert not sources.is_generated(config)
    assert sources.describe(config) == (
        "MPI-INF-3DHP's test set, ground-truth 2D, 17 joints"
    )
    with pytest.raises(ValueError, match="a test set for models trained on"):
        sources.load(config, "train")


def test_every_field_reaches_mpi_inf_3dhp(mpi_inf_3dhp_config):
    data = mpi_inf_3dhp_config.data
    data.joints = 16
    data.validation_subjects = ("TS6",)
    data.validation_stride = 2
    mpi_inf_3dhp_config.model.normalisation = "width"
    expected = mpi_inf_3dhp.load(data.root, ("TS6",), 16, 2, "width")
    assert expected.poses_3d.shape == (3, 16, 3)
    assert_same(sources.load(mpi_inf_3dhp_config, "validation"), expected)

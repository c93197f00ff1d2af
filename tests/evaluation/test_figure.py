import re

import numpy as np
import pytest

from ampose_tf.data.poses import Poses
from ampose_tf.evaluation import figure
from ampose_tf.skeleton import H36M_17


def test_extremes_by_hand():
    errors = np.array([5.0, 1, 9, 3, 7, 2, 8])  # median 5
    assert figure.extremes(errors, 1) == [
        ("best", 1),
        ("median", 0),
        ("worst", 2),
    ]
    assert figure.extremes(errors, 2) == [
        *(("best", 1), ("best", 5)),
        *(("median", 3), ("median", 0)),
        *(("worst", 6), ("worst", 2)),
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_extremes_of_few(count):
    chosen = figure.extremes(np.arange(count, dtype=float), 2)
    assert [index for _, index in chosen] == list(range(count))


@pytest.fixture
def written(tmp_path):
    """What write_poses writes of poses that are ever more wrong."""
    random = np.random.default_rng(0)
    target = random.normal(0, 0.3, (11, 17, 3)).astype(np.float32)
    target -= target[:, :1]
    wrong = np.ones((17, 3)) * [0, 0, 0.01]
    wrong[0] = 0
    predicted = target + np.arange(11)[:, None, None] * wrong + 0.5
    poses = Poses(
        random.normal(0, 0.3, (11, 17, 2)).astype(np.float32),
        target,
        np.arange(11, dtype=np.int32) % 2,
        np.array(["S9"] * 5 + ["S11"] * 6),
        ("Walking", "Sitting"),
    )
    path = figure.write_poses(tmp_path / "report.json", predicted, poses)
    return path, poses


def test_written_poses_are_read(written):
    path, poses = written
    assert path.name == "report.npz"
    keypoints_2d, predicted, target, titles = figure.read_poses(path)
    chosen = [0, 1, 4, 5, 9, 10]
    np.testing.assert_array_equal(keypoints_2d, poses.keypoints_2d[chosen])
    np.testing.assert_array_equal(target, poses.poses_3d[chosen])
    assert np.abs(predicted[:, 0]).max() == 0
    np.testing.assert_allclose(predicted[0], target[0], atol=1e-6)
    assert titles.tolist()[::5] == [
        "best: 0 mm\nS9 Walking",
        "worst: 94 mm\nS11 Walking",
    ]


def test_pictures(written, tmp_path):
    arrays = figure.read_poses(written[0])
    for ending, start in ((".png", b"\x89PNG"), (".svg", b"<?xml")):
        path = tmp_path / f"figure{ending}"
        figure.save(path, *arrays, H36M_17)
        content = path.read_bytes()
        assert content.startswith(start) and len(content) > 10_000
    # Six columns of three rows, and text that stays text is not needed.
    assert len(re.findall(rb'id="axes_\d+"', content)) == 18


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive at all"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "other.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="evaluate.py --report leaves"):
        figure.read_poses(path)
    np.savez(path, keypoints_2d=np.zeros(3))
    with pytest.raises(ValueError, match="evaluate.py --report leaves"):
        figure.read_poses(path)

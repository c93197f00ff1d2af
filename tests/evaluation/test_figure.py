import re

import numpy as np
import pytest
from PIL import Image

from ampose_tf.data.poses import Poses
from ampose_tf.evaluation import figure


def test_extremes_by_hand():
    errors = np.array([5.0, 1, 9, 3, 7, 2, 8])  # median 5
    clips = np.arange(7).astype(str)
    assert figure.extremes(errors, clips, 1) == [
        ("best", 1),
        ("median", 0),
        ("worst", 2),
    ]
    assert figure.extremes(errors, clips, 2) == [
        ("best", 1),
        ("best", 5),
        ("median", 3),
        ("median", 0),
        ("worst", 6),
        ("worst", 2),
    ]


def test_extremes_are_of_different_clips():
    assert figure.extremes(np.arange(10.0), list("aabbccddee")) == [
        ("best", 0),
        ("best", 2),
        ("median", 3),
        ("median", 4),
        ("worst", 7),
        ("worst", 9),
    ]


@pytest.mark.parametrize("clips", ["aaaaabbbbb", "aaaabbbbcccc"])
def test_extremes_of_few_clips_are_in_order(clips):
    chosen = figure.extremes(np.arange(len(clips)), list(clips))
    words = [what for what, _ in chosen]
    assert words == sorted(words)  # best, median, worst
    assert words.count("best") == words.count("worst") == 2
    assert [index for _, index in chosen] == sorted(i for _, i in chosen)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_extremes_of_few(count):
    chosen = figure.extremes(np.arange(count, dtype=float), ["a"] * count)
    assert [index for _, index in chosen] == list(range(count))


@pytest.fixture
def shown():
    """What is chosen of poses that are ever more wrong."""
    random = np.random.default_rng(0)
    target = random.normal(0, 0.3, (11, 17, 3)).astype(np.float32)
    target -= target[:, :1]
    wrong = np.ones((17, 3)) * [0, 0, 0.01]
    wrong[0] = 0
    predicted = target + np.arange(11)[:, None, None] * wrong + 0.5
    poses = Poses(
        random.normal(0, 0.3, (11, 17, 2)).astype(np.float32),
        target,
        np.arange(11, dtype=np.int32) // 3,
        np.array(["S9"] * 5 + ["S11"] * 6),
        ("Walking", "Sitting", "Eating", "Posing"),
    )
    return figure.choose(predicted, poses, "some data"), poses


def test_chosen_poses(shown):
    shown, poses = shown
    chosen = [0, 1, 4, 5, 8, 10]
    np.testing.assert_array_equal(
        shown.keypoints_2d, poses.keypoints_2d[chosen]
    )
    np.testing.assert_array_equal(shown.target, poses.poses_3d[chosen])
    assert np.abs(shown.predicted[:, 0]).max() == 0
    np.testing.assert_allclose(shown.predicted[0], shown.target[0], atol=1e-6)
    assert shown.titles.tolist()[::5] == [
        "S9 Walking\nbest, 0 mm",
        "S11 Posing\nworst, 94 mm",
    ]


def test_written_poses_are_read(shown, tmp_path):
    figure.write(tmp_path / "poses.npz", shown[0])
    again = figure.read(tmp_path / "poses.npz")
    for one, other in zip(again, shown[0], strict=True):
        np.testing.assert_array_equal(one, other)


def test_pictures(shown, tmp_path):
    for ending in (".png", ".svg"):
        figure.save(tmp_path / f"figure{ending}", shown[0])
    with Image.open(tmp_path / "figure.png") as picture:
        colours = {
            colour for _, colour in picture.convert("RGB").getcolors(10**6)
        }
    # Left, right and the truth.
    assert {(255, 127, 14), (31, 119, 180), (191, 191, 191)} <= colours
    content = (tmp_path / "figure.svg").read_bytes()
    # Six columns of three rows.
    assert len(re.findall(rb'id="axes_\d+"', content)) == 18


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive at all"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "other.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="evaluate.py --report writes"):
        figure.read(path)


@pytest.mark.parametrize(
    "change",
    [
        {"predicted": np.zeros(3)},
        {"titles": np.array(["one"])},
        {"target": np.zeros((6, 16, 3))},
        {"keypoints_2d": np.zeros((6, 17, 3))},
    ],
    ids=lambda change: next(iter(change)),
)
def test_arrays_that_do_not_fit_are_refused(shown, tmp_path, change):
    path = tmp_path / "poses.npz"
    np.savez(path, **(shown[0]._asdict() | change))
    with pytest.raises(ValueError, match="evaluate.py --report writes"):
        figure.read(path)
    np.savez(path, keypoints_2d=np.zeros(3))
    with pytest.raises(ValueError, match="evaluate.py --report writes"):
        figure.read(path)
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(ValueError, match="evaluate.py --report writes"):
        figure.read(tmp_path / "one.npy")

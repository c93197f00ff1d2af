"""The released models: whole, small, and fit for people."""

import os
import re

import numpy as np
import pytest

from ampose_tf import weights
from ampose_tf.data import human36m, mocap, synthetic
from ampose_tf.data.mocap import Motion3D
from ampose_tf.evaluation import metrics
from ampose_tf.lifting.predictor import load_predictor
from ampose_tf.ranges import Cameras

RELEASED = (weights.AMPOSE_S, weights.AMPOSE_T)
FORMATS = ("float32", "float16", "dynamic_int8")
each = pytest.mark.parametrize("path", RELEASED, ids=lambda path: path.stem)


def tflite_files(path):
    return [path.with_name(f"{path.stem}_{name}.tflite") for name in FORMATS]


@pytest.fixture(scope="module")
def walking():
    """Somebody generated who walks, from four sides."""
    joints = synthetic.generate("S9", "Walking", 20, seed=0)
    motion = Motion3D(
        joints[:, human36m.JOINTS_OF_32],
        np.full(20, "S9"),
        np.zeros(20, np.int32),
        ("S9/walk",),
        ("walk",),
    )
    return mocap.seen_by_cameras(motion, Cameras(), 1, "longest", 5)


def test_they_are_small():
    folder = RELEASED[0].parent
    files = [file for file in folder.iterdir() if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 25e6
    assert {file.suffix for file in files} == {
        *(".py", ".keras", ".tflite", ".md"),
    }


@each
def test_a_walk_is_lifted(path, walking):
    """Another body than CMU's; always the mean pose is off by 200 mm."""
    predict = load_predictor(path)
    assert predict.seen_input and predict.normalisation == "longest"
    lifted = predict(walking.keypoints_2d)
    assert 1000 * metrics.mpjpe(lifted, walking.poses_3d).mean() < 70
    seen = np.ones((walking.count, 17), bool)
    seen[:, [3, 13]] = False  # an ankle and a wrist
    lifted = predict(walking.keypoints_2d, seen)
    assert 1000 * metrics.mpjpe(lifted, walking.poses_3d).mean() < 80


@each
def test_tflite_files_are_the_model(path, walking):
    keypoints_2d = walking.keypoints_2d
    expected = load_predictor(path)(keypoints_2d)
    for file, limit_mm in zip(tflite_files(path), (0.01, 0.5, 5), strict=True):
        lifted = load_predictor(file)(keypoints_2d)
        distance = 1000 * np.linalg.norm(lifted - expected, axis=-1)
        assert distance.mean() < limit_mm, file.name


@each
def test_the_card_says_what_must_be_said(path):
    text = path.with_suffix(".md").read_text(encoding="utf-8")
    for needed in (
        "The database was created with funding from NSF EIA-0196217.",
        "python train.py --config=configs/mocap_",
        "These subjects chose the recipe",
        "## Where it fails",
        *(file.name for file in (path, *tflite_files(path))),
        *("CMU03", "CMU09", "CMU131", "CMU35", "CMU93"),
    ):
        assert needed in text, needed
    assert not re.search(r"[{}]", text)


@pytest.mark.skipif(
    "AMPOSE_MOCAP" not in os.environ, reason="AMPOSE_MOCAP is not set"
)
@each
def test_the_cards_figure_is_the_models(path):
    motion = mocap.load(os.environ["AMPOSE_MOCAP"], ("cmu17",), "validation")
    poses = mocap.seen_by_cameras(motion, Cameras(), 1, "longest", 5)
    lifted = load_predictor(path)(poses.keypoints_2d)
    error = 1000 * metrics.mpjpe(lifted, poses.poses_3d).mean()
    text = path.with_suffix(".md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if "| fixed |" in line)
    one_call = row.split("|")[4]
    assert float(one_call) == pytest.approx(error, abs=0.06)

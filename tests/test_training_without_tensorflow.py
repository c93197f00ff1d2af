"""JAX trains with drawn cameras where TensorFlow is not installed."""

import csv
import importlib.util
import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from ampose_tf import skeleton
from tests.commands import ROOT
from tests.people import STANDING

# JAX compiles for a minute.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("jax") is None, reason="JAX is not installed"
    ),
]

# 34 = 2 · 17: executions of two steps.
STEPS, BATCH, EPOCHS = 34, 7, 2
TENSORFLOW = ("tensorflow", "tensorboard", "tf_keras")
WITHOUT = f"""
import os
import runpy
import sys


class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name in {TENSORFLOW}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)


sys.meta_path.insert(0, Blocked())
"""
TRAIN = 'runpy.run_path("train.py", run_name="__main__")\n'
KILL = """
from ampose_tf.models.recorder import Recorder

finish = Recorder.on_epoch_end


def killed(*arguments):
    finish(*arguments)
    os._exit(9)


Recorder.on_epoch_end = killed
"""


@pytest.fixture(scope="module")
def archived(tmp_path_factory):
    """A folder with an archive of people who tremble."""
    root = tmp_path_factory.mktemp("archived")
    card = {
        "joints": list(skeleton.H36M_17.joints),
        "train": ["P1"],
        "validation": ["P2"],
    }
    (root / "tiny.json").write_text(json.dumps(card), encoding="utf-8")
    random = np.random.default_rng(0)
    motion = {
        name: STANDING + random.uniform(-0.1, 0.1, (frames, 17, 3))
        for name, frames in (("P1/a", 13), ("P1/b", 5), ("P2/a", 11))
    }
    np.savez(
        root / "tiny.npz",
        **{name: joints.astype(np.float32) for name, joints in motion.items()},
    )
    return root


def run(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + code, *arguments],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )


def command(root, workdir):
    return (
        f"--config={ROOT / 'configs' / 'mocap_s.py'}",
        f"--workdir={workdir}",
        f"--config.data.root={root}",
        "--config.data.archives=('tiny',)",
        "--config.data.validation_subjects=('P2',)",
        f"--config.data.poses_per_epoch={STEPS * BATCH + 3}",
        "--config.model.depth=1",
        "--config.model.width=8",
        "--config.model.dropout=0.2",
        f"--config.train.epochs={EPOCHS}",
        f"--config.train.batch_size={BATCH}",
    )


def test_a_killed_run_goes_on(tmp_path, archived):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    ended = run(TRAIN, *command(archived, whole))
    assert ended.returncode == 0, ended.stderr
    assert "2 epochs, validation MPJPE" in ended.stdout
    assert {path.name for path in whole.iterdir()} == {
        "best.keras",
        "checkpoint.npz",
        "config.json",
        "files.json",
        "history.csv",
        "last.keras",
    }
    assert run(KILL + TRAIN, *command(archived, killed)).returncode == 9
    assert len(rows_of(killed)) == 1
    ended = run(TRAIN, *command(archived, killed))
    assert ended.returncode == 0, ended.stderr
    assert len(rows_of(whole)) == EPOCHS
    assert rows_of(killed) == rows_of(whole)
    one, other = state_of(whole), state_of(killed)
    assert set(one) == set(other)
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name])
    # The optimiser's count: no execution reached into the next epoch.
    assert one["optimizer_0"] == EPOCHS * STEPS


def rows_of(workdir):
    with open(workdir / "history.csv", encoding="utf-8") as file:
        return [row | {"seconds": ""} for row in csv.DictReader(file)]


def state_of(workdir):
    with np.load(workdir / "checkpoint.npz") as stored:
        return {name: stored[name] for name in stored if name != "progress"}


def test_batches_are_of_seed_epoch_and_step(archived):
    code = """
    import itertools
    import pathlib

    import jax
    import numpy as np

    from ampose_tf.config import Config, Data, Model, Train
    from ampose_tf.data import mocap
    from ampose_tf.data.augmentation import drawing
    from ampose_tf.data.feed import make_feed

    motion = mocap.load(pathlib.Path(sys.argv[1]), ("tiny",), "train")
    config = Config(
        data=Data(poses_per_epoch=23),
        model=Model(seen_input=True),
        train=Train(batch_size=7, seed=3),
    )
    feed = make_feed(config, motion)

    precisions = []
    drawn = drawing.drawn

    def noted(*arguments):
        precisions.append(jax.config.jax_default_matmul_precision)
        return drawn(*arguments)

    drawing.drawn = noted
    batches = list(feed.batches(range(2)))
    assert len(batches) == 2 * feed.steps == 6
    for given, target in batches:
        assert given["keypoints_2d"].shape == (7, 17, 2)
        assert given["seen"].shape == (7, 17)
        assert target.shape == (7, 17, 3)
    arrays = jax.tree.leaves(batches)
    assert all(isinstance(array, jax.Array) for array in arrays)
    assert all(np.isfinite(array).all() for array in arrays)
    seen = np.stack([given["seen"] for given, _ in batches])
    assert set(np.unique(seen)) == {0, 1}

    second = jax.tree.leaves(list(feed.batches(range(1, 2))))
    for one, other in zip(arrays[9:], second, strict=True):
        np.testing.assert_array_equal(one, other)
    assert precisions == ["highest"], precisions  # and traced once
    targets = [np.asarray(target) for _, target in batches]
    config.train.seed = 4
    reseeded = make_feed(config, motion).batches(range(1))
    targets += [np.asarray(target) for _, target in reseeded]
    for one, other in itertools.combinations(targets, 2):
        assert not np.array_equal(one, other)

    config.train.seed = 3
    first = np.concatenate(targets[:3])
    np.testing.assert_allclose(feed.mean_pose(), first.mean(axis=0), atol=1e-6)
    shown = feed.calibration(7, seen_input=True)
    for name, array in batches[0][0].items():
        assert type(shown[name]) is np.ndarray
        np.testing.assert_array_equal(shown[name], array)
    shown = feed.calibration(99, seen_input=False)
    assert {name: array.shape for name, array in shown.items()} == {
        "keypoints_2d": (23, 17, 2)
    }
    """
    ended = run(textwrap.dedent(code), str(archived))
    assert ended.returncode == 0, ended.stderr

"""Training: recipe, files, resuming, and what stops it."""

import csv
import dataclasses
import os
import random
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from ampose_tf import config as configuration
from ampose_tf import files, training
from ampose_tf.data import pipeline
from ampose_tf.data.mocap import Motion3D
from ampose_tf.models import stored
from ampose_tf.models.ampose import AMPose
from ampose_tf.models.recorder import Recorder
from tests import commands
from tests.commands import ROOT
from tests.people import STANDING

ARTEFACTS = (
    "checkpoint.npz",
    "best.keras",
    "last.keras",
    "history.csv",
    "files.json",
)


def rows_of(workdir):
    with open(workdir / "history.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        del row["seconds"]
    return rows


def weights_of(path):
    return stored.load(path).get_weights()


def assert_same_run(one, other):
    """Bitwise: weights, optimiser, random states, and what was logged."""
    differing = {}
    for name in ("best.keras", "last.keras"):
        for index, (a, b) in enumerate(
            zip(weights_of(one / name), weights_of(other / name), strict=True)
        ):
            if not np.array_equal(a, b):
                differing[name, index] = np.abs(a - b).max()
    with (
        np.load(one / "checkpoint.npz") as a,
        np.load(other / "checkpoint.npz") as b,
    ):
        assert set(a.files) == set(b.files)
        for name in set(a.files) - {"progress"}:
            if not np.array_equal(a[name], b[name]):
                differing[name] = (a[name], b[name])
    # All of them, as they tell where runs parted.
    assert not differing
    assert rows_of(one) == rows_of(other)


class Killed(BaseException):
    """Nothing in the package catches it, as nothing catches SIGKILL."""


def test_killed_between_any_two_writes(
    tmp_path, make_poses, tiny_config, monkeypatch
):
    """A kill leaves what was on the disk before a write."""
    poses = make_poses(23), make_poses(11, seed=1)
    whole = tmp_path / "whole"
    rename = os.replace
    left = []

    def copy_and_rename(source, target):
        left.append(shutil.copytree(whole, tmp_path / f"killed_{len(left)}"))
        rename(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(files.os, "replace", copy_and_rename)
        training.train(tiny_config, *poses, whole)
    # config.json, and five files an epoch, where each is the best so far:
    # before and after the first epoch's checkpoint, and around the second's.
    assert len(left) == 11
    for writes in (1, 2, 5, 6, 7, 8, 10):
        # What was being written is there, under another name.
        assert list(left[writes].glob(".ampose.*"))
        training.train(tiny_config, *poses, left[writes])
        assert_same_run(whole, left[writes])
        assert not list(left[writes].glob(".*"))


@pytest.mark.parametrize(
    # What a detector would see takes long to trace.
    "exact",
    [1, pytest.param(0.3, marks=pytest.mark.slow)],
)
def test_killed_on_drawn_cameras(
    tmp_path, make_poses, tiny_config, monkeypatch, exact
):
    joints = np.tile(STANDING, (9, 1, 1)).astype(np.float32)
    joints[:, 13, 2] += np.linspace(0, 0.5, 9)
    motion = Motion3D(
        joints,
        np.full(9, "P"),
        np.zeros(9, np.int32),
        ("P/a",),
        ("raises the hand",),
    )
    experiment = dataclasses.replace(
        tiny_config,
        data=configuration.Data(
            dataset="mocap",
            training_cameras="drawn",
            poses_per_epoch=40,
            detector=configuration.Detector(exact=exact),
        ),
        model=dataclasses.replace(
            tiny_config.model, seen_input=True, frame="person"
        ),
    )
    validation = make_poses(11)
    training.train(experiment, motion, validation, tmp_path / "whole")

    def die(recorder):
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Recorder, "_publish", die)
        training.train(experiment, motion, validation, tmp_path / "killed")
    training.train(experiment, motion, validation, tmp_path / "killed")
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


def demo_command(workdir, root, *overrides):
    return [
        sys.executable,
        "train.py",
        "--config=configs/demo.py",
        f"--workdir={workdir}",
        f"--config.data.root={root}",
        "--config.data.generated.frames=10",
        "--config.model.depth=1",
        "--config.model.width=8",
        "--config.model.heads=2",
        "--config.model.dropout=0.1",
        "--config.train.epochs=12",
        *overrides,
    ]


@pytest.mark.slow
def test_sigkill_at_random_moments(tmp_path):
    root = tmp_path / "data"
    whole = demo_command(tmp_path / "whole", root)
    subprocess.run(whole, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    workdir = tmp_path / "killed"
    delays = random.Random(5)
    for _ in range(3):
        process = subprocess.Popen(
            demo_command(workdir, root),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        known = (workdir / "checkpoint.npz").stat if workdir.exists() else None
        before = known().st_mtime_ns if known else 0
        # Anywhere in the first epochs that this process trains.
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            checkpoint = workdir / "checkpoint.npz"
            if checkpoint.exists() and checkpoint.stat().st_mtime_ns > before:
                break
            time.sleep(0.01)
        time.sleep(delays.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    ended = subprocess.run(
        demo_command(workdir, root),
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "12 epochs" in ended.stdout
    assert_same_run(tmp_path / "whole", workdir)
    assert not list(workdir.glob(".*"))


def test_finished_run_is_left_alone(tmp_path, make_poses, tiny_config, capsys):
    poses = make_poses(23), make_poses(11, seed=1)
    training.train(tiny_config, *poses, tmp_path)
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in ARTEFACTS}
    capsys.readouterr()
    training.train(tiny_config, *poses, tmp_path)
    assert "already complete" in capsys.readouterr().out
    for name, modified in before.items():
        assert (tmp_path / name).stat().st_mtime_ns == modified


def test_another_config_is_refused(tmp_path, make_poses, tiny_config):
    training.claim(tmp_path, tiny_config)
    other = dataclasses.replace(
        tiny_config, train=dataclasses.replace(tiny_config.train, seed=5)
    )
    with pytest.raises(ValueError, match=r"train\.seed is 3 there, 5 here"):
        training.train(other, make_poses(5), make_poses(3), tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["config.json"]


def test_config_json_repeats_the_run(tmp_path, tiny_config):
    training.claim(tmp_path, tiny_config)
    assert configuration.load(tmp_path / "config.json") == tiny_config


def test_nan_stops_and_keeps_the_last_good_checkpoint(
    tmp_path, make_poses, tiny_config, monkeypatch
):
    poses = make_poses(23), make_poses(11, seed=1)
    batches = pipeline.training_batches

    def poisoned(*args, **kwargs):
        # Four batches of 23 poses an epoch: the sixth is epoch 2's second.
        def poison(index, pair):
            return pair[0], pair[1] / keras.ops.cast(index != 5, "float32")

        return batches(*args, **kwargs).enumerate().map(poison)

    monkeypatch.setattr(pipeline, "training_batches", poisoned)
    with pytest.raises(FloatingPointError, match="step 2 of epoch 2") as error:
        training.train(tiny_config, *poses, tmp_path)
    assert "checkpoint.npz holds epoch 1" in str(error.value)
    assert len(rows_of(tmp_path)) == 1
    assert all(
        np.isfinite(w).all() for w in weights_of(tmp_path / "last.keras")
    )
    with np.load(tmp_path / "checkpoint.npz") as checkpoint:
        for name in set(checkpoint.files) - {"progress"}:
            assert np.isfinite(checkpoint[name]).all()


def test_divergence_in_the_last_step_keeps_the_last_good_checkpoint(
    tmp_path, make_poses, tiny_config, monkeypatch
):
    """No loss of the epoch shows what its last update did."""

    class Exploding(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return keras.ops.where(step == 7, 1e38, 1e-2)

    monkeypatch.setattr(
        keras.optimizers.schedules,
        "ExponentialDecay",
        lambda *_, **__: Exploding(),
    )
    poses = make_poses(23), make_poses(11, seed=1)
    with pytest.raises(FloatingPointError, match="after step 4 of epoch 2"):
        training.train(tiny_config, *poses, tmp_path)
    assert len(rows_of(tmp_path)) == 1
    with np.load(tmp_path / "checkpoint.npz") as checkpoint:
        for name in set(checkpoint.files) - {"progress"}:
            assert np.isfinite(checkpoint[name]).all()


def test_damaged_files_in_the_workdir_are_named(
    tmp_path, make_poses, tiny_config
):
    poses = make_poses(23), make_poses(11, seed=1)
    training.train(tiny_config, *poses, tmp_path / "run")
    for name in ("checkpoint.npz", "config.json"):
        damaged = tmp_path / "run" / name
        damaged.write_bytes(damaged.read_bytes()[:50])
        with pytest.raises(ValueError, match=name):
            training.train(tiny_config, *poses, tmp_path / "run")


def test_a_file_is_no_workdir(tmp_path, make_poses, tiny_config):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match="file is not a folder"):
        training.train(
            tiny_config, make_poses(5), make_poses(3), tmp_path / "file"
        )


def test_divergence_exits_with_1(tmp_path):
    _, *arguments = demo_command(
        tmp_path / "run",
        tmp_path / "data",
        "--config.train.learning_rate=1e30",
    )
    ended = commands.run(shlex.join(["python", *arguments]), ROOT)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("train.py: The loss is")
    assert line.endswith("of epoch 1; no epoch was finished")


def test_tensorboard_on_a_full_disk(tmp_path, make_poses, tiny_config):
    (tmp_path / "tensorboard").write_text("a file where a folder should be")
    poses = make_poses(23), make_poses(11, seed=1)
    with pytest.raises(OSError, match="cannot write .*tensorboard"):
        training.train(tiny_config, *poses, tmp_path)


def test_full_disk_keeps_the_run(tmp_path):
    """A file size limit is a full disk that needs no root to set up."""
    workdir, root = tmp_path / "run", tmp_path / "data"
    short = demo_command(workdir, root, "--config.train.epochs=2")
    subprocess.run(short, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    kept = {name: (workdir / name).read_bytes() for name in ARTEFACTS}
    (workdir / "history.csv").unlink()  # Makes it write everything again.

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    ended = subprocess.run(
        short, cwd=ROOT, preexec_fn=limit, capture_output=True, text=True
    )
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "File too large" in ended.stderr.strip().splitlines()[-1]
    for name in ("checkpoint.npz", "best.keras", "last.keras"):
        assert (workdir / name).read_bytes() == kept[name]


def test_learning_rates(tmp_path, make_poses, tiny_config):
    training.train(tiny_config, make_poses(23), make_poses(5), tmp_path)
    rates = [float(row["learning_rate"]) for row in rows_of(tmp_path)]
    np.testing.assert_allclose(rates, [1e-2, 1e-2 * 0.98], 1e-6)


def test_a_step_is_traced_once(tmp_path, make_poses, tiny_config, monkeypatch):
    """TensorFlow traces a step again if the first trace creates variables."""
    traced = []
    compute = AMPose.compute_loss

    def count(model, *given, **named):
        traced.append(model)
        return compute(model, *given, **named)

    monkeypatch.setattr(AMPose, "compute_loss", count)
    training.train(tiny_config, make_poses(23), make_poses(5), tmp_path)
    # A step of training, and one of validation.
    assert len(traced) == 2


def test_cosine_ends_at_zero(tiny_config):
    recipe = dataclasses.replace(tiny_config.train, schedule="cosine")
    experiment = dataclasses.replace(tiny_config, train=recipe)
    model = training.build(experiment)
    training.compile_for(model, experiment, steps_per_epoch=5)
    schedule = model.optimizer._learning_rate
    rates = [float(schedule(step)) for step in (0, 5, 10)]
    np.testing.assert_allclose(rates, [1e-2, 0.5e-2, 0], atol=1e-9)


def test_paper_recipe_is_the_default():
    recipe = configuration.Train()
    assert (recipe.epochs, recipe.batch_size) == (50, 128)
    assert (recipe.learning_rate, recipe.decay) == (2.5e-5, 0.98)
    assert recipe.schedule == "exponential"


def test_mean_pose_error(make_poses):
    validation = make_poses(3, seed=1)
    truth = np.zeros_like(validation.poses_3d)
    truth[:, 1:] = [0, 0.3, 0.4]  # 16 of 17 joints are half a metre off.
    error = training.mean_pose_error_mm(
        np.zeros((17, 3)), validation._replace(poses_3d=truth)
    )
    assert error == pytest.approx(500 * 16 / 17)


def train_20_steps(precision, poses):
    """Returns the model and its loss after each of 10 epochs."""
    experiment = configuration.Config(
        model=configuration.Model(depth=1, width=32, heads=4),
        train=configuration.Train(learning_rate=1e-3, precision=precision),
    )
    model = training.build(experiment)
    training.compile_for(model, experiment, steps_per_epoch=2)
    history = model.fit(
        poses.keypoints_2d,
        poses.poses_3d,
        batch_size=32,
        epochs=10,
        shuffle=False,
        verbose=0,
    )
    return model, history.history["loss"]


def test_mixed_precision_learns_alike(make_poses):
    """Until rounding adds up: later, equal runs differ between processors."""
    poses = make_poses(64)
    _, expected = train_20_steps("float32", poses)
    assert expected[-1] < expected[0] / 3
    for precision in ("mixed_float16", "mixed_bfloat16"):
        model, losses = train_20_steps(precision, poses)
        assert losses == pytest.approx(expected, rel=0.01)
        assert all(v.dtype == "float32" for v in model.trainable_variables)
        scaled = isinstance(
            model.optimizer, keras.optimizers.LossScaleOptimizer
        )
        assert scaled == (precision == "mixed_float16")


def test_artefacts_of_mixed_precision_compute_in_float32(
    tmp_path, make_poses, tiny_config
):
    recipe = dataclasses.replace(
        tiny_config.train, precision="mixed_float16", epochs=1
    )
    experiment = dataclasses.replace(tiny_config, train=recipe)
    training.train(experiment, make_poses(11), make_poses(5), tmp_path)
    assert stored.load(tmp_path / "last.keras").dtype_policy.name == "float32"


def test_jit_compile_trains(tmp_path, make_poses, tiny_config):
    # Dropout draws otherwise under XLA.
    model = dataclasses.replace(tiny_config.model, dropout=0.0, drop_path=0.0)
    graph = dataclasses.replace(tiny_config, model=model)
    recipe = dataclasses.replace(tiny_config.train, jit_compile=True)
    xla = dataclasses.replace(graph, train=recipe)
    poses = make_poses(23), make_poses(11, seed=1)
    training.train(xla, *poses, tmp_path / "xla")
    training.train(graph, *poses, tmp_path / "graph")
    one, other = (
        [float(row["val_mpjpe_mm"]) for row in rows_of(tmp_path / name)]
        for name in ("xla", "graph")
    )
    assert one == pytest.approx(other, rel=1e-3)


def test_the_allocator_is_left_to_scripts(
    monkeypatch, tmp_path, make_poses, tiny_config
):
    def keep():
        raise AssertionError("a library call set the allocator")

    monkeypatch.setattr(training, "keep_freed_memory", keep)
    tiny_config.train.epochs = 1
    training.train(tiny_config, make_poses(7), make_poses(5), tmp_path)


@pytest.mark.parametrize("platform", ["linux", "win32"])
def test_another_allocator_is_left_alone(monkeypatch, platform):
    asked = []

    def library(name):
        asked.append(name)
        return object()  # One without mallopt, as musl's.

    monkeypatch.setattr(training.sys, "platform", platform)
    monkeypatch.setattr(training.ctypes, "CDLL", library)
    training.keep_freed_memory()
    assert asked == ([None] if platform == "linux" else [])

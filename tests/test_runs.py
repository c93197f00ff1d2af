"""Runs that are interrupted, disturbed or tampered with."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest

from ampose_tf import interrupts, locks, training
from ampose_tf.config import Config, Data, Model, Train
from ampose_tf.data import feed
from ampose_tf.models.recorder import Recorder
from tests.commands import ROOT
from tests.test_training import ARTEFACTS, assert_same_run, demo_command

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(scope="module")
def poses(make_poses):
    return make_poses(23), make_poses(11, seed=1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, poses):
    """The workdir of an undisturbed run of two epochs of four steps."""
    workdir = tmp_path_factory.mktemp("runs") / "whole"
    training.train(config_of(), *poses, workdir)
    return workdir


def config_of(**changes):
    recipe = {"epochs": 2, "batch_size": 7, "learning_rate": 1e-2, "seed": 3}
    return Config(
        data=Data(dataset="synthetic"),
        model=Model(depth=1, width=6, heads=2, dropout=0.2, drop_path=0.1),
        train=Train(**recipe | changes),
    )


def copied(whole, tmp_path):
    """Returns a copy of a finished run."""
    return shutil.copytree(whole, tmp_path / "run")


class Signalling(keras.callbacks.Callback):
    """Sends this process a signal at a moment of training."""

    def __init__(self, number, moment):
        super().__init__()
        self._number = number
        self._moment = list(moment)

    def _at(self, *moment):
        if list(moment) == self._moment:
            self._moment = None
            os.kill(os.getpid(), self._number)

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch
        self._at("epoch", epoch)

    def on_train_batch_begin(self, batch, logs=None):
        self._at("step", self._epoch, batch)

    def on_test_batch_begin(self, batch, logs=None):
        self._at("validation", self._epoch)

    def on_epoch_end(self, epoch, logs=None):
        self._at("saving", epoch)


@contextlib.contextmanager
def signalled(monkeypatch, number, *moment):
    """Makes training send itself a signal."""
    callback = Signalling(number, moment)

    @contextlib.contextmanager
    def tensorboard(path):
        yield [callback]

    with monkeypatch.context() as patched:
        patched.setattr(training, "_tensorboard", tensorboard)
        yield
    assert callback._moment is None


MORE_MOMENTS = [
    (signal.SIGINT, ("epoch", 0), "after step 1 of epoch 1"),
    (signal.SIGTERM, ("step", 0, 2), "after step 3 of epoch 1"),
    (signal.SIGTERM, ("step", 0, 3), "after epoch 1"),
    (signal.SIGTERM, ("saving", 0), "after step 1 of epoch 2"),
    (signal.SIGINT, ("validation", 1), "after epoch 2"),
]


@pytest.mark.parametrize(
    ("number", "moment", "where"),
    [
        (signal.SIGINT, ("step", 1, 1), "after step 2 of epoch 2"),
        (signal.SIGTERM, ("validation", 0), "after epoch 1"),
        *(pytest.param(*m, marks=pytest.mark.slow) for m in MORE_MOMENTS),
    ],
)
def test_a_signal_ends_it_at_the_next_step(
    tmp_path, monkeypatch, poses, whole, number, moment, where
):
    before = [signal.getsignal(each) for each in SIGNALS]
    with (
        signalled(monkeypatch, number, *moment),
        pytest.raises(interrupts.Interrupted) as caught,
    ):
        training.train(config_of(), *poses, tmp_path)
    assert caught.value.status == 128 + number
    assert str(caught.value) == (
        f"ended by {number.name} {where}, which {tmp_path}/checkpoint.npz "
        "holds; run it again to go on"
    )
    assert [signal.getsignal(each) for each in SIGNALS] == before
    assert not list(tmp_path.glob(".*"))
    training.train(config_of(), *poses, tmp_path)
    assert_same_run(whole, tmp_path)


@pytest.mark.slow
def test_it_may_be_interrupted_twice_in_an_epoch(
    tmp_path, monkeypatch, poses, whole
):
    for step, where in ((0, "step 1 of epoch 1"), (1, "step 3 of epoch 1")):
        with (
            signalled(monkeypatch, signal.SIGINT, "step", 0, step),
            pytest.raises(interrupts.Interrupted, match=where),
        ):
            training.train(config_of(), *poses, tmp_path)
    training.train(config_of(), *poses, tmp_path)
    assert_same_run(whole, tmp_path)


@pytest.mark.slow
def test_a_cosine_goes_on_within_an_epoch(tmp_path, monkeypatch, poses):
    """The history has the learning rate of the epoch's start."""
    config = config_of(schedule="cosine")
    training.train(config, *poses, tmp_path / "whole")
    with (
        signalled(monkeypatch, signal.SIGINT, "step", 1, 1),
        pytest.raises(interrupts.Interrupted),
    ):
        training.train(config, *poses, tmp_path / "ended")
    training.train(config, *poses, tmp_path / "ended")
    assert_same_run(tmp_path / "whole", tmp_path / "ended")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_before_training(tmp_path, monkeypatch, poses, number):
    def make_feed(*arguments):
        os.kill(os.getpid(), number)

    monkeypatch.setattr(training, "make_feed", make_feed)
    with pytest.raises(interrupts.Interrupted) as caught:
        training.train(config_of(), *poses, tmp_path / "run")
    assert str(caught.value) == f"ended by {number.name}"
    assert not (tmp_path / "run").exists()


def test_a_signal_that_is_swallowed_comes_again(tmp_path, monkeypatch, poses):
    """As exceptions in destructors are."""

    def make_feed(*arguments):
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        return feed.make_feed(*arguments)

    monkeypatch.setattr(training, "make_feed", make_feed)
    with pytest.raises(interrupts.Interrupted):
        training.train(config_of(), *poses, tmp_path)


def test_a_second_signal_ends_it_at_once():
    code = (
        "import os, signal\n"
        "from ampose_tf import interrupts\n"
        "with interrupts.handled(), interrupts.deferred():\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('noted', flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('not reached', flush=True)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, timeout=60
    )
    assert (ended.returncode, ended.stdout) == (-signal.SIGINT, b"noted\n")


def test_one_run_at_a_time(tmp_path, poses):
    with (
        locks.held(tmp_path / locks.NAME),
        pytest.raises(
            BlockingIOError, match=f"in use by process {os.getpid()}"
        ),
    ):
        training.train(config_of(), *poses, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("split", [0, 1])
def test_other_data_are_refused(tmp_path, poses, make_poses, split):
    source = tmp_path / "poses.npz"
    other = tmp_path / "other.npz"
    source.write_text("of the first run")
    other.touch()
    config, workdir = config_of(epochs=1), tmp_path / "run"
    training.train(config, *poses, workdir, sources=[source, other])
    source.write_text("of the second")
    # The same poses from another file are the same.
    training.train(config, *poses, workdir, sources=[source, other])
    changed = list(poses)
    changed[split] = make_poses(poses[split].count, seed=9)
    name = ("training", "validation")[split]
    with pytest.raises(
        ValueError, match=f"the {name} data are not .*: {source} changed; put"
    ):
        training.train(config, *changed, workdir, sources=[source, other])
    changed[split] = poses[split]._replace(action_names=("Walking", "Lying"))
    with pytest.raises(ValueError, match=f"{name} data are not"):
        training.train(config, *changed, workdir)


@pytest.mark.parametrize("name", ["best.keras", "last.keras", "history.csv"])
def test_files_of_a_finished_run_are_verified(tmp_path, poses, whole, name):
    run = copied(whole, tmp_path)
    (run / name).write_bytes(b"garbage")
    with pytest.raises(ValueError, match=f"{name} is not the file that the"):
        training.train(config_of(), *poses, run)
    assert (run / name).read_bytes() == b"garbage"
    (run / name).unlink()
    training.train(config_of(), *poses, run)
    assert_same_run(whole, run)


def test_an_earlier_best_cannot_be_made_again(tmp_path, poses, monkeypatch):
    config = config_of()
    end = Recorder.on_epoch_end

    def worse(self, epoch, logs=None):
        end(self, epoch, logs | {"val_mpjpe_mm": 100.0 + epoch})

    monkeypatch.setattr(Recorder, "on_epoch_end", worse)
    training.train(config, *poses, tmp_path)
    best = (tmp_path / "best.keras").read_bytes()
    (tmp_path / "best.keras").write_bytes(b"garbage")
    for missing in ("x", "last.keras", "files.json"):
        (tmp_path / missing).unlink(missing_ok=True)
        if missing != "files.json":
            with pytest.raises(ValueError, match=r"best\.keras .*put that ba"):
                training.train(config, *poses, tmp_path)
    (tmp_path / "best.keras").unlink()
    with pytest.raises(FileNotFoundError, match=r"best\.keras"):
        training.train(config, *poses, tmp_path)
    (tmp_path / "best.keras").write_bytes(best)
    training.train(config, *poses, tmp_path)
    assert (tmp_path / "best.keras").read_bytes() == best
    assert all((tmp_path / name).exists() for name in ARTEFACTS)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"\xff", b'{"epochs": 2, "sha256": {}}', b"[" * 4096],
)
def test_a_damaged_list_of_digests(tmp_path, poses, whole, content):
    run = copied(whole, tmp_path)
    (run / "files.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"files\.json: damaged, expected"):
        training.train(config_of(), *poses, run)


@pytest.mark.parametrize("name", ["checkpoint.npz", "config.json", ".lock"])
@pytest.mark.parametrize("kind", ["pipe", "dangling", "folder"])
def test_what_is_no_file(tmp_path, poses, whole, name, kind):
    run = copied(whole, tmp_path)
    (run / name).unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(run / name)
    elif kind == "folder":
        (run / name).mkdir()
    else:
        (run / name).symlink_to(tmp_path / "outside")
    with pytest.raises((ValueError, OSError), match=name):
        training.train(config_of(), *poses, run)
    assert not (tmp_path / "outside").exists()


def test_progress_of_another_config(tmp_path, poses, whole):
    run = copied(whole, tmp_path)
    with np.load(run / "checkpoint.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    progress = json.loads(str(arrays["progress"]))
    row = dict(progress["history"][-1], epoch=3, val_mpjpe_mm=1e9)
    unfinished = {"learning_rate": 1, "seconds": 1, "metrics": [1]}
    for changed, message in (
        ({"history": [*progress["history"], row]}, "more epochs than train"),
        ({"unfinished": unfinished | {"steps": 2}}, "more epochs than train"),
        (
            {
                "history": progress["history"][:1],
                "best_epoch": 0,
                "unfinished": unfinished | {"steps": 4},
            },
            "unfinished: steps: expected 1 to 3",
        ),
        (
            {
                "history": progress["history"][:1],
                "best_epoch": 0,
                "unfinished": unfinished | {"steps": 3},
            },
            "unfinished: metrics: expected",
        ),
    ):
        text = np.array(json.dumps(progress | changed))
        np.savez(run / "checkpoint.npz", **arrays | {"progress": text})
        with contextlib.suppress(FileNotFoundError):
            (run / "files.json").unlink()
        with pytest.raises(ValueError, match=message):
            training.train(config_of(), *poses, run)


def test_status_and_line_of_the_script(tmp_path):
    """A SIGTERM while it starts, and one that ends a run of its own."""
    command = demo_command(
        tmp_path / "run", tmp_path / "data", "--config.train.epochs=10000"
    )
    for number, status in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        with subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            for line in process.stdout:
                if number is signal.SIGTERM or "Epoch 2/" in line:
                    break
            process.send_signal(number)
            _, errors = process.communicate(timeout=120)
        assert process.returncode == status
        # TensorFlow says if there is no GPU.
        assert "Traceback" not in errors
        line = errors.splitlines()[-1]
        assert errors.count("train.py: ") == 1
        assert line.startswith(f"train.py: ended by {number.name}")
    assert "checkpoint.npz holds; run it again to go on" in line

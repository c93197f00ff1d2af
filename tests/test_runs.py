"""Runs that are interrupted, disturbed or tampered with."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from unittest import mock

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
        f"ended by {number.name} {where}, saved in {tmp_path}/checkpoint.npz; "
        "run it again to continue"
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
        ValueError, match=f"the {name} data differ .*: {source} changed;"
    ):
        training.train(config, *changed, workdir, sources=[source, other])
    changed[split] = poses[split]._replace(action_names=("Walking", "Lying"))
    with pytest.raises(ValueError, match=f"{name} data differ"):
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


def progress_of(run):
    with np.load(run / "checkpoint.npz") as stored:
        return json.loads(str(stored["progress"]))


def change_progress(run, **changed):
    with np.load(run / "checkpoint.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    progress = json.loads(str(arrays["progress"])) | changed
    arrays["progress"] = np.array(json.dumps(progress))
    np.savez(run / "checkpoint.npz", **arrays)


def test_an_earlier_best_cannot_be_made_again(tmp_path, poses, whole):
    run, config = copied(whole, tmp_path), config_of()
    first, second = progress_of(run)["history"]
    history = [first, dict(second, val_mpjpe_mm=1 + first["val_mpjpe_mm"])]
    change_progress(run, history=history, best_epoch=0)
    best = (run / "best.keras").read_bytes()
    (run / "best.keras").write_bytes(b"garbage")
    known = json.loads((run / "files.json").read_bytes())
    # The digests of the epoch before are there after a kill.
    for epochs, missing in ((2, "x"), (2, "last.keras"), (1, "last.keras")):
        (run / "files.json").write_text(json.dumps(known | {"epochs": epochs}))
        (run / missing).unlink(missing_ok=True)
        with pytest.raises(ValueError, match=r"best\.keras .*restore"):
            training.train(config, *poses, run)
    (run / "files.json").unlink()
    (run / "best.keras").unlink()
    with pytest.raises(FileNotFoundError, match=r"no file .*best\.keras"):
        training.train(config, *poses, run)
    (run / "best.keras").write_bytes(best)
    training.train(config, *poses, run)
    assert (run / "best.keras").read_bytes() == best
    assert all((run / name).exists() for name in ARTEFACTS)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"\xff", b'{"epochs": 2, "sha256": {}}', b"[" * 4096],
)
def test_a_damaged_list_of_digests(tmp_path, content):
    (tmp_path / "files.json").write_bytes(content)
    recorder = Recorder(tmp_path, mock.Mock())
    with pytest.raises(ValueError, match=r"files\.json: damaged, expected"):
        recorder._digests()


def test_a_run_with_a_damaged_list_of_digests(tmp_path, poses, whole):
    run = copied(whole, tmp_path)
    (run / "files.json").write_bytes(b"{}")
    with pytest.raises(ValueError, match=r"files\.json: damaged, expected"):
        training.train(config_of(), *poses, run)


READERS = {
    "checkpoint.npz": lambda run: Recorder(run, mock.MagicMock()).resume(),
    "config.json": lambda run: training.claim(run, config_of()),
    "files.json": lambda run: Recorder(run, mock.Mock())._digests(),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", ["pipe", "dangling", "folder"])
def test_what_is_no_file(tmp_path, name, kind):
    path = tmp_path / name
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match=name):
        READERS[name](tmp_path)
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("name", ["checkpoint.npz", "config.json", locks.NAME])
def test_a_run_with_a_link_to_nothing(tmp_path, poses, whole, name):
    run = copied(whole, tmp_path)
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match=name):
        training.train(config_of(), *poses, run)
    assert not (tmp_path / "outside").exists()


def test_progress_of_another_config(tmp_path, poses, whole):
    run = copied(whole, tmp_path)
    (run / "files.json").unlink()
    progress = progress_of(run)
    history = progress["history"]
    row = dict(history[-1], epoch=3, val_mpjpe_mm=1e9)
    unfinished = {"learning_rate": 1, "seconds": 1, "metrics": [1]}
    for rows, steps, message in (
        ([*history, row], None, "more epochs than train"),
        (history, 2, "more epochs than train"),
        (history[:1], 4, "unfinished: steps: expected 1 to 3"),
        (history[:1], 3, "unfinished: metrics: expected"),
    ):
        change_progress(
            run,
            history=rows,
            best_epoch=min(progress["best_epoch"], len(rows) - 1),
            unfinished=steps and unfinished | {"steps": steps},
        )
        with pytest.raises(ValueError, match=message):
            training.train(config_of(), *poses, run)


def test_status_and_line_of_the_script(tmp_path):
    """A SIGINT in its second epoch."""
    command = demo_command(
        tmp_path / "run", tmp_path / "data", "--config.train.epochs=10000"
    )
    said = tmp_path / "said"
    with (
        said.open("w") as file,
        subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=file, text=True
        ) as process,
    ):
        # The loop ends with it, too.
        limit = threading.Timer(300, process.kill)
        limit.start()
        for line in process.stdout:
            if "Epoch 2/" in line:
                break
        process.send_signal(signal.SIGINT)
        process.communicate()
        limit.cancel()
    assert process.returncode == 130
    errors = said.read_text()
    # TensorFlow says if there is no GPU.
    assert "Traceback" not in errors
    assert errors.count("train.py: ") == 1
    line = errors.splitlines()[-1]
    assert line.startswith("train.py: ended by SIGINT")
    assert "checkpoint.npz; run it again to continue" in line

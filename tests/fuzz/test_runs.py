"""A damaged workdir is refused in one line, or the run in it goes on.

`make fuzz` tries 300; the suite a few.
"""

import json
import math
import os
import shutil
from unittest import mock

import hypothesis
import numpy as np
import pytest

from ampose_tf import interrupts, locks, training
from tests import processor
from tests.fuzz import damage
from tests.fuzz.damage import DAMAGES
from tests.fuzz.test_files import MOST_SECONDS, NUMBERS, fuzzed
from tests.test_runs import config_of, signalled

EXAMPLES = min(300, int(os.environ.get("AMPOSE_FUZZ_EXAMPLES", 12)))
CONFIG = config_of(epochs=3)
FILES = (
    "checkpoint.npz",
    "config.json",
    "files.json",
    "history.csv",
    "best.keras",
    "last.keras",
    locks.NAME,
)


@pytest.fixture(scope="module")
def poses(make_poses):
    return make_poses(23), make_poses(11, seed=1)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory, poses):
    """A run of an epoch and a half."""
    path = tmp_path_factory.mktemp("runs") / "run"
    with (
        pytest.MonkeyPatch.context() as patched,
        signalled(patched, 2, "step", 1, 1),
        pytest.raises(interrupts.Interrupted),
    ):
        training.train(CONFIG, *poses, path)
    (path / locks.NAME).write_text("process 1 on x since 2026-01-01 00:00:00")
    return path


def spoil(path, kind, damages):
    """Damages a file of a run: its bytes, its values, or what it is."""
    if kind % 4 == 0 or path.suffix not in (".npz", ".json"):
        path.write_bytes(damage.damaged_bytes(path.read_bytes(), damages))
    elif path.suffix == ".json":
        value = damage.damaged(json.loads(path.read_bytes()), damages)
        path.write_text(json.dumps(value))
    else:
        with np.load(path) as stored:
            members = {name: stored[name] for name in stored.files}
        if kind % 4 == 1:
            members = damage.damaged_members(members, damages)
        else:
            progress = json.loads(str(members["progress"]))
            progress = damage.damaged(progress, damages)
            members["progress"] = np.array(json.dumps(progress))
        np.savez(path, **members)


@fuzzed(EXAMPLES)
@hypothesis.given(NUMBERS, NUMBERS, DAMAGES)
def test_damaged_workdirs(workdir, poses, which, kind, damages):
    path = workdir.parent / "damaged"
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(workdir, path)
    # Half of them in the checkpoint, which has the most values.
    name = damage.pick(FILES, which // 2 if which % 2 else 0)
    spoil(path / name, kind, damages)
    with (
        processor.at_most(MOST_SECONDS),
        mock.patch.object(training, "_fit", autospec=True) as fit,
    ):
        try:
            training.train(CONFIG, *poses, path)
        except (ValueError, OSError) as error:
            assert str(path) in str(error)
        else:
            model, _, _, _, recorder, _ = fit.call_args.args
            assert all(np.isfinite(v).all() for v in model.variables)
            (row,) = recorder.history
            assert all(map(math.isfinite, row.values()))
            assert (path / "best.keras").exists()
    left = {entry.name for entry in path.iterdir()} - set(FILES)
    assert left <= {"tensorboard"}

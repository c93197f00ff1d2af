"""Trials: in a child process, once; what the cache remembers."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys

import pytest

from ampose_tf import confined, weights
from ampose_tf.export import runtime, untrusted
from ampose_tf.lifting.predictor import load_predictor

RELEASED = weights.LIFTING["ampose_t"]


@pytest.fixture
def path(tmp_path):
    """A file of a stranger's: those of the package are known."""
    return pathlib.Path(shutil.copy(RELEASED, tmp_path / "strange.tflite"))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ampose_tf" / "tried"


@pytest.fixture
def trials(monkeypatch):
    """The functions that were called in a child process."""
    made = []
    call = confined.call

    def counted(function, *arguments, **limits):
        made.append(function.__name__)
        return call(function, *arguments, **limits)

    monkeypatch.setattr(confined, "call", counted)
    return made


def test_a_file_is_tried_once(path, cache, trials):
    load_predictor(path)
    assert trials == ["_try_tflite"]
    assert len(list(cache.iterdir())) == 1
    # Whatever it is called.
    load_predictor(path.rename(path.with_name("other.tflite")))
    assert len(trials) == 1


def test_another_content_is_tried_anew(path, cache, trials):
    load_predictor(path)
    content = bytearray(path.read_bytes())
    buffer = weight_of(content)
    content[buffer] ^= 1
    path.write_bytes(content)
    load_predictor(path)
    assert trials == ["_try_tflite"] * 2


def weight_of(content):
    """Returns the place of a weight's lowest bit."""
    import numpy as np

    from ampose_tf.export.checks import tables

    content = bytes(content)
    buffers = tables.Reader(content).model()["buffers"]
    data = max((b["data"] for b in buffers), key=len)
    return data.ctypes.data - np.frombuffer(content, "B").ctypes.data


def test_released_and_trusted_files_are_not_tried(path, cache, trials):
    load_predictor(RELEASED)
    load_predictor("ampose_t")
    load_predictor(path, trust_model=True)
    assert trials == [] and not cache.exists()


@pytest.mark.parametrize("place", ["/proc/none", "relative", ""])
def test_a_cache_that_cannot_be_written_is_no_error(
    path, trials, monkeypatch, tmp_path, place
):
    monkeypatch.setenv("XDG_CACHE_HOME", place)
    # The home is a file, so no folder can be made below it.
    monkeypatch.setenv("HOME", str(path))
    monkeypatch.chdir(tmp_path)
    load_predictor(path)
    load_predictor(path)
    assert len(trials) == 2
    assert not (tmp_path / "relative").exists()


def crash(path, joints):
    os.kill(os.getpid(), signal.SIGSEGV)


def test_a_crash_is_one_line(path, cache, monkeypatch):
    monkeypatch.setattr(untrusted, "_try_tflite", crash)
    with pytest.raises(
        ValueError, match=r"not supported \(SIGSEGV\)"
    ) as caught:
        load_predictor(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).endswith("add --trust_model")
    assert not cache.exists()


def spin():
    confined.limit(seconds=1, memory=2**30)
    while True:
        pass


def fill():
    confined.limit(seconds=60, memory=2**28)
    return len(bytes(2**29))


@pytest.mark.skipif(sys.platform != "linux", reason="limits are Linux's")
def test_a_trial_has_limits():
    with pytest.raises(ValueError, match="takes more than 1 s"):
        confined.call(spin, seconds=60, memory=2**34)
    with pytest.raises(ValueError, match="memory"):
        confined.call(fill, seconds=60, memory=2**34)


def test_poses_of_another_shape_are_refused(path, cache):
    described = runtime.metadata(path) | {"joints": 16}
    with pytest.raises(ValueError, match=r"shape \(64, 17, 3\)"):
        untrusted.check(path, described)


def test_many_poses_are_tried_too(path, cache, trials):
    assert untrusted.tflite_in_batches(path, 8).batch == 8
    assert untrusted.tflite_in_batches(path, 8).batch == 8
    assert trials == ["_try_in_batches"]


def test_in_batches_a_crash_means_one_by_one(path, cache, monkeypatch):
    monkeypatch.setattr(untrusted, "_try_in_batches", crash)
    assert untrusted.tflite_in_batches(path, 8) is None


def test_the_script_says_it_in_one_line(path):
    """A file that crashed LiteRT: a signature without a graph."""
    from ampose_tf.export import flatbuffer

    model = flatbuffer.read(path.read_bytes())
    model.signatureDefs[0].subgraphIndex = 9
    # Its ampose.json lies behind the tables.
    appended = path.read_bytes()
    path.write_bytes(
        flatbuffer.write(model) + appended[appended.rindex(b"PK\x03\x04") :]
    )
    ended = subprocess.run(
        [sys.executable, "-m", "ampose_tf.export.describe", str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.count("\n") == 1
    assert "signature's graph: 9" in ended.stderr

"""A disk that is full at any write, a folder that cannot be written."""

import contextlib
import errno
import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import numpy as np
import pytest

from ampose_tf import files, training, weights
from ampose_tf.data import archive
from ampose_tf.data.preparation import motion_capture
from ampose_tf.export import folder
from ampose_tf.lifting import saving
from ampose_tf.models import stored
from tests import recorded
from tests.failing import full, snapshot
from tests.lifting.filmed import film
from tests.test_training import assert_same_run

# A folder that is gone when the message is read.
TEMPORARY = re.compile(r"\.ampose\.[a-z0-9_]{8}")

FORMATS = ("npz", "csv", "json", "trc")


@pytest.fixture(scope="module")
def motion():
    return film(frames=3).motion


def assert_whole(output, before, written):
    """Earlier files are as they were or as they should be; nothing more."""
    after = snapshot(output)
    for name, content in after.items():
        assert content in (before.get(name), written[name]), name
        assert name in written, name
    assert set(before) <= set(after)


def write_until_it_fits(output, write, earlier):
    """Runs `write` with room for more and more writes, until it ends.

    Yields what was in the folder before each run that failed.
    """
    for left in range(500):
        earlier()
        before = snapshot(output)
        with full(output, left) as disk:
            try:
                write()
            except OSError as error:
                assert error.errno == errno.ENOSPC
                assert str(output) in str(error.filename), error
                assert not TEMPORARY.search(str(error)), error
        if not disk.failed:
            return
        yield before
    pytest.fail("500 writes are not enough")


@pytest.mark.parametrize("overwrite", [True, False])
def test_lifting(tmp_path, motion, overwrite):
    output = tmp_path / "lifted"
    paths = saving.plan(f"{output}/", "clip", list(FORMATS))

    def write():
        saving.save(motion, paths, overwrite)

    write()
    written = snapshot(output)
    assert len(written) == len(FORMATS)

    def earlier():
        for name in written:
            (output / name).unlink(missing_ok=True)
            if overwrite:
                (output / name).write_text("earlier")

    tried = 0
    for before in write_until_it_fits(output, write, earlier):
        after = snapshot(output)
        # All or none; with --overwrite what was moved in time stays.
        if not overwrite:
            assert after == {}
        assert set(after) == set(before)
        for name, content in after.items():
            assert content == b"earlier" or len(content) > 50, name
        tried += 1
    assert tried > 3 * len(FORMATS)
    assert set(snapshot(output)) == set(written)


def test_exports(tmp_path):
    output = tmp_path / "export"

    def write(content="new", version="saved_model/2"):
        with folder.workplace(output) as place:
            made = {"ampose.tflite": place / "a", version: place / "b"}
            made["ampose.tflite"].write_text(content)
            made[version].mkdir()
            (made[version] / "x").write_text(content)
            folder.place(made, output, {"is": content})

    def earlier():
        if output.exists():
            shutil.rmtree(output)
        write("old", "saved_model/1")

    earlier()
    write()
    written = snapshot(output)

    tried = 0
    for before in write_until_it_fits(output, write, earlier):
        # What could not even be moved back is found by the next run.
        files.remove_leftovers(output / "saved_model")
        assert_whole(output, before, written)
        tried += 1
    assert tried > 10 and snapshot(output) == written


@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_preparing(tmp_path, step):
    source, output = tmp_path / "source", tmp_path / "out"
    source.mkdir()

    def prepare(seed):
        motion = recorded.moving(20 + 10 * seed)
        (source / "walk.bvh").write_text(recorded.bvh_text(motion))
        motion_capture.prepare(source, output, name="mine", validation=())

    def members(content):
        return json.loads(content)["frames"]

    prepare(1)
    written = snapshot(output)
    prepare(0)
    before = snapshot(output)
    assert members(before["mine.json"]) != members(written["mine.json"])
    tried = 0
    for left in range(0, 99, step):
        with full(output, left) as disk, contextlib.suppress(OSError):
            prepare(1)
        if not disk.failed:
            break
        assert set(snapshot(output)) == set(before)
        archive.read(output / "mine.npz")
        members((output / "mine.json").read_text())
        tried += 1
    else:
        pytest.fail("99 writes are not enough")
    assert tried > 2
    after = snapshot(output)
    assert members(after["mine.json"]) == members(written["mine.json"])


@pytest.fixture(scope="module")
def poses(make_poses):
    return make_poses(11), make_poses(5, seed=1)


@pytest.mark.parametrize("step", [37, pytest.param(1, marks=pytest.mark.slow)])
def test_training(tmp_path, poses, tiny_config, step):
    """Whenever it was full, the run goes on where there is room."""
    tiny_config.train.epochs = 1
    whole, output = tmp_path / "whole", tmp_path / "run"
    training.train(tiny_config, *poses, whole)
    for left in range(2, 500, step):
        with full(output, left) as disk:
            try:
                training.train(tiny_config, *poses, output)
            except OSError as error:
                assert error.errno == errno.ENOSPC
                assert str(output) in str(error.filename)
                assert not TEMPORARY.search(str(error))
        assert not list(output.glob(".*"))
        if not disk.failed:
            break
    else:
        pytest.fail("500 writes are not enough")
    assert_same_run(whole, output)


def test_a_folder_that_cannot_be_written(tmp_path, motion, monkeypatch):
    """The superuser may write everywhere: the system call says no."""

    def refused(*path):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), *path)

    output = tmp_path / "lifted"
    output.mkdir()
    with (
        full(output, 0, refused),
        pytest.raises(OSError, match=r"Read-only file system: .*clip\.npz"),
    ):
        saving.save(motion, [output / "clip.npz"])
    assert snapshot(output) == {}


@pytest.fixture
def small_disk(tmp_path):
    """A folder for 256 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs a right to mount")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_small_disk(small_disk, motion):
    """With every number of free pages."""
    output = small_disk / "lifted"
    paths = saving.plan(f"{output}/", "clip", ["npz", "json", "csv", "trc"])
    saving.save(motion, paths)
    before = snapshot(output)
    filling = small_disk / "filling"
    page = 4096
    used = sum(-(-len(content) // page) for content in before.values())
    failed = 0
    for free in range(used + 24):
        with contextlib.suppress(OSError), open(filling, "wb") as file:
            file.write(bytes(256 * 1024))
        size = filling.stat().st_size
        os.truncate(filling, max(0, size - free * page))
        try:
            saving.save(motion, paths, overwrite=True)
        except OSError as error:
            failed += 1
            assert error.errno == errno.ENOSPC
            assert pathlib.Path(error.filename).parent == output
        filling.unlink()
        after = snapshot(output)
        assert set(after) == set(before)
        for name in ("clip.json", "clip.csv", "clip.trc"):
            assert after[name] == before[name]
        np.load(output / "clip.npz").close()
    assert failed > used


def test_loading_weights(tmp_path, monkeypatch):
    """Keras reads them from a file."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    for left in itertools.count():
        with full(temporary, left) as disk:
            try:
                stored.load(weights.RELEASED["ampose_t"])
            except OSError as error:
                assert error.errno == errno.ENOSPC
                assert str(temporary) == error.filename
        assert not any(temporary.iterdir())
        if not disk.failed:
            break
    assert left >= 3

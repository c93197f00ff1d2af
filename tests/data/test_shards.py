"""Shards: what is written, in which order it comes back, what is refused."""

import dataclasses
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from ampose_tf import training
from ampose_tf.config import checks, sections
from ampose_tf.data import archive, pipeline, shards, sources
from ampose_tf.data.feed import make_feed
from ampose_tf.data.preparation import sharding
from ampose_tf.models.recorder import Recorder
from ampose_tf.skeleton import H36M_17
from tests import commands
from tests.people import STANDING
from tests.test_training import Killed, assert_same_run


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """A config of little generated motion, which lies in a folder."""
    config = sections.Config(
        data=sections.Data(
            dataset="synthetic",
            root=str(tmp_path_factory.mktemp("data")),
            generated=sections.Generated(frames=2),
            train_subjects=("S1", "S6"),
            validation_subjects=("S9",),
            validation_stride=2,
        ),
        model=sections.Model(depth=1, width=6, heads=2, dropout=0.2),
        train=sections.Train(
            epochs=2, batch_size=47, learning_rate=1e-2, seed=3
        ),
    )
    sources.load(config, "validation")
    return config


@pytest.fixture(scope="module")
def written(generated, tmp_path_factory):
    """The config that reads its poses from shards, in records of 11."""
    folder = tmp_path_factory.mktemp("written") / "shards"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "RECORD", 11)
        sharding.prepare(generated, folder, number=5)
    return of_shards(generated, folder)


@pytest.fixture(autouse=True)
def short_records(monkeypatch):
    monkeypatch.setattr(shards, "RECORD", 11)
    monkeypatch.setattr(pipeline, "_BUFFER", 31)
    monkeypatch.setattr(pipeline, "_SHARDS_AT_ONCE", 3)


@pytest.fixture
def copied(written, tmp_path):
    """The same in a folder that a test may damage."""
    shutil.copytree(written.data.shards, tmp_path / "shards")
    return of_shards(written, tmp_path / "shards")


def of_shards(config, folder):
    data = dataclasses.replace(config.data, shards=str(folder))
    return dataclasses.replace(config, data=data)


def changed(config, **data):
    return dataclasses.replace(
        config, data=dataclasses.replace(config.data, **data)
    )


def rewrite(config, **fields):
    path = pathlib.Path(config.data.shards, shards.MANIFEST)
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def rows(keypoints_2d, poses_3d):
    count = len(poses_3d)
    return np.concatenate(
        [
            np.reshape(keypoints_2d, (count, -1)),
            np.reshape(poses_3d, (count, -1)),
        ],
        axis=1,
    )


def multiset(array):
    return sorted(row.tobytes() for row in np.ascontiguousarray(array))


def drawn(config, epochs=range(1), first_step=0, seed=3, flip=False):
    """Returns the batches of some epochs, as rows."""
    return [
        rows(*pair)
        for pair in pipeline.shard_batches(
            shards.load(config),
            H36M_17,
            47,
            seed,
            epochs,
            flip,
            first_step=first_step,
        )
    ]


def test_an_epoch_has_each_pair_of_memory_once(generated, written):
    poses = sources.load(generated, "train")
    expected = multiset(rows(poses.keypoints_2d, poses.poses_3d))
    found = drawn(written, range(2))
    steps = poses.batches(47)
    assert [len(batch) for batch in found[: steps - 1]] == (steps - 1) * [47]
    assert len(found) == 2 * steps
    one, other = (
        np.concatenate(found[start : start + steps]) for start in (0, steps)
    )
    assert multiset(one) == multiset(other) == expected
    assert not np.array_equal(one, other)


def test_the_order_is_that_of_seed_and_epoch(written):
    both = drawn(written, range(2), flip=True)
    steps = len(both) // 2
    for first_step in (0, 2):
        again = drawn(written, range(1, 2), first_step, flip=True)
        np.testing.assert_array_equal(
            np.concatenate(again), np.concatenate(both[steps + first_step :])
        )
    other = drawn(written, range(1, 2), seed=4, flip=True)
    assert not np.array_equal(other[0], both[steps])


def test_pairs_are_shuffled_across_shards_and_subjects(generated, written):
    poses = sources.load(generated, "train")
    known = rows(poses.keypoints_2d, poses.poses_3d)
    place = {row.tobytes(): index for index, row in enumerate(known)}
    order = [place[row.tobytes()] for row in np.concatenate(drawn(written))]
    # Subjects come one after the other in memory.
    halves = np.array(order) < len(known) / 2
    for part in np.array_split(halves, 4):
        assert 0.25 < part.mean() < 0.75
    assert abs(np.corrcoef(order, np.arange(len(order)))[0, 1]) < 0.3


def test_about_half_of_the_poses_are_mirrored(written):
    plain, flipped = (
        np.concatenate(drawn(written, flip=flip)) for flip in (False, True)
    )
    share = (plain != flipped).any(axis=1).mean()
    assert 0.4 < share < 0.6


def test_what_the_feed_says(generated, written):
    poses = sources.load(generated, "train")
    feed = make_feed(written, sources.load(written, "train"))
    plain = make_feed(generated, poses)
    assert feed.steps == plain.steps
    assert feed.description == f"{poses.count} training poses in 5 shards"
    np.testing.assert_allclose(
        feed.mean_pose(), plain.mean_pose(), rtol=0, atol=1e-6
    )
    some = feed.calibration(30, seen_input=True)
    assert some["keypoints_2d"].shape == (30, 17, 2)
    assert some["seen"].shape == (30, 17)
    known = multiset(poses.keypoints_2d.reshape(poses.count, -1))
    assert set(multiset(some["keypoints_2d"].reshape(30, -1))) <= set(known)
    everything = feed.calibration(10**6, seen_input=False)["keypoints_2d"]
    assert multiset(everything.reshape(poses.count, -1)) == known


def test_the_origin_is_that_of_the_data(generated, written):
    assert sources.origin(written) == sources.origin(generated)
    manifest, *others = sources.paths(written)
    assert manifest.name == "manifest.json"
    assert tuple(others) == sources.paths(generated)
    gone = changed(written, shards="nowhere")
    assert sources.origin(gone) == sources.UNKNOWN


def test_the_same_config_writes_the_same_files(generated, written, tmp_path):
    sharding.prepare(generated, tmp_path / "again", number=5)
    one, other = (
        {path.name: path.read_bytes() for path in folder.iterdir()}
        for folder in (pathlib.Path(written.data.shards), tmp_path / "again")
    )
    assert one == other
    assert len(one) == 6


def test_tfrecords_are_what_tensorflow_reads(written):
    found = shards.load(written)
    for path, shard in zip(found.paths, found.shards, strict=True):
        lengths = [len(r.numpy()) for r in tf.data.TFRecordDataset(str(path))]
        assert sum(lengths) == shard.pairs * 17 * 5 * 4


@pytest.mark.slow
def test_killed_on_shards(written, tmp_path, monkeypatch):
    validation = sources.load(written, "validation")

    def train(name):
        training.train(
            written,
            sources.load(written, "train"),
            validation,
            tmp_path / name,
            sources=sources.paths(written),
        )

    def die(recorder):
        raise Killed

    train("whole")
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Recorder, "_publish", die)
        train("killed")
    train("killed")
    assert_same_run(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.slow
def test_other_shards_do_not_go_on_with_a_run(generated, written, tmp_path):
    run = tmp_path / "run"
    one = changed(written, shards=str(tmp_path / "shards"))
    shutil.copytree(written.data.shards, tmp_path / "shards")
    validation = sources.load(one, "validation")

    def train():
        training.train(
            one,
            sources.load(one, "train"),
            validation,
            run,
            sources=sources.paths(one),
        )

    one.train.epochs = 1
    train()
    shutil.rmtree(tmp_path / "shards")
    sharding.prepare(generated, tmp_path / "shards", number=4)
    with pytest.raises(ValueError, match=r"training data differ .*manifest"):
        train()


def test_an_output_that_exists_stays(generated, tmp_path):
    (tmp_path / "mine").write_text("x")
    with pytest.raises(FileExistsError, match="exists; remove it, or choose"):
        sharding.prepare(generated, tmp_path, number=2)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_failure_leaves_nothing(generated, tmp_path):
    with pytest.raises(ValueError, match="--number=999: shard .* be empty"):
        sharding.prepare(generated, tmp_path / "shards", number=999)
    assert not list(tmp_path.iterdir())


def test_the_command(generated, tmp_path):
    line = (
        "python -m ampose_tf.data.prepare shards --config=configs/demo.py "
        f"--config.data.root={generated.data.root} "
        "--config.data.generated.frames=2 --number=3 "
        f"--output={tmp_path / 'shards'}"
    )
    ended = commands.run(line, commands.ROOT)
    assert ended.returncode == 0, ended.stderr
    assert re.search(r"shards: \d+ poses in 3 shards", ended.stdout)
    assert len(list((tmp_path / "shards").iterdir())) == 4
    ended = commands.run(line, commands.ROOT)
    assert ended.returncode == 2
    assert "exists; remove it, or choose another --output" in ended.stderr
    for wrong, said in (
        ("shards --output=x", "--config=... is missing"),
        ("shards --output=x --source=y", "--source is for human36m"),
        ("mocap --output=x --number=3", "--number is for shards, not mocap"),
        ("mocap --output=x", "--source=... is missing"),
    ):
        ended = commands.run(
            f"python -m ampose_tf.data.prepare {wrong}", tmp_path
        )
        assert ended.returncode == 2
        assert said in ended.stderr


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content: content[:-1], "expected .* bytes, got"),
        (lambda content: content + b"x", "expected .* bytes, got"),
        (lambda content: content[:-9] + bytes(9), "its SHA-256 differs"),
    ],
)
def test_a_damaged_shard_is_named(copied, damage, said):
    path = shards.load(copied).paths[3]
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=f"{path}: the shard.*{said}"):
        shards.load(copied)


def read_all(model, config, feed, *others):
    """What `fit` does, as far as its batches are concerned."""
    for _ in feed.batches(range(1)):
        pass


def run_out(*arguments):
    raise tf.errors.ResourceExhaustedError(None, None, "out of memory")


@pytest.mark.parametrize(
    "fit", [read_all, pytest.param(None, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    ("damage", "error", "said"),
    [
        (pathlib.Path.unlink, FileNotFoundError, "No such file"),
        (lambda path: os.truncate(path, 20), ValueError, "expected .* bytes"),
    ],
    ids=["gone", "truncated"],
)
def test_a_shard_that_is_damaged_during_training_is_named(
    copied, tmp_path, monkeypatch, damage, error, said, fit
):
    found = shards.load(copied)
    damage(found.paths[3])
    if fit is not None:
        monkeypatch.setattr(training, "_fit", fit)
    with pytest.raises(error, match=said) as caught:
        training.train(
            copied, found, sources.load(copied, "validation"), tmp_path / "run"
        )
    assert str(found.paths[3]) in str(caught.value)


def test_other_errors_of_training_stay(copied, monkeypatch, tmp_path):
    monkeypatch.setattr(training, "_fit", run_out)
    with pytest.raises(tf.errors.ResourceExhaustedError, match="out of mem"):
        training.train(
            copied,
            shards.load(copied),
            sources.load(copied, "validation"),
            tmp_path / "run",
        )


def test_motion_archives_are_read_subject_by_subject(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    names = {"P1/a": 5, "P2/a": 7, "P2/b": 3, "P3/a": 2}
    motion = {
        trial: (STANDING + random.normal(0, 0.01, (n, 17, 3))).astype("f4")
        for trial, n in names.items()
    }
    card = {
        "joints": list(H36M_17.joints),
        "train": ["P2", "P1", "P7"],
        "validation": ["P3"],
    }
    (tmp_path / "tiny.json").write_text(json.dumps(card))
    archive.write(tmp_path / "tiny.npz", **motion)
    config = sections.Config(
        data=sections.Data(
            dataset="mocap",
            root=str(tmp_path),
            archives=("tiny",),
            train_subjects=(),
            validation_subjects=(),
        )
    )
    together = sources.load(config, "train")
    read, read_member = [], archive._read_member

    def record(name, content):
        read.append(name)
        return read_member(name, content)

    monkeypatch.setattr(archive, "_read_member", record)
    sharding.prepare(config, tmp_path / "shards", number=2)
    assert read == ["P1/a.npy", "P2/a.npy", "P2/b.npy"]
    found = shards.load(of_shards(config, tmp_path / "shards"))
    kept = found.first(10**6)
    assert multiset(rows(kept.keypoints_2d, kept.poses_3d)) == multiset(
        rows(together.keypoints_2d, together.poses_3d)
    )


def test_a_missing_shard_is_named(copied):
    path = shards.load(copied).paths[3]
    path.unlink()
    with pytest.raises(FileNotFoundError, match=path.name):
        shards.load(copied)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("length", "record 0: expected finite"),
        ("nan", "record 0: expected finite"),
        ("millimetres", "record 1: .* looks like millimetres"),
        ("pixels", "record 1: expected normalised keypoints"),
        ("checksum", "a record does not match its checksum"),
    ],
)
def test_a_shard_with_a_digest_of_its_own_is_looked_at(copied, what, said):
    """The manifest's SHA-256 proves nothing, as anyone can compute it."""
    found = shards.load(copied)
    path = found.paths[0]
    content = bytearray(path.read_bytes())
    if what == "length":
        # With its checksum, TensorFlow would make room for that.
        content[:8] = struct.pack("<Q", 2**60)
    elif what == "checksum":
        content[-1] ^= 255
    else:
        size = 11 * 17 * 5 * 4
        start = 12 if what == "nan" else 12 + size + 4 + 12
        record = np.frombuffer(content[start : start + size], "<f4")
        record = record.reshape(11, 17 * 5).copy()
        if what == "millimetres":
            record[:, 17 * 2 :] *= 1000
        else:
            record[:, : 17 * 2] *= np.nan if what == "nan" else 500
        content[start : start + size] = record.tobytes()
    path.write_bytes(content)
    known = [shard._asdict() for shard in found.shards]
    known[0]["sha256"] = shards.hashlib.sha256(content).hexdigest()
    rewrite(copied, shards=known)
    with pytest.raises(ValueError, match=f"{path}: .*{said}"):
        shards.load(copied)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"version": 2}, "expected version 1"),
        ({"pairs": 3}, "not the sum"),
        ({"joints": 15}, "shapes of 16 or 17 joints"),
        ({"joints": 16}, "shapes of 16 or 17 joints"),
        ({"shards": []}, "expected 1 to"),
        ({"shards": [{"pairs": -1, "sha256": 64 * "0"}]}, "number of pairs"),
        ({"shards": [{"pairs": 1, "sha256": "../x"}]}, "SHA-256"),
        ({"shards": 3}, "expected 1 to"),
        ({"subjects": [3]}, "a list of subjects"),
        ({"subjects": "S6"}, "a list of subjects"),
        ({"origin": [["training_data", "licence"]]}, "an origin as strings"),
        ({"origin": {"licence": "x"}}, "an origin as strings"),
        ({"origin": {"training_data": "x", "licence": 9999 * "x"}}, "strings"),
        ({"made_by": "me"}, "fields of a config"),
        ({"made_by": None}, "fields of a config"),
    ],
)
def test_a_wrong_manifest_is_named(copied, fields, said):
    rewrite(copied, **fields)
    with pytest.raises(ValueError, match=rf"manifest\.json: .*{said}"):
        shards.load(copied)


@pytest.mark.parametrize("content", [b"", b"[" * 9999, b"\xff", b"{}", b"3"])
def test_what_is_no_manifest(copied, content):
    path = pathlib.Path(copied.data.shards, shards.MANIFEST)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"json: not a manifest of shards"):
        shards.load(copied)


def test_a_folder_without_a_manifest(written, tmp_path):
    with pytest.raises(FileNotFoundError, match="data.prepare shards writes"):
        shards.load(changed(written, shards=str(tmp_path)))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"joints": 16}, r"data\.joints=17, but this config has 16"),
        ({"keypoints": "cpn_ft_h36m_dbb"}, r"data\.keypoints='gt'"),
        ({"train_subjects": ("S1",)}, r"data\.train_subjects="),
        ({"train_stride": 2}, r"data\.train_stride=1"),
        (
            {"validation_subjects": ("S6",)},
            "contain the validation subject S6",
        ),
    ],
)
def test_shards_of_other_data_are_refused(written, data, said):
    with pytest.raises(ValueError, match=said):
        shards.load(changed(written, **data))


def test_shards_hold_fixed_poses(written, generated, tmp_path):
    for wrong in (
        changed(written, dataset="mocap", training_cameras="drawn"),
        dataclasses.replace(
            written, train=dataclasses.replace(written.train, lifter="x")
        ),
    ):
        with pytest.raises(ValueError, match=r"data\.shards: shards hold"):
            checks.check(wrong)
    with pytest.raises(ValueError, match="shards contain fixed poses"):
        sharding.prepare(written, tmp_path / "again")


@pytest.mark.slow
def test_the_benchmark():
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.shards", "--pairs=3000"),
            *("--number=3", "--epochs=2"),
        ],
        cwd=commands.ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    assert "written: 3000 pairs, 3 shards, 1 MB" in ended.stdout
    assert "poses/s in epochs 1 to 2" in ended.stdout

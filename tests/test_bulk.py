"""Lifting in bulk on Beam: rows, files, bad ones, and mistakes in one line."""

import contextlib
import importlib.util
import io
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import tracemalloc

import numpy as np
import pytest
from absl import flags

from ampose_tf import weights
from ampose_tf.bulk import __main__ as command
from ampose_tf.conversion import COCO_17
from ampose_tf.lifting import singles
from ampose_tf.lifting.keypoints import SKELETONS
from ampose_tf.lifting.lifter import Lifter
from ampose_tf.lifting.predictor import load_predictor
from ampose_tf.skeleton import H36M_17
from tests import clips, commands

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
pytest.importorskip("apache_beam", reason="apache_beam is not installed")

import apache_beam as beam  # noqa: E402
from apache_beam.io import filesystem, filesystems, localfilesystem  # noqa: E402
from apache_beam.options import pipeline_options  # noqa: E402
from apache_beam.runners.portability import prism_runner  # noqa: E402
from pyarrow import parquet  # noqa: E402

from ampose_tf.bulk import errors, examples, pipeline, running, tables  # noqa: E402

SIZE = (640, 480)
MODEL = "ampose_t"
TWO = "--direct_num_workers=2"


def rows(skeleton="COCO-17"):
    """Returns pixels and scores of ten poses, by joint."""
    pixels, scores = clips.truth(skeleton)
    joints = pixels.shape[2]
    return pixels.reshape(-1, joints, 2), scores.reshape(-1, joints)


def table(of="COCO-17", nested=False, start=0, **columns):
    pixels, scores = rows(of)
    count = len(pixels)
    if not nested:
        pixels = pixels.reshape(count, -1)
    made = {
        "key": np.arange(start, start + count),
        "name": [f"row {key}" for key in range(start, start + count)],
        "keypoints_px": pixels.tolist(),
        "scores": scores.tolist(),
        "image_size": [list(SIZE)] * count,
        "skeleton": [of] * count,
    }
    made |= columns
    return pa.table({n: v for n, v in made.items() if v is not None})


def expected(skeleton="COCO-17", **settings):
    predict = load_predictor(weights.LIFTING[MODEL])
    pixels, scores = rows(skeleton)
    sizes = np.tile(SIZE, (len(pixels), 1))
    return singles.lift(
        predict, pixels, scores, sizes, SKELETONS[skeleton], **settings
    )


def lift(folder, *further, source="*.parquet", output="lifted"):
    return commands.run(
        f"python -m ampose_tf.bulk --input={source} --output={output} "
        f"--model={MODEL} --runner=DirectRunner",
        folder,
        *further,
    )


def read(folder, name="poses"):
    found = parquet.read_table(folder / name)
    return found.sort_by("key") if "key" in found.schema.names else found


def array(found, name, *shape):
    missing = [np.nan] * int(np.prod(shape))
    lists = found[name].to_pylist()
    values = np.array([missing if v is None else v for v in lists])
    kind = bool if name == "seen" else np.float32
    return values.reshape(-1, *shape).astype(kind)


def test_rows_of_several_files_and_skeletons_are_lifted(tmp_path, monkeypatch):
    # DirectRunner would download it.
    prism = []
    monkeypatch.setattr(
        prism_runner.PrismRunner, "run_pipeline", lambda *_: prism.append(1)
    )
    parquet.write_table(table(nested=True), tmp_path / "a.parquet")
    other = table("BODY_25", True, start=10)
    other = other.select(other.column_names[::-1])
    key = other.schema.field("key").with_nullable(False)
    other = other.cast(other.schema.set(5, key))
    parquet.write_table(other, tmp_path / "b.parquet")
    ended = lift(tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "lifted: 20 rows read, 20 poses, 0 bad rows\n"
    assert prism == []
    lifted = tmp_path / "lifted"
    assert {p.name for p in lifted.iterdir()} == {
        "poses",
        "bad_rows",
        "_SUCCESS",
    }
    assert {p.name for p in tmp_path.iterdir()} == {
        "a.parquet",
        "b.parquet",
        "lifted",
    }
    found = read(lifted)
    assert found["key"].to_pylist() == list(range(20))
    assert found["name"][13].as_py() == "row 13"
    for start, skeleton in ((0, "COCO-17"), (10, "BODY_25")):
        own, poses = found.slice(start, 10), expected(skeleton)
        for name, *shape in (
            ("poses_3d", 17, 3),
            ("seen", 17),
            ("spread_m", 17),
            ("root", 3),
        ):
            np.testing.assert_array_equal(
                array(own, name, *shape), getattr(poses, name)
            )
    described = json.loads(found.schema.metadata[b"ampose"])
    assert described["joint_names"][:2] == ["Hip", "RHip"]
    assert described["units"] == "metres"
    said = json.loads((lifted / "_SUCCESS").read_text())
    assert said["files"] == 2 and len(said["model_sha256"]) == 64
    assert read(lifted, "bad_rows").num_rows == 0


def test_settings_hold_for_all_rows(tmp_path):
    whole = table(image_size=None, skeleton=None, scores=None)
    # Not a pattern, as there is such a file.
    parquet.write_table(whole, tmp_path / "a[1].parquet")
    place = f"file://{tmp_path}"
    flags = (
        "--image_size=640x480",
        "--skeleton=COCO-17",
        "--noflip_ensemble",
        "--intrinsics=700,710,320,240",
    )
    ended = lift(
        tmp_path,
        *flags,
        source=f"{place}/a[1].parquet",
        output=f"{place}/lifted",
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    found = read(tmp_path / "lifted")
    pixels, scores = rows()
    poses = singles.lift(
        load_predictor(weights.LIFTING[MODEL]),
        pixels,
        np.ones_like(scores),
        np.tile(SIZE, (len(pixels), 1)),
        COCO_17,
        flip_ensemble=False,
        intrinsics=(700, 710, 320, 240),
    )
    np.testing.assert_array_equal(
        array(found, "poses_3d", 17, 3), poses.poses_3d
    )
    np.testing.assert_array_equal(array(found, "root", 3), poses.root)
    assert found["spread_m"].null_count == 10


def test_a_part_is_a_row_group_and_is_read_in_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "_ROWS", 3)
    path, schema = str(tmp_path / "a.parquet"), table().schema
    parquet.write_table(table(), path, row_group_size=7)
    parts = list(pipeline.FindParts(schema).process(path))
    assert parts == [(path, 0), (path, 1)]
    batches = [list(pipeline.batches(part, schema)) for part in parts]
    assert [[b.num_rows for b in own] for own in batches] == [[3, 3, 1], [3]]
    read = [b for own in batches for b in own]
    assert pa.Table.from_batches(read).equals(table())


def test_a_row_group_is_read_once_and_not_at_once(tmp_path, monkeypatch):
    path = str(tmp_path / "a.parquet")
    content = np.random.default_rng(0)
    whole = pa.table({"frame": [content.bytes(200_000) for _ in range(61)]})
    parquet.write_table(whole, path, use_dictionary=False, write_batch_size=1)
    size, read = os.path.getsize(path), []

    class Counted(io.FileIO):
        def read(self, *most):
            content = super().read(*most)
            read.append(len(content))
            return content

    monkeypatch.setattr(pipeline, "opened", Counted)
    # As many rows as have this number of bytes.
    monkeypatch.setattr(pipeline, "_BYTES", 10**6)
    rows = 0
    for batch in pipeline.batches(pipeline.Part(path, 0), whole.schema):
        assert batch.num_rows in (1, 4, 5)
        rows += batch.num_rows
        assert sum(read) < size * rows / 61 + 3 * 2**20
    assert rows == 61


def test_damaged_pages_are_named(tmp_path):
    path = tmp_path / "a.parquet"
    parquet.write_table(table(), path)
    content = path.read_bytes()
    path.write_bytes(content[:4] + b"\xff" * 40 + content[44:])
    with pytest.raises(ValueError, match=r"a\.parquet: not readable as Parqu"):
        list(pipeline.batches(pipeline.Part(str(path), 0), table().schema))


def damaged():
    """Returns a column by name, and the reason that its row is bad for."""
    pixels, scores = (array.tolist() for array in rows())
    pixels = [[x for point in pose for x in point] for pose in pixels]
    names, sizes = ["COCO-17"] * 10, [list(SIZE)] * 10
    reasons = {
        0: "keypoints_px: expected 34 numbers, x, y of the 17 joints",
        1: "got 33 numbers",
        2: "a joint is more than 100000 pixels",
        3: "below 2, like normalised coordinates",
        4: "expected 17 numbers, one for each of the 17 joints of COCO-17",
        5: "scores: expected numbers in [0, 1], got one above 15",
        6: "image_size: expected a width and a height from 1",
        7: "unknown skeleton 'COCO-18b'",
        8: "no joint has a score of at least 0.3",
    }
    pixels[0] = None
    del pixels[1][-1]
    pixels[2][5] = -np.inf
    pixels[3] = [x / 640 for x in pixels[3]]
    scores[4] = None
    scores[5][2] = 97.5
    sizes[6] = [640, 0]
    names[7] = "COCO-18b"
    scores[8] = [0.2] * 17
    columns = {
        "keypoints_px": pixels,
        "scores": scores,
        "image_size": sizes,
        "skeleton": names,
    }
    return columns, reasons


def test_bad_rows_are_kept_with_their_reasons(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "_ROWS", 4)
    columns, reasons = damaged()
    whole = table(**columns)
    # All rows of the first row group are bad.
    parquet.write_table(whole, tmp_path / "a.parquet", row_group_size=9)
    ended = lift(tmp_path)
    assert ended.returncode == 4
    assert ended.stdout == "lifted: 10 rows read, 1 pose, 9 bad rows\n"
    bad = read(tmp_path / "lifted", "bad_rows")
    assert bad.num_rows == len(reasons)
    assert bad.drop_columns("reason").equals(whole.slice(0, 9))
    for row, reason in reasons.items():
        assert reason in bad["reason"][row].as_py()
    good = read(tmp_path / "lifted")
    assert good["key"].to_pylist() == [9]
    np.testing.assert_array_equal(
        array(good, "poses_3d", 17, 3)[0], expected().poses_3d[9]
    )


def test_a_batch_can_have_no_good_row():
    columns, reasons = damaged()
    (batch,) = table(**columns).to_batches()
    predict = load_predictor(weights.LIFTING[MODEL])
    schema = tables.lifted_schema(batch.schema, predict.skeleton)
    for row in reasons:
        own = batch.slice(row, 1)
        good, bad = tables.lift(own, predict, tables.Settings())
        assert (good.num_rows, bad.num_rows) == (0, 1)
        assert good.schema.equals(schema)


def test_extreme_values_are_bad_rows():
    pixels = rows()[0].round().astype(int).tolist()
    pixels[1][0][0] = 2**60 + 1
    pixels[2] = [[*point, 1] for point in pixels[2]]
    names = ["COCO-17"] * 10
    names[3] = "x" * 10**7
    names[4] = None
    whole = table(keypoints_px=pixels, skeleton=names, nested=True)
    predict = load_predictor(weights.LIFTING[MODEL])
    (batch,) = whole.to_batches()
    tracemalloc.start()
    good, bad = tables.lift(batch, predict, tables.Settings())
    # An array of text would need forty bytes per character.
    assert tracemalloc.get_traced_memory()[1] < 10**8
    tracemalloc.stop()
    assert good["key"].to_pylist() == [0, 5, 6, 7, 8, 9]
    for reason, mentions in zip(
        bad["reason"].to_pylist(),
        (
            "a joint is more than 100000 pixels",
            "expected 34 numbers, x, y of the 17 joints of COCO-17, got lists "
            "that are not [x, y]",
            "unknown skeleton 'xxx",
            "unknown skeleton 'None'",
        ),
        strict=True,
    ):
        assert mentions in reason
    names = batch["skeleton"].dictionary_encode()
    encoded = batch.set_column(5, "skeleton", names)
    again, _ = tables.lift(encoded, predict, tables.Settings())
    assert again["poses_3d"].equals(good["poses_3d"])


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("kind", ["list", "large", "fixed"])
def test_lists_of_every_type_are_read(nested, kind):
    pixels, scores = rows()
    scores[2, 5] = 0.1
    values = pixels.tolist() if nested else pixels.reshape(10, 34).tolist()
    values[4] = None
    if nested and kind != "fixed":
        values[5] = [*values[5][:-1], [1.0, 2.0, 3.0]]
    made = {
        "list": lambda inner, length: pa.list_(inner),
        "large": lambda inner, length: pa.large_list(inner),
        "fixed": pa.list_,
    }[kind]
    if nested:
        column = pa.array(values, made(made(pa.float64(), 2), 17))
    else:
        column = pa.array(values, made(pa.float64(), 34))
    batch = pa.record_batch(
        {
            "keypoints_px": column,
            "scores": pa.array(scores.tolist(), made(pa.float64(), 17)),
        }
    )
    settings = tables.Settings(SIZE, COCO_17, flip_ensemble=False)
    tables.check(batch.schema, settings)
    predict = load_predictor(weights.LIFTING[MODEL])
    poses = singles.lift(
        predict,
        pixels,
        scores,
        np.tile(SIZE, (10, 1)),
        COCO_17,
        flip_ensemble=False,
    )
    # As batches are, of a part of a file.
    good, bad = tables.lift(batch.slice(1, 7), predict, settings)
    expected_bad = 1 + (nested and kind != "fixed")
    assert bad.num_rows == expected_bad
    kept = [r for r in range(1, 8) if r not in (4, 5)[:expected_bad]]
    np.testing.assert_array_equal(
        array(good, "poses_3d", 17, 3), poses.poses_3d[kept]
    )
    np.testing.assert_array_equal(array(good, "root", 3), poses.root[kept])


def test_joints_that_are_nowhere_are_not_seen():
    pixels, scores = rows()
    pixels[0, 3] = np.nan
    pixels[1, 4] = 0
    pixels[2, 5] = -1
    scores[3, 6] = np.nan
    scores[4, 7] = 1.2
    settings = tables.Settings(SIZE, COCO_17)
    (batch,) = pa.table(
        {
            "keypoints_px": pixels.reshape(10, -1).tolist(),
            "scores": scores.tolist(),
        }
    ).to_batches()
    predict = load_predictor(weights.LIFTING[MODEL])
    good, bad = tables.lift(batch, predict, settings)
    assert bad.num_rows == 0
    for row, joint in ((0, 3), (1, 4), (2, 5), (3, 6)):
        scores[row, joint] = 0
    pixels[0, 3] = 0
    scores[4, 7] = 1
    poses = singles.lift(
        predict, pixels, scores, np.tile(SIZE, (10, 1)), COCO_17
    )
    np.testing.assert_array_equal(
        array(good, "poses_3d", 17, 3), poses.poses_3d
    )


def test_tfrecord_has_the_same_rows(tmp_path):
    pytest.importorskip("google_crc32c", reason="it is not installed")
    import tensorflow as tf

    parquet.write_table(table(), tmp_path / "a.parquet")
    assert lift(tmp_path, "--format=tfrecord").returncode == 0
    (path,) = (tmp_path / "lifted/poses").iterdir()
    assert path.suffix == ".tfrecord"
    features = {
        "key": tf.io.FixedLenFeature([], tf.int64),
        "name": tf.io.FixedLenFeature([], tf.string),
        "keypoints_px": tf.io.FixedLenFeature([17, 2], tf.float32),
        "poses_3d": tf.io.FixedLenFeature([17, 3], tf.float32),
        "seen": tf.io.FixedLenFeature([17], tf.int64),
    }
    poses = expected()
    examples = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    assert len(examples) == 10
    for content in examples:
        example = tf.io.parse_single_example(content, features)
        key = int(example["key"])
        assert example["name"].numpy() == f"row {key}".encode()
        np.testing.assert_array_equal(example["poses_3d"], poses.poses_3d[key])
        np.testing.assert_array_equal(example["seen"], poses.seen[key])
        np.testing.assert_allclose(
            example["keypoints_px"], rows()[0][key], rtol=1e-6
        )


@pytest.mark.parametrize(
    ("kind", "is_supported"),
    [
        (pa.uint32(), True),
        (pa.uint64(), False),
        (pa.list_(pa.uint64()), False),
        (pa.large_binary(), True),
        (pa.binary(3), True),
    ],
)
def test_types_of_tfrecord(kind, is_supported):
    schema = pa.schema([pa.field("hash", kind)])
    if is_supported:
        examples.check(schema)
    else:
        with pytest.raises(ValueError, match="column hash: .* uint64"):
            examples.check(schema)


def test_keypoint_files_are_lifted_as_by_a_lifter(tmp_path):
    coco = clips.coco_results()
    for name, content in (
        ("a.json", json.dumps(coco)),
        ("b.json", json.dumps(coco)[:200]),
        ("c.json", json.dumps(clips.tfjs())),
    ):
        (tmp_path / name).write_text(content)
    ended = lift(tmp_path, "--image_size=640x480", source="*.json")
    assert ended.returncode == 4
    assert ended.stdout == "lifted: 3 files read, 12 poses, 1 bad file\n"
    bad = parquet.read_table(tmp_path / "lifted/bad_rows").to_pylist()
    assert [row["file"] for row in bad] == [str(tmp_path / "b.json")]
    assert "not JSON" in bad[0]["reason"]
    found = parquet.read_table(tmp_path / "lifted/poses")
    lifter = Lifter(MODEL)
    for name in ("a.json", "c.json"):
        is_own = np.array(found["file"].to_pylist()) == str(tmp_path / name)
        own = found.filter(pa.array(is_own))
        motion = lifter(tmp_path / name, image_size=SIZE)
        for track in motion.tracks:
            is_track = own["track_id"].to_numpy() == track.track_id
            person = own.filter(pa.array(is_track))
            for column, value, *shape in (
                ("poses_3d", track.poses_3d, 17, 3),
                ("root", track.root, 3),
                ("scores", track.scores, 17),
            ):
                np.testing.assert_array_equal(
                    array(person, column, *shape), value
                )
            assert person["frame"].to_pylist() == track.frames.tolist()
            assert person["notes"][0].as_py() == " ".join(motion.notes)


class ElsewhereFileSystem(localfilesystem.LocalFileSystem):
    """Local files by the name of another file system, without folders."""

    PREFIX = "elsewhere://"

    @classmethod
    def scheme(cls):
        return "elsewhere"

    def has_dirs(self):
        return False

    def split(self, path):
        return tuple(path.rsplit("/", 1))

    def join(self, basepath, *paths):
        return "/".join([basepath.rstrip("/"), *paths])

    def match(self, patterns, limits=None):
        patterns = [self.inside(pattern) for pattern in patterns]
        matches = localfilesystem.LocalFileSystem({}).match(patterns, limits)
        return [
            filesystem.MatchResult(
                self.PREFIX + match.pattern,
                [
                    filesystem.FileMetadata(
                        self.PREFIX + found.path, found.size_in_bytes
                    )
                    for found in match.metadata_list
                ],
            )
            for match in matches
        ]

    def _path_open(self, path, *arguments, **settings):
        path = self.inside(path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return super()._path_open(path, *arguments, **settings)

    def create(self, path, *arguments, **settings):
        return self._path_open(path, "wb", *arguments, **settings)

    def mkdirs(self, path):
        super().mkdirs(self.inside(path))

    def exists(self, path):
        return super().exists(self.inside(path))

    def checksum(self, path):
        return super().checksum(self.inside(path))

    def rename(self, sources, destinations):
        super().rename(
            [self.inside(path) for path in sources],
            [self.inside(path) for path in destinations],
        )

    def delete(self, paths):
        localfilesystem.LocalFileSystem({}).delete(
            [self.inside(path) for path in paths]
        )

    def report_lineage(self, path, lineage):
        del path, lineage

    def inside(self, path):
        return str(path).removeprefix(self.PREFIX)


def test_another_file_system_is_read_and_written(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(clips.coco_results()))
    parquet.write_table(table(), tmp_path / "a.parquet")
    place = f"elsewhere://{tmp_path}"
    output = {"output": f"{place}/lifted"}
    assert filesystems.FileSystems.get_scheme(place) == "elsewhere"
    ended = lift(tmp_path, source=f"{place}/*.parquet", **output)
    assert (ended.returncode, ended.stderr) == (0, "")
    found = read(tmp_path / "lifted")
    np.testing.assert_array_equal(
        array(found, "poses_3d", 17, 3), expected().poses_3d
    )
    again = lift(tmp_path, source=f"{place}/*.parquet", **output)
    assert again.returncode == 2
    assert "/lifted exists; remove it" in again.stderr
    (tmp_path / "lifted/_SUCCESS").unlink()
    again = lift(tmp_path, source=f"{place}/*.parquet", **output)
    assert "/lifted exists, unfinished, without _SUCCESS" in again.stderr
    output = {"output": f"{place}/clips"}
    ended = lift(tmp_path, source=f"{place}/*.json", **output)
    assert ended.stdout.endswith("1 file read, 10 poses, 0 bad files\n")
    found = parquet.read_table(tmp_path / "clips/poses")
    assert set(found["file"].to_pylist()) == {f"{place}/a.json"}


@pytest.mark.parametrize(
    ("columns", "mentions"),
    [
        ({"keypoints_px": None}, "expected a column keypoints_px; its col"),
        ({"image_size": None}, "a column image_size or --image_size=..."),
        ({"skeleton": None}, "expected a column skeleton or --skeleton=..."),
        ({"keypoints_px": ["x"] * 10}, "keypoints_px: expected a list of"),
        ({"scores": [0.5] * 10}, "scores: expected a list of numbers, got 'd"),
        ({"image_size": ["4x4"] * 10}, "image_size: expected a list of two"),
        ({"skeleton": [17] * 10}, "skeleton: expected text, got 'int64'"),
        ({"root": [1] * 10}, "column root: the output has a column of this"),
    ],
)
def test_another_schema_is_one_line(tmp_path, columns, mentions):
    parquet.write_table(table(**columns), tmp_path / "a.parquet")
    ended = lift(tmp_path)
    assert_mistake(ended, f"{tmp_path / 'a.parquet'}: ", mentions)
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


def assert_mistake(ended, *mentions):
    assert (ended.returncode, ended.stdout) == (2, "")
    assert re.fullmatch("bulk: .+\n", ended.stderr), ended.stderr
    assert "while running" not in ended.stderr
    for mention in mentions:
        assert mention in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "mentions"),
    [
        ("--output=there", "--output=there exists; remove it, or choose ano"),
        ("--input=none/*.parquet", "--input=none/*.parquet: no files"),
        ("--output=", "--output=: expected a path"),
        ("--input=file://", "--input=file://: expected a path"),
        ("--input=there/*.parquet", "0.parquet: not readable as Parquet: "),
        ("b.parquet", "b.parquet: not a flag; put the pattern of --input in"),
        ("--direct_num_workers=-3", "or 0 for one on each core, got -3"),
        ("--input=there", "is a folder; use a pattern of files, --input='th"),
        ("--imput=x", "unknown flag --imput=x"),
        ("--direct_running_mode=x", "direct_running_mode: invalid choice"),
        ("--runner=NoRunner", "NoRunner"),
        ("--image_size=10", "--image_size: expected WIDTHxHEIGHT"),
        ("--skeleton=none", "unknown skeleton 'none'"),
        ("--seen_score=2", "--seen_score: expected a score from 0 to 1"),
        ("--fov_deg=190", "between 0 and 180 degrees, got 190"),
        (
            "--fov_deg=60 --intrinsics=1,1,0,0",
            "--fov_deg or --intrinsics, not both",
        ),
        ("--intrinsics=0,1,0,0", "focal lengths above 0"),
        ("--person_score=0.5", "--person_score is for keypoint files"),
        ("--model=none.tflite", "no model none.tflite"),
        ("--input=s4://bucket/x", "s4://bucket/x"),
        (
            "--format=tfrecord",
            "column time: TFRecord does not support timestamp",
        ),
    ],
)
def test_mistakes_are_one_line(tmp_path, arguments, mentions):
    (tmp_path / "there").mkdir()
    (tmp_path / "there/0.parquet").touch()
    (tmp_path / "there/1.parquet").write_bytes(b"PAR1")
    whole = table(time=pa.array([0] * 10, pa.timestamp("us")))
    parquet.write_table(whole, tmp_path / "a.parquet")
    ended = lift(tmp_path, *arguments.split())
    assert_mistake(ended, mentions)
    assert {path.name for path in tmp_path.iterdir()} == {
        "a.parquet",
        "there",
    }


def test_what_a_worker_meets_is_one_line(tmp_path):
    parquet.write_table(table(), tmp_path / "a.parquet")
    other = table(start=10, scores=rows()[1].astype(np.float32).tolist())
    other = other.set_column(0, "key", pa.array(np.arange(10, dtype=np.int32)))
    parquet.write_table(other, tmp_path / "b.parquet")
    assert_mistake(
        lift(tmp_path),
        f"{tmp_path / 'b.parquet'}: another schema than the first file's: "
        "expected a column key of type int64, got int32",
    )
    assert not (tmp_path / "lifted").exists()
    content = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "b.parquet").write_bytes(content[:-100])
    parts = pipeline.FindParts(table().schema)
    with pytest.raises(ValueError, match=r"b\.parquet: not readable as Parqu"):
        list(parts.process(str(tmp_path / "b.parquet")))


@pytest.mark.parametrize(
    ("missing", "named", "arguments"),
    [
        (["apache_beam"], "apache_beam", []),
        (["pyarrow"], "pyarrow", []),
        (
            ["google_crc32c", "snappy", "crcmod"],
            "google_crc32c",
            ["--format=tfrecord"],
        ),
    ],
)
def test_a_missing_extra_is_one_line(
    tmp_path, monkeypatch, missing, named, arguments
):
    parquet.write_table(table(), tmp_path / "a.parquet")
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name in missing else find(name),
    )
    assert_mistake(
        lift(tmp_path, *arguments),
        f"needs {named}: pip install 'ampose_tf[beam]'",
    )


def test_errors_in_the_text_of_a_traceback():
    where = " [while running 'Lift/ParDo(LiftPart)-ptransform-7']"
    start = "Traceback (most recent call last):\n  File x\n"
    for text, found in (
        (f"{start}ValueError: a.parquet: no{where}\n\n", "a.parquet: no"),
        (f"{start}pyarrow.lib.ArrowInvalid: no{where}", "no"),
        (f"{start}PermissionError: [Errno 13] x", "[Errno 13] x"),
        (f"{start}RuntimeError: OSError: [Errno 27] x{where}", "[Errno 27] x"),
        (f"{start}KeyError: 'x'{where}", None),
        ("Channel closed", None),
    ):
        assert errors.mistake_in(text) == found


def test_a_bug_keeps_its_traceback(tmp_path, monkeypatch):
    def lift_wrongly(*_):
        raise ValueError("bug")

    monkeypatch.setattr(tables, "lift", lift_wrongly)
    parquet.write_table(table(), tmp_path / "a.parquet")
    wanted = r"a\.parquet: cannot lift row group 0: ValueError: bug"
    with pytest.raises(AssertionError, match=wanted):
        lift(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


def test_logs_are_shown_for_unknown_errors_alone(capfd):
    for error, said in (
        (KeyError("x"), "a log\n"),
        (RuntimeError("Traceback\nKeyError: x"), "a log\n"),
        (RuntimeError("Traceback\nValueError: x"), ""),
        (RuntimeError("Channel closed prematurely."), ""),
    ):
        with pytest.raises(type(error)), errors.logs_aside():
            os.write(2, b"a log\n")
            raise error
        assert capfd.readouterr().err == said


@pytest.mark.parametrize(
    ("beam_flags", "mode"),
    [
        ([], "in_memory"),
        (["--direct_num_workers=1"], "in_memory"),
        (["--direct_num_workers=2"], "multi_processing"),
        (["--direct_num_workers", "0"], "multi_processing"),
        (
            ["--direct_num_workers=2", "--direct_running_mode=in_memory"],
            "in_memory",
        ),
    ],
)
def test_several_workers_are_processes(beam_flags, mode):
    options = running.parsed(beam_flags)
    direct = options.view_as(pipeline_options.DirectOptions)
    assert direct.direct_running_mode == mode


def test_arguments_of_other_runners():
    runner = ["--runner=FlinkRunner", "--of_flink", "x"]
    running.parsed(runner)
    with pytest.raises(ValueError, match=r"b\.parquet: not a flag"):
        running.parsed([*runner, "b.parquet"])


def test_a_job_that_cannot_be_started_is_one_line(tmp_path, monkeypatch):
    def run(_):
        raise RuntimeError("no such host:\n8081")

    monkeypatch.setattr(beam.Pipeline, "run", run)
    parquet.write_table(table(), tmp_path / "a.parquet")
    ended = lift(tmp_path, "--runner=FlinkRunner")
    assert_mistake(ended, "--runner=FlinkRunner: the job could not be started")


def test_errors_do_not_name_transforms():
    for error in (OSError, ValueError):
        with (
            pytest.raises(ValueError, match=r"^a\.parquet: no$"),
            errors.of_one_line("lifted"),
        ):
            raise error("a.parquet: no [while running 'Lift']")


def test_an_output_that_appears_during_the_run_is_kept(tmp_path):
    output = tmp_path / "lifted"
    with (
        pytest.raises(FileExistsError, match="^--output=.* exists; remove it"),
        running._whole(str(output)) as place,
    ):
        os.mkdir(place)
        output.mkdir()
        (output / "theirs").touch()
    assert [path.name for path in output.iterdir()] == ["theirs"]


def test_our_flags_are_none_of_beams():
    ours = flags.FlagValues()
    command.define_flags(ours)
    listed = []
    options = pipeline_options.PipelineOptions([])
    options.get_all_options(add_extra_args_fn=listed.append)
    theirs = listed[0].format_help()
    for name in (*ours, "progress", "debug"):
        assert not re.search(rf"--{name}\b", theirs)


def test_the_page_about_scale_is_right(tmp_path, monkeypatch):
    page = (commands.ROOT / "docs/scale.md").read_text(encoding="utf-8")
    make, show = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    (block,) = re.findall(r"^```sh\n(.*?)^```$", page, re.M | re.S)
    install, *lines = block.splitlines()
    assert install == "pip install 'ampose_tf[beam]'" and len(lines) == 2
    monkeypatch.chdir(tmp_path)
    exec(make.replace("1000", "20"), {})
    assert lines[1].endswith(f"--output=lifted_by_two {TWO}")
    # Tests marked slow run two processes.
    for line in (lines[0], lines[1].removesuffix(TWO)):
        ended = commands.run(line, tmp_path, f"--model={MODEL}")
        assert (ended.returncode, ended.stderr) == (0, "")
    program = {}
    exec(show, program)
    assert program["poses_3d"].shape == (20, 17, 3)
    assert program["joint_names"] == list(H36M_17.joints)
    columns = re.findall(r"^\| `(\w+)` \| (?:list|text)", page, re.M)
    assert columns == ["keypoints_px", "scores", "image_size", "skeleton"]
    for name in tables.POSES:
        assert f"`{name}`" in page
    for name in re.findall(r"`([A-Z]\w+-\d+|BODY_25)`", page):
        assert name in SKELETONS


def start(folder, *further, before=()):
    return subprocess.Popen(
        [
            *before,
            sys.executable,
            "-m",
            "ampose_tf.bulk",
            "--input=*.parquet",
            "--output=lifted",
            f"--model={MODEL}",
            TWO,
            *further,
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(commands.ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def many(folder, poses):
    """Writes ten poses again and again, in two files."""
    for start, name in ((0, "a"), (poses // 2, "b")):
        parts = [
            table(start=first)
            for first in range(start, start + poses // 2, 10)
        ]
        whole = pa.concat_tables(parts).combine_chunks()
        parquet.write_table(whole, folder / f"{name}.parquet")


@pytest.mark.slow
def test_two_processes_lose_and_double_nothing(tmp_path):
    many(tmp_path, 400)
    process = start(tmp_path)
    most = 0
    while process.poll() is None:
        children = pathlib.Path(f"/proc/{process.pid}/task").glob("*/children")
        with contextlib.suppress(OSError):
            most = max(most, sum(len(p.read_text().split()) for p in children))
        time.sleep(0.1)
    out, errors = process.communicate()
    assert most == 2
    assert out == "lifted: 400 rows read, 400 poses, 0 bad rows\n"
    assert errors == ""
    found = read(tmp_path / "lifted")
    assert len(list((tmp_path / "lifted/poses").iterdir())) == 2
    assert found["key"].to_pylist() == list(range(400))
    np.testing.assert_array_equal(
        array(found, "poses_3d", 17, 3),
        np.tile(expected().poses_3d, (40, 1, 1)),
    )


@pytest.mark.slow
def test_mistakes_that_processes_meet_are_one_line(tmp_path):
    many(tmp_path, 20)
    (tmp_path / "b.parquet").write_bytes(b"PAR1 and no more")
    process = start(tmp_path)
    out, errors = process.communicate(timeout=300)
    ended = subprocess.CompletedProcess("", process.returncode, out, errors)
    assert_mistake(ended, "b.parquet: not readable as Parquet: ")


@pytest.mark.slow
def test_a_full_disk_is_one_line(tmp_path):
    many(tmp_path, 1000)
    limited = ("bash", "-c", 'ulimit -f 4; exec "$@"', "bash")
    process = start(tmp_path, before=limited)
    out, errors = process.communicate(timeout=300)
    assert (process.returncode, out) == (2, "")
    assert errors == "bulk: lifted: [Errno 27] File too large\n"
    assert {p.name for p in tmp_path.iterdir()} == {"a.parquet", "b.parquet"}


@pytest.mark.slow
def test_a_killed_run_leaves_no_output_and_the_next_is_whole(tmp_path):
    many(tmp_path, 40_000)
    process = start(tmp_path)
    deadline = time.monotonic() + 300
    while not list(tmp_path.glob(".ampose.*/new/lifted/poses/*/*")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "lifted").exists()
    out, errors = start(tmp_path).communicate(timeout=600)
    assert out == "lifted: 40000 rows read, 40000 poses, 0 bad rows\n"
    assert errors == ""
    found = read(tmp_path / "lifted")
    assert found["key"].to_pylist() == list(range(40_000))
    np.testing.assert_array_equal(
        array(found, "poses_3d", 17, 3),
        np.tile(expected().poses_3d, (4000, 1, 1)),
    )
    assert {path.name for path in tmp_path.iterdir()} == {
        "a.parquet",
        "b.parquet",
        "lifted",
    }

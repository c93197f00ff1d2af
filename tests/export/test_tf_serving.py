"""Tests versions, warm-up requests and files for TensorFlow Serving."""

import importlib.metadata
import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import descriptor_pb2, message_factory, text_format
from packaging.requirements import Requirement

from ampose_tf import exporting
from ampose_tf.config import Config
from ampose_tf.data.poses import FRAME, UNITS
from ampose_tf.export import (
    folder,
    runtime,
    signatures,
    tf_serving,
    untrusted,
)
from ampose_tf.export.artefacts import Choice
from ampose_tf.export.checks import graphs
from ampose_tf.lifting.predictor import load_predictor
from ampose_tf.skeleton import H36M_16
from tests.exports import model_of

serving_models = pytest.importorskip(
    "tests.export.serving_models",
    reason="tensorflow-serving-api is not installed",
)


@pytest.fixture(scope="module")
def described(served_model):
    """Metadata of versions of `served_model`."""
    return signatures.metadata(served_model, "y: test", signatures.SIGNATURES)


@pytest.fixture
def base(tmp_path, described):
    """A base with version 1, which contains nothing but its metadata."""
    put_version(tmp_path / "saved_model", 1, described)
    return tmp_path / "saved_model"


def put_version(base, number, described):
    extra = base / str(number) / "assets.extra"
    extra.mkdir(parents=True)
    (extra / "ampose.json").write_text(described)
    (base / str(number) / "saved_model.pb").touch()


def test_versions_are_numbered_on(tmp_path, base, described):
    missing = tmp_path / "missing"
    assert tf_serving.next_version(missing, described) == 1
    missing.mkdir()
    assert tf_serving.next_version(missing, described) == 1
    assert tf_serving.next_version(base, described) == 2
    # Other programs number versions by the time in seconds.
    put_version(base, 1764499999, described)
    (base / "models.config").touch()
    (base / ".ampose.abcdefgh").mkdir()
    (base / "7.old").mkdir()
    (base / "²").mkdir()
    assert tf_serving.next_version(base, described) == 1764500000
    # TensorFlow Serving reads 64-bit integers.
    put_version(base, 10**18 - 1, described)
    assert tf_serving.next_version(base, described) == 10**18
    put_version(base, 10**18, described)
    assert tf_serving.next_version(base, described) == 10**18 + 1
    (base / str(2**63)).mkdir()
    assert tf_serving.next_version(base, described) == 10**18 + 1
    put_version(base, 2**63 - 1, described)
    with pytest.raises(
        ValueError, match=r"no version can follow 92233.*7; ch"
    ):
        tf_serving.next_version(base, described)


def test_a_retrained_model_is_a_version(base, served_model):
    bigger = model_of(seed=9, width=12, depth=2, seen_input=True)
    described = signatures.metadata(
        bigger, "last.keras: other", signatures.SIGNATURES, licence="other"
    )
    assert tf_serving.next_version(base, described) == 2
    # Written by an earlier release, with fewer signatures and fields.
    put_version(base, 2, signatures.metadata(served_model, "x", ("lift",)))
    old = base / "2/assets.extra/ampose.json"
    said = json.loads(old.read_text())
    del said["units"]
    old.write_text(json.dumps(said))
    assert tf_serving.next_version(base, described) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"skeleton": H36M_16}, r"its joints is 17, not 16"),
        (
            {"normalisation": "width"},
            r'its normalisation is "longest", not "width"',
        ),
        ({"seen_input": False}, r"its seen_input is true, not false"),
    ],
    ids=["joints", "normalisation", "seen"],
)
def test_another_model_is_refused(base, change, message):
    other = model_of(**{"seen_input": True} | change)
    described = signatures.metadata(other, "x", signatures.possible(other))
    expected = (
        rf"saved_model: version 1 is of another model: {message}; choose "
        r"another --output$"
    )
    with pytest.raises(ValueError, match=expected):
        tf_serving.next_version(base, described)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("joint_names", ["Hip"] * 17),
        ("units", "millimetres"),
        ("frame", f"{FRAME}, turned"),
        ("signatures", ["lift", "lift_all"]),
    ],
)
def test_every_version_is_compared(base, described, field, value):
    other = json.dumps(json.loads(described) | {field: value})
    put_version(base, 2, other)
    put_version(base, 3, described)
    assert json.loads(described)["units"] == UNITS
    with pytest.raises(ValueError, match=rf"version 2 is .* {field[:9]}"):
        tf_serving.next_version(base, described)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: shutil.rmtree(path / "assets.extra"),
        lambda path: (path / "saved_model.pb").unlink(),
        lambda path: change(path, signatures=5),
        lambda path: change(path, signatures=None),
        lambda path: (shutil.rmtree(path), path.touch()),
        lambda path: (shutil.rmtree(path), path.symlink_to("missing")),
    ],
    ids=["no metadata", "no graph", "number", "null", "file", "dangling link"],
)
def test_a_damaged_version_is_refused(base, described, damage):
    damage(base / "1")
    with pytest.raises(
        ValueError,
        match=r"version 1 is damaged, or was not exported by this project: "
        r"expected saved_model\.pb and assets\.extra/ampose\.json inside; ",
    ):
        tf_serving.next_version(base, described)


def change(version, **fields):
    path = version / "assets.extra/ampose.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def test_other_paths_are_not_model_bases(tmp_path, base, described):
    (base / "saved_model.pb").touch()
    file = tmp_path / "file"
    file.touch()
    for path in (file, base):
        with pytest.raises(ValueError, match="a folder of versions"):
            tf_serving.next_version(path, described)


def test_warm_up_is_of_all_signatures(served_version):
    requests = serving_models.warm_up_requests(served_version)
    batches = (1, 8, 32)
    assert batches == tf_serving.WARM_UP_BATCHES
    names = ("lift", "lift_coco17", "lift_pixels", "serving_default")
    assert len(requests) == 12 <= 1000
    asked = [request.model_spec.signature_name for request in requests]
    assert asked == [name for name in names for _ in batches]
    for request, batch in zip(requests, 4 * batches, strict=True):
        assert request.model_spec.name == "ampose"
        for tensor in request.inputs.values():
            assert tensor.tensor_shape.dim[0].size == batch
    # The version passes the checks of untrusted files, and the requests do
    # not depend on the time.
    untrusted.check_folder(served_version)
    graphs.check(served_version / "saved_model.pb")
    content = (served_version / tf_serving.WARM_UP).read_bytes()
    tf_serving.write_warm_up(served_version)
    assert (served_version / tf_serving.WARM_UP).read_bytes() == content


def test_without_the_library_warm_up_is_left_out(
    served_version, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis", None)
    shutil.copytree(served_version, tmp_path / "base/1")
    (tmp_path / "base/1" / tf_serving.WARM_UP).unlink()
    tf_serving.write_warm_up(tmp_path / "base/1")
    assert not (tmp_path / "base/1" / tf_serving.WARM_UP).exists()
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("base/1: without warm-up requests")
    assert "pip install 'ampose_tf[serving]'" in line


def test_a_full_disk_while_the_warm_up_is_written(served_version, tmp_path):
    if not pathlib.Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    path = shutil.copytree(served_version, tmp_path / "1")
    (path / tf_serving.WARM_UP).unlink()
    (path / tf_serving.WARM_UP).symlink_to("/dev/full")
    with pytest.raises(OSError, match="cannot write .*No space left"):
        tf_serving.write_warm_up(path)


def batching_parameters():
    """Returns TensorFlow Serving's message, as its package has none."""
    file = descriptor_pb2.FileDescriptorProto(
        name="batching.proto",
        package="test",
        syntax="proto3",
        dependency=["google/protobuf/wrappers.proto"],
    )
    message = file.message_type.add(name="BatchingParameters")
    kinds = descriptor_pb2.FieldDescriptorProto
    for number, name in enumerate(
        (
            "max_batch_size",
            "batch_timeout_micros",
            "max_enqueued_batches",
            "num_batch_threads",
        ),
        1,
    ):
        message.field.add(
            name=name,
            number=number,
            type=kinds.TYPE_MESSAGE,
            type_name=".google.protobuf.Int64Value",
            label=kinds.LABEL_OPTIONAL,
        )
    message.field.add(
        name="allowed_batch_sizes",
        number=6,
        type=kinds.TYPE_INT64,
        label=kinds.LABEL_REPEATED,
    )
    wrappers = descriptor_pb2.FileDescriptorProto()
    from google.protobuf import wrappers_pb2

    wrappers_pb2.DESCRIPTOR.CopyToProto(wrappers)
    classes = message_factory.GetMessages([wrappers, file])
    return classes["test.BatchingParameters"]()


def test_configurations(tmp_path):
    from tensorflow_serving.config import model_server_config_pb2

    written = tf_serving.write_configs(tmp_path / "no", tmp_path)
    assert set(written) == {"models.config", "batching.config"}
    models = text_format.Parse(
        written["models.config"].read_text(),
        model_server_config_pb2.ModelServerConfig(),
    )
    (config,) = models.model_config_list.config
    assert config.name == "ampose" and config.model_platform == "tensorflow"
    assert config.base_path == "/models/ampose/saved_model"
    batching = text_format.Parse(
        written["batching.config"].read_text(), batching_parameters()
    )
    sizes = list(batching.allowed_batch_sizes)
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == batching.max_batch_size.value == 64
    assert set(tf_serving.WARM_UP_BATCHES) < set(sizes)


@pytest.fixture(scope="module")
def retrained(tmp_path_factory, make_poses):
    """A request for the SavedModel of a retrained model."""
    path = tmp_path_factory.mktemp("trained") / "last.keras"
    model_of(seed=2, seen_input=True).save(path)
    choice = Choice(("saved_model",))
    return exporting.request(Config(), path, make_poses(30), choice)


def test_exports_are_versions(tmp_path, retrained, served_version, capsys):
    output = tmp_path / "export"
    first = shutil.copytree(served_version, output / "saved_model/1")
    earlier = {"files": {"saved_model/1": {}}, "rejected": {}}
    (output / "export.json").write_text(json.dumps(earlier))
    (output / "models.config").write_text("# mine")
    before = {
        path: path.read_bytes() for path in first.rglob("*") if path.is_file()
    }
    report = exporting.export(retrained, output)
    assert "earlier versions" in capsys.readouterr().out
    assert list(report["files"]) == ["saved_model/2"]
    written = json.loads((output / "export.json").read_text())
    assert written["files"] == report["files"]
    assert written["of_another_model"] == ["saved_model/1"]
    measured = report["files"]["saved_model/2"]
    described = runtime.metadata(output / "saved_model/2")["measured"]
    assert described["mpjpe_mm"] == measured["mpjpe_mm"]
    # The path of a base means its highest version.
    predict = load_predictor(output / "saved_model", trust_model=True)
    keypoints_2d = retrained.poses.keypoints_2d
    seen = np.ones(keypoints_2d.shape[:2], np.float32)
    lifted = predict(keypoints_2d)
    expected = retrained.model({"keypoints_2d": keypoints_2d, "seen": seen})
    np.testing.assert_allclose(lifted, expected, atol=1e-5)
    # Files are never overwritten, and missing ones are added.
    assert (output / "models.config").read_text() == "# mine"
    assert (output / "batching.config").exists()
    assert all(path.read_bytes() == text for path, text in before.items())
    versions = {path.name for path in (output / "saved_model").iterdir()}
    assert versions == {"1", "2"}


@pytest.fixture
def without_conversion(described, monkeypatch):
    """Exported versions contain nothing but metadata."""

    def make(path, file, request, cases):
        put_version(path.parent, path.name, described)
        return {}

    monkeypatch.setattr(exporting.artefacts, "make", make)
    monkeypatch.setattr(exporting.verify, "cases", lambda *arguments: [])


@pytest.mark.usefixtures("without_conversion")
def test_another_export_ends_just_before_the_lock(
    tmp_path, retrained, monkeypatch
):
    output = tmp_path / "export"
    locked = folder.workplace

    def late(path):
        monkeypatch.setattr(folder, "workplace", locked)
        exporting.export(retrained, path)
        return locked(path)

    def remove(path):
        with pytest.raises(OSError, match="in use"), locked(output):
            pass

    monkeypatch.setattr(folder, "workplace", late)
    # Rejected files are removed under the lock, too.
    monkeypatch.setattr(folder, "remove", remove)
    exporting.export(retrained, output)
    written = json.loads((output / "export.json").read_text())
    names = {"saved_model/1", "saved_model/2"}
    assert set(written["files"]) == names
    assert all((output / name).is_dir() for name in names)


def test_another_model_is_refused_before_work_starts(
    tmp_path, retrained, described
):
    other = json.dumps(json.loads(described) | {"normalisation": "width"})
    put_version(tmp_path / "saved_model", 1, other)
    with pytest.raises(ValueError, match="version 1 is of another model"):
        exporting.export(retrained, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["saved_model"]


def test_a_version_is_removed_if_other_files_fail(tmp_path, described):
    output = tmp_path / "export"
    put_version(output / "saved_model", 1, described)

    def fail():
        with folder.workplace(output) as place:
            (place / "saved_model/2").mkdir(parents=True)
            names = ("saved_model/2", "ampose_float32.tflite")
            (place / names[1]).touch()
            made = {name: place / name for name in names}
            with pytest.raises(IsADirectoryError):
                folder.place(made, output, {})

    # A folder, which a file does not replace.
    (output / "ampose_float32.tflite/x").mkdir(parents=True)
    fail()
    assert [p.name for p in (output / "saved_model").iterdir()] == ["1"]
    assert not (output / "export.json").exists()
    shutil.rmtree(output / "saved_model")
    fail()
    assert not (output / "saved_model").exists()


def test_a_version_that_appears_meanwhile(tmp_path):
    output = tmp_path / "export"
    theirs = output / "saved_model/2/theirs"
    theirs.parent.mkdir(parents=True)
    theirs.touch()
    names = ("saved_model/2", "ampose_float32.tflite")
    with folder.workplace(output) as place:
        for name in names:
            (place / name).mkdir(parents=True)
        made = {name: place / name for name in names}
        with pytest.raises(
            FileExistsError, match="another program created th"
        ):
            folder.place(made, output, {})
    assert [path.name for path in output.iterdir()] == ["saved_model"]
    assert [path.name for path in theirs.parent.iterdir()] == ["theirs"]


def closure(name, found):
    """Adds the names of an installed package and all that it needs."""
    name = name.lower().replace("_", "-")
    if name in found:
        return
    try:
        requires = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return
    found.add(name)
    for requirement in map(Requirement, requires):
        marker = requirement.marker
        if marker is None or marker.evaluate({"extra": ""}):
            closure(requirement.name, found)


@pytest.mark.slow
def test_tensorflow_and_numpy_are_enough(
    served_version, served_model, tmp_path
):
    """A process without other packages lifts with a SavedModel."""
    needed = set()
    for name in ("tensorflow", "numpy"):
        closure(name, needed)
    assert not needed & {"scipy", "ampose-tf", "ai-edge-litert"}
    packages = tmp_path / "packages"
    packages.mkdir()
    for name in needed:
        for file in importlib.metadata.files(name):
            top = packages / file.parts[0]
            if file.parts[0] != ".." and not top.exists():
                top.symlink_to(
                    pathlib.Path(file.locate()).parents[len(file.parts) - 1]
                    / file.parts[0]
                )
    random = np.random.default_rng(0)
    given = {
        "keypoints_2d": random.uniform(-1, 1, (5, 17, 2)).astype("f4"),
        "seen": random.integers(0, 2, (5, 17)).astype("f4"),
    }
    np.savez(tmp_path / "given.npz", **given)
    code = f"""
import sys
sys.path.append({str(packages)!r})
import numpy as np
import tensorflow as tf
for name in ("ampose_tf", "scipy", "ai_edge_litert", "tensorflow_serving"):
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    sys.exit(name + " is installed")
lift = tf.saved_model.load({str(served_version)!r}).signatures["lift"]
given = {{k: tf.constant(v) for k, v in np.load("given.npz").items()}}
np.save("poses.npy", lift(**given)["poses_3d"].numpy())
"""
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    np.testing.assert_allclose(
        np.load(tmp_path / "poses.npy"),
        np.asarray(served_model(given)),
        atol=1e-5,
    )


@pytest.mark.slow
def test_inputs_of_other_shapes_are_refused(served_version):
    """TensorFlow would repeat one joint or one image size for all."""
    lift = runtime.saved_model(served_version, "lift_pixels")
    right = {
        "keypoints_px": (3, 17, 2),
        "image_size": (3, 2),
        "seen": (3, 17),
    }

    def call(**shapes):
        shapes = right | shapes
        return lift(**{n: np.ones(shape) for n, shape in shapes.items()})

    assert call().shape == (3, 17, 3)
    for name, shape in (
        ("image_size", (1, 2)),
        ("image_size", (3, 1)),
        ("keypoints_px", (1, 17, 2)),
        ("keypoints_px", (3, 1, 2)),
        ("seen", (1, 17)),
    ):
        with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
            call(**{name: shape})

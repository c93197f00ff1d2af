"""Exported files: parity, names, operators, and what the gate refuses."""

import json
import pathlib
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from ampose_tf import camera, exporting
from ampose_tf.config import Config, Data, Export, Model
from ampose_tf.export import operators, runtime, saved_model, tflite, verify
from ampose_tf.models.ampose import AMPose
from ampose_tf.skeleton import H36M_16, H36M_17


def model_of(normalisation="longest", skeleton=H36M_17, dtype="float32"):
    keras.utils.set_random_seed(7)
    model = AMPose(
        skeleton.adjacency(),
        depth=2,
        # Kernels of fewer than 1024 weights are left unquantised.
        width=48,
        heads=3,
        normalisation=normalisation,
        dtype=dtype,
    )
    # Untrained, the head keeps all joints within centimetres of the hip;
    # this makes a person of some two metres.
    head = model.get_layer("poses_3d").kernel
    head.assign(head * 50)
    return model


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A small model and everything it can be exported to."""
    folder = tmp_path_factory.mktemp("exported")
    model = model_of()
    saved_model.write(model, folder / "saved_model", "last.keras: test")
    random = np.random.default_rng(3)
    shown = random.uniform(-0.8, 0.8, (32, 17, 2)).astype(np.float32)
    for format in tflite.FORMATS:
        path = folder / f"{format}.tflite"
        tflite.write(
            model,
            path,
            format,
            "last.keras: test",
            calibration={"keypoints_2d": shown},
        )
    return model, folder


def test_saved_model_lifts_any_batch(exported, make_poses):
    model, folder = exported
    for signature in ("serving_default", "lift"):
        lift = runtime.saved_model(folder / "saved_model", signature)
        for count in (1, 5):
            keypoints_2d = make_poses(count).keypoints_2d
            np.testing.assert_allclose(
                lift(keypoints_2d=keypoints_2d),
                np.asarray(model(keypoints_2d)),
                atol=1e-5,
            )


@pytest.mark.parametrize("normalisation", ["width", "longest"])
def test_lift_pixels_normalises_as_the_model_says(
    tmp_path, make_poses, normalisation
):
    model = model_of(normalisation)
    saved_model.write(model, tmp_path / "saved", "test")
    lift = runtime.saved_model(tmp_path / "saved", "lift_pixels")
    pixels = make_poses(3).keypoints_2d * 300 + 400
    # Landscape, portrait and square in one batch.
    sizes = [(1280, 720), (720, 1280), (1000, 1000)]
    lifted = lift(keypoints_px=pixels, image_size=sizes)
    for index, size in enumerate(sizes):
        keypoints_2d = camera.normalize_screen(
            pixels[index : index + 1], size, normalisation
        )
        expected = np.asarray(model(keypoints_2d))[0]
        np.testing.assert_allclose(lifted[index], expected, atol=1e-5)


def test_saved_model_serves_without_the_package(exported, make_poses):
    """In a process that cannot import ampose_tf, from another folder."""
    model, folder = exported
    keypoints_2d = make_poses(3).keypoints_2d
    np.save(folder / "keypoints.npy", keypoints_2d)
    code = """
import sys
import numpy as np
import tensorflow as tf
sys.modules["ampose_tf"] = None
serve = tf.saved_model.load("saved_model").signatures["serving_default"]
poses = serve(keypoints_2d=tf.constant(np.load("keypoints.npy")))
np.save("poses.npy", poses["poses_3d"].numpy())
"""
    subprocess.run(
        [sys.executable, "-I", "-c", code],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    np.testing.assert_allclose(
        np.load(folder / "poses.npy"),
        np.asarray(model(keypoints_2d)),
        atol=1e-5,
    )


# Largest deviation in metres of poses that are two metres wide.
@pytest.mark.parametrize(
    ("format", "tolerance"),
    [
        ("float32", 1e-5),
        ("float16", 5e-3),
        ("dynamic_int8", 0.1),
        ("int8", 0.3),
        ("int8_float_attention", 0.3),
    ],
)
def test_tflite_lifts_as_keras(exported, make_poses, format, tolerance):
    model, folder = exported
    keypoints_2d = make_poses(5).keypoints_2d
    lifted = runtime.tflite(folder / f"{format}.tflite")(
        keypoints_2d=keypoints_2d
    )
    expected = np.asarray(model(keypoints_2d))
    deviation = np.abs(lifted - expected).max()
    assert deviation < tolerance
    assert np.ptp(expected) > 1
    if format != "float32":  # It has been made smaller, not only renamed.
        assert deviation > 1e-5


def test_tflite_of_another_precision_still_computes_in_float32(
    tmp_path, make_poses
):
    model = model_of(dtype="mixed_float16")
    tflite.write(model, tmp_path / "x.tflite", "float32", "test")
    keypoints_2d = make_poses(3).keypoints_2d
    np.testing.assert_allclose(
        runtime.tflite(tmp_path / "x.tflite")(keypoints_2d=keypoints_2d),
        np.asarray(model.rebuilt()(keypoints_2d)),
        atol=1e-5,
    )


@pytest.mark.parametrize("format", tflite.FORMATS)
def test_tflite_is_static_and_plain(exported, format):
    _, folder = exported
    path = folder / f"{format}.tflite"
    assert runtime.tensor_shapes(path) == [(1, 17, 2), (1, 17, 3)]
    counted = runtime.operators(path)
    assert set(counted) <= operators.ALLOWED
    # Two encoders' four dense layers, two blocks' two graph convolutions of
    # a dense layer and an aggregation each, embedding and head: no constant
    # is multiplied from the left, which phones' GPUs refuse. Attention's two
    # products are the only ones of two activations.
    assert counted["FULLY_CONNECTED"] == 2 * 4 + 2 * 2 * 2 + 2
    assert counted["BATCH_MATMUL"] == 2 * 2
    if "int8" not in format:
        assert runtime.partitions(path) == 1


def test_weights_shrink(exported):
    _, folder = exported
    size = {
        format: (folder / f"{format}.tflite").stat().st_size
        for format in tflite.FORMATS
    }
    assert size["dynamic_int8"] < size["float16"] < size["float32"]


def test_metadata_travels(exported):
    _, folder = exported
    for name in ("saved_model", "float32.tflite", "dynamic_int8.tflite"):
        described = runtime.metadata(folder / name)
        assert described["normalisation"] == "longest"
        assert described["joints"] == 17
        assert described["checkpoint"] == "last.keras: test"


def test_wrong_weights_are_refused(exported, make_poses):
    """As the silent failures of conversion would look."""
    model, folder = exported
    poses = make_poses(5)
    right = verify.cases(model, poses, ("lift",))
    lift = right["lift"]
    off = right | {
        "lift": lift._replace(expected=lift.expected + np.float32(0.00015))
    }

    def measure(format, cases, budget):
        return verify.tflite(
            folder / f"{format}.tflite", format, cases, poses, budget
        )

    with pytest.raises(ValueError, match="refused: max_mm .* than 0.1"):
        verify.saved_model(folder / "saved_model", off, poses, Export())
    with pytest.raises(ValueError, match="refused: max_mm"):
        measure("float32", off, Export())
    with pytest.raises(ValueError, match="refused: mean_mm"):
        measure("dynamic_int8", right, Export(dynamic_int8_mm=1e-6))
    with pytest.raises(ValueError, match="refused: bytes of the file"):
        measure("float32", right, Export(max_bytes=1000))
    measured = measure("float32", right, Export())
    assert measured["max_mm"] < 0.01
    assert measured["kernels_max_mm"] < 0.01
    assert measured["zeros_max_mm"] < 0.01
    assert measured["extreme_max_mm"] < 0.01
    assert measured["mpjpe_change_mm"] == pytest.approx(0, abs=0.01)
    assert measured["gzip_bytes"] < measured["bytes"]


def converted(path, function, *specs, select_ops=False):
    module = tf.Module()
    module.call = tf.function(function, input_signature=specs)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [module.call.get_concrete_function()], module
    )
    if select_ops:
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.TFLITE_BUILTINS,
            tf.lite.OpsSet.SELECT_TF_OPS,
        ]
    path.write_bytes(converter.convert())
    return path


def test_shape_operators_are_refused(tmp_path, make_poses):
    path = converted(
        tmp_path / "dynamic.tflite",
        lambda x: tf.reshape(x, [tf.shape(x)[0], 34]),
        tf.TensorSpec((None, 17, 2), tf.float32),
    )
    with pytest.raises(ValueError, match="the batch is not static"):
        verify.tflite(path, "float32", {}, make_poses(1), Export())


def test_flex_operators_are_refused(tmp_path, make_poses):
    path = converted(
        tmp_path / "flex.tflite",
        lambda x: tf.linalg.det(tf.matmul(x, x, transpose_a=True)),
        tf.TensorSpec((1, 17, 2), tf.float32),
        select_ops=True,
    )
    with pytest.raises(ValueError, match="Flex.*no TensorFlow kernels"):
        verify.tflite(path, "float32", {}, make_poses(1), Export())


def test_nan_is_refused(tmp_path, make_poses):
    model = model_of()
    weights = model.get_weights()
    weights[0][0] = np.nan
    model.set_weights(weights)
    tflite.write(model, tmp_path / "nan.tflite", "float32", "test")
    poses = make_poses(3)
    with pytest.raises(ValueError, match="hold NaN"):
        verify.tflite(
            tmp_path / "nan.tflite",
            "float32",
            verify.cases(model, poses, ("lift",)),
            poses,
            Export(),
        )


@pytest.fixture
def trained(tmp_path):
    path = tmp_path / "last.keras"
    model_of().save(path)
    return path


def test_export_keeps_all_and_says_what_it_measured(
    tmp_path, trained, make_poses, capsys
):
    output = tmp_path / "export"
    report = exporting.export(
        Config(
            # Untrained, and calibrated on noise.
            export=Export(
                kernels_mm=500, int8_mm=500, int8_float_attention_mm=500
            )
        ),
        trained,
        make_poses(300),
        output,
        exporting.FORMATS,
        training=make_poses(40, seed=1),
    )
    assert report["rejected"] == {}
    kept = {
        path.relative_to(output).as_posix()
        for path in output.rglob("*")
        if path.suffix in (".tflite", ".pb", ".json")
    }
    assert kept >= {
        "saved_model/1/saved_model.pb",
        "ampose_float32.tflite",
        "ampose_float16.tflite",
        "ampose_dynamic_int8.tflite",
        "export.json",
    }
    assert json.loads((output / "export.json").read_text()) == report
    assert report["checkpoint"].startswith("last.keras: the last epoch")
    assert set(report["files"]) == {
        "saved_model/1",
        *(f"ampose_{format}.tflite" for format in tflite.FORMATS),
    }
    for measured in report["files"].values():
        assert measured["poses"] == 256
    assert not list(output.glob(".*"))


def test_a_refused_file_is_put_aside(tmp_path, trained, make_poses, capsys):
    output = tmp_path / "export"
    poses = make_poses(5)
    formats = ("float32", "dynamic_int8")
    exporting.export(Config(), trained, poses, output, formats)
    before = {
        path: path.read_bytes() for path in output.glob("ampose*.tflite")
    }
    assert len(before) == 2
    strict = Config(export=Export(dynamic_int8_mm=1e-9))
    report = exporting.export(strict, trained, poses, output, formats)
    # The same model makes the same bytes, and the refused file is another.
    assert {path: path.read_bytes() for path in before} == before
    refused = output / "ampose_dynamic_int8.rejected.tflite"
    assert runtime.tflite(refused)(keypoints_2d=poses.keypoints_2d).any()
    assert list(report["files"]) == ["ampose_float32.tflite"]
    written = json.loads((output / "export.json").read_text())
    reason = written["rejected"]["ampose_dynamic_int8.tflite"]["reason"]
    assert "mean_mm from the Keras model is" in reason
    # Once it passes, what was put aside goes.
    exporting.export(Config(), trained, poses, output, formats)
    assert not refused.exists()


def test_export_refuses_mistakes(tmp_path, trained, make_poses):
    def export(path=trained, formats=("float32",), config=None):
        exporting.export(
            config or Config(),
            path,
            make_poses(3),
            tmp_path / "export",
            formats,
        )

    with pytest.raises(ValueError, match="Unknown format onnx"):
        export(formats=("float32", "onnx"))
    with pytest.raises(ValueError, match="Unknown format"):
        export(formats=())
    for config, message in (
        (Config(data=Data(joints=16)), "17 joints, the config's data 16"),
        (
            Config(model=Model(normalisation="width")),
            "by 'longest', the config by 'width'; add --config",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            export(config=config)
    with pytest.raises(OSError, match="no model"):
        export(path=tmp_path / "missing.keras")
    broken = tmp_path / "broken.keras"
    broken.write_bytes(trained.read_bytes()[:2000])
    with pytest.raises(ValueError, match="broken.keras"):
        export(path=broken)
    assert not (tmp_path / "export").exists()


def test_16_joints(tmp_path, make_poses):
    model_of(skeleton=H36M_16).save(tmp_path / "last.keras")
    report = exporting.export(
        Config(data=Data(joints=16)),
        tmp_path / "last.keras",
        make_poses(3, joints=16),
        tmp_path / "export",
        ("float32",),
    )
    assert report["files"]["ampose_float32.tflite"]["max_mm"] < 0.01


def test_foreign_and_damaged_files(tmp_path, exported):
    _, folder = exported
    text = tmp_path / "text.tflite"
    text.write_text("not a model")
    for read in (runtime.tflite, runtime.metadata):
        with pytest.raises(ValueError, match="text.tflite"):
            read(text)
    with pytest.raises(ValueError, match="no signature 'lift_all'"):
        runtime.tflite(folder / "float32.tflite", "lift_all")
    with pytest.raises(ValueError, match="no signature 'lift_all'"):
        runtime.saved_model(folder / "saved_model", "lift_all")
    damaged = tmp_path / "saved_model"
    shutil.copytree(folder / "saved_model", damaged)
    graph = pathlib.Path(damaged / "saved_model.pb")
    graph.write_bytes(graph.read_bytes()[:1000])
    with pytest.raises(ValueError, match="not a readable SavedModel"):
        runtime.saved_model(damaged)

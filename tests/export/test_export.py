"""Exported files: parity, names, operators, and what the gate refuses."""

import json
import pathlib
import re
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from ampose_tf import camera, exporting
from ampose_tf.config import Config, Data, Export, Model, Train, to_json
from ampose_tf.data.poses import FRAME, ROOT, UNITS
from ampose_tf.export import (
    flatbuffer,
    operators,
    runtime,
    signatures,
    tflite,
    verify,
)
from ampose_tf.models.ampose import AMPose
from ampose_tf.skeleton import H36M_16, H36M_17
from tests import commands
from tests.exports import export


def model_of(normalisation="longest", skeleton=H36M_17, dtype="float32"):
    keras.utils.set_random_seed(7)
    model = AMPose(
        skeleton.adjacency(),
        depth=1,
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


# Untrained, and calibrated on noise.
LENIENT = Export(
    kernels_mm=500,
    dynamic_int8_mm=500,
    int8_mm=500,
    int8_float_attention_mm=500,
)


@pytest.fixture(scope="module")
def everything(tmp_path_factory, make_poses):
    """A small model, its run's folder, and the report of all its files."""
    folder = tmp_path_factory.mktemp("run")
    model = model_of()
    model.save(folder / "last.keras")
    report = export(
        Config(export=LENIENT),
        folder / "last.keras",
        make_poses(300),
        folder / "export",
        *exporting.FORMATS,
        training=make_poses(40, seed=1),
    )
    return model, folder, report


@pytest.fixture
def exported(everything):
    """A small model and everything it can be exported to."""
    model, folder, _ = everything
    return model, folder / "export"


@pytest.fixture
def run(everything, tmp_path):
    """A copy of its run's folder, to export into again."""
    return shutil.copytree(everything[1], tmp_path / "run")


def tflite_of(folder, format):
    return folder / f"ampose_{format}.tflite"


def test_saved_model_lifts_any_batch(exported, make_poses):
    model, folder = exported
    for signature in ("serving_default", "lift"):
        lift = runtime.saved_model(folder / "saved_model/1", signature)
        for count in (1, 5):
            keypoints_2d = make_poses(count).keypoints_2d
            np.testing.assert_allclose(
                lift(keypoints_2d=keypoints_2d),
                np.asarray(model(keypoints_2d)),
                atol=1e-5,
            )


def test_saved_model_stores_every_weight_once(exported):
    model, folder = exported
    stored = folder / "saved_model/1/variables"
    (data,) = stored.glob("variables.data-*")
    weights = sum(w.size for w in model.get_weights())
    assert 4 * weights <= data.stat().st_size < 4 * weights + 10_000


def test_saved_model_normalises_pixels(exported, make_poses):
    """By the longest side; by the width, see test_mobile.py."""
    model, folder = exported
    lift = runtime.saved_model(folder / "saved_model/1", "lift_pixels")
    pixels = make_poses(3).keypoints_2d * 300 + 400
    # Landscape, portrait and square in one batch.
    sizes = [(1280, 720), (720, 1280), (1000, 1000)]
    lifted = lift(keypoints_px=pixels, image_size=sizes)
    for index, size in enumerate(sizes):
        keypoints_2d = camera.normalize_screen(
            pixels[index : index + 1], size, "longest"
        )
        expected = np.asarray(model(keypoints_2d))[0]
        np.testing.assert_allclose(lifted[index], expected, atol=1e-5)


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
    lifted = runtime.tflite(tflite_of(folder, format))(
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
    path = tflite_of(folder, format)
    assert runtime.signature_shapes(path) == {
        "lift": {
            "inputs": {"keypoints_2d": [1, 17, 2]},
            "outputs": {"poses_3d": [1, 17, 3]},
        }
    }
    counted = runtime.operators(path)
    assert set(counted) <= operators.ALLOWED
    # The encoder's four dense layers, the block's two graph convolutions,
    # which gather for two kernels of three and spread from two, embedding
    # and head: no constant is multiplied from the left, which phones' GPUs
    # refuse. Attention's two products are the only ones of two activations.
    assert counted["FULLY_CONNECTED"] == 4 + 2 * (2 + 3 + 1) + 2
    assert counted["BATCH_MATMUL"] == 2
    if "int8" not in format:
        assert runtime.plans(path) == {"lift": {"DELEGATE": 1}}


def test_weights_shrink(exported):
    _, folder = exported
    size = {
        format: (tflite_of(folder, format)).stat().st_size
        for format in tflite.FORMATS
    }
    assert size["dynamic_int8"] < size["float16"] < size["float32"]


def test_metadata_travels(exported):
    _, folder = exported
    names = ("saved_model/1", "ampose_float32.tflite", "ampose_int8.tflite")
    for name in names:
        described = runtime.metadata(folder / name)
        assert described["normalisation"] == "longest"
        assert described["joints"] == 17
        assert described["checkpoint"] == "last.keras: the last epoch"
        assert described["joint_names"][:3] == ["Hip", "RHip", "RKnee"]
        assert described["edges"][0] == [0, 1] and len(described["edges"]) > 15
        assert "longest side" in described["inputs"]["keypoints_2d"]
        taken = set(described["inputs"])
        if name == "saved_model/1":
            assert described["signatures"] == list(signatures.SIGNATURES)
            assert described["coco_joint_names"][9] == "left_wrist"
            pixels = {"keypoints_px", "image_size", "scores"}
            assert taken == {"keypoints_2d", *pixels}
        else:
            assert described["signatures"] == ["lift"]
            assert taken == {"keypoints_2d"}
        # One text in all files, see also tests/lifting/test_results.py.
        assert described["units"] == UNITS == "metres"
        assert described["frame"] == FRAME
        assert described["frame"] == "camera: x right, y down, z forward"
        assert described["root"] == ROOT
        assert described["root"].startswith("hip: poses are relative to it")
        assert described["training_data"] == described["licence"]
        assert described["licence"] == "not known"  # no config.json
        assert described["measured"]["mpjpe_of"] == "validation poses, whole"


def test_wrong_weights_are_refused(exported, make_poses):
    """As the silent failures of conversion would look."""
    model, folder = exported
    poses = make_poses(40)
    right = verify.cases(model, poses, ("lift",))
    assert [case.kind for case in right] == ["", "zeros", "extreme"]

    def off_by(metres, index=0):
        cases = list(right)
        wrong = cases[index].expected + np.float32(metres)
        cases[index] = cases[index]._replace(expected=wrong)
        return cases

    def measure(format, cases, budget):
        return verify.tflite(
            tflite_of(folder, format), format, cases, poses, budget
        )

    with pytest.raises(ValueError, match="refused: max_mm .* than 0.1"):
        verify.saved_model(
            folder / "saved_model/1", off_by(0.00015), poses, Export()
        )
    for format, cases, message in (
        ("float32", off_by(0.00015), "refused: max_mm .* than 0.1"),
        ("float32", off_by(0.00015, 1), "refused: zeros_mean_mm"),
        ("float16", off_by(0.001), "refused: mean_mm"),
        ("float16", off_by(0.001, 2), "refused: extreme_mean_mm"),
    ):
        with pytest.raises(verify.Refused, match=message):
            measure(format, cases, Export())
    with pytest.raises(verify.Refused, match="refused: kernels_mean_mm"):
        measure("float32", right, Export(kernels_mm=0))
    # One pose in ten is wrong, then the MPJPE alone.
    tenth = np.zeros((40, 1, 1))
    tenth[::10] = 0.02
    limbs = np.zeros((17, 3))
    limbs[1:, 2] = 0.005
    for cases, message in (
        (off_by(tenth), "refused: pose_95_mm .* is 34.*, more than 20"),
        (off_by(limbs), "refused: mpjpe_change_mm"),
    ):
        with pytest.raises(verify.Refused, match=message):
            measure("float16", cases, Export(float16_mm=10, mpjpe_share=0.01))
    measured = measure("float32", right, Export())
    assert measured["max_mm"] < 0.01
    assert measured["kernels_max_mm"] < 0.01
    assert measured["zeros_max_mm"] < 0.01
    assert measured["extreme_max_mm"] < 0.01
    assert measured["mpjpe_change_mm"] == pytest.approx(0, abs=0.01)


def test_plans_tell_what_leaves_xnnpack(tmp_path):
    for function, expected in (
        (lambda x: tf.floor(tf.nn.relu(x)) + 1.0, {"DELEGATE": 1}),
        (
            lambda x: tf.nn.relu(tf.cumsum(tf.nn.relu(x), axis=1) * 2.0),
            {"CUMSUM": 1, "DELEGATE": 2},
        ),
    ):
        path = converted(
            tmp_path / "parts.tflite",
            function,
            tf.TensorSpec((1, 17, 2), tf.float32),
        )
        assert runtime.plans(path) == {"serving_default": expected}


def test_what_leaves_xnnpack_is_refused(exported, make_poses, monkeypatch):
    model, folder = exported
    path, poses = tflite_of(folder, "float32"), make_poses(3)
    cases = verify.cases(model, poses, ("lift",))
    plan = {"lift": {"CUMSUM": 1, "DELEGATE": 2}}
    monkeypatch.setattr(runtime, "plans", lambda path: plan)
    with pytest.raises(verify.Refused, match="single part that XNNPACK"):
        verify.tflite(path, "float32", cases, poses, Export())


def test_an_unknown_operator_is_one_line(tmp_path, exported):
    _, folder = exported
    tables = runtime.tables(tflite_of(folder, "float32"))
    (gelu,) = (
        code
        for code in tables.operatorCodes
        if code.builtinCode == flatbuffer.schema.BuiltinOperator.GELU
    )
    gelu.builtinCode = flatbuffer.schema.BuiltinOperator.CUSTOM
    gelu.deprecatedBuiltinCode = gelu.builtinCode
    gelu.customCode = "Foo"
    path = tmp_path / "foo.tflite"
    path.write_bytes(flatbuffer.write(tables))
    message = r"foo.tflite: LiteRT cannot run it: .*: Foo\.?$"
    for read in (runtime.plans, runtime.tflite):
        with pytest.raises(ValueError, match=message):
            read(path)


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
        verify.tflite(path, "float32", [], make_poses(1), Export())


def test_flex_operators_are_refused(tmp_path, make_poses):
    path = converted(
        tmp_path / "flex.tflite",
        lambda x: tf.linalg.det(tf.matmul(x, x, transpose_a=True)),
        tf.TensorSpec((1, 17, 2), tf.float32),
        select_ops=True,
    )
    with pytest.raises(ValueError, match="Flex.*no TensorFlow kernels"):
        verify.tflite(path, "float32", [], make_poses(1), Export())


def test_nan_is_refused(tmp_path, make_poses):
    model = model_of()
    weights = model.get_weights()
    weights[0][0] = np.nan
    model.set_weights(weights)
    tflite.write(model, tmp_path / "nan.tflite", "float32", "test")
    poses = make_poses(3)
    with pytest.raises(ValueError, match="contain NaN"):
        verify.tflite(
            tmp_path / "nan.tflite",
            "float32",
            verify.cases(model, poses, ("lift",)),
            poses,
            Export(),
        )


def test_export_keeps_all_and_says_what_it_measured(everything):
    _, folder, report = everything
    output = folder / "export"
    assert report["rejected"] == {}
    kept = {
        path.relative_to(output).as_posix()
        for path in output.rglob("*")
        if path.suffix in (".tflite", ".pb", ".json")
    }
    assert kept >= {
        "saved_model/1/saved_model.pb",
        *(f"ampose_{format}.tflite" for format in tflite.FORMATS),
        "export.json",
    }
    assert json.loads((output / "export.json").read_text()) == report
    assert report["checkpoint"].startswith("last.keras: the last epoch")
    assert set(report["files"]) == {
        "saved_model/1",
        *(f"ampose_{format}.tflite" for format in tflite.FORMATS),
    }
    for name, measured in report["files"].items():
        assert measured["poses"] == 256
        floats = measured["format"] in ("float32", "float16")
        assert ("float16_arithmetic" in measured) == floats
        if name.endswith(".tflite"):
            marks = measured["runs_on"]
            assert marks["cpu"]["verdict"] == "yes"
            assert (marks["gpu"]["verdict"] == "yes") == floats
        assert verify.sizes(output / name)["bytes"] == measured["bytes"]
    zipped = report["files"]["ampose_float32.tflite"]
    assert zipped["gzip_bytes"] < zipped["bytes"]
    assert not list(output.glob(".*"))


def bytes_of(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_refused_file_is_put_aside(run, make_poses, capsys):
    output, trained = run / "export", run / "last.keras"
    before = bytes_of(output)
    formats = ("saved_model", "float32")
    # On some machines a SavedModel differs by nothing at all.
    strict = Config(export=Export(float32_mm=-1))
    poses = make_poses(300)
    report = export(strict, trained, poses, output, *formats)
    assert report["files"] == {}
    after = bytes_of(output)
    assert {p: after[p] for p in before if p.suffix != ".json"} == {
        p: content for p, content in before.items() if p.suffix != ".json"
    }
    for name, put_aside in (
        ("saved_model/2", "saved_model.rejected/2"),
        ("ampose_float32.tflite", "ampose_float32.rejected.tflite"),
    ):
        reason = runtime.metadata(output / put_aside)["measured"]["reason"]
        assert "_mm from the Keras model is" in reason
        assert report["rejected"][name]["reason"] == reason
    # The files of the first export are still there and of the same model.
    written = json.loads((output / "export.json").read_text())
    assert set(written["files"]) == {
        "saved_model/1",
        *(f"ampose_{format}.tflite" for format in tflite.FORMATS),
    }
    assert written["rejected"] == report["rejected"]
    # Once it passes, what was put aside goes; the same model, the same bytes.
    export(Config(), trained, poses, output, *formats)
    assert not list(output.glob("*.rejected*"))
    path = output / "ampose_float32.tflite"
    assert path.read_bytes() == before[path]
    written = json.loads((output / "export.json").read_text())
    assert written["rejected"] == {} and len(written["files"]) == 7
    assert {"saved_model/1", "saved_model/2"} < set(written["files"])


def test_the_record_is_of_one_model(run, make_poses, capsys):
    model_of("width").save(run / "last.keras")
    config = Config(model=Model(normalisation="width"), export=LENIENT)
    poses = make_poses(9)
    trained = run / "last.keras"
    export(config, trained, poses, run / "export", "float32")
    written = json.loads((run / "export/export.json").read_text())
    assert list(written["files"]) == ["ampose_float32.tflite"]
    others = written["of_another_model"]
    assert "saved_model/1" in others and len(others) == 5
    said = capsys.readouterr().out
    assert f"earlier versions, in {run / 'export'}: saved_model/1\n" in said
    assert f"from another model, in {run / 'export'}: {others[1]}" in said
    others = '{"files": {}, "rejected": {}, "of_another_model": 5}'
    for damaged in ("[]", others):
        (run / "export/export.json").write_text(damaged)
        with pytest.raises(ValueError, match="export.json: damaged"):
            export(config, trained, poses, run / "export", "float32")


def test_a_file_that_is_too_large(run, make_poses):
    small = Config(export=Export(max_bytes=1000))
    report = export(
        small, run / "last.keras", make_poses(3), run / "new", "float32"
    )
    (measured,) = report["rejected"].values()
    path = run / "new/ampose_float32.rejected.tflite"
    assert measured["bytes"] == path.stat().st_size
    assert re.search(
        r"its size is \d+ bytes, more than 1000", measured["reason"]
    )
    described = runtime.metadata(path)["measured"]
    assert described["reason"] == measured["reason"]


@pytest.mark.parametrize("folder", ["export", "new"])
def test_earlier_files_outlive_a_failure(run, make_poses, monkeypatch, folder):
    """Of the second file's writing, after the first was made."""
    before = bytes_of(run)
    write = tflite.write

    def fails(model, path, format, checkpoint, **more):
        if format == "float16":
            # What writing says of a full disk does not name the file.
            raise OSError(28, "No space left on device")
        write(model, path, format, checkpoint, **more)

    monkeypatch.setattr(tflite, "write", fails)
    with pytest.raises(OSError, match=f"No space left.*{folder}'"):
        export(
            Config(),
            run / "last.keras",
            make_poses(3, seed=2),
            run / folder,
            "float32",
            "float16",
        )
    assert bytes_of(run) == before
    assert not (run / "new").exists()


def test_files_say_what_their_model_was_trained_on(tmp_path):
    def origin(data, **more):
        (tmp_path / "config.json").write_text(to_json(Config(data, **more)))
        return exporting.origin_of(tmp_path / "last.keras")

    unknown = {"training_data": "not known", "licence": "not known"}
    assert exporting.origin_of(tmp_path / "last.keras") == unknown
    (tmp_path / "a.json").write_text('{"licence": "free"}')
    archives = {"dataset": "mocap", "root": str(tmp_path)}
    known = origin(Data(archives=("a",), **archives))
    assert known["licence"] == "free"
    assert known["training_data"].startswith("motion archive a seen by 4")
    # A test set says nothing of training, and missing data say nothing.
    assert origin(Data("mpi_inf_3dhp", str(tmp_path))) == unknown
    assert origin(Data("human36m", str(tmp_path))) == unknown
    refined = Train(lifter=str(tmp_path / "lifter/last.keras"))
    known = origin(Data(archives=("a",), **archives), train=refined)
    assert known["licence"] == "not known; free"


TINY = [
    "--config=configs/demo.py",
    "--config.data.generated.frames=5",
    "--config.model.width=8",
    "--config.model.depth=1",
]


def test_the_script_exits_3_and_2(run):
    """3 if a file is refused, 2 if the user made a mistake."""
    script = (commands.ROOT / "export.py").read_text()
    assert set(exporting.FORMATS) <= set(re.findall(r"\w+", script))

    def run_script(*arguments):
        return commands.run(
            "python export.py",
            commands.ROOT,
            *TINY,
            f"--config.data.root={run / 'data'}",
            "--config.model.normalisation=longest",
            f"--model={run / 'last.keras'}",
            f"--output={run / 'export'}",
            *arguments,
        )

    ended = run_script(
        "--formats=float32", "--config.export.float32_mm=0.00000001"
    )
    assert ended.returncode == 3, ended.stderr
    assert "export/ampose_float32.rejected.tflite: " in ended.stdout
    before = bytes_of(run)
    ended = run_script("--formats=int8,onnx")
    assert ended.returncode == 2, ended.stdout
    assert "Traceback" not in ended.stderr
    (line,) = ended.stderr.splitlines()
    assert "repeated format onnx; expected" in line
    assert bytes_of(run) == before


def test_export_refuses_mistakes(tmp_path, everything, make_poses):
    trained = everything[1] / "last.keras"

    def refused(
        message, formats=("float32",), path=trained, config=None, **more
    ):
        with pytest.raises(ValueError, match=message):
            export(
                config or Config(),
                path,
                make_poses(3),
                tmp_path / "export",
                *formats,
                **more,
            )

    for formats, more, message in (
        (("float32", "onnx"), {}, "repeated format onnx"),
        (("float32", "float32"), {}, "repeated format float32"),
        ((), {}, "Unknown or repeated format"),
        (("int8",), {}, "int8 is calibrated on training poses; got none"),
        (
            ("int8",),
            {"training": make_poses(3), "batch": 4},
            "one batch of 4; got 3",
        ),
        (("float32",), {"combined": True}, "combined file contains lift and"),
        (
            ("float32",),
            {"combined": True, "signatures": ("lift_pixels", "lift_coco17")},
            "combined file contains lift and",
        ),
        (("saved_model",), {"batch": 2}, "are for .tflite formats"),
        (
            ("saved_model",),
            {"signatures": ("lift_pixels",)},
            "for .tflite formats",
        ),
    ):
        refused(message, formats, **more)
    for config, message in (
        (Config(data=Data(joints=16)), "17 joints, the config's data 16"),
        (
            Config(model=Model(normalisation="width")),
            "by 'longest', the config by 'width'; add --config",
        ),
    ):
        refused(message, config=config)
    with pytest.raises(OSError, match="no model"):
        export(
            Config(),
            tmp_path / "missing.keras",
            make_poses(3),
            tmp_path / "export",
            "float32",
        )
    occupied = tmp_path / "occupied"
    occupied.write_text("a file")
    with pytest.raises(OSError, match="occupied"):
        export(Config(), trained, make_poses(3), occupied, "float32")
    broken = tmp_path / "broken.keras"
    broken.write_bytes(trained.read_bytes()[:2000])
    refused("broken.keras", path=broken)
    assert not (tmp_path / "export").exists()


def test_16_joints(tmp_path, make_poses):
    model_of(skeleton=H36M_16).save(tmp_path / "last.keras")
    report = export(
        Config(data=Data(joints=16)),
        tmp_path / "last.keras",
        make_poses(3, joints=16),
        tmp_path / "export",
        "float32",
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
        runtime.tflite(tflite_of(folder, "float32"), "lift_all")
    with pytest.raises(ValueError, match="no signature 'lift_all'"):
        runtime.saved_model(folder / "saved_model/1", "lift_all")
    damaged = tmp_path / "saved_model"
    shutil.copytree(folder / "saved_model/1", damaged)
    graph = pathlib.Path(damaged / "saved_model.pb")
    graph.write_bytes(graph.read_bytes()[:1000])
    with pytest.raises(ValueError, match="not a readable SavedModel"):
        runtime.saved_model(damaged)

"""The graph for phones: equal to the network, in every design and format."""

import collections
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from ampose_tf import camera, weights
from ampose_tf.config import Config, Export
from ampose_tf.conversion import COCO_17, SEEN_SCORE
from ampose_tf.export import (
    describe,
    flatbuffer,
    operators,
    runtime,
    signatures,
    tflite,
    verify,
)
from ampose_tf.models import stored
from ampose_tf.models.ampose import AMPose
from ampose_tf.skeleton import H36M_16, H36M_17
from tests.exports import export


def model_of(skeleton=H36M_17, depth=2, width=32, heads=2, **design):
    """A model in which no bias is zero and no scale is one."""
    keras.utils.set_random_seed(3)
    model = AMPose(
        skeleton.adjacency(), depth=depth, width=width, heads=heads, **design
    )
    noisy(model)
    return model


def noisy(model):
    random = np.random.default_rng(5)
    for variable in model.variables:
        noise = random.normal(0, 0.2, variable.shape).astype(np.float32)
        if "variance" in variable.path:
            noise = np.abs(noise)
        variable.assign(variable + noise)


def lift_inputs(model, poses):
    return poses.sample_inputs(model.seen_input)


def by_keras(model, arrays):
    given = arrays if model.seen_input else arrays["keypoints_2d"]
    return np.asarray(model(given))


DESIGNS = [
    {},
    {"gcn": "two_residual"},
    {"gcn": "transformer", "gcn_mlp_ratio": 2},
    {"gcn": "convnext"},
    {"gcn": "vanilla"},
    {"gcn": "none"},
    {"gcn": "gcn_only"},
    {"residual_from": "input", "attention_scale": "full_dim"},
    {"gcn_norm": "bn", "gcn_act": "relu"},
    {"gcn_norm": "none", "gcn_act": "none", "gc_bias": "shared"},
    {"position": "shared", "final_norm": True, "frame": "person"},
    {"seen_input": True, "dropout": 0.5, "drop_path": 0.5},
    {"seen_input": True, "frame": "person", "mlp_ratio": 3},
]


@pytest.mark.parametrize(
    "design", DESIGNS, ids=lambda d: "-".join(map(str, d.values())) or "paper"
)
def test_it_is_the_network_in_every_design(tmp_path, make_poses, design):
    model = model_of(**design)
    path = tmp_path / "x.tflite"
    tflite.write(model, path, "float32", "test")
    arrays = lift_inputs(model, make_poses(3))
    expected = by_keras(model, arrays)
    assert np.ptp(expected) > 0.1  # metres, of which 1e-5 is rounding
    np.testing.assert_allclose(
        runtime.tflite(path)(**arrays),
        expected,
        atol=3e-6 * np.abs(expected).max(),
    )
    tables = runtime.tables(path)
    for subgraph, tensors in zip(
        flatbuffer.operators(tables), flatbuffer.tensors(tables), strict=True
    ):
        assert operators.fault(subgraph, tensors) == ""
    assert runtime.plans(path) == {"lift": {"DELEGATE": 1}}


@pytest.mark.parametrize("normalisation", ["global", "alpha", "literal_row"])
def test_it_is_the_network_of_every_adjacency(
    tmp_path, make_poses, normalisation
):
    """Adjacencies with other self groups, or with isolated joints."""
    model = AMPose(H36M_16.adjacency(normalisation), 1, 24, 2)
    noisy(model)
    path = tmp_path / "x.tflite"
    tflite.write(model, path, "float32", "test")
    arrays = {"keypoints_2d": make_poses(3, joints=16).keypoints_2d}
    expected = by_keras(model, arrays)
    np.testing.assert_allclose(
        runtime.tflite(path)(**arrays),
        expected,
        atol=3e-6 * np.abs(expected).max(),
    )
    assert runtime.plans(path) == {"lift": {"DELEGATE": 1}}


def test_a_larger_batch_is_as_static(tmp_path, make_poses):
    model = model_of(seen_input=True, frame="person")
    path = tmp_path / "x.tflite"
    tflite.write(model, path, "float32", "test", ("lift",), 3)
    assert runtime.signature_shapes(path)["lift"] == {
        "inputs": {"keypoints_2d": [3, 17, 2], "seen": [3, 17]},
        "outputs": {"poses_3d": [3, 17, 3]},
    }
    assert runtime.plans(path) == {"lift": {"DELEGATE": 1}}
    arrays = lift_inputs(model, make_poses(7))  # the last batch is not full
    np.testing.assert_allclose(
        runtime.tflite(path)(**arrays), by_keras(model, arrays), atol=1e-5
    )


@pytest.mark.parametrize("format", ["float16", "int8"])
def test_a_pose_without_extent(tmp_path, make_poses, format):
    """The converter's own float16 rounds what guards the root to zero."""
    model = model_of(depth=1, seen_input=True, frame="person")
    arrays = lift_inputs(model, make_poses(40))
    zeros = {name: np.zeros_like(array[:2]) for name, array in arrays.items()}
    zeros["seen"][0] = 1
    expected = by_keras(model, zeros)
    path = tmp_path / "x.tflite"
    tflite.write(model, path, format, "test", calibration=arrays)
    lifted = runtime.tflite(path)(**zeros)
    assert np.isfinite(lifted).all()
    if format == "float16":
        np.testing.assert_allclose(lifted, expected, atol=0.02)


def repeated(tables, least=1024):
    """Returns the sizes of buffers over `least` bytes stored before."""
    stored = collections.Counter(
        bytes(buffer.data)
        for buffer in tables.buffers
        if buffer.data is not None and len(buffer.data) > least
    )
    return [len(data) for data, times in stored.items() if times > 1]


PORTRAIT, LANDSCAPE = (4320, 7680), (7680, 4320)


@pytest.mark.parametrize(
    ("format", "seen_input", "normalisation", "screen"),
    [
        ("float32", True, "longest", PORTRAIT),
        ("float16", False, "width", PORTRAIT),
        ("dynamic_int8", True, "longest", LANDSCAPE),
    ],
)
def test_signatures_take_pixels_of_8k(
    tmp_path, format, seen_input, normalisation, screen
):
    """Whatever is quantised, pixels are not."""
    model = model_of(
        depth=1,
        seen_input=seen_input,
        frame="person",
        normalisation=normalisation,
    )
    path = tmp_path / "x.tflite"
    tflite.write(model, path, format, "test", signatures.SIGNATURES)
    tables = runtime.tables(path)
    assert len(tables.subgraphs) == 3
    assert repeated(tables) == []
    if format != "dynamic_int8":
        for plan in runtime.plans(path).values():
            assert plan == {"DELEGATE": 1}
    shapes = runtime.signature_shapes(path)
    assert {name: set(of["inputs"]) for name, of in shapes.items()} == {
        "lift": {"keypoints_2d", *(["seen"] if seen_input else [])},
        "lift_pixels": {
            "keypoints_px",
            "image_size",
            *(["seen"] if seen_input else []),
        },
        "lift_coco17": {"keypoints_px", "scores", "image_size"},
    }
    lift = runtime.tflite(path)
    random = np.random.default_rng(1)
    size = np.float32([screen]).repeat(5, axis=0)
    # A person of 300 pixels, far from the middle.
    pixels = random.uniform(0, 300, (5, 17, 2)).astype(np.float32)
    pixels += np.float32(screen) - np.float32([680, 420])
    seen = {}
    if seen_input:
        seen = {"seen": (random.random((5, 17)) > 0.2).astype(np.float32)}

    def normalised(keypoints):
        return camera.normalize_screen(keypoints, screen, normalisation)

    given = normalised(pixels.astype(np.float64))
    expected = lift(keypoints_2d=given, **seen)
    tolerance = TOLERANCES[format] * np.ptp(expected)
    np.testing.assert_allclose(
        runtime.tflite(path, "lift_pixels")(
            keypoints_px=pixels, image_size=size, **seen
        ),
        expected,
        atol=tolerance,
    )
    # The threshold itself is seen, the number before it is not.
    least = np.float32(SEEN_SCORE)
    scores = random.choice(
        np.float32([0, np.nextafter(least, 0), least, 1, 1, 1]),
        (5, 17),
    ).astype(np.float32)
    if seen_input:
        seen = {"seen": COCO_17.convert_scores(scores) >= least}
        assert 0.1 < seen["seen"].mean() < 0.9
    converted = COCO_17.convert(
        pixels.astype(np.float64), scores if seen_input else None
    )
    given = normalised(converted)
    np.testing.assert_allclose(
        runtime.tflite(path, "lift_coco17")(
            keypoints_px=pixels, scores=scores, image_size=size
        ),
        lift(keypoints_2d=given, **seen),
        atol=tolerance,
    )


# Of a person's size. A hundredth of a pixel is 0.00003 of it; activations in
# whole numbers turn a last bit into one of 127.
TOLERANCES = {"float32": 1e-4, "float16": 1e-4, "dynamic_int8": 2e-2}


@pytest.mark.parametrize("normalisation", camera.SCREEN_NORMALISATIONS)
def test_inputs_of_all_signatures_are_of_the_same_poses(
    make_poses, normalisation
):
    size = (720, 1280)
    lifted = make_poses(40).sample_inputs(True)
    scores = np.linspace(0, 1, 40 * 17).reshape(40, 17)

    def inputs(name):
        return signatures.inputs(
            name,
            lifted=lifted,
            scores=scores,
            image_size=size,
            normalisation=normalisation,
        )

    def normalised(keypoints_px):
        return camera.normalize_screen(keypoints_px, size, normalisation)

    same = inputs("lift")
    assert same == lifted and same is not lifted
    given = inputs("lift_pixels")
    assert set(given) == {"keypoints_px", "image_size", "seen"}
    assert given["image_size"].tolist() == [[720, 1280]] * 40
    np.testing.assert_array_equal(given["seen"], lifted["seen"])
    np.testing.assert_allclose(
        normalised(given["keypoints_px"]), lifted["keypoints_2d"], atol=1e-6
    )
    given = inputs("lift_coco17")
    assert set(given) == {"keypoints_px", "image_size", "scores"}
    np.testing.assert_array_equal(given["scores"], np.float32(scores))
    # Nearest to the poses: what is left of them no COCO joints could change.
    converted = COCO_17.convert(given["keypoints_px"].astype(np.float64))
    left = lifted["keypoints_2d"] - normalised(converted)
    assert np.abs(left).max() > 0.01
    no_effect = np.einsum("hc,nhx->ncx", COCO_17.matrix, left)
    np.testing.assert_allclose(no_effect, np.zeros((40, 17, 2)), atol=1e-6)
    for array in given.values():
        assert array.dtype == np.float32


def test_one_file_of_whole_numbers_stores_weights_once(tmp_path):
    """The other formats are looked at above."""
    model = model_of(depth=1, seen_input=True)
    shown = np.random.default_rng(0).uniform(-1, 1, (20, 17, 2))
    arrays = {
        "keypoints_2d": shown.astype(np.float32),
        "seen": np.ones((20, 17), np.float32),
    }
    path = tmp_path / "x.tflite"
    tflite.write(
        model,
        path,
        "int8",
        "test",
        names=signatures.SIGNATURES,
        calibration=arrays,
    )
    tables = runtime.tables(path)
    assert repeated(tables) == []
    # One signature of the file, alone, is as large and computes as before.
    alone = tmp_path / "alone.tflite"
    alone.write_bytes(flatbuffer.write(flatbuffer.only(tables, "lift_pixels")))
    assert alone.stat().st_size < 0.9 * path.stat().st_size
    given = {
        "keypoints_px": 300 * arrays["keypoints_2d"][:2] + 400,
        "image_size": np.float32([[1000, 800]] * 2),
        "seen": arrays["seen"][:2],
    }
    np.testing.assert_array_equal(
        *(runtime.tflite(p, "lift_pixels")(**given) for p in (path, alone))
    )
    # Aligned as the schema asks for, which phones rely on.
    content = np.fromfile(path, np.uint8)
    stored = flatbuffer.schema.Model.GetRootAs(content.tobytes(), 0)
    seen = 0
    for index in range(stored.BuffersLength()):
        buffer = stored.Buffers(index)
        if buffer.DataLength():
            field = buffer._tab.Offset(4)
            assert buffer._tab.Vector(field) % 16 == 0
            seen += 1
    assert seen > 10


@pytest.fixture
def released(tmp_path):
    path = tmp_path / "last.keras"
    model_of(depth=1, seen_input=True).save(path)
    return path


def test_export_of_signatures(tmp_path, released, make_poses, capsys):
    def exported(**choice):
        report = export(
            Config(),
            released,
            make_poses(20),
            tmp_path,
            "float32",
            signatures=("lift", "lift_coco17"),
            **choice,
        )
        assert report["rejected"] == {}
        return report["files"]

    assert list(exported()) == [
        "ampose_float32.tflite",
        "ampose_float32_lift_coco17.tflite",
    ]
    coco = tmp_path / "ampose_float32_lift_coco17.tflite"
    assert list(runtime.signature_shapes(coco)) == ["lift_coco17"]
    described = runtime.metadata(coco)
    assert set(described["inputs"]) == {"keypoints_px", "scores", "image_size"}
    threshold = f"below {SEEN_SCORE:g} a joint counts as not seen"
    assert described["inputs"]["scores"].endswith(threshold)
    order = "joints in the order of coco_joint_names"
    assert described["inputs"]["keypoints_px"].endswith(order)
    assert described["coco_joint_names"] == list(COCO_17.joints)
    described = described["measured"]
    # What was asked without lift, too; joints made up have no MPJPE.
    for name in ("max_mm", "zeros_mean_mm", "extreme_mean_mm"):
        assert described[name] < 0.1
    assert described["signature"] == "lift_coco17"
    assert not {"mpjpe_mm", "mpjpe_of"} & set(described)
    (measured,) = exported(combined=True).values()
    assert "hidden at random" in measured["mpjpe_of"]
    assert measured["lift_coco17_zeros_mean_mm"] < 0.1
    apart = (tmp_path / "ampose_float32.tflite").stat().st_size
    # Two graphs and the conversion's constants, beside a tiny network.
    assert 0 < measured["bytes_of_further_signatures"] < 0.3 * apart


def test_attention_in_whole_numbers_is_caught(tmp_path, walk_of, monkeypatch):
    """The kernels that apps get compute another attention than they should."""
    model = stored.load(weights.AMPOSE_T).rebuilt()
    poses, shown = walk_of("S9", 60), lift_inputs(model, walk_of("S1", 60))
    cases = verify.cases(model, poses, ("lift",))

    def gate(name):
        path = tmp_path / f"{name}.tflite"
        tflite.write(model, path, "int8", "test", calibration=shown)
        return verify.tflite(path, "int8", cases, poses, Export())

    assert gate("as_exported")["kernels_mean_mm"] < 1
    quantised = [
        scope for scope in tflite._FLOAT["int8"] if scope != "attention"
    ]
    monkeypatch.setitem(tflite._FLOAT, "int8", quantised)
    with pytest.raises(verify.Refused, match="refused: kernels_mean_mm"):
        gate("with_attention")


def test_what_cannot_be(tmp_path, make_poses):
    path = tmp_path / "x.tflite"

    def write(message, model, format="float32", *rest, **more):
        with pytest.raises(ValueError, match=message):
            tflite.write(model, path, format, "test", *rest, **more)
        assert not path.exists()

    write(
        "requires a model with 17 joints, got 16",
        model_of(H36M_16),
        "float32",
        ("lift_coco17",),
    )
    model = model_of()
    write("signature lift_all", model, "float32", ("lift", "lift_all"))
    write("repeated signature lift", model, "float32", ("lift", "lift"))
    write("int8 is calibrated on poses", model, "int8")
    write(
        "got none",
        model,
        "int8",
        calibration={"keypoints_2d": np.empty((0, 17, 2), np.float32)},
    )
    write(
        "NaN or infinity in keypoints_2d",
        model,
        "int8",
        calibration={"keypoints_2d": np.full((2, 17, 2), np.nan, np.float32)},
    )


def test_a_converter_that_fails(tmp_path, monkeypatch):
    def fails(*_):
        raise tflite.ConverterError("no such kernel\nsee the log")

    monkeypatch.setattr(tflite, "_converted", fails)
    with pytest.raises(ValueError, match="to float32: no such kernel$"):
        tflite.write(model_of(), tmp_path / "x.tflite", "float32", "test")
    assert not (tmp_path / "x.tflite").exists()


def tensor(name, *shape, constant=False, type="FLOAT32", dynamic=False):
    return flatbuffer.Tensor(name, shape, dynamic, type, constant)


@pytest.mark.parametrize(
    ("message", "made"),
    [
        (
            "constant on its left",
            [("BATCH_MATMUL", [tensor("a", 2, 2, constant=True)], {})],
        ),
        (
            "adj_x or adj_y",
            [("BATCH_MATMUL", [tensor("a", 2, 2)], {"adjY": True})],
        ),
        (
            "broadcast each other",
            [("MUL", [tensor("a", 1, 17, 1), tensor("b", 1, 1, 3)], {})],
        ),
        (
            "broadcast each other",
            [("MUL", [tensor("a", 1, 17, 1), tensor("b", 3)], {})],
        ),
        (
            "a mask is added",
            [
                ("ADD", [tensor("a", 2), tensor("m", 2)], {}),
                ("SOFTMAX", [tensor("0", 2)], {}),
            ],
        ),
        ("NEG", [("NEG", [tensor("a", 2)], {})]),
        ("not on the list", [("CUMSUM", [tensor("a", 2)], {})]),
        ("5 dimensions", [("ADD", [tensor("a", 1, 1, 1, 1, 1)], {})]),
        ("INT64", [("ADD", [tensor("a", 1, type="INT64")], {})]),
        ("dynamic", [("ADD", [tensor("a", 1, dynamic=True)], {})]),
    ],
)
def test_each_refusal_has_its_reason(message, made):
    subgraph = [
        flatbuffer.Operator(name, tuple(read), (tensor(str(i), 2),), options)
        for i, (name, read, options) in enumerate(made)
    ]
    tensors = [t for operator in subgraph for t in operator.inputs]
    assert message in operators.fault(subgraph, tensors)


def test_describe_says_what_a_file_is(tmp_path, released, make_poses):
    export(
        # Untrained, and so less smooth than what the limit is for.
        Config(export=Export(float16_mm=100)),
        released,
        make_poses(20),
        tmp_path,
        "float16",
        origin={"training_data": "people", "licence": "none needed"},
    )
    described = describe.describe(tmp_path / "ampose_float16.tflite")
    # GELU: one in the encoder's MLP, two in the GCN block.
    for needed in (
        "signature lift(keypoints_2d (1, 17, 2), seen (1, 17)) -> poses_3d",
        "units: metres",
        "training_data: people",
        "licence: none needed",
        "mpjpe_mm:",
        "  3 GELU\n",
        "FLOAT16, constant",
        "operators run for lift (DELEGATE is XNNPACK): 1 DELEGATE\n",
        "not supported by delegates: nothing known",
    ):
        assert needed in described, needed
    text = tmp_path / "text.tflite"
    text.write_text("not a model")
    with pytest.raises(ValueError, match="text.tflite: not a .tflite file"):
        describe.describe(text)
    with pytest.raises(OSError, match="no file"):
        describe.describe(tmp_path / "missing.tflite")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 2, "Expected .tflite files"),
        (["--deep", "x.tflite"], 2, "Unknown command line flag 'deep'"),
        (["x.tflite"], 2, "no file x.tflite"),
        (["--help"], 0, "python -m ampose_tf.export.describe"),
    ],
)
def test_describe_ends_in_one_line(tmp_path, arguments, status, message):
    root = pathlib.Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-m", "ampose_tf.export.describe", *arguments],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == status
    assert "Traceback" not in ended.stderr
    assert message in ended.stdout + ended.stderr
    if status == 2:
        assert ended.stderr.count("\n") == 1


@pytest.mark.skipif(
    "AMPOSE_SAMPLES" not in os.environ, reason="AMPOSE_SAMPLES is not set"
)
def test_signatures_agree_with_python_on_a_detectors_clip(tmp_path):
    from ampose_tf import weights
    from ampose_tf.lifting.predictor import load_predictor
    from ampose_tf.models import stored

    folder = pathlib.Path(os.environ["AMPOSE_SAMPLES"], "made_from_cmu")
    clip = np.load(folder / "detector_truth.npz")
    pixels, scores = clip["keypoints"], clip["scores"]
    size = np.full((len(pixels), 2), 1000)
    converted = COCO_17.convert(pixels, scores)
    seen = COCO_17.convert_scores(scores) >= SEEN_SCORE
    keypoints_2d = camera.normalize_screen(converted, (1000, 1000), "longest")
    expected = load_predictor(weights.AMPOSE_S)(keypoints_2d, seen)
    model = stored.load(weights.AMPOSE_S)
    path = tmp_path / "x.tflite"
    tflite.write(model, path, "float32", "test", signatures.SIGNATURES)
    for name, arrays in {
        "lift": {"keypoints_2d": keypoints_2d, "seen": seen},
        "lift_pixels": {
            "keypoints_px": converted,
            "image_size": size,
            "seen": seen,
        },
        "lift_coco17": {
            "keypoints_px": pixels,
            "scores": scores,
            "image_size": size,
        },
    }.items():
        lifted = runtime.tflite(path, name)(**arrays)
        apart_mm = 1000 * np.linalg.norm(lifted - expected, axis=-1)
        assert apart_mm.max() < 0.1, name

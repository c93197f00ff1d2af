"""Float16 arithmetic: by hand, beside LiteRT, and what it refuses."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ampose_tf.config import Export
from ampose_tf.export import (
    flatbuffer,
    half,
    operators,
    runtime,
    tflite,
    verify,
)
from ampose_tf.models.ampose import AMPose
from ampose_tf.skeleton import H36M_17


def model_of(**design):
    keras.utils.set_random_seed(3)
    model = AMPose(H36M_17.adjacency(), depth=2, width=32, heads=2, **design)
    random = np.random.default_rng(5)
    for variable in model.variables:
        noise = random.normal(0, 0.2, variable.shape).astype(np.float32)
        if "variance" in variable.path:
            noise = np.abs(noise)
        variable.assign(variable + noise)
    return model


def converted(function, *shape):
    """Returns the tables of `poses_3d = function(x)`."""
    module = tf.Module()
    module.lift = tf.function(
        lambda x: {"poses_3d": function(x)},
        input_signature=[tf.TensorSpec(shape, tf.float32, "x")],
    )
    concrete = module.lift.get_concrete_function()
    made = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
    return flatbuffer.read(made.convert())


@pytest.mark.parametrize("format", ["float32", "float16"])
@pytest.mark.parametrize(
    ("name", "design"),
    [
        ("lift", {}),
        ("lift", {"gcn_norm": "bn", "gcn_act": "relu", "gc_bias": "shared"}),
        ("lift", {"gcn": "two_residual", "position": "shared"}),
        ("lift_pixels", {"gcn": "convnext", "normalisation": "width"}),
        ("lift_coco17", {"seen_input": True, "frame": "person"}),
    ],
    ids=["paper", "relu", "two_residual", "pixels", "coco"],
)
def test_in_float32_it_is_litert(tmp_path, make_poses, name, design, format):
    model, path = model_of(**design), tmp_path / "x.tflite"
    tflite.write(model, path, format, "test", (name,))
    lift = half.run(runtime.tables(path), name, float16=False)
    for case in verify.cases(model, make_poses(5), (name,)):
        lifted, overflows = lift(**case.arrays)
        expected = runtime.tflite(path, name)(**case.arrays)
        np.testing.assert_allclose(
            lifted, expected, atol=3e-6 * np.abs(expected).max()
        )
        assert not overflows.any()


def test_every_operator_of_float_files_has_arithmetic():
    assert set(half.OPERATORS) == operators.ALLOWED - {"QUANTIZE"}


def test_rounding_by_hand():
    """0.1 is 0.0999755859375 in float16, and 2,049 is 2,048."""
    lift = half.run(converted(lambda x: x * 0.1, 1, 2), "serving_default")
    (made,), _ = lift(x=np.float32([[2049, 1]]))
    # 2,048 times that is 204.75, which float16 holds.
    np.testing.assert_array_equal(made, [204.75, 0.0999755859375])


def test_overflow_by_hand():
    """Of 300, the square; of 200, two squares; of 100, neither."""

    def squares(x):
        return tf.reduce_mean(x * x, axis=1, keepdims=True)

    tables = converted(squares, 1, 2)
    x = np.float32([[300, 0], [200, 200], [100, 100], [300, 300]])
    made, overflows = half.run(tables, "serving_default")(x=x)
    np.testing.assert_array_equal(overflows, [True, True, False, True])
    np.testing.assert_array_equal(made[:, 0], [np.inf, np.inf, 10_000, np.inf])
    made, overflows = half.run(tables, "serving_default", float16=False)(x=x)
    np.testing.assert_array_equal(made[:, 0], [45_000, 40_000, 10_000, 90_000])


def test_a_layer_norm_that_overflows_is_refused(tmp_path, make_poses):
    """Float32 normalises what float16 cannot square."""
    poses = make_poses(20)
    for scale, refused in ((1, False), (3000, True)):
        model = model_of(residual_from="input")
        for weight in model.get_layer("embedding").weights:
            weight.assign(weight * scale)
        for weight in model.get_layer("poses_3d").weights:
            weight.assign(weight / scale)
        path = tmp_path / "x.tflite"
        tflite.write(model, path, "float32", "test")
        cases = verify.cases(model, poses, ("lift",))
        budget = Export(float16_arithmetic_mm=100)

        def check(path=path, cases=cases, budget=budget):
            return verify.tflite(path, "float32", cases, poses, budget)

        if refused:
            message = "refused: lift: 20 poses overflow in float16"
            with pytest.raises(verify.Refused, match=message) as error:
                check()
            measured = error.value.measured
            assert measured["float16_arithmetic"]["lift"]["overflows"] == 20
            assert measured["max_mm"] < 0.1
        else:
            measured = check()["float16_arithmetic"]["lift"]
            assert measured["overflows"] == 0
            assert 0.01 < measured["mean_mm"] < measured["worst_pose_mm"]
            with pytest.raises(verify.Refused, match="as on GPUs, mean_mm is"):
                check(budget=Export(float16_arithmetic_mm=0.001))


def test_a_person_without_extent_overflows(tmp_path, make_poses):
    """1e-8 keeps float32 from dividing by zero, and is zero in float16."""
    model = model_of(seen_input=True, frame="person")
    path = tmp_path / "x.tflite"
    tflite.write(model, path, "float32", "test")
    cases = verify.cases(model, make_poses(3), ("lift",))
    measured = half.measure(runtime.tables(path), "lift", cases)
    assert measured["overflows"] == 0
    assert measured["zeros_overflows"] == 2
    assert measured["extreme_overflows"] == 1  # one joint is seen


def test_whole_numbers_have_no_float16_arithmetic(tmp_path):
    path = tmp_path / "x.tflite"
    tflite.write(model_of(), path, "dynamic_int8", "test")
    with pytest.raises(
        ValueError, match="float16 arithmetic does not support"
    ):
        half.run(runtime.tables(path), "lift")


@pytest.mark.parametrize(
    ("operator", "option"),
    [
        ("BATCH_MATMUL", "adjX"),
        ("BATCH_MATMUL", "adjY"),
        ("STRIDED_SLICE", "ellipsisMask"),
        ("STRIDED_SLICE", "newAxisMask"),
        ("STRIDED_SLICE", "shrinkAxisMask"),
    ],
)
def test_forms_that_are_not_computed_are_refused(operator, option):
    names = ("adjX", "adjY", "ellipsisMask", "newAxisMask", "shrinkAxisMask")
    options = dict.fromkeys(names, 0) | {option: 1}
    arrays = [np.zeros((2, 2))] * (2 if operator == "BATCH_MATMUL" else 4)
    with pytest.raises(ValueError, match="float16 arithmetic does not"):
        half.OPERATORS[operator](options, *arrays)

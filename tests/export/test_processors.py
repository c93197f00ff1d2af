"""Tests which processors run a file, by dated rules with a source."""

import datetime

import pytest
import tensorflow as tf

from ampose_tf import weights
from ampose_tf.export import describe, flatbuffer, processors, runtime


def released(name):
    return weights.AMPOSE_T.with_name(f"ampose_t_{name}.tflite")


@pytest.mark.parametrize(
    ("name", "gpu"),
    [
        ("float32", "yes"),
        ("float16", "yes"),
        ("float16_lift_coco17", "yes"),
        ("dynamic_int8", "no"),
    ],
)
def test_released_files(name, gpu):
    marks = processors.runs_on(runtime.tables(released(name)))
    assert {name: mark["verdict"] for name, mark in marks.items()} == {
        "cpu": "yes",
        "gpu": gpu,
        "webgpu": "yes",
        "npu": "not known",
    }
    for processor, mark in marks.items():
        assert bool(mark["sources"]) == (processor != "npu")
    if gpu == "no":
        assert "FULLY_CONNECTED of FLOAT32 and INT8" in marks["gpu"]["why"]
        (source,) = marks["gpu"]["sources"]
        assert source.endswith("LiteRT/issues/9277 (2026-08-13)")
    assert f"runs on gpu: {gpu};" in describe.describe(released(name))


def converted(function):
    made = tf.lite.TFLiteConverter.from_concrete_functions(
        [
            tf.function(function).get_concrete_function(
                tf.TensorSpec((1, 4, 4), tf.float32)
            )
        ]
    )
    return flatbuffer.read(made.convert())


def test_an_operator_without_a_rule_is_not_known():
    marks = processors.runs_on(converted(lambda x: tf.square(x) + 1.0))
    assert marks["gpu"]["verdict"] == "yes"
    assert marks["webgpu"]["verdict"] == "not known"
    assert marks["webgpu"]["why"] == "no rule for SQUARE of FLOAT32"


def test_what_gpus_refuse_in_a_graph_is_refused():
    marks = processors.runs_on(converted(lambda x: tf.cumsum(x, axis=1)))
    assert marks["gpu"]["verdict"] == "no"
    assert "CUMSUM" in marks["gpu"]["why"]
    assert marks["cpu"]["verdict"] == "not known"


def test_every_rule_has_a_source_and_a_date():
    for rule in processors.RULES:
        assert rule.processor in processors.PROCESSORS
        assert rule.source
        datetime.date.fromisoformat(rule.date)

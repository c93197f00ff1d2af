"""Private APIs of others: an upgrade that changes one fails here, by name."""

import importlib
import inspect
import io
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import interpreter as litert


def hold(condition, api, module):
    assert condition, f"{api} has changed; {module} uses it"


def converter_of(function, shape):
    module = tf.Module()
    module.call = tf.function(
        function, input_signature=[tf.TensorSpec(shape, tf.float32)]
    )
    return tf.lite.TFLiteConverter.from_concrete_functions(
        [module.call.get_concrete_function()], module
    )


def test_litert_lists_operators():
    api = "ai_edge_litert.interpreter.Interpreter._get_ops_details"
    module = "ampose_tf/export/runtime.py"
    hold(hasattr(litert.Interpreter, "_get_ops_details"), api, module)
    converter = converter_of(lambda x: tf.nn.relu(x) + 1.0, (1, 3))
    interpreter = litert.Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    details = interpreter._get_ops_details()
    needed = {"index", "op_name", "inputs", "outputs"}
    hold(all(needed <= set(detail) for detail in details), api, module)
    # What has been taken over comes before its delegate, and has its output.
    hold(details[-1]["op_name"] == "DELEGATE", api, module)
    (output,) = interpreter.get_output_details()
    for detail in (details[-2], details[-1]):
        hold(output["index"] in detail["outputs"], api, module)


def test_tensorflows_converter_raises():
    api = "tensorflow.lite.python.convert_phase.ConverterError"
    module = "ampose_tf/export/tflite.py"
    try:
        phase = importlib.import_module("tensorflow.lite.python.convert_phase")
    except ImportError:
        phase = None
    hold(hasattr(phase, "ConverterError"), api, module)
    try:
        # Without Flex there is no such operator.
        converter_of(tf.linalg.det, (3, 3)).convert()
    except Exception as error:
        hold(isinstance(error, phase.ConverterError), api, module)
    else:
        hold(False, api, module)


def test_pickles_unpickler_in_python():
    api, module = "pickle._Unpickler", "ampose_tf/unpickling.py"
    hold(inspect.isclass(getattr(pickle, "_Unpickler", None)), api, module)
    dispatch = getattr(pickle._Unpickler, "dispatch", {})
    hold(pickle.BUILD[0] in dispatch, f"{api}.dispatch", module)
    hold(hasattr(pickle._Unpickler, "find_class"), f"{api}.find_class", module)

    from ampose_tf import unpickling

    built = []

    class Unpickler(unpickling._ArraysOnlyUnpickler):
        dispatch = unpickling._ArraysOnlyUnpickler.dispatch.copy()

        def load_build(self):
            built.append(type(self.stack[-2]))
            super().load_build()

        dispatch[pickle.BUILD[0]] = load_build

    array = np.arange(3.0)
    pickled = pickle.dumps(array, protocol=2)
    size = len(pickled)
    loaded = Unpickler(io.BytesIO(pickled), size, encoding="latin1").load()
    np.testing.assert_array_equal(loaded, array)
    hook = f"{api}.load_build"
    hold(len(built) == 2, hook, module)
    hold(issubclass(built[0], np.dtype), hook, module)
    hold(built[1] is np.ndarray, hook, module)


def test_keras_lists_inner_layers():
    api, module = "keras.Layer._flatten_layers", "tests/models/test_layers.py"
    hold(hasattr(keras.Layer, "_flatten_layers"), api, module)

    class Outer(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = [keras.layers.Dense(2), keras.layers.Dense(3)]

    outer = Outer()
    hold(list(outer._flatten_layers()) == [outer, *outer.inner], api, module)


def test_clusters_keep_zeros():
    pytest.importorskip("tensorflow_model_optimization")
    from ampose_tf.export import compression

    hold(
        "preserve_sparsity"
        in inspect.signature(compression.cluster.cluster_weights).parameters,
        "tensorflow_model_optimization's experimental cluster_weights",
        "ampose_tf/export/compression.py",
    )

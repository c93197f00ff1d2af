"""Simulates phones' GPUs: runs a file's graph in float16 with NumPy.

GPUs compute in float16 by default, and do not report values above 65,504, the
largest of float16. Here inputs, constants and the output of every operator
are rounded to float16. Products are summed in float32; GPUs that sum them in
float16 are less accurate. The sum inside a mean is infinite if it exceeds
65,504, as measured on GPUs
(https://github.com/google-ai-edge/LiteRT/issues/9249, 2026-08-12).
"""

import functools
import math
from collections.abc import Callable

import numpy as np
from scipy import special

from ampose_tf.export import flatbuffer
from ampose_tf.export.flatbuffer import schema

_TYPES = {
    schema.TensorType.FLOAT32: "<f4",
    schema.TensorType.FLOAT16: "<f2",
    schema.TensorType.INT32: "<i4",
}


def run(
    model: schema.ModelT, signature: str, float16: bool = True
) -> Callable:
    """Returns a signature as a function, in float16 or float32 arithmetic.

    Args:
        model: See `flatbuffer.read`. Weights are float32 or float16.
        signature: Name of the signature.
        float16: Whether to round to float16.

    Returns:
        A function of named arrays, of any number of poses, that returns
        `poses_3d` and (N,) bool, whether each pose overflowed.

    Raises:
        ValueError: If the graph contains an operator that is not in
            `OPERATORS`, or a constant of another type.
    """
    index = flatbuffer.signatures(model)[signature]
    subgraph = model.subgraphs[index]
    steps = list(
        zip(
            flatbuffer.operators(model)[index], subgraph.operators, strict=True
        )
    )
    for operator, _ in steps:
        if operator.name not in OPERATORS:
            raise ValueError(
                f"float16 arithmetic does not support {operator.name}"
            )
    constants = {}
    for number, tensor in enumerate(subgraph.tensors):
        data = model.buffers[tensor.buffer].data
        if data is not None and len(data):
            constants[number] = _rounded(_constant(tensor, data), float16)
    (defined,) = (
        d for d in model.signatureDefs if d.signatureKey.decode() == signature
    )
    fed = {i.name.decode(): i.tensorIndex for i in defined.inputs}
    (result,) = (o.tensorIndex for o in defined.outputs)

    def function(**arrays):
        values = dict(constants)
        count = len(next(iter(arrays.values())))
        finite = np.ones(count, bool)
        for name, array in arrays.items():
            values[fed[name]] = _rounded(np.float32(array), float16)
        for operator, stored in steps:
            taken = [values[i] for i in stored.inputs if i >= 0]
            with np.errstate(all="ignore"):
                made = OPERATORS[operator.name](operator.options, *taken)
            if operator.name == "MEAN" and float16:
                total = _rounded(_sum(operator.options, *taken), True)
                made = np.where(np.isfinite(total), made, total)
            if not isinstance(made, list):
                made = [_activated(operator.options, made)]
            for number, array in zip(stored.outputs, made, strict=True):
                if operator.name not in _KEEPING:
                    array = _rounded(array, float16)
                    finite &= np.isfinite(array).reshape(count, -1).all(1)
                values[number] = array
        return values[result], ~finite

    return function


def measure(model: schema.ModelT, signature: str, cases: list) -> dict:
    """Measures the effect of float16 arithmetic, for `export.json`.

    Args:
        model: See `run`.
        signature: Name of the signature.
        cases: Inputs and expected outputs, see `verify.cases`.

    Returns:
        For real poses, the distances from the Keras model's output:
        `mean_mm`, over all joints, and `worst_pose_mm`, the largest mean over
        the joints of a pose; and `overflows`, the number of poses with an
        infinite or NaN intermediate value. If real poses overflow, distances
        are omitted. For other cases, the number of overflows, with the kind
        of case as prefix.
    """
    lift = run(model, signature)
    measured = {}
    for case in cases:
        if case.signature != signature:
            continue
        lifted, overflows = lift(**case.arrays)
        name = "_".join(filter(None, (case.kind, "overflows")))
        measured[name] = int(overflows.sum())
        if case.kind == "" and not overflows.any():
            apart = np.linalg.norm(lifted - case.expected, axis=-1)  # (N, J)
            of_poses = 1000 * apart.mean(axis=1)
            measured["mean_mm"] = float(of_poses.mean())
            measured["worst_pose_mm"] = float(of_poses.max())
    return measured


def fault(measured: dict, limit_mm: float) -> str:
    """Returns the reason for rejecting a file, or ""."""
    if measured["overflows"]:
        return (
            f"{measured['overflows']} poses overflow in float16, in which "
            "GPUs compute"
        )
    if not measured["mean_mm"] <= limit_mm:
        return (
            "computed in float16, as on GPUs, mean_mm is "
            f"{measured['mean_mm']:.4g}, more than {limit_mm:g}"
        )
    return ""


def _constant(tensor, data):
    if tensor.type not in _TYPES:
        raise ValueError(
            f"float16 arithmetic does not support {tensor.name.decode()}"
        )
    array = np.frombuffer(bytes(data), _TYPES[tensor.type])
    shape = () if tensor.shape is None else tuple(tensor.shape)
    return array.reshape(shape)


def _rounded(array, float16):
    if array.dtype == np.int32:
        return array
    if float16:
        with np.errstate(over="ignore"):
            array = array.astype(np.float16)
    return array.astype(np.float32)


def _activated(options, array):
    activation = options.get("fusedActivationFunction", 0)
    if activation == schema.ActivationFunctionType.NONE:
        return array
    if activation == schema.ActivationFunctionType.RELU:
        return np.maximum(array, 0)
    raise ValueError(
        f"float16 arithmetic does not support activation {activation}"
    )


def _fully_connected(options, x, kernel, bias=None):
    # One product: many small products take ten times as long.
    rows = x.reshape(-1, x.shape[-1]) @ kernel.T
    if bias is not None:
        rows += bias
    return rows.reshape(*x.shape[:-1], -1)


def _batch_matmul(options, x, y):
    if options["adjX"] or options["adjY"]:
        raise ValueError(
            "float16 arithmetic does not support transposed products"
        )
    return x @ y


def _axes(axis):
    return tuple(int(number) for number in axis.reshape(-1))


def _sum(options, x, axis):
    return x.sum(_axes(axis), keepdims=options["keepDims"])


def _mean(options, x, axis):
    return x.mean(_axes(axis), keepdims=options["keepDims"])


def _softmax(options, x):
    powers = np.exp(options["beta"] * (x - x.max(-1, keepdims=True)))
    return powers / powers.sum(-1, keepdims=True)


def _gelu(options, x):
    if options["approximate"]:
        raise ValueError(
            "float16 arithmetic does not support an approximate GELU"
        )
    return x * (0.5 + 0.5 * special.erf(x / math.sqrt(2)))


def _reshape(options, x, shape):
    # The first dimension is the batch; here it contains all poses.
    return x.reshape(-1, *shape[1:])


def _transpose(options, x, order):
    return x.transpose(order)


def _split(options, axis, x):
    return np.split(x, options["numSplits"], int(axis.reshape(())))


def _concatenation(options, *arrays):
    return np.concatenate(arrays, options["axis"])


def _strided_slice(options, x, begin, end, strides):
    for mask in ("ellipsisMask", "newAxisMask", "shrinkAxisMask"):
        if options[mask]:
            raise ValueError(
                f"float16 arithmetic does not support a slice's {mask}"
            )
    taken = []
    for number, step in enumerate(strides):
        first = None if options["beginMask"] >> number & 1 else begin[number]
        last = None if options["endMask"] >> number & 1 else end[number]
        taken.append(slice(first, last, step))
    return x[tuple(taken)]


def _by_element(function):
    return lambda options, *arrays: function(*arrays)


OPERATORS = {
    "ADD": _by_element(np.add),
    "SUB": _by_element(np.subtract),
    "MUL": _by_element(np.multiply),
    "DIV": _by_element(np.divide),
    "MAXIMUM": _by_element(np.maximum),
    "MINIMUM": _by_element(np.minimum),
    "FLOOR": _by_element(np.floor),
    "SQUARE": _by_element(np.square),
    "SQRT": _by_element(np.sqrt),
    "RSQRT": _by_element(lambda x: 1 / np.sqrt(x)),
    "SQUARED_DIFFERENCE": _by_element(lambda x, y: np.square(x - y)),
    "RELU": _by_element(functools.partial(np.maximum, 0)),
    "DEQUANTIZE": _by_element(lambda x: x),
    "SUM": _sum,
    "MEAN": _mean,
    "FULLY_CONNECTED": _fully_connected,
    "BATCH_MATMUL": _batch_matmul,
    "SOFTMAX": _softmax,
    "GELU": _gelu,
    "RESHAPE": _reshape,
    "TRANSPOSE": _transpose,
    "SPLIT": _split,
    "STRIDED_SLICE": _strided_slice,
    "CONCATENATION": _concatenation,
}

# Operators that only move or select values.
_KEEPING = {
    "MAXIMUM",
    "MINIMUM",
    "RELU",
    "DEQUANTIZE",
    "RESHAPE",
    "TRANSPOSE",
    "SPLIT",
    "STRIDED_SLICE",
    "CONCATENATION",
}

"""Checks untrusted `.tflite` files before LiteRT reads them.

LiteRT uses the offsets, indices and sizes in a file without checking them.
`check` checks them, like FlatBuffers' C++ verifier, and the other assumptions
of the runtime. The operators in `_OPERATORS` do not read from positions that
depend on their data: the inputs do not affect which memory is accessed.
"""

import math
import pathlib

import numpy as np

from ampose_tf import reading
from ampose_tf.export.checks import tables

MAX_BYTES = 512 * 2**20
# Bytes of all tensors that one call computes. The interpreter reuses memory;
# the trial limits its actual size.
_MAX_COMPUTED = 2**33
_MAX_RANK = 6

# By number: name, type and slots of the options, and the minimum and maximum
# number of inputs.
_OPERATORS = {
    0: ("ADD", 11, "bb", 2, 2),
    2: ("CONCATENATION", 10, "ib", 1, 64),
    6: ("DEQUANTIZE", 38, "", 1, 1),
    8: ("FLOOR", 0, "", 1, 1),
    9: ("FULLY_CONNECTED", 8, "bbbbb", 2, 3),
    18: ("MUL", 21, "b", 2, 2),
    19: ("RELU", 0, "", 1, 1),
    22: ("RESHAPE", 17, ("[i]",), 2, 2),
    25: ("SOFTMAX", 9, "i", 1, 1),
    39: ("TRANSPOSE", 26, "", 2, 2),
    40: ("MEAN", 27, "b", 2, 2),
    41: ("SUB", 28, "bb", 2, 2),
    42: ("DIV", 29, "b", 2, 2),
    45: ("STRIDED_SLICE", 32, "iiiiib", 4, 4),
    49: ("SPLIT", 35, "i", 2, 2),
    55: ("MAXIMUM", 39, "", 2, 2),
    57: ("MINIMUM", 39, "", 2, 2),
    74: ("SUM", 27, "b", 2, 2),
    75: ("SQRT", 0, "", 1, 1),
    76: ("RSQRT", 0, "", 1, 1),
    92: ("SQUARE", 66, "", 1, 1),
    99: ("SQUARED_DIFFERENCE", 76, "", 2, 2),
    114: ("QUANTIZE", 89, "", 1, 1),
    126: ("BATCH_MATMUL", 101, "bbb", 2, 2),
    150: ("GELU", 116, "b", 1, 1),
}
_LAST_OLD_CODE = 127  # Stored for codes that do not fit in a byte.
_MAX_OUTPUTS = 64  # For SPLIT; all others have one output.
# By number: name and bytes.
_TYPES = {
    0: ("FLOAT32", 4),
    1: ("FLOAT16", 2),
    2: ("INT32", 4),
    9: ("INT8", 1),
}


def check_file(path: pathlib.Path) -> bytes:
    """Reads a file and calls `check` on it; returns its bytes.

    Raises:
        OSError: If the file cannot be read.
        ValueError: See `check`.
    """
    content = reading.content(path, MAX_BYTES)
    check(content)
    return content


def check(content: bytes) -> None:
    """Checks the bytes of a file; anything after the tables is ignored.

    Raises:
        ValueError: If an offset points outside the file or its tables, the
            file contains an operator or a type that exports do not have, the
            size of a tensor differs from the size of its buffer, or the
            tensors require too much memory.
    """
    reader = tables.Reader(content)
    model = reader.model()
    codes = [_operator(code) for code in model["codes"]]
    buffers = model["buffers"]
    for buffer in buffers:
        if buffer["offset"] or buffer["size"]:
            raise ValueError("a buffer outside the tables")
    if not buffers or len(buffers[0]["data"]):
        raise ValueError("its first buffer is not empty")
    for entry in (*model["metadata_buffer"], *model["metadata"]):
        index = entry["buffer"] if isinstance(entry, dict) else entry
        _check_index(index, buffers, "metadata's buffer")
    if not model["subgraphs"]:
        raise ValueError("it has no graph")
    computed = sum(
        _check_subgraph(subgraph, codes, buffers, reader)
        for subgraph in model["subgraphs"]
    )
    if computed > _MAX_COMPUTED:
        raise ValueError(
            f"its tensors require {computed // 2**20} MiB, more than "
            f"{_MAX_COMPUTED // 2**20}"
        )
    _check_signatures(model)


def _operator(code):
    number = max(code["old_code"], code["code"])
    if code["old_code"] != min(number, _LAST_OLD_CODE):
        # LiteRT uses the larger one.
        raise ValueError("an operator with two codes")
    if number not in _OPERATORS or code["custom_code"]:
        known = _names().get(number, f"number {number}")
        raise ValueError(f"the operator {known} is not one that exports have")
    return _OPERATORS[number]


def _names():
    # Only for the message.
    from ai_edge_litert import schema_py_generated as schema

    operators = vars(schema.BuiltinOperator)
    return {value: name for name, value in operators.items() if name.isupper()}


def _check_index(index, things, name):
    if not 0 <= index < len(things):
        raise ValueError(f"{name}: {index} of {len(things)}")


def _check_subgraph(subgraph, codes, buffers, reader):
    """Checks a graph; returns the bytes of its computed tensors."""
    tensors = subgraph["tensors"]
    known = set()
    computed = 0
    for index, tensor in enumerate(tensors):
        size = _check_tensor(tensor, buffers)
        if tensor["buffer"]:
            known.add(index)
        else:
            computed += size
    inputs, outputs = subgraph["inputs"], subgraph["outputs"]
    if max(len(inputs), len(outputs)) > len(tensors):
        raise ValueError("a graph with more inputs or outputs than tensors")
    for index in (*inputs, *outputs):
        _check_index(index, tensors, "a graph's input or output")
    given = {int(index) for index in inputs}
    if given & known or len(given) < len(inputs):
        raise ValueError("an input of a graph that is constant or repeated")
    there = known | given
    for operator in subgraph["operators"]:
        _check_index(operator["code"], codes, "an operator's code")
        _check_operator(operator, codes[operator["code"]], tensors, reader)
        taken = {int(index) for index in operator["inputs"] if index >= 0}
        made = [int(index) for index in operator["outputs"]]
        if not taken <= there:
            raise ValueError("an operator reads a tensor not yet computed")
        if not there.isdisjoint(made) or len(set(made)) < len(made):
            raise ValueError("an operator writes a tensor a second time")
        there.update(made)
    if not {int(index) for index in outputs} <= there:
        raise ValueError("an output of a graph that is not computed")
    return computed


def _check_tensor(tensor, buffers):
    if tensor["type"] not in _TYPES:
        raise ValueError(f"a tensor of type {tensor['type']}")
    if tensor["is_variable"] or tensor["name"] is None:
        raise ValueError("a tensor that is a variable, or has no name")
    _check_index(tensor["buffer"], buffers, "a tensor's buffer")
    shape = [int(side) for side in tensor["shape"][: _MAX_RANK + 1]]
    signature = [int(s) for s in tensor["shape_signature"][: _MAX_RANK + 1]]
    if len(shape) > _MAX_RANK or (shape and min(shape) < 1):
        raise ValueError(f"a tensor of shape {shape[: _MAX_RANK + 1]}")
    if signature and len(signature) != len(shape):
        raise ValueError("a tensor with two ranks")
    size = math.prod(shape) * _TYPES[tensor["type"]][1]
    if tensor["buffer"] and len(buffers[tensor["buffer"]]["data"]) != size:
        raise ValueError(
            f"a constant of shape {shape} in a buffer of another size"
        )
    if size > MAX_BYTES:
        raise ValueError(f"a tensor of shape {shape}")
    quantization = tensor["quantization"]
    if quantization is not None:
        _check_quantization(quantization, shape)
    return size


def _check_quantization(quantization, shape):
    if quantization["details_type"]:
        raise ValueError("quantisation that is not supported")
    scale = np.asarray(quantization["scale"], "<i4").view("<f4")
    count = len(scale)
    if len(quantization["zero_point"]) != count:
        raise ValueError(
            "quantisation with different numbers of scales and zero points"
        )
    if not (np.isfinite(scale) & (scale >= 0)).all():
        raise ValueError("quantisation with a negative or non-finite scale")
    if count and np.abs(quantization["zero_point"]).max() > 255:
        raise ValueError("quantisation with a zero point outside its type")
    if count > 1:
        dimension = quantization["dimension"]
        _check_index(dimension, shape, "quantisation's dimension")
        if shape[dimension] != count:
            raise ValueError(f"{count} scales for {shape[dimension]} channels")


def _check_operator(operator, code, tensors, reader):
    name, kind, options, fewest, most = code
    inputs, outputs = operator["inputs"], operator["outputs"]
    if not fewest <= len(inputs) <= most:
        raise ValueError(f"{name} with {len(inputs)} inputs")
    if not 1 <= len(outputs) <= (_MAX_OUTPUTS if name == "SPLIT" else 1):
        raise ValueError(f"{name} with {len(outputs)} outputs")
    if operator["large_offset"] or operator["large_size"]:
        raise ValueError(f"{name} with options outside the tables")
    if operator["options_type"] not in (0, kind):
        raise ValueError(f"{name} with another operator's options")
    if operator["options"] is not None:
        reader.check_options(operator["options"], options)
    for place, index in enumerate(inputs):
        # A bias is optional.
        if index != -1 or (name, place) != ("FULLY_CONNECTED", 2):
            _check_index(index, tensors, f"an input of {name}")
    for index in outputs:
        _check_index(index, tensors, f"an output of {name}")


def _check_signatures(model):
    subgraphs = model["subgraphs"]
    keys = [signature["key"] for signature in model["signatures"]]
    if None in keys or len(set(keys)) < len(keys):
        raise ValueError("signatures with missing or repeated names")
    for signature in model["signatures"]:
        _check_index(signature["subgraph"], subgraphs, "a signature's graph")
        subgraph = subgraphs[signature["subgraph"]]
        for kind in ("inputs", "outputs"):
            names = [named["name"] for named in signature[kind]]
            if None in names or len(set(names)) < len(names):
                raise ValueError("inputs with missing or repeated names")
            for name in (signature["key"], *names):
                if not name.isprintable():
                    raise ValueError(f"the name {name!r} is not printable")
            places = [named["tensor"] for named in signature[kind]]
            if sorted(places) != sorted(subgraph[kind]):
                raise ValueError(
                    f"the {kind} of a signature differ from those of its graph"
                )

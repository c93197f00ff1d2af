"""Checks that phones' delegates support the operators of a file.

Sources: the GPU delegate's compatibility checks
(`tensorflow/lite/tools/versioning/gpu_compatibility.cc`), XNNPACK's list
(`tensorflow/lite/delegates/xnnpack/README.md`), and measurements.
"""

from ampose_tf.export.flatbuffer import Operator, Tensor

ALLOWED = frozenset(
    {
        "ADD",
        "SUB",
        "MUL",
        "DIV",
        "MAXIMUM",
        "MINIMUM",
        "FLOOR",
        "SQUARE",
        "SQRT",
        "RSQRT",
        "SQUARED_DIFFERENCE",
        "SUM",
        "MEAN",
        "FULLY_CONNECTED",
        "BATCH_MATMUL",
        "SOFTMAX",
        "GELU",
        "RELU",
        "RESHAPE",
        "TRANSPOSE",
        "SPLIT",
        "STRIDED_SLICE",
        "CONCATENATION",
        "QUANTIZE",
        "DEQUANTIZE",
    }
)

# Known unsupported operators, and the reason or the cause in the conversion.
_DYNAMIC = "the batch is not static"
_VARIABLES = "weights are resource variables, not constants"
REFUSED = {
    "SHAPE": _DYNAMIC,
    "REDUCE_PROD": _DYNAMIC,
    "PACK": _DYNAMIC,
    "VAR_HANDLE": _VARIABLES,
    "READ_VARIABLE": _VARIABLES,
    "ASSIGN_VARIABLE": _VARIABLES,
    "NEG": "it has no kernel for int16 activations; use a difference",
    "GATHER": "XNNPACK does not run it, which splits the graph",
    "GREATER_EQUAL": "it is not float arithmetic, which splits the graph",
    "SELECT_V2": "it is not float arithmetic, which splits the graph",
    "ERF": "phones have no kernel for it; use the operator GELU",
}


def fault(subgraph: list[Operator], tensors: list[Tensor]) -> str:
    """Returns why delegates do not support a subgraph, or "".

    Args:
        subgraph: See `flatbuffer.operators`.
        tensors: See `flatbuffer.tensors`.
    """
    makers = {}
    for name in sorted({operator.name for operator in subgraph} - ALLOWED):
        reason = REFUSED.get(name, "not on the list of supported operators")
        if name.startswith("Flex"):
            reason = "phones have no TensorFlow kernels"
        return f"operator {name}, {reason}"
    for operator in subgraph:
        reason = _fault_of(operator, makers)
        if reason:
            return f"operator {operator.name}, {reason}"
        makers |= {output.name: operator for output in operator.outputs}
    for tensor in tensors:
        if tensor.dynamic:
            return f"dynamic shape {tensor.shape} of {tensor.name}"
        if len(tensor.shape) > 4:
            return (
                f"{len(tensor.shape)} dimensions of {tensor.name}; GPUs "
                "support four"
            )
        if tensor.type in ("INT64", "FLOAT64", "BOOL", "STRING"):
            return f"{tensor.type} in {tensor.name}; GPUs compute in float"
    return ""


def _fault_of(operator, makers):
    name = operator.name
    first, *others = operator.inputs
    if name in ("BATCH_MATMUL", "FULLY_CONNECTED") and first.constant:
        return "a constant on its left, which GPU delegates refuse"
    if operator.options.get("adjX") or operator.options.get("adjY"):
        return "adj_x or adj_y, which GPU delegates ignore"
    if name == "SOFTMAX" and first.name in makers:
        maker = makers[first.name]
        if maker.name in ("ADD", "SUB"):
            return (
                "a mask is added to its input, which some GPUs compute wrongly"
            )
    if name == "MUL" and _both_broadcast(first.shape, others[0].shape):
        return (
            f"shapes {first.shape} and {others[0].shape} that broadcast each "
            "other, which GPU delegates refuse"
        )
    return ""


def _both_broadcast(one, other):
    rank = max(len(one), len(other))
    one, other = ((1,) * (rank - len(s)) + s for s in (one, other))
    pairs = list(zip(one, other, strict=True))
    return any(a < b for a, b in pairs) and any(a > b for a, b in pairs)

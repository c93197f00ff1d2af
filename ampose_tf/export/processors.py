"""Predicts which processors run a file, from rules with sources.

Rules are by operator and type. If a processor has no rule for one of a file's
operators, the verdict is "not known".
"""

import dataclasses

from ampose_tf.export import flatbuffer, operators
from ampose_tf.export.flatbuffer import Operator, schema

PROCESSORS = ("cpu", "gpu", "webgpu", "npu")

_FLOAT32 = {"FLOAT32"}
_FLOAT16 = {"FLOAT16", "FLOAT32"}
_DYNAMIC_INT8 = {"FLOAT32", "INT8"}
_INT8 = {"INT8"}


@dataclasses.dataclass(frozen=True)
class Rule:
    """Whether a processor runs some operators.

    Attributes:
        processor: One of `PROCESSORS`.
        runs: Whether it runs them; if not, it refuses the whole file.
        operators: Names of the operators.
        types: Sets of types of their tensors, one set for each case. int32 is
            omitted, as shapes and biases have this type.
        source: Source of the rule.
        date: Date of the measurement, or of access to the source.
    """

    processor: str
    runs: bool
    operators: frozenset[str]
    types: tuple[set[str], ...]
    source: str
    date: str


RULES = (
    Rule(
        "cpu",
        True,
        operators.ALLOWED,
        (_FLOAT32, _FLOAT16, _DYNAMIC_INT8, _INT8),
        "measured: export.py runs every file in ai-edge-litert 2.3.0",
        "2026-11-29",
    ),
    Rule(
        "gpu",
        True,
        frozenset(
            {
                "ADD",
                "BATCH_MATMUL",
                "CONCATENATION",
                "DEQUANTIZE",
                "DIV",
                "FULLY_CONNECTED",
                "GELU",
                "MAXIMUM",
                "MEAN",
                "MUL",
                "RELU",
                "RESHAPE",
                "RSQRT",
                "SOFTMAX",
                "SUB",
                "SUM",
                "TRANSPOSE",
            }
        ),
        (_FLOAT32, _FLOAT16),
        "LiteRT 2.2.0 on a Galaxy S26, measured by others: "
        "https://github.com/john-rocky/edge-compat/blob/main/data/matrix/"
        "gpu_mldrift__2.2.0.json",
        "2026-09-24",
    ),
    Rule(
        "gpu",
        True,
        frozenset(
            {
                "FLOOR",
                "MINIMUM",
                "SPLIT",
                "SQRT",
                "SQUARE",
                "SQUARED_DIFFERENCE",
                "STRIDED_SLICE",
            }
        ),
        (_FLOAT32,),
        "TensorFlow Lite's own list, on no phone: "
        "https://github.com/tensorflow/tensorflow/blob/master/tensorflow/lite/"
        "tools/versioning/gpu_compatibility.cc",
        "2026-11-29",
    ),
    Rule(
        "gpu",
        False,
        frozenset({"FULLY_CONNECTED"}),
        (_DYNAMIC_INT8,),
        "LiteRT 2.1.5 on a Pixel 8a, measured by others: "
        "https://github.com/google-ai-edge/LiteRT/issues/9277",
        "2026-08-13",
    ),
    Rule(
        "webgpu",
        True,
        frozenset(
            {
                "ADD",
                "BATCH_MATMUL",
                "CONCATENATION",
                "DEQUANTIZE",
                "DIV",
                "FLOOR",
                "FULLY_CONNECTED",
                "GELU",
                "MAXIMUM",
                "MEAN",
                "MINIMUM",
                "MUL",
                "RESHAPE",
                "RSQRT",
                "SOFTMAX",
                "SPLIT",
                "SQRT",
                "STRIDED_SLICE",
                "SUB",
                "SUM",
                "TRANSPOSE",
            }
        ),
        (_FLOAT32, _FLOAT16, _DYNAMIC_INT8),
        "measured: the released files in @litertjs/core 2.5.3 and Chromium, "
        "on a processor that plays a GPU (docs/processors.md)",
        "2026-11-29",
    ),
    Rule(
        "webgpu",
        True,
        frozenset({"RELU", "SQUARED_DIFFERENCE"}),
        (_FLOAT32,),
        "@litertjs/core 2.5.3, measured by others: "
        "https://github.com/john-rocky/edge-compat/blob/main/data/matrix/"
        "webgpu_mldrift__2.5.3.json",
        "2026-08-12",
    ),
)


def runs_on(model: schema.ModelT) -> dict[str, dict]:
    """Returns which processors run a file.

    Args:
        model: See `flatbuffer.read`.

    Returns:
        By processor: `verdict`, "yes", "no" or "not known"; `why`; and
        `sources`, each with its date.
    """
    fault = ""
    found = []
    for subgraph, tensors in zip(
        flatbuffer.operators(model), flatbuffer.tensors(model), strict=True
    ):
        fault = fault or operators.fault(subgraph, tensors)
        found += subgraph
    return {name: _verdict(name, found, fault) for name in PROCESSORS}


def _verdict(processor, found, fault):
    if processor == "gpu" and fault:
        return {"verdict": "no", "why": fault, "sources": []}
    rules = {
        _described(operator): _rule(processor, operator) for operator in found
    }
    unknown = sorted(name for name, rule in rules.items() if rule is None)
    known = [rule for rule in rules.values() if rule is not None]
    refusing = [rule for rule in known if not rule.runs]
    if refusing:
        refused = sorted(n for n, rule in rules.items() if rule in refusing)
        verdict, why = "no", f"it refuses files with {', '.join(refused)}"
    elif not known:
        verdict, why = "not known", "there is no rule for any operator"
    elif unknown:
        verdict, why = "not known", f"no rule for {', '.join(unknown)}"
    else:
        verdict, why = "yes", "there is a rule for every operator"
    sources = [f"{r.source} ({r.date})" for r in refusing or known]
    return {
        "verdict": verdict,
        "why": why,
        "sources": list(dict.fromkeys(sources)),
    }


def _rule(processor, operator):
    types = _types(operator)
    for rule in RULES:
        if (
            rule.processor == processor
            and operator.name in rule.operators
            and types in rule.types
        ):
            return rule
    return None


def _types(operator: Operator):
    return {
        tensor.type for tensor in (*operator.inputs, *operator.outputs)
    } - {"INT32"}


def _described(operator):
    return f"{operator.name} of {' and '.join(sorted(_types(operator)))}"

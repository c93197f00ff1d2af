"""Hand-made `.tflite` files: what LiteRT would follow without a look."""

import io
import json
import re
import struct
import zipfile

import numpy as np
import pytest

from ampose_tf import weights
from ampose_tf.export import describe, flatbuffer, runtime
from ampose_tf.export.checks import tables, tflite_files
from ampose_tf.lifting.predictor import load_predictor

schema = flatbuffer.schema
WHOLE = weights.LIFTING["ampose_t"].read_bytes()


def assert_refused(content, match):
    with pytest.raises(ValueError, match=match) as caught:
        tflite_files.check(content)
    assert len(str(caught.value)) < 200


def changed(change):
    model = flatbuffer.read(WHOLE)
    change(model, model.subgraphs[0])
    return flatbuffer.write(model)


def test_every_released_file_is_good():
    for path in sorted(weights.AMPOSE_T.parent.glob("*.tflite")):
        tflite_files.check_file(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"TFL3", b"\0" * 8, WHOLE[:7], WHOLE[:50], WHOLE[:3000]],
)
def test_a_cut_file(content):
    assert_refused(content, "not a .tflite|outside|damaged|not aligned")


@pytest.mark.parametrize("value", [2, 2**31 - 1, 2**31, 2**32 - 1])
def test_a_root_that_is_elsewhere(value):
    content = struct.pack("<I", value) + WHOLE[4:]
    assert_refused(content, "outside|damaged|not aligned|not known")


def of_subgraph(name, place, value):
    def change(model, subgraph):
        getattr(subgraph, name)[place] = value

    return change


def of_operator(name, value):
    def change(model, subgraph):
        setattr(subgraph.operators[5], name, value)

    return change


def of_tensor(name, value):
    def change(model, subgraph):
        setattr(subgraph.tensors[9], name, value)

    return change


def custom(model, subgraph):
    code = model.operatorCodes[0]
    code.builtinCode = code.deprecatedBuiltinCode = 32
    code.customCode = b"Evil"


def call_itself(model, subgraph):
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = (
        schema.BuiltinOperator.WHILE
    )
    model.operatorCodes.append(code)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs = operator.outputs = list(subgraph.inputs)
    subgraph.operators.insert(0, operator)


def two_numbers(model, subgraph):
    model.operatorCodes[0].deprecatedBuiltinCode = 3


def in_a_circle(model, subgraph):
    operators = subgraph.operators
    operators[3].inputs[0] = operators[9].outputs[0]


def over_a_weight(model, subgraph):
    weight = next(i for i, t in enumerate(subgraph.tensors) if t.buffer)
    subgraph.operators[5].outputs[0] = weight


def twice(model, subgraph):
    operators = subgraph.operators
    operators[5].outputs[0] = operators[4].outputs[0]


def never(model, subgraph):
    subgraph.operators.pop()


def many(model, subgraph):
    for operator in subgraph.operators[5:25]:
        tensor = subgraph.tensors[operator.outputs[0]]
        tensor.shape = np.array([2**14, 2**13], np.int32)


def no_subgraph(model, subgraph):
    """A crash of LiteRT 2.3 (SIGSEGV)."""
    model.signatureDefs[0].subgraphIndex = 9


def no_tensor(model, subgraph):
    model.signatureDefs[0].inputs[0].tensorIndex = 10**6


def no_name(model, subgraph):
    model.signatureDefs[0].inputs[0].name = b"\x1b[31m"


def first_buffer(model, subgraph):
    model.buffers[0].data = np.zeros(4, np.uint8)


def beyond(model, subgraph):
    model.buffers[3].offset = 2**40


def quantized(**fields):
    def change(model, subgraph):
        quantization = schema.QuantizationParametersT()
        vars(quantization).update(fields)
        subgraph.tensors[9].quantization = quantization

    return change


ONE = np.float32([1])
NONE = np.int64([0])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (of_subgraph("inputs", 0, 10**6), "input or output: 1000000"),
        (of_subgraph("outputs", 0, -2), "input or output: -2"),
        (of_operator("opcodeIndex", 77), "code: 77"),
        (of_operator("inputs", [10**6, 3]), "an input of SUM: 1000000"),
        (of_operator("inputs", [-1, 3]), "an input of SUM: -1"),
        (of_operator("inputs", []), "SUM with 0 inputs"),
        (of_operator("outputs", [10**6]), "an output of SUM: 1000000"),
        (of_operator("outputs", [11, 12]), "SUM with 2 outputs"),
        (of_operator("largeCustomOptionsSize", 9), "outside the tables"),
        (of_operator("intermediates", [1]), "intermediates: not supported"),
        (custom, "operator CUSTOM is not"),
        (call_itself, "operator WHILE is not"),
        (two_numbers, "operator with two codes"),
        (in_a_circle, "not yet computed"),
        (over_a_weight, "a second time"),
        (twice, "a second time"),
        (never, "not computed"),
        (of_tensor("buffer", 10**6), "buffer: 1000000"),
        (of_tensor("type", 5), "type 5"),
        (of_tensor("isVariable", True), "variable"),
        (of_tensor("shape", np.int32([1, 0, 3])), "shape .1, 0, 3."),
        (of_tensor("shape", np.int32([1, -17, 3])), "shape .1, -17, 3."),
        (of_tensor("shape", np.int32([1] * 7)), "shape .1, 1, 1"),
        (of_tensor("shape", np.int32([2**31 - 1] * 5)), "shape"),
        (of_tensor("shape", np.int32([3, 7])), "buffer of another size"),
        (of_tensor("sparsity", schema.SparsityParametersT()), "sparsity"),
        (many, "tensors require"),
        (no_subgraph, "signature's graph: 9"),
        (no_tensor, "differ from those of its graph"),
        (no_name, r"the name '\\x1b"),
        (first_buffer, "first buffer"),
        (beyond, "outside the tables"),
        (quantized(scale=ONE), "different numbers"),
        (quantized(scale=ONE * np.nan, zeroPoint=NONE), "non-finite scale"),
        (quantized(scale=-ONE, zeroPoint=NONE), "non-finite scale"),
        (quantized(scale=ONE, zeroPoint=NONE + 999), "outside its type"),
        (
            quantized(
                scale=np.repeat(ONE, 2),
                zeroPoint=np.repeat(NONE, 2),
                quantizedDimension=9,
            ),
            "dimension: 9",
        ),
        (
            quantized(scale=np.repeat(ONE, 2), zeroPoint=np.repeat(NONE, 2)),
            "2 scales for",
        ),
    ],
)
def test_what_is_refused(change, match):
    assert_refused(changed(change), match)


def test_unchanged_it_is_taken():
    tflite_files.check(changed(lambda model, subgraph: None))


def test_tables_are_counted(monkeypatch):
    """A few bytes may name one table a million times."""
    monkeypatch.setattr(tables, "_MAX_TABLES", 1000)
    assert_refused(WHOLE, "more than 1000 tables")


def with_metadata(text, method=zipfile.ZIP_DEFLATED, name=runtime.METADATA):
    appended = io.BytesIO(changed(lambda model, subgraph: None))
    with zipfile.ZipFile(appended, "a", method) as archive:
        archive.writestr(name, text)
    return appended.getvalue()


def encrypted():
    content = bytearray(with_metadata("{}"))
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def broken_deflate():
    content = with_metadata("x" * 1000)
    place = content.rindex(b"PK\x03\x04") + 30 + len(runtime.METADATA)
    return content[:place] + b"\xff" * 5 + content[place + 5 :]


DESCRIBED = runtime.metadata(weights.LIFTING["ampose_t"])


def described(**changed):
    return with_metadata(json.dumps(DESCRIBED | changed))


@pytest.mark.parametrize(
    "make",
    [
        lambda: WHOLE[:100_000],
        lambda: with_metadata("[" * 100_000),
        lambda: with_metadata("[]"),
        lambda: with_metadata("3"),
        lambda: with_metadata("{}"),
        lambda: with_metadata(" " * 2**21),
        lambda: with_metadata("{}", name="other.json"),
        lambda: with_metadata(b"\xff\xfe"),
        lambda: described(joints=None),
        lambda: described(checkpoint=["x"]),
        lambda: described(x=[[[[[[[[{}]]]]]]]]),
        encrypted,
        broken_deflate,
    ],
    ids=range(13),
)
def test_metadata_that_is_refused(tmp_path, make):
    path = tmp_path / "model.tflite"
    path.write_bytes(make())
    for read in (runtime.metadata, load_predictor):
        with pytest.raises(ValueError, match="exported by this project"):
            read(path)
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: "):
        describe.describe(path)


def test_describe_says_why_it_refuses_a_file(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(changed(call_itself))
    with pytest.raises(ValueError, match="WHILE") as caught:
        describe.describe(path)
    assert str(caught.value) == (
        f"{path}: the operator WHILE is not one that exports have"
    )


def test_describe_prints_no_control_characters(tmp_path):
    path = tmp_path / "model.tflite"
    more = {"x\x1b[31m": {"\u202e": "\x1b[2J"}}
    path.write_bytes(described(**more))
    text = describe.describe(path)
    assert "x\\x1b[31m:" in text
    assert all(line.isprintable() for line in text.splitlines())

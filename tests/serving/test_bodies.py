"""Decoding of V2 bodies."""

import numpy as np
import orjson
import pytest
from kserve.errors import InvalidInput

from ampose_tf.serving import bodies

SCORES = np.arange(6, dtype=np.float32)


def body(**changed):
    raw = SCORES.tobytes()
    tensor = {
        "name": "scores",
        "shape": [2, 3],
        "datatype": "FP32",
        "parameters": {"binary_data_size": len(raw)},
    }
    changed = {
        key: [tensor | each for each in value] if key == "inputs" else value
        for key, value in changed.items()
    }
    head = orjson.dumps({"inputs": [tensor]} | changed)
    return head + raw, len(head)


def decoded(**changed):
    return bodies.decode_v2(*body(**changed), "a")


def test_binary_tensors():
    request = decoded(
        id="seven",
        parameters={"skeleton": "COCO-17", "x": "y" * 999},
        outputs=[{"name": "notes", "parameters": {"binary_data": True}}],
    )
    (tensor,) = request.inputs
    np.testing.assert_array_equal(tensor.data, SCORES)
    assert (request.id, request.model_name) == ("seven", "a")
    assert request.parameters == {
        "binary_data_output": False,
        "skeleton": "COCO-17",
    }
    assert request.request_outputs[0].binary_data


def size(number):
    return {"parameters": {"binary_data_size": number}}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"inputs": [{}] * 4}, "at most 3"),
        ({"inputs": [{"name": "x"}]}, r"inputs\[0\].name"),
        ({"inputs": [{"data": [1]}]}, "either data or"),
        ({"inputs": [{"parameters": {}}]}, "either data or"),
        ({"inputs": [{"parameters": [3]}]}, "expected an object"),
        ({"inputs": [size(-4)]}, "at most 24"),
        # The same bytes may not be used more than once.
        ({"inputs": [size(24), size(-24), size(24)]}, r"inputs\[1\]"),
        ({"inputs": [size(23)]}, "a multiple of 4"),
        ({"inputs": [size(28)]}, "at most 24"),
        ({"inputs": [size(20)]}, "Expected 20 bytes after the JSON, got 24"),
        ({"inputs": [{"datatype": ["FP32"]}]}, "datatype"),
        ({"outputs": [{"name": "poses_3d"}] * 3000}, "outputs: expected a"),
        ({"outputs": [{"name": "x"}]}, r"outputs\[0\].name"),
        ({"parameters": {"binary_data_output": "no"}}, "true or false"),
        ({"id": 7}, "id: expected a string"),
        ({"x": 7}, "Unknown key 'x'"),
    ],
)
def test_mistakes(changed, said):
    with pytest.raises(InvalidInput, match=said):
        decoded(**changed)


def test_versions_are_refused():
    with pytest.raises(NotImplementedError):
        decoded(model_version="9")

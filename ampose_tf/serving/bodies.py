"""Decodes the bodies of REST requests.

Sizes, names and types are checked before values are copied, so that the
memory a request needs is in proportion to the size of its body.
"""

from typing import Any

import numpy as np
import orjson
from kserve.errors import InvalidInput
from kserve.protocol.infer_type import (
    InferInput,
    InferRequest,
    RequestedOutput,
)

from ampose_tf.serving.messages import OUTPUTS, TENSORS
from ampose_tf.serving.tensors import NUMBERS, shown

_KEYS = (
    "id",
    "model_name",
    "model_version",
    "parameters",
    "inputs",
    "outputs",
)


def decode(body: bytes) -> Any:
    """Returns the contents of a JSON body.

    Raises:
        InvalidInput: If it is not JSON.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"The body is not JSON: {error}.") from None


def decode_v2(body: bytes, json_length: int, model_name: str) -> InferRequest:
    """Returns a request of the open inference protocol.

    Args:
        body: JSON, followed by binary tensors.
        json_length: Number of bytes of JSON.
        model_name: Name of the model in the request's address.

    Raises:
        InvalidInput: If the body is malformed.
        NotImplementedError: If it asks for a version of the model.
    """
    content = decode(body[:json_length])
    if not isinstance(content, dict):
        raise InvalidInput('Expected a JSON object with "inputs".')
    for key in content:
        if key not in _KEYS:
            raise InvalidInput(
                f"Unknown key {shown(key)}; expected {', '.join(_KEYS)}."
            )
    if content.get("model_version"):
        raise NotImplementedError
    if not isinstance(content.get("id"), str | None):
        raise InvalidInput("id: expected a string.")
    position = json_length
    inputs = []
    for i, tensor in enumerate(_objects(content, "inputs", TENSORS)):
        array, size = _data(tensor, body, position, f"inputs[{i}]")
        position += size
        inputs.append(
            InferInput(
                tensor["name"], tensor["shape"], tensor["datatype"], array
            )
        )
    if position != len(body):
        raise InvalidInput(
            f"Expected {position - json_length} bytes after the JSON, got "
            f"{len(body) - json_length}."
        )
    outputs = None
    if content.get("outputs") is not None:
        outputs = [
            RequestedOutput(
                output["name"],
                _flag(output, "binary_data", f"outputs[{i}].parameters"),
            )
            for i, output in enumerate(_objects(content, "outputs", OUTPUTS))
        ]
    # Other parameters are not kept in memory.
    parameters = _flag(content, "binary_data_output", "parameters")
    parameters["skeleton"] = _parameters(content, "parameters").get("skeleton")
    return InferRequest(
        model_name,
        inputs,
        request_id=content.get("id"),
        parameters=parameters,
        request_outputs=outputs,
    )


def _objects(content, key, names):
    """Returns the objects of a list, each with one of the names."""
    objects = content.get(key)
    if not isinstance(objects, list) or len(objects) > len(names):
        raise InvalidInput(
            f"{key}: expected a list of at most {len(names)} objects, named "
            f"{', '.join(names)}."
        )
    for i, each in enumerate(objects):
        if not isinstance(each, dict) or each.get("name") not in names:
            raise InvalidInput(
                f"{key}[{i}].name: expected one of {', '.join(names)}."
            )
    return objects


def _parameters(owner, where):
    parameters = owner.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise InvalidInput(f"{where}: expected an object.")
    return parameters


def _flag(owner, key, where):
    """Returns a parameter that is true or false, as a dict."""
    value = _parameters(owner, where).get(key, False)
    if not isinstance(value, bool):
        raise InvalidInput(f"{where}.{key}: expected true or false.")
    return {key: value}


def _data(tensor, body, position, where):
    """Returns a tensor's values, and their number of bytes in the body."""
    for key in ("shape", "datatype"):
        if key not in tensor:
            raise InvalidInput(f"{where}.{key} is missing.")
    datatype = tensor["datatype"]
    if not isinstance(datatype, str) or datatype not in NUMBERS:
        raise InvalidInput(
            f"{where}.datatype: expected one of {', '.join(NUMBERS)}."
        )
    parameters = _parameters(tensor, f"{where}.parameters")
    size = parameters.get("binary_data_size")
    data = tensor.get("data")
    if (size is None) is (data is None):
        raise InvalidInput(
            f"{where}: expected either data or the parameter binary_data_size."
        )
    if size is None:
        return data, 0
    number = np.dtype(NUMBERS[datatype])
    if (
        not isinstance(size, int)
        or not 0 <= size <= len(body) - position
        or size % number.itemsize
    ):
        raise InvalidInput(
            f"{where}: binary_data_size: expected a multiple of "
            f"{number.itemsize}, and at most {len(body) - position}, the "
            "remaining bytes of the body."
        )
    count = size // number.itemsize
    return np.frombuffer(body, number, count, position), size

"""Reads requests in JSON by the rules of TensorFlow Serving."""

import json

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from tests.export.serving_models import DEFAULT, Refused, listed

_LARGEST = float(np.finfo(np.float32).max)


def of_json(content, signatures):
    """Returns the `PredictRequest` of a JSON body, and if it has rows."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Refused(f"JSON Parse error: {error}") from error
    if not isinstance(body, dict):
        raise Refused(f"JSON Value: {json.dumps(body)} Is not object")
    name = body.get("signature_name", "")
    if not isinstance(name, str):
        raise Refused(
            f"JSON Value: {json.dumps(body)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    if (name or DEFAULT) not in signatures:
        raise Refused(
            f'Serving signature name: "{name or DEFAULT}" not found in '
            "signature def"
        )
    infos = signatures[name or DEFAULT].inputs
    is_rows = "instances" in body
    if is_rows == ("inputs" in body):
        raise Refused(
            "Not formatted correctly expecting only one of 'inputs' or "
            "'instances' keys to exist"
            if is_rows
            else "Missing 'inputs' or 'instances' key"
        )
    columns = (_of_rows if is_rows else _of_columns)(
        body["instances" if is_rows else "inputs"], infos
    )
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = name
    for alias, array in columns.items():
        request.inputs[alias].CopyFrom(tf.make_tensor_proto(array))
    return request, is_rows


def _of_rows(rows, infos):
    if not isinstance(rows, list):
        raise Refused("Excepting 'instances' to be an list/array")
    if not rows:
        raise Refused("No values in 'instances' array")
    if not isinstance(rows[0], dict):
        if len(infos) > 1:
            raise Refused(
                "instances is a plain list, but expecting list of objects as "
                "multiple input tensors required as per tensorinfo_map"
            )
        (alias,) = infos
        rows = [{alias: row} for row in rows]
    columns = {alias: [] for alias in infos}
    for i, row in enumerate(rows):
        where = f"Failed to process element: {i}"
        if not isinstance(row, dict):
            raise Refused(
                f"Expecting object but got list at item {i} of input list"
            )
        for alias, value in row.items():
            try:
                if alias not in infos:
                    raise Refused(
                        "JSON object: does not have named input: " + alias
                    )
                column = columns[alias]
                column.append(_array(value))
                if column[-1].shape != column[0].shape:
                    raise Refused(
                        f"Expecting tensor size: {column[0].size} but got: "
                        f"{column[-1].size}"
                    )
            except Refused as error:
                raise Refused(
                    f"{where} key: {alias} of 'instances' list. Error: "
                    f"{error.message}"
                ) from error
        if set(row) != set(infos):
            raise Refused(
                f"{where} of 'instances' list. JSON object: "
                f"{json.dumps(row)} keys must be equal to: {listed(infos)}"
            )
    return {alias: np.stack(column) for alias, column in columns.items()}


def _of_columns(value, infos):
    if not isinstance(value, dict):
        if len(infos) > 1:
            raise Refused(
                "inputs is a plain value/list, but expecting an object as "
                "multiple input tensors required as per tensorinfo_map"
            )
        (alias,) = infos
        return {alias: _array(value)}
    for alias in infos:
        if alias not in value:
            raise Refused(f"Missing named input: {alias} in 'inputs' object.")
    return {alias: _array(value[alias]) for alias in infos}


def _array(value):
    """Returns the float32 array of nested lists."""
    shape, first = [], value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
    numbers = []

    def fill(value, level):
        if isinstance(value, list):
            if level >= len(shape):
                raise Refused(
                    f"Encountered list at unexpected level: {level} expected "
                    f"< {len(shape)}"
                )
            if len(value) != shape[level]:
                raise Refused(
                    f"Encountered list at unexpected size: {len(value)} at "
                    f"level: {level} expected size: {shape[level]}"
                )
            for inner in value:
                fill(inner, level + 1)
            return
        if level != len(shape):
            raise Refused(
                f"JSON Value: {json.dumps(value)} found at incorrect level: "
                f"{level + 1} in the JSON DOM. Expected at level: "
                f"{len(shape)}"
            )
        if type(value) not in (int, float):
            raise Refused(
                f"JSON Value: {json.dumps(value)} Type: "
                f"{type(value).__name__} is not of expected type: float"
            )
        largest = 2**24 - 1 if type(value) is int else _LARGEST
        if abs(value) > largest and abs(value) != np.inf:
            raise Refused(
                f"Cannot convert JSON value: {json.dumps(value)} to float "
                "without loss of precision."
            )
        numbers.append(value)

    fill(value, 0)
    return np.array(numbers, np.float32).reshape(shape)

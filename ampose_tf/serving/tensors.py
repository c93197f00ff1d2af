"""Converts tensors of requests to arrays, and checks them first."""

import itertools
import math
from collections.abc import Callable

import numpy as np
from kserve.errors import InvalidInput
from kserve.protocol.infer_type import InferInput

from ampose_tf import reading

# Little-endian NumPy types of V2's datatypes.
NUMBERS = {f"FP{8 * size}": f"<f{size}" for size in (2, 4, 8)}
NUMBERS |= {
    f"{sign}INT{8 * size}": f"<{'u' if sign else 'i'}{size}"
    for sign in ("", "U")
    for size in (1, 2, 4, 8)
}


def shown(value: object) -> str:
    """Returns a client's value, shortened to be shown to that client."""
    return reading.shown(repr(value), 60)


def place(name: str, index: tuple[int, ...]) -> str:
    """Returns a name with an index, such as `pixels[3][0]`."""
    return name + "".join(f"[{i}]" for i in index)


def array(
    values: list,
    shape: tuple[int, ...],
    named: Callable[..., str],
    kinds: frozenset = frozenset({int, float}),
) -> np.ndarray:
    """Returns nested lists of numbers as an array, float64.

    Types and lengths are checked first: NumPy would turn numbers and a string
    into strings of the same, possibly large size.

    Args:
        values: Nested lists.
        shape: Expected shape, without zeros.
        named: Returns a name for messages from an index.
        kinds: Types of numbers.

    Raises:
        InvalidInput: If they are not numbers of this shape.
    """
    level = [values]
    for depth, side in enumerate(shape):
        if {*map(type, level)} != {list} or {*map(len, level)} != {side}:
            i, wrong = next(
                (i, each)
                for i, each in enumerate(level)
                if type(each) is not list or len(each) != side
            )
            got = f", got {len(wrong)}" if type(wrong) is list else ""
            raise InvalidInput(
                f"{named(*np.unravel_index(i, shape[:depth]))}: expected a "
                f"list of length {side}{got}."
            )
        level = [*itertools.chain.from_iterable(level)]
    if not {*map(type, level)} <= kinds:
        i = next(i for i, each in enumerate(level) if type(each) not in kinds)
        kind = "a number" if float in kinds else "an integer"
        raise InvalidInput(
            f"{named(*np.unravel_index(i, shape))}: expected {kind}."
        )
    return np.array(level, np.float64).reshape(shape)


def numbers(tensor: InferInput, shape: tuple[int, ...]) -> np.ndarray:
    """Returns a tensor as float64.

    Args:
        tensor: Tensor with an array, nested lists or raw bytes.
        shape: Its shape, without zeros.

    Raises:
        InvalidInput: If it does not contain numbers of this shape.
    """
    kind = tensor.datatype
    if not isinstance(kind, str) or kind not in NUMBERS:
        raise InvalidInput(
            f"{tensor.name}: expected numbers, such as FP32, got the datatype "
            f"{shown(kind)}."
        )
    if isinstance(tensor.data, np.ndarray):
        values = tensor.data
    elif tensor.data:
        return _of_lists(tensor, shape)
    else:
        try:
            values = tensor.as_numpy()
        except (ValueError, TypeError):
            values = np.empty(0)
    if values.size != math.prod(shape):
        raise InvalidInput(
            f"{tensor.name}: expected {math.prod(shape)} numbers of {kind}, "
            "the product of its shape."
        )
    with np.errstate(invalid="ignore"):
        return values.astype(np.float64).reshape(shape)


def _of_lists(tensor, shape):
    """Returns the numbers of a flat or nested list as float64."""
    data = tensor.data
    is_flat = not (isinstance(data, list) and isinstance(data[0], list))
    is_float = NUMBERS[tensor.datatype][1] == "f"
    values = array(
        data,
        (math.prod(shape),) if is_flat else shape,
        lambda *index: place(f"{tensor.name}.data", index),
        frozenset({int, float} if is_float else {int}),
    )
    if not is_float:
        limits = np.iinfo(NUMBERS[tensor.datatype])
        if values.min() < limits.min or values.max() > limits.max:
            raise InvalidInput(
                f"{tensor.name}: expected {tensor.datatype}, integers from "
                f"{limits.min} to {limits.max}."
            )
    return values.reshape(shape)

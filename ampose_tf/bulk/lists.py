"""Columns of lists as arrays, and arrays as columns of lists."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Lengths of what is not a list of numbers.
_NULL, _NOT_PAIRS = -1, -2
FOUND = {_NULL: "null", _NOT_PAIRS: "lists that are not [x, y]"}


def column(array: np.ndarray, kind: pa.ListType) -> pa.Array:
    """Returns a column of lists; lists that contain NaN become null.

    Args:
        array: (N, ...), the numbers of each list.
        kind: Type of the column.
    """
    # Of a known size, as there may be no rows.
    array = array.reshape(len(array), int(np.prod(array.shape[1:])))
    whole = np.ones(len(array), bool)
    if array.dtype.kind == "f":
        whole = ~np.isnan(array).any(axis=1)
    ends = np.cumsum(whole * array.shape[1])
    return pa.ListArray.from_arrays(
        np.concatenate([[0], ends]).astype(np.int32),
        pa.array(array[whole].ravel(), kind.value_type),
        type=kind,
        mask=pa.array(~whole),
    )


def read(array: pa.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns a column of lists as (numbers, starts, lengths) by row.

    Lists of pairs are flattened. The length is `_NULL` for null, and
    `_NOT_PAIRS` for lists of lists that are not pairs.
    """
    lengths = pc.fill_null(pc.list_value_length(array), _NULL)
    lengths = lengths.to_numpy().astype(np.int64)
    inner = pc.list_flatten(array)
    counted = np.maximum(lengths, 0)
    if _is_list(inner.type):
        pairs = pc.fill_null(pc.list_value_length(inner), -1).to_numpy()
        parents = np.repeat(np.arange(len(lengths)), counted)
        own = np.bincount(
            parents, weights=np.maximum(pairs, 0), minlength=len(lengths)
        )
        counted = own.astype(np.int64)
        wrong = np.bincount(
            parents, weights=pairs != 2, minlength=len(lengths)
        )
        counts = np.where(wrong > 0, _NOT_PAIRS, counted)
        lengths = np.where(lengths < 0, _NULL, counts)
        inner = pc.list_flatten(inner)
    # Integers above 2^53 are rounded.
    numbers = pc.cast(inner, pa.float64(), safe=False)
    numbers = numbers.to_numpy(zero_copy_only=False)
    return numbers, np.cumsum(counted) - counted, lengths


def gathered(
    column: tuple[np.ndarray, np.ndarray, np.ndarray],
    rows: np.ndarray,
    length: int,
) -> np.ndarray:
    """Returns the numbers of rows of one length, (K, length) float64."""
    numbers, starts, _ = column
    return numbers[starts[rows, None] + np.arange(length)]


def is_numbers(kind: pa.DataType) -> bool:
    """Returns whether a type is a list of numbers."""
    return _is_list(kind) and (
        pa.types.is_floating(kind.value_type)
        or pa.types.is_integer(kind.value_type)
    )


def is_pairs(kind: pa.DataType) -> bool:
    """Returns whether a type is a list of lists of numbers."""
    return _is_list(kind) and is_numbers(kind.value_type)


def is_text(kind: pa.DataType) -> bool:
    """Returns whether a type is text, as a dictionary or not."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_list(kind):
    return (
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or pa.types.is_fixed_size_list(kind)
    )

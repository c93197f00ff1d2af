"""Parses the cells of tables."""

import re

import numpy as np

from ampose_tf.lifting import untrusted
from ampose_tf.lifting.untrusted import brief

# Cells without a value.
_NOTHING = ("", "nan", "na", "n/a", "#n/a", "none", "null", "-", "--")
# The largest length of a cell that contains joints.
_LONGEST_CELL = 100_000


def parsed(cell: str, line: int):
    """Parses JSON, or Python's text of lists and numbers.

    Raises:
        ValueError: If the cell is neither, or too long.
    """
    if len(cell) > _LONGEST_CELL:
        raise ValueError(
            f"line {line}: a cell of {len(cell)} characters, which is too long"
        )
    cell = cell.replace("(", "[").replace(")", "]")
    for text in (
        cell,
        re.sub(r"\bNone\b|\bnan\b", "null", cell.replace("'", '"')),
    ):
        try:
            return untrusted.parse(text)
        except ValueError as error:
            refusal = error
    raise ValueError(f"line {line}: {refusal}")


def number(cell: str, line: int) -> float:
    """Returns the number in a cell; NaN for a cell without a value.

    Raises:
        ValueError: If the cell is not a number.
    """
    found = float_of(cell)
    if found is not None:
        return found
    text = cell.strip().lower()
    if text in _NOTHING:
        return np.nan
    if text in ("true", "false"):
        return float(text == "true")
    raise ValueError(f"line {line}: expected a number, got {brief(cell)}")


def float_of(cell: str) -> float | None:
    """Returns the number in a cell; None if it is not a number."""
    try:
        return float(cell)
    except ValueError:
        return None

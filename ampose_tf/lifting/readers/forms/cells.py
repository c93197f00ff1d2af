"""Cells of tables."""

import re

import numpy as np

from ampose_tf.lifting import untrusted
from ampose_tf.lifting.untrusted import brief

# What cells say that have nothing to say.
_NOTHING = ("", "nan", "na", "n/a", "#n/a", "none", "null", "-", "--")
# Letters of a text cell that holds joints.
_LONGEST_CELL = 100_000


def parsed(cell: str, line: int):
    """Parses JSON, or what Python writes of lists and numbers.

    Raises:
        ValueError: If it is neither.
    """
    if len(cell) > _LONGEST_CELL:
        raise ValueError(f"line {line}: a cell of {len(cell)} letters")
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
    """Returns a number; NaN of an empty cell and of what stands for one.

    Raises:
        ValueError: If it is something else.
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
    """Returns a number, or None."""
    try:
        return float(cell)
    except ValueError:
        return None

"""Formats rows of numbers as text."""

from collections.abc import Iterator

import numpy as np


def rows_of(
    values: np.ndarray, separator: str, decimals: int = 6
) -> Iterator[str]:
    """Yields rows of numbers as text.

    Values that are not finite become empty, and values that round to 0 have
    no sign.

    Args:
        values: (F, N).
        separator: Text between two numbers.
        decimals: Number of decimals.
    """
    values = np.asarray(values)
    # One format for a whole row is twice as fast as one for each number.
    form = separator.join([f"{{:z.{decimals}f}}"] * values.shape[1])
    known = np.isfinite(values)
    if known.all():
        return (form.format(*row.tolist()) for row in values)
    values = np.where(known, values, np.nan)
    texts = (form.format(*row.tolist()) for row in values)
    return (text.replace("nan", "") for text in texts)

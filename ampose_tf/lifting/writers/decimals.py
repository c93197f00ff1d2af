"""Numbers as text, row by row."""

from collections.abc import Iterator

import numpy as np


def rows_of(
    values: np.ndarray, separator: str, decimals: int = 6
) -> Iterator[str]:
    """Yields rows of numbers as text.

    What is not finite is empty, and what rounds to 0 has no sign.

    Args:
        values: (F, N).
        separator: Between two numbers.
        decimals: Of each number.
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

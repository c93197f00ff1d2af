"""Rows of numbers as text."""

import numpy as np
import pytest

from ampose_tf.lifting.writers.decimals import rows_of


@pytest.mark.parametrize("decimals", [3, 6])
def test_a_row_is_its_numbers_one_by_one(decimals):
    values = np.random.default_rng(0).normal(0, 100, (7, 5))
    values[2, 3], values[4, 1] = -1e-9, -0.0
    assert list(rows_of(values, "\t", decimals)) == [
        "\t".join(f"{value:z.{decimals}f}" for value in row) for row in values
    ]


def test_what_is_not_finite_is_empty():
    values = np.array([[np.nan, -2, np.inf], [1.5, -np.inf, -1e-7]])
    assert list(rows_of(values, ",")) == [",-2.000000,", "1.500000,,0.000000"]

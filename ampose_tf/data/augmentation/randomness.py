"""Random numbers for augmentation."""

import math
from typing import Protocol

from keras import ops


class Source(Protocol):
    """Source of random numbers; the pipeline creates one per batch."""

    def uniform(self, shape):
        """Returns float32 numbers in [0, 1)."""

    def normal(self, shape):
        """Returns normal float32 numbers, mean 0 and standard deviation 1."""


def between(bounds: tuple[float, float], uniform):
    """Maps [0, 1) to the range between two bounds."""
    low, high = bounds
    return low + (high - low) * uniform


def between_logarithms(bounds: tuple[float, float], uniform):
    """Maps [0, 1) to the range, uniformly in the logarithm."""
    low, high = bounds
    return ops.exp(between((math.log(low), math.log(high)), uniform))

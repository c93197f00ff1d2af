"""Random numbers for augmentation, and what is made of uniform ones."""

import math
from typing import Protocol

from keras import ops


class Source(Protocol):
    """What augmentation draws from; the pipeline has one per batch."""

    def uniform(self, shape):
        """Returns float32 numbers of [0, 1)."""

    def normal(self, shape):
        """Returns float32 numbers of mean 0 and standard deviation 1."""


def between(bounds: tuple[float, float], uniform):
    """Maps [0, 1) to the range between two bounds."""
    low, high = bounds
    return low + (high - low) * uniform


def between_logarithms(bounds: tuple[float, float], uniform):
    """Likewise, with equal shares for equal ratios."""
    low, high = bounds
    return ops.exp(between((math.log(low), math.log(high)), uniform))

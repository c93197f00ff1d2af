"""Smooth random functions of time.

With the same generator, a shorter time yields the start of a longer one.
"""

from collections.abc import Callable

import numpy as np

# Enough sines for a process not to repeat within a sequence.
_SINES = 7


def wander(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    band: tuple[float, float],
) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a random process of zero mean, unit variance, limited band.

    Args:
        rng: Generator of random numbers.
        shape: Shape of the values, which are independent of each other.
        band: Lowest and highest frequency, in cycles per unit of time.

    Returns:
        A function from times (T,) to values (T, *shape).
    """
    low, high = np.log(band)
    frequency = np.exp(rng.uniform(low, high, (*shape, _SINES)))
    phase = rng.uniform(0, 2 * np.pi, (*shape, _SINES))
    # Faster movements of people are smaller.
    weight = 1 / np.sqrt(frequency)
    weight *= np.sqrt(2) / np.linalg.norm(weight, axis=-1, keepdims=True)

    def process(time):
        angle = np.multiply.outer(2 * np.pi * time, frequency) + phase
        return np.sum(weight * np.sin(angle), axis=-1)

    return process


def visit(
    rng: np.random.Generator,
    time: np.ndarray,
    draw: Callable[[np.random.Generator], np.ndarray],
    hold: tuple[float, float],
    travel: tuple[float, float],
) -> np.ndarray:
    """Returns values that move smoothly from one random key to the next.

    Args:
        rng: Generator of keys and durations.
        time: (T,) increasing seconds from 0, which is at a random position
            between two keys.
        draw: Function that draws a key, (C,).
        hold: Shortest and longest stay at a key, in seconds.
        travel: Shortest and longest transition between keys, in seconds.

    Returns:
        (T, C).
    """
    moment = -rng.uniform(0, hold[1] + travel[1])
    key = draw(rng)
    values = np.tile(key, (len(time), 1))
    while moment < time[-1]:
        moment += rng.uniform(*hold)
        duration = rng.uniform(*travel)
        following = draw(rng)
        progress = ease((time - moment) / duration)
        values += progress[:, None] * (following - key)
        key = following
        moment += duration
    return values


def ease(progress: np.ndarray) -> np.ndarray:
    """Returns a minimum-jerk transition from 0 to 1, typical of hands.

    See [Flash and Hogan, 1985](
    https://doi.org/10.1523/JNEUROSCI.05-07-01688.1985). Progress is clipped to
    [0, 1].
    """
    u = np.clip(progress, 0, 1)
    return u**3 * (10 - 15 * u + 6 * u**2)

"""Smooth random functions of time.

A shorter time axis from the same generator gives the start of a longer one.
"""

from collections.abc import Callable

import numpy as np

# Enough sines that a process repeats nowhere in a sequence.
_SINES = 7


def wander(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    band: tuple[float, float],
) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a random process of zero mean, unit variance, limited band.

    Args:
        rng: Draws the process.
        shape: Of its values, which are independent of each other.
        band: Lowest and highest frequency, cycles per unit of time.

    Returns:
        A function from times (T,) to values (T, *shape).
    """
    low, high = np.log(band)
    frequency = np.exp(rng.uniform(low, high, (*shape, _SINES)))
    phase = rng.uniform(0, 2 * np.pi, (*shape, _SINES))
    # People's movements are the smaller the faster they are.
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
    """Returns values that go smoothly from one random key to the next.

    Args:
        rng: Draws keys and durations.
        time: (T,) seconds from 0, in order. It begins anywhere between two
            keys.
        draw: Draws a key, (C,).
        hold: Shortest and longest stay at a key, in seconds.
        travel: Shortest and longest way between two.

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
    """Returns the smooth way from 0 to 1 that hands take.

    It has the least jerk, see [Flash and Hogan, 1985](
    https://doi.org/10.1523/JNEUROSCI.05-07-01688.1985); before 0 and beyond
    1 it rests.
    """
    u = np.clip(progress, 0, 1)
    return u**3 * (10 - 15 * u + 6 * u**2)

"""Numbers of frames, and their rate, from the times that a video has."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ampose_tf.lifting import untrusted

# How far a frame may be from the time that its number says, in frames, so
# that a rate is taken for the one that is meant.
_NEAR = 0.25
# The file's rate is wrong if it has this many times more numbers than frames.
_SPARSE = 4
# Frames that are too near to the one before, as a share of all.
_CROWDED = 0.01
# Quantiles of the intervals between frames. The shortest that is meant is at
# one of them: the longer ones are those after frames that are missing.
_QUANTILES = (0.5, 0.25, 0.1, 0.02)


class Numbering(NamedTuple):
    """Numbers of a video's frames.

    Attributes:
        numbers: (N,) int64, increasing.
        fps: Frames a second; None if it is not known.
        uneven: How many are more than half a frame from where their number
            says.
        worst: How far the farthest is from there, in frames.
    """

    numbers: np.ndarray
    fps: float | None
    uneven: int = 0
    worst: float = 0.0


class Counter:
    """Numbers frames one after the other by their times.

    Args:
        fps: Frames a second; None to count them.
    """

    def __init__(self, fps: float | None):
        self._fps = fps
        self._last = -1

    def __call__(self, time: float) -> int:
        """Returns a frame's number, which is larger than the one before.

        Args:
            time: In seconds; NaN where it is not known.
        """
        self._last += 1
        if self._fps is not None and not math.isnan(time):
            self._last = max(self._last, round(time * self._fps))
        return self._last


def number(times: Sequence[float], rates: Sequence[float]) -> Numbering:
    """Numbers frames so that number / fps is a frame's time.

    Args:
        times: (N,) seconds, NaN where it is not known.
        rates: Frames a second that the file says, which may be a mean or
            wrong.
    """
    times = np.asarray(times, np.float64)
    fps = _rate(times, [_exact(rate) for rate in rates if _is_possible(rate)])
    count = Counter(fps)
    numbers = np.array([count(time) for time in times.tolist()], np.int64)
    if fps is None:
        return Numbering(numbers, fps)
    off = np.nan_to_num(np.abs(times * fps - numbers))
    return Numbering(
        numbers,
        fps,
        int((off > 0.5 + 1e-6).sum()),
        float(off.max(initial=0)),
    )


def _rate(times, rates):
    """Returns the rate that is meant, or None."""
    times = times[np.isfinite(times)]
    steps = np.diff(times)
    # Times may run backwards in a damaged file.
    rising = steps[steps > 0]
    if not len(rising):
        return rates[0] if rates else None
    for rate in rates:
        numbers = np.rint(times * rate)
        off = np.abs(times * rate - numbers)
        if (
            off.max() <= _NEAR
            and (np.diff(numbers) > 0).all()
            and numbers[-1] - numbers[0] < _SPARSE * len(times)
        ):
            return rate
    # By the longest interval of which most others are multiples. All of them
    # together tell it better, unless the rate itself changes.
    for step in np.quantile(rising, _QUANTILES):
        together = np.rint(rising / step).sum() / rising.sum()
        for rate in (together, 1 / step):
            rate = _exact(rate) if _is_possible(rate) else untrusted.MAX_FPS
            numbers = np.rint(times * rate)
            if (np.diff(numbers) < 1).mean() <= _CROWDED:
                return rate
    return rate


def _is_possible(rate):
    return untrusted.MIN_FPS <= rate <= untrusted.MAX_FPS


def _exact(rate):
    """Returns the rate that is meant by one that was rounded."""
    for whole in (round(rate), round(rate * 1.001) / 1.001):
        if abs(rate - whole) < 2e-4 * rate:
            return float(whole)
    return float(rate)

"""Computes frame numbers and the frame rate from a video's times."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ampose_tf.lifting import untrusted

# The largest distance of a frame's time from that of its number, in frames,
# for a rate to be accepted.
_NEAR = 0.25
# The file's rate is wrong if there are this many times more numbers than
# frames.
_SPARSE = 4
# The largest share of frames that are too close to the frame before.
_CROWDED = 0.01
# Quantiles of the intervals between frames. The nominal interval is at one of
# them; longer intervals follow missing frames.
_QUANTILES = (0.5, 0.25, 0.1, 0.02)


class Numbering(NamedTuple):
    """Numbers of a video's frames.

    Attributes:
        numbers: (N,) int64, increasing.
        fps: Frames per second; None if unknown.
        uneven: Number of frames whose time is more than half a frame from
            number / fps.
        worst: Largest such distance, in frames.
    """

    numbers: np.ndarray
    fps: float | None
    uneven: int = 0
    worst: float = 0.0


class Counter:
    """Numbers consecutive frames by their times.

    Args:
        fps: Frames per second; None to count frames.
    """

    def __init__(self, fps: float | None):
        self._fps = fps
        self._last = -1

    def __call__(self, time: float) -> int:
        """Returns a frame's number, which is larger than the one before.

        Args:
            time: Time in seconds; NaN if unknown.
        """
        self._last += 1
        if self._fps is not None and not math.isnan(time):
            self._last = max(self._last, round(time * self._fps))
        return self._last


def number(times: Sequence[float], rates: Sequence[float]) -> Numbering:
    """Numbers frames so that number / fps is a frame's time.

    Args:
        times: (N,) seconds, NaN where unknown.
        rates: Frames per second according to the file, which may be means or
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
    """Returns the nominal rate, or None."""
    times = times[np.isfinite(times)]
    steps = np.diff(times)
    # Times may decrease in a damaged file.
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
    # Use the longest interval of which most others are multiples. The mean
    # over all intervals is more precise, unless the rate changes.
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
    """Returns the exact rate for one that was rounded."""
    for whole in (round(rate), round(rate * 1.001) / 1.001):
        if abs(rate - whole) < 2e-4 * rate:
            return float(whole)
    return float(rate)

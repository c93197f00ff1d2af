"""Intervals of means over poses that depend on each other.

Frames of a clip resemble their neighbours, and cameras and people at one
instant share what happens at it. So instants are resampled, not poses: blocks
of neighbouring instants are drawn with replacement until there are as many as
before, each with the poses of all its cameras and people (circular block
bootstrap). A block lasts a second, or a quarter of the clip if that is less.
Cameras, people and rooms are not resampled: an interval says how far the mean
depends on the moments that were filmed, not how it is elsewhere.
"""

import numpy as np

_DRAWS = 2000
_FEWEST = 8
_ENDS = (2.5, 97.5)


class Blocks:
    """Resamples of a clip's instants.

    Args:
        frames: (N,) int, when each of N poses is.
        fps: Frames per second.
        seed: Of what is drawn.
    """

    def __init__(self, frames: np.ndarray, fps: float, seed: int = 0):
        instants, self._instant = np.unique(frames, return_inverse=True)
        count = self._count = len(instants)
        if count < _FEWEST:
            return
        second = fps / np.median(np.diff(instants))
        length = self.length = max(1, min(round(second), count // 4))
        random = np.random.default_rng(seed)
        starts = random.integers(count, size=(_DRAWS, -(-count // length)))
        drawn = (starts[..., None] + np.arange(length)) % count
        drawn = drawn.reshape(_DRAWS, -1)[:, :count]
        # How often each instant is in each resample.
        self._times = np.stack(
            [np.bincount(draw, minlength=count) for draw in drawn]
        ).astype(np.float64)

    def interval(self, values: np.ndarray) -> list[float] | None:
        """Returns the 95 % interval of the mean, None of too few instants.

        Args:
            values: (N,) or (N, K); NaN does not count.
        """
        return self._ends(lambda: self._means(values))

    def ratio_interval(self, values, base) -> list[float] | None:
        """Returns the 95 % interval of the ratio of two means.

        Both are of the same poses, (N,) or (N, K).
        """
        return self._ends(lambda: self._means(values) / self._means(base))

    def _ends(self, draws):
        if self._count < _FEWEST:
            return None
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn = draws()
        drawn = drawn[np.isfinite(drawn)]
        return np.percentile(drawn, _ENDS).tolist() if len(drawn) else None

    def _means(self, values):
        values = values.reshape(len(values), -1)
        there = np.isfinite(values)
        sums = np.bincount(
            self._instant, np.where(there, values, 0).sum(axis=1), self._count
        )
        counts = np.bincount(self._instant, there.sum(axis=1), self._count)
        return (self._times @ sums) / (self._times @ counts)

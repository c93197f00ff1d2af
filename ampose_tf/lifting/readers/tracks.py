"""Who is who over time, for detectors that do not say."""

import numpy as np
from scipy.optimize import linear_sum_assignment

# Frames that a person may be missing and still be the same one.
MAX_GAP = 10
# How far somebody's joints may move from one frame to the next, in diagonals
# of the person's own bounding box; somebody running covers about 0.1 of it
# in a 25th of a second. Every frame of a gap adds to it.
REACH = 0.5
_REACH_OF_GAP = 0.05

# Stands for "never" where the assignment wants a finite number.
_FAR = 1e9


class Tracker:
    """Gives people ids, frame by frame, by the distance of their joints.

    In each frame the people are assigned to those of the last frames so that
    the sum of distances is least. A distance is the mean over the joints that
    were seen both times, weighted by their scores, relative to the person's
    size. Whoever is farther than `REACH` from everybody is new; whoever has
    been missing for more than `MAX_GAP` frames is forgotten.
    """

    def __init__(self):
        self._count = 0
        self._ids = np.empty(0, np.int64)
        self._last = np.empty(0, np.int64)
        self._pixels = self._scores = self._sizes = None

    def step(
        self,
        frame: int,
        pixels: np.ndarray,
        scores: np.ndarray,
        stride: int = 1,
    ) -> np.ndarray:
        """Returns the ids of the people of the next frame.

        Args:
            frame: Its number, larger than that of the last step.
            pixels: (P, S, 2).
            scores: (P, S), 0 for joints that were not seen.
            stride: By how much the numbers of two frames differ that follow
                each other, as far as is known.

        Returns:
            (P,) int64, ids that count from 0 in order of appearance.
        """
        gaps = (frame - self._last) // stride - 1
        recent = gaps <= MAX_GAP
        if not recent.all():
            self._keep(recent)
        ids = np.full(len(pixels), -1, np.int64)
        if not len(pixels):
            return ids
        sizes = _sizes(pixels, scores)
        matched = np.empty(0, np.int64)
        if len(self._ids):
            rows, columns = self._assign(gaps[recent], pixels, scores, sizes)
            ids[columns] = self._ids[rows]
            matched = rows
        new = ids < 0
        ids[new] = np.arange(self._count, self._count + new.sum())
        self._count += int(new.sum())
        self._remember(frame, ids, pixels, scores, sizes, matched)
        return ids

    def _assign(self, gaps, pixels, scores, sizes):
        """Returns indices of remembered people and of those they are now."""
        apart = self._pixels[:, None] - pixels[None]  # (A, P, S, 2)
        weights = self._scores[:, None] * scores[None]  # (A, P, S)
        total = weights.sum(axis=2)
        distances = np.hypot(apart[..., 0], apart[..., 1])
        distances = (distances * weights).sum(axis=2)
        size = np.maximum(np.maximum(self._sizes[:, None], sizes[None]), 1)
        # Nobody is the same person by no common joint.
        cost = np.full(total.shape, _FAR)
        np.divide(distances, total * size, out=cost, where=total > 0)
        reach = REACH + _REACH_OF_GAP * np.maximum(gaps, 0)[:, None]
        cost[cost > reach] = _FAR
        if cost.size == 1:
            rows = columns = np.zeros(1, np.int64)
        else:
            rows, columns = linear_sum_assignment(cost)
        near = cost[rows, columns] < _FAR
        return rows[near], columns[near]

    def _keep(self, kept):
        self._ids, self._last = self._ids[kept], self._last[kept]
        if self._pixels is not None:
            self._pixels = self._pixels[kept]
            self._scores = self._scores[kept]
            self._sizes = self._sizes[kept]

    def _remember(self, frame, ids, pixels, scores, sizes, matched):
        if len(matched) == len(self._ids):
            self._ids, self._pixels, self._scores = ids, pixels, scores
            self._sizes = sizes
            self._last = np.full(len(ids), frame)
            return
        kept = np.ones(len(self._ids), bool)
        kept[matched] = False
        self._keep(kept)
        self._ids = np.concatenate([self._ids, ids])
        self._pixels = np.concatenate([self._pixels, pixels])
        self._scores = np.concatenate([self._scores, scores])
        self._sizes = np.concatenate([self._sizes, sizes])
        self._last = np.concatenate([self._last, np.full(len(ids), frame)])


def associate(
    frames: np.ndarray, pixels: np.ndarray, scores: np.ndarray
) -> np.ndarray:
    """Gives ids to all people of a clip.

    A gap counts in steps of the clip: where only every fifth frame has a
    number, five frames are one step.

    Args:
        frames: (D,) int, of each person, not decreasing.
        pixels: (D, S, 2).
        scores: (D, S).

    Returns:
        (D,) int64, see `Tracker.step`.
    """
    numbers, starts = np.unique(frames, return_index=True)
    step = int(np.diff(numbers).min()) if len(numbers) > 1 else 1
    tracker = Tracker()
    ends = [*starts[1:], len(frames)]
    ids = [
        tracker.step(int(number), pixels[start:end], scores[start:end], step)
        for number, start, end in zip(numbers, starts, ends, strict=True)
    ]
    return np.concatenate(ids)


def _sizes(pixels, scores):
    """Returns the diagonal of everybody's bounding box, (P,) pixels."""
    seen = (scores > 0)[..., None]
    low = np.where(seen, pixels, np.inf).min(axis=1)
    high = np.where(seen, pixels, -np.inf).max(axis=1)
    return np.hypot(*np.maximum(high - low, 0).T)

"""Who is who over time, for detectors that do not say."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from ampose_tf.lifting.keypoints import diagonals

# Frames that a person may be missing and still be the same one.
MAX_GAP = 10
# How far somebody's joints may move from one frame to the next, in diagonals
# of the person's own bounding box; somebody running covers about 0.1 of it
# in a 25th of a second. Every frame of a gap adds to it.
REACH = 0.5
_REACH_OF_GAP = 0.05

# Stands for "never" where the assignment wants a finite number.
_FAR = 1e9


class _People(NamedTuple):
    """People as they were last seen.

    Attributes:
        ids: (A,) int64.
        frames: (A,) int64, the last frame that each was in.
        pixels: (A, S, 2).
        scores: (A, S).
        sizes: (A,) pixels, see `keypoints.diagonals`.
    """

    ids: np.ndarray
    frames: np.ndarray
    pixels: np.ndarray
    scores: np.ndarray
    sizes: np.ndarray

    def chosen(self, rows: np.ndarray) -> "_People":
        """Returns some of them, by (A,) bool."""
        return _People(*(array[rows] for array in self))

    def joined(self, others: "_People") -> "_People":
        """Returns them and others after them."""
        return _People(*map(np.concatenate, zip(self, others, strict=True)))


_NO_PEOPLE = _People(
    ids=np.empty(0, np.int64),
    frames=np.empty(0, np.int64),
    pixels=np.empty((0, 0, 2)),
    scores=np.empty((0, 0)),
    sizes=np.empty(0),
)


class Tracker:
    """Gives people ids, frame by frame, by the distance of their joints.

    In each frame the people are assigned to those of the last frames so that
    the sum of distances is least. A distance is the mean over the joints that
    were seen both times, weighted by their scores, relative to the person's
    size. A person farther than `REACH` from all others is new; one who has
    been missing for more than `MAX_GAP` frames is forgotten.
    """

    def __init__(self):
        self._count = 0
        self._known = _NO_PEOPLE

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
        gaps = (frame - self._known.frames) // stride - 1
        recent = gaps <= MAX_GAP
        if not recent.all():
            self._known, gaps = self._known.chosen(recent), gaps[recent]
        ids = np.full(len(pixels), -1, np.int64)
        if not len(pixels):
            return ids
        people = _People(
            ids=ids,
            frames=np.full(len(ids), frame),
            pixels=pixels,
            scores=scores,
            sizes=diagonals(pixels, scores > 0),
        )
        missing = np.ones(len(gaps), bool)
        if len(missing):
            rows, columns = _assign(self._known, people, gaps)
            ids[columns] = self._known.ids[rows]
            missing[rows] = False
        new = ids < 0
        ids[new] = np.arange(self._count, self._count + new.sum())
        self._count += int(new.sum())
        if missing.any():
            people = self._known.chosen(missing).joined(people)
        self._known = people
        return ids


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


def _assign(known, people, gaps):
    """Returns indices of known people and of those they are now."""
    apart = known.pixels[:, None] - people.pixels[None]  # (A, P, S, 2)
    weights = known.scores[:, None] * people.scores[None]  # (A, P, S)
    total = weights.sum(axis=2)
    distances = np.hypot(apart[..., 0], apart[..., 1])
    distances = (distances * weights).sum(axis=2)
    size = np.maximum(np.maximum(known.sizes[:, None], people.sizes[None]), 1)
    # Without a joint in common, nothing says that two are the same person.
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

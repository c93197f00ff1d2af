"""Tracks people over time, for detectors that write no ids."""

from typing import NamedTuple

import numpy as np

from ampose_tf.lifting.keypoints import diagonals

# A person who is missing for at most this number of frames keeps the id.
MAX_GAP = 10
# How far a person's joints may move from one frame to the next, in diagonals
# of the person's bounding box; a runner covers about 0.1 in a 25th of a
# second. Every frame of a gap adds `_REACH_OF_GAP`.
REACH = 0.5
_REACH_OF_GAP = 0.05

# Cost of an impossible assignment, which must be finite.
_FAR = 1e9

# Pairs of people who are compared at once.
_PAIRS = 8192


class _People(NamedTuple):
    """People as they were last seen; for N frames together, (N, A, ...).

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
        """Returns some of them, by index or (A,) bool."""
        return _People(*(array[rows] for array in self))

    def joined(self, others: "_People") -> "_People":
        """Returns these people, followed by others."""
        return _People(*map(np.concatenate, zip(self, others, strict=True)))


_NO_PEOPLE = _People(
    ids=np.empty(0, np.int64),
    frames=np.empty(0, np.int64),
    pixels=np.empty((0, 0, 2)),
    scores=np.empty((0, 0)),
    sizes=np.empty(0),
)


class Tracker:
    """Assigns ids to people, frame by frame, by the distance of their joints.

    The people in each frame are matched with those of the last frames such
    that the sum of distances is minimal. A distance is the mean over the
    joints that were seen both times, weighted by their scores, relative to
    the person's size. A person farther than `REACH` from all others is new; a
    person missing for more than `MAX_GAP` frames is forgotten.
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
        """Returns the ids of the people in the next frame.

        Args:
            frame: Frame number, larger than that of the last step.
            pixels: (P, S, 2).
            scores: (P, S), 0 for joints that were not seen.
            stride: Difference between the numbers of consecutive frames, as
                far as it is known.

        Returns:
            (P,) int64, ids counted from 0 in order of appearance.
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

    def remembers(self, count: int) -> bool:
        """Returns whether the tracker remembers this number of people."""
        return len(self._known.ids) == count

    def resume(self, people: _People) -> None:
        """Replaces the remembered people; their ids are this tracker's."""
        self._known = people


def associate(
    frames: np.ndarray, pixels: np.ndarray, scores: np.ndarray
) -> np.ndarray:
    """Assigns ids to all people in a clip.

    Gaps are counted in steps of the clip: if every fifth frame has a number,
    five frames are one step.

    Args:
        frames: (D,) int, the frame of each person, not decreasing.
        pixels: (D, S, 2).
        scores: (D, S).

    Returns:
        (D,) int64, see `Tracker.step`.
    """
    numbers, starts = np.unique(frames, return_index=True)
    stride = int(np.diff(numbers).min()) if len(numbers) > 1 else 1
    sizes = diagonals(pixels, scores > 0)
    ids = np.empty(len(frames), np.int64)
    people = _People(ids, frames, pixels, scores, sizes)
    before = _obvious(people, numbers, starts, stride)
    # The tracker handles the few frames that are not obvious.
    tracker = Tracker()
    knows_all = False  # It remembers the last frame's people and no others.
    unknown = None  # The last frame, if the tracker has not handled it.
    ends = [*starts[1:].tolist(), len(frames)]
    for number, start, end in zip(
        numbers.tolist(), starts.tolist(), ends, strict=True
    ):
        now = slice(start, end)
        if knows_all and before[start] >= 0:
            ids[now] = ids[before[now]]
            unknown = now
            continue
        if unknown is not None:
            tracker.resume(people.chosen(unknown))
            unknown = None
        ids[now] = tracker.step(number, pixels[now], scores[now], stride)
        knows_all = tracker.remembers(end - start)
    return ids


def _obvious(people, numbers, starts, stride):
    """Matches people where the match is obvious, for all frames at once.

    If two frames contain the same number of people and the nearest people
    within reach form a one-to-one match, no other assignment has a lower sum
    of distances.

    Args:
        people: (D,), frame by frame.
        numbers: (T,), frame numbers.
        starts: (T,), the row at which each frame starts.
        stride: See `Tracker.step`.

    Returns:
        (D,) int64, the row of the same person in the frame before; -1 for all
        people in a frame whose match is not obvious.
    """
    before = np.full(len(people.ids), -1)
    counts = np.diff(starts, append=len(people.ids))
    gaps = np.diff(numbers) // stride - 1
    alike = (counts[1:] == counts[:-1]) & (gaps <= MAX_GAP)
    for count in np.unique(counts[1:][alike]):
        order = np.arange(count)
        frames = np.flatnonzero(alike & (counts[1:] == count))
        parts = min(len(frames), -(-len(frames) * count**2 // _PAIRS))
        for part in np.array_split(frames, parts):
            known = starts[part, None] + order  # (N, P)
            now = starts[part + 1, None] + order
            cost = _costs(
                people.chosen(known), people.chosen(now), gaps[part, None]
            )  # (N, P, P)
            nearest = cost.argmin(axis=1)
            sure = (np.sort(nearest, axis=1) == order).all(axis=1)
            sure &= (cost.min(axis=1) < _FAR).all(axis=1)
            rows = np.take_along_axis(known, nearest, axis=1)
            before[now[sure]] = rows[sure]
    return before


def _assign(known, people, gaps):
    """Returns indices of known people, and of the people they match."""
    cost = _costs(known, people, gaps)
    if 1 in cost.shape:
        rows, columns = np.unravel_index([cost.argmin()], cost.shape)
    else:
        # Its import takes half a second, and one person does not need it.
        from scipy.optimize import linear_sum_assignment

        rows, columns = linear_sum_assignment(cost)
    near = cost[rows, columns] < _FAR
    return rows[near], columns[near]


def _costs(known, people, gaps):
    """Returns the distances (A, P) of known people (A,) from others (P,).

    `_FAR` if out of reach; for N frames together, (N, A, P).
    """
    pixels, scores = known.pixels[..., :, None, :, :], known.scores
    apart = pixels - people.pixels[..., None, :, :, :]  # (A, P, S, 2)
    weights = scores[..., :, None, :] * people.scores[..., None, :, :]
    total = weights.sum(axis=-1)
    distances = np.hypot(apart[..., 0], apart[..., 1])
    distances = (distances * weights).sum(axis=-1)
    size = np.maximum(known.sizes[..., :, None], people.sizes[..., None, :])
    # Without a common joint, two people cannot be the same person.
    cost = np.full(total.shape, _FAR)
    np.divide(
        distances, total * np.maximum(size, 1), out=cost, where=total > 0
    )
    reach = REACH + _REACH_OF_GAP * np.maximum(gaps, 0)[..., None]
    cost[cost > reach] = _FAR
    return cost

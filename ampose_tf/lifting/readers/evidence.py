"""Decides whether a list of bodies is one person over time or one frame."""

import collections

import numpy as np

from ampose_tf.lifting.keypoints import diagonals
from ampose_tf.lifting.readers.records import Account, Detection
from ampose_tf.lifting.untrusted import MAX_PEOPLE

FRAMES, PEOPLE = "list", "people"

# Distances between two bodies, in diagonals of their box: a runner covers 0.1
# in a 25th of a second, and two people who stand shoulder to shoulder are 0.25
# apart.
_MOVED = 0.2
_APART = 0.25
# Least share of steps that are short in a film, which may have cuts.
_MOST = 0.9
# Up to this number, bodies in different places are more likely several people
# than one person who is filmed every few seconds.
_FEW = 6


def frames_of(
    bodies: list[Detection],
    named: str | None,
    are_people: bool,
    account: Account,
) -> list[int]:
    """Returns the frame of each body.

    Args:
        bodies: Bodies in the order of the file, which has no frame numbers.
        named: `FRAMES` or `PEOPLE` as given by the user; None to decide by
            repeated ids, by the number of bodies, and by the distances
            between them.
        are_people: Whether the tool writes lists of people rather than of
            frames.
        account: Account of the file; the decision is noted.

    Raises:
        ValueError: If it cannot be decided.
    """
    count = len(bodies)
    if count < 2:
        return [0] * count
    ids = [body.track_id for body in bodies]
    come_back = None not in ids and len(set(ids)) < count
    told, why = named, "--frames is set"
    if named is None:
        told, why = _told(bodies, ids, come_back, are_people)
    if told is None:
        raise ValueError(
            f"a list of {count} bodies may be frames of one person or people "
            "in one frame; set --frames=list or --frames=people (in Python, "
            "frames)"
        )
    if told == PEOPLE:
        account.note(
            f"The {count} bodies in a list are read as people in one frame, "
            f"because {why}; --frames=list reads them as frames."
        )
        return [0] * count
    account.note(
        f"The {count} bodies in a list are read as frames, because {why}; "
        "--frames=people reads them as people in one frame."
    )
    if not come_back:
        return list(range(count))
    seen = collections.Counter()
    frames = []
    for own in ids:
        frames.append(seen[own])
        seen[own] += 1
    return frames


def _told(bodies, ids, come_back, are_people):
    """Returns `FRAMES`, `PEOPLE` or None, and the reason."""
    if come_back:
        return FRAMES, "ids of people are repeated"
    if len(bodies) > MAX_PEOPLE:
        return FRAMES, "there are too many for one frame"
    counts = {len(body.points) for body in bodies}
    if len(counts) > 1:
        return None, ""
    points = np.stack([body.points for body in bodies])
    placed = ~np.isnan(points).any(axis=2) & (points != 0).any(axis=2)
    placed &= (points != -1).any(axis=2)
    there = placed.any(axis=1)
    points, placed = np.nan_to_num(points[there]), placed[there]
    if len(points) < 2:
        return FRAMES, "at most one has joints"
    number = placed.sum(axis=1)[:, None]
    middle = (points * placed[..., None]).sum(axis=1) / number
    size = np.maximum(diagonals(points, placed), 1e-9)
    with np.errstate(over="ignore"):  # Too large values are rejected later.
        apart = np.linalg.norm(middle[:, None] - middle[None], axis=2)
        apart /= np.maximum(size[:, None], size[None])
    if np.mean(np.diagonal(apart, 1) < _MOVED) >= _MOST:
        return FRAMES, "each is near the one before"
    apart[np.diag_indices(len(apart))] = np.inf
    if apart.min() > _APART and (are_people or len(points) <= _FEW):
        return PEOPLE, "they are in different places"
    if None not in ids:
        return PEOPLE, "each has its own id"
    return None, ""

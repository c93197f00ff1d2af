"""Whether bodies in a list are frames of one person or people of one frame."""

import collections

import numpy as np

from ampose_tf.lifting.keypoints import diagonals
from ampose_tf.lifting.readers.records import Account, Detection
from ampose_tf.lifting.untrusted import MAX_PEOPLE

FRAMES, PEOPLE = "list", "people"

# How far a body is from the next one, in diagonals of its box: who runs goes
# 0.1 in a 25th of a second, and who stands shoulder to shoulder with another
# one is 0.25 away.
_MOVED = 0.2
_APART = 0.25
# Of the steps, that are short in a film: it may have cuts.
_MOST = 0.9
# Bodies in different places, which are more likely people than frames of one
# person who is filmed every few seconds.
_FEW = 6


def frames_of(
    bodies: list[Detection],
    named: str | None,
    are_people: bool,
    account: Account,
) -> list[int]:
    """Returns the frame that each body is in.

    Args:
        bodies: In the order of the file, which does not say their frames.
        named: `FRAMES` or `PEOPLE`, what the user says they are; None to tell
            it by ids that come back, by their number, and by how far they are
            from each other.
        are_people: Whether the tool writes lists of people rather than of
            frames.
        account: Account of the file; told of the decision.

    Raises:
        ValueError: If nothing tells.
    """
    count = len(bodies)
    if count < 2:
        return [0] * count
    ids = [body.track_id for body in bodies]
    come_back = None not in ids and len(set(ids)) < count
    told, why = named, "--frames says so"
    if named is None:
        told, why = _told(bodies, ids, come_back, are_people)
    if told is None:
        raise ValueError(
            f"{count} bodies in a list: frames of one person, or people of "
            "one frame? Nothing tells; say --frames=list or --frames=people, "
            "in Python frames"
        )
    if told == PEOPLE:
        account.note(
            f"The {count} bodies in a list are read as people of one frame, "
            f"since {why}; --frames=list reads them as frames."
        )
        return [0] * count
    account.note(
        f"The {count} bodies in a list are read as frames, since {why}; "
        "--frames=people reads them as people of one frame."
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
    """Returns what the bodies are, or None, and why."""
    if come_back:
        return FRAMES, "ids of people come back"
    if len(bodies) > MAX_PEOPLE:
        return FRAMES, "there are so many"
    counts = {len(body.points) for body in bodies}
    if len(counts) > 1:
        return None, ""
    points = np.stack([body.points for body in bodies])
    placed = ~np.isnan(points).any(axis=2) & (points != 0).any(axis=2)
    placed &= (points != -1).any(axis=2)
    there = placed.any(axis=1)
    points, placed = np.nan_to_num(points[there]), placed[there]
    if len(points) < 2:
        return FRAMES, "one of them is a body"
    number = placed.sum(axis=1)[:, None]
    middle = (points * placed[..., None]).sum(axis=1) / number
    size = np.maximum(diagonals(points, placed), 1e-9)
    with np.errstate(over="ignore"):  # What is too large is refused later.
        apart = np.linalg.norm(middle[:, None] - middle[None], axis=2)
        apart /= np.maximum(size[:, None], size[None])
    if np.mean(np.diagonal(apart, 1) < _MOVED) >= _MOST:
        return FRAMES, "each is where the one before was"
    apart[np.diag_indices(len(apart))] = np.inf
    if apart.min() > _APART and (are_people or len(points) <= _FEW):
        return PEOPLE, "they are in different places"
    if None not in ids:
        return PEOPLE, "each has an id of their own"
    return None, ""

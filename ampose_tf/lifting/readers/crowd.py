"""Filters the people in each frame: low scores, duplicates, useless ids."""

import numpy as np

from ampose_tf.lifting.keypoints import diagonals, similarity
from ampose_tf.lifting.readers.records import Account, Batch, chosen

# Two bodies in a frame with a larger similarity are one person found twice:
# their joints are 5 % of the person's diagonal apart.
DUPLICATE = 0.8
# Pairs of people that are compared at once.
_PAIRS = 100_000
# AlphaPose adds the mean joint score, the box's score and 1.25 times the
# largest joint score (its pPose_nms.py).
_ALPHAPOSE = 3.25


def numbered(ids: list[int | str | None]) -> np.ndarray:
    """Returns ids as numbers, -1 for None.

    If some are names, all are numbered in order of appearance.
    """
    if not any(isinstance(own, str) for own in ids):
        return np.array([-1 if own is None else own for own in ids], np.int64)
    places = {None: -1}
    for own in ids:
        if own is not None:
            places.setdefault(str(own), len(places) - 1)
    return np.array(
        [places[None if own is None else str(own)] for own in ids], np.int64
    )


def surer(
    batch: Batch, least: float, account: Account, surest: float = 0.0
) -> np.ndarray:
    """Returns (D,) bool: which people reach a score.

    If no person has reached it so far, all are kept.

    Args:
        batch: At least one person.
        least: Least score, from 0 to 1. Scores above 1 are scaled: AlphaPose's
            by their largest possible value, others as percent.
        account: Account of the file; the number of people left out is noted.
        surest: Largest score in earlier frames of a stream.
    """
    scores = batch.person_scores
    known = np.isfinite(scores)
    if not known.any() or least <= 0:
        return np.ones(len(scores), bool)
    surest = max(surest, scores[known].max())
    if 1 < surest <= 100:
        scale = _ALPHAPOSE if surest <= 2 * _ALPHAPOSE else 100
        scores, surest = scores / scale, surest / scale
    kept = ~known | (scores >= least)
    count = int((~kept).sum())
    if count == len(kept) and surest < least:
        account.note(
            f"All people have scores below {least:g}; they are kept "
            "nevertheless."
        )
        return ~kept
    if count:
        account.note(
            f"{count} of {len(kept)} detections of people are left out: "
            f"their scores are below {least:g}; --person_score sets the "
            "threshold."
        )
    return kept


def merged(batch: Batch, account: Account) -> Batch:
    """Merges detections of the same person in a frame, see `similarity`.

    The detection whose id occurs in more frames is kept, then the one with
    the higher score. Joints that it lacks are copied from the other one.
    """
    seen = batch.scores > 0
    pairs = _near(batch, seen)
    if not len(pairs):
        return batch
    parts = np.array_split(pairs, -(-len(pairs) // _PAIRS))
    likeness = np.concatenate(
        [
            similarity(
                batch.points[one], seen[one], batch.points[two], seen[two]
            )
            for one, two in (part.T for part in parts)
        ]
    )
    common = (seen[pairs[:, 0]] & seen[pairs[:, 1]]).sum(axis=1)
    least = np.minimum(seen[pairs].sum(axis=2).min(axis=1), 3)
    pairs = pairs[(likeness > DUPLICATE) & (common >= least)]
    if not len(pairs):
        return batch
    ids, inverse, counts = np.unique(
        batch.track_ids, return_inverse=True, return_counts=True
    )
    frames = np.where(ids[inverse] < 0, 0, counts[inverse])
    scores = np.nan_to_num(batch.person_scores)
    rank = np.lexsort((batch.scores.sum(axis=1), scores, frames))
    place = np.empty(len(rank), np.int64)
    place[rank] = np.arange(len(rank))
    points, joint_scores = batch.points.copy(), batch.scores.copy()
    gone = np.zeros(len(rank), bool)
    # The best first, so that the best of three is kept.
    order = np.argsort(-place[pairs].max(axis=1), kind="stable")
    for one, two in pairs[order].tolist():
        if gone[one] or gone[two]:
            continue
        kept, other = (one, two) if place[one] > place[two] else (two, one)
        gone[other] = True
        missing = joint_scores[kept] <= 0
        points[kept, missing] = points[other, missing]
        joint_scores[kept, missing] = joint_scores[other, missing]
    account.note(
        f"{int(gone.sum())} of {len(gone)} detections are duplicates of "
        "people in the same frame, and are merged with them."
    )
    return chosen(batch._replace(points=points, scores=joint_scores), ~gone)


def _near(batch, seen):
    """Returns (M, 2), pairs of people in a frame with centres close by."""
    _, starts, counts = np.unique(
        batch.frames, return_index=True, return_counts=True
    )
    if counts.max() < 2:
        return np.empty((0, 2), np.int64)
    number = np.maximum(seen.sum(axis=1), 1)[:, None]
    middle = (batch.points * seen[..., None]).sum(axis=1) / number
    size = diagonals(batch.points, seen)
    found = []
    for count in np.unique(counts[counts > 1]).tolist():
        first, second = np.triu_indices(count, 1)
        frames = starts[counts == count]
        parts = -(-len(frames) * len(first) // _PAIRS)
        for part in np.array_split(frames, min(parts, len(frames))):
            one = (part[:, None] + first).ravel()
            two = (part[:, None] + second).ravel()
            apart = np.linalg.norm(middle[one] - middle[two], axis=1)
            near = apart < 0.5 * np.maximum(size[one], size[two])
            found.append(np.stack([one[near], two[near]], axis=1))
    return np.concatenate(found)


def useful(batch: Batch, account: Account) -> np.ndarray:
    """Returns (D,) ids, all -1 if the file's are useless.

    AlphaPose writes the id 0 for all people if it has not tracked them, and
    ids of annotations are never repeated.
    """
    ids = batch.track_ids
    known = ids >= 0
    none = np.full(len(ids), -1)
    if not known.any():
        return ids
    rows = np.stack([batch.frames[known], ids[known]], axis=1)
    places, counts = np.unique(rows, axis=0, return_counts=True)
    several = int(counts.max())
    if several > 1:
        frame, own = places[counts.argmax()].tolist()
        if len(np.unique(ids[known])) > 1:
            account.note(
                f"The ids of people are not used: {own} occurs {several} "
                f"times in frame {frame}. People are tracked by position."
            )
        return none
    frames = len(np.unique(batch.frames))
    people = len(np.unique(ids[known]))
    if frames > 1 and people == known.sum() and people > 1:
        account.note(
            "The ids of people are not used: each occurs only once. People "
            "are tracked by position."
        )
        return none
    return ids

"""Whether frames are missing: by their numbers, and by how people move."""

import numpy as np

from ampose_tf.lifting.doctor.findings import POSSIBLE, ExaminedPerson, Finding

# A step is a jump that is this many times as long as those before and after
# it, and this long, in heights of the person. Chosen on training subjects;
# see benchmarks/doctor.py. The length that is added to those around it is
# about a detector's noise.
_JUMP_FACTOR = 1.5
_JUMP = 0.02
_NOISE = 0.005
# A joint goes no farther: it has been taken for another.
_FARTHEST = 1.0


def examine(
    people: tuple[ExaminedPerson, ...], frames: np.ndarray
) -> Finding | None:
    """Returns a finding where frames seem to be missing.

    Args:
        people: Those who are looked at, in any coordinates.
        frames: (F,) increasing, in which a joint of anybody is seen.
    """
    gaps = _gaps(frames)
    if gaps:
        number = sum(last - first + 1 for first, last in gaps)
        shown = ", ".join(
            f"{first}" if first == last else f"{first} to {last}"
            for first, last in gaps[:5]
        )
        return Finding(
            "missing_frames",
            f"nobody is seen in {number} "
            f"{'frame' if number == 1 else 'frames'}: {shown}"
            f"{', …' if len(gaps) > 5 else ''}; unless nobody was there, give "
            "all frames where speed matters",
            POSSIBLE,
        )
    jump = _jump(people)
    if jump is None:
        return None
    return Finding(
        "missing_frames",
        f"people jump from frame {jump} to the next: frames seem to have "
        "been left out there; keep all, or their numbers",
        POSSIBLE,
    )


def _gaps(frames):
    """Returns (first, last) of the frames that are missing in between.

    Where a film has been thinned evenly nothing is missing: its steps are
    alike, or of two neighbouring numbers that take turns.
    """
    steps = np.diff(frames)
    if not len(steps):
        return []
    usual = int(np.median(steps))
    allowed = usual
    longer = np.flatnonzero(steps == usual + 1)
    if usual > 1 or (len(longer) > 2 and np.ptp(np.diff(longer)) <= 1):
        allowed = usual + 1
    rows = np.flatnonzero(steps > allowed)
    return [
        (int(frames[row]) + usual, int(frames[row + 1]) - 1) for row in rows
    ]


def _jump(people):
    """Returns the frame after which people are suddenly elsewhere, or None.

    A frame that is left out is so for everybody: most of those who move
    there must jump.
    """
    votes = {}
    for person in people:
        frames, lengths = _steps(person)
        if len(lengths) < 3:
            continue
        around = np.maximum(lengths[:-2], lengths[2:])
        middle = lengths[1:-1]
        jumps = middle > _JUMP_FACTOR * (around + _NOISE)
        for frame, moves, jump in zip(
            frames[1:-2], middle > _JUMP, jumps, strict=True
        ):
            if moves:
                jumped, moving = votes.get(frame, (0, 0))
                votes[frame] = jumped + jump, moving + 1
    sudden = [
        f for f, (jumped, moving) in votes.items() if 2 * jumped > moving
    ]
    return int(min(sudden)) if sudden else None


def _steps(person):
    """Returns how far a person goes from each frame (F,) to the next (F-1,).

    A mean over the joints, in heights of the person and for each frame.
    """
    both = person.seen[1:] & person.seen[:-1]
    lengths = np.linalg.norm(np.diff(person.pixels, axis=0), axis=2)
    lengths = np.minimum(lengths / person.height, _FARTHEST)
    number = np.maximum(both.sum(axis=1), 1)
    lengths = np.sqrt(np.sum(lengths**2 * both, axis=1) / number)
    return person.frames, lengths / np.diff(person.frames)

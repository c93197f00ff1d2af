"""Whether frames are missing, or their rate is wrong: by how people move."""

import numpy as np

from ampose_tf.lifting.doctor import symptoms
from ampose_tf.lifting.doctor.findings import POSSIBLE, ExaminedPerson, Finding
from ampose_tf.lifting.motion import ASSUMED_FPS

# A step is a jump that is this many times as long as those before and after
# it, and this long, in heights of the person. Chosen on training subjects;
# see benchmarks/doctor.py. The length that is added to those around it is
# about a detector's noise.
_JUMP_FACTOR = 1.5
_JUMP = 0.02
_NOISE = 0.005
# Of people who move by less in a frame, the loss of five is not seen.
_MOVES = 0.004
# A joint goes no farther: it has been taken for another.
_FARTHEST = 1.0
# The rate fits to less than an octave, and does not from 1.25 on. By how much
# the latter must be likelier, in logarithms of probabilities, means over the
# people and stretches of the clip; people are fast only who go this many of
# their heights a second. Chosen on training subjects.
_FITS = 0.75
_FITS_NOT = 1.25
_FAST = 1.8
_SLOW = 1.3
_SPEED = 0.58
# What is only assumed may be wrong by more.
_ASSUMED = 1.0
_SPEED_FRAMES = 4
# Logarithm of the probability of what no octave stands for.
_NEVER = -20.0
_FEWEST_FRAMES = 8


def examine(
    people: tuple[ExaminedPerson, ...], frames: np.ndarray
) -> tuple[Finding | None, bool]:
    """Returns a finding if frames seem to be missing.

    Args:
        people: Those who are looked at, in any coordinates.
        frames: (F,) increasing, in which a joint of anybody is seen.

    Returns:
        The finding or None, and whether it would have been seen: people
        who stand still do not jump.
    """
    gaps = _gaps(frames)
    if gaps:
        number = sum(last - first + 1 for first, last in gaps)
        shown = ", ".join(
            f"{first}" if first == last else f"{first} to {last}"
            for first, last in gaps[:5]
        )
        finding = Finding(
            "missing_frames",
            f"no person is seen in {number} "
            f"{'frame' if number == 1 else 'frames'}: {shown}"
            f"{', …' if len(gaps) > 5 else ''}; unless no one was there, "
            "lift all frames, with their numbers",
            POSSIBLE,
        )
        return finding, True
    jump, moving = _jump(people)
    if jump is None:
        return None, moving
    finding = Finding(
        "missing_frames",
        f"people jump from frame {jump} to the next, as if frames were "
        "missing there; see that all are in the file and read, or their "
        "numbers",
        POSSIBLE,
    )
    return finding, True


def examine_rate(
    people: tuple[ExaminedPerson, ...], fps: float | None
) -> tuple[Finding | None, bool]:
    """Returns a finding if people move too fast or too slowly.

    Args:
        people: At least one, in any coordinates.
        fps: Frames a second; None if it is not known.

    Returns:
        The finding or None, and whether it would have been seen.
    """
    fast, slow, speeds = [], [], []
    rate = fps or ASSUMED_FPS
    for person in people:
        if len(person.frames) < _FEWEST_FRAMES:
            continue
        pixels, seen, step = person.windows()
        said = np.log2(30 * step / rate)
        said = np.clip(said, symptoms.OCTAVES[0] - 1, symptoms.OCTAVES[-1] + 1)
        likely = symptoms.paces(pixels, seen)
        longer = symptoms.OCTAVES - said
        fits = _together(likely[:, np.abs(longer) <= _FITS])
        # If more time lies between frames than is said, people are fast.
        least = _FITS_NOT + (_ASSUMED if fps is None else 0)
        fast.append(_together(likely[:, longer >= least]) - fits)
        slow.append(_together(likely[:, longer <= -_FITS_NOT]) - fits)
        ahead, behind = slice(_SPEED_FRAMES, None), slice(-_SPEED_FRAMES)
        both = seen[:, ahead] & seen[:, behind]
        gone = np.linalg.norm(pixels[:, ahead] - pixels[:, behind], axis=-1)
        gone = (gone * both).sum() / max(both.sum(), 1) / person.height
        speeds.append(gone * rate / step / _SPEED_FRAMES)
    if not fast:
        return None, False
    fast, slow = (
        float(np.clip(np.concatenate(o), -8, 8).mean()) for o in (fast, slow)
    )
    is_fast = fast > _FAST and np.median(speeds) > _SPEED
    # A rate that is only assumed may well be too low.
    is_slow = fps is not None and slow > _SLOW
    if not is_fast and not is_slow:
        return None, fps is not None and max(fast, slow) < 0
    said = f"at {rate:g} frames a second"
    if fps is None:
        said += ", which are assumed,"
    return (
        Finding(
            "frame_rate",
            f"{said} people move too {'fast' if is_fast else 'slowly'}; "
            "give the video's rate with --fps, and the frames' numbers if "
            "some were left out",
            POSSIBLE,
        ),
        True,
    )


def _together(likely):
    """Returns logarithms of sums of probabilities, at least `_NEVER`."""
    never = np.full((len(likely), 1), _NEVER)
    return np.logaddexp.reduce(np.hstack([likely, never]), axis=1)


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
    """Returns after which frame people are elsewhere, and whether any move.

    A frame that is left out is so for everybody: most of those who move
    there must jump.
    """
    votes, moving = {}, False
    for person in people:
        frames, lengths = _steps(person)
        if len(lengths) < 3:
            continue
        moving |= bool(np.median(lengths) > _MOVES)
        around = np.maximum(lengths[:-2], lengths[2:])
        middle = lengths[1:-1]
        jumps = middle > _JUMP_FACTOR * (around + _NOISE)
        for frame, long, jump in zip(
            frames[1:-2], middle > _JUMP, jumps, strict=True
        ):
            if long:
                jumped, number = votes.get(frame, (0, 0))
                votes[frame] = jumped + jump, number + 1
    sudden = [
        f for f, (jumped, number) in votes.items() if 2 * jumped > number
    ]
    return (int(min(sudden)) if sudden else None), moving


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

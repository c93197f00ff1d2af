"""Checks for missing frames and wrong frame rates, from how people move."""

import numpy as np

from ampose_tf.lifting.doctor import symptoms
from ampose_tf.lifting.doctor.findings import POSSIBLE, ExaminedPerson, Finding
from ampose_tf.lifting.motion import ASSUMED_FPS

# A step is a jump if it is this many times as long as the steps before and
# after it, and at least this long, in heights of the person. Chosen on
# training subjects; see benchmarks/doctor.py. _NOISE, about the noise of a
# detector, is added to the steps around.
_JUMP_FACTOR = 1.5
_JUMP = 0.02
_NOISE = 0.005
# If people move by less per frame, even the loss of five is not noticed.
_MOVES = 0.004
# Longest step of a joint; a longer one means that joints were confused.
_FARTHEST = 1.0
# A frame rate fits if it is off by at most _FITS octaves, and does not fit
# from _FITS_NOT on. _FAST and _SLOW are the least log odds of a rate that does
# not fit, averaged over the people and windows of the clip; fast people must
# also move by _SPEED heights per second. Chosen on training subjects.
_FITS = 0.75
_FITS_NOT = 1.25
_FAST = 1.8
_SLOW = 1.3
_SPEED = 0.58
# Additional tolerance in octaves for a rate that is only assumed.
_ASSUMED = 1.0
_SPEED_FRAMES = 4
# Logarithm of the probability of an empty set of octaves.
_NEVER = -20.0
_FEWEST_FRAMES = 8


def examine(
    people: tuple[ExaminedPerson, ...], frames: np.ndarray
) -> tuple[Finding | None, bool]:
    """Returns a finding if frames seem to be missing.

    Args:
        people: The people examined, in any coordinates.
        frames: (F,) increasing, the frames in which any joint is seen.

    Returns:
        The finding or None, and whether a mistake would have been noticed:
        people who stand still do not jump.
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
            "give all frames, with their numbers",
            POSSIBLE,
        )
        return finding, True
    jump, moving = _jump(people)
    if jump is None:
        return None, moving
    finding = Finding(
        "missing_frames",
        f"people jump from frame {jump} to the next, as if frames were "
        "missing there; check that the file contains all frames, or their "
        "numbers",
        POSSIBLE,
    )
    return finding, True


def examine_rate(
    people: tuple[ExaminedPerson, ...], fps: float | None
) -> tuple[Finding | None, bool]:
    """Returns a finding if people move too fast or too slowly.

    Args:
        people: At least one person, in any coordinates.
        fps: Frames per second; None if unknown.

    Returns:
        The finding or None, and whether a mistake would have been noticed.
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
        # People look fast if the true time between frames is longer.
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
    said = f"at {rate:g} frames per second"
    if fps is None:
        said += ", an assumed rate,"
    return (
        Finding(
            "frame_rate",
            f"{said} people move too {'fast' if is_fast else 'slowly'}; "
            "set the rate of the video with --fps, and give the frame numbers "
            "if frames were left out",
            POSSIBLE,
        ),
        True,
    )


def _together(likely):
    """Returns logarithms of sums of probabilities, at least `_NEVER`."""
    never = np.full((len(likely), 1), _NEVER)
    return np.logaddexp.reduce(np.hstack([likely, never]), axis=1)


def _gaps(frames):
    """Returns the (first, last) frame of each gap.

    An evenly thinned clip has no gaps: its steps are equal, or alternate
    between two consecutive numbers.
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
    """Returns the frame after which people jump, and whether anyone moves.

    A missing frame is missing for everyone: most of the people who move at
    that time must jump.
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
    """Returns the frames (F,) and the steps of a person between them (F-1,).

    Steps are averaged over the joints, in heights of the person per frame.
    """
    both = person.seen[1:] & person.seen[:-1]
    lengths = np.linalg.norm(np.diff(person.pixels, axis=0), axis=2)
    lengths = np.minimum(lengths / person.height, _FARTHEST)
    number = np.maximum(both.sum(axis=1), 1)
    lengths = np.sqrt(np.sum(lengths**2 * both, axis=1) / number)
    return person.frames, lengths / np.diff(person.frames)

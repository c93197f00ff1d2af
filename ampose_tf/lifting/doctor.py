"""Examines keypoints for the mistakes that make lifted people look random.

A finding is made where keypoints fit a known mistake much better than
keypoints as they should be. What the places of the joints tell is in
`symptoms`, what their places in the image tell in `framing`. A clip of which
nothing is found may still be wrong: that left and right are exchanged is
often not to be seen.
"""

import numpy as np

from ampose_tf.conversion import Conversion
from ampose_tf.lifting import framing, sides, symptoms
from ampose_tf.lifting.findings import (
    CERTAIN,
    KINDS,
    LIKELY,
    POSSIBLE,
    Finding,
    people_of,
)
from ampose_tf.lifting.keypoints import (
    SEEN_SCORE,
    SKELETONS,
    Keypoints,
    find_skeleton,
    to_h36m,
)

# Pixels are larger: half of all coordinates never lie this close to 0.
_NORMALISED = 2
# Of coordinates, on the other side of 0 than the rest, where 0 is the
# middle; and how far from 0 the middle of the people then is, in images.
_ACROSS = 0.15
_MIDDLE = 0.35

# By how much a mistake must be likelier than none, in logarithms of
# probabilities, means over the frames. Chosen on training subjects; see
# benchmarks/doctor.py.
_POSTURE = 1.0

# Of somebody of whom less is seen, the posture is not judged.
_POSTURE_JOINTS = 11

# A step this many times as long as those around it, and this long in sizes
# of the person, is a cut.
_STEP_FACTOR = 2.5
_STEP = 0.05


def examine(
    clip: Keypoints, skeleton: Conversion | None = None
) -> tuple[Finding, ...]:
    """Returns what looks wrong with a clip, in the order of `KINDS`.

    Args:
        clip: As read, in the skeleton of its file.
        skeleton: The user's own; None for one of `SKELETONS`.

    Raises:
        ValueError: Where the skeleton is not known or not the clip's.
    """
    skeleton = skeleton or find_skeleton(clip.skeleton)
    people = people_of(clip, to_h36m(clip, skeleton))
    found = [_missing_frames(clip, people)]
    if people:
        normalised = _normalised(people, clip.image_size)
        posture = _posture(people, skeleton)
        found += [normalised, posture]
        if posture is None:
            size = None if normalised else clip.image_size
            found.append(sides.examine(people, skeleton, size, clip.fps))
        if normalised is None and (posture is None or posture.kind != "order"):
            upright = _upright(people, posture, clip.image_size)
            found += framing.examine(upright, clip.image_size)
    kinds = {finding.kind: finding for finding in found if finding}
    return tuple(kinds[kind] for kind in KINDS if kind in kinds)


def report(clip: Keypoints, skeleton: Conversion | None = None) -> str:
    """Returns the examination in words: what was read, then all `KINDS`.

    Args:
        clip: As of `examine`.
        skeleton: As of `examine`.

    Raises:
        ValueError: As of `examine`.
    """
    findings = {finding.kind: finding for finding in examine(clip, skeleton)}
    people = len(clip.tracks)
    size = "of unknown size: --image_size=WIDTHxHEIGHT says it"
    if clip.image_size is not None:
        size = f"of {clip.image_size[0]}x{clip.image_size[1]} pixels"
    lines = [
        f"{people} {'person' if people == 1 else 'people'} in "
        f"{clip.frame_count} {'frame' if clip.frame_count == 1 else 'frames'}"
        f", {clip.skeleton}, images {size}"
    ]
    for kind, wanted in KINDS.items():
        if kind in findings:
            finding = findings[kind]
            lines.append(
                f"[!] {kind} ({finding.certainty}): {finding.sentence}"
            )
        elif clip.image_size is None and kind in ("image_size", "scale"):
            lines.append(f"[?] {kind}: the image's size is not known")
        else:
            lines.append(f"[ ] {kind}: it seems that {wanted}")
    return "\n".join(lines)


def _normalised(people, image_size):
    points = np.concatenate(
        [p.source[p.source_scores >= SEEN_SCORE] for p in people]
    )
    if np.median(np.abs(points)) < _NORMALISED:
        return Finding(
            "normalised",
            "half of all coordinates are smaller than "
            f"{_NORMALISED}: they are normalised, not in pixels; multiply "
            "them by the image's width and height",
            CERTAIN,
        )
    low, high = np.quantile(points, (0.01, 0.99), axis=0)
    size = 2 * (high - low) if image_size is None else np.array(image_size)
    across = (points < 0).mean(axis=0)
    across = np.minimum(across, 1 - across)
    if across.max() > _ACROSS and np.all(
        np.abs(low + high) / 2 < _MIDDLE * size
    ):
        return Finding(
            "normalised",
            "the coordinates lie around 0, as if they had been counted from "
            "the image's centre or from the hip, or normalised to [-1, 1]; "
            "count pixels from the upper left corner",
            LIKELY,
        )
    return None


def _posture(people, skeleton):
    odds = _posture_odds(people)
    if odds is None:
        return None
    kind = int(odds[1:].argmax()) + 1
    if odds[kind] < _POSTURE:
        return None
    kind = symptoms.POSTURES[kind]
    if kind == "y_up":
        sentence = (
            "people stand on their heads: y seems to grow upwards; replace "
            "each y by the image's height minus y"
        )
    elif kind == "xy_swapped":
        sentence = (
            "people lie on their sides: x and y seem to be exchanged; write "
            "x first"
        )
    else:
        sentence = (
            f"the joints are not where those of {skeleton.name} are, as if in "
            "another order; "
        )
        other = _fitting(people, skeleton)
        if other:
            sentence += f"{other}'s fits: try --skeleton={other}"
        else:
            sentence += (
                "say which with --skeleton=NAME, or describe your own in a "
                "JSON file"
            )
    return Finding(kind, sentence, CERTAIN if kind == "order" else LIKELY)


def _posture_odds(people):
    """Returns (4,): how much likelier each posture is than the first.

    None where of nobody enough is seen.
    """
    pixels = np.concatenate([p.pixels[p.spread()] for p in people])
    seen = np.concatenate([p.seen[p.spread()] for p in people])
    enough = seen.sum(axis=1) >= _POSTURE_JOINTS
    if not enough.any():
        return None
    likely = symptoms.postures(pixels[enough], seen[enough])
    odds = np.clip(
        likely - likely[:, :1], -symptoms.ONE_FRAME, symptoms.ONE_FRAME
    )
    return odds.mean(axis=0)


def _fitting(people, claimed):
    """Returns the skeleton of as many joints that fits, or None."""
    best, least = None, -_POSTURE
    for name, skeleton in SKELETONS.items():
        if (
            len(skeleton.joints) != len(claimed.joints)
            or skeleton.joints == claimed.joints
        ):
            continue
        others = [
            p._replace(
                pixels=skeleton.convert(p.source),
                seen=skeleton.convert_scores(p.source_scores) >= SEEN_SCORE,
            )
            for p in people
        ]
        odds = _posture_odds(others)
        if odds is not None and odds[1:].max() < least:
            best, least = name, odds[1:].max()
    return best


def _upright(people, posture, image_size):
    """Returns people as they would be without what was found."""
    if posture is None:
        return people
    if posture.kind == "xy_swapped":
        return tuple(p._replace(pixels=p.pixels[..., ::-1]) for p in people)
    points = np.concatenate([p.pixels[p.seen] for p in people])
    height = 0
    if image_size is not None and np.median(points[:, 1]) > 0:
        height = image_size[1]
    turned, origin = np.array([1, -1]), np.array([0, height])
    return tuple(p._replace(pixels=origin + turned * p.pixels) for p in people)


def _missing_frames(clip, people):
    if max(len(track.frames) for track in clip.tracks) < 2:
        return None  # Photographs.
    frames = np.unique(np.concatenate([t.frames for t in clip.tracks]))
    empty = _gaps(frames)
    if empty:
        return _gap_finding("in which there is nobody", empty, CERTAIN)
    for person in people:
        gaps = _gaps(person.frames)
        if gaps:
            return _gap_finding(
                f"in which person {person.track_id} is not seen", gaps, LIKELY
            )
    for person in people:
        jump = _jump(person)
        if jump is not None:
            return Finding(
                "missing_frames",
                f"person {person.track_id} jumps from frame {jump} to the "
                "next: frames seem to have been left out there; keep all, or "
                "their numbers",
                POSSIBLE,
            )
    return None


def _gap_finding(which, gaps, certainty):
    number = sum(last - first + 1 for first, last in gaps)
    shown = ", ".join(
        f"{first}" if first == last else f"{first} to {last}"
        for first, last in gaps[:5]
    )
    return Finding(
        "missing_frames",
        f"{number} frames {which}: {shown}{', …' if len(gaps) > 5 else ''}; "
        "they are left out of the result; give all frames where speed matters",
        certainty,
    )


def _gaps(frames):
    """Returns (first, last) of the frames that are missing in between.

    Where a film has been thinned evenly nothing is missing.
    """
    steps = np.diff(frames)
    if not len(steps):
        return []
    usual = int(steps.min())
    rows = np.flatnonzero(steps > usual)
    return [
        (int(frames[row]) + usual, int(frames[row + 1]) - 1) for row in rows
    ]


def _jump(person):
    """Returns the frame after which a person is suddenly elsewhere, or None.

    One step is much longer than those before and after it, for most of the
    joints.
    """
    if len(person.frames) < 5:
        return None
    both = person.seen[1:] & person.seen[:-1]
    steps = np.linalg.norm(np.diff(person.pixels, axis=0), axis=2)
    steps = np.ma.median(np.ma.array(steps, mask=~both), axis=1).filled(0)
    steps = steps / person.height
    around = np.maximum(steps[:-2], steps[2:])
    sudden = (steps[1:-1] > _STEP) & (steps[1:-1] > _STEP_FACTOR * around)
    rows = np.flatnonzero(sudden)
    return int(person.frames[rows[0] + 1]) if len(rows) else None

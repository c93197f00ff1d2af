"""Examines keypoints for the mistakes that make lifted people look random.

A finding is made where keypoints fit a known mistake much better than
keypoints as they should be. What the places of the joints tell is in
`symptoms`, which of them are left in `sides`, what their places in the image
tell in `framing`, what their times tell in `timing`. A clip of which nothing
is found may still be wrong: that left and right are exchanged is often not to
be seen. How often each mistake is found: benchmarks/doctor.md.
"""

from typing import NamedTuple

import numpy as np

from ampose_tf.conversion import SEEN_SCORE, Conversion
from ampose_tf.lifting import untrusted
from ampose_tf.lifting.doctor import framing, sides, symptoms, timing
from ampose_tf.lifting.doctor.findings import (
    CERTAIN,
    KINDS,
    LIKELY,
    POSSIBLE,
    Finding,
    people_of,
)
from ampose_tf.lifting.keypoints import (
    SKELETONS,
    Keypoints,
    check_score,
    find_skeleton,
    is_seen,
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

# Of the joints, outside of the image, which exchanging x and y brings in.
_OUTSIDE = 0.05

# Of somebody of whom less is seen, the posture is not judged.
_POSTURE_JOINTS = 11

# Why something has not been judged.
_FEW_JOINTS = "too few joints of anybody are seen"
_OTHER_FIRST = "mend what is marked first"
_NO_SIZE = "the image's size is not known"


class _Examination(NamedTuple):
    """What was found, and of other kinds why they were not judged."""

    findings: dict[str, Finding]
    unjudged: dict[str, str]


def examine(
    clip: Keypoints,
    skeleton: Conversion | None = None,
    *,
    fps: float | None = None,
    seen_score: float = SEEN_SCORE,
) -> tuple[Finding, ...]:
    """Returns what looks wrong with a clip, in the order of `KINDS`.

    Args:
        clip: As read, in the skeleton of its file.
        skeleton: The user's own; None for one of `SKELETONS`.
        fps: The video's frames per second, which beats the clip's.
        seen_score: A joint counts as seen from this score on.

    Raises:
        ValueError: Where the skeleton is not known or not the clip's, or a
            number is out of its range.
    """
    found = _examination(clip, skeleton, fps, seen_score).findings
    return tuple(found[kind] for kind in KINDS if kind in found)


def report(
    clip: Keypoints,
    skeleton: Conversion | None = None,
    *,
    fps: float | None = None,
    seen_score: float = SEEN_SCORE,
) -> str:
    """Returns the examination in words: what was read, then all `KINDS`.

    Each is marked [!] where it looks wrong, [ ] where it looks right, and [?]
    where nothing can be said.

    Args:
        clip: As of `examine`.
        skeleton: As of `examine`.
        fps: As of `examine`.
        seen_score: As of `examine`.

    Raises:
        ValueError: As of `examine`.
    """
    findings, unjudged = _examination(clip, skeleton, fps, seen_score)
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
        elif kind in unjudged:
            lines.append(f"[?] {kind}: not judged, {unjudged[kind]}")
        else:
            lines.append(f"[ ] {kind}: it seems that {wanted}")
    return "\n".join(lines)


def _examination(clip, skeleton, fps, seen_score):
    skeleton = skeleton or find_skeleton(clip.skeleton)
    check_score(seen_score, "seen_score")
    fps = clip.fps if fps is None else untrusted.frame_rate(fps, "fps")
    converted = to_h36m(clip, skeleton, seen_score)
    people = people_of(clip, converted, seen_score)
    # As the lifter keeps them: where anything of anybody is seen.
    frames = np.concatenate(
        [
            track.frames[is_seen(track.scores, seen_score).any(axis=1)]
            for track in converted.tracks
        ]
    )
    found, unjudged = [], {}
    if max(len(track.frames) for track in clip.tracks) < 2:
        unjudged["missing_frames"] = "nobody is in more than one frame"
    else:
        found.append(timing.examine(people, np.unique(frames)))
    if people:
        _examine_people(
            people, skeleton, clip.image_size, fps, found, unjudged
        )
    else:
        unjudged |= dict.fromkeys(
            (kind for kind in KINDS if kind != "missing_frames"), _FEW_JOINTS
        )
    findings = {finding.kind: finding for finding in found if finding}
    return _Examination(findings, unjudged)


def _examine_people(people, skeleton, image_size, fps, found, unjudged):
    """Adds what is found of everything but time, and what is not judged."""
    normalised = _normalised(people, image_size)
    odds = _posture_odds(people)
    posture = _posture(people, skeleton, image_size, odds)
    found += [normalised, posture]
    if odds is None:
        kinds = "y_up", "xy_swapped", "order", "sides_swapped"
        unjudged |= dict.fromkeys(kinds, _FEW_JOINTS)
    elif posture is None:
        size = None if normalised else image_size
        finding, told = sides.examine(people, skeleton, size, fps)
        found.append(finding)
        if not told:
            unjudged["sides_swapped"] = (
                "these movements do not tell left from right"
            )
    else:
        kinds = "y_up", "xy_swapped", "order", "sides_swapped"
        unjudged |= {
            kind: _OTHER_FIRST for kind in kinds if kind != posture.kind
        }
    if normalised or (posture is not None and posture.kind == "order"):
        kinds = "image_size", "cut_off", "scale"
        unjudged |= dict.fromkeys(kinds, _OTHER_FIRST)
        return
    framed = framing.examine(_upright(people, posture, image_size), image_size)
    if posture is not None and posture.certainty == POSSIBLE:
        # They may lie indeed: what holds both ways.
        as_written = framing.examine(people, image_size)
        kinds = {finding.kind for finding in as_written}
        framed = [finding for finding in framed if finding.kind in kinds]
    found += framed
    if image_size is None:
        unjudged |= dict.fromkeys(("image_size", "scale"), _NO_SIZE)
    elif not any(np.isfinite(person.height) for person in people):
        unjudged["scale"] = "no whole limb is seen"


def _normalised(people, image_size):
    points = np.concatenate([p.source[p.source_seen] for p in people])
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
    # What is larger than the image is not wrong for where it lies alone.
    if across.max() > _ACROSS and np.all(
        (np.abs(low + high) / 2 < _MIDDLE * size) & (high - low <= size)
    ):
        return Finding(
            "normalised",
            "the coordinates lie around 0, as if they had been counted from "
            "the image's centre or from the hip, or normalised to [-1, 1]; "
            "count pixels from the upper left corner",
            LIKELY,
        )
    return None


def _posture(people, skeleton, image_size, odds):
    if odds is None:
        return None
    kind = int(odds[1:].argmax()) + 1
    if odds[kind] < _POSTURE:
        return None
    kind = symptoms.POSTURES[kind]
    if kind == "order":
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
        return Finding(kind, sentence, CERTAIN if other else LIKELY)
    # Of everybody, or it is not the file: people do lie and stand on hands.
    if len(people) > 1 and not all(
        own is None or own[symptoms.POSTURES.index(kind)] > 0
        for own in (_posture_odds((person,)) for person in people)
    ):
        return None
    points = np.concatenate([p.source[p.source_seen] for p in people])
    if kind == "y_up":
        # No image goes on above its upper edge.
        sure = np.median(points[:, 1]) < 0
        sentence = (
            "people stand on their heads: y seems to grow upwards; replace "
            "each y by the image's height minus y"
        )
        unless = ", unless they stand on their hands"
    else:
        sure = image_size is not None and _outside(points, image_size) > max(
            _OUTSIDE, 2 * _outside(points[:, ::-1], image_size)
        )
        sentence = (
            "people lie on their sides: x and y seem to be exchanged; write "
            "x first"
        )
        unless = ", unless they do lie"
    if sure:
        return Finding(kind, sentence, LIKELY)
    return Finding(kind, sentence + unless, POSSIBLE)


def _outside(points, image_size):
    """Returns which share of points (N, 2) lies outside of the image."""
    return float(((points < 0) | (points > image_size)).any(axis=1).mean())


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
                pixels=skeleton.convert(p.source, p.source_seen),
                seen=skeleton.convert_scores(p.source_seen) > 0,
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

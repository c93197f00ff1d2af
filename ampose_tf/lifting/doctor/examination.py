"""Examines keypoints for the mistakes that make lifted people look random.

A mistake is reported if it explains the keypoints much better than correct
keypoints would. Each module looks for some of the mistakes: `coordinates` (are
they pixels?), `people` (is each track one body?), `posture` (are bodies
upright, and joints in order?), `sides`, `proportions`, `framing` (positions
in the image) and `timing`; `symptoms` contains the networks. A clip without
findings may still be wrong: the report states what could not be checked.
benchmarks/doctor.md measures how often each mistake is found.
"""

from typing import NamedTuple

import numpy as np

from ampose_tf.conversion import SEEN_SCORE, Conversion
from ampose_tf.lifting import untrusted
from ampose_tf.lifting.doctor import (
    coordinates,
    framing,
    posture,
    proportions,
    sides,
    timing,
)
from ampose_tf.lifting.doctor import people as mixtures
from ampose_tf.lifting.doctor.findings import (
    CERTAIN,
    KINDS,
    LIKELY,
    POSSIBLE,
    Finding,
    people_of,
)
from ampose_tf.lifting.keypoints import (
    Keypoints,
    check_score,
    find_skeleton,
    is_seen,
    to_h36m,
)

# After these findings, checks that need one person per track are invalid.
_MIXED = {"mixed_tracks", "frames_or_people"}

# Kinds that cannot be wrong for keypoints found by `video.read_video`.
_KNOWN_OF_VIDEO = {
    *("normalised", "is_3d", "y_up", "xy_swapped", "order"),
    *("image_size", "frames_or_people", "missing_frames"),
}

# Reasons why something was not judged.
_FEW_JOINTS = "too few joints of each person are seen"
_OTHER_FIRST = "fix the marked problems first"
_NO_SIZE = "the image size is unknown"


class _Examination(NamedTuple):
    """Findings, and the reasons why other kinds were not judged."""

    findings: dict[str, Finding]
    unjudged: dict[str, str]


def examine(
    clip: Keypoints,
    skeleton: Conversion | None = None,
    *,
    fps: float | None = None,
    seen_score: float = SEEN_SCORE,
) -> tuple[Finding, ...]:
    """Checks the keypoints of a clip for common mistakes.

    Args:
        clip: Keypoints from `read_keypoints`, in the skeleton of their file.
        skeleton: A user-defined skeleton; None for one of `SKELETONS`.
        fps: Frames per second of the video; overrides the clip's.
        seen_score: Lowest score of a joint that counts as seen.

    Returns:
        One finding for each kind of mistake that was found, in the order of
        `KINDS`.

    Raises:
        ValueError: If the skeleton is unknown or is not the clip's, or a
            number is out of range.
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
    """Returns the examination as text: what was read, then all `KINDS`.

    Notes on what was assumed or not read are marked [i]. Each kind is marked
    [!] if it looks wrong, [ ] if it looks right, and [?] if it was not
    checked, or a mistake could not have been noticed.

    Args:
        clip: As for `examine`.
        skeleton: As for `examine`.
        fps: As for `examine`.
        seen_score: As for `examine`.

    Raises:
        ValueError: As for `examine`.
    """
    findings, unjudged = _examination(clip, skeleton, fps, seen_score)
    people = len(clip.tracks)
    size = "of unknown size (set it with --image_size=WIDTHxHEIGHT)"
    if clip.image_size is not None:
        size = f"of {clip.image_size[0]}x{clip.image_size[1]} pixels"
    lines = [
        f"{people} {'person' if people == 1 else 'people'} in "
        f"{clip.frame_count} {'frame' if clip.frame_count == 1 else 'frames'}"
        f", {clip.skeleton}, images {size}"
    ]
    lines += [f"[i] {note}" for note in clip.notes]
    for kind, wanted in KINDS.items():
        if kind in findings:
            finding = findings[kind]
            lines.append(
                f"[!] {kind} ({finding.certainty}): {finding.sentence}"
            )
        elif kind in unjudged:
            lines.append(f"[?] {kind}: not checked, {unjudged[kind]}")
        else:
            lines.append(f"[ ] {kind}: it seems that {wanted}")
    return "\n".join(lines)


def _examination(clip, skeleton, fps, seen_score):
    skeleton = skeleton or find_skeleton(clip.skeleton)
    check_score(seen_score, "seen_score")
    fps = clip.fps if fps is None else untrusted.frame_rate(fps, "fps")
    converted = to_h36m(clip, skeleton, seen_score)
    people = people_of(clip, converted, seen_score)
    found, unjudged = [], {}
    if people:
        _examine_people(
            clip, people, skeleton, (fps, seen_score), found, unjudged
        )
    else:
        unjudged |= dict.fromkeys(KINDS, _FEW_JOINTS)
    _examine_time(converted, people, fps, seen_score, found, unjudged)
    findings = {finding.kind: finding for finding in found}
    if clip.of_video:
        for kind in _KNOWN_OF_VIDEO:
            findings.pop(kind, None)
            unjudged.pop(kind, None)
    return _Examination(findings, unjudged)


def _examine_time(converted, people, fps, seen_score, found, unjudged):
    kinds = {finding.kind for finding in found}
    unjudged.pop("missing_frames", None)
    if max(len(track.frames) for track in converted.tracks) < 2:
        unjudged["missing_frames"] = "no person is in more than one frame"
        unjudged["frame_rate"] = unjudged["missing_frames"]
        return
    if kinds & _MIXED:
        unjudged |= dict.fromkeys(
            ("missing_frames", "frame_rate"), _OTHER_FIRST
        )
        return
    # The frames that the lifter keeps: those in which any joint is seen.
    frames = np.concatenate(
        [
            track.frames[is_seen(track.scores, seen_score).any(axis=1)]
            for track in converted.tracks
        ]
    )
    finding, told = timing.examine(people, np.unique(frames))
    if finding:
        found.append(finding)
    elif not told:
        unjudged["missing_frames"] = (
            "the frame numbers have no gaps, and people hardly move"
        )
    if people:
        _judge(
            *timing.examine_rate(people, fps), "frame_rate", found, unjudged
        )
        if "frame_rate" in unjudged and fps is None:
            unjudged["frame_rate"] = "the frame rate is unknown"


def _examine_people(clip, people, skeleton, given, found, unjudged):
    """Adds findings and unjudged kinds, except those that concern time."""
    fps, seen_score = given
    image_size = clip.image_size
    found += mixtures.examine(clip, people, seen_score)
    mixed = {finding.kind for finding in found} & _MIXED
    if not any(len(person.frames) > 1 for person in people):
        unjudged["mixed_tracks"] = "no person is in more than one frame"
    no_pixels = coordinates.examine(people, image_size)
    found += no_pixels
    size = None if no_pixels else image_size
    judgement = posture.examine(people, skeleton, size, fps)
    if judgement is None:
        kinds = *posture.KINDS, "sides_swapped", "aspect"
        unjudged |= dict.fromkeys(kinds, _FEW_JOINTS)
        judgement = posture.Judgement((), True, people, size)
    else:
        found += judgement.findings
        _examine_bodies(judgement, skeleton, fps, mixed, found, unjudged)
    wrong = {finding.kind for finding in judgement.findings}
    if no_pixels or "order" in wrong or mixed:
        kinds = "image_size", "cut_off", "scale"
        unjudged |= dict.fromkeys(kinds, _OTHER_FIRST)
        return
    framed = framing.examine(judgement.people, judgement.image_size)
    if judgement.findings and judgement.findings[0].certainty == POSSIBLE:
        # People may really be lying: keeps findings that hold either way.
        as_written = framing.examine(people, image_size)
        kinds = {finding.kind for finding in as_written}
        framed = [finding for finding in framed if finding.kind in kinds]
    found += framed
    if image_size is None:
        unjudged |= dict.fromkeys(("image_size", "scale"), _NO_SIZE)
    elif not any(np.isfinite(person.height) for person in people):
        unjudged["scale"] = "no whole limb is seen"


def _examine_bodies(judgement, skeleton, fps, mixed, found, unjudged):
    """Adds findings on sides and shapes, which need upright people."""
    wrong = [finding.kind for finding in judgement.findings]
    if wrong or mixed:
        kinds = {*posture.KINDS, "sides_swapped", "aspect"}.difference(wrong)
        if not wrong:
            kinds = kinds.difference(posture.KINDS)
        unjudged |= dict.fromkeys(kinds, _OTHER_FIRST)
        return
    if not judgement.told:
        unjudged |= dict.fromkeys(
            posture.KINDS, "these postures are too unusual to judge"
        )
    people, image_size = judgement.people, judgement.image_size
    finding, told = sides.examine(people, skeleton, image_size, fps)
    if finding is None and not told:
        unjudged["sides_swapped"] = (
            "these movements do not distinguish left from right"
        )
    if finding and finding.certainty == LIKELY:
        # Contradicting sides may also mean another skeleton.
        other = posture.order(people, skeleton)
        finding = other if other.certainty == CERTAIN else finding
    if finding:
        found.append(finding)
    _judge(*proportions.examine(people), "aspect", found, unjudged)


def _judge(finding, told, kind, found, unjudged):
    if finding:
        found.append(finding)
    elif not told:
        unjudged[kind] = "these movements are not conclusive"

"""Checks whether people are upright and their joints in the stated order."""

from typing import NamedTuple

import numpy as np

from ampose_tf.conversion import Conversion
from ampose_tf.lifting.doctor import proportions, sides, symptoms
from ampose_tf.lifting.doctor.findings import (
    CERTAIN,
    LIKELY,
    POSSIBLE,
    ExaminedPerson,
    Finding,
)
from ampose_tf.lifting.keypoints import SKELETONS
from ampose_tf.skeleton import H36M_17

# The kinds of findings that are judged here.
KINDS = ("y_up", "xy_swapped", "turned", "order")
# If joints seem to be in another order, people are widened by these factors,
# to see whether the image was squeezed instead.
_SQUEEZED = (16 / 9, (16 / 9) ** 2, 9 / 16, (9 / 16) ** 2)

# Least log odds of a mistake against none, averaged over the frames. Chosen on
# training subjects; see benchmarks/doctor.py.
_POSTURE = 1.0

# Least share of the joints that are outside of the image and that swapping x
# and y brings inside.
_OUTSIDE = 0.05

# Fewest joints in a frame for judging the posture.
_POSTURE_JOINTS = 11

# Largest distance of the eyes along the trunk, in heights of the person, due
# to a tilted head and a detector's noise.
_EYES = 0.09
_TRUNK = [H36M_17.joints.index(name) for name in ("Hip", "Thorax")]

_BACK = "rotate the video or its keypoints upright"


class Judgement(NamedTuple):
    """The result of judging the postures.

    Attributes:
        findings: No finding, one, or two alternatives that cannot be told
            apart.
        told: Whether a mistake would have been noticed.
        people: The people after correcting the first finding.
        image_size: The image size after the correction; None if unknown.
    """

    findings: tuple[Finding, ...]
    told: bool
    people: tuple[ExaminedPerson, ...]
    image_size: tuple[int, int] | None


def examine(
    people: tuple[ExaminedPerson, ...],
    skeleton: Conversion,
    image_size: tuple[int, int] | None,
    fps: float | None,
) -> Judgement | None:
    """Judges whether people are upright and their joints in order.

    Args:
        people: At least one person.
        skeleton: Skeleton of the file.
        image_size: (width, height); None if unknown.
        fps: Frames per second; None if unknown.

    Returns:
        The judgement, or None if too few joints are seen.
    """
    odds = _odds(people)
    if odds is None:
        return None
    kind = symptoms.POSTURES[int(odds[1:].argmax()) + 1]
    most = odds[1:].max()
    if _eyes_apart(people, skeleton):
        kind, most = "order", np.inf
    upright = Judgement((), most < -_POSTURE, people, image_size)
    if most < _POSTURE:
        return upright
    if kind == "order":
        finding = _squeezed(people) if np.isfinite(most) else None
        finding = finding or order(people, skeleton)
        return upright._replace(findings=(finding,), told=True)
    # A mistake of the file affects everyone: single people may really lie or
    # stand on their hands.
    if len(people) > 1 and not all(
        own is None or own[symptoms.POSTURES.index(kind)] > 0
        for own in (_odds((person,)) for person in people)
    ):
        return upright
    points = np.concatenate([p.source[p.source_seen] for p in people])
    if kind == "head_down":
        return _head_down(people, points, image_size, fps)
    return _head_aside(people, points, image_size, fps, kind)


def _head_down(people, points, image_size, fps):
    width, height = image_size or (0, 0)
    # No pixels are above the upper edge of an image.
    above = np.median(points[:, 1]) < 0
    flipped = _moved(people, (1, -1), (0, 0 if above else height))
    turned = _moved(people, (-1, -1), (width, height))
    up = Finding(
        "y_up",
        "people stand on their heads: y seems to grow upwards; replace each y "
        "by the image's height minus y"
        + ("" if above else ", unless they stand on their hands"),
        LIKELY if above else POSSIBLE,
    )
    if above:
        return Judgement((up,), True, flipped, image_size)
    over = Finding(
        "turned",
        "people stand on their heads: the video seems to be upside down; "
        f"{_BACK}, unless they stand on their hands",
        POSSIBLE,
    )
    return _either(
        (up, flipped, image_size), (over, turned, image_size), image_size, fps
    )


def _head_aside(people, points, image_size, fps, kind):
    """Judges people with their heads to a side.

    Heads to the left may have two causes, which differ only in left and right.
    """
    width, height = image_size or (0, 0)
    size = None if image_size is None else (height, width)
    outside = image_size is not None and _outside(points, image_size) > max(
        _OUTSIDE, 2 * _outside(points[:, ::-1], image_size)
    )
    certainty = LIKELY if outside else POSSIBLE
    unless = "" if outside else ", unless they do lie"
    exchanged = tuple(p._replace(pixels=p.pixels[..., ::-1]) for p in people)
    turned = Finding(
        "turned",
        "people lie on their sides: the video seems to be rotated by 90 "
        f"degrees {{}}; {_BACK}{unless}",
        certainty,
    )
    if kind == "head_right":
        finding = turned._replace(sentence=turned.sentence.format("clockwise"))
        upright = _moved(exchanged, (1, -1), (0, width))
        return Judgement((finding,), True, upright, size)
    turned = turned._replace(
        sentence=turned.sentence.format("counter-clockwise")
    )
    swapped = Finding(
        "xy_swapped",
        "people lie on their sides: x and y seem to be swapped; write x "
        f"first{unless}",
        certainty,
    )
    return _either(
        (swapped, exchanged, image_size),
        (turned, _moved(exchanged, (-1, 1), (height, 0)), size),
        image_size,
        fps,
    )


def _either(mirrored, turned, image_size, fps):
    """Decides between two mistakes by left and right, or reports both."""
    _, people, size = mirrored
    odds, least = sides.odds(people, size, fps)
    if odds > least:
        finding, people, size = turned
        return Judgement((finding,), True, people, size)
    both = mirrored[0], turned[0]
    findings = both[:1] if odds < -least else both
    return Judgement(findings, True, people, size)


def _moved(people, factor, origin):
    return tuple(
        p._replace(pixels=np.array(factor) * p.pixels + origin) for p in people
    )


def _outside(points, image_size):
    """Returns the share of points (N, 2) outside of the image."""
    return float(((points < 0) | (points > image_size)).any(axis=1).mean())


def _squeezed(people):
    for ratio in _SQUEEZED:
        odds = _odds(_moved(people, (ratio, 1), (0, 0)))
        if odds[1:].max() < -_POSTURE:
            return proportions.finding(narrow=ratio > 1)
    return None


def order(people: tuple[ExaminedPerson, ...], skeleton: Conversion) -> Finding:
    """Returns the finding that joints are in another order.

    It is certain if a known skeleton with the same number of joints fits.
    """
    sentence = (
        f"the joints are not in the places of {skeleton.name}, as if they "
        "were in another order; "
    )
    other = _fitting(people, skeleton)
    if other:
        sentence += f"the order of {other} fits: try --skeleton={other}"
    else:
        sentence += (
            "name the skeleton with --skeleton=NAME, or describe your own in "
            "a JSON file"
        )
    return Finding("order", sentence, CERTAIN if other else LIKELY)


def _odds(people):
    """Returns (5,): the log odds of each posture against the first.

    Returns None if too few joints are seen.
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


def _eyes_apart(people, skeleton):
    """Whether one eye is far above the other, like PoseTrack's neck and top.

    PoseTrack has the neck and the head's top in the places of COCO's eyes.
    """
    pair = "left_eye", "right_eye"
    if not set(pair) <= set(skeleton.joints):
        return False
    rows = [skeleton.joints.index(name) for name in pair]
    apart = []
    for person in people:
        both = person.source_seen[:, rows].all(axis=1)
        both &= person.seen[:, _TRUNK].all(axis=1)
        left, right = person.source[both][:, rows].swapaxes(0, 1)
        low, high = person.pixels[both][:, _TRUNK].swapaxes(0, 1)
        trunk = np.maximum(np.linalg.norm(high - low, axis=1), 1e-9)
        along = ((left - right) * (high - low)).sum(axis=1) / trunk
        apart.append(np.abs(along) / person.height)
    apart = np.concatenate(apart)
    return len(apart) > 0 and np.median(apart) > _EYES


def _fitting(people, claimed):
    """Returns the known skeleton that fits best, or None.

    Only skeletons with the same number of joints are tried.
    """
    best, least = None, -_POSTURE
    for name, skeleton in SKELETONS.items():
        if (
            len(skeleton.joints) != len(claimed.joints)
            or skeleton.joints == claimed.joints
            or _eyes_apart(people, skeleton)
        ):
            continue
        others = tuple(
            p._replace(
                pixels=skeleton.convert(p.source, p.source_seen),
                seen=skeleton.convert_scores(p.source_seen) > 0,
            )
            for p in people
        )
        odds = _odds(others)
        if (
            odds is not None
            and odds[1:].max() < least
            and not sides.disagreement(others, skeleton)
        ):
            best, least = name, odds[1:].max()
    return best

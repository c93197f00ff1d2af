"""Checks tracks: duplicates, mixed tracks, and frames read as people."""

import numpy as np

from ampose_tf.lifting.doctor.findings import (
    LIKELY,
    POSSIBLE,
    ExaminedPerson,
    Finding,
)
from ampose_tf.lifting.keypoints import Keypoints, is_seen, similarity

# Most frames in which people are compared; it bounds the time.
_MAX_FRAMES = 24
# Least similarity of two detections of one body in the same frame and in
# consecutive frames, see `keypoints.similarity`.
_SAME = 0.6
_NEXT = 0.5
# Fewest people in a frame who may be one moving person, and most people whose
# frames may have been interleaved.
_FEWEST_PEOPLE = 4
_MOST_TURNS = 6
# Fewest turns of each person if people take turns.
_FEWEST_TURNS = 4
# Most starts of tracks that are compared with tracks that have just ended.
_MOST_STARTS = 200
# A ghost occurs in at most this share of the frames, with a low mean score,
# while another track has a high one.
_GHOST_FRAMES = 0.25
_DOUBTFUL = 0.4
_SURE = 0.55
# A step of at least `_JUMP`, in heights of the person and averaged over the
# joints, may lead to another body. The track is mixed if it jumps back and
# forth and each body moves by less than `_SMOOTH` of the jumps.
_JUMP = 0.15
_SMOOTH = 0.35
_FEWEST_SWITCHES = 3
_FEWEST_FRAMES = 3
# Frames are unrelated if nearly every step is a jump, and longer intervals
# lead neither farther away nor back.
_UNRELATED = 0.1
_NO_FARTHER = 0.5
_BACK = 0.4
_PICTURES = 4


def examine(
    clip: Keypoints, people: tuple[ExaminedPerson, ...], seen_score: float
) -> list[Finding]:
    """Returns findings: frames_or_people, mixed_tracks and duplicates.

    Args:
        clip: Keypoints as read.
        people: At least one person of the clip.
        seen_score: Lowest score of a joint that counts as seen.
    """
    if len(clip.tracks) > 1:
        alike = _Alike(clip, seen_score)
        found = [
            alike.frames_as_people()
            or alike.duplicates()
            or _by_turns(clip, seen_score)
            or _never_together(clip)
            or _ghosts(clip)
        ]
    else:
        found = []
    found.append(_tracks(people))
    return [finding for finding in found if finding]


class _Alike:
    """Compares people who are in the same frames."""

    def __init__(self, clip, seen_score):
        frames = np.unique(np.concatenate([t.frames for t in clip.tracks]))
        if len(frames) > _MAX_FRAMES:
            rows = np.linspace(0, len(frames) - 1, _MAX_FRAMES).round()
            frames = frames[rows.astype(int)]
        self._ids = [track.track_id for track in clip.tracks]
        self._frames = []
        for frame in frames:
            owners, points, seen = [], [], []
            for owner, track in enumerate(clip.tracks):
                row = np.searchsorted(track.frames, frame)
                if row < len(track.frames) and track.frames[row] == frame:
                    owners.append(owner)
                    points.append(track.pixels[row])
                    seen.append(is_seen(track.scores[row], seen_score))
            self._frames.append(
                (np.array(owners), np.array(points), np.array(seen))
            )

    def frames_as_people(self):
        """Returns a finding if the people of a frame are one moving person."""
        most = max(self._frames, key=lambda frame: len(frame[0]))
        owners, points, seen = most
        if len(owners) < _FEWEST_PEOPLE:
            return None
        for turns in range(1, min(_MOST_TURNS, len(owners) // 3) + 1):
            alike = similarity(
                points[turns:], seen[turns:], points[:-turns], seen[:-turns]
            )
            if np.median(alike) > _NEXT:
                return Finding(
                    "frames_or_people",
                    f"the {len(owners)} people of one frame seem to be "
                    f"{'one body' if turns == 1 else f'{turns} bodies'} in "
                    "consecutive frames: frames were read as people; write a "
                    "separate list for each frame, or try --frames=list",
                    LIKELY,
                )
        return None

    def duplicates(self):
        """Returns a finding if two tracks are the same body."""
        same, present = {}, [set() for _ in self._ids]
        for number, (owners, points, seen) in enumerate(self._frames):
            for owner in owners:
                present[owner].add(number)
            first, second = _near(points, seen)
            alike = similarity(
                points[first], seen[first], points[second], seen[second]
            )
            for a, b, value in zip(first, second, alike, strict=True):
                pair = owners[a], owners[b]
                same[pair] = same.get(pair, 0) + (value > _SAME)
        pairs = [
            (a, b)
            for (a, b), count in same.items()
            if 2 * count > len(present[a] & present[b])
        ]
        if not pairs:
            return None
        a, b = (self._ids[owner] for owner in pairs[0])
        more = f", and {len(pairs) - 1} more pairs" if len(pairs) > 1 else ""
        return Finding(
            "duplicates",
            f"people {a} and {b} are the same body in the same frames{more}: "
            "it was detected twice; keep the one with the higher scores of "
            "each pair",
            LIKELY,
        )


def _near(points, seen):
    """Returns the pairs of people whose middles are in each other's boxes."""
    number = np.maximum(seen.sum(axis=1), 1)[:, None]
    middle = (points * seen[..., None]).sum(axis=1) / number
    extent = (np.abs(points - middle[:, None]).max(axis=2) * seen).max(axis=1)
    apart = np.abs(middle[:, None] - middle).max(axis=2)
    return np.nonzero(np.triu(apart < np.minimum(extent[:, None], extent), 1))


def _never_together(clip):
    """Returns a finding if people take turns: they belong to one frame."""
    frames = np.concatenate([track.frames for track in clip.tracks])
    owners = np.repeat(
        np.arange(len(clip.tracks)), [len(t.frames) for t in clip.tracks]
    )[np.argsort(frames, kind="stable")]
    count = len(clip.tracks)
    if (
        len(frames) < _FEWEST_TURNS * count
        or len(np.unique(frames)) < len(frames)
        or len(np.unique(owners[:count])) < count
        or (owners[count:] != owners[:-count]).any()
    ):
        return None
    return Finding(
        "frames_or_people",
        f"the {count} people are never in the same frame, but take turns: "
        f"every {count} frames seem to be the people of one frame; number the "
        "frames, or write a separate list for each",
        LIKELY,
    )


def _by_turns(clip, seen_score):
    """Returns a finding if one body switches between two tracks."""
    ends, starts = {}, []
    for owner, track in enumerate(clip.tracks):
        breaks = np.flatnonzero(np.diff(track.frames) > 1)
        for row in (*breaks, len(track.frames) - 1):
            ends.setdefault(int(track.frames[row]), []).append((owner, row))
        starts += [(owner, row) for row in (0, *(breaks + 1))]
    handed = {}
    for owner, row in starts[:_MOST_STARTS]:
        track = clip.tracks[owner]
        for other, end in ends.get(int(track.frames[row]) - 1, ()):
            before = clip.tracks[other]
            alike = similarity(
                track.pixels[row],
                is_seen(track.scores[row], seen_score),
                before.pixels[end],
                is_seen(before.scores[end], seen_score),
            )
            if alike > _SAME:
                pair = min(owner, other), max(owner, other)
                handed[pair] = handed.get(pair, 0) + 1
    pairs = [pair for pair, count in handed.items() if count > 1]
    if not pairs:
        return None
    a, b = (clip.tracks[owner].track_id for owner in pairs[0])
    return Finding(
        "duplicates",
        f"people {a} and {b} seem to be one body that switches between two "
        "tracks; give it a single track id",
        LIKELY,
    )


def _ghosts(clip):
    sure = [float(track.scores.mean()) for track in clip.tracks]
    if max(sure) < _SURE:
        return None
    ghosts = [
        track.track_id
        for track, mean in zip(clip.tracks, sure, strict=True)
        if mean < _DOUBTFUL
        and len(track.frames) <= _GHOST_FRAMES * clip.frame_count
    ]
    if not ghosts:
        return None
    names = ", ".join(str(name) for name in ghosts[:5])
    more = ", …" if len(ghosts) > 5 else ""
    whose = (
        f"people {names}{more} are"
        if len(ghosts) > 1
        else (f"person {names} is")
    )
    return Finding(
        "duplicates",
        f"{whose} in few frames, with low scores, and may not be real; leave "
        "out detections with low scores",
        POSSIBLE,
    )


def _tracks(people):
    """Returns a finding if a track is not one body."""
    for person in people:
        found = _unrelated(person) or _mixed(person)
        if found:
            return found
    return None


def _unrelated(person):
    rows = person.spread()
    if len(rows) < _PICTURES or not np.isfinite(person.height):
        return None
    steps = _apart(person, rows[1:], rows[:-1])
    farther = [
        np.median(_apart(person, rows[lag:], rows[:-lag]))
        for lag in range(2, min(_MOST_TURNS + 1, len(rows) - 1))
    ]
    usual = np.median(steps)
    if (
        np.quantile(steps, 0.25) < _UNRELATED
        or usual < _NO_FARTHER * max(farther)
        or min(farther) < _BACK * usual
    ):
        return None
    return Finding(
        "frames_or_people",
        f"person {person.track_id} is somewhere else in each frame: people "
        "in one picture may have been read as frames, or unrelated pictures "
        "as a video; try --frames=people",
        POSSIBLE,
    )


def _mixed(person):
    """Returns a finding if a track jumps back and forth between two bodies."""
    rows = person.spread()
    if len(person.frames) > len(rows):
        # Uses consecutive frames.
        rows = np.arange(len(rows))
    if len(rows) < 2 * _FEWEST_FRAMES or not np.isfinite(person.height):
        return None
    away = _apart(person, rows[:, None], rows)
    last, other, switches, within = 0, None, [], []
    owner = [0]
    for row in range(1, len(rows)):
        step = away[row, last]
        back = np.inf if other is None else away[row, other]
        if step > _JUMP and (other is None or back < step):
            switches.append(step)
            if other is not None:
                within.append(back)
            last, other = row, last
            owner.append(1 - owner[-1])
        else:
            within.append(step)
            last = row
            owner.append(owner[-1])
    share = min(np.mean(owner), 1 - np.mean(owner)) * len(rows)
    if (
        len(switches) < _FEWEST_SWITCHES
        or share < _FEWEST_FRAMES
        or np.median(within) > _SMOOTH * np.median(switches)
    ):
        return None
    return Finding(
        "mixed_tracks",
        f"person {person.track_id} jumps back and forth between two bodies "
        f"({len(switches)} times in {len(rows)} frames): two people are in "
        "one track; give each of them a separate track id",
        LIKELY,
    )


def _apart(person, rows, others):
    """Returns mean distances of joints between frames, in heights."""
    seen = person.seen[rows] & person.seen[others]
    gaps = np.linalg.norm(person.pixels[rows] - person.pixels[others], axis=-1)
    number = np.maximum(seen.sum(axis=-1), 1)
    return (gaps * seen).sum(axis=-1) / number / person.height

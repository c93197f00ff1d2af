"""Frames and people that readers and trackers mix up.

Continues `damages`.
"""

import numpy as np

from ampose_tf.lifting.keypoints import Track
from benchmarks.damages import mirrored, moved, one_person


def _another(clip, random):
    """Returns track pixels of another person, next to the first.

    They are the mirror image, played backwards, a little smaller or larger.
    """
    (track,) = clip.tracks
    points = track.pixels[::-1, mirrored(clip)]
    low, high = points.min(axis=(0, 1)), points.max(axis=(0, 1))
    middle, height = (low + high) / 2, (high - low)[1]
    points = (points - middle) * (-random.uniform(0.85, 1.15), 1)
    points[..., 1] *= random.uniform(0.85, 1.15)
    aside = random.choice((-1, 1)) * random.uniform(0.4, 1.0) * height
    return points + middle + (aside, random.uniform(-0.1, 0.1) * height)


def _with_ghosts(clip, random):
    """Adds two uncertain people who appear only in a few frames."""
    (track,) = clip.tracks
    tracks = [track]
    for number in (1, 2):
        first = random.integers(len(track.frames) - 3)
        rows = np.arange(first, first + random.integers(1, 4))
        pixels = _another(clip, random)[rows]
        pixels = pixels + random.normal(size=pixels.shape) * 10
        scores = random.uniform(0.0, 0.5, pixels.shape[:2])
        tracks.append(_track(number, rows, pixels, scores))
    return clip._replace(tracks=tuple(tracks))


def _track(track_id, frames, pixels, scores):
    return Track(track_id, frames, np.float32(pixels), np.float32(scores))


def _twice(clip, random, share):
    """Adds a second detection of the same body in some of the frames."""
    (track,) = clip.tracks
    count = len(track.frames)
    rows = np.sort(random.permutation(count)[: round(share * count)])
    pixels = track.pixels[rows]
    height = np.ptp(pixels[..., 1])
    pixels = pixels + 0.015 * height * random.normal(size=pixels.shape)
    again = _track(1, track.frames[rows], pixels, track.scores[rows])
    return clip._replace(tracks=(track, again))


def _by_turns(clip, random):
    """Splits the frames of one body between two tracks."""
    (track,) = clip.tracks
    count = len(track.frames)
    second = np.repeat(np.arange(count) % 2, random.integers(1, 5, count))
    return clip._replace(
        tracks=tuple(
            _track(
                number,
                track.frames[rows],
                track.pixels[rows],
                track.scores[rows],
            )
            for number in (0, 1)
            for rows in [np.flatnonzero(second[:count] == number)]
        )
    )


def _mixed(clip, random, way):
    (track,) = clip.tracks
    count = len(track.frames)
    if way == "by turns":
        second = np.arange(count) % 2 == 1
    else:
        lengths = random.integers(2, 6, count)
        second = np.repeat(np.arange(count) % 2 == 1, lengths)[:count]
    other = _another(clip, random)
    pixels = np.where(second[:, None, None], other, track.pixels)
    return moved(clip, lambda _: pixels)


def _two_in_each_frame(clip, random):
    """Labels the rows of two people as one person: twice as many frames."""
    (track,) = clip.tracks
    pixels = np.stack([track.pixels, _another(clip, random)], axis=1)
    pixels = pixels.reshape(-1, *pixels.shape[2:])
    scores = np.repeat(track.scores, 2, axis=0)
    return one_person(pixels, clip.skeleton, clip.image_size, scores)


def _two_by_turns(clip, random):
    """Like `_two_in_each_frame`, then tracked as two people."""
    mixed = _two_in_each_frame(clip, random)
    (track,) = mixed.tracks
    tracks = tuple(
        _track(
            number,
            track.frames[number::2],
            track.pixels[number::2],
            track.scores[number::2],
        )
        for number in (0, 1)
    )
    return mixed._replace(tracks=tracks)


def _frames_as_people(clip, random, people):
    (track,) = clip.tracks
    bodies = [track.pixels, _another(clip, random)][:people]
    pixels = np.stack(bodies, axis=1).reshape(-1, *track.pixels.shape[1:])
    scores = np.repeat(track.scores, people, axis=0)
    tracks = tuple(
        _track(number, np.array([0]), pixels[[number]], scores[[number]])
        for number in range(len(pixels))
    )
    return clip._replace(tracks=tracks, frame_count=1)


def _people_as_frames(clip, random):
    """Makes each frame another person of one image."""
    (track,) = clip.tracks
    rows = random.permutation(len(track.frames))
    pixels = track.pixels[rows]
    middle = pixels.mean(axis=1, keepdims=True)
    scale = random.uniform(0.7, 1.2, (len(rows), 1, 1))
    place = random.uniform(0.15, 0.85, (len(rows), 1, 2)) * clip.image_size
    return moved(clip, lambda _: scale * (pixels - middle) + place)


# In the format of `damages.DAMAGES`.
MIXUPS = {
    ("duplicates", "in all frames"): lambda clip, random: _twice(
        clip, random, 1
    ),
    ("duplicates", "in a third"): lambda clip, random: _twice(
        clip, random, 1 / 3
    ),
    ("duplicates", "one in two tracks"): _by_turns,
    ("duplicates", "ghosts"): _with_ghosts,
    ("mixed_tracks", "by turns"): lambda clip, random: _mixed(
        clip, random, "by turns"
    ),
    ("mixed_tracks", "for some frames each"): lambda clip, random: _mixed(
        clip, random, "some"
    ),
    ("mixed_tracks", "two of each frame"): _two_in_each_frame,
    ("frames_or_people", "20 frames as people"): lambda clip, random: (
        _frames_as_people(clip, random, 1)
    ),
    ("frames_or_people", "20 frames of two as people"): (
        lambda clip, random: _frames_as_people(clip, random, 2)
    ),
    ("frames_or_people", "two people by turns"): _two_by_turns,
    ("frames_or_people", "people as frames"): _people_as_frames,
}

"""Images and video to keypoints: people found by BlazePose, and followed.

Nothing leaves the machine. Models are put into the user's cache by one
command, see `blazepose.models`.
"""

import math
import os
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ampose_tf import files, interrupts, progress, reading
from ampose_tf.conversion import MEDIAPIPE_33
from ampose_tf.lifting import untrusted
from ampose_tf.lifting.blazepose import ffmpeg, frames, timing
from ampose_tf.lifting.keypoints import Keypoints, Track
from ampose_tf.lifting.motion import ASSUMED_FPS

# Letters of a list of frames in a note.
_LONGEST_LIST = 100
# Frames in another.
_MOST_SHOWN = 8


class Shown(NamedTuple):
    """A picture of a video.

    Attributes:
        frame: Its number, as in `Keypoints`.
        pixels: (H, W, 3) uint8, red, green and blue.
    """

    frame: int
    pixels: np.ndarray


def read_video(
    path: str | os.PathLike,
    detector: str = "full",
    people: int = 1,
    *,
    start: float = 0.0,
    end: float = math.inf,
    every: int = 1,
) -> Keypoints:
    """Finds people in a video, and follows them.

    It needs ffmpeg, which the extra `video` brings, and BlazePose's models,
    which `python -m ampose_tf.lifting.blazepose.models` brings. One picture
    at a time is in memory. Frames have the numbers that their times say, at
    the rate that fits them best. The signal that ends `lift.py` ends the
    video there: what was found before is returned.

    Args:
        path: Path of a video, of a folder whose images are the frames in the
            order of their numbers, or of an image.
        detector: `"lite"`, `"full"` or `"heavy"`: better, and slower.
        people: How many are followed.
        start: Seconds to begin at.
        end: Seconds to end at.
        every: Every n-th frame is looked at.

    Returns:
        Keypoints of the skeleton "MediaPipe-33", in pixels of the picture as
        it is to be seen, rounded to 1/100 pixel, and scores to 1/1000. Their
        notes say who was followed, in which frames no one was found, and what
        is wrong with the file.

    Raises:
        OSError: If the file cannot be read, or ffmpeg or a model is missing.
        ValueError: If it is no video, there is no person in it, or an
            argument is wrong.
    """
    # Only where people are looked for.
    from ampose_tf.lifting.blazepose import following

    if not 1 <= people <= untrusted.MAX_PEOPLE:
        raise ValueError(
            f"people: expected 1 to {untrusted.MAX_PEOPLE}, got {people}"
        )
    follower = following.Follower(detector=detector, people=people)
    found, looked_at, ended, when = {}, [], "", -math.inf
    with frames.opened(path, start, end, every) as clip:
        pictures = iter(clip)
        try:
            with (
                interrupts.deferred(),
                progress.bar(clip.expected, "frame") as done,
            ):
                for picture in pictures:
                    when = _later(clip.times, picture.index, when)
                    for person in follower.follow(picture.pixels, when):
                        own = found.setdefault(person.track_id, [])
                        own.append((picture.index, *_settled(person)))
                    looked_at.append(picture.index)
                    done(1)
                    if interrupts.received():
                        break
        except interrupts.Interrupted as error:
            if not found:
                raise
            ended = str(error)
        count = looked_at[-1] + 1
        # The decoder is ahead.
        times = [math.nan] * count if clip.times is None else clip.times
        numbering = timing.number(times[:count], clip.rates)
        notes = [*clip.notes(), *_of_times(numbering)]
    numbers = numbering.numbers
    known = np.searchsorted(numbers, untrusted.MAX_FRAME, side="right")
    if known < count:
        notes.append(
            f"Frames with numbers above {untrusted.MAX_FRAME} are left out; "
            "end chooses an earlier part."
        )
        looked_at, found = _before(known, looked_at, found)
    if not found:
        frame = "frame" if len(looked_at) == 1 else "frames"
        raise ValueError(
            reading.line(
                f"{path}: no person is found in its "
                f"{len(looked_at)} {frame}"
                + "".join(f"; {note}" for note in notes)
            )
        )
    tracks = tuple(
        Track(
            track_id,
            numbers[[index for index, _, _ in own]],
            np.stack([pixels for _, pixels, _ in own]),
            np.stack([scores for _, _, scores in own]),
        )
        for track_id, own in sorted(found.items())
    )
    here = numbers[looked_at]
    if ended:
        notes.append(f"Keypoints up to frame {here[-1]}: {ended}.")
    notes += _of_people(tracks, here, clip.size, people, follower.seen_at_once)
    return Keypoints(
        MEDIAPIPE_33.name,
        clip.size,
        numbering.fps,
        int(here[-1]) + 1,
        tracks,
        tuple(reading.shown(note, 300) for note in notes),
        of_video=True,
    )


def shown(
    path: str | os.PathLike,
    keypoints: Keypoints,
    *,
    start: float = 0.0,
    end: float = math.inf,
    every: int = 1,
    longest: int | None = None,
) -> Iterator[Shown]:
    """Yields the pictures of a video, with the numbers that keypoints have.

    Args:
        path: As for `read_video`.
        keypoints: What it returned; pictures beyond its frames are left out.
        start: As for `read_video`.
        end: As for `read_video`.
        every: As for `read_video`.
        longest: Pixels of the longer side that pictures are shrunk to; None
            leaves them as they are.

    Raises:
        OSError: As for `read_video`.
        ValueError: As for `read_video`.
    """
    count, done = timing.Counter(keypoints.fps), 0
    with frames.opened(path, start, end, every, longest) as clip:
        for picture in clip:
            # Those in between are counted, too.
            for place in range(done, picture.index + 1):
                time = math.nan if clip.times is None else clip.times[place]
                number = count(time)
            done = picture.index + 1
            if number >= keypoints.frame_count:
                break
            yield Shown(number, picture.pixels)


def check_ffmpeg() -> None:
    """Checks that there is an ffmpeg.

    Raises:
        OSError: If there is none.
    """
    ffmpeg.executable()


def check_detector(detector: str) -> dict[str, str]:
    """Loads BlazePose's networks, as `read_video` will.

    Returns:
        The SHA-256 of their files, by "detection" and "landmarks".

    Raises:
        OSError: If a file is missing.
        ValueError: If a file is wrong, or there is no such detector.
    """
    from ampose_tf.lifting.blazepose import following

    return following.Follower(detector).sha256


def sha256(path: str | os.PathLike) -> str:
    """Returns the SHA-256 of a video, or of the images of a folder.

    Raises:
        OSError: If it cannot be read.
        ValueError: If the folder has none.
    """
    place = pathlib.Path(path)
    return files.sha256(
        place, frames.images_in(place) if place.is_dir() else None
    )


def _before(known, looked_at, found):
    """Leaves out the pictures whose index is not below a number."""
    kept = {
        track_id: [one for one in own if one[0] < known]
        for track_id, own in found.items()
    }
    return (
        [index for index in looked_at if index < known],
        {track_id: own for track_id, own in kept.items() if own},
    )


def _later(times, index, before):
    """Returns a picture's time, later than the one before."""
    time = math.nan if times is None else times[index]
    if time > before:
        return time
    return 0.0 if before == -math.inf else before + 1 / ASSUMED_FPS


def _settled(person):
    """Returns rounded pixels and scores, 0 for joints that are nowhere.

    Further digits mean nothing, and saved keypoints are a third smaller.
    """
    pixels = np.round(np.asarray(person.pixels, np.float64), 2)
    scores = np.round(np.asarray(person.scores, np.float64), 3)
    pixels, scores = np.float32(pixels), np.clip(np.float32(scores), 0, 1)
    with np.errstate(invalid="ignore"):  # NaN is in no range.
        placed = (np.abs(pixels) <= untrusted.MAX_PIXEL).all(axis=1)
    placed &= scores > 0
    return np.where(placed[:, None], pixels, 0), np.where(placed, scores, 0)


def _of_times(numbering):
    """Returns notes on frames that no rate fits."""
    if not numbering.uneven:
        return []
    return [
        f"The video's frame rate varies: at {numbering.fps:.6g} a second, "
        f"{numbering.uneven} of {len(numbering.numbers)} frames are more than "
        f"half a frame from their times, by up to {numbering.worst:.1f}."
    ]


def _of_people(tracks, shown, size, people, most):
    """Returns notes on who was followed, and who was not."""
    notes = []
    if most > people:
        which = (
            f"the one {_place(tracks[0], size)}"
            if people == 1
            else f"people={people}"
        )
        notes.append(
            f"{people} of at least {most} people in a frame "
            f"{'is' if people == 1 else 'are'} followed, {which}; "
            f"--people={most}, in Python people={most}, follows more."
        )
    if people == 1 and len(tracks) > 1:
        later = [str(track.frames[0]) for track in tracks[1:]]
        notes.append(
            "The person who is followed was lost; those found in frames "
            f"{_and(later)}, the same one or another, have tracks of their "
            "own."
            if len(later) > 1
            else "The person who is followed was lost; the one found in frame "
            f"{later[0]}, the same one or another, has a track of their own."
        )
    there = np.unique(np.concatenate([track.frames for track in tracks]))
    empty = np.setdiff1d(shown, there)
    if len(empty):
        notes.append(
            f"No one is found in {len(empty)} of {len(shown)} frames: "
            f"{_listed(empty, shown)}."
        )
    return notes


def _and(names):
    shown, rest = names[:_MOST_SHOWN], len(names) - _MOST_SHOWN
    shown = [*shown, f"{rest} more"] if rest > 0 else shown
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def _place(track, size):
    """Says where a person is, in words."""
    seen = track.scores[0] > 0
    across, down = track.pixels[0][seen].mean(axis=0) / size
    return (
        f"at {100 * across:.0f} % of the width and {100 * down:.0f} % of the "
        f"height in frame {track.frames[0]}"
    )


def _listed(numbers, shown):
    """Returns ranges of frames, as "0 to 4, 17", and how many there are."""
    places = np.searchsorted(shown, numbers)
    parts = np.split(numbers, np.flatnonzero(np.diff(places) > 1) + 1)
    text = ""
    for i, part in enumerate(parts):
        own = f"{part[0]}" + (f" to {part[-1]}" if len(part) > 1 else "")
        if len(text) + len(own) > _LONGEST_LIST:
            return f"{text} and in {len(parts) - i} more places"
        text += f", {own}" if text else own
    return text

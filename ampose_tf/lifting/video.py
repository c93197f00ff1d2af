"""Images and video to keypoints: BlazePose detects and tracks people.

Everything runs on the local machine. One command downloads the models into
the user's cache, see `blazepose.models`.
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

# Most characters in a list of frame ranges in a note.
_LONGEST_LIST = 100
# Most frames in other lists.
_MOST_SHOWN = 8


class Shown(NamedTuple):
    """A picture of a video.

    Attributes:
        frame: Frame number, as in `Keypoints`.
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
    """Detects people in a video and tracks them.

    Requires ffmpeg, which the extra `video` installs, and the models of
    BlazePose, which `python -m ampose_tf.lifting.blazepose.models` downloads.
    One picture at a time is kept in memory. Frames are numbered by their
    times, at the frame rate that fits these best. If a signal interrupts
    `lift.py`, the keypoints found up to then are returned.

    Args:
        path: Path of a video, of a folder of images, which are ordered by the
            numbers in their names, or of an image.
        detector: `"lite"`, `"full"` or `"heavy"`, in increasing order of
            accuracy and time.
        people: Number of people to track.
        start: Time to start at, in seconds.
        end: Time to end at, in seconds.
        every: Only every n-th frame is used.

    Returns:
        Keypoints of the skeleton "MediaPipe-33", in pixels of the upright
        picture, rounded to 1/100 pixel, and scores rounded to 1/1000. The
        notes state who was tracked, in which frames no person was found, and
        what is wrong with the file.

    Raises:
        OSError: If the file cannot be read, or ffmpeg or a model is missing.
        ValueError: If the file is not a video or shows no person, or an
            argument is invalid.
    """
    # Imported only to detect people.
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
        # The decoder is ahead of the last picture used.
        times = [math.nan] * count if clip.times is None else clip.times
        numbering = timing.number(times[:count], clip.rates)
        notes = [*clip.notes(), *_of_times(numbering)]
    numbers = numbering.numbers
    known = np.searchsorted(numbers, untrusted.MAX_FRAME, side="right")
    if known < count:
        notes.append(
            f"Frames with numbers above {untrusted.MAX_FRAME} are left out; "
            "use end to choose an earlier part."
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
    """Yields the pictures of a video, numbered like its keypoints.

    Args:
        path: As for `read_video`.
        keypoints: Result of `read_video`; pictures beyond its frames are left
            out.
        start: As for `read_video`.
        end: As for `read_video`.
        every: As for `read_video`.
        longest: Longer side in pixels that pictures are shrunk to; None to
            keep their size.

    Raises:
        OSError: As for `read_video`.
        ValueError: As for `read_video`.
    """
    count, done = timing.Counter(keypoints.fps), 0
    with frames.opened(path, start, end, every, longest) as clip:
        for picture in clip:
            # Frames in between are also counted.
            for place in range(done, picture.index + 1):
                time = math.nan if clip.times is None else clip.times[place]
                number = count(time)
            done = picture.index + 1
            if number >= keypoints.frame_count:
                break
            yield Shown(number, picture.pixels)


def check_ffmpeg() -> None:
    """Checks that ffmpeg is installed.

    Raises:
        OSError: If it is not.
    """
    ffmpeg.executable()


def check_detector(detector: str) -> dict[str, str]:
    """Loads BlazePose's networks, as `read_video` does.

    Returns:
        The SHA-256 of their files, by "detection" and "landmarks".

    Raises:
        OSError: If a file is missing.
        ValueError: If a file is invalid, or the detector is unknown.
    """
    from ampose_tf.lifting.blazepose import following

    return following.Follower(detector).sha256


def sha256(path: str | os.PathLike) -> str:
    """Returns the SHA-256 of a video, or of the images in a folder.

    Raises:
        OSError: If the path cannot be read.
        ValueError: If the folder contains no images.
    """
    place = pathlib.Path(path)
    return files.sha256(
        place, frames.images_in(place) if place.is_dir() else None
    )


def _before(known, looked_at, found):
    """Returns the pictures and people with an index below `known`."""
    kept = {
        track_id: [one for one in own if one[0] < known]
        for track_id, own in found.items()
    }
    return (
        [index for index in looked_at if index < known],
        {track_id: own for track_id, own in kept.items() if own},
    )


def _later(times, index, before):
    """Returns a picture's time, made later than the one before."""
    time = math.nan if times is None else times[index]
    if time > before:
        return time
    return 0.0 if before == -math.inf else before + 1 / ASSUMED_FPS


def _settled(person):
    """Returns rounded pixels and scores, 0 for joints without a position.

    More digits are meaningless, and rounding makes saved keypoints a third
    smaller.
    """
    pixels = np.round(np.asarray(person.pixels, np.float64), 2)
    scores = np.round(np.asarray(person.scores, np.float64), 3)
    pixels, scores = np.float32(pixels), np.clip(np.float32(scores), 0, 1)
    with np.errstate(invalid="ignore"):  # Comparisons are False for NaN.
        placed = (np.abs(pixels) <= untrusted.MAX_PIXEL).all(axis=1)
    placed &= scores > 0
    return np.where(placed[:, None], pixels, 0), np.where(placed, scores, 0)


def _of_times(numbering):
    """Returns notes on frames that do not fit a constant rate."""
    if not numbering.uneven:
        return []
    return [
        f"The video's frame rate varies: at {numbering.fps:.6g} frames per "
        f"second, {numbering.uneven} of {len(numbering.numbers)} frames are "
        "more than half a frame away from their times, by up to "
        f"{numbering.worst:.1f}."
    ]


def _of_people(tracks, shown, size, people, most):
    """Returns notes on who was tracked and who was not."""
    notes = []
    if most > people:
        which = (
            f"the one {_place(tracks[0], size)}"
            if people == 1
            else f"people={people}"
        )
        notes.append(
            f"{people} of at least {most} people in a frame "
            f"{'is' if people == 1 else 'are'} tracked, {which}; "
            f"--people={most}, in Python people={most}, tracks more."
        )
    if people == 1 and len(tracks) > 1:
        later = [str(track.frames[0]) for track in tracks[1:]]
        notes.append(
            "The tracked person was lost. The people found later, from frames "
            f"{_and(later)}, may be the same person or others; all have "
            "separate tracks."
            if len(later) > 1
            else "The tracked person was lost. The person found later, from "
            f"frame {later[0]}, may be the same person or another; the two "
            "have separate tracks."
        )
    there = np.unique(np.concatenate([track.frames for track in tracks]))
    empty = np.setdiff1d(shown, there)
    if len(empty):
        notes.append(
            f"No person is found in {len(empty)} of {len(shown)} frames: "
            f"{_listed(empty, shown)}."
        )
    return notes


def _and(names):
    shown, rest = names[:_MOST_SHOWN], len(names) - _MOST_SHOWN
    shown = [*shown, f"{rest} more"] if rest > 0 else shown
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def _place(track, size):
    """Describes where a person is."""
    seen = track.scores[0] > 0
    across, down = track.pixels[0][seen].mean(axis=0) / size
    return (
        f"at {100 * across:.0f} % of the width and {100 * down:.0f} % of the "
        f"height in frame {track.frames[0]}"
    )


def _listed(numbers, shown):
    """Returns ranges of frames as text, such as "0 to 4, 17"."""
    places = np.searchsorted(shown, numbers)
    parts = np.split(numbers, np.flatnonzero(np.diff(places) > 1) + 1)
    text = ""
    for i, part in enumerate(parts):
        own = f"{part[0]}" + (f" to {part[-1]}" if len(part) > 1 else "")
        if len(text) + len(own) > _LONGEST_LIST:
            return f"{text} and in {len(parts) - i} more places"
        text += f", {own}" if text else own
    return text

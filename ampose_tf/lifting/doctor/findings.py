"""Findings of the doctor, and the people that it examines."""

from typing import NamedTuple

import numpy as np

from ampose_tf.lifting.doctor import symptoms
from ampose_tf.lifting.keypoints import Keypoints, is_seen
from ampose_tf.skeleton import H36M_17

# The kinds of findings, with a description of correct keypoints.
KINDS = {
    "normalised": "coordinates are in pixels",
    "is_3d": "coordinates are of an image",
    "y_up": "y points down",
    "xy_swapped": "x comes before y",
    "turned": "the video is upright",
    "aspect": "the image is neither squeezed nor stretched",
    "order": "joints are in the order of the skeleton",
    "sides_swapped": "left and right are not swapped",
    "image_size": "the image size fits",
    "cut_off": "everyone is completely in the image",
    "scale": "people are as large as in the training data",
    "frames_or_people": "frames and people are not confused",
    "mixed_tracks": "each track is one person",
    "duplicates": "each person occurs once",
    "missing_frames": "no frame is missing",
    "frame_rate": "people move at a natural speed",
}
CERTAIN, LIKELY, POSSIBLE = "certain", "likely", "possible"

# Limits that bound the time: the people seen longest are examined, in evenly
# spread frames.
_MAX_PEOPLE = 16
_MAX_FRAMES = 64
_MAX_WINDOWS = 4
# A joint is known if it is seen in this share of a window's frames. It is less
# than 5 of 17, the joints that each frame has at least: some joint is known.
_KNOWN = 0.25
# Frames with fewer joints of a person are not examined.
_FEWEST_JOINTS = 5


_JOINT = {name: index for index, name in enumerate(H36M_17.joints)}
# Long links and their lengths in heights of the person, averaged over the
# training subjects. Projected links have at most this length.
_LINKS = tuple(
    (_JOINT[start], _JOINT[end], share)
    for start, end, share in (
        *((f"{side}Hip", f"{side}Knee", 0.243) for side in "LR"),
        *((f"{side}Knee", f"{side}Foot", 0.255) for side in "LR"),
        *((f"{side}Shoulder", f"{side}Elbow", 0.172) for side in "LR"),
        *((f"{side}Elbow", f"{side}Wrist", 0.169) for side in "LR"),
        ("Hip", "Thorax", 0.266),
        ("Thorax", "Head", 0.171),
    )
)
# Quantile of the projected links' lengths at which a link is nearly parallel
# to the image.
_PARALLEL = 0.8


class Finding(NamedTuple):
    """A problem of the keypoints.

    Attributes:
        kind: One of `KINDS`.
        sentence: Description of the problem and its remedy, for the user.
        certainty: `CERTAIN`, `LIKELY` or `POSSIBLE`.
    """

    kind: str
    sentence: str
    certainty: str


class ExaminedPerson(NamedTuple):
    """The frames of one person that are examined.

    Attributes:
        track_id: As in `keypoints.Track`.
        frames: (F,) int64, increasing.
        source: (F, S, 2) float64, pixels in the order of the file's skeleton.
        source_seen: (F, S) bool.
        pixels: (F, 17, 2) float64, Human3.6M's joints.
        seen: (F, 17) bool.
        height: Approximate standing height of the person in pixels; NaN if
            none of `_LINKS` is seen, or all have length 0.
    """

    track_id: int
    frames: np.ndarray
    source: np.ndarray
    source_seen: np.ndarray
    pixels: np.ndarray
    seen: np.ndarray
    height: float

    def spread(self) -> np.ndarray:
        """Returns the rows of at most `_MAX_FRAMES` evenly spread frames."""
        count = min(len(self.frames), _MAX_FRAMES)
        rows = np.linspace(0, len(self.frames) - 1, count)
        return rows.round().astype(np.int64)

    def at(self, asked: np.ndarray) -> np.ndarray:
        """Returns joints (..., 17, 2) in frames (...), interpolated.

        A joint that is never seen is at (0, 0).
        """
        points = np.zeros((*asked.shape, *self.pixels.shape[1:]))
        for joint in range(points.shape[-2]):
            known = self.seen[:, joint]
            if known.any():
                for axis in range(2):
                    points[..., joint, axis] = np.interp(
                        asked,
                        self.frames[known],
                        self.pixels[known, joint, axis],
                    )
        return points

    def windows(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Returns windows of `symptoms.CLIP` frames.

        They are taken from the longest stretch without gaps. If it is too
        short, it is played back and forth.

        Returns:
            Pixels (W, CLIP, 17, 2) and which joints are known (W, CLIP, 17)
            of at most `_MAX_WINDOWS` windows, and the average step between
            frames. A joint is known in all frames of a window or in none, so
            that the middle of the body does not jump when a joint is hidden;
            it is interpolated in the frames in which it is not seen.
        """
        steps = np.diff(self.frames)
        usual = np.median(steps) + 1 if len(steps) else 0
        edges = np.flatnonzero(np.r_[True, steps > usual, True])
        longest = np.diff(edges).argmax()
        first, length = edges[longest], edges[longest + 1] - edges[longest]
        count = min(length, symptoms.CLIP)
        number = min(_MAX_WINDOWS, length // count)
        starts = np.linspace(0, length - count, number).astype(int)
        rows = first + starts[:, None] + symptoms.back_and_forth(count)
        # A single frame is repeated.
        rows = np.minimum(rows, first + length - 1)
        span = self.frames[first + length - 1] - self.frames[first]
        step = float(span) / max(length - 1, 1)
        known = self.seen[rows].mean(axis=1, keepdims=True) >= _KNOWN
        known = np.repeat(known, symptoms.CLIP, axis=1)
        return self.at(self.frames[rows]), known, max(step, 1)


def people_of(
    clip: Keypoints, converted: Keypoints, seen_score: float
) -> tuple[ExaminedPerson, ...]:
    """Returns the people seen longest, without frames of too few joints.

    Args:
        clip: Keypoints as read.
        converted: The same people with Human3.6M's joints.
        seen_score: Lowest score of a joint that counts as seen.
    """
    people = []
    for track, own in zip(clip.tracks, converted.tracks, strict=True):
        seen = is_seen(own.scores, seen_score)
        rows = seen.sum(axis=1) >= _FEWEST_JOINTS
        if rows.any():
            people.append(
                ExaminedPerson(
                    track.track_id,
                    track.frames[rows],
                    track.pixels[rows].astype(np.float64),
                    is_seen(track.scores[rows], seen_score),
                    own.pixels[rows].astype(np.float64),
                    seen[rows],
                    _height(own.pixels[rows], seen[rows]),
                )
            )
    people.sort(key=lambda person: -len(person.frames))
    return tuple(people[:_MAX_PEOPLE])


def _height(pixels, seen):
    lengths = []
    for start, end, share in _LINKS:
        both = seen[:, start] & seen[:, end]
        link = pixels[both, end] - pixels[both, start]
        lengths.append(np.linalg.norm(link, axis=1) / share)
    lengths = np.concatenate(lengths)
    if not lengths.any():
        return np.nan
    return float(np.quantile(lengths, _PARALLEL)) or np.nan

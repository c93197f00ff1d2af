"""What the doctor finds, and the people whom it looks at."""

from typing import NamedTuple

import numpy as np

from ampose_tf.lifting.doctor import symptoms
from ampose_tf.lifting.keypoints import Keypoints, is_seen
from ampose_tf.skeleton import H36M_17

# What is examined, and how it should be.
KINDS = {
    "normalised": "coordinates are in pixels",
    "is_3d": "coordinates are of an image",
    "y_up": "y points down",
    "xy_swapped": "x comes before y",
    "turned": "the video is upright",
    "aspect": "the image is neither squeezed nor stretched",
    "order": "joints are in the order claimed",
    "sides_swapped": "left and right are not exchanged",
    "image_size": "the image's size fits",
    "cut_off": "everybody is wholly in the image",
    "scale": "people are as large as in the training data",
    "frames_or_people": "frames are frames, and people are people",
    "mixed_tracks": "each track is one person",
    "duplicates": "each person is there once",
    "missing_frames": "no frame is missing",
    "frame_rate": "people move as fast as people do",
}
CERTAIN, LIKELY, POSSIBLE = "certain", "likely", "possible"

# Of how many people, and of how many frames of each, at most: those seen
# longest, and evenly spread. It bounds the time.
_MAX_PEOPLE = 16
_MAX_FRAMES = 64
_MAX_WINDOWS = 4
# Of a part's frames in which a joint is seen: less than the five of 17 joints
# that each frame has at least, so that some joint is known.
_KNOWN = 0.25
# Of a person, to be looked at.
_FEWEST_JOINTS = 5


_JOINT = {name: index for index, name in enumerate(H36M_17.joints)}
# Long links and how long they are in heights of the person: means over the
# training subjects. Their images are as long or shorter.
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
# Of the longest links and frames, this share is nearly parallel to the image.
_PARALLEL = 0.8


class Finding(NamedTuple):
    """Something that looks wrong.

    Attributes:
        kind: One of `KINDS`.
        sentence: What it is and what to do about it, for the user.
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
        height: About how tall in pixels the person is when standing; NaN if
            none of `_LINKS` is seen, or all are points.
    """

    track_id: int
    frames: np.ndarray
    source: np.ndarray
    source_seen: np.ndarray
    pixels: np.ndarray
    seen: np.ndarray
    height: float

    def spread(self) -> np.ndarray:
        """Returns the rows of at most `_MAX_FRAMES` frames."""
        count = min(len(self.frames), _MAX_FRAMES)
        rows = np.linspace(0, len(self.frames) - 1, count)
        return rows.round().astype(np.int64)

    def at(self, asked: np.ndarray) -> np.ndarray:
        """Returns joints (..., 17, 2) in frames (...), also in between.

        Where a joint is never seen it is at (0, 0).
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
        """Returns parts of `symptoms.CLIP` frames of the longest stretch.

        A stretch has no gaps; a shorter one is played back and forth.

        Returns:
            Pixels (W, CLIP, 17, 2) and which joints are known (W, CLIP, 17)
            of at most `_MAX_WINDOWS`, and the frames from one to the next, on
            average. A joint is known in all frames of a part, in some of
            which it may lie between those in which it was seen, or in none:
            the middle of the body must not jump where one is hidden.
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
        # Of one frame there is nothing to go back to.
        rows = np.minimum(rows, first + length - 1)
        span = self.frames[first + length - 1] - self.frames[first]
        step = float(span) / max(length - 1, 1)
        known = self.seen[rows].mean(axis=1, keepdims=True) >= _KNOWN
        known = np.repeat(known, symptoms.CLIP, axis=1)
        return self.at(self.frames[rows]), known, max(step, 1)


def people_of(
    clip: Keypoints, converted: Keypoints, seen_score: float
) -> tuple[ExaminedPerson, ...]:
    """Returns those who are seen longest, without frames of too few joints.

    Args:
        clip: As read.
        converted: The same in Human3.6M's joints.
        seen_score: A joint counts as seen from this score on.
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

"""Tracks one person over time and predicts the next position."""

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from ampose_tf.lifting import keypoints
from ampose_tf.lifting.blazepose import landmarks, regions

# Largest distance of a lost person from the predicted position, in sides of
# the region, and its increase with each image since.
_NEAR, _FARTHER = 0.3, 0.02
_MOST_CHANGE = 2.0  # Ratio of a lost person's sizes, before and after.
_MOVING = 5  # Images for which a lost person's motion is extrapolated.
_OF_VELOCITY = 0.3  # Weight of the newest velocity in the running mean.

_SEEN, _LEAST_SEEN = 0.5, 8


class _Meeting(NamedTuple):
    """State of two people before one was mistaken for the other."""

    rival: "Track"
    own: tuple[regions.Region, np.ndarray]
    rivals: tuple[regions.Region, np.ndarray]


@dataclasses.dataclass(eq=False)
class Track:
    """A person who is being tracked or has been lost.

    Attributes:
        track_id: Id of the person.
        pose: Pose in the last image in which the person was seen.
        steady: Filter for the alignment points.
        region: Region that is searched in the next image.
        velocity: (2,) velocity of the region's centre, in pixels per image.
        lost: Images since the person was lost; 0 while they are tracked.
        meeting: State when the person met another one and was lost; None if
            they were lost without meeting another person.
    """

    track_id: int
    pose: landmarks.Pose
    steady: regions.Steady
    region: regions.Region
    velocity: np.ndarray
    lost: int = 0
    meeting: _Meeting | None = None

    @classmethod
    def begun(
        cls, track_id: int, pose: landmarks.Pose, seconds: float
    ) -> "Track":
        """Returns the track of a new person."""
        steady = regions.Steady()
        region = regions.around(*steady(pose.alignment, seconds))
        return cls(track_id, pose, steady, region, np.zeros(2))

    def go_on(self, pose: landmarks.Pose, seconds: float) -> None:
        """Updates the track with the pose in the next image."""
        centre = np.array(self.region[:2])
        self.region = regions.around(*self.steady(pose.alignment, seconds))
        moved = self.region[:2] - centre
        self.velocity = self.velocity + _OF_VELOCITY * (moved - self.velocity)
        self.pose = pose

    def resume(self, pose: landmarks.Pose, seconds: float) -> None:
        """Updates the track with the pose of a lost person who is found again.

        If the person was lost when meeting another one, their ids are
        exchanged if the poses then match the predictions better.
        """
        if self.meeting is not None:
            rival, own, rivals = self.meeting
            as_they_are = _surprise(*own, pose, self.lost)
            as_they_are += _surprise(*rivals, rival.pose, self.lost)
            exchanged = _surprise(*own, rival.pose, self.lost)
            exchanged += _surprise(*rivals, pose, self.lost)
            if exchanged < as_they_are and not rival.lost:
                numbers = self.track_id, rival.track_id
                rival.track_id, self.track_id = numbers
        self.steady = regions.Steady()
        self.region = regions.around(*self.steady(pose.alignment, seconds))
        self.pose, self.lost, self.meeting = pose, 0, None

    def meet(self, rival: "Track") -> None:
        """Remembers another person whose body was mistaken for this one's."""
        self.meeting = _Meeting(
            rival,
            (self.region, self.velocity),
            (rival.region, rival.velocity),
        )

    def surprise(self, pose: landmarks.Pose) -> float:
        """Returns the next pose's distance from the prediction."""
        return _surprise(self.region, self.velocity, pose, 1)

    def expected(self) -> np.ndarray:
        """Returns (2,), the expected centre of a lost person's region."""
        return self.region[:2] + self.velocity * min(self.lost, _MOVING)

    def distance(self, pose: landmarks.Pose) -> float:
        """Returns a pose's distance from a lost person's expected position.

        A distance of 1 is the farthest that the person may have moved; poses
        beyond belong to other people.
        """
        region = regions.around(*pose.alignment)
        ratio = region.side / max(self.region.side, 1e-6)
        if not 1 / _MOST_CHANGE < ratio < _MOST_CHANGE:
            return math.inf
        away = math.hypot(*(np.array(region[:2]) - self.expected()))
        return away / (self.region.side * (_NEAR + _FARTHER * self.lost))


def _surprise(region, velocity, pose, images):
    """Returns a pose's distance from a prediction, in sizes of the person."""
    found = regions.around(*pose.alignment)
    away = math.hypot(*(region[:2] + velocity * images - found[:2]))
    grown = math.log(max(found.side, 1e-6) / max(region.side, 1e-6))
    return away / max(region.side, 1e-6) + abs(grown)


def likeness(pose: landmarks.Pose, other: landmarks.Pose) -> float:
    """Returns the similarity of two poses, see `keypoints.similarity`.

    Landmarks that are not seen, such as legs outside the image, are guesses
    and are ignored, unless fewer than eight are seen in both poses.
    """
    seen = pose.scores >= _SEEN, other.scores >= _SEEN
    if (seen[0] & seen[1]).sum() < _LEAST_SEEN:
        seen = (np.ones(landmarks.COUNT, bool),) * 2
    return float(
        keypoints.similarity(pose.pixels, seen[0], other.pixels, seen[1])
    )

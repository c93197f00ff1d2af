"""Following people from image to image.

A person's landmarks say where the person's region of the next image is, as in
MediaPipe's pose_landmark_cpu.pbtxt. The detector is asked

* for every image in which fewer people are followed than wanted and someone
  was lost within the last second, and otherwise for every fifth such image;
* for every 30th image, to count the people.

Where the whole image shows no one, tiles of it are searched, of a half and of
a quarter of its shorter side: all of them in the first image and in the one
in which the last person is lost, and in others eight, in turn. A person of 15
% of the image's height is found so.

A person keeps the number of their track. One who was lost and is found where
they would have moved to within two seconds has the same number as before; who
is found elsewhere has a new one.
"""

import dataclasses
import itertools
import math
from typing import NamedTuple

import numpy as np

from ampose_tf.lifting import keypoints
from ampose_tf.lifting.blazepose import (
    detection,
    landmarks,
    models,
    networks,
    regions,
)

_LEAST_PRESENCE = 0.5
# Poses more alike, see `keypoints.similarity`, are of one person.
_ALIKE = 0.3

_SECONDS = 1 / 30  # Between images whose times are not given.
_AGAIN = 5  # Images from one search for further people to the next.
_COUNTED = 30  # Images from one count of the people to the next.
# How many images after the loss of a person the search is in every one, and
# the person is remembered.
_SOUGHT, _REMEMBERED = 30, 60
# How far from where they would be, in sides of their region, a lost person is
# looked for, and how much farther for each image since.
_NEAR, _FARTHER = 0.2, 0.02
_MOST_CHANGE = 1.6  # Of a lost person's size.

_TILES = (2, 4)  # In the shorter side of the image.
_TILES_AT_ONCE = 8


class Person(NamedTuple):
    """A person in an image.

    Attributes:
        track_id: The person's number, the same in every image.
        pixels: (33, 2) float32 in pixels of the image.
        scores: (33,) float32 in [0, 1], the landmarks' visibility.
    """

    track_id: int
    pixels: np.ndarray
    scores: np.ndarray


@dataclasses.dataclass
class _Track:
    """A person who is followed, or was lost.

    Attributes:
        track_id: As in `Person`.
        pose: In the last image in which the person was seen.
        steady: Of the alignment points.
        region: Of the next image.
        velocity: (2,) pixels an image, of the region's centre.
        lost: For how many images.
        likeness: Of the last pose to the one before it.
    """

    track_id: int
    pose: landmarks.Pose
    steady: regions.Steady
    region: regions.Region
    velocity: np.ndarray
    lost: int = 0
    likeness: float = 1.0

    @classmethod
    def begun(cls, track_id, pose, seconds):
        steady = regions.Steady()
        region = regions.around(*steady(pose.alignment, seconds))
        return cls(track_id, pose, steady, region, np.zeros(2))

    def go_on(self, pose, seconds):
        centre = self.region[:2]
        self.likeness = _likeness(pose, self.pose)
        self.region = regions.around(*self.steady(pose.alignment, seconds))
        self.velocity += 0.3 * (
            np.subtract(self.region[:2], centre) - self.velocity
        )
        self.pose = pose

    def resume(self, pose, seconds):
        self.steady = regions.Steady()
        self.region = regions.around(*self.steady(pose.alignment, seconds))
        self.pose, self.lost, self.likeness = pose, 0, 1.0

    def distance(self, pose):
        """Returns how far a pose is from where a lost person may be.

        In reaches: above 1 it is another person.
        """
        region = regions.around(*pose.alignment)
        ratio = region.side / max(self.region.side, 1e-6)
        if not 1 / _MOST_CHANGE < ratio < _MOST_CHANGE:
            return math.inf
        # A jump ends; who walks, walks on.
        expected = self.region[:2] + self.velocity * min(self.lost, _AGAIN)
        away = math.hypot(*(np.array(region[:2]) - expected))
        return away / (self.region.side * (_NEAR + _FARTHER * self.lost))


def _likeness(pose, other):
    every = np.ones(landmarks.COUNT, bool)
    return float(keypoints.similarity(pose.pixels, every, other.pixels, every))


class Follower:
    """People's landmarks in one image after another.

    Attributes:
        seen_at_once: Most people who were seen in one image so far.
    """

    def __init__(self, detector: str = "full", people: int = 1):
        """Loads the networks.

        Args:
            detector: One of `models.DETECTORS`, from the fastest to the most
                exact.
            people: How many to follow at a time; the largest in the image
                come first.

        Raises:
            OSError: If a file is missing; see `models.paths`.
            ValueError: If there is no such detector, a file is wrong, or
                `people` is not positive.
        """
        if people < 1:
            raise ValueError(f"Expected at least 1 person, got {people}")
        found = models.paths(detector)
        self._detect = detection.Detector(networks.load(found.detection))
        self._find = landmarks.Landmarker(networks.load(found.landmarks))
        self._people = people
        self._tracks, self._lost = [], []
        self._ids = itertools.count()
        self._index = self._turn = 0
        self._seconds = -math.inf
        self._size = None
        self.seen_at_once = 0

    def follow(
        self, image: np.ndarray, seconds: float | None = None
    ) -> list[Person]:
        """Returns the people in the next image.

        Args:
            image: (H, W, 3) uint8, RGB. After one of another size, everybody
                is taken for new.
            seconds: When it was taken, later every time; None for 1/30 s
                after the one before.

        Raises:
            ValueError: If the image has another shape or type, or is not
                later than the one before.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(
                "Expected an image of shape (H, W, 3) and type uint8, got "
                f"{image.shape} and {image.dtype}"
            )
        if not image.size:
            raise ValueError(f"Expected pixels, got shape {image.shape}")
        if seconds is None:
            seconds = self._seconds + _SECONDS if self._index else 0.0
        if not seconds > self._seconds:
            raise ValueError(
                f"Expected a later image, got {seconds} s after "
                f"{self._seconds} s"
            )
        if image.shape != self._size:
            self._tracks, self._lost, self._size = [], [], image.shape
        self._seconds = seconds
        image = np.ascontiguousarray(image)
        some = bool(self._tracks)
        self._go_on(image)
        is_first = self._index == 0 or (some and not self._tracks)
        self._search(image, is_first)
        self._index += 1
        self.seen_at_once = max(self.seen_at_once, len(self._tracks))
        return [
            Person(track.track_id, track.pose.pixels, track.pose.scores)
            for track in sorted(self._tracks, key=lambda t: t.track_id)
        ]

    def _go_on(self, image):
        """Finds those who are followed in the next image."""
        for track in self._lost:
            track.lost += 1
        self._lost = [t for t in self._lost if t.lost <= _REMEMBERED]
        for track in list(self._tracks):
            pose = self._pose(image, track.region)
            if pose is None:
                self._lose(track)
            else:
                track.go_on(pose, self._seconds)
        # Where two are on one body, it is whose moved less.
        by_likeness = sorted(self._tracks, key=lambda t: -t.likeness)
        kept = []
        for track in by_likeness:
            if any(_likeness(track.pose, t.pose) > _ALIKE for t in kept):
                self._lose(track)
            else:
                kept.append(track)

    def _lose(self, track):
        self._tracks.remove(track)
        track.lost = 1
        self._lost.append(track)

    def _search(self, image, everywhere):
        """Looks for people who are not followed, if it is time to."""
        sought = any(track.lost <= _SOUGHT for track in self._lost)
        too_few = len(self._tracks) < self._people
        every = 1 if not self._tracks else _AGAIN
        if not (
            self._index % _COUNTED == 0
            or (too_few and (self._index % every == 0 or sought))
            or (sought and self._index % _AGAIN == 0)
        ):
            return
        poses = self._confirmed(image, self._detect(image))
        self.seen_at_once = max(
            self.seen_at_once, len(poses) + len(self._tracks)
        )
        if too_few and not poses:
            poses = self._in_tiles(image, everywhere)
        self._resume(poses)
        room = self._people - len(self._tracks)
        for pose in sorted(poses, key=_size, reverse=True)[: max(room, 0)]:
            self._tracks.append(
                _Track.begun(next(self._ids), pose, self._seconds)
            )
        # Who was lost and is found again has the place of who came later.
        self._tracks.sort(key=lambda track: track.track_id)
        for track in self._tracks[self._people :]:
            self._lose(track)

    def _resume(self, poses):
        """Goes on with those who were lost; takes their poses away."""
        pairs = sorted(
            (
                (track.distance(pose), track.track_id, index)
                for track in self._lost
                for index, pose in enumerate(poses)
            ),
        )
        by_id = {track.track_id: track for track in self._lost}
        taken = set()
        for distance, track_id, index in pairs:
            if distance > 1:
                break
            if track_id in by_id and index not in taken:
                track = by_id.pop(track_id)
                track.resume(poses[index], self._seconds)
                self._lost.remove(track)
                self._tracks.append(track)
                taken.add(index)
        poses[:] = [p for i, p in enumerate(poses) if i not in taken]

    def _in_tiles(self, image, everywhere):
        tiles = [t for parts in _TILES for t in regions.tiles(image, parts)]
        if not everywhere:
            turns = range(self._turn, self._turn + _TILES_AT_ONCE)
            tiles = [tiles[turn % len(tiles)] for turn in turns]
            self._turn += _TILES_AT_ONCE
        found = []
        for tile in tiles:
            found += self._detect(image, tile)
        return self._confirmed(image, found)

    def _confirmed(self, image, found):
        """Returns the poses of people, each once, who are not followed."""
        known = [track.pose for track in self._tracks]
        poses = []
        # Every one takes time; what is left out comes in a later search.
        found = sorted(found, key=lambda person: -person.score)
        tried = 0
        for person in found:
            region = person.region
            if any(_is_near(region, pose) for pose in known + poses):
                continue
            if tried == 2 * self._people + 2:
                break
            tried += 1
            pose = self._pose(image, region)
            if pose is not None and not any(
                _likeness(pose, other) > _ALIKE for other in known + poses
            ):
                poses.append(pose)
        return poses

    def _pose(self, image, region):
        if not regions.is_usable(region, image):
            return None
        pose = self._find(image, region)
        return pose if pose.presence >= _LEAST_PRESENCE else None


def _size(pose):
    return regions.around(*pose.alignment).side


def _is_near(region, pose):
    """Whether a region is that of a pose which is known."""
    other = regions.around(*pose.alignment)
    away = math.hypot(region.x - other.x, region.y - other.y)
    larger = max(region.side, other.side)
    alike = min(region.side, other.side) > larger / _MOST_CHANGE
    return alike and away < _NEAR / 2 * larger

"""Tracks people from image to image.

A person's landmarks define the person's region in the next image, as in
MediaPipe's pose_landmark_cpu.pbtxt. In addition:

* A lost person is searched for in 30 images around the predicted position. The
  detector is run on squares of two sizes, rotated by multiples of 90 degrees,
  because it rarely detects people who are upside down. For five images the
  place of a lost person stays reserved; a person who takes it later is dropped
  if the lost one returns.
* The detector is run on the whole image in every image while no person is
  tracked, in every fifth image while fewer people are tracked than requested,
  and in every 30th image to count people.
* If there are still too few people, the detector is run on tiles with sides of
  one, a half and a third of the image's shorter side, which finds people of
  15 % of the height. All tiles are searched in the first image, and in any
  image in which the last person is lost; in others four tiles, in rotation.
* A new person must be confirmed: the region from the landmarks must yield
  nearly the same landmarks again.

People keep the id of their track. A person who is found again within 60 images
near the predicted position keeps the id; a person who is found elsewhere, or
after a cut, has a new one.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

from ampose_tf import files
from ampose_tf.lifting.blazepose import (
    detection,
    landmarks,
    models,
    networks,
    regions,
    tracks,
)
from ampose_tf.lifting.untrusted import MAX_PIXEL

_LEAST_PRESENCE = 0.5
# Poses with a larger similarity, see `tracks.likeness`, are the same person.
_ALIKE = 0.3
# Least similarity of a new person's two poses, the second of which is from the
# first one's region. People are above 0.9 (in a somersault, 0.7), trees and
# walls below. Where a person is expected, `_SAME_NEARBY` is enough.
_SAME, _SAME_NEARBY = 0.9, 0.7

_SECONDS = 1 / 30  # Interval between images without times.
_AGAIN = 5  # Images between searches for more people.
_COUNTED = 30  # Images between counts of the people.
# The numbers of images for which a lost person's place is kept, the person is
# searched for nearby, and the person is remembered.
_KEPT, _SOUGHT, _REMEMBERED = 5, 30, 60
# Squares around a lost person: sides in sides of the region, and angles.
_NEARBY = tuple(
    (side, turn * math.pi / 2) for side in (1.1, 1.5) for turn in (0, 2, 1, 3)
)

_TILES = (1, 2, 3)  # Tiles along the image's shorter side.
_TILES_AT_ONCE = 4
# Sizes of tiles are left out if there would be more tiles. All sizes are used
# for images up to six times as wide as high.
_MOST_TILES = 256
_LEAST_TILE = 32  # Pixels of a side.
# The largest side of a person's region, in sides of the tile. Larger regions
# are false detections on trunks and walls.
_MOST_OF_TILE = 1.5

# The mean change of colours between images, of 255, above which the second
# image shows another scene.
_CUT = 40
_THUMBNAIL = 32


class Person(NamedTuple):
    """A person in an image.

    Attributes:
        track_id: Id of the person, the same in all images.
        pixels: (33, 2) float32 in pixels of the image.
        scores: (33,) float32 in [0, 1], the landmarks' visibility.
    """

    track_id: int
    pixels: np.ndarray
    scores: np.ndarray


class Follower:
    """Finds people's landmarks in consecutive images.

    Attributes:
        sha256: SHA-256 of the networks' files, by "detection" and
            "landmarks".
        seen_at_once: Largest number of people found in one image so far. More
            may be visible, because searches are limited.
    """

    def __init__(self, detector: str = "full", people: int = 1):
        """Loads the networks.

        Args:
            detector: One of `models.DETECTORS`, from the fastest to the most
                accurate.
            people: Largest number of people to track at a time; the largest
                and most visible ones are preferred.

        Raises:
            OSError: If a file is missing; see `models.paths`.
            ValueError: If the detector is unknown, a file is invalid, or
                `people` is not positive.
        """
        if people < 1:
            raise ValueError(f"Expected at least 1 person, got {people}")
        found = models.paths(detector)
        self.sha256 = {
            name: files.sha256(path) for name, path in found._asdict().items()
        }
        self._detect = detection.Detector(networks.load(found.detection))
        self._find = landmarks.Landmarker(networks.load(found.landmarks))
        self._people = people
        self._tracks, self._lost = [], []
        self._ids = itertools.count()
        self._index = self._turn = 0
        self._seconds = -math.inf
        self._size = self._thumbnail = None
        self.seen_at_once = 0

    def follow(
        self, image: np.ndarray, seconds: float | None = None
    ) -> list[Person]:
        """Returns the people in the next image.

        Args:
            image: (H, W, 3) uint8, RGB. If its size differs from that of the
                image before, all people count as new.
            seconds: Time of the image, later than that of the image before;
                None for 1/30 s after the image before.

        Raises:
            ValueError: If the image has another shape or type, has a side of
                more than 100,000 pixels, or is not later than the one before.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(
                "Expected an image of shape (H, W, 3) and type uint8, got "
                f"{image.shape} and {image.dtype}"
            )
        if not 1 <= min(image.shape) <= max(image.shape) <= MAX_PIXEL:
            height, width, _ = image.shape
            raise ValueError(
                f"Expected images with sides of 1 to {MAX_PIXEL} pixels, got "
                f"{width}x{height}"
            )
        if seconds is None:
            seconds = self._seconds + _SECONDS if self._index else 0.0
        if not seconds > self._seconds:
            raise ValueError(
                f"Expected a later image, got {seconds} s after "
                f"{self._seconds} s"
            )
        self._seconds = seconds
        image = np.ascontiguousarray(image)
        is_cut = self._is_cut(image)
        if is_cut:
            self._tracks, self._lost = [], []
        some = bool(self._tracks)
        self._go_on(image)
        for track in [t for t in self._lost if t.lost <= _SOUGHT]:
            self._look_nearby(image, track)
        self._search(image, is_cut or (some and not self._tracks))
        self._give_back()
        self._index += 1
        self.seen_at_once = max(self.seen_at_once, len(self._tracks))
        return [
            Person(track.track_id, track.pose.pixels, track.pose.scores)
            for track in sorted(self._tracks, key=lambda t: t.track_id)
        ]

    def _go_on(self, image):
        """Finds the tracked people in the next image."""
        for track in self._lost:
            track.lost += 1
        self._lost = [t for t in self._lost if t.lost <= _REMEMBERED]
        found = []
        for track in list(self._tracks):
            pose = self._pose(image, track.region)
            if pose is None:
                self._lose(track)
            else:
                found.append((track, pose))
        # If two tracks find the same body, the better prediction wins.
        found.sort(key=lambda pair: pair[0].surprise(pair[1]))
        kept = []
        for track, pose in found:
            rivals = [t for t, p in kept if tracks.likeness(pose, p) > _ALIKE]
            if rivals:
                track.meet(rivals[0])
                self._lose(track)
            else:
                kept.append((track, pose))
        for track, pose in kept:
            track.go_on(pose, self._seconds)

    def _lose(self, track):
        self._tracks.remove(track)
        track.lost = 1
        self._lost.append(track)

    def _look_nearby(self, image, track):
        """Searches for a lost person around the predicted position."""
        x, y = track.expected()
        # At first all squares, later one per image, as few people return.
        squares = _NEARBY
        if track.lost > _KEPT:
            squares = [_NEARBY[track.lost % len(_NEARBY)]]
        for side, angle in squares:
            square = regions.Region(x, y, side * track.region.side, angle)
            if not regions.is_usable(square, image):
                return
            found = self._detect(image, square)
            poses = self._confirmed(image, found, _SAME_NEARBY)
            near = [pose for pose in poses if track.distance(pose) <= 1]
            if near:
                self._resume(track, min(near, key=track.distance))
                return

    def _search(self, image, everywhere):
        """Searches for people who are not tracked, if a search is due."""
        too_few = len(self._tracks) < self._people
        is_due = too_few and (not self._tracks or self._index % _AGAIN == 0)
        if not is_due and self._index % _COUNTED and not everywhere:
            return
        poses = self._confirmed(image, self._detect(image))
        if too_few:
            poses += self._in_tiles(image, everywhere, poses)
        self.seen_at_once = max(
            self.seen_at_once, len(poses) + len(self._tracks)
        )
        for distance, track, index in sorted(
            (
                (track.distance(pose), track, index)
                for track in self._lost
                for index, pose in enumerate(poses)
            ),
            key=lambda pair: pair[0],
        ):
            if distance <= 1 and track in self._lost and poses[index]:
                self._resume(track, poses[index])
                poses[index] = None
        poses = [pose for pose in poses if pose is not None]
        kept = sum(track.lost <= _KEPT for track in self._lost)
        room = max(self._people - len(self._tracks) - kept, 0)
        for pose in sorted(poses, key=_prominence)[:room]:
            self._tracks.append(
                tracks.Track.begun(next(self._ids), pose, self._seconds)
            )

    def _give_back(self):
        """Drops the most recent people if there are too many."""
        self._tracks.sort(key=lambda track: track.track_id)
        for track in self._tracks[self._people :]:
            self._lose(track)

    def _resume(self, track, pose):
        track.resume(pose, self._seconds)
        self._lost.remove(track)
        self._tracks.append(track)

    def _in_tiles(self, image, everywhere, poses):
        """Returns the poses of more people, found in tiles."""
        levels = _levels(image)
        every = [tile for level in levels for tile in level]
        if not every:
            return []
        if not everywhere:
            turns = range(self._turn, self._turn + _TILES_AT_ONCE)
            levels = [[every[turn % len(every)] for turn in turns]]
        new = []
        for level in levels:
            if len(self._tracks) + len(poses) + len(new) >= self._people:
                break
            found = [
                person
                for tile in level
                for person in self._detect(image, tile)
                if person.region.side < _MOST_OF_TILE * tile.side
            ]
            new += self._confirmed(image, found, known=poses + new)
            self._turn += _TILES_AT_ONCE
        return new

    def _confirmed(self, image, found, same=_SAME, known=()):
        """Returns confirmed poses of people who are not tracked, each once."""
        known = [*known, *(track.pose for track in self._tracks)]
        poses = []
        # The number is limited for speed; a later search finds the others.
        tried = 0
        for person in sorted(found, key=lambda person: -person.score):
            region = person.region
            if any(_is_near(region, pose) for pose in known + poses):
                continue
            if tried == 2 * self._people + 2:
                break
            tried += 1
            first = self._pose(image, region)
            if first is None:
                continue
            pose = self._pose(image, regions.around(*first.alignment))
            if (
                pose is not None
                and tracks.likeness(first, pose) >= same
                and not any(
                    tracks.likeness(pose, p) > _ALIKE for p in known + poses
                )
            ):
                poses.append(pose)
        return poses

    def _is_cut(self, image):
        """Whether an image shows another scene than the one before."""
        rows, columns = (
            (np.arange(_THUMBNAIL) + 0.5) / _THUMBNAIL * length
            for length in image.shape[:2]
        )
        thumbnail = image[rows.astype(int)[:, None], columns.astype(int)]
        thumbnail = thumbnail.astype(np.float32)
        before, self._thumbnail = self._thumbnail, thumbnail
        size, self._size = self._size, image.shape
        return size != self._size or np.abs(thumbnail - before).mean() > _CUT

    def _pose(self, image, region):
        if not regions.is_usable(region, image):
            return None
        pose = self._find(image, region)
        return pose if pose.presence >= _LEAST_PRESENCE else None


def _levels(image):
    """Returns an image's tiles, as a list for each size."""
    levels, rest = [], _MOST_TILES
    for parts in _TILES:
        if min(image.shape[:2]) < parts * _LEAST_TILE:
            break
        level = regions.tiles(image, parts)
        if len(level) > rest:
            break
        # A single tile is the whole image, which has been searched before.
        if len(level) > 1:
            levels.append(level)
            rest -= len(level)
    return levels


def _prominence(pose):
    """Returns a sort key by which large and visible people come first."""
    return -regions.around(*pose.alignment).side * float(pose.scores.mean())


def _is_near(region, pose):
    """Whether a region is nearly that of a pose."""
    other = regions.around(*pose.alignment)
    away = math.hypot(region.x - other.x, region.y - other.y)
    larger = max(region.side, other.side)
    alike = min(region.side, other.side) > 0.6 * larger
    return alike and away < 0.1 * larger

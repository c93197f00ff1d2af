"""The scene of all viewers: people on a floor over time, and their colours."""

from typing import NamedTuple

import numpy as np

from ampose_tf.lifting.floor import rotation_to_world, world_positions
from ampose_tf.lifting.motion import LiftedTrack, Motion, frame_step
from ampose_tf.skeleton import Skeleton

# Blue and orange are also distinct to the colour-blind; the grey is visible on
# white and on black.
LEFT, RIGHT, MIDDLE = "#f58518", "#2f7fd1", "#868e96"

# Colours of several people, different from those of the sides; they repeat
# from the ninth person on.
PEOPLE = (
    "#2a9d5c",
    "#b5479d",
    "#c9a10c",
    "#6a4fc4",
    "#18a0a8",
    "#c43d3d",
    "#8a6240",
    "#5c8a1f",
)

# Distance between two people who are placed side by side.
_GAP_M = 0.4


class Person(NamedTuple):
    """A person in a scene.

    Attributes:
        track: Track of the motion.
        positions: (F, J, 3) float64 metres: x to the camera's right, y away
            from it, z up, the floor at 0.
        colour: Colour of the bones; None for a single person, whose bones
            have the colours of their sides.
        beside: Shift to the right of a person without a root, in metres.
    """

    track: LiftedTrack
    positions: np.ndarray
    colour: str | None
    beside: float

    def row(self, frame: int) -> int | None:
        """Returns the track's index of a video frame; None if not in it."""
        frames = self.track.frames
        index = int(np.searchsorted(frames, frame))
        there = index < len(frames) and frames[index] == frame
        return index if there else None

    def pixels(self, row: int | slice) -> np.ndarray:
        """Returns the joints to draw in the image, (..., J, 2) float64.

        Joints without a position are NaN; these include unseen joints at
        (0, 0), which many detectors write.
        """
        pixels = self.track.keypoints_px[row].astype(np.float64)
        nowhere = ~self.track.seen[row] & (pixels == 0).all(axis=-1)
        pixels[nowhere | ~np.isfinite(pixels).all(axis=-1)] = np.nan
        return pixels

    def bone_colours(self, skeleton: Skeleton) -> list[str]:
        """Returns the colour of each of the skeleton's edges."""
        sides = joint_colours(skeleton)
        return [self.colour or sides[child] for _, child in skeleton.edges]


class Scene(NamedTuple):
    """All people of a motion.

    Attributes:
        people: One person per track.
        frames: Frames of the video from the first to the last with people,
            with the largest step that includes all of these.
        fps: Frames per second of the video.
        fps_known: Whether the motion has a frame rate; if not, it is assumed,
            and viewers must state this.
        placed: Whether all people are at their estimated positions. If not,
            some or all are side by side, with the lower ankle always on the
            floor.
        camera: (3,) metres, position of the camera; valid if `placed`.
    """

    people: tuple[Person, ...]
    frames: range
    fps: float
    fps_known: bool
    placed: bool
    camera: np.ndarray

    def present(self, frame: int) -> list[tuple[Person, int]]:
        """Returns the people in a video frame, with their track's index."""
        rows = ((person, person.row(frame)) for person in self.people)
        return [(person, row) for person, row in rows if row is not None]


def arrange(motion: Motion) -> Scene:
    """Returns the scene of a motion with at least one track.

    People with a root are at their estimated positions. The others are placed
    side by side, from left to right as in the image, to the right of those
    with a root. A place becomes free when its person has left.
    """
    numbers = np.unique(np.concatenate([t.frames for t in motion.tracks]))
    several = len(motion.tracks) > 1
    rooted = np.array([track.root is not None for track in motion.tracks])
    positions = list(world_positions(motion))
    beside = np.zeros(len(positions))
    for index, place in _side_by_side(motion.tracks, positions).items():
        positions[index] = positions[index] + place
        beside[index] = place[0]
    return Scene(
        tuple(
            Person(
                track,
                positions[i],
                PEOPLE[i % len(PEOPLE)] if several else None,
                float(beside[i]),
            )
            for i, track in enumerate(motion.tracks)
        ),
        range(int(numbers[0]), int(numbers[-1]) + 1, frame_step(numbers)),
        motion.frame_rate,
        motion.fps is not None,
        bool(rooted.all()),
        _camera(motion, positions),
    )


def joint_colours(skeleton: Skeleton) -> list[str]:
    """Returns the colour of each of the J joints, by its side."""
    colours = dict.fromkeys(skeleton.left, LEFT)
    colours |= dict.fromkeys(skeleton.right, RIGHT)
    return [colours.get(j, MIDDLE) for j in range(len(skeleton.joints))]


def _side_by_side(tracks, positions):
    """Returns the shift (3,) in metres of each track without a root."""
    waiting = [i for i, track in enumerate(tracks) if track.root is None]
    if not waiting:
        return {}
    waiting.sort(key=lambda i: (tracks[i].frames[0], _image_x(tracks[i])))
    ends = []  # The last frame in which each place is occupied.
    places = {}
    for i in waiting:
        first, last = tracks[i].frames[[0, -1]]
        free = (p for p, end in enumerate(ends) if end < first)
        place = next(free, len(ends))
        ends[place : place + 1] = [last]
        places[i] = place
    # Radius of a circle around the hip that contains all poses.
    reach = max(
        np.linalg.norm(positions[i][..., :2], axis=-1).max() for i in waiting
    )
    step = reach if len(ends) == 1 else 2 * reach + _GAP_M
    start, away = -step * (len(ends) - 1) / 2, 0.0
    rooted = [
        p for p, t in zip(positions, tracks, strict=True) if t.root is not None
    ]
    if rooted:
        points = np.concatenate([p.reshape(-1, 3) for p in rooted])
        start = points[:, 0].max() + _GAP_M + reach
        away = np.median(points[:, 1])
    return {
        i: np.array([start + step * place, away, 0.0])
        for i, place in places.items()
    }


def _image_x(track):
    pixels = track.keypoints_px[track.seen]
    return float(np.median(pixels[:, 0])) if len(pixels) else 0.0


def _camera(motion, positions):
    """Returns the camera's position, from any person with a root."""
    for track, there in zip(motion.tracks, positions, strict=True):
        if track.root is not None:
            joint = track.root[0] + track.poses_3d[0, 0]
            rotation = rotation_to_world(motion.up)
            return there[0, 0] - rotation @ joint.astype(np.float64)
    return np.zeros(3)

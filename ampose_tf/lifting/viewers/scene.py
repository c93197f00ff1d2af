"""What every viewer shows: people on a floor, over time, in their colours."""

from typing import NamedTuple

import numpy as np

from ampose_tf.lifting.floor import rotation_to_world, world_positions
from ampose_tf.lifting.motion import LiftedTrack, Motion, frame_step
from ampose_tf.skeleton import Skeleton

# Blue and orange are told apart by the colour-blind, too; the grey shows on
# white and on black.
LEFT, RIGHT, MIDDLE = "#f58518", "#2f7fd1", "#868e96"

# Of several people, neither the one nor the other; the ninth is like the
# first.
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

# Between two people who stand side by side.
_GAP_M = 0.4


class Person(NamedTuple):
    """Somebody who is shown.

    Attributes:
        track: Of the motion.
        positions: (F, J, 3) float64 metres: x to the camera's right, y away
            from it, z up, the floor at 0.
        colour: Of the bones; None where there is only this person, whose
            bones have the colours of their sides.
        beside: How far to the right a person without a root was put, metres.
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
        """Returns where joints are drawn in the image, (..., J, 2) float64.

        NaN where there is nothing to draw: many detectors say (0, 0) of what
        they have not seen.
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
    """Everybody of a motion.

    Attributes:
        people: One for each track.
        frames: The video frames from the first to the last in which there is
            somebody, in the largest steps that meet them all.
        fps: The video's frames per second.
        fps_known: Whether the motion says so; if not, they are assumed, and
            whoever shows them must say so.
        placed: Whether people stand where they stood. If not, some or all
            stand side by side, with the lower ankle always on the floor.
        camera: (3,) metres, where the camera was; meant where `placed`.
    """

    people: tuple[Person, ...]
    frames: range
    fps: float
    fps_known: bool
    placed: bool
    camera: np.ndarray

    def present(self, frame: int) -> list[tuple[Person, int]]:
        """Returns who is in a video frame, with the index in the track."""
        rows = ((person, person.row(frame)) for person in self.people)
        return [(person, row) for person, row in rows if row is not None]


def arrange(motion: Motion) -> Scene:
    """Returns the scene of a motion with at least one track.

    People with a root stand there. The others stand side by side, from left
    to right as in the image, on the right of those with a root; one takes the
    place of another who has left before.
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
    """Returns the colour of each of the J joints: that of its side."""
    colours = dict.fromkeys(skeleton.left, LEFT)
    colours |= dict.fromkeys(skeleton.right, RIGHT)
    return [colours.get(j, MIDDLE) for j in range(len(skeleton.joints))]


def _side_by_side(tracks, positions):
    """Returns (3,) metres to move by for each track without a root."""
    waiting = [i for i, track in enumerate(tracks) if track.root is None]
    if not waiting:
        return {}
    waiting.sort(key=lambda i: (tracks[i].frames[0], _image_x(tracks[i])))
    ends = []  # Of each place, the last frame in which it is taken.
    places = {}
    for i in waiting:
        first, last = tracks[i].frames[[0, -1]]
        free = (p for p, end in enumerate(ends) if end < first)
        place = next(free, len(ends))
        ends[place : place + 1] = [last]
        places[i] = place
    # About its hip, a person turns within this circle.
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
    """Where the camera is, by anybody with a root."""
    for track, there in zip(motion.tracks, positions, strict=True):
        if track.root is not None:
            joint = track.root[0] + track.poses_3d[0, 0]
            rotation = rotation_to_world(motion.up)
            return there[0, 0] - rotation @ joint.astype(np.float64)
    return np.zeros(3)

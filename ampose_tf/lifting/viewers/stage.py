"""Draws people on a floor in perspective, frame by frame."""

from typing import NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from scipy import ndimage

from ampose_tf.lifting.viewers import drawing
from ampose_tf.lifting.viewers.scene import Scene
from ampose_tf.skeleton import Skeleton

# Direction of the view, turned to the camera's right or left and raised, and
# its distance in extents of the scene.
_AZIMUTH_DEG, _ELEVATION_DEG = 50.0, 14.0
_DISTANCE = 3.0

# The view is fixed if people stay within _STANDING_M metres. Otherwise it
# follows their mean position over _FOLLOWING_S seconds.
_STANDING_M = 5.0
_FOLLOWING_S = 2.0

# Metres: distance of the floor's lines, margin around people, width of a bone.
_GRID, _AROUND, _BONE = 0.5, 0.4, 0.045
_GRID_COLOUR, _SHADOW_COLOUR = "0.88", "0.82"


class View(NamedTuple):
    """A camera that looks at the origin of a world with z up.

    Attributes:
        axes: (3, 3), rows that point right, up and away from the camera.
        distance: Metres from the origin.
    """

    axes: np.ndarray
    distance: float

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Projects points (..., 3).

        Returns:
            Positions (..., 2), right and up, in metres at the origin's
            distance; and magnifications (...) relative to the origin.
        """
        turned = points @ self.axes.T
        # Points beside or behind the camera are far outside of the picture.
        depths = np.maximum(turned[..., 2] / self.distance, -0.95)
        scales = 1 / (1 + depths)
        return turned[..., :2] * scales[..., None], scales


def turned_view(distance: float, side: int = 1) -> View:
    """Returns a view from half right (1) or left (-1), slightly raised."""
    azimuth, elevation = np.radians([side * _AZIMUTH_DEG, _ELEVATION_DEG])
    right = [np.cos(azimuth), np.sin(azimuth), 0]
    away = [
        -np.sin(azimuth) * np.cos(elevation),
        np.cos(azimuth) * np.cos(elevation),
        -np.sin(elevation),
    ]
    return View(np.stack([right, np.cross(right, away), away]), distance)


class Stage:
    """The 3D panel of a film.

    Attributes:
        low: (2,), lower left corner of the part shown, in metres.
        high: (2,), upper right corner.
        side: Side of the view: the camera's right, 1, or left, -1.
    """

    def __init__(self, scene: Scene, skeleton: Skeleton):
        self._scene = scene
        self._skeleton = skeleton
        self._edges = np.asarray(skeleton.edges)
        self._centres = _centres(scene)
        points = np.concatenate(
            [
                person.positions - self._at(person.track.frames)[:, None]
                for person in scene.people
            ]
        )
        low, high = points.min(axis=(0, 1)), points.max(axis=(0, 1))
        self._middle = np.array([0, 0, high[2] / 2])
        self.side = _profile(points, skeleton)
        self._view = turned_view(
            _DISTANCE * float((high - low).max()), self.side
        )
        # Extents of the floor, relative to its centre.
        self._floor = np.stack([low[:2] - _AROUND, high[:2] + _AROUND])
        corners = np.array(
            [[x, y, 0] for x in self._floor[:, 0] for y in self._floor[:, 1]]
        )
        shown = np.concatenate(
            [
                self._project(points)[0].reshape(-1, 2),
                self._project(corners)[0],
            ]
        )
        self.low, self.high = shown.min(axis=0), shown.max(axis=0)

    def attach(self, axes: Axes, points_per_metre: float) -> None:
        """Creates the artists that `draw` changes.

        Args:
            axes: Axes to draw on.
            points_per_metre: Scale at the middle of the stage.
        """
        self._width = max(_BONE * points_per_metre, 1.0)
        self._lines = LineCollection(
            [], colors=_GRID_COLOUR, linewidths=0.8, animated=True
        )
        self._shadows = LineCollection(
            [],
            colors=_SHADOW_COLOUR,
            linewidths=self._width,
            capstyle="round",
            animated=True,
        )
        axes.add_collection(self._lines, autolim=False)
        axes.add_collection(self._shadows, autolim=False)
        self._people = drawing.collection(axes, animated=True)

    def draw(self, frame: int) -> tuple[Artist, ...]:
        """Updates the artists to a video frame; returns them in order."""
        centre = self._at(np.array([frame]))[0]
        people, shadows = [], []
        for person, row in self._scene.present(frame):
            points = person.positions[row] - centre
            projected, scales = self._project(points)
            people.append(
                drawing.strokes(
                    person,
                    self._skeleton,
                    points=projected,
                    seen=person.track.seen[row],
                    width=self._width,
                    depths=-scales,
                    scales=scales,
                )
            )
            flat, _ = self._project(points * (1, 1, 0))
            shadows.append(flat[self._edges])
        self._lines.set_segments(self._grid(centre))
        self._shadows.set_segments(np.concatenate(shadows) if shadows else [])
        drawing.put(self._people, people)
        return self._lines, self._shadows, self._people

    def _project(self, points):
        return self._view.project(points - self._middle)

    def _at(self, frames):
        """Returns the points on the floor on which frames are centred."""
        numbers = (frames - self._scene.frames.start) / self._scene.frames.step
        return self._centres[numbers.astype(int) % len(self._centres)]

    def _grid(self, centre):
        """Returns the projected ends (N, 2, 2) of the floor's lines."""
        lines = []
        for axis in (0, 1):
            # The lines stay fixed in the world when the view moves.
            start, end = self._floor[:, axis]
            first = np.ceil((start + centre[axis]) / _GRID) * _GRID
            at = np.arange(first - centre[axis], end, _GRID)
            ends = np.zeros((len(at), 2, 3))
            ends[..., axis] = at[:, None]
            ends[..., 1 - axis] = self._floor[:, 1 - axis]
            lines.append(ends)
        return self._project(np.concatenate(lines))[0]


def _profile(points, skeleton):
    """Returns the side, 1 or -1, that shows people more in profile.

    In profile, their left and right are behind each other.
    """
    across = (
        points[:, list(skeleton.left)] - points[:, list(skeleton.right)]
    ).mean(axis=1)
    widths = {
        side: np.abs(across @ turned_view(1.0, side).axes[0]).mean()
        for side in (1, -1)
    }
    return min(widths, key=widths.get)


def _centres(scene):
    """Returns the centre of the view, (1, 3) or (frames, 3), z = 0.

    It is fixed if people stay within `_STANDING_M`; otherwise it follows them.
    """
    hips = np.concatenate([p.positions[:, 0, :2] for p in scene.people])
    low, high = hips.min(axis=0), hips.max(axis=0)
    if (high - low).max() <= _STANDING_M:
        return np.append((low + high) / 2, 0)[None]
    places = np.full((len(scene.frames), 2), np.nan)
    for i, frame in enumerate(scene.frames):
        at = [p.positions[row, 0, :2] for p, row in scene.present(frame)]
        if at:
            places[i] = (np.min(at, axis=0) + np.max(at, axis=0)) / 2
    known = np.flatnonzero(np.isfinite(places[:, 0]))
    times = np.arange(len(places))
    span = max(1, round(_FOLLOWING_S * scene.fps / scene.frames.step))
    centres = np.zeros((len(places), 3))
    for axis in (0, 1):
        # Interpolates over frames without people.
        places[:, axis] = np.interp(times, known, places[known, axis])
        centres[:, axis] = ndimage.uniform_filter1d(
            places[:, axis], span, mode="nearest"
        )
    return centres

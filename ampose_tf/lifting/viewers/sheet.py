"""`.png`: some frames of a motion, in 2D and in 3D from two sides."""

import pathlib
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ampose_tf.lifting.motion import Motion
from ampose_tf.lifting.viewers import drawing
from ampose_tf.lifting.viewers.scene import Person, Scene, arrange

_FRAMES = 5

_ROWS = (
    "2D keypoints\npixels",
    "3D from the\ncamera, metres",
    "3D from its\nright, metres",
)

# Inches: width of a column, limits of a row's height, and the margins between,
# left of and above them.
_COLUMN, _LOW, _HIGH = 2.3, 1.2, 3.2
_GAP, _LEFT, _TOP = 0.4, 0.8, 0.65
_DPI = 110

# Margin on each side, as a share of the people's extents.
_PAD = 0.07
# Width of a bone, as a share of a person's height.
_BONE = 0.024


class _Drawn(NamedTuple):
    """One person of one frame in one row; y points up, also in images."""

    person: Person
    points: np.ndarray
    seen: np.ndarray
    depths: np.ndarray
    low: np.ndarray
    high: np.ndarray


def write(path: pathlib.Path, motion: Motion) -> None:
    """Draws frames spread evenly over a motion.

    All frames of a row have the same scale, and each is centred on the people
    in it. The 3D rows are in metres; `scene.arrange` places the people.

    Args:
        path: Output path.
        motion: Motion with at least one track.
    """
    scene = arrange(motion)
    shown = _spread(scene)
    # Axes show the pixels of the keypoint file, also for an assumed image.
    corner = np.asarray(motion.image_corner)
    rows = [
        [_keypoints(scene, frame, corner) for frame in shown],
        [_from_camera(scene, frame) for frame in shown],
        [_from_right(scene, frame) for frame in shown],
    ]
    sizes = [_size(row) for row in rows]
    heights = [float(np.clip(_COLUMN * h / w, _LOW, _HIGH)) for w, h in sizes]
    pitch = _COLUMN + _GAP
    wide = _LEFT + pitch * max(len(shown), 2)
    high = _TOP + sum(heights) + _GAP * len(rows)
    figure = Figure(figsize=(wide, high))
    FigureCanvasAgg(figure)
    top = high - _TOP
    for row, size, height, label in zip(
        rows, sizes, heights, _ROWS, strict=True
    ):
        # The side that fills its axes determines the scale.
        points_per_unit = 72 * min(_COLUMN / size[0], height / size[1])
        half = 72 * np.array([_COLUMN, height]) / points_per_unit / 2
        width = np.clip(_BONE * points_per_unit * _height(row), 0.8, 3.2)
        top -= height
        for column, (frame, drawn) in enumerate(zip(shown, row, strict=True)):
            left = _LEFT + pitch * column
            axes = figure.add_axes(
                (left / wide, top / high, _COLUMN / wide, height / high)
            )
            _limit(axes, drawn, row, half)
            _style(axes)
            drawing.put(
                drawing.collection(axes),
                [
                    drawing.strokes(
                        d.person,
                        motion.skeleton,
                        d.points,
                        d.seen,
                        width,
                        d.depths,
                    )
                    for d in drawn
                ],
            )
            if column == 0:
                axes.set_ylabel(label, fontsize=8)
            if row is rows[0]:
                drawing.image_frame(axes, motion.image_size, corner)
                axes.yaxis.set_major_formatter(lambda y, _: f"{-y:.0f}")
                when = (
                    f", {frame / scene.fps:.2f} s" if scene.fps_known else ""
                )
                axes.set_title(f"frame {frame}{when}", fontsize=9)
            else:
                axes.axhline(0, color="0.6", linewidth=1.2, zorder=0.5)
        top -= _GAP
    drawing.legend(figure, scene, 8)
    figure.savefig(path, dpi=_DPI, format="png")


def _limit(axes, drawn, row, half):
    """Centres axes horizontally on the people of a frame.

    Vertically, they are centred on all frames, so that the floor stays fixed.
    """
    x = (min(d.low[0] for d in drawn) + max(d.high[0] for d in drawn)) / 2
    everybody = [d for frame in row for d in frame]
    y = min(d.low[1] for d in everybody) + max(d.high[1] for d in everybody)
    axes.set_xlim(x - half[0], x + half[0])
    axes.set_ylim(y / 2 - half[1], y / 2 + half[1])


def _style(axes):
    axes.tick_params(labelsize=6, length=2, color="0.7")
    axes.grid(color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[:].set_color("0.8")


def _spread(scene: Scene) -> list[int]:
    """Returns evenly spread frames with people, from the first to the last."""
    numbers = np.unique(
        np.concatenate([person.track.frames for person in scene.people])
    )
    count = min(_FRAMES, len(numbers))
    chosen = np.linspace(0, len(numbers) - 1, count).astype(int)
    return numbers[chosen].tolist()


def _keypoints(scene, frame, corner):
    drawn = []
    for i, (person, row) in enumerate(scene.present(frame)):
        points = (person.pixels(row) + corner) * (1, -1)
        seen = person.track.seen[row]
        # Unseen joints may be anywhere.
        sure = points[seen] if seen.any() else np.zeros((1, 2))
        # Later people are drawn in front.
        depths = np.full(len(points), -float(i))
        drawn.append(
            _Drawn(
                person=person,
                points=points,
                seen=seen,
                depths=depths,
                low=sure.min(axis=0),
                high=sure.max(axis=0),
            )
        )
    return drawn


def _from_camera(scene, frame):
    return [
        _pose(person, row, person.positions[row][:, [0, 2]], (0, 1, 0))
        for person, row in scene.present(frame)
    ]


def _from_right(scene, frame):
    # People who are placed side by side are so in this view, too.
    return [
        _pose(
            person,
            row,
            person.positions[row][:, [1, 2]] + [person.beside, 0],
            (-1, 0, 0),
        )
        for person, row in scene.present(frame)
    ]


def _pose(person, row, points, away):
    # Includes the floor.
    low = np.minimum(points.min(axis=0), [np.inf, 0])
    return _Drawn(
        person=person,
        points=points,
        seen=person.track.seen[row],
        depths=person.positions[row] @ away,
        low=low,
        high=points.max(axis=0),
    )


def _size(row):
    """Returns the width and height (2,) that contain any frame's people."""
    wide = max(
        max(d.high[0] for d in drawn) - min(d.low[0] for d in drawn)
        for drawn in row
    )
    everybody = [d for drawn in row for d in drawn]
    high = max(d.high[1] for d in everybody) - min(d.low[1] for d in everybody)
    size = np.array([wide, high])
    # A single point also needs an extent.
    return np.maximum(size + 2 * _PAD * size.max(), 1e-3)


def _height(row):
    """Returns the median height of a person over all frames."""
    return np.median([d.high[1] - d.low[1] for drawn in row for d in drawn])

"""Draws people as strokes: bones and joints, the nearer over the farther."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba, to_rgba_array
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from ampose_tf.lifting.viewers.scene import (
    LEFT,
    MIDDLE,
    PEOPLE,
    RIGHT,
    Person,
    Scene,
    joint_colours,
)
from ampose_tf.skeleton import Skeleton

PAPER = "white"

# Relative to a bone's width: the white margin under it, which separates
# crossing limbs; the dot of a joint; and the hole in the dot of an unseen one.
_BARE, _DOT, _HOLE = 1.8, 1.9, 1.1

# Agg does not draw lines of zero length.
_DOT_LENGTH = 1e-4


class Strokes(NamedTuple):
    """S lines with round ends; very short ones are dots.

    Attributes:
        lines: (S, 2, 2), both ends.
        widths: (S,) points.
        colours: (S, 4) RGBA.
        depths: (S,), distances; of two equal ones, the later is in front.
    """

    lines: np.ndarray
    widths: np.ndarray
    colours: np.ndarray
    depths: np.ndarray


def strokes(
    person: Person,
    skeleton: Skeleton,
    points: np.ndarray,
    seen: np.ndarray,
    width: float,
    depths: np.ndarray,
    scales: np.ndarray | float = 1.0,
) -> Strokes:
    """Returns the strokes of a person in one frame.

    Joints that were not seen are rings.

    Args:
        person: Person whose colours are used.
        skeleton: Skeleton of the J joints.
        points: (J, 2), positions; joints that are NaN are left out.
        seen: (J,) bool.
        width: Width of a bone, in points.
        depths: (J,), distances.
        scales: (J,), magnification of the joints.
    """
    edges = np.asarray(skeleton.edges)
    # In float32, the length of a dot would be rounded to 0.
    points = np.asarray(points, np.float64)
    scales = np.broadcast_to(scales, len(points))
    bones = points[edges]  # (E, 2, 2)
    bone_widths = width * scales[edges].mean(axis=1)
    bone_depths = depths[edges].mean(axis=1)
    dots = np.stack([points, points + [_DOT_LENGTH, 0]], axis=1)  # (J, 2, 2)
    dot_widths = width * scales
    # In front of the bones that end there.
    dot_depths = np.minimum(depths, _nearest_bone(edges, bone_depths, depths))
    paper = np.tile(to_rgba(PAPER), (len(edges), 1))
    sides = to_rgba_array(joint_colours(skeleton))
    holes = np.where(seen[:, None], sides, to_rgba(PAPER))
    parts = (
        (bones, bone_widths * _BARE, paper, bone_depths),
        (
            bones,
            bone_widths,
            to_rgba_array(person.bone_colours(skeleton)),
            bone_depths,
        ),
        (dots, dot_widths * _DOT, sides, dot_depths),
        (dots, dot_widths * _HOLE, holes, dot_depths),
    )
    together = Strokes(*map(np.concatenate, zip(*parts, strict=True)))
    drawn = np.isfinite(together.lines).all(axis=(1, 2))
    return Strokes(*(array[drawn] for array in together))


def collection(axes: Axes, animated: bool = False) -> LineCollection:
    """Returns an empty collection of strokes on the axes."""
    # If snapped to pixels, dots would have zero length.
    empty = LineCollection([], capstyle="round", animated=animated, snap=False)
    axes.add_collection(empty, autolim=False)
    return empty


def put(onto: LineCollection, people: Sequence[Strokes]) -> None:
    """Replaces a collection's strokes by those of the people."""
    if not people:
        onto.set_segments([])
        return
    all_of = Strokes(*map(np.concatenate, zip(*people, strict=True)))
    order = np.argsort(-all_of.depths, kind="stable")
    onto.set_segments(all_of.lines[order])
    onto.set_linewidths(all_of.widths[order])
    onto.set_colors(all_of.colours[order])


def image_frame(
    axes: Axes,
    image_size: tuple[int, int],
    corner: tuple[float, float] = (0.0, 0.0),
) -> None:
    """Draws the image's border, on axes whose y points up and is negative.

    Args:
        axes: Axes to draw on.
        image_size: (width, height).
        corner: (x, y) of the upper left corner, y downwards.
    """
    (width, height), (left, top) = image_size, corner
    axes.add_patch(
        Rectangle(
            (left, -top - height),
            width,
            height,
            fill=False,
            edgecolor="0.6",
            zorder=0.5,
        )
    )


def legend(figure: Figure, scene: Scene, size: float) -> None:
    """Draws a legend of the colours at the top of a figure.

    If there are more people than colours, they are not named.

    Args:
        figure: Figure to draw on.
        scene: Scene of the people to name.
        size: Font size in points.
    """

    def entry(label, **style):
        return Line2D([], [], label=label, **{"linestyle": "none"} | style)

    dot = {"marker": "o", "markersize": 0.6 * size}
    entries = [
        entry("left", color=LEFT, **dot),
        entry("right", color=RIGHT, **dot),
    ]
    if not all(person.track.seen.all() for person in scene.people):
        entries.append(
            entry("not seen", color=MIDDLE, markerfacecolor=PAPER, **dot)
        )
    if 1 < len(scene.people) <= len(PEOPLE):
        entries += [
            entry(
                f"person {person.track.track_id}",
                color=person.colour,
                linestyle="-",
                linewidth=0.3 * size,
            )
            for person in scene.people
        ]
    figure.legend(
        handles=entries,
        loc="upper center",
        ncols=len(entries),
        fontsize=size,
        frameon=False,
        handlelength=1.2,
        columnspacing=1.4,
    )


def _nearest_bone(edges, bone_depths, depths):
    nearest = depths.copy()
    np.minimum.at(nearest, edges, bone_depths[:, None])
    return nearest

"""A picture of keypoints beside the poses lifted from them."""

import pathlib

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ampose_tf.evaluation.figure import draw
from ampose_tf.lifting.motion import Motion

_COLUMNS = 5


def write(path: pathlib.Path, motion: Motion) -> None:
    """Draws a motion: 2D, and 3D from two sides.

    Of one person, frames spread over the clip; of several, the middle frame
    of those who are there longest. Joints that were not seen are hollow.

    Args:
        path: Of the `.png`.
        motion: To draw.

    Raises:
        OSError: Where it cannot be written.
    """
    shown = _shown(motion.tracks)
    pixels = np.stack([track.keypoints_px[at] for track, at in shown])
    poses_3d = np.stack([track.poses_3d[at] for track, at in shown])
    seen = np.stack([track.seen[at] for track, at in shown])
    figure = Figure(figsize=(2.4 * len(shown) + 0.6, 7.6))
    FigureCanvasAgg(figure)
    rows = ("2D keypoints", "3D, from the camera", "3D, from its right")
    reach = 1.1 * float(np.abs(poses_3d).max())
    # As large as the largest, so that sizes compare.
    extents = [_extent(frame) for frame in pixels]
    half = 0.55 * max(float((high - low).max()) for low, high in extents) or 1
    for column, (track, at) in enumerate(shown):
        axes = [
            figure.add_subplot(3, len(shown), row * len(shown) + column + 1)
            for row in range(3)
        ]
        title = f"frame {track.frames[at]}"
        if len(motion.tracks) > 1:
            title = f"person {track.track_id}, {title}"
        axes[0].set_title(title, fontsize=9)
        x, y = np.mean(extents[column], axis=0)
        axes[0].set_xlim(x - half, x + half)
        axes[0].set_ylim(y + half, y - half)
        x, y, z = poses_3d[column].T
        points = (pixels[column], np.stack([x, y], 1), np.stack([z, y], 1))
        for axis, label, drawn in zip(axes, rows, points, strict=True):
            draw(axis, drawn, motion.skeleton)
            unseen = drawn[~seen[column]]
            axis.plot(*unseen.T, "o", color="k", mfc="w", markersize=4)
            axis.set_aspect("equal")
            axis.tick_params(labelsize=6)
            axis.grid(alpha=0.3)
            if column == 0:
                axis.set_ylabel(label, fontsize=9)
        for axis in axes[1:]:
            axis.set_xlim(-reach, reach)
            axis.set_ylim(reach, -reach)
    width, height = motion.image_size
    figure.suptitle(
        f"image {width} x {height} pixels, 3D in metres from the hip; left "
        "orange, right blue",
        fontsize=9,
    )
    figure.tight_layout()
    figure.savefig(path, dpi=110, format="png")


def _shown(tracks):
    """Returns (track, index of a frame), from left to right."""
    if len(tracks) > 1:
        longest = sorted(tracks, key=lambda track: -len(track.frames))
        chosen = sorted(longest[:_COLUMNS], key=lambda track: track.track_id)
        return [(track, len(track.frames) // 2) for track in chosen]
    (track,) = tracks
    last = len(track.frames) - 1
    spread = np.linspace(0, last, min(_COLUMNS, last + 1)).astype(int)
    return [(track, index) for index in spread]


def _extent(pixels):
    """Returns the corners of the box around joints that are somewhere."""
    known = pixels[np.isfinite(pixels).all(axis=-1)]
    if not len(known):
        return np.zeros(2), np.zeros(2)
    return known.min(axis=0), known.max(axis=0)

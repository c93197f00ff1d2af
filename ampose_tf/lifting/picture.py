"""A picture of keypoints beside the poses lifted from them."""

import pathlib

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ampose_tf.evaluation.figure import draw
from ampose_tf.skeleton import Skeleton


def save(
    path: pathlib.Path,
    pixels: np.ndarray,
    poses_3d: np.ndarray,
    image_size: tuple[int, int],
    skeleton: Skeleton,
    frames: int = 5,
) -> None:
    """Draws frames spread over a clip: 2D, and 3D from two sides.

    Args:
        path: Of the `.png`.
        pixels: (T, J, 2).
        poses_3d: (T, J, 3) metres, camera frame.
        image_size: (width, height) in pixels.
        skeleton: Of the J joints.
        frames: How many to draw at most.

    Raises:
        OSError: Where it cannot be written.
    """
    shown = np.unique(
        np.linspace(0, len(pixels) - 1, min(frames, len(pixels))).astype(int)
    )
    figure = Figure(figsize=(2.4 * len(shown) + 0.6, 7.6))
    FigureCanvasAgg(figure)
    rows = ("2D keypoints", "3D, from the camera", "3D, from its right")
    reach = 1.1 * float(np.abs(poses_3d[shown]).max())
    for column, frame in enumerate(shown):
        axes = [
            figure.add_subplot(3, len(shown), row * len(shown) + column + 1)
            for row in range(3)
        ]
        axes[0].set_title(f"frame {frame}", fontsize=9)
        draw(axes[0], pixels[frame], skeleton)
        axes[0].set_xlim(*_around(pixels[shown, :, 0], pixels[shown]))
        axes[0].set_ylim(*_around(pixels[shown, :, 1], pixels[shown])[::-1])
        x, y, z = poses_3d[frame].T
        for axis, horizontal in ((axes[1], x), (axes[2], z)):
            draw(axis, np.stack([horizontal, y], axis=1), skeleton)
            axis.set_xlim(-reach, reach)
            axis.set_ylim(reach, -reach)
        for axis, label in zip(axes, rows, strict=True):
            axis.set_aspect("equal")
            axis.tick_params(labelsize=6)
            axis.grid(alpha=0.3)
            if column == 0:
                axis.set_ylabel(label, fontsize=9)
    figure.suptitle(
        f"image {image_size[0]} x {image_size[1]} pixels, 3D in metres from "
        "the hip; left orange, right blue",
        fontsize=9,
    )
    figure.tight_layout()
    figure.savefig(path, dpi=110, format="png")


def _around(values, all_values):
    """Returns limits of one axis, as wide as the larger of both."""
    half = 0.55 * np.ptp(all_values, axis=(0, 1)).max()
    middle = (values.min() + values.max()) / 2
    return middle - half, middle + half

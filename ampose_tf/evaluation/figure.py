r"""Draws the best, the median and the worst poses of an evaluation.

    python -m ampose_tf.evaluation.figure \
        --poses=runs/demo/evaluation.npz --output=runs/demo/evaluation

--poses is what `evaluate.py --report=runs/demo/evaluation.json` leaves beside
its report. Writes evaluation.png and evaluation.svg, 2D input and prediction
over truth from two sides (the paper's Figure 4 shows the like).
"""

import os
import pathlib
import zipfile
from collections.abc import Sequence

import numpy as np
from absl import flags

from ampose_tf import config, files
from ampose_tf.evaluation import metrics
from ampose_tf.skeleton import Skeleton, by_joint_count

# Blue and orange are told apart by the colour-blind, too.
_LEFT, _RIGHT, _MIDDLE, _TRUTH = "tab:orange", "tab:blue", "0.35", "0.75"
_ARRAYS = ("keypoints_2d", "predicted", "target", "titles")


def extremes(errors: np.ndarray, each: int = 2) -> list[tuple[str, int]]:
    """Chooses poses by their errors.

    Args:
        errors: (N,).
        each: How many of the best, of those about the median, of the worst.

    Returns:
        (what it is, index), from the best to the worst; fewer where there are
        not so many poses.
    """
    order = np.argsort(errors, kind="stable")
    middle = max((len(order) - each) // 2, 0)
    chosen = {}
    for what, indices in (
        ("best", order[:each]),
        ("worst", order[len(order) - min(each, len(order)) :]),
        ("median", order[middle : middle + each]),
    ):
        for index in indices.tolist():
            chosen.setdefault(index, what)
    return sorted(
        ((what, index) for index, what in chosen.items()),
        key=lambda item: errors[item[1]],
    )


def write_poses(
    report: str | os.PathLike, predicted: np.ndarray, poses
) -> pathlib.Path:
    """Writes the poses that a figure needs beside an evaluation's report.

    Args:
        report: Of the JSON file; the poses lie beside it, in `.npz`.
        predicted: (N, J, 3) metres.
        poses: `Poses` that they were predicted from.

    Returns:
        The path of the `.npz`.

    Raises:
        OSError: Where it cannot be written.
    """
    errors = 1000 * metrics.mpjpe(predicted, poses.poses_3d)
    chosen = extremes(errors)
    index = [index for _, index in chosen]
    titles = [
        f"{what}: {errors[i]:.0f} mm\n{poses.subjects[i]} "
        f"{poses.action_names[poses.actions[i]][:24]}"
        for what, i in chosen
    ]
    path = pathlib.Path(report).with_suffix(".npz")
    with files.replacing(path) as temporary:
        np.savez_compressed(
            temporary,
            keypoints_2d=poses.keypoints_2d[index],
            predicted=predicted[index] - predicted[index][:, :1],
            target=poses.poses_3d[index],
            titles=np.array(titles),
        )
    return path


def read_poses(path: str | os.PathLike) -> tuple[np.ndarray, ...]:
    """Returns what `write_poses` wrote: keypoints, both poses, titles.

    Raises:
        OSError: Where there is no such file.
        ValueError: Where it is not one of these.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return tuple(stored[name] for name in _ARRAYS)
    except (zipfile.BadZipFile, EOFError, KeyError, ValueError) as error:
        raise ValueError(
            f"{path}: expected the .npz that evaluate.py --report leaves "
            f"({error})"
        ) from error


def save(
    path: str | os.PathLike,
    keypoints_2d: np.ndarray,
    predicted: np.ndarray,
    target: np.ndarray,
    titles: Sequence[str],
    skeleton: Skeleton,
) -> None:
    """Draws poses side by side: 2D, and 3D over the truth from two sides.

    Args:
        path: Its ending chooses the format.
        keypoints_2d: (N, J, 2), y down.
        predicted: (N, J, 3) metres, camera frame, hip at the origin.
        target: (N, J, 3), likewise.
        titles: Of the N columns.
        skeleton: Of the J joints.

    Raises:
        OSError: Where it cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.1 * len(titles), 6.4))
    FigureCanvasAgg(figure)
    axes = figure.subplots(3, len(titles), squeeze=False)
    labels = ("2D", "from the camera", "from its right")
    for column, title in enumerate(titles):
        axes[0, column].set_title(title, fontsize=8)
        points = keypoints_2d[column]
        draw(axes[0, column], points, skeleton)
        middle = (points.min(axis=0) + points.max(axis=0)) / 2
        _limit(axes[0, column], middle, 0.6 * np.ptp(points, axis=0).max())
        for row, shown in ((1, (0, 1)), (2, (2, 1))):
            axis = axes[row, column]
            draw(axis, target[column][:, shown], skeleton, _TRUTH)
            draw(axis, predicted[column][:, shown], skeleton)
            _limit(axis, (0, 0), 1.1)
    for row, label in enumerate(labels):
        axes[row, 0].set_ylabel(label, fontsize=9)
    figure.suptitle("left orange, right blue; the truth in grey", fontsize=9)
    figure.tight_layout()
    with files.replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _limit(axis, middle, reach):
    axis.set_xlim(middle[0] - reach, middle[0] + reach)
    axis.set_ylim(middle[1] + reach, middle[1] - reach)
    axis.set_aspect("equal")
    axis.set_xticks([])
    axis.set_yticks([])


def draw(axis, points: np.ndarray, skeleton: Skeleton, color=None) -> None:
    """Draws one skeleton into a matplotlib axis.

    Args:
        axis: To draw into.
        points: (J, 2), in the axis's coordinates.
        skeleton: Of the J joints.
        color: Of all bones; None for left orange, right blue, grey between.
    """
    for parent, child in skeleton.edges:
        side = _MIDDLE
        if child in skeleton.left:
            side = _LEFT
        elif child in skeleton.right:
            side = _RIGHT
        line = points[[parent, child]].T
        axis.plot(*line, color=color or side, linewidth=2)
    axis.plot(*points.T, ".", color=color or "k", markersize=3)


def _define_flags():
    flags.DEFINE_string(
        "poses", None, ".npz that evaluate.py wrote.", required=True
    )
    flags.DEFINE_string(
        "output", None, "Path without .png and .svg.", required=True
    )


def main():
    arrays = read_poses(flags.FLAGS.poses)
    skeleton = by_joint_count(arrays[0].shape[1])
    for ending in (".png", ".svg"):
        path = pathlib.Path(flags.FLAGS.output + ending)
        save(path, *arrays, skeleton)
        print(path)


if __name__ == "__main__":
    _define_flags()
    config.run(main)

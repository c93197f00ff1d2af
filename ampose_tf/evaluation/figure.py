r"""Draws the best, the median and the worst poses of an evaluation.

    python -m ampose_tf.evaluation.figure \
        --poses=runs/demo/evaluation_poses.npz --output=runs/demo/evaluation

--poses is the file that `evaluate.py --report=runs/demo/evaluation.json`
writes next to its report. Writes evaluation.png and evaluation.svg: 2D input,
and prediction over truth from two sides (similar to the paper's Figure 4).
"""

import os
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from absl import flags

from ampose_tf import config, files, reading
from ampose_tf.data import archive
from ampose_tf.data.poses import Poses
from ampose_tf.evaluation import metrics
from ampose_tf.skeleton import Skeleton, by_joint_count

# Blue and orange can be told apart by people with colour blindness.
_LEFT, _RIGHT, _MIDDLE, _TRUTH = "tab:orange", "tab:blue", "0.35", "0.75"


def extremes(
    errors: np.ndarray, clips: Sequence[str], each: int = 2
) -> list[tuple[str, int]]:
    """Chooses poses by their errors.

    Neighbouring frames have nearly the same error, so each chosen pose comes
    from a different clip, as long as there are enough clips in the best, the
    middle or the worst third.

    Args:
        errors: (N,), error of each pose.
        clips: (N,), clip of each pose.
        each: How many of the best, the median and the worst to choose.

    Returns:
        (label, index) of each pose, from the best to the worst; fewer if
        there are not enough poses.
    """
    clips = np.asarray(clips)
    order = np.argsort(errors, kind="stable")
    third = len(order) // 3
    best, middle, worst = np.split(order, (third, len(order) - third))
    from_median = np.abs(np.arange(len(middle)) - (len(middle) - 1) / 2)
    chosen = []
    for what, candidates in (
        ("best", best),
        ("worst", worst[::-1]),
        ("median", middle[np.argsort(from_median, kind="stable")]),
    ):
        _, first = np.unique(clips[candidates], return_index=True)
        apart = candidates[np.sort(first)].tolist()
        ranked = dict.fromkeys(apart + candidates.tolist())
        chosen += [(what, index) for index in list(ranked)[:each]]
    return sorted(chosen, key=lambda item: errors[item[1]])


class Shown(NamedTuple):
    """Poses to draw, one column each.

    Attributes:
        keypoints_2d: (N, J, 2), y down.
        predicted: (N, J, 3) metres, camera frame, hip at the origin.
        target: (N, J, 3) metres, camera frame, hip at the origin.
        titles: (N,) str.
        data: Description of the data.
    """

    keypoints_2d: np.ndarray
    predicted: np.ndarray
    target: np.ndarray
    titles: np.ndarray
    data: str


def choose(predicted: np.ndarray, poses: Poses, data: str) -> Shown:
    """Chooses the best, median and worst poses of an evaluation.

    Args:
        predicted: (N, J, 3) metres.
        poses: The poses with the network's input.
        data: Description of the data.
    """
    clips = [
        f"{subject} {action}"
        for subject, action in zip(poses.subjects, poses.actions, strict=True)
    ]
    chosen = extremes(metrics.mpjpe(predicted, poses.poses_3d), clips)
    return show(
        predicted, poses, [i for _, i in chosen], data, [w for w, _ in chosen]
    )


def show(
    predicted: np.ndarray,
    poses: Poses,
    index: Sequence[int],
    data: str,
    what: Sequence[str] = (),
) -> Shown:
    """Returns some poses, titled with subject, action and error.

    Args:
        predicted: (N, J, 3) metres.
        poses: The poses with the network's input.
        index: Indices of the poses to show.
        data: Description of the data.
        what: Label before each error, if any.
    """
    index = np.asarray(index)
    some = poses.select(index)
    predicted = predicted[index] - predicted[index][:, :1]
    errors = 1000 * metrics.mpjpe(predicted, some.poses_3d)
    titles = [
        f"{some.subjects[i]} {_short(some.action_names[some.actions[i]])}\n"
        f"{f'{what[i]}, ' if what else ''}{errors[i]:.0f} mm"
        for i in range(some.count)
    ]
    return Shown(
        some.keypoints_2d, predicted, some.poses_3d, np.array(titles), data
    )


def _short(action):
    return action if len(action) <= 24 else f"{action[:23]}…"


def write(path: str | os.PathLike, shown: Shown) -> None:
    """Writes poses to an `.npz`.

    Raises:
        OSError: If the file cannot be written.
    """
    with files.replacing(path) as temporary:
        np.savez_compressed(temporary, **shown._asdict())


def read(path: str | os.PathLike) -> Shown:
    """Reads the poses that `write` wrote.

    Raises:
        OSError: If the file does not exist.
        ValueError: If `write` did not write it.
    """
    try:
        with reading.guarded():
            return _shown(archive.read(path))
    except ValueError as error:
        raise ValueError(
            f"{path}: expected the .npz that evaluate.py --report writes "
            f"({error})"
        ) from error


def _shown(stored):
    arrays = {name: stored[name] for name in Shown._fields}
    shown = Shown(**(arrays | {"data": str(arrays["data"])}))
    count, joints = shown.predicted.shape[:2]
    by_joint_count(joints)
    shapes = [array.shape for array in shown[:4]]
    expected = [(count, joints, n) for n in (2, 3, 3)]
    if not count or shapes != [*expected, (count,)]:
        raise ValueError(f"arrays of shapes {shapes}")
    return shown


def save(path: str | os.PathLike, shown: Shown) -> None:
    """Draws poses side by side: 2D, and 3D over the truth from two sides.

    Args:
        path: Output path; its suffix selects the format.
        shown: From `choose` or `show`.

    Raises:
        OSError: If the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    keypoints_2d, predicted, target, titles, data = shown
    skeleton = by_joint_count(keypoints_2d.shape[1])
    figure = Figure(figsize=(2.1 * len(titles), 6.4))
    FigureCanvasAgg(figure)
    axes = figure.subplots(3, len(titles), squeeze=False)
    labels = ("2D", "from the camera", "from the camera's right")
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
    figure.suptitle(
        f"{data}\nleft orange, right blue; the truth in grey", fontsize=9
    )
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
        axis: Axis to draw into.
        points: (J, 2), in the axis's coordinates.
        skeleton: Skeleton of the J joints.
        color: Color of all bones; None for left orange, right blue and the
            middle grey.
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


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags of `main`."""
    flags.DEFINE_string(
        "poses",
        None,
        ".npz file that evaluate.py wrote.",
        required=True,
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "output",
        None,
        "Output path without .png or .svg.",
        required=True,
        flag_values=flag_values,
    )


def main(options: flags.FlagValues) -> None:
    """Draws the poses of the file given by the flags."""
    shown = read(options.poses)
    for ending in (".png", ".svg"):
        path = pathlib.Path(options.output + ending)
        save(path, shown)
        print(path)


if __name__ == "__main__":
    config.run(main, define_flags)

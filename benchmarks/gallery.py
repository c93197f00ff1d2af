r"""Draws good and bad poses of a model of real motion.

    python benchmarks/gallery.py --config=configs/mocap_s.py \
        --config.data.root=DIR --model=runs/mocap_s/last.keras \
        --output=docs

Writes good_poses.png, of each of some motions the pose whose error is the
first quartile, and bad_poses.png, the worst pose of each of the worst
motions; chosen by rule, not by taste.
"""

import pathlib

import numpy as np
from absl import flags

from ampose_tf import config, files

_CONFIG = config.define_flag()
_MODEL = flags.DEFINE_string(
    "model", None, ".keras, SavedModel folder or .tflite.", required=True
)
_OUTPUT = flags.DEFINE_string("output", None, "Folder.", required=True)

_COLUMNS = 6


def main():
    import conditions

    from ampose_tf.evaluation import metrics
    from ampose_tf.lifting.predictor import load_predictor

    experiment = _CONFIG.value
    poses = conditions.poses_of(experiment)["fixed"]
    predict = load_predictor(_MODEL.value, experiment.evaluation.batch_size)
    lifted = predict(poses.keypoints_2d)
    errors = 1000 * metrics.mpjpe(lifted, poses.poses_3d)
    for name, chosen in (
        ("good_poses", good(errors, poses.actions)),
        ("bad_poses", bad(errors, poses.actions)),
    ):
        path = pathlib.Path(_OUTPUT.value, f"{name}.png")
        with files.replacing(path) as temporary:
            _save(temporary, chosen, poses, lifted, errors, predict.skeleton)
        print(path)


def good(errors, actions, count=_COLUMNS):
    """Returns the pose at the first quartile of each of some motions.

    Args:
        errors: (N,).
        actions: (N,) int.
        count: How many, spread over the motions from the best to the worst.
    """
    typical = []
    for action in np.unique(actions):
        own = np.flatnonzero(actions == action)
        typical.append(own[np.argsort(errors[own])[len(own) // 4]])
    typical = np.array(typical)[np.argsort(errors[typical])]
    spread = np.linspace(0, len(typical) - 1, min(count, len(typical)))
    return typical[spread.astype(int)]


def bad(errors, actions, count=_COLUMNS):
    """Returns the worst pose of each of the worst motions."""
    worst = np.array(
        [
            own[np.argmax(errors[own])]
            for own in (
                np.flatnonzero(actions == action)
                for action in np.unique(actions)
            )
        ]
    )
    return worst[np.argsort(-errors[worst])[:count]]


def _save(path, chosen, poses, lifted, errors, skeleton):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from ampose_tf.lifting import picture

    figure = Figure(figsize=(2.1 * len(chosen), 6.4))
    FigureCanvasAgg(figure)
    for column, index in enumerate(chosen):
        action = poses.action_names[poses.actions[index]]
        views = (
            ("2D", poses.keypoints_2d[index], None, (0, 1)),
            ("from the camera", lifted[index], poses.poses_3d[index], (0, 1)),
            ("from its right", lifted[index], poses.poses_3d[index], (2, 1)),
        )
        for row, (label, points, truth, shown) in enumerate(views):
            axis = figure.add_subplot(
                len(views), len(chosen), row * len(chosen) + column + 1
            )
            if truth is not None:
                picture.draw(axis, truth[:, shown], skeleton, "0.75")
            picture.draw(axis, points[:, shown], skeleton)
            middle, reach = (0, 0), 1.1
            if truth is None:
                middle = (points.min(axis=0) + points.max(axis=0)) / 2
                reach = 0.6 * np.ptp(points, axis=0).max()
            axis.set_xlim(middle[0] - reach, middle[0] + reach)
            axis.set_ylim(middle[1] + reach, middle[1] - reach)
            axis.set_aspect("equal")
            axis.set_xticks([])
            axis.set_yticks([])
            if column == 0:
                axis.set_ylabel(label, fontsize=9)
            if row == 0:
                axis.set_title(
                    f"{action[:24]}\n{errors[index]:.0f} mm", fontsize=8
                )
    figure.suptitle(
        "left orange, right blue; the truth in grey; MPJPE of one call",
        fontsize=9,
    )
    figure.tight_layout()
    figure.savefig(path, dpi=110, format="png")


if __name__ == "__main__":
    config.run(main)

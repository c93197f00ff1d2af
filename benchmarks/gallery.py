r"""Draws good and bad poses of a model of real motion.

    python -m benchmarks.gallery --config=configs/mocap_s.py \
        --config.data.root=DIR --config.data.archives="('cmu17',)" \
        --model=ampose_s --output=docs

Writes good_poses.png, which shows for some motions the pose whose error is the
first quartile, and bad_poses.png, which shows the worst pose of each of the
worst motions; poses are chosen by this rule only. Errors are the MPJPE of one
call. --condition=steep, for example, writes good_steep_poses.png and
bad_steep_poses.png.
"""

import pathlib

import numpy as np
from absl import flags

from ampose_tf import config
from benchmarks import conditions

_COLUMNS = 6


def define_flags(flag_values):
    config.define_flag(flag_values)
    flags.DEFINE_string(
        "model",
        None,
        "See `load_predictor`.",
        required=True,
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "condition",
        "fixed",
        "One of the conditions of conditions.py.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "output", None, "Folder.", required=True, flag_values=flag_values
    )


def main(options):
    from ampose_tf.data import sources
    from ampose_tf.evaluation import figure, metrics
    from ampose_tf.lifting.predictor import load_predictor

    experiment = options.config
    name = pathlib.Path(options.model).name
    data = f"{sources.describe(experiment)}; {name}, one call"
    made = conditions.conditions_of(experiment)
    if options.condition not in made:
        raise ValueError(
            f"--condition: expected one of {', '.join(made)}, got "
            f"{options.condition}"
        )
    poses, seen = made[options.condition]
    predict = load_predictor(options.model, experiment.evaluation.batch_size)
    lifted = predict(poses.keypoints_2d, seen)
    errors = 1000 * metrics.mpjpe(lifted, poses.poses_3d)
    of = ""
    if options.condition != "fixed":
        data = f"{options.condition}: {data}"
        of = options.condition.replace(" ", "_") + "_"
    for name, chosen in (
        ("good", good(errors, poses.actions)),
        ("bad", bad(errors, poses.actions)),
    ):
        path = pathlib.Path(options.output, f"{name}_{of}poses.png")
        figure.save(path, figure.show(lifted, poses, chosen, data))
        print(path)


def good(errors, actions, count=_COLUMNS):
    """Returns the pose at the first quartile of each of some motions.

    Args:
        errors: (N,), error of each pose.
        actions: (N,) int, motion of each pose.
        count: Number of poses, from the best to the worst of the motions.
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


if __name__ == "__main__":
    config.run(main, define_flags)

r"""Trains AMPose.

    python train.py --config=configs/demo.py --workdir=runs/demo

Writes best.keras, last.keras, config.json, history.csv, checkpoint.npz,
files.json and, with TensorFlow, TensorBoard's logs to workdir. Run again with
the same workdir to continue an interrupted run. Ctrl-C or SIGTERM ends the run
after the current step; a second one ends it at once.
"""

import pathlib

from absl import flags

from ampose_tf import config


def define_flags(flag_values):
    config.define_flag(flag_values)
    flags.DEFINE_string(
        "workdir",
        None,
        "Folder of the run.",
        required=True,
        flag_values=flag_values,
    )


def main(options):
    # Data first: missing data is reported before Keras is loaded.
    from ampose_tf.data import sources

    experiment = options.config
    training_poses = sources.load(experiment, "train")
    validation_poses = sources.load(experiment, "validation")

    from ampose_tf import training

    training.keep_freed_memory()
    training.train(
        experiment,
        training_poses,
        validation_poses,
        pathlib.Path(options.workdir),
        sources=sources.paths(experiment),
    )


if __name__ == "__main__":
    config.run(main, define_flags)

r"""Trains AMPose.

    python train.py --config=configs/demo.py --workdir=runs/demo

Leaves best.keras, last.keras, config.json, history.csv, checkpoint.npz,
files.json and, under TensorFlow, TensorBoard's logs in workdir. Run again on
the same workdir, it goes on where it was killed. Ctrl-C, or SIGTERM, ends it
after the step that it is at, and it goes on there; a second one ends it at
once.
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
    # Data first: it is there or not long before Keras has loaded.
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

r"""Trains the GCN block designs on the same poses and compares them.

    python -m benchmarks.designs --config=configs/mocap_fixed.py \
        --config.data.root=DIR --config.model.width=64 \
        --config.train.epochs=1 --workdir=runs/designs --seeds=3

Only the design of the block differs from the config; the seed sets the initial
weights and the order of the poses. Each round trains all designs once, so that
the table, which is printed after every round and saved in designs.json, is
fair before all rounds are finished. Run the command again to continue after an
interruption.
"""

import dataclasses
import json
import pathlib

from absl import flags

from ampose_tf import config, files


def define_flags(flag_values):
    config.define_flag(flag_values)
    flags.DEFINE_string(
        "workdir",
        None,
        "Folder of the runs.",
        required=True,
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "seeds",
        3,
        "Number of runs per design.",
        lower_bound=1,
        flag_values=flag_values,
    )


def main(options):
    from ampose_tf.data import sources

    experiment = options.config
    validation = sources.load(experiment, "validation")
    # After everything that may be missing: TensorFlow takes seconds to load.
    from ampose_tf import training
    from ampose_tf.models.complexity import DESIGNS
    from benchmarks import repeats

    training.keep_freed_memory()
    variants = {
        design: dataclasses.replace(
            experiment,
            model=dataclasses.replace(experiment.model, gcn=design),
        )
        for design in DESIGNS
    }
    workdir = pathlib.Path(options.workdir)
    for seed, runs in enumerate(
        repeats.rounds(variants, options.seeds, validation, workdir)
    ):
        print(
            f"{repeats.as_text('design', runs)}\n\n{validation.count} poses, "
            f"seeds 0 to {seed}.",
            flush=True,
        )
        files.write_text(
            workdir / "designs.json", json.dumps(runs, indent=2) + "\n"
        )


if __name__ == "__main__":
    config.run(main, define_flags)

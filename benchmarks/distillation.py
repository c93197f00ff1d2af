r"""Trains a small network with and without its teacher and compares them.

    python -m benchmarks.distillation --config=configs/mocap_t_distilled.py \
        --config.data.root=DIR --workdir=runs/distillation --seeds=3

Both have the same steps, and for each seed the same initial weights and the
same poses in the same order; so the difference is also given seed by seed.
The table, which is printed after every seed and kept in distillation.json,
begins with the teacher. Given again, the command goes on where it was
stopped.
"""

import dataclasses
import json
import pathlib

import numpy as np
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
        "Runs with and without.",
        lower_bound=1,
        flag_values=flag_values,
    )


def differences(runs: dict) -> str:
    """Says by how much the taught network is off the one that is not.

    Args:
        runs: See `repeats.as_text`; of "alone" and "taught".
    """
    taught, alone = (
        np.array(runs[name]["mpjpe_mm"]) for name in ("taught", "alone")
    )
    each = ", ".join(f"{value:+.2f}" for value in taught - alone)
    return f"Taught minus alone, MPJPE of two calls, seed by seed: {each} mm."


def main(options):
    from ampose_tf import training
    from ampose_tf.data import sources
    from benchmarks import repeats

    training.keep_freed_memory()
    experiment = options.config
    recipe = experiment.train
    if not recipe.teacher:
        raise ValueError("--config.train.teacher is empty: nobody teaches")
    validation = sources.load(experiment, "validation")
    teacher = pathlib.Path(recipe.teacher)
    before = {teacher.name: repeats.judge(teacher, validation)}
    variants = {
        "alone": dataclasses.replace(
            experiment, train=dataclasses.replace(recipe, teacher="")
        ),
        "taught": experiment,
    }
    workdir = pathlib.Path(options.workdir)
    for seed, runs in enumerate(
        repeats.rounds(variants, options.seeds, validation, workdir)
    ):
        print(
            f"{repeats.as_text('network', before | runs)}\n\n"
            f"{differences(runs)} {validation.count} poses, seeds 0 to "
            f"{seed}.",
            flush=True,
        )
        files.write_text(
            workdir / "distillation.json",
            json.dumps(before | runs, indent=2) + "\n",
        )


if __name__ == "__main__":
    config.run(main, define_flags)

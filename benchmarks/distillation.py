r"""Trains a small network with and without its teacher and compares them.

    python -m benchmarks.distillation --config=configs/mocap_t_distilled.py \
        --config.data.root=DIR --workdir=runs/distillation --seeds=3

Both have the same number of steps and, for each seed, the same initial weights
and the same order of the poses, so the difference is also printed seed by
seed. The table, which is printed after every seed and saved in
distillation.json, starts with the teacher. Run the command again to continue
after an interruption.
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
        "Number of runs with and without the teacher.",
        lower_bound=1,
        flag_values=flag_values,
    )


def differences(runs: dict) -> str:
    """Describes how much the taught network differs from the other one.

    Args:
        runs: See `repeats.as_text`; must contain "alone" and "taught".
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
        raise ValueError("--config.train.teacher is empty; expected a file")
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

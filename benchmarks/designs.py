r"""Trains the GCN block designs on the same poses and compares them.

    python benchmarks/designs.py --config=configs/mocap_fixed.py \
        --config.data.root=DIR --config.model.width=64 \
        --config.train.epochs=1 --workdir=runs/designs --seeds=3

Everything but the design of the block is as the config says; the seed sets
the initial weights and the order of the poses. Designs take turns, so that
the table, which is printed after every round of them and kept in
designs.json, is fair before all rounds are through. Given again, the command
goes on where it was stopped.
"""

import dataclasses
import json
import pathlib

import keras
import numpy as np
from absl import flags

from ampose_tf import config, files
from ampose_tf.models.complexity import DESIGNS

_CONFIG = config.define_flag()
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the runs.", required=True
)
_SEEDS = flags.DEFINE_integer("seeds", 3, "Runs of each design.", 1)

_HEAD = (
    "| design | parameters | MPJPE, two calls | one call | P-MPJPE |\n"
    "|---|---|---|---|---|"
)
_ERRORS = ("mpjpe_mm", "single_mpjpe_mm", "p_mpjpe_mm")


def as_text(runs: dict) -> str:
    """Returns a Markdown table: mean ± sample standard deviation, mm.

    Args:
        runs: {design: {"parameters": count, and a list of one error per
            seed under each of "mpjpe_mm", "single_mpjpe_mm", "p_mpjpe_mm"}}.
    """
    lines = [_HEAD]
    for design, run in runs.items():
        cells = []
        for name in _ERRORS:
            errors = np.array(run[name])
            spread = f" ± {errors.std(ddof=1):.2f}" if len(errors) > 1 else ""
            cells.append(f"{errors.mean():.2f}{spread}")
        lines.append(
            f"| `{design}` | {run['parameters']:,} | {' | '.join(cells)} |"
        )
    return "\n".join(lines)


def main():
    from ampose_tf import training
    from ampose_tf.data import sources
    from ampose_tf.evaluation import protocols
    from ampose_tf.lifting.predictor import load_predictor

    experiment = _CONFIG.value
    poses = sources.load(experiment, "train")
    validation = sources.load(experiment, "validation")
    workdir = pathlib.Path(_WORKDIR.value)
    runs = {}
    for seed in range(_SEEDS.value):
        for design in DESIGNS:
            folder = workdir / f"{design}_{seed}"
            print(f"{design}, seed {seed}", flush=True)
            training.train(
                dataclasses.replace(
                    experiment,
                    model=dataclasses.replace(experiment.model, gcn=design),
                    train=dataclasses.replace(experiment.train, seed=seed),
                ),
                poses,
                validation,
                folder,
            )
            predict = load_predictor(folder / training.LAST)
            judged = protocols.evaluate(
                predict, validation, predict.skeleton, "poses", True
            )
            run = runs.setdefault(
                design, {"parameters": predict.network.count_params()}
            )
            for name in _ERRORS:
                run.setdefault(name, []).append(judged[name])
            keras.utils.clear_session()
        print(
            f"{as_text(runs)}\n\n{validation.count} poses, seeds 0 to {seed}.",
            flush=True,
        )
        files.write_text(
            workdir / "designs.json", json.dumps(runs, indent=2) + "\n"
        )


if __name__ == "__main__":
    config.run(main)

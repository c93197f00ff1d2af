"""Trains variants of a config from several seeds and compares them."""

import dataclasses
import pathlib
from collections.abc import Iterator

import keras
import numpy as np

from ampose_tf import training
from ampose_tf.config import Config
from ampose_tf.data import sources
from ampose_tf.data.poses import Poses
from ampose_tf.evaluation import protocols
from ampose_tf.lifting.predictor import load_predictor
from ampose_tf.models.recorder import LAST

_ERRORS = ("mpjpe_mm", "single_mpjpe_mm", "p_mpjpe_mm")


def rounds(
    variants: dict[str, Config],
    seeds: int,
    validation: Poses,
    workdir: pathlib.Path,
) -> Iterator[dict]:
    """Trains all variants from seed 0, then all from seed 1, and so on.

    The seed sets the initial weights and the order of the poses. Runs that an
    interrupted process left in workdir are continued.

    Args:
        variants: Configs by name, all with the same data.
        seeds: Number of seeds.
        validation: Poses that every variant is evaluated on.
        workdir: Folder for the folders of the runs.

    Yields:
        The runs, for `as_text`, after every round, when all variants have had
        the same seeds.
    """
    poses = sources.load(next(iter(variants.values())), "train")
    runs = {}
    for seed in range(seeds):
        for name, variant in variants.items():
            folder = workdir / f"{name}_{seed}"
            print(f"{name}, seed {seed}", flush=True)
            recipe = dataclasses.replace(variant.train, seed=seed)
            training.train(
                dataclasses.replace(variant, train=recipe),
                poses,
                validation,
                folder,
            )
            judged = judge(folder / LAST, validation)
            run = runs.setdefault(name, judged | {e: [] for e in _ERRORS})
            for error in _ERRORS:
                run[error] += judged[error]
            keras.utils.clear_session()
        yield runs


def judge(path: pathlib.Path, validation: Poses) -> dict:
    """Returns {"parameters": count}, and lists of one error each in mm."""
    predict = load_predictor(path)
    judged = protocols.evaluate(
        predict, validation, predict.skeleton, "poses", True
    )
    parameters = {"parameters": predict.network.count_params()}
    return parameters | {error: [judged[error]] for error in _ERRORS}


def as_text(kind: str, runs: dict) -> str:
    """Returns a Markdown table: mean ± sample standard deviation in mm.

    Args:
        kind: What distinguishes the variants.
        runs: {variant: {"parameters": count, and a list of one error per
            seed under each of "mpjpe_mm", "single_mpjpe_mm", "p_mpjpe_mm"}}.
    """
    lines = [
        f"| {kind} | parameters | MPJPE, two calls | one call | P-MPJPE |",
        "|---|---|---|---|---|",
    ]
    for name, run in runs.items():
        cells = []
        for error in _ERRORS:
            errors = np.array(run[error])
            spread = f" ± {errors.std(ddof=1):.2f}" if len(errors) > 1 else ""
            cells.append(f"{errors.mean():.2f}{spread}")
        lines.append(
            f"| `{name}` | {run['parameters']:,} | {' | '.join(cells)} |"
        )
    return "\n".join(lines)

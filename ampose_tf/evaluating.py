"""Driver: evaluates models on validation poses and returns reports."""

import dataclasses
import functools

from ampose_tf import progress
from ampose_tf.config import Config
from ampose_tf.data import sources
from ampose_tf.data.poses import Poses
from ampose_tf.evaluation import protocols
from ampose_tf.evaluation.protocols import Lifted
from ampose_tf.models import complexity, stored


def evaluate(
    config: Config, predictors: dict, validation: Poses
) -> tuple[list[dict], Lifted]:
    """Evaluates models by the protocol of the config's data.

    Args:
        config: Where the poses come from and how to evaluate.
        predictors: {path: `Predictor`}.
        validation: The poses to evaluate on.

    Returns:
        For each model, the result of `protocols.judge_dataset` with `model`,
        `checkpoint`, `megabytes`, `data`, `generated` (whether the movements
        are procedural), for `.keras` files also `gcn` (the design of its
        blocks) and `complexity`, and `config`; and the first model's
        predictions.

    Raises:
        ValueError: If a model does not fit the data.
    """
    reports, first = [], None
    for path, predict in predictors.items():
        skeleton = predict.skeleton
        stored.check_fits(
            path, len(skeleton.joints), predict.normalisation, config
        )
        with progress.bar(2 * validation.count, "pose") as done:
            lifted = protocols.lift(
                functools.partial(predict, progress=done),
                validation,
                skeleton,
                config.evaluation.flip_ensemble,
            )
        first = first or lifted
        network = {}
        if predict.network is not None:
            network["gcn"] = predict.network.gcn
            network["complexity"] = complexity.count(predict.network)
        reports.append(
            {
                "model": str(path),
                "checkpoint": predict.checkpoint,
                "megabytes": predict.megabytes,
                "data": sources.describe(config),
                "generated": sources.is_generated(config),
                **network,
                **protocols.judge_dataset(
                    config.data.dataset,
                    lifted,
                    validation,
                    skeleton,
                    predict.refine,
                ),
                "config": dataclasses.asdict(config),
            }
        )
    return reports, first

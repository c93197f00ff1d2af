r"""Judges trained or exported models on a config's validation poses.

    python evaluate.py --config=configs/demo.py \
        --model=runs/demo/best.keras --report=runs/demo/evaluation.json

--model takes .keras files, SavedModel folders and .tflite files; given more
than once, the models are set side by side.
"""

import dataclasses
import pathlib

from absl import flags

from ampose_tf import config

_CONFIG = config.define_flag()
_MODEL = flags.DEFINE_multi_string(
    "model", None, ".keras, SavedModel folder or .tflite.", required=True
)
_REPORT = flags.DEFINE_string("report", None, "JSON file to write.")


def main():
    # Data first: it is there or not long before TensorFlow has loaded.
    from ampose_tf.data import sources

    experiment = _CONFIG.value
    validation = sources.load(experiment, "validation")

    from ampose_tf.evaluation import protocols, report
    from ampose_tf.lifting.predictor import load_predictor
    from ampose_tf.models import stored

    reports = []
    for path in _MODEL.value:
        predict = load_predictor(path, experiment.evaluation.batch_size)
        stored.check_fits(
            path,
            len(predict.skeleton.joints),
            predict.normalisation,
            experiment,
        )
        judged = protocols.evaluate_dataset(
            experiment.data.dataset,
            predict,
            validation,
            predict.skeleton,
            experiment.evaluation.flip_ensemble,
        )
        reports.append(
            {
                "model": path,
                "checkpoint": predict.checkpoint,
                "megabytes": predict.megabytes,
                "data": sources.describe(experiment),
                **judged,
                "config": dataclasses.asdict(experiment),
            }
        )
    published = None
    if not sources.is_generated(experiment):
        published = report.published_mpjpe_mm(experiment)
    print(report.as_text(reports, published))
    if _REPORT.value:
        report.write(pathlib.Path(_REPORT.value), reports)
        print(_REPORT.value)


if __name__ == "__main__":
    config.run(main)

r"""Judges trained or exported models on a config's validation poses.

    python evaluate.py --config=configs/demo.py \
        --model=runs/demo/best.keras --report=runs/demo/evaluation.json

--model takes .keras files, SavedModel folders and .tflite files; given more
than once, the models are set side by side. --table prints one of the paper's
tables with the models' rows below the published ones.
"""

from absl import flags

from ampose_tf import config

_CONFIG = config.define_flag()
_MODEL = flags.DEFINE_multi_string(
    "model",
    None,
    ".keras, SavedModel folder or .tflite, or ampose_s or ampose_t, which are "
    "released.",
    required=True,
)
_TABLE = flags.DEFINE_integer(
    "table", None, "Of the paper's tables, 1 to 4.", 1, 4
)
_REPORT = flags.DEFINE_string(
    "report",
    None,
    "JSON file to write; beside it <stem>_printed.txt, <stem>_groups.csv, and "
    "<stem>_poses.npz for ampose_tf.evaluation.figure.",
)


def main():
    # Data first: it is there or not long before TensorFlow has loaded.
    from ampose_tf.data import sources
    from ampose_tf.evaluation import figure, report, tables

    experiment = _CONFIG.value
    if _REPORT.value:
        report.check_path(_REPORT.value)
    if _TABLE.value:
        data = experiment.data
        tables.check(_TABLE.value, data.dataset, data.keypoints)
    validation = sources.load(experiment, "validation")

    from ampose_tf import evaluating
    from ampose_tf.lifting.predictor import load_predictor

    size = experiment.evaluation.batch_size
    predictors = {path: load_predictor(path, size) for path in _MODEL.value}
    reports, lifted = evaluating.evaluate(experiment, predictors, validation)
    if _TABLE.value:
        text = report.paper_table(_TABLE.value, reports)
    else:
        figure_mm = None
        if not reports[0]["generated"]:
            figure_mm = report.published_mpjpe_mm(experiment)
        text = report.as_text(reports, figure_mm)
    print(text)
    if _REPORT.value:
        report.write(_REPORT.value, reports, text)
        figure.write(
            report.beside(_REPORT.value, "poses.npz"),
            figure.choose(lifted.headline, validation, reports[0]["data"]),
        )
        print(_REPORT.value)


if __name__ == "__main__":
    config.run(main)

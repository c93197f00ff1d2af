r"""Evaluates trained or exported models on a config's validation poses.

    python evaluate.py --config=configs/demo.py \
        --model=runs/demo/best.keras --report=runs/demo/evaluation.json

--model accepts .keras files, SavedModel folders and .tflite files. Repeat it
to compare several models side by side. --table prints one of the paper's
tables with the models' rows below the published rows.
"""

from absl import flags

from ampose_tf import config


def define_flags(flag_values):
    config.define_flag(flag_values)
    flags.DEFINE_multi_string(
        "model",
        None,
        ".keras file, SavedModel folder or .tflite file, or a released model: "
        "ampose_s, ampose_t.",
        required=True,
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "trust_model",
        False,
        "Run .tflite files and SavedModels that are refused as untrusted. "
        "They can then read and write your files.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "table",
        None,
        "Table of the paper to print, 1 to 4.",
        1,
        4,
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "report",
        None,
        "JSON file to write; next to it <stem>_printed.txt, "
        "<stem>_groups.csv, and <stem>_poses.npz for "
        "ampose_tf.evaluation.figure.",
        flag_values=flag_values,
    )


def main(options):
    # Data first: missing data is reported before TensorFlow is loaded.
    from ampose_tf.data import sources
    from ampose_tf.evaluation import figure, report, tables

    experiment = options.config
    if options.report:
        report.check_path(options.report)
    if options.table:
        data = experiment.data
        tables.check(options.table, data.dataset, data.keypoints)
    validation = sources.load(experiment, "validation")

    from ampose_tf import evaluating
    from ampose_tf.lifting.predictor import load_predictor

    size = experiment.evaluation.batch_size
    predictors = {
        path: load_predictor(path, size, trust_model=options.trust_model)
        for path in options.model
    }
    reports, lifted = evaluating.evaluate(experiment, predictors, validation)
    if options.table:
        text = report.paper_table(options.table, reports)
    else:
        figure_mm = None
        if not reports[0]["generated"]:
            figure_mm = report.published_mpjpe_mm(experiment)
        text = report.as_text(reports, figure_mm)
    print(text)
    if options.report:
        report.write(options.report, reports, text)
        figure.write(
            report.beside(options.report, "poses.npz"),
            figure.choose(lifted.headline, validation, reports[0]["data"]),
        )
        print(options.report)


if __name__ == "__main__":
    config.run(main, define_flags)

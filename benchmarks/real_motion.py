r"""Evaluates models of real motion under all conditions.

    python -m benchmarks.real_motion --config=configs/mocap_s.py \
        --config.data.root=DIR --model=runs/mocap_s/last.keras \
        --report=runs/mocap_s/conditions.json

The people are the archive's validation subjects. The conditions
(conditions.py) differ in cameras and detectors; "exercises" are UI-PRMD's, if
that archive is named. measures.py measures angles, sizes and sides. --model
may be given more than once.
"""

import json
import pathlib

from absl import flags

from ampose_tf import config, files
from benchmarks import conditions


def define_flags(flag_values):
    config.define_flag(flag_values)
    flags.DEFINE_multi_string(
        "model",
        None,
        "See `load_predictor`.",
        required=True,
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "report", None, "JSON file to write.", flag_values=flag_values
    )


def main(options):
    from ampose_tf.lifting.predictor import load_predictor

    experiment = options.config
    judged_on = conditions.conditions_of(experiment)
    reports = {}
    for path in options.model:
        predict = load_predictor(path, experiment.evaluation.batch_size)
        reports[path] = conditions.judge(predict, judged_on)
        print(f"{path}\n{conditions.as_text(reports[path])}\n", flush=True)
    if options.report:
        files.write_text(
            pathlib.Path(options.report), json.dumps(reports, indent=2) + "\n"
        )


if __name__ == "__main__":
    config.run(main, define_flags)

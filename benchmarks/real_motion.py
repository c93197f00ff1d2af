r"""Judges models of real motion under every condition that they must stand.

    python benchmarks/real_motion.py --config=configs/mocap_s.py \
        --config.data.root=DIR --model=runs/mocap_s/last.keras \
        --report=runs/mocap_s/conditions.json

The people are the archive's validation subjects; the conditions
(conditions.py) change what they are seen by. --model may be given more than
once.
"""

import json
import pathlib

from absl import flags

from ampose_tf import config, files

_CONFIG = config.define_flag()
_MODEL = flags.DEFINE_multi_string(
    "model", None, "See `load_predictor`.", required=True
)
_REPORT = flags.DEFINE_string("report", None, "JSON file to write.")


def main():
    import conditions

    from ampose_tf.lifting.predictor import load_predictor

    experiment = _CONFIG.value
    poses = conditions.poses_of(experiment)
    reports = {}
    for path in _MODEL.value:
        predict = load_predictor(path, experiment.evaluation.batch_size)
        reports[path] = conditions.judge(predict, poses)
        print(f"{path}\n{conditions.as_text(reports[path])}\n", flush=True)
    if _REPORT.value:
        files.write_text(
            pathlib.Path(_REPORT.value), json.dumps(reports, indent=2) + "\n"
        )


if __name__ == "__main__":
    config.run(main)

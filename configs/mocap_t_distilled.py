r"""ampose_t on real motion, taught by the released ampose_s.

The recipe of mocap_t with the same number of steps; half of the loss is the
distance to ampose_s's poses for the same keypoints (see
models/distillation.py), which costs a call of that network in every step. With
the recipe of 2026-11-23, it was ahead of mocap_t after one epoch and equal at
the end: benchmarks/real_motion.md.

    python train.py --config=configs/mocap_t_distilled.py \
        --config.data.root=DIR --workdir=runs/mocap_t_distilled

--config.train.teacher=runs/mocap_b/last.keras selects another teacher.
"""

import pathlib
import runpy

from ampose_tf import weights
from ampose_tf.config import Config

_MOCAP_T = pathlib.Path(__file__).with_name("mocap_t.py")


def get_config() -> Config:
    config = runpy.run_path(str(_MOCAP_T))["get_config"]()
    config.train.teacher = str(weights.AMPOSE_S)
    return config

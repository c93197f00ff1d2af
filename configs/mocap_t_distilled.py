r"""ampose_t on real motion, taught by the released ampose_s.

The recipe of mocap_t with as many steps; half of the loss is the distance to
ampose_s's poses for the same keypoints (see models/distillation.py), which
costs a call of that network in every step. After one epoch of 262,144 poses
it has 45.2 mm where mocap_t has 46.8, the mean of three seeds each, by
benchmarks/distillation.py; after all ten, one seed, both have 36.1.

    python train.py --config=configs/mocap_t_distilled.py \
        --config.data.root=DIR --workdir=runs/mocap_t_distilled

--config.train.teacher=runs/mocap_b/last.keras is another teacher.
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

r"""ampose_t on real motion: depth 4 and width 64, a fifth of ampose_s.

The recipe of mocap_s, whose docstring explains it, at twice its learning
rate.

    python train.py --config=configs/mocap_t.py \
        --config.data.root=DIR --workdir=runs/mocap_t
"""

import dataclasses
import pathlib
import runpy

from ampose_tf.config import SIZES, Config

_MOCAP_S = pathlib.Path(__file__).with_name("mocap_s.py")


def get_config() -> Config:
    config = runpy.run_path(str(_MOCAP_S))["get_config"]()
    config.model = dataclasses.replace(config.model, **SIZES["ampose_t"])
    config.train.learning_rate = 2.8e-3
    return config

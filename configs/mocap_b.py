r"""ampose_b on real motion: the paper's size, for a GPU.

The recipe of mocap_s, whose docstring explains it, at a lower learning rate.
It has not been trained to completion yet.

    python train.py --config=configs/mocap_b.py \
        --config.data.root=DIR --workdir=runs/mocap_b
"""

import dataclasses
import pathlib
import runpy

from ampose_tf.config import SIZES, Config

_MOCAP_S = pathlib.Path(__file__).with_name("mocap_s.py")


def get_config() -> Config:
    config = runpy.run_path(str(_MOCAP_S))["get_config"]()
    config.model = dataclasses.replace(config.model, **SIZES["ampose_b"])
    config.train.learning_rate = 3e-4
    return config

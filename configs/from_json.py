r"""Repeats a run from the config.json that it wrote.

    python train.py --config=configs/from_json.py:runs/demo/config.json \
        --workdir=runs/again
"""

from ampose_tf import config


def get_config(path: str) -> config.Config:
    return config.load(path)

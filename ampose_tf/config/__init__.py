"""Configuration: typed, documented, and complete when it is read.

An experiment is a Python file with `get_config() -> Config`; a script's
`--config.section.field=value` changes one field of it.
"""

from ampose_tf.config.commandline import define_flag, run
from ampose_tf.config.ranges import (
    Bodies,
    Cameras,
    Detector,
    Postures,
    Viewpoints,
)
from ampose_tf.config.sections import (
    SIZES,
    Config,
    Data,
    Evaluation,
    Export,
    Generated,
    Model,
    Train,
    check,
    difference,
    from_json,
    load,
    to_json,
)

__all__ = [
    "SIZES",
    "Bodies",
    "Cameras",
    "Config",
    "Data",
    "Detector",
    "Evaluation",
    "Export",
    "Generated",
    "Model",
    "Postures",
    "Train",
    "Viewpoints",
    "check",
    "define_flag",
    "difference",
    "from_json",
    "load",
    "run",
    "to_json",
]

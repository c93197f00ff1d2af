"""Typed, documented configuration of an experiment.

An experiment is a Python file with `get_config() -> Config`; the flag
`--config.section.field=value` of a script changes one of its fields.
"""

from ampose_tf.config.checks import check
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
)
from ampose_tf.config.serialization import (
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

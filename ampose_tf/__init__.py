"""AMPose: single-frame 2D-to-3D human pose lifting in TensorFlow and Keras 3.

After Lin, Chiu and Wu, "AMPose: Alternatively Mixed Global-Local Attention
Model for 3D Human Pose Estimation", ICASSP 2023, arXiv 2210.04216.
"""

import importlib

__version__ = "0.1.0"


def __getattr__(name):
    # So that `import ampose_tf` is enough for `ampose_tf.lifting.Lifter`.
    if name == "lifting":
        return importlib.import_module("ampose_tf.lifting")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

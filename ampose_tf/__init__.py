"""AMPose: single-frame 2D-to-3D human pose lifting in TensorFlow and Keras 3.

After Lin, Chiu and Wu, "AMPose: Alternatively Mixed Global-Local Attention
Model for 3D Human Pose Estimation", ICASSP 2023, arXiv 2210.04216.
"""

from typing import TYPE_CHECKING

from ampose_tf import lazy

if TYPE_CHECKING:
    from ampose_tf import lifting as lifting
    from ampose_tf.config import Config
    from ampose_tf.lifting.formats import read as read_keypoints
    from ampose_tf.lifting.lifter import Lifter
    from ampose_tf.lifting.motion import Motion
    from ampose_tf.lifting.predictor import load_predictor
    from ampose_tf.lifting.results import load as load_motion
    from ampose_tf.lifting.video import read_video
    from ampose_tf.models.ampose import AMPose
    from ampose_tf.skeleton import H36M_16, H36M_17
else:
    __getattr__, __dir__ = lazy.names(
        __name__,
        {
            "AMPose": "ampose_tf.models.ampose:AMPose",
            "Config": "ampose_tf.config:Config",
            "H36M_16": "ampose_tf.skeleton:H36M_16",
            "H36M_17": "ampose_tf.skeleton:H36M_17",
            "Lifter": "ampose_tf.lifting.lifter:Lifter",
            "Motion": "ampose_tf.lifting.motion:Motion",
            "lifting": "ampose_tf.lifting:",
            "load_motion": "ampose_tf.lifting.results:load",
            "load_predictor": "ampose_tf.lifting.predictor:load_predictor",
            "read_keypoints": "ampose_tf.lifting.formats:read",
            "read_video": "ampose_tf.lifting.video:read_video",
        },
    )

__version__ = "0.2.0"

__all__ = [
    "AMPose",
    "Config",
    "H36M_16",
    "H36M_17",
    "Lifter",
    "Motion",
    "load_motion",
    "load_predictor",
    "read_keypoints",
    "read_video",
]

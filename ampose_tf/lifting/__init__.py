"""Lifting of 2D keypoints to 3D: `Lifter` and the modules that it uses."""

from typing import TYPE_CHECKING

from ampose_tf import lazy

if TYPE_CHECKING:
    from ampose_tf.config import Config
    from ampose_tf.lifting.doctor import examine
    from ampose_tf.lifting.formats import read as read_keypoints
    from ampose_tf.lifting.lifter import Lifter
    from ampose_tf.lifting.motion import LiftedTrack, Motion
    from ampose_tf.lifting.predictor import load_predictor
    from ampose_tf.lifting.results import load as load_motion
    from ampose_tf.lifting.smoothing import Butterworth, OneEuro
    from ampose_tf.lifting.video import read_video
    from ampose_tf.models.ampose import AMPose
    from ampose_tf.skeleton import H36M_16, H36M_17
else:
    __getattr__, __dir__ = lazy.names(
        __name__,
        {
            "AMPose": "ampose_tf.models.ampose:AMPose",
            "Butterworth": "ampose_tf.lifting.smoothing:Butterworth",
            "Config": "ampose_tf.config:Config",
            "H36M_16": "ampose_tf.skeleton:H36M_16",
            "H36M_17": "ampose_tf.skeleton:H36M_17",
            "LiftedTrack": "ampose_tf.lifting.motion:LiftedTrack",
            "Lifter": "ampose_tf.lifting.lifter:Lifter",
            "Motion": "ampose_tf.lifting.motion:Motion",
            "OneEuro": "ampose_tf.lifting.smoothing:OneEuro",
            "examine": "ampose_tf.lifting.doctor:examine",
            "load_motion": "ampose_tf.lifting.results:load",
            "load_predictor": "ampose_tf.lifting.predictor:load_predictor",
            "read_keypoints": "ampose_tf.lifting.formats:read",
            "read_video": "ampose_tf.lifting.video:read_video",
        },
    )

__all__ = [
    "AMPose",
    "Butterworth",
    "Config",
    "H36M_16",
    "H36M_17",
    "LiftedTrack",
    "Lifter",
    "Motion",
    "OneEuro",
    "examine",
    "load_motion",
    "load_predictor",
    "read_keypoints",
    "read_video",
]

"""Poses for training and evaluation; `load` loads the data of a `Config`."""

from typing import TYPE_CHECKING

from ampose_tf import lazy

if TYPE_CHECKING:
    from ampose_tf.data.mocap import Motion3D
    from ampose_tf.data.poses import Poses
    from ampose_tf.data.sources import load
else:
    __getattr__, __dir__ = lazy.names(
        __name__,
        {
            "Motion3D": "ampose_tf.data.mocap:Motion3D",
            "Poses": "ampose_tf.data.poses:Poses",
            "load": "ampose_tf.data.sources:load",
        },
    )

__all__ = ["Motion3D", "Poses", "load"]

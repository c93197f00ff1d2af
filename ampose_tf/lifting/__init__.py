"""Lifting people's keypoints to 3D: `Lifter`, and the modules it joins."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ampose_tf.lifting.lifter import Lifter

__all__ = ["Lifter"]


def __getattr__(name):
    # Not before somebody lifts: it loads TensorFlow.
    if name == "Lifter":
        from ampose_tf.lifting.lifter import Lifter

        return Lifter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

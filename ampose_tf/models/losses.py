"""The training losses and the metric that `fit` logs.

Arguments come in Keras's order, (y_true, y_pred), as Keras calls them.
"""

import keras
import numpy as np
from keras import ops

from ampose_tf.skeleton import by_joint_count


@keras.saving.register_keras_serializable(package="ampose_tf")
def mse_joint(y_true, y_pred):
    """Returns the mean over joints of the squared distance (equation 10).

    Args:
        y_true: (B, J, 3) metres.
        y_pred: (B, J, 3) metres.

    Returns:
        (B,) square metres.
    """
    squared = ops.sum(ops.square(y_pred - y_true), axis=-1)  # (B, J)
    return ops.mean(squared, axis=-1)


@keras.saving.register_keras_serializable(package="ampose_tf")
def mean_distance(y_true, y_pred):
    """Returns the mean over joints of the distance, as VideoPose3D's loss.

    Args:
        y_true: (B, J, 3) metres.
        y_pred: (B, J, 3) metres.

    Returns:
        (B,) metres.
    """
    squared = ops.sum(ops.square(y_pred - y_true), axis=-1)  # (B, J)
    # A thousandth of a millimetre: the root has no slope at 0.
    return ops.mean(ops.sqrt(squared + 1e-12), axis=-1)


@keras.saving.register_keras_serializable(package="ampose_tf")
def with_bones(y_true, y_pred):
    """Returns `mean_distance` plus the same of bones, as vectors."""
    joints = y_true.shape[1]
    parents, children = np.array(by_joint_count(joints).edges).T

    def bones(joints):
        return ops.take(joints, children, 1) - ops.take(joints, parents, 1)

    return mean_distance(y_true, y_pred) + mean_distance(
        bones(y_true), bones(y_pred)
    )


@keras.saving.register_keras_serializable(package="ampose_tf")
def with_shape(y_true, y_pred):
    """Returns `mean_distance` plus the mean error of joints' distances."""

    def between(joints):
        apart = joints[:, :, None] - joints[:, None]
        return ops.sqrt(ops.sum(ops.square(apart), axis=-1) + 1e-6)

    error = ops.abs(between(y_pred) - between(y_true))
    return mean_distance(y_true, y_pred) + ops.mean(error, axis=(1, 2))


LOSSES = {
    "mse_joint": mse_joint,
    "mean_distance": mean_distance,
    "with_bones": with_bones,
    "with_shape": with_shape,
}


@keras.saving.register_keras_serializable(package="ampose_tf")
def mpjpe_mm(y_true, y_pred):
    """Returns the mean per-joint position error, both roots at the origin.

    Args:
        y_true: (B, J, 3) metres, hip first.
        y_pred: (B, J, 3) metres, hip first.

    Returns:
        (B,) millimetres.
    """
    difference = (y_pred - y_pred[:, :1]) - (y_true - y_true[:, :1])
    distance = ops.sqrt(ops.sum(ops.square(difference), axis=-1))  # (B, J)
    return 1000 * ops.mean(distance, axis=-1)


def of_both(loss):
    """Returns the sum of a loss over the poses of a `RefinedLifter`."""

    def loss_of_both(y_true, y_pred):
        return loss(y_true, y_pred[:, 0]) + loss(y_true, y_pred[:, 1])

    return loss_of_both


@keras.saving.register_keras_serializable(package="ampose_tf")
def refined_mpjpe_mm(y_true, y_pred):
    """Returns `mpjpe_mm` of the second of a `RefinedLifter`'s poses."""
    return mpjpe_mm(y_true, y_pred[:, 1])

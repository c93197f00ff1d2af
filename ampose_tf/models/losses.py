"""The training losses and the metric that `fit` logs.

Arguments are in Keras's order, (y_true, y_pred).
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
    """Returns the mean distance over joints, the loss of VideoPose3D.

    Args:
        y_true: (B, J, 3) metres.
        y_pred: (B, J, 3) metres.

    Returns:
        (B,) metres.
    """
    squared = ops.sum(ops.square(y_pred - y_true), axis=-1)  # (B, J)
    # (0.001 mm)² is added because the root has no gradient at 0.
    return ops.mean(ops.sqrt(squared + 1e-12), axis=-1)


@keras.saving.register_keras_serializable(package="ampose_tf")
def joints_and_bones(y_true, y_pred):
    """Returns `mean_distance` of the joints plus that of the bone vectors.

    A joint's position accumulates the errors of the chain from the hip. A
    bone has only its own error, so straight limbs come out straighter.

    Args:
        y_true: (B, J, 3) metres, Human3.6M's joints.
        y_pred: (B, J, 3) metres.

    Returns:
        (B,) metres.
    """
    edges = np.array(by_joint_count(y_true.shape[1]).edges)

    def bones(joints):
        parents, children = (
            ops.take(joints, ends, axis=1) for ends in edges.T
        )
        return children - parents

    of_bones = mean_distance(bones(y_true), bones(y_pred))
    return mean_distance(y_true, y_pred) + of_bones


LOSSES = {
    "mse_joint": mse_joint,
    "mean_distance": mean_distance,
    "joints_and_bones": joints_and_bones,
}


@keras.saving.register_keras_serializable(package="ampose_tf")
def mpjpe_mm(y_true, y_pred):
    """Returns the mean per-joint position error with aligned roots.

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
    """Returns a loss that adds up both poses of a `RefinedLifter`."""

    def loss_of_both(y_true, y_pred):
        return loss(y_true, y_pred[:, 0]) + loss(y_true, y_pred[:, 1])

    return loss_of_both


@keras.saving.register_keras_serializable(package="ampose_tf")
def refined_mpjpe_mm(y_true, y_pred):
    """Returns `mpjpe_mm` of the refined pose of a `RefinedLifter`."""
    return mpjpe_mm(y_true, y_pred[:, 1])

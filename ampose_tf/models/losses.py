"""The training losses and the metric that `fit` logs.

Arguments come in Keras's order, (y_true, y_pred), as Keras calls them.
"""

import keras
from keras import ops


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


LOSSES = {"mse_joint": mse_joint, "mean_distance": mean_distance}


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

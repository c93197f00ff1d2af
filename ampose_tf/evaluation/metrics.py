"""Errors of 3D poses: one value per pose, in NumPy and float64.

Nothing is averaged over poses here, because protocols average differently.
"""

from collections.abc import Sequence

import numpy as np


def mpjpe(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Returns the mean joint error of each pose, with the hip at the origin.

    This is "Protocol #1". Each pose is taken relative to its own hip (as in
    SemGCN and its successors), and the hip counts as a joint.

    Args:
        predicted: (N, J, 3), hip first.
        target: (N, J, 3), hip first, in the same unit.

    Returns:
        (N,), in that unit.

    Raises:
        ValueError: If the shapes differ or are not (N, J, 3).
    """
    return joint_distances(predicted, target).mean(axis=1)


def joint_distances(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Returns each joint's error, (N, J), with each pose's hip at the origin.

    Arguments and exceptions are those of `mpjpe`.
    """
    predicted, target = _checked(predicted, target)
    difference = _relative(predicted) - _relative(target)
    return np.linalg.norm(difference, axis=-1)


def p_mpjpe(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Returns the MPJPE after the best similarity transform of each pose.

    This is "Protocol #2": each predicted pose is rotated, moved and scaled to
    fit the target (Procrustes analysis), without reflection. If all joints of
    a predicted pose coincide, they still do afterwards.

    Arguments, return value and exceptions are those of `mpjpe`.
    """
    predicted, target = _checked(predicted, target)
    predicted = predicted - predicted.mean(axis=1, keepdims=True)
    target = target - target.mean(axis=1, keepdims=True)
    u, singular, vt = np.linalg.svd(
        np.swapaxes(predicted, 1, 2) @ target
    )  # (N, 3, 3), (N, 3), (N, 3, 3)
    # Reflections are not allowed: flip the axis that contributes least.
    sign = np.sign(np.linalg.det(u @ vt))
    u[:, :, 2] *= sign[:, None]
    singular[:, 2] *= sign
    size = np.sum(predicted**2, axis=(1, 2))
    scale = np.divide(
        singular.sum(axis=1), size, out=np.zeros_like(size), where=size > 0
    )
    aligned = scale[:, None, None] * predicted @ (u @ vt)
    return np.linalg.norm(aligned - target, axis=-1).mean(axis=1)


def n_mpjpe(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Returns the MPJPE after the best scaling of each pose.

    Each predicted pose is scaled about its hip to fit the target by least
    squares ([Rhodin et al., 2018](https://arxiv.org/abs/1803.04775)), since 2D
    keypoints do not determine a person's size.

    Arguments, return value and exceptions are those of `mpjpe`.
    """
    predicted, target = _checked(predicted, target)
    predicted, target = _relative(predicted), _relative(target)
    size = np.sum(predicted**2, axis=(1, 2))
    product = np.sum(predicted * target, axis=(1, 2))
    scale = np.divide(product, size, out=np.zeros_like(size), where=size > 0)
    difference = scale[:, None, None] * predicted - target
    return np.linalg.norm(difference, axis=-1).mean(axis=1)


def pck(
    predicted: np.ndarray,
    target: np.ndarray,
    threshold: float = 0.15,
    joints: Sequence[int] | slice = slice(None),
) -> np.ndarray:
    """Returns the share of each pose's joints with an error below a threshold.

    This is the 3D PCK of MPI-INF-3DHP, where the threshold is 150 mm.

    Args:
        predicted: (N, J, 3) metres, hip first.
        target: (N, J, 3) metres, hip first.
        threshold: Distance in metres.
        joints: Indices of the joints that count.

    Returns:
        (N,), from 0 to 1.

    Raises:
        ValueError: See `mpjpe`.
    """
    distances = joint_distances(predicted, target)[:, joints]
    return (distances < threshold).mean(axis=1)


def auc(
    predicted: np.ndarray,
    target: np.ndarray,
    joints: Sequence[int] | slice = slice(None),
) -> np.ndarray:
    """Returns the mean `pck` over the thresholds 0, 5, ..., 150 mm.

    These are the 31 thresholds of MPI-INF-3DHP's tool; 0 contributes nothing.

    Arguments, return value and exceptions are those of `pck`.
    """
    distances = joint_distances(predicted, target)[:, joints, None]
    thresholds = np.arange(31) * 5 / 1000
    return (distances < thresholds).mean(axis=(1, 2))


def _relative(poses):
    return poses - poses[:, :1]


def _checked(predicted, target):
    predicted = np.asarray(predicted, np.float64)
    target = np.asarray(target, np.float64)
    if predicted.shape != target.shape or predicted.shape[2:] != (3,):
        raise ValueError(
            "Expected predicted and target of the same shape (N, J, 3), got "
            f"{predicted.shape} and {target.shape}"
        )
    return predicted, target

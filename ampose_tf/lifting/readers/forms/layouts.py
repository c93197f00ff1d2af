"""Detects the order of axes in arrays of keypoints."""

import numpy as np

from ampose_tf.lifting.readers import recognition
from ampose_tf.lifting.readers.records import Account


def laid_out(array: np.ndarray, account: Account) -> np.ndarray:
    """Returns the array with joints and x, y, score as its last two axes."""
    shape, known = array.shape, recognition.COUNTS
    if array.ndim == 2 and shape[1] > 4:
        for columns in (2, 3, 4):
            joints, rest = divmod(shape[1], columns)
            if joints in known and not rest:
                array = array.reshape(-1, joints, columns)
    elif array.ndim > 2 and shape[-1] in known and shape[-2] in (2, 3):
        array = array.swapaxes(-1, -2)
    elif array.ndim == 4 and shape[1] in known and shape[2] == 1:
        array = array[:, :, 0]
    elif array.ndim == 4 and shape[0] == 3 and _are_channels(array):
        array = array.transpose(1, 3, 2, 0)
    elif array.ndim == 3 and shape[0] in known and shape[-1] in (2, 3):
        steps = [
            np.nanmedian(np.abs(np.diff(array[..., :2], axis=axis)))
            if shape[axis] > 1
            else np.inf
            for axis in (0, 1)
        ]
        if shape[1] not in known or steps[1] < steps[0] / 2:
            array = array.swapaxes(0, 1)
    elif array.ndim > 2 and shape[-2:] == (33, 5):
        array = array[..., :4]  # Without MediaPipe's presence.
    if array.shape != shape:
        account.note(
            f"The array of shape {shape} is read as {array.shape}; the last "
            "two axes are joints and the numbers of each."
        )
    return array


def _are_channels(array):
    """Whether an array is ST-GCN's (x, y, score; frame, joint, person)."""
    return (
        array.shape[2] in recognition.COUNTS
        and np.nanmax(np.abs(array[2])) <= 1
        and np.nanmax(array[:2]) > 2
    )


def split_columns(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, str]:
    """Splits joints into points (..., S, 2) and scores (..., S).

    Args:
        table: (..., S, 2); (..., S, 3) with scores or z; (..., S, 4) with
            both.

    Returns:
        Points, scores, and the kind of the scores, see `records.Detection`.
    """
    columns = table.shape[-1]
    if columns == 2:
        return table, np.ones(table.shape[:-1]), "none"
    third = "either" if columns == 3 else "score"
    return table[..., :2], table[..., -1], third


def frames_first(
    points: np.ndarray, scores: np.ndarray, account: Account
) -> tuple[np.ndarray, np.ndarray]:
    """Returns arrays as (T, P, S, ...), swapping frames and people if needed.

    The axis along which bodies move less is time.
    """
    first, second = points.shape[:2]
    if second == 1:
        return points, scores
    if first == 1:
        return points.swapaxes(0, 1), scores.swapaxes(0, 1)
    steps = [
        np.nanmedian(np.linalg.norm(np.diff(points, axis=axis), axis=-1))
        for axis in (0, 1)
    ]
    if steps[1] < steps[0]:
        account.note(
            f"The array of {first} x {second} bodies is read as {first} "
            f"people in {second} frames, because bodies move less along the "
            "second axis."
        )
        return points.swapaxes(0, 1), scores.swapaxes(0, 1)
    account.note(
        f"The array of {first} x {second} bodies is read as {first} frames of "
        f"{second} people, because bodies move less along the first axis."
    )
    return points, scores

"""Directions and angles of many vectors at once."""

import numpy as np


def unit(vectors: np.ndarray) -> np.ndarray:
    """Returns vectors (..., 3) scaled to length 1; zero vectors stay zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


def dot(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Returns the dot products (...) of vectors (..., 3)."""
    return np.sum(one * other, axis=-1)


def angle_deg(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Returns the angles between vectors (..., 3), 0 to 180 degrees.

    Computed from the tangent, which is exact near 0 and 180 degrees, unlike
    the cosine.
    """
    across = np.linalg.norm(np.cross(one, other), axis=-1)
    return np.degrees(np.arctan2(across, dot(one, other)))

"""Axes and names that other programs expect: y upwards, no `/`."""

import numpy as np


def y_up(positions: np.ndarray) -> np.ndarray:
    """Turns a world with z up into one with y up and z towards the camera.

    Args:
        positions: (..., 3).
    """
    x, y, z = np.moveaxis(positions, -1, 0)
    return np.stack([x, z, -y], axis=-1)


def marker_name(joint: str) -> str:
    """Returns a joint's name without `/`, a separator to OpenSim."""
    return joint.replace("/", "_")

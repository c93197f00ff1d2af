"""Converts axes and names for other programs: y upwards, no `/`."""

import numpy as np


def y_up(positions: np.ndarray) -> np.ndarray:
    """Converts positions with z up to y up and z towards the camera.

    Args:
        positions: (..., 3).
    """
    x, y, z = np.moveaxis(positions, -1, 0)
    return np.stack([x, z, -y], axis=-1)


def marker_name(joint: str) -> str:
    """Returns a joint's name without `/`, which is a separator in OpenSim."""
    return joint.replace("/", "_")

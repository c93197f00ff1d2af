"""Human3.6M's joints by name, and operations on vectors, in keras.ops."""

import numpy as np
from keras import ops

from ampose_tf.skeleton import H36M_17

JOINT = {name: index for index, name in enumerate(H36M_17.joints)}


def column(*names: str) -> np.ndarray:
    """Returns (J, 1) float32, 1 for the named joints."""
    marked = np.zeros((len(JOINT), 1), np.float32)
    marked[[JOINT[name] for name in names]] = 1
    return marked


def below(name: str) -> np.ndarray:
    """Returns (J, 1) float32, 1 for the descendants of a joint."""
    carried = {JOINT[name]}
    for parent, child in H36M_17.edges:
        if parent in carried:
            carried.add(child)
    carried.remove(JOINT[name])
    return column(*(H36M_17.joints[index] for index in carried))


def unit(vectors):
    """Returns vectors (..., 3), scaled to length 1."""
    squared = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    return vectors / ops.sqrt(squared + 1e-12)


def turned(world, angle):
    """Rotates (B, J, 3) about the vertical by angles (B, 1) in radians."""
    cosine, sine = ops.cos(angle), ops.sin(angle)
    x, y, z = (world[..., i] for i in range(3))
    return ops.stack([cosine * x - sine * y, sine * x + cosine * y, z], -1)

"""What the places of a person's joints tell about how they were written.

Two small networks, whose weights `benchmarks/symptoms.py` makes of motion
capture and which NumPy evaluates:

* the posture of one frame is as it should be, or looks like one whose y
  points up, whose x and y were exchanged, or whose joints are not in
  Human3.6M's order;
* the movement over seven frames looks like itself, or more like one whose
  left and right were exchanged. Both views of a person are nearly the same
  picture: somebody who faces the camera, with the sides exchanged, is
  somebody who faces away. Only the direction of walking, perspective and the
  camera's height tell them apart, so that there may be no answer.

Everything is relative to the middle and the size of the person.
"""

import functools
import pathlib

import numpy as np

from ampose_tf.data import archive
from ampose_tf.skeleton import H36M_17

POSTURES = ("fine", "y_up", "xy_swapped", "order")
# Frames of a movement, and seconds from one to the next.
STEPS = 7
STEP_S = 0.1
# Means over frames take no logarithm for larger than this.
ONE_FRAME = 8.0

_WEIGHTS = pathlib.Path(__file__).with_name("symptoms.npz")
_MIRRORED = list(H36M_17.mirrored)
_MIDDLE = STEPS // 2
# Where values stop to matter, in sizes of the person; joints in the wrong
# order and detectors' mistakes lie beyond.
_FAR = 6.0


def postures(pixels: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Returns how likely each of `POSTURES` is.

    Args:
        pixels: (N, 17, 2).
        seen: (N, 17) bool, at least one joint in each.

    Returns:
        (N, 4), logarithms of probabilities that sum to one.
    """
    logits = _network("posture", posture_features(pixels, seen))
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def sides_swapped(
    movements: np.ndarray, seen: np.ndarray, half_side: float | None
) -> np.ndarray:
    """Returns by how much exchanged sides are likelier than these.

    Args:
        movements: (N, STEPS, 17, 2), pixels from the image's centre, or from
            anywhere where the image's size is not known.
        seen: (N, 17) bool, at least one joint in each.
        half_side: Half of the image's longest side in pixels; None where it
            is not known.

    Returns:
        (N,), the logarithms of the ratios of probabilities.
    """
    return (
        _network(
            "sides",
            movement_features(
                movements[:, :, _MIRRORED], seen[:, _MIRRORED], half_side
            ),
        )[:, 0]
        - _network("sides", movement_features(movements, seen, half_side))[
            :, 0
        ]
    )


def moved(ends: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns how far people have moved, and how much they have grown.

    Args:
        ends: (N, 2, 17, 2) pixels, before and after.
        seen: (N, 17) bool, at least one joint in each.

    Returns:
        Pixels (N,), and logarithms of the ratio of sizes (N,).
    """
    _, middle, size = _normalised(ends, np.repeat(seen[:, None], 2, axis=1))
    middle, size = middle[:, :, 0], size[:, :, 0, 0]
    return (
        np.linalg.norm(middle[:, 1] - middle[:, 0], axis=1),
        np.log(size[:, 1] / size[:, 0]),
    )


def posture_features(pixels: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Returns (N, 51) float32; arguments as of `postures`."""
    placed, _, _ = _normalised(pixels, seen)
    return _columns(placed, seen)


def movement_features(
    movements: np.ndarray, seen: np.ndarray, half_side
) -> np.ndarray:
    """Returns (N, 277) float32: the posture in the middle, changes, place.

    Args:
        movements: As of `sides_swapped`.
        seen: As of `sides_swapped`.
        half_side: As of `sides_swapped`, or (N,), NaN where it is not known.
    """
    count = len(movements)
    half_side = np.broadcast_to(
        np.asarray(np.nan if half_side is None else half_side, float), count
    )
    placed, middle, size = _normalised(
        movements, np.repeat(seen[:, None], STEPS, axis=1)
    )
    middle, size = middle[:, :, 0], size[:, :, 0]  # (N, STEPS, 2), (…, 1)
    others = np.arange(STEPS) != _MIDDLE
    now = placed[:, _MIDDLE]
    here, extent = middle[:, _MIDDLE], size[:, _MIDDLE]
    turned = 2 * (placed[:, others] - now[:, None])
    moved = (middle[:, others] - here[:, None]) / extent[:, None]
    grown = np.log(size[:, others] / extent[:, None])
    known = np.isfinite(half_side)[:, None]
    half_side = np.where(known, half_side[:, None], 1.0)
    return _columns(
        now,
        turned,
        np.clip(moved, -8, 8),
        8 * np.clip(grown, -1, 1),
        seen,
        known * np.clip(here / half_side, -2, 2),
        known * np.clip(2 * extent / half_side, 0, 4),
        known,
    )


def _normalised(pixels, seen):
    """Returns people relative to the middle and the size of their joints."""
    seen = seen[..., None].astype(np.float64)
    number = seen.sum(axis=-2, keepdims=True)
    middle = (pixels * seen).sum(axis=-2, keepdims=True) / number
    offsets = (pixels - middle) * seen
    square = (offsets**2).sum(axis=(-2, -1), keepdims=True) / number
    size = np.sqrt(square) + 1e-9
    return np.clip(offsets / size, -_FAR, _FAR), middle, size


def _columns(*parts):
    return np.concatenate(
        [part.reshape(len(part), -1) for part in parts], axis=1
    ).astype(np.float32)


@functools.cache
def _weights():
    return archive.read(_WEIGHTS)


def _network(name, values):
    """Evaluates dense layers with ReLU between them."""
    weights = _weights()
    layer = 0
    while f"{name}/{layer}/kernel" in weights:
        if layer:
            values = np.maximum(values, 0)
        kernel = weights[f"{name}/{layer}/kernel"].astype(np.float32)
        values = values @ kernel + weights[f"{name}/{layer}/bias"]
        layer += 1
    return values

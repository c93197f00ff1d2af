"""Small networks that recognise mistakes from the positions of joints.

`benchmarks/symptoms.py` trains the four networks on motion capture, and NumPy
evaluates them:

* The posture in one frame is fine, or the head points down, to the left or to
  the right, or the joints are not in Human3.6M's order.
* The movement over seven frames is fine, or left and right are swapped. The
  two cases look nearly the same: a person who faces the camera, with the sides
  swapped, looks like a person who faces away. Only the direction of walking,
  perspective and the camera's height distinguish them, so that there may be
  no answer.
* The shape of a body over some frames is fine, or squeezed along x or y.
* The movement of a body from frame to frame shows how much time has passed.

All inputs are relative to the middle and the size of the person.
"""

import functools
import pathlib

import numpy as np

from ampose_tf.data import archive
from ampose_tf.skeleton import H36M_17

POSTURES = ("fine", "head_down", "head_left", "head_right", "order")
# Distortion of shapes: none, or squeezed along x, or along y.
ASPECTS = ("fine", "narrow", "wide")
# Frames of a movement, and seconds from one to the next.
STEPS = 7
STEP_S = 0.1
# Frames of a clip whose shapes or pace are judged.
CLIP = 20
# Possible times between two frames, in octaves above 1/30 s.
OCTAVES = np.arange(-2.0, 5.25, 0.5)
# Limit of the log odds of one frame in means over frames.
ONE_FRAME = 8.0

_WEIGHTS = pathlib.Path(__file__).with_name("symptoms.npz")
_MIRRORED = list(H36M_17.mirrored)
_MIDDLE = STEPS // 2
_JOINT = {name: index for index, name in enumerate(H36M_17.joints)}
_LINKS = np.array(
    [
        *H36M_17.edges,
        (_JOINT["LHip"], _JOINT["RHip"]),
        (_JOINT["LShoulder"], _JOINT["RShoulder"]),
    ]
)
# Directions along which links are measured, over half a turn.
_ANGLES = np.pi * np.arange(8) / 8
_DIRECTIONS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)])
# Frames over which displacements are measured.
_LAGS = (1, 2, 3, 4, 6, 9, 13)
# Limit of positions and distances, in sizes of the person; joints in the wrong
# order and detection errors are beyond it.
_FAR = 6.0


def postures(pixels: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Returns how likely each of `POSTURES` is.

    Args:
        pixels: (N, 17, 2).
        seen: (N, 17) bool, at least one joint in each.

    Returns:
        (N, 5), log-probabilities.
    """
    return _probabilities("posture", posture_features(pixels, seen))


def sides_swapped(
    movements: np.ndarray, seen: np.ndarray, half_side: float | None
) -> np.ndarray:
    """Returns the log odds that left and right are swapped.

    Args:
        movements: (N, STEPS, 17, 2), pixels relative to the image's centre,
            or to any point if the image size is unknown.
        seen: (N, 17) bool, at least one joint in each.
        half_side: Half of the image's longest side in pixels; None if
            unknown.

    Returns:
        (N,), log odds.
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


def aspects(pixels: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Returns how likely each of `ASPECTS` is.

    Args:
        pixels: (N, CLIP, 17, 2).
        seen: (N, CLIP, 17) bool, at least one joint in each frame.

    Returns:
        (N, 3), log-probabilities.
    """
    return _probabilities("aspect", aspect_features(pixels, seen))


def paces(pixels: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Returns how likely each of `OCTAVES` is; arguments as for `aspects`."""
    return _probabilities("pace", pace_features(pixels, seen))


def back_and_forth(count: int | np.ndarray) -> np.ndarray:
    """Returns rows (..., CLIP) that play a short clip back and forth."""
    turn = np.maximum(np.asarray(count) - 1, 1)
    return turn - np.abs(np.arange(CLIP) % (2 * turn) - turn)


def moved(ends: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns how far people have moved, and how much their size has changed.

    Args:
        ends: (N, 2, 17, 2) pixels, before and after.
        seen: (N, 17) bool, at least one joint in each.

    Returns:
        Distances in pixels (N,), and logarithms of the ratios of sizes (N,).
    """
    _, middle, size = _normalised(ends, np.repeat(seen[:, None], 2, axis=1))
    middle, size = middle[:, :, 0], size[:, :, 0, 0]
    return (
        np.linalg.norm(middle[:, 1] - middle[:, 0], axis=1),
        np.log(size[:, 1] / size[:, 0]),
    )


def posture_features(pixels: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Returns (N, 51) float32; arguments as for `postures`."""
    placed, _, _ = _normalised(pixels, seen)
    return _columns(placed, seen)


def movement_features(
    movements: np.ndarray, seen: np.ndarray, half_side
) -> np.ndarray:
    """Returns (N, 277) float32: the middle posture, changes and positions.

    Args:
        movements: As for `sides_swapped`.
        seen: As for `sides_swapped`.
        half_side: As for `sides_swapped`, or (N,), NaN if unknown.
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


def aspect_features(pixels: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Returns (N, 374) float32; arguments as for `aspects`.

    The features are the maximum and mean lengths of links along some
    directions, and mean positions of joints. The maximum matters for links
    that turn.
    """
    placed, _, _ = _normalised(pixels, seen)
    start, end = _LINKS.T
    both = (seen[:, :, start] & seen[:, :, end])[..., None]  # (N, T, L, 1)
    vectors = placed[:, :, end] - placed[:, :, start]
    along = np.abs(vectors @ _DIRECTIONS) * both  # (N, T, L, 8)
    number = np.maximum(both.sum(axis=1), 1)
    count = np.maximum(seen.sum(axis=1), 1)[..., None]
    return _columns(
        along.max(axis=1),
        along.sum(axis=1) / number,
        placed.sum(axis=1) / count,
        np.abs(placed).sum(axis=1) / count,
        both.any(axis=1),
    )


def pace_features(pixels: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Returns (N, 234) float32; arguments as for `aspects`.

    The features are the displacements of joints and of the body over some
    frames, and their changes.
    """
    placed, middle, size = _normalised(pixels, seen)
    scale = np.median(size, axis=1, keepdims=True)
    here = np.concatenate([placed * size, middle], axis=2) / scale
    known = np.concatenate([seen, np.ones((*seen.shape[:2], 1), bool)], axis=2)
    parts = []
    for lag in _LAGS:
        parts.append(_typical(here[:, lag:] - here[:, :-lag], known, (0, lag)))
    for lag in _LAGS[:6]:
        bent = here[:, 2 * lag :] - 2 * here[:, lag:-lag]
        bent += here[:, : -2 * lag]
        parts.append(_typical(bent, known, (0, lag, 2 * lag)))
    return _columns(*parts)


def _typical(vectors, known, lags):
    """Returns (N, J) logarithms of the mean lengths of known vectors."""
    count = vectors.shape[1]
    used = np.logical_and.reduce([known[:, lag : lag + count] for lag in lags])
    lengths = np.minimum(np.linalg.norm(vectors, axis=-1), _FAR) * used
    number = np.maximum(used.sum(axis=1), 1)
    # Standardised: a mean of about 0 and a deviation of about 1.
    return (np.log(lengths.sum(axis=1) / number + 0.003) + 2.2) / 1.4


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


def _probabilities(name, values):
    logits = _network(name, values)
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


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

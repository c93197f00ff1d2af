"""The gate that every exported file passes before it is kept."""

import pathlib

import numpy as np

from ampose_tf import camera
from ampose_tf.config import Export
from ampose_tf.evaluation.metrics import mpjpe
from ampose_tf.export import runtime

# Operators that say the conversion went wrong, and how.
REFUSED = {
    "SHAPE": "the batch is not static",
    "REDUCE_PROD": "the batch is not static",
    "PACK": "the batch is not static",
    "VAR_HANDLE": "weights are resource variables, not constants",
    "READ_VARIABLE": "weights are resource variables, not constants",
    "ASSIGN_VARIABLE": "weights are resource variables, not constants",
}

# Arbitrary and not square, so that width and height cannot be confused.
_IMAGE_SIZE = (1280, 720)


def inputs(poses, seen_input: bool) -> dict[str, np.ndarray]:
    """Returns what the files are run on: poses, with joints hidden at random.

    Args:
        poses: `Poses`, real ones.
        seen_input: Whether the model takes `seen`; if not, nothing is hidden.

    Returns:
        `keypoints_2d` (N, J, 2) and, where the model takes it, `seen` (N, J)
        float32, 0 for one joint in ten.
    """
    arrays = {"keypoints_2d": poses.keypoints_2d}
    if seen_input:
        random = np.random.default_rng(0).random(poses.keypoints_2d.shape[:2])
        arrays["seen"] = (random >= 0.1).astype(np.float32)
    return arrays


def saved_model(
    path: pathlib.Path,
    inputs: dict[str, np.ndarray],
    expected: np.ndarray,
    poses,
    budget: Export,
) -> dict:
    """Compares a SavedModel's signatures with the Keras model.

    Args:
        path: Of the folder.
        inputs: See `inputs`.
        expected: (N, J, 3) metres, what the Keras model makes of them.
        poses: The `Poses` behind `inputs`.
        budget: What may differ.

    Returns:
        What was measured, ready for `export.json`.

    Raises:
        ValueError: Where it is to be refused; the message says why.
    """
    lift = runtime.saved_model(path, "lift")
    measured = _compare(lift(**inputs), expected, poses, path.name)
    normalisation = runtime.metadata(path)["normalisation"]
    pixels = camera.denormalize_screen(
        poses.keypoints_2d, _IMAGE_SIZE, normalisation
    )
    sizes = np.tile(np.array(_IMAGE_SIZE, np.float32), (poses.count, 1))
    arrays = inputs | {"keypoints_px": pixels, "image_size": sizes}
    del arrays["keypoints_2d"]
    lift_pixels = runtime.saved_model(path, "lift_pixels")
    from_pixels = _compare(lift_pixels(**arrays), expected, poses, path.name)
    measured["lift_pixels_max_mm"] = from_pixels["max_mm"]
    for name in ("max_mm", "lift_pixels_max_mm"):
        _hold(path, name, measured[name], budget.float32_mm)
    size = sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
    return {"format": "saved_model", "bytes": size} | measured


def tflite(
    path: pathlib.Path,
    format: str,
    inputs: dict[str, np.ndarray],
    expected: np.ndarray,
    poses,
    budget: Export,
) -> dict:
    """Checks a `.tflite`: operators, shapes, and poses against Keras.

    Args, Returns and Raises as for `saved_model`; `format` is one of
    `tflite.FORMATS`.
    """
    operators = runtime.operators(path)
    for name in operators:
        reason = REFUSED.get(name)
        if name.startswith("Flex"):
            reason = "phones have no TensorFlow kernels"
        if reason:
            raise ValueError(f"{path.name} refused: operator {name}, {reason}")
    for shape in runtime.tensor_shapes(path):
        if -1 in shape:
            raise ValueError(f"{path.name} refused: dynamic shape {shape}")
    lifted = runtime.tflite(path)(**inputs)
    measured = _compare(lifted, expected, poses, path.name)
    if format == "float32":
        _hold(path, "max_mm", measured["max_mm"], budget.float32_mm)
    else:
        limit = getattr(budget, f"{format}_mm")
        _hold(path, "mean_mm", measured["mean_mm"], limit)
    return {
        "format": format,
        "bytes": path.stat().st_size,
        **measured,
        "operators": operators,
    }


def _compare(lifted, expected, poses, name):
    if not np.isfinite(lifted).all():
        raise ValueError(f"{name} refused: its poses hold NaN or infinity")
    distances = 1000 * np.linalg.norm(lifted - expected, axis=-1)  # (N, J)
    error = 1000 * mpjpe(lifted, poses.poses_3d).mean()
    keras_error = 1000 * mpjpe(expected, poses.poses_3d).mean()
    return {
        "poses": poses.count,
        "max_mm": float(distances.max()),
        "mean_mm": float(distances.mean()),
        "mpjpe_mm": float(error),
        "mpjpe_change_mm": float(error - keras_error),
    }


def _hold(path, name, value, limit):
    if not value <= limit:  # NaN is refused, too.
        raise ValueError(
            f"{path.name} refused: {name} from the Keras model is "
            f"{value:.3g}, more than {limit:g}"
        )

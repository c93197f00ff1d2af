"""The gate that every exported file passes before it is kept."""

import gzip
import pathlib
from typing import NamedTuple

import numpy as np

from ampose_tf import camera
from ampose_tf.config import Export
from ampose_tf.conversion import COCO_17
from ampose_tf.evaluation.metrics import mpjpe
from ampose_tf.export import flatbuffer, operators, runtime
from ampose_tf.models.ampose import AMPose

# Arbitrary and not square, so that width and height cannot be confused; the
# larger side is that of an 8K video.
_IMAGE_SIZE = (7680, 4320)

# Poses that the reference kernels, a hundred times slower, compute as well.
_REFERENCE_POSES = 16


class Refused(ValueError):
    """A file that is not to be kept.

    Attributes:
        measured: What was measured of it until then.
    """

    def __init__(self, message, measured=None):
        super().__init__(message)
        self.measured = measured or {}


class Case(NamedTuple):
    """What a signature is asked, and what it is to answer.

    Attributes:
        arrays: Its inputs by name, (N, ...) each.
        expected: (N, J, 3) metres, what the Keras model makes of them.
    """

    arrays: dict[str, np.ndarray]
    expected: np.ndarray


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


def cases(model: AMPose, poses, names: tuple[str, ...]) -> dict[str, Case]:
    """Returns what each signature is asked, and two inputs that are unlike.

    Args:
        model: The Keras model; its answers count in float32.
        poses: `Poses`, real ones.
        names: The signatures.

    Returns:
        By signature; besides, of `lift`, "zeros", all joints in one point of
        the image, and "extreme": people who fill the image three times over,
        who are points far away, who stand upside down in a corner, and of
        whom one joint is seen.
    """
    model = model.rebuilt()

    def case(arrays, of_lift):
        given = of_lift if model.seen_input else of_lift["keypoints_2d"]
        return Case(arrays, np.asarray(model.predict(given, verbose=0)))

    lifted = inputs(poses, model.seen_input)
    made = {"lift": case(lifted, lifted)}
    size = np.tile(np.float32(_IMAGE_SIZE), (poses.count, 1))
    pixels = camera.denormalize_screen(
        poses.keypoints_2d, _IMAGE_SIZE, model.normalisation
    ).astype(np.float32)
    if "lift_pixels" in names:
        arrays = lifted | {"keypoints_px": pixels, "image_size": size}
        del arrays["keypoints_2d"]
        made["lift_pixels"] = Case(arrays, made["lift"].expected)
    if "lift_coco17" in names:
        # Some COCO joints or other: those that come nearest to the poses.
        coco = np.linalg.pinv(COCO_17.matrix) @ pixels
        random = np.random.default_rng(1).random((poses.count, 17))
        scores = np.where(random < 0.1, 0.29, 0.31).astype(np.float32)
        made["lift_coco17"] = case(
            {
                "keypoints_px": coco.astype(np.float32),
                "scores": scores,
                "image_size": size,
            },
            {
                "keypoints_2d": camera.normalize_screen(
                    COCO_17.convert(coco), _IMAGE_SIZE, model.normalisation
                ).astype(np.float32),
                "seen": (COCO_17.convert_scores(scores) >= 0.3).astype(
                    np.float32
                ),
            },
        )
    zeros = {n: np.zeros_like(a[:2]) for n, a in lifted.items()}
    if model.seen_input:
        zeros["seen"][0] = 1
    extreme = {n: a[:1].repeat(4, axis=0) for n, a in lifted.items()}
    extreme["keypoints_2d"] *= np.float32([3, 0.001, -0.2, 1])[:, None, None]
    extreme["keypoints_2d"][2] += 0.9
    if model.seen_input:
        extreme["seen"][:3] = 1
        extreme["seen"][3] = np.arange(extreme["seen"].shape[1]) == 1
    return made | {
        "zeros": case(zeros, zeros),
        "extreme": case(extreme, extreme),
    }


def saved_model(
    path: pathlib.Path, cases: dict[str, Case], poses, budget: Export
) -> dict:
    """Compares a SavedModel's signatures with the Keras model.

    Args:
        path: Of the folder.
        cases: See `cases`.
        poses: The `Poses` behind them.
        budget: What may differ.

    Returns:
        What was measured, ready for `export.json`.

    Raises:
        Refused: Where it is not to be kept; the message says why.
    """
    size = sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
    measured = {"format": "saved_model", "bytes": size}
    for name, (arrays, expected) in cases.items():
        signature = name if name.startswith("lift") else "lift"
        lifted = runtime.saved_model(path, signature)(**arrays)
        _measure(measured, name, lifted, expected, poses, path.name)
    for name in cases:
        _hold(path, measured, _key(name, "max_mm"), budget.float32_mm)
    return measured


def tflite(
    path: pathlib.Path,
    format: str,
    cases: dict[str, Case],
    poses,
    budget: Export,
) -> dict:
    """Checks a `.tflite`: operators, shapes, poses against Keras, kernels.

    The other Args, Returns and Raises as for `saved_model`.

    Args:
        path: Of the file.
        format: One of `tflite.FORMATS`.
    """
    content = path.read_bytes()
    tables = runtime.tables(path)
    measured = {
        "format": format,
        "bytes": len(content),
        "gzip_bytes": len(gzip.compress(content, 9, mtime=0)),
    }
    for subgraph, tensors in zip(
        flatbuffer.operators(tables), flatbuffer.tensors(tables), strict=True
    ):
        reason = operators.fault(subgraph, tensors)
        if reason:
            raise Refused(f"{path.name} refused: {reason}", measured)
    measured["operators"] = runtime.operators(path)
    measured["partitions"] = runtime.partitions(path)
    present = runtime.signature_shapes(path)
    asked = [name for name in cases if name in present]
    if "lift" in present:
        asked += ["zeros", "extreme"]
    first = asked[0]
    for name in asked:
        arrays, expected = cases[name]
        signature = name if name in present else "lift"
        lifted = runtime.tflite(path, signature)(**arrays)
        key = "lift" if name == first else name
        _measure(measured, key, lifted, expected, poses, path.name)
    some = {n: a[:_REFERENCE_POSES] for n, a in cases[first].arrays.items()}
    apart = _distances_mm(
        runtime.tflite(path, first)(**some),
        runtime.tflite(path, first, reference=True)(**some),
    )
    measured["kernels_max_mm"] = float(apart.max())
    measured["kernels_mean_mm"] = float(apart.mean())
    limit = getattr(budget, f"{format}_mm")
    for name in asked:
        key = "lift" if name == first else name
        if format == "float32":
            _hold(path, measured, _key(key, "max_mm"), limit)
        elif name in present:
            _hold(path, measured, _key(key, "mean_mm"), limit)
    _hold(
        path,
        measured,
        "kernels_mean_mm",
        budget.kernels_mm,
        "between the kernels of apps and the reference's",
    )
    _hold(path, measured, "bytes", budget.max_bytes, "of the file")
    return measured


def _key(name, measure):
    """Returns what `export.json` calls a measure of the file's first case."""
    return measure if name == "lift" else f"{name}_{measure}"


def _measure(measured, name, lifted, expected, poses, file):
    if not np.isfinite(lifted).all():
        raise Refused(
            f"{file} refused: its poses hold NaN or infinity ({name})",
            measured,
        )
    apart = _distances_mm(lifted, expected)
    measured[_key(name, "max_mm")] = float(apart.max())
    measured[_key(name, "mean_mm")] = float(apart.mean())
    if name == "lift":
        error = 1000 * mpjpe(lifted, poses.poses_3d).mean()
        keras_error = 1000 * mpjpe(expected, poses.poses_3d).mean()
        measured["poses"] = poses.count
        measured["mpjpe_mm"] = float(error)
        measured["mpjpe_change_mm"] = float(error - keras_error)


def _distances_mm(lifted, expected):
    return 1000 * np.linalg.norm(lifted - expected, axis=-1)  # (N, J)


def _hold(path, measured, name, limit, what="from the Keras model"):
    value = measured[name]
    if not value <= limit:  # NaN is refused, too.
        raise Refused(
            f"{path.name} refused: {name} {what} is {value:.3g}, more than "
            f"{limit:g}",
            measured,
        )

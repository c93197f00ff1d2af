"""Verifies exported files before they are kept."""

import gzip
import pathlib
from typing import NamedTuple

import numpy as np

from ampose_tf import camera
from ampose_tf.config import Export
from ampose_tf.conversion import COCO_17, SEEN_SCORE
from ampose_tf.data.poses import Poses
from ampose_tf.evaluation.metrics import mpjpe
from ampose_tf.export import (
    flatbuffer,
    half,
    operators,
    processors,
    runtime,
    signatures,
)
from ampose_tf.models.ampose import AMPose

# Portrait, so that tests fail if width and height, or the width and the
# longest side, are confused; the longest side is that of an 8K video.
_IMAGE_SIZE = (4320, 7680)

_FLOATS = ("float32", "float16")

# Poses per call of the Keras model.
_CALL = 1024

# Poses for the reference kernels, which are ten times slower. In int8 a few
# poses differ by a centimetre: the mean was 0 to 2.4 mm for 16 poses, and
# 1.1 mm for 256 poses.
REFERENCE_POSES = 128


class Refused(ValueError):
    """Error for a file that is rejected.

    Attributes:
        measured: Measurements before the error.
    """

    def __init__(self, message, measured=None):
        super().__init__(message)
        self.measured = measured or {}


class Case(NamedTuple):
    """Inputs of a signature, and the expected outputs.

    Attributes:
        signature: Name of the signature.
        kind: `""` for real poses; `"zeros"` for poses with all joints in one
            point, and for poses without seen joints; `"extreme"` for people
            who are three times as large as the image, tiny, upside down in a
            corner, or have one seen joint.
        arrays: Inputs by name, (N, ...) each.
        expected: (N, J, 3) metres, outputs of the Keras model.
        before: (N, J, 3) metres, outputs of the model before compression;
            None if it was not compressed.
    """

    signature: str
    kind: str
    arrays: dict[str, np.ndarray]
    expected: np.ndarray
    before: np.ndarray | None


def cases(
    model: AMPose,
    poses: Poses,
    names: tuple[str, ...],
    before: AMPose | None = None,
) -> list[Case]:
    """Returns test cases for each signature: real poses and two special kinds.

    Args:
        model: The Keras model, which computes expected outputs in float32.
        poses: Real poses.
        names: Names of the signatures.
        before: The model before compression; None if it was not compressed.
    """
    model = model.rebuilt()
    real = poses.sample_inputs(model.seen_input)
    random = np.random.default_rng(1).random((poses.count, 17))
    one_joint = np.arange(17) == 5
    kinds = {
        "": (
            real,
            np.where(random < 0.1, SEEN_SCORE - 0.01, SEEN_SCORE + 0.01),
        ),
        "zeros": (_zeros(real), np.float64([[1.0] * 17, [0.0] * 17])),
        "extreme": (_extreme(real), [[1.0] * 17] * 3 + [one_joint]),
    }
    asked = []
    for name in names:
        for kind, (lifted, scores) in kinds.items():
            arrays = signatures.inputs(
                name,
                lifted=lifted,
                scores=scores,
                image_size=_IMAGE_SIZE,
                normalisation=model.normalisation,
            )
            if kind == "zeros":
                # Some detectors return zeros if they do not find a person.
                for keypoints in {"keypoints_2d", "keypoints_px"} & {*arrays}:
                    arrays[keypoints] = np.zeros_like(arrays[keypoints])
            asked.append((name, kind, arrays))
    given = [_in_python(name, arrays, model) for name, _, arrays in asked]
    keypoints_2d, seen = map(np.concatenate, zip(*given, strict=True))
    ends = np.cumsum([len(keypoints) for keypoints, _ in given])[:-1]

    def answers(network):
        # Eager execution: compilation would take longer than it saves.
        lifted = []
        for start in range(0, len(seen), _CALL):
            inputs = keypoints_2d[start : start + _CALL]
            if network.seen_input:
                inputs = {
                    "keypoints_2d": inputs,
                    "seen": seen[start : start + _CALL],
                }
            lifted.append(np.asarray(network(inputs, training=False)))
        return np.split(np.concatenate(lifted), ends)

    expected = answers(model)
    earlier = [None] * len(asked)
    if before is not None:
        earlier = answers(before.rebuilt())
    return [
        Case(name, kind, arrays, expected=answer, before=answer_before)
        for (name, kind, arrays), answer, answer_before in zip(
            asked, expected, earlier, strict=True
        )
    ]


def _zeros(lifted):
    zeros = {n: np.zeros_like(a[:1]).repeat(2, 0) for n, a in lifted.items()}
    if "seen" in zeros:
        zeros["seen"][0] = 1
    return zeros


def _extreme(lifted):
    extreme = {n: a[:1].repeat(4, axis=0) for n, a in lifted.items()}
    extreme["keypoints_2d"] *= np.float32([3, 0.001, -0.2, 1])[:, None, None]
    extreme["keypoints_2d"][2] += 0.9
    if "seen" in extreme:
        extreme["seen"][:3] = 1
        extreme["seen"][3] = np.arange(extreme["seen"].shape[1]) == 1
    return extreme


def _in_python(name, arrays, model):
    """Converts a signature's inputs to (keypoints_2d, seen)."""
    if name == "lift":
        keypoints_2d = arrays["keypoints_2d"]
    else:
        pixels = arrays["keypoints_px"].astype(np.float64)
        if name == "lift_coco17":
            scores = arrays["scores"] if model.seen_input else None
            pixels = COCO_17.convert(pixels, scores)
        keypoints_2d = camera.normalize_screen(
            pixels, _IMAGE_SIZE, model.normalisation
        ).astype(np.float32)
    seen = arrays.get("seen", np.ones(keypoints_2d.shape[:2]))
    if name == "lift_coco17":
        seen = COCO_17.convert_scores(arrays["scores"]) >= SEEN_SCORE
    return keypoints_2d, seen.astype(np.float32)


def saved_model(
    path: pathlib.Path, cases: list[Case], poses: Poses, budget: Export
) -> dict:
    """Compares a SavedModel's signatures with the Keras model.

    Args:
        path: Path of the folder.
        cases: See `cases`.
        poses: The poses from which the cases were made.
        budget: Largest deviations.

    Returns:
        Measurements for `export.json`.

    Raises:
        Refused: If the file is rejected; the message contains the reason.
    """
    measured = {"format": "saved_model"}
    names = tuple(dict.fromkeys(case.signature for case in cases))
    lifts = runtime.saved_signatures(path, names)
    for case in cases:
        _measure(measured, case, lifts[case.signature], poses, path.name)
    for case in cases:
        for measure, at_most in _limits(
            "float32", case, budget.float32_mm, budget
        ).items():
            key = _key(measured, case, measure)
            _hold(path, measured, key, at_most)
    return measured


def tflite(
    path: pathlib.Path,
    format: str,
    cases: list[Case],
    poses: Poses,
    budget: Export,
) -> dict:
    """Checks operators, shapes, outputs and kernels of a `.tflite` file.

    Args:
        path: Path of the file.
        format: One of `tflite.FORMATS`.
        cases: See `cases`.
        poses: The poses from which the cases were made.
        budget: Largest deviations.

    Returns:
        Measurements for `export.json`.

    Raises:
        Refused: If the file is rejected; the message contains the reason.
    """
    tables = runtime.tables(path)
    measured = {"format": format}
    for subgraph, tensors in zip(
        flatbuffer.operators(tables), flatbuffer.tensors(tables), strict=True
    ):
        reason = operators.fault(subgraph, tensors)
        if reason:
            raise Refused(f"{path.name} refused: {reason}", measured)
    measured["operators"] = runtime.operators(path)
    measured["plans"] = runtime.plans(path)
    measured["runs_on"] = processors.runs_on(tables)
    lifts = {
        name: runtime.tflite(path, name)
        for name in flatbuffer.signatures(tables)
    }
    asked = [case for case in cases if case.signature in lifts]
    for case in asked:
        _measure(measured, case, lifts[case.signature], poses, path.name)
    first = asked[0]
    count = min(REFERENCE_POSES, poses.count)
    spread = np.linspace(0, poses.count - 1, count).astype(int)
    some = {n: array[spread] for n, array in first.arrays.items()}
    apart = _distances_mm(
        lifts[first.signature](**some),
        runtime.tflite(path, first.signature, reference=True)(**some),
    )
    measured["kernels_max_mm"] = float(apart.max())
    measured["kernels_mean_mm"] = float(apart.mean())
    limit = getattr(budget, f"{format}_mm")
    for case in asked:
        for measure, at_most in _limits(format, case, limit, budget).items():
            key = _key(measured, case, measure)
            _hold(path, measured, key, at_most)
        _hold_growth(path, measured, case, budget)
    _hold(
        path,
        measured,
        "kernels_mean_mm",
        budget.kernels_mm,
        "between apps' kernels and reference kernels",
    )
    for name, plan in measured["plans"].items():
        # Only quantised formats may be executed by XNNPACK in parts.
        if format in _FLOATS and plan != {"DELEGATE": 1}:
            raise Refused(
                f"{path.name} refused: {name} runs as {plan}, expected a "
                "single part that XNNPACK executes",
                measured,
            )
    if format in _FLOATS:
        for name in lifts:
            try:
                changed = half.measure(tables, name, asked)
            except ValueError as error:
                raise Refused(
                    f"{path.name} refused: {name}: {error}", measured
                ) from error
            measured.setdefault("float16_arithmetic", {})[name] = changed
            reason = half.fault(changed, budget.float16_arithmetic_mm)
            if reason:
                raise Refused(
                    f"{path.name} refused: {name}: {reason}", measured
                )
    return measured


def sizes(path: pathlib.Path) -> dict[str, int]:
    """Returns the size of a SavedModel's folder, or of a file and its gzip."""
    if path.is_dir():
        inside = [file for file in path.rglob("*") if file.is_file()]
        return {"bytes": sum(file.stat().st_size for file in inside)}
    content = path.read_bytes()
    zipped = gzip.compress(content, 9, mtime=0)
    return {"bytes": len(content), "gzip_bytes": len(zipped)}


def size_fault(path: pathlib.Path, budget: Export) -> str:
    """Returns the reason if a `.tflite` is too large to be kept, or ""."""
    size = sizes(path)["bytes"]
    if path.is_dir() or size <= budget.max_bytes:
        return ""
    return (
        f"{path.name} refused: its size is {size} bytes, more than "
        f"{budget.max_bytes}"
    )


def _limits(format, case, limit, budget):
    """Returns {measure: limit} for a case."""
    if case.kind:
        # Quantised formats are not accurate for poses unlike those of the
        # calibration. For a person of size zero, the last bit of float32 is
        # tenths of a millimetre.
        return {"mean_mm": limit} if format in _FLOATS else {}
    if format == "float32":
        return {"max_mm": limit}
    return {
        "mean_mm": limit,
        "pose_95_mm": limit * budget.worst_poses,
        _change(case): limit * budget.mpjpe_share,
    }


def _change(case):
    """Returns the name of the change of MPJPE by conversion only."""
    return f"{'' if case.before is None else 'converting_'}mpjpe_change_mm"


def _key(measured, case, measure):
    """Returns the name of a case's measure in `export.json`.

    Names of measures do not contain the first signature of a file.
    """
    named = case.signature if case.signature != measured["signature"] else ""
    return "_".join(filter(None, (named, case.kind, measure)))


def _measure(measured, case, lift, poses: Poses, file):
    if "signature" not in measured:
        measured["signature"] = case.signature
        measured["poses"] = poses.count
    lifted = lift(**case.arrays)
    if not np.isfinite(lifted).all():
        raise Refused(
            f"{file} refused: its poses contain NaN or infinity "
            f"({' of '.join(filter(None, (case.kind, case.signature)))})",
            measured,
        )

    def note(measure, value):
        measured[_key(measured, case, measure)] = float(value)

    apart = _distances_mm(lifted, case.expected)
    note("max_mm", apart.max())
    note("mean_mm", apart.mean())
    if case.kind:
        return
    note("pose_95_mm", np.percentile(apart.mean(axis=1), 95))

    def error_mm(predicted):
        return 1000 * mpjpe(predicted, poses.poses_3d).mean()

    error = error_mm(lifted)
    if case.before is not None:
        note("mpjpe_change_mm", error - error_mm(case.before))
    note(_change(case), error - error_mm(case.expected))
    if case.signature == "lift":
        # For lift_coco17, keypoints are approximated above, so that the error
        # would not be meaningful.
        note("mpjpe_mm", error)
        hidden = "one joint in ten hidden at random"
        measured["mpjpe_of"] = (
            f"validation poses, {hidden if 'seen' in case.arrays else 'whole'}"
        )


def _distances_mm(lifted, expected):
    return 1000 * np.linalg.norm(lifted - expected, axis=-1)  # (N, J)


def _hold_growth(path, measured, case, budget):
    if case.kind or case.before is None:
        return
    change = measured[_key(measured, case, "mpjpe_change_mm")]
    if not change <= budget.compression_mm:
        raise Refused(
            f"{path.name} refused: the MPJPE of {case.signature} is "
            f"{change:.3g} mm above that of the model before compression, "
            f"more than {budget.compression_mm:g}",
            measured,
        )


def _hold(path, measured, name, limit, what="from the Keras model"):
    value = measured[name]
    if not abs(value) <= limit:  # NaN is refused, too.
        side = "less than -" if value < 0 else "more than "
        raise Refused(
            f"{path.name} refused: {name} {what} is {value:.4g}, {side}"
            f"{limit:g}",
            measured,
        )

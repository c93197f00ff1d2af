"""Writes `.tflite` files in floating-point and quantised formats."""

import contextlib
import logging
import pathlib
import re
import warnings
import zipfile

import numpy as np
import tensorflow as tf

# Private: the error of `TFLiteConverter.convert` has no public name. Guarded
# by tests/test_private_apis.py.
from tensorflow.lite.python.convert_phase import ConverterError

from ampose_tf import conversion, files
from ampose_tf.export import flatbuffer, mobile, runtime, signatures
from ampose_tf.models.ampose import AMPose

# The parts that are float32 in formats with quantised activations, as scopes
# of `mobile`. Quantised norms cost a centimetre, and results of quantised
# attention differ between the kernels of apps and the reference kernels. In
# int8_float_attention, only dense layers are quantised.
_FLOAT = {
    "int8": (
        mobile.FRONT,
        mobile.NORM,
        mobile.RESIDUAL,
        mobile.ENDS,
        mobile.ATTENTION,
    ),
    "int8_float_attention": None,
}
FORMATS = ("float32", "float16", "dynamic_int8", *_FLOAT)

# Formats that are calibrated on poses.
CALIBRATED = tuple(_FLOAT)

# Image size for calibration with pixels; portrait, as in `verify`.
_IMAGE_SIZE = (720, 1280)


def write(
    model: AMPose,
    path: pathlib.Path,
    format: str,
    checkpoint: str,
    names: tuple[str, ...] = ("lift",),
    batch: int = 1,
    calibration: dict[str, np.ndarray] | None = None,
) -> None:
    """Writes a `.tflite` file with the named signatures and a static batch.

    `ampose.json` is appended as a zip archive, which `unzip` extracts and
    runtimes ignore.

    Args:
        model: Model in any dtype; it is converted in float32.
        path: Output path.
        format: One of `FORMATS`.
        checkpoint: See `signatures.metadata`.
        names: See `signatures.endpoints`.
        batch: B.
        calibration: Real inputs of `lift`, (N, ...) each; only for formats in
            `CALIBRATED`.

    Raises:
        OSError: If the file cannot be written.
        ValueError: If the format or a signature is unknown, the calibration
            is missing, not finite or smaller than a batch, or the converter
            fails.
    """
    if format not in FORMATS:
        raise ValueError(
            f"Unknown TFLite format {format!r}; expected one of "
            f"{', '.join(FORMATS)}"
        )
    signatures.check(names, model)
    if format in CALIBRATED:
        check_calibration(calibration, format, batch)
    try:
        content = _converted(
            model.rebuilt(), format, names, batch, calibration
        )
    except ConverterError as error:
        reason = (str(error).strip() or "no message").splitlines()[0]
        raise ValueError(f"cannot convert to {format}: {reason}") from error
    tables = flatbuffer.read(content)
    if format == "float16":
        flatbuffer.halve_weights(tables)
    flatbuffer.share_buffers(tables)
    path.write_bytes(flatbuffer.write(tables))
    append_metadata(path, signatures.metadata(model, checkpoint, names))


def append_metadata(path: pathlib.Path, described: str) -> None:
    """Appends `ampose.json` to a file without metadata."""
    # A fixed date, so that exports are reproducible.
    entry = zipfile.ZipInfo(runtime.METADATA, (1980, 1, 1, 0, 0, 0))
    with zipfile.ZipFile(path, "a") as appended:
        appended.writestr(entry, described)


def replace_metadata(path: pathlib.Path, described: str) -> None:
    """Replaces a file's `ampose.json`."""
    with zipfile.ZipFile(path) as appended:
        end = appended.getinfo(runtime.METADATA).header_offset
    with path.open("r+b") as file:
        file.truncate(end)
    append_metadata(path, described)


def check_calibration(
    calibration: dict[str, np.ndarray] | None, format: str, batch: int
) -> None:
    """Checks the calibration of a format, like `write`.

    Raises:
        ValueError: If it is missing, not finite or smaller than a batch.
    """
    count = len(calibration["keypoints_2d"]) if calibration else 0
    if count < batch:
        raise ValueError(
            f"{format} is calibrated on poses, at least one batch of {batch}; "
            f"got {count or 'none'}"
        )
    for name, array in calibration.items():
        if not np.isfinite(array).all():
            raise ValueError(
                f"The poses that {format} is calibrated on contain NaN or "
                f"infinity in {name}"
            )


def _converted(model, format, names, batch, calibration):
    def forward(keypoints_2d, seen):
        return mobile.lift(model, keypoints_2d, seen)

    module = tf.Module()
    traced = {}
    for name, (function, specs) in signatures.endpoints(
        model, forward, names, batch
    ).items():
        traced[name] = tf.function(
            function, input_signature=specs, autograph=False
        )
        setattr(module, name, traced[name])
    with files.scratch() as place:
        folder = str(place)
        concrete = {n: f.get_concrete_function() for n, f in traced.items()}
        try:
            tf.saved_model.save(module, folder, concrete)
        except tf.errors.OpError as error:
            raise OSError(f"cannot write {folder}: {error.message}") from error

        def converter():
            return tf.lite.TFLiteConverter.from_saved_model(
                folder, signature_keys=list(names)
            )

        if format in CALIBRATED:
            return _quantised(
                converter, format, model, names, batch, calibration
            )
        made = converter()
        if format == "dynamic_int8":
            made.optimizations = [tf.lite.Optimize.DEFAULT]
        return made.convert()


def _quantised(converter, format, model, names, batch, calibration):
    """Returns a quantised file, in which `_FLOAT` is not quantised."""
    kept = _FLOAT[format]
    nodes = [
        operator.outputs[index].name
        for subgraph in flatbuffer.operators(
            flatbuffer.read(converter().convert())
        )
        for operator in subgraph
        for index in range(len(operator.outputs))
        if _stays_float(operator, kept)
    ]

    def shown():
        count = len(calibration["keypoints_2d"]) // batch
        for name in names:
            arrays = signatures.inputs(
                name,
                lifted=calibration,
                scores=_scores(calibration),
                image_size=_IMAGE_SIZE,
                normalisation=model.normalisation,
            )
            for index in range(count):
                chosen = slice(index * batch, (index + 1) * batch)
                yield name, {n: a[chosen] for n, a in arrays.items()}

    made = converter()
    made.optimizations = [tf.lite.Optimize.DEFAULT]
    made.representative_dataset = shown
    with _quiet():
        debugger = tf.lite.experimental.QuantizationDebugger(
            converter=made,
            debug_dataset=shown,
            debug_options=tf.lite.experimental.QuantizationDebugOptions(
                denylisted_nodes=nodes
            ),
        )
        return debugger.get_nondebug_quantized_model()


def _stays_float(operator, kept):
    """Returns whether an operator is excluded from quantisation.

    This depends on the scopes in its name.
    """
    # "norm_1/mul_2;dense_2/MatMul" means that the converter has folded the
    # scale of a layer norm into a dense layer.
    scopes = {
        re.sub(r"_\d+$", "", name.split("/")[0])
        for name in operator.outputs[0].name.split(";")
    }
    is_dense = operator.name == "FULLY_CONNECTED" and mobile.DENSE in scopes
    if kept is None:
        return not is_dense
    return not is_dense and bool(scopes.intersection(kept))


def _scores(calibration):
    """Returns scores of COCO's joints that yield the same `seen`, (N, 17)."""
    scores = np.ones((len(calibration["keypoints_2d"]), 17))
    if "seen" in calibration:
        matrix = conversion.COCO_17.matrix
        limbs = (matrix == 1).any(axis=1)  # Equal to one COCO joint each.
        sources = matrix[limbs].argmax(axis=1)
        scores[:, sources] = calibration["seen"][:, limbs]
    return scores


@contextlib.contextmanager
def _quiet():
    """Hides warnings of TensorFlow's debugger about its own interpreter."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*tf.lite.Interpreter")
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)

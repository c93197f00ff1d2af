"""TFLite files: float32, float16 weights, or dynamic-range int8."""

import pathlib
import tempfile
import zipfile

import tensorflow as tf

from ampose_tf.export import signatures
from ampose_tf.models.ampose import AMPose

FORMATS = ("float32", "float16", "dynamic_int8")


def write(
    model: AMPose, path: pathlib.Path, format: str, checkpoint: str
) -> None:
    """Writes a `.tflite` with the signature `lift`, for one pose at a time.

    The only route that keeps the weights and a static batch: ExportArchive,
    SavedModel, converter. `ampose.json` is appended as a zip archive, which
    runtimes ignore and `unzip` reads.

    Args:
        model: In any dtype; what is converted computes in float32.
        path: The file to write.
        format: One of `FORMATS`.
        checkpoint: See `signatures.metadata`.

    Raises:
        OSError: Where it cannot be written.
        ValueError: Where the format is unknown.
    """
    if format not in FORMATS:
        raise ValueError(
            f"Unknown TFLite format {format!r}; expected one of "
            f"{', '.join(FORMATS)}"
        )
    with tempfile.TemporaryDirectory() as folder:
        signatures.write(model, folder, ("lift",), batch=1)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=["lift"]
        )
        if format != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if format == "float16":
            converter.target_spec.supported_types = [tf.float16]
        path.write_bytes(converter.convert())
    with zipfile.ZipFile(path, "a") as appended:
        appended.writestr(
            signatures.METADATA, signatures.metadata(model, checkpoint)
        )

"""SavedModel: serving with any batch, without this package."""

import pathlib

import tensorflow as tf

from ampose_tf.export import signatures
from ampose_tf.models.ampose import AMPose


def write(model: AMPose, path: pathlib.Path, checkpoint: str) -> None:
    """Writes a SavedModel with `lift`, `lift_pixels` and `serving_default`.

    Args:
        model: In any dtype; what is written computes in float32.
        path: The folder to make.
        checkpoint: See `signatures.metadata`.

    Raises:
        OSError: Where it cannot be written.
    """
    archive = signatures.archive(
        model.rebuilt(), ("lift", "lift_pixels"), batch=None
    )
    try:
        archive.write_out(str(path), verbose=False)
    except tf.errors.OpError as error:
        raise OSError(f"cannot write {path}: {error.message}") from error
    # The place that TensorFlow keeps for files of the user's.
    extra = path / "assets.extra"
    extra.mkdir()
    (extra / signatures.METADATA).write_text(
        signatures.metadata(model, checkpoint), encoding="utf-8"
    )

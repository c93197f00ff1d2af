"""SavedModel: serving with any batch, without this package."""

import pathlib

import keras
import tensorflow as tf

from ampose_tf.export import runtime, signatures
from ampose_tf.models.ampose import AMPose


def write(model: AMPose, path: pathlib.Path, checkpoint: str) -> None:
    """Writes a SavedModel with all signatures that the model can have.

    The first, `lift`, is also `serving_default`.

    Args:
        model: In any dtype; what is written computes in float32.
        path: The folder to make.
        checkpoint: See `signatures.metadata`.

    Raises:
        OSError: Where it cannot be written.
    """
    model = model.rebuilt()

    def forward(keypoints_2d, seen):
        inputs = keypoints_2d
        if model.seen_input:
            inputs = {"keypoints_2d": keypoints_2d, "seen": seen}
        return model(inputs, training=False)

    archive = keras.export.ExportArchive()
    archive.track(model)
    names = signatures.possible(model)
    for name, (function, specs) in signatures.endpoints(
        model, forward, names, batch=None
    ).items():
        archive.add_endpoint(name, function, specs)
    try:
        archive.write_out(str(path), verbose=False)
    except tf.errors.OpError as error:
        raise OSError(f"cannot write {path}: {error.message}") from error
    # The place that TensorFlow keeps for files of the user's.
    (path / "assets.extra").mkdir()
    write_metadata(path, signatures.metadata(model, checkpoint, names))


def write_metadata(path: pathlib.Path, described: str) -> None:
    """Writes `ampose.json` into a SavedModel's folder."""
    file = path / "assets.extra" / runtime.METADATA
    file.write_text(described, encoding="utf-8")

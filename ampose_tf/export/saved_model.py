"""SavedModel: serving with any batch, without this package."""

import pathlib

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
    signatures.write(model, path, ("lift", "lift_pixels"), batch=None)
    # The place that TensorFlow keeps for files of the user's.
    extra = path / "assets.extra"
    extra.mkdir()
    (extra / signatures.METADATA).write_text(
        signatures.metadata(model, checkpoint), encoding="utf-8"
    )

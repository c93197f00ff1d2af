"""What exported files can be asked: functions with named, typed inputs."""

import json
import os

import keras
import tensorflow as tf
from keras import ops

from ampose_tf import __version__
from ampose_tf.models.ampose import AMPose

# The file inside an artefact that says what it is.
METADATA = "ampose.json"


def metadata(model: AMPose, checkpoint: str) -> str:
    """Returns, as JSON, what a user of the file must know.

    Args:
        model: What is exported.
        checkpoint: Which one, and the rule that chose it.
    """
    return json.dumps(
        {
            "version": __version__,
            "checkpoint": checkpoint,
            "joints": model.adjacency.shape[1],
            "normalisation": model.normalisation,
            "seen_input": model.seen_input,
            "units": "metres",
            "frame": "camera: x right, y down, z forward",
            "root": "hip",
        }
    )


def write(
    model: AMPose,
    folder: str | os.PathLike,
    names: tuple[str, ...],
    batch: int | None,
) -> None:
    """Writes a bare SavedModel with the named signatures.

    * `lift(keypoints_2d)`: (B, J, 2) screen-normalised.
    * `lift_pixels(keypoints_px, image_size)`: (B, J, 2) pixels and (B, 2)
      width and height; the normalisation is the model's own.

    Those of a model with `seen_input` take one more input, `seen` (B, J), 1
    for joints that were seen and 0 for others. All return `poses_3d`,
    (B, J, 3) metres. The first becomes `serving_default`.

    Args:
        model: In any dtype; what is written computes in float32.
        folder: To write into.
        names: Which, in order.
        batch: B, or None for any.

    Raises:
        OSError: Where it cannot be written.
    """
    model = model.rebuilt()
    joints = model.adjacency.shape[1]

    def lift(keypoints_2d, seen=None):
        inputs = keypoints_2d
        if model.seen_input:
            inputs = {"keypoints_2d": keypoints_2d, "seen": seen}
        return {"poses_3d": model(inputs, training=False)}

    def lift_pixels(keypoints_px, image_size, seen=None):
        if model.normalisation == "width":
            side = image_size[:, :1]
        else:
            side = ops.max(image_size, axis=1, keepdims=True)
        centered = keypoints_px - image_size[:, None] / 2  # (B, J, 2)
        return lift(centered / (side[:, None] / 2), seen)

    def spec(name, *shape):
        return tf.TensorSpec((batch, *shape), tf.float32, name)

    seen = [spec("seen", joints)] if model.seen_input else []
    endpoints = {
        "lift": (lift, [spec("keypoints_2d", joints, 2), *seen]),
        "lift_pixels": (
            lift_pixels,
            [spec("keypoints_px", joints, 2), spec("image_size", 2), *seen],
        ),
    }
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name in names:
        archive.add_endpoint(name, *endpoints[name])
    try:
        archive.write_out(str(folder), verbose=False)
    except tf.errors.OpError as error:
        raise OSError(f"cannot write {folder}: {error.message}") from error

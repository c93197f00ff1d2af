"""Writes SavedModels, which accept any batch and run without this package."""

import functools
import pathlib

import tensorflow as tf

from ampose_tf.export import runtime, signatures
from ampose_tf.models.ampose import AMPose


def write(model: AMPose, path: pathlib.Path, checkpoint: str) -> None:
    """Writes a SavedModel with all possible signatures of a model.

    The first one, `lift`, is also `serving_default`.

    Args:
        model: Model in any dtype; the SavedModel computes in float32.
        path: Output folder, which is created.
        checkpoint: See `signatures.metadata`.

    Raises:
        OSError: If the SavedModel cannot be written.
    """
    model = model.rebuilt()
    joints = model.adjacency.shape[1]
    specs = [tf.TensorSpec((None, joints, 2))]
    if model.seen_input:
        specs.append(tf.TensorSpec((None, joints)))

    # Traced once for all signatures.
    @tf.function(input_signature=specs, autograph=False)
    def network(keypoints_2d, seen=None):
        inputs = keypoints_2d
        if model.seen_input:
            inputs = {"keypoints_2d": keypoints_2d, "seen": seen}
        return model(inputs, training=False)

    def forward(keypoints_2d, seen):
        return network(keypoints_2d, *([seen] if model.seen_input else []))

    module = tf.Module()
    # Only attributes are saved. The model itself would be saved with all its
    # layers, and every weight twice.
    module.weights = network.get_concrete_function().variables
    names = signatures.possible(model)
    served = {}
    for name, (function, specs) in signatures.endpoints(
        model, forward, names, batch=None
    ).items():
        served[name] = tf.function(
            _checked(function, specs), input_signature=specs, autograph=False
        )
        setattr(module, name, served[name])
    served["serving_default"] = served["lift"]
    try:
        tf.saved_model.save(module, str(path), served)
    except tf.errors.OpError as error:
        raise OSError(f"cannot write {path}: {error.message}") from error
    # TensorFlow reserves this folder for additional files.
    (path / "assets.extra").mkdir()
    write_metadata(path, signatures.metadata(model, checkpoint, names))


def _checked(function, specs):
    """Returns a function that raises errors for inputs of other shapes.

    Servers do not check shapes. Otherwise, one joint or one image size would
    silently be broadcast to all joints or poses.
    """
    sides = [spec.shape[1:] for spec in specs]
    sizes = [side.num_elements() for side in sides]

    # Keeps the names of arguments for calls from Python.
    @functools.wraps(function)
    def run(*inputs):
        # Errors name the input. Inputs that the model does not have are passed
        # as their defaults.
        rows = [
            tf.reshape(tf.ensure_shape(array, spec.shape), [-1, size])
            for array, spec, size in zip(inputs, specs, sizes, strict=False)
        ]
        # Concatenation fails if numbers of rows differ.
        parts = tf.split(tf.concat(rows, axis=1), sizes, axis=1)
        return function(
            *(
                tf.reshape(part, [-1, *side])
                for part, side in zip(parts, sides, strict=True)
            )
        )

    return run


def write_metadata(path: pathlib.Path, described: str) -> None:
    """Writes `ampose.json` to a SavedModel's folder."""
    file = path / "assets.extra" / runtime.METADATA
    file.write_text(described, encoding="utf-8")

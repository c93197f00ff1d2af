"""Models to be timed, their files and their inputs."""

import pathlib

import numpy as np
from absl import flags

from ampose_tf import config, weights

POSES = 32


def define_flag(flag_values):
    """Defines `--model`, which may be given more than once."""
    flags.DEFINE_multi_string(
        "model",
        sorted(config.SIZES, reverse=True),
        f"A .keras file, or {', '.join(config.SIZES)}: the released model of "
        "that size or, if there is none, an untrained one.",
        flag_values=flag_values,
    )


def load(name):
    """Returns a float32 model, its description, and its path or None.

    Args:
        name: A value of the flag.
    """
    from ampose_tf.models import stored

    name = weights.RELEASED.get(name, name)
    if name not in config.SIZES:
        path = pathlib.Path(name)
        return stored.load(path).rebuilt(), path.stem, path

    import keras

    from ampose_tf.models.ampose import AMPose
    from ampose_tf.skeleton import H36M_17

    keras.utils.set_random_seed(0)
    # With the same inputs as the released models.
    model = AMPose(
        H36M_17.adjacency(),
        **config.SIZES[name],
        normalisation="longest",
        seen_input=True,
        frame="person",
    )
    random = np.random.default_rng(0)
    for variable in model.variables:
        if len(variable.shape) == 1:
            # Zeros and ones would hide a missing bias or scale.
            noise = random.normal(0, 0.1, variable.shape)
            variable.assign(variable + noise.astype(np.float32))
    return model, f"{name}, untrained", None


def file_of(model, path, format, folder):
    """Returns the path of a model's `.tflite` with the signature `lift`.

    Args:
        model: The network.
        path: NAME.keras; NAME_<format>.tflite is looked for next to it. None
            if the model is untrained.
        format: One of `tflite.FORMATS`.
        folder: Folder for a missing file, which is calibrated on random poses.
    """
    from ampose_tf.export import tflite

    if path is not None:
        beside = path.with_name(f"{path.stem}_{format}.tflite")
        if beside.is_file():
            return beside
    made = pathlib.Path(folder, f"{format}.tflite")
    tflite.write(
        model, made, format, "made to be timed", calibration=inputs(model)
    )
    return made


def inputs(model):
    """Returns random inputs of `lift`, float32, by name.

    `keypoints_2d` is (POSES, J, 2) and, if the model has it, `seen` (POSES, J)
    of 0 and 1.
    """
    random = np.random.default_rng(0)
    joints = model.adjacency.shape[1]
    arrays = {"keypoints_2d": random.uniform(-1, 1, (POSES, joints, 2))}
    if model.seen_input:
        arrays["seen"] = random.random((POSES, joints)) > 0.1
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def pose(arrays):
    """Returns the first pose of `inputs`, (1, ...) each."""
    return {name: array[:1] for name, array in arrays.items()}

"""Models whose time is taken, their files, and what they are given."""

import pathlib

import numpy as np
from absl import flags

from ampose_tf import config, weights

MODELS = flags.DEFINE_multi_string(
    "model",
    sorted(config.SIZES, reverse=True),
    f"A .keras file, or {', '.join(config.SIZES)}: the released one of that "
    "size or, where there is none, an untrained one.",
)

POSES = 32


def load(name):
    """Returns a float32 model, what it is, and its path, None for untrained.

    Args:
        name: One of the flag's.
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
    # With the inputs that the released models have.
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
            # Zeros and ones would hide a bias or a scale that was lost.
            noise = random.normal(0, 0.1, variable.shape)
            variable.assign(variable + noise.astype(np.float32))
    return model, f"{name}, untrained", None


def tflite(model, path, format, folder):
    """Returns the path of `lift` as a `.tflite`.

    NAME_<format>.tflite beside NAME.keras or, where there is none, a file
    made into the folder, which is calibrated on random poses.
    """
    from ampose_tf.export import tflite

    if path is not None:
        beside = path.with_name(f"{path.stem}_{format}.tflite")
        if beside.is_file():
            return beside
    made = pathlib.Path(folder, f"{format}.tflite")
    tflite.write(
        *(model, made, format, "made to be timed"), calibration=inputs(model)
    )
    return made


def inputs(model):
    """Returns random inputs of `lift`, (POSES, ...) by name."""
    random = np.random.default_rng(0)
    joints = model.adjacency.shape[1]
    arrays = {"keypoints_2d": random.uniform(-1, 1, (POSES, joints, 2))}
    if model.seen_input:
        arrays["seen"] = random.random((POSES, joints)) > 0.1
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def pose(arrays):
    """Returns the first pose of inputs, a batch of one."""
    return {name: array[:1] for name, array in arrays.items()}

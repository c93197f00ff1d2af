"""Trained models in `.keras` files."""

import contextlib
import filecmp
import os
import pathlib
import zipfile

import numpy as np

from ampose_tf import confined, files, reading, weights
from ampose_tf.config import Config
from ampose_tf.models import untrusted
from ampose_tf.models.ampose import AMPose
from ampose_tf.models.refinement import PoseRefinement, RefinedLifter

_RULES = {
    "best.keras": "lowest validation MPJPE (peer-style)",
    "last.keras": "the last epoch",
}
_CLASSES = {"AMPose": AMPose, "RefinedLifter": RefinedLifter}
# How the released models were chosen.
RELEASED = "released, the last epoch"


def load(path: str | os.PathLike) -> AMPose:
    """Loads an AMPose, uncompiled, from an untrusted file.

    For a `RefinedLifter`, returns its lifter; see `load_both`.

    Raises:
        OSError: If the file does not exist.
        ValueError: If it is not a `.keras` file, is damaged, or does not hold
            an AMPose.
    """
    return load_both(path)[0]


def load_both(
    path: str | os.PathLike,
) -> tuple[AMPose, PoseRefinement | None]:
    """Loads an AMPose and, if the file has one, its refinement.

    Raises the same exceptions as `load`.
    """
    model = _load(path)
    if isinstance(model, RefinedLifter):
        return model.lifter, model.refinement
    return model, None


def _load(path):
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no model {path}")
    with _in_one_line(path):
        if path.suffix != ".keras":
            raise ValueError("wrong suffix")
        name, arguments, content = untrusted.read(path)
        # Keras cannot read weights from memory.
        with files.scratch() as folder:
            file = folder / untrusted.WEIGHTS
            file.write_bytes(content)
            del content
            if not weights.is_released(path):
                # HDF5's own library crashes on some damaged files.
                confined.call(untrusted.check_weights, str(file), seconds=14)
            # Keras itself would build any class that the file names.
            model = _CLASSES[name](**arguments)
            _load_weights(model, file)
    return model


def _load_weights(model, file):
    try:
        with reading.guarded():
            model.load_weights(file)
    except (OSError, ValueError) as error:
        # Keras's message has one line per layer.
        raise ValueError("its weights are of another model") from error
    if not all(np.isfinite(weight).all() for weight in model.get_weights()):
        raise ValueError("its weights are not finite")


@contextlib.contextmanager
def _in_one_line(path):
    """Adds the file's name to every error message."""
    try:
        with reading.guarded():
            try:
                yield
            except zipfile.BadZipFile as error:
                raise ValueError(str(error)) from error
    except (OSError, ValueError) as error:
        # h5py raises OSErrors without an errno.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = reading.shown(str(error), 200)
        raise ValueError(
            f"{path}: not a readable .keras file ({reason})"
        ) from error


def check_fits(
    path: str | os.PathLike, joints: int, normalisation: str, config: Config
) -> None:
    """Checks that a model fits the data of a config.

    Raises:
        ValueError: If the number of joints or the normalisation differs.
    """
    if joints != config.data.joints:
        raise ValueError(
            f"{path} has {joints} joints, the config's data "
            f"{config.data.joints}"
        )
    if normalisation != config.model.normalisation:
        raise ValueError(
            f"{path} expects keypoints normalised by {normalisation!r}, the "
            f"config by {config.model.normalisation!r}; add "
            f"--config.model.normalisation={normalisation}"
        )


def describe_checkpoint(path: str | os.PathLike) -> str:
    """Describes which checkpoint a file is and how it was chosen.

    A released model is recognised by its content, under any name.

    Raises:
        OSError: If the file cannot be read.
    """
    for released in weights.RELEASED.values():
        if filecmp.cmp(path, released, shallow=False):
            return f"{released.name}: {RELEASED}"
    name = pathlib.Path(path).name
    return f"{name}: {_RULES.get(name, 'chosen by hand')}"

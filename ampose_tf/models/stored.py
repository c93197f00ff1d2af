"""Trained models in `.keras` files."""

import filecmp
import os
import pathlib
import zipfile

import keras

from ampose_tf import weights
from ampose_tf.config import Config
from ampose_tf.models.ampose import AMPose
from ampose_tf.models.refinement import PoseRefinement, RefinedLifter

_RULES = {
    "best.keras": "lowest validation MPJPE (peer-style)",
    "last.keras": "the last epoch",
}
# The rule that chose the released models.
RELEASED = "released, the last epoch"


def load(path: str | os.PathLike) -> AMPose:
    """Loads an AMPose, uncompiled, without running code from the file.

    Of a `RefinedLifter`, its lifter; see `load_both`.

    Raises:
        OSError: Where there is no such file.
        ValueError: Where it is no `.keras` file, damaged, or no AMPose.
    """
    return load_both(path)[0]


def load_both(
    path: str | os.PathLike,
) -> tuple[AMPose, PoseRefinement | None]:
    """Loads an AMPose and, where the file has one, its refinement.

    Raises as `load`.
    """
    model = _load(path)
    if isinstance(model, RefinedLifter):
        return model.lifter, model.refinement
    return model, None


def _load(path):
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no model {path}")
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except (
        zipfile.BadZipFile,
        EOFError,
        KeyError,
        OSError,
        TypeError,
        ValueError,
    ) as error:
        raise ValueError(
            f"{path}: not a readable .keras file ({error})"
        ) from error
    if not isinstance(model, (AMPose, RefinedLifter)):
        raise ValueError(f"{path}: holds a {type(model).__name__}, no AMPose")
    return model


def check_fits(
    path: str | os.PathLike, joints: int, normalisation: str, config: Config
) -> None:
    """Checks that a model takes what a config's data gives.

    Raises:
        ValueError: Where joints or normalisation differ.
    """
    if joints != config.data.joints:
        raise ValueError(
            f"{path} has {joints} joints, the config's data "
            f"{config.data.joints}"
        )
    if normalisation != config.model.normalisation:
        raise ValueError(
            f"{path} takes keypoints normalised by {normalisation!r}, the "
            f"config by {config.model.normalisation!r}; add "
            f"--config.model.normalisation={normalisation}"
        )


def describe_checkpoint(path: str | os.PathLike) -> str:
    """Says which checkpoint a file is and by which rule it was chosen.

    A released model is recognised by its content, under any name.

    Raises:
        OSError: If the file cannot be read.
    """
    for released in weights.RELEASED.values():
        if filecmp.cmp(path, released, shallow=False):
            return f"{released.name}: {RELEASED}"
    name = pathlib.Path(path).name
    return f"{name}: {_RULES.get(name, 'chosen by hand')}"

"""The whole state of a training run in one file."""

import json
import os
import zipfile
from typing import NamedTuple

import keras
import numpy as np

from ampose_tf import files


class Progress(NamedTuple):
    """How far a run has come.

    Attributes:
        history: One {name: number} per finished epoch.
        best_epoch: The epoch, counted from 0, with the lowest validation
            MPJPE.
        teacher_sha256: Of the file of the run's teacher; empty for none.
    """

    history: list[dict[str, float]]
    best_epoch: int
    teacher_sha256: str = ""


def save(
    path: str | os.PathLike, model: keras.Model, progress: Progress
) -> None:
    """Writes weights, optimiser, random states and progress in one step.

    Raises:
        OSError: Where the file cannot be written; an older one then stays.
    """
    arrays = {
        name: np.asarray(variable) for name, variable in _variables(model)
    }
    text = json.dumps(progress._asdict())
    with files.replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, progress=np.array(text), **arrays)


def restore(path: str | os.PathLike, model: keras.Model) -> Progress:
    """Gives a compiled model the state that `save` wrote.

    Raises:
        OSError: Where the file cannot be read.
        ValueError: Where it is damaged or of another model.
    """
    # LossScaleOptimizer would make its variables twice.
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    try:
        with open(path, "rb") as file, np.load(file) as stored:
            progress = Progress(**json.loads(str(stored["progress"])))
            arrays = {name: stored[name] for name in stored.files}
    except (
        zipfile.BadZipFile,
        EOFError,
        KeyError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise ValueError(f"{path}: damaged checkpoint ({error})") from error
    variables = dict(_variables(model))
    shapes = {name: array.shape for name, array in arrays.items()}
    del shapes["progress"]
    if shapes != {name: tuple(v.shape) for name, v in variables.items()}:
        raise ValueError(f"{path}: checkpoint of another model")
    for name, variable in variables.items():
        variable.assign(arrays[name])
    return progress


def _variables(model):
    """Yields every variable that a training step reads and changes.

    `model.variables` holds the weights and the states of dropout's random
    generators; those are named by a counter of the process, so all are named
    by their place.
    """
    for owner, variables in (
        ("model", model.variables),
        ("optimizer", model.optimizer.variables),
    ):
        for index, variable in enumerate(variables):
            yield f"{owner}_{index}", variable

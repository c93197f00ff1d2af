"""Saves the whole state of a training run in one file."""

import json
import os
import re
from typing import NamedTuple

import keras
import numpy as np

from ampose_tf import files, reading
from ampose_tf.data import archive

# Largest size of the progress text; an epoch takes some 200 characters.
_MOST_CHARACTERS = 2**24
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


class Unfinished(NamedTuple):
    """An epoch that was interrupted.

    Attributes:
        steps: Number of finished steps.
        learning_rate: Learning rate at the start of the epoch.
        seconds: Time spent on the epoch so far.
        metrics: Values of the variables of the model's metrics.
    """

    steps: int
    learning_rate: float
    seconds: float
    metrics: list[float]


class Progress(NamedTuple):
    """Progress of a training run.

    Attributes:
        history: One {name: number} per finished epoch.
        best_epoch: The epoch, counted from 0, with the lowest validation
            MPJPE.
        teacher_sha256: SHA-256 of the teacher's file; empty if there is none.
        data: SHA-256 of the training and validation data, by name; empty in
            files of older versions.
        sources: Size in bytes and SHA-256 of the source files, by path; empty
            if they are not known.
        unfinished: The epoch after the last one in `history`, if it was
            interrupted.
    """

    history: list[dict[str, float]]
    best_epoch: int
    teacher_sha256: str = ""
    data: dict[str, str] = {}
    sources: dict[str, tuple[int, str]] = {}
    unfinished: Unfinished | None = None


def save(
    path: str | os.PathLike, model: keras.Model, progress: Progress
) -> None:
    """Writes weights, optimiser, random states and progress to one file.

    Raises:
        OSError: If the file cannot be written; an existing file is then kept.
    """
    arrays = {
        name: np.asarray(variable) for name, variable in _variables(model)
    }
    fields = progress._asdict()
    if progress.unfinished is not None:
        fields["unfinished"] = progress.unfinished._asdict()
    text = np.array(json.dumps(fields))
    with files.replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, progress=text, **arrays)


def restore(path: str | os.PathLike, model: keras.Model) -> Progress:
    """Restores the state that `save` wrote into a compiled model.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If the file is damaged, holds impossible values, or
            belongs to another model. The message names the file and the
            field.
    """
    # LossScaleOptimizer would otherwise create its variables twice.
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    variables = dict(_variables(model))
    size = sum(np.asarray(v).nbytes for v in variables.values())
    try:
        # Four bytes per character, plus a header for each array.
        arrays = archive.read(
            path, most=size + 4 * _MOST_CHARACTERS + 4096 * len(variables)
        )
        progress = _progress(arrays.pop("progress", None))
    except ValueError as error:
        said = str(error).removeprefix(f"{path}: ")
        raise ValueError(f"{path}: damaged checkpoint ({said})") from error
    _check(path, arrays, variables)
    for name, variable in variables.items():
        variable.assign(arrays[name])
    return progress


def _check(path, arrays, variables):
    """Checks that a file's arrays fit the model's variables."""
    for name in sorted(set(arrays) ^ set(variables)):
        raise ValueError(
            f"{path}: checkpoint of another model ({reading.shown(name, 40)} "
            "exists in only one of them)"
        )
    for name, variable in variables.items():
        array, expected = arrays[name], np.asarray(variable)
        if not isinstance(array, np.ndarray):
            raise ValueError(f"{path}: {name}: expected an array")
        for what in ("shape", "dtype"):
            one, other = getattr(array, what), getattr(expected, what)
            if one != other:
                raise ValueError(
                    f"{path}: checkpoint of another model ({name}: expected "
                    f"{what} {other}, got {one})"
                )
        if array.dtype.kind not in "iub" and not np.isfinite(array).all():
            raise ValueError(
                f"{path}: damaged checkpoint ({name}: expected finite numbers)"
            )


def _progress(stored):
    """Returns the progress stored in a file after checking each value."""
    if not isinstance(stored, np.ndarray) or stored.dtype.kind != "U":
        raise ValueError("progress: expected text")
    try:
        fields = json.loads(str(stored))
    except (ValueError, RecursionError) as error:
        raise ValueError("progress: not JSON, or nested too deeply") from error
    names = Progress._fields
    required = set(names) - set(Progress._field_defaults)
    if not isinstance(fields, dict) or not (
        required <= set(fields) <= set(names)
    ):
        raise ValueError(f"progress: expected fields {', '.join(names)}")
    progress = Progress(**fields)
    unfinished = progress.unfinished
    if unfinished is not None:
        unfinished = _unfinished(unfinished)
    _check_history(progress.history)
    _check_best(progress)
    _check_digest(progress.teacher_sha256, "teacher_sha256", or_none=True)
    for name in ("data", "sources"):
        if not isinstance(getattr(progress, name), dict):
            raise ValueError(f"progress: {name}: expected an object")
    if progress.data and set(progress.data) != {"training", "validation"}:
        raise ValueError("progress: data: expected training and validation")
    for name, digest in progress.data.items():
        _check_digest(digest, f"data: {name}")
    sources = {}
    for number, (name, known) in enumerate(progress.sources.items(), 1):
        what = f"sources: file {number}"
        if not isinstance(known, list) or len(known) != 2:
            raise ValueError(f"progress: {what}: expected size and SHA-256")
        _check_number(known[0], what, whole=True)
        _check_digest(known[1], what)
        sources[name] = tuple(known)
    return progress._replace(unfinished=unfinished, sources=sources)


def _unfinished(fields):
    names = Unfinished._fields
    if not isinstance(fields, dict) or set(fields) != set(names):
        raise ValueError(
            f"progress: unfinished: expected fields {', '.join(names)}"
        )
    unfinished = Unfinished(**fields)
    _check_number(unfinished.steps, "unfinished: steps", whole=True)
    for name in ("learning_rate", "seconds"):
        _check_number(getattr(unfinished, name), f"unfinished: {name}")
    if not isinstance(unfinished.metrics, list):
        raise ValueError("progress: unfinished: metrics: expected a list")
    for value in unfinished.metrics:
        _check_number(value, "unfinished: metrics")
    return unfinished


def _check_history(history):
    if not isinstance(history, list):
        raise ValueError("progress: history: expected a list")
    for number, row in enumerate(history, 1):
        what = f"history: epoch {number}"
        if not isinstance(row, dict) or list(row) != list(history[0]):
            raise ValueError(f"progress: {what}: expected the same fields")
        for name, value in row.items():
            if not _NAME.fullmatch(name):
                raise ValueError(f"progress: {what}: invalid field name")
            _check_number(value, f"{what}: {name}")
        if row.get("epoch") != number or "val_mpjpe_mm" not in row:
            raise ValueError(
                f"progress: {what}: expected epoch={number} and val_mpjpe_mm"
            )


def _check_best(progress):
    """Checks that the best epoch is the first one with the lowest error."""
    _check_number(progress.best_epoch, "best_epoch", whole=True)
    errors = [row["val_mpjpe_mm"] for row in progress.history]
    best = errors.index(min(errors)) if errors else 0
    if progress.best_epoch != best:
        raise ValueError(f"progress: best_epoch: expected {best}")


def _check_number(value, what, whole=False):
    """Checks that a value is a finite, non-negative number."""
    accepted = int if whole else (int, float)
    if (
        not isinstance(value, accepted)
        or isinstance(value, bool)
        or not 0 <= value <= 1e300
    ):
        kind = "whole number" if whole else "finite number"
        raise ValueError(f"progress: {what}: expected a {kind} of 0 or more")


def _check_digest(value, what, or_none=False):
    if not isinstance(value, str) or not (
        _DIGEST.fullmatch(value) or (or_none and not value)
    ):
        raise ValueError(f"progress: {what}: expected a SHA-256")


def _variables(model):
    """Yields every variable that a training step reads or changes.

    Variables are named by position. `model.variables` includes the states of
    dropout's random generators, whose own names depend on how many layers
    the process has created.
    """
    for owner, variables in (
        ("model", model.variables),
        ("optimizer", model.optimizer.variables),
    ):
        for index, variable in enumerate(variables):
            yield f"{owner}_{index}", variable

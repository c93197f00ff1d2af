"""The files of one export: which there are, and how each comes about."""

import pathlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ampose_tf.config import Export
from ampose_tf.export import (
    flatbuffer,
    runtime,
    saved_model,
    signatures,
    tflite,
    verify,
)
from ampose_tf.models.ampose import AMPose


class Trained(NamedTuple):
    """A trained model, and what files say of it.

    Attributes:
        model: The network.
        checkpoint: Where it is from, and what has been done to it.
        origin: Of its training data, see `sources.origin`.
        compression: {"compression": how it was compressed}; empty where it
            was not.
    """

    model: AMPose
    checkpoint: str
    origin: dict
    compression: dict


class File(NamedTuple):
    """What one file holds.

    Attributes:
        format: `saved_model`, or one of `tflite.FORMATS`.
        signatures: Of a `.tflite`; a SavedModel has all that are possible.
        batch: Poses per call of a `.tflite`; a SavedModel takes any.
    """

    format: str
    signatures: tuple[str, ...]
    batch: int


def plan(
    formats: tuple[str, ...],
    names: tuple[str, ...],
    combined: bool,
    batch: int,
    techniques: tuple[str, ...],
) -> Iterator[tuple[str, File]]:
    """Yields the name of each file, and what it is to hold.

    Args:
        formats: See `File`.
        names: Signatures of the `.tflite` files.
        combined: Whether one file holds all of them.
        batch: See `File`.
        techniques: Of compression, with which the names of files begin.
    """
    stem = "_".join((*techniques, "ampose"))
    for format in formats:
        if format == "saved_model":
            yield "saved_model/1", File(format, (), 1)
        elif combined:
            yield f"{stem}_{format}.tflite", File(format, names, batch)
        else:
            for name in names:
                suffix = "" if name == "lift" else f"_{name}"
                file = File(format, (name,), batch)
                yield f"{stem}_{format}{suffix}.tflite", file


def make(
    path: pathlib.Path,
    file: File,
    trained: Trained,
    calibration: dict[str, np.ndarray],
    cases: list[verify.Case],
    poses,
    budget: Export,
) -> dict:
    """Writes a file, verifies it, and has it say what was measured.

    Args:
        path: Of the file.
        file: What it is to hold.
        trained: What is exported.
        calibration: Inputs of `lift` for formats that are calibrated.
        cases: What it is asked, see `verify.cases`.
        poses: `Poses` of the cases that are real.
        budget: What may differ.

    Returns:
        What was measured, with a "reason" where it is refused.

    Raises:
        OSError: Where it cannot be written.
        ValueError: Where a converter fails.
    """
    try:
        if file.format == "saved_model":
            saved_model.write(trained.model, path, trained.checkpoint)
            measured = verify.saved_model(path, cases, poses, budget)
        else:
            tflite.write(
                *(trained.model, path, file.format, trained.checkpoint),
                *(file.signatures, file.batch, calibration),
            )
            measured = verify.tflite(path, file.format, cases, poses, budget)
            if len(file.signatures) > 1:
                measured |= _growth(path)
    except verify.Refused as error:
        measured = error.measured | {"reason": str(error)}
    _describe(path, file, trained, measured)
    # Only now has it the size that it will have.
    fault = verify.size_fault(path, budget)
    if fault and "reason" not in measured:
        measured["reason"] = fault
        _describe(path, file, trained, measured)
    return measured | verify.sizes(path)


def _describe(path, file, trained, measured):
    """Writes what a file says of itself; its operators it shows."""
    figures = {
        name: value
        for name, value in measured.items()
        if name not in ("operators", "plans")
    }
    held, write = {}, saved_model.write_metadata
    names = signatures.possible(trained.model)
    if file.format != "saved_model":
        held = {"format": file.format, "batch": file.batch}
        names, write = file.signatures, tflite.replace_metadata
    described = signatures.metadata(
        *(trained.model, trained.checkpoint, names),
        **held,
        **trained.compression,
        **trained.origin,
        measured=figures,
    )
    write(path, described)


def _growth(path):
    """Says what the further signatures of a file cost."""
    whole = runtime.tables(path)
    alone = flatbuffer.only(whole, "lift")
    size, size_alone = (len(flatbuffer.write(t)) for t in (whole, alone))
    return {"bytes_of_further_signatures": size - size_alone}

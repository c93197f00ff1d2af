"""The files of one export: which there are, and how each comes about."""

import pathlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ampose_tf.config import Export, Train
from ampose_tf.data.poses import Poses
from ampose_tf.export import (
    flatbuffer,
    runtime,
    saved_model,
    signatures,
    tf_serving,
    tflite,
    verify,
)
from ampose_tf.models.ampose import AMPose


class Choice(NamedTuple):
    """Which files an export is to make.

    Attributes:
        formats: Each `saved_model`, or one of `tflite.FORMATS`.
        signatures: Signatures of the `.tflite` files, see
            `signatures.endpoints`; a SavedModel has all that are possible.
        combined: Whether one `.tflite` file per format holds all of them.
        batch: Poses per call of a `.tflite`; a SavedModel takes any number.
        techniques: Techniques that compress the model first; the names of
            its files begin with them.
    """

    formats: tuple[str, ...]
    signatures: tuple[str, ...] = ("lift",)
    combined: bool = False
    batch: int = 1
    techniques: tuple[str, ...] = ()


class File(NamedTuple):
    """What one file holds.

    Attributes:
        format: `saved_model`, or one of `tflite.FORMATS`.
        signatures: Their names.
        batch: Poses per call of a `.tflite`; a SavedModel takes any number.
    """

    format: str
    signatures: tuple[str, ...]
    batch: int


class Compression(NamedTuple):
    """How a model is compressed before it is exported.

    Attributes:
        techniques: Some of "prune", "cluster" and "qat", in this order.
        settings: The techniques and their settings, as files state them.
        origin: What files say of the data that the compressed model was
            trained on.
        data: What one epoch trains on, in words.
        batches: From a range of epochs to their batches, a `tf.data.Dataset`.
        steps_per_epoch: Batches of an epoch.
        recipe: The training section of the config.
    """

    techniques: tuple[str, ...]
    settings: dict
    origin: dict[str, str]
    data: str
    batches: Callable
    steps_per_epoch: int
    recipe: Train


class Request(NamedTuple):
    """All that one export needs, read before its first file is made.

    Attributes:
        model_path: The `.keras` file.
        model: The network that is exported.
        checkpoint: Where it is from, and what has been done to it.
        origin: What files say of its training data, see `sources.origin`.
        files: `File` by the name of the file.
        signatures: Every signature of any of the files.
        poses: What the files are verified on.
        calibration: Inputs of `lift` for formats that are calibrated; {} if
            there are none.
        budget: Largest deviations, and settings of compression.
        compression: How the model is compressed first; None if it is not.
        before: The model before compression; None until it is compressed.
    """

    model_path: pathlib.Path
    model: AMPose
    checkpoint: str
    origin: dict[str, str]
    files: dict[str, File]
    signatures: tuple[str, ...]
    poses: Poses
    calibration: dict[str, np.ndarray]
    budget: Export
    compression: Compression | None = None
    before: AMPose | None = None


def plan(choice: Choice, model: AMPose) -> dict[str, File]:
    """Returns what each file is to hold, by its name.

    That of a SavedModel is its base's, without the version.
    """
    stem = "_".join((*choice.techniques, "ampose"))
    files = {}
    for format in choice.formats:
        if format == "saved_model":
            files["saved_model"] = File(
                format, signatures.possible(model), batch=1
            )
        elif choice.combined:
            files[f"{stem}_{format}.tflite"] = File(
                format, choice.signatures, choice.batch
            )
        else:
            for name in choice.signatures:
                suffix = "" if name == "lift" else f"_{name}"
                files[f"{stem}_{format}{suffix}.tflite"] = File(
                    format, (name,), choice.batch
                )
    return files


def make(
    path: pathlib.Path, file: File, request: Request, cases: list[verify.Case]
) -> dict:
    """Writes a file, verifies it, and has it say what was measured.

    Args:
        path: Of the file.
        file: What it is to hold.
        request: What it is made of, and judged by.
        cases: What it is asked, see `verify.cases`.

    Returns:
        What was measured, with a "reason" if it is refused.

    Raises:
        OSError: If it cannot be written.
        ValueError: If a converter fails.
    """
    path.parent.mkdir(exist_ok=True)
    poses, budget = request.poses, request.budget
    try:
        if file.format == "saved_model":
            saved_model.write(request.model, path, request.checkpoint)
            tf_serving.write_warm_up(path)
            measured = verify.saved_model(path, cases, poses, budget)
        else:
            tflite.write(
                request.model,
                path,
                file.format,
                request.checkpoint,
                names=file.signatures,
                batch=file.batch,
                calibration=request.calibration,
            )
            measured = verify.tflite(path, file.format, cases, poses, budget)
            if len(file.signatures) > 1:
                measured |= _growth(path)
    except verify.Refused as error:
        measured = error.measured | {"reason": str(error)}
    _describe(path, file, request, measured)
    # Only now has it the size that it will have.
    fault = verify.size_fault(path, budget)
    if fault and "reason" not in measured:
        measured["reason"] = fault
        _describe(path, file, request, measured)
    measured |= verify.sizes(path)
    if request.compression is not None:
        # Of these alone: files of the model itself may lie beside.
        measured |= {"checkpoint": request.checkpoint}
        measured |= request.origin | _compression(request)
    return measured


def _compression(request):
    """Returns what files say of their compression."""
    if request.compression is None:
        return {}
    return {"compression": request.compression.settings}


def _describe(path, file, request, measured):
    """Writes what a file says of itself; its operators show the rest."""
    figures = {
        name: value
        for name, value in measured.items()
        if name not in ("operators", "plans", "runs_on")
    }
    held, write = {}, saved_model.write_metadata
    if file.format != "saved_model":
        held = {"format": file.format, "batch": file.batch}
        write = tflite.replace_metadata
    described = signatures.metadata(
        request.model,
        request.checkpoint,
        file.signatures,
        **held,
        **_compression(request),
        **request.origin,
        measured=figures,
    )
    write(path, described)


def _growth(path):
    """Says what the further signatures of a file cost."""
    whole = runtime.tables(path)
    alone = flatbuffer.only(whole, "lift")
    size, size_alone = (len(flatbuffer.write(t)) for t in (whole, alone))
    return {"bytes_of_further_signatures": size - size_alone}

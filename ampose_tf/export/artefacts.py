"""Plans, writes, verifies and describes the files of one export."""

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
    """The files that an export writes.

    Attributes:
        formats: Any of `saved_model` and `tflite.FORMATS`.
        signatures: Signatures of the `.tflite` files, see
            `signatures.endpoints`; a SavedModel has all possible ones.
        combined: Whether one `.tflite` file per format contains all of them.
        batch: Poses per call of a `.tflite`; a SavedModel accepts any number.
        techniques: Techniques that compress the model first; file names
            start with them.
    """

    formats: tuple[str, ...]
    signatures: tuple[str, ...] = ("lift",)
    combined: bool = False
    batch: int = 1
    techniques: tuple[str, ...] = ()


class File(NamedTuple):
    """Contents of one file.

    Attributes:
        format: `saved_model`, or one of `tflite.FORMATS`.
        signatures: Names of the signatures.
        batch: Poses per call of a `.tflite`; a SavedModel accepts any number.
    """

    format: str
    signatures: tuple[str, ...]
    batch: int


class Compression(NamedTuple):
    """How a model is compressed before it is exported.

    Attributes:
        techniques: Some of "prune", "cluster" and "qat", in this order.
        settings: The techniques and their settings, as stored in the files.
        origin: Origin of the data that the compressed model was trained on,
            as stored in the files.
        data: Description of the data of one epoch.
        batches: Function of a range of epochs that returns their batches, a
            `tf.data.Dataset`.
        steps_per_epoch: Batches per epoch.
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
    """All inputs of one export, read before the first file is written.

    Attributes:
        model_path: Path of the `.keras` file.
        model: The network to export.
        checkpoint: Description of the checkpoint and of what was done to it.
        origin: Origin of the training data, see `sources.origin`.
        files: `File` by file name.
        signatures: All signatures of all files.
        poses: Poses that the files are verified on.
        calibration: Inputs of `lift` for calibrated formats; {} if there are
            no such formats.
        budget: Largest deviations, and settings of compression.
        compression: How to compress the model first; None to not compress it.
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
    """Returns the planned contents of each file, by file name.

    The name of a SavedModel is the model base, without the version.
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
    """Writes a file, verifies it, and stores the measurements in it.

    Args:
        path: Output path.
        file: Contents of the file.
        request: The model to write, and the limits to verify it by.
        cases: Inputs and expected outputs, see `verify.cases`.

    Returns:
        Measurements, with a "reason" if the file is rejected.

    Raises:
        OSError: If the file cannot be written.
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
    # The size is final only now.
    fault = verify.size_fault(path, budget)
    if fault and "reason" not in measured:
        measured["reason"] = fault
        _describe(path, file, request, measured)
    measured |= verify.sizes(path)
    if request.compression is not None:
        # Only for compressed files, as the same report may list files of the
        # uncompressed model.
        measured |= {"checkpoint": request.checkpoint}
        measured |= request.origin | _compression(request)
    return measured


def _compression(request):
    """Returns the description of compression that is stored in files."""
    if request.compression is None:
        return {}
    return {"compression": request.compression.settings}


def _describe(path, file, request, measured):
    """Writes a file's metadata, without what its operators show anyway."""
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
    """Returns how many bytes the signatures other than `lift` add."""
    whole = runtime.tables(path)
    alone = flatbuffer.only(whole, "lift")
    size, size_alone = (len(flatbuffer.write(t)) for t in (whole, alone))
    return {"bytes_of_further_signatures": size - size_alone}

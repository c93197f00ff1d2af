"""Driver: a trained model to verified files."""

import contextlib
import json
import os
import pathlib
import shutil
import tempfile

import numpy as np

from ampose_tf import files
from ampose_tf.config import Config
from ampose_tf.data import pipeline
from ampose_tf.data.mocap import Motion3D
from ampose_tf.data.poses import Poses
from ampose_tf.export import (
    runtime,
    saved_model,
    signatures,
    tflite,
    verify,
)
from ampose_tf.models import stored
from ampose_tf.models.ampose import AMPose

FORMATS = ("saved_model", *tflite.FORMATS)


def export(
    config: Config,
    model_path: pathlib.Path,
    validation: Poses,
    output: pathlib.Path,
    formats: tuple[str, ...],
    names: tuple[str, ...] = ("lift",),
    combined: bool = False,
    batch: int = 1,
    training: Poses | Motion3D | None = None,
    origin: dict[str, str] | None = None,
) -> dict:
    """Exports a `.keras` model and verifies every file before it is kept.

    Leaves `saved_model/1/`, `ampose_<format>.tflite` with the signature
    `lift`, `ampose_<format>_<signature>.tflite` with each other one asked
    for, and `export.json`, which holds what was measured. A file that is
    refused is put aside under a name with `.rejected` in it; a file that was
    exported there before stays, as do files of other formats.

    Args:
        config: Its `export` says what may differ.
        model_path: A `.keras` file.
        validation: Poses to verify on.
        output: The folder.
        formats: Some of `FORMATS`.
        names: Signatures of the `.tflite` files, see `signatures.endpoints`.
        combined: Whether one `ampose_<format>.tflite` holds all of them.
        batch: Poses per call of the `.tflite` files.
        training: What the formats in `tflite.CALIBRATED` are calibrated on;
            None where there is none among `formats`.
        origin: What files say of the training data, see `sources.origin`.

    Returns:
        What `export.json` holds: `files` and `rejected`, {name: measured}.

    Raises:
        OSError: Where something cannot be read or written.
        ValueError: Where a format or signature is unknown, or the model does
            not fit the poses or a signature.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise ValueError(
            f"Unknown format {', '.join(unknown) or '(none)'}; expected some "
            f"of {', '.join(FORMATS)}"
        )
    model, refinement = stored.load_both(model_path)
    checkpoint = stored.describe_checkpoint(model_path)
    if refinement is not None:
        checkpoint += "; its lifter, without the pose refinement"
    stored.check_fits(
        model_path, model.adjacency.shape[1], model.normalisation, config
    )
    signatures.check(names, model)
    calibration = {}
    if set(formats) & set(tflite.CALIBRATED):
        calibration = calibration_of(config, model, training)
    count = min(config.export.verification_poses, validation.count)
    spread = np.linspace(0, validation.count - 1, count).astype(int)
    poses = validation.select(spread)
    asked = names
    if "saved_model" in formats:
        asked = signatures.possible(model)
    cases = verify.cases(model, poses, asked)
    known = origin or {}
    kept, rejected, made = {}, {}, {}
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".export.") as folder:
        for name, format, held in _plan(formats, names, combined):
            print(f"exporting {name} ...", flush=True)
            path = pathlib.Path(folder, name)
            path.parent.mkdir(exist_ok=True)
            try:
                if format == "saved_model":
                    saved_model.write(model, path, checkpoint)
                    kept[name] = verify.saved_model(
                        path, cases, poses, config.export
                    )
                    known_of = known | {"measured": _figures(kept[name])}
                    saved_model.write_metadata(
                        path,
                        signatures.metadata(model, checkpoint, **known_of),
                    )
                else:
                    tflite.write(
                        *(model, path, format, checkpoint, held, batch),
                        calibration,
                    )
                    kept[name] = verify.tflite(
                        path, format, cases, poses, config.export
                    )
                    if combined and len(held) > 1:
                        kept[name] |= _growth(
                            path, model, format, batch, calibration
                        )
                    known_of = known | {"measured": _figures(kept[name])}
                    tflite.replace_metadata(
                        path,
                        signatures.metadata(
                            *(model, checkpoint),
                            format=format,
                            batch=batch,
                            signatures=held,
                            **known_of,
                        ),
                    )
                made[name] = path
            except verify.Refused as error:
                rejected[name] = error.measured | {"reason": str(error)}
                made[rejected_name(name)] = path
        report = {
            "model": str(model_path),
            "checkpoint": checkpoint,
            **known,
            "files": kept,
            "rejected": rejected,
        }
        _place(made, output, report)
    for name in kept:
        _remove(output / rejected_name(name))
    return report


def calibration_of(
    config: Config, model: AMPose, training: Poses | Motion3D
) -> dict[str, np.ndarray]:
    """Returns the inputs of `lift` that activations are measured on.

    Args:
        config: How training sees the motion; how many poses.
        model: What takes them.
        training: The config's training poses, or the motion that training
            draws them from.

    Raises:
        ValueError: Where there are none.
    """
    count = config.export.calibration_poses
    if isinstance(training, Motion3D):
        # As training sees them in its first epoch.
        count = min(count, config.data.poses_per_epoch)
        batches = pipeline.motion_batches(
            *(training, config.data, count, config.train.seed, range(1)),
            model.seen_input,
        )
        given, _ = next(batches.as_numpy_iterator())
        return given if model.seen_input else {"keypoints_2d": given}
    if not training.count:
        raise ValueError("There are no training poses to calibrate on")
    spread = np.linspace(0, training.count - 1, min(count, training.count))
    return verify.inputs(training.select(spread.astype(int)), model.seen_input)


def rejected_name(name: str) -> str:
    """Returns the name that a refused file gets."""
    if name.endswith(".tflite"):
        return name.removesuffix(".tflite") + ".rejected.tflite"
    return name.replace("/", ".rejected/")


def _plan(formats, names, combined):
    """Yields (file, format, signatures) of what is to be written."""
    for format in formats:
        if format == "saved_model":
            yield "saved_model/1", format, ()
        elif combined:
            yield f"ampose_{format}.tflite", format, names
        else:
            for name in names:
                suffix = "" if name == "lift" else f"_{name}"
                yield f"ampose_{format}{suffix}.tflite", format, (name,)


def _growth(path, model, format, batch, calibration):
    """Says what the further signatures of a file cost."""
    with tempfile.TemporaryDirectory() as folder:
        alone = pathlib.Path(folder, path.name)
        tflite.write(
            *(model, alone, format, "", ("lift",), batch), calibration
        )
        return {
            "bytes_of_lift_alone": alone.stat().st_size,
            "memory_bytes": runtime.memory_bytes(path),
            "memory_bytes_of_lift_alone": runtime.memory_bytes(alone),
        }


def _figures(measured):
    """Returns what a file says of itself; its operators it shows."""
    return {n: value for n, value in measured.items() if n != "operators"}


def _place(made, output, report):
    """Puts all files in their places, and the report last."""
    with contextlib.ExitStack() as placed:
        # Entered first, put in place last: it never speaks of files to come.
        described = placed.enter_context(
            files.replacing(output / "export.json")
        )
        for name, path in made.items():
            if name in report["files"] and path.is_file():
                report["files"][name]["bytes"] = path.stat().st_size
            os.replace(
                path, placed.enter_context(files.replacing(output / name))
            )
        described.write_text(
            json.dumps(report, indent=2) + "\n", encoding="utf-8"
        )


def _remove(path):
    """Removes what an earlier export put aside."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

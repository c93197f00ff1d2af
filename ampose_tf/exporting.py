"""Driver: a trained model to verified files."""

import contextlib
import json
import pathlib

import numpy as np

from ampose_tf import files
from ampose_tf.config import Config
from ampose_tf.data.poses import Poses
from ampose_tf.export import saved_model, tflite, verify
from ampose_tf.models import stored

FORMATS = ("saved_model", *tflite.FORMATS)


def export(
    config: Config,
    model_path: pathlib.Path,
    validation: Poses,
    output: pathlib.Path,
    formats: tuple[str, ...],
) -> dict:
    """Exports a `.keras` model, verifies every file, then keeps all of them.

    Leaves `saved_model/1/`, `ampose_<format>.tflite` and `export.json`, which
    holds what was measured. One file that is refused, and none of them
    replaces an earlier one. Earlier files of other formats stay.

    Args:
        config: Its `export` says what may differ.
        model_path: A `.keras` file.
        validation: Poses to verify on.
        output: The folder.
        formats: Some of `FORMATS`.

    Returns:
        What `export.json` holds.

    Raises:
        OSError: Where something cannot be read or written.
        ValueError: Where a format is unknown, the model does not fit the
            poses, or a file is refused.
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
    count = min(config.export.verification_poses, validation.count)
    spread = np.linspace(0, validation.count - 1, count).astype(int)
    poses = validation.select(spread)
    inputs = verify.inputs(poses, model.seen_input)
    expected = model.rebuilt().predict(
        inputs if model.seen_input else poses.keypoints_2d, verbose=0
    )
    measured = {}
    with contextlib.ExitStack() as kept:
        # Entered first, put in place last: it never speaks of files to come.
        described = kept.enter_context(files.replacing(output / "export.json"))
        for format in formats:
            print(f"exporting {format} ...", flush=True)
            if format == "saved_model":
                name = "saved_model/1"
                path = kept.enter_context(files.replacing(output / name))
                saved_model.write(model, path, checkpoint)
                measured[name] = verify.saved_model(
                    path, inputs, expected, poses, config.export
                )
            else:
                name = f"ampose_{format}.tflite"
                path = kept.enter_context(files.replacing(output / name))
                tflite.write(model, path, format, checkpoint)
                measured[name] = verify.tflite(
                    path, format, inputs, expected, poses, config.export
                )
        report = {
            "model": str(model_path),
            "checkpoint": checkpoint,
            "files": measured,
        }
        described.write_text(
            json.dumps(report, indent=2) + "\n", encoding="utf-8"
        )
    return report

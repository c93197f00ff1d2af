r"""Lifts keypoints in bulk on Apache Beam.

    pip install 'ampose_tf[beam]'
    python -m ampose_tf.bulk --input='keypoints/*.parquet' --output=lifted \
        --runner=DirectRunner --direct_num_workers=2 \
        --direct_running_mode=multi_processing

Reads Parquet with a pose a row (see docs/scale.md), or keypoint files that
lift.py reads, on any of Beam's file systems. Writes

    lifted/poses/       Parquet or TFRecord, the rows with their poses
    lifted/bad_rows/    Parquet, rows that could not be lifted, with a reason
    lifted/_SUCCESS     at the very end: the rest is then whole

Flags that are not below are Beam's: --runner=DataflowRunner, FlinkRunner,
SparkRunner and theirs, see https://beam.apache.org/documentation/runners/.
The exit status is 4 if there are bad rows.
"""

import importlib.util
import logging
import sys

from absl import flags

from ampose_tf import config
from ampose_tf.conversion import SEEN_SCORE
from ampose_tf.lifting.keypoints import PERSON_SCORE

_EXTRA = ("apache_beam", "pyarrow")


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags of `main`."""
    flags.DEFINE_string(
        "input",
        None,
        "Files of keypoints, a pattern in quotes: all Parquet, or none.",
        required=True,
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "output",
        None,
        "Folder to write, which does not exist yet.",
        required=True,
        flag_values=flag_values,
    )
    flags.DEFINE_enum(
        "format",
        "parquet",
        ["parquet", "tfrecord"],
        "Format of the poses.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "model",
        "ampose_s",
        "ampose_s (the default) or ampose_t, which are released, or a model's "
        "path on every worker.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "trust_model",
        False,
        "Run a .tflite or a SavedModel that is refused as untrusted. It may "
        "then read and write your files.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "flip_ensemble",
        True,
        "Average what the model makes of each pose and of its mirror image, "
        "at twice the time.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "image_size",
        None,
        "WIDTHxHEIGHT in pixels of all images; by default a column or a "
        "keypoint file says it.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "skeleton",
        None,
        "Skeleton of all keypoints, by its name or as a .json; by default a "
        "column or a keypoint file says it.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "seen_score",
        SEEN_SCORE,
        "A joint counts as seen from this score on.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "person_score",
        PERSON_SCORE,
        "Least score of a person in keypoint files; Parquet has none.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "fov_deg",
        None,
        "The camera's field of view in degrees along the image's longer side, "
        "60 by default.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "intrinsics",
        None,
        "FX,FY,CX,CY in pixels, in place of --fov_deg.",
        flag_values=flag_values,
    )


def main(options: flags.FlagValues, beam_flags: list[str]) -> int | None:
    """Lifts what the flags name.

    Args:
        options: The flags of `define_flags`.
        beam_flags: Beam's own.

    Returns:
        The exit status, 4 if there are bad rows.

    Raises:
        OSError: If a file cannot be read or written, or the output exists.
        ValueError: If a flag or a file is wrong, or the extra is missing.
    """
    for package in _EXTRA:
        if importlib.util.find_spec(package) is None:
            raise ValueError(
                f"needs {package}: pip install 'ampose_tf[beam]' brings it"
            )
    # Beam warns of what it lacks for other clouds.
    logging.disable(logging.WARNING)
    try:
        # Takes seconds.
        from ampose_tf.bulk import running
    finally:
        logging.disable(logging.NOTSET)
    return running.run(options, beam_flags)


if __name__ == "__main__":
    sys.argv[0] = "bulk"
    config.run(main, define_flags, passes_on=True)

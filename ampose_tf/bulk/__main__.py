r"""Lifts keypoints in bulk with Apache Beam.

    pip install 'ampose_tf[beam]'
    python -m ampose_tf.bulk --input='keypoints/*.parquet' --output=lifted \
        --runner=DirectRunner --direct_num_workers=2

Reads Parquet files with one pose per row (see docs/scale.md), or keypoint
files as lift.py does, from any of Beam's file systems. Writes

    lifted/poses/       Parquet or TFRecord, the rows with their poses
    lifted/bad_rows/    Parquet, rows that could not be lifted, with reasons
    lifted/_SUCCESS     written last; marks the output as complete

Other flags than those below are passed to Beam, such as
--runner=DataflowRunner, FlinkRunner or SparkRunner and their flags, see
https://beam.apache.org/documentation/runners/. The exit status is 4 if there
are bad rows.
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
        "Pattern of keypoint files, in quotes; all or none are Parquet.",
        required=True,
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "output",
        None,
        "Output folder, which must not exist.",
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
        "A released model, ampose_s (the default) or ampose_t, or a model's "
        "path on every worker.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "trust_model",
        False,
        "Run a .tflite file or SavedModel that is refused as untrusted. It "
        "can then read and write your files.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "flip_ensemble",
        True,
        "Average the predictions for each pose and for its mirror image, "
        "which doubles the time.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "image_size",
        None,
        "WIDTHxHEIGHT in pixels of all images; by default from a column or "
        "the keypoint file.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "skeleton",
        None,
        "Skeleton of all keypoints, a name or a .json file; by default from a "
        "column or the keypoint file.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "seen_score",
        SEEN_SCORE,
        "Minimum score of seen joints.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "person_score",
        PERSON_SCORE,
        "Minimum score of a person in keypoint files; not for Parquet.",
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
        "FX,FY,CX,CY in pixels, instead of --fov_deg.",
        flag_values=flag_values,
    )


def main(options: flags.FlagValues, beam_flags: list[str]) -> int | None:
    """Lifts keypoints according to flags.

    Args:
        options: The flags of `define_flags`.
        beam_flags: Beam's flags.

    Returns:
        The exit status, 4 if there are bad rows.

    Raises:
        OSError: If a file cannot be read or written, or the output exists.
        ValueError: If a flag or a file is wrong, or the extra is missing.
    """
    for package in _EXTRA:
        if importlib.util.find_spec(package) is None:
            raise ValueError(f"needs {package}: pip install 'ampose_tf[beam]'")
    # Beam warns about missing packages for other clouds.
    logging.disable(logging.WARNING)
    try:
        # Takes seconds to import.
        from ampose_tf.bulk import running
    finally:
        logging.disable(logging.NOTSET)
    return running.run(options, beam_flags)


if __name__ == "__main__":
    sys.argv[0] = "bulk"
    config.run(main, define_flags, passes_on=True)

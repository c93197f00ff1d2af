r"""Exports a trained model as SavedModel and TFLite files.

    python export.py --config=configs/demo.py --model=runs/demo/best.keras \
        --output=runs/demo/export \
        --formats=saved_model,float32,float16,dynamic_int8

Every file is compared with the Keras model on the config's validation poses
before it is kept; export.json holds what was measured. A file that misses its
budget (config.export) is put aside as NAME.rejected.tflite, and the exit
status is 3.

    --signatures=lift,lift_pixels,lift_coco17   one .tflite each
    --combined                                  all of them in one
"""

import pathlib

from absl import flags

from ampose_tf import config

_CONFIG = config.define_flag()
_MODEL = flags.DEFINE_string("model", None, "A .keras file.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "A folder.", required=True)
_FORMATS = flags.DEFINE_list(
    "formats",
    "saved_model,float32,float16,dynamic_int8",
    "Some of saved_model, float32, float16, dynamic_int8, int8, "
    "int8_float_attention.",
)
_SIGNATURES = flags.DEFINE_list(
    "signatures",
    "lift",
    "Of the .tflite files: some of lift (normalised keypoints), lift_pixels, "
    "lift_coco17 (a detector's joints and scores).",
)
_COMBINED = flags.DEFINE_bool(
    "combined", False, "Whether one .tflite holds all signatures."
)
_BATCH = flags.DEFINE_integer(
    "batch", 1, "Poses per call of the .tflite files.", lower_bound=1
)

# The formats that look at training poses before they are made.
_CALIBRATED = {"int8", "int8_float_attention"}


def main():
    # Data first: it is there or not long before TensorFlow has loaded.
    from ampose_tf.data import sources

    validation = sources.load(_CONFIG.value, "validation")
    training = None
    if _CALIBRATED & set(_FORMATS.value):
        training = sources.load(_CONFIG.value, "train")

    from ampose_tf import exporting

    report = exporting.export(
        _CONFIG.value,
        pathlib.Path(_MODEL.value),
        validation,
        pathlib.Path(_OUTPUT.value),
        tuple(_FORMATS.value),
        tuple(_SIGNATURES.value),
        _COMBINED.value,
        _BATCH.value,
        training,
        sources.origin(_CONFIG.value),
    )
    for name, measured in report["files"].items():
        print(
            f"{_OUTPUT.value}/{name}: {measured['bytes'] / 1e6:.2f} MB, "
            f"largest deviation {measured['max_mm']:.4f} mm, MPJPE "
            f"{measured['mpjpe_change_mm']:+.3f} mm"
        )
    for name, measured in report["rejected"].items():
        print(
            f"{_OUTPUT.value}/{exporting.rejected_name(name)}: "
            f"{measured['reason']}"
        )
    return 3 if report["rejected"] else 0


if __name__ == "__main__":
    config.run(main)

r"""Exports a trained model as SavedModel and TFLite files.

    python export.py --config=configs/demo.py --model=runs/demo/best.keras \
        --output=runs/demo/export \
        --formats=saved_model,float32,float16,dynamic_int8

Every file is compared with the Keras model on the config's validation poses
before it is kept; export.json holds what was measured.
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
    "Some of saved_model, float32, float16, dynamic_int8.",
)


def main():
    # Data first: it is there or not long before TensorFlow has loaded.
    from ampose_tf.data import sources

    validation = sources.load(_CONFIG.value, "validation")

    from ampose_tf import exporting

    report = exporting.export(
        _CONFIG.value,
        pathlib.Path(_MODEL.value),
        validation,
        pathlib.Path(_OUTPUT.value),
        tuple(_FORMATS.value),
    )
    for name, measured in report["files"].items():
        print(
            f"{_OUTPUT.value}/{name}: {measured['bytes'] / 1e6:.2f} MB, "
            f"largest deviation {measured['max_mm']:.4f} mm, MPJPE "
            f"{measured['mpjpe_change_mm']:+.3f} mm"
        )


if __name__ == "__main__":
    config.run(main)

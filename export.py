r"""Exports a trained model as SavedModel and TFLite files.

    python export.py --config=configs/demo.py --model=runs/demo/best.keras \
        --output=runs/demo/export \
        --formats=saved_model,float32,float16,dynamic_int8

Every file is compared with the Keras model on the config's validation poses
before it is kept; export.json holds the measurements. A file that exceeds its
limit (config.export) is kept as NAME.rejected.tflite, a SavedModel as
saved_model.rejected/N, and the exit status is 3. What the model was trained
on is read from the config.json of its run, in the same folder.

    --signatures=lift,lift_pixels,lift_coco17   one .tflite each
    --combined                                  all of them in one file
    --compress=prune,cluster,qat                set weights to zero, let them
                                                share values, train them as
                                                integers
"""

import pathlib

from absl import flags

from ampose_tf import config


def define_flags(flag_values):
    config.define_flag(flag_values)
    flags.DEFINE_string(
        "model",
        None,
        "A .keras file, or a released model: ampose_s, ampose_t.",
        required=True,
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "output",
        None,
        "Output folder.",
        required=True,
        flag_values=flag_values,
    )
    flags.DEFINE_list(
        "formats",
        None,
        "Some of saved_model, float32, float16, dynamic_int8, int8, "
        "int8_float_attention; by default the first four, with --compress "
        "without saved_model.",
        flag_values=flag_values,
    )
    flags.DEFINE_list(
        "signatures",
        "lift",
        "Signatures of the .tflite files: some of lift (normalised "
        "keypoints), lift_pixels, lift_coco17 (a detector's joints and "
        "scores).",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "combined",
        False,
        "Whether to write one .tflite file with all signatures.",
        flag_values=flag_values,
    )
    flags.DEFINE_list(
        "compress",
        [],
        "Some of prune, cluster, qat, applied in this order: compresses the "
        ".tflite files and fine-tunes for config.export.finetune_epochs; "
        "--config must then be that of the model's run.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "batch",
        1,
        "Poses per call of the .tflite files.",
        lower_bound=1,
        flag_values=flag_values,
    )


def main(options):
    # Data first: missing data is reported before TensorFlow is loaded.
    from ampose_tf.data import sources

    validation = sources.load(options.config, "validation")

    from ampose_tf import exporting, weights
    from ampose_tf.export import folder, tflite
    from ampose_tf.export.artefacts import Choice

    techniques = tuple(options.compress)
    formats = exporting.default_formats(techniques)
    if options.formats is not None:
        formats = tuple(options.formats)
    choice = Choice(
        formats,
        signatures=tuple(options.signatures),
        combined=options.combined,
        batch=options.batch,
        techniques=techniques,
    )
    exporting.check(choice)
    training = None
    if techniques or set(formats) & set(tflite.CALIBRATED):
        training = sources.load(options.config, "train")
    request = exporting.request(
        options.config,
        pathlib.Path(weights.RELEASED.get(options.model, options.model)),
        validation,
        choice,
        training,
    )
    report = exporting.export(request, pathlib.Path(options.output))
    for name, measured in report["files"].items():
        size = f"{measured['bytes'] / 1e6:.2f} MB"
        changed = "MPJPE"
        if techniques:
            size += f", {measured['gzip_bytes'] / 1e6:.2f} MB zipped"
            changed = "from the compressed network; MPJPE since before"
        print(
            f"{options.output}/{name}: {size}, largest deviation "
            f"{measured['max_mm']:.4f} mm, {changed} "
            f"{measured['mpjpe_change_mm']:+.3f} mm"
        )
    for name, measured in report["rejected"].items():
        print(
            f"{options.output}/{folder.rejected_name(name)}: "
            f"{measured['reason']}"
        )
    return 3 if report["rejected"] else 0


if __name__ == "__main__":
    config.run(main, define_flags)

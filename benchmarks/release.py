r"""Creates the released files and the model card of a finished run.

    python -m benchmarks.release --config=configs/mocap_s.py \
        --config.data.root=DIR --workdir=runs/mocap_s --name=ampose_s \
        --detections=REAL/balancing_openpose.npz

Writes NAME.keras (the run's last.keras), NAME_<format>.tflite and, for
detectors' pixels, NAME_<format>_lift_coco17.tflite if they pass the
verification of export.py, and NAME.md: card.md with the current figures.

With --again instead of --workdir, the .tflite files are created again from the
released NAME.keras, and NAME.md is updated where it describes files. Use it
after a change of the exports.
"""

import csv
import os
import pathlib
import shlex
import shutil
import sys
import tempfile

from absl import flags

from ampose_tf import config, files
from benchmarks import cards, conditions, detections, real_detections

_SIGNATURES = ("lift", "lift_coco17")
_FORMATS = ("float32", "float16", "dynamic_int8")


def define_flags(flag_values):
    config.define_flag(flag_values)
    flags.DEFINE_string(
        "workdir",
        "",
        "Folder of the finished run.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "again",
        False,
        "Whether to export the released model again.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "name", None, "Model name.", required=True, flag_values=flag_values
    )
    flags.DEFINE_multi_string(
        "detections",
        [],
        "Files of real detections for the card, see detections.py.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "machine",
        f"{os.cpu_count()} cores",
        "Machine that the run was trained on.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "output", "ampose_tf/weights", "Folder.", flag_values=flag_values
    )


def main(options):
    experiment, name = options.config, options.name
    output = pathlib.Path(options.output)
    if bool(options.workdir) == options.again:
        raise ValueError(
            "Expected one of --workdir and --again, got none or both"
        )
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        if options.again:
            made, text = _exported_again(experiment, name, output, folder)
        else:
            workdir = pathlib.Path(options.workdir)
            made, text = _released(options, workdir, folder)
        for file in made:
            with files.replacing(output / file.name) as temporary:
                shutil.copy(file, temporary)
            print(output / file.name)
    files.write_text(output / f"{name}.md", text)
    print(output / f"{name}.md")


def _released(options, workdir, folder):
    """Returns the files of a finished run, and the text of its card."""
    from ampose_tf import exporting
    from ampose_tf.data import sources
    from ampose_tf.lifting import Lifter
    from ampose_tf.lifting.predictor import load_predictor
    from ampose_tf.models import stored

    experiment, name = options.config, options.name
    history = _finished(workdir, experiment)
    motion = sources.load(experiment, "train")
    judged_on = conditions.conditions_of(experiment)
    model = shutil.copy(workdir / "last.keras", folder / f"{name}.keras")
    # The copy has no config.json next to it.
    origin = exporting.origin_of(workdir / "last.keras")
    made = _exported(
        experiment, model, judged_on["fixed"].poses, folder, origin
    )
    print(f"evaluating {model.name} ...", flush=True)
    predict = load_predictor(model, experiment.evaluation.batch_size)
    text = cards.filled_in(
        name=name,
        command=_command(name),
        experiment=experiment,
        motion=motion,
        parameters=stored.load(model).count_params(),
        history=history,
        released=_by_name({model: {"bytes": model.stat().st_size}} | made),
        judged=conditions.judge(predict, judged_on),
        machine=options.machine,
        real={
            pathlib.Path(path).name: real_detections.judge(
                {name: Lifter(model)}, detections.read(path)
            )
            for path in options.detections
        },
    )
    return [model, *made], text


def _exported_again(experiment, name, output, folder):
    """Returns the .tflite files of a released model, and its card's text."""
    from ampose_tf import exporting
    from ampose_tf.data import sources
    from ampose_tf.models import stored

    model, card = output / f"{name}.keras", output / f"{name}.md"
    text = card.read_text(encoding="utf-8")
    trained, expected = stored.load(model), experiment.model
    if (trained.depth, trained.width) != (expected.depth, expected.width):
        raise ValueError(f"{model} has another size than the config")
    poses = sources.load(experiment, "validation")
    origin = exporting.origin_of(model)
    if origin == sources.UNKNOWN:
        raise ValueError(f"{model}: not a released model")
    made = _exported(experiment, model, poses, folder, origin)
    released = _by_name({model: {"bytes": model.stat().st_size}} | made)
    return list(made), cards.with_files(text, released)


def _exported(experiment, model, poses, folder, origin):
    """Returns {.tflite: measurements}."""
    from ampose_tf import exporting
    from ampose_tf.export.artefacts import Choice
    from ampose_tf.models import stored

    made = {}
    for signature in _SIGNATURES:
        request = exporting.request(
            experiment,
            model,
            poses,
            Choice(_FORMATS, signatures=(signature,)),
            origin=origin,
        )
        # A new model is not in the package's folder yet.
        request = request._replace(
            checkpoint=f"{model.name}: {stored.RELEASED}"
        )
        report = exporting.export(request, folder)
        if report["rejected"]:
            rejected, *_ = report["rejected"].values()
            raise ValueError(rejected["reason"])
        for file, measured in report["files"].items():
            new = folder / file.replace("ampose", model.stem)
            made[(folder / file).rename(new)] = measured
    return made


def _by_name(made):
    return {file.name: measured for file, measured in made.items()}


def _finished(workdir, experiment):
    """Returns the history of a run with this config and all its epochs."""
    difference = config.difference(
        config.load(workdir / "config.json"), experiment
    )
    if difference:
        raise ValueError(
            f"{workdir} holds a run of another config: {difference}"
        )
    with open(workdir / "history.csv", encoding="utf-8", newline="") as file:
        history = list(csv.DictReader(file))
    if len(history) != experiment.train.epochs:
        raise ValueError(
            f"{workdir}: {len(history)} of {experiment.train.epochs} epochs "
            "are done"
        )
    return history


def _command(name):
    """Returns the training command of the run, with general folder names."""
    words = [word for word in sys.argv[1:] if word.startswith("--config")]
    words = [word for word in words if ".data.root=" not in word]
    return (
        shlex.join(["python", "train.py", *words, "--config.data.root=DIR"])
        + f" --workdir=runs/{name}"
    )


if __name__ == "__main__":
    config.run(main, define_flags)

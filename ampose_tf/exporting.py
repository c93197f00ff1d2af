"""Driver: a trained model to verified files."""

import pathlib
import sys

import numpy as np

from ampose_tf import config as configuration
from ampose_tf import files, weights
from ampose_tf.config import Config
from ampose_tf.data import pipeline, sources
from ampose_tf.data.feed import Feed
from ampose_tf.data.mocap import Motion3D
from ampose_tf.data.poses import Poses
from ampose_tf.export import (
    artefacts,
    folder,
    runtime,
    signatures,
    tflite,
    verify,
)
from ampose_tf.models import stored
from ampose_tf.models.ampose import AMPose

FORMATS = ("saved_model", *tflite.FORMATS)
_BY_DEFAULT = ("saved_model", "float32", "float16", "dynamic_int8")

# Of compression, in this order, as each keeps what those before it did.
TECHNIQUES = ("prune", "cluster", "qat")

# What compression imports that most users do without.
_LIBRARIES = ("distutils", "tensorflow_model_optimization", "tf_keras")


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
    techniques: tuple[str, ...] = (),
) -> dict:
    """Exports a `.keras` model and verifies every file before it is kept.

    Leaves `saved_model/1/`, `ampose_<format>.tflite` with the signature
    `lift`, `ampose_<format>_<signature>.tflite` with each other one asked
    for, and `export.json`, which holds what was measured. A file that is
    refused is put aside under a name with `.rejected` in it; a file that was
    exported there before stays, as do files of other formats, and
    `export.json` goes on to say what was measured of them.

    Args:
        config: Its `export` says what may differ.
        model_path: A `.keras` file.
        validation: Poses to verify on.
        output: The folder.
        formats: Some of `FORMATS`.
        names: Signatures of the `.tflite` files, see `signatures.endpoints`.
        combined: Whether one `ampose_<format>.tflite` holds all of them.
        batch: Poses per call of the `.tflite` files.
        training: What the formats in `tflite.CALIBRATED` are calibrated on,
            and compression trains on; None where neither is asked for.
        origin: What files say of the training data; None for `origin_of` the
            model.
        techniques: Some of `TECHNIQUES`, by which the model is compressed
            before; the names of its files begin with them, and it lies
            beside them as `<techniques>_ampose.keras`.

    Returns:
        `files` and `rejected`, {name: measured}, of this export.

    Raises:
        OSError: Where something cannot be read or written.
        FloatingPointError: Where compression diverges.
        ValueError: Where `check` raises, a signature is unknown, the model
            does not fit the poses or a signature, there is nothing to
            calibrate or train on, or an earlier `export.json` is damaged.
    """
    check(formats, names, combined, batch, techniques)
    earlier = folder.earlier(output)
    trained = _load(config, model_path, names, origin, techniques)
    calibration = _calibration(config, trained.model, training, formats, batch)
    report = {
        "model": str(model_path),
        "model_sha256": files.sha256(model_path),
        "checkpoint": trained.checkpoint,
        **trained.origin,
    }
    plan = artefacts.plan(formats, names, combined, batch, techniques)
    kept, rejected, made = {}, {}, {}
    with folder.workplace(output) as place:
        before, change_mm = None, None
        if techniques:
            before, change_mm = trained.model, config.export.compression_mm
            told = origin is not None
            trained = _compressed(config, trained, techniques, training, told)
        poses = _spread(validation, config.export.verification_poses)
        asked = names
        if "saved_model" in formats:
            asked = signatures.possible(trained.model)
        cases = verify.cases(trained.model, poses, asked, before, change_mm)
        for name, file in plan:
            print(f"exporting {name} ...", flush=True)
            path = place / name
            path.parent.mkdir(exist_ok=True)
            measured = artefacts.make(
                *(path, file, trained, calibration),
                *(cases, poses, config.export),
            )
            if techniques:
                # Of these alone: files of the model itself may lie beside.
                measured |= {"checkpoint": trained.checkpoint}
                measured |= trained.origin | trained.compression
            if "reason" in measured:
                rejected[name] = measured
                made[folder.rejected_name(name)] = path
            else:
                kept[name] = measured
                made[name] = path
        if techniques:
            # To be judged as any other, and exported again.
            name = "_".join((*techniques, "ampose.keras"))
            made[name] = place / name
            trained.model.save(made[name])
        report |= {"files": kept, "rejected": rejected}
        merged = folder.with_earlier(report, earlier, output)
        folder.place(made, output, merged)
    for name in kept:
        folder.remove(output / folder.rejected_name(name))
    return report


def _load(config, model_path, names, origin, techniques):
    """Returns what is exported of a `.keras` file, which fits all else."""
    model, refinement = stored.load_both(model_path)
    checkpoint = stored.describe_checkpoint(model_path)
    if refinement is not None:
        if techniques:
            raise ValueError(
                f"{model_path}: a lifter with pose refinement is not "
                "compressed; expected one without"
            )
        checkpoint += "; its lifter, without the pose refinement"
    stored.check_fits(
        model_path, model.adjacency.shape[1], model.normalisation, config
    )
    signatures.check(names, model)
    if origin is None:
        origin = origin_of(model_path)
    return artefacts.Trained(model, checkpoint, origin, {})


def _calibration(config, model, training, formats, batch):
    """Returns what `calibration_of` does, if any format asks for it."""
    calibrated = [name for name in formats if name in tflite.CALIBRATED]
    if not calibrated:
        return {}
    if training is None:
        raise ValueError(
            f"{calibrated[0]} is calibrated on training poses; got none"
        )
    calibration = calibration_of(config, model, training)
    tflite.check_calibration(calibration, calibrated[0], batch)
    return calibration


def default_formats(techniques: tuple[str, ...]) -> tuple[str, ...]:
    """Returns what is exported where nobody says which.

    Args:
        techniques: Of compression, which is for `.tflite` files alone.
    """
    return _BY_DEFAULT[1:] if techniques else _BY_DEFAULT


def check(
    formats: tuple[str, ...],
    names: tuple[str, ...] = ("lift",),
    combined: bool = False,
    batch: int = 1,
    techniques: tuple[str, ...] = (),
) -> None:
    """Checks what `export` is asked for, before anything is loaded.

    Raises:
        ValueError: Where a format or a technique is unknown or comes twice,
            the libraries for compression are not installed, or the other
            arguments make no sense for these formats.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats or len(set(formats)) < len(formats):
        raise ValueError(
            f"Unknown or repeated format "
            f"{', '.join(unknown or formats) or '(none)'}; expected some of "
            f"{', '.join(FORMATS)}"
        )
    if combined and ("lift" not in names or len(names) < 2):
        raise ValueError(
            "A combined file has lift and other signatures; got "
            f"{', '.join(names)}"
        )
    if formats == ("saved_model",) and (
        combined or batch != 1 or names != ("lift",)
    ):
        raise ValueError(
            "A SavedModel always has all signatures and takes any batch; "
            "signatures, combined and batch are for .tflite formats"
        )

    if techniques != tuple(name for name in TECHNIQUES if name in techniques):
        raise ValueError(
            f"Unknown, repeated or misplaced compression "
            f"{','.join(techniques)}; expected some of "
            f"{','.join(TECHNIQUES)}, in this order"
        )
    if techniques and "saved_model" in formats:
        raise ValueError(
            "Compression is for .tflite formats; got saved_model, too"
        )
    if techniques:
        _compression()


def _compression():
    """Returns the module, if its libraries are installed."""
    try:
        from ampose_tf.export import compression
    except ModuleNotFoundError as error:
        if error.name not in _LIBRARIES:
            raise
        raise ValueError(
            f"Compression needs the library {error.name}: pip install "
            "'ampose_tf[compression]' brings it"
        ) from error
    return compression


def _compressed(config, trained, techniques, training, told):
    """Returns what is exported, its model compressed.

    Where it was not told, its origin has what compression trains on, too.
    """
    if training is None:
        raise ValueError("Compression trains on poses; got none")
    if config.train.lifter:
        raise ValueError(
            "train.lifter: compression trains lifters, not their refinement; "
            "expected the config of the lifter's own run"
        )
    model = trained.model
    if model.seen_input != config.model.seen_input:
        raise ValueError(
            f"model.seen_input is {config.model.seen_input}, the model's is "
            f"{model.seen_input}; compression trains on as the model was "
            "trained, so expected the config of its run"
        )
    feed = Feed(config, training)
    print(f"compressing on {feed.description}", flush=True)
    seen = config.train.epochs

    def batches(epochs):
        # Those that come after training's: nothing is seen again.
        return feed.batches(range(seen + epochs.start, seen + epochs.stop))

    compressed = _compression().compress(
        model,
        techniques,
        batches,
        feed.steps,
        config.train,
        config.export,
        # A bar that moves is for terminals; a log gets a line.
        verbose=1 if sys.stdout.isatty() else 2,
    )
    known = trained.origin
    return trained._replace(
        model=compressed,
        checkpoint=f"{trained.checkpoint}; then {', '.join(techniques)}",
        origin=known if told else _joined(known, sources.origin(config)),
        compression={"compression": _described(techniques, config.export)},
    )


def _described(techniques, options):
    """Returns what was done, and how, for `export.json` and the files."""
    by = {
        "prune": ("sparsity", "sparsity_pattern"),
        "cluster": ("clusters",),
        "qat": ("qat_bits",),
    }
    names = ["finetune_epochs", "finetune_learning_rate"]
    for technique in techniques:
        names += by[technique]
    return {"techniques": techniques} | {
        name: getattr(options, name) for name in names
    }


def origin_of(model_path: pathlib.Path) -> dict[str, str]:
    """Returns what a model was trained on, see `sources.origin`.

    Its run says so, by the `config.json` beside it; what its lifter or its
    teacher was trained on is part of it. Of a released model, the files
    exported from it say so. Of others, it is not known.

    Raises:
        ValueError: Where one of these files, or one of the data, is damaged.
    """
    model_path = pathlib.Path(model_path)
    path = model_path.with_name("config.json")
    if not path.is_file():
        return _origin_of_released(model_path)
    trained = configuration.load(path)
    known = sources.origin(trained)
    earlier = trained.train.lifter or trained.train.teacher
    if earlier:
        known = _joined(origin_of(pathlib.Path(earlier)), known)
    return known


def _joined(one, other):
    """Returns what two origins say, each of their parts once.

    No licence has two clauses alike with "; " behind the first.
    """
    joint = "; "
    return {
        name: joint.join(
            dict.fromkeys(one[name].split(joint) + value.split(joint))
        )
        for name, value in other.items()
    }


def _origin_of_released(model_path):
    exported = model_path.with_name(f"{model_path.stem}_float32.tflite")
    beside = weights.AMPOSE_S.parent.resolve()
    if model_path.resolve().parent != beside or not exported.is_file():
        return sources.UNKNOWN.copy()
    described = runtime.metadata(exported)
    return {name: described[name] for name in sources.UNKNOWN}


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
    return verify.inputs(_spread(training, count), model.seen_input)


def _spread(poses, at_most):
    """Returns some poses, from the first to the last."""
    count = min(at_most, poses.count)
    spread = np.linspace(0, poses.count - 1, count).astype(int)
    return poses.select(spread)

"""Driver: exports a trained model to verified files."""

import functools
import pathlib
import sys

from ampose_tf import config as configuration
from ampose_tf import files, weights
from ampose_tf.config import Config
from ampose_tf.data import sources
from ampose_tf.data.feed import make_feed
from ampose_tf.data.mocap import Motion3D
from ampose_tf.data.poses import Poses
from ampose_tf.export import (
    artefacts,
    folder,
    runtime,
    signatures,
    tf_serving,
    tflite,
    verify,
)
from ampose_tf.export.artefacts import Choice, Compression, Request
from ampose_tf.models import stored

FORMATS = ("saved_model", *tflite.FORMATS)
_BY_DEFAULT = ("saved_model", "float32", "float16", "dynamic_int8")

# Techniques of compression, in the order in which each preserves the results
# of the previous ones.
TECHNIQUES = ("prune", "cluster", "qat")

# Optional libraries that compression imports.
_LIBRARIES = ("distutils", "tensorflow_model_optimization", "tf_keras")


def request(
    config: Config,
    model_path: pathlib.Path,
    validation: Poses,
    choice: Choice,
    training: Poses | Motion3D | None = None,
    origin: dict[str, str] | None = None,
) -> Request:
    """Reads a `.keras` model and prepares its export.

    Args:
        config: The experiment; its `export` contains the largest deviations.
        model_path: Path of a `.keras` file.
        validation: Poses to verify on.
        choice: Files to write.
        training: Data for the calibration of formats in `tflite.CALIBRATED`,
            and for compression; None if neither is requested.
        origin: Origin of the training data, which is stored in files; None
            for the model's `origin_of`.

    Returns:
        The argument of `export`.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If the choice is invalid (see `check`), a signature is
            unknown, the model does not match the config or a signature, or
            data for calibration or training are missing.
    """
    check(choice)
    model, checkpoint = _load(config, model_path, choice)
    known = origin_of(model_path) if origin is None else origin
    feed = None if training is None else make_feed(config, training)
    calibration = _calibration(feed, model, choice, config.export)
    compression = None
    if choice.techniques:
        _check_training(config, model, feed)
        known_after = known
        if origin is None:
            known_after = _joined(known, sources.origin(config))
        compression = _compression(
            config, choice.techniques, feed, known_after
        )
    asked = choice.signatures
    if "saved_model" in choice.formats:
        asked = signatures.possible(model)
    return Request(
        model_path=model_path,
        model=model,
        checkpoint=checkpoint,
        origin=known,
        files=artefacts.plan(choice, model),
        signatures=asked,
        poses=validation.spread(config.export.verification_poses),
        calibration=calibration,
        budget=config.export,
        compression=compression,
    )


def export(request: Request, output: pathlib.Path) -> dict:
    """Writes the files of a request, and verifies each before it is kept.

    The output folder contains `saved_model/1/` (or the next version) with
    configuration files for TensorFlow Serving next to it;
    `ampose_<format>.tflite` with the signature `lift`,
    `ampose_<format>_<signature>.tflite` with each other requested signature;
    and `export.json` with measurements. A rejected file is kept under a name
    that contains `.rejected`, and does not replace an earlier export of the
    file. Files of other formats and their measurements in `export.json` are
    kept. Versions of a SavedModel are never replaced. A compressed model is
    saved as `<techniques>_ampose.keras`.

    Args:
        request: Result of `request`.
        output: Output folder.

    Returns:
        The report of this export, with `files` and `rejected`,
        {name: measurements}.

    Raises:
        OSError: If a file cannot be read or written.
        FloatingPointError: If compression diverges.
        ValueError: If a converter fails, an earlier `export.json` is
            damaged, or `saved_model/` contains another model, see
            `tf_serving.next_version`.
    """
    report = {
        "model": str(request.model_path),
        "model_sha256": files.sha256(request.model_path),
        "checkpoint": request.checkpoint,
        **request.origin,
    }
    kept, rejected, made = {}, {}, {}
    with folder.workplace(output) as place:
        # Under the lock, as another export may replace it.
        earlier = folder.earlier(output)
        request = _versioned(request, output)
        if request.compression is not None:
            request = _compressed(request)
        cases = verify.cases(
            request.model, request.poses, request.signatures, request.before
        )
        for name, file in request.files.items():
            print(f"exporting {name} ...", flush=True)
            measured = artefacts.make(place / name, file, request, cases)
            if "reason" in measured:
                rejected[name] = measured
                made[folder.rejected_name(name)] = place / name
            else:
                kept[name] = measured
                made[name] = place / name
                if file.format == "saved_model":
                    made |= tf_serving.write_configs(output, place)
        if request.compression is not None:
            # For evaluation, and for other exports.
            name = "_".join((*request.compression.techniques, "ampose.keras"))
            made[name] = place / name
            request.model.save(made[name])
        report |= {"files": kept, "rejected": rejected}
        folder.place(
            made, output, folder.with_earlier(report, earlier, output)
        )
        for name in kept:
            folder.remove(output / folder.rejected_name(name))
    return report


def _versioned(request, output):
    """Returns the request with the version number of a SavedModel."""
    named = {}
    for name, file in request.files.items():
        if file.format == "saved_model":
            described = signatures.metadata(
                request.model, request.checkpoint, file.signatures
            )
            version = tf_serving.next_version(output / name, described)
            name = f"{name}/{version}"
        named[name] = file
    return request._replace(files=named)


def _load(config, model_path, choice):
    """Returns the network of a file, and the description of its checkpoint."""
    model, refinement = stored.load_both(model_path)
    checkpoint = stored.describe_checkpoint(model_path)
    if refinement is not None:
        if choice.techniques:
            raise ValueError(
                f"{model_path}: compression does not support pose refinement; "
                "expected a lifter without it"
            )
        checkpoint += "; its lifter, without the pose refinement"
    stored.check_fits(
        model_path, model.adjacency.shape[1], model.normalisation, config
    )
    signatures.check(choice.signatures, model)
    return model, checkpoint


def _calibration(feed, model, choice, options):
    """Returns inputs for calibrated formats; {} if there are none."""
    calibrated = [name for name in choice.formats if name in tflite.CALIBRATED]
    if not calibrated:
        return {}
    if feed is None:
        raise ValueError(
            f"{calibrated[0]} is calibrated on training poses; got none"
        )
    calibration = feed.calibration(options.calibration_poses, model.seen_input)
    tflite.check_calibration(calibration, calibrated[0], choice.batch)
    return calibration


def default_formats(techniques: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the formats that are exported by default.

    Args:
        techniques: Techniques of compression, which is only for `.tflite`
            files.
    """
    return _BY_DEFAULT[1:] if techniques else _BY_DEFAULT


def check(choice: Choice) -> None:
    """Checks a choice of files, before anything is loaded.

    Raises:
        ValueError: If a format or a technique is unknown or repeated, the
            libraries for compression are not installed, or other parts of the
            choice do not apply to these formats.
    """
    formats, techniques = choice.formats, choice.techniques
    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats or len(set(formats)) < len(formats):
        raise ValueError(
            f"Unknown or repeated format "
            f"{', '.join(unknown or formats) or '(none)'}; expected some of "
            f"{', '.join(FORMATS)}"
        )
    if choice.combined and (
        "lift" not in choice.signatures or len(choice.signatures) < 2
    ):
        raise ValueError(
            "A combined file contains lift and other signatures; got "
            f"{', '.join(choice.signatures)}"
        )
    if formats == ("saved_model",) and choice != Choice(
        formats, techniques=techniques
    ):
        raise ValueError(
            "A SavedModel always has all signatures and accepts any batch; "
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
            "Compression is only for .tflite formats; got saved_model, too"
        )
    if techniques:
        _library()


def _library():
    """Returns `ampose_tf.export.compression`, if libraries are installed."""
    try:
        from ampose_tf.export import compression
    except ModuleNotFoundError as error:
        if error.name not in _LIBRARIES:
            raise
        raise ValueError(
            f"Compression needs the library {error.name}: pip install "
            "'ampose_tf[compression]'"
        ) from error
    return compression


def _check_training(config, model, feed):
    """Checks that compression can fine-tune a model like its run."""
    if feed is None:
        raise ValueError("Compression needs training poses; got none")
    if config.train.lifter:
        raise ValueError(
            "train.lifter: compression fine-tunes lifters, not their "
            "refinement; expected the config of the lifter's run"
        )
    if model.seen_input != config.model.seen_input:
        raise ValueError(
            f"model.seen_input is {config.model.seen_input}, but the model's "
            f"is {model.seen_input}; compression fine-tunes a model with the "
            "config of its run"
        )


def _compression(config, techniques, feed, origin):
    seen = config.train.epochs

    def batches(epochs):
        # Continue after the epochs of training, so that no data are repeated.
        return feed.batches(range(seen + epochs.start, seen + epochs.stop))

    return Compression(
        techniques=techniques,
        settings=_settings(techniques, config.export),
        origin=origin,
        data=feed.description,
        batches=batches,
        steps_per_epoch=feed.steps,
        recipe=config.train,
    )


def _settings(techniques, options):
    """Returns techniques and settings for `export.json` and the files."""
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


def _compressed(request):
    """Returns the request with its model compressed."""
    how = request.compression
    print(f"compressing on {how.data}", flush=True)
    model = _library().compress(
        request.model,
        how.techniques,
        how.batches,
        steps_per_epoch=how.steps_per_epoch,
        recipe=how.recipe,
        options=request.budget,
        # A progress bar on terminals, lines in logs.
        verbose=1 if sys.stdout.isatty() else 2,
    )
    return request._replace(
        model=model,
        checkpoint=f"{request.checkpoint}; then {', '.join(how.techniques)}",
        origin=how.origin,
        before=request.model,
    )


def origin_of(model_path: pathlib.Path) -> dict[str, str]:
    """Returns the origin of a model's training data, see `sources.origin`.

    It is derived from `config.json` in the model's folder, and includes the
    training data of its lifter or its teacher. For a released model, it is
    read from an exported file. For other models, it is not known.

    Raises:
        ValueError: If one of these files, or of the data, is damaged.
    """
    origins, seen = [], set()
    path = pathlib.Path(model_path)
    while True:
        run = path.with_name("config.json")
        if run.resolve() in seen:
            raise ValueError(f"{run}: the model is its own lifter or teacher")
        seen.add(run.resolve())
        if not run.is_file():
            origins.append(_origin_of_released(path))
            break
        trained = configuration.load(run)
        origins.append(sources.origin(trained))
        earlier = trained.train.lifter or trained.train.teacher
        if not earlier:
            break
        path = pathlib.Path(earlier)
    return functools.reduce(_joined, reversed(origins))


def _joined(one, other):
    """Joins two origins, without repeating parts.

    Parts are separated by "; ". Licences do not contain repeated parts.
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

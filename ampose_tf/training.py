"""Driver: trains a model on poses, and stores it in a workdir."""

import contextlib
import ctypes
import dataclasses
import hashlib
import math
import os
import pathlib
import sys
from collections.abc import Iterable

import keras
import numpy as np

from ampose_tf import config as configuration
from ampose_tf import devices, files, interrupts, locks
from ampose_tf.config import Config
from ampose_tf.data.feed import make_feed, validation_arrays
from ampose_tf.data.mocap import Motion3D
from ampose_tf.data.poses import Poses
from ampose_tf.data.shards import Shards
from ampose_tf.evaluation import metrics
from ampose_tf.models import losses, stored
from ampose_tf.models.ampose import AMPose
from ampose_tf.models.distillation import Distillation
from ampose_tf.models.recorder import CHECKPOINT, Recorder
from ampose_tf.models.refinement import RefinedLifter
from ampose_tf.skeleton import by_joint_count


def train(
    config: Config,
    training: Poses | Motion3D | Shards,
    validation: Poses,
    workdir: pathlib.Path,
    model: keras.Model | None = None,
    sources: Iterable[str | os.PathLike] = (),
) -> None:
    """Trains a model, or resumes an interrupted run.

    Writes to workdir: `best.keras` (lowest validation MPJPE), `last.keras`,
    `config.json`, `history.csv`, and `checkpoint.npz`, the only file that is
    needed to resume. After each epoch, the checkpoint is written first, and
    the other files are derived from it; each replaces its predecessor
    atomically. `files.json` contains the SHA-256 of the others, so that a
    later run can check that they were not modified. With TensorFlow,
    TensorBoard's logs also contain the numbers of `history.csv`.

    Workdir is locked during training. The first SIGINT or SIGTERM stops
    training after the current step, or after the current validation, with a
    checkpoint.

    Args:
        config: The experiment.
        training: Training data; motion is projected to random cameras.
        validation: Poses on which every epoch is evaluated.
        workdir: Output folder.
        model: Another network with AMPose's inputs and a method `rebuilt`;
            None for the AMPose of `config.model`.
        sources: Files of the training and validation data; if they differ in
            a resumed run, the error message names them.

    Raises:
        FloatingPointError: If the loss or weights are not finite.
        OSError: If a file cannot be written, a shard is missing, or another
            process trains in workdir.
        ValueError: If workdir contains a run of another config or of other
            data, one of its files or a shard is damaged, or the devices do
            not support the config.
        interrupts.Interrupted: If a signal stopped training.
    """
    devices.check_machine()
    with interrupts.handled():
        strategy = devices.strategy_for(config)
        if model is None:
            with _scope(strategy):
                model = build(config)
        elif strategy is not None:
            raise ValueError(
                "train.devices: only the config's network can be trained on "
                "several devices; expected one"
            )
        feed = make_feed(config, training)
        with _locked(workdir):
            claim(workdir, config)
            with _scope(strategy):
                compile_for(model, config, feed.steps)
            recorder = Recorder(
                workdir,
                model,
                config.train.teacher,
                {
                    "training": _digest(training),
                    "validation": _digest(validation),
                },
                {
                    str(path): (os.path.getsize(path), files.sha256(path))
                    for path in sources
                },
            )
            with _shards_named(training):
                _train(model, config, feed, validation, recorder, strategy)


@contextlib.contextmanager
def _shards_named(training):
    """Checks shards again after TensorFlow's errors, which name no file."""
    if not isinstance(training, Shards):
        yield
        return
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError:
        training.check()
        raise


def _scope(strategy):
    return contextlib.nullcontext() if strategy is None else strategy.scope()


def _train(model, config, feed, validation, recorder, strategy):
    workdir = recorder.workdir
    with _scope(strategy):
        finished = recorder.resume()
    _check_progress(recorder, config, feed)
    baseline = mean_pose_error_mm(feed.mean_pose(), validation)
    print(
        f"{feed.description}, {validation.count} validation poses; always "
        f"predicting the mean training pose: {baseline:.1f} mm",
        flush=True,
    )
    if finished < config.train.epochs:
        _fit(model, config, feed, validation, recorder, strategy)
    else:
        print("This run is already complete.")
    best, last = recorder.best, recorder.history[-1]
    print(
        f"{workdir}: {last['epoch']} epochs, validation MPJPE "
        f"{last['val_mpjpe_mm']:.1f} mm (last.keras); "
        f"{best['val_mpjpe_mm']:.1f} mm after epoch {best['epoch']} "
        f"(best.keras), {100 * best['val_mpjpe_mm'] / baseline:.0f} % of the "
        "mean pose's"
    )


def _check_progress(recorder, config, feed):
    """Checks that the progress of a resumed run is possible."""
    path = recorder.workdir / CHECKPOINT
    epochs, unfinished = len(recorder.history), recorder.unfinished
    if epochs + (unfinished is not None) > config.train.epochs:
        raise ValueError(
            f"{path}: progress: history: more epochs than train.epochs="
            f"{config.train.epochs}"
        )
    if unfinished is not None and not 0 < unfinished.steps < feed.steps:
        raise ValueError(
            f"{path}: progress: unfinished: steps: expected 1 to "
            f"{feed.steps - 1}, got {unfinished.steps}"
        )


@contextlib.contextmanager
def _locked(workdir):
    if os.path.lexists(workdir) and not workdir.is_dir():
        raise ValueError(f"--workdir: {workdir} is not a folder")
    workdir.mkdir(parents=True, exist_ok=True)
    with locks.held(workdir / locks.NAME):
        yield


def _digest(data):
    """Returns the SHA-256 of all fields of a named tuple."""
    if isinstance(data, Shards):
        return data.sha256
    whole = hashlib.sha256()
    for name, value in data._asdict().items():
        if value is not None:
            array = np.ascontiguousarray(value)
            whole.update(f"{name} {array.dtype} {array.shape} ".encode())
            whole.update(array.reshape(-1).view(np.uint8))
    return whole.hexdigest()


def keep_freed_memory():
    """Configures glibc's allocator to reuse large blocks, from one arena.

    By default it returns each freed block to the system, so that training
    steps with XLA spend a sixth of their time on zeroing some 300 MB of pages.
    Other allocators are not changed.

    As this permanently affects the whole process, it is called by scripts,
    but not by `train`.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    # malloc.h: M_ARENA_MAX, M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD.
    for parameter, value in ((-8, 1), (-4, 0), (-1, 2**31 - 1), (-2, 2**28)):
        mallopt(parameter, value)


def claim(workdir: pathlib.Path, config: Config) -> None:
    """Prepares workdir for a run of a config.

    Raises:
        OSError: If workdir cannot be written.
        ValueError: If workdir contains a run of another config, or the run's
            lifter or teacher.
    """
    given = config.train.lifter or config.train.teacher
    if given and pathlib.Path(given).resolve().parent == workdir.resolve():
        raise ValueError(
            f"{workdir} contains {given}, the lifter or teacher of this run; "
            "choose another --workdir"
        )
    path = workdir / "config.json"
    if os.path.lexists(path):
        difference = configuration.difference(configuration.load(path), config)
        if difference:
            raise ValueError(
                f"{workdir} contains a run of another config: {difference}; "
                "choose another --workdir"
            )
    else:
        files.write_text(path, configuration.to_json(config))
    files.remove_leftovers(workdir)


def build(config: Config) -> AMPose | Distillation | RefinedLifter:
    """Returns the config's model, initialised from its seed, uncompiled.

    With `train.lifter`, this is the lifter with a new refinement. With
    `train.teacher`, this is a new AMPose with its teacher; its initial
    weights are the same as without a teacher.

    Raises:
        OSError: If the file of the lifter or teacher does not exist.
        ValueError: If the lifter does not match the config, or the teacher
            does not have the same inputs as the config's model.
    """
    keras.utils.set_random_seed(config.train.seed)
    skeleton = by_joint_count(config.data.joints)
    adjacency = skeleton.adjacency(config.data.adjacency)
    arguments = dataclasses.asdict(config.model)
    precision = config.train.precision
    path = config.train.lifter
    if not path:
        model = AMPose(adjacency, **arguments, dtype=precision)
        return _taught(model, config) if config.train.teacher else model
    lifter = stored.load(path)
    for name, value in arguments.items():
        if getattr(lifter, name) != value:
            raise ValueError(
                f"{path}: its model.{name} is {getattr(lifter, name)!r}, the "
                f"config's is {value!r}"
            )
    if not np.array_equal(lifter.adjacency, adjacency):
        raise ValueError(
            f"{path}: its joints or adjacency differ from those of the "
            "config's data"
        )
    model = RefinedLifter(lifter.get_config(), dtype=precision)
    model.lifter.set_weights(lifter.get_weights())
    return model


def _taught(student, config):
    path = config.train.teacher
    teacher = stored.load(path)
    stored.check_fits(
        path, teacher.adjacency.shape[1], teacher.normalisation, config
    )
    if teacher.seen_input != student.seen_input:
        raise ValueError(
            f"{path}: its model.seen_input is {teacher.seen_input}, the "
            f"config's is {student.seen_input}; a teacher needs the same "
            "inputs as its student"
        )
    return Distillation(
        student,
        teacher.rebuilt(config.train.precision),
        config.train.teacher_weight,
    )


def compile_for(
    model: keras.Model, config: Config, steps_per_epoch: int
) -> None:
    """Compiles a model with the config's optimiser, schedule and loss.

    A refinement is trained together with its lifter: the loss is the sum of
    the losses of both poses, the metric is that of the refined pose.
    """
    recipe = config.train
    loss, error = losses.LOSSES[recipe.loss], losses.mpjpe_mm
    if isinstance(model, RefinedLifter):
        loss, error = losses.of_both(loss), losses.refined_mpjpe_mm
    # The same name in `fit` and history.csv for all models.
    metric = keras.metrics.MeanMetricWrapper(error, name="mpjpe_mm")
    if recipe.schedule == "cosine":
        schedule = keras.optimizers.schedules.CosineDecay(
            recipe.learning_rate, recipe.epochs * steps_per_epoch
        )
    else:
        schedule = keras.optimizers.schedules.ExponentialDecay(
            recipe.learning_rate, steps_per_epoch, recipe.decay, staircase=True
        )
    model.compile(
        keras.optimizers.Adam(schedule, epsilon=recipe.adam_epsilon),
        loss=loss,
        metrics=[metric],
        jit_compile=recipe.jit_compile,
        steps_per_execution=_steps_at_once(steps_per_epoch),
    )
    # Now that all variables exist, TensorFlow traces a step once: it traces a
    # function again if its first trace creates variables.
    model.optimizer.build(model.trainable_variables)


def _steps_at_once(steps_per_epoch):
    """Returns the number of steps that Keras runs before it reads the loss.

    JAX dispatches steps asynchronously, but waits whenever the loss is read.
    The number must divide the steps of an epoch.
    """
    if keras.backend.backend() != "jax":
        return 1
    return math.gcd(steps_per_epoch, 32)


def mean_pose_error_mm(mean: np.ndarray, validation: Poses) -> float:
    """Returns the MPJPE of always predicting the same pose (J, 3)."""
    predicted = np.broadcast_to(mean, validation.poses_3d.shape)
    return 1000 * float(metrics.mpjpe(predicted, validation.poses_3d).mean())


def _fit(model, config, feed, validation, recorder, strategy):
    finished, last = len(recorder.history), config.train.epochs
    judged = validation_arrays(validation, feed.inputs)
    judging = _judging(judged, validation.count, config, strategy)
    spans = [(range(finished, last), 0)]
    if recorder.unfinished is not None:
        # Builds the metrics, whose variables are restored, too: Keras does not
        # list them before.
        model.test_on_batch(
            *keras.tree.map_structure(lambda array: array[:1], judged)
        )
        # Keras requires the same number of steps in all epochs of a call.
        spans = [
            (range(finished, finished + 1), recorder.unfinished.steps),
            (range(finished + 1, last), 0),
        ]
    with (
        _tensorboard(recorder.workdir / "tensorboard") as tensorboard,
        interrupts.deferred(),
    ):
        for epochs, first_step in spans:
            if not epochs:
                continue
            batches = feed.batches(epochs, first_step)
            if strategy is not None:
                batches = devices.split(batches, strategy)
            model.fit(
                batches,
                **judging,
                initial_epoch=epochs.start,
                epochs=epochs.stop,
                steps_per_epoch=feed.steps - first_step,
                # A progress bar on terminals, a line per epoch in logs.
                verbose=1 if sys.stdout.isatty() else 2,
                shuffle=False,
                callbacks=[recorder, *tensorboard],
            )


def _judging(arrays, count, config, strategy):
    """Returns the arguments of `fit` for validation."""
    if strategy is None and keras.backend.backend() == "tensorflow":
        from ampose_tf.data import pipeline

        # The same batches as Keras's own, which have a thread to wait for.
        size = config.evaluation.batch_size
        return {"validation_data": pipeline.in_order(arrays, size)}
    return {
        "validation_data": arrays,
        "validation_batch_size": devices.validation_size(
            count, config.evaluation.batch_size, strategy
        ),
    }


@contextlib.contextmanager
def _tensorboard(path):
    """Yields callbacks that write TensorBoard's logs; none with JAX.

    Converts TensorFlow's errors of the log writer to OSErrors.
    """
    if keras.backend.backend() != "tensorflow":
        yield []
        return
    import tensorflow as tf

    try:
        yield [keras.callbacks.TensorBoard(path, write_graph=False)]
    except tf.errors.OpError as error:
        # [Op:CreateSummaryFileWriter], [Op:FlushSummaryWriter], ...
        if "Summary" not in error.message:
            raise
        raise OSError(f"cannot write {path}: {error.message}") from error

"""Driver: poses and a config to a trained model in a workdir."""

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
from ampose_tf.models.losses import LOSSES, mpjpe_mm
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
    """Trains as `config.train` says, or goes on where a killed run stopped.

    Leaves in workdir: `best.keras` (lowest validation MPJPE), `last.keras`,
    `config.json`, `history.csv`, and `checkpoint.npz`, the one file that
    resuming starts from. After each epoch the checkpoint is written first and
    the others follow from it; each replaces its predecessor in one step.
    `files.json` has the SHA-256 of the others, by which a later run tells
    that they are as they were written. Under TensorFlow, TensorBoard's logs
    hold the numbers of `history.csv`, too.

    As long as it trains, workdir is locked. The first SIGINT or SIGTERM ends
    it after the step that it is at, with a checkpoint; during validation,
    after that.

    Args:
        config: The recipe.
        training: What to train on; motion is seen by drawn cameras.
        validation: What every epoch is judged on.
        workdir: The folder.
        model: Another network with AMPose's inputs and a method `rebuilt`;
            None for the AMPose of `config.model`.
        sources: The files that training and validation come from; if these
            are others in a resumed run, the message names them.

    Raises:
        FloatingPointError: If loss or weights are no longer finite.
        OSError: If a file cannot be written, or another process trains in
            workdir.
        ValueError: If workdir belongs to another config or other data, one
            of its files is damaged, or the devices cannot train the config.
        interrupts.Interrupted: If a signal has ended it.
    """
    devices.check_machine()
    with interrupts.handled():
        strategy = devices.strategy_for(config)
        if model is None:
            with _scope(strategy):
                model = build(config)
        elif strategy is not None:
            raise ValueError(
                "train.devices: another network than the config's is trained "
                "on one device; expected one"
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
            _train(model, config, feed, validation, recorder, strategy)


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
        print("This run has finished before.")
    best, last = recorder.best, recorder.history[-1]
    print(
        f"{workdir}: {last['epoch']} epochs, validation MPJPE "
        f"{last['val_mpjpe_mm']:.1f} mm (last.keras); "
        f"{best['val_mpjpe_mm']:.1f} mm after epoch {best['epoch']} "
        f"(best.keras), {100 * best['val_mpjpe_mm'] / baseline:.0f} % of the "
        "mean pose's"
    )


def _check_progress(recorder, config, feed):
    """Checks that a run of this config can have come as far as it has."""
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
    """Returns the SHA-256 of all arrays and texts of a named tuple."""
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
    """Tells glibc's allocator to reuse large blocks, from one arena.

    By default it hands each back to the system as soon as it is free, and
    every training step of XLA's spends a sixth of its time on having some
    300 MB of pages zeroed again. Other allocators are left as they are.

    It changes the whole process for good, so scripts call it, and `train`
    does not.
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
    """Makes workdir the place of this config's run.

    Raises:
        OSError: Where workdir cannot be written.
        ValueError: Where it belongs to another config, or holds the model
            that the run starts or learns from.
    """
    given = config.train.lifter or config.train.teacher
    if given and pathlib.Path(given).resolve().parent == workdir.resolve():
        raise ValueError(
            f"{workdir} holds {given}, which this run starts or learns from; "
            "choose another --workdir"
        )
    path = workdir / "config.json"
    if os.path.lexists(path):
        difference = configuration.difference(configuration.load(path), config)
        if difference:
            raise ValueError(
                f"{workdir} holds a run of another config: {difference}; "
                "choose another --workdir"
            )
    else:
        files.write_text(path, configuration.to_json(config))
    files.remove_leftovers(workdir)


def build(config: Config) -> AMPose | Distillation | RefinedLifter:
    """Returns the config's model, initialised from its seed, uncompiled.

    With `train.lifter`, that one and a new refinement; with `train.teacher`,
    a new AMPose before it, with the weights that it has without.

    Raises:
        OSError: Where there is no such lifter or teacher.
        ValueError: Where it is not a model of this config, or a teacher does
            not take what this config's model is given.
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
                f"config's {value!r}"
            )
    if not np.array_equal(lifter.adjacency, adjacency):
        raise ValueError(
            f"{path}: its joints or adjacency are not those of the config's "
            "data"
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
            f"config's {student.seen_input}; a teacher is told what its "
            "student is told"
        )
    return Distillation(
        student,
        teacher.rebuilt(config.train.precision),
        config.train.teacher_weight,
    )


def compile_for(
    model: keras.Model, config: Config, steps_per_epoch: int
) -> None:
    """Compiles with the config's optimiser, schedule and loss.

    A refinement is trained together with its lifter, by the sum of both
    poses' losses, and judged by the refined one.
    """
    recipe = config.train
    loss, metric = LOSSES[recipe.loss], mpjpe_mm
    if isinstance(model, RefinedLifter):
        loss = losses.of_both(loss)
        # fit and history.csv know it by one name.
        metric = keras.metrics.MeanMetricWrapper(
            losses.refined_mpjpe_mm, name="mpjpe_mm"
        )
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


def _steps_at_once(steps_per_epoch):
    """Returns how many steps Keras makes before it looks at the loss.

    JAX goes on with a step while the device is at an earlier one, but has to
    wait for each loss. An execution must not reach into the next epoch.
    """
    if keras.backend.backend() != "jax":
        return 1
    return math.gcd(steps_per_epoch, 32)


def mean_pose_error_mm(mean: np.ndarray, validation: Poses) -> float:
    """Returns the MPJPE of always predicting one pose (J, 3)."""
    predicted = np.broadcast_to(mean, validation.poses_3d.shape)
    return 1000 * float(metrics.mpjpe(predicted, validation.poses_3d).mean())


def _fit(model, config, feed, validation, recorder, strategy):
    finished, last = len(recorder.history), config.train.epochs
    judged = validation_arrays(validation, feed.inputs)
    judged_at_once = devices.validation_size(
        validation.count, config.evaluation.batch_size, strategy
    )
    spans = [(range(finished, last), 0)]
    if recorder.unfinished is not None:
        # Makes the metrics' variables, which go on, too.
        model.test_on_batch(
            *keras.tree.map_structure(lambda array: array[:1], judged)
        )
        # Keras wants the same steps in all epochs of a call.
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
                validation_data=judged,
                validation_batch_size=judged_at_once,
                initial_epoch=epochs.start,
                epochs=epochs.stop,
                steps_per_epoch=feed.steps - first_step,
                # A bar that moves is for terminals; a log gets a line per
                # epoch.
                verbose=1 if sys.stdout.isatty() else 2,
                shuffle=False,
                callbacks=[recorder, *tensorboard],
            )


@contextlib.contextmanager
def _tensorboard(path):
    """Gives the callbacks that write TensorBoard's logs; JAX has none.

    What the disk refuses to their writer becomes an OSError.
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

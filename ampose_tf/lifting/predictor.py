"""`load_predictor`: loads any model of this project as a callable."""

import contextlib
import functools
import os
import pathlib
import threading
from collections.abc import Callable
from concurrent import futures

import numpy as np

from ampose_tf import reading, weights
from ampose_tf.camera import SCREEN_NORMALISATIONS
from ampose_tf.export import runtime
from ampose_tf.skeleton import by_joint_count

# Number of poses from which XLA pays off: the compiled network is faster, but
# compiling it takes seconds (ampose_s on two cores).
_MANY = 4096

# Number of poses from which a `.tflite` graph for several poses per call pays
# off: building it takes half a second.
_BULK = 2048
_BATCH = 8

# Poses that a thread lifts at a time with a `.tflite`: few enough that all
# threads end at about the same time and the progress bar moves.
_POSES_OF_A_THREAD = 32


class Predictor:
    """A `.keras` file, SavedModel or `.tflite`: NumPy in, NumPy out.

    Created by `load_predictor`. Several threads may call it at the same time.

    Attributes:
        skeleton: `Skeleton` of the J joints.
        normalisation: Divisor of the keypoints, see
            `camera.normalize_screen`.
        seen_input: Whether the model uses `seen`.
        checkpoint: Description of the checkpoint and how it was selected.
        megabytes: Size of the model, in 10^6 bytes.
        network: The AMPose network of a `.keras` file, otherwise None.
        refine: The refinement of a `RefinedLifter` as a function of NumPy
            arrays, see `models.refinement.PoseRefinement`; otherwise None.
    """

    def __init__(
        self,
        lift,
        joints,
        normalisation,
        seen_input,
        checkpoint,
        megabytes,
        batch_size,
        threads=1,
        in_batches=None,
        network=None,
        refine=None,
    ):
        self.skeleton = by_joint_count(joints)
        self.normalisation = normalisation
        self.seen_input = seen_input
        self.checkpoint = checkpoint
        self.megabytes = megabytes
        self.network = network
        self.refine = refine
        self._lift = lift
        self._batch_size = batch_size
        self._threads = threads
        self._make_batches = in_batches
        self._count = 0
        self._pool = self._process = None

    def __call__(
        self,
        keypoints_2d: np.ndarray,
        seen: np.ndarray | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> np.ndarray:
        """Lifts poses.

        For 4,096 poses or more, the network of a `.keras` file is compiled by
        XLA, which changes the last digits of the poses. The number of threads
        does not change them.

        Args:
            keypoints_2d: (N, J, 2), screen-normalised. A model with
                `seen_input` ignores the values of unseen joints.
            seen: (N, J) bool, whether each joint was seen; None for all.
                Models without `seen_input` ignore it.
            progress: Called after each batch with its number of poses.

        Returns:
            (N, J, 3) float32 metres, camera frame, relative to the hip.

        Raises:
            ValueError: If a shape is wrong, a keypoint of a seen joint is
                not finite, or `seen` contains scores.
        """
        joints = len(self.skeleton.joints)
        keypoints_2d = np.asarray(keypoints_2d, np.float32)
        if keypoints_2d.ndim != 3 or keypoints_2d.shape[1:] != (joints, 2):
            raise ValueError(
                f"Expected keypoints of shape (N, {joints}, 2), got "
                f"{keypoints_2d.shape}"
            )
        if seen is None:
            seen = np.ones(keypoints_2d.shape[:2], bool)
        if np.shape(seen) != keypoints_2d.shape[:2]:
            raise ValueError(
                f"Expected seen of shape {keypoints_2d.shape[:2]}, got "
                f"{np.shape(seen)}"
            )
        if not np.isin(seen, (0, 1)).all():
            raise ValueError(
                "Expected seen to be true or false; compare scores with a "
                "threshold first"
            )
        arrays = {"keypoints_2d": keypoints_2d}
        if self.seen_input:
            seen = np.asarray(seen, bool)
            arrays = {
                "keypoints_2d": np.where(seen[..., None], keypoints_2d, 0),
                "seen": seen.astype(np.float32),
            }
        if not np.isfinite(arrays["keypoints_2d"]).all():
            raise ValueError("Expected finite keypoints, got NaN or infinity")
        lift, count = self._lift, len(keypoints_2d)
        size = max(1, min(self._batch_size, count))
        if self.network is not None and count >= _MANY:
            lift = self._lift_compiled
            # A last batch of another size would be compiled again.
            missing = -count % size
            arrays = {
                name: np.pad(
                    array, [(0, missing), *[(0, 0)] * (array.ndim - 1)]
                )
                for name, array in arrays.items()
            }

        self._count += count
        several = None
        if self._make_batches is not None and self._count >= _BULK:
            several = self._in_batches

        def lift_batch(start):
            end = middle = min(start + size, len(arrays["keypoints_2d"]))
            if several is not None:
                # A batch that is not full would take the time of a full one.
                middle -= (end - start) % several.batch
            parts = [(several or lift, start, middle), (lift, middle, end)]
            return np.concatenate(
                [
                    of(**{n: a[first:last] for n, a in arrays.items()})
                    for of, first, last in parts
                    if last > first
                ]
            )

        starts = range(0, count, size)
        in_turn = map
        if self._threads > 1 and len(starts) > 1:
            in_turn = self._started().map
        lifted = [np.empty((0, joints, 3), np.float32)]
        for poses_3d in in_turn(lift_batch, starts):
            lifted.append(poses_3d)
            if progress is not None:
                progress(len(poses_3d))
        return np.concatenate(lifted)[:count]

    def _started(self):
        """Returns the thread pool; a forked process needs a new one."""
        if self._process != os.getpid():
            self._pool = futures.ThreadPoolExecutor(self._threads)
            self._process = os.getpid()
        return self._pool

    @functools.cached_property
    def _in_batches(self):
        return self._make_batches()

    @functools.cached_property
    def _lift_compiled(self):
        network = self.network.rebuilt()
        network.jit_compile = True
        return _of_keras(network)


def cores() -> int:
    """Returns the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load_predictor(
    path: str | os.PathLike,
    batch_size: int = 512,
    threads: int | None = None,
    trust_model: bool = False,
) -> Predictor:
    """Loads a model for inference.

    LiteRT runs `.tflite` files, without TensorFlow and Keras. Since `.tflite`
    files and SavedModels are programs, they are checked before their first run
    unless they are the released ones, see `export.untrusted`.

    Args:
        path: A `.keras` file, a `.tflite` file, a SavedModel folder or its
            parent folder, whose newest version is used; or the name of a
            released model, `ampose_s` or `ampose_t`, whose `.keras` file is
            used (`Lifter` uses its `.tflite` file).
        batch_size: Poses per call of the network; a `.tflite` has its own.
        threads: Number of threads for a `.tflite`, each with its own
            interpreter; None for the number of cores. TensorFlow manages its
            own threads.
        trust_model: Whether to skip the check of a `.tflite` or a SavedModel.
            The model can then do everything that this process can.

    Raises:
        OSError: If `path` does not exist.
        ValueError: If the file is not a model, is damaged or is refused, or
            `threads` is not from 1 to the number of cores.
    """
    if threads is None:
        threads = cores()
    elif not 1 <= threads <= cores():
        raise ValueError(
            f"threads: expected 1 to {cores()}, the cores of this machine, "
            f"got {threads}"
        )
    in_batches = None
    path = pathlib.Path(weights.RELEASED.get(path, path))
    if not path.exists():
        raise FileNotFoundError(f"no model {path}")
    if path.suffix == ".keras":
        with _needing_tensorflow(path):
            return _load_keras(path, batch_size)
    trusted = trust_model or weights.is_released(path)
    if path.suffix == ".tflite" and path.is_file():
        described = _checked_metadata(path, trusted)
        lift = runtime.tflite(path)
        size = path.stat().st_size
        # A multiple of the file's batch size, so that poses are always
        # grouped in the same way.
        batch_size = -(-_POSES_OF_A_THREAD // lift.batch) * lift.batch
        in_batches = functools.partial(_tflite_in_batches, path, trusted)
    elif path.is_dir():
        path = _newest_version(path)
        with _needing_tensorflow(path):
            described = _checked_metadata(path, trusted)
            lift = runtime.saved_model(path)
            if not trusted:
                from ampose_tf.export import untrusted

                lift = untrusted.as_tried(lift)
        size = sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
        threads = 1
    else:
        raise ValueError(
            f"{path}: expected a .keras file, a .tflite file or a "
            "SavedModel's folder"
        )
    return Predictor(
        lift,
        described["joints"],
        described["normalisation"],
        described["seen_input"],
        described["checkpoint"],
        size / 1e6,
        batch_size,
        threads,
        in_batches,
    )


def _checked_metadata(path, trusted):
    described = runtime.metadata(path)
    try:
        by_joint_count(described["joints"])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if described["normalisation"] not in SCREEN_NORMALISATIONS:
        raise ValueError(
            f"{path}: keypoints normalised by "
            f"{reading.shown(repr(described['normalisation']))}; expected "
            f"{' or '.join(SCREEN_NORMALISATIONS)}"
        )
    if not trusted:
        # Takes a moment to import; released files do not need it.
        from ampose_tf.export import untrusted

        untrusted.check(path, described)
    return described


def _tflite_in_batches(path, trusted):
    if trusted:
        return runtime.tflite_in_batches(path, _BATCH)
    from ampose_tf.export import untrusted

    return untrusted.tflite_in_batches(path, _BATCH)


@contextlib.contextmanager
def _needing_tensorflow(path):
    """Explains that TensorFlow is missing, as on machines that only lift."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in ("tensorflow", "keras"):
            raise
        raise ValueError(
            f"{path}: this kind of model requires TensorFlow, which is not "
            "installed; use a .tflite file or a released model by its name"
        ) from error


def _load_keras(path, batch_size):
    # Takes seconds to import; `.tflite` files do not need it.
    from ampose_tf.models import stored

    model, refinement = stored.load_both(path)
    model = model.rebuilt()
    return Predictor(
        _of_keras(model),
        model.adjacency.shape[1],
        model.normalisation,
        model.seen_input,
        stored.describe_checkpoint(path),
        path.stat().st_size / 1e6,
        batch_size,
        network=model,
        refine=_of_refinement(refinement, batch_size),
    )


def _of_keras(model):
    # Keras creates a model's function at the first call, not thread-safely.
    lock = threading.Lock()

    def lift(**arrays):
        if not model.seen_input:
            arrays = arrays["keypoints_2d"]
        with lock:
            return np.asarray(model.predict_on_batch(arrays))

    return lift


def _of_refinement(layer, batch_size):
    if layer is None:
        return None

    def refine(*arrays):
        return np.concatenate(
            [
                np.asarray(
                    layer([a[start : start + batch_size] for a in arrays])
                )
                for start in range(0, len(arrays[0]), batch_size)
            ]
        )

    return refine


def _newest_version(path):
    if (path / "saved_model.pb").is_file():
        return path
    versions = [
        folder
        for folder in path.iterdir()
        if folder.name.isdecimal() and (folder / "saved_model.pb").is_file()
    ]
    if not versions:
        raise ValueError(f"{path}: no saved_model.pb in this folder")
    return max(versions, key=lambda folder: int(folder.name))

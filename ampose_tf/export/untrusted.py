"""Model files from strangers: checked, and tried where a crash does no harm.

A `.tflite` or SavedModel is checked by `checks`, then run once in a child
process. That it ran is remembered by SHA-256 in the user's cache folder.
"""

import contextlib
import hashlib
import importlib.metadata
import os
import pathlib
import re
import stat
from collections.abc import Callable

import numpy as np

from ampose_tf import __version__, confined, files, reading
from ampose_tf.export import runtime
from ampose_tf.export.checks import graphs, tflite_files

_FILES = re.compile(
    r"saved_model\.pb|fingerprint\.pb|assets|assets\.extra|variables"
    r"|assets\.extra/(ampose\.json|tf_serving_warmup_requests)"
    r"|variables/variables\.(index|data-\d{5}-of-\d{5})"
)

# What file managers leave in folders, beside names that begin with a dot.
_LEFT_BY_OTHERS = frozenset({"desktop.ini", "Thumbs.db"})
_MAX_ENTRIES = 64

_TRUST = "; if you trust the file, add --trust_model"
# Poses of the trial; a SavedModel takes any number.
_POSES = 64
# For TensorFlow to start, which maps more memory than it uses; then for the
# model.
_START = {"seconds": 60, "memory": 64 * 2**30}
_TRIAL = {"seconds": 10, "memory": 3 * 2**29}


def check(path: pathlib.Path, described: dict) -> None:
    """Checks a `.tflite` file or a SavedModel's folder, and tries it.

    Args:
        path: The file or the folder.
        described: See `runtime.metadata`.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is refused, or the trial failed. The message says
            how to load it nevertheless.
    """
    check = _check_saved_model if path.is_dir() else _check_tflite
    try:
        with reading.guarded():
            check(path, described)
    except ValueError as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise ValueError(
            f"{path}: {reading.shown(reason, 150)}{_TRUST}"
        ) from error


def _check_tflite(path, described):
    content = tflite_files.check_file(path)
    with _remembered(content, "ai-edge-litert") as is_known:
        if not is_known:
            joints = described["joints"]
            confined.call(_try_tflite, str(path), joints, **_TRIAL)


def _check_saved_model(path, described):
    inside = check_folder(path)
    graphs.check(path / "saved_model.pb")
    content = files.sha256(path, inside).encode()
    with _remembered(content, "tensorflow") as is_known:
        if not is_known:
            given = described["joints"], described["seen_input"]
            confined.call(_try_saved_model, str(path), *given, **_START)


def check_folder(path: pathlib.Path) -> list[pathlib.Path]:
    """Returns a SavedModel's files, looking at none of them.

    Those that file managers leave there, which TensorFlow does not read, are
    left out.

    Raises:
        OSError: If a folder cannot be read.
        ValueError: If there is a file that exports do not have, a symlink,
            or too much.
    """
    found, size = [], 0
    folders = [path]
    while folders:
        for entry in folders.pop().iterdir():
            name = entry.relative_to(path).as_posix()
            said = entry.lstat()
            is_folder = stat.S_ISDIR(said.st_mode)
            if not is_folder and not stat.S_ISREG(said.st_mode):
                raise ValueError(f"{name!r} is a link or no file")
            is_hidden = entry.name.startswith(".")
            if not is_folder and (is_hidden or entry.name in _LEFT_BY_OTHERS):
                continue
            if not _FILES.fullmatch(name) or len(found) > _MAX_ENTRIES:
                raise ValueError(f"{name!r} is not a file that exports have")
            if is_folder:
                folders.append(entry)
            else:
                found.append(entry)
                size += said.st_size
    if size > graphs.MAX_BYTES:
        raise ValueError(f"more than {graphs.MAX_BYTES // 2**20} MiB")
    return found


def tflite_in_batches(path: pathlib.Path, batch: int) -> Callable | None:
    """Returns what `runtime.tflite_in_batches` does, after a trial.

    None, too, if the trial fails.
    """
    content = path.read_bytes() + b"%d" % batch
    try:
        with _remembered(content, "ai-edge-litert") as is_known:
            if not is_known:
                confined.call(_try_in_batches, str(path), batch, **_TRIAL)
    except ValueError:
        return None
    return runtime.tflite_in_batches(path, batch)


def _try_tflite(path, joints):
    lift = runtime.tflite(path)
    _try(
        lift, {name: shape[1:] for name, shape in lift.shapes.items()}, joints
    )


def _try_in_batches(path, batch):
    runtime.tflite_in_batches(path, batch)


def _try_saved_model(path, joints, seen_input):
    # With libraries for GPUs, TensorFlow would map all of their memory.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.constant(0.0)
    confined.limit(**_TRIAL)
    lift = runtime.saved_model(path)
    shapes = {"keypoints_2d": (joints, 2)}
    if seen_input:
        shapes["seen"] = (joints,)
    _try(lift, shapes, joints)


def as_tried(lift: Callable) -> Callable:
    """Returns a SavedModel's function that is called as its trial was.

    With as many poses: what it computes may depend on their number.
    """

    def run(**arrays):
        poses = []
        for start in range(0, len(next(iter(arrays.values()))), _POSES):
            part = {n: a[start : start + _POSES] for n, a in arrays.items()}
            count = len(next(iter(part.values())))
            padded = {
                name: np.resize(array, (_POSES, *array.shape[1:]))
                for name, array in part.items()
            }
            poses.append(lift(**padded)[:count])
        return np.concatenate(poses)

    return run


def _try(lift, shapes, joints):
    random = np.random.default_rng(0)
    arrays = {
        name: random.integers(0, 2, (_POSES, *shape))
        if name == "seen"
        else random.uniform(-1, 1, (_POSES, *shape))
        for name, shape in shapes.items()
    }
    poses_3d = lift(**arrays)
    if poses_3d.shape != (_POSES, joints, 3):
        raise ValueError(f"it makes poses of shape {poses_3d.shape}")
    if not np.isfinite(poses_3d).all():
        raise ValueError("it makes poses of NaN or infinity")


@contextlib.contextmanager
def _remembered(content, library):
    """Yields whether content passed a trial; remembers it when it does.

    Without a cache folder that can be written, every call checks anew.
    """
    entry, is_known = None, False
    with contextlib.suppress(OSError, RuntimeError):  # There may be no home.
        place = pathlib.Path(os.environ.get("XDG_CACHE_HOME", ""))
        if not place.is_absolute():
            place = pathlib.Path.home() / ".cache"
        # Other libraries, and other checks, are tried anew.
        versions = f"{_version(library)} {__version__}"
        tried = hashlib.sha256(content)
        tried.update(versions.encode())
        entry = place / "ampose_tf" / "tried" / tried.hexdigest()
        is_known = entry.is_file()
    yield is_known
    if entry is not None and not is_known:
        with contextlib.suppress(OSError):
            entry.parent.mkdir(parents=True, exist_ok=True)
            entry.touch()


def _version(library):
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        # TensorFlow has other names for some machines.
        return "unknown"

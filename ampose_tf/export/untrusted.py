"""Checks untrusted model files, and tries them in a child process.

A `.tflite` file or SavedModel is checked by `checks`, and then run once in a
child process, where a crash does no harm. Files that passed are remembered by
SHA-256 in the user's cache folder.
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

# Files of file managers, in addition to names that start with a dot.
_LEFT_BY_OTHERS = frozenset({"desktop.ini", "Thumbs.db"})
_MAX_ENTRIES = 64

_TRUST = "; if you trust the file, add --trust_model"
# Number of poses in the trial; a SavedModel accepts any number.
_POSES = 64
# Limits for the start of TensorFlow, which maps more memory than it uses, and
# for the model.
_START = {"seconds": 60, "memory": 64 * 2**30}
_TRIAL = {"seconds": 10, "memory": 3 * 2**29}


def check(path: pathlib.Path, described: dict) -> None:
    """Checks a `.tflite` file or a SavedModel's folder, and tries it.

    Args:
        path: Path of the file or the folder.
        described: See `runtime.metadata`.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If the file is refused, or the trial fails. The message
            says how to load it anyway.
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
    """Returns the files of a SavedModel, without opening them.

    Files of file managers, which TensorFlow does not read, are omitted.

    Raises:
        OSError: If a folder cannot be read.
        ValueError: If the folder contains a symlink or a file that exports do
            not have, or is too large.
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
    """Same as `runtime.tflite_in_batches`, after a trial.

    Also returns None if the trial fails.
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
    # TensorFlow would otherwise map all memory of GPUs.
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
    """Returns a function that calls a SavedModel as in its trial.

    It always passes the same number of poses, as the computation may depend
    on this number.
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
        raise ValueError(f"it returns poses of shape {poses_3d.shape}")
    if not np.isfinite(poses_3d).all():
        raise ValueError("it returns poses with NaN or infinity")


@contextlib.contextmanager
def _remembered(content, library):
    """Yields whether content passed a trial before; remembers if it passes.

    If the cache folder is not writable, every call repeats the trial.
    """
    entry, is_known = None, False
    with contextlib.suppress(OSError, RuntimeError):  # There may be no home.
        place = pathlib.Path(os.environ.get("XDG_CACHE_HOME", ""))
        if not place.is_absolute():
            place = pathlib.Path.home() / ".cache"
        # Other versions of the library or of the checks repeat the trial.
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
        # TensorFlow's package has other names on some platforms.
        return "unknown"

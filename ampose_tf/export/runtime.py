"""Running SavedModels and `.tflite` files."""

import collections
import json
import os
import pathlib
import subprocess
import sys
import zipfile
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from ai_edge_litert import interpreter as litert

from ampose_tf.export import flatbuffer, signatures


def saved_model(path: str | os.PathLike, signature: str = "lift") -> Callable:
    """Returns a signature of a SavedModel as a function.

    Args:
        path: The folder that holds `saved_model.pb`.
        signature: Its name.

    Returns:
        A function of named float32 arrays that returns `poses_3d`.

    Raises:
        ValueError: Where it cannot be loaded or lacks the signature.
    """
    try:
        loaded = tf.saved_model.load(str(path))
    except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
        raise ValueError(f"{path}: not a readable SavedModel: {error}") from (
            error
        )
    if signature not in loaded.signatures:
        raise ValueError(
            f"{path}: no signature {signature!r}; it has "
            f"{', '.join(loaded.signatures) or 'none'}"
        )
    function = loaded.signatures[signature]

    # A signature does not own the variables that it reads.
    function.loaded = loaded

    def run(**arrays):
        tensors = {
            name: tf.constant(np.asarray(array, np.float32))
            for name, array in arrays.items()
        }
        return function(**tensors)["poses_3d"].numpy()

    return run


def tflite(
    path: str | os.PathLike, signature: str = "lift", reference: bool = False
) -> Callable:
    """Returns a signature of a `.tflite` file as a function.

    Args:
        path: The file.
        signature: Its name.
        reference: Whether to compute with the slow kernels that are LiteRT's
            own reference, instead of those that apps get.

    Returns:
        A function of named float32 arrays that returns `poses_3d`. Arrays of
        more poses than the file's batch run batch by batch.

    Raises:
        ValueError: Where it cannot be loaded or lacks the signature.
    """
    options = {}
    if reference:
        options["experimental_op_resolver_type"] = (
            litert.OpResolverType.BUILTIN_REF
        )
    interpreter = _interpreter(path, **options)
    listed = interpreter.get_signature_list()
    if signature not in listed:
        raise ValueError(
            f"{path}: no signature {signature!r}; it has "
            f"{', '.join(listed) or 'none'}"
        )
    runner = interpreter.get_signature_runner(signature)
    details = next(iter(runner.get_input_details().values()))
    batch = int(details["shape"][0])

    def run(**arrays):
        arrays = {n: np.asarray(a, np.float32) for n, a in arrays.items()}
        count = len(next(iter(arrays.values())))
        # The last pose fills the last batch.
        index = np.minimum(np.arange(-(-count // batch) * batch), count - 1)
        lifted = [
            runner(**{n: a[rows] for n, a in arrays.items()})["poses_3d"]
            for rows in index.reshape(-1, batch)
        ]
        return np.concatenate(lifted)[:count]

    return run


def tables(path: str | os.PathLike) -> flatbuffer.schema.ModelT:
    """Returns what a `.tflite` file holds.

    Raises:
        OSError: Where there is no such file.
        ValueError: Where it cannot be read.
    """
    try:
        return flatbuffer.read(pathlib.Path(path).read_bytes())
    except ValueError as error:
        raise ValueError(
            f"{path}: not a readable .tflite file: {error}"
        ) from error


def operators(path: str | os.PathLike) -> dict[str, int]:
    """Returns how often each operator occurs in a `.tflite` file.

    Raises as `tables`.
    """
    counted = collections.Counter(
        operator.name
        for subgraph in flatbuffer.operators(tables(path))
        for operator in subgraph
    )
    return dict(sorted(counted.items()))


def partitions(path: str | os.PathLike) -> int:
    """Returns in how many parts XNNPACK takes over a file's first signature.

    One says that nothing between its first and last operator is left to
    another runtime; 0 that this machine's LiteRT has no such delegate.

    Raises:
        ValueError: Where it cannot be loaded.
    """
    interpreter = _interpreter(path)
    interpreter.allocate_tensors()  # when delegates are applied
    details = interpreter._get_ops_details()
    return sum(operator["op_name"] == "DELEGATE" for operator in details)


def tensor_shapes(path: str | os.PathLike) -> list[tuple[int, ...]]:
    """Returns the shapes of inputs and outputs, -1 where dynamic."""
    interpreter = _interpreter(path)
    return [
        tuple(detail["shape_signature"].tolist())
        for detail in (
            *interpreter.get_input_details(),
            *interpreter.get_output_details(),
        )
    ]


def signature_shapes(path: str | os.PathLike) -> dict[str, dict]:
    """Returns, by signature and name, the shapes of inputs and outputs.

    Raises:
        ValueError: Where it cannot be loaded.
    """
    interpreter = _interpreter(path)
    shapes = {}
    for name in interpreter.get_signature_list():
        runner = interpreter.get_signature_runner(name)
        shapes[name] = {
            kind: {n: detail["shape"].tolist() for n, detail in of.items()}
            for kind, of in (
                ("inputs", runner.get_input_details()),
                ("outputs", runner.get_output_details()),
            )
        }
    return shapes


_MEMORY = """
import sys
import numpy as np
from ai_edge_litert import interpreter as litert

def peak():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            return 1024 * int(line.split()[1])

before = peak()
loaded = litert.Interpreter(model_path=sys.argv[1], num_threads=1)
for name in loaded.get_signature_list():
    runner = loaded.get_signature_runner(name)
    runner(**{
        n: np.ones(detail["shape"], np.float32)
        for n, detail in runner.get_input_details().items()
    })
print(peak() - before)
"""


def memory_bytes(path: str | os.PathLike) -> int:
    """Returns by how much a process grows that runs all signatures once.

    Measured in a process of its own; Linux alone tells.

    Raises:
        OSError: Where that process fails.
    """
    ended = subprocess.run(
        [sys.executable, "-c", _MEMORY, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        lines = ended.stderr.strip().splitlines() or ["no message"]
        raise OSError(f"{path}: cannot measure its memory: {lines[-1]}")
    return int(ended.stdout)


def metadata(path: str | os.PathLike) -> dict:
    """Returns what `signatures.metadata` put into an exported artefact.

    Raises:
        ValueError: Where there is none: not a file of this project's.
    """
    path = pathlib.Path(path)
    try:
        if path.is_dir():
            file = path / "assets.extra" / signatures.METADATA
            described = json.loads(file.read_text(encoding="utf-8"))
        else:
            with zipfile.ZipFile(path) as appended:
                described = json.loads(appended.read(signatures.METADATA))
        missing = {"joints", "normalisation", "seen_input", "checkpoint"}
        missing -= set(described)
        if missing:
            raise ValueError(f"it lacks {sorted(missing)[0]}")
    except (
        OSError,
        KeyError,
        TypeError,
        ValueError,
        zipfile.BadZipFile,
    ) as error:
        raise ValueError(
            f"{path}: no {signatures.METADATA} inside; not exported by this "
            "project, or damaged"
        ) from error
    return described


def _interpreter(path, **options):
    try:
        return litert.Interpreter(model_path=str(path), **options)
    except (ValueError, RuntimeError) as error:
        raise ValueError(
            f"{path}: not a readable .tflite file: {error}"
        ) from error

"""Loads and runs SavedModels and `.tflite` files."""

import collections
import contextlib
import json
import os
import pathlib
import queue
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from ai_edge_litert import interpreter as litert

from ampose_tf import reading, unpacking

if TYPE_CHECKING:
    from ampose_tf.export import flatbuffer

# Name of the metadata file inside an artefact.
METADATA = "ampose.json"
# Required metadata, and its largest size in bytes.
_METADATA = {
    "joints": int,
    "normalisation": str,
    "seen_input": bool,
    "checkpoint": str,
}
_MAX_METADATA = 2**20
_MAX_DEPTH = 8
_LONGEST = 1000  # Characters of strings that are printed.

# LiteRT has no option that disables this message.
_GREETING = b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"


def saved_model(path: str | os.PathLike, signature: str = "lift") -> Callable:
    """Returns a signature of a SavedModel as a function.

    Args:
        path: Folder with `saved_model.pb`.
        signature: Name of the signature.

    Returns:
        A function of named float32 arrays that returns `poses_3d`.

    Raises:
        ValueError: If the model cannot be loaded or has no such signature.
    """
    return saved_signatures(path, (signature,))[signature]


def saved_signatures(
    path: str | os.PathLike, names: tuple[str, ...]
) -> dict[str, Callable]:
    """Returns several signatures of a SavedModel, which is loaded once.

    Returns:
        {name: function}, see `saved_model`.

    Raises:
        ValueError: See `saved_model`.
    """
    # Takes seconds to import, and is not needed for `.tflite` files.
    import tensorflow as tf

    try:
        with reading.guarded():
            loaded = tf.saved_model.load(str(path))
    except (OSError, ValueError) as error:
        reason = reading.shown(str(error), 150)
        raise ValueError(
            f"{path}: not a readable SavedModel: {reason}"
        ) from error
    for name in names:
        if name not in loaded.signatures:
            raise ValueError(
                f"{path}: no signature {name!r}; it has "
                f"{', '.join(loaded.signatures) or 'none'}"
            )

    def function_of(name):
        function = loaded.signatures[name]
        # A signature does not keep the variables that it reads alive.
        function.loaded = loaded

        def run(**arrays):
            tensors = {
                name: tf.constant(np.asarray(array, np.float32))
                for name, array in arrays.items()
            }
            return function(**tensors)["poses_3d"].numpy()

        return run

    return {name: function_of(name) for name in names}


def tflite(
    path: str | os.PathLike, signature: str = "lift", reference: bool = False
) -> Callable:
    """Returns a signature of a `.tflite` file as a function.

    Args:
        path: Path of the file.
        signature: Name of the signature.
        reference: Whether to use LiteRT's slow reference kernels instead of
            those that apps use.

    Returns:
        A function of named float32 arrays that returns `poses_3d`. It is
        thread-safe; concurrent calls use separate interpreters. Arrays with
        more poses than the file's batch are split into batches. The
        attribute `batch` of the function is the file's batch, and `shapes`
        contains the shape of each input.

    Raises:
        ValueError: If the file cannot be loaded, has no such signature, or
            has an operator that LiteRT does not support.
    """
    options = {"model_path": str(path)}
    if reference:
        options["experimental_op_resolver_type"] = (
            litert.OpResolverType.BUILTIN_REF
        )
    return _function(path, signature, **options)


def tflite_in_batches(
    path: str | os.PathLike, batch: int, signature: str = "lift"
) -> Callable | None:
    """Returns a function like `tflite`, but faster for many poses.

    The file's graph for one pose is rewritten for `batch` poses per call,
    which saves a tenth to a sixth of the time (ampose_s on a core with
    AVX-512).

    Args:
        path: Path of the file.
        batch: Poses per call.
        signature: Name of the signature.

    Returns:
        The function; None if the graph is not for one pose, or if results for
        some test poses are not identical, bit by bit.

    Raises:
        ValueError: See `tflite`.
    """
    # Takes a fifth of a second, and is not needed for few poses.
    from ampose_tf.export import flatbuffer

    single = tflite(path, signature)
    try:
        content = flatbuffer.write(
            flatbuffer.batched(tables(path), signature, batch)
        )
        several = _function(path, signature, model_content=content)
    except ValueError:
        return None
    random = np.random.default_rng(0)
    arrays = {
        name: random.integers(0, 2, (3 * batch, *shape[1:]))
        if name == "seen"
        else random.uniform(-1, 1, (3 * batch, *shape[1:]))
        for name, shape in single.shapes.items()
    }
    if not np.array_equal(single(**arrays), several(**arrays)):
        return None
    return several


def _function(path, signature, **options):
    """Returns a signature as a thread-safe function."""

    def load():
        with _refusals(path):
            interpreter = litert.Interpreter(num_threads=1, **options)
            listed = interpreter.get_signature_list()
        if signature not in listed:
            raise ValueError(
                f"{path}: no signature {signature!r}; it has "
                f"{', '.join(listed) or 'none'}"
            )
        with _refusals(path):
            # LiteRT checks operators and applies XNNPACK now, instead of in
            # the first call.
            interpreter.allocate_tensors()
            return interpreter.get_signature_runner(signature)

    runner = load()
    shapes = {
        name: details["shape"].tolist()
        for name, details in runner.get_input_details().items()
    }
    batch = next(iter(shapes.values()))[0]
    # Each interpreter is used by one thread at a time. The most recently used
    # one is preferred, as its weights may still be in the cache.
    resting = queue.LifoQueue()
    resting.put(runner)

    def run(**arrays):
        arrays = {n: np.asarray(a, np.float32) for n, a in arrays.items()}
        count = len(next(iter(arrays.values())))
        # The last batch is padded with the last pose.
        index = np.minimum(np.arange(-(-count // batch) * batch), count - 1)
        try:
            runner = resting.get_nowait()
        except queue.Empty:
            runner = load()
        with _refusals(path, RuntimeError):
            lifted = [
                runner(**{n: a[rows] for n, a in arrays.items()})["poses_3d"]
                for rows in index.reshape(-1, batch)
            ]
        resting.put(runner)
        return np.concatenate(lifted)[:count]

    run.batch, run.shapes = batch, shapes
    return run


@contextlib.contextmanager
def without_greeting() -> Iterator[None]:
    """Suppresses LiteRT's greeting on standard error.

    Other output to standard error is delayed until the end of the block, and
    lost if the process aborts in it.
    """
    if sys.stderr is None:
        yield
        return
    sys.stderr.flush()
    errors = os.dup(2)
    # A pipe works on a full disk; output beyond its capacity is dropped.
    read, write = os.pipe()
    os.set_blocking(write, False)
    os.dup2(write, 2)
    os.close(write)
    try:
        yield
    finally:
        # Closes the pipe's last write end.
        os.dup2(errors, 2)
        os.close(errors)
        with open(read, "rb") as said:
            content = said.read()
        if content != _GREETING:
            os.write(2, content)


def tables(path: str | os.PathLike) -> "flatbuffer.schema.ModelT":
    """Returns the tables of a `.tflite` file.

    Raises:
        OSError: If the file does not exist.
        ValueError: If the file is damaged.
    """
    # Not needed to run a file.
    from ampose_tf.export import flatbuffer

    try:
        return flatbuffer.read(pathlib.Path(path).read_bytes())
    except ValueError as error:
        raise ValueError(
            f"{path}: not a readable .tflite file: {error}"
        ) from error


def operators(path: str | os.PathLike) -> dict[str, int]:
    """Returns the number of occurrences of each operator in a `.tflite` file.

    Raises:
        OSError, ValueError: See `tables`.
    """
    from ampose_tf.export import flatbuffer

    counted = collections.Counter(
        operator.name
        for subgraph in flatbuffer.operators(tables(path))
        for operator in subgraph
    )
    return dict(sorted(counted.items()))


def plans(path: str | os.PathLike) -> dict[str, dict[str, int]]:
    """Returns the operators that each signature runs with delegates.

    Returns:
        By signature, {operator: count}. A part of the graph that XNNPACK
        executes counts as one DELEGATE. `{"DELEGATE": 1}` means that XNNPACK
        executes the whole graph, without slower kernels.

    Raises:
        OSError: If the file does not exist.
        ValueError: If the file cannot be loaded.
    """
    from ampose_tf.export import flatbuffer

    whole = tables(path)
    made = {}
    for name in flatbuffer.signatures(whole):
        # The interpreter only lists the operators of the first subgraph.
        content = flatbuffer.write(flatbuffer.only(whole, name))
        with _refusals(path):
            interpreter = litert.Interpreter(model_content=content)
            interpreter.allocate_tensors()  # Applies delegates.
        # Private: there is no public way to list what a delegate executes.
        # Guarded by tests/test_private_apis.py.
        details = interpreter._get_ops_details()
        # Delegated operators are still listed, before their delegate.
        makers = {int(i): d for d in details for i in d["outputs"]}
        wanted = [d["index"] for d in interpreter.get_output_details()]
        run = {}
        while wanted:
            maker = makers.get(wanted.pop())
            if maker is not None and maker["index"] not in run:
                run[maker["index"]] = maker["op_name"]
                wanted += [int(i) for i in maker["inputs"]]
        made[name] = dict(sorted(collections.Counter(run.values()).items()))
    return made


def signature_shapes(path: str | os.PathLike) -> dict[str, dict]:
    """Returns the shapes of inputs and outputs, by signature and name.

    Raises:
        ValueError: If the file cannot be loaded.
    """
    with _refusals(path):
        interpreter = litert.Interpreter(model_path=str(path))
        runners = {
            name: interpreter.get_signature_runner(name)
            for name in interpreter.get_signature_list()
        }
    shapes = {}
    for name, runner in runners.items():
        shapes[name] = {
            kind: {n: detail["shape"].tolist() for n, detail in of.items()}
            for kind, of in (
                ("inputs", runner.get_input_details()),
                ("outputs", runner.get_output_details()),
            )
        }
    return shapes


def metadata(path: str | os.PathLike) -> dict:
    """Returns the metadata of an exported artefact, see `signatures.metadata`.

    Raises:
        ValueError: If the artefact has no valid metadata, and thus was not
            exported by this project.
    """
    path = pathlib.Path(path)
    try:
        with reading.guarded():
            described = json.loads(_metadata_text(path))
            _check_metadata(described)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path}: no {METADATA} inside; not exported by this "
            "project, or damaged"
        ) from error
    return described


def _check_metadata(described):
    if not isinstance(described, dict):
        raise ValueError("it is not an object")
    for name, kind in _METADATA.items():
        if name not in described:
            raise ValueError(f"it has no {name}")
        value = described[name]
        if type(value) is not kind or not str(value).isprintable():
            raise ValueError(f"{name}: expected {kind.__name__}")
        if len(str(value)) > _LONGEST:
            raise ValueError(f"{name}: more than {_LONGEST} characters")
    inner = [described]
    for _ in range(_MAX_DEPTH):
        inner = [value for outer in inner for value in _inside(outer)]
    if inner:
        raise ValueError("it is nested too deeply")


def _inside(value):
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _metadata_text(path):
    if not path.is_dir():
        with reading.opened(path) as file:
            members = unpacking.zip_members(file, _MAX_METADATA, METADATA)
            return dict(members)[METADATA]
    file = path / "assets.extra" / METADATA
    return reading.content(file, _MAX_METADATA)


@contextlib.contextmanager
def _refusals(path, errors=(ValueError, RuntimeError)):
    """Converts LiteRT's errors to ValueErrors that name the file."""
    try:
        yield
    except errors as error:
        reason = (str(error).strip() or "no message").splitlines()[0]
        raise ValueError(f"{path}: LiteRT cannot run it: {reason}") from error

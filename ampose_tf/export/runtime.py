"""Running SavedModels and `.tflite` files."""

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

# The file inside an artefact that says what it is.
METADATA = "ampose.json"
# What readers rely on in it, and its size in bytes.
_METADATA = {
    "joints": int,
    "normalisation": str,
    "seen_input": bool,
    "checkpoint": str,
}
_MAX_METADATA = 2**20
_MAX_DEPTH = 8
_LONGEST = 1000  # Characters of a text that is shown.

# LiteRT has no setting for what it says when all is well.
_GREETING = b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"


def saved_model(path: str | os.PathLike, signature: str = "lift") -> Callable:
    """Returns a signature of a SavedModel as a function.

    Args:
        path: The folder that holds `saved_model.pb`.
        signature: Its name.

    Returns:
        A function of named float32 arrays that returns `poses_3d`.

    Raises:
        ValueError: If it cannot be loaded or lacks the signature.
    """
    return saved_signatures(path, (signature,))[signature]


def saved_signatures(
    path: str | os.PathLike, names: tuple[str, ...]
) -> dict[str, Callable]:
    """Returns, by their names, what `saved_model` does, loaded once.

    Raises as `saved_model`.
    """
    # Reading a `.tflite` needs none of it, and it takes seconds to load.
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
        # A signature does not own the variables that it reads.
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
        path: The file.
        signature: Its name.
        reference: Whether to compute with the slow kernels that are LiteRT's
            own reference, instead of those that apps get.

    Returns:
        A function of named float32 arrays that returns `poses_3d`, for any
        number of threads at a time; each has an interpreter to itself.
        Arrays of more poses than the file's batch run batch by batch. Its
        attribute `batch` is the file's batch, and `shapes` has the shape of
        each input.

    Raises:
        ValueError: If it cannot be loaded or lacks the signature, or LiteRT
            lacks an operator.
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
    """Returns what `tflite` returns, faster for many poses.

    The file's graph, of one pose, is rewritten for `batch` poses a call,
    which saves a tenth to a sixth of the time (ampose_s on a core with
    AVX-512). None if the graph is not of one pose, or if what it makes of
    some poses then differs by a single bit.

    Args:
        path: The file.
        batch: Poses a call.
        signature: Its name.

    Raises:
        ValueError: As `tflite`.
    """
    # Takes a fifth of a second, which few poses do not need.
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
    """Returns a signature as a function, for any number of threads."""

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
            # Now, and not in the first call, LiteRT looks whether it has all
            # operators, and XNNPACK takes over.
            interpreter.allocate_tensors()
            return interpreter.get_signature_runner(signature)

    runner = load()
    shapes = {
        name: details["shape"].tolist()
        for name, details in runner.get_input_details().items()
    }
    batch = next(iter(shapes.values()))[0]
    # An interpreter is one thread's at a time. The last that was at rest is
    # taken first: its weights may still be in the cache.
    resting = queue.LifoQueue()
    resting.put(runner)

    def run(**arrays):
        arrays = {n: np.asarray(a, np.float32) for n, a in arrays.items()}
        count = len(next(iter(arrays.values())))
        # The last pose fills the last batch.
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
    """Drops LiteRT's greeting from standard error, if nothing else comes.

    What comes is written when the block ends; if the process is aborted in
    it, it is lost.
    """
    if sys.stderr is None:
        yield
        return
    sys.stderr.flush()
    errors = os.dup(2)
    # A pipe, which a full disk does not end; more than it holds is dropped.
    read, write = os.pipe()
    os.set_blocking(write, False)
    os.dup2(write, 2)
    os.close(write)
    try:
        yield
    finally:
        # Closes the last end that is written to.
        os.dup2(errors, 2)
        os.close(errors)
        with open(read, "rb") as said:
            content = said.read()
        if content != _GREETING:
            os.write(2, content)


def tables(path: str | os.PathLike) -> "flatbuffer.schema.ModelT":
    """Returns what a `.tflite` file holds.

    Raises:
        OSError: Where there is no such file.
        ValueError: Where it cannot be read.
    """
    # Running a file needs none of its tables.
    from ampose_tf.export import flatbuffer

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
    from ampose_tf.export import flatbuffer

    counted = collections.Counter(
        operator.name
        for subgraph in flatbuffer.operators(tables(path))
        for operator in subgraph
    )
    return dict(sorted(counted.items()))


def plans(path: str | os.PathLike) -> dict[str, dict[str, int]]:
    """Returns what is run of each signature, once delegates are applied.

    By signature, how often each operator is run; a part that XNNPACK takes
    over counts as one DELEGATE. `{"DELEGATE": 1}` says that nothing is left
    to slower kernels, and that no tensor is handed over on the way.

    Raises:
        OSError: Where there is no such file.
        ValueError: Where it cannot be loaded.
    """
    from ampose_tf.export import flatbuffer

    whole = tables(path)
    made = {}
    for name in flatbuffer.signatures(whole):
        # The interpreter lists the operators of the first subgraph alone.
        content = flatbuffer.write(flatbuffer.only(whole, name))
        with _refusals(path):
            interpreter = litert.Interpreter(model_content=content)
            interpreter.allocate_tensors()  # when delegates are applied
        # Private: LiteRT says in no other way what a delegate takes over.
        # Its form is held by tests/test_private_apis.py.
        details = interpreter._get_ops_details()
        # What has been taken over is still listed, before its delegate.
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
    """Returns, by signature and name, the shapes of inputs and outputs.

    Raises:
        ValueError: Where it cannot be loaded.
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
    """Returns what `signatures.metadata` put into an exported artefact.

    Raises:
        ValueError: Where there is none: not a file of this project's.
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
            raise ValueError(f"it lacks {name}")
        value = described[name]
        if type(value) is not kind or not str(value).isprintable():
            raise ValueError(f"{name}: expected {kind.__name__}")
        if len(str(value)) > _LONGEST:
            raise ValueError(f"{name}: of over {_LONGEST} characters")
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
    """Names the file where LiteRT cannot read it, or lacks an operator."""
    try:
        yield
    except errors as error:
        reason = (str(error).strip() or "no message").splitlines()[0]
        raise ValueError(f"{path}: LiteRT cannot run it: {reason}") from error

"""Running SavedModels and `.tflite` files."""

import collections
import json
import os
import pathlib
import zipfile
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from ai_edge_litert import interpreter as litert

from ampose_tf.export import signatures


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


def tflite(path: str | os.PathLike, signature: str = "lift") -> Callable:
    """Returns a signature of a `.tflite` file as a function.

    Args:
        path: The file.
        signature: Its name.

    Returns:
        A function of named float32 arrays that returns `poses_3d`. The file
        takes one pose at a time; arrays of more run one by one.

    Raises:
        ValueError: Where it cannot be loaded or lacks the signature.
    """
    interpreter = _interpreter(path)
    listed = interpreter.get_signature_list()
    if signature not in listed:
        raise ValueError(
            f"{path}: no signature {signature!r}; it has "
            f"{', '.join(listed) or 'none'}"
        )
    runner = interpreter.get_signature_runner(signature)

    def run(**arrays):
        arrays = {n: np.asarray(a, np.float32) for n, a in arrays.items()}
        count = len(next(iter(arrays.values())))
        lifted = [
            runner(**{n: a[i : i + 1] for n, a in arrays.items()})["poses_3d"]
            for i in range(count)
        ]
        return np.concatenate(lifted)

    return run


def operators(path: str | os.PathLike) -> dict[str, int]:
    """Returns how often each operator occurs in a `.tflite` file.

    Raises:
        ValueError: Where it cannot be loaded.
    """
    # Delegates would hide the operators that they take over.
    interpreter = _interpreter(
        path,
        experimental_op_resolver_type=(
            litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        ),
    )
    details = interpreter._get_ops_details()
    return dict(
        sorted(collections.Counter(op["op_name"] for op in details).items())
    )


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

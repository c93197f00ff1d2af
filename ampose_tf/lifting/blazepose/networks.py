"""Loads networks as functions, run by LiteRT."""

import os
from collections.abc import Callable

import numpy as np
from ai_edge_litert import interpreter as litert

# Networks of these sizes do not become faster with more threads.
_MOST_THREADS = 4


def load(
    path: str | os.PathLike,
) -> Callable[[np.ndarray], tuple[np.ndarray, ...]]:
    """Returns a network as a function of its input.

    `models.paths` must have checked the file.

    Args:
        path: Path of a `.tflite` file with one input.

    Returns:
        A function that returns the outputs in the file's order. It must not
        be called from several threads at once.
    """
    interpreter = litert.Interpreter(
        model_path=str(path), num_threads=_threads()
    )
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    made = [output["index"] for output in interpreter.get_output_details()]

    def run(tensor):
        interpreter.set_tensor(given["index"], tensor)
        interpreter.invoke()
        return tuple(interpreter.get_tensor(index) for index in made)

    return run


def _threads():
    if hasattr(os, "sched_getaffinity"):
        return min(_MOST_THREADS, len(os.sched_getaffinity(0)))
    return min(_MOST_THREADS, os.cpu_count() or 1)

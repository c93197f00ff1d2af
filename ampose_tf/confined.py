"""Parsers of other libraries, run on files from strangers in a child process.

A parser in C may crash, and one in Python may hang or fill the memory, with
a file that was made for it. In a child process with limits of time and memory
that ends in a `ValueError`. It is no sandbox: a parser that a file takes over
has the user's rights.
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable

_ARRAY = "\0array"
# Exceptions of a child that are the parent's, too: they say what is wrong.
_PLAIN = (ImportError, OSError, ValueError)


def call(
    function: Callable, *arguments, seconds: float = 10, memory: int = 2**30
):
    """Returns what a function returns in a child process.

    The child has one thread for each numerical library, and what it prints is
    dropped. Where the system has no limits of memory (Windows; macOS ignores
    them), there is the limit of time alone.

    Args:
        function: A function of a module that can be imported. It returns
            JSON values, NumPy arrays, or such in each other.
        arguments: JSON values.
        seconds: How long the child may take, its start included.
        memory: How many bytes of address space it may take, and of results.

    Raises:
        ImportError: If the function raises it.
        OSError: Likewise.
        ValueError: Likewise; or it raises any other exception, crashes, or
            takes more than the limits. The message does not name the file,
            and a note holds the traceback of an unexpected exception.
    """
    request = {
        "function": f"{function.__module__}:{function.__qualname__}",
        "arguments": arguments,
        "seconds": seconds,
        "memory": memory,
    }
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    paths = os.pathsep.join(path for path in sys.path if path)
    with tempfile.TemporaryFile() as answer:
        try:
            # -P: the working folder may be the stranger's.
            status = subprocess.run(
                [sys.executable, "-P", "-m", __name__],
                input=json.dumps(request).encode(),
                stdout=answer,
                stderr=subprocess.DEVNULL,
                env=os.environ
                | {"PYTHONPATH": paths}
                | dict.fromkeys(threads, "1"),
                timeout=seconds,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            raise ValueError(f"takes more than {seconds:g} s") from None
        if status < 0:
            name = signal.Signals(-status).name
            raise ValueError(f"is damaged or not supported ({name})")
        answer.seek(0)
        return _received(answer, status)


def _received(file, status):
    def restored(value):
        if _ARRAY not in value:
            return value
        import numpy as np

        kind, shape = value[_ARRAY]
        dtype = np.dtype(kind)
        content = file.read(dtype.itemsize * int(np.prod(shape, dtype=object)))
        return np.frombuffer(content, dtype).reshape(shape).copy()

    line = file.readline()
    if not line.endswith(b"\n"):
        raise ValueError(f"is damaged or not supported (status {status})")
    kind, value, *trace = json.loads(line, object_hook=restored)
    if kind == "result":
        return value
    for plain in _PLAIN:
        if kind == plain.__name__:
            raise plain(*value)
    error = ValueError(value)
    error.add_note("".join(trace))
    raise error


def _sent(value):
    """Returns what a value is on the pipe: a line of JSON, then arrays."""
    arrays = []

    def described(value):
        import numpy as np

        if isinstance(value, np.generic):
            return value.item()
        if (
            not isinstance(value, np.ndarray)
            or value.dtype.kind not in "biufU"
        ):
            raise TypeError(f"{type(value).__name__} is not sent")
        arrays.append(value.tobytes())
        return {_ARRAY: (value.dtype.str, value.shape)}

    line = json.dumps(value, default=described).encode()
    return b"".join([line, b"\n", *arrays])


def _answer(request):
    """Returns what the parent gets, from within the limits."""
    try:
        module, name = request["function"].split(":")
        function = getattr(importlib.import_module(module), name)
        return _sent(["result", function(*request["arguments"])])
    except MemoryError:
        megabytes = request["memory"] // 2**20
        return _sent(["", f"takes more than {megabytes} MB of memory"])
    except _PLAIN as error:
        kind = next(k for k in _PLAIN if isinstance(error, k))
        if kind is OSError and error.errno is not None:
            return _sent(["OSError", (*error.args[:2], error.filename)])
        return _sent([kind.__name__, [str(error)]])
    except Exception as error:
        words = f"is damaged or not supported ({type(error).__name__})"
        return _sent(["", words, traceback.format_exc()])


def _limit(seconds, memory):
    try:
        import resource
    except ImportError:  # Not a POSIX system.
        return
    # Seconds of all threads, for a child whose parent is gone.
    seconds = int(seconds) * (os.cpu_count() or 1)
    for limit, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, memory),
        (resource.RLIMIT_CORE, 0),
    ):
        # Some systems refuse some, or allow less already.
        with contextlib.suppress(OSError, ValueError):
            _, hard = resource.getrlimit(limit)
            resource.setrlimit(limit, (most, hard))


def _main():
    # What libraries print must not get among the arrays.
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)
        request = json.load(sys.stdin)
        _limit(request["seconds"], request["memory"])
        answer.write(_answer(request))


if __name__ == "__main__":
    _main()

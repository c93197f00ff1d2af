"""Runs other libraries' parsers on untrusted files in a child process.

On a file made for the purpose, a parser in C may crash, and one in Python may
hang or fill the memory. In a child process with limits on time and memory, it
raises a `ValueError` instead. This is no sandbox: a parser that a file takes
over has the user's rights.
"""

import contextlib
import importlib
import json
import math
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable

try:
    import resource
except ImportError:  # Not a POSIX system.
    resource = None

_ARRAY = "\0array"
# Wall-clock limit: a multiple of the processor time, plus the time to start.
_PATIENCE, _START_S = 3, 20
# Exceptions of the child that are raised unchanged in the parent.
_PLAIN = (ImportError, OSError, ValueError)


def call(
    function: Callable, *arguments, seconds: float = 10, memory: int = 2**30
):
    """Calls a function in a child process and returns its result.

    The child uses one thread for each numerical library, and its output is
    discarded. The limits apply once the function's module is imported; macOS
    does not limit memory.

    Args:
        function: A function of an importable module. It returns nested JSON
            values and NumPy arrays.
        arguments: JSON values.
        seconds: Limit of the call's processor time.
        memory: Limit of its address space, and of its results, in bytes.

    Raises:
        ImportError: If the function raises it.
        OSError: If the function raises it.
        ValueError: If the function raises it or any other exception, crashes,
            or exceeds the limits. The message does not name the file; a note
            holds the traceback of an unexpected exception.
    """
    request = {
        "function": f"{function.__module__}:{function.__qualname__}",
        "arguments": arguments,
        "seconds": seconds,
        "memory": memory,
    }
    if not sys.executable or getattr(sys, "frozen", False):
        raise ValueError(
            "files of this kind are read by another Python process, which "
            "cannot be started here"
        )
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    paths = os.pathsep.join(path for path in sys.path if path)
    with tempfile.TemporaryFile() as answer:
        try:
            # -P: the working folder may not be trusted.
            status = subprocess.run(
                [sys.executable, "-P", "-m", __name__],
                input=json.dumps(request).encode(),
                stdout=answer,
                stderr=subprocess.DEVNULL,
                env=os.environ
                | {"PYTHONPATH": paths}
                | dict.fromkeys(threads, "1"),
                # Wall-clock time, for a busy machine and for starting.
                timeout=_PATIENCE * seconds + _START_S,
                # The parent handles Ctrl-C.
                start_new_session=True,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            raise ValueError(_late(seconds)) from None
        if -status == getattr(signal, "SIGXCPU", None):
            raise ValueError(_late(seconds))
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
    if kind == "ImportError":
        raise ImportError(value[0], name=value[1])
    for plain in _PLAIN:
        if kind == plain.__name__:
            raise plain(*value)
    error = ValueError(value)
    error.add_note("".join(trace))
    raise error


def _sent(value):
    """Returns the encoding of a value: a line of JSON, then arrays."""
    arrays = []

    def described(value):
        import numpy as np

        if isinstance(value, np.generic):
            return value.item()
        if (
            not isinstance(value, np.ndarray)
            or value.dtype.kind not in "biufU"
        ):
            raise TypeError(f"{type(value).__name__} cannot be sent")
        arrays.append(value)
        return {_ARRAY: (value.dtype.str, value.shape)}

    line = json.dumps(value, default=described).encode()
    return [line, b"\n", *map(_bytes_of, arrays)]


def _bytes_of(array):
    import numpy as np

    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def _answer(request):
    """Computes the response to the parent, within the limits."""
    seconds, memory = request["seconds"], request["memory"]
    try:
        module, name = request["function"].split(":")
        # Before the limits: the time that it takes depends on the machine.
        function = getattr(importlib.import_module(module), name)
        limit(seconds, memory)
        return _sent(["result", function(*request["arguments"])])
    except MemoryError:
        return _sent(["", f"takes more than {memory // 2**20} MB of memory"])
    except TimeoutError as error:
        return _sent(["", str(error)])
    except _PLAIN as error:
        kind = next(k for k in _PLAIN if isinstance(error, k))
        if kind is ImportError:
            return _sent(["ImportError", [str(error), error.name]])
        if kind is OSError and error.errno is not None:
            return _sent(["OSError", (*error.args[:2], error.filename)])
        return _sent([kind.__name__, [str(error)]])
    except Exception as error:
        words = f"is damaged or not supported ({type(error).__name__})"
        return _sent(["", words, traceback.format_exc()])


def limit(seconds: float, memory: int) -> None:
    """Limits this process, a child of `call`, from now on.

    A function that has imported large modules calls it again. Python code
    that exceeds the time raises a TimeoutError, so that it can name the place
    in a file; other code is killed with the process.

    Args:
        seconds: Processor time.
        memory: Bytes of address space, in addition to those used already.
    """
    if resource is None:
        return
    used = time.process_time()
    taken = 0
    with contextlib.suppress(OSError):  # Only Linux has this file.
        pages = pathlib.Path("/proc/self/statm").read_text().split()[0]
        taken = int(pages) * resource.getpagesize()
    for kind, most in (
        (resource.RLIMIT_AS, taken + memory),
        (resource.RLIMIT_CPU, math.ceil(used + seconds) + 1),
        (resource.RLIMIT_FSIZE, memory),
        (resource.RLIMIT_CORE, 0),
    ):
        # Some systems refuse a limit, or already have a lower one.
        with contextlib.suppress(OSError, ValueError):
            _, hard = resource.getrlimit(kind)
            resource.setrlimit(kind, (most, hard))

    def late(*_):
        raise TimeoutError(_late(seconds))

    signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _late(seconds):
    return f"takes more than {seconds:.3g} s"


def _main():
    # Output of libraries must not be mixed with the arrays.
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)
        for part in _answer(json.load(sys.stdin)):
            answer.write(part)


if __name__ == "__main__":
    _main()

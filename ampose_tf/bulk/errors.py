"""Errors and logs of Beam and of its workers, as errors of one line."""

import builtins
import collections
import contextlib
import os
import re
import sys
import threading
from collections.abc import Iterator

from apache_beam.io import filesystem

from ampose_tf import reading

# Beam's message if the process of a worker has ended.
_DEAD = "Channel closed prematurely"

# Number of pieces of logs that are kept, of at most 4 kB each.
_MOST_SAID = 256

# Errors of workers are strings with a traceback.
_ERROR = re.compile(r"(?:[a-zA-Z_]\w*\.)*([A-Z]\w*): (.*)")
_WHERE = re.compile(r"\s*\[while running .*", re.DOTALL)
_MISTAKES = {
    "ValueError",
    "BeamIOError",
    "ArrowInvalid",
    *(
        name
        for name, value in vars(builtins).items()
        if isinstance(value, type) and issubclass(value, OSError)
    ),
}


@contextlib.contextmanager
def logs_aside() -> Iterator[None]:
    """Hides logs of Beam and of local workers, unless the error is unexpected.

    Otherwise, user errors would be logged several times, with tracebacks.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    # In memory, as the disk may be full. Workers inherit the write end.
    read, write = os.pipe()
    os.dup2(write, 2)
    os.close(write)
    said = collections.deque(maxlen=_MOST_SAID)
    reader = threading.Thread(target=_collect, args=(read, said), daemon=True)
    reader.start()
    is_wanted = False
    try:
        yield
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        is_wanted = _DEAD not in text and mistake_in(text) is None
        raise
    finally:
        sys.stderr.flush()
        os.dup2(stderr, 2)
        os.close(stderr)
        # Workers that have not ended keep the write end open.
        reader.join(timeout=1)
        if is_wanted:
            with open(2, "wb", closefd=False) as file:
                file.write(b"".join(tuple(said)))


def _collect(descriptor, said):
    with open(descriptor, "rb", buffering=0) as pipe:
        while content := pipe.read(2**12):
            said.append(content)


@contextlib.contextmanager
def of_one_line(output: str) -> Iterator[None]:
    """Converts errors of Beam and of workers to errors of one line.

    Args:
        output: The output, which is named if the disk is full.

    Raises:
        OSError: If a file cannot be read or written, or a worker ended.
        ValueError: If the user made another mistake.
    """
    try:
        yield
    except filesystem.BeamIOError as error:
        raise OSError(_of_beam(error)) from error
    except ImportError as error:
        raise ValueError(f"the runner is not installed: {error}") from error
    except (OSError, ValueError) as error:
        # From this process, the error includes the transform's name.
        said = _WHERE.sub("", str(error))
        if said == str(error):
            raise
        raise ValueError(said) from error
    except RuntimeError as error:
        if _DEAD in str(error):
            raise OSError(
                "a worker ended early, for example for lack of memory; no "
                "output is written"
            ) from error
        mistake = mistake_in(str(error))
        if mistake is None:
            raise
        if mistake.startswith("[Errno") and "'" not in mistake:
            # For example for a full disk, which does not name a file.
            mistake = f"{output}: {mistake}"
        raise ValueError(mistake) from error


def _of_beam(error):
    """Returns the reasons in an error of Beam, or its message."""
    reasons = [str(e) for e in (error.exception_details or {}).values()]
    return "; ".join(reasons) or str(error)


def mistake_in(text: str) -> str | None:
    """Returns the message of a user error at the end of a traceback.

    Returns None for other errors, which are bugs.
    """
    for line in reversed(_WHERE.sub("", text).splitlines()):
        # Beam wraps system errors in RuntimeErrors.
        line = line.strip().removeprefix("RuntimeError: ")
        found = _ERROR.fullmatch(line)
        if found is not None:
            kind, message = found.groups()
            return reading.line(message) if kind in _MISTAKES else None
    return None

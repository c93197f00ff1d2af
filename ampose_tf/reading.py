"""Files from strangers: what is opened, and what is said of it.

Names, texts and exceptions of a stranger's file may hold anything. What is
shown of them is one printable line of a bounded length.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from typing import BinaryIO

# Of a message, its script's name included.
_LONGEST = 300

_ELLIPSIS = " … "


def opened(path: str | os.PathLike) -> BinaryIO:
    """Opens a file to read its bytes.

    Named pipes, devices and sockets, which may have no end or no beginning,
    are refused. The unnamed pipe of a shell's `<(command)` is read.

    Raises:
        OSError: If it cannot be opened, or is not a file.
    """
    file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115
    try:
        mode = os.fstat(file.fileno()).st_mode
        is_pipe = stat.S_ISFIFO(mode) and _is_unnamed(path)
        if not stat.S_ISREG(mode) and not is_pipe:
            message = "Is a pipe or a device, expected a file"
            raise OSError(errno.EINVAL, message, os.fspath(path))
        os.set_blocking(file.fileno(), True)
    except BaseException:
        file.close()
        raise
    return file


def content(path: str | os.PathLike, most: int) -> bytes:
    """Returns what is in a file.

    Args:
        path: Path of the file.
        most: Bytes that it may have.

    Raises:
        OSError: If it cannot be read, or is not a file.
        ValueError: If it is larger. The message does not name the file.
    """
    with opened(path) as file:
        # Python takes memory for as many bytes as are asked for, of each of
        # thousands of files in a folder; what is no file has no size.
        size = min(most, os.fstat(file.fileno()).st_size)
        found = file.read(size + 1)
        if len(found) > size:
            found += file.read(most - size)
    if len(found) > most:
        raise ValueError(f"larger than {most} bytes")
    return found


def _open_at_once(path, flags):
    """Opens even a pipe that nothing writes to."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _is_unnamed(path):
    place = os.path.realpath(path)
    return os.path.dirname(place) == "/dev/fd" or not os.path.exists(place)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Turns unexpected exceptions within the block into a ValueError.

    For blocks that do nothing but read a file: a parser meets damage of kinds
    that its author has not thought of. The message does not name the file;
    `--debug` shows the traceback.

    Raises:
        ImportError: If the block raises it.
        OSError: If the block raises it.
        ValueError: If the block raises it, or any other exception.
    """
    try:
        yield
    except (ImportError, OSError, ValueError):
        raise
    except MemoryError as error:
        raise ValueError("takes more memory than there is") from error
    except Exception as error:
        reason = f"{type(error).__name__}: {line(str(error), 100)}"
        raise ValueError(
            f"is damaged or not supported ({reason.removesuffix(': ')})"
        ) from error


def shown(text: str, most: int = 80) -> str:
    """Returns text of a file as it may be shown: one line, of some length.

    Line ends, control characters, among them those that change the direction
    of text, and whatever else cannot be printed become escapes, as `\\x1b`.
    """
    text = escaped(text[: most + 1])
    return text if len(text) <= most else f"{text[: most - 1]}…"


def escaped(text: str) -> str:
    """Returns text with escapes for all that cannot be printed."""
    if text.isprintable():
        # What can be printed stays: the text itself may have backslashes.
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def line(text: str, most: int = _LONGEST) -> str:
    """Returns a message as one line, without its middle if it is long."""
    text = escaped(" ".join(text.split()))
    if len(text) <= most:
        return text
    half = (most - len(_ELLIPSIS)) // 2
    return f"{text[:half]}{_ELLIPSIS}{text[-half:]}"

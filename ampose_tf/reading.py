"""Opens untrusted files, and shows text from them safely.

Names, texts and exceptions of an untrusted file may contain anything. They
are shown as one printable line of limited length.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from typing import BinaryIO

# Length of a message, including its script's name.
_LONGEST = 300

_ELLIPSIS = " … "


def opened(path: str | os.PathLike) -> BinaryIO:
    """Opens a file for reading in binary mode.

    Named pipes, devices and sockets are refused, because reading them may
    never begin or end. The unnamed pipe of a shell's `<(command)` is accepted.

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
    """Returns the content of a file.

    Args:
        path: Path of the file.
        most: Largest size in bytes.

    Raises:
        OSError: If it cannot be read, or is not a file.
        ValueError: If the file is larger. The message does not name it.
    """
    with opened(path) as file:
        # Python allocates as many bytes as are requested, for each of
        # thousands of files in a folder; a pipe has no size.
        size = min(most, os.fstat(file.fileno()).st_size)
        found = file.read(size + 1)
        if len(found) > size:
            found += file.read(most - size)
    if len(found) > most:
        raise ValueError(f"larger than {most} bytes")
    return found


def _open_at_once(path, flags):
    """Opens without blocking, even a pipe that has no writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _is_unnamed(path):
    place = os.path.realpath(path)
    return os.path.dirname(place) == "/dev/fd" or not os.path.exists(place)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Turns unexpected exceptions within the block into a ValueError.

    For blocks that only read a file: a damaged file may make a parser raise
    any exception. The message does not name the file; `--debug` shows the
    traceback.

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
        raise ValueError("needs more memory than is available") from error
    except Exception as error:
        reason = f"{type(error).__name__}: {line(str(error), 100)}"
        raise ValueError(
            f"is damaged or not supported ({reason.removesuffix(': ')})"
        ) from error


def shown(text: str, most: int = 80) -> str:
    """Returns text from a file as one printable line of limited length.

    Line ends, control characters (including those that change the direction
    of text) and other unprintable characters become escapes such as `\\x1b`.
    """
    text = escaped(text[: most + 1])
    return text if len(text) <= most else f"{text[: most - 1]}…"


def escaped(text: str) -> str:
    """Returns text with escapes for all unprintable characters."""
    if text.isprintable():
        # Printable text stays as it is, including backslashes.
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def line(text: str, most: int = _LONGEST) -> str:
    """Returns a message as one line, shortened in the middle if long."""
    text = escaped(" ".join(text.split()))
    if len(text) <= most:
        return text
    half = (most - len(_ELLIPSIS)) // 2
    return f"{text[:half]}{_ELLIPSIS}{text[-half:]}"

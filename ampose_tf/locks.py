"""Locks between processes, in files that name their holder.

The system releases a lock when its process ends, for whatever reason. Without
system locks, as on some network file systems, the file itself is the lock: it
is taken over if it belongs to a process of this host that is known to be dead,
and one that another host has left must be removed by hand.
"""

import contextlib
import errno
import os
import pathlib
import re
import socket
import stat
import time
from collections.abc import Iterator

try:
    import fcntl
except ImportError:  # Not a POSIX system.
    fcntl = None

# Name of the lock of a folder that one process at a time writes to.
NAME = ".ampose.lock"

# A lock is signed at once, so an unsigned one is abandoned after this time.
_UNSIGNED_S = 60

_UNSUPPORTED = (errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_OPEN = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
_HOLDER = re.compile(r"process (\d{1,9}) on (\S{1,64}) since [-:\d ]{10,19}")


@contextlib.contextmanager
def held(path: str | os.PathLike) -> Iterator[None]:
    """Holds a lock until the block, or the process, ends.

    Args:
        path: Path of the lock's file, in a folder that exists. The file is
            removed at the end.

    Raises:
        BlockingIOError: If another process, or another block of this one,
            holds the lock; the message names the holder and its start.
        OSError: If the file cannot be created. A symbolic link is not
            followed.
    """
    path = pathlib.Path(path)
    descriptor = _take(path)
    try:
        yield
    finally:
        # The file may have been removed by hand and now belong to another.
        with contextlib.suppress(OSError):
            if _is_at(path, descriptor):
                path.unlink()
        os.close(descriptor)


def _take(path):
    """Returns the open file of a lock that this process now holds."""
    while True:
        descriptor, is_new = _opened(path)
        try:
            is_ours = _locked(descriptor, path) or is_new
            if not is_ours:
                _check_dead(descriptor, path)
                path.unlink(missing_ok=True)
            # Its last holder may have removed it in the meantime.
            elif _is_at(path, descriptor):
                _sign(descriptor)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _opened(path):
    """Returns a descriptor, and whether the file is new."""
    while True:
        with contextlib.suppress(FileExistsError):
            return os.open(path, _OPEN | os.O_CREAT | os.O_EXCL, 0o666), True
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(path, _OPEN)
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return descriptor, False
            os.close(descriptor)
            raise OSError(errno.EINVAL, "Not a regular file", str(path))


def _locked(descriptor, path):
    """Locks a file; returns False if the system has no such locks."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise _refusal(path, _holder(descriptor)) from error
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        return False
    return True


def _check_dead(descriptor, path):
    """Raises an error unless the lock file belongs to a dead process."""
    holder = _holder(descriptor)
    state = os.fstat(descriptor)
    if not state.st_size and time.time() - state.st_mtime > _UNSIGNED_S:
        return  # Its process died before signing.
    if holder is not None and holder[2] == socket.gethostname():
        try:
            # Another user's process also raises an error.
            with contextlib.suppress(PermissionError):
                os.kill(int(holder[1]), 0)
        except ProcessLookupError:
            return
    raise _refusal(path, holder, f"; if that process is gone, remove {path}")


def _refusal(path, holder, advice=""):
    who = "another process" if holder is None else holder[0]
    return BlockingIOError(f"{path.parent} is in use by {who}{advice}")


def _holder(descriptor):
    """Returns the signature of a lock as a match of `_HOLDER`, or None."""
    text = os.pread(descriptor, 200, 0).decode("ascii", "replace")
    return _HOLDER.fullmatch(text)


def _sign(descriptor):
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    text = f"process {os.getpid()} on {socket.gethostname()} since {since}"
    # On a full disk, the lock is held without a signature.
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode("ascii", "replace"), 0)


def _is_at(path, descriptor):
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False

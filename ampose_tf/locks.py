"""Locks between processes, on a file that says who holds it.

The system drops a lock when its process ends, however it ends. Where it
has no such locks, as on some network file systems, the file itself is the
lock: it is taken over from a process of this host that is known to be dead,
and one that another host has left has to be removed by hand.
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

# Of a folder that one process at a time writes to.
NAME = ".ampose.lock"

# A lock is signed at once.
_UNSIGNED_S = 60

_UNSUPPORTED = (errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_OPEN = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
_HOLDER = re.compile(r"process (\d{1,9}) on (\S{1,64}) since [-:\d ]{10,19}")


@contextlib.contextmanager
def held(path: str | os.PathLike) -> Iterator[None]:
    """Holds a lock as long as the block, or the process, lasts.

    Args:
        path: The lock's file, in a folder that exists. It is removed at the
            end.

    Raises:
        BlockingIOError: If another process, or another block of this one,
            holds it; the message says which and since when.
        OSError: If the file cannot be made. A symbolic link is not followed.
    """
    path = pathlib.Path(path)
    descriptor = _take(path)
    try:
        yield
    finally:
        # It may have been removed by hand, and be another's now.
        with contextlib.suppress(OSError):
            if _is_at(path, descriptor):
                path.unlink()
        os.close(descriptor)


def _take(path):
    """Returns the open file of a lock that is now this process's."""
    while True:
        descriptor, is_new = _opened(path)
        try:
            is_ours = _locked(descriptor, path) or is_new
            if not is_ours:
                _check_dead(descriptor, path)
                path.unlink(missing_ok=True)
            # Its last holder may have removed it in between.
            elif _is_at(path, descriptor):
                _sign(descriptor)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _opened(path):
    """Returns a descriptor, and whether the file was not there before."""
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
    """Raises an error unless a file that is the lock is a dead process's."""
    holder = _holder(descriptor)
    state = os.fstat(descriptor)
    if not state.st_size and time.time() - state.st_mtime > _UNSIGNED_S:
        return  # Its process died before it signed.
    if holder is not None and holder[2] == socket.gethostname():
        try:
            # Of another user's process it is an error, too.
            with contextlib.suppress(PermissionError):
                os.kill(int(holder[1]), 0)
        except ProcessLookupError:
            return
    raise _refusal(path, holder, f"; if that is gone, remove {path}")


def _refusal(path, holder, advice=""):
    who = "another process" if holder is None else holder[0]
    return BlockingIOError(f"{path.parent} is in use by {who}{advice}")


def _holder(descriptor):
    """Returns who has signed a lock, a match of `_HOLDER`, or None."""
    text = os.pread(descriptor, 200, 0).decode("ascii", "replace")
    return _HOLDER.fullmatch(text)


def _sign(descriptor):
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    text = f"process {os.getpid()} on {socket.gethostname()} since {since}"
    # A lock is held on a full disk, too.
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode("ascii", "replace"), 0)


def _is_at(path, descriptor):
    try:
        return os.path.samestat(os.lstat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False

"""Writes files so that they are never incomplete; computes digests.

Output is written to a temporary folder, `.ampose.` and eight characters, next
to its final place, and moved there once it is complete. A process holds a lock
in this folder, so the next process that writes to the same place can recognise
and remove what a killed one left behind.

A symbolic link at the place of a file is treated as a file, wherever it
points: it is never followed, and it is replaced where a file would be. Parent
folders may be links.
"""

import contextlib
import errno
import hashlib
import os
import pathlib
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator

from ampose_tf import locks

_PREFIX = ".ampose."
_TEMPORARY = re.compile(r"\.ampose\.[a-z0-9_]{8}")
# Contents of a temporary folder: the new file, the one it replaces, the lock.
_NEW, _OLD, _LOCK = "new", "old", "lock"

_INSIDE = re.compile(rf"{_TEMPORARY.pattern}/{_NEW}/")

_FULL = (errno.ENOSPC, errno.EDQUOT)
_OF_DISKS = (*_FULL, errno.EFBIG, errno.EIO, errno.EROFS)
_WITHOUT_LINKS = (
    errno.EPERM,
    errno.EACCES,
    errno.EMLINK,
    errno.ENOSYS,
    errno.EOPNOTSUPP,
)

# Systems without user IDs report 0 as a file's owner.
_USER = os.geteuid() if hasattr(os, "geteuid") else 0

_tidied = set()


@contextlib.contextmanager
def replacing(
    path: str | os.PathLike, overwrite: bool = True
) -> Iterator[pathlib.Path]:
    """Yields a temporary path that becomes `path` when the block succeeds.

    The block writes a file or a directory at the temporary path, which is
    next to `path`. If the block raises an exception or the process dies,
    an existing `path` is unchanged. Missing parent folders are created.

    A file is replaced in one step. For a directory, the old one is moved
    aside before the new one is moved into place; if the process dies between
    the two, `remove_leftovers` restores the old one.

    Args:
        path: Output path.
        overwrite: Whether to replace an existing path. If false, it is kept
            even if another process creates it in the meantime.

    Raises:
        FileExistsError: If `path` exists and `overwrite` is false.
        OSError: If the folder cannot be written or the disk is full.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _temporary(path.parent, path) as folder:
        # The name is kept because writers choose the format by its suffix.
        temporary = folder / _NEW / path.name
        yield temporary
        _flush_to_disk(temporary)
        if not overwrite:
            _place(temporary, path)
        elif path.is_dir() and temporary.is_dir():
            _replace_folder(temporary, path, folder / _OLD)
        else:
            os.replace(temporary, path)
        _sync(path.parent)


@contextlib.contextmanager
def workplace(folder: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary folder inside a folder, which is created if missing.

    During the block, the folder is locked against other processes that do the
    same.

    Raises:
        OSError: If the folder cannot be written, the disk is full, or the
            folder is in use.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with locks.held(folder / locks.NAME):
        remove_leftovers(folder)
        with _temporary(folder, folder) as place:
            yield place / _NEW


@contextlib.contextmanager
def scratch() -> Iterator[pathlib.Path]:
    """Yields a folder inside the system's folder for temporary files.

    It is removed after the block or, if the process is killed in it, before
    the next such block of another process.

    Raises:
        OSError: If the folder cannot be written or the disk is full.
    """
    parent = tempfile.gettempdir()
    with _temporary(parent, parent) as place:
        yield place / _NEW


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes UTF-8 text with `replacing`."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sha256(
    path: str | os.PathLike, inside: Iterable[pathlib.Path] | None = None
) -> str:
    """Returns the SHA-256 of a file or folder, as hexadecimal digits.

    The digest of a folder is computed from its files' names and digests.

    Args:
        path: Path of the file or folder.
        inside: The files of a folder to include; None for all, including
            those in subfolders.

    Raises:
        OSError: If a file cannot be read.
    """
    path = pathlib.Path(path)
    if not path.is_dir():
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    whole = hashlib.sha256()
    entries = path.glob("**/*") if inside is None else inside
    for entry in sorted(p for p in entries if p.is_file()):
        name = os.fsencode(entry.relative_to(path))
        whole.update(name + b"\0" + sha256(entry).encode())
    return whole.hexdigest()


def remove_leftovers(folder: str | os.PathLike) -> None:
    """Removes what killed processes left unfinished in a folder.

    A directory that was moved aside but not replaced is restored.
    """
    folder = pathlib.Path(folder)
    _tidied.add(os.path.abspath(folder))
    entries = []
    # A leftover that cannot be removed must not stop the next run.
    with contextlib.suppress(OSError):
        entries = [e for e in os.scandir(folder) if _is_leftover(e)]
    for entry in entries:
        with contextlib.suppress(OSError):
            _remove_leftover(pathlib.Path(entry))


def check_free(path: str | os.PathLike, overwrite: bool) -> None:
    """Raises a FileExistsError if a path exists and may not be replaced."""
    if not overwrite and os.path.lexists(path):
        raise FileExistsError(
            f"{path} exists; give --overwrite (in Python overwrite=True) or "
            "another path"
        )


def _is_leftover(entry):
    return (
        _TEMPORARY.fullmatch(entry.name) is not None
        and entry.is_dir(follow_symlinks=False)
        # Other users write to the system's temporary folder, too.
        and entry.stat(follow_symlinks=False).st_uid == _USER
    )


def _remove_leftover(left):
    # A folder that has no lock yet is empty.
    with contextlib.suppress(OSError):
        left.rmdir()
        return
    if {entry.name for entry in left.iterdir()} - {_NEW, _OLD, _LOCK}:
        return  # Not a folder of this module.
    with contextlib.suppress(BlockingIOError), locks.held(left / _LOCK):
        _empty(left)
    with contextlib.suppress(OSError):
        left.rmdir()


@contextlib.contextmanager
def _temporary(parent, shown):
    """Yields a temporary folder of this process that contains `_NEW`.

    Errors within the block name the final path, or `shown`.
    """
    if os.path.abspath(parent) not in _tidied:
        remove_leftovers(parent)
    try:
        with contextlib.ExitStack() as stack:
            yield _locked_folder(parent, stack)
    except Exception as error:
        explained = _explained(error, shown)
        if explained is None:
            raise
        raise explained from error


def _locked_folder(parent, stack):
    while True:
        folder = pathlib.Path(tempfile.mkdtemp(dir=parent, prefix=_PREFIX))
        stack.callback(_remove_empty, folder)
        # Another process may have mistaken it for a leftover.
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            stack.enter_context(locks.held(folder / _LOCK))
            break
    stack.callback(_empty, folder)
    (folder / _NEW).mkdir()
    return folder


def _empty(folder):
    """Empties a temporary folder; restores what was not replaced."""
    shutil.rmtree(folder / _NEW, ignore_errors=True)
    aside = folder / _OLD
    with contextlib.suppress(OSError):
        for old in aside.iterdir():
            if not os.path.lexists(folder.parent / old.name):
                os.replace(old, folder.parent / old.name)
        shutil.rmtree(aside)


def _remove_empty(folder):
    with contextlib.suppress(OSError):
        folder.rmdir()


def _explained(error, shown):
    """Returns an error that names the final path, or None."""
    number, name = getattr(error, "errno", None), None
    if isinstance(error, OSError) and error.filename is not None:
        name = os.fsdecode(error.filename)
        meant = _INSIDE.sub("", name)
        if _TEMPORARY.search(meant):
            meant = str(shown)
        return (
            None if meant == name else OSError(number, error.strerror, meant)
        )
    if number is None:
        # TensorFlow and HDF5 raise their own exceptions.
        said = str(error)
        number = next((n for n in _FULL if os.strerror(n) in said), None)
    if number not in _OF_DISKS:
        return None
    return OSError(number, os.strerror(number), str(shown))


def _place(temporary, path):
    """Moves a file or directory to a path that does not exist."""
    try:
        if temporary.is_dir():
            # rename replaces an empty directory but nothing else.
            os.rename(temporary, path)
        else:
            os.link(temporary, path)
    except OSError as error:
        check_free(path, overwrite=False)
        if error.errno not in _WITHOUT_LINKS:
            raise
        # Less good: the file is empty for a moment.
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            check_free(path, overwrite=False)
            raise
        os.replace(temporary, path)


def _replace_folder(new, path, aside):
    aside.mkdir()
    old = aside / path.name
    os.replace(path, old)
    # If this fails, `_empty` restores the old folder, now or in the next run.
    os.replace(new, path)


def _flush_to_disk(path):
    """Makes a rename survive power failure, not only a kill."""
    paths = [path, *path.rglob("*")] if path.is_dir() else [path]
    for entry in paths:
        _sync(entry)


def _sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems do not support it, mostly for folders.
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
    finally:
        os.close(descriptor)

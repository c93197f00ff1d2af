"""Files: written so that nothing is ever half-written, and told apart."""

import contextlib
import glob
import hashlib
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary path that becomes `path` when the block succeeds.

    The block writes a file or a directory at the temporary path, which lies
    beside `path`. If the block raises, or the process dies in it, whatever
    stood at `path` is untouched. Missing parent folders are made.

    A file replaces in one step. A directory is moved into place after the
    old one has been moved aside.

    Raises:
        OSError: Where the folder cannot be written or the disk is full.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=path.parent, prefix=f".{path.name}.", ignore_cleanup_errors=True
    ) as folder:
        # The name is kept: writers choose the format by its ending.
        temporary = pathlib.Path(folder) / path.name
        yield temporary
        _flush_to_disk(temporary)
        if path.is_dir() and temporary.is_dir():
            _replace_folder(temporary, path, pathlib.Path(folder) / "replaced")
        else:
            os.replace(temporary, path)
        _sync(path.parent)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes UTF-8 text through `replacing`."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sha256(
    path: str | os.PathLike, inside: Iterable[pathlib.Path] | None = None
) -> str:
    """Returns the SHA-256 of a file or a folder, in hexadecimal digits.

    The digest of a folder is made of its files' names and digests.

    Args:
        path: The file or the folder.
        inside: The files of a folder that count; None for all, those in its
            folders too.

    Raises:
        OSError: If it cannot be read.
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


def remove_leftovers(path: str | os.PathLike) -> None:
    """Removes what a killed process left of `replacing(path)`."""
    path = pathlib.Path(path)
    for folder in path.parent.glob(f".{glob.escape(path.name)}.*"):
        if folder.is_dir():
            shutil.rmtree(folder, ignore_errors=True)


def _replace_folder(new, path, aside):
    os.replace(path, aside)
    try:
        os.replace(new, path)
    except BaseException:
        os.replace(aside, path)
        raise


def _flush_to_disk(path):
    """Makes a rename safe against power failure, not only against a kill."""
    paths = [path, *path.rglob("*")] if path.is_dir() else [path]
    for entry in paths:
        _sync(entry)


def _sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

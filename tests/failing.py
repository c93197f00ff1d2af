"""Disks that are full from the n-th write on."""

import builtins
import contextlib
import errno
import io
import os
import pathlib
from collections.abc import Iterator
from unittest import mock

_OPENED = io.open
_CALLS = {name: getattr(os, name) for name in ("link", "mkdir", "replace")}
_OS_OPEN = os.open


class Disk:
    """Counts what would write below a folder; fails from one call on.

    Args:
        folder: The folder.
        left: How many calls succeed.
        act: Called with the path in place of the next ones; by default it
            raises what a full disk does. Files are opened there, and their
            first `write`, which is not to be caught, fails without a name:
            so does opening them here.
    """

    def __init__(self, folder: pathlib.Path, left: int, act=None):
        self._folder = os.path.realpath(folder)
        self._left = left
        self._act = act or self._full
        self.failed = 0

    @staticmethod
    def _full(*path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *path)

    def count(self, path, is_named=True):
        if isinstance(path, int):
            return
        place = os.path.abspath(os.fsdecode(path))
        if not f"{place}/".startswith(f"{self._folder}/"):
            return
        if self._left:
            self._left -= 1
            return
        self.failed += 1
        self._act(*[path] * is_named)

    def open(self, file, mode="r", *arguments, **options):
        if set(mode) & set("wax+"):
            self.count(file, is_named=False)
        return _OPENED(file, mode, *arguments, **options)

    def os_open(self, path, flags, *arguments, **options):
        if flags & (os.O_WRONLY | os.O_RDWR):
            self.count(path)
        return _OS_OPEN(path, flags, *arguments, **options)

    def call(self, name):
        def counted(*paths, **options):
            self.count(paths[-1] if name != "mkdir" else paths[0])
            return _CALLS[name](*paths, **options)

        return counted


@contextlib.contextmanager
def full(folder: pathlib.Path, left: int, act=None) -> Iterator[Disk]:
    """Makes writes below a folder fail after so many; yields the disk."""
    disk = Disk(folder, left, act)
    with contextlib.ExitStack() as stack:
        for module in (builtins, io):
            stack.enter_context(mock.patch.object(module, "open", disk.open))
        stack.enter_context(mock.patch.object(os, "open", disk.os_open))
        for name in _CALLS:
            stack.enter_context(mock.patch.object(os, name, disk.call(name)))
        yield disk


def snapshot(folder: pathlib.Path) -> dict[str, bytes | None]:
    """Returns what is in a folder, by path; None of folders."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        if path.is_file()
        else None
        for path in folder.rglob("*")
    }

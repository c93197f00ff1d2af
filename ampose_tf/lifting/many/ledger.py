"""A record of what the results in a folder were lifted from.

The folder's `.lifted.jsonl` contains a line of JSON for each clip: its
provenance (see `Motion`) and the SHA-256 of each of its files. The line is
written when the files are complete and before they are moved into place.
Whenever the process is killed, a file with the recorded SHA-256 is therefore
known to be complete.
"""

import contextlib
import errno
import json
import os
import pathlib
import stat
import threading
from collections.abc import Mapping
from typing import NamedTuple

from ampose_tf import files, locks
from ampose_tf.lifting import saving, untrusted

NAME = ".lifted.jsonl"

# The parts of a provenance that the poses depend on, and the words for a
# difference.
_DECIDING = {
    "input_sha256": "from another input",
    "model_sha256": "by another model",
    "settings": "with other flags",
}


class Entry(NamedTuple):
    """The line of a clip.

    Attributes:
        provenance: See `Motion`.
        digests: The SHA-256 of each file by its name.
    """

    provenance: dict[str, str]
    digests: dict[str, str]

    def difference(self, provenance: Mapping[str, str]) -> str | None:
        """Describes how another provenance differs; None if it does not."""
        for name, words in _DECIDING.items():
            if self.provenance.get(name) != provenance[name]:
                return words
        return None

    def intact(self, folder: pathlib.Path) -> set[str]:
        """Returns the names of the files that have not changed."""
        return {
            name
            for name, digest in self.digests.items()
            if (folder / name).is_file()
            and files.sha256(folder / name) == digest
        }

    def named(self, endings: set[str]) -> set[str]:
        """Returns the names of the files with one of the endings."""
        return {name for name in self.digests if _ending(name) in endings}


class Ledger(contextlib.AbstractContextManager):
    """The record of a folder, for several threads of one process.

    Args:
        folder: Folder of the results; created if it is missing.

    Raises:
        OSError: If the record cannot be read or written, or another process
            is using it.
        ValueError: If the record is larger than `untrusted.MAX_BYTES`.
    """

    def __init__(self, folder: pathlib.Path):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock = threading.Lock()
        self._entries = {}
        # Locked until the end of the block, or of the process.
        with contextlib.ExitStack() as stack:
            stack.enter_context(locks.held(folder / locks.NAME))
            self._file = stack.enter_context(
                open(folder / NAME, "ab", opener=_open)
            )
            for line in untrusted.read(folder / NAME).splitlines():
                self._take(line)
            self._held = stack.pop_all()

    def __exit__(self, *_):
        self._held.close()

    def __getitem__(self, stem: str) -> Entry | None:
        """Returns the last entry of a clip, or None."""
        return self._entries.get(stem)

    def add(
        self,
        stem: str,
        provenance: Mapping[str, str],
        written: Mapping[str, pathlib.Path],
    ) -> None:
        """Adds a clip whose files are complete.

        Args:
            stem: Stem of the clip.
            provenance: Provenance of its results.
            written: Current path of each file, by its name.
        """
        digests = {name: files.sha256(path) for name, path in written.items()}
        known = self[stem]
        if known is not None and known.difference(provenance) is None:
            digests = self._others(known, written) | digests
        entry = Entry(dict(provenance), digests)
        line = json.dumps({"clip": stem, **entry._asdict()})
        with self._lock:
            try:
                # Starts on a new line, in case the last one was cut short.
                self._file.write(b"\n" + line.encode() + b"\n")
                self._file.flush()
                os.fsync(self._file.fileno())
            except OSError as error:
                raise OSError(
                    error.errno, error.strerror, str(self._folder / NAME)
                ) from error
            self._entries[stem] = entry

    def _others(self, known, written):
        """Returns the digests of other formats whose files are all intact."""
        intact = known.intact(self._folder)
        endings = {_ending(name) for name in known.digests}
        endings -= {_ending(name) for name in written}
        endings -= {_ending(name) for name in set(known.digests) - intact}
        return {name: known.digests[name] for name in known.named(endings)}

    def _take(self, line):
        try:
            content = untrusted.parse(line)
            entry = Entry(
                {str(k): str(v) for k, v in content["provenance"].items()},
                {str(k): str(v) for k, v in content["digests"].items()},
            )
            stem = str(content["clip"])
        except (AttributeError, KeyError, TypeError, ValueError):
            # Empty, or cut short by a kill: the clip is lifted again.
            return
        # Names outside of the folder are not our results.
        if all(name == os.path.basename(name) for name in entry.digests):
            self._entries[stem] = entry


def _ending(name):
    return saving.format_of(pathlib.Path(name))


def _open(path, flags):
    # Files are not written through links, see `files`.
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "Expected a file", str(path))
    return descriptor

"""What the results in a folder were made of, so that nothing is lifted twice.

The folder's `.lifted.jsonl` has a line of JSON for each clip: its provenance
(see `Motion`), the formats asked for, and the SHA-256 of each file. A line is
written when the clip's files are complete, and before they are moved into
place: a file that is there and has this SHA-256 is done, whenever the process
was killed.
"""

import json
import os
import pathlib
import threading
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ampose_tf import files
from ampose_tf.lifting import untrusted

NAME = ".lifted.jsonl"

# Of a provenance, what decides on the poses.
_DECIDING = {
    "input_sha256": "from another input",
    "model_sha256": "by another model",
    "settings": "with other flags",
}


class Entry(NamedTuple):
    """A line of the ledger.

    Attributes:
        provenance: See `Motion`.
        formats: How the names end of the files that were asked for.
        digests: The SHA-256 of each file by its name.
    """

    provenance: dict[str, str]
    formats: list[str]
    digests: dict[str, str]

    def difference(self, provenance: Mapping[str, str]) -> str | None:
        """Returns in what the clip was lifted otherwise, in words."""
        for name, words in _DECIDING.items():
            if self.provenance.get(name) != provenance[name]:
                return words
        return None

    def intact(self, folder: pathlib.Path) -> set[str]:
        """Returns the names of the files that are there as written."""
        return {
            name
            for name, digest in self.digests.items()
            if (folder / name).is_file()
            and files.sha256(folder / name) == digest
        }


class Ledger:
    """The ledger of a folder, for several threads at once.

    Args:
        folder: Of the results; made where it is missing.

    Raises:
        OSError: If it cannot be read or written.
        ValueError: If it is larger than `untrusted.MAX_BYTES`.
    """

    def __init__(self, folder: pathlib.Path):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._path = folder / NAME
        self._lock = threading.Lock()
        self._entries = {}
        # What is appended to a line that a kill has cut short begins anew.
        self._start = b""
        if self._path.exists():
            content = untrusted.read(self._path)
            if content and not content.endswith(b"\n"):
                self._start = b"\n"
            for line in content.splitlines():
                self._take(line)

    def __getitem__(self, stem: str) -> Entry | None:
        """Returns the last entry of a clip, or None."""
        return self._entries.get(stem)

    def add(
        self,
        stem: str,
        provenance: Mapping[str, str],
        formats: Iterable[str],
        written: Mapping[str, pathlib.Path],
    ) -> None:
        """Adds a clip whose files are complete.

        Args:
            stem: The clip's.
            provenance: Of its results.
            formats: As of `Entry`.
            written: Where the file of each name is.
        """
        digests = {name: files.sha256(path) for name, path in written.items()}
        entry = Entry(dict(provenance), sorted(formats), digests)
        known = self[stem]
        if known is not None and known.difference(provenance) is None:
            # Of the same clip in formats that nobody has asked for now.
            entry = Entry(
                entry.provenance,
                sorted({*known.formats, *entry.formats}),
                known.digests | entry.digests,
            )
        line = json.dumps({"clip": stem, **entry._asdict()})
        with self._lock, open(self._path, "ab") as file:
            file.write(self._start + line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
            self._start = b""
        self._entries[stem] = entry

    def _take(self, line):
        try:
            content = untrusted.parse(line)
            entry = Entry(
                {str(k): str(v) for k, v in content["provenance"].items()},
                [str(ending) for ending in content["formats"]],
                {str(k): str(v) for k, v in content["digests"].items()},
            )
            stem = str(content["clip"])
        except (AttributeError, KeyError, TypeError, ValueError):
            # Cut short by a kill: its clip is lifted again.
            return
        # A name that leads out of the folder is no result of ours.
        if all(name == os.path.basename(name) for name in entry.digests):
            self._entries[stem] = entry

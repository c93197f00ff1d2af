"""Lifts many clips, each to separate files."""

import collections
import dataclasses
import os
import pathlib
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent import futures
from typing import NamedTuple

from ampose_tf import files, progress
from ampose_tf.lifting import saving
from ampose_tf.lifting.many import clips
from ampose_tf.lifting.many.ledger import Ledger
from ampose_tf.lifting.motion import Motion


class Outcome(NamedTuple):
    """The result of lifting many clips.

    Attributes:
        lifted: Number of clips that were lifted.
        skipped: Number of clips whose results exist and are up to date.
        failed: Clips that could not be lifted, in the order of their names.
        notes: One line for each kind of note: how many clips have it, and an
            example.
    """

    lifted: int
    skipped: int
    failed: list[pathlib.Path]
    notes: list[str]


def lift(
    found: list[pathlib.Path],
    make: Callable[[pathlib.Path], Motion],
    plan: Callable[[str], tuple[pathlib.Path, ...]],
    provenance: Mapping[str, str],
    overwrite: bool = False,
    threads: int = 1,
) -> Outcome:
    """Lifts the clips that have not been lifted before.

    If a clip fails, its error is printed as one line on standard error, and
    the others are still lifted. An interrupted run can be continued, see
    `ledger`.

    Args:
        found: The clips, see `clips.find`.
        make: Function that returns a clip's motion.
        plan: Function that returns the output paths for a clip's stem, all in
            one folder.
        provenance: The part of the provenance that all clips share, see
            `Motion`.
        overwrite: Whether to replace results of another input, model or
            flags, and files that are not in the record.
        threads: Number of clips lifted at the same time.

    Raises:
        OSError: If the folder cannot be written, or another process is
            lifting clips to it.
    """
    folder = plan("any")[0].parent
    skipped, failed, notes = 0, set(), {}
    with Ledger(folder) as ledger:
        files.remove_leftovers(folder)
        worker = _Worker(make, plan, provenance, overwrite, ledger, folder)
        worker.reserve_known(found)
        pool = futures.ThreadPoolExecutor(threads)
        try:
            running = {pool.submit(worker.lift, clip): clip for clip in found}
            with progress.bar(len(found), "clip") as done:
                for future in futures.as_completed(running):
                    clip = running[future]
                    try:
                        noted = future.result()
                    # Any failure of one clip must not stop the others.
                    except Exception as error:
                        failed.add(clip)
                        progress.say(_line(clip, error))
                    else:
                        if noted is None:
                            skipped += 1
                        else:
                            notes[clip] = noted
                    done(1)
        finally:
            pool.shutdown(cancel_futures=True)
    return Outcome(
        len(notes),
        skipped,
        [clip for clip in found if clip in failed],
        _common([(clip, notes[clip]) for clip in found if clip in notes]),
    )


class _Worker:
    """Lifts single clips; shared by several threads."""

    def __init__(self, make, plan, provenance, overwrite, ledger, folder):
        self._make = make
        self._plan = plan
        self._provenance = provenance
        self._overwrite = overwrite
        self._ledger = ledger
        self._folder = folder
        self._clips = {}  # By the names of their files.
        self._lock = threading.Lock()

    def lift(self, clip):
        """Lifts a clip; returns its notes, or None if it is up to date."""
        digest = clips.sha256(clip)
        if digest is None:
            raise ValueError("expected a file or a folder")
        stem, paths = clips.stem(clip), self._plan(clips.stem(clip))
        made_of = {
            "input": readable(clip.name),
            "input_sha256": digest,
            **self._provenance,
        }
        endings = {saving.format_of(path) for path in paths}
        known, own = self._ledger[stem], set()
        differs = known is not None and known.difference(made_of)
        if known is not None and not differs:
            own = known.intact(self._folder)
            wanted = known.named(endings)
            if wanted <= own and all(
                known.named({ending}) for ending in endings
            ):
                return None
        elif differs and not self._overwrite:
            _refuse_other(known, self._folder, differs)
        self._check(saving.certain(paths, is_alone=False), clip, own)
        motion = dataclasses.replace(self._make(clip), provenance=made_of)
        targets = saving.targets(motion, paths)
        self._reserve(clip, [target.name for target in targets])
        self._check(targets, clip, own)
        stale = set()
        if differs:
            stale = known.named(endings) & known.intact(self._folder)
        saving.save(
            motion,
            paths,
            self._overwrite,
            own,
            announce=lambda written: self._ledger.add(stem, made_of, written),
        )
        # Removes files of people who are no longer in the clip.
        for name in stale - {target.name for target in targets}:
            (self._folder / name).unlink()
        return motion.notes

    def reserve_known(self, found):
        """Reserves the file names of clips that were lifted before."""
        for clip in found:
            known = self._ledger[clips.stem(clip)]
            if known is not None:
                for name in known.digests:
                    self._clips.setdefault(name, clip)

    def _reserve(self, clip, names):
        """Checks that no other clip has a file of the same name."""
        with self._lock:
            for name in names:
                other = self._clips.setdefault(name, clip)
                if other != clip:
                    raise ValueError(
                        f"{self._folder / name} is also a result of {other}; "
                        "rename one of the clips"
                    )

    def _check(self, targets, clip, own):
        saving.check(targets, clip, overwrite=True)
        others = [target for target in targets if target.name not in own]
        saving.check(others, clip, self._overwrite)


def readable(name: str) -> str:
    """Returns a file's name as text that can be written as UTF-8."""
    return os.fsencode(name).decode("utf-8", "replace")


def _refuse_other(known, folder, difference):
    there = [
        folder / n for n in sorted(known.digests) if (folder / n).exists()
    ]
    if there:
        raise FileExistsError(
            f"{there[0]} was lifted {difference}; use --overwrite or another "
            "--output"
        )


def _line(clip, error):
    line = str(error).strip()
    if not isinstance(error, (ValueError, OSError)) or not line:
        line = f"{type(error).__name__}: {line}".rstrip(": ")
    return line if str(clip) in line else f"{clip}: {line}"


def _common(noted: Iterable[tuple[pathlib.Path, Iterable[str]]]) -> list[str]:
    """Returns each kind of note once; notes of a kind differ in numbers."""
    kinds = collections.defaultdict(list)
    for clip, notes in noted:
        for note in notes:
            kinds[re.sub(r"[0-9]+", "0", note)].append((clip, note))
    said = []
    for alike in kinds.values():
        clip, note = alike[0]
        noun = "clip" if len(alike) == 1 else "clips"
        said.append(
            f"{len(alike)} {noun}, such as {readable(clip.name)}: {note}"
        )
    return said

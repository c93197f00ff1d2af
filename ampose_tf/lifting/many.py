"""Lifting many clips in one go, each to files of its own."""

import collections
import dataclasses
import pathlib
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent import futures
from typing import NamedTuple

from ampose_tf import files, progress
from ampose_tf.lifting import clips, saving
from ampose_tf.lifting.ledger import Ledger
from ampose_tf.lifting.motion import Motion


class Outcome(NamedTuple):
    """What became of the clips.

    Attributes:
        lifted: How many have been lifted.
        skipped: How many had been lifted before, in the same way.
        failed: Those that could not be, in the order of their names.
        notes: Of the motions, in how many there was one like it, with an
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
    """Lifts clips, as far as that has not been done before.

    A clip that fails is one line on standard error, and the others go on. A
    run that was killed is taken up where it stopped: see `ledger`.

    Args:
        found: The clips, see `clips.find`.
        make: Returns a clip's motion.
        plan: Returns the paths that a clip's stem means, in one folder.
        provenance: What all of them have in common, see `Motion`.
        overwrite: Whether results of another input, model or flags, and
            files that were not lifted here, are replaced.
        threads: Clips that are worked on at a time.

    Raises:
        OSError: If the folder cannot be written.
    """
    folder = plan("any")[0].parent
    ledger = Ledger(folder)
    _remove_leftovers(folder, set(map(clips.stem, found)))

    def lift_one(clip):
        stem = clips.stem(clip)
        made_of = {
            "input": clip.name,
            "input_sha256": files.sha256(clip),
            **provenance,
        }
        paths = plan(stem)
        endings = [path.name.removeprefix(stem) for path in paths]
        own = _own(ledger, stem, made_of, folder, overwrite)
        known = ledger[stem]
        if (
            own
            and own == set(known.digests)
            and set(endings) <= set(known.formats)
        ):
            return None
        _check(saving.certain(paths, is_alone=False), clip, own, overwrite)
        motion = dataclasses.replace(make(clip), provenance=made_of)
        targets = saving.targets(motion, paths)
        _check(targets, clip, own, overwrite)
        saving.save(
            motion,
            paths,
            overwrite=True,
            announce=lambda written: ledger.add(
                stem, made_of, endings, written
            ),
        )
        return motion.notes

    skipped, failed, notes = 0, set(), {}
    pool = futures.ThreadPoolExecutor(threads)
    try:
        running = {pool.submit(lift_one, clip): clip for clip in found}
        with progress.bar(len(found), "clip") as done:
            for future in futures.as_completed(running):
                clip = running[future]
                try:
                    noted = future.result()
                except (ValueError, OSError) as error:
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


def _own(ledger, stem, made_of, folder, overwrite):
    """Returns the names of results of ours that this clip may replace."""
    known = ledger[stem]
    if known is None:
        return set()
    difference = known.difference(made_of)
    if difference is None:
        return known.intact(folder)
    if not overwrite and any((folder / n).exists() for n in known.digests):
        raise FileExistsError(
            f"{folder / min(known.digests)} was lifted {difference}; "
            "give --overwrite or another --output"
        )
    return set()


def _check(targets, clip, own, overwrite):
    saving.check(targets, clip, overwrite=True)
    saving.check([t for t in targets if t.name not in own], clip, overwrite)


def _remove_leftovers(folder, stems):
    """Removes what a killed process left unfinished of these clips' files."""
    for entry in folder.iterdir():
        # .clip.npz.abcdefgh or, of one of several people, .clip_1.bvh.abcdefgh
        match = re.fullmatch(r"\.(.+?)(_[0-9]+)?\.\w+\.\w{8}", entry.name)
        if match and entry.is_dir():
            own = {match[1], f"{match[1]}{match[2]}", f"{match[1]}_angles"}
            if own & stems:
                shutil.rmtree(entry, ignore_errors=True)


def _line(clip, error):
    line = " ".join(str(error).split()) or type(error).__name__
    return line if str(clip) in line else f"{clip}: {line}"


def _common(noted: Iterable[tuple[pathlib.Path, Iterable[str]]]) -> list[str]:
    """Returns each kind of note once; kinds are alike but for numbers."""
    kinds = collections.defaultdict(list)
    for clip, notes in noted:
        for note in notes:
            kinds[re.sub(r"[0-9]+", "0", note)].append((clip, note))
    said = []
    for alike in kinds.values():
        clip, note = alike[0]
        clips_ = "clip" if len(alike) == 1 else "clips"
        said.append(f"{len(alike)} {clips_}, such as {clip.name}: {note}")
    return said

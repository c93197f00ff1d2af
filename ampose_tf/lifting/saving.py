"""Which writer a path means, and writing all files or none."""

import contextlib
import functools
import os
import pathlib
import pkgutil
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from ampose_tf import files
from ampose_tf.lifting import floor
from ampose_tf.lifting.motion import Motion

# By the path's ending, longer endings first: writers of all people, and
# those of one, which take the person's index and places in the world. They
# are imported when they write: Matplotlib and SciPy take a second.
_WRITERS = {
    "_angles.csv": "writers.tables:write_angles",
    ".csv": "writers.tables:write_positions",
    ".gif": "viewers.animation:write_gif",
    ".html": "viewers.web:write",
    ".json": "results:write_json",
    ".mp4": "viewers.animation:write_mp4",
    ".npz": "results:write_npz",
    ".png": "viewers.sheet:write",
}
_WRITERS_OF_ONE = {".bvh": "writers.bvh:write", ".trc": "writers.trc:write"}

# Matplotlib draws in one thread at a time.
_DRAWN = (".gif", ".mp4", ".png")
_drawing = threading.Lock()

# It takes the pictures of a video, too, and that of .html may.
_PREVIEW = "viewers.animation:write_preview"

ENDINGS = (*_WRITERS, *_WRITERS_OF_ONE)

# By the names of --formats.
FORMATS = {
    "angles" if ending == "_angles.csv" else ending[1:]: ending
    for ending in ENDINGS
}
# Of lift.py.
DEFAULT_FORMATS = ("npz", "png")


class Footage(NamedTuple):
    """The video that a motion was lifted from.

    Attributes:
        pictures: Called with `longest`, it goes through them, see
            `video.shown`.
        preview: Path of the `.mp4` that shows them beside the 3D, or None.
        in_page: Whether an `.html` has small ones.
    """

    pictures: Callable[..., Iterator[tuple[int, np.ndarray]]]
    preview: pathlib.Path | None = None
    in_page: bool = False


def format_of(path: pathlib.Path) -> str | None:
    """Returns which of `ENDINGS` a path has, or None."""
    return next((e for e in ENDINGS if path.name.endswith(e)), None)


def is_folder(output: str | os.PathLike) -> bool:
    """Whether it exists as a folder, or its name ends in a slash."""
    return os.path.isdir(output) or str(output).endswith(("/", os.sep))


def plan(
    output: str | os.PathLike, stem: str, formats: list[str] | None = None
) -> tuple[pathlib.Path, ...]:
    """Returns the paths that lift.py's --output and --formats mean.

    Args:
        output: A folder, see `is_folder`, or a file whose ending says its
            format; beside an `.npz` there is always a `.png`.
        stem: Of the files in a folder.
        formats: Names in `FORMATS`; None for `DEFAULT_FORMATS`.

    Raises:
        ValueError: If a format is unknown, or there is none.
    """
    if formats is not None and not any(formats):
        raise ValueError(
            f"--formats: expected at least one of {', '.join(FORMATS)}"
        )
    path = pathlib.Path(output)
    ending = None if is_folder(output) else format_of(path)
    if ending is not None:
        if formats is not None:
            raise ValueError(
                f"--output={output} says its format, and --formats another "
                "one; give a folder for several"
            )
        if ending == ".npz":
            return path, path.with_suffix(".png")
        return (path,)
    if path.suffix and not is_folder(output):
        raise ValueError(
            f"--output={output}: no format ends in {path.suffix}; known are "
            f"{', '.join(ENDINGS)}, and a folder whose name ends in /"
        )
    names = DEFAULT_FORMATS if formats is None else dict.fromkeys(formats)
    for name in names:
        if name not in FORMATS:
            raise ValueError(
                f"--formats: unknown format {name!r}; known: "
                f"{', '.join(FORMATS)}"
            )
    return tuple(path / f"{stem}{FORMATS[name]}" for name in names)


def preview(path: pathlib.Path) -> pathlib.Path:
    """Returns where --preview is written, beside a path that `plan` returns.

    It is none of the paths themselves: it has one more `_preview`.
    """
    stem = path.name.removesuffix(format_of(path))
    return path.with_name(f"{stem}_preview.mp4")


def targets(
    motion: Motion, paths: Iterable[str | os.PathLike]
) -> tuple[pathlib.Path, ...]:
    """Returns the files that `save` would write.

    Raises:
        ValueError: Where the ending of a path is unknown.
    """
    return tuple(target for target, *_ in _targets(motion, paths))


def save(
    motion: Motion,
    paths: Iterable[str | os.PathLike],
    overwrite: bool = False,
    own: Collection[str] = (),
    announce: Callable[[dict[str, pathlib.Path]], object] | None = None,
    footage: Footage | None = None,
) -> tuple[pathlib.Path, ...]:
    """Writes a motion to several files, all or none.

    Args:
        motion: To write.
        paths: See `Motion.save`.
        overwrite: Likewise.
        own: Names of files that are replaced in any case.
        announce: Called when all have been written and none is in its place
            yet, with the files' names and where they are.
        footage: Which parts of a video are shown beside the motion.

    Returns:
        As `Motion.save`, and raises as it does.
    """
    found = _targets(motion, paths)
    if footage is not None and footage.preview is not None:
        found.append((footage.preview, _PREVIEW, None))
    replaced = {
        target: overwrite or target.name in own for target, *_ in found
    }
    for target in replaced:
        _check_free(target, replaced[target])
    # Of everybody at once: people share a floor.
    places = functools.cache(lambda: floor.world_positions(motion))
    # Renamed into place only after the last has been written.
    written, placed = {}, []
    try:
        with contextlib.ExitStack() as stack:
            for target, writer, index in found:
                write = pkgutil.resolve_name(f"ampose_tf.lifting.{writer}")
                if writer == _PREVIEW or (
                    footage is not None
                    and footage.in_page
                    and target.suffix == ".html"
                ):
                    write = functools.partial(write, pictures=footage.pictures)
                stack.push(_noting(placed, target))
                temporary = stack.enter_context(
                    files.replacing(target, replaced[target])
                )
                written[target.name] = temporary
                if target.suffix in _DRAWN:
                    with _drawing:
                        write(temporary, motion)
                elif index is None:
                    write(temporary, motion)
                else:
                    write(temporary, motion, index, places()[index])
            if announce is not None:
                announce(written)
    except BaseException:
        # Another process has put a file in the place of a later one.
        for target in placed:
            if not replaced[target]:
                target.unlink(missing_ok=True)
        raise
    return tuple(replaced)


def _noting(placed, target):
    def note(error, *_):
        if error is None:
            placed.append(target)

    return note


def certain(
    paths: Iterable[str | os.PathLike], is_alone: bool
) -> tuple[pathlib.Path, ...]:
    """Returns those of the paths that `save` would write in any case.

    Args:
        paths: As of `save`.
        is_alone: Whether there is one person; of several, each has a file,
            and who they are is known when they have been lifted.
    """
    paths = map(pathlib.Path, paths)
    return tuple(p for p in paths if is_alone or format_of(p) in _WRITERS)


def check(
    targets: Iterable[pathlib.Path],
    source: str | os.PathLike,
    overwrite: bool = False,
) -> None:
    """Checks that files may be written, before there is anything to write.

    Args:
        targets: Files, which `certain` or `targets` returns.
        source: What is read: none of it is written to, and a folder of
            keypoints would not be one with more files in it.
        overwrite: Whether files that exist are replaced.

    Raises:
        OSError: If a file exists, or an `.mp4` is to be written and there is
            no ffmpeg.
        ValueError: If a file is the source, or in it.
    """
    targets = tuple(targets)
    if any(target.suffix == ".mp4" for target in targets):
        # Only if there are films: it opens images and videos.
        from ampose_tf.lifting import video

        video.check_ffmpeg()
    source = pathlib.Path(source).resolve()
    for target in targets:
        if target.resolve() == source:
            raise ValueError(
                f"{target} is the file that is read; choose another --output"
            )
        if source.is_dir() and source in target.resolve().parents:
            raise ValueError(
                f"{target} is in the folder that is read; choose another "
                "--output"
            )
        _check_free(target, overwrite)


def _check_free(target, overwrite):
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder")
    files.check_free(target, overwrite)


def _targets(motion, paths):
    """Returns each file, its writer, and whose index it is of, or None."""
    found = []
    for path in map(pathlib.Path, paths):
        ending = format_of(path)
        if ending is None:
            raise ValueError(
                f"{path}: expected a name that ends in {', '.join(ENDINGS)}"
            )
        if not motion.tracks:
            raise ValueError(f"{path}: there is nobody to write")
        if ending in _WRITERS:
            found.append((path, _WRITERS[ending], None))
            continue
        for index, track in enumerate(motion.tracks):
            target = path
            if len(motion.tracks) > 1:
                target = path.with_name(
                    f"{path.stem}_{track.track_id}{ending}"
                )
            found.append((target, _WRITERS_OF_ONE[ending], index))
    return found

"""Chooses writers by file extension, and writes all files or none."""

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

# Writers by the end of the path, longer ones first: writers of all people,
# and writers of one person, which accept the person's index and world
# positions. They are imported on use: Matplotlib and SciPy take a second.
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

# Matplotlib is not thread-safe.
_DRAWN = (".gif", ".mp4", ".png")
_drawing = threading.Lock()

# Also accepts the pictures of a video, as does the writer of .html.
_PREVIEW = "viewers.animation:write_preview"

ENDINGS = (*_WRITERS, *_WRITERS_OF_ONE)

# Endings by the names of --formats.
FORMATS = {
    "angles" if ending == "_angles.csv" else ending[1:]: ending
    for ending in ENDINGS
}
# Formats that lift.py writes by default.
DEFAULT_FORMATS = ("npz", "png")


class Footage(NamedTuple):
    """The video that a motion was lifted from.

    Attributes:
        pictures: Function of `longest` that yields the pictures, see
            `video.shown`.
        preview: Path of the `.mp4` that shows them beside the 3D, or None.
        in_page: Whether an `.html` contains small ones.
    """

    pictures: Callable[..., Iterator[tuple[int, np.ndarray]]]
    preview: pathlib.Path | None = None
    in_page: bool = False


def format_of(path: pathlib.Path) -> str | None:
    """Returns the ending of a path if it is one of `ENDINGS`, or None."""
    return next((e for e in ENDINGS if path.name.endswith(e)), None)


def is_folder(output: str | os.PathLike) -> bool:
    """Whether a path is an existing folder or ends in a slash."""
    return os.path.isdir(output) or str(output).endswith(("/", os.sep))


def plan(
    output: str | os.PathLike, stem: str, formats: list[str] | None = None
) -> tuple[pathlib.Path, ...]:
    """Returns the output paths for lift.py's --output and --formats.

    Args:
        output: A folder, see `is_folder`, or a file, whose ending determines
            the format; an `.npz` always comes with a `.png`.
        stem: Stem of the files in a folder.
        formats: Names in `FORMATS`; None for `DEFAULT_FORMATS`.

    Raises:
        ValueError: If a format is unknown or missing.
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
                f"--output={output} already determines the format; to use "
                "--formats, give a folder"
            )
        if ending == ".npz":
            return path, path.with_suffix(".png")
        return (path,)
    if path.suffix and not is_folder(output):
        raise ValueError(
            f"--output={output}: unknown extension {path.suffix}; expected "
            f"{', '.join(ENDINGS)}, or a folder whose name ends in /"
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
    """Returns the path of --preview, next to a path that `plan` returns.

    It differs from all of those paths by its additional `_preview`.
    """
    stem = path.name.removesuffix(format_of(path))
    return path.with_name(f"{stem}_preview.mp4")


def targets(
    motion: Motion, paths: Iterable[str | os.PathLike]
) -> tuple[pathlib.Path, ...]:
    """Returns the files that `save` would write.

    Raises:
        ValueError: If the ending of a path is unknown.
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
        motion: Motion to write.
        paths: Output paths, see `Motion.save`.
        overwrite: Whether to replace existing files.
        own: Names of files that are replaced in any case.
        announce: Called with the temporary paths of the files by their names,
            when all of them are complete and before they are moved into
            place.
        footage: The video to show beside the motion, if any.

    Returns:
        Paths of the written files.

    Raises:
        OSError: As for `Motion.save`.
        ValueError: As for `Motion.save`.
    """
    found = _targets(motion, paths)
    if footage is not None and footage.preview is not None:
        found.append((footage.preview, _PREVIEW, None))
    replaced = {
        target: overwrite or target.name in own for target, *_ in found
    }
    for target in replaced:
        _check_free(target, replaced[target])
    # Computed for all people together, since they share a floor.
    places = functools.cache(lambda: floor.world_positions(motion))
    # Files are moved into place only after the last has been written.
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
        # For example, another process created one of the later files.
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
    """Returns the paths that `save` would write for any people.

    Args:
        paths: Output paths, as for `save`.
        is_alone: Whether the clip has one person. With several, formats with
            one file per person depend on the track ids, which are known after
            lifting.
    """
    paths = map(pathlib.Path, paths)
    return tuple(p for p in paths if is_alone or format_of(p) in _WRITERS)


def check(
    targets: Iterable[pathlib.Path],
    source: str | os.PathLike,
    overwrite: bool = False,
) -> None:
    """Checks that files may be written, before lifting.

    Args:
        targets: Output files, as returned by `certain` or `targets`.
        source: Input file or folder, which must stay unchanged.
        overwrite: Whether to replace existing files.

    Raises:
        OSError: If a file exists, or ffmpeg is missing for an `.mp4`.
        ValueError: If a file is the source, or in it.
    """
    targets = tuple(targets)
    if any(target.suffix == ".mp4" for target in targets):
        # Imported only for films: it loads code for images and videos.
        from ampose_tf.lifting import video

        video.check_ffmpeg()
    source = pathlib.Path(source).resolve()
    for target in targets:
        if target.resolve() == source:
            raise ValueError(
                f"{target} is the input file; choose another --output"
            )
        if source.is_dir() and source in target.resolve().parents:
            raise ValueError(
                f"{target} is in the input folder; choose another --output"
            )
        _check_free(target, overwrite)


def _check_free(target, overwrite):
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder")
    files.check_free(target, overwrite)


def _targets(motion, paths):
    """Returns each file, its writer, and the person's index or None."""
    found = []
    for path in map(pathlib.Path, paths):
        ending = format_of(path)
        if ending is None:
            raise ValueError(
                f"{path}: expected a name that ends in {', '.join(ENDINGS)}"
            )
        if not motion.tracks:
            raise ValueError(f"{path}: the motion has no people to write")
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

"""Which writer a path means, and writing all files or none."""

import contextlib
import os
import pathlib
from collections.abc import Iterable

from ampose_tf import files
from ampose_tf.lifting import (
    animation,
    bvh,
    results,
    sheet,
    tables,
    trc,
    viewer,
)
from ampose_tf.lifting.motion import Motion

# By the path's ending, longer endings first: writers of all people, and
# those of one.
_WRITERS = {
    "_angles.csv": tables.write_angles,
    ".csv": tables.write_positions,
    ".gif": animation.write_gif,
    ".html": viewer.write,
    ".json": results.write_json,
    ".mp4": animation.write_mp4,
    ".npz": results.write_npz,
    ".png": sheet.write,
}
_WRITERS_OF_ONE = {".bvh": bvh.write, ".trc": trc.write}

ENDINGS = (*_WRITERS, *_WRITERS_OF_ONE)

# By the names of --formats.
FORMATS = {
    "angles" if ending == "_angles.csv" else ending[1:]: ending
    for ending in ENDINGS
}
# Of lift.py.
DEFAULT_FORMATS = ("npz", "png")


def plan(
    output: str | os.PathLike, stem: str, formats: list[str] | None = None
) -> tuple[pathlib.Path, ...]:
    """Returns the paths that lift.py's --output and --formats mean.

    Args:
        output: A folder, or a file whose ending says its format; beside an
            `.npz` there is always a `.png`.
        stem: Of the files in a folder.
        formats: Names in `FORMATS`; None for `DEFAULT_FORMATS`.

    Raises:
        ValueError: Where a format is unknown.
    """
    path = pathlib.Path(output)
    ending = _ending(path)
    if ending is not None and not path.is_dir():
        if formats is not None:
            raise ValueError(
                f"--output={output} says its format, and --formats another "
                "one; give a folder for several"
            )
        if ending == ".npz":
            return path, path.with_suffix(".png")
        return (path,)
    is_folder = path.is_dir() or str(output).endswith(("/", os.sep))
    if path.suffix and not is_folder:
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
) -> tuple[pathlib.Path, ...]:
    """Writes a motion to several files, all or none; see `Motion.save`."""
    found = _targets(motion, paths)
    for target, *_ in found:
        if target.is_dir():
            raise IsADirectoryError(f"{target} is a folder")
        if target.exists() and not overwrite:
            raise FileExistsError(
                f"{target} exists; give --overwrite, in Python "
                "overwrite=True, or another path"
            )
    # Renamed into place only after the last has been written.
    with contextlib.ExitStack() as stack:
        for target, write, arguments in found:
            temporary = stack.enter_context(files.replacing(target))
            write(temporary, motion, *arguments)
    return tuple(target for target, *_ in found)


def _targets(motion, paths):
    """Returns each file with its writer and whom it is of."""
    found = []
    for path in map(pathlib.Path, paths):
        ending = _ending(path)
        if ending is None:
            raise ValueError(
                f"{path}: expected a name that ends in {', '.join(ENDINGS)}"
            )
        if not motion.tracks:
            raise ValueError(f"{path}: there is nobody to write")
        if ending in _WRITERS:
            found.append((path, _WRITERS[ending], ()))
            continue
        for index, track in enumerate(motion.tracks):
            target = path
            if len(motion.tracks) > 1:
                target = path.with_name(
                    f"{path.stem}_{track.track_id}{ending}"
                )
            found.append((target, _WRITERS_OF_ONE[ending], (index,)))
    return found


def _ending(path):
    return next((e for e in ENDINGS if path.name.endswith(e)), None)

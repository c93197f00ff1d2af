"""Which writer a path means, and writing all files or none."""

import contextlib
import os
import pathlib

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


def save(
    motion: Motion, path: str | os.PathLike, overwrite: bool = False
) -> tuple[pathlib.Path, ...]:
    """Writes a motion; see `Motion.save`."""
    path = pathlib.Path(path)
    ending = next((e for e in ENDINGS if path.name.endswith(e)), None)
    if ending is None:
        raise ValueError(
            f"{path}: expected a name that ends in {', '.join(ENDINGS)}"
        )
    if not motion.tracks:
        raise ValueError(f"{path}: there is nobody to write")
    paths = (path,)
    if ending in _WRITERS_OF_ONE and len(motion.tracks) > 1:
        paths = tuple(
            path.with_name(f"{path.stem}_{track.track_id}{ending}")
            for track in motion.tracks
        )
    for target in paths:
        if target.is_dir():
            raise IsADirectoryError(f"{target} is a folder")
        if target.exists() and not overwrite:
            raise FileExistsError(
                f"{target} exists; give --overwrite, in Python "
                "overwrite=True, or another path"
            )
    # Renamed into place only after the last has been written.
    with contextlib.ExitStack() as stack:
        for index, target in enumerate(paths):
            temporary = stack.enter_context(files.replacing(target))
            if ending in _WRITERS_OF_ONE:
                _WRITERS_OF_ONE[ending](temporary, motion, index)
            else:
                _WRITERS[ending](temporary, motion)
    return paths

"""Finds the clips that `--keypoints` names if it is a pattern or a folder.

Each file or folder that matches a pattern is a clip. A folder is one clip if
all of its keypoint files are `.json` files with a single frame. Otherwise,
each of its keypoint files is a clip, and so is each subfolder of such frames.
"""

import collections
import fnmatch
import glob
import os
import pathlib
from collections.abc import Iterable

from ampose_tf import files
from ampose_tf.lifting import formats

# Extensions of the files that `formats.read` accepts.
_ENDINGS = (".csv", ".tsv", ".json", ".jsonl", ".npy", ".npz", ".h5")


def find(source: str, mode: str | None = None) -> list[pathlib.Path] | None:
    """Returns the clips, in the order of their names.

    Args:
        source: A file, a folder, a shell-style pattern, in which `**` matches
            folders of any depth, or `-` for standard input.
        mode: `"each"` if each file of a folder is a clip; `"one"` if they
            are one clip together; None to decide from the files' contents.

    Returns:
        The clips; None if the source is one clip.

    Raises:
        OSError: If a folder cannot be read.
        ValueError: If nothing matches, `mode` does not fit the source, a
            folder is ambiguous, or two clips have the same name.
    """
    path = pathlib.Path(source)
    if path.is_dir():
        found = None if mode == "one" else _in_folder(path, mode)
        if mode == "each" and not found:
            raise ValueError(f"{source}: no keypoint file in this folder")
    elif not os.path.lexists(path) and glob.has_magic(source):
        if mode == "one":
            raise ValueError(
                "--clips=one is for a folder whose files are the frames of "
                f"one clip, but {source} is a pattern"
            )
        found = [pathlib.Path(p) for p in glob.glob(source, recursive=True)]
        if not found:
            raise ValueError(
                f"--keypoints: no file matches {source}; in a pattern, *, ? "
                "and [...] stand for other characters"
            )
    else:
        if mode is not None:
            raise ValueError(
                f"--clips is for a folder or a pattern, but {source} is "
                "neither"
            )
        return None
    if not found:
        return None
    found.sort(key=lambda path: formats.natural(str(path)))
    _check_names(found)
    return found


def stem(clip: pathlib.Path) -> str:
    """Returns the stem of the names of a clip's results."""
    return clip.name if clip.is_dir() else _plain(clip).stem


def _plain(path):
    """Returns a file's path without the extension `.gz`."""
    return path.with_suffix("") if path.suffix.lower() == ".gz" else path


def sha256(clip: pathlib.Path) -> str | None:
    """Returns the SHA-256 of the files of a clip, or None for a pipe.

    Raises:
        OSError: If a file cannot be read.
    """
    if not clip.is_file() and not clip.is_dir():
        return None
    return files.sha256(
        clip, formats.frames_in(clip) if clip.is_dir() else None
    )


def check_output(
    source: str, found: list[pathlib.Path], targets: Iterable[pathlib.Path]
) -> None:
    """Checks that results are not written among the clips.

    Args:
        source: As for `find`.
        found: Clips returned by `find`.
        targets: Output files.

    Raises:
        ValueError: If a target is in a folder of keypoints, or would match
            the pattern in the next run.
    """
    folders = [
        os.path.realpath(p) for p in (source, *found) if os.path.isdir(p)
    ]
    pattern = os.path.realpath(source)
    for target in targets:
        place = os.path.realpath(target)
        inside = any(os.path.commonpath([place, f]) == f for f in folders)
        if inside or fnmatch.fnmatch(place, pattern):
            raise ValueError(
                f"{target} would be written among the keypoints of {source}; "
                "choose another --output"
            )


def _in_folder(folder, mode):
    """Returns the clips of a folder, or None if it is one clip itself."""
    frames, found = formats.frames_in(folder), []
    are_frames = set(frames)
    for entry in folder.iterdir():
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            inside = formats.frames_in(entry)
            if not all(map(formats.is_one_frame, inside)):
                raise ValueError(
                    f"{entry} is a subfolder with several clips; name them by "
                    f"a pattern, such as --keypoints='{folder}/*/*.json'"
                )
            if inside:
                found.append(entry)
        elif entry in are_frames or _plain(entry).suffix.lower() in _ENDINGS:
            found.append(entry)
    if mode is None and frames and all(map(formats.is_one_frame, frames)):
        others = [path for path in found if path not in are_frames]
        if others:
            raise ValueError(
                f"{folder} contains frames, such as {frames[0].name}, and "
                f"clips, such as {others[0].name}: use --clips=one to read "
                "the .json files as one clip, or --clips=each to read each "
                "file as a clip"
            )
        return None
    return found


def _check_names(found):
    by_stem = collections.defaultdict(list)
    for clip in found:
        by_stem[stem(clip)].append(str(clip))
    for name, paths in by_stem.items():
        if len(paths) > 1:
            raise ValueError(
                f"the results of {paths[0]} and {paths[1]} would both be "
                f"named {name}; rename one of them, or lift them separately"
            )

"""Which clips `--keypoints` names, where it names many.

A pattern names all files and folders that match it, each a clip. A folder is
one clip if each of its `.json` files holds a single frame, and otherwise each
of its keypoint files is one, and each of its folders of `.json` files.
"""

import collections
import fnmatch
import glob
import os
import pathlib

from ampose_tf.lifting import formats

# How files end that `formats.read` takes.
_ENDINGS = (".csv", ".json", ".jsonl", ".npy", ".npz")

MODES = ("each", "one")


def find(source: str, mode: str | None = None) -> list[pathlib.Path] | None:
    """Returns the clips, in the order of their names.

    Args:
        source: A file, a folder, a pattern as of a shell, in which `**`
            stands for folders of any depth, or `-` for standard input.
        mode: `"each"`: each file of the folder is a clip; `"one"`: together
            they are one clip; None to tell it by what they hold.

    Returns:
        The clips; None if the source is one clip.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If nothing matches, `mode` does not fit the source, or
            two clips have one name.
    """
    path = pathlib.Path(source)
    if path.is_dir():
        found = None if mode == "one" else _in_folder(path)
        if mode is None and _is_one_clip(path):
            return None
        if mode == "each" and not found:
            raise ValueError(f"{source}: no keypoint file in this folder")
    elif not path.exists() and glob.has_magic(source):
        if mode == "one":
            raise ValueError(
                "--clips=one is for a folder, whose files are the frames of "
                f"one clip; {source} is a pattern"
            )
        found = [pathlib.Path(p) for p in glob.glob(source, recursive=True)]
        if not found:
            raise ValueError(f"--keypoints: nothing matches {source}")
    else:
        if mode is not None:
            raise ValueError(
                f"--clips is for a folder or a pattern; {source} is neither"
            )
        return None
    if not found:
        return None
    found.sort(key=lambda path: formats.natural(str(path)))
    _check_names(found)
    return found


def stem(clip: pathlib.Path) -> str:
    """Returns what the names of a clip's results begin with."""
    return clip.name if clip.is_dir() else clip.stem


def check_output(
    source: str, clips: list[pathlib.Path], output: pathlib.Path
) -> None:
    """Checks that results do not come to lie among the clips.

    Raises:
        ValueError: If the output folder is one of the clips, or would be one
            the next time.
    """
    folder = os.path.abspath(output)
    inputs = [os.path.abspath(p) for p in clips if p.is_dir()]
    if os.path.isdir(source):
        inputs.append(os.path.abspath(source))
    inside = any(
        os.path.commonpath([folder, given]) == given for given in inputs
    )
    if inside or fnmatch.fnmatch(folder, os.path.abspath(source)):
        raise ValueError(
            f"--output={output} is among the keypoints of {source}; choose "
            "another folder"
        )


def _in_folder(folder):
    """Returns the keypoint files of a folder, and its folders of frames."""
    found = []
    for entry in folder.iterdir():
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if any(e.suffix.lower() == ".json" for e in entry.iterdir()):
                found.append(entry)
        elif entry.suffix.lower() in _ENDINGS:
            found.append(entry)
    return found


def _is_one_clip(folder):
    """Whether all JSON files of a folder, at least one, hold one frame."""
    files = [p for p in folder.iterdir() if p.suffix.lower() == ".json"]
    files.sort(key=lambda path: formats.natural(path.name))
    return bool(files) and all(map(formats.is_one_frame, files))


def _check_names(clips):
    by_stem = collections.defaultdict(list)
    for clip in clips:
        by_stem[stem(clip)].append(str(clip))
    for name, paths in by_stem.items():
        if len(paths) > 1:
            raise ValueError(
                f"{paths[0]} and {paths[1]} would both be lifted to {name}; "
                "give one of them another name, or lift them by themselves"
            )

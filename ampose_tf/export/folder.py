"""Manages an export's folder, which may contain files of several exports."""

import contextlib
import json
import os
import pathlib
import re
import shutil
from collections.abc import Iterator

from ampose_tf import files, reading


@contextlib.contextmanager
def workplace(output: pathlib.Path) -> Iterator[pathlib.Path]:
    """Creates an export's folder, and yields a temporary folder in it.

    Problems with the folder are thus found before the work starts, and no
    other export can write to it. If the block raises, a new export's folder
    is removed again; the folders above it are kept.

    Raises:
        OSError: If the folder cannot be written, is full, or is in use.
    """
    is_new = not output.exists()
    try:
        with files.workplace(output) as place:
            yield place
    except BaseException:
        if is_new:
            with contextlib.suppress(OSError):
                output.rmdir()
        raise


def rejected_name(name: str) -> str:
    """Returns the name under which a rejected file is kept."""
    if name.endswith(".tflite"):
        return name.removesuffix(".tflite") + ".rejected.tflite"
    return name.replace("/", ".rejected/")


# By kind of files in `export.json`: the function from name to path.
_KINDS = {"files": str, "rejected": rejected_name}
_NAME = re.compile(r"[\w.-]{1,100}(/\d{1,19})?")
_VERSION = re.compile(r"saved_model/\d+")
_MOST_BYTES = 2**24


def earlier(output: pathlib.Path) -> dict:
    """Returns the contents of an earlier export's `export.json`, or {}.

    Raises:
        ValueError: If the file is damaged.
    """
    path = output / "export.json"
    if not path.is_file():
        return {}
    try:
        with reading.guarded():
            report = json.loads(reading.content(path, _MOST_BYTES))
            names = list(report.get("of_another_model", []))
            for kind in _KINDS:
                names += report[kind].keys()
            if not all(map(_NAME.fullmatch, names)):
                raise ValueError("invalid names of exported files")
    except ValueError as error:
        raise ValueError(
            f"{path}: damaged, or not from an export; remove it to continue"
        ) from error
    return report


def with_earlier(report: dict, earlier: dict, output: pathlib.Path) -> dict:
    """Adds the measurements of earlier files that are kept.

    For files of another model, only the names are kept, as their measurements
    would be mistaken for those of this model.
    """
    merged = report | {kind: dict(report[kind]) for kind in _KINDS}
    others = list(earlier.get("of_another_model", ()))
    for kind, place in _KINDS.items():
        for name, measured in earlier.get(kind, {}).items():
            # A file that is accepted now replaces its rejected predecessor.
            gone = kind == "rejected" and name in report["files"]
            if gone or name in report[kind]:
                continue
            if not (output / place(name)).exists():
                continue
            if earlier.get("model_sha256") == report["model_sha256"]:
                merged[kind][name] = measured
            else:
                others.append(place(name))
    made = {place(n) for kind, place in _KINDS.items() for n in report[kind]}
    made |= {rejected_name(name) for name in report["files"]}
    others = [
        name
        for name in dict.fromkeys(others)
        if name not in made and (output / name).exists()
    ]
    if others:
        merged["of_another_model"] = others
    versions = [name for name in others if _VERSION.fullmatch(name)]
    others = [name for name in others if name not in versions]
    if versions:
        print(f"earlier versions, in {output}: {', '.join(versions)}")
    if others:
        print(f"from another model, in {output}: {', '.join(others)}")
    return merged


def place(
    made: dict[str, pathlib.Path], output: pathlib.Path, report: dict
) -> None:
    """Moves all files to their final paths, and the report last.

    If this fails, versions of a SavedModel are removed again, as
    `export.json` does not list them.

    Raises:
        OSError: If a file cannot be written, or a version exists.
    """

    versions = [name for name in made if _VERSION.fullmatch(name)]
    moved = []
    try:
        with contextlib.ExitStack() as placed:
            # Entered first and moved last, so that it never lists missing
            # files.
            described = placed.enter_context(
                files.replacing(output / "export.json")
            )
            for name in (name for name in made if name not in versions):
                target = placed.enter_context(files.replacing(output / name))
                os.replace(made[name], target)
            described.write_text(
                json.dumps(report, indent=2) + "\n", encoding="utf-8"
            )
            # Before the other files are moved, as versions replace nothing.
            for name in versions:
                with files.replacing(output / name, overwrite=False) as target:
                    os.replace(made[name], target)
                moved.append(name)
    except BaseException as error:
        for name in moved:
            os.replace(output / name, made[name])
        if versions:
            with contextlib.suppress(OSError):
                (output / versions[0]).parent.rmdir()
        if isinstance(error, FileExistsError):
            raise FileExistsError(
                f"{output}: another program created this version of "
                "saved_model during the export; nothing was replaced, export "
                "again"
            ) from error
        raise


def remove(path: pathlib.Path) -> None:
    """Removes a rejected file or folder of an earlier export."""
    if path.is_dir():
        shutil.rmtree(path)
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
    else:
        path.unlink(missing_ok=True)

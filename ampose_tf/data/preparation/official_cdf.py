"""Reads the official Human3.6M's CDF files, in a folder or an archive.

`tarfile` and `cdflib` do not limit time or memory, so this runs in a child
process (`confined.call`). It is a separate module because the process starts
three times as fast without SciPy.
"""

import pathlib
import tarfile

import numpy as np

from ampose_tf import files, reading
from ampose_tf.data import human36m
from ampose_tf.data.human36m import CORRUPT, JOINTS_OF_32
from ampose_tf.data.poses import check_unit

FOLDER = pathlib.PurePosixPath("MyPoseFeatures", "D3_Positions")

# At 50 frames per second, an hour in one file and 15 in one archive.
_LARGEST_FILE = 64 * 2**20
_LARGEST_ARCHIVE = 2**30


def read(where: str, subject: str) -> list[tuple[str, str, np.ndarray]]:
    """Reads all recordings of a subject.

    Args:
        where: The subject's folder of `.cdf` files, or its `.tgz` archive.
        subject: Its name, for example "S1".

    Returns:
        (name, where, joints) of each recording: VideoPose3D's name, the file,
        and (T, 32, 3) float32 metres.

    Raises:
        ImportError: If `cdflib` is not installed.
        OSError: If a file cannot be read.
        ValueError: If a file is damaged, too large, or has other contents.
    """
    where = pathlib.Path(where)
    contents = (
        _in_folder(where) if where.is_dir() else _archived(where, subject)
    )
    found = []
    for name, path, content in contents:
        name = human36m.canonical_name(name, path)
        if (subject, name) != CORRUPT:
            found.append((name, path, _read_joints(content, path)))
    return found


def _in_folder(folder):
    for path in sorted(folder.glob("*.cdf")):
        # macOS creates such files.
        if path.name.startswith("."):
            continue
        try:
            content = reading.content(path, _LARGEST_FILE)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        yield path.stem, str(path), content


def _archived(path, subject):
    """Yields a subject's files in an archive, without unpacking it to disk."""
    size = 0
    try:
        with reading.guarded(), tarfile.open(path, "r:gz") as members:
            for member in members:
                name = pathlib.PurePosixPath(member.name)
                where = f"{path}: {member.name}"
                size += member.size
                if not (member.isfile() or member.isdir()) or (
                    name.is_absolute() or ".." in name.parts
                ):
                    raise _Refused(
                        f"{where}: a link, or a path outside the archive's "
                        "folder; official archives contain none"
                    )
                if member.size > _LARGEST_FILE or size > _LARGEST_ARCHIVE:
                    raise _Refused(
                        f"{where}: too large for a recording of poses"
                    )
                if name.name.startswith("."):
                    continue
                if name.suffix == ".cdf" and name.parent == subject / FOLDER:
                    content = members.extractfile(member).read()
                    yield name.stem, where, content
    except _Refused:
        raise
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path}: not a readable .tgz archive, or an incomplete one "
            f"({error})"
        ) from error


class _Refused(ValueError):
    """An archive is intact, but its contents are not allowed."""


def _read_joints(content, where):
    """Returns a recording's joints, (T, 32, 3) float32 metres."""
    import cdflib

    # cdflib reads only files, and depends on their names.
    with files.scratch() as folder:
        file = folder / "recording.cdf"
        file.write_bytes(content)
        try:
            with reading.guarded():
                recording = cdflib.CDF(file)
                variables = recording.cdf_info()
                names = [*variables.zVariables, *variables.rVariables]
                pose = recording.varget("Pose") if "Pose" in names else None
        except (OSError, ValueError) as error:
            text = str(error).replace(str(file), "it")
            raise ValueError(
                f"{where}: not a readable CDF file, or a damaged one ({text})"
            ) from error
    if pose is None:
        raise ValueError(
            f"{where}: no variable Pose; it contains "
            f"{', '.join(names) or 'nothing'}"
        )
    if (
        not isinstance(pose, np.ndarray)
        or pose.dtype.kind != "f"
        or pose.ndim != 3
        or pose.shape[::2] != (1, 96)
        or not pose.size
    ):
        raise ValueError(
            f"{where}: expected a Pose of shape (1, T, 96), got "
            f"{getattr(pose, 'shape', type(pose).__name__)}"
        )
    joints = pose.reshape(-1, 32, 3)
    if not np.isfinite(joints).all():
        raise ValueError(f"{where}: Pose contains NaN or infinite values")
    check_unit(joints[:, JOINTS_OF_32], "millimetres", where)
    return (joints / 1000).astype(np.float32)

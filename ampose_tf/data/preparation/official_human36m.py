"""Converts the official Human3.6M to VideoPose3D's files.

The input is "Poses, D3 Positions" of each subject from the official archives:
`S1/MyPoseFeatures/D3_Positions/Walking 1.cdf` and so on, unpacked or in
`Poses_D3_Positions_S1.tgz`. `Pose` in each file is (1, T, 96): 32 joints,
millimetres, world. Sequences are left out and renamed as in VideoPose3D, so
that its other files (CPN's detections) match.
"""

import os
import pathlib
import tarfile

import numpy as np

from ampose_tf import confined, files, reading
from ampose_tf.config import Data
from ampose_tf.data import human36m, mocap, synthetic
from ampose_tf.data.human36m import CORRUPT, JOINTS_OF_32, SUBJECTS
from ampose_tf.data.poses import check_unit
from ampose_tf.data.preparation import official_cameras

# Recordings per subject: two of each action.
RECORDINGS = 30
# Frames times cameras of the training subjects, according to MotionBERT
# (lib/data/datareader_h36m.py).
TRAINING_PAIRS = 1_559_752

_FOLDER = pathlib.PurePosixPath("MyPoseFeatures", "D3_Positions")
_WHERE = (
    "register at http://vision.imar.ro/human3.6m and download Poses, "
    "D3 Positions, by subject"
)
# At 50 frames per second, an hour in one file and 15 in one archive.
_LARGEST_FILE = 64 * 2**20
_LARGEST_ARCHIVE = 2**30
# The time limit for reading a subject: seconds, and bytes per further second.
_LONGEST_S = 8
_BYTES_PER_SECOND = 2**22


def prepare(
    source: str | os.PathLike, output: str | os.PathLike, metadata: str = ""
) -> None:
    """Converts all subjects, verifies the result, and prints progress.

    Args:
        source: Folder with the subjects' folders or archives.
        output: Output folder for the 3D file and the 2D file "gt".
        metadata: Path of the official `metadata.xml`, to compare its cameras
            with ours; "" for no comparison.

    Raises:
        OSError: If a file is missing or cannot be written.
        ValueError: If a file is damaged or has other contents, or if one of
            `source` and `output` contains recordings and the other generated
            motion.
    """
    source, output = pathlib.Path(source), pathlib.Path(output)
    generated = (source / synthetic.MARK).exists()
    there = (output / human36m.FILE_3D).exists()
    if there and synthetic.is_generated(output) is not generated:
        # Existing detections would be used with the wrong motion.
        other = "recordings" if generated else "generated motion"
        raise ValueError(f"{output}: contains {other}; choose another folder")
    if metadata:
        print(official_cameras.compare(metadata), flush=True)
    marked = {"generator": synthetic.GENERATOR} if generated else {}
    world, image, frames = _converted(source)
    print(f"Writing to {output}, and reading back", flush=True)
    # Files are verified before they replace others.
    with files.workplace(output) as made:
        human36m.write(made, world, {"gt": image}, **marked)
        pairs = _read_back(made, frames)
        for path in made.iterdir():
            path.replace(output / path.name)
    training = len(human36m.cameras(SUBJECTS[0])) * sum(
        frames[name] for name in Data().train_subjects
    )
    print(
        f"{output}: {len(frames)} subjects, {sum(frames.values())} frames, "
        f"{pairs} pairs; for training {training}, official: "
        f"{TRAINING_PAIRS}{_differs(training, TRAINING_PAIRS)}"
    )


def _read_back(root, frames):
    """Checks the files just written, and returns their number of pairs."""
    poses = human36m.load(root, SUBJECTS)
    for subject in SUBJECTS:
        count = np.count_nonzero(poses.subjects == subject)
        expected = len(human36m.cameras(subject)) * frames[subject]
        if count != expected:
            raise ValueError(
                f"{subject}: the written files contain {count} pairs, not "
                f"{expected}; they were discarded"
            )
    return poses.count


def _converted(source):
    """Returns joints and keypoints by subject and name, and frame counts."""
    world, image, frames = {}, {}, {}
    for subject in SUBJECTS:
        world[subject], image[subject] = {}, {}
        for name, where, joints in _read(source, subject):
            if name in world[subject]:
                raise ValueError(
                    f"{where}: {name!r} of {subject} exists twice"
                )
            world[subject][name] = joints
            try:
                image[subject][name] = human36m.project(subject, joints)
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from error
        frames[subject] = sum(map(len, world[subject].values()))
        expected = RECORDINGS - (subject == CORRUPT[0])
        print(
            f"{subject}: {len(world[subject])} sequences, {frames[subject]} "
            f"frames; official: {expected} sequences"
            f"{_differs(len(world[subject]), expected)}",
            flush=True,
        )
    return world, image, frames


def _differs(count, expected):
    return "" if count == expected else " (differs)"


def _read(source, subject):
    """Returns (name, where, joints) of a subject's recordings, by name."""
    folder = source / subject / _FOLDER
    archive = source / f"Poses_D3_Positions_{subject}.tgz"
    if folder.is_dir():
        where = folder
        size = sum(path.stat().st_size for path in folder.iterdir())
    elif archive.is_file():
        where = archive
        size = archive.stat().st_size
    else:
        raise FileNotFoundError(f"no file {archive} or in {folder}: {_WHERE}")
    try:
        # `tarfile` and `cdflib` do not limit memory or time.
        found = confined.call(
            _read_all,
            str(where),
            subject,
            seconds=_LONGEST_S + size / _BYTES_PER_SECOND,
        )
    except ValueError as error:
        if str(error).startswith(str(where)):
            raise
        raise ValueError(f"{where}: {error}") from error
    if not found:
        raise ValueError(f"{where}: no {subject / _FOLDER}/*.cdf")
    return sorted(found, key=lambda recording: recording[0])


def _read_all(where, subject):
    """Returns (name, where, joints) of a subject's folder or archive."""
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
                if name.suffix == ".cdf" and name.parent == subject / _FOLDER:
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
    joints = (joints / 1000).astype(np.float32)
    mocap.check_bones(joints[:, JOINTS_OF_32], where)
    return joints

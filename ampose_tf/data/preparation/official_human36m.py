"""Converts the official Human3.6M to VideoPose3D's files.

The input is "Poses, D3 Positions" of each subject from the official archives:
`S1/MyPoseFeatures/D3_Positions/Walking 1.cdf` and so on, unpacked or in
`Poses_D3_Positions_S1.tgz`. `Pose` in each file is (1, T, 96): 32 joints,
millimetres, world. Sequences are left out and renamed as in VideoPose3D, so
that its other files (CPN's detections) match.
"""

import os
import pathlib

import numpy as np

from ampose_tf import confined, files
from ampose_tf.config import Data
from ampose_tf.data import human36m, mocap, synthetic
from ampose_tf.data.human36m import CORRUPT, JOINTS_OF_32, SUBJECTS
from ampose_tf.data.preparation import official_cameras, official_cdf
from ampose_tf.data.preparation.official_cdf import FOLDER

# Recordings per subject: two of each action.
RECORDINGS = 30
# Frames times cameras of the training subjects, according to MotionBERT
# (lib/data/datareader_h36m.py).
TRAINING_PAIRS = 1_559_752

_WHERE = (
    "register at http://vision.imar.ro/human3.6m and download Poses, "
    "D3 Positions, by subject"
)
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
    folder = source / subject / FOLDER
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
            official_cdf.read,
            str(where),
            subject,
            seconds=_LONGEST_S + size / _BYTES_PER_SECOND,
        )
    except ValueError as error:
        if str(error).startswith(str(where)):
            raise
        raise ValueError(f"{where}: {error}") from error
    if not found:
        raise ValueError(f"{where}: no {subject / FOLDER}/*.cdf")
    for _, path, joints in found:
        mocap.check_bones(joints[:, JOINTS_OF_32], path)
    return sorted(found, key=lambda recording: recording[0])

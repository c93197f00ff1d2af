"""MPI-INF-3DHP's test set, as written by `python -m ampose_tf.data.prepare`.

`mpi_inf_3dhp_test.npz` contains the valid frames of each sequence, with joints
in the order of the data set (`conversion.MPI_INF_3DHP_17`): `TS1/keypoints_px`
(V, 17, 2), positions of the joints in the image, and `TS1/joints_mm`
(V, 17, 3), `univ_annot3` in the camera's frame, with bodies scaled to the same
height. Data and tool: https://vcai.mpi-inf.mpg.de/3dhp-dataset.
"""

import os
import pathlib
from typing import NamedTuple

import numpy as np

from ampose_tf.camera import normalize_screen
from ampose_tf.conversion import MPI_INF_3DHP_17
from ampose_tf.data import archive
from ampose_tf.data.poses import (
    Poses,
    check_pixels,
    check_unit,
    concatenate,
    make_poses,
)
from ampose_tf.skeleton import H36M_17, by_joint_count


class Sequence(NamedTuple):
    """A sequence in the official release.

    Attributes:
        frames: Number of frames.
        valid: Number of valid frames, which the protocol evaluates.
        image_size: (width, height) in pixels.
    """

    frames: int
    valid: int
    image_size: tuple[int, int]


SEQUENCES = {
    "TS1": Sequence(6151, 603, (2048, 2048)),
    "TS2": Sequence(6080, 540, (2048, 2048)),
    "TS3": Sequence(5838, 505, (2048, 2048)),
    "TS4": Sequence(6007, 553, (2048, 2048)),
    "TS5": Sequence(320, 276, (1920, 1080)),
    "TS6": Sequence(492, 452, (1920, 1080)),
}
FILE = "mpi_inf_3dhp_test.npz"


def load(
    root: str | os.PathLike,
    sequences: tuple[str, ...] = (),
    joints: int = 17,
    stride: int = 1,
    normalisation: str = "width",
) -> Poses:
    """Loads the valid frames: ground-truth 2D, and 3D in Human3.6M's order.

    Actions and subjects of the poses are the sequences. Intrinsics are not
    used, although the cameras have a wider field of view than Human3.6M's.

    Args:
        root: Folder of the file.
        sequences: For example ("TS1", "TS5"); empty for all in the file.
        joints: 17, or 16 without Neck/Nose.
        stride: Use every n-th valid frame of each sequence.
        normalisation: See `camera.normalize_screen`; applied with the image
            size of each sequence. For these images `"width"` and `"longest"`
            are the same.

    Raises:
        OSError: If the file is missing. The message says how to create it.
        ValueError: If the file is damaged or a sequence is missing. The
            message contains the sequence.
    """
    path = pathlib.Path(root) / FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"no file {path}: download the test set from "
            "https://vcai.mpi-inf.mpg.de/3dhp-dataset and convert it with "
            "python -m ampose_tf.data.prepare mpi_inf_3dhp"
        )
    members = archive.read(path)
    found = [name for name in SEQUENCES if f"{name}/joints_mm" in members]
    kept = [
        H36M_17.joints.index(name) for name in by_joint_count(joints).joints
    ]
    parts = []
    for name in sequences or found:
        if name not in found:
            raise ValueError(
                f"{path}: no sequence {name}; it contains "
                f"{', '.join(found) or 'none'}"
            )
        keypoints_px, joints_mm = check_sequence(
            members.get(f"{name}/keypoints_px"),
            members[f"{name}/joints_mm"],
            f"{path}: {name}",
        )
        keypoints_px = MPI_INF_3DHP_17.convert(keypoints_px[::stride])
        camera_joints = MPI_INF_3DHP_17.convert(joints_mm[::stride]) / 1000
        parts.append(
            make_poses(
                normalize_screen(
                    keypoints_px[:, kept],
                    SEQUENCES[name].image_size,
                    normalisation,
                ),
                camera_joints[:, kept],
                list(SEQUENCES).index(name),
                name,
                tuple(SEQUENCES),
            )
        )
    if not parts:
        raise ValueError(f"{path}: it contains none of {', '.join(SEQUENCES)}")
    return concatenate(parts)


def is_generated(root: str | os.PathLike) -> bool:
    """Returns whether the file was prepared from generated motion.

    Raises:
        OSError: If the file is missing.
        ValueError: If the file is damaged.
    """
    path = pathlib.Path(root) / FILE
    return "generator" in archive.read(path, only="generator")


def check_sequence(
    keypoints_px: np.ndarray, joints_mm: np.ndarray, where: str
) -> tuple[np.ndarray, np.ndarray]:
    """Checks and returns the valid frames of a sequence.

    Args:
        keypoints_px: (V, 17, 2) pixels.
        joints_mm: (V, 17, 3) millimetres.
        where: Start of error messages.

    Raises:
        ValueError: If the arrays are invalid or contain no frames.
    """
    for array, what, last in ((joints_mm, "3D", 3), (keypoints_px, "2D", 2)):
        if (
            not isinstance(array, np.ndarray)
            or array.dtype.kind != "f"
            or array.ndim != 3
            or array.shape[1:] != (len(MPI_INF_3DHP_17.joints), last)
            or len(array) != len(joints_mm)
            or not len(array)
        ):
            raise ValueError(
                f"{where}: expected {what} of shape (V, 17, {last}), got "
                f"{getattr(array, 'shape', type(array).__name__)}"
            )
        if not np.isfinite(array).all():
            raise ValueError(
                f"{where}: {what} contains NaN or infinite values"
            )
    check_pixels(keypoints_px, where)
    check_unit(MPI_INF_3DHP_17.convert(joints_mm), "millimetres", where)
    return keypoints_px, joints_mm

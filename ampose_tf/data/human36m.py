"""Human3.6M in VideoPose3D's files.

`data_3d_h36m.npz`: `positions_3d[subject][action]` (T, 32, 3), metres, world.
`data_2d_h36m_<keypoints>.npz`: `positions_2d[subject][action]`, a list of
(T, 17, 2) or (T, 16, 2) pixels for each of the four cameras.
Formats and figures: https://github.com/facebookresearch/VideoPose3D.
"""

import functools
import importlib.resources
import json
import os
import pathlib

import numpy as np

from ampose_tf import progress, skeleton
from ampose_tf.camera import Camera, normalize_screen
from ampose_tf.data import archive
from ampose_tf.data.poses import (
    Poses,
    check_pixels,
    check_unit,
    concatenate,
    make_poses,
)

FILE_3D = "data_3d_h36m.npz"
FILE_2D = "data_2d_h36m_{keypoints}.npz"

ACTIONS = (
    "Directions",
    "Discussion",
    "Eating",
    "Greeting",
    "Phoning",
    "Photo",
    "Posing",
    "Purchases",
    "Sitting",
    "SittingDown",
    "Smoking",
    "Waiting",
    "WalkDog",
    "Walking",
    "WalkTogether",
)
SUBJECTS = ("S1", "S5", "S6", "S7", "S8", "S9", "S11")

# Names of two actions in some releases.
_ALIASES = {"TakingPhoto": "Photo", "WalkingDog": "WalkDog"}

# The 17 of the 32 joints of the raw recordings, in the order of H36M_17.
JOINTS_OF_32 = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)

_NECK = skeleton.H36M_17.joints.index("Neck/Nose")

# One camera's video of this sequence is corrupt; all protocols exclude it.
CORRUPT = ("S11", "Directions")

_WHERE_3D = (
    "Human3.6M is licensed: register at http://vision.imar.ro/human3.6m and "
    "convert it with python -m ampose_tf.data.prepare human36m, or use "
    "generated motion with configs/demo.py"
)
_WHERE_2D = {
    "gt": "it is created together with data_3d_h36m.npz",
    "cpn_ft_h36m_dbb": (
        "download it from https://dl.fbaipublicfiles.com/video-pose-3d/"
        "data_2d_h36m_cpn_ft_h36m_dbb.npz"
    ),
}


@functools.cache
def cameras(subject: str) -> tuple[Camera, ...]:
    """Returns a subject's four calibrated cameras, in the order of the files.

    Raises:
        ValueError: If the subject is not one of Human3.6M's seven.
    """
    text = importlib.resources.files(__package__).joinpath(
        "human36m_cameras.json"
    )
    figures = json.loads(text.read_text(encoding="utf-8"))
    if subject not in figures["extrinsics"]:
        raise ValueError(
            f"Human3.6M has no calibration for a subject {subject!r}; "
            f"expected one of {', '.join(figures['extrinsics'])}"
        )
    return tuple(
        Camera(
            width=inner["width"],
            height=inner["height"],
            focal_length=tuple(inner["focal_length"]),
            center=tuple(inner["center"]),
            radial_distortion=tuple(inner["radial_distortion"]),
            tangential_distortion=tuple(inner["tangential_distortion"]),
            orientation=tuple(outer["orientation"]),
            translation=tuple(t / 1000 for t in outer["translation_mm"]),
        )
        for inner, outer in zip(
            figures["cameras"], figures["extrinsics"][subject], strict=True
        )
    )


def canonical_name(name: str, where: str) -> str:
    """Returns a sequence's name in VideoPose3D's files.

    For example, "TakingPhoto 1" becomes "Photo 1".

    Raises:
        ValueError: If the action is not one of the fifteen. The message starts
            with `where`.
    """
    action, space, number = name.partition(" ")
    action = _ALIASES.get(action, action)
    if action not in ACTIONS:
        raise ValueError(
            f"{where}: {name!r} is not one of Human3.6M's actions; expected "
            f"{', '.join(ACTIONS)}"
        )
    return action + space + number


def project(subject: str, world: np.ndarray) -> list[np.ndarray]:
    """Projects joints to a subject's cameras: the 2D source "gt".

    Args:
        subject: Subject whose cameras are used.
        world: (T, 32, 3) metres.

    Returns:
        Four arrays (T, 17, 2) of float32 pixels.

    Raises:
        ValueError: If a joint is not in front of a camera.
    """
    joints = world[:, JOINTS_OF_32]
    return [
        camera.project(camera.world_to_camera(joints)).astype(np.float32)
        for camera in cameras(subject)
    ]


def write(
    root: str | os.PathLike, world: dict | None, image: dict, **metadata
) -> None:
    """Writes files for `load` and VideoPose3D, replacing existing ones.

    Args:
        root: Output folder.
        world: {subject: {name: (T, 32, 3) float32 metres}}; None for no 3D
            file.
        image: {2D source: {subject: {name: four arrays (T, 17, 2) of float32
            pixels}}}.
        **metadata: Metadata of the 3D file, if any.

    Raises:
        OSError: If a file cannot be written.
    """
    root = pathlib.Path(root)
    beside = {"metadata": metadata} if metadata else {}
    if world is not None:
        archive.write(root / FILE_3D, positions_3d=world, **beside)
    layout = {
        "layout_name": "h36m",
        "num_joints": len(JOINTS_OF_32),
        "keypoints_symmetry": [
            list(skeleton.H36M_17.left),
            list(skeleton.H36M_17.right),
        ],
    }
    for keypoints, views in image.items():
        archive.write(
            root / FILE_2D.format(keypoints=keypoints),
            positions_2d=views,
            metadata=layout,
        )


def load(
    root: str | os.PathLike,
    subjects: tuple[str, ...],
    keypoints: str = "gt",
    joints: int = 17,
    stride: int = 1,
    normalisation: str = "width",
) -> Poses:
    """Loads the pairs of some subjects, for all actions and cameras.

    Sub-actions ("Walking 1") belong to the action before the space. S11's
    corrupt sequence and surplus 2D frames are left out.

    Args:
        root: Folder of the two files.
        subjects: For example ("S9", "S11").
        keypoints: 2D source, which is part of the file's name.
        joints: 17, or 16 without Neck/Nose. Files with 17 joints support both.
        stride: Use every n-th frame of each sequence.
        normalisation: See `camera.normalize_screen`.

    Raises:
        OSError: If a file is missing. The message says how to obtain it.
        ValueError: If the files are damaged or inconsistent. The message
            contains subject, action and camera.
    """
    if keypoints not in _WHERE_2D:
        raise ValueError(
            f"Unknown 2D source {keypoints!r}; expected "
            f"{' or '.join(_WHERE_2D)}"
        )
    root = pathlib.Path(root)
    path_3d = root / FILE_3D
    path_2d = root / FILE_2D.format(keypoints=keypoints)
    for path, where in ((path_3d, _WHERE_3D), (path_2d, _WHERE_2D[keypoints])):
        if not path.is_file():
            raise FileNotFoundError(f"no file {path}: {where}")
    world = _member(path_3d, "positions_3d")
    image = _member(path_2d, "positions_2d")
    sequences = []
    for subject in subjects:
        for path, positions in ((path_3d, world), (path_2d, image)):
            if subject not in positions:
                raise ValueError(
                    f"{path}: no subject {subject}; it contains "
                    f"{', '.join(map(str, positions))}"
                )
        _check_same_actions(
            subject, world[subject], image[subject], path_3d, path_2d
        )
        sequences += [(subject, name) for name in world[subject]]
    parts = []
    with progress.bar(len(sequences), "sequence") as done:
        for subject, name in sequences:
            done(1)
            if (subject, name) == CORRUPT:
                continue
            parts += _load_sequence(
                subject,
                name,
                _checked_3d(world[subject][name], path_3d, subject, name),
                _checked_2d(image[subject][name], path_2d, subject, name),
                joints,
                stride,
                normalisation,
            )
    if not parts:
        raise ValueError(f"{path_3d}: no sequences of {', '.join(subjects)!r}")
    return concatenate(parts)


def _member(path, name):
    members = archive.read(path)
    if not isinstance(members.get(name), dict):
        raise ValueError(
            f"{path}: no dictionary {name!r}; it contains "
            f"{', '.join(members) or 'nothing'}"
        )
    for subject, actions in members[name].items():
        if not isinstance(actions, dict):
            raise ValueError(
                f"{path}: {name}[{subject!r}] is not a dictionary of actions"
            )
        for action in actions:
            if not isinstance(action, str):
                raise ValueError(
                    f"{path}: {subject}: {action!r} is not the name of an "
                    "action"
                )
    return members[name]


def _check_same_actions(subject, actions_3d, actions_2d, path_3d, path_2d):
    difference = set(actions_3d) ^ set(actions_2d)
    for name in sorted(difference):
        if (subject, name) != CORRUPT:
            there, lacking = (path_3d, path_2d)
            if name in actions_2d:
                there, lacking = lacking, there
            raise ValueError(
                f"{lacking}: {subject} has no {name!r}, unlike {there}"
            )


def _load_sequence(
    subject, name, joints_32, keypoints_px, joints, stride, normalisation
):
    """Returns the poses of one sequence, one part per camera."""
    action = ACTIONS.index(canonical_name(name, subject).split(" ")[0])
    calibrated = cameras(subject)
    if len(keypoints_px) != len(calibrated):
        raise ValueError(
            f"{subject} {name!r}: expected 2D for {len(calibrated)} cameras, "
            f"got {len(keypoints_px)}"
        )
    frames = len(joints_32)
    world = joints_32[::stride, JOINTS_OF_32]
    if joints == 16:
        world = np.delete(world, _NECK, axis=1)
    parts = []
    for index, camera in enumerate(calibrated):
        pixels = keypoints_px[index]
        where = f"{subject} {name!r} camera {index}"
        if len(pixels) < frames:
            raise ValueError(
                f"{where}: {len(pixels)} frames of 2D, but {frames} of 3D"
            )
        pixels = pixels[:frames:stride]
        if joints == 16 and pixels.shape[1] == 17:
            pixels = np.delete(pixels, _NECK, axis=1)
        if pixels.shape[1] != joints:
            raise ValueError(
                f"{where}: expected 2D with {joints} joints, got "
                f"{pixels.shape[1]}"
            )
        parts.append(
            make_poses(
                normalize_screen(pixels, camera.image_size, normalisation),
                camera.world_to_camera(world),
                action,
                subject,
                ACTIONS,
                camera.normalized_intrinsics(normalisation),
            )
        )
    return parts


def _checked_3d(array, path, subject, name):
    where = f"{path}: {subject} {name!r}"
    if not _is_numeric(array, 3, 3) or array.shape[1] != 32:
        raise ValueError(
            f"{where}: expected 3D of shape (T, 32, 3), got {_shape(array)}"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{where}: 3D contains NaN or infinite values")
    check_unit(array[:, JOINTS_OF_32], "metres", where)
    return array


def _checked_2d(views, path, subject, name):
    if not isinstance(views, (list, tuple, np.ndarray)):
        raise ValueError(
            f"{path}: {subject} {name!r}: expected a list of cameras, got "
            f"{type(views).__name__}"
        )
    for index, array in enumerate(views):
        where = f"{path}: {subject} {name!r} camera {index}"
        if not _is_numeric(array, 3, 2):
            raise ValueError(
                f"{where}: expected 2D of shape (T, J, 2), got {_shape(array)}"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"{where}: 2D contains NaN or infinite values")
        check_pixels(array, where)
    return views


def _is_numeric(array, dimensions, last):
    return (
        isinstance(array, np.ndarray)
        and array.dtype.kind in "fiu"
        and array.ndim == dimensions
        and array.shape[-1] == last
    )


def _shape(array):
    return getattr(array, "shape", type(array).__name__)

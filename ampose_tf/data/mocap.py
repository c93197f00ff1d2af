"""Loads motion archives, and projects their motion to virtual cameras.

An archive is an `.npz` file with `<subject>/<trial>` -> (T, J, 3) float32,
metres, world frame with z up, and a JSON file of the same name with `joints`,
`train` and `validation` subjects and a description of each trial (`meta`).
"""

import json
import os
import pathlib
import zlib
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from ampose_tf import reading, skeleton
from ampose_tf.camera import Camera, normalize_screen
from ampose_tf.config.ranges import Cameras
from ampose_tf.data import archive
from ampose_tf.data.poses import Poses, concatenate, make_poses

LONGEST_CARD = 2**26  # Bytes.

# The shortest and longest bones of children and adults, per edge.
_LEG = [(0.02, 0.25), (0.2, 0.65), (0.2, 0.65)]
_ARM = [(0.06, 0.35), (0.12, 0.5), (0.1, 0.45)]
_AXIS = [(0.06, 0.4), (0.1, 0.45), (0.03, 0.3), (0.04, 0.35)]
_BONES_M = (*_LEG, *_LEG, *_AXIS, *_ARM, *_ARM)


class Motion3D(NamedTuple):
    """Motion of several trials, concatenated along frames.

    Attributes:
        joints: (N, J, 3) float32, metres, world frame, z up.
        subjects: (N,) str.
        trials: (N,) int32, indices into `trial_names`.
        trial_names: "<subject>/<trial>".
        descriptions: Description of the action in each trial.
    """

    joints: np.ndarray
    subjects: np.ndarray
    trials: np.ndarray
    trial_names: tuple[str, ...]
    descriptions: tuple[str, ...]


def load(
    root: str | os.PathLike,
    archives: tuple[str, ...],
    split: str,
    subjects: tuple[str, ...] = (),
) -> Motion3D:
    """Loads the motion of one split from one or more archives.

    Only the trials of these subjects are read.

    Args:
        root: Folder of the archives.
        archives: Names of the archives, without extension.
        split: `"train"` or `"validation"`. Archives without validation
            subjects are used only for training.
        subjects: Subjects of the split to load; empty for all.

    Raises:
        OSError: If a file is missing.
        ValueError: If an archive is damaged, a subject is in the other split
            of any archive, or no motion is selected.
    """
    pieces, trials, names, descriptions = [], [], [], []
    stems = {name: pathlib.Path(root) / name for name in archives}
    cards = {name: _card(stem) for name, stem in stems.items()}
    for name, card in cards.items():
        wanted = set(subjects or _subjects(card, split))
        _refuse_leaks(cards, wanted, split)
        wanted &= set(_subjects(card, split))
        motion = _motion(stems[name], wanted)
        for key in sorted(motion):
            frames = _checked(motion[key], key, name)
            pieces.append(frames)
            trials.append(np.full(len(frames), len(names), np.int32))
            names.append(key)
            descriptions.append(_description(card, key))
    missing = sorted(set(subjects) - {_subject(name) for name in names})
    if missing or not names:
        what = missing[0] if missing else f"no {split} subjects"
        raise ValueError(
            f"{root}: {', '.join(archives)}: nothing to load for {split} "
            f"({what})"
        )
    trials = np.concatenate(trials)
    owners = np.array([_subject(name) for name in names])
    return Motion3D(
        np.concatenate(pieces),
        owners[trials],
        trials,
        tuple(names),
        tuple(descriptions),
    )


def subjects_of(
    root: str | os.PathLike, archives: tuple[str, ...], split: str
) -> tuple[str, ...]:
    """Returns the subjects of one split, by name, without reading motion.

    Args:
        root: Folder of the archives.
        archives: See `load`.
        split: `"train"` or `"validation"`.

    Raises:
        OSError: If a file is missing.
        ValueError: If an archive is damaged, or there are no subjects.
    """
    found = set()
    for name in archives:
        stem = pathlib.Path(root) / name
        card = _card(stem)
        trials = archive.names(stem.with_suffix(".npz"))
        found |= set(map(_subject, trials)) & set(_subjects(card, split))
    if not found:
        raise ValueError(f"{root}: {', '.join(archives)}: no {split} subjects")
    return tuple(sorted(found))


def fixed_cameras(
    hip: np.ndarray, trial_name: str, cameras: Cameras, seed: int
) -> list[Camera]:
    """Returns the virtual cameras around one trial.

    They depend on the seed and the trial, not on other motion that is loaded.

    Args:
        hip: (3,) metres, the mean position of the hip in the trial.
        trial_name: "<subject>/<trial>".
        cameras: Number of cameras and ranges of their parameters.
        seed: Seed of the cameras' positions.
    """
    random = np.random.default_rng((seed, zlib.crc32(trial_name.encode())))
    start = random.uniform(0, 2 * np.pi)
    made = []
    for index in range(cameras.number):
        jitter = np.radians(cameras.azimuth_jitter_deg) * random.uniform(-1, 1)
        azimuth = start + 2 * np.pi * index / cameras.number + jitter
        distance = random.uniform(*cameras.distance_m)
        height = random.uniform(*cameras.height_m)
        aim = random.uniform(*cameras.aim_m)
        direction = np.array([np.cos(azimuth), np.sin(azimuth)])
        position = np.append(hip[:2] + distance * direction, height)
        made.append(
            Camera(
                width=cameras.image_width,
                height=cameras.image_height,
                focal_length=(cameras.focal_length_px,) * 2,
                center=(cameras.image_width / 2, cameras.image_height / 2),
                orientation=_looking_at(position, np.append(hip[:2], aim)),
                translation=tuple(position),
            )
        )
    return made


def seen_by_cameras(
    motion: Motion3D,
    cameras: Cameras,
    seed: int,
    normalisation: str,
    stride: int = 1,
) -> Poses:
    """Returns the poses of each frame in each camera, if it is in view.

    Every `stride`-th frame of each trial is used. Cameras and noise do not
    depend on the stride.

    Frames with a joint nearer than a metre to the camera's plane are dropped.
    With `cameras.inside_image`, so are frames with a joint outside the image.
    Noise is added afterwards. Actions of the poses are the descriptions of
    trials.

    Raises:
        ValueError: If no frame is left.
    """
    actions = tuple(sorted(set(motion.descriptions)))
    parts = []
    for trial, name in enumerate(motion.trial_names):
        world = motion.joints[motion.trials == trial]
        hip = world[:, 0].mean(axis=0, dtype=np.float64)
        for index, camera in enumerate(
            fixed_cameras(hip, name, cameras, seed)
        ):
            # Drawn for all frames, so that noise does not depend on the
            # stride. `index + 1`, because NumPy's seed (a, b, 0) equals
            # (a, b), which is used to place the cameras.
            noise = cameras.noise * np.random.default_rng(
                (seed, zlib.crc32(name.encode()), index + 1)
            ).normal(size=(*world.shape[:2], 2))
            joints = camera.world_to_camera(world[::stride])
            in_front = joints[..., 2].min(axis=1) >= 1
            joints, noise = joints[in_front], noise[::stride][in_front]
            pixels = camera.project(joints)
            if cameras.inside_image:
                inside = (pixels >= 0) & (pixels <= camera.image_size)
                kept = inside.all(axis=(1, 2))
                joints, pixels = joints[kept], pixels[kept]
                noise = noise[kept]
            size_px = 1.7 * cameras.focal_length_px / joints[:, :1, 2:]
            pixels = pixels + size_px * noise
            parts.append(
                make_poses(
                    normalize_screen(pixels, camera.image_size, normalisation),
                    joints,
                    actions.index(motion.descriptions[trial]),
                    name.split("/")[0],
                    actions,
                    camera.normalized_intrinsics(normalisation),
                    camera.rotation()[2],
                )
            )
    poses = concatenate(parts)
    if not poses.count:
        raise ValueError("No frame of the motion is in view of a camera")
    return poses


def _looking_at(position, target):
    """Returns the quaternion (w, x, y, z) of an upright camera."""
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(forward, right), forward], axis=1)
    x, y, z, w = Rotation.from_matrix(axes).as_quat()
    return (w, x, y, z)


def _motion(stem, subjects):
    """Reads the trials of some subjects."""
    return archive.read(
        stem.with_suffix(".npz"), lambda trial: _subject(trial) in subjects
    )


def _subject(trial):
    return trial.split("/")[0]


def _card(stem):
    """Reads an archive's card, and checks that its motion exists."""
    json_path, npz_path = stem.with_suffix(".json"), stem.with_suffix(".npz")
    for path in (npz_path, json_path):
        if not path.is_file():
            raise FileNotFoundError(
                f"no file {path}: a motion archive consists of "
                f"{npz_path.name} and {json_path.name}"
            )
    try:
        with reading.guarded():
            card = json.loads(reading.content(json_path, LONGEST_CARD))
            joints = tuple(card["joints"])
            splits = [set(_subjects(card, s)) for s in ("train", "validation")]
            for key in card.get("meta", {}):
                if not isinstance(_description(card, key), str):
                    raise ValueError(f"description of {key} is not a string")
    except ValueError as error:
        raise ValueError(
            f"{json_path}: not the card of a motion archive: "
            f"{reading.line(str(error), 150)}"
        ) from error
    if joints != skeleton.H36M_17.joints:
        raise ValueError(
            f"{json_path}: expected the joints {skeleton.H36M_17.joints}, "
            f"got {joints}"
        )
    if splits[0] & splits[1]:
        raise ValueError(
            f"{json_path}: {sorted(splits[0] & splits[1])[0]} is both in "
            "train and in validation"
        )
    return card


def _refuse_leaks(cards, wanted, split):
    """Raises ValueError if a subject is in the other split of any archive."""
    other = "validation" if split == "train" else "train"
    for name, card in cards.items():
        leaked = sorted(wanted & set(_subjects(card, other)))
        if leaked:
            raise ValueError(
                f"{name}: {leaked[0]} is one of the archive's {other} "
                f"subjects, but is requested for {split}"
            )


def _subjects(card, split):
    return card.get(split, [])


def _description(card, key):
    return card.get("meta", {}).get(key, {}).get("description", key)


def _checked(frames, key, name):
    joints = len(skeleton.H36M_17.joints)
    where = f"{name}: {key}"
    if (
        not isinstance(frames, np.ndarray)
        or frames.dtype.kind != "f"
        or frames.shape[1:] != (joints, 3)
        or not len(frames)
    ):
        raise ValueError(
            f"{where}: expected floats of shape (T, {joints}, 3), got "
            f"{getattr(frames, 'shape', type(frames).__name__)}"
        )
    if not np.isfinite(frames).all():
        raise ValueError(f"{where}: contains NaN or infinite values")
    check_bones(frames, where)
    return frames.astype(np.float32, copy=False)


def check_bones(joints: np.ndarray, where: str) -> None:
    """Checks that bones have human lengths.

    Args:
        joints: (T, 17, 3) metres, at least one frame.
        where: Start of error messages.

    Raises:
        ValueError: If a bone is shorter or longer than those of children and
            adults. The message contains the bone.
    """
    for (parent, child), (low, high) in zip(
        skeleton.H36M_17.edges, _BONES_M, strict=True
    ):
        # Damaged coordinates may be of any size.
        with np.errstate(over="ignore", invalid="ignore"):
            bones = joints[:, child] - joints[:, parent]
            length = np.linalg.norm(bones, axis=-1).mean()
        if not low < length < high:
            raise ValueError(
                f"{where}: expected metres and Human3.6M's joint order, but "
                f"{skeleton.H36M_17.joints[child]} is {length:.3g} "
                f"from {skeleton.H36M_17.joints[parent]}"
            )

"""Loads the poses of a config, and describes their origin."""

import dataclasses
import json
import pathlib

from ampose_tf import reading
from ampose_tf.config import Config
from ampose_tf.data import (
    human36m,
    mocap,
    mpi_inf_3dhp,
    sampling,
    shards,
    synthetic,
)
from ampose_tf.data.mocap import Motion3D
from ampose_tf.data.poses import Poses
from ampose_tf.data.shards import Shards

# The result of `origin` if it is not known.
UNKNOWN = {"training_data": "not known", "licence": "not known"}


def load(config: Config, split: str) -> Poses | Motion3D | Shards:
    """Loads the poses of a config's split, or the motion to draw them from.

    Args:
        config: The experiment; `data` and `model.normalisation` apply.
        split: `"train"` or `"validation"`.

    Returns:
        Poses, except for the training split with drawn cameras, which gives
        motion, or with `data.shards`, which gives the shards.

    Raises:
        OSError: If a file is missing.
        ValueError: If a file is damaged, or the split does not exist or is
            empty.
    """
    data = config.data
    train = split == "train"
    if train and data.shards:
        return shards.load(config)
    subjects = data.train_subjects if train else data.validation_subjects
    stride = data.train_stride if train else data.validation_stride
    if data.dataset == "mocap":
        if data.joints != 17:
            raise ValueError("Motion archives have 17 joints, not 16")
        motion = mocap.load(data.root, data.archives, split, subjects)
        if train and data.training_cameras == "drawn":
            return sampling.thinned(motion, data.thinning_m)
        cameras = data.cameras
        return mocap.seen_by_cameras(
            motion,
            cameras,
            cameras.train_seed if train else cameras.validation_seed,
            config.model.normalisation,
            stride,
        )
    if data.dataset == "mpi_inf_3dhp":
        if train:
            raise ValueError(
                "MPI-INF-3DHP is only used as a test set for models trained "
                "on other data; choose another config for training"
            )
        return mpi_inf_3dhp.load(
            data.root,
            subjects,
            data.joints,
            stride,
            config.model.normalisation,
        )
    if data.dataset == "synthetic":
        synthetic.ensure(data.root, data.generated.frames, data.generated.seed)
    poses = human36m.load(
        data.root,
        subjects,
        data.keypoints,
        data.joints,
        stride,
        config.model.normalisation,
    )
    if not poses.count:
        raise ValueError(f"{data.root}: no frames of {', '.join(subjects)}")
    return poses


def paths(config: Config) -> tuple[pathlib.Path, ...]:
    """Returns the files from which a config's poses are loaded.

    For shards, these include only the manifest, which contains the SHA-256 of
    the other files.
    """
    data = config.data
    if data.shards:
        unsharded = dataclasses.replace(
            config, data=dataclasses.replace(data, shards="")
        )
        manifest = pathlib.Path(data.shards, shards.MANIFEST)
        return (manifest, *paths(unsharded))
    root = pathlib.Path(data.root)
    if data.dataset == "mocap":
        return tuple(
            root / f"{name}{ending}"
            for name in data.archives
            for ending in (".npz", ".json")
        )
    if data.dataset == "mpi_inf_3dhp":
        return (root / mpi_inf_3dhp.FILE,)
    detections = human36m.FILE_2D.format(keypoints=data.keypoints)
    return root / human36m.FILE_3D, root / detections


def is_generated(config: Config) -> bool:
    """Returns whether a config's motion is generated.

    This is stored in the data's files, so that results on generated motion
    are not mistaken for results on Human3.6M.
    """
    data = config.data
    if data.dataset == "human36m":
        return synthetic.is_generated(data.root)
    if data.dataset == "mpi_inf_3dhp":
        return mpi_inf_3dhp.is_generated(data.root)
    return data.dataset == "synthetic"


def describe(config: Config) -> str:
    """Returns a short description of a config's data."""
    data = config.data
    if data.dataset == "mocap":
        return (
            f"motion archive {' + '.join(data.archives)} seen by "
            f"{data.cameras.number} virtual cameras"
        )
    if data.dataset == "mpi_inf_3dhp":
        name, keypoints = "MPI-INF-3DHP's test set", "ground-truth 2D"
    else:
        name, keypoints = "Human3.6M", data.keypoints
    if is_generated(config):
        name = f"generated motion in the format of {name}"
    return f"{name}, {keypoints}, {data.joints} joints"


def origin(config: Config) -> dict[str, str]:
    """Returns the origin of a config's training data.

    Returns:
        Descriptions `training_data` and `licence`; "not known" for a test
        set, and if the data are missing.

    Raises:
        ValueError: If a file of the data is damaged.
    """
    if config.data.dataset == "mpi_inf_3dhp":
        return UNKNOWN.copy()
    if config.data.shards:
        return _origin_of_shards(config.data.shards)
    try:
        described = describe(config)
    except FileNotFoundError:
        return UNKNOWN.copy()
    if config.data.training_cameras == "drawn":
        described = (
            f"motion archive {' + '.join(config.data.archives)} seen by "
            "cameras, on bodies and by detectors drawn at random"
        )
    return {"training_data": described, "licence": _licence(config)}


def _origin_of_shards(folder):
    try:
        known = shards.origin(folder)
    except FileNotFoundError:
        return UNKNOWN.copy()
    return {
        name: reading.shown(text, _LONGEST_LICENCE)
        for name, text in known.items()
    }


_LONGEST_LICENCE = 5000


def _licence(config):
    data = config.data
    if data.dataset == "mocap":
        terms = []
        for name in data.archives:
            path = pathlib.Path(data.root, f"{name}.json")
            licence = f"{name}: not stated"
            try:
                with reading.guarded():
                    content = reading.content(path, mocap.LONGEST_CARD)
                    card = json.loads(content)
                    licence = str(card.get("licence", licence))
            except FileNotFoundError:
                pass
            except ValueError as error:
                raise ValueError(f"{path}: not a card: {error}") from error
            terms.append(reading.shown(licence, _LONGEST_LICENCE))
        return " ".join(dict.fromkeys(terms))
    if is_generated(config):
        return "generated by this package: no terms but its own"
    return "Human3.6M: academic use, http://vision.imar.ro/human3.6m"

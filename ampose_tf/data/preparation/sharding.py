"""Writes the training poses of a config as shards, which `shards` reads.

Pairs are shuffled on disk: each pair is appended to a random shard, and then
each shard is shuffled separately. Each shard is thus a random sample of all
pairs, and the pairs of only one subject or one shard are in memory at a time.
Of motion archives, too, only one subject is read at a time. Human3.6M's
archives are pickled as a whole, and are read again for each subject.
"""

import dataclasses
import os
import pathlib

import numpy as np

from ampose_tf import files
from ampose_tf.config import Config
from ampose_tf.data import mocap, shards, sources
from ampose_tf.data.poses import Poses
from ampose_tf.data.shards import Shard

_SPOOL = "spool"


def prepare(
    config: Config, output: str | os.PathLike, number: int = 64
) -> None:
    """Writes the training poses of a config to a new folder.

    The folder appears when it is complete. The same config and number yield
    the same files.

    Args:
        config: The experiment; `data` and `model.normalisation` apply.
        output: Output folder, which must not exist.
        number: Number of shards; each must fit in memory.

    Raises:
        FileExistsError: If the output exists.
        OSError: If a file is missing or cannot be written.
        ValueError: If files are damaged, the config has drawn cameras or
            trains on shards, or a shard would be empty.
    """
    if config.data.training_cameras != "fixed" or config.data.shards:
        raise ValueError(
            "shards contain fixed poses; expected data.training_cameras=fixed "
            "and no data.shards"
        )
    output = pathlib.Path(output)
    if os.path.lexists(output):
        raise FileExistsError(
            f"{output} exists; remove it, or choose another --output"
        )
    random = np.random.default_rng(0)
    subjects = _subjects(config)
    with files.replacing(output, overwrite=False) as folder:
        spool = folder / _SPOOL
        spool.mkdir(parents=True)
        for subject in subjects:
            poses = _of_subject(config, subject)
            _scatter(poses, spool, number, random)
            print(f"{subject}: {poses.count} poses", flush=True)
        written = [
            _shard(spool, folder, index, number, config.data.joints, random)
            for index in range(number)
        ]
        spool.rmdir()
        text = shards.manifest(
            config, subjects, sources.origin(config), written
        )
        (folder / shards.MANIFEST).write_text(text, encoding="utf-8")
    pairs = sum(shard.pairs for shard in written)
    print(f"{output}: {pairs} poses in {number} shards")


def _subjects(config):
    """Returns the training subjects, sorted by name."""
    data = config.data
    if data.dataset == "mocap" and not data.train_subjects:
        return mocap.subjects_of(data.root, data.archives, "train")
    return tuple(sorted(data.train_subjects))


def _of_subject(config, subject):
    data = dataclasses.replace(config.data, train_subjects=(subject,))
    poses = sources.load(dataclasses.replace(config, data=data), "train")
    if not isinstance(poses, Poses):
        raise TypeError(f"Expected poses of {subject}")
    return poses


def _scatter(poses, spool, number, random):
    """Appends each pair to the rows of a random shard."""
    rows = np.concatenate(
        [
            poses.keypoints_2d.reshape(poses.count, -1),
            poses.poses_3d.reshape(poses.count, -1),
        ],
        axis=1,
    ).astype("<f4", copy=False)
    shard = random.integers(number, size=poses.count)
    order = np.argsort(shard, kind="stable")
    ends = np.searchsorted(shard[order], np.arange(number + 1))
    for index in range(number):
        with open(spool / str(index), "ab") as file:
            rows[order[ends[index] : ends[index + 1]]].tofile(file)


def _shard(spool, folder, index, number, joints, random):
    """Shuffles the rows of a shard, and writes its file."""
    import tensorflow as tf

    rows = np.fromfile(spool / str(index), "<f4").reshape(-1, 5 * joints)
    (spool / str(index)).unlink()
    if not len(rows):
        raise ValueError(
            f"--number={number}: shard {index} would be empty; choose fewer"
        )
    rows = rows[random.permutation(len(rows))]
    path = folder / shards.name(index, number)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for start in range(0, len(rows), shards.RECORD):
            writer.write(rows[start : start + shards.RECORD].tobytes())
    if path.stat().st_size != shards.shard_bytes(len(rows), joints):
        raise OSError(f"{path}: not written completely")
    return Shard(len(rows), files.sha256(path))

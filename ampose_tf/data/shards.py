"""Reads training pairs from files, for pairs that do not fit in memory.

A folder of shards contains `manifest.json` and TFRecord files. A record
contains up to 1,024 pairs as raw little-endian float32; each pair is a row of
J x 2 keypoints and J x 3 joint positions. Records contain no code or nested
formats. `python -m ampose_tf.data.prepare shards` writes these folders.
"""

import collections
import dataclasses
import hashlib
import json
import math
import os
import pathlib
import re
import struct
from typing import NamedTuple

import numpy as np

from ampose_tf import reading
from ampose_tf.config import Config, fields
from ampose_tf.data.poses import Poses, check_unit

MANIFEST = "manifest.json"
# Pairs per record; the last record of a shard may have fewer.
RECORD = 1024
MOST_SHARDS = 100_000
_VERSION = 1
_MOST_BYTES = 2**25
_MOST_PAIRS = 2**40
_LONGEST_TEXT = 5000
# No normalised keypoint, and no joint in metres, is as far from 0.
_LARGEST = 100
# A TFRecord consists of length and its checksum; data; checksum of the data.
_HEADER, _FOOTER = 12, 4
_DIGEST = re.compile(r"[0-9a-f]{64}")
# The fields of a config's data that determine the training poses.
_DECISIVE = (
    "dataset",
    "keypoints",
    "joints",
    "train_subjects",
    "archives",
    "train_stride",
    "cameras",
    "generated",
)


class Shard(NamedTuple):
    """One file of a folder.

    Attributes:
        pairs: Number of pairs.
        sha256: SHA-256 of the file.
    """

    pairs: int
    sha256: str


class Shards(NamedTuple):
    """A folder of training pairs, checked by `load`.

    Attributes:
        folder: Path of the folder.
        joints: J.
        shards: The files, in the order of their numbers.
        origin: See `sources.origin`.
        sha256: SHA-256 of the manifest, which contains those of all files.
        mean_pose: (J, 3) metres, the mean of all poses.
    """

    folder: pathlib.Path
    joints: int
    shards: tuple[Shard, ...]
    origin: dict[str, str]
    sha256: str
    mean_pose: np.ndarray

    @property
    def count(self) -> int:
        """Number of pairs in all shards."""
        return sum(shard.pairs for shard in self.shards)

    @property
    def paths(self) -> list[pathlib.Path]:
        """Paths of the files."""
        number = len(self.shards)
        return [self.folder / name(i, number) for i in range(number)]

    def batches(self, batch_size: int) -> int:
        """Returns the number of batches per epoch; the last may be smaller."""
        return math.ceil(self.count / batch_size)

    def check(self) -> None:
        """Checks all files completely.

        Raises:
            OSError: If a file is missing.
            ValueError: If a file is damaged, or is not that of the manifest.
        """
        _checked_mean(self)

    def first(self, at_most: int) -> Poses:
        """Returns the first pairs, a random sample as shards are shuffled.

        Their actions and subjects are not known.

        Raises:
            OSError: If a file cannot be read.
        """
        found, missing = [], at_most
        for path, shard in zip(self.paths, self.shards, strict=True):
            with reading.opened(path) as file:
                for rows in _records(file, shard, self.joints):
                    found.append(rows[:missing])
                    missing -= len(found[-1])
                    if not missing:
                        break
            if not missing:
                break
        keypoints_2d, poses_3d = split(np.concatenate(found), self.joints)
        number = len(poses_3d)
        return Poses(
            keypoints_2d,
            poses_3d,
            np.zeros(number, np.int32),
            np.full(number, ""),
            ("",),
        )


def name(index: int, number: int) -> str:
    """Returns the file name of a shard, given the number of shards."""
    return f"shard-{index:05}-of-{number:05}.tfrecord"


def split(rows, joints: int) -> tuple:
    """Splits rows (N, 5 J) into keypoints (N, J, 2) and poses (N, J, 3)."""
    return (
        rows[:, : 2 * joints].reshape(-1, joints, 2),
        rows[:, 2 * joints :].reshape(-1, joints, 3),
    )


def manifest(
    config: Config,
    subjects: tuple[str, ...],
    origin: dict[str, str],
    shards: list[Shard],
) -> str:
    """Returns the manifest of new shards, as JSON.

    Args:
        config: The config that they were written with.
        subjects: Subjects of the poses.
        origin: See `sources.origin`.
        shards: The files in order.
    """
    return (
        json.dumps(
            {
                "version": _VERSION,
                "joints": config.data.joints,
                "keypoints_2d": [config.data.joints, 2],
                "poses_3d": [config.data.joints, 3],
                "pairs": sum(shard.pairs for shard in shards),
                "subjects": sorted(subjects),
                "made_by": _made_by(config),
                "origin": origin,
                "shards": [shard._asdict() for shard in shards],
            },
            indent=1,
        )
        + "\n"
    )


def _made_by(config):
    data = {
        field: getattr(config.data, field)
        for field in _DECISIVE
        if not dataclasses.is_dataclass(getattr(config.data, field))
    }
    for field in ("cameras", "generated"):
        data |= fields.flatten(getattr(config.data, field), f"{field}.")
    made = {f"data.{name}": value for name, value in data.items()}
    made["model.normalisation"] = config.model.normalisation
    return json.loads(json.dumps(made))


def origin(folder: str | os.PathLike) -> dict[str, str]:
    """Returns the origin of the pairs, from the manifest.

    Raises:
        OSError: If the manifest does not exist.
        ValueError: If the manifest is damaged.
    """
    return _read(pathlib.Path(folder))[0]["origin"]


def load(config: Config) -> Shards:
    """Loads the manifest of `data.shards`, and checks all files completely.

    Raises:
        OSError: If a file is missing.
        ValueError: If the manifest or a shard is damaged, or the shards were
            written for other data than the config's.
    """
    folder = pathlib.Path(config.data.shards)
    known, sha256 = _read(folder)
    _check_fits(folder, known, config)
    shards = tuple(Shard(**shard) for shard in known["shards"])
    found = Shards(
        folder, config.data.joints, shards, known["origin"], sha256, None
    )
    return found._replace(mean_pose=_checked_mean(found))


def _read(folder):
    """Returns the checked manifest and its SHA-256."""
    path = folder / MANIFEST
    try:
        with reading.guarded():
            content = reading.content(path, _MOST_BYTES)
            known = json.loads(content)
            _check(known)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"no file {path}; python -m ampose_tf.data.prepare shards "
            "writes it"
        ) from error
    except ValueError as error:
        raise ValueError(f"{path}: not a manifest of shards: {error}") from (
            error
        )
    return known, hashlib.sha256(content).hexdigest()


def _check(known):
    if not isinstance(known, dict) or known.get("version") != _VERSION:
        raise ValueError(f"expected version {_VERSION}")
    joints, shards = known["joints"], known["shards"]
    if joints not in (16, 17) or (
        known["keypoints_2d"] != [joints, 2]
        or known["poses_3d"] != [joints, 3]
    ):
        raise ValueError("expected the shapes of 16 or 17 joints")
    if not isinstance(shards, list) or not 0 < len(shards) <= MOST_SHARDS:
        raise ValueError(f"expected 1 to {MOST_SHARDS} shards")
    for number, shard in enumerate(shards):
        pairs, digest = shard["pairs"], shard["sha256"]
        if type(pairs) is not int or not 0 < pairs <= _MOST_PAIRS:
            raise ValueError(f"shard {number}: expected its number of pairs")
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise ValueError(f"shard {number}: expected its SHA-256")
        if len(shard) != 2:
            raise ValueError(f"shard {number}: expected pairs and sha256")
    if known["pairs"] != sum(shard["pairs"] for shard in shards):
        raise ValueError("its pairs are not the sum of its shards' pairs")
    subjects, described = known["subjects"], known["origin"]
    if not isinstance(subjects, list) or not all(map(_is_text, subjects)):
        raise ValueError("expected a list of subjects, as strings")
    if (
        not isinstance(described, dict)
        or set(described) != {"training_data", "licence"}
        or not all(map(_is_text, described.values()))
    ):
        raise ValueError("expected an origin as strings")
    if not isinstance(known["made_by"], dict):
        raise ValueError("expected made_by, fields of a config")


def _is_text(value):
    return isinstance(value, str) and len(value) <= _LONGEST_TEXT


def _check_fits(folder, known, config):
    made_by = known["made_by"]
    for field, value in _made_by(config).items():
        if made_by.get(field) != value:
            stored = reading.shown(repr(made_by.get(field)), 60)
            raise ValueError(
                f"{folder}: written with {field}={stored}, but this config "
                f"has {value!r}; write shards of this config, or choose "
                "another data.shards"
            )
    shared = set(known["subjects"]) & set(config.data.validation_subjects)
    if shared:
        raise ValueError(
            f"{folder}: its shards contain the validation subject "
            f"{reading.shown(min(shared))}"
        )


def _checked_mean(shards):
    """Checks all files; returns the mean of their poses, (J, 3)."""
    total = np.zeros(5 * shards.joints)
    for path, shard in zip(shards.paths, shards.shards, strict=True):
        total += _checked_sum(path, shard, shards.joints)
    _, mean = split(total[None] / shards.count, shards.joints)
    return mean[0]


def _checked_sum(path, shard, joints):
    """Checks a shard completely; returns the sum (5 J,) of its rows."""
    said = "the shard is damaged, or belongs to another manifest"
    with reading.opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        expected = shard_bytes(shard.pairs, joints)
        if size != expected:
            raise ValueError(
                f"{path}: {said}: expected {expected} bytes, got {size}"
            )
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != shard.sha256:
            raise ValueError(f"{path}: {said}: its SHA-256 differs")
        file.seek(0)
        total = np.zeros(5 * joints)
        for number, rows in enumerate(_records(file, shard, joints)):
            where = f"{path}: record {number}"
            if rows is None or not np.isfinite(rows).all():
                raise ValueError(
                    f"{where}: expected finite numbers for {joints} joints"
                )
            check_unit(split(rows, joints)[1], "metres", where)
            largest = np.abs(rows).max()
            if largest > _LARGEST:
                raise ValueError(
                    f"{where}: expected normalised keypoints and metres, at "
                    f"most {_LARGEST}, got {largest:.3g}"
                )
            total += rows.sum(axis=0, dtype=np.float64)
    _check_checksums(path)
    return total


def _check_checksums(path):
    """Reads a file as training does, which checks each record's checksums.

    The lengths of records must have been checked before.
    """
    import tensorflow as tf

    try:
        collections.deque(tf.data.TFRecordDataset(str(path)), maxlen=0)
    except tf.errors.DataLossError as error:
        raise ValueError(
            f"{path}: a record does not match its checksum; write the shards "
            "again"
        ) from error


def shard_bytes(pairs: int, joints: int) -> int:
    """Returns the size of a shard's file in bytes."""
    records = math.ceil(pairs / RECORD)
    return records * (_HEADER + _FOOTER) + pairs * 5 * joints * 4


def _records(file, shard, joints):
    """Yields rows (N, 5 J) of each record; None if its length is wrong."""
    for start in range(0, shard.pairs, RECORD):
        size = min(RECORD, shard.pairs - start) * 5 * joints * 4
        (length,) = struct.unpack("<Q", file.read(_HEADER)[:8])
        if length != size:
            yield None
            return
        data = file.read(size)
        file.read(_FOOTER)
        yield np.frombuffer(data, "<f4").reshape(-1, 5 * joints)

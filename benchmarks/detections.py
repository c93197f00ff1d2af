"""Files of real detections with 3D truth: see `read`."""

import os
import pathlib
from typing import NamedTuple

import numpy as np

from ampose_tf.data import archive
from ampose_tf.lifting.keypoints import SKELETONS

_PARTS = {
    "shoulder": "Shoulder",
    "elbow": "Elbow",
    "wrist": "Wrist",
    "hip": "Hip",
    "knee": "Knee",
    "ankle": "Foot",
}
# Detectors' names of Human3.6M's joints.
NAMES = {
    f"{side}_{part}": side[0].upper() + joint
    for side in ("left", "right")
    for part, joint in _PARTS.items()
}
_JOINTS = tuple(NAMES.values())
# By the number of keypoints, of files that do not name them.
_BY_COUNT = {17: "COCO-17", 25: "BODY_25", 26: "Halpe-26", 33: "MediaPipe-33"}
_NEEDED = (
    "keypoints_px",
    "scores",
    "truth_camera_m",
    "truth_names",
    "image_size",
)


class Detections(NamedTuple):
    """N rows, one person in one frame of one camera each.

    Attributes:
        name: Of the file, without ending.
        skeleton: The name of one of `SKELETONS`.
        pixels: (N, S, 2).
        scores: (N, S), 0 for keypoints that are not there.
        joints: "Hip" and the names of the J = 12 joints of limbs.
        truth: (N, 1 + J, 3) metres, camera frame, relative to the middle of
            the hips, which is first; NaN for what is not known.
        truth_px: (N, J, 2), NaN likewise; None if the file has none.
        world: (N, 1 + J, 3), MediaPipe's own 3D, as `truth`; None likewise.
        camera: (N,) int.
        frame: (N,) int.
        person: (N,) int.
        image_size: (N, 2), width and height.
        fps: Frames per second.
        up: (N, 3), unit vectors that point upwards in the camera's frame;
            None if the file has none.
    """

    name: str
    skeleton: str
    pixels: np.ndarray
    scores: np.ndarray
    joints: tuple[str, ...]
    truth: np.ndarray
    truth_px: np.ndarray | None
    world: np.ndarray | None
    camera: np.ndarray
    frame: np.ndarray
    person: np.ndarray
    image_size: np.ndarray
    fps: float
    up: np.ndarray | None


def read(path: str | os.PathLike) -> Detections:
    """Reads a file as those of `balancing_*.npz`.

    It holds keypoints_px (N, S, 2), scores (N, S), truth_camera_m (N, J, 3),
    truth_names (J,) and image_size. `camera`, `frame` and `person` (N,) are
    one camera, frames in order and one person if they are missing. The truth
    may lack joints, or have NaN for them. What is said for each camera
    (`image_size`, `up_camera`) is said once for all, once per camera in the
    order of their numbers, or once per row.

    Raises:
        OSError: If there is no such file.
        ValueError: If it lacks something, or shapes contradict each other.
    """
    held = archive.read(path)
    missing = [name for name in _NEEDED if name not in held]
    if missing:
        raise ValueError(f"{path}: lacks {', '.join(missing)}")
    pixels = np.asarray(held["keypoints_px"], np.float64)
    count, size = pixels.shape[:2]
    scores = np.asarray(held["scores"], np.float64)
    names = [str(name) for name in held["truth_names"]]
    truth = np.asarray(held["truth_camera_m"], np.float64)
    if (
        pixels.shape != (count, size, 2)
        or scores.shape != (count, size)
        or truth.shape != (count, len(names), 3)
    ):
        raise ValueError(
            f"{path}: expected keypoints_px (N, S, 2), scores (N, S) and "
            f"truth_camera_m (N, {len(names)}, 3), got {pixels.shape}, "
            f"{scores.shape} and {truth.shape}"
        )
    camera, person = (
        _numbers(held.get(key, np.zeros(count, int)))
        for key in ("camera", "person")
    )
    frame = np.asarray(held.get("frame", np.arange(count)), np.int64)
    skeleton = _skeleton(path, held, size)
    there = np.isfinite(pixels).all(axis=2) & np.isfinite(scores)
    up = held.get("up_camera")
    if up is not None:
        up = _per_row(up, 3, camera, path, "up_camera")
        up = up / np.linalg.norm(up, axis=1, keepdims=True)
    truth_px = held.get("truth_px")
    fps = float(np.ravel(held.get("fps", 0))[0])
    return Detections(
        pathlib.Path(path).stem,
        skeleton,
        np.where(there[..., None], pixels, 0),
        np.where(there, np.clip(scores, 0, 1), 0),
        ("Hip", *_JOINTS),
        from_hip(_chosen(truth, names), _JOINTS),
        None if truth_px is None else _chosen(truth_px, names),
        _world(held, skeleton),
        camera,
        frame,
        person,
        _per_row(held["image_size"], 2, camera, path, "image_size"),
        fps if 0 < fps < np.inf else 30.0,
        up,
    )


def from_hip(points: np.ndarray, joints: tuple[str, ...]) -> np.ndarray:
    """Returns points relative to the middle of the hips, which goes first.

    Args:
        points: (N, J, 3).
        joints: Names of the J joints.
    """
    hips = [joints.index("LHip"), joints.index("RHip")]
    hip = points[:, hips].mean(axis=1, keepdims=True)
    return np.concatenate([hip, points], axis=1) - hip


def _skeleton(path, held, count):
    if "keypoint_names" in held:
        named = tuple(str(name) for name in held["keypoint_names"])
        for name, skeleton in SKELETONS.items():
            if skeleton.joints == named:
                return name
    if count not in _BY_COUNT:
        raise ValueError(f"{path}: no skeleton is known of {count} keypoints")
    return _BY_COUNT[count]


def _world(held, skeleton):
    """Returns MediaPipe's own 3D of the truth's joints, or None."""
    names = SKELETONS[skeleton].joints
    world = held.get("world")
    if world is None or np.shape(world)[1] != len(names):
        return None
    return from_hip(_chosen(world, names), _JOINTS)


def _chosen(points, names):
    """Returns the points (N, 12, D) of `_JOINTS`; NaN for absent ones."""
    points = np.asarray(points, np.float64)
    chosen = np.full((len(points), len(NAMES), points.shape[2]), np.nan)
    for row, name in enumerate(NAMES):
        if name in names:
            chosen[:, row] = points[:, list(names).index(name)]
    return chosen


def _numbers(values):
    """Returns integers as they are, and numbers for names."""
    values = np.asarray(values)
    if values.dtype.kind in "iu":
        return values.astype(np.int64)
    return np.unique(values, return_inverse=True)[1]


def _per_row(values, width, camera, path, name):
    """Returns (N, width) of what is said for all, each camera or row."""
    values = np.asarray(values, np.float64)
    if values.shape == (width,):
        return np.tile(values, (len(camera), 1))
    cameras, index = np.unique(camera, return_inverse=True)
    if values.shape == (len(cameras), width):
        return values[index]
    if values.shape == (len(camera), width):
        return values
    if values.ndim == 2 and values.shape[1] == width:
        # Of all cameras of the room, some of which saw nobody.
        first = int(camera.min() > 0 and camera.max() == len(values))
        if camera.max() - first < len(values):
            return values[camera - first]
    raise ValueError(
        f"{path}: {name} of shape {values.shape} is not that of "
        f"{len(cameras)} cameras"
    )

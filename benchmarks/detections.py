"""Reads real detections with 3D truth, and lifts them as users would."""

import os
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ampose_tf.conversion import SEEN_SCORE
from ampose_tf.data import archive
from ampose_tf.data.poses import check_unit
from ampose_tf.lifting import Lifter
from ampose_tf.lifting.keypoints import (
    SKELETONS,
    Keypoints,
    Track,
    is_seen,
    to_h36m,
)

_PARTS = {
    "shoulder": "Shoulder",
    "elbow": "Elbow",
    "wrist": "Wrist",
    "hip": "Hip",
    "knee": "Knee",
    "ankle": "Foot",
}
# Names of limb joints of detectors and of Human3.6M.
NAMES = {
    f"{side}_{part}": side[0].upper() + joint
    for side in ("left", "right")
    for part, joint in _PARTS.items()
}
_JOINTS = tuple(NAMES.values())
_HIPS = [_JOINTS.index("LHip"), _JOINTS.index("RHip")]
_FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
# By number of keypoints, for files without names. Of the last two, only the
# body is read, which comes first.
_BY_COUNT = {
    17: "COCO-17",
    18: "COCO-18",
    25: "BODY_25",
    26: "Halpe-26",
    33: "MediaPipe-33",
    133: "COCO-17",
    136: "Halpe-26",
}
# True joints, including hips, that a pose needs to be evaluated.
FEWEST = 6
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
        name: Name of the file, without suffix.
        skeleton: Name of one of `SKELETONS`.
        pixels: (N, S, 2).
        scores: (N, S), 0 for absent keypoints.
        joints: "Hip" and the names of the J = 12 limb joints.
        truth: (N, 1 + J, 3) metres, camera frame, relative to the middle of
            the hips, which comes first; NaN for unknown joints.
        hip: (N, 3) metres, camera frame, middle of the hips.
        truth_px: (N, J, 2), NaN if unknown; None if the file has none.
        world: (N, 1 + J, 3), MediaPipe's own 3D, like `truth`; None if absent.
        camera: (N,) int, or str for named cameras.
        frame: (N,) int.
        person: (N,), int or str like `camera`.
        image_size: (N, 2), width and height in pixels.
        fps: Frames per second.
        up: (N, 3), unit vectors pointing upwards in the camera frame; None if
            the file has none.
    """

    name: str
    skeleton: str
    pixels: np.ndarray
    scores: np.ndarray
    joints: tuple[str, ...]
    truth: np.ndarray
    hip: np.ndarray
    truth_px: np.ndarray | None
    world: np.ndarray | None
    camera: np.ndarray
    frame: np.ndarray
    person: np.ndarray
    image_size: np.ndarray
    fps: float
    up: np.ndarray | None

    def clips(self) -> Iterator[tuple[object, object, np.ndarray]]:
        """Yields (camera, person, rows sorted by frame) of each clip."""
        for camera in np.unique(self.camera):
            of_camera = self.camera == camera
            for person in np.unique(self.person[of_camera]):
                rows = np.flatnonzero(of_camera & (self.person == person))
                yield camera, person, rows[np.argsort(self.frame[rows])]


class Lifted(NamedTuple):
    """A model's predictions for the rows of a file.

    Attributes:
        poses: (N, 1 + J, 3) metres, like `Detections.truth`; NaN for rows that
            were not lifted.
        seen: (N, J) bool; None if unknown.
        spread_m: (N, J); None if unknown.
    """

    poses: np.ndarray
    seen: np.ndarray | None = None
    spread_m: np.ndarray | None = None


def read(path: str | os.PathLike) -> Detections:
    """Reads a file in the format of `balancing_*.npz`.

    It contains keypoints_px (N, S, 2), scores (N, S), truth_camera_m
    (N, J, 3), truth_names (J,) and image_size. Without `camera`, `frame` and
    `person` (N,), the rows are successive frames of one person and camera.
    Keypoints may be in any order if `keypoint_names` (S,) names them. The
    truth may lack joints other than hips, or have NaN for them. `image_size`
    and `up_camera` have one value for all rows, one per camera in the order
    of the cameras' numbers or names, or one per row. `truth_px` (N, J, 2) and
    `world` (N, S, 3) are ignored if they have another shape or are not
    numeric.

    Raises:
        OSError: If the file does not exist.
        ValueError: If something is missing, shapes are inconsistent, names
            are unknown, or the truth is not in metres.
    """
    held = archive.read(path)
    missing = [name for name in _NEEDED if name not in held]
    if missing:
        raise ValueError(f"{path}: lacks {', '.join(missing)}")
    pixels = np.asarray(held["keypoints_px"], np.float64)
    scores = np.asarray(held["scores"], np.float64)
    names = [str(name) for name in np.ravel(held["truth_names"])]
    truth = np.asarray(held["truth_camera_m"], np.float64)
    count, size = (*pixels.shape, 0, 0)[:2]
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
    names = _truth_names(path, names)
    truth = _chosen(truth, names)
    relative = from_hip(truth, _JOINTS)
    _check_metres(path, relative)
    camera, person = (
        _labels(held.get(key, np.zeros(count, int)))
        for key in ("camera", "person")
    )
    frame = np.asarray(held.get("frame", np.arange(count)), np.int64)
    skeleton, columns = _skeleton(path, held, size)
    pixels, scores = pixels[:, columns], scores[:, columns]
    there = np.isfinite(pixels).all(axis=2) & np.isfinite(scores)
    up = held.get("up_camera")
    if up is not None:
        up = _per_row(up, 3, camera, path, "up_camera")
        up = up / np.linalg.norm(up, axis=1, keepdims=True)
    truth_px = _extra(held.get("truth_px"), (count, len(names), 2))
    world = _extra(held.get("world"), (count, size, 3))
    if truth_px is not None:
        truth_px = _chosen(truth_px, names)
    if world is not None:
        own = SKELETONS[skeleton].joints
        world = from_hip(_chosen(world[:, columns], own), _JOINTS)
    fps = float(np.ravel(held.get("fps", 0))[0])
    return Detections(
        pathlib.Path(path).stem,
        skeleton,
        np.where(there[..., None], pixels, 0),
        np.where(there, np.clip(scores, 0, 1), 0),
        ("Hip", *_JOINTS),
        relative,
        truth[:, _HIPS].mean(axis=1),
        truth_px,
        world,
        camera,
        frame,
        person,
        _per_row(held["image_size"], 2, camera, path, "image_size"),
        fps if 0 < fps < np.inf else 30.0,
        up,
    )


def from_hip(points: np.ndarray, joints: tuple[str, ...]) -> np.ndarray:
    """Returns points relative to the middle of the hips, prepended.

    Args:
        points: (N, J, 3).
        joints: Names of the J joints.
    """
    hips = [joints.index("LHip"), joints.index("RHip")]
    hip = points[:, hips].mean(axis=1, keepdims=True)
    return np.concatenate([hip, points], axis=1) - hip


def lift(lifter: Lifter, detections: Detections) -> Lifted:
    """Lifts each camera's frames of each person as a separate clip.

    Raises:
        ValueError: If a person occurs twice in a frame.
    """
    count, joints = len(detections.frame), detections.joints[1:]
    poses = np.full((count, len(joints), 3), np.nan)
    seen = np.zeros(poses.shape[:2], bool)
    spread_m = np.full(poses.shape[:2], np.nan)
    for camera, person, rows in detections.clips():
        frames = detections.frame[rows] - detections.frame[rows[0]]
        if not (np.diff(frames) > 0).all():
            raise ValueError(
                f"{detections.name}: person {person} occurs twice in a frame "
                f"of camera {camera}"
            )
        track = Track(
            0,
            frames,
            detections.pixels[rows].astype(np.float32),
            detections.scores[rows].astype(np.float32),
        )
        width, height = detections.image_size[rows[0]]
        clip = Keypoints(
            detections.skeleton,
            (int(width), int(height)),
            detections.fps,
            int(frames[-1]) + 1,
            (track,),
        )
        if not is_seen(to_h36m(clip).tracks[0].scores, SEEN_SCORE).any():
            continue
        motion = lifter(clip)
        (track,) = motion.tracks
        own = [motion.skeleton.joints.index(joint) for joint in joints]
        rows = rows[np.searchsorted(frames, track.frames)]
        poses[rows] = track.poses_3d[:, own]
        seen[rows] = track.seen[:, own]
        spread_m[rows] = track.spread_m[:, own]
    return Lifted(from_hip(poses, joints), seen, spread_m)


def with_truth_px(detections: Detections) -> Detections:
    """Returns detections whose keypoints are the projected truth.

    The face, which the truth does not include, is kept as detected. All other
    keypoints count as not seen, and rows without truth as empty.
    """
    names = SKELETONS[detections.skeleton].joints
    known = np.isfinite(detections.truth_px).all(axis=2)
    face = np.isin(names, _FACE) & known.any(axis=1, keepdims=True)
    pixels = np.where(face[..., None], detections.pixels, 0)
    scores = np.where(face, detections.scores, 0)
    for row, name in enumerate(NAMES):
        if name not in names:
            continue
        there, column = known[:, row], names.index(name)
        pixels[there, column] = detections.truth_px[there, row]
        scores[there, column] = 1
    return detections._replace(pixels=pixels, scores=scores)


def _truth_names(path, names):
    """Returns detectors' names for the joints of the truth."""
    ours = {joint: name for name, joint in NAMES.items()}
    renamed = [ours.get(name, name) for name in names]
    for hip in ("left_hip", "right_hip"):
        if hip not in renamed:
            raise ValueError(
                f"{path}: truth_names lacks {hip}; got {', '.join(names)}"
            )
    return renamed


def _check_metres(path, truth):
    known = np.isfinite(truth).all(axis=2)
    whole = known[:, 0] & (known[:, 1:].sum(axis=1) >= FEWEST)
    check_unit(np.nan_to_num(truth[whole]), "metres", str(path))


def _skeleton(path, held, count):
    """Returns a skeleton's name and the columns of its joints."""
    if "keypoint_names" not in held:
        if count not in _BY_COUNT:
            raise ValueError(
                f"{path}: no known skeleton has {count} keypoints"
            )
        name = _BY_COUNT[count]
        return name, list(range(len(SKELETONS[name].joints)))
    named = [str(name) for name in np.ravel(held["keypoint_names"])]
    if len(named) == count:
        for name, skeleton in SKELETONS.items():
            if sorted(skeleton.joints) == sorted(named):
                return name, [named.index(joint) for joint in skeleton.joints]
    raise ValueError(
        f"{path}: no known skeleton has the {count} keypoints with "
        f"keypoint_names {', '.join(named)}"
    )


def _extra(values, shape):
    """Returns an optional array of a file, None if it has no content."""
    if values is None or np.shape(values) != shape:
        return None
    values = np.asarray(values, np.float64)
    return values if np.isfinite(values).any() else None


def _chosen(points, names):
    """Returns the points (N, 12, D) of `_JOINTS`; NaN for absent ones."""
    points = np.asarray(points, np.float64)
    chosen = np.full((len(points), len(NAMES), points.shape[2]), np.nan)
    for row, name in enumerate(NAMES):
        if name in names:
            chosen[:, row] = points[:, list(names).index(name)]
    return chosen


def _labels(values):
    """Returns integers unchanged, anything else as str."""
    values = np.asarray(values)
    kind = np.int64 if values.dtype.kind in "iu" else str
    return values.astype(kind)


def _per_row(values, width, camera, path, name):
    """Returns (N, width) from values for all, per camera or per row."""
    values = np.asarray(values, np.float64)
    if values.shape == (width,):
        return np.tile(values, (len(camera), 1))
    cameras, index = np.unique(camera, return_inverse=True)
    if values.shape == (len(cameras), width):
        return values[index]
    if values.shape == (len(camera), width):
        return values
    # One value per camera of the room, some of which may have no row.
    count = len(values) if values.ndim == 2 else 0
    lowest, highest = cameras[0], cameras[-1]
    if (
        values.shape != (count, width)
        or camera.dtype.kind != "i"
        or lowest < 0
        or highest > count - (lowest == 0)
    ):
        raise ValueError(
            f"{path}: {name} of shape {values.shape} does not fit "
            f"{len(cameras)} cameras, {lowest} to {highest}"
        )
    if lowest > 0 and highest < count:
        raise ValueError(
            f"{path}: {name} has {count} rows for cameras {lowest} to "
            f"{highest}, which may start at 0 or at 1; give one row "
            "per camera that is used, or per row of keypoints"
        )
    return values[camera - (highest == count)]

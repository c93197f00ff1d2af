"""`Poses`: the one currency of the package."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# What every 3D pose of this package is in, as files say it in words.
UNITS = "metres"
FRAME = "camera: x right, y down, z forward"
ROOT = (
    "hip: poses are relative to it; the first joint is the network's estimate "
    "of it, near the origin"
)


class Poses(NamedTuple):
    """N single-frame pairs of 2D keypoints and 3D pose.

    Attributes:
        keypoints_2d: (N, J, 2) float32, screen-normalised.
        poses_3d: (N, J, 3) float32, metres, camera frame (x right, y down,
            z forward), relative to the hip.
        actions: (N,) int32, indices into `action_names`.
        subjects: (N,) str.
        action_names: What the integers of `actions` stand for.
        intrinsics: (N, 4) float32, focal lengths and principal point (fx, fy,
            cx, cy) in the unit of the keypoints: x / z * fx + cx; None where
            cameras are not known.
        root_depth: (N,) float32, metres from the camera's plane to the hip;
            None where it is not known.
        up: (N, 3) float32, unit vectors that point upwards in the camera's
            frame; None if they are not known.
    """

    keypoints_2d: np.ndarray
    poses_3d: np.ndarray
    actions: np.ndarray
    subjects: np.ndarray
    action_names: tuple[str, ...]
    intrinsics: np.ndarray | None = None
    root_depth: np.ndarray | None = None
    up: np.ndarray | None = None

    @property
    def count(self) -> int:
        """N."""
        return len(self.poses_3d)

    def batches(self, batch_size: int) -> int:
        """Returns the batches in one pass, the last and smaller included."""
        return math.ceil(self.count / batch_size)

    def sample_inputs(self, seen_input: bool) -> dict[str, np.ndarray]:
        """Returns what exported files are calibrated and verified on.

        Args:
            seen_input: Whether the network takes `seen`; if not, no joint is
                hidden.

        Returns:
            `keypoints_2d` (N, J, 2) and, if the network takes it, `seen`
            (N, J) float32, 0 for one joint in ten, drawn at random.
        """
        arrays = {"keypoints_2d": self.keypoints_2d}
        if seen_input:
            random = np.random.default_rng(0)
            drawn = random.random(self.keypoints_2d.shape[:2])
            arrays["seen"] = (drawn >= 0.1).astype(np.float32)
        return arrays

    def columns(self, inputs: Sequence[str]) -> dict[str, np.ndarray]:
        """Returns what a network takes, by name, but for "seen".

        Raises:
            ValueError: If one of them is not known of these poses.
        """
        columns = {
            name: getattr(self, name) for name in inputs if name != "seen"
        }
        for name, column in columns.items():
            if column is None:
                raise ValueError(
                    f"The network needs {name}, which is not known of this "
                    "data"
                )
        return columns

    def spread(self, at_most: int) -> "Poses":
        """Returns some poses, evenly spaced from the first to the last."""
        count = min(at_most, self.count)
        return self.select(np.linspace(0, self.count - 1, count).astype(int))

    def select(self, index) -> "Poses":
        """Returns the poses that a slice, mask or array of indices picks."""
        return Poses(
            **{
                name: value
                if value is None or name == "action_names"
                else value[index]
                for name, value in self._asdict().items()
            }
        )


def make_poses(
    keypoints_2d: np.ndarray,
    camera_joints: np.ndarray,
    action: int,
    subject: str,
    action_names: tuple[str, ...],
    intrinsics: np.ndarray | None = None,
    up: np.ndarray | None = None,
) -> Poses:
    """Makes the poses of one sequence seen by one camera.

    Args:
        keypoints_2d: (T, J, 2), screen-normalised.
        camera_joints: (T, J, 3) metres in the camera's frame, hip first.
        action: Index into `action_names`.
        subject: Who moves.
        action_names: See `Poses`.
        intrinsics: (4,), see `Poses`.
        up: (3,), see `Poses`.
    """
    frames = len(camera_joints)
    relative = camera_joints - camera_joints[:, :1]
    return Poses(
        np.asarray(keypoints_2d, np.float32),
        np.asarray(relative, np.float32),
        np.full(frames, action, np.int32),
        np.full(frames, subject),
        action_names,
        _repeated(intrinsics, frames),
        np.asarray(camera_joints[:, 0, 2], np.float32),
        _repeated(up, frames),
    )


def _repeated(vector, frames):
    return None if vector is None else np.tile(np.float32(vector), (frames, 1))


def concatenate(parts: Sequence[Poses]) -> Poses:
    """Joins parts that share their action names.

    Raises:
        ValueError: Where there is none, or action names differ.
    """
    if not parts:
        raise ValueError("Expected at least one part to concatenate, got none")
    names = parts[0].action_names
    if any(part.action_names != names for part in parts):
        raise ValueError("Expected parts with the same action names")
    columns = zip(
        *(part._replace(action_names=None) for part in parts), strict=True
    )
    joined = Poses(*(_joined(column) for column in columns))
    return joined._replace(action_names=names)


def _joined(arrays):
    if any(array is None for array in arrays):
        return None
    return np.concatenate(arrays)


def check_unit(joints: np.ndarray, unit: str, where: str) -> None:
    """Checks that a body has the size of one.

    Args:
        joints: (T, J, 3), hip first; nothing to check where T is 0.
        unit: `"metres"` or `"millimetres"`.
        where: What an error's message starts with.

    Raises:
        ValueError: Where the median frame's farthest joint is less than
            0.3 m or more than 3 m from the hip.
    """
    if not len(joints):
        return
    distances = np.linalg.norm(joints - joints[:, :1], axis=-1)
    reach = float(np.median(distances.max(axis=1)))
    fitting = [
        name
        for name, per_metre in (("metres", 1), ("millimetres", 1000))
        if 0.3 * per_metre < reach < 3 * per_metre
    ]
    if unit not in fitting:
        hint = f"; it looks like {fitting[0]}" if fitting else ""
        raise ValueError(
            f"{where}: expected {unit}, but the farthest joint is "
            f"{reach:.3g} from the hip{hint}"
        )


def check_pixels(keypoints: np.ndarray, where: str) -> None:
    """Checks that keypoints have not been normalised already.

    Raises:
        ValueError: Where there are keypoints and all are near 0; the message
            starts with `where`.
    """
    if keypoints.size and np.abs(keypoints).max() < 3:
        raise ValueError(
            f"{where}: expected pixels; no value reaches 3, as if they had "
            "been normalised"
        )

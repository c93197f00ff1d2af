"""`Poses`: the common data type of training and evaluation."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# The unit, frame and root of all 3D poses, as text for files.
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
        action_names: Names of the actions.
        intrinsics: (N, 4) float32, focal lengths and principal point (fx, fy,
            cx, cy) in the unit of the keypoints: x / z * fx + cx; None if the
            cameras are unknown.
        root_depth: (N,) float32, metres from the camera's plane to the hip;
            None if unknown.
        up: (N, 3) float32, unit vectors that point upwards in the camera's
            frame; None if unknown.
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
        """The number of poses, N."""
        return len(self.poses_3d)

    def batches(self, batch_size: int) -> int:
        """Returns the number of batches per pass, counting a smaller last."""
        return math.ceil(self.count / batch_size)

    def sample_inputs(self, seen_input: bool) -> dict[str, np.ndarray]:
        """Returns inputs for calibrating and verifying exported files.

        Args:
            seen_input: Whether the network has the input `seen`; if not, no
                joints are hidden.

        Returns:
            `keypoints_2d` (N, J, 2) and, with `seen_input`, `seen` (N, J)
            float32, 0 for a random tenth of the joints.
        """
        arrays = {"keypoints_2d": self.keypoints_2d}
        if seen_input:
            random = np.random.default_rng(0)
            drawn = random.random(self.keypoints_2d.shape[:2])
            arrays["seen"] = (drawn >= 0.1).astype(np.float32)
        return arrays

    def columns(self, inputs: Sequence[str]) -> dict[str, np.ndarray]:
        """Returns a network's inputs by name, except "seen".

        Raises:
            ValueError: If an input is unknown for these poses.
        """
        columns = {
            name: getattr(self, name) for name in inputs if name != "seen"
        }
        for name, column in columns.items():
            if column is None:
                raise ValueError(
                    f"The network needs {name}, which is unknown for this data"
                )
        return columns

    def spread(self, at_most: int) -> "Poses":
        """Returns some poses, evenly spaced from the first to the last."""
        count = min(at_most, self.count)
        return self.select(np.linspace(0, self.count - 1, count).astype(int))

    def select(self, index) -> "Poses":
        """Returns the poses selected by a slice, mask or array of indices."""
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
    """Creates the poses of one sequence seen by one camera.

    Args:
        keypoints_2d: (T, J, 2), screen-normalised.
        camera_joints: (T, J, 3) metres in the camera's frame, hip first.
        action: Index into `action_names`.
        subject: Name of the subject.
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
    """Concatenates parts with the same action names.

    Raises:
        ValueError: If there are no parts, or their action names differ.
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
    """Checks that bodies have a plausible size in a unit.

    Args:
        joints: (T, J, 3), hip first. Nothing is checked if T is 0.
        unit: `"metres"` or `"millimetres"`.
        where: Start of error messages.

    Raises:
        ValueError: If the distance of the farthest joint from the hip, in the
            median over frames, is less than 0.3 m or more than 3 m.
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
    """Checks that keypoints are in pixels, not normalised.

    Raises:
        ValueError: If all keypoints are near 0. The message starts with
            `where`.
    """
    if keypoints.size and np.abs(keypoints).max() < 3:
        raise ValueError(
            f"{where}: expected pixels; all values are below 3, so they seem "
            "to be normalised"
        )

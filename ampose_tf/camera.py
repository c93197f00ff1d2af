"""Cameras: world and camera frames, projection, screen normalisation.

The world's z axis points up; a camera's x axis points right, y down and z
forward. Lengths are in metres, image positions in pixels, angles in radians.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Camera:
    """A calibrated camera; the defaults are an ideal camera at the origin.

    Attributes:
        width: Width of the image in pixels.
        height: Height of the image in pixels.
        focal_length: (fx, fy) in pixels.
        center: The principal point (cx, cy) in pixels.
        radial_distortion: (k1, k2, k3) for r², r⁴, r⁶.
        tangential_distortion: (p1, p2).
        orientation: Unit quaternion (w, x, y, z) that turns camera axes into
            world axes.
        translation: The camera's position in the world, in metres.
    """

    width: int
    height: int
    focal_length: tuple[float, float]
    center: tuple[float, float]
    radial_distortion: tuple[float, float, float] = (0.0, 0.0, 0.0)
    tangential_distortion: tuple[float, float] = (0.0, 0.0)
    orientation: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
    translation: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def image_size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.width, self.height

    def rotation(self) -> np.ndarray:
        """Returns the matrix (3, 3) that turns camera axes into world axes.

        Raises:
            ValueError: If the orientation is not a unit quaternion.
        """
        return rotation_matrix(np.asarray(self.orientation, np.float64))

    def world_to_camera(self, points: np.ndarray) -> np.ndarray:
        """Transforms points (..., 3) from world to camera coordinates."""
        return (points - np.asarray(self.translation)) @ self.rotation()

    def camera_to_world(self, points: np.ndarray) -> np.ndarray:
        """Transforms points (..., 3) from camera to world coordinates."""
        return points @ self.rotation().T + np.asarray(self.translation)

    def normalized_intrinsics(self, by: str = "longest") -> np.ndarray:
        """Returns (fx, fy, cx, cy) in the units of `normalize_screen`.

        Args:
            by: See `normalize_screen`.
        """
        half, center = _half_side_and_center(self.image_size, by)
        return np.concatenate(
            [
                np.asarray(self.focal_length) / half,
                (np.asarray(self.center) - center) / half,
            ]
        )

    def project(self, points: np.ndarray) -> np.ndarray:
        """Projects points in camera coordinates into the image.

        The distortion model is that of Human3.6M's calibration:
        x' = x (1 + k·[r², r⁴, r⁶] + p·x) + p r² for x = (X/Z, Y/Z).
        X/Z and Y/Z are clipped to [-1, 1], as in VideoPose3D's files, because
        the distortion's polynomial is meaningless beyond.

        Args:
            points: (..., 3) metres.

        Returns:
            (..., 2) pixels.

        Raises:
            ValueError: If a point is not in front of the camera.
        """
        depth = points[..., 2:]
        if not np.all(depth > 0):
            raise ValueError("Expected points in front of the camera, z > 0")
        ray = np.asarray(points[..., :2] / depth, np.float64)
        radial = np.asarray(self.radial_distortion)
        tangential = np.asarray(self.tangential_distortion)
        if radial.any() or tangential.any():
            ray = np.clip(ray, -1, 1)
            r2 = np.sum(ray**2, axis=-1, keepdims=True)
            powers = np.concatenate([r2, r2**2, r2**3], axis=-1)
            factor = (
                1
                + np.sum(radial * powers, axis=-1, keepdims=True)
                + np.sum(tangential * ray, axis=-1, keepdims=True)
            )
            ray = ray * factor + tangential * r2
        return ray * np.asarray(self.focal_length) + np.asarray(self.center)


def rotation_matrix(quaternion: np.ndarray) -> np.ndarray:
    """Returns the rotation matrix of a unit quaternion (w, x, y, z).

    Raises:
        ValueError: If its length differs from 1 by more than 1e-3.
    """
    norm = np.linalg.norm(quaternion)
    if not abs(norm - 1) < 1e-3:
        raise ValueError(f"Expected a unit quaternion, got length {norm:.3f}")
    w, x, y, z = quaternion / norm
    return np.array(
        [
            [
                1 - 2 * (y * y + z * z),
                2 * (x * y - w * z),
                2 * (x * z + w * y),
            ],
            [
                2 * (x * y + w * z),
                1 - 2 * (x * x + z * z),
                2 * (y * z - w * x),
            ],
            [
                2 * (x * z - w * y),
                2 * (y * z + w * x),
                1 - 2 * (x * x + y * y),
            ],
        ]
    )


def normalize_screen(
    keypoints_px: np.ndarray,
    image_size: tuple[int, int],
    by: str = "longest",
) -> np.ndarray:
    """Maps pixels so that one side of the image becomes [-1, 1].

    The aspect is kept and the image's centre becomes (0, 0).

    Args:
        keypoints_px: (..., 2) pixels.
        image_size: (width, height) in pixels.
        by: `"width"` is Human3.6M's published protocol; `"longest"` uses the
            longest side, so that portrait images stay within [-1, 1].

    Returns:
        (..., 2), without a unit.

    Raises:
        ValueError: If a size is not positive or `by` is unknown.
    """
    half, center = _half_side_and_center(image_size, by)
    return (keypoints_px - center) / half


def denormalize_screen(
    keypoints_2d: np.ndarray,
    image_size: tuple[int, int],
    by: str = "longest",
) -> np.ndarray:
    """Inverts `normalize_screen`, with the same arguments."""
    half, center = _half_side_and_center(image_size, by)
    return keypoints_2d * half + center


SCREEN_NORMALISATIONS = ("width", "longest")


def _half_side_and_center(image_size, by):
    # Python floats keep the array's type: float32 in, float32 out.
    width, height = (float(side) for side in image_size)
    if not (0 < width < np.inf and 0 < height < np.inf):
        raise ValueError(
            "Expected a positive image size, got "
            f"{image_size[0]}x{image_size[1]}"
        )
    if by not in SCREEN_NORMALISATIONS:
        raise ValueError(
            f"Unknown screen normalisation {by!r}; expected "
            f"{' or '.join(SCREEN_NORMALISATIONS)}"
        )
    half = (width if by == "width" else max(width, height)) / 2
    return half, np.array([width / 2, height / 2], np.float32)

"""Regions of an image: rotated squares, and their pixels.

Coordinates are in pixels. (0, 0) is the corner of the image, and (0.5, 0.5)
is the centre of its first pixel.
"""

import math
from typing import NamedTuple

import numpy as np

# Scale of a region relative to the circle around a person, as in MediaPipe's
# pose_detection_to_roi.pbtxt and pose_landmarks_to_roi.pbtxt.
_MARGIN = 1.25


class Region(NamedTuple):
    """A square in an image.

    Attributes:
        x: Column of the centre, in pixels.
        y: Row of the centre, in pixels.
        side: Length of a side, in pixels.
        angle: Rotation in radians, clockwise in the image.
    """

    x: float
    y: float
    side: float
    angle: float = 0.0

    def place(self, points: np.ndarray) -> np.ndarray:
        """Returns the positions of points of the region in the image.

        Args:
            points: (..., 2), from (0, 0) to (1, 1) within the region.

        Returns:
            (..., 2) pixels.
        """
        return (self.side * (points - 0.5)) @ self._turned() + (self.x, self.y)

    def _turned(self):
        """Returns the directions of the region's axes, as rows."""
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        return np.array([[cosine, sine], [-sine, cosine]])


def around(centre: np.ndarray, end: np.ndarray) -> Region:
    """Returns a person's region from BlazePose's two alignment points.

    Follows MediaPipe's AlignmentPointsRectsCalculator and
    RectTransformationCalculator.

    Args:
        centre: (2,) pixels, between the hips.
        end: (2,) pixels, on the circle around the person, above the head if
            the person stands straight.

    Returns:
        A square in which the person is upright.
    """
    right, down = (float(value) for value in np.subtract(end, centre))
    return Region(
        float(centre[0]),
        float(centre[1]),
        2 * _MARGIN * math.hypot(right, down),
        math.atan2(right, -down),
    )


class Steady:
    """Smooths alignment points over time.

    Jitter of a region causes jitter of the landmarks in it. MediaPipe's
    pose_landmark_filtering.pbtxt therefore applies the One-Euro filter to the
    two points before they define the next frame's region, even if landmarks
    are not smoothed. Coordinates are filtered independently; the unit of speed
    is the diameter of the circle around the person per second.
    """

    # Cutoff frequencies in Hz, for points at rest and for their speed; a speed
    # of 1 raises the first one by `_BETA`.
    _CUTOFF, _BETA, _OF_SPEED = 0.01, 10.0, 1.0

    def __init__(self):
        self._raw = self._points = self._speed = self._seconds = None

    def __call__(self, points: np.ndarray, seconds: float) -> np.ndarray:
        """Returns the smoothed points of the next frame.

        Args:
            points: (2, 2) pixels.
            seconds: Time of the frame, later than that of the frame before.
        """
        points = np.asarray(points, np.float64)
        if self._raw is None:
            self._points, self._speed = points, np.zeros_like(points)
        else:
            elapsed = seconds - self._seconds
            diameter = 2 * max(math.hypot(*(points[1] - points[0])), 1e-6)
            speed = (points - self._raw) / diameter / elapsed
            self._speed = self._speed + _share(self._OF_SPEED, elapsed) * (
                speed - self._speed
            )
            cutoff = self._CUTOFF + self._BETA * np.abs(self._speed)
            self._points = self._points + _share(cutoff, elapsed) * (
                points - self._points
            )
        self._raw, self._seconds = points, seconds
        return self._points


def _share(cutoff, elapsed):
    """Returns the weight of the new value in a first-order low-pass."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff * elapsed))


def tiles(image: np.ndarray, parts: float) -> list[Region]:
    """Returns squares that cover an image; neighbours overlap by half.

    Each person no larger than half a square's side is completely inside one
    of them.

    Args:
        image: (H, W, 3).
        parts: Ratio of the image's shorter side to a square's side.
    """
    height, width = image.shape[:2]
    side = min(height, width) / parts
    columns, rows = (
        np.linspace(
            side / 2, length - side / 2, math.ceil(2 * length / side) - 1
        )
        for length in (width, height)
    )
    return [Region(float(x), float(y), side) for y in rows for x in columns]


def whole(image: np.ndarray) -> Region:
    """Returns the smallest upright square around an image (H, W, 3)."""
    height, width = image.shape[:2]
    return Region(width / 2, height / 2, float(max(width, height)))


def is_usable(region: Region, image: np.ndarray) -> bool:
    """Whether a region has an extent and overlaps the image."""
    height, width = image.shape[:2]
    if not all(map(math.isfinite, region)) or region.side < 2:
        return False
    reach = region.side / 2
    return (
        -reach < region.x < width + reach
        and -reach < region.y < height + reach
        and region.side < 8 * max(width, height)
    )


def sample(
    image: np.ndarray, region: Region, size: int, outside: float | None = None
) -> np.ndarray:
    """Returns a region's pixels with bilinear interpolation.

    Like MediaPipe's ImageToTensorCalculator on a GPU, it applies no
    anti-aliasing filter.

    Args:
        image: (H, W, 3) uint8.
        region: Region to sample.
        size: S, side of the result in pixels.
        outside: Value outside the image; None to repeat its border.

    Returns:
        (S, S, 3) float32, in the image's unit.
    """
    height, width = image.shape[:2]
    steps = (np.arange(size) + 0.5) / size - 0.5
    right, down = region.side * region._turned()
    # Columns and rows of the centres of the region's pixels.
    x = region.x - 0.5 + steps * right[0] + steps[:, None] * down[0]
    y = region.y - 0.5 + steps * right[1] + steps[:, None] * down[1]
    beyond = None
    if outside is not None:
        beyond = (x < -0.5) | (x > width - 0.5)
        beyond |= (y < -0.5) | (y > height - 0.5)
    x = np.clip(x, 0, width - 1).astype(np.float32).ravel()
    y = np.clip(y, 0, height - 1).astype(np.float32).ravel()
    column = np.minimum(x.astype(np.intp), max(width - 2, 0))
    row = np.minimum(y.astype(np.intp), max(height - 2, 0))
    x -= column
    y -= row
    flat = image.reshape(-1, 3)
    first = row * width + column
    beside = 1 if width > 1 else 0
    below = width if height > 1 else 0
    x, y = x[:, None], y[:, None]
    upper = _mixed(flat, first, first + beside, x)
    lower = _mixed(flat, first + below, first + below + beside, x)
    lower -= upper
    lower *= y
    upper += lower
    pixels = upper.reshape(size, size, 3)
    if beyond is not None:
        pixels[beyond] = outside
    return pixels


def _mixed(flat, here, there, share):
    start = flat.take(here, axis=0).astype(np.float32)
    step = flat.take(there, axis=0) - start
    step *= share
    start += step
    return start

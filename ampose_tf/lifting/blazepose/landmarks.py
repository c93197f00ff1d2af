"""BlazePose's landmarks: 33 points of a person in a region.

Follows MediaPipe's pose_landmark_by_roi_cpu.pbtxt and
tensors_to_pose_landmarks_and_segmentation.pbtxt. The network's depth, world
coordinates and segmentation are not used.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ampose_tf.lifting.blazepose import regions

SIZE = 256
COUNT = 33
# All points of the network: two more define the region, four are not used.
_ALL = 39
_KERNEL = 7
_LEAST_CONFIDENCE = 0.5


class Pose(NamedTuple):
    """A person in an image.

    Attributes:
        pixels: (33, 2) float32 in pixels of the image.
        scores: (33,) float32 in [0, 1], the landmarks' visibility.
        alignment: (2, 2) pixels: the point between the hips, and a point on
            the circle around the body, see `regions.around`.
        presence: Probability that the region shows a person.
    """

    pixels: np.ndarray
    scores: np.ndarray
    alignment: np.ndarray
    presence: float


def refine(points: np.ndarray, heatmaps: np.ndarray) -> np.ndarray:
    """Moves points to the centre of mass of the heatmaps around them.

    Follows MediaPipe's RefineLandmarksFromHeatmapCalculator with a kernel of
    7: a point moves if the heatmap reaches 0.5 within the kernel. The position
    of a cell is its upper left corner.

    Args:
        points: (L, 2), from 0 to 1.
        heatmaps: (H, W, L) logits.

    Returns:
        (L, 2), with the type of `points`.
    """
    height, width, count = heatmaps.shape
    # Rounded towards 0, as in C.
    column, row = (points * (width, height)).astype(np.int64).T
    within = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    reach = np.arange(_KERNEL) - _KERNEL // 2
    columns, rows = column[:, None] + reach, row[:, None] + reach  # (L, 7)
    exists = ((rows >= 0) & (rows < height))[:, :, None] & (
        (columns >= 0) & (columns < width)
    )[:, None, :]  # (L, 7, 7)
    logits = heatmaps[
        np.clip(rows, 0, height - 1)[:, :, None],
        np.clip(columns, 0, width - 1)[:, None, :],
        np.arange(count)[:, None, None],
    ]
    weights = np.where(exists, _sigmoid(logits), 0)
    mass = weights.sum(axis=(1, 2))
    moved = within & (weights.max(axis=(1, 2)) >= _LEAST_CONFIDENCE)
    mass = np.where(moved, mass, 1)
    x = (weights.sum(axis=1) * columns).sum(axis=1) / mass / width
    y = (weights.sum(axis=2) * rows).sum(axis=1) / mass / height
    centres = np.stack([x, y], axis=-1)
    return np.where(moved[:, None], centres, points).astype(points.dtype)


def _sigmoid(logits):
    logits = np.clip(logits.astype(np.float64), -100, 100)
    return 1 / (1 + np.exp(-logits))


class Landmarker:
    """The landmark network with its pre- and postprocessing."""

    def __init__(
        self,
        network: Callable[[np.ndarray], tuple[np.ndarray, ...]],
    ):
        """Creates a landmarker.

        Args:
            network: Function from `networks.load` that maps
                (1, 256, 256, 3) float32 in [0, 1] to landmarks (1, 195),
                presence (1, 1), segmentation, heatmaps (1, 64, 64, 39) and
                world coordinates.
        """
        self._network = network

    def __call__(self, image: np.ndarray, region: regions.Region) -> Pose:
        """Returns the person in a region of an image.

        Args:
            image: (H, W, 3) uint8, RGB.
            region: Region in which the person is expected.
        """
        pixels = regions.sample(image, region, SIZE)
        pixels *= 1 / 255
        values, flag, _, heatmaps, _ = self._network(pixels[None])
        values = values.reshape(_ALL, 5)
        points = refine(values[:, :2] / SIZE, heatmaps[0])
        placed = region.place(points[: COUNT + 2])
        return Pose(
            placed[:COUNT].astype(np.float32),
            _sigmoid(values[:COUNT, 3]).astype(np.float32),
            placed[COUNT:],
            float(flag.ravel()[0]),
        )

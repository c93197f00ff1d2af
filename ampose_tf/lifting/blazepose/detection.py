"""BlazePose's detector: finds people in an image.

Follows MediaPipe's pose_detection_cpu.pbtxt. Detections are boxes of faces
with four points of the body, two of which define the person's region.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ampose_tf.lifting.blazepose import regions

SIZE = 224
_STRIDES = (8, 16, 32, 32, 32)
_LEAST_SCORE = 0.5
_CLIPPED = 100.0
# Boxes with a larger intersection over union belong to one person.
_MOST_OVERLAP = 0.3


class Detection(NamedTuple):
    """A detected person.

    Attributes:
        score: From 0.5 to 1.
        box: (4,) pixels, left, top, right and bottom of the face.
        points: (4, 2) pixels: between the hips, on the circle around the
            body, between the shoulders, on the circle around the upper body.
    """

    score: float
    box: np.ndarray
    points: np.ndarray

    @property
    def region(self) -> regions.Region:
        """The person's region."""
        return regions.around(self.points[0], self.points[1])


def anchors() -> np.ndarray:
    """Returns the centres to which the detector's boxes are relative.

    Like MediaPipe's SsdAnchorsCalculator, it creates two anchors for each cell
    of a layer; layers of the same stride share their cells.

    Returns:
        (2254, 2) float32, x and y from 0 to 1.
    """
    made = []
    for stride in sorted(set(_STRIDES)):
        cells = SIZE // stride
        centres = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(centres, centres, indexing="ij")
        grid = np.stack([x.ravel(), y.ravel()], axis=-1)  # (cells², 2)
        made.append(np.repeat(grid, 2 * _STRIDES.count(stride), axis=0))
    return np.concatenate(made).astype(np.float32)


def decode(
    boxes: np.ndarray, logits: np.ndarray, centres: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the detections in the network's output.

    Follows MediaPipe's TensorsToDetectionsCalculator.

    Args:
        boxes: (A, 12): x, y, width, height, and x and y of four points.
        logits: (A,) or (A, 1).
        centres: (A, 2), see `anchors`.

    Returns:
        Scores (D,) of at least 0.5, and values (D, 6, 2): upper left and lower
        right corners of the box and the four points, from 0 to 1 within the
        image.
    """
    logits = np.clip(logits.reshape(-1), -_CLIPPED, _CLIPPED)
    scores = 1 / (1 + np.exp(-logits.astype(np.float64)))
    kept = scores >= _LEAST_SCORE
    kept &= (boxes[:, 2:4] >= 0).all(axis=1)
    values = boxes[kept].reshape(-1, 6, 2) / SIZE
    half = values[:, 1] / 2
    values[:, [0, 2, 3, 4, 5]] += centres[kept, None]
    values[:, 1] = values[:, 0] + half
    values[:, 0] -= half
    return scores[kept], values


def merged(
    scores: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns one detection per person, sorted by decreasing score.

    Detections with overlapping boxes are averaged, weighted by their scores,
    as in MediaPipe's NonMaxSuppressionCalculator with WEIGHTED.

    Args:
        scores: (D,).
        values: (D, 6, 2), see `decode`.

    Returns:
        Scores (P,) and values (P, 6, 2).
    """
    order = np.argsort(-scores, kind="stable")
    found_scores, found = [], []
    while len(order):
        overlap = _overlap(values[order[0]], values[order])
        alike = overlap > _MOST_OVERLAP
        alike[0] = True  # An empty box does not even overlap itself.
        weights = scores[order[alike]]
        found_scores.append(weights[0])
        found.append(np.average(values[order[alike]], axis=0, weights=weights))
        order = order[~alike]
    return (
        np.array(found_scores),
        np.array(found).reshape(-1, *values.shape[1:]),
    )


def _overlap(box, boxes):
    """Returns the intersection over union of a box with others."""
    low = np.maximum(box[0], boxes[:, 0])
    high = np.minimum(box[1], boxes[:, 1])
    common = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = np.prod(boxes[:, 1] - boxes[:, 0], axis=-1)
    union = np.prod(box[1] - box[0]) + areas - common
    return common / np.maximum(union, 1e-12)


class Detector:
    """The detection network with its pre- and postprocessing."""

    def __init__(
        self,
        network: Callable[[np.ndarray], tuple[np.ndarray, ...]],
    ):
        """Creates a detector.

        Args:
            network: Function from `networks.load` that maps
                (1, 224, 224, 3) float32 in [-1, 1] to boxes (1, 2254, 12) and
                logits (1, 2254, 1).
        """
        self._network = network
        self._anchors = anchors()

    def __call__(
        self, image: np.ndarray, region: regions.Region | None = None
    ) -> list[Detection]:
        """Returns the people in an image, sorted by decreasing score.

        Args:
            image: (H, W, 3) uint8, RGB.
            region: Region to search; None for the whole image.
        """
        region = region or regions.whole(image)
        # As in MediaPipe, the outside is black (0 before scaling).
        pixels = regions.sample(image, region, SIZE, outside=0.0)
        pixels *= 2 / 255
        pixels -= 1
        boxes, logits = self._network(pixels[None])
        scores, values = merged(*decode(boxes[0], logits[0], self._anchors))
        placed = region.place(values)
        return [
            Detection(float(score), value[:2].reshape(4), value[2:])
            for score, value in zip(scores, placed, strict=True)
        ]

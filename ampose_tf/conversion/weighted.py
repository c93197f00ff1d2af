"""`Conversion`: maps other joints to Human3.6M's by weighted means."""

import dataclasses
import functools

import numpy as np

from ampose_tf.skeleton import H36M_17

# A joint counts as seen from this score on: in training, in lifting, and in
# exported files, whose graph requires a multiple of 0.1.
SEEN_SCORE = 0.3


@dataclasses.dataclass(frozen=True)
class Conversion:
    """Conversion from S joints of another skeleton to Human3.6M's 17.

    Attributes:
        name: Name of the other skeleton.
        joints: Names of its S joints, in its order.
        sides: Its (left, right) pairs of joints, by name.
        weights: For each of Human3.6M's joints, {joint: weight}, or a tuple of
            such dictionaries as alternatives. The weights of each sum to one.
    """

    name: str
    joints: tuple[str, ...]
    sides: tuple[tuple[str, str], ...]
    weights: dict[str, dict[str, float] | tuple[dict[str, float], ...]]

    @functools.cached_property
    def alternatives(self) -> tuple[tuple[dict[int, float], ...], ...]:
        """The alternatives of each of Human3.6M's joints: {index: weight}."""
        return tuple(
            tuple(
                {self.joints.index(name): part for name, part in one.items()}
                for one in _listed(self.weights[joint])
            )
            for joint in H36M_17.joints
        )

    @property
    def matrix(self) -> np.ndarray:
        """(17, S) float32: weights of all joints if every source is seen."""
        return self.rows([first for first, *_ in self.alternatives])

    def rows(self, alternatives: list[dict[int, float]]) -> np.ndarray:
        """Returns alternatives as rows of a matrix, (K, S) float32."""
        matrix = np.zeros((len(alternatives), len(self.joints)), np.float32)
        for row, weights in zip(matrix, alternatives, strict=True):
            row[list(weights)] = list(weights.values())
        return matrix

    @property
    def mirrored(self) -> tuple[int, ...]:
        """Indices (S,) of the counterpart of each joint on the other side."""
        counterpart = {a: b for a, b in self.sides}
        counterpart |= {b: a for a, b in self.sides}
        return tuple(
            self.joints.index(counterpart.get(name, name))
            for name in self.joints
        )

    def convert(self, keypoints, scores=None, seen_score: float = SEEN_SCORE):
        """Converts keypoints.

        The result has the type of the input: a NumPy array or a tensor.

        Args:
            keypoints: (..., S, D), pixels or any other coordinates.
            scores: (..., S), see `convert_scores`; None if all joints are
                seen.
            seen_score: See `convert_scores`.

        Returns:
            (..., 17, D) floats; NaN where a source is NaN.

        Raises:
            ValueError: If the number of joints is not S.
        """
        self._check(keypoints, -2)
        if scores is not None:
            self._check(scores, -1)
        ops = _operations(keypoints)
        # Taken apart once: in graphs, each index is an operation of its own.
        points = ops.unstack(keypoints, axis=-2)
        if scores is not None:
            scores = ops.unstack(scores, axis=-1)
        made = []
        for alternatives in self.alternatives:
            placed = [
                sum(part * points[j] for j, part in one.items())
                for one in alternatives[: 1 if scores is None else None]
            ]
            point = placed[0]
            if len(placed) > 1:
                _, better = _taken(ops, scores, alternatives, seen_score)
                for other, is_taken in zip(placed[1:], better, strict=True):
                    point = ops.where(is_taken[..., None], other, point)
            made.append(point)
        return ops.stack(made, axis=-2)

    def convert_scores(self, scores, seen_score: float = SEEN_SCORE):
        """Converts scores.

        The score of a joint is the lowest score of its sources. These are the
        sources of the first alternative in which all scores are at least
        `seen_score`; if there is none, those of the alternative with the
        highest score.

        Args:
            scores: (..., S), a NumPy array or a tensor.
            seen_score: Joints with at least this score count as seen. Joints
                with a score of 0 never do.

        Returns:
            (..., 17).

        Raises:
            ValueError: If the number of joints is not S.
        """
        self._check(scores, -1)
        ops = _operations(scores)
        scores = ops.unstack(scores, axis=-1)
        return ops.stack(
            [
                _taken(ops, scores, alternatives, seen_score)[0]
                for alternatives in self.alternatives
            ],
            axis=-1,
        )

    def _check(self, array, axis):
        if len(array.shape) < -axis or array.shape[axis] != len(self.joints):
            raise ValueError(
                f"Expected the {len(self.joints)} joints of {self.name}, got "
                f"shape {tuple(array.shape)}"
            )


def _listed(weights):
    return (weights,) if isinstance(weights, dict) else tuple(weights)


def _operations(array):
    """Returns NumPy for NumPy arrays, `keras.ops` for tensors."""
    if isinstance(array, np.ndarray):
        return np
    # Imported here so that lifting needs no deep-learning framework.
    from keras import ops

    return ops


def _taken(ops, scores, alternatives, seen_score):
    """Returns a joint's score, and masks where an alternative replaces it.

    `scores` is a sequence of S arrays. The masks are for the 2nd, 3rd, ...
    alternative. If several are true, the last one applies.
    """
    least = [
        functools.reduce(ops.minimum, [scores[j] for j in sources])
        for sources in alternatives
    ]
    # A joint with a score of 0 is not seen, whatever the threshold.
    seen_score = max(seen_score, float(np.finfo(np.float32).tiny))
    best, better = least[0], []
    for score in least[1:]:
        better.append((best < seen_score) & (score > best))
        best = ops.where(better[-1], score, best)
    return best, better

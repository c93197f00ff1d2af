"""`Conversion`: other joints to Human3.6M's, by weighted means."""

import dataclasses
import functools

import numpy as np

from ampose_tf.skeleton import H36M_17

# A joint counts as seen from this score on: in training, in lifting, and in
# exported files, whose graph takes whole tenths.
SEEN_SCORE = 0.3


@dataclasses.dataclass(frozen=True)
class Conversion:
    """From S joints of another skeleton to Human3.6M's 17.

    Attributes:
        name: Name of the other skeleton.
        joints: Its S joints' names, in its order.
        sides: Its (left, right) pairs of joints, by name.
        weights: For each of Human3.6M's joints, {joint: weight}, or a tuple
            of these, the joint's alternatives; each one's weights sum to one.
    """

    name: str
    joints: tuple[str, ...]
    sides: tuple[tuple[str, str], ...]
    weights: dict[str, dict[str, float] | tuple[dict[str, float], ...]]

    @functools.cached_property
    def alternatives(self) -> tuple[tuple[dict[int, float], ...], ...]:
        """Each of Human3.6M's joints' alternatives, {index: weight} each."""
        return tuple(
            tuple(
                {self.joints.index(name): part for name, part in one.items()}
                for one in _listed(self.weights[joint])
            )
            for joint in H36M_17.joints
        )

    @property
    def matrix(self) -> np.ndarray:
        """(17, S) float32: row i makes Human3.6M's joint i, if all is seen."""
        return self.rows([first for first, *_ in self.alternatives])

    def rows(self, alternatives: list[dict[int, float]]) -> np.ndarray:
        """Returns alternatives as rows of a matrix, (K, S) float32."""
        matrix = np.zeros((len(alternatives), len(self.joints)), np.float32)
        for row, weights in zip(matrix, alternatives, strict=True):
            row[list(weights)] = list(weights.values())
        return matrix

    @property
    def mirrored(self) -> tuple[int, ...]:
        """For each of the S joints, its counterpart of the other side."""
        counterpart = {a: b for a, b in self.sides}
        counterpart |= {b: a for a, b in self.sides}
        return tuple(
            self.joints.index(counterpart.get(name, name))
            for name in self.joints
        )

    def convert(self, keypoints, scores=None, seen_score: float = SEEN_SCORE):
        """Converts keypoints.

        One function for lifting and for training: NumPy arrays come back as
        NumPy arrays, tensors as tensors.

        Args:
            keypoints: (..., S, D), pixels or any other coordinates.
            scores: (..., S), see `convert_scores`; None if all is seen.
            seen_score: See `convert_scores`.

        Returns:
            (..., 17, D) floats; NaN where a source is NaN.

        Raises:
            ValueError: If there are not S joints.
        """
        self._check(keypoints, -2)
        if scores is not None:
            self._check(scores, -1)
        ops = _operations(keypoints)
        made = []
        for alternatives in self.alternatives:
            placed = [
                sum(part * keypoints[..., j, :] for j, part in one.items())
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
        """Converts scores: a joint is as sure as the least of its sources.

        They are those of the first alternative whose sources all have
        `seen_score` or more; where there is none, of the one whose least
        score is highest.

        Args:
            scores: (..., S), a NumPy array or a tensor.
            seen_score: A joint counts as seen from this score on; never with
                a score of 0.

        Returns:
            (..., 17).

        Raises:
            ValueError: If there are not S joints.
        """
        self._check(scores, -1)
        ops = _operations(scores)
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
    """Returns NumPy for its arrays, `keras.ops` for tensors."""
    if isinstance(array, np.ndarray):
        return np
    # Imported here so that lifting needs no deep-learning framework.
    from keras import ops

    return ops


def _taken(ops, scores, alternatives, seen_score):
    """Returns a joint's score, and where the 2nd, 3rd, ... replace the 1st.

    Of the places where several do, the last one's hold.
    """
    least = [
        functools.reduce(ops.minimum, [scores[..., j] for j in sources])
        for sources in alternatives
    ]
    # What has a score of 0 is not seen, whatever the threshold.
    seen_score = max(seen_score, float(np.finfo(np.float32).tiny))
    best, better = least[0], []
    for score in least[1:]:
        better.append((best < seen_score) & (score > best))
        best = ops.where(better[-1], score, best)
    return best, better

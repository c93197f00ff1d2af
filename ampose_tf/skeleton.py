"""Skeletons: joint trees, their three-group graphs, and mirroring.

`flip_ensemble` applies test-time flipping to any `predict`.
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """A tree of joints rooted at the hip.

    Attributes:
        joints: Names of the J joints, in order.
        parents: Index of each joint's parent, -1 for the root.
        left: Indices of the left joints.
        right: Indices of the right joints, in the same order as `left`.
    """

    joints: tuple[str, ...]
    parents: tuple[int, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """The tree's (parent, child) pairs, ordered by child."""
        return tuple((p, j) for j, p in enumerate(self.parents) if p >= 0)

    @property
    def mirrored(self) -> tuple[int, ...]:
        """Index of each joint's counterpart on the other side."""
        counterpart = list(range(len(self.joints)))
        for left, right in zip(self.left, self.right, strict=True):
            counterpart[left], counterpart[right] = right, left
        return tuple(counterpart)

    def partition(self) -> np.ndarray:
        """Returns the graph, split by distance to the root (paper, §2.2).

        Row i is the receiving joint, column k its neighbour. Group 0 is the
        joint itself, group 1 the neighbour closer to the root (its parent),
        group 2 the neighbours farther from it (its children). In a tree,
        neighbours are never at the same distance.

        Returns:
            Array of 0 and 1, shape (3, J, J), float32.
        """
        count = len(self.joints)
        groups = np.zeros((3, count, count), np.float32)
        groups[0] = np.eye(count)
        for parent, child in self.edges:
            groups[1, child, parent] = 1
            groups[2, parent, child] = 1
        return groups

    def adjacency(self, normalisation: str = "rc") -> np.ndarray:
        """Returns the normalised partition (paper, equation 9).

        The equation, D_j^(-1/2) A_j D_j^(-1/2) with each group's own degrees,
        is undefined where a degree is zero, such as the hip's among the
        parents. The options are:

        * `"rc"`: rows divided by the row's degree, columns by the column's,
          with degrees of zero replaced by one; all edges are kept.
        * `"rw"`: D_j^-1 A_j, the mean over the group.
        * `"global"`: D^(-1/2) (A + I) D^(-1/2) of the whole graph, then
          split, as the paper's peers do.
        * `"alpha"`: as printed, with 0.001 added to every degree.
        * `"literal_row"`, `"literal_col"`: as printed, with row or column
          degrees and 0^(-1/2) taken as 0; edges are lost.

        Returns:
            Array of shape (3, J, J), float32.

        Raises:
            ValueError: If `normalisation` is none of these.
        """
        groups = self.partition().astype(np.float64)
        rows = groups.sum(axis=2, keepdims=True)  # (3, J, 1)
        columns = groups.sum(axis=1, keepdims=True)  # (3, 1, J)
        if normalisation == "rc":
            scale = 1 / np.sqrt(np.maximum(rows, 1) * np.maximum(columns, 1))
        elif normalisation == "rw":
            scale = 1 / np.maximum(rows, 1)
        elif normalisation == "global":
            degree = groups.sum(axis=(0, 2))  # (J,)
            scale = 1 / np.sqrt(np.outer(degree, degree))
        elif normalisation in ("alpha", "literal_row", "literal_col"):
            degree = columns[:, 0] if "col" in normalisation else rows[..., 0]
            if normalisation == "alpha":
                degree = degree + 1e-3
            root = np.sqrt(np.where(degree > 0, degree, np.inf))  # (3, J)
            scale = 1 / (root[:, :, None] * root[:, None, :])
        else:
            raise ValueError(
                f"Unknown normalisation of the adjacency: {normalisation!r}; "
                f"expected one of {', '.join(NORMALISATIONS)}"
            )
        return (groups * scale).astype(np.float32)

    def without(self, joint: str) -> "Skeleton":
        """Returns the skeleton without `joint`; its children move up."""
        gone = self.joints.index(joint)
        kept = [j for j in range(len(self.joints)) if j != gone]
        index = {old: new for new, old in enumerate(kept)} | {-1: -1}

        def parent(j):
            p = self.parents[j]
            return index[self.parents[p] if p == gone else p]

        return Skeleton(
            joints=tuple(self.joints[j] for j in kept),
            parents=tuple(parent(j) for j in kept),
            left=tuple(index[j] for j in self.left if j != gone),
            right=tuple(index[j] for j in self.right if j != gone),
        )


NORMALISATIONS = ("rc", "rw", "global", "alpha", "literal_row", "literal_col")

# Human3.6M's joints in the order of VideoPose3D's files, with the shoulders
# attached to the thorax.
H36M_17 = Skeleton(
    joints=(
        "Hip",
        "RHip",
        "RKnee",
        "RFoot",
        "LHip",
        "LKnee",
        "LFoot",
        "Spine",
        "Thorax",
        "Neck/Nose",
        "Head",
        "LShoulder",
        "LElbow",
        "LWrist",
        "RShoulder",
        "RElbow",
        "RWrist",
    ),
    parents=(-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15),
    left=(4, 5, 6, 11, 12, 13),
    right=(1, 2, 3, 14, 15, 16),
)

# The 16-joint protocol of SemGCN and its successors.
H36M_16 = H36M_17.without("Neck/Nose")


def by_joint_count(joints: int) -> Skeleton:
    """Returns Human3.6M's skeleton of 17 or 16 joints.

    Raises:
        ValueError: For any other number.
    """
    for skeleton in (H36M_17, H36M_16):
        if len(skeleton.joints) == joints:
            return skeleton
    raise ValueError(f"Expected 17 or 16 joints, got {joints}")


def mirror(points, skeleton: Skeleton):
    """Mirrors left and right: negates x and swaps the sides' joints.

    Used for 2D and 3D, in training and in test-time flipping: NumPy arrays
    are returned for NumPy arrays, tensors for tensors.

    Args:
        points: Normalised keypoints (..., J, 2) or poses (..., J, 3), with x
            pointing right from the image's centre or the root.
        skeleton: Skeleton whose left and right are swapped.
    """
    signs = np.ones(points.shape[-1], np.float32)
    signs[0] = -1
    if isinstance(points, np.ndarray):
        mirrored = points[..., list(skeleton.mirrored), :]
        return (mirrored * signs).astype(points.dtype, copy=False)
    # Imported here so that data and metrics need no deep-learning framework.
    from keras import ops

    mirrored = ops.take(points, np.array(skeleton.mirrored), axis=-2)
    return mirrored * ops.cast(signs, points.dtype)


def predict_mirrored(
    predict: Callable,
    keypoints_2d: np.ndarray,
    skeleton: Skeleton,
    seen: np.ndarray | None = None,
) -> np.ndarray:
    """Predicts from the mirror images and mirrors back.

    Args:
        predict: `predict(keypoints_2d, seen=None)`, (N, J, 2) to (N, J, 3).
        keypoints_2d: (N, J, 2), screen-normalised.
        skeleton: Skeleton whose left and right are swapped.
        seen: (N, J) bool, or None if all joints were seen.

    Returns:
        (N, J, 3) metres.
    """
    mirrored = mirror(keypoints_2d, skeleton)
    if seen is None:
        return mirror(predict(mirrored), skeleton)
    return mirror(
        predict(mirrored, seen[:, list(skeleton.mirrored)]), skeleton
    )


class FlipEnsemble(NamedTuple):
    """Predictions for images and for their mirror images.

    Attributes:
        single: (N, J, 3) metres, for the images.
        mirrored: (N, J, 3) metres, for the mirror images, mirrored back.
        mean: (N, J, 3) metres, mean of the two.
    """

    single: np.ndarray
    mirrored: np.ndarray
    mean: np.ndarray


def flip_ensemble(
    predict: Callable,
    keypoints_2d: np.ndarray,
    skeleton: Skeleton,
    seen: np.ndarray | None = None,
) -> FlipEnsemble:
    """Predicts with test-time flipping.

    Args:
        predict: `predict(keypoints_2d, seen=None)`, (N, J, 2) to (N, J, 3).
        keypoints_2d: (N, J, 2), screen-normalised.
        skeleton: Skeleton whose left and right are swapped.
        seen: (N, J) bool, or None if all joints were seen.

    Returns:
        Three predictions of (N, J, 3) metres.
    """
    single = (
        predict(keypoints_2d) if seen is None else predict(keypoints_2d, seen)
    )
    mirrored = predict_mirrored(predict, keypoints_2d, skeleton, seen)
    return FlipEnsemble(single, mirrored, (single + mirrored) / 2)

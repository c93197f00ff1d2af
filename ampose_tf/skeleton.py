"""Skeletons: joints, their tree, its three-group graph, and mirroring.

`flip_ensemble` is test-time flipping of any `predict`.
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """A tree of joints rooted at the hip.

    Attributes:
        joints: The name of each of the J joints, in order.
        parents: The index of each joint's parent, -1 for the root.
        left: Indices of the left joints.
        right: Indices of the right joints, in the order of `left`.
    """

    joints: tuple[str, ...]
    parents: tuple[int, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """The tree's (parent, child) pairs, in the order of the children."""
        return tuple((p, j) for j, p in enumerate(self.parents) if p >= 0)

    @property
    def mirrored(self) -> tuple[int, ...]:
        """For each joint, the index of its counterpart of the other side."""
        counterpart = list(range(len(self.joints)))
        for left, right in zip(self.left, self.right, strict=True):
            counterpart[left], counterpart[right] = right, left
        return tuple(counterpart)

    def partition(self) -> np.ndarray:
        """Returns the graph split by distance to the root (paper, §2.2).

        Row i is the receiving joint, column k its neighbour: group 0 is the
        joint itself, group 1 the neighbour closer to the root (its parent),
        group 2 the neighbours farther from it (its children). Neighbours in
        a tree are never equally far.

        Returns:
            0 or 1, shape (3, J, J), float32.
        """
        count = len(self.joints)
        groups = np.zeros((3, count, count), np.float32)
        groups[0] = np.eye(count)
        for parent, child in self.edges:
            groups[1, child, parent] = 1
            groups[2, parent, child] = 1
        return groups

    def adjacency(self, normalisation: str = "rc") -> np.ndarray:
        """Returns the partition, normalised (paper, equation 9).

        The equation, D_j^(-1/2) A_j D_j^(-1/2) with each group's own degrees,
        is not defined where a degree is zero, as the hip's is among the
        parents. The ways out:

        * `"rc"`: rows by the row's degree, columns by the column's, degrees
          of zero taken as one; every edge survives.
        * `"rw"`: D_j^-1 A_j, the mean over the group.
        * `"global"`: D^(-1/2) (A + I) D^(-1/2) of the whole graph, then
          split, as the paper's peers do.
        * `"alpha"`: as printed, with 0.001 added to every degree.
        * `"literal_row"`, `"literal_col"`: as printed, with row or column
          degrees and 0^(-1/2) taken as 0; edges are lost.

        Returns:
            Shape (3, J, J), float32.

        Raises:
            ValueError: Where `normalisation` is none of these.
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

# Human3.6M's joints as VideoPose3D's files order them, with the shoulders
# hung on the thorax.
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

    One function for 2D and 3D, for training and for test-time flipping:
    NumPy arrays come back as NumPy arrays, tensors as tensors.

    Args:
        points: Normalised keypoints (..., J, 2) or poses (..., J, 3), with x
            growing to the right from the image's centre or the root.
        skeleton: Whose left and right to swap.
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
        skeleton: Whose left and right mirroring swaps.
        seen: (N, J) bool, or None for all.

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
    """What a network makes of images and of their mirror images.

    Attributes:
        single: (N, J, 3) metres, of the images.
        mirrored: (N, J, 3) metres, of the mirror images, mirrored back.
        mean: (N, J, 3) metres, of the two.
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
        skeleton: Whose left and right mirroring swaps.
        seen: (N, J) bool, or None for all.

    Returns:
        Three predictions of (N, J, 3) metres.
    """
    single = (
        predict(keypoints_2d) if seen is None else predict(keypoints_2d, seen)
    )
    mirrored = predict_mirrored(predict, keypoints_2d, skeleton, seen)
    return FlipEnsemble(single, mirrored, (single + mirrored) / 2)

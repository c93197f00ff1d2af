"""Other skeletons to Human3.6M's 17 joints, as data.

Each Human3.6M joint is a weighted mean of the other skeleton's joints, so
that a conversion is one matrix whose rows sum to one. It follows that what
is converted moves, scales and turns with the image.

Human3.6M's Thorax, Neck/Nose and Head are mocap joints on the axis of the
neck, which no detector has. Where a skeleton has ears they are placed on the
line from the middle of the shoulders to the middle of the ears (0.22 m long
in adults): Neck/Nose half-way up, Head a tenth beyond. The Spine is at 0.45
of the way from the hip to the middle of the shoulders, between CMU's 0.42 and
Human3.6M's 0.5.
"""

import dataclasses

import numpy as np

from ampose_tf.skeleton import H36M_16, H36M_17

# A joint counts as seen from this score on: in training, in lifting, and in
# exported files, whose graph takes whole tenths.
SEEN_SCORE = 0.3

_SIDES = ("Hip", "Knee", "Foot", "Shoulder", "Elbow", "Wrist")


@dataclasses.dataclass(frozen=True)
class Conversion:
    """From S joints of another skeleton to Human3.6M's 17.

    Attributes:
        name: Of the other skeleton.
        joints: Its S joints' names, in its order.
        sides: Its (left, right) pairs of joints, by name.
        weights: For each of Human3.6M's joints, {joint: weight}; the
            weights sum to one.
    """

    name: str
    joints: tuple[str, ...]
    sides: tuple[tuple[str, str], ...]
    weights: dict[str, dict[str, float]]

    @property
    def matrix(self) -> np.ndarray:
        """(17, S) float32: row i makes Human3.6M's joint i."""
        matrix = np.zeros((len(H36M_17.joints), len(self.joints)), np.float32)
        for row, joint in enumerate(H36M_17.joints):
            for source, weight in self.weights[joint].items():
                matrix[row, self.joints.index(source)] = weight
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

    def convert(self, keypoints: np.ndarray) -> np.ndarray:
        """Converts keypoints.

        Args:
            keypoints: (..., S, D), pixels or any other coordinates.

        Returns:
            (..., 17, D) floats; NaN where a source is NaN.

        Raises:
            ValueError: Where there are not S joints.
        """
        self._check(keypoints, -2)
        # Row by row: in one product a NaN times 0 would spoil every joint.
        return np.stack(
            [
                row[row != 0] @ keypoints[..., row != 0, :]
                for row in self.matrix
            ],
            axis=-2,
        )

    def convert_scores(self, scores: np.ndarray) -> np.ndarray:
        """Converts scores: a joint is as sure as the least of its sources.

        Args:
            scores: (..., S).

        Returns:
            (..., 17).

        Raises:
            ValueError: Where there are not S joints.
        """
        self._check(scores, -1)
        used = self.matrix != 0
        return np.stack(
            [scores[..., sources].min(axis=-1) for sources in used], axis=-1
        )

    def _check(self, array, axis):
        if array.ndim < -axis or array.shape[axis] != len(self.joints):
            raise ValueError(
                f"Expected the {len(self.joints)} joints of {self.name}, got "
                f"shape {array.shape}"
            )


def _mean(*joints):
    return {joint: 1 / len(joints) for joint in joints}


def _combined(*parts):
    """Adds up (weight, {joint: weight}) pairs."""
    total = {}
    for factor, weights in parts:
        for joint, weight in weights.items():
            total[joint] = total.get(joint, 0) + factor * weight
    return {joint: weight for joint, weight in total.items() if weight}


def _limbs(left, right, names):
    """Returns the weights of the twelve joints of the limbs."""
    return {
        prefix + joint: {side.format(name): 1.0}
        for prefix, side in (("L", left), ("R", right))
        for joint, name in zip(_SIDES, names, strict=True)
    }


def _sides(left, right, *names):
    return tuple((left.format(name), right.format(name)) for name in names)


def _spine(hip, shoulders):
    return _combined((0.55, hip), (0.45, shoulders))


def _axis(hip, shoulders, ears):
    """Returns the weights of the five joints of the body's axis."""
    return {
        "Hip": hip,
        "Spine": _spine(hip, shoulders),
        "Thorax": shoulders,
        "Neck/Nose": _combined((0.5, shoulders), (0.5, ears)),
        "Head": _combined((-0.1, shoulders), (1.1, ears)),
    }


_DETECTED = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
_LEFT, _RIGHT = "left_{}", "right_{}"
_COCO_LIMBS = _limbs(_LEFT, _RIGHT, _DETECTED)
_COCO_SIDES = _sides(_LEFT, _RIGHT, "eye", "ear", *_DETECTED)
_COCO_AXIS = _axis(
    _mean("left_hip", "right_hip"),
    _mean("left_shoulder", "right_shoulder"),
    _mean("left_ear", "right_ear"),
)

# https://cocodataset.org/#keypoints-2020; also Detectron2, MMPose,
# AlphaPose and Ultralytics.
COCO_17 = Conversion(
    name="COCO-17",
    joints=(
        "nose",
        "left_eye",
        "right_eye",
        "left_ear",
        "right_ear",
        "left_shoulder",
        "right_shoulder",
        "left_elbow",
        "right_elbow",
        "left_wrist",
        "right_wrist",
        "left_hip",
        "right_hip",
        "left_knee",
        "right_knee",
        "left_ankle",
        "right_ankle",
    ),
    sides=_COCO_SIDES,
    weights=_COCO_LIMBS | _COCO_AXIS,
)

# MoveNet gives COCO's joints in COCO's order (its keypoints are y, x).
MOVENET_17 = dataclasses.replace(COCO_17, name="MoveNet-17")

# OpenPose's COCO model: a neck, its right side first.
COCO_18 = Conversion(
    name="COCO-18",
    joints=(
        "nose",
        "neck",
        "right_shoulder",
        "right_elbow",
        "right_wrist",
        "left_shoulder",
        "left_elbow",
        "left_wrist",
        "right_hip",
        "right_knee",
        "right_ankle",
        "left_hip",
        "left_knee",
        "left_ankle",
        "right_eye",
        "left_eye",
        "right_ear",
        "left_ear",
    ),
    sides=_COCO_SIDES,
    weights=_COCO_LIMBS
    | _axis(
        _mean("left_hip", "right_hip"),
        {"neck": 1.0},
        _mean("left_ear", "right_ear"),
    ),
)

# OpenPose's default, doc/02_output.md.
BODY_25 = Conversion(
    name="BODY_25",
    joints=(
        "nose",
        "neck",
        "right_shoulder",
        "right_elbow",
        "right_wrist",
        "left_shoulder",
        "left_elbow",
        "left_wrist",
        "mid_hip",
        "right_hip",
        "right_knee",
        "right_ankle",
        "left_hip",
        "left_knee",
        "left_ankle",
        "right_eye",
        "left_eye",
        "right_ear",
        "left_ear",
        "left_big_toe",
        "left_small_toe",
        "left_heel",
        "right_big_toe",
        "right_small_toe",
        "right_heel",
    ),
    sides=_COCO_SIDES + _sides(_LEFT, _RIGHT, "big_toe", "small_toe", "heel"),
    weights=_COCO_LIMBS
    | _axis(
        {"mid_hip": 1.0},
        {"neck": 1.0},
        _mean("left_ear", "right_ear"),
    ),
)

# AlphaPose, https://github.com/Fang-Haoshu/Halpe-FullBody.
HALPE_26 = Conversion(
    name="Halpe-26",
    joints=COCO_17.joints
    + (
        "head",
        "neck",
        "hip",
        "left_big_toe",
        "right_big_toe",
        "left_small_toe",
        "right_small_toe",
        "left_heel",
        "right_heel",
    ),
    sides=_COCO_SIDES + _sides(_LEFT, _RIGHT, "big_toe", "small_toe", "heel"),
    weights=_COCO_LIMBS
    | _axis(
        {"hip": 1.0},
        _mean("left_shoulder", "right_shoulder"),
        _mean("left_ear", "right_ear"),
    ),
)

# https://ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker
MEDIAPIPE_33 = Conversion(
    name="MediaPipe-33",
    joints=(
        "nose",
        "left_eye_inner",
        "left_eye",
        "left_eye_outer",
        "right_eye_inner",
        "right_eye",
        "right_eye_outer",
        "left_ear",
        "right_ear",
        "mouth_left",
        "mouth_right",
        "left_shoulder",
        "right_shoulder",
        "left_elbow",
        "right_elbow",
        "left_wrist",
        "right_wrist",
        "left_pinky",
        "right_pinky",
        "left_index",
        "right_index",
        "left_thumb",
        "right_thumb",
        "left_hip",
        "right_hip",
        "left_knee",
        "right_knee",
        "left_ankle",
        "right_ankle",
        "left_heel",
        "right_heel",
        "left_foot_index",
        "right_foot_index",
    ),
    sides=_COCO_SIDES
    + _sides(_LEFT, _RIGHT, "eye_inner", "eye_outer", "pinky", "index")
    + _sides(_LEFT, _RIGHT, "thumb", "heel", "foot_index")
    + (("mouth_left", "mouth_right"),),
    weights=_COCO_LIMBS | _COCO_AXIS,
)

# http://human-pose.mpi-inf.mpg.de; the right side first.
MPII_16 = Conversion(
    name="MPII-16",
    joints=(
        "right_ankle",
        "right_knee",
        "right_hip",
        "left_hip",
        "left_knee",
        "left_ankle",
        "pelvis",
        "thorax",
        "upper_neck",
        "head_top",
        "right_wrist",
        "right_elbow",
        "right_shoulder",
        "left_shoulder",
        "left_elbow",
        "left_wrist",
    ),
    sides=_sides(_LEFT, _RIGHT, *_DETECTED),
    weights=_COCO_LIMBS
    | {
        "Hip": {"pelvis": 1.0},
        "Spine": _spine({"pelvis": 1.0}, {"thorax": 1.0}),
        "Thorax": {"thorax": 1.0},
        "Neck/Nose": {"upper_neck": 1.0},
        # The Head joint of mocap is below the top.
        "Head": {"upper_neck": 0.35, "head_top": 0.65},
    },
)

# The relevant joints of MPI-INF-3DHP's test set (mpii_get_joint_set.m).
MPI_INF_3DHP_17 = Conversion(
    name="3DHP-17",
    joints=(
        "head_top",
        "neck",
        "right_shoulder",
        "right_elbow",
        "right_wrist",
        "left_shoulder",
        "left_elbow",
        "left_wrist",
        "right_hip",
        "right_knee",
        "right_ankle",
        "left_hip",
        "left_knee",
        "left_ankle",
        "pelvis",
        "spine",
        "head",
    ),
    sides=_sides(_LEFT, _RIGHT, *_DETECTED),
    weights=_COCO_LIMBS
    | {
        "Hip": {"pelvis": 1.0},
        "Spine": {"spine": 1.0},
        "Thorax": {"neck": 1.0},
        "Neck/Nose": {"head": 1.0},
        "Head": {"head_top": 1.0},
    },
)

# The 16-joint protocol lacks Neck/Nose.
HUMAN36M_16 = Conversion(
    name="H36M-16",
    joints=H36M_16.joints,
    sides=_sides("L{}", "R{}", *_SIDES),
    weights={joint: {joint: 1.0} for joint in H36M_17.joints}
    | {"Neck/Nose": _mean("Thorax", "Head")},
)

CONVERSIONS = {
    conversion.name: conversion
    for conversion in (
        COCO_17,
        COCO_18,
        BODY_25,
        HALPE_26,
        MEDIAPIPE_33,
        MOVENET_17,
        MPII_16,
        MPI_INF_3DHP_17,
        HUMAN36M_16,
    )
}

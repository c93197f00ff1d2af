"""Conversions from the skeletons of detectors and data sets."""

import dataclasses

from ampose_tf.conversion.rules import axis, below_top, limbs, middle, trunk
from ampose_tf.conversion.weighted import Conversion
from ampose_tf.skeleton import H36M_16, H36M_17

_LIMBS = limbs(
    "left_{}",
    "right_{}",
    ("hip", "knee", "ankle", "shoulder", "elbow", "wrist"),
)
_HIPS = (middle("left_hip", "right_hip"),)
_SHOULDERS = (middle("left_shoulder", "right_shoulder"),)


def _sides(joints):
    """Returns the pairs of joints with left and right in their names."""
    return tuple(
        (joint, joint.replace("left", "right"))
        for joint in joints
        if "left" in joint
    )


def _detected(name, joints, hip=(), thorax=(), neck=(), head=()):
    """Returns the conversion for a detector that uses COCO's names.

    Args:
        name: Name of the skeleton.
        joints: Joints of the skeleton.
        hip: Those of its joints that are at the midpoint of the hips.
        thorax: Those of its joints that are at the midpoint of the shoulders.
        neck: Alternatives for Neck/Nose, see `axis`.
        head: Alternatives for Head.
    """
    hips = (*({joint: 1.0} for joint in hip), *_HIPS)
    shoulders = (*({joint: 1.0} for joint in thorax), *_SHOULDERS)
    return Conversion(
        name=name,
        joints=joints,
        sides=_sides(joints),
        weights=_LIMBS | axis(joints, hips, shoulders, neck, head),
    )


# https://cocodataset.org/#keypoints-2020; also Detectron2, MMPose,
# AlphaPose and Ultralytics.
COCO_17 = _detected(
    "COCO-17",
    (
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
)

# MoveNet has COCO's joints in COCO's order (its keypoints are y, x).
MOVENET_17 = dataclasses.replace(COCO_17, name="MoveNet-17")

# OpenPose's COCO model: with a neck, right side first.
COCO_18 = _detected(
    "COCO-18",
    (
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
    thorax=("neck",),
)

# NVIDIA's trt_pose, tasks/human_pose/human_pose.json: the neck is last.
TRT_POSE_18 = _detected(
    "trt_pose-18", (*COCO_17.joints, "neck"), thorax=("neck",)
)

# OpenPose's default, doc/02_output.md.
BODY_25 = _detected(
    "BODY_25",
    (
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
    hip=("mid_hip",),
    thorax=("neck",),
)

# OpenPose's experimental model, poseParameters.cpp: neck and head are MPII's.
BODY_25B = _detected(
    "BODY_25B",
    (*COCO_17.joints, "upper_neck", "head_top", *BODY_25.joints[19:]),
    neck=({"upper_neck": 1.0},),
    head=(below_top("upper_neck"),),
)

# https://github.com/jin-s13/COCO-WholeBody: body and feet, which precede face
# and hands.
COCO_WHOLEBODY_133 = _detected(
    "COCO-WholeBody-133", (*COCO_17.joints, *BODY_25.joints[19:])
)

# AlphaPose, https://github.com/Fang-Haoshu/Halpe-FullBody.
HALPE_26 = _detected(
    "Halpe-26",
    (
        *COCO_17.joints,
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
    hip=("hip",),
)

# The same joints precede those of face and hands.
HALPE_136 = dataclasses.replace(HALPE_26, name="Halpe-136")

# https://posetrack.net, annotations of 2018: COCO's order, with the ends of
# the head in place of the eyes; ears are never labelled.
POSETRACK_17 = _detected(
    "PoseTrack-17",
    ("nose", "head_bottom", "head_top", *COCO_17.joints[3:]),
    neck=({"head_bottom": 1.0},),
    head=(below_top("head_bottom"),),
)

# https://ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker
MEDIAPIPE_33 = _detected(
    "MediaPipe-33",
    (
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
)

# http://human-pose.mpi-inf.mpg.de; the right side first.
_MPII_JOINTS = (
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
)
MPII_16 = Conversion(
    name="MPII-16",
    joints=_MPII_JOINTS,
    sides=_sides(_MPII_JOINTS),
    weights=_LIMBS
    | trunk(({"pelvis": 1.0},), ({"thorax": 1.0},))
    | {"Neck/Nose": {"upper_neck": 1.0}, "Head": below_top("upper_neck")},
)

# The relevant joints of MPI-INF-3DHP's test set (mpii_get_joint_set.m).
_3DHP_JOINTS = (
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
)
MPI_INF_3DHP_17 = Conversion(
    name="3DHP-17",
    joints=_3DHP_JOINTS,
    sides=_sides(_3DHP_JOINTS),
    weights=_LIMBS
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
    sides=tuple(
        (f"L{joint[1:]}", joint) for joint in H36M_16.joints if joint[0] == "R"
    ),
    weights={joint: {joint: 1.0} for joint in H36M_17.joints}
    | {"Neck/Nose": middle("Thorax", "Head")},
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
        # Skeletons with the same numbers or names of joints as some above,
        # which take precedence.
        TRT_POSE_18,
        BODY_25B,
        COCO_WHOLEBODY_133,
        HALPE_136,
        POSETRACK_17,
    )
}

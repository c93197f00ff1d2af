"""Other skeletons to Human3.6M's 17 joints, as data.

Each Human3.6M joint is a weighted mean of the other skeleton's joints. The
weights sum to one, so that what is converted moves, scales and turns with the
image. A joint may have several such means in order of preference, its
alternatives: the first whose sources are all seen is taken.

Human3.6M's Thorax, Neck/Nose and Head are mocap joints on the axis of the
neck, which no detector has. Where a skeleton has ears they are placed on the
line from the middle of the shoulders to the middle of the ears (0.22 m long
in adults): Neck/Nose half-way up, Head a tenth beyond. The Spine is at 0.45
of the way from the hip to the middle of the shoulders, between CMU's 0.42 and
Human3.6M's 0.5.

Where an ear is not seen, the middle of the ears is taken from what is, in
the proportions of adults whose heads look ahead: ears 0.15 m apart, eyes
0.065 m, shoulders 0.36 m.

1. One ear, moved inwards by a fifth of the line between the shoulders.
2. The middle of the eyes, which is 0.1 m in front of that of the ears.
3. One eye, moved inwards by a tenth of that line.
4. The nose; then one eye or ear as it is, where a shoulder is not seen.

Where both ears are seen, the middles found so are from the true one by 16 mm
(1), 17 mm (2), 20 mm (3) and 47 mm (4, the nose) as OpenPose sees a man from
the front and two sides, and by 26, 29, 31 and 51 mm as MediaPipe does.
Neck/Nose is again half-way up. Head is a fifth beyond: the man's ears are
only 0.17 m from the middle of his shoulders, mocap's Head is 0.23 m. The
other joints that `ampose_s` makes of OpenPose's are off by 1.9 mm more than
with the head unseen, with a tenth beyond by 3.2 mm more.

Without shoulders, the middle of the ears itself is the Head, and Neck/Nose
is not seen.
"""

import dataclasses
import functools

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
        weights: For each of Human3.6M's joints, {joint: weight}, or a tuple
            of these, the joint's alternatives; each one's weights sum to one.
    """

    name: str
    joints: tuple[str, ...]
    sides: tuple[tuple[str, str], ...]
    weights: dict[str, dict[str, float] | tuple[dict[str, float], ...]]

    @property
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


def _first_of(alternatives):
    """Returns a joint's weights, without alternatives that are never taken.

    These need all that an earlier one needs.
    """
    kept = []
    for weights in alternatives:
        if not any(set(earlier) <= set(weights) for earlier in kept):
            kept.append(weights)
    return kept[0] if len(kept) == 1 else tuple(kept)


def _ears():
    """Returns alternatives for the middle of the ears, best first."""
    inwards = {"left": 1, "right": -1}

    def moved(joint, part):
        return [
            {
                f"{side}_{joint}": 1.0,
                "right_shoulder": sign * part,
                "left_shoulder": -sign * part,
            }
            for side, sign in inwards.items()
        ]

    return [
        _mean("left_ear", "right_ear"),
        *moved("ear", 0.2),
        _mean("left_eye", "right_eye"),
        *moved("eye", 0.1),
        {"nose": 1.0},
        *({f"{side}_eye": 1.0} for side in inwards),
        *({f"{side}_ear": 1.0} for side in inwards),
    ]


def _below_top(neck):
    """Returns the weights of Head, which in mocap is below the top."""
    return {neck: 0.35, "head_top": 0.65}


def _trunk(hips, shoulders):
    """Returns the weights of the axis up to the shoulders.

    Args:
        hips: Alternatives for the middle of the hips.
        shoulders: Alternatives for the middle of the shoulders.
    """
    return {
        "Hip": _first_of(hips),
        "Spine": _first_of(
            _combined((0.55, hip), (0.45, middle))
            for hip in hips
            for middle in shoulders
        ),
        "Thorax": _first_of(shoulders),
    }


def _axis(hips, shoulders, necks=(), heads=()):
    """Returns the weights of the five joints of the body's axis.

    Args:
        hips: As of `_trunk`.
        shoulders: As of `_trunk`.
        necks: Alternatives for Neck/Nose that go before those of ears, eyes
            and nose.
        heads: The same for Head.
    """
    ears = _ears()
    necks, heads = list(necks), list(heads)
    for one in ears:
        beyond = 0.1 if one is ears[0] else 0.2
        for middle in shoulders:
            necks.append(_combined((0.5, one), (0.5, middle)))
            heads.append(_combined((1 + beyond, one), (-beyond, middle)))
    return _trunk(hips, shoulders) | {
        "Neck/Nose": _first_of(necks),
        "Head": _first_of([*heads, *ears]),
    }


_DETECTED = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
_LEFT, _RIGHT = "left_{}", "right_{}"
_COCO_LIMBS = _limbs(_LEFT, _RIGHT, _DETECTED)
_COCO_SIDES = _sides(_LEFT, _RIGHT, "eye", "ear", *_DETECTED)
_FEET = _sides(_LEFT, _RIGHT, "big_toe", "small_toe", "heel")
_HIPS = (_mean("left_hip", "right_hip"),)
_SHOULDERS = (_mean("left_shoulder", "right_shoulder"),)
_COCO_AXIS = _axis(_HIPS, _SHOULDERS)

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
    weights=_COCO_LIMBS | _axis(_HIPS, ({"neck": 1.0}, *_SHOULDERS)),
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
    sides=_COCO_SIDES + _FEET,
    weights=_COCO_LIMBS
    | _axis(({"mid_hip": 1.0}, *_HIPS), ({"neck": 1.0}, *_SHOULDERS)),
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
    sides=_COCO_SIDES + _FEET,
    weights=_COCO_LIMBS | _axis(({"hip": 1.0}, *_HIPS), _SHOULDERS),
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
    | _trunk(({"pelvis": 1.0},), ({"thorax": 1.0},))
    | {"Neck/Nose": {"upper_neck": 1.0}, "Head": _below_top("upper_neck")},
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

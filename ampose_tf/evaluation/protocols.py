"""Evaluation protocols: flip ensemble, errors, and how they are averaged."""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ampose_tf.data.poses import Poses
from ampose_tf.evaluation import metrics
from ampose_tf.skeleton import Skeleton, flip_ensemble

METRICS = {
    "mpjpe_mm": metrics.mpjpe,
    "p_mpjpe_mm": metrics.p_mpjpe,
    "n_mpjpe_mm": metrics.n_mpjpe,
}

# MPI-INF-3DHP's scenes: with a green screen, without one, and outdoors.
SCENES = {
    "GS": ("TS1", "TS2"),
    "noGS": ("TS3", "TS4"),
    "Outdoor": ("TS5", "TS6"),
}
ALL_SCENES = "All"
OFFICIAL_POSES = 2929
# Human3.6M joints that MPI-INF-3DHP's tool (mpii_compute_3d_pck.m) leaves out
# of its fourteen: pelvis, spine and head; its head_top is our Head.
_NOT_OFFICIAL = ("Hip", "Spine", "Neck/Nose")


class Lifted(NamedTuple):
    """Predictions of a model for N poses.

    Attributes:
        single: (N, J, 3) metres, from a single call.
        ensemble: (N, J, 3) metres, mean of the predictions for each image and
            its mirror image.
        headline: The one of these two that the figures refer to.
        flip: Whether `headline` is the ensemble.
        seconds: Duration of all calls.
    """

    single: np.ndarray
    ensemble: np.ndarray
    headline: np.ndarray
    flip: bool
    seconds: float


def lift(
    predict: Callable,
    poses: Poses,
    skeleton: Skeleton,
    flip: bool,
    seen: np.ndarray | None = None,
) -> Lifted:
    """Predicts with and without flip ensemble.

    Args:
        predict: `predict(keypoints_2d, seen=None)`, (N, J, 2) to (N, J, 3).
        poses: The N pairs of keypoints and pose.
        skeleton: Skeleton of their joints.
        flip: Whether the headline is the flip ensemble.
        seen: (N, J) bool, joints that `predict` treats as seen; None for all.

    Raises:
        ValueError: If there are no poses, or a prediction is not finite.
    """
    if not poses.count:
        raise ValueError("Expected poses to evaluate on, got none")
    start = time.perf_counter()
    single, _, ensemble = flip_ensemble(
        predict, poses.keypoints_2d, skeleton, seen
    )
    if not np.isfinite(ensemble).all():
        raise ValueError("The model's predictions hold NaN or infinite values")
    seconds = time.perf_counter() - start
    return Lifted(
        single, ensemble, ensemble if flip else single, flip, seconds
    )


def evaluate(
    predict: Callable,
    poses: Poses,
    skeleton: Skeleton,
    average: str,
    flip: bool,
    seen: np.ndarray | None = None,
    joints: np.ndarray | None = None,
    refine: Callable | None = None,
) -> dict:
    """Returns the result of `judge` for the predictions of `lift`."""
    lifted = lift(predict, poses, skeleton, flip, seen)
    return judge(lifted, poses, skeleton, average, joints, refine)


def judge(
    lifted: Lifted,
    poses: Poses,
    skeleton: Skeleton,
    average: str,
    joints: np.ndarray | None = None,
    refine: Callable | None = None,
) -> dict:
    """Compares a model's predictions with the truth.

    Args:
        lifted: From `lift`.
        poses: The poses that were lifted.
        skeleton: Skeleton of their joints.
        average: `"actions"`: the unweighted mean of the actions' means, as in
            Human3.6M's tables; `"poses"`: the mean over poses.
        joints: Indices of the joints to judge, hip first; None for all.
        refine: Pose refinement, a function of the headline's poses_3d, the
            keypoints, and the poses' `intrinsics` and `root_depth`.

    Returns:
        `poses` (N), `average`, `flip_ensemble` (bool), `seconds`;
        `mpjpe_mm`, `p_mpjpe_mm`, `n_mpjpe_mm`; `single_mpjpe_mm` (no
        ensemble), `ensemble_mpjpe_mm`; `median_mm` and `percentile_90_mm` of
        the poses' MPJPE; `actions` and `subjects`, {name: the three errors
        and `poses`} for those that occur; `joints`, {name: mean distance in
        mm over poses}. With `refine`, also `refined`: the same errors and
        groups after refinement.

    Raises:
        ValueError: If `average` is unknown, or the poses lack what `refine`
            needs.
    """
    if average not in ("actions", "poses"):
        raise ValueError(
            f"Unknown average {average!r}; expected actions, poses"
        )
    if joints is None:
        joints = np.arange(len(skeleton.joints))
    target = poses.poses_3d[:, joints]
    actions = _groups(poses.actions, poses.action_names)
    subjects, indices = np.unique(poses.subjects, return_inverse=True)
    subjects = _groups(indices, subjects.tolist())

    def averaged(values):
        if average == "poses":
            return 1000 * float(values.mean())
        means = [values[group].mean() for group in actions.values()]
        return 1000 * float(np.mean(means))

    def errors_of(predicted):
        predicted = predicted[:, joints]
        errors = {name: f(predicted, target) for name, f in METRICS.items()}
        median, high = np.percentile(errors["mpjpe_mm"], [50, 90])
        distances = metrics.joint_distances(predicted, target).mean(axis=0)
        return {
            **{name: averaged(values) for name, values in errors.items()},
            "median_mm": 1000 * float(median),
            "percentile_90_mm": 1000 * float(high),
            "actions": _by_group(errors, actions),
            "subjects": _by_group(errors, subjects),
            "joints": {
                skeleton.joints[joint]: 1000 * float(distance)
                for joint, distance in zip(joints, distances, strict=True)
            },
        }

    def mpjpe_of(predicted):
        return averaged(metrics.mpjpe(predicted[:, joints], target))

    report = {
        "poses": poses.count,
        "average": average,
        "flip_ensemble": lifted.flip,
        "seconds": lifted.seconds,
        "single_mpjpe_mm": mpjpe_of(lifted.single),
        "ensemble_mpjpe_mm": mpjpe_of(lifted.ensemble),
        **errors_of(lifted.headline),
    }
    if refine is not None:
        report["refined"] = errors_of(_refined(refine, lifted.headline, poses))
    return report


def judge_mpi_inf_3dhp(
    lifted: Lifted, poses: Poses, skeleton: Skeleton
) -> dict:
    """Compares predictions for MPI-INF-3DHP's test set with the truth.

    All frames count equally, both hips are at the origin, and nothing is
    scaled or rotated. The official tool counts 14 joints. Most other
    repositories count all joints, including the hip, which is always correct;
    it is not known which of the two the paper did.

    Args:
        lifted: From `lift`.
        poses: Poses whose actions are the sequences TS1 to TS6.
        skeleton: Skeleton of their joints.

    Returns:
        The result of `judge` averaged over poses, and `scenes`, {scene or
        `ALL_SCENES`: `poses` and, in percent, `pck` and `auc` of the official
        joints, `pck_all_joints` and `auc_all_joints`} for those that occur.
    """
    predicted = lifted.headline
    official = [
        index
        for index, name in enumerate(skeleton.joints)
        if name not in _NOT_OFFICIAL
    ]
    shares = {
        "pck": metrics.pck(predicted, poses.poses_3d, joints=official),
        "auc": metrics.auc(predicted, poses.poses_3d, joints=official),
        "pck_all_joints": metrics.pck(predicted, poses.poses_3d),
        "auc_all_joints": metrics.auc(predicted, poses.poses_3d),
    }
    sequences = np.array(poses.action_names)[poses.actions]
    scenes = SCENES | {ALL_SCENES: poses.action_names}
    return judge(lifted, poses, skeleton, "poses") | {
        "scenes": {
            scene: {
                name: 100 * float(values[within].mean())
                for name, values in shares.items()
            }
            | {"poses": int(within.sum())}
            for scene, names in scenes.items()
            if (within := np.isin(sequences, names)).any()
        }
    }


def judge_dataset(
    dataset: str,
    lifted: Lifted,
    poses: Poses,
    skeleton: Skeleton,
    refine: Callable | None = None,
) -> dict:
    """Judges predictions by the protocol of a data set.

    Args:
        dataset: `config.Data.dataset`.
        lifted: From `lift`.
        poses: See `judge`.
        skeleton: See `judge`.
        refine: See `judge`.

    Returns:
        The result of `judge_mpi_inf_3dhp` for that test set; otherwise the
        result of `judge`, averaged over actions for Human3.6M's files, as in
        its tables, and over poses for motion archives, which define no rule.

    Raises:
        ValueError: See `judge`.
    """
    if dataset == "mpi_inf_3dhp":
        if refine is not None:
            raise ValueError(
                "Pose refinement needs intrinsics, which MPI-INF-3DHP's "
                "protocol leaves out; evaluate the lifter instead"
            )
        return judge_mpi_inf_3dhp(lifted, poses, skeleton)
    average = "poses" if dataset == "mocap" else "actions"
    return judge(lifted, poses, skeleton, average, refine=refine)


def _refined(refine, poses_3d, poses: Poses):
    if poses.intrinsics is None or poses.root_depth is None:
        raise ValueError(
            "Pose refinement needs the cameras' intrinsics and the hip's true "
            "distance; this data has none"
        )
    refined = refine(
        np.asarray(poses_3d, np.float32),
        poses.keypoints_2d,
        poses.intrinsics,
        poses.root_depth,
    )
    if not np.isfinite(refined).all():
        raise ValueError("The refinement's poses hold NaN or infinite values")
    return refined


def _by_group(errors, groups):
    return {
        name: {
            **{
                metric: 1000 * float(values[group].mean())
                for metric, values in errors.items()
            },
            "poses": len(group),
        }
        for name, group in groups.items()
    }


def _groups(indices, names):
    """Returns {name: indices of its poses} for the names that occur."""
    groups = {
        name: np.flatnonzero(indices == index)
        for index, name in enumerate(names)
    }
    return {name: group for name, group in groups.items() if len(group)}

"""How poses are judged: flip ensemble, errors, and what is averaged."""

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

# MPI-INF-3DHP's scenes: with a green screen, without, and outdoors.
SCENES = {
    "GS": ("TS1", "TS2"),
    "noGS": ("TS3", "TS4"),
    "Outdoor": ("TS5", "TS6"),
}
ALL_SCENES = "All"
OFFICIAL_POSES = 2929
# Of Human3.6M's joints, those that its tool (mpii_compute_3d_pck.m) leaves
# out of its fourteen: pelvis, spine and head; its head_top is our Head.
_NOT_OFFICIAL = ("Hip", "Spine", "Neck/Nose")


class Lifted(NamedTuple):
    """What a model makes of N poses.

    Attributes:
        single: (N, J, 3) metres, one call.
        ensemble: (N, J, 3), the mean with the mirror image's.
        headline: The one of both that figures are of.
        flip: Whether that is the ensemble.
        seconds: What all calls took.
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
        poses: The N pairs.
        skeleton: Of their joints.
        flip: Whether the headline is the flip ensemble.
        seen: (N, J) bool, which joints `predict` is told; None for all.

    Raises:
        ValueError: Where there is no pose, or a prediction is not finite.
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
    """Returns what `judge` makes of what `lift` returns."""
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
    """Compares what a model made of poses with the truth.

    Args:
        lifted: From `lift`.
        poses: The same poses.
        skeleton: Of their joints.
        average: `"actions"`: the unweighted mean of the actions' means, as
            Human3.6M's tables have it; `"poses"`: the mean over poses.
        joints: Indices of those that are judged, the hip first; None for all.
        refine: Pose refinement, a function of the headline's poses_3d, the
            keypoints, and the poses' `intrinsics` and `root_depth`.

    Returns:
        `poses` (N), `average`, `flip_ensemble` (bool), `seconds`;
        `mpjpe_mm`, `p_mpjpe_mm`, `n_mpjpe_mm`; `single_mpjpe_mm` (no
        ensemble), `ensemble_mpjpe_mm`; `median_mm` and `percentile_90_mm`,
        of the poses' MPJPE; `actions` and `subjects`, {name: the three errors
        and `poses`} of those that occur; `joints`, {name: mean distance in mm
        over poses}. With `refine` also `refined`: the same errors and groups
        after it.

    Raises:
        ValueError: Where `average` is unknown, or `refine` lacks what it
            needs of the poses.
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
    """Compares what a model made of MPI-INF-3DHP's test set with the truth.

    Joints are counted, all frames alike, both hips at the origin, nothing
    scaled or turned. The official tool counts 14 joints. Most other
    repositories count all, the hip included, which is always right; which
    the paper did is not known.

    Args:
        lifted: From `lift`.
        poses: Their actions are the sequences TS1 to TS6.
        skeleton: Of their joints.

    Returns:
        What `judge` returns with the mean of poses, and `scenes`, {scene
        or `ALL_SCENES`: `poses` and, in percent, `pck` and `auc` of the
        official joints, `pck_all_joints` and `auc_all_joints`} of those that
        occur.
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
    """Judges by the protocol of a data set.

    Args:
        dataset: `config.Data.dataset`.
        lifted: See `judge`, and so on.

    Returns:
        From `judge_mpi_inf_3dhp` for that test set; otherwise from `judge`,
        with the mean of actions for Human3.6M's files, whose tables have it,
        and of poses for motion archives, which have no rule.

    Raises:
        ValueError: As `judge`.
    """
    if dataset == "mpi_inf_3dhp":
        if refine is not None:
            raise ValueError(
                "Pose refinement needs intrinsics, which MPI-INF-3DHP's "
                "protocol leaves out; judge its lifter's model"
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
    """Returns {name: which poses} of the names that occur."""
    groups = {
        name: np.flatnonzero(indices == index)
        for index, name in enumerate(names)
    }
    return {name: group for name, group in groups.items() if len(group)}

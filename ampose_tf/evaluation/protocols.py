"""How poses are judged: flip ensemble, errors, and what is averaged."""

from collections.abc import Callable

import numpy as np

from ampose_tf.evaluation import metrics
from ampose_tf.skeleton import Skeleton, mirror

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
# Of Human3.6M's joints, those that its tool (mpii_compute_3d_pck.m) leaves
# out of its fourteen: pelvis, spine and head; its head_top is our Head.
_NOT_OFFICIAL = ("Hip", "Spine", "Neck/Nose")


def predict_mirrored(
    predict: Callable,
    keypoints_2d: np.ndarray,
    skeleton: Skeleton,
    seen: np.ndarray | None = None,
) -> np.ndarray:
    """Predicts from the mirror images and mirrors back.

    The flip ensemble is the mean of this and the prediction itself.

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


def evaluate(
    predict: Callable,
    poses,
    skeleton: Skeleton,
    average: str,
    flip: bool,
    seen: np.ndarray | None = None,
    joints: np.ndarray | slice = slice(None),
) -> dict:
    """Judges `predict` on poses with known truth.

    Args:
        predict: `predict(keypoints_2d, seen=None)`, (N, J, 2) to (N, J, 3).
        poses: `Poses` of N pairs.
        skeleton: Of their joints.
        average: `"actions"`: the unweighted mean of the actions' means, as
            Human3.6M's tables have it; `"poses"`: the mean over poses.
        flip: Whether the headline figures are the flip ensemble's; the
            report holds MPJPE both ways.
        seen: (N, J) bool, which joints `predict` is told; None for all.
        joints: Which ones are judged, the hip first.

    Returns:
        `poses` (N), `average`, `flip_ensemble` (bool), `mpjpe_mm`,
        `p_mpjpe_mm`, `n_mpjpe_mm`, `single_mpjpe_mm` (no ensemble),
        `ensemble_mpjpe_mm`, and `actions` and `subjects`, {name: the three
        errors and `poses`} of those that occur.

    Raises:
        ValueError: Where there is no pose, or a prediction is not finite.
    """
    if average not in ("actions", "poses"):
        raise ValueError(
            f"Unknown average {average!r}; expected actions, poses"
        )
    single, ensemble = _predictions(predict, poses, skeleton, seen)
    return _judged(single, ensemble, poses, average, flip, joints)


def evaluate_mpi_inf_3dhp(
    predict: Callable, poses, skeleton: Skeleton, flip: bool
) -> dict:
    """Judges `predict` on MPI-INF-3DHP's test set.

    Joints are counted, all frames alike, both hips at the origin, nothing
    scaled or turned. The official tool counts 14 joints. Most other
    repositories count all, the hip included, which is always right; which
    the paper did is not known.

    Args:
        predict: See `evaluate`, and so on.
        poses: `Poses` whose actions are the sequences TS1 to TS6.

    Returns:
        What `evaluate` returns with the mean of poses, and `scenes`, {scene
        or `ALL_SCENES`: `poses` and, in percent, `pck` and `auc` of the
        official joints, `pck_all_joints` and `auc_all_joints`} of those that
        occur.

    Raises:
        ValueError: As `evaluate`.
    """
    single, ensemble = _predictions(predict, poses, skeleton, None)
    predicted = ensemble if flip else single
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
    return _judged(single, ensemble, poses, "poses", flip) | {
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


def evaluate_dataset(
    dataset: str, predict: Callable, poses, skeleton: Skeleton, flip: bool
) -> dict:
    """Judges `predict` by the protocol of a data set.

    Args:
        dataset: `config.Data.dataset`.
        predict: See `evaluate`, and so on.

    Returns:
        From `evaluate_mpi_inf_3dhp` for that test set; otherwise from
        `evaluate`, with the mean of actions for Human3.6M's files, whose
        tables have it, and of poses for motion archives, which have no rule.
    """
    if dataset == "mpi_inf_3dhp":
        return evaluate_mpi_inf_3dhp(predict, poses, skeleton, flip)
    average = "poses" if dataset == "mocap" else "actions"
    return evaluate(predict, poses, skeleton, average, flip)


def _predictions(predict, poses, skeleton, seen):
    """Returns the predictions without and with flip ensemble."""
    if not len(poses.poses_3d):
        raise ValueError("Expected poses to evaluate on, got none")
    keypoints_2d = poses.keypoints_2d
    if seen is None:
        single = predict(keypoints_2d)
    else:
        single = predict(keypoints_2d, seen)
    mirrored = predict_mirrored(predict, keypoints_2d, skeleton, seen)
    ensemble = (single + mirrored) / 2
    if not np.isfinite(ensemble).all():
        raise ValueError("The model's predictions hold NaN or infinite values")
    return single, ensemble


def _judged(single, ensemble, poses, average, flip, joints=slice(None)):
    """Returns what `evaluate` does."""
    single, ensemble, target = (
        array[:, joints] for array in (single, ensemble, poses.poses_3d)
    )
    predicted = ensemble if flip else single
    errors = {name: f(predicted, target) for name, f in METRICS.items()}
    actions = _groups(poses.actions, poses.action_names)

    def averaged(values):
        if average == "poses":
            return 1000 * float(values.mean())
        means = [values[group].mean() for group in actions.values()]
        return 1000 * float(np.mean(means))

    def of_group(group):
        return {
            name: 1000 * float(values[group].mean())
            for name, values in errors.items()
        } | {"poses": len(group)}

    subjects, indices = np.unique(poses.subjects, return_inverse=True)
    return {
        "poses": len(target),
        "average": average,
        "flip_ensemble": flip,
        **{name: averaged(values) for name, values in errors.items()},
        "single_mpjpe_mm": averaged(metrics.mpjpe(single, target)),
        "ensemble_mpjpe_mm": averaged(metrics.mpjpe(ensemble, target)),
        "actions": {name: of_group(g) for name, g in actions.items()},
        "subjects": {
            name: of_group(group)
            for name, group in _groups(indices, subjects.tolist()).items()
        },
    }


def _groups(indices, names):
    """Returns {name: which poses} of the names that occur."""
    groups = {
        name: np.flatnonzero(indices == index)
        for index, name in enumerate(names)
    }
    return {name: group for name, group in groups.items() if len(group)}

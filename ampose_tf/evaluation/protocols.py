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
    refine: Callable | None = None,
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
        refine: Pose refinement, a function of the headline's poses_3d, the
            keypoints, and the poses' `intrinsics` and `root_depth`.

    Returns:
        `poses` (N), `average`, `flip_ensemble` (bool), `mpjpe_mm`,
        `p_mpjpe_mm`, `n_mpjpe_mm`, `single_mpjpe_mm` (no ensemble),
        `ensemble_mpjpe_mm`, and `actions` and `subjects`, {name: the three
        errors and `poses`} of those that occur. With `refine` also
        `refined`: the same three errors, `actions` and `subjects` after it.

    Raises:
        ValueError: Where there is no pose, a prediction is not finite, or
            `refine` lacks what it needs of the poses.
    """
    target = poses.poses_3d
    if not len(target):
        raise ValueError("Expected poses to evaluate on, got none")
    if average not in ("actions", "poses"):
        raise ValueError(
            f"Unknown average {average!r}; expected actions, poses"
        )
    keypoints_2d = poses.keypoints_2d
    if seen is None:
        single = predict(keypoints_2d)
    else:
        single = predict(keypoints_2d, seen)
    mirrored = predict_mirrored(predict, keypoints_2d, skeleton, seen)
    ensemble = (single + mirrored) / 2
    if not np.isfinite(ensemble).all():
        raise ValueError("The model's predictions hold NaN or infinite values")
    actions = _groups(poses.actions, poses.action_names)

    def averaged(values):
        if average == "poses":
            return 1000 * float(values.mean())
        means = [values[group].mean() for group in actions.values()]
        return 1000 * float(np.mean(means))

    def mpjpe_of(predicted):
        errors = metrics.mpjpe(predicted[:, joints], target[:, joints])
        return averaged(errors)

    def judged(predicted):
        errors = {
            name: metric(predicted[:, joints], target[:, joints])
            for name, metric in METRICS.items()
        }
        return {
            **{name: averaged(values) for name, values in errors.items()},
            "actions": _by_group(errors, actions),
            "subjects": _by_group(errors, _groups_of_subjects(poses)),
        }

    headline = ensemble if flip else single
    report = {
        "poses": len(target),
        "average": average,
        "flip_ensemble": flip,
        "single_mpjpe_mm": mpjpe_of(single),
        "ensemble_mpjpe_mm": mpjpe_of(ensemble),
        **judged(headline),
    }
    if refine is not None:
        report["refined"] = judged(_refined(refine, headline, poses))
    return report


def _refined(refine, poses_3d, poses):
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


def _groups_of_subjects(poses):
    names, indices = np.unique(poses.subjects, return_inverse=True)
    return _groups(indices, names.tolist())


def _groups(indices, names):
    """Returns {name: which poses} of the names that occur."""
    groups = {
        name: np.flatnonzero(indices == index)
        for index, name in enumerate(names)
    }
    return {name: group for name, group in groups.items() if len(group)}

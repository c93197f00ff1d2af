"""What models of real motion must stand, and how they stand it."""

import dataclasses

import numpy as np

from ampose_tf.config import Config
from ampose_tf.data import mocap
from ampose_tf.evaluation import protocols

# Focal lengths of 65 degrees over 1280 pixels and of 95 degrees over 1280.
_PORTRAIT = {
    "image_width": 720,
    "image_height": 1280,
    "focal_length_px": 640 / np.tan(np.radians(65 / 2)).item(),
    "inside_image": True,
}
_LOW = {"height_m": (0.2, 0.6), "inside_image": True}
_WIDE = {
    "image_width": 1280,
    "image_height": 720,
    "focal_length_px": 640 / np.tan(np.radians(95 / 2)).item(),
    "distance_m": (2.5, 4.0),
    "inside_image": True,
}
CONDITIONS = {
    "fixed": {},
    "portrait": _PORTRAIT,
    "low": _LOW,
    "wide": _WIDE,
    "low and wide": _LOW | _WIDE,
    "noisy": {"noise": 0.01},
}
HIDDEN = ("LWrist", "RWrist", "RFoot")


def poses_of(experiment: Config) -> dict:
    """Returns {condition: `Poses`} of a config's validation subjects."""
    data = experiment.data
    motion = mocap.load(
        data.root, data.archives, "validation", data.validation_subjects
    )
    return {
        name: mocap.seen_by_cameras(
            motion,
            dataclasses.replace(data.cameras, **changes),
            data.cameras.validation_seed,
            experiment.model.normalisation,
            data.validation_stride,
        )
        for name, changes in CONDITIONS.items()
    }


def judge(predict, conditions: dict) -> dict:
    """Returns the errors of a model under each condition.

    Args:
        predict: A `Predictor`.
        conditions: {name: `Poses`}, of which "fixed" is seen a second time
            with joints hidden.

    Returns:
        {condition: {`mpjpe_mm`, `p_mpjpe_mm`, `n_mpjpe_mm` of the flip
        ensemble, `single_mpjpe_mm`, `poses`, `subjects`: {subject: MPJPE in
        mm}}}. Of "hidden" the errors are those of the joints that stay, and
        `same_joints_seen_mm` is what they are with all seen.
    """
    skeleton = predict.skeleton
    judged = {
        name: protocols.evaluate(predict, poses, skeleton, "poses", True)
        for name, poses in conditions.items()
    }
    for name, poses in conditions.items():
        errors = _errors(_ensemble(predict, poses, None), poses, slice(None))
        judged[name]["subjects"] = {
            str(subject): float(errors[poses.subjects == subject].mean())
            for subject in np.unique(poses.subjects)
        }
    if predict.seen_input:
        poses = conditions["fixed"]
        hidden = [skeleton.joints.index(joint) for joint in HIDDEN]
        stay = np.setdiff1d(np.arange(len(skeleton.joints)), hidden)
        seen = np.ones(poses.keypoints_2d.shape[:2], bool)
        seen[:, hidden] = False
        judged["hidden"] = {
            "poses": poses.count,
            "single_mpjpe_mm": float(
                _errors(predict(poses.keypoints_2d, seen), poses, stay).mean()
            ),
            "mpjpe_mm": float(
                _errors(_ensemble(predict, poses, seen), poses, stay).mean()
            ),
            "same_joints_seen_mm": float(
                _errors(_ensemble(predict, poses, None), poses, stay).mean()
            ),
        }
    return judged


def as_text(judged: dict) -> str:
    """Returns the report of one model as a table, in millimetres."""
    lines = [
        f"{'':14}{'poses':>7}{'MPJPE':>8}{'one call':>10}{'P-MPJPE':>9}"
        f"{'N-MPJPE':>9}{'over fixed':>12}"
    ]
    fixed = judged["fixed"]["mpjpe_mm"]
    for name, row in judged.items():
        base = row.get("same_joints_seen_mm", fixed)
        over = row["mpjpe_mm"] / base - 1
        rest = "".join(
            f"{row[metric]:9.1f}" if metric in row else f"{'':9}"
            for metric in ("p_mpjpe_mm", "n_mpjpe_mm")
        )
        lines.append(
            f"{name:14}{row['poses']:7}{row['mpjpe_mm']:8.1f}"
            f"{row['single_mpjpe_mm']:10.1f}{rest}{over:+12.0%}"
        )
    subjects = judged["fixed"]["subjects"].items()
    lines.append("fixed: " + ", ".join(f"{s} {e:.1f}" for s, e in subjects))
    return "\n".join(lines)


def _ensemble(predict, poses, seen):
    keypoints_2d = poses.keypoints_2d
    mirrored = protocols.predict_mirrored(
        predict, keypoints_2d, predict.skeleton, seen
    )
    return (predict(keypoints_2d, seen) + mirrored) / 2


def _errors(predicted, poses, joints):
    """Returns (N,) millimetres over some joints, both hips at the origin."""
    predicted = predicted - predicted[:, :1]
    distance = np.linalg.norm(predicted - poses.poses_3d, axis=-1)
    return 1000 * distance[:, joints].mean(axis=1)

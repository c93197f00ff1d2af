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
SEEN = "same joints, seen"


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
        conditions: {name: `Poses`}, of which "fixed" is seen twice more, with
            joints hidden ("hidden") and with all seen ("same joints, seen");
            both are judged by the joints that stay.

    Returns:
        {condition: what `protocols.evaluate` returns}, means over poses.
    """
    skeleton = predict.skeleton

    def evaluate(poses, seen=None, joints=None):
        return protocols.evaluate(
            predict, poses, skeleton, "poses", True, seen, joints
        )

    judged = {name: evaluate(poses) for name, poses in conditions.items()}
    if predict.seen_input:
        poses = conditions["fixed"]
        stay = [name not in HIDDEN for name in skeleton.joints]
        seen = np.tile(stay, (poses.count, 1))
        judged["hidden"] = evaluate(poses, seen, np.flatnonzero(stay))
        judged[SEEN] = evaluate(poses, None, np.flatnonzero(stay))
    return judged


def as_text(judged: dict) -> str:
    """Returns the report of one model as a table, in millimetres."""
    lines = [
        f"{'':18}{'poses':>7}{'MPJPE':>8}{'one call':>10}{'P-MPJPE':>9}"
        f"{'N-MPJPE':>9}{'over fixed':>12}"
    ]
    for name, row in judged.items():
        base = judged[SEEN if name == "hidden" else "fixed"]
        over = row["mpjpe_mm"] / base["mpjpe_mm"] - 1
        lines.append(
            f"{name:18}{row['poses']:7}{row['mpjpe_mm']:8.1f}"
            f"{row['single_mpjpe_mm']:10.1f}{row['p_mpjpe_mm']:9.1f}"
            f"{row['n_mpjpe_mm']:9.1f}{over:+12.0%}"
        )
    subjects = judged["fixed"]["subjects"].items()
    lines.append(
        "fixed: "
        + ", ".join(f"{name} {row['mpjpe_mm']:.1f}" for name, row in subjects)
    )
    return "\n".join(lines)

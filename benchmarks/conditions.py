"""What models of real motion must stand, and how they stand it."""

import dataclasses
from typing import NamedTuple

import numpy as np

from ampose_tf.config import Config
from ampose_tf.data import mocap
from ampose_tf.data.poses import Poses
from ampose_tf.evaluation import protocols
from ampose_tf.skeleton import H36M_17
from benchmarks import measures

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
# Whatever is aimed at from wherever, it is 30 to 60 degrees below.
STEEP = {"distance_m": (3.0, 4.0), "height_m": (3.45, 5.85)}
# Who does exercises; the other conditions are of the others.
EXERCISES = ("UIPRMD10",)
# As a detector sees which others.
DETECTED = {
    "detected": "fixed",
    "detected steep": "steep",
    "detected behind": "behind",
}
HIDDEN = ("LWrist", "RWrist", "RFoot")
SEEN = "same joints, seen"


class Condition(NamedTuple):
    """What a model is given, and the truth.

    Attributes:
        poses: The truth, and the keypoints as they are given.
        seen: (N, J) bool, which joints the model is told; None for all.
    """

    poses: Poses
    seen: np.ndarray | None = None


def conditions_of(experiment: Config) -> dict[str, Condition]:
    """Returns {name: `Condition`} of a config's validation subjects."""
    # Lazily: who imports this module for the cameras needs no Keras.
    from benchmarks.detected_poses import detected_poses

    data = experiment.data

    def seen_by(motion, changes):
        return mocap.seen_by_cameras(
            motion,
            dataclasses.replace(data.cameras, **changes),
            data.cameras.validation_seed,
            experiment.model.normalisation,
            data.validation_stride,
        )

    people, exercising = _motion_of(data)
    poses = {
        name: seen_by(people, changes)
        for name, changes in (CONDITIONS | {"steep": STEEP}).items()
    }
    poses["behind"] = poses["fixed"].select(_behind(poses["fixed"]))
    made = {name: Condition(exact) for name, exact in poses.items()}
    if exercising is not None:
        made["exercises"] = Condition(seen_by(exercising, {}))
    for name, exact in DETECTED.items():
        keypoints_2d, seen = detected_poses(poses[exact], experiment, name)
        made[name] = Condition(
            poses[exact]._replace(keypoints_2d=keypoints_2d), seen
        )
    return {name: row for name, row in made.items() if row.poses.count}


def _motion_of(data):
    """Returns the motion of most people, and of `EXERCISES` or None."""

    def load(subjects):
        return mocap.load(data.root, data.archives, "validation", subjects)

    there = set(load(()).subjects)
    others = tuple(sorted(there - set(EXERCISES)))
    return (
        load(data.validation_subjects or others),
        load(EXERCISES) if there >= set(EXERCISES) else None,
    )


def _behind(poses):
    return measures.from_behind(poses.poses_3d, H36M_17.joints, poses.up)


def judge(predict, conditions: dict[str, Condition]) -> dict:
    """Returns the errors of a model under each condition.

    Args:
        predict: A `Predictor`.
        conditions: From `conditions_of`, of which "fixed" is seen twice more,
            with joints hidden ("hidden") and with all seen ("same joints,
            seen"); both are judged by the joints that stay.

    Returns:
        {condition: what `protocols.judge` returns, means over poses}, with
        `measures` (`measures.summarise`) of the conditions that were given.
    """
    skeleton = predict.skeleton

    def lift(poses, seen=None):
        return protocols.lift(predict, poses, skeleton, True, seen)

    def errors(lifted, poses, joints=None):
        return protocols.judge(lifted, poses, skeleton, "poses", joints)

    judged = {}
    for name, (poses, seen) in conditions.items():
        lifted = lift(poses, seen)
        judged[name] = errors(lifted, poses)
        judged[name]["measures"] = measures.summarise(
            measures.measure(
                lifted.headline,
                poses.poses_3d,
                skeleton.joints,
                poses.up,
                skeleton.edges,
            )
        )
        if name == "fixed":
            exact = lifted
    if predict.seen_input:
        poses = conditions["fixed"].poses
        stay = [name not in HIDDEN for name in skeleton.joints]
        seen = np.tile(stay, (poses.count, 1))
        joints = np.flatnonzero(stay)
        judged["hidden"] = errors(lift(poses, seen), poses, joints)
        judged[SEEN] = errors(exact, poses, joints)
    return judged


def as_text(judged: dict) -> str:
    """Returns the report of one model as tables, in millimetres."""
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
    measured = {
        name: row["measures"]
        for name, row in judged.items()
        if "measures" in row
    }
    lines += ["", *measures.as_table(measured)]
    lines += [
        f"{name}: {title}: {_groups(row[key])}"
        for name, row in measured.items()
        for key, title in (
            ("trunk_lean_by_pitch", "lean by the camera's pitch"),
            ("trunk_lean_by_facing", "lean by facing"),
            ("trunk_bent_by_facing", "bent by facing"),
        )
    ]
    return "\n".join(lines)


def _groups(groups):
    return ", ".join(
        f"{name}: {measures.number(row['deg'], '+.1f')} ({row['poses']})"
        for name, row in groups.items()
    )

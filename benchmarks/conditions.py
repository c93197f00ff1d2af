"""Conditions under which models of real motion are evaluated."""

import dataclasses
import zlib
from typing import NamedTuple

import numpy as np

from ampose_tf.config import Cameras, Config
from ampose_tf.conversion import SEEN_SCORE
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
# These cameras look 30 to 60 degrees down.
STEEP = {"distance_m": (3.0, 4.0), "height_m": (3.45, 5.85)}
# Subjects of "exercises"; all others belong to the other conditions.
EXERCISES = ("UIPRMD10",)
# Conditions with a detector's errors, and the same ones without.
DETECTED = {
    "detected": "fixed",
    "detected steep": "steep",
    "detected behind": "behind",
}
# Training hides joints, crops people and swaps sides at random. Here only the
# body and the image's borders hide joints, and errors lower the scores.
_DETECTOR = {
    "exact": 0.0,
    "swap": 0.0,
    "hide_joint": 0.0,
    "hide_limb": 0.0,
    "hide_half": 0.0,
    "crop": 0.0,
}
HIDDEN = ("LWrist", "RWrist", "RFoot")
SEEN = "same joints, seen"


class Condition(NamedTuple):
    """Input of a model, and the true poses.

    Attributes:
        poses: The truth, and the keypoints given to the model.
        seen: (N, J) bool, joints that count as seen; None for all.
    """

    poses: Poses
    seen: np.ndarray | None = None


def conditions_of(experiment: Config) -> dict[str, Condition]:
    """Returns {name: `Condition`} of a config's validation subjects."""
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
    """Returns the motion of most conditions, and of "exercises" or None."""
    motion = mocap.load(data.root, data.archives, "validation")
    there = set(motion.subjects)
    others = there - set(EXERCISES)
    people = set(data.validation_subjects) or others or there
    if not people <= there:
        missing = ", ".join(sorted(people - there))
        raise ValueError(
            f"{data.root}: no validation subject {missing} in "
            + ", ".join(data.archives)
        )
    exercising = there >= set(EXERCISES)
    return _only(motion, people), (
        _only(motion, EXERCISES) if exercising else None
    )


def _only(motion, subjects):
    """Returns the motion of some subjects."""
    trials = [
        trial
        for trial, name in enumerate(motion.trial_names)
        if name.split("/")[0] in subjects
    ]
    kept = np.isin(motion.trials, trials)
    return mocap.Motion3D(
        motion.joints[kept],
        motion.subjects[kept],
        np.searchsorted(trials, motion.trials[kept]),
        tuple(motion.trial_names[trial] for trial in trials),
        tuple(motion.descriptions[trial] for trial in trials),
    )


def _behind(poses):
    return measures.from_behind(poses.poses_3d, H36M_17.joints, poses.up)


def detected_poses(
    poses: Poses, experiment: Config, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Returns poses as detectors would see them.

    Args:
        poses: N poses, seen exactly by the config's cameras.
        experiment: Config; `data.detector` has the ranges of the errors.
        name: Name of the condition; each name has other errors.

    Returns:
        keypoints_2d (N, 17, 2) float32, and which joints were seen, (N, 17)
        bool.
    """
    # Imported here: other users of this module need no Keras.
    from ampose_tf.data.augmentation import detector
    from ampose_tf.data.augmentation.viewpoints import Views

    data = experiment.data
    seed = (data.cameras.validation_seed, zlib.crc32(name.encode()))
    # Detectors alternate within a batch, motions within the archive.
    order = np.random.default_rng(seed).permutation(poses.count)
    views = views_of(poses, data.cameras)
    keypoints_2d, scores = detector.detected(
        Views(*(array[order] for array in views)),
        dataclasses.replace(data.detector, **_DETECTOR),
        NumpySource(seed),
    )
    back = np.argsort(order)
    return (
        np.asarray(keypoints_2d, np.float32)[back],
        np.asarray(scores)[back] >= SEEN_SCORE,
    )


def views_of(poses: Poses, cameras: Cameras):
    """Returns exactly seen poses as `viewpoints.Views` for detectors."""
    from ampose_tf.data.augmentation.viewpoints import Views

    size = np.array([cameras.image_width, cameras.image_height], np.float32)
    focal, center = np.split(poses.intrinsics[:, None], 2, axis=-1)
    depth = poses.root_depth[:, None, None]
    hip = (poses.keypoints_2d[:, :1] - center) / focal * depth
    return Views(
        poses.keypoints_2d,
        poses.poses_3d + np.concatenate([hip, depth], axis=-1),
        np.tile(size / size.max(), (poses.count, 1, 1)),
        1.7 * focal[..., :1] / depth,
        focal[..., :1],
    )


class NumpySource:
    """A `randomness.Source` based on NumPy."""

    def __init__(self, seed):
        self._random = np.random.default_rng(seed)

    def uniform(self, shape):
        return self._random.random(shape, np.float32)

    def normal(self, shape):
        return self._random.standard_normal(shape, np.float32)


def judge(predict, conditions: dict[str, Condition]) -> dict:
    """Returns the errors of a model under each condition.

    Args:
        predict: A `Predictor`.
        conditions: From `conditions_of`. "fixed" is evaluated twice more, with
            joints hidden ("hidden") and with all seen ("same joints, seen"),
            both on the joints that are not hidden.

    Returns:
        {condition: result of `protocols.judge`, means over poses}, with
        `measures` (`measures.summarise`) for the given conditions, and
        `unseen`, the share of unseen joints, for those with `seen`.
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
        if seen is not None:
            judged[name]["unseen"] = 1 - float(seen.mean())
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
        f"{'N-MPJPE':>9}{'over fixed':>12}{'unseen':>8}"
    ]
    for name, row in judged.items():
        base = judged[SEEN if name == "hidden" else "fixed"]
        over = row["mpjpe_mm"] / base["mpjpe_mm"] - 1
        lines.append(
            f"{name:18}{row['poses']:7}{row['mpjpe_mm']:8.1f}"
            f"{row['single_mpjpe_mm']:10.1f}{row['p_mpjpe_mm']:9.1f}"
            f"{row['n_mpjpe_mm']:9.1f}{over:+12.0%}"
            + (f"{row['unseen']:8.0%}" if "unseen" in row else "")
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

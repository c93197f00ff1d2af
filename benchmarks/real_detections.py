r"""Judges models on real detections of real people with 3D truth.

    python -m benchmarks.real_detections --model=ampose_s \
        --detections=../shared/real/balancing_openpose.npz \
        --report=runs/real.json

Each camera's frames of each person are lifted as users lift them: by
`Lifter`, without filters. Errors are over the joints of the truth, the middle
of the hips at the origin, with 95 % intervals (bootstrap.py). --model and
--detections may be given more than once; each further model is compared with
the first, pose by pose.
"""

import json
import pathlib

import numpy as np
from absl import flags
from scipy import stats

from ampose_tf import files
from ampose_tf.config import commandline
from ampose_tf.evaluation import metrics
from ampose_tf.lifting import Lifter
from benchmarks import measures
from benchmarks.bootstrap import Blocks
from benchmarks.detections import Detections, read
from benchmarks.lifted_detections import Lifted, lift, with_truth_px

_HEADS = {
    "MPJPE": "mpjpe_mm",
    "P-MPJPE": "p_mpjpe_mm",
    "N-MPJPE": "n_mpjpe_mm",
}
_SEEN = (
    "seen",
    "unseen",
    "seen_wrists_and_ankles",
    "unseen_wrists_and_ankles",
)
# Of a pose's true joints, so that it has a size and a direction.
_FEWEST = 6


def define_flags(flag_values):
    flags.DEFINE_multi_string(
        "model",
        None,
        "What `Lifter` takes: the name of a released model, or a file.",
        required=True,
        flag_values=flag_values,
    )
    flags.DEFINE_multi_string(
        "detections",
        None,
        "`.npz` files, see detections.py.",
        required=True,
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "report", None, "JSON file to write.", flag_values=flag_values
    )


def main(options):
    opened = [read(path) for path in options.detections]
    lifters = {model: Lifter(model) for model in options.model}
    reports = {}
    for path, detections in zip(options.detections, opened, strict=True):
        lifted = {
            model: lift(lifter, detections)
            for model, lifter in lifters.items()
        }
        first, *others = lifted
        reports[path] = {
            "models": {
                model: _judged(lifters[model], own, detections)
                for model, own in lifted.items()
            },
            "over_the_first": {
                model: compare(lifted[model], lifted[first], detections)
                for model in others
            },
        }
        print(f"{path}\n{as_text(reports[path])}\n", flush=True)
    if options.report:
        files.write_text(
            pathlib.Path(options.report), json.dumps(reports, indent=2) + "\n"
        )


def judge(model, path) -> dict:
    """Returns how a model does on a file of real detections.

    Args:
        model: A `Lifter`, or a `predict` as a `Predictor` is.
        path: See `detections.read`.

    Returns:
        What `summarise` returns of the detections, and the same of the true
        keypoints ("given_truth_px", see `with_truth_px`) and of MediaPipe's
        own 3D ("mediapipe"), if the file has them.
    """
    detections = read(path)
    return _judged(model, lift(model, detections), detections)


def _judged(model, lifted, detections):
    judged = summarise(lifted, detections)
    if detections.truth_px is not None:
        exact = lift(model, with_truth_px(detections))
        judged["given_truth_px"] = summarise(exact, detections)
    if detections.world is not None:
        judged["mediapipe"] = summarise(Lifted(detections.world), detections)
    return judged


def pose_errors(predicted: np.ndarray, target: np.ndarray) -> dict:
    """Returns the errors of each pose, millimetres.

    Args:
        predicted: (N, 1 + J, 3), the middle of the hips first.
        target: Likewise; NaN for joints that are not known. A pose needs the
            hips and half a dozen joints.

    Returns:
        {"mpjpe_mm", "p_mpjpe_mm", "n_mpjpe_mm": (N,)}, over the joints that
        are known, without the middle of the hips; NaN where there are too
        few.
    """
    errors = {name: np.full(len(target), np.nan) for name in _HEADS.values()}
    known = np.isfinite(target).all(axis=2)
    known &= np.isfinite(predicted).all(axis=(1, 2))[:, None]
    known &= known[:, :1]
    for pattern in np.unique(known, axis=0):
        count = pattern.sum() - 1
        if count < _FEWEST:
            continue
        rows = np.flatnonzero((known == pattern).all(axis=1))
        pair = predicted[rows][:, pattern], target[rows][:, pattern]
        # These count the hip, whose own distance is 0.
        share = 1000 * (count + 1) / count
        errors["mpjpe_mm"][rows] = share * metrics.mpjpe(*pair)
        errors["n_mpjpe_mm"][rows] = share * metrics.n_mpjpe(*pair)
        errors["p_mpjpe_mm"][rows] = 1000 * metrics.p_mpjpe(
            *(poses[:, 1:] for poses in pair)
        )
    return errors


def summarise(lifted: Lifted, detections: Detections) -> dict:
    """Returns what is wrong with what was lifted.

    Returns:
        `poses` that were judged, of `rows`; the errors of `pose_errors`, each
        with its `_interval`; along the camera's axis and across it
        (`depth_mm`, `image_plane_mm`); of `joints`, `cameras` and `people`;
        of joints that were `seen` and `unseen`, all and at the ends of limbs;
        `jitter` in mm/frame², of the truth too; `measures`
        (`measures.summarise`); `spread_mm` and its rank correlation with the
        poses' errors.
    """
    target, joints = detections.truth, detections.joints
    errors = pose_errors(lifted.poses, target)
    judged = np.isfinite(errors["mpjpe_mm"])
    if not judged.any():
        raise ValueError(
            f"{detections.name}: no row has both keypoints and truth"
        )
    blocks = Blocks(detections.frame[judged], detections.fps)
    predicted = np.where(judged[:, None, None], lifted.poses, np.nan)
    difference = 1000 * (predicted - target)[:, 1:]
    distance = np.linalg.norm(difference, axis=2)
    across = np.linalg.norm(difference[..., :2], axis=2)
    summary = {"rows": len(judged), "poses": int(judged.sum())}
    for name, values in errors.items():
        summary[name] = measures.mean(values)
        summary[f"{name}_interval"] = blocks.interval(values[judged])
    summary |= {
        "depth_mm": measures.mean(np.abs(difference[..., 2])),
        "image_plane_mm": measures.mean(across),
        "joints": {
            joint: measures.mean(distance[:, row])
            for row, joint in enumerate(joints[1:])
        },
        "jitter": {
            "predicted": _jitter(predicted, detections),
            "truth": _jitter(target, detections),
        },
        "measures": measures.summarise(
            {
                name: values[judged]
                for name, values in measures.measure(
                    predicted, target, joints, detections.up
                ).items()
            }
        ),
    }
    for key, groups in (
        ("cameras", detections.camera),
        ("people", detections.person),
    ):
        summary[key] = {
            str(group): {
                name: measures.mean(values[groups == group])
                for name, values in errors.items()
            }
            for group in np.unique(groups[judged])
        }
    if lifted.seen is not None:
        summary |= _by_seen(distance, lifted.seen, joints[1:])
    if lifted.spread_m is not None:
        spread = 1000 * lifted.spread_m[judged].mean(axis=1)
        summary["spread_mm"] = measures.mean(spread)
        summary["spread_rank_correlation"] = _rank_correlation(
            spread, errors["mpjpe_mm"][judged]
        )
    return summary


def compare(lifted: Lifted, base: Lifted, detections: Detections) -> dict:
    """Returns how much larger errors are than another model's, in percent.

    Returns:
        {error: {"percent": of the means, "interval": 95 %}}, of the poses
        that both have lifted.
    """
    own, other = (
        pose_errors(one.poses, detections.truth) for one in (lifted, base)
    )
    both = np.isfinite(own["mpjpe_mm"] + other["mpjpe_mm"])
    blocks = Blocks(detections.frame[both], detections.fps)
    compared = {}
    for name in _HEADS.values():
        pair = own[name][both], other[name][both]
        ends = blocks.ratio_interval(*pair)
        compared[name] = {
            "percent": 100 * (float(pair[0].mean() / pair[1].mean()) - 1),
            "interval": ends and [100 * (end - 1) for end in ends],
        }
    return compared


def _rank_correlation(some, others):
    if not (np.ptp(some) > 0 and np.ptp(others) > 0):
        return None  # NaN without a flip ensemble, or all alike
    return float(stats.spearmanr(some, others).statistic)


def _by_seen(distance, seen, joints):
    ends = np.array([joint[1:] in ("Wrist", "Foot") for joint in joints])
    known = np.isfinite(distance)
    groups = (seen, ~seen, seen & ends, ~seen & ends)
    return {
        name: {
            "mm": measures.mean(distance[which]),
            "joints": int((which & known).sum()),
        }
        for name, which in zip(_SEEN, groups, strict=True)
    }


def _jitter(poses, detections):
    """Returns the mean length of second differences, mm/frame².

    Of frames that follow each other at the clip's usual step.
    """
    lengths = []
    clips = np.stack([detections.camera, detections.person], axis=1)
    for clip in np.unique(clips, axis=0):
        rows = np.flatnonzero((clips == clip).all(axis=1))
        rows = rows[np.argsort(detections.frame[rows])]
        if len(rows) < 3:
            continue
        steps = np.diff(detections.frame[rows])
        even = steps == np.median(steps)
        bend = np.diff(poses[rows, 1:], n=2, axis=0)
        lengths.append(np.linalg.norm(bend, axis=2)[even[1:] & even[:-1]])
    if not lengths:
        return None
    jitter = measures.mean(np.concatenate(lengths))
    return None if jitter is None else 1000 * jitter


def as_text(report: dict) -> str:
    """Returns the report of one file as tables, in millimetres."""
    rows = {}
    for model, judged in report["models"].items():
        rows[model] = judged
        if "given_truth_px" in judged:
            rows[f"{model}, true 2D"] = judged["given_truth_px"]
    if "mediapipe" in judged:
        rows["MediaPipe's own 3D"] = judged["mediapipe"]
    width = 2 + max(map(len, rows))
    lines = [
        f"{'':{width}}"
        + "".join(f"{head + ' (95 %)':>24}" for head in _HEADS)
        + f"{'depth':>8}{'plane':>8}{'jitter':>8}{'truth':>8}{'poses':>7}"
    ]
    for name, row in rows.items():
        cells = [_with_interval(row, key) for key in _HEADS.values()]
        numbers = (
            row["depth_mm"],
            row["image_plane_mm"],
            row["jitter"]["predicted"],
            row["jitter"]["truth"],
        )
        lines.append(
            f"{name:{width}}"
            + "".join(f"{cell:>24}" for cell in cells)
            + "".join(f"{measures.number(number):>8}" for number in numbers)
            + f"{row['poses']:7}"
        )
    lines += measures.as_table(
        {name: row["measures"] for name, row in rows.items()}
    )
    for name, row in report["models"].items():
        parts = [
            f"{part.replace('_', ' ')} {measures.number(row[part]['mm'])} "
            f"({row[part]['joints']})"
            for part in _SEEN
        ]
        parts += [
            f"spread {measures.number(row['spread_mm'])}",
            "its rank correlation "
            + measures.number(row["spread_rank_correlation"], ".2f"),
        ]
        lines.append(f"{name}: " + ", ".join(parts))
    for name, errors in report["over_the_first"].items():
        changes = [
            f"{head} {errors[key]['percent']:+.1f} %"
            + _between(errors[key]["interval"], "+.1f")
            for head, key in _HEADS.items()
        ]
        lines.append(f"{name} over the first: " + ", ".join(changes))
    return "\n".join(lines)


def _with_interval(row, key):
    return measures.number(row[key]) + _between(row[f"{key}_interval"], ".1f")


def _between(interval, form):
    if interval is None:
        return ""
    low, high = interval
    return f" ({low:{form}} to {high:{form}})"


if __name__ == "__main__":
    commandline.run(main, define_flags)

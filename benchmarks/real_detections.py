r"""Evaluates models on real detections of real people with 3D truth.

    python -m benchmarks.real_detections --model=ampose_s \
        --detections=DIR/balancing_openpose.npz \
        --report=runs/real.json

Each camera's frames of each person are lifted as users do, with `Lifter` and
without filters. Errors are over the joints of the truth, with the middle
of the hips at the origin, and have 95 % intervals; bootstrap.py describes how
far to trust these. --model and --detections may be given more than once; each
additional model is compared with the first, pose by pose.
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
from benchmarks.detections import (
    FEWEST,
    Detections,
    Lifted,
    lift,
    read,
    with_truth_px,
)

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


def define_flags(flag_values):
    flags.DEFINE_multi_string(
        "model",
        None,
        "Model for `Lifter`: name of a released model, or a file.",
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
    opened = {path: read(path) for path in options.detections}
    lifters = {model: Lifter(model) for model in options.model}
    reports = {}
    for path, detections in opened.items():
        reports[path] = judge(lifters, detections)
        print(f"{path}\n{as_text(reports[path])}\n", flush=True)
    if options.report:
        files.write_text(
            pathlib.Path(options.report), json.dumps(reports, indent=2) + "\n"
        )


def judge(lifters: dict[str, Lifter], detections: Detections) -> dict:
    """Returns the errors of models on real detections.

    Args:
        lifters: Models by name.
        detections: See `detections.read`.

    Returns:
        `models`: {name: result of `summarise`, and the same for the true
        keypoints ("given_truth_px", see `with_truth_px`)};
        `over_the_first`: {name: `compare` with the first model};
        `mediapipe`: the same for MediaPipe's own 3D. What the file does not
        contain is omitted.

    Raises:
        ValueError: If no row has both keypoints and truth.
    """
    lifted = {
        name: lift(lifter, detections) for name, lifter in lifters.items()
    }
    judged = {}
    for name, own in lifted.items():
        judged[name] = summarise(own, detections)
        if judged[name] is None:
            raise ValueError(
                f"{detections.name}: no row has both keypoints and truth"
            )
        if detections.truth_px is not None:
            exact = lift(lifters[name], with_truth_px(detections))
            _add(judged[name], "given_truth_px", summarise(exact, detections))
    first, *others = lifted
    report = {
        "models": judged,
        "over_the_first": {
            name: compare(lifted[name], lifted[first], detections)
            for name in others
        },
    }
    if detections.world is not None:
        own = summarise(Lifted(detections.world), detections)
        _add(report, "mediapipe", own)
    return report


def _add(report, name, part):
    if part is not None:
        report[name] = part


def pose_errors(predicted: np.ndarray, target: np.ndarray) -> dict:
    """Returns the errors of each pose in millimetres.

    Args:
        predicted: (N, 1 + J, 3), the middle of the hips first.
        target: (N, 1 + J, 3); NaN for unknown joints. A pose needs the hips
            and `FEWEST` joints, including the hips.

    Returns:
        {"mpjpe_mm", "p_mpjpe_mm", "n_mpjpe_mm": (N,)}, over the known joints
        without the middle of the hips; NaN for poses with too few.
    """
    errors = {name: np.full(len(target), np.nan) for name in _HEADS.values()}
    known = np.isfinite(target).all(axis=2)
    known &= np.isfinite(predicted).all(axis=(1, 2))[:, None]
    known &= known[:, :1]
    for pattern in np.unique(known, axis=0):
        count = pattern.sum() - 1
        if count < FEWEST:
            continue
        rows = np.flatnonzero((known == pattern).all(axis=1))
        pair = predicted[rows][:, pattern], target[rows][:, pattern]
        # These include the hip, whose distance is 0.
        share = 1000 * (count + 1) / count
        errors["mpjpe_mm"][rows] = share * metrics.mpjpe(*pair)
        errors["n_mpjpe_mm"][rows] = share * metrics.n_mpjpe(*pair)
        errors["p_mpjpe_mm"][rows] = 1000 * metrics.p_mpjpe(
            *(poses[:, 1:] for poses in pair)
        )
    return errors


def summarise(lifted: Lifted, detections: Detections) -> dict | None:
    """Returns the errors of lifted poses.

    Returns:
        `poses`, the number evaluated, and `rows`; the errors of `pose_errors`,
        each with its `_interval`, and what these were `resampled` from
        (`Blocks.counts`); errors along the camera's axis and across it
        (`depth_mm`, `image_plane_mm`); errors by `joints`, `cameras` and
        `people`, and of `seen` and `unseen` joints, all and at the ends of
        limbs; `jitter` in mm/frame², also of the true poses; `measures`
        (`measures.summarise`); `spread_mm` and its rank correlation with the
        poses' errors. None if no row has both a pose and truth.
    """
    target, joints = detections.truth, detections.joints
    errors = pose_errors(lifted.poses, target)
    judged = np.isfinite(errors["mpjpe_mm"])
    if not judged.any():
        return None
    blocks = _blocks(detections, judged)
    predicted = np.where(judged[:, None, None], lifted.poses, np.nan)
    difference = 1000 * (predicted - target)[:, 1:]
    distance = np.linalg.norm(difference, axis=2)
    across = np.linalg.norm(difference[..., :2], axis=2)
    summary = {"rows": len(judged), "poses": int(judged.sum())}
    for name, values in errors.items():
        summary[name] = measures.mean(values)
        summary[f"{name}_interval"] = blocks.interval(values[judged])
    known = judged[:, None] & np.isfinite(target).all(axis=2)
    summary |= {
        "resampled": blocks.counts,
        "depth_mm": measures.mean(np.abs(difference[..., 2])),
        "image_plane_mm": measures.mean(across),
        "joints": {
            joint: measures.mean(distance[:, row])
            for row, joint in enumerate(joints[1:])
        },
        "jitter": {
            name: _jitter(
                np.where(known[..., None], poses, np.nan), detections
            )
            for name, poses in (("predicted", predicted), ("truth", target))
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
    """Returns by how many percent errors exceed those of another model.

    Returns:
        {error: {"percent": of the means, "interval": 95 %, "cameras":
        {camera: percent}}}, over the poses that both have lifted, and what
        the intervals were `resampled` from. Without such poses, percent and
        interval are None.
    """
    own, other = (
        pose_errors(one.poses, detections.truth) for one in (lifted, base)
    )
    both = np.isfinite(own["mpjpe_mm"] + other["mpjpe_mm"])
    blocks = _blocks(detections, both)
    cameras = detections.camera[both]
    compared = {}
    for name in _HEADS.values():
        pair = own[name][both], other[name][both]
        ends = blocks.ratio_interval(*pair)
        compared[name] = {
            "percent": _change(*pair),
            "interval": ends and [100 * (end - 1) for end in ends],
            "cameras": {
                str(camera): _change(*(one[cameras == camera] for one in pair))
                for camera in np.unique(cameras)
            },
        }
    return compared | {"resampled": blocks.counts}


def _change(own, base):
    """Returns by how many percent the mean error is larger, or None."""
    if not base.any():
        return None  # No pose, or no error.
    return 100 * (float(own.mean() / base.mean()) - 1)


def _blocks(detections, rows):
    return Blocks(
        detections.frame[rows],
        detections.fps,
        detections.camera[rows],
        detections.person[rows],
    )


def _rank_correlation(some, others):
    if not (np.ptp(some) > 0 and np.ptp(others) > 0):
        return None  # NaN without a flip ensemble, or all equal.
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
    """Returns the mean length of second differences in mm/frame².

    Only successive frames at the clip's usual step are used.
    """
    lengths = []
    for _, _, rows in detections.clips():
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
    if "mediapipe" in report:
        rows["MediaPipe's own 3D"] = report["mediapipe"]
    width = 2 + max(map(len, rows))
    lines = [
        f"{'':{width}}"
        + "".join(f"{head + ' (95 %)':>24}" for head in _HEADS)
        + f"{'depth':>8}{'plane':>8}{'jitter':>8}{'truth':>8}{'poses':>7}"
    ]
    for name, row in rows.items():
        cells = error_cells(row)
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
            f"{head} {measures.number(errors[key]['percent'], '+.1f')} %"
            + _between(errors[key]["interval"], "+.1f")
            for head, key in _HEADS.items()
        ]
        lines.append(f"{name} over the first: " + ", ".join(changes))
        cameras = [
            f"{camera}: {measures.number(percent, '+.1f')} %"
            for camera, percent in errors["mpjpe_mm"]["cameras"].items()
        ]
        lines.append("MPJPE by camera: " + ", ".join(cameras))
    first = next(iter(report["models"].values()))
    counts = [f"{name} {n}" for name, n in first["resampled"].items()]
    lines.append("intervals are resampled from: " + ", ".join(counts))
    return "\n".join(lines)


def error_cells(row: dict) -> list[str]:
    """Returns MPJPE, P-MPJPE and N-MPJPE with their intervals, as text."""
    return [_with_interval(row, key) for key in _HEADS.values()]


def _with_interval(row, key):
    return measures.number(row[key]) + _between(row[f"{key}_interval"], ".1f")


def _between(interval, form):
    if interval is None:
        return ""
    low, high = interval
    return f" ({low:{form}} to {high:{form}})"


if __name__ == "__main__":
    commandline.run(main, define_flags)

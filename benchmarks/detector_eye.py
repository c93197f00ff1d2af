r"""Holds drawn detections against real ones, in 2D.

    python -m benchmarks.detector_eye --config=configs/mocap_s.py \
        --config.data.root=DIR --real=../shared/real --output=runs/eye

--real holds balancing_openpose.npz and balancing_mediapipe_heavy.npz:
detections of a man who balances, with his triangulated joints. Training
poses that stand are seen by cameras like those, from the same sides, and by
the drawn detectors "COCO-17" and "MediaPipe-33" (`data.detector` with
exact=0); "before" has the ranges of ampose_s of 2026-11-23, which marked
Human3.6M's joints. Writes plots and prints tables. Errors are in percent of
the person's size, 1 % is 17 mm, of joints that count as seen.
"""

import dataclasses
import math
import pathlib
from typing import NamedTuple

import numpy as np
from absl import flags

from ampose_tf import config
from ampose_tf.config.ranges import Detector, Viewpoints
from ampose_tf.conversion import CONVERSIONS, SEEN_SCORE
from ampose_tf.data import mocap, sampling
from ampose_tf.skeleton import H36M_17

COUNT = 4000
# Real file, drawn detector, name in plots.
PAIRS = (
    ("balancing_openpose.npz", "COCO-17", "OpenPose"),
    ("balancing_mediapipe_heavy.npz", "MediaPipe-33", "MediaPipe"),
)
# What `Detector` was before detectors had landmarks. Scores that fall with
# the error have changed, too; these are today's.
BEFORE = Detector(
    exact=1.0,
    clean=0.3,
    noise=(0.002, 0.025),
    tail=0.03,
    tail_factor=5.0,
    stray=0.0,
    drift=0.7,
    swap=0.01,
    hide_joint=0.15,
    hide_limb=0.1,
    hide_half=0.05,
    crop=0.1,
)
LIMBS = [
    side + joint
    for joint in ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Foot")
    for side in "LR"
]
AT = [H36M_17.joints.index(name) for name in LIMBS]
FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
FACE_NAMES = ("nose", "near eye", "far eye", "near ear", "far ear")
YAWS = np.arange(0, 181, 20)
STYLES = {"real": ("black", "-"), "drawn": ("tab:red", "-")} | {
    "before": ("tab:blue", "--")
}


class Detections(NamedTuple):
    """People and what a detector makes of them.

    Attributes:
        error: (N, 12), of `LIMBS`, in sizes of the person.
        scores: (N, 17), of Human3.6M's joints.
        face: (N, 5), scores of `FACE`; None without.
        yaw: (N,) degrees, 0 before the camera's eyes, 90 if the person's
            left is near.
        nearer: (N, 12) metres, by how much a joint is nearer than its
            counterpart.
    """

    error: np.ndarray
    scores: np.ndarray
    face: np.ndarray | None
    yaw: np.ndarray
    nearer: np.ndarray

    @property
    def seen(self):
        """(N, 12), of `LIMBS`."""
        return self.scores[:, AT] >= SEEN_SCORE


class Random:
    """See `randomness.Source`."""

    def __init__(self, seed):
        self._random = np.random.default_rng(seed)

    def uniform(self, shape):
        return self._random.random(shape, np.float32)

    def normal(self, shape):
        return self._random.standard_normal(shape, np.float32)


def define_flags(flag_values):
    config.define_flag(flag_values)
    for name, words in (
        ("real", "Folder of real detections."),
        ("output", "Folder of the plots."),
    ):
        flags.DEFINE_string(
            name, None, words, required=True, flag_values=flag_values
        )


def main(options):
    data = options.config.data
    motion = mocap.load(data.root, data.archives, "train")
    output = pathlib.Path(options.output)
    output.mkdir(parents=True, exist_ok=True)
    for file, name, title in PAIRS:
        real, cameras = _real(pathlib.Path(options.real, file), name)
        views = _views(motion, data, cameras, real.yaw)
        ranges = dataclasses.replace(data.detector, exact=0.0)
        compared = {
            "real": real,
            "drawn": _drawn(views, name, ranges),
            "before": _drawn(views, "", BEFORE),
        }
        print(f"{title}\n{_as_text(compared)}\n")
        for kind, plot in (("errors", _errors), ("views", _by_view)):
            path = output / f"{title.lower()}_{kind}.png"
            _save(path, plot(compared, title))
            print(path)


def _real(path, name):
    """Returns `Detections`, and their cameras' focal length and aspect."""
    with np.load(path) as file:
        real = dict(file)
    conversion = CONVERSIONS[name]
    joints = real["truth_camera_m"].astype(np.float64)
    rows = real["camera"].astype(int) - 1
    focal = real["intrinsics"][rows, :2].mean(axis=1)
    size = 1.7 * focal / joints[:, 6:8, 2].mean(axis=1)
    scores = np.array(conversion.convert_scores(real["scores"]))
    found = conversion.convert(real["keypoints_px"], real["scores"])[:, AT]
    error = np.linalg.norm(found - real["truth_px"], axis=-1) / size[:, None]
    # OpenPose took another person in one frame.
    his = np.median(error, axis=1) < 0.1
    yaw, nearer = _sides(joints)
    face = real["scores"][:, [conversion.joints.index(n) for n in FACE]]
    half = real["image_size"].reshape(-1, 2)[0] / 2
    cameras = {
        "focal": float(np.median(focal) / half.max()),
        "aspect": float(half[0] / half[1]),
    }
    kept = (array[his] for array in (error, scores, face, yaw, nearer))
    return Detections(*kept), cameras


def _sides(joints):
    """Returns yaw (N,) and nearer (N, 12) of `LIMBS` in a camera's frame."""
    across = joints[:, 0] - joints[:, 1]
    up = joints[:, :2].mean(axis=1) - joints[:, 6:8].mean(axis=1)
    front = np.cross(across, up)
    across, front = (
        vector / np.linalg.norm(vector, axis=-1, keepdims=True)
        for vector in (across, front)
    )
    to_camera = -joints[:, :2].mean(axis=1)
    yaw = np.degrees(
        np.arctan2((across * to_camera).sum(-1), (front * to_camera).sum(-1))
    )
    pairs = joints[..., 2].reshape(len(joints), -1, 2)
    return yaw, (pairs[..., ::-1] - pairs).reshape(len(joints), -1)


def _views(motion, data, cameras, yaw):
    """Returns `Views` of training people who stand, turned as real ones."""
    from ampose_tf.data.augmentation import bodies, viewpoints

    random = np.random.default_rng(0)
    shares = sampling.shares(motion, data.balance) * _standing(motion.joints)
    drawn = random.choice(len(shares), 8 * COUNT, p=shares / shares.sum())
    source = Random(1)
    field = 2 * math.degrees(math.atan(1 / cameras["focal"]))
    views = viewpoints.seen(
        bodies.resized(motion.joints[drawn], data.bodies, source),
        Viewpoints(
            field_of_view_deg=(field, field),
            aspect=(cameras["aspect"],) * 2,
            distance_m=(3.2, 3.7),
            tilted=1.0,
            tilt_deg=(18.0, 24.0),
            off_center=0.3,
            fit=0.0,
            rolled=1.0,
        ),
        source,
    )
    views = viewpoints.Views(*map(np.asarray, views))
    turned, _ = _sides(views.joints[:, AT])
    edges = np.arange(-180, 181, 20)
    wanted, _ = np.histogram(yaw, edges)
    offered, _ = np.histogram(turned, edges)
    weight = (wanted / np.maximum(offered, 1))[np.digitize(turned, edges) - 1]
    inside = np.abs(views.keypoints_2d) < views.half_image
    weight = weight * inside.all(axis=(1, 2))
    kept = random.choice(len(weight), COUNT, p=weight / weight.sum())
    return viewpoints.Views(*(array[kept] for array in views))


def _standing(joints):
    """Returns which frames stand or walk, bent by 45 degrees at most."""
    trunk = joints[:, H36M_17.joints.index("Thorax")] - joints[:, 0]
    upright = trunk[:, 2] > 0.7 * np.linalg.norm(trunk, axis=-1)
    return upright & (joints[:, 0, 2] > 0.65) & (joints[..., 2].min(1) < 0.2)


def _drawn(views, name, ranges):
    """Returns `Detections` in a detector's joints, "" in Human3.6M's."""
    from ampose_tf.data.augmentation import detector

    face = None
    if name:
        conversion = CONVERSIONS[name]
        found, marks = map(
            np.asarray, detector.marked(views, name, ranges, Random(2))
        )
        face = marks[:, [conversion.joints.index(n) for n in FACE]]
        scores = conversion.convert_scores(marks)
        found = conversion.convert(found, marks)
    else:
        found, scores = map(
            np.asarray, detector.detected(views, ranges, Random(2))
        )
    error = (found - views.keypoints_2d)[:, AT] / views.person_size
    yaw, nearer = _sides(views.joints[:, AT])
    return Detections(
        np.linalg.norm(error, axis=-1), np.array(scores), face, yaw, nearer
    )


def _as_text(compared):
    """Returns tables of errors and of what is seen."""
    names = list(compared)
    lines = ["error of seen joints, %: median / 90 / 99; unseen, %"]
    lines.append(f"{'':10}" + "".join(f"{name:>30}" for name in names))
    for j, joint in enumerate([*LIMBS, "all"]):
        columns = slice(None) if joint == "all" else slice(j, j + 1)
        row = f"{joint:10}"
        for one in compared.values():
            seen = one.seen[:, columns]
            low, high, top = 100 * np.quantile(
                one.error[:, columns][seen], (0.5, 0.9, 0.99)
            )
            row += f"{low:12.1f}{high:6.1f}{top:6.1f}{1 - seen.mean():6.0%}"
        lines.append(row)
    for joint in ("Thorax", "Neck/Nose", "Head"):
        at = H36M_17.joints.index(joint)
        lines.append(
            f"{joint:10}"
            + "".join(
                f"{np.mean(one.scores[:, at] < SEEN_SCORE):30.0%}"
                for one in compared.values()
            )
        )
    lines.append("\nlimbs: unseen, 90 % and share of errors > 5 %, of all")
    for view, chosen in _VIEWS.items():
        for joint in ("Elbow", "Wrist", "Knee", "Foot"):
            columns = [j for j, name in enumerate(LIMBS) if joint in name]
            row = f"{f'{joint} {view}':20}"
            for one in compared.values():
                some = chosen(one)[:, columns]
                seen, error = one.seen[:, columns][some], one.error[:, columns]
                error = error[some]
                high = 100 * np.quantile(error, 0.9)
                row += f"{1 - seen.mean():10.0%}{high:8.1f}"
                row += f"{np.mean(error > 0.05):6.0%}"
            lines.append(row)
    return "\n".join(lines)


def _faces(one):
    """Returns (5, bins), the share of face points seen by |yaw|."""
    left_near = one.yaw[:, None] > 0
    eyes = np.where(left_near, one.face[:, 1:3], one.face[:, 2:0:-1])
    ears = np.where(left_near, one.face[:, 3:], one.face[:, :2:-1])
    seen = np.hstack([one.face[:, :1], eyes, ears]) >= SEEN_SCORE
    bins = np.digitize(np.abs(one.yaw), YAWS) - 1
    return np.array(
        [
            seen[bins == b].mean(axis=0)
            if (bins == b).sum() > 4
            else np.full(5, np.nan)
            for b in range(len(YAWS) - 1)
        ]
    ).T


_VIEWS = {
    f"{depth} {side}": lambda one, depth=depth, side=side: (
        {
            "near": one.nearer > 0.1,
            "level": np.abs(one.nearer) <= 0.1,
            "far": one.nearer < -0.1,
        }[depth]
        & (np.abs(one.yaw) < 60 if side == "front" else np.abs(one.yaw) > 120)[
            :, None
        ]
    )
    for side in ("front", "behind")
    for depth in ("near", "level", "far")
}


def _errors(compared, title):
    """Draws distributions of errors and of scores, joint by joint."""
    figure = _figure(15, 14)
    grid = figure.subplots(5, 4).ravel()
    for axis, joint in zip(grid, [*LIMBS, "all"], strict=False):
        columns = [j for j, n in enumerate(LIMBS) if joint in (n, "all")]
        for name, one in compared.items():
            error = one.error[:, columns][one.seen[:, columns]]
            _cumulative(axis, 100 * error, name)
        axis.set(title=joint, xscale="log", xlim=(0.1, 30))
        axis.set_xticks([0.1, 0.3, 1, 3, 10, 30])
        axis.set_xticklabels(["0.1", "0.3", "1", "3", "10", "30"])
    for axis, joint in zip(grid[13:], LIMBS[::2], strict=False):
        j = H36M_17.joints.index(joint)
        right = H36M_17.mirrored[j]
        for name, one in compared.items():
            _cumulative(axis, one.scores[:, [j, right]].ravel(), name)
        axis.axvline(SEEN_SCORE, color="gray", linewidth=0.7)
        axis.set(title=f"score: both {joint[1:]}", xlim=(0, 1))
    grid[-1].axis("off")
    grid[0].legend()
    figure.suptitle(
        f"{title}: cumulative share of errors of seen joints (% of the "
        "person's size) and of scores"
    )
    return figure


def _by_view(compared, title):
    """Draws shares seen, joint by joint and by view, and the face's."""
    figure = _figure(15, 11)
    top, middle, bottom = figure.subplots(3, 1)
    places = np.arange(17)
    for k, (name, one) in enumerate(compared.items()):
        seen = (one.scores >= SEEN_SCORE).mean(axis=0)
        top.bar(
            places + 0.27 * (k - 1),
            seen,
            0.25,
            color=STYLES[name][0],
            label=name,
        )
    top.set_xticks(places, H36M_17.joints)
    labels, rows = [], {name: [] for name in compared}
    for joint in ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Foot"):
        columns = [j for j, name in enumerate(LIMBS) if joint in name]
        for view, chosen in _VIEWS.items():
            if joint in ("Shoulder", "Hip") or "level" in view:
                continue
            labels.append(f"{joint}\n{view.replace(' ', chr(10))}")
            for name, one in compared.items():
                some = chosen(one)[:, columns]
                rows[name].append(one.seen[:, columns][some].mean())
    places = np.arange(len(labels))
    for k, (name, row) in enumerate(rows.items()):
        middle.bar(places + 0.27 * (k - 1), row, 0.25, color=STYLES[name][0])
    middle.set_xticks(places, labels)
    centers = (YAWS[1:] + YAWS[:-1]) / 2
    for name in ("real", "drawn"):
        for row, part, color in zip(
            _faces(compared[name]),
            FACE_NAMES,
            ("black", "tab:blue", "tab:cyan", "tab:red", "tab:orange"),
            strict=True,
        ):
            bottom.plot(
                centers,
                row,
                "o-" if name == "real" else "x--",
                color=color,
                label=f"{part}, {name}",
            )
    bottom.set(xlabel="turned from the camera, degrees", ylim=(-0.05, 1.05))
    bottom.legend(ncols=2, loc="center", fontsize=8)
    top.legend(loc="lower left", ncols=3)
    for axis in (top, middle, bottom):
        axis.set_ylabel("share seen")
        axis.grid(alpha=0.3)
    top.set_title(f"{title}: share of joints seen, after conversion")
    return figure


def _cumulative(axis, values, name):
    color, style = STYLES[name]
    axis.plot(
        np.sort(values),
        (np.arange(values.size) + 0.5) / values.size,
        style,
        color=color,
        label=name,
    )
    axis.grid(alpha=0.3)


def _figure(width, height):
    from matplotlib.figure import Figure

    return Figure((width, height), layout="constrained")


def _save(path, figure):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=70)


if __name__ == "__main__":
    config.run(main, define_flags)

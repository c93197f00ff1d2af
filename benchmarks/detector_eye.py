r"""Compares generated detections with real ones, in 2D.

    python -m benchmarks.detector_eye --config=configs/mocap_s.py \
        --config.data.root=DIR --real=REAL --output=runs/eye

--real contains real detections with 3D truth (detections.py) of standing
people. Standing training poses are seen by similar cameras, from the same
sides, and by the detector that `data.detector` draws. Writes a plot and prints
a table for each file. Errors are in percent of the person's size: 1 % is 17
mm. Training hides some joints at random as well.
"""

import math
import pathlib
from typing import NamedTuple

import numpy as np
from absl import flags

from ampose_tf import config
from ampose_tf.config.ranges import Viewpoints
from ampose_tf.conversion import CONVERSIONS, SEEN_SCORE
from ampose_tf.data import mocap, sampling
from ampose_tf.skeleton import H36M_17
from benchmarks import conditions, detections, measures

COUNT = 4000
LIMBS = tuple(detections.NAMES.values())
AT = [H36M_17.joints.index(name) for name in LIMBS]
PARTS = ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Foot")
FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
FACE_NAMES = ("nose", "near eye", "far eye", "near ear", "far ear")
YAWS = np.arange(0, 181, 20)
# The near or far joint of a pair, and the side of the person that is seen.
VIEWS = ("near front", "far front", "near behind", "far behind")
COLORS = {"real": "black", "drawn": "tab:red"}
# Real rows with a larger median error belong to another person.
OTHER = 0.1


class Marks(NamedTuple):
    """Detections of N people.

    Attributes:
        error: (N, 12), errors of `LIMBS`, relative to the person's size.
        scores: (N, 17), scores of Human3.6M's joints.
        face: (N, 5), scores of `FACE`.
        yaw: (N,) degrees, 0 for people who face the camera, 90 if their left
            side is near.
        nearer: (N, 12) metres, how much nearer than the other side's joint.
    """

    error: np.ndarray
    scores: np.ndarray
    face: np.ndarray
    yaw: np.ndarray
    nearer: np.ndarray

    @property
    def seen(self):
        """(N, 12) bool, which of `LIMBS` are seen."""
        return self.scores[:, AT] >= SEEN_SCORE


def define_flags(flag_values):
    config.define_flag(flag_values)
    for name in ("real", "output"):
        flags.DEFINE_string(
            name, None, "Folder.", required=True, flag_values=flag_values
        )


def main(options):
    data = options.config.data
    motion = mocap.load(data.root, data.archives, "train")
    output = pathlib.Path(options.output)
    output.mkdir(parents=True, exist_ok=True)
    for path in sorted(pathlib.Path(options.real).glob("*.npz")):
        real = detections.read(path)
        if real.truth_px is None or real.up is None:
            raise ValueError(f"{path}: lacks truth_px or up_camera")
        marks = marks_of(real)
        same = np.median(marks.error, axis=1) < OTHER
        views = _views(motion, data, real)
        compared = {
            "real": Marks(*(array[same] for array in marks)),
            "drawn": marks_of(_drawn(views, real, data.detector)),
        }
        print(f"{real.name}\n{_as_text(compared)}\n")
        file = output / f"{real.name}.png"
        _plot(compared, real.name).savefig(file, dpi=70)
        print(file)


def marks_of(given: detections.Detections) -> Marks:
    """Returns the rows with complete truth, see `Marks`."""
    conversion = CONVERSIONS[given.skeleton]
    found = conversion.convert(given.pixels, given.scores)[:, AT]
    size = 1.7 * _focal(given) / given.hip[:, 2]
    error = np.linalg.norm(found - given.truth_px, axis=-1) / size[:, None]
    depth = given.truth[:, 1:, 2]
    nearer = np.roll(depth, 6, axis=1) - depth  # all left joints come first
    marks = Marks(
        error,
        np.asarray(conversion.convert_scores(given.scores)),
        given.scores[:, [conversion.joints.index(name) for name in FACE]],
        _yaw(given),
        nearer,
    )
    known = np.isfinite(error).all(axis=1) & np.isfinite(marks.yaw)
    return Marks(*(array[known] for array in marks))


def _focal(given):
    """Returns (N,) focal lengths that project the truth to `truth_px`."""
    joints = given.truth[:, 1:] + given.hip[:, None]
    slope, pixels = (
        points - points.mean(axis=1, keepdims=True)
        for points in (joints[..., :2] / joints[..., 2:], given.truth_px)
    )
    return (slope * pixels).sum(axis=(1, 2)) / (slope**2).sum(axis=(1, 2))


def _yaw(given):
    def joint(name):
        return given.truth[:, given.joints.index(name)]

    across = joint("LShoulder") - joint("RShoulder")
    shoulders = (joint("LShoulder") + joint("RShoulder")) / 2
    # The hips' middle is the origin.
    front = np.cross(across, shoulders)
    to_camera = -(shoulders + given.hip)
    left, ahead = (
        (vector * to_camera).sum(axis=1) / np.linalg.norm(vector, axis=1)
        for vector in (across, front)
    )
    return np.degrees(np.arctan2(left, ahead))


def _views(motion, data, real):
    """Returns `Views` of standing training people, turned like real ones."""
    from ampose_tf.data.augmentation import bodies, viewpoints

    random = np.random.default_rng(0)
    shares = sampling.shares(motion, data.balance) * _standing(motion.joints)
    drawn = random.choice(len(shares), 8 * COUNT, p=shares / shares.sum())
    source = conditions.NumpySource(1)
    half = np.median(real.image_size, axis=0) / 2
    focal = np.nanmedian(_focal(real)) / half.max()
    field = 2 * math.degrees(math.atan(1 / focal))
    distance, tilt = np.nanquantile(
        [np.linalg.norm(real.hip, axis=1), measures.pitch(real.up)],
        (0.05, 0.95),
        axis=1,
    ).T.tolist()
    views = viewpoints.seen(
        bodies.resized(motion.joints[drawn], 0.0, data.bodies, source),
        Viewpoints(
            field_of_view_deg=(field, field),
            aspect=(float(half[0] / half[1]),) * 2,
            distance_m=distance,
            tilted=1.0,
            tilt_deg=tilt,
            off_center=0.3,
            fit=0.0,
            rolled=1.0,
        ),
        source,
    )
    views = viewpoints.Views(*map(np.asarray, views))
    edges = np.arange(-180, 201, 20)
    turned = _yaw(_exact(views, real))
    wanted, offered = (
        np.histogram(yaw, edges)[0] for yaw in (_yaw(real), turned)
    )
    weight = (wanted / np.maximum(offered, 1))[np.digitize(turned, edges) - 1]
    inside = np.abs(views.keypoints_2d) < views.half_image
    weight = weight * inside.all(axis=(1, 2))
    kept = random.choice(len(weight), COUNT, p=weight / weight.sum())
    return viewpoints.Views(*(array[kept] for array in views))


def _standing(joints):
    """Returns which frames stand or walk, bent by at most 45 degrees."""
    trunk = joints[:, H36M_17.joints.index("Thorax")] - joints[:, 0]
    upright = trunk[:, 2] > 0.7 * np.linalg.norm(trunk, axis=-1)
    return upright & (joints[:, 0, 2] > 0.65) & (joints[..., 2].min(1) < 0.2)


def _exact(views, real):
    """Returns `Views` as `Detections` with nothing but the truth."""
    joints = views.joints[:, AT]
    truth = detections.from_hip(joints, LIMBS)
    hip, truth_px = joints[:, 0] - truth[:, 1], views.keypoints_2d[:, AT]
    return real._replace(truth=truth, hip=hip, truth_px=truth_px)


def _drawn(views, real, ranges):
    """Returns `Detections` as seen by the detector of `real`."""
    from ampose_tf.data.augmentation import detector

    source = conditions.NumpySource(2)
    marked = detector.marked(views, real.skeleton, ranges, source)
    pixels, scores = map(np.asarray, marked)
    return _exact(views, real)._replace(pixels=pixels, scores=scores)


def _as_text(compared):
    """Returns tables of errors and of shares of unseen joints."""
    lines = [
        "error of seen joints, %: median / 90 / 99; unseen, %",
        f"{'':18}" + "".join(f"{name:>26}" for name in compared),
    ]
    for joint in (*LIMBS, "all"):
        columns = [joint in (name, "all") for name in LIMBS]
        cells = []
        for one in compared.values():
            seen, error = one.seen[:, columns], one.error[:, columns]
            cells += [_percentile(error[seen], n) for n in (50, 90, 99)]
            cells.append(f"{1 - seen.mean():8.0%}")
        lines.append(f"{joint:18}" + "".join(cells))
    for joint in ("Thorax", "Neck/Nose", "Head"):
        at = H36M_17.joints.index(joint)
        seen = [one.scores[:, at] >= SEEN_SCORE for one in compared.values()]
        cells = [f"{1 - some.mean():26.0%}" for some in seen]
        lines.append(f"{joint:18}" + "".join(cells))
    lines.append("limbs: error of all joints, %: 90; above 5 %; unseen, %")
    for view in VIEWS:
        for part in ("Elbow", "Wrist", "Knee", "Foot"):
            cells = []
            for one in compared.values():
                some = _in_view(one, part, view)
                cells.append(_percentile(one.error[some], 90, 10))
                for which in (one.error > 0.05, ~one.seen):
                    share = measures.mean(which[some])
                    cells.append(f"{measures.number(share, '.0%'):>8}")
            lines.append(f"{f'{part} {view}':18}" + "".join(cells))
    return "\n".join(lines)


def _percentile(values, n, width=6):
    value = 100 * np.percentile(values, n) if len(values) else None
    return f"{measures.number(value):>{width}}"


def _in_view(one, part, view):
    """Returns (N, 12), which joints of a part are seen in one of `VIEWS`."""
    depth, side = view.split()
    sign = 1 if depth == "near" else -1
    turned = np.abs(one.yaw)[:, None]
    at_side = turned < 60 if side == "front" else turned > 120
    of_part = np.array([part in name for name in LIMBS])
    return at_side & of_part & (sign * one.nearer > 0.1)


def _faces(one):
    """Returns (5, bins), share of face points seen by |yaw|."""
    left_near = one.yaw[:, None] > 0
    eyes, ears = (
        np.where(left_near, pair, pair[:, ::-1])
        for pair in (one.face[:, 1:3], one.face[:, 3:])
    )
    seen = np.hstack([one.face[:, :1], eyes, ears]) >= SEEN_SCORE
    bins = np.digitize(np.abs(one.yaw), YAWS) - 1
    within = bins == np.arange(len(YAWS) - 1)[:, None]
    count = within.sum(axis=1)
    return seen.T.astype(float) @ within.T / np.where(count > 4, count, np.nan)


def _plot(compared, title):
    """Draws errors and scores, joint by joint, and the face by view."""
    from matplotlib.figure import Figure

    figure = Figure((15, 14), layout="constrained")
    *grid, last = figure.subplots(5, 4).ravel()
    for name, one in compared.items():
        style = {"color": COLORS[name], "label": name}
        for axis, joint in zip(grid, [*LIMBS, "all"], strict=False):
            columns = [joint in (limb, "all") for limb in LIMBS]
            error = one.error[:, columns][one.seen[:, columns]]
            axis.set(title=joint, xscale="log", xlim=(0.1, 30))
            if error.size:
                axis.ecdf(100 * error, **style)
        for axis, part in zip(grid[13:], PARTS, strict=True):
            pair = [part in joint for joint in H36M_17.joints]
            axis.set(title=f"score: both {part}", xlim=(0, 1))
            axis.ecdf(one.scores[:, pair].ravel(), **style)
        line = "o-" if name == "real" else "x--"
        for k, row in enumerate(_faces(one)):
            last.plot(YAWS[:-1] + 10, row, line, color=f"C{k}")
    last.set(title="face seen (dashed: drawn) by yaw", ylim=(-0.05, 1.05))
    last.legend(last.lines[:5], FACE_NAMES, fontsize=8)
    grid[0].legend()
    figure.suptitle(f"{title}: cumulative errors (%, seen joints) and scores")
    return figure


if __name__ == "__main__":
    config.run(main, define_flags)

"""Models judged on real detections, and on made ones."""

import json
import os
import pathlib
import sys

import numpy as np
import pytest

from ampose_tf import weights
from ampose_tf.config import commandline
from ampose_tf.conversion import CONVERSIONS
from ampose_tf.lifting import Lifter
from ampose_tf.skeleton import H36M_17
from benchmarks import bootstrap, detections, measures
from benchmarks import real_detections as real
from tests.people import facing_the_camera

JOINTS = H36M_17.joints


def test_intervals_are_of_instants_not_of_poses():
    values = np.random.default_rng(5).normal(10, 1, 400)
    frames = np.arange(400)
    # One frame per second: blocks of one.
    low, high = bootstrap.Blocks(frames, 1).interval(values)
    assert high - low == pytest.approx(2 * 1.96 / np.sqrt(400), rel=0.1)
    assert low < values.mean() < high
    # Four cameras that see the same say no more than one.
    four = bootstrap.Blocks(np.tile(frames, 4), 1).interval(np.tile(values, 4))
    np.testing.assert_allclose(four, [low, high])
    # What lasts ten frames, drawn in blocks of as many, says less.
    slow = bootstrap.Blocks(frames, 10).interval(np.repeat(values[:40], 10))
    assert 1.8 < np.ptp(slow) / (high - low) < np.sqrt(10)
    assert bootstrap.Blocks(frames, 1000).length == 100
    assert bootstrap.Blocks(2 * frames, 10).length == 5
    ratio = bootstrap.Blocks(frames, 1).ratio_interval(1.1 * values, values)
    np.testing.assert_allclose(ratio, [1.1, 1.1])
    assert bootstrap.Blocks(frames[:7], 1).interval(values[:7]) is None
    values[::2] = np.nan
    assert np.isfinite(bootstrap.Blocks(frames, 1).interval(values)).all()


def test_cameras_and_people_are_drawn_as_well_as_instants():
    random = np.random.default_rng(3)
    frames, cameras = np.tile(np.arange(200), 4), np.repeat(range(4), 200)
    values = np.array([1.0, 2, 3, 4])[cameras] + random.normal(0, 0.01, 800)
    blocks = bootstrap.Blocks(frames, 20, cameras)
    assert blocks.counts == {
        "blocks": 10,
        "cameras": 4,
        "people": 1,
        "instants": 200,
    }
    # Means of four draws from 1 to 4, of standard deviation 0.56.
    low, high = blocks.interval(values)
    assert low == pytest.approx(2.5 - 1.96 * 0.56, abs=0.2)
    assert high == pytest.approx(2.5 + 1.96 * 0.56, abs=0.2)
    people = bootstrap.Blocks(frames, 20, None, cameras)
    np.testing.assert_allclose(people.interval(values), [low, high], atol=0.2)
    assert np.ptp(bootstrap.Blocks(frames, 20).interval(values)) < 0.01
    # A ratio that is the same before every camera has no spread.
    ratio = blocks.ratio_interval(1.1 * values, values)
    np.testing.assert_allclose(ratio, [1.1, 1.1])
    assert bootstrap.Blocks(np.arange(100), 60).counts["blocks"] == 4


class Flat:
    """Predicts one pose for all."""

    skeleton = H36M_17
    normalisation = "longest"

    def __call__(self, keypoints_2d, seen=None, progress=None):
        poses = np.stack([facing_the_camera()] * len(keypoints_2d))
        return poses.astype(np.float32)


@pytest.fixture
def flat(monkeypatch):
    """A lifter with that network."""
    monkeypatch.setattr(
        "ampose_tf.lifting.lifter.load_predictor", lambda *_: Flat()
    )
    return Lifter()


def judge(lifter, path):
    """Returns the report on one model and what belongs to the file."""
    report = real.judge({"flat": lifter}, detections.read(path))
    assert report["over_the_first"] == {}
    return report["models"]["flat"], report


NAMES = list(detections.NAMES)
LIMBS = [JOINTS.index(joint) for joint in detections.NAMES.values()]


def made(frames=12, **changes):
    """Two people before two cameras; `flat` lifts them without an error."""
    count = 4 * frames
    truth = facing_the_camera()[LIMBS] + [0.1, 0.2, 4.0]
    camera = np.repeat([3, 8], 2 * frames)
    coco = CONVERSIONS["COCO-17"].joints
    truth = np.tile(truth, (count, 1, 1))
    truth_px = 500 + 1000 * truth[..., :2] / truth[..., 2:]
    pixels = np.zeros((count, 17, 2))
    scores = np.zeros((count, 17))
    for row, name in enumerate(NAMES):
        pixels[:, coco.index(name)] = truth_px[:, row]
        scores[:, coco.index(name)] = 0.9
    up = np.array([[0, -1, 0], [0, -0.6, -0.8]])
    return {
        "keypoints_px": pixels,
        "scores": scores,
        "truth_camera_m": truth,
        "truth_names": np.array(NAMES),
        "truth_px": truth_px,
        "camera": camera,
        "person": np.tile(np.repeat([1, 2], frames), 2),
        "frame": np.tile(np.arange(10, 10 + frames), 4),
        "image_size": np.array([1000, 1000]),
        "fps": np.array(5.0),
        "up_camera": up,
    } | changes


def write(folder, content):
    path = folder / "made.npz"
    np.savez(path, **{k: v for k, v in content.items() if v is not None})
    return path


def test_a_model_that_is_right(flat, tmp_path):
    judged, report = judge(flat, write(tmp_path, made()))
    assert judged["poses"] == judged["rows"] == 48
    for name in ("mpjpe_mm", "p_mpjpe_mm", "n_mpjpe_mm"):
        assert judged[name] == pytest.approx(0, abs=1e-3)
        assert judged["given_truth_px"][name] == pytest.approx(0, abs=1e-3)
    assert list(judged["cameras"]) == ["3", "8"]
    assert list(judged["people"]) == ["1", "2"]
    assert judged["seen"]["joints"] == 48 * 12
    assert judged["unseen"] == {"mm": None, "joints": 0}
    assert set(judged["measures"]["trunk_lean_by_pitch"]) == {
        "0 to 10",
        "50 to 60",
    }
    assert "mediapipe" not in report
    assert judged["resampled"] == {
        "blocks": 4,
        "cameras": 2,
        "people": 2,
        "instants": 12,
    }


def test_true_keypoints_and_a_detected_face(tmp_path):
    content = made(frames=2)
    names = CONVERSIONS["COCO-17"].joints
    true = content["keypoints_px"].copy()
    content["keypoints_px"] = true + 7  # what was detected is elsewhere
    content["scores"][:, names.index("nose")] = 0.5
    content["truth_px"][3, NAMES.index("left_knee")] = np.nan
    file = detections.read(write(tmp_path, content))
    exact = detections.with_truth_px(file)
    body = [names.index(name) for name in NAMES]
    there = np.ones((8, 12))
    there[3, NAMES.index("left_knee")] = 0
    np.testing.assert_array_equal(exact.scores[:, body], there)
    np.testing.assert_array_equal(
        exact.pixels[:, body], there[..., None] * true[:, body]
    )
    nose = names.index("nose")
    np.testing.assert_array_equal(exact.scores[:, nose], 0.5)
    np.testing.assert_array_equal(exact.pixels[:, nose], 7)
    # A face alone is no pose.
    file.truth_px[6] = np.nan
    exact = detections.with_truth_px(file)
    assert not exact.scores[6].any() and not exact.pixels[6].any()
    assert exact.scores[5].any()


def test_errors_of_joints_that_are_known(flat, tmp_path):
    content = made(up_camera=None, truth_px=None, fps=None, person=None)
    content["camera"] = np.repeat(["a", "b", "c", "d"], 12)
    truth = content["truth_camera_m"]
    wrist, ankle = NAMES.index("left_wrist"), NAMES.index("right_ankle")
    truth[:, wrist, 2] += 0.12  # of 12 joints
    truth[1::2, ankle] = np.nan
    truth[0, NAMES.index("left_hip")] = np.nan  # nothing to compare by
    few = [row for row, name in enumerate(NAMES) if "hip" not in name]
    truth[1, few[3:]] = np.nan  # nor enough
    content["keypoints_px"][2] = np.nan  # not lifted
    content["scores"][3:5, CONVERSIONS["COCO-17"].joints.index(
        "left_wrist"
    )] = 0.1  # fmt: skip
    judged, _ = judge(flat, write(tmp_path, content))
    assert judged["rows"] == 48 and judged["poses"] == 45
    # 22 poses of 12 joints, 23 of 11.
    expected = (22 * 120 / 12 + 23 * 120 / 11) / 45
    assert judged["mpjpe_mm"] == pytest.approx(expected, rel=1e-4)
    assert judged["depth_mm"] == pytest.approx(
        45 * 120 / (45 * 12 - 23), rel=1e-4
    )
    assert judged["image_plane_mm"] == pytest.approx(0, abs=1e-3)
    assert judged["joints"]["LWrist"] == pytest.approx(120, rel=1e-4)
    assert judged["unseen"] == {"mm": pytest.approx(120), "joints": 2}
    assert "trunk_lean_deg" not in judged["measures"]
    low, high = judged["mpjpe_mm_interval"]
    assert low <= expected <= high < 11


def test_truth_that_lacks_joints_and_mediapipes_own_3d(flat, tmp_path):
    names = CONVERSIONS["MediaPipe-33"].joints
    content = made(truth_px=None)
    kept = [row for row, name in enumerate(NAMES) if "wrist" not in name]
    for key, size in (("keypoints_px", 33), ("scores", 33), ("world", 33)):
        shape = (48, size, {"keypoints_px": 2, "world": 3}.get(key, 1))
        content[key] = np.zeros(shape)
    for row, name in enumerate(NAMES):
        world = content["truth_camera_m"][:, row]
        content["world"][:, names.index(name)] = 1.2 * world
        content["keypoints_px"][:, names.index(name)] = 500 + 90 * world[:, :2]
        content["scores"][:, names.index(name)] = 1
    content["scores"] = content["scores"][..., 0]
    content["truth_camera_m"] = content["truth_camera_m"][:, kept]
    content["truth_names"] = content["truth_names"][kept]
    own = judge(flat, write(tmp_path, content))[1]["mediapipe"]
    assert own["joints"]["LWrist"] is None
    size = np.linalg.norm(facing_the_camera()[LIMBS][kept], axis=1).mean()
    assert own["mpjpe_mm"] == pytest.approx(200 * size, rel=1e-4)
    assert own["n_mpjpe_mm"] == pytest.approx(0, abs=1e-3)


def test_jitter_is_of_frames_that_follow_each_other(flat, tmp_path):
    content = made(frames=12)
    truth = content["truth_camera_m"]
    moving = [row for row, name in enumerate(NAMES) if "left" in name]
    moving.remove(NAMES.index("left_hip"))
    for start in range(0, 48, 12):
        # Every other frame 3 mm to the side: second differences of 6 mm.
        for frame in range(start + 1, start + 12, 2):
            truth[frame, moving, 0] += 0.003
        # A pause, after which they are elsewhere.
        content["frame"][start + 6 : start + 12] += 100
        truth[start + 6 : start + 12, moving, 0] += 0.5
    path = write(tmp_path, content)
    jitter = judge(flat, path)[0]["jitter"]
    # Five of 12 joints.
    assert jitter["truth"] == pytest.approx(6 * 5 / 12, rel=1e-3)
    assert jitter["predicted"] == 0
    # Rows without a pose, and poses of joints without truth, do not count.
    file = detections.read(path)
    truth[:24, moving] = np.nan
    for rows in (range(24), range(24, 48)):
        other = file.truth.copy()
        other[rows, 1 + NAMES.index("left_wrist")] = np.nan
        poses = np.where(np.isin(np.arange(48), rows)[:, None, None],
                         np.nan, 2 * file.truth)  # fmt: skip
        both = real.summarise(real.Lifted(poses), file._replace(truth=other))[
            "jitter"
        ]
        assert both["predicted"] == pytest.approx(2 * both["truth"])


def test_a_second_model_in_percent(flat, tmp_path):
    content = made()
    content["truth_camera_m"][:, NAMES.index("left_wrist"), 2] += 0.12
    content["camera"] = np.repeat(["near", "far"], 24)
    file = detections.read(write(tmp_path, content))
    base = real.lift(flat, file)
    factor = np.where(file.camera == "near", 1.5, 1.0)[:, None, None]
    worse = base._replace(
        poses=file.truth + factor * (base.poses - file.truth)
    )
    compared = real.compare(worse, base, file)
    found = compared["mpjpe_mm"]
    assert found["percent"] == pytest.approx(25)
    assert found["cameras"] == {
        "near": pytest.approx(50),
        "far": pytest.approx(0),
    }
    # Either camera may be drawn twice.
    np.testing.assert_allclose(found["interval"], [0, 50], atol=1e-6)
    assert compared["resampled"]["cameras"] == 2
    summary = real.summarise(base, file)
    assert list(summary["cameras"]) == ["far", "near"]


def test_models_without_a_common_row(flat, tmp_path):
    file = detections.read(write(tmp_path, made(frames=2)))
    base = real.lift(flat, file)
    first, second = (
        base._replace(poses=np.where(rows[:, None, None], base.poses, np.nan))
        for rows in (file.camera == 3, file.camera == 8)
    )
    compared = real.compare(first, second, file)
    assert compared["mpjpe_mm"] == {
        "percent": None,
        "interval": None,
        "cameras": {},
    }
    json.dumps(compared, allow_nan=False)
    report = {
        "models": {
            "first": real.summarise(first, file),
            "second": real.summarise(second, file),
        },
        "over_the_first": {"second": compared},
    }
    assert "second over the first: MPJPE - %" in real.as_text(report)


def test_extras_without_numbers_are_left_out(flat, tmp_path):
    content = made(frames=2)
    nothing = np.full((8, 17, 3), np.nan)
    for world in (nothing, np.array(np.nan), np.array(None, float)):
        content["world"] = world
        content["truth_px"] = np.full((8, 12, 2), np.nan)
        judged, report = judge(flat, write(tmp_path, content))
        assert "mediapipe" not in report and "given_truth_px" not in judged
        assert "MediaPipe" not in real.as_text(report)
    # Numbers, of hips alone, by which no pose is judged.
    hip = CONVERSIONS["COCO-17"].joints.index("left_hip")
    content["world"] = np.where(np.arange(17)[:, None] == hip, 1.0, nothing)
    content["truth_px"] = np.full((8, 12, 2), np.nan)
    content["truth_px"][0, 0] = 300
    content["truth_camera_m"][0] = np.nan
    judged, report = judge(flat, write(tmp_path, content))
    assert "mediapipe" not in report and "given_truth_px" not in judged


def test_keypoints_in_another_order_are_known_by_name(tmp_path):
    coco = CONVERSIONS["COCO-17"].joints
    content = made(frames=2)
    expected = detections.read(write(tmp_path, content))
    order = np.random.default_rng(4).permutation(17)
    content["keypoint_names"] = np.array(coco)[order]
    for key in ("keypoints_px", "scores"):
        content[key] = content[key][:, order]
    found = detections.read(write(tmp_path, content))
    assert found.skeleton == expected.skeleton == "COCO-17"
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    np.testing.assert_array_equal(found.scores, expected.scores)


@pytest.mark.parametrize(
    "count, skeleton",
    [(18, "COCO-18"), (133, "COCO-17"), (136, "Halpe-26")],
)
def test_keypoints_without_names_are_known_by_count(tmp_path, count, skeleton):
    random = np.random.default_rng(2)
    content = made(frames=2) | {
        "keypoints_px": random.uniform(0, 900, (8, count, 2)),
        "scores": np.ones((8, count)),
    }
    found = detections.read(write(tmp_path, content))
    size = len(CONVERSIONS[skeleton].joints)
    assert found.skeleton == skeleton
    np.testing.assert_array_equal(
        found.pixels, content["keypoints_px"][:, :size]
    )


def test_truth_by_human36ms_names(tmp_path):
    content = made(frames=2)
    expected = detections.read(write(tmp_path, content)).truth
    content["truth_names"] = np.array(list(detections.NAMES.values()))
    found = detections.read(write(tmp_path, content)).truth
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "cameras, rows, taken",
    [
        ([1, 3], 2, [0, 1]),  # in order
        ([0, 2], 4, [0, 2]),  # 0 is there
        ([1, 3], 3, [0, 2]),  # 3 is the last of three
        ([1, 2], 4, None),  # either
        ([0, 4], 4, None),
        ([-1, 2], 4, None),
    ],
)
def test_values_of_cameras_some_of_which_have_no_row(
    tmp_path, cameras, rows, taken
):
    content = made(frames=2, camera=np.repeat(cameras, 4))
    content["image_size"] = 100 + np.arange(rows)[:, None] * [1, 1]
    path = write(tmp_path, content)
    if taken is None:
        with pytest.raises(ValueError, match="at 0 or at 1|does not fit"):
            detections.read(path)
    else:
        found = detections.read(path).image_size[::4, 0] - 100
        assert found.tolist() == taken


def test_the_middle_of_the_hips(tmp_path):
    file = detections.read(write(tmp_path, made(frames=2)))
    np.testing.assert_allclose(file.hip, np.tile([0.1, 0.2, 4.0], (8, 1)))


MISTAKES = {
    "no truth": ({"truth_camera_m": None}, "lacks truth_camera_m"),
    "shapes": ({"scores": np.zeros((48, 16))}, r"scores \(N, S\)"),
    "keypoints": (
        {"keypoints_px": np.zeros((48, 5, 2)), "scores": np.zeros((48, 5))},
        "no known skeleton has 5",
    ),
    "names": (
        {"keypoint_names": np.array([f"point {n}" for n in range(17)])},
        "keypoint_names point 0, point 1",
    ),
    "few names": ({"keypoint_names": np.array(["nose"])}, "has the 17"),
    "cameras": ({"up_camera": np.ones((5, 3))}, "does not fit 2 cameras"),
    "either": (
        {"up_camera": np.ones((4, 3)), "camera": np.repeat([1, 2, 3], 16)},
        "at 0 or at 1",
    ),
    "hips": (
        {"truth_names": np.array([n.replace("left_", "l") for n in NAMES])},
        "truth_names lacks left_hip; got lshoulder",
    ),
    "millimetres": (
        {"truth_camera_m": 1000 * made()["truth_camera_m"]},
        "expected metres.*looks like millimetres",
    ),
    "twice": ({"frame": np.zeros(48, int)}, "twice in a frame of camera 3"),
    "unseen": ({"scores": np.zeros((48, 17))}, "no row has both"),
}


@pytest.mark.parametrize("change, message", MISTAKES.values(), ids=MISTAKES)
def test_files_that_cannot_be_judged(flat, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        judge(flat, write(tmp_path, made(**change)))


def test_models_by_the_command(tmp_path, capsys):
    path = write(tmp_path, made(frames=2))
    report = tmp_path / "report.json"
    keras = weights.LIFTING["ampose_t"].with_name("ampose_t.keras")
    arguments = ["--model=ampose_t", "--model=ampose_s", f"--model={keras}"]
    arguments += [f"--detections={path}", f"--report={report}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["real_detections.py", *arguments])
        with pytest.raises(SystemExit) as ended:
            commandline.run(real.main, real.define_flags)
    assert not ended.value.code
    printed = capsys.readouterr().out
    (judged,) = json.loads(report.read_text()).values()
    ampose_t, ampose_s, its_keras = judged["models"].values()
    assert its_keras["mpjpe_mm"] == pytest.approx(ampose_t["mpjpe_mm"], 1e-4)
    change = 100 * (ampose_s["mpjpe_mm"] / ampose_t["mpjpe_mm"] - 1)
    compared = judged["over_the_first"]["ampose_s"]["mpjpe_mm"]
    assert compared["percent"] == pytest.approx(change)
    assert compared["interval"] is None  # of two instants
    for words in (
        f"ampose_s over the first: MPJPE {change:+.1f} %",
        f"{ampose_t['given_truth_px']['mpjpe_mm']:.1f}",
        f"{ampose_t['measures']['trunk_lean_deg']:+.1f}",
        "unseen - (0)",
        f"MPJPE by camera: 3: {compared['cameras']['3']:+.1f} %, 8: ",
        "intervals are resampled from: blocks 2, cameras 2, people 2, "
        "instants 2",
    ):
        assert words in printed


@pytest.mark.skipif(
    "AMPOSE_REAL" not in os.environ, reason="AMPOSE_REAL is not set"
)
def test_mediapipes_own_3d_of_a_real_man():
    # Figures of the folder's README.
    folder = pathlib.Path(os.environ["AMPOSE_REAL"])
    file = detections.read(folder / "balancing_mediapipe_heavy.npz")
    judged = real.summarise(real.Lifted(file.world), file)
    assert judged["poses"] == 400
    assert judged["mpjpe_mm"] == pytest.approx(107.5, abs=0.1)
    assert judged["p_mpjpe_mm"] == pytest.approx(81.6, abs=0.1)
    assert judged["jitter"]["truth"] == pytest.approx(2, abs=0.3)
    pitches = measures.pitch(file.up)
    assert pitches.min() == pytest.approx(18, abs=1)
    assert pitches.max() == pytest.approx(24, abs=1)

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
from ampose_tf.lifting.predictor import load_predictor
from ampose_tf.skeleton import H36M_17
from benchmarks import bootstrap, detections, lifted_detections, measures
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


class Flat:
    """Lifts everybody to one pose."""

    skeleton = H36M_17

    def __call__(self, keypoints_2d, seen=None):
        poses = np.stack([facing_the_camera()] * len(keypoints_2d))
        return poses.astype(np.float32)


NAMES = list(detections.NAMES)
LIMBS = [JOINTS.index(joint) for joint in detections.NAMES.values()]


def made(frames=12, **changes):
    """Two people before two cameras; who is lifted by `Flat` is right."""
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


def test_a_model_that_is_right(tmp_path):
    judged = real.judge(Flat(), write(tmp_path, made()))
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
    assert "mediapipe" not in judged


def test_true_keypoints_and_a_detected_face(tmp_path):
    content = made(frames=2)
    names = CONVERSIONS["COCO-17"].joints
    true = content["keypoints_px"].copy()
    content["keypoints_px"] = true + 7  # what was detected is elsewhere
    content["scores"][:, names.index("nose")] = 0.5
    content["truth_px"][3, NAMES.index("left_knee")] = np.nan
    file = detections.read(write(tmp_path, content))
    exact = lifted_detections.with_truth_px(file)
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


def test_errors_of_joints_that_are_known(tmp_path):
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
    judged = real.judge(Flat(), write(tmp_path, content))
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


def test_truth_that_lacks_joints_and_mediapipes_own_3d(tmp_path):
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
    own = real.judge(Flat(), write(tmp_path, content))["mediapipe"]
    assert own["joints"]["LWrist"] is None
    size = np.linalg.norm(facing_the_camera()[LIMBS][kept], axis=1).mean()
    assert own["mpjpe_mm"] == pytest.approx(200 * size, rel=1e-4)
    assert own["n_mpjpe_mm"] == pytest.approx(0, abs=1e-3)


def test_jitter_is_of_frames_that_follow_each_other(tmp_path):
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
    jitter = real.judge(Flat(), write(tmp_path, content))["jitter"]
    # Five of 12 joints.
    assert jitter["truth"] == pytest.approx(6 * 5 / 12, rel=1e-3)
    assert jitter["predicted"] == 0


def test_a_second_model_in_percent(tmp_path):
    content = made()
    content["truth_camera_m"][:, NAMES.index("left_wrist"), 2] += 0.12
    file = detections.read(write(tmp_path, content))
    base = real.lift(Flat(), file)
    worse = base._replace(poses=file.truth + 1.25 * (base.poses - file.truth))
    found = real.compare(worse, base, file)["mpjpe_mm"]
    assert found["percent"] == pytest.approx(25)
    np.testing.assert_allclose(found["interval"], [25, 25])


MISTAKES = {
    "no truth": ({"truth_camera_m": None}, "lacks truth_camera_m"),
    "shapes": ({"scores": np.zeros((48, 16))}, r"scores \(N, S\)"),
    "keypoints": (
        {"keypoints_px": np.zeros((48, 5, 2)), "scores": np.zeros((48, 5))},
        "no skeleton is known of 5",
    ),
    "cameras": ({"up_camera": np.ones((5, 3))}, "not that of 2 cameras"),
    "twice": ({"frame": np.zeros(48, int)}, "twice in a frame of camera 3"),
    "unseen": ({"scores": np.zeros((48, 17))}, "no row has both"),
}


@pytest.mark.parametrize("change, message", MISTAKES.values(), ids=MISTAKES)
def test_files_that_cannot_be_judged(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        real.judge(Flat(), write(tmp_path, made(**change)))


def test_a_predictor_is_lifted_with_as_lifter_does(tmp_path):
    content = made(frames=3)
    random = np.random.default_rng(7)
    content["keypoints_px"] += random.normal(0, 9, (12, 17, 2))
    content["scores"] *= random.uniform(0.2, 1, (12, 17))
    path = write(tmp_path, content)
    predict = load_predictor(weights.LIFTING["ampose_t"])
    mine, its = real.judge(predict, path), real.judge(Lifter("ampose_t"), path)
    assert mine["mpjpe_mm"] == pytest.approx(its["mpjpe_mm"], abs=1e-3)
    assert mine["unseen"]["joints"] == its["unseen"]["joints"] > 0
    assert mine["spread_mm"] == pytest.approx(its["spread_mm"], abs=1e-3)


def test_two_models_by_the_command(tmp_path, capsys):
    path = write(tmp_path, made(frames=2))
    report = tmp_path / "report.json"
    arguments = ["--model=ampose_t", "--model=ampose_s"]
    arguments += [f"--detections={path}", f"--report={report}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["real_detections.py", *arguments])
        with pytest.raises(SystemExit) as ended:
            commandline.run(real.main, real.define_flags)
    assert not ended.value.code
    printed = capsys.readouterr().out
    (judged,) = json.loads(report.read_text()).values()
    ampose_t, ampose_s = judged["models"].values()
    change = 100 * (ampose_s["mpjpe_mm"] / ampose_t["mpjpe_mm"] - 1)
    compared = judged["over_the_first"]["ampose_s"]["mpjpe_mm"]
    assert compared["percent"] == pytest.approx(change)
    assert compared["interval"] is None  # of two instants
    for words in (
        f"ampose_s over the first: MPJPE {change:+.1f} %",
        f"{ampose_t['given_truth_px']['mpjpe_mm']:.1f}",
        f"{ampose_t['measures']['trunk_lean_deg']:+.1f}",
        "unseen - (0)",
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

"""Drawn detections compared with real ones."""

import json

import numpy as np
import pytest

from ampose_tf.conversion import CONVERSIONS
from ampose_tf.data import archive
from ampose_tf.skeleton import H36M_17
from benchmarks import detections, detector_eye
from tests.commands import ROOT, run
from tests.people import STANDING, facing_the_camera

NAMES = list(detections.NAMES)
LIMBS = list(detections.NAMES.values())


def write(path, turns_deg):
    """Writes people 4 m away, who turn about the vertical, as detected."""
    body = facing_the_camera()[[H36M_17.joints.index(n) for n in LIMBS]]
    angles = np.radians(turns_deg)
    c, s = np.cos(angles)[:, None], np.sin(angles)[:, None]
    x, y, z = np.moveaxis(np.tile(body, (len(angles), 1, 1)), -1, 0)
    truth = np.stack([c * x + s * z, y, c * z - s * x + 4], axis=-1)
    truth_px = [500, 900] + 1000 * truth[..., :2] / truth[..., 2:]
    coco = CONVERSIONS["COCO-17"].joints
    pixels = np.zeros((len(angles), 17, 2))
    scores = np.full((len(angles), 17), 0.9)
    for row, name in enumerate(NAMES):
        pixels[:, coco.index(name)] = truth_px[:, row]
    # 1 % of 1.7 m, 4 m away.
    pixels[:, coco.index("left_knee"), 0] += 1000 * 0.017 / 4
    scores[:, coco.index("right_wrist")] = 0.1
    scores[:, coco.index("left_ear")] = 0.0
    archive.write(
        path,
        keypoints_px=pixels,
        scores=scores,
        truth_camera_m=truth,
        truth_names=np.array(NAMES),
        truth_px=truth_px,
        image_size=np.array([1000, 1800]),
        up_camera=np.array([0.0, -1.0, 0.0]),
    )
    return path


def test_errors_in_percent_of_the_person_and_their_view(tmp_path):
    path = write(tmp_path / "four.npz", [0, 90, 180, 270])
    marks = detector_eye.marks_of(detections.read(path))
    expected = np.zeros((4, 12))
    expected[:, LIMBS.index("LKnee")] = 0.01
    np.testing.assert_allclose(marks.error, expected, atol=1e-6)
    assert (~marks.seen).nonzero()[1].tolist() == 4 * [LIMBS.index("RWrist")]
    assert marks.face[:, 3].tolist() == [0, 0, 0, 0]
    shoulder = LIMBS.index("LShoulder")
    for yaw, nearer in zip(marks.yaw, marks.nearer[:, shoulder], strict=True):
        # 0.4 m between the shoulders.
        assert nearer == pytest.approx(0.4 * np.sin(np.radians(yaw)), abs=1e-6)
    assert sorted(np.round(np.abs(marks.yaw))) == [0, 90, 90, 180]


def test_a_table_and_a_plot_of_each_file(tmp_path):
    motion = np.tile(STANDING, (5, 1, 1)).astype(np.float32)
    archive.write(tmp_path / "tiny.npz", **{"A/1": motion})
    card = {"joints": H36M_17.joints, "train": ["A"], "validation": []}
    (tmp_path / "tiny.json").write_text(json.dumps(card))
    real, output = tmp_path / "real", tmp_path / "plots"
    real.mkdir()
    write(real / "some.npz", np.arange(0, 360, 5))
    ended = run(
        "python -m benchmarks.detector_eye",
        tmp_path,
        f"--config={ROOT / 'configs/mocap_s.py'}",
        f"--config.data.root={tmp_path}",
        "--config.data.archives=('tiny',)",
        f"--real={real}",
        f"--output={output}",
    )
    assert ended.returncode == 0, ended.stderr
    rows = {
        line[:18].strip(): line[18:].split()
        for line in ended.stdout.splitlines()
    }
    assert rows["LKnee"][:4] == ["1.0", "1.0", "1.0", "0%"]
    assert rows["RWrist"][:4] == ["-", "-", "-", "100%"]
    median, high, top = map(float, rows["LFoot"][4:7])
    assert 0.3 < median < high < top
    assert float(rows["Foot near behind"][3]) > 0
    assert (output / "some.png").stat().st_size > 10_000

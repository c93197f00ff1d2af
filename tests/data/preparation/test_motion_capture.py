import contextlib
import io
import json
import os

import numpy as np
import pytest

from ampose_tf.data import mocap
from ampose_tf.data.preparation import motion_capture, motion_text
from ampose_tf.skeleton import H36M_17
from tests import recorded

FRAMES = 71  # At 120 per second: 18 at 30.
LIMBS = (2, 3, 5, 6, 12, 13, 15, 16)


def write(root, path, text):
    path = root / "source" / path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="latin-1")
    return path


def write_cmu(root, trial="01_02", frames=FRAMES, seed=0, motion=None):
    """Writes a recording as CMU distributes them."""
    subject = trial.split("_")[0]
    motion = motion or recorded.moving(frames, seed)
    write(root, f"subjects/{subject}/{subject}.asf", recorded.asf_text())
    write(
        root,
        f"subjects/{subject}/{trial}.amc",
        recorded.amc_text(motion),
    )
    return motion


def prepare(root, **arguments):
    """Returns what it prints, line by line, and prints it."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            motion_capture.prepare(root / "source", root / "out", **arguments)
    finally:
        print(printed.getvalue())
    return printed.getvalue().splitlines()


def read(root, name="cmu17"):
    with np.load(root / "out" / f"{name}.npz") as archive:
        motion = dict(archive)
    card = (root / "out" / f"{name}.json").read_text(encoding="utf-8")
    return motion, json.loads(card)


def test_cmus_files(tmp_path):
    motion = write_cmu(tmp_path)
    prepare(tmp_path)
    written, card = read(tmp_path)
    assert list(written) == ["CMU01/01_02"]
    joints = written["CMU01/01_02"]
    assert (joints.dtype, joints.shape) == (np.float32, (18, 17, 3))
    np.testing.assert_allclose(
        joints, recorded.slow_joints(motion)[::4], atol=1e-5
    )
    assert card["joints"] == list(H36M_17.joints)
    assert card["parents"] == list(H36M_17.parents)
    assert (card["units"], card["up"]) == ("metre", "z")
    assert (card["frames"], card["trials"], card["subjects"]) == (18, 1, 1)
    assert (card["train"], card["validation"]) == (["CMU01"], [])
    assert card["licence"].startswith(
        "CMU Graphics Lab Motion Capture Database, mocap.cs.cmu.edu: free"
    )
    assert "NSF EIA-0196217" in card["licence"]
    assert card["meta"] == {
        "CMU01/01_02": {
            "subject": "CMU01",
            "trial": "01_02",
            "description": "CMU01/01_02",
            "fps": 30.0,
            "source_fps": 120.0,
            "glitch_removed": 0,
            "frames": 18,
            "split": "train",
        }
    }


@pytest.mark.parametrize("lossy", [False, True])
@pytest.mark.parametrize("t_pose", [False, True])
def test_cgspeeds_files(tmp_path, lossy, t_pose):
    motion = recorded.moving(FRAMES)
    text = recorded.bvh_text(motion, lossy, t_pose)
    write(tmp_path, "001/01_02.bvh", text)
    lines = prepare(tmp_path)
    written, card = read(tmp_path)
    np.testing.assert_allclose(
        written["CMU01/01_02"],
        recorded.slow_joints(motion)[::4],
        atol=1e-5,
    )
    assert card["meta"]["CMU01/01_02"]["source_fps"] == 120
    assert f"T-poses dropped: {int(t_pose)}" in lines


@pytest.mark.parametrize("rate", ["120", "100", "60", "25"])
def test_limbs_keep_their_lengths(tmp_path, rate):
    motion = recorded.moving(120, fps=int(rate))
    text = recorded.bvh_text(motion)
    text = text.replace("Time: .0083333", f"Time: {1 / int(rate):.7f}")
    write(tmp_path, "01_02.bvh", text)
    prepare(tmp_path)
    joints = read(tmp_path)[0]["CMU01/01_02"].astype(np.float64)
    seconds = 119 / int(rate)
    assert len(joints) == int(seconds * 30 + 1e-4) + 1
    parents = np.array(H36M_17.parents)[list(LIMBS)]
    lengths = np.linalg.norm(joints[:, LIMBS] - joints[:, parents], axis=-1)
    assert np.ptp(lengths, axis=0).max() < 1e-5
    assert 0.25 < lengths.min() < lengths.max() < 0.5


def test_rates(tmp_path):
    """AMC files do not say theirs; CMU60's is known."""
    for trial in ("01_01", "60_01"):
        write_cmu(tmp_path, trial, 240)
    prepare(tmp_path)
    meta = read(tmp_path)[1]["meta"]
    assert meta["CMU01/01_01"]["source_fps"] == 120
    assert meta["CMU01/01_01"]["frames"] == 60
    assert meta["CMU60/60_01"]["source_fps"] == 60
    assert meta["CMU60/60_01"]["frames"] == 120
    prepare(tmp_path, amc_fps=240.0)
    meta = read(tmp_path)[1]["meta"]
    assert meta["CMU01/01_01"]["frames"] == 30
    assert meta["CMU60/60_01"]["frames"] == 120


def test_the_unit_of_bvh_files(tmp_path):
    motion = recorded.moving(FRAMES)
    centimetres = recorded.UNIT_M * 100
    write(tmp_path, "01_02.bvh", recorded.bvh_text(motion, scale=centimetres))
    prepare(tmp_path)
    joints = recorded.slow_joints(motion)[::4]
    np.testing.assert_allclose(
        read(tmp_path)[0]["CMU01/01_02"], joints, atol=1e-5
    )
    prepare(tmp_path, bvh_unit_m=0.008)
    np.testing.assert_allclose(
        read(tmp_path)[0]["CMU01/01_02"], 0.8 * joints, atol=1e-5
    )


def test_names_of_subjects_and_trials(tmp_path):
    text = recorded.bvh_text(recorded.moving(80))
    for path in ("104_01.bvh", "any/03_02.BVH", "Anna/walk.bvh"):
        write(tmp_path, path, text)
    write(tmp_path, "Bob/Bob.asf", recorded.asf_text())
    write(tmp_path, "Bob/run.amc", recorded.amc_text(recorded.moving(80)))
    write(tmp_path, "read.me", "no recording")
    write(tmp_path, "any/._03_02.BVH", "of macOS")
    prepare(tmp_path)
    motion, card = read(tmp_path)
    assert sorted(motion) == [
        "Anna/walk",
        "Bob/run",
        "CMU03/03_02",
        "CMU104/104_01",
    ]
    assert card["train"] == ["Anna", "Bob", "CMU104"]
    assert card["validation"] == ["CMU03"]
    loaded = mocap.load(tmp_path / "out", ("cmu17",), "validation")
    assert loaded.trial_names == ("CMU03/03_02",)


def test_nobody_of_cmus_database(tmp_path):
    write(tmp_path, "Anna/a.bvh", recorded.bvh_text(recorded.moving(80)))
    lines = prepare(tmp_path, name="anna", validation=("Anna",))
    _, card = read(tmp_path, "anna")
    assert "licence" not in card
    assert (card["train"], card["validation"]) == ([], ["Anna"])
    assert "validation: Anna" in lines


def test_an_index_of_unlikely_size(tmp_path):
    write_cmu(tmp_path)
    write(tmp_path, "cmu-mocap-index-text.txt", "x" * (2**22 + 1))
    refused(tmp_path, ValueError, "index-text.txt: larger than 4194304 bytes")


def test_descriptions(tmp_path):
    write_cmu(tmp_path, "01_02")
    write_cmu(tmp_path, "01_03")
    index = "Subject #1 (climb)\n\n01_02\tplayground - climb\n01_04\twalk\n"
    write(tmp_path, "info/cmu-mocap-index-text.txt", index)
    prepare(tmp_path)
    meta = read(tmp_path)[1]["meta"]
    assert meta["CMU01/01_02"]["description"] == "playground - climb"
    assert meta["CMU01/01_03"]["description"] == "CMU01/01_03"


def jumping(frames, at):
    """Someone who is 40 units elsewhere from one frame on."""
    motion = recorded.moving(frames)
    motion["root"][at:, 0] += 40
    return motion


def test_a_trial_is_cut_where_it_jumps(tmp_path, capsys):
    motion = write_cmu(tmp_path, motion=jumping(240, 100))
    lines = prepare(tmp_path)
    written, card = read(tmp_path)
    joints = recorded.slow_joints(motion)
    # Of the frames 0, 4, ..., 236, those from 96 to 103 go: 96 and 100.
    assert list(written) == ["CMU01/01_02", "CMU01/01_02#2"]
    np.testing.assert_allclose(
        written["CMU01/01_02"], joints[0:96:4], atol=1e-5
    )
    np.testing.assert_allclose(
        written["CMU01/01_02#2"], joints[104::4], atol=1e-5
    )
    first, second = card["meta"].values()
    assert (first["frames"], first["glitch_removed"]) == (24, 2)
    assert (second["frames"], second["glitch_removed"]) == (34, 0)
    assert first["description"] == second["description"] == "CMU01/01_02"
    assert any("2 frames of 1 recordings, 0 of them whole" in s for s in lines)
    assert "CMU01: 1 trials, 58 frames, 2 cut" in capsys.readouterr().out


def test_interpolated_frames_keep_clear_of_jumps(tmp_path):
    motion = jumping(160, 70)
    text = recorded.bvh_text(motion).replace(".0083333", "0.01")
    write(tmp_path, "01_02.bvh", text)
    prepare(tmp_path)
    for part in read(tmp_path)[0].values():
        # 40 units are 2.3 m.
        assert np.ptp(part[:, 0, 0]) < 0.3


def test_a_short_recording_without_jumps_is_kept(tmp_path):
    write_cmu(tmp_path, "01_02", 80)
    write_cmu(tmp_path, "01_03", 24)
    prepare(tmp_path)
    lengths = {name: len(part) for name, part in read(tmp_path)[0].items()}
    assert lengths == {"CMU01/01_02": 20, "CMU01/01_03": 6}


def test_a_recording_of_short_parts_only(tmp_path):
    write_cmu(tmp_path, motion=jumping(80, 40))
    with pytest.raises(
        ValueError, match="no part between two jumps lasts 0.5"
    ):
        prepare(tmp_path)


def test_what_the_summary_says(tmp_path):
    write_cmu(tmp_path, "01_02")
    write_cmu(tmp_path, "03_01")
    lines = prepare(tmp_path)[2:]
    assert lines[0] == (
        f"{tmp_path / 'out' / 'cmu17.npz'}: 2 trials of 2 subjects, 36 "
        "frames at 30 per second"
    )
    assert lines[1] == "validation: CMU03"
    # The made skeleton's right side is 2 % longer.
    thigh = 1.01 * np.hypot(2.5, 6.8) * recorded.UNIT_M
    assert f"thighs {thigh:.3f} m" in lines[4]
    forearm = 1.01 * 5.4 * recorded.UNIT_M
    assert f"forearms {forearm:.3f} m" in lines[4]
    assert lines[5].startswith("lowest joint, median of trials: 0.")


def files(root):
    out = root / "out"
    return sorted(os.listdir(out)) if out.exists() else []


def test_again(tmp_path):
    write_cmu(tmp_path)
    prepare(tmp_path)
    (tmp_path / "out" / ".ampose.abcdefgh").mkdir()
    motion = write_cmu(tmp_path, seed=1)
    prepare(tmp_path)
    np.testing.assert_allclose(
        read(tmp_path)[0]["CMU01/01_02"],
        recorded.slow_joints(motion)[::4],
        atol=1e-5,
    )
    assert files(tmp_path) == ["cmu17.json", "cmu17.npz"]


def test_an_interruption_leaves_the_old_files(tmp_path, monkeypatch):
    write_cmu(tmp_path)
    prepare(tmp_path)
    before = [
        (tmp_path / "out" / name).read_bytes() for name in files(tmp_path)
    ]
    write_cmu(tmp_path, seed=1)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(mocap, "load", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare(tmp_path)
    assert files(tmp_path) == ["cmu17.json", "cmu17.npz"]
    assert before == [
        (tmp_path / "out" / name).read_bytes() for name in files(tmp_path)
    ]


def test_what_reads_back_otherwise_is_not_kept(tmp_path, monkeypatch):
    write_cmu(tmp_path)
    load = mocap.load
    monkeypatch.setattr(
        mocap,
        "load",
        lambda *a: load(*a)._replace(joints=load(*a).joints + 1e-3),
    )
    with pytest.raises(ValueError, match="cmu17: the written archive differs"):
        prepare(tmp_path)
    assert files(tmp_path) == []


def refused(tmp_path, error, message, **arguments):
    with pytest.raises(error, match=message) as raised:
        prepare(tmp_path, **arguments)
    assert "\n" not in str(raised.value)
    assert files(tmp_path) == []


def test_no_recordings(tmp_path):
    refused(tmp_path, OSError, "no folder .*source")
    write(tmp_path, "01.asf", recorded.asf_text())
    refused(tmp_path, OSError, r"no \.amc or \.bvh files below .*source")


def test_a_missing_skeleton(tmp_path):
    amc = recorded.amc_text(recorded.moving(80))
    write(tmp_path, "01/01_02.amc", amc)
    refused(tmp_path, OSError, r"01_02\.amc: expected 01\.asf .* got none")
    # Somebody else's.
    write(tmp_path, "01/02.asf", recorded.asf_text())
    refused(tmp_path, OSError, r"01_02\.amc: expected 01\.asf .* got 02\.asf")
    (tmp_path / "source/01/02.asf").rename(tmp_path / "source/01/01.asf")
    write(tmp_path, "Anna/a.amc", amc)
    for name in ("x", "y"):
        write(tmp_path, f"Anna/{name}.asf", recorded.asf_text())
    refused(
        tmp_path,
        OSError,
        r"a\.amc: expected one \.asf .* x\.asf, y\.asf",
        strict=True,
    )


def test_the_same_trial_twice(tmp_path):
    write_cmu(tmp_path, "01_02")
    write(tmp_path, "b/01_02.bvh", recorded.bvh_text(recorded.moving(80)))
    refused(
        tmp_path, ValueError, r"01_02\.amc: the same trial as .*01_02\.bvh"
    )


def spoil(root, trial):
    write_cmu(root, trial)
    path = root / f"source/subjects/{trial[:2]}/{trial}.amc"
    path.write_text(path.read_text()[:-100])


def test_damaged_files_are_left_out_and_told(tmp_path, capsys):
    write_cmu(tmp_path, "01_02")
    for trial in ("01_03", "03_01"):
        spoil(tmp_path, trial)
    write(tmp_path, "Bob/run.bvh", "HIERARCHY")
    write(tmp_path, "Bob/walk.amc", "1")  # without a skeleton
    lines = prepare(tmp_path)
    told = [line for line in lines if line.startswith("left out: ")]
    names = ["run.bvh", "walk.amc", "01_03.amc:", "03_01.amc:"]
    assert len(told) == 4
    assert all(name in line for line, name in zip(told, names, strict=True))
    assert all(len(line) <= 300 + len(str(tmp_path)) for line in told)
    assert "CMU01: 1 trials, 18 frames, 0 cut" in lines
    assert lines[-1] == "left out, see above: 4 of 5 recordings"
    written, card = read(tmp_path)
    assert list(written) == ["CMU01/01_02"] and card["trials"] == 1
    refused = "run.bvh: expected a line MOTION, got none"
    with pytest.raises(ValueError, match=refused):
        prepare(tmp_path, strict=True)
    # What was there stays.
    assert list(read(tmp_path)[0]) == ["CMU01/01_02"]


def test_nothing_is_written_of_damaged_files_alone(tmp_path):
    for trial in ("01_03", "03_01"):
        spoil(tmp_path, trial)
    refused(
        tmp_path,
        ValueError,
        r"01_03\.amc:\d+: .* \(and 1 more\); nothing was written",
    )


def test_a_damaged_subject_of_validation(tmp_path):
    write_cmu(tmp_path, "01_02")
    spoil(tmp_path, "02_01")
    refused(
        tmp_path,
        ValueError,
        "no recording of the validation subject CMU02 can be used",
        validation=("CMU02",),
    )


def test_rates_that_files_say(tmp_path):
    for trial in ("01_01", "60_01"):
        motion = write_cmu(tmp_path, trial, 240)
        text = f":SAMPLES-PER-SECOND 240\n{recorded.amc_text(motion)}"
        write(tmp_path, f"subjects/{trial[:2]}/{trial}.amc", text)
    prepare(tmp_path, amc_fps=100.0)
    meta = read(tmp_path)[1]["meta"]
    assert {m["source_fps"] for m in meta.values()} == {240}
    assert {m["frames"] for m in meta.values()} == {30}


@pytest.mark.parametrize("places", ["parent", "offset", "stated"])
def test_six_channels_a_joint(tmp_path, places):
    motion = recorded.moving(FRAMES)
    text = recorded.bvh_text(motion, t_pose=True, places=None)
    six = recorded.bvh_text(motion, places=places)
    write(tmp_path, "01_01.bvh", text)
    write(tmp_path, "01_02.bvh", six)
    prepare(tmp_path)
    written, _ = read(tmp_path)
    np.testing.assert_allclose(
        written["CMU01/01_02"], written["CMU01/01_01"], atol=1e-5
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("LeftLeg", "Links", r"01_02\.bvh: .* missing ltibia \(LeftLeg\)"),
        ("Frames: 80", "Frames: 81", r"01_02\.bvh: expected 81 frames"),
        (".0083333", "0.1", r"01_02\.bvh: expected 15 to 1000 frames .* 10"),
        (".0083333", "1e-6", r"01_02\.bvh: expected 15 to 1000 frames"),
    ],
)
def test_a_damaged_bvh(tmp_path, old, new, message):
    text = recorded.bvh_text(recorded.moving(80))
    write(tmp_path, "01_02.bvh", text.replace(old, new))
    refused(tmp_path, ValueError, message)


def test_sizes_that_nobody_has(tmp_path):
    text = recorded.bvh_text(recorded.moving(80), scale=0.3)
    path = write(tmp_path, "01_02.bvh", text)
    refused(tmp_path, ValueError, r"01_02\.bvh: thigh and .* set the unit")
    refused(
        tmp_path,
        ValueError,
        r"01_02\.bvh: expected thigh and shank of 0.4 to 1.2 m .* got 4.4",
        bvh_unit_m=1.0,
    )
    path.unlink()
    write_cmu(tmp_path)
    path = tmp_path / "source/subjects/01/01.asf"
    path.write_text(path.read_text().replace("length 0.45", "length 1.0"))
    refused(tmp_path, ValueError, r"01\.asf: expected thigh .* got 0.378")


def test_an_output_that_is_a_file(tmp_path):
    write_cmu(tmp_path)
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OSError, match="out is not a folder"):
        prepare(tmp_path)
    assert (tmp_path / "out").read_text() == "mine"


def test_arguments(tmp_path):
    write_cmu(tmp_path)
    for name in ("", "a/b", "..", "a.b"):
        refused(tmp_path, ValueError, "name: expected a name of", name=name)
    refused(tmp_path, ValueError, "amc_fps: expected 15 to", amc_fps=0.0)
    for unit in (-1.0, np.inf, np.nan):
        refused(tmp_path, ValueError, "bvh_unit_m: exp", bvh_unit_m=unit)
    refused(
        tmp_path,
        ValueError,
        "no recording of .* subject CMU09; found CMU01",
        validation=("CMU01", "CMU09"),
    )


def test_a_file_of_unlikely_size(tmp_path, monkeypatch):
    write_cmu(tmp_path)
    monkeypatch.setattr(motion_text, "MOST_BYTES", 10_000)
    refused(tmp_path, ValueError, r"01_02\.amc: larger than 10000 bytes")

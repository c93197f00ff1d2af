"""Many clips: all lifted, none twice, and what a kill leaves is taken up."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from ampose_tf import files, weights
from ampose_tf.lifting import Lifter, command, ledger, many, results, saving
from tests import clips

ROOT = pathlib.Path(__file__).parents[2]
COUNT = 5
FLAGS = "--output=lifted"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = pathlib.Path("clips")
    made.mkdir()
    for number in range(COUNT):
        content = json.dumps(clips.coco_results(1 + number % 2))
        (made / f"c{number}.json").write_text(content)
    return made


@pytest.fixture
def lift(run_lift):
    def run(*arguments):
        return run_lift(
            "--keypoints=clips/*.json", "--model=ampose_t", *arguments
        )

    return run


def written():
    return {
        path.name: path.stat().st_mtime_ns
        for path in pathlib.Path("lifted").iterdir()
        if path.name != ledger.NAME
    }


def test_each_clip_has_its_own_files(folder, lift):
    status, out, notes = lift("--formats=npz,bvh")
    assert status == 0
    assert out == (
        "lifted: 5 of 5 clips lifted, 0 skipped that had been lifted before, "
        "0 failed\n"
    )
    assert "5 clips, such as c0.json: The frame rate is not known" in notes
    assert set(written()) == {
        *(f"c{number}.npz" for number in range(COUNT)),
        *(f"c{number}.bvh" for number in (0, 2, 4)),
        *(f"c{number}_{person}.bvh" for number in (1, 3) for person in (0, 1)),
    }
    alone = Lifter("ampose_t")(folder / "c1.json")
    motion = results.load("lifted/c1.npz")
    for track, expected in zip(motion.tracks, alone.tracks, strict=True):
        np.testing.assert_array_equal(track.poses_3d, expected.poses_3d)
    assert motion.provenance == {
        "input": "c1.json",
        "input_sha256": files.sha256(folder / "c1.json"),
        "model": "ampose_t_float32.tflite",
        "model_sha256": files.sha256(weights.LIFTING["ampose_t"]),
        "settings": "",
        "version": motion.provenance["version"],
    }


def test_what_is_done_is_skipped(folder, lift):
    lift(FLAGS)
    before = written()
    (folder / "c9.json").write_text((folder / "c0.json").read_text())
    status, out, _ = lift(FLAGS)
    assert status == 0 and "1 of 6 clips lifted, 5 skipped" in out
    after = written()
    assert after.pop("c9.npz") and after == before
    # A format more: as lifted before, and the old one is not made again.
    assert "6 of 6 clips lifted" in lift(FLAGS, "--formats=csv")[1]
    assert "6 skipped" in lift(FLAGS, "--formats=npz,csv")[1]
    assert {n: t for n, t in written().items() if n in before} == before
    # Of one that was removed, all is made again.
    os.remove("lifted/c2.npz")
    assert "1 of 6 clips lifted, 5 skipped" in lift(FLAGS)[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--smooth=one_euro"], "was lifted with other flags"),
        (["--model=ampose_s"], "was lifted by another model"),
    ],
)
def test_another_way_needs_overwrite(folder, lift, arguments, message):
    lift(FLAGS)
    before = written()
    status, out, errors = lift(FLAGS, *arguments)
    assert status == 4 and "5 failed" in out
    assert errors.count(f"c1.npz {message}") == 1
    assert written() == before
    assert "5 of 5 clips lifted" in lift(FLAGS, "--overwrite", *arguments)[1]
    # With --overwrite, too, what is the same is not made again.
    assert "5 skipped" in lift(FLAGS, "--overwrite", *arguments)[1]


def test_another_input_needs_overwrite(folder, lift):
    lift(FLAGS)
    (folder / "c0.json").write_text((folder / "c1.json").read_text())
    status, out, errors = lift(FLAGS)
    assert status == 4 and "4 skipped" in out
    assert "lifted/c0.npz was lifted from another input" in errors
    assert "1 of 5 clips lifted" in lift(FLAGS, "--overwrite")[1]


def test_files_of_others_are_kept(folder, lift):
    pathlib.Path("lifted").mkdir()
    pathlib.Path("lifted/c1.npz").write_text("of another program")
    lift(FLAGS)
    pathlib.Path("lifted/c2.npz").write_text("edited")
    status, out, errors = lift(FLAGS)
    assert status == 4 and "3 skipped" in out
    for name, text in (("c1", "of another program"), ("c2", "edited")):
        assert f"clips/{name}.json: lifted/{name}.npz exists" in errors
        assert pathlib.Path(f"lifted/{name}.npz").read_text() == text


def test_bad_clips_are_named_and_the_rest_goes_on(folder, lift):
    (folder / "bad.json").write_text("{")
    (folder / "empty.json").write_text("[]")
    results_ = pathlib.Path("clips/lifted.npz")
    Lifter("ampose_t")(folder / "c0.json").save(results_)
    results_.rename("clips/z.json")
    status, out, errors = lift(FLAGS)
    assert status == 4
    assert "5 of 8 clips lifted, 0 skipped" in out and "3 failed" in out
    lines = errors.splitlines()
    failed = ["bad.json", "empty.json", "z.json"]
    assert lines[-3:] == [f"failed: clips/{name}" for name in failed]
    for name in failed:
        (line,) = (
            line for line in lines[:-3] if line.startswith(f"clips/{name}: ")
        )
        assert len(line) < 200


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--keypoints=clips/*.npy"], "nothing matches"),
        (["--output=lifted.npz"], "expected a folder"),
        (
            ["--keypoints=clips", "--output=clips/lifted"],
            "among the keypoints",
        ),
        (["--formats=xyz"], "unknown format"),
        (["--doctor"], "--doctor examines one clip"),
        (["--threads=9999"], "expected 1 to"),
    ],
)
def test_mistakes_are_told_before_anything_is_lifted(
    folder, lift, arguments, message
):
    with pytest.raises(ValueError, match=message):
        lift(*arguments)
    assert not pathlib.Path("lifted").exists()


def test_a_clip_is_not_overwritten_by_its_result(folder, run_lift):
    for name in ("c0", "c1"):
        np.save(f"clips/{name}.npy", clips.truth()[0][:, 0])
        np.savez(f"clips/{name}.npz", keypoints_px=clips.truth()[0][:, 0])
    status, _, errors = run_lift(
        "--keypoints=clips/*.npz", "--output=clips", "--overwrite"
    )
    assert status == 4
    assert errors.count("is the keypoint file; choose another --output") == 2


def make_motion(path):
    return Lifter("ampose_t")(path)


def lift_all(folder, overwrite=False):
    made_of = {"model": "m", "model_sha256": "1", "settings": ""}
    return many.lift(
        sorted(folder.iterdir()),
        make_motion,
        lambda stem: saving.plan("lifted/", stem, ["npz", "csv"]),
        made_of,
        overwrite,
    )


@pytest.mark.parametrize("moved", [0, 1])
def test_a_kill_between_two_files_is_made_good(folder, monkeypatch, moved):
    """The line in the ledger is there, and so many of the files."""
    replace, seen = os.replace, []

    def die(*paths):
        seen.append(paths)
        if len(seen) > 2 * 2 + moved:
            raise KeyboardInterrupt
        replace(*paths)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            lift_all(folder)
    assert len(written()) == 2 * 2 + moved
    outcome = lift_all(folder)
    assert (outcome.skipped, outcome.lifted, outcome.failed) == (2, 3, [])
    assert len(written()) == 2 * COUNT
    assert lift_all(folder).skipped == COUNT


def test_a_ledger_cut_short_is_taken_up(folder):
    lift_all(folder)
    path = pathlib.Path("lifted", ledger.NAME)
    path.write_bytes(path.read_bytes()[:-20])
    for name in ("c4.npz", "c4.csv"):
        os.remove(f"lifted/{name}")
    assert lift_all(folder).lifted == 1
    assert lift_all(folder).skipped == COUNT


def test_a_strangers_ledger_leads_nowhere(folder):
    lift_all(folder)
    path = pathlib.Path("lifted", ledger.NAME)
    secret = pathlib.Path("secret.npz")
    secret.write_text("x")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0]["digests"] = {"../secret.npz": files.sha256(secret)}
    lines[1] = {"clip": 3}
    lines[2] = [1]
    path.write_text("\n".join(map(json.dumps, lines)) + "\nnonsense\n")
    outcome = lift_all(folder)
    # Their files are there, and nothing says that they may be replaced.
    assert (outcome.skipped, len(outcome.failed)) == (2, 3)
    assert secret.read_text() == "x"


def test_a_killed_run_goes_on(folder):
    """Killed when some are done: no file is half-written, none is lost."""
    for number in range(COUNT, 40):
        (folder / f"c{number}.json").write_text(
            (folder / f"c{number % 2}.json").read_text()
        )
    arguments = [sys.executable, str(ROOT / "lift.py"), "--model=ampose_t"]
    arguments += ["--keypoints=clips/*.json", "--formats=npz,csv"]
    process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
    lifted = pathlib.Path("lifted")
    until = time.monotonic() + 60
    while len(list(lifted.glob("*.csv"))) < 6 and time.monotonic() < until:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for path in lifted.glob("*.npz"):
        results.load(path)
    done = subprocess.run(
        arguments, capture_output=True, text=True, check=True
    )
    count = int(done.stdout.split()[1])
    assert 0 < count < 40 - 4, done.stdout
    assert len(list(lifted.glob("c*.npz"))) == 40
    assert len(list(lifted.glob("c*.csv"))) == 40
    # Nothing that the killed process had begun is left.
    assert len(list(lifted.iterdir())) == 81


def test_the_exit_status_is_that_of_design():
    assert command._SOME_FAILED == 4

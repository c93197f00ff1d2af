"""Many clips: all lifted, none twice, and what a kill leaves is taken up."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from ampose_tf import files, weights
from ampose_tf.lifting import Lifter, results, saving
from ampose_tf.lifting.many import ledger, workers
from tests import clips

ROOT = pathlib.Path(__file__).parents[3]
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
        "lifted: 5 of 5 clips lifted, 0 skipped as already lifted, 0 failed\n"
    )
    assert "5 clips, such as c0.json: The frame rate is unknown" in notes
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


def test_the_folder_may_be_called_like_a_file(folder, run_lift):
    arguments = "--keypoints=clips/c0.*", "--model=ampose_t"
    for output, formats in (("x.json/", "npz"), ("x.json", "csv")):
        flags = f"--output={output}", f"--formats={formats}"
        assert run_lift(*arguments, *flags)[0] == 0
        assert pathlib.Path("x.json", f"c0.{formats}").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--keypoints=clips/*.npy"], "no file matches"),
        (["--output=lifted.npz"], "expected a folder"),
        (
            ["--keypoints=clips", "--output=clips/lifted"],
            "among the keypoints",
        ),
        (["--formats=xyz"], "unknown format"),
        (["--doctor"], "--doctor checks one clip"),
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
        np.savez(f"clips/{name}.npz", keypoints_px=clips.truth()[0][:, 0])
    with pytest.raises(ValueError, match="c0.npz would be written among the"):
        run_lift("--keypoints=clips/*.npz", "--output=clips", "--overwrite")


def test_two_clips_have_no_file_in_common(folder, lift):
    """Of two people, `c1_0.bvh` is the first's."""
    single = (folder / "c0.json").read_text()
    (folder / "c1_1.json").write_text(single)
    for _ in range(2):
        # Whichever comes first; the second time what is there is skipped.
        status, _, errors = lift(FLAGS, "--formats=bvh", "--overwrite")
        assert status == 4
        assert "lifted/c1_1.bvh is also a result of clips/c1" in errors
        before = written()
    assert written() == before


def test_a_name_that_ends_like_a_format_is_skipped_too(folder, lift):
    (folder / "c0.json").rename(folder / "c0_angles.json")
    assert "5 of 5 clips lifted" in lift(FLAGS, "--formats=csv")[1]
    assert "5 skipped" in lift(FLAGS, "--formats=csv")[1]


def test_files_that_were_not_asked_for_do_not_matter(folder, lift):
    lift(FLAGS, "--formats=npz,csv,bvh")
    for path in [*pathlib.Path("lifted").glob("*.csv")]:
        path.unlink()
    assert "5 skipped" in lift(FLAGS, "--formats=npz")[1]
    assert "5 skipped" in lift(FLAGS, "--formats=npz,bvh")[1]
    os.remove("lifted/c1_0.bvh")
    assert "4 skipped" in lift(FLAGS, "--formats=npz,bvh")[1]
    assert "5 of 5 clips lifted" in lift(FLAGS, "--formats=csv")[1]


def test_people_who_are_gone_leave_no_file(folder, lift):
    lift(FLAGS, "--formats=npz,bvh")
    (folder / "c1.json").write_text((folder / "c0.json").read_text())
    pathlib.Path("lifted/c3_0.bvh").write_text("edited")
    (folder / "c3.json").write_text((folder / "c0.json").read_text())
    lift(FLAGS, "--formats=npz,bvh", "--overwrite")
    assert {"c1.bvh", "c3.bvh", "c3_0.bvh"} <= set(written())
    assert not {"c1_0.bvh", "c1_1.bvh", "c3_1.bvh"} & set(written())


def test_one_process_at_a_time(folder, lift):
    pathlib.Path("lifted").mkdir()
    with (
        ledger.Ledger(pathlib.Path("lifted")),
        pytest.raises(OSError, match="lifted is in use by process"),
    ):
        lift(FLAGS)
    assert "5 of 5 clips lifted" in lift(FLAGS)[1]


def test_names_of_any_bytes(folder, lift):
    content = (folder / "c0.json").read_text()
    (folder / os.fsdecode(b"caf\xe9.json")).write_text(content)
    (folder / "two\nlines.json").write_text("{")
    status, out, errors = lift(FLAGS, "--formats=json")
    assert status == 4 and "6 of 7 clips lifted" in out
    assert errors.splitlines()[-1] == "failed: clips/two lines.json"
    motion = results.load(os.fsdecode(b"lifted/caf\xe9.json"))
    assert motion.provenance["input"] == "caf\N{REPLACEMENT CHARACTER}.json"


def test_an_error_of_any_kind_is_of_one_clip(folder, capsys):
    def make(path):
        if path.stem == "c1":
            raise MemoryError
        return make_motion(path)

    outcome = workers.lift(
        sorted(folder.iterdir()),
        make,
        lambda stem: saving.plan("lifted/", stem, ["npz"]),
        {"model_sha256": "1", "settings": ""},
    )
    assert outcome.failed == [folder / "c1.json"] and outcome.lifted == 4
    assert capsys.readouterr().err == "clips/c1.json: MemoryError\n"


def test_what_a_killed_run_left_is_removed(folder, lift):
    lifted = pathlib.Path("lifted")
    for name in (".ampose.abcdefgh", ".c1.npz.abcdefgh"):
        (lifted / name / "new").mkdir(parents=True)
        (lifted / name / "lock").touch()
        (lifted / name / "new" / "c1.npz").touch()
    lift(FLAGS)
    (left,) = (p.name for p in lifted.iterdir() if p.is_dir())
    assert left == ".c1.npz.abcdefgh"


def make_motion(path):
    return Lifter("ampose_t")(path)


def lift_all(folder, overwrite=False):
    made_of = {"model": "m", "model_sha256": "1", "settings": ""}
    return workers.lift(
        sorted(folder.iterdir()),
        make_motion,
        lambda stem: saving.plan("lifted/", stem, ["npz", "csv"]),
        made_of,
        overwrite,
    )


@pytest.mark.parametrize("moved", [0, 1])
def test_a_kill_between_two_files_is_made_good(folder, lift, moved):
    """The line in the ledger is there, and so many of the files."""
    code = """
        import os, sys
        from ampose_tf import config
        from ampose_tf.lifting import command

        link, left = os.link, [int(sys.argv.pop(1))]

        def link_or_die(*paths):
            if not left[0]:
                os.kill(os.getpid(), 9)
            left[0] -= 1
            link(*paths)

        os.link, sys.argv[0] = link_or_die, "lift.py"
        config.run(command.main, command.define_flags)
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(2 * 2 + moved)]
        + ["--keypoints=clips/*.json", "--model=ampose_t", "--threads=1"]
        + [FLAGS, "--formats=npz,csv"],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert len([name for name in written() if name[0] == "c"]) == 4 + moved
    out = lift(FLAGS, "--formats=npz,csv")[1]
    assert "3 of 5 clips lifted, 2 skipped" in out
    assert len(written()) == 2 * COUNT
    assert "5 skipped" in lift(FLAGS, "--formats=npz,csv")[1]


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
    lines = path.read_text().splitlines()
    lines = [json.loads(line) for line in lines if line]
    lines[0]["digests"] = {"../secret.npz": files.sha256(secret)}
    lines[1] = {"clip": 3}
    lines[2] = [1]
    path.write_text("\n".join(map(json.dumps, lines)) + "\nnonsense\n")
    outcome = lift_all(folder)
    # Their files are there, and nothing says that they may be replaced.
    assert (outcome.skipped, len(outcome.failed)) == (2, 3)
    assert secret.read_text() == "x"


# Lifts, and kills itself when six clips are written.
KILLED = """
import os
import sys
from ampose_tf import config
from ampose_tf.lifting import command
from ampose_tf.lifting.many import ledger

add, count = ledger.Ledger.add, []


def add_or_die(*arguments):
    add(*arguments)
    count.append(1)
    if len(count) == 6:
        os.kill(os.getpid(), 9)


ledger.Ledger.add = add_or_die
sys.argv[0] = "lift.py"
config.run(command.main, command.define_flags)
"""


def test_a_killed_run_goes_on(folder, lift):
    """No file is half-written, none is lost, and nothing is left over."""
    for number in range(COUNT, 12):
        (folder / f"c{number}.json").write_text(
            (folder / f"c{number % 2}.json").read_text()
        )
    arguments = ["--keypoints=clips/*.json", "--model=ampose_t"]
    arguments += [FLAGS, "--formats=npz,csv"]
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    lifted = pathlib.Path("lifted")
    done = len(list(lifted.glob("*.npz")))
    assert 4 <= done <= 6
    for path in lifted.glob("*.npz"):
        results.load(path)
    status, out, _ = lift(FLAGS, "--formats=npz,csv")
    assert status == 0 and f"{12 - done} of 12 clips lifted" in out
    assert len(list(lifted.glob("c*.npz"))) == 12
    assert len(list(lifted.glob("c*.csv"))) == 12
    assert len(list(lifted.iterdir())) == 25

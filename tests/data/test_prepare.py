import sys

import numpy as np
import pytest

from ampose_tf.config import commandline
from ampose_tf.data import (
    archive,
    human36m,
    mocap,
    mpi_inf_3dhp,
    prepare,
    synthetic,
)
from ampose_tf.data.preparation import official_human36m, official_mpi_inf_3dhp
from benchmarks.downloads import (
    annotations,
    write_annotations,
    write_human36m,
    write_mpi_inf_3dhp,
    write_recording,
)
from tests import recorded


@pytest.fixture
def run(monkeypatch):
    """Returns a runner of command lines."""

    def runner(*arguments):
        monkeypatch.setattr(sys, "argv", ["prepare.py", *map(str, arguments)])
        try:
            commandline.run(prepare.main, prepare.define_flags, prepare.NAMED)
        except SystemExit as ended:
            if ended.code is not None:
                raise

    return runner


def fails(run, capsys, *arguments):
    """Runs a mistake; returns what it prints on stderr, one line."""
    with pytest.raises(SystemExit) as ended:
        run(*arguments)
    assert ended.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("prepare.py: ")
    return lines[0].removeprefix("prepare.py: ")


def download(source):
    """One recording of each of Human3.6M's subjects."""
    for subject in human36m.SUBJECTS:
        write_recording(
            source / subject / "MyPoseFeatures/D3_Positions/Eating.cdf",
            synthetic.generate(subject, "Eating", 2, seed=3),
        )


def test_human36m(run, tmp_path, capsys):
    download(tmp_path)
    source, output = f"--source={tmp_path}", tmp_path / "data"
    run("human36m", source, f"--output={output}")
    assert human36m.load(output, ("S9",)).count == 2 * 4
    # Over what is there, as after an interruption.
    run("human36m", source, f"--output={output}")
    assert sorted(path.name for path in output.iterdir()) == [
        "data_2d_h36m_gt.npz",
        "data_3d_h36m.npz",
    ]
    option = f"--metadata={tmp_path / 'x.xml'}"
    message = fails(
        run, capsys, "human36m", source, f"--output={output}", option
    )
    assert message == f"no file {tmp_path / 'x.xml'}"


def test_an_interruption_leaves_what_was_there(run, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    download(tmp_path)
    command = ("human36m", f"--source={tmp_path}", f"--output={tmp_path}/data")
    run(*command)
    before = {p: p.read_bytes() for p in (tmp_path / "data").iterdir()}
    # In the middle of the first file.
    monkeypatch.setattr(archive.pickletools, "genops", interrupt)
    with pytest.raises(SystemExit) as ended:
        run(*command)
    assert ended.value.code == 130
    after = {p: p.read_bytes() for p in (tmp_path / "data").iterdir()}
    assert after == before


def test_mpi_inf_3dhp(run, tmp_path, capsys):
    joints = synthetic.generate("S1", "Eating", 3, seed=3)
    joints = joints[:, human36m.JOINTS_OF_32]
    write_annotations(
        tmp_path / "TS4/annot_data.mat",
        annotations(500 + 100 * joints[..., :2], joints, [1, 0, 1]),
    )
    command = (
        "mpi_inf_3dhp",
        f"--source={tmp_path}",
        f"--output={tmp_path}/data",
    )
    assert "no file " in fails(run, capsys, *command)
    run(*command, "--sequences=TS4")
    assert mpi_inf_3dhp.load(tmp_path / "data").count == 2
    message = fails(run, capsys, *command, "--sequences=TS4", "--official")
    assert message == (
        f"{tmp_path}: TS4 differs from the official release; nothing was "
        "written"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--output=... is missing"),
        (["human36m", "--output=y"], "--source=... is missing"),
        (["--source=x", "--output=y"], "Expected one data set: human36m, "),
        (
            ["h36m", "--source=x", "--output=y"],
            "Expected one data set: human36m, mpi_inf_3dhp, mocap, shards, "
            "got h36m",
        ),
        (["human36m", "--source=x"], "--output=... is missing"),
        (["human36m", "--source=x", "--output=y", "z"], "got human36m z"),
        (
            ["human36m", "--source=x", "--output=y", "--official"],
            "--official is for mpi_inf_3dhp, not human36m",
        ),
        (
            ["mpi_inf_3dhp", "--source=x", "--output=y", "--sequences=S9"],
            "Unknown sequence 'S9'; expected some of TS1, ",
        ),
    ],
)
def test_command_lines_that_are_wrong(run, capsys, arguments, message):
    assert message in fails(run, capsys, *arguments)


@pytest.mark.parametrize(
    ("module", "library"),
    [(official_human36m, "cdflib"), (official_mpi_inf_3dhp, "h5py")],
)
def test_a_missing_library_is_named(
    run, tmp_path, capsys, monkeypatch, module, library
):
    path = tmp_path / "S1/MyPoseFeatures/D3_Positions/Eating.cdf"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"something")
    (tmp_path / "TS1").mkdir()
    (tmp_path / "TS1" / "annot_data.mat").write_bytes(b"something")
    text = f'raise ModuleNotFoundError("No module named {library!r}")'
    (tmp_path / f"{library}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    message = fails(
        run,
        capsys,
        module.__name__.split("official_")[1],
        f"--source={tmp_path}",
        f"--output={tmp_path / 'data'}",
    )
    assert message == (
        f"needs the library {library}: pip install 'ampose_tf[prepare]'"
    )


def test_a_broken_library_is_not_a_missing_one(run, tmp_path, monkeypatch):
    path = tmp_path / "S1/MyPoseFeatures/D3_Positions/Eating.cdf"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"something")
    (tmp_path / "cdflib.py").write_text("from re import nothing")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        run("human36m", f"--source={tmp_path}", f"--output={tmp_path / 'x'}")


def test_help_names_the_subcommands(run, capsys):
    with pytest.raises(SystemExit) as ended:
        run("--help")
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert "human36m" in printed and "mpi_inf_3dhp" in printed


def test_mocap(run, tmp_path, capsys):
    folder = tmp_path / "subjects" / "07"
    folder.mkdir(parents=True)
    (folder / "07.asf").write_text(recorded.asf_text())
    for trial in ("07_01", "07_02"):
        text = recorded.amc_text(recorded.moving(71, seed=1))
        (folder / f"{trial}.amc").write_text(text)
    run(
        "mocap",
        f"--source={tmp_path}",
        f"--output={tmp_path / 'mocap'}",
        "--name=mine",
        "--validation=CMU07",
        "--amc_fps=60",
    )
    motion = mocap.load(tmp_path / "mocap", ("mine",), "validation")
    assert motion.trial_names == ("CMU07/07_01", "CMU07/07_02")
    assert len(motion.joints) == 2 * 36
    printed = capsys.readouterr().out
    assert "2 trials of 1 subjects, 72 frames at 30 per second" in printed
    line = fails(run, capsys, "mocap", "--source=nowhere", "--output=x")
    assert "nowhere" in line
    # One of many is bad.
    (folder / "07_02.amc").write_text("1")
    arguments = ("mocap", f"--source={tmp_path}", f"--output={tmp_path / 'm'}")
    with pytest.raises(SystemExit) as ended:
        run(*arguments)
    assert ended.value.code == 4
    printed = capsys.readouterr().out
    assert f"left out: {folder / '07_02.amc'}:" in printed
    assert printed.endswith("left out, see above: 1 of 2 recordings\n")
    assert (tmp_path / "m" / "cmu17.npz").exists()
    line = fails(run, capsys, *arguments, "--strict")
    assert "07_02.amc" in line


def test_generated_downloads_stay_marked(run, tmp_path, capsys):
    source = tmp_path / "downloads"
    source.mkdir()
    write_human36m(source, 2, seed=0)
    write_mpi_inf_3dhp(source, 4, seed=0)
    for mark in (False, True):
        output = tmp_path / f"data_{mark}"
        if mark:
            (source / synthetic.MARK).touch()
        for name in ("human36m", "mpi_inf_3dhp"):
            run(name, f"--source={source}", f"--output={output}")
        assert synthetic.is_generated(output) is mark
        assert mpi_inf_3dhp.is_generated(output) is mark
    # Neither replaces the other.
    line = fails(
        run,
        capsys,
        "human36m",
        f"--source={source}",
        f"--output={tmp_path / 'data_False'}",
    )
    assert line.endswith("contains recordings; choose another folder")
    poses = mpi_inf_3dhp.load(output)
    assert poses.count == 6 * 2
    for name in ("data_2d_h36m_cpn_ft_h36m_dbb.npz",):
        (source / name).rename(output / name)
    detected = human36m.load(output, ("S9",), "cpn_ft_h36m_dbb")
    truth = human36m.load(output, ("S9",), "gt")
    np.testing.assert_array_equal(detected.poses_3d, truth.poses_3d)
    error = np.abs(detected.keypoints_2d - truth.keypoints_2d)
    assert 0.001 < np.median(error) < 0.1

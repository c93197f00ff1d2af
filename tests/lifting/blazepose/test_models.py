"""The command that fetches the networks' files, and what is checked."""

import hashlib
import pathlib
import shutil
import sys
import zipfile

import pytest

from ampose_tf.lifting.blazepose import following, models
from tests import commands

COMMAND = f"python {models.COMMAND.removeprefix('python ')}"
WHEEL = ("pose_detection.tflite", "pose_landmark_full.tflite")


@pytest.fixture
def published(monkeypatch, tmp_path):
    """Small files in place of the published ones; returns what is in them.

    The command runs as a module of its own, which finds them in the other's
    place.
    """
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    contents = {name: name.encode() for name in models._FILES}
    for name, content in contents.items():
        file = models._FILES[name]
        digest = hashlib.sha256(content).hexdigest()
        monkeypatch.setitem(
            models._FILES, name, file._replace(sha256=(digest,))
        )
    return contents


def run(capsys, *flags):
    """Runs the command in this process, on the files above."""
    from absl import flags as absl_flags

    options = absl_flags.FlagValues()
    models.define_flags(options)
    options(["models", *flags])
    models.main(options)
    return capsys.readouterr().out


def wheel_of(path, contents):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(models._FILES[name].wheel, content)
    return path


def package_of(folder, contents):
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / models._FILES[name].npm).write_bytes(content)
    return folder


def kept():
    return {p.name: p.read_bytes() for p in models.folder().glob("*")}


def test_from_a_wheel(published, capsys, tmp_path):
    contents = {name: published[name] for name in WHEEL}
    wheel = wheel_of(tmp_path / "mediapipe.whl", contents)
    printed = run(capsys, f"--wheel={wheel}")
    assert kept() == contents
    assert printed.count("\n") == 2
    found = models.paths("full")
    assert found.detection.name == WHEEL[0]
    assert found.landmarks.name == WHEEL[1]
    # Of `lite` the landmarks are still missing.
    with pytest.raises(OSError, match=r"pose_landmark_lite\.tflite is miss"):
        models.paths("lite")


def test_from_an_npm_package(published, capsys, tmp_path):
    package = package_of(tmp_path / "pose", published)
    run(capsys, f"--npm={package}")
    assert kept() == published
    for detector in models.DETECTORS:
        assert models.paths(detector).landmarks.is_file()


def test_what_is_there_is_not_fetched_again(published, capsys, tmp_path):
    run(capsys, f"--npm={package_of(tmp_path / 'pose', published)}")
    assert run(capsys, f"--npm={tmp_path}") == ""  # There is nothing in it.
    assert run(capsys).startswith("all of BlazePose's models are in")


def test_what_is_wrong_is_fetched_again(published, capsys, tmp_path):
    package = package_of(tmp_path / "pose", published)
    run(capsys, f"--npm={package}")
    path = models.folder() / WHEEL[1]
    path.write_bytes(b"cut off")
    with pytest.raises(ValueError, match="not the published file"):
        models.paths("full")
    assert run(capsys, f"--npm={package}").strip() == str(path)
    assert kept() == published


def test_downloads(published, capsys, tmp_path, monkeypatch):
    """pip and npm are asked for what is missing, and nothing else."""
    contents = {name: published[name] for name in WHEEL}
    asked = []

    def download(command, **options):
        asked.append([str(part) for part in command])
        if "pip" in asked[-1]:
            place = asked[-1][asked[-1].index("--dest") + 1]
            pathlib.Path(place).mkdir(exist_ok=True)
            wheel_of(pathlib.Path(place) / "mediapipe.whl", contents)
        else:
            place = pathlib.Path(asked[-1][asked[-1].index("--prefix") + 1])
            package_of(place / "node_modules/@mediapipe/pose", published)

    monkeypatch.setattr(models.subprocess, "run", download)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "npm is not installed" in run(capsys)
    assert kept() == contents
    monkeypatch.setattr(shutil, "which", lambda name: name)
    run(capsys)
    assert kept() == published
    pip, npm = asked
    assert pip[:4] == [sys.executable, "-m", "pip", "download"]
    assert pip[-1] == "mediapipe==0.10.21"
    assert npm[0] == "npm"
    assert "--ignore-scripts" in npm


def test_without_npms_server_full_is_there(
    published, capsys, tmp_path, monkeypatch
):
    wheel = wheel_of(
        tmp_path / "mediapipe.whl", {name: published[name] for name in WHEEL}
    )
    run(capsys, f"--wheel={wheel}")

    def fail(command, **options):
        raise models.subprocess.CalledProcessError(
            1, command, stderr="npm error code EAI_AGAIN\n"
        )

    monkeypatch.setattr(models.subprocess, "run", fail)
    monkeypatch.setattr(shutil, "which", lambda name: name)
    said = run(capsys)
    assert said.startswith(f"full is in {models.folder()}; lite and heavy, ")
    assert "EAI_AGAIN" in said and "--npm=FOLDER" in said
    assert said.count("\n") == 1
    assert sorted(kept()) == sorted(WHEEL)


def test_a_download_that_fails_is_one_line(published, capsys, monkeypatch):
    def fail(command, **options):
        raise models.subprocess.CalledProcessError(
            1, command, stderr="WARNING: a\nERROR: no network\n\n"
        )

    monkeypatch.setattr(models.subprocess, "run", fail)
    with pytest.raises(ValueError, match=r"ERROR: no network.*--wheel=FILE"):
        run(capsys)
    assert kept() == {}


def test_files_that_are_not_the_published_ones(published, capsys, tmp_path):
    other = {**published, WHEEL[0]: b"other"}
    with pytest.raises(ValueError, match="not the published one"):
        run(capsys, f"--npm={package_of(tmp_path / 'pose', other)}")
    assert kept() == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>", "not a wheel, or damaged"),
        (b"", "not a wheel, or damaged"),
        (
            None,
            "contain mediapipe/modules/pose_detection/pose_detection.tflite",
        ),
    ],
)
def test_wheels_that_are_none(published, tmp_path, content, message, capsys):
    path = wheel_of(tmp_path / "some.whl", {})
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        run(capsys, f"--wheel={path}")
    assert len(str(caught.value)) < 300 + len(str(tmp_path))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--wheel=missing.whl", "No such file"),
        ("--npm=missing", "expected the folder of the unpacked package"),
        ("--npm=.", "pose_solution_packed_assets.data"),
        ("--wheel=a --npm=b", "either --wheel or --npm"),
        ("more", "Unexpected argument"),
    ],
)
def test_mistakes_are_one_line(tmp_path, monkeypatch, flags, message):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    ended = commands.run(f"{COMMAND} {flags}", tmp_path)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "cache").exists()


def test_without_models_the_command_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(OSError, match=models.COMMAND):
        following.Follower()


def test_unknown_detectors_are_refused():
    with pytest.raises(ValueError, match="'huge'; expected one of lite, full"):
        models.paths("huge")


def test_an_empty_cache_variable_counts_as_unset(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert models.folder() == tmp_path / ".cache/ampose_tf/blazepose"

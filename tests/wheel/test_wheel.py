"""What is installed: requirements, and the wheel where nothing else is."""

import configparser
import pathlib
import pkgutil
import re
import subprocess
import sys
import tempfile

import pytest
from packaging.requirements import Requirement

from ampose_tf import __version__

ROOT = pathlib.Path(__file__).parents[2]
SMOKE = pathlib.Path(__file__).with_name("smoke.sh")


@pytest.fixture(scope="module")
def setup():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def lines_of(text):
    return [
        line.strip()
        for line in text.splitlines()
        if line.strip() and not line.strip().startswith("#")
    ]


def test_constraints_are_exact_and_meet_the_requirements(setup):
    pinned = {}
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    for line in map(Requirement, lines_of(text)):
        (specifier,) = line.specifier
        assert specifier.operator == "==", line
        name = line.name.lower().replace("_", "-")
        pinned.setdefault(name, []).append(specifier.version)
    # Apache Beam wants Pillow 12.
    assert pinned["pillow"][0].startswith("12.")
    extras = setup["options.extras_require"]
    tested = [*re.findall(r"\w+", extras["test"].splitlines()[1])[1:], "test"]
    needed = lines_of(setup["options"]["install_requires"])
    needed += [line for name in tested for line in lines_of(extras[name])]
    for line in map(Requirement, needed):
        if line.name == "ampose_tf":
            continue
        for version in pinned[line.name.lower().replace("_", "-")]:
            assert line.specifier.contains(version), line


def test_a_machine_that_only_lifts_needs_the_same_versions(setup):
    text = (ROOT / "requirements-lift.txt").read_text(encoding="utf-8")
    lifting = lines_of(text)
    whole = lines_of(setup["options"]["install_requires"])
    assert set(lifting) < set(whole)
    training = {"tensorflow", "keras", "tensorboard", "flatbuffers"}
    left_out = {Requirement(line).name for line in set(whole) - set(lifting)}
    assert left_out == training


def test_make_installs_what_ci_runs_with():
    printed = subprocess.run(
        ["make", "-nB", "install", "PYTHON=python3.12", "VENV=.other"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "python3.12 -m venv .other" in printed
    assert ".other/bin/pip install" in printed
    assert "--constraint constraints.txt" in printed
    assert ".venv" not in printed


def test_messages_name_extras_as_users_of_the_wheel_install_them(setup):
    told = [
        extra
        for path in sorted((ROOT / "ampose_tf").rglob("*.py"))
        for extra in re.findall(
            r"pip install[\s\"]+(\S+?)['`]", path.read_text(encoding="utf-8")
        )
    ]
    assert len(told) >= 4
    extras = set(setup["options.extras_require"])
    assert set(told) <= {f"'ampose_tf[{name}]" for name in extras}


def test_the_command_helps(setup, monkeypatch, capsys):
    scripts = setup["options.entry_points"]["console_scripts"]
    name, place = lines_of(scripts)[0].split(" = ")
    monkeypatch.setattr(sys, "argv", [f"/usr/bin/{name}", "--help"])
    with pytest.raises(SystemExit) as ended:
        pkgutil.resolve_name(place)()
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert "ampose-lift --keypoints=clip.json" in printed
    assert "--[no]overwrite" in printed


def test_the_version_is_the_released_one():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    (date,) = re.findall(r'^date-released: "(\S+)"$', citation, flags=re.M)
    assert f"\nversion: {__version__}\n" in citation
    assert f"\n## [{__version__}] - {date}\n" in changelog


@pytest.mark.slow
def test_the_wheel_works():
    # pytest would keep the environment, which is large.
    with tempfile.TemporaryDirectory() as folder:
        ended = subprocess.run(
            ["bash", SMOKE, sys.executable, folder],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    assert ended.returncode == 0, ended.stdout
    assert ended.stdout.endswith("The wheel works.\n")

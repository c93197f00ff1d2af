"""What `.ci/run` and `make test-all` run, with stand-ins for the tools."""

import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[1]


def write_tool(path, script):
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path):
    """A checkout beside `shared/`, and a folder of tools."""
    run = tmp_path / "checkout/.ci/run"
    run.parent.mkdir(parents=True)
    shutil.copy(ROOT / ".ci/run", run)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "dirname"):
        (tools / name).symlink_to(shutil.which(name))
    write_tool(tools / "make", 'echo "make $* for ${AMPOSE_REAL-nothing}"')
    return run, tools


@pytest.fixture
def able(checkout):
    """A checkout on a machine with Chromium and Node."""
    run, tools = checkout
    for name in ("chromium", "npm", "node"):
        write_tool(tools / name, "")
    return run, tools


def run_ci(run, tools, status=0):
    ended = subprocess.run(
        [tools / "bash", run],
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == status, ended.stderr
    return ended.stdout.splitlines(), ended.stderr


MADE = [
    f"make {target} for nothing"
    for target in ("test-all", "web-packages", "web-test")
]


def test_ci_tests_all_with_the_files_beside_it(able):
    run, tools = able
    assert run_ci(run, tools) == (MADE, "")
    (run.parents[2] / "shared/real").mkdir(parents=True)
    ((line, *_), _) = run_ci(run, tools)
    path = line.removeprefix("make test-all for ")
    assert os.path.samefile(path, run.parents[2] / "shared/real")


def test_ci_installs_a_browser_and_npm(able):
    run, tools = able
    for name in ("chromium", "npm"):
        (tools / name).unlink()
    write_tool(tools / "apt-get", 'echo "apt-get $*"')
    lines, said = run_ci(run, tools)
    assert [line.split()[1] for line in lines[:2]] == ["update", "install"]
    assert lines[1].endswith(" chromium")
    assert lines[2] == MADE[0]
    assert lines[4].endswith(" nodejs npm") and len(lines) == 5
    # The stand-in has installed nothing.
    assert said == (
        ".ci/run: there is no Chromium; tests of the browser page are "
        "skipped\n"
    )


@pytest.mark.parametrize("status", [100, None])
def test_ci_says_that_there_is_no_browser(checkout, status):
    """Without root, and where there is no apt-get."""
    run, tools = checkout
    if status is not None:
        write_tool(tools / "apt-get", f"exit {status}")
    lines, said = run_ci(run, tools)
    assert lines == MADE[:1]
    assert "cannot be installed; tests of the viewer skip\n" in said
    assert said.endswith("tests of the browser page are skipped\n")


@pytest.mark.parametrize(
    ("tool", "script", "reason"),
    [
        ("npm", None, "there is no npm"),
        ("node", "exit 1", "Node is neither 20.19 nor 22.12 or newer"),
    ],
)
def test_ci_says_why_the_page_is_not_tested(able, tool, script, reason):
    run, tools = able
    if script is None:
        (tools / tool).unlink()
    else:
        write_tool(tools / tool, script)
    lines, said = run_ci(run, tools)
    assert lines[0] == MADE[0] and MADE[2] not in lines
    assert f".ci/run: {reason}; tests of the browser page are skip" in said


@pytest.mark.parametrize("reached", [True, False])
def test_packages_may_lack_without_their_registry_alone(able, reached):
    """A lock file that does not match, say, is an error."""
    run, tools = able
    write_tool(
        tools / "make", 'echo "make $* for nothing"; [ $1 != web-packages ]'
    )
    write_tool(tools / "npm", "" if reached else "exit 1")
    lines, said = run_ci(run, tools, status=int(reached))
    assert lines == MADE[:2]
    if reached:
        assert "cannot install the page's packages\n" in said
    else:
        assert "npm cannot reach its registry; tests of the br" in said


@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
@pytest.mark.parametrize(
    ("version", "is_new_enough"),
    [
        ("20.18.3", False),
        ("20.19.0", True),
        ("21.7.0", False),
        ("22.11.0", False),
        ("22.12.0", True),
        ("24.0.0", True),
    ],
)
def test_ci_knows_which_node_will_do(able, version, is_new_enough):
    run, tools = able
    node = shutil.which("node")
    write_tool(
        tools / "node",
        "shift; exec "
        f"{node} -e \"Object.defineProperty(process.versions, 'node', "
        f"{{value: '{version}'}});$1\"",
    )
    lines, _ = run_ci(run, tools)
    assert (MADE[2] in lines) == is_new_enough


def test_slow_tests_come_last():
    printed = subprocess.run(
        ["make", "--dry-run", "test-all", "VENV=elsewhere"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    tests = [line for line in printed.splitlines() if "pytest" in line]
    assert [line.partition(" -m pytest ")[0] for line in tests] == [
        "elsewhere/bin/python"
    ] * 2
    assert [line.rpartition(" -m ")[2] for line in tests] == [
        '"not slow"',
        "slow",
    ]

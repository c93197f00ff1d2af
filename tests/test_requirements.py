"""Extras resolve with the rest on every supported Python."""

import shutil
import subprocess
import sysconfig

import pytest

from tests.commands import ROOT

PYTHONS = ("3.11", "3.12", "3.13")


# With many requirements of their own. `test` includes all other extras.
EXTRAS = ("beam", "kserve", "serving")


def compiled(extra, python, *options):
    """Returns what uv resolves an extra to, or skips without an index."""
    uv = shutil.which("uv", path=sysconfig.get_path("scripts"))
    ended = subprocess.run(
        [uv, "pip", "compile", "--quiet", "--no-annotate", "--no-header"]
        + [f"--python-version={python}", f"--extra={extra}", *options]
        + ["setup.cfg"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if "Failed to fetch" in ended.stderr:
        pytest.skip("no package index can be reached")
    assert ended.returncode == 0, f"{extra} on {python}\n{ended.stderr}"
    return dict(
        line.split(";")[0].strip().split("==")
        for line in ended.stdout.splitlines()
        if "==" in line
    )


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS)
def test_extras_resolve(python):
    resolved = {extra: compiled(extra, python) for extra in EXTRAS}
    # Resolvers fall back to old releases silently.
    assert resolved["serving"]["tensorflow-serving-api"] >= "2.20"
    assert resolved["kserve"]["kserve"].startswith("0.21.")
    assert resolved["beam"]["apache-beam"] == "2.77.0"
    for extra, versions in resolved.items():
        assert versions["keras"].startswith("3."), extra
        assert versions["tensorflow"].startswith("2."), extra


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS)
def test_constraints_pin_all_that_the_tests_need(python):
    pinned = {
        line.split("==")[0]
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if not line.startswith("#")
    }
    resolved = compiled("test", python, "--constraint=constraints.txt")
    assert set(resolved) <= pinned

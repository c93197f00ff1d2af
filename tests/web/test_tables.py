"""What the page takes from the Python package is the package's."""

import importlib.util
import subprocess

import pytest

from tests.commands import ROOT


@pytest.fixture(scope="module")
def made():
    if not (ROOT / "web").is_dir():
        pytest.skip("the sdist has no web/")
    spec = importlib.util.spec_from_file_location(
        "web_tables", ROOT / "web/tables.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.files()


@pytest.mark.parametrize("path", ["src/tables.json", "public/example.json"])
def test_the_pages_tables_are_the_packages(made, path):
    """`python web/tables.py` renews them."""
    assert (ROOT / "web" / path).read_text(encoding="utf-8") == made[path]


def test_no_network_of_others_is_committed():
    listed = subprocess.run(
        ["git", "ls-files", "web"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    names = listed.stdout.splitlines()
    assert "web/package-lock.json" in names
    assert not [n for n in names if n.endswith((".tflite", ".wasm", ".data"))]

"""The modules of benchmarks/, which import each other by name, for tests."""

import importlib
import importlib.util
import pathlib
import sys

import pytest
from absl import flags

FOLDER = pathlib.Path(__file__).parents[1] / "benchmarks"


def benchmark(name, *packages):
    """Returns benchmarks/<name>.py, which needs those packages."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    before = set(flags.FLAGS)
    sys.path.insert(0, str(FOLDER))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(FOLDER))
        # Several benchmarks have a flag of the same name.
        for flag in set(flags.FLAGS) - before:
            delattr(flags.FLAGS, flag)

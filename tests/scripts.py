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
    held = _of_scripts()
    _remove(held)
    sys.path.insert(0, str(FOLDER))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(FOLDER))
        # Several scripts have a flag of the same name.
        _remove(_of_scripts())
        for name, (flag, defining) in held.items():
            flags.FLAGS[name] = flag
            flags.FLAGS.register_flag_by_module(defining, flag)


def _of_scripts():
    """Returns {name: (flag, module)} of all flags but absl's own."""
    held = {}
    for name in flags.FLAGS:
        defining = flags.FLAGS.find_module_defining_flag(name)
        if defining is not None and not defining.startswith("absl"):
            held[name] = (flags.FLAGS[name], defining)
    return held


def _remove(held):
    for name in held:
        delattr(flags.FLAGS, name)

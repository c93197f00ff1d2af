"""Command lines run in this process: TensorFlow takes seconds to start."""

import contextlib
import io
import os
import pathlib
import runpy
import shlex
import subprocess
import sys
import warnings
from unittest import mock

ROOT = pathlib.Path(__file__).parents[1]


def run(
    command: str, cwd: pathlib.Path, *further: str
) -> subprocess.CompletedProcess:
    """Runs `[NAME=value] python script.py ...` or `python -m module ...`.

    Args:
        command: As one would type it in a clone.
        cwd: Folder to run it in.
        further: Arguments added to it.
    """
    words = shlex.split(command)
    start = next(i for i, word in enumerate(words) if "=" not in word)
    variables = dict(word.split("=", 1) for word in words[:start])
    python, *arguments = words[start:]
    assert pathlib.Path(python).name == "python", command
    is_module = arguments[0] == "-m"
    name, *arguments = arguments[is_module:]
    path = str(ROOT / name)
    out, errors = io.StringIO(), io.StringIO()
    status = 0
    with (
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
        mock.patch.object(sys, "argv", [path, *arguments, *further]),
        mock.patch.dict(os.environ, variables),
        warnings.catch_warnings(),
    ):
        # A test may have imported the module before.
        warnings.filterwarnings("ignore", ".*found in sys.modules after")
        # ml_collections 1.1 loads a config so.
        warnings.filterwarnings("ignore", r"the load_module\(\) method")
        try:
            if is_module:
                runpy.run_module(name, run_name="__main__", alter_sys=True)
            else:
                runpy.run_path(path, run_name="__main__")
        except SystemExit as ended:
            status = ended.code or 0
    return subprocess.CompletedProcess(
        command, status, out.getvalue(), errors.getvalue()
    )

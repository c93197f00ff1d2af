"""Every command says what it does, and lists its flags."""

import importlib
import pathlib
import re
import sys

import pytest
from absl import flags

from ampose_tf.config import commandline

ROOT = pathlib.Path(__file__).parents[2]


def commands():
    """Returns the dotted names of all modules that are run."""
    found = ["evaluate", "export", "lift", "train"]
    for folder in ("ampose_tf", "benchmarks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if re.search(r'^if __name__ == "__main__":', text, re.M):
                name = path.relative_to(ROOT).with_suffix("")
                found.append(".".join(name.parts))
    # `mobile` and `bulk` run them, with arguments that are not flags.
    found.remove("benchmarks.runtimes")
    found.remove("benchmarks.bulk_peers")
    # Its parent runs it.
    found.remove("ampose_tf.confined")
    return found


def test_the_commands_are_found():
    found = set(commands())
    assert {"ampose_tf.data.prepare", "benchmarks.mobile", "lift"} <= found


@pytest.mark.parametrize("name", commands())
def test_help_is_the_docstring_and_every_flag(name, monkeypatch, capsys):
    command = importlib.import_module(name)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit) as ended:
        commandline.run(command.main, command.define_flags)
    assert ended.value.code == 0
    printed, said = capsys.readouterr()
    # lift.py's `main` is that of the installed command.
    told = sys.modules[command.main.__module__].__doc__.strip()
    assert printed.startswith(f"{told}\n") and said == ""
    name = name.removesuffix(".__main__")
    run = f"python -m {name}" if "." in name else f"python {name}.py"
    if name == "lift":
        run = "ampose-lift --keypoints="
    assert f"\n    {run}" in told
    defined = flags.FlagValues()
    command.define_flags(defined)
    listed = re.findall(r"^  --(?:\[no\])?(\w+): ", printed, flags=re.M)
    assert listed == sorted([*defined, "debug", "progress"])
    assert "\nFlags:\n" in printed
    assert "absl" not in printed and str(ROOT) not in printed


def test_importing_commands_defines_no_flag():
    """So the flags of several can be defined in one process."""
    defined = set()
    for name in commands():
        command = importlib.import_module(name)
        own = flags.FlagValues()
        command.define_flags(own)
        defined.update(own)
    assert {"config", "model", "mocap", "workdir"} <= defined
    # TensorFlow and others define some of their own.
    modules = flags.FLAGS.flags_by_module_dict()
    assert not [m for m in modules if re.match("ampose_tf|benchmarks", m)]
    assert not {"config", "mocap", "workdir"} & set(flags.FLAGS)

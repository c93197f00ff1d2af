import os
import re
import subprocess
import sys
import time

import pytest
from absl import flags

from ampose_tf import config
from ampose_tf.config import Config, Train

SCRIPT = r'''
"""A script that says what its configuration holds."""

import os
import signal
import sys
import time

from absl import flags

from ampose_tf import config

HEAVY = {"keras", "numpy", "scipy", "tensorflow"}


def define_flags(flag_values):
    config.define_flag(flag_values)
    flags.DEFINE_string(
        "raises", "", "An exception.", flag_values=flag_values
    )


def main(options):
    assert not HEAVY & set(sys.modules), "imported early"
    if options.raises == "SIGTERM":
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    if options.raises == "hostile":
        raise ValueError("a\x1b[31m\u202e\udcff" * 1000)
    if options.raises:
        raise getattr(__builtins__, options.raises)("first line\nsecond line")
    data, train = options.config.data, options.config.train
    print(train.batch_size, train.learning_rate, data.train_subjects)


if __name__ == "__main__":
    config.run(main, define_flags)
'''

EXPERIMENT = """
from ampose_tf.config import Config


def get_config():
    config = Config()
    config.train.batch_size = 13
    return config
"""

FROM_JSON = """
from ampose_tf import config


def get_config(path):
    return config.load(path)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scripts")
    (folder / "script.py").write_text(SCRIPT)
    (folder / "experiment.py").write_text(EXPERIMENT)
    (folder / "from_json.py").write_text(FROM_JSON)
    (folder / "ending.py").write_text("import sys\nsys.exit(0)\n")
    (folder / "faulty.py").write_text("def get_config():\n    [][1]\n")
    (folder / "text.py").write_text("This is no program.\n")
    os.mkfifo(folder / "pipe.py")
    (folder / "empty.py").write_text("def get_config():\n    return 3\n")
    (folder / "valid.json").write_text(
        config.to_json(Config(train=Train(batch_size=17)))
    )
    (folder / "invalid.json").write_text('{"colour": 3}')
    return folder


def run_script(folder, *arguments):
    return subprocess.run(
        [sys.executable, "script.py", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        ((), "13 2.5e-05 ('S1', 'S5', 'S6', 'S7', 'S8')"),
        (
            (
                "--config.train.batch_size=7",
                "--config.train.learning_rate=1",
                "--config.data.train_subjects=('S1','S8')",
            ),
            "7 1.0 ('S1', 'S8')",
        ),
        (("--config.data.train_subjects=S5",), "13 2.5e-05 ('S5',)"),
    ],
    ids=str,
)
def test_run_with_overrides(folder, arguments, printed):
    ended = run_script(folder, "--config=experiment.py", *arguments)
    assert ended.stderr == ""
    assert ended.stdout == printed + "\n"
    assert ended.returncode == 0


def test_run_from_json(folder):
    ended = run_script(folder, "--config=from_json.py:valid.json")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("17 ")


@pytest.mark.parametrize(
    ("arguments", "mentions"),
    [
        (("--config.train.batch=7",), "batch"),
        (("--config.colour=red",), "colour"),
        (("--config.train.batch_size.size=7",), "batch_size"),
        (("--config.train.batch_size=7.5",), "batch_size"),
        (("--config.train.batch_size=many",), "batch_size"),
        (("--config.train.batch_size=0",), "train.batch_size"),
        (("--config.train.learning_rate=nan",), "train.learning_rate"),
        (("--config.data.flip_training=7",), "flip_training"),
        (("--config.data.adjacency=sym",), "data.adjacency"),
        (("--config.data.train_subjects=S1,S5",), "S1,S5"),
        (("--config.data.train_subjects=(1,2)",), "data.train_subjects"),
        (("--config.data.validation_subjects=S1",), "S1 is in"),
        (("--config=missing.py",), "no file missing.py"),
        (
            ("--config=missing.py", "--config.train.epochs=2"),
            "missing.py",
        ),
        (("--config=from_json.py:missing.json",), "missing.json"),
        (
            ("--config=from_json.py:invalid.json",),
            "invalid.json: unknown field colour",
        ),
        (("--config=empty.py",), "empty.py"),
        (("--config=faulty.py",), "--config: IndexError: list index"),
        (("--config=ending.py",), "--config: SystemExit: "),
        (("--config=text.py",), "--config: SyntaxError: "),
        (("--config=pipe.py",), "pipe.py is not a file"),
        (("--config=pipe.py:x", "--config.train.epochs=2"), "pipe.py is not"),
        (("--config", "/dev/zero"), "/dev/zero is not a file"),
        (("--raises=hostile",), "script.py: a\\x1b[31m\\u202e\\udcffa"),
        (("--workdirr=3",), "workdirr"),
        (("surplus",), "'surplus'"),
        (("--raises=ValueError",), "first line second line"),
        (("--raises=OSError",), "first line second line"),
    ],
    ids=str,
)
def test_mistakes_end_in_one_line_and_status_2(folder, arguments, mentions):
    if not re.match("--config(=|$)", arguments[0]):
        arguments = ("--config=experiment.py", *arguments)
    ended = run_script(folder, *arguments)
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert ended.stderr.startswith("script.py: ")
    line = ended.stderr.removesuffix("\n")
    assert line.isprintable() and len(line) <= 300
    assert mentions in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""
    assert ended.returncode == 2


def test_debug_shows_where_it_went_wrong(folder):
    for mistake in ("--config=faulty.py", "--raises=ValueError"):
        ended = run_script(
            folder, "--config=experiment.py", mistake, "--debug"
        )
        *trace, line = ended.stderr.splitlines()
        assert trace[0] == "Traceback (most recent call last):"
        assert line.startswith("script.py: ") and ended.returncode == 2
    ended = run_script(
        folder, "--config=experiment.py", "--raises=hostile", "--debug"
    )
    assert ended.stderr.replace("\n", "").isprintable()


def test_a_full_disk_as_output_is_named(folder):
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "script.py", "--config=experiment.py"],
            cwd=folder,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert ended.stderr == (
        "script.py: standard output: No space left on device\n"
    )
    assert ended.returncode == 2


def test_a_full_disk_for_errors_does_not_change_the_status(folder):
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "script.py", "--config=missing.py"],
            cwd=folder,
            stderr=full,
            timeout=60,
        )
    assert ended.returncode == 2


def test_termination_ends_in_one_line_and_status_143(folder):
    ended = run_script(folder, "--config=experiment.py", "--raises=SIGTERM")
    assert ended.stderr == "script.py: ended by SIGTERM\n"
    assert (ended.returncode, ended.stdout) == (143, "")


def test_the_config_must_be_given(folder):
    ended = run_script(folder)
    assert ended.stderr == (
        "script.py: --config=FILE is missing, for example configs/demo.py\n"
    )
    assert ended.returncode == 2


def test_divergence_ends_in_one_line_and_status_1(folder):
    ended = run_script(
        folder, "--config=experiment.py", "--raises=FloatingPointError"
    )
    assert ended.stderr == "script.py: first line second line\n"
    assert ended.returncode == 1


def test_a_bug_keeps_its_traceback(folder):
    ended = run_script(folder, "--config=experiment.py", "--raises=KeyError")
    assert "Traceback" in ended.stderr
    assert ended.returncode == 1


@pytest.mark.parametrize("arguments", [(), ("--config=experiment.py",)])
def test_help_is_fast_and_needs_no_config(folder, arguments):
    elapsed = []
    for _ in range(3):  # The best of three: others use the machine, too.
        start = time.perf_counter()
        ended = run_script(folder, "--help", *arguments)
        elapsed.append(time.perf_counter() - start)
    assert ended.stdout.startswith("A script that says what its")
    assert "Experiment file, see configs/" in ended.stdout
    assert "--raises: An exception." in ended.stdout
    assert (ended.returncode, ended.stderr) == (0, "")
    assert min(elapsed) < 3


@pytest.mark.parametrize("argument", ["--help", "--config=experiment.py"])
def test_a_closed_pipe_ends_quietly(folder, argument):
    """As `| head` closes it."""
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "script.py", argument],
        cwd=folder,
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=60,
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, b"")


def test_flags_of_another_library_are_passed_on_in_order(monkeypatch):
    def define_flags(flag_values):
        flags.DEFINE_string("ours", "", "Ours.", flag_values=flag_values)

    arguments = ["--theirs", "x", "--ours=1", "--no_wait", "--b=2"]
    monkeypatch.setattr(sys, "argv", ["script.py", *arguments])
    options = flags.FlagValues()
    define_flags(options)
    rest = config.commandline.parse(options, passes_on=True)
    assert options.ours == "1"
    assert rest == ["--theirs", "x", "--no_wait", "--b=2"]
    with pytest.raises(ValueError, match="theirs"):
        config.commandline.parse(options)

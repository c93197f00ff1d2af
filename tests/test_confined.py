import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from ampose_tf import confined


# What the child calls.
def doubled(value):
    return [np.float32([[1, 2]]) * value, {"names": ["é"]}, np.int64(3)]


def arrays():
    return {"a": np.empty((0, 3), np.int8), "b": [np.array("text"), None]}


def killed(number):
    print("must not be read as a result", flush=True)
    os.kill(os.getpid(), number)


def exits():
    os._exit(1)


def loops():
    while True:
        pass


def sleeps():
    time.sleep(60)


def fills():
    return np.ones(2**28)


def refuses(text):
    raise ValueError(text)


def lacks(path):
    with open(path):
        pass


def needs():
    import no_such_library  # noqa: F401


def stumbles():
    return [][3]


def holds_objects():
    return np.array([print], object)


def test_results_come_back():
    array, names, number = confined.call(doubled, 2)
    assert array.dtype == np.float32 and array.tolist() == [[2, 4]]
    assert names == {"names": ["é"]} and number == 3
    array[0, 0] = 5  # Its own memory.
    found = confined.call(arrays)
    assert found["a"].shape == (0, 3) and found["a"].dtype == np.int8
    assert found["b"][0] == "text" and found["b"][1] is None


def test_a_crash_is_one_line():
    with pytest.raises(ValueError, match=r"not supported \(SIGSEGV\)$"):
        confined.call(killed, signal.SIGSEGV)
    with pytest.raises(ValueError, match=r"not supported \(status 1\)$"):
        confined.call(exits)


@pytest.mark.parametrize("function", [loops, sleeps])
def test_time_is_limited(monkeypatch, function):
    """That of the processor; of the clock, only in the end."""
    monkeypatch.setattr(confined, "_START_S", 2 if function is sleeps else 50)
    with pytest.raises(ValueError, match="^takes more than 0.5 s$"):
        confined.call(function, seconds=0.5)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory")
def test_memory_is_limited():
    with pytest.raises(ValueError, match="^takes more than 1024 MB of mem"):
        confined.call(fills)


def test_what_the_function_says_is_said():
    text = "annot2: expected 17 joints, got 3"
    with pytest.raises(ValueError, match=f"^{text}$"):
        confined.call(refuses, text)
    with pytest.raises(FileNotFoundError, match="no_file") as caught:
        confined.call(lacks, "no_file\udcff")
    assert caught.value.filename == "no_file\udcff"
    with pytest.raises(ImportError, match="no_such_library"):
        confined.call(needs)


def test_unexpected_exceptions_are_named():
    with pytest.raises(ValueError, match=r"supported \(IndexError\)") as hit:
        confined.call(stumbles)
    assert "return [][3]" in hit.value.__notes__[0]
    with pytest.raises(ValueError, match=r"not supported \(TypeError\)"):
        confined.call(holds_objects)


def test_a_script_needs_no_guard(tmp_path):
    """multiprocessing would run it again in the child."""
    script = tmp_path / "script.py"
    script.write_text(
        "import math\nfrom ampose_tf import confined\n"
        "print(confined.call(math.sqrt, 9))\n"
    )
    # A file of the working folder must not pass for a library.
    (tmp_path / "json.py").write_text("raise SystemExit(1)")
    done = subprocess.run(
        [sys.executable, "-P", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.fullmatch(r"3\.0\s*", done.stdout)

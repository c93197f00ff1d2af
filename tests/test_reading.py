"""What is opened of strangers' files, and what is said of them."""

import os
import socket
import threading

import pytest

from ampose_tf import reading


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "socket"])
def test_what_may_never_end_is_refused_at_once(kind, tmp_path):
    path = tmp_path / "a\nb"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        with socket.socket(socket.AF_UNIX) as its:
            its.bind(str(path))
    with pytest.raises(OSError) as error:
        reading.opened(path)
    assert str(error.value).isprintable()
    assert error.value.filename is not None


def test_pipes_of_a_shell_are_read_as_they_come():
    source, sink = os.pipe()
    path = f"/dev/fd/{source}"

    def write():
        with os.fdopen(sink, "wb") as file:
            file.write(b"late")

    thread = threading.Timer(0.3, write)
    thread.start()
    with reading.opened(path) as file:
        assert file.read() == b"late"
    os.close(source)
    thread.join()


@pytest.mark.parametrize(
    ("raised", "caught", "message"),
    [
        (ValueError("joints: got 3"), ValueError, "^joints: got 3$"),
        (FileNotFoundError(2, "No", "a"), FileNotFoundError, "'a'"),
        (ModuleNotFoundError("h5py"), ImportError, "h5py"),
        (IndexError("x"), ValueError, r"^is damaged .* \(IndexError: x\)$"),
        (RecursionError(), ValueError, r"\(RecursionError\)$"),
        (ZeroDivisionError(), ValueError, r"\(ZeroDivisionError\)$"),
        (MemoryError(), ValueError, "^needs more memory"),
        (KeyboardInterrupt(), KeyboardInterrupt, "^$"),
    ],
)
def test_damage_is_a_value_error(raised, caught, message):
    with pytest.raises(caught, match=message), reading.guarded():
        raise raised


def test_a_line_is_short_and_printable():
    assert reading.line("a \n b") == "a b"
    assert reading.line("\x1b[31m\u202e\udcff\x07") == (
        r"\x1b[31m\u202e\udcff\x07"
    )
    text = "".join(map(chr, range(33, 127))) * 50
    line = reading.line(text)
    assert len(line) <= 300
    start, _, end = line.partition(" … ")
    assert text.startswith(start) and text.endswith(end)
    assert min(len(start), len(end)) > 140
    assert reading.line("x" * 300) == "x" * 300

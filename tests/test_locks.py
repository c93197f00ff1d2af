"""A lock says who holds it, and dies with its process."""

import errno
import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from ampose_tf import locks

# Takes a lock, says so, and waits.
HOLDER = """
import sys
from ampose_tf import locks
if sys.argv[2] == "without":
    locks.fcntl = None
with locks.held(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(params=["with", "without"])
def system(request, monkeypatch):
    """Whether the system has locks."""
    if request.param == "without":
        monkeypatch.setattr(locks, "fcntl", None)
    return request.param


@pytest.fixture
def holder(tmp_path, system):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / ".lock"), system],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"held\n"
        yield process


def take(path):
    with locks.held(path):
        return path.read_text()


def test_it_says_who_holds_it(tmp_path, holder):
    with pytest.raises(BlockingIOError) as caught:
        take(tmp_path / ".lock")
    message = str(caught.value)
    assert re.match(
        re.escape(
            f"{tmp_path} is in use by process {holder.pid} on "
            f"{socket.gethostname()} since 20"
        )
        + r"\d\d-\d\d-\d\d \d\d:\d\d:\d\d",
        message,
    )
    holder.stdin.close()
    holder.wait(60)
    assert not list(tmp_path.iterdir())
    assert f"process {os.getpid()} on" in take(tmp_path / ".lock")


def test_a_dead_holders_is_taken_over(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait(60)
    assert (tmp_path / ".lock").exists()
    assert f"process {os.getpid()} on" in take(tmp_path / ".lock")
    assert not list(tmp_path.iterdir())


def test_it_is_not_reentrant(tmp_path, system):
    with (
        locks.held(tmp_path / ".lock"),
        pytest.raises(BlockingIOError, match=f"process {os.getpid()} on"),
        locks.held(tmp_path / ".lock"),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_another_hosts_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "fcntl", None)
    text = "process 1 on elsewhere since 2026-01-01 00:00:00"
    (tmp_path / ".lock").write_text(text)
    with pytest.raises(BlockingIOError, match=f"by {text}; if that process"):
        take(tmp_path / ".lock")
    assert (tmp_path / ".lock").read_text() == text


@pytest.mark.parametrize("content", [b"", b"\xff\x1b[31m", bytes(10**6)])
def test_any_content(tmp_path, content, monkeypatch):
    (tmp_path / ".lock").write_bytes(content)
    take(tmp_path / ".lock")
    (tmp_path / ".lock").write_bytes(content)
    monkeypatch.setattr(locks, "fcntl", None)
    with pytest.raises(BlockingIOError, match="in use by another process; if"):
        take(tmp_path / ".lock")


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    assert take(tmp_path / ".lock").startswith("process")
    with (
        locks.held(tmp_path / ".lock"),
        pytest.raises(BlockingIOError),
        locks.held(tmp_path / ".lock"),
    ):
        pass


def test_a_full_disk(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    assert take(tmp_path / ".lock") == ""


def test_what_is_no_file_is_no_lock(tmp_path):
    (tmp_path / "outside").touch()
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("link", "pipe", "folder", "missing/x"):
        with pytest.raises(OSError, match=name):
            take(tmp_path / name)
    assert (tmp_path / "outside").read_text() == ""

"""Progress bars: where they are shown, and where not."""

import io
import sys

import pytest

from ampose_tf import progress
from ampose_tf.config import commandline


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def by_default():
    yield
    progress.show(None)


def shown(monkeypatch, stream, delay=0):
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "_DELAY_S", delay)
    with progress.bar(6, "clip") as done:
        done(2)
        with progress.bar(99, "pose") as inner:
            inner(50)
        progress.say("one is bad")
        done(4)
    return stream.getvalue()


def test_a_terminal_has_a_bar_and_a_log_has_none(monkeypatch):
    text = shown(monkeypatch, Terminal())
    assert "6/6" in text and "clip/s" in text and "pose" not in text
    assert "one is bad\n" in text
    assert shown(monkeypatch, io.StringIO()) == "one is bad\n"


def test_short_work_has_none(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress.bar(2, "pose") as done:
        done(2)
    assert sys.stderr.getvalue() == ""


@pytest.mark.parametrize(
    ("asked", "stream"), [(True, io.StringIO), (False, Terminal)]
)
def test_the_user_decides(monkeypatch, asked, stream):
    progress.show(asked)
    assert ("6/6" in shown(monkeypatch, stream())) == asked


def test_without_standard_error(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with progress.bar(2, "pose") as done:
        done(1)


def test_the_next_one_is_shown_after_an_error(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(ValueError), progress.bar(2, "pose"):
        raise ValueError
    assert "6/6" in shown(monkeypatch, Terminal())


def test_every_script_has_the_flag(monkeypatch):
    told = []
    monkeypatch.setattr(progress, "show", told.append)
    for argument in ("--progress", "--noprogress", None):
        arguments = ["x.py", *filter(None, [argument])]
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit) as ended:
            commandline.run(lambda options: 0, lambda options: None)
        assert ended.value.code == 0
    assert told == [True, False, None]

"""Handles SIGINT and SIGTERM at the next safe moment."""

import contextlib
import signal
import threading
from collections.abc import Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_received: signal.Signals | None = None
_before: dict = {}
_is_deferred = False


class Interrupted(KeyboardInterrupt):
    """A signal asked the process to end.

    Args:
        number: The signal.
        when: Where the work ended, in words; empty if it had not begun.

    Attributes:
        status: Exit status: 128 plus the signal's number.
    """

    def __init__(self, number: signal.Signals, when: str):
        super().__init__(f"ended by {number.name} {when}".rstrip())
        self.status = 128 + number


@contextlib.contextmanager
def handled() -> Iterator[None]:
    """Turns the first signal within the block into `Interrupted`.

    It is raised at once or, within `deferred`, by `check`. The second signal
    has the same effect as without the block. Code that swallows the
    exception, such as destructors, does not swallow the signal: `check`
    raises it again. Blocks may be nested. In threads other than the main one,
    signals are not handled.
    """
    global _received
    is_main = threading.current_thread() is threading.main_thread()
    if _before or not is_main:
        yield
        return
    for number in _SIGNALS:
        _before[number] = signal.getsignal(number)
    _received = None
    try:
        for number in _SIGNALS:
            signal.signal(number, _note)
        yield
    finally:
        _put_back()
        _before.clear()
        _received = None


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Only records signals within the block, which calls `check`."""
    global _is_deferred
    check()
    _is_deferred = True
    try:
        yield
    finally:
        _is_deferred = False
    check()


def received() -> signal.Signals | None:
    """Returns the signal that has arrived, or None."""
    return _received


def check(when: str = "") -> None:
    """Raises `Interrupted` if a signal has arrived.

    Args:
        when: See `Interrupted`.
    """
    if _received is not None:
        raise Interrupted(_received, when)


def _note(number, frame):
    del frame
    global _received
    _received = signal.Signals(number)
    _put_back()
    if not _is_deferred:
        check()


def _put_back():
    for number, handler in _before.items():
        signal.signal(number, handler)

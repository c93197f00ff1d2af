"""SIGINT and SIGTERM: noted, and acted upon at the next good moment."""

import contextlib
import signal
import threading
from collections.abc import Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_received: signal.Signals | None = None
_is_handled = False
_is_deferred = False


class Interrupted(KeyboardInterrupt):
    """A signal asked the process to end.

    Args:
        number: The signal.
        when: In words, where it ended; empty where nothing was begun.

    Attributes:
        status: The exit status, 128 and the signal's number.
    """

    def __init__(self, number: signal.Signals, when: str):
        super().__init__(f"ended by {number.name} {when}".rstrip())
        self.status = 128 + number


@contextlib.contextmanager
def handled() -> Iterator[None]:
    """Turns the first signal within the block into `Interrupted`.

    It is raised at once or, within `deferred`, by `check`. The second signal
    ends the process as it does by default. What swallows the exception, as
    destructors do, does not swallow the signal: `check` raises it again.
    Blocks may lie in each other; in threads other than the main one, signals
    are left alone.
    """
    global _is_handled, _received
    is_main = threading.current_thread() is threading.main_thread()
    if _is_handled or not is_main:
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    _is_handled, _received = True, None
    try:
        for number in _SIGNALS:
            signal.signal(number, _note)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _is_handled, _received = False, None


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Only notes signals within the block, which calls `check`."""
    global _is_deferred
    check()
    _is_deferred = True
    try:
        yield
    finally:
        _is_deferred = False
    check()


def received() -> signal.Signals | None:
    """Returns the signal that has come, or None."""
    return _received


def check(when: str = "") -> None:
    """Raises `Interrupted` if a signal has come.

    Args:
        when: As of `Interrupted`.
    """
    if _received is not None:
        raise Interrupted(_received, when)


def _note(number, frame):
    del frame
    global _received
    _received = signal.Signals(number)
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_DFL)
    if not _is_deferred:
        check()

"""Progress bars on standard error, for long-running work."""

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator

from ampose_tf import reading

# Work that finishes sooner shows no bar.
_DELAY_S = 2

_shown: bool | None = None
_outermost = threading.Lock()


def show(shown: bool | None) -> None:
    """Sets whether this process shows progress bars.

    Args:
        shown: None, the default, to show them only on a terminal.
    """
    global _shown
    _shown = shown


@contextlib.contextmanager
def bar(total: int | None, unit: str) -> Iterator[Callable[[int], object]]:
    """Yields a function to call with the number of finished units.

    The bar shows the rate and the remaining time. Bars of parts of the work
    are not shown while another is shown.

    Args:
        total: Number of units; None if unknown.
        unit: Name of a unit, in the singular.
    """
    shown = _shown
    if shown is None:
        shown = sys.stderr is not None and sys.stderr.isatty()
    if not shown or not _outermost.acquire(blocking=False):
        yield _no_bar
        return
    # Imported only if there is a bar to show.
    import tqdm

    try:
        with tqdm.tqdm(
            total=total, unit=f" {unit}", delay=_DELAY_S
        ) as shown_bar:
            yield shown_bar.update
    finally:
        _outermost.release()


def say(line: str) -> None:
    """Writes a line to standard error, above a bar if one is shown.

    Unprintable characters, as in names of untrusted files, are escaped.
    """
    if sys.stderr is None:
        return
    import tqdm

    tqdm.tqdm.write(reading.line(line), file=sys.stderr)


def _no_bar(count):
    del count

"""Progress bars on standard error, for work that takes more than seconds."""

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator

from ampose_tf import reading

# Work that is done by then shows no bar.
_DELAY_S = 2

_shown: bool | None = None
_outermost = threading.Lock()


def show(shown: bool | None) -> None:
    """Sets whether this process shows bars.

    Args:
        shown: None, as at the start, to show them on a terminal alone.
    """
    global _shown
    _shown = shown


@contextlib.contextmanager
def bar(total: int | None, unit: str) -> Iterator[Callable[[int], object]]:
    """Yields a function to call with the number of units that are done.

    The bar has the rate and the time left. While there is one, further ones,
    of the work's parts, are not shown.

    Args:
        total: Number of units; None if it is not known.
        unit: What is counted, in the singular.
    """
    shown = _shown
    if shown is None:
        shown = sys.stderr is not None and sys.stderr.isatty()
    if not shown or not _outermost.acquire(blocking=False):
        yield _no_bar
        return
    # Only where there is one to show.
    import tqdm

    try:
        with tqdm.tqdm(
            total=total, unit=f" {unit}", delay=_DELAY_S
        ) as shown_bar:
            yield shown_bar.update
    finally:
        _outermost.release()


def say(line: str) -> None:
    """Writes a line to standard error, above a bar if there is one.

    Names and notes of strangers' files in it become printable.
    """
    if sys.stderr is None:
        return
    import tqdm

    tqdm.tqdm.write(reading.line(line), file=sys.stderr)


def _no_bar(count):
    del count

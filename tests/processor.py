"""Limits of processor time: other processes of the machine take none of it."""

import contextlib
import os
from collections.abc import Iterator


def taken() -> float:
    """Returns that of this process and of its children that have ended."""
    return sum(os.times()[:4])


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Fails where the block takes longer, even where it raises an error."""
    start = taken()
    try:
        yield
    finally:
        assert taken() - start < seconds

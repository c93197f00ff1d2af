"""What all command lines have in common: flags, and mistakes in one line."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator

from absl import app, flags, logging


def run(main: Callable[[], int | None], check: Callable[[], None]) -> None:
    """Runs a script's `main()` after its flags; see `ending_in_one_line`.

    The exit status is what `main` returns, where it returns.

    Args:
        main: What to run.
        check: Called once flags are parsed; raises where they are wrong.
    """
    # What TensorFlow logs while it loads and saves would bury that one line.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

    def quiet_main(_):
        logging.set_verbosity(logging.WARNING)
        sys.exit(main())

    with ending_in_one_line():
        app.run(quiet_main, flags_parser=lambda argv: _parse(argv, check))


@contextlib.contextmanager
def ending_in_one_line() -> Iterator[None]:
    """Turns users' mistakes within the block into one line and an exit.

    The exit status is 2 for a mistake in flags, configuration or files, 1
    where the training diverged, and 130 where somebody interrupted it.
    """
    try:
        yield
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    except FloatingPointError as error:
        _fail(error, 1)
    except (ValueError, OSError) as error:
        _fail(error, 2)


def _parse(argv, check):
    """Parses the flags; every mistake in them raises a ValueError.

    config_flags raises KeyErrors and AttributeErrors for fields that do not
    exist, and keeps silent about a missing file until it is used.
    """
    try:
        rest = flags.FLAGS(argv)
        check()
    except (flags.Error, KeyError, AttributeError, TypeError) as error:
        message = str(error.args[0]) if error.args else repr(error)
        # What get_config() raised comes with its traceback, which ends so.
        if "Traceback (most recent call last)" in message:
            message = message.strip().splitlines()[-1]
        raise ValueError(message) from error
    if len(rest) > 1:
        raise ValueError(
            f"Unexpected argument {rest[1]!r}; flags start with --"
        )
    return rest


def _fail(error, status):
    line = " ".join(str(error).split()) or type(error).__name__
    print(f"{os.path.basename(sys.argv[0])}: {line}", file=sys.stderr)
    sys.exit(status)

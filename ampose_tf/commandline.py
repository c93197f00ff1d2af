"""What all command lines have in common: flags, and mistakes in one line."""

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator

from absl import app, flags, logging


def run(
    main: Callable[..., int | None],
    check: Callable[[], None] = lambda: None,
    named: str = "",
) -> None:
    """Runs a script's `main()` after its flags; see `ending_in_one_line`.

    The exit status is what `main` returns, where it returns.

    Args:
        main: What to run.
        check: Called once flags are parsed; raises where they are wrong.
        named: What stands on the command line beside flags, at least one, in
            a word; `main` is called with the list. Empty where nothing may.
    """
    # What TensorFlow logs while it loads and saves would bury that one line.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

    def quiet_main(argv):
        logging.set_verbosity(logging.WARNING)
        sys.exit(main(argv[1:]) if named else main())

    def parse(argv):
        return _parse(argv, check, named)

    with ending_in_one_line():
        app.run(quiet_main, flags_parser=parse)


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


def _parse(argv, check, named):
    """Parses the flags; every mistake in them raises a ValueError.

    config_flags raises KeyErrors and AttributeErrors for fields that do not
    exist, and keeps silent about a missing file until it is used.
    """
    try:
        rest = flags.FLAGS(argv)
        check()
    except (flags.Error, KeyError, AttributeError, TypeError) as error:
        message = str(error.args[0]) if error.args else repr(error)
        missing = re.match(r"flag --(\w+)=None: .* other than None", message)
        if missing:
            message = f"--{missing[1]}=... is missing; --help explains it"
        # What get_config() raised comes with its traceback, which ends so.
        if "Traceback (most recent call last)" in message:
            message = message.strip().splitlines()[-1]
        raise ValueError(message) from error
    if named and len(rest) < 2:
        raise ValueError(f"Expected {named}")
    if len(rest) > 1 and not named:
        raise ValueError(
            f"Unexpected argument {rest[1]!r}; flags start with --"
        )
    return rest


def _fail(error, status):
    line = " ".join(str(error).split()) or type(error).__name__
    print(f"{os.path.basename(sys.argv[0])}: {line}", file=sys.stderr)
    sys.exit(status)

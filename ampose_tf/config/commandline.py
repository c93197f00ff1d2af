"""Command lines of scripts: flags, and users' mistakes in one line.

A script has one function that defines its flags and one that uses them:

    def define_flags(flag_values):
        config.define_flag(flag_values)
        flags.DEFINE_string("workdir", None, "Output folder.", required=True,
                            flag_values=flag_values)

    def main(options):
        train(options.config, options.workdir)

    if __name__ == "__main__":
        config.run(main, define_flags)
"""

import contextlib
import errno
import itertools
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator

from absl import flags, logging
from ml_collections import config_flags

from ampose_tf import interrupts, progress, reading
from ampose_tf.config import checks, sections

# Raised by config_flags for flags that do not fit the config.
_MISTAKES = (flags.Error, KeyError, AttributeError, TypeError)


def define_flag(flag_values: flags.FlagValues) -> flags.FlagHolder:
    """Defines `--config=FILE` and `--config.section.field=value`.

    Args:
        flag_values: The flags to add it to.

    Returns:
        The flag, whose value is a `Config`.
    """
    return config_flags.DEFINE_config_file(
        "config",
        help_string="Experiment file, see configs/ (required). "
        "--config.section.field=value sets a field, see "
        "ampose_tf/config/sections.py; lists are written \"('S9','S11')\".",
        flag_values=flag_values,
    )


def run(
    main: Callable[..., int | None],
    define_flags: Callable[[flags.FlagValues], object],
    named: str = "",
    passes_on: bool = False,
) -> None:
    """Runs a script and exits with the status that its `main` returns.

    `--help` prints the docstring of the module of `main`, and the script's
    flags, including `--progress` and `--debug`, which this function adds.
    The exit status is 2 for a mistake in flags, configuration or files, which
    is reported in one line; 1 if training diverged; 130 if the user
    interrupted the script; 143 if it was terminated; and 141 if the reader of
    its output closed the pipe. The line has at most 300 printable characters;
    `--debug` prints the traceback before it. Exceptions other than ValueError
    and OSError are bugs and keep their traceback: readers of files turn the
    exceptions that damaged files cause into ValueError (`reading.guarded`).

    Args:
        main: Called with the parsed flags and, if `named` or `passes_on` is
            given, with the list of the other arguments.
        define_flags: Defines the script's flags on the given `FlagValues`.
        named: Short description of the positional arguments, of which at
            least one is then required. Empty to reject them.
        passes_on: Whether undefined flags are passed to `main`, for another
            library.
    """
    # TensorFlow's log messages would hide the one line.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Flags that libraries define keep their defaults.
    flags.FLAGS(sys.argv[:1])
    logging.use_absl_handler()
    logging.set_verbosity(logging.WARNING)
    options = flags.FlagValues()
    with _ending_in_one_line(options), interrupts.handled():
        define_flags(options)
        flags.DEFINE_bool(
            "progress",
            None,
            "Whether to show progress bars; by default only on a terminal.",
            flag_values=options,
        )
        flags.DEFINE_bool(
            "debug",
            False,
            "Whether to print the traceback before the error message.",
            flag_values=options,
        )
        if {"--help", "-help", "-h"} & set(sys.argv[1:]):
            print(_help(main, options), flush=True)
            sys.exit(0)
        arguments = parse(options, named, passes_on)
        progress.show(options.progress)
        takes_both = named or passes_on
        status = main(options, arguments) if takes_both else main(options)
        sys.stdout.flush()
        sys.exit(status)


def parse(
    options: flags.FlagValues, named: str = "", passes_on: bool = False
) -> list[str]:
    """Parses the process's arguments; checks `--config` if it is defined.

    The config is then required, except by scripts with `named`, which check
    for it themselves. config_flags raises KeyError and AttributeError for
    fields that do not exist, and does not report a missing file until it is
    used.

    Args:
        options: The defined flags; the parsed values are stored in them.
        named: See `run`.
        passes_on: See `run`.

    Returns:
        The positional arguments, and undefined flags if `passes_on`.

    Raises:
        ValueError: If the arguments contain a mistake.
    """
    options.set_gnu_getopt(True)
    if "config" in options:
        _check_is_file(sys.argv)
    try:
        _, *rest = options(sys.argv, known_only=passes_on)
        # A script with several commands may have some that need no config.
        if "config" in options and not (
            named and options["config"].value is None
        ):
            checks.check(_config_of(options))
    except (OSError, ValueError):
        raise
    # A config file is a program and may raise anything.
    except (Exception, SystemExit) as error:
        message = str(error.args[0]) if error.args else repr(error)
        missing = re.match(r"flag --(\w+)=None: .* other than None", message)
        if missing:
            message = f"--{missing[1]}=... is missing; --help explains it"
        # The message for an exception of get_config() contains its traceback,
        # whose last line is the exception's message.
        if "Traceback (most recent call last)" in message:
            message = message.strip().splitlines()[-1]
        elif not isinstance(error, _MISTAKES):
            message = f"--config: {type(error).__name__}: {message}"
        raise ValueError(message) from error
    if named and not rest:
        raise ValueError(f"Expected {named}")
    if rest and not named and not passes_on:
        raise ValueError(
            f"Unexpected argument {rest[0]!r}; flags start with --"
        )
    return rest


def _check_is_file(arguments):
    """Checks --config: Python would wait forever for an unwritten pipe."""
    for argument, following in itertools.pairwise([*arguments, ""]):
        given = re.fullmatch("--?config(?:=(.*))?", argument, re.DOTALL)
        if given is None:
            continue
        path = (following if given[1] is None else given[1]).split(":")[0]
        if os.path.exists(path) and not os.path.isfile(path):
            raise ValueError(f"--config: {path} is not a file")


# Errors of a standard output that is on a full disk or a missing device.
_OF_OUTPUT = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


@contextlib.contextmanager
def _ending_in_one_line(options: flags.FlagValues) -> Iterator[None]:
    """Turns users' mistakes within the block into one line and exits."""
    try:
        yield
    except interrupts.Interrupted as error:
        _fail(error, error.status)
    except KeyboardInterrupt:
        _fail("interrupted", 128 + signal.SIGINT)
    except FloatingPointError as error:
        _fail(error, 1)
    except BrokenPipeError:
        # The reader, such as `head`, needs no more.
        _drop_output()
        sys.exit(128 + signal.SIGPIPE)
    except (ValueError, OSError) as error:
        if _is_debugging(options):
            for text in traceback.format_exc().splitlines():
                print(reading.escaped(text), file=sys.stderr)
        _fail(_of_output(error) or error, 2)


def _is_debugging(options):
    """Returns whether --debug is set, even if parsing did not reach it."""
    if options.is_parsed():
        return options.debug
    pattern = re.compile("--?debug(=(1|t|true))?", re.IGNORECASE)
    return any(pattern.fullmatch(argument) for argument in sys.argv)


def _of_output(error):
    """Returns the problem if it is with standard output, else None."""
    try:
        sys.stdout.flush()
    except OSError as failure:
        error = failure
    else:
        # Errors of files have a filename; what could not be printed is lost.
        is_named = getattr(error, "filename", None) is not None
        if is_named or getattr(error, "errno", None) not in _OF_OUTPUT:
            return None
    _drop_output()
    return f"standard output: {error.strerror}"


def _drop_output():
    """Discards output: Python would flush the rest at exit and fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _help(main, options):
    """Returns the docstring of the script and a list of all its flags."""
    # absl groups flags by module, and flags that are passed as objects belong
    # to none.
    listed = flags.FlagValues()
    for name in options:
        listed[name] = options[name]
    texts = [sys.modules[main.__module__].__doc__.strip()]
    if len(listed):
        texts.append("Flags:")
        texts.append(listed.get_help("  ", include_special_flags=False))
    return "\n\n".join(texts)


def _config_of(options):
    flag = options["config"]
    if flag.value is None:
        raise ValueError(
            "--config=FILE is missing, for example configs/demo.py"
        )
    if not isinstance(flag.value, sections.Config):
        path = flag.config_filename.split(":")[0]
        if not os.path.isfile(path):
            raise ValueError(f"--config: no file {path}")
        # An OSError of get_config() is kept until the first use.
        getattr(flag.value, "data", None)
        raise ValueError(f"--config={path}: get_config() returned no Config")
    return flag.value


def _fail(error, status):
    script = os.path.basename(sys.argv[0])
    line = reading.line(str(error)) or type(error).__name__
    # Standard error may be closed or on a full disk.
    with contextlib.suppress(OSError):
        print(reading.line(f"{script}: {line}"), file=sys.stderr)
    sys.exit(status)

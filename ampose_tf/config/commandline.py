"""Command lines of scripts: flags, and mistakes in one line.

A script has a function that defines its flags and one that takes them:

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
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator

from absl import flags, logging
from ml_collections import config_flags

from ampose_tf import progress
from ampose_tf.config import sections


def define_flag(flag_values: flags.FlagValues) -> flags.FlagHolder:
    """Defines `--config=FILE` and `--config.section.field=value`.

    Args:
        flag_values: The flags to add it to.

    Returns:
        The flag, whose value is a `Config`.
    """
    return config_flags.DEFINE_config_file(
        "config",
        help_string="Experiment, a file of configs/ (required). "
        "--config.section.field=value changes a field, see "
        "ampose_tf/config/sections.py; lists are written \"('S9','S11')\".",
        flag_values=flag_values,
    )


def run(
    main: Callable[..., int | None],
    define_flags: Callable[[flags.FlagValues], object],
    named: str = "",
) -> None:
    """Runs a script and exits with the status that its `main` returns.

    `--help` prints the docstring of the module of `main`, and the flags,
    to which `--progress` is added.
    The exit status is 2 for a mistake in flags, configuration or files, which
    ends in one line, 1 if training diverged, 130 if the user interrupted it,
    and 141 if the reader of its output closed the pipe.

    Args:
        main: Called with the parsed flags and, if `named`, with the list of
            the other arguments.
        define_flags: Defines the script's flags on the `FlagValues` given.
        named: What the arguments beside flags are, in a few words; at least
            one is then required. Empty to refuse all.
    """
    # TensorFlow's log messages would bury the one line.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Flags that libraries define keep their defaults.
    flags.FLAGS(sys.argv[:1])
    logging.use_absl_handler()
    logging.set_verbosity(logging.WARNING)
    with _ending_in_one_line():
        options = flags.FlagValues()
        define_flags(options)
        flags.DEFINE_bool(
            "progress",
            None,
            "Whether to show progress bars; by default on a terminal.",
            flag_values=options,
        )
        if {"--help", "-help", "-h"} & set(sys.argv[1:]):
            print(_help(main, options), flush=True)
            sys.exit(0)
        arguments = parse(options, named)
        progress.show(options.progress)
        status = main(options, arguments) if named else main(options)
        sys.stdout.flush()
        sys.exit(status)


def parse(options: flags.FlagValues, named: str = "") -> list[str]:
    """Parses the process's arguments; checks `--config` if it is defined.

    config_flags raises KeyErrors and AttributeErrors for fields that do not
    exist, and is silent about a missing file until it is used.

    Args:
        options: The flags that are defined; they take the values.
        named: As of `run`.

    Returns:
        The arguments beside flags.

    Raises:
        ValueError: If there is any mistake in them.
    """
    options.set_gnu_getopt(True)
    try:
        _, *rest = options(sys.argv)
        if "config" in options:
            sections.check(_config_of(options))
    except (flags.Error, KeyError, AttributeError, TypeError) as error:
        message = str(error.args[0]) if error.args else repr(error)
        missing = re.match(r"flag --(\w+)=None: .* other than None", message)
        if missing:
            message = f"--{missing[1]}=... is missing; --help explains it"
        # An exception of get_config() comes with its traceback, which ends
        # in the message.
        if "Traceback (most recent call last)" in message:
            message = message.strip().splitlines()[-1]
        raise ValueError(message) from error
    if named and not rest:
        raise ValueError(f"Expected {named}")
    if rest and not named:
        raise ValueError(
            f"Unexpected argument {rest[0]!r}; flags start with --"
        )
    return rest


@contextlib.contextmanager
def _ending_in_one_line() -> Iterator[None]:
    """Turns users' mistakes within the block into one line and an exit."""
    try:
        yield
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    except FloatingPointError as error:
        _fail(error, 1)
    except BrokenPipeError:
        # The reader, such as `head`, has enough. Python would still flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except (ValueError, OSError) as error:
        _fail(error, 2)


def _help(main, options):
    """Returns the docstring of the script, and its flags in one list."""
    # Flags that are handed in as they are belong to no module, by which absl
    # would group them.
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
        raise ValueError(f"--config={path}: its get_config() made no Config")
    return flag.value


def _fail(error, status):
    line = " ".join(str(error).split()) or type(error).__name__
    print(f"{os.path.basename(sys.argv[0])}: {line}", file=sys.stderr)
    sys.exit(status)

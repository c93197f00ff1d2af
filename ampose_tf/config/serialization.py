"""Configurations as JSON, and their differences."""

import dataclasses
import json
import os

from ampose_tf import reading
from ampose_tf.config import fields
from ampose_tf.config.checks import check
from ampose_tf.config.sections import Config

# Largest size of a config.json, which has some 6,000 bytes.
_MOST_BYTES = 2**20


def to_json(config: Config) -> str:
    """Returns the whole configuration as JSON."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def from_json(text: str) -> Config:
    """Returns the configuration that `to_json` serialised.

    Raises:
        ValueError: If it is not JSON, or a field is unknown or invalid.
    """
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"not JSON: {error.msg} (line {error.lineno})"
        ) from error
    except RecursionError as error:
        raise ValueError("not JSON of a config: nested too deeply") from error
    config = fields.section_from(values, Config)
    check(config)
    return config


def load(path: str | os.PathLike) -> Config:
    """Reads a `config.json`.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it holds no valid configuration.
    """
    try:
        return from_json(reading.content(path, _MOST_BYTES).decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 text") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def difference(one: Config, other: Config) -> str:
    """Returns the first field in which two configs differ; "" if none."""
    flat, other_flat = fields.flatten(one), fields.flatten(other)
    for name, value in flat.items():
        if other_flat[name] != value:
            return f"{name} is {value!r} there, {other_flat[name]!r} here"
    return ""

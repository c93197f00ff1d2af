"""Fields of configuration dataclasses: declaration, checks, flattening."""

import dataclasses
import math
import typing

from ampose_tf import reading

# For integers of either sign: the range of NumPy's and Keras's seeds.
_MOST = 2**32 - 1


def choice(default: str, *others: str):
    """Declares a field whose value is the default or one of the others."""
    choices = (default, *others)
    return dataclasses.field(default=default, metadata={"choices": choices})


def at_least(minimum: float, default):
    """Declares a number with an inclusive lower bound."""
    return dataclasses.field(default=default, metadata={"minimum": minimum})


def within(minimum: float, maximum: float, default):
    """Declares a number with inclusive lower and upper bounds."""
    return dataclasses.field(
        default=default, metadata={"minimum": minimum, "maximum": maximum}
    )


def check_section(section, prefix: str = "") -> None:
    """Checks types, choices and bounds of a dataclass and its sections.

    Raises:
        ValueError: If a value is invalid. The message names the field, the
            expected value and the given one.
    """
    types = typing.get_type_hints(type(section))
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        name = prefix + field.name
        if dataclasses.is_dataclass(types[field.name]):
            check_section(value, name + ".")
        else:
            _check_type(name, value, types[field.name])
            _check_value(name, value, field.metadata)


def _check_type(name, value, expected):
    if typing.get_origin(expected) is tuple:
        items = typing.get_args(expected)
        if not isinstance(value, tuple):
            raise ValueError(f"{name}: expected a tuple, got {_brief(value)}")
        if items[-1] is not Ellipsis and len(items) != len(value):
            raise ValueError(
                f"{name}: expected {len(items)} values, got {len(value)}"
            )
        for item in value:
            _check_type(name, item, items[0])
            if isinstance(item, str) and "," in item:
                raise ValueError(
                    f"{name}: {item!r} holds a comma; a list is written "
                    "\"('S1','S9')\""
                )
        if items == (float, float) and value[0] > value[1]:
            raise ValueError(
                f"{name}: expected (low, high), got {value[0]}, {value[1]}"
            )
        return
    # bool is a subclass of int, and an int is accepted as a float.
    accepted = (int, float) if expected is float else expected
    if not isinstance(value, accepted) or (
        isinstance(value, bool) and expected is not bool
    ):
        raise ValueError(
            f"{name}: expected {expected.__name__}, got {_brief(value)}"
        )
    if isinstance(value, str) and "\0" in value:
        raise ValueError(f"{name}: expected text, got {_brief(value)}")
    if isinstance(value, int) and abs(value) > _MOST:
        raise ValueError(
            f"{name}: expected at most {_MOST}, got {_brief(value)}"
        )


def _check_value(name, value, metadata):
    choices = metadata.get("choices", ())
    if choices and value not in choices:
        raise ValueError(
            f"{name}: expected one of {', '.join(choices)}, got "
            f"{_brief(value)}"
        )
    low = metadata.get("minimum", -math.inf)
    high = metadata.get("maximum", math.inf)
    for number in value if isinstance(value, tuple) else (value,):
        if isinstance(number, (int, float)) and not (
            -math.inf < number < math.inf and low <= number <= high
        ):
            bound = "a finite number"
            if low > -math.inf:
                bound = f"{low} to {high}"
                if high == math.inf:
                    bound = f"at least {low}"
            raise ValueError(f"{name}: expected {bound}, got {number}")


def section_from(values, cls, prefix: str = ""):
    """Builds the dataclass `cls` from nested dicts, as loaded from JSON.

    A missing field gets its default, so files of older versions remain
    readable.

    Raises:
        ValueError: If a field is unknown.
    """
    if not isinstance(values, dict):
        raise ValueError(
            f"{prefix or 'config'}: expected fields, got {_brief(values)}"
        )
    types = typing.get_type_hints(cls)
    unknown = sorted(set(values) - set(types))
    if unknown:
        raise ValueError(
            f"unknown field {prefix}{reading.shown(unknown[0], 40)}"
        )
    made = {}
    for name, value in values.items():
        if dataclasses.is_dataclass(types[name]):
            made[name] = section_from(value, types[name], f"{prefix}{name}.")
        else:
            # JSON has no tuples.
            made[name] = tuple(value) if isinstance(value, list) else value
    return cls(**made)


def flatten(section, prefix: str = "") -> dict:
    """Returns {"section.field": value} of nested dataclasses."""
    flat = {}
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        if dataclasses.is_dataclass(value):
            flat |= flatten(value, f"{prefix}{field.name}.")
        else:
            flat[prefix + field.name] = value
    return flat


def _brief(value):
    return reading.shown(repr(value), 40)

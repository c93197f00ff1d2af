"""Skeletons of users' own, described in small JSON files."""

import dataclasses
import os

from ampose_tf import reading
from ampose_tf.conversion import CONVERSIONS, Conversion
from ampose_tf.lifting import untrusted
from ampose_tf.skeleton import H36M_17

_MAX_BYTES = 2**20
_MAX_JOINTS = 200
_MAX_ALTERNATIVES = 50
_MAX_WEIGHT = 10
# How far a user's weights, rounded as they are, may miss one in all.
_ROUNDING = 1e-2


def load(path: str | os.PathLike) -> Conversion:
    """Reads a skeleton of one's own.

    The file is JSON with the fields of `Conversion`:

        {"name": "my markers",
         "joints": ["pelvis", "l_hip", "r_hip", ...],
         "sides": [["l_hip", "r_hip"], ...],
         "weights": {"Hip": {"pelvis": 1},
                     "Spine": {"pelvis": 0.55, "neck": 0.45}, ...}}

    `joints` are in the order of the keypoints, `sides` are pairs of left and
    right, and `weights` has each of `skeleton.H36M_17.joints`. Weights may be
    negative, and are divided by their sum, which must be one to rounding. A
    list of several for one joint are alternatives: the first whose joints are
    all seen is taken.

    Raises:
        OSError: Where the file cannot be read.
        ValueError: Where it is not that; it says what is wrong.
    """
    try:
        with reading.guarded():
            content = untrusted.read(path, _MAX_BYTES)
            return _checked(untrusted.parse(content, _once))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _once(pairs):
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a name is twice in one object")
    return value


def _checked(value):
    fields = [field.name for field in dataclasses.fields(Conversion)]
    if not isinstance(value, dict) or set(value) != set(fields):
        raise ValueError(
            f"expected an object with {', '.join(fields)} and nothing else"
        )
    name, joints = value["name"], value["joints"]
    if not _is_name(name) or name in {*CONVERSIONS, "H36M-17"}:
        raise ValueError("name: expected a text that no known skeleton has")
    if (
        not isinstance(joints, list)
        or not 0 < len(joints) <= _MAX_JOINTS
        or not all(_is_name(joint) for joint in joints)
        or len(set(joints)) < len(joints)
    ):
        raise ValueError(
            f"joints: expected at most {_MAX_JOINTS} names, all different"
        )
    sides = _checked_sides(value["sides"], joints)
    weights = value["weights"]
    named = H36M_17.joints
    if not isinstance(weights, dict) or set(weights) != set(named):
        wrong = set(named) ^ set(weights if isinstance(weights, dict) else ())
        raise ValueError(
            f"weights: expected all of {', '.join(named)} and nothing else; "
            f"see {untrusted.brief(min(wrong, default='its type'))}"
        )
    return Conversion(
        name,
        tuple(joints),
        sides,
        {
            joint: _checked_alternatives(joint, weights[joint], joints, sides)
            for joint in named
        },
    )


def _is_name(value):
    return (
        isinstance(value, str)
        and 0 < len(value.strip()) <= 100
        and value.isprintable()
    )


def _checked_sides(sides, joints):
    if not isinstance(sides, list):
        raise ValueError("sides: expected pairs of left and right joints")
    paired = []
    for pair in sides:
        if (
            not isinstance(pair, list)
            or len(pair) != 2
            or not all(joint in joints for joint in pair)
        ):
            raise ValueError(
                f"sides: expected pairs of joints, got {untrusted.brief(pair)}"
            )
        paired.extend(pair)
    if len(set(paired)) < len(paired):
        raise ValueError("sides: a joint is in two pairs, or twice in one")
    return tuple((left, right) for left, right in sides)


def _checked_alternatives(joint, weights, joints, sides):
    if not isinstance(weights, list):
        return _checked_weights(joint, weights, joints, sides)
    if not 0 < len(weights) <= _MAX_ALTERNATIVES:
        raise ValueError(
            f"weights: {joint}: expected at most {_MAX_ALTERNATIVES} "
            "alternatives, at least one"
        )
    return tuple(
        _checked_weights(joint, one, joints, sides) for one in weights
    )


def _checked_weights(joint, weights, joints, sides):
    if not isinstance(weights, dict) or not weights:
        raise ValueError(f"weights: {joint}: expected {{joint: weight}}")
    for source, weight in weights.items():
        if source not in joints:
            raise ValueError(
                f"weights: {joint}: there is no joint "
                f"{untrusted.brief(source)}"
            )
        if (
            isinstance(weight, bool)
            or not isinstance(weight, (int, float))
            or not -_MAX_WEIGHT <= weight <= _MAX_WEIGHT
        ):
            raise ValueError(
                f"weights: {joint}: {source}: expected a number from "
                f"{-_MAX_WEIGHT} to {_MAX_WEIGHT}"
            )
    total = sum(weights.values())
    if abs(total - 1) > _ROUNDING:
        raise ValueError(
            f"weights: {joint}: expected a sum of one, got {total:g}"
        )
    other = {"L": 1, "R": 0}.get(joint[0])
    if other is not None and set(weights) <= {pair[other] for pair in sides}:
        raise ValueError(
            f"weights: {joint} is made of {', '.join(weights)}, of the other "
            "side by sides, where the left joint comes first"
        )
    return {source: weight / total for source, weight in weights.items()}

"""User-defined skeletons, described in small JSON files."""

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
# Largest deviation of the sum of rounded weights from one.
_ROUNDING = 1e-2


def load(path: str | os.PathLike) -> Conversion:
    """Reads a user-defined skeleton.

    The file is JSON with the fields of `Conversion`:

        {"name": "my markers",
         "joints": ["pelvis", "l_hip", "r_hip", ...],
         "sides": [["l_hip", "r_hip"], ...],
         "weights": {"Hip": {"pelvis": 1},
                     "Spine": {"pelvis": 0.55, "neck": 0.45}, ...}}

    `joints` are in the order of the keypoints. `sides` are pairs of a left and
    a right joint. `weights` contains each of `skeleton.H36M_17.joints`, as the
    weighted mean of joints of the file. Weights may be negative; they are
    divided by their sum, which must be one up to rounding. A list of weights
    for one joint contains alternatives: the first whose joints are all seen is
    used.

    Args:
        path: Path of the file.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If the file does not describe a skeleton; the message says
            why.
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
        raise ValueError("an object contains the same name twice")
    return value


def _checked(value):
    fields = [field.name for field in dataclasses.fields(Conversion)]
    if not isinstance(value, dict) or set(value) != set(fields):
        raise ValueError(
            f"expected an object with exactly the fields {', '.join(fields)}"
        )
    name, joints = value["name"], value["joints"]
    if not _is_name(name) or name in {*CONVERSIONS, "H36M-17"}:
        raise ValueError(
            "name: expected a string that is not the name of a known skeleton"
        )
    if (
        not isinstance(joints, list)
        or not 0 < len(joints) <= _MAX_JOINTS
        or not all(_is_name(joint) for joint in joints)
        or len(set(joints)) < len(joints)
    ):
        raise ValueError(
            f"joints: expected 1 to {_MAX_JOINTS} different names"
        )
    sides = _checked_sides(value["sides"], joints)
    weights = value["weights"]
    named = H36M_17.joints
    if not isinstance(weights, dict) or set(weights) != set(named):
        wrong = set(named) ^ set(weights if isinstance(weights, dict) else ())
        raise ValueError(
            f"weights: expected an object with exactly {', '.join(named)}; "
            f"check {untrusted.brief(min(wrong, default='its type'))}"
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
        raise ValueError("sides: expected each joint in at most one pair")
    return tuple((left, right) for left, right in sides)


def _checked_alternatives(joint, weights, joints, sides):
    if not isinstance(weights, list):
        return _checked_weights(joint, weights, joints, sides)
    if not 0 < len(weights) <= _MAX_ALTERNATIVES:
        raise ValueError(
            f"weights: {joint}: expected 1 to {_MAX_ALTERNATIVES} alternatives"
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
                f"weights: {joint}: unknown joint {untrusted.brief(source)}"
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
            f"weights: {joint}: expected a sum of 1, got {total:g}"
        )
    other = {"L": 1, "R": 0}.get(joint[0])
    if other is not None and set(weights) <= {pair[other] for pair in sides}:
        raise ValueError(
            f"weights: {joint} is computed from {', '.join(weights)}, which "
            "sides assigns to the other side; the left joint of a pair comes "
            "first"
        )
    return {source: weight / total for source, weight in weights.items()}

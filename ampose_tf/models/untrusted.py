"""Checks an untrusted `.keras` file before a model is built from it.

Keras builds whatever `config.json` names, at any size, and reads as much as
`model.weights.h5` claims to hold. Here the file must hold one of two classes,
arguments within their ranges, and uncompressed weights.
"""

import json
import math
import os

import numpy as np

from ampose_tf import hdf5, reading, unpacking
from ampose_tf.config import Model
from ampose_tf.config.fields import check_section, section_from

MAX_BYTES = 384 * 2**20
WEIGHTS = "model.weights.h5"

_MAX_CONFIG_BYTES = 2**20
# The paper has 5, 512, 8, 2, 1. Building a layer takes a tenth of a second.
_MOST = {
    "depth": 24,
    "width": 4096,
    "heads": 256,
    "mlp_ratio": 16,
    "gcn_mlp_ratio": 16,
}
# Five times as many as in the paper's network.
_MAX_PARAMETERS = 100_000_000
_MAX_JOINTS = 32
_MAX_HIDDEN = 8192
_MAX_NAME = 100
_POLICIES = (
    "float32",
    "float16",
    "bfloat16",
    "mixed_float16",
    "mixed_bfloat16",
)
# Arguments of every Keras model.
_COMMON = {"dtype", "name", "trainable"}
_REFINED = {"lifter", "hidden", "dropout"}
_MAX_OBJECTS = 20_000  # In an HDF5 file.


def read(path: str | os.PathLike) -> tuple[str, dict, bytes]:
    """Returns a `.keras` file's class, its arguments, and its weights.

    Args:
        path: Path of the file.

    Returns:
        `"AMPose"` or `"RefinedLifter"`, its keyword arguments, checked, and
        the HDF5 file of its weights, unchecked.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If the file holds another class or an argument is out of
            range. Damage in the zip archive may raise other exceptions.
    """
    with reading.opened(path) as file:
        # The configuration first: it shows most problems.
        (text,) = _members(file, "config.json", _MAX_CONFIG_BYTES)
        name, arguments = _checked(json.loads(text))
        (weights,) = _members(file, WEIGHTS, MAX_BYTES)
    lifter = arguments.get("lifter", arguments)
    depth, width = lifter["depth"], lifter["width"]
    least = depth * width**2
    # Per block: attention, its MLP, and a GCN with three kernels twice.
    wide = 4 + 2 * lifter["mlp_ratio"] + 6 * max(1, lifter["gcn_mlp_ratio"])
    if least * wide > _MAX_PARAMETERS:
        raise ValueError(f"depth {depth} and width {width} are too large")
    if least > len(weights):
        raise ValueError(
            f"weights of {len(weights)} bytes, too few for depth {depth} and "
            f"width {width}"
        )
    return name, arguments, weights


def check_weights(path: str | os.PathLike) -> None:
    """Checks that an HDF5 file holds nothing but uncompressed arrays.

    Raises:
        ValueError: If an array is compressed, stored elsewhere or of another
            type, or if there are too many. Damage may raise other exceptions.
    """
    import h5py

    size, count = 0, 0
    with h5py.File(path, "r") as file:
        groups = [file]
        while groups:
            group = groups.pop()
            for name in group:
                count += 1
                if count > _MAX_OBJECTS:
                    raise ValueError(f"more than {_MAX_OBJECTS} weights")
                if hdf5.is_group(group, name):
                    groups.append(group[name])
                    continue
                dataset = hdf5.dataset(group, name)
                if dataset.chunks or dataset.dtype.kind not in "biufV":
                    raise ValueError(
                        f"{reading.shown(repr(name))}: not plain numbers"
                    )
                size += dataset.id.get_storage_size()
                if dataset.nbytes > dataset.id.get_storage_size():
                    raise ValueError(f"{reading.shown(repr(name))}: truncated")
    if size > os.path.getsize(path):
        raise ValueError("weights that overlap")


def _members(file, name, most):
    found = [c for _, c in unpacking.zip_members(file, most, name)]
    if len(found) != 1:
        raise ValueError(f"{name} is missing, or occurs twice")
    return found


def _checked(whole):
    """Returns the class and its arguments from the content of `config.json`.

    Arguments are checked.
    """
    if not isinstance(whole, dict):
        raise ValueError("config.json: expected an object")
    name, arguments = whole.get("class_name"), whole.get("config")
    if whole.get("registered_name") not in (
        "ampose_tf>AMPose",
        "ampose_tf>RefinedLifter",
    ):
        raise ValueError(f"holds a {reading.shown(str(name))}, not an AMPose")
    if whole["registered_name"] != f"ampose_tf>{name}":
        raise ValueError("config.json: two different class names")
    if not isinstance(arguments, dict):
        raise ValueError("config.json: expected arguments")
    if name == "AMPose":
        return name, _of_ampose(arguments)
    _check_common(arguments)
    unknown = sorted(set(arguments) - _COMMON - _REFINED)
    if unknown or not isinstance(arguments.get("lifter"), dict):
        raise ValueError(
            f"unknown argument {unknown[0]!r}" if unknown else "no lifter"
        )
    hidden, dropout = arguments.get("hidden"), arguments.get("dropout")
    if type(hidden) is not int or not 1 <= hidden <= _MAX_HIDDEN:
        raise ValueError(f"hidden: expected 1 to {_MAX_HIDDEN}, got {hidden}")
    if type(dropout) not in (int, float) or not 0 <= dropout < 1:
        raise ValueError(f"dropout: expected 0 to 1, got {dropout}")
    return name, arguments | {"lifter": _of_ampose(arguments["lifter"])}


def _of_ampose(arguments):
    _check_common(arguments)
    own = {n: v for n, v in arguments.items() if n not in _COMMON}
    adjacency = _adjacency(own.pop("adjacency", None))
    settings = section_from(own, Model)
    check_section(settings)
    for name, most in _MOST.items():
        value = getattr(settings, name)
        if value > most:
            raise ValueError(f"{name}: expected 1 to {most}, got {value}")
    if settings.width % settings.heads:
        raise ValueError(
            f"width {settings.width} is not divisible by {settings.heads} "
            "heads"
        )
    common = {n: v for n, v in arguments.items() if n in _COMMON}
    return {"adjacency": adjacency} | vars(settings) | common


def _check_common(arguments):
    if arguments.get("dtype", "float32") not in _POLICIES:
        raise ValueError(f"dtype: expected one of {', '.join(_POLICIES)}")
    if not isinstance(arguments.get("trainable", True), bool):
        raise ValueError("trainable: expected true or false")
    name = arguments.get("name")
    if name is not None and not (
        isinstance(name, str)
        and len(name) <= _MAX_NAME
        and name.isascii()
        and name.replace("_", "").replace("-", "").isalnum()
    ):
        raise ValueError("name: expected letters, digits and _")


def _adjacency(values):
    """Returns (3, J, J) float32."""
    if not isinstance(values, list) or len(values) != 3:
        raise ValueError("adjacency: expected three groups")
    joints = len(values[0]) if isinstance(values[0], list) else 0
    if not 1 <= joints <= _MAX_JOINTS:
        raise ValueError(f"adjacency: expected 1 to {_MAX_JOINTS} joints")
    for group in values:
        for row in group if isinstance(group, list) else [group]:
            if not isinstance(row, list) or len(row) != joints:
                raise ValueError(f"adjacency: expected rows of {joints}")
            for value in row:
                if type(value) not in (int, float) or not (
                    math.isfinite(value) and abs(value) <= 1e3
                ):
                    raise ValueError("adjacency: expected small numbers")
        if len(group) != joints:
            raise ValueError(f"adjacency: expected {joints} rows")
    return np.array(values, np.float32)

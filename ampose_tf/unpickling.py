"""Loads untrusted pickles without executing their contents.

A pickle can call any Python function; the pickle of a data file needs only
NumPy's array constructors.
"""

import math
import os
import pickle
from typing import BinaryIO

import numpy as np

from ampose_tf import reading

# Operations of a pickle, which take up to 200 bytes of memory each, and its
# elements, where each one counts as often as it is referenced.
_MAX_STEPS = 16_000_000
# Levels of nested lists. VideoPose3D's files have five.
_MAX_DEPTH = 64
# Axis of an array without elements.
_MAX_SIDE = 2**20
_MAX_RANK = 32  # The limit of NumPy 1.


class Refused(ValueError):
    """The pickle holds objects that are not allowed, or is damaged."""


def load(file: BinaryIO, what: str):
    """Returns the content of a pickle.

    Args:
        file: Open file, positioned at the pickle, which must end the file.
        what: Name of the pickle, for messages.

    Returns:
        NumPy arrays, dicts, lists, tuples, strings, numbers or None, possibly
        nested.

    Raises:
        Refused: If it contains anything else, or too much, or is damaged. None
            of its contents have been executed by then.
    """
    here = file.tell()
    size = file.seek(0, os.SEEK_END) - here
    file.seek(here)
    try:
        value = _ArraysOnlyUnpickler(file, size).load()
    except Refused:
        raise
    # Damaged pickles may raise any exception.
    except Exception as error:
        message = reading.line(str(error), 100)
        raise Refused(
            f"{what}: damaged pickle ({type(error).__name__}: {message})"
        ) from error
    _check_admitted(value, what)
    return value


def _ndarray(*_):
    """Stands in for the class, which could build arrays over any memory."""
    raise Refused("its pickle builds an array unlike NumPy's pickles")


def _reconstruct(cls, *_):
    if cls is not _ndarray:
        raise Refused("its pickle builds an array unlike NumPy's pickles")
    return np.empty(0, np.int8)  # BUILD sets shape, type, values.


def _dtype(text, *_):
    # Always a copy: BUILD must not change NumPy's own instance.
    dtype = np.dtype(text, False, True)
    if dtype.kind not in "biufcSUO":
        raise Refused(f"its pickle holds values of type {dtype}")
    return dtype


def _scalar(dtype, state):
    if dtype.hasobject:
        raise Refused("its pickle builds a scalar of type object")
    return _SCALAR(dtype, state)


def _encode(text, encoding):
    """The only use of _codecs.encode in protocol 2: bytes stored as text."""
    if encoding != "latin1":
        raise Refused(f"its pickle encodes text as {encoding!r}")
    return text.encode("latin1")


def _no_bytes():
    """Called by protocol 2 for the content of an empty array."""
    return b""


# The function itself, which is in a private module of NumPy.
_SCALAR = np.float32(0).__reduce__()[0]

_ADMITTED = {
    ("numpy", "ndarray"): _ndarray,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
}
for _core in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _ADMITTED[_core, "_reconstruct"] = _reconstruct
    _ADMITTED[_core, "scalar"] = _scalar


def is_possible(shape: tuple[int, ...], itemsize: int, size: int) -> bool:
    """Returns whether an array can be stored in a given number of bytes.

    The number of elements without bytes, and of entries along the other axes
    of an array without elements, is limited as well.
    """
    if len(shape) > _MAX_RANK:
        return False
    sides = all(0 <= side <= max(size, _MAX_SIDE) for side in shape)
    return sides and math.prod(shape) * max(itemsize, 1) <= size


# Sets, whose elements are hashed, and buffers, whose size is only claimed.
_NEEDLESS = (
    pickle.EMPTY_SET,
    pickle.FROZENSET,
    pickle.BYTEARRAY8,
    pickle.NEXT_BUFFER,
    pickle.READONLY_BUFFER,
)


class _Operations(dict):
    """A pickle's operations by code, limited to `_MAX_STEPS` look-ups."""

    def __init__(self, operations):
        super().__init__(operations)
        self.left = _MAX_STEPS

    def __getitem__(self, code):
        self.left -= 1
        if self.left < 0:
            raise Refused(f"its pickle takes more than {_MAX_STEPS} steps")
        return dict.__getitem__(self, code)


# Private: pickle.Unpickler, which is written in C, has no hook for BUILD.
# tests/test_private_apis.py checks what is used of the Python version.
class _ArraysOnlyUnpickler(pickle._Unpickler):
    """Allows NumPy's constructors, with states that NumPy itself writes.

    NumPy trusts the state that BUILD passes to it: a short list or a forged
    dtype makes it follow wild pointers. Unlike the unpickler in C, the one in
    Python has a hook there; large arrays are as fast in either.

    Args:
        file: The pickle.
        size: Size of the pickle in bytes.
    """

    dispatch = pickle._Unpickler.dispatch.copy()

    def __init__(self, file, size, **options):
        super().__init__(file, **options)
        if size > _MAX_STEPS:  # Counting is as slow as reading.
            self.dispatch = _Operations(self.dispatch)
        # Each array is stored once; protocol 2 stores bytes as text, where an
        # element of 8 bytes in memory may take 2.
        self._bytes_left = 4 * size + 2**20

    def find_class(self, module, name):
        if (module, name) not in _ADMITTED:
            raise Refused(
                f"refused: its pickle calls "
                f"{reading.shown(f'{module}.{name}', 150)}, but a data file "
                "needs only NumPy's array constructors"
            )
        return _ADMITTED[module, name]

    def _take(self, count):
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise Refused("its pickle builds larger arrays than it holds")

    def load_build(self):
        state = self.stack.pop()
        built = self.stack[-1]
        if not _is_state_of(built, state):
            raise Refused(
                f"refused: its pickle gives a {type(built).__name__} a "
                "state that NumPy does not write"
            )
        if isinstance(built, np.ndarray):
            values = state[-1]
            size = 1 if isinstance(values, bytes) else 8
            self._take(size * len(values))
        built.__setstate__(state)

    dispatch[pickle.BUILD[0]] = load_build

    def load_reduce(self):
        super().load_reduce()
        made = self.stack[-1]
        if isinstance(made, np.generic):
            self._take(made.nbytes)
        elif isinstance(made, bytes):
            self._take(len(made))

    dispatch[pickle.REDUCE[0]] = load_reduce

    # Nested tuples may take exponential time to hash.
    def load_dict(self):
        _check_keys(self.stack[::2])
        super().load_dict()

    dispatch[pickle.DICT[0]] = load_dict

    def load_setitems(self):
        _check_keys(self.stack[::2])
        super().load_setitems()

    dispatch[pickle.SETITEMS[0]] = load_setitems

    def load_setitem(self):
        _check_keys(self.stack[-2:-1])
        super().load_setitem()

    dispatch[pickle.SETITEM[0]] = load_setitem

    def load_needless(self):
        raise Refused("refused: its pickle builds a set or a bytearray")

    for _code in _NEEDLESS:
        dispatch[_code[0]] = load_needless


def _check_keys(keys):
    for key in keys:
        if not isinstance(key, _ATOMS):
            raise Refused(f"its pickle has a {type(key).__name__} as a key")
        # Larger numbers can be chosen to have the same hash.
        if isinstance(key, int) and not -(2**63) <= key < 2**64:
            raise Refused("its pickle has a number over 64 bits as a key")


def _is_state_of(built, state):
    if isinstance(built, np.dtype):
        return state == built.newbyteorder(state[1]).__reduce__()[2]
    if not isinstance(built, np.ndarray):
        return False
    _, shape, dtype, _, values = state
    if not all(type(side) is int for side in shape):
        return False
    if dtype.hasobject:
        return (
            type(values) is list
            and is_possible(shape, 1, len(values))
            and len(values) == math.prod(shape)
        )
    return type(values) is bytes and is_possible(
        shape, dtype.itemsize, len(values)
    )


_ATOMS = (str, bytes, bool, int, float, np.generic, type(None))


def _check_admitted(value, where):
    """Checks the types, the depth and the size of a pickle's content.

    A list of ten references to the same list, and so on, takes little memory
    but has any number of elements when it is traversed.
    """
    pending = [(value,)]
    depth = 0
    sizes = {}  # By id; None while its contents are pending.
    while pending:
        value = pending[-1]
        if sizes.get(id(value), 0) is not None and id(value) in sizes:
            pending.pop()
            continue
        held = _held(value, where)
        holders = [v for v in held if isinstance(v, _HOLDERS)]
        if id(value) not in sizes:
            sizes[id(value)] = None
            depth += 1
            if depth > _MAX_DEPTH:
                raise Refused(f"{where} is nested too deeply")
            for inner in holders:
                if sizes.get(id(inner), 0) is None:
                    raise Refused(f"{where} holds a list that holds itself")
                pending.append(inner)
            continue
        depth -= 1
        size = len(held) + sum(sizes[id(inner)] for inner in holders)
        if size > _MAX_STEPS:
            raise Refused(f"{where} has more than {_MAX_STEPS} elements")
        sizes[id(value)] = size
        pending.pop()


_HOLDERS = (np.ndarray, dict, list, tuple)


def _held(value, where):
    """Returns the direct contents of a value."""
    if isinstance(value, np.ndarray):
        held = value.ravel().tolist() if value.dtype.hasobject else []
    elif isinstance(value, dict):
        held = [*value, *value.values()]
    else:
        held = value
    for inner in held:
        if not isinstance(inner, (*_ATOMS, *_HOLDERS)):
            raise Refused(
                f"{where} holds a {type(inner).__name__}; expected arrays, "
                "dicts, lists, strings and numbers"
            )
    return held

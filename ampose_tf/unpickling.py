"""Pickles from strangers, without executing what is in them.

A pickle can call any function of Python; the one in a data file needs only
NumPy's array constructors.
"""

import math
import os
import pickle
from typing import BinaryIO

import numpy as np

from ampose_tf import reading

# Of a pickle: operations, which take up to 200 bytes of memory each, and
# elements where each is counted as often as it is referred to.
_MAX_STEPS = 16_000_000
# Of lists in lists. VideoPose3D's files have five.
_MAX_DEPTH = 64
# Of an array without elements.
_MAX_SIDE = 2**20
_MAX_RANK = 32  # NumPy 1's own.


class Refused(ValueError):
    """What a pickle holds is not admitted, or damaged."""


def load(file: BinaryIO, what: str):
    """Returns what a pickle holds.

    Args:
        file: At the pickle's beginning; it ends with the pickle.
        what: Its name, for messages.

    Returns:
        NumPy arrays, dicts, lists, tuples, strings, numbers or None, or such
        in each other.

    Raises:
        Refused: If it holds anything else, or too much, or is damaged.
            Nothing of it has run by then.
    """
    here = file.tell()
    size = file.seek(0, os.SEEK_END) - here
    file.seek(here)
    try:
        value = _ArraysOnlyUnpickler(file, size).load()
    except Refused:
        raise
    # Damage may raise any exception.
    except Exception as error:
        message = reading.line(str(error), 100)
        raise Refused(
            f"{what}: a damaged pickle ({type(error).__name__}: {message})"
        ) from error
    _check_admitted(value, what)
    return value


def _ndarray(*_):
    """Stands for the class, which could make arrays over any memory."""
    raise Refused("its pickle makes an array other than NumPy pickles it")


def _reconstruct(cls, *_):
    if cls is not _ndarray:
        raise Refused("its pickle makes an array other than NumPy pickles it")
    return np.empty(0, np.int8)  # BUILD gives it shape, type and values.


def _dtype(text, *_):
    # A copy, always: BUILD must not reach NumPy's own instance.
    dtype = np.dtype(text, False, True)
    if dtype.kind not in "biufcSUO":
        raise Refused(f"its pickle holds values of type {dtype}")
    return dtype


def _scalar(dtype, state):
    if dtype.hasobject:
        raise Refused("its pickle makes a scalar of objects")
    return _SCALAR(dtype, state)


def _encode(text, encoding):
    """The one use of _codecs.encode in protocol 2: bytes kept as text."""
    if encoding != "latin1":
        raise Refused(f"its pickle encodes text as {encoding!r}")
    return text.encode("latin1")


def _no_bytes():
    """What protocol 2 calls for the content of an empty array."""
    return b""


# The function itself, which NumPy keeps in a private module.
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
    """Whether an array can be in so many bytes.

    Of elements without bytes, and along the other axes of an array without
    elements, there could be any number.
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
    """A pickle's operations by their codes, for `_MAX_STEPS` of them."""

    def __init__(self, operations):
        super().__init__(operations)
        self.left = _MAX_STEPS

    def __getitem__(self, code):
        self.left -= 1
        if self.left < 0:
            raise Refused(f"its pickle takes more than {_MAX_STEPS} steps")
        return dict.__getitem__(self, code)


# Private: pickle.Unpickler, which is in C, has no hook for BUILD. What is used
# of the one in Python is held by tests/test_private_apis.py.
class _ArraysOnlyUnpickler(pickle._Unpickler):
    """Admits NumPy's constructors, with states that NumPy would write.

    NumPy trusts the state that BUILD hands it: a short list or a forged
    dtype makes it follow wild pointers. The unpickler in C has no hook
    there, the one in Python does; big arrays are as fast in either.

    Args:
        file: The pickle.
        size: Of the pickle in bytes.
    """

    dispatch = pickle._Unpickler.dispatch.copy()

    def __init__(self, file, size, **options):
        super().__init__(file, **options)
        if size > _MAX_STEPS:  # Counting takes as long as reading.
            self.dispatch = _Operations(self.dispatch)
        # Each array is there once; protocol 2 has bytes as text, and an
        # element that takes 8 bytes of memory may take 2 there.
        self._bytes_left = 4 * size + 2**20

    def find_class(self, module, name):
        if (module, name) not in _ADMITTED:
            raise Refused(
                f"refused: its pickle calls "
                f"{reading.shown(f'{module}.{name}', 150)}, and a data file "
                "needs no more than NumPy's array constructors"
            )
        return _ADMITTED[module, name]

    def _take(self, count):
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise Refused("its pickle makes more arrays than it holds")

    def load_build(self):
        state = self.stack.pop()
        built = self.stack[-1]
        if not _is_state_of(built, state):
            raise Refused(
                f"refused: its pickle sets a {type(built).__name__} to a "
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

    # Tuples within tuples take forever to hash.
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
        raise Refused("refused: its pickle makes a set or a bytearray")

    for _code in _NEEDLESS:
        dispatch[_code[0]] = load_needless


def _check_keys(keys):
    for key in keys:
        if not isinstance(key, _ATOMS):
            raise Refused(f"its pickle has a {type(key).__name__} as a key")
        # Larger numbers can be chosen so that their hashes are one.
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
    """Checks what a pickle holds: its types, its depth and its size.

    A list of ten lists that are one, and so on, is small and has any number
    of elements for those that go through it.
    """
    pending = [(value,)]
    depth = 0
    sizes = {}  # By id; None of those that `pending` is inside of.
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
    """Returns what a value is made of."""
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

"""Reading `.npz` files from strangers without executing what is in them.

VideoPose3D's files hold pickled dictionaries. A pickle can call any function
of Python; the one in a data file needs only NumPy's array constructors.
"""

import contextlib
import io
import lzma
import math
import os
import pickle
import pickletools
import struct
import tokenize
import zipfile
import zlib

import numpy as np

from ampose_tf import files, unpacking

# Of what a file unpacks to, the larger one: bytes, and times its own size.
# Motion is hard to compress.
_MOST_BYTES = 256 * 2**20
_MOST_TIMES = 100

# Of a pickle: operations, which take up to 200 bytes of memory each, and
# elements where each is counted as often as it is referred to.
_MAX_STEPS = 16_000_000
# Of lists in lists. VideoPose3D's files have five.
_MAX_DEPTH = 64

_DAMAGE = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    tokenize.TokenError,
    lzma.LZMAError,
    EOFError,
    AssertionError,
    AttributeError,
    IndexError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OverflowError,
    RecursionError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


def read(
    source: str | os.PathLike | bytes,
    only: str | None = None,
    most: int | None = None,
) -> dict:
    """Reads the members of an `.npz`.

    Args:
        source: Path of the file, or what is in it. Its members are plain
            arrays, or pickled objects made of NumPy arrays, dicts, lists,
            tuples, strings, numbers and None.
        only: The one member to read, if it is there; None for all.
        most: How many bytes it may unpack to; None for 256 MiB or 100 times
            the file's size, whichever is more.

    Returns:
        {name: array, or the object within a 0-d object array}.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is no `.npz`, is damaged or too large, or holds
            anything else, which the message names. Nothing of it has run by
            then.
    """
    only = None if only is None else f"{only}.npy"
    with _explained(source, ".npz"), _opened(source) as file:
        if most is None:
            size = file.seek(0, os.SEEK_END)
            most = max(_MOST_BYTES, _MOST_TIMES * size)
        return {
            name.removesuffix(".npy"): _read_member(name, content)
            for name, content in unpacking.zip_members(file, most, only)
        }


def read_npy(source: str | os.PathLike | bytes) -> np.ndarray:
    """Reads an `.npy` of a plain array.

    Args:
        source: Path of the file, or what is in it.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is no `.npy`, is damaged, or holds objects.
    """
    with _explained(source, ".npy"), _opened(source) as file:
        _check_header(file)
        return np.lib.format.read_array(file, allow_pickle=False)


def write(path: str | os.PathLike, **values) -> None:
    """Writes `.npz` members that NumPy 1.20 to 2 read, as does `read`.

    Arrays are stored plainly; a dict is stored as VideoPose3D does, in a
    pickled 0-d object array, which `np.load(path, allow_pickle=True)[name]
    .item()` gives back.
    """
    with (
        files.replacing(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as members,
    ):
        for name, value in values.items():
            with members.open(f"{name}.npy", "w", force_zip64=True) as file:
                if isinstance(value, dict):
                    _write_object(file, value)
                else:
                    np.save(file, value, allow_pickle=False)


@contextlib.contextmanager
def _explained(source, kind):
    """Turns whatever reading raises into one line, with the file's name."""
    start = "" if isinstance(source, bytes) else f"{source}: "
    try:
        yield
    except (_Refused, unpacking.TooLarge) as error:
        raise ValueError(f"{start}{error}") from error
    except (OSError, *_DAMAGE) as error:
        # What decompression raises, unlike opening, names no file.
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise ValueError(
            f"{start}not a readable {kind} file, or a damaged one "
            f"({_described(error)})"
        ) from error


def _opened(source):
    return (
        io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb")
    )


def _described(error):
    """Returns an error in one line; some quote half the file."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message[:200]}"


class _Refused(ValueError):
    """What the file holds is intact and not admitted."""


def _read_member(name, content):
    if not name.endswith(".npy"):
        raise _Refused(f"expected .npy members, found {name!r}")
    file = io.BytesIO(content)
    if not _check_header(file).hasobject:
        return np.lib.format.read_array(file, allow_pickle=False)
    _read_header(file)
    value = _ArraysOnlyUnpickler(file, len(content)).load()
    _check_admitted(value, name)
    return value.item() if value.shape == () else value


def _read_header(file):
    version = np.lib.format.read_magic(file)
    read_header = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    return read_header(file)


def _check_header(file):
    """Returns an `.npy`'s dtype; the file is at its beginning again.

    Raises:
        ValueError: If the array claims to be larger than the file. Elements
            of no bytes, of which there could be any number, are refused.
    """
    shape, _, dtype = _read_header(file)
    here = file.tell()
    rest = file.seek(0, os.SEEK_END) - here
    file.seek(0)
    if (
        not dtype.hasobject
        and math.prod(shape) * max(dtype.itemsize, 1) > rest
    ):
        raise ValueError(f"{rest} bytes for shape {shape} of {dtype}")
    return dtype


def _ndarray(*_):
    """Stands for the class, which could make arrays over any memory."""
    raise _Refused("its pickle makes an array other than NumPy pickles it")


def _reconstruct(cls, *_):
    if cls is not _ndarray:
        raise _Refused("its pickle makes an array other than NumPy pickles it")
    return np.empty(0, np.int8)  # BUILD gives it shape, type and values.


def _dtype(text, *_):
    # A copy, always: BUILD must not reach NumPy's own instance.
    dtype = np.dtype(text, False, True)
    if dtype.kind not in "biufcSUO":
        raise _Refused(f"its pickle holds values of type {dtype}")
    return dtype


def _scalar(dtype, state):
    if dtype.hasobject:
        raise _Refused("its pickle makes a scalar of objects")
    return _SCALAR(dtype, state)


def _encode(text, encoding):
    """The one use of _codecs.encode in protocol 2: bytes kept as text."""
    if encoding != "latin1":
        raise _Refused(f"its pickle encodes text as {encoding!r}")
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
        self.take(1)
        return super().__getitem__(code)

    def take(self, count):
        self.left -= count
        if self.left < 0:
            raise _Refused(f"its pickle takes more than {_MAX_STEPS} steps")


# Private: pickle.Unpickler, which is in C, has no hook for BUILD. What is used
# of the one in Python is held by tests/test_private_apis.py.
class _ArraysOnlyUnpickler(pickle._Unpickler):
    """Admits NumPy's constructors, with states that NumPy would write.

    NumPy trusts the state that BUILD hands it: a short list or a forged
    dtype makes it follow wild pointers. The unpickler in C has no hook
    there, the one in Python does; big arrays are as fast in either.

    Args:
        file: The pickle.
        size: Of the pickle in bytes. What is made of it is at most twice as
            large, each array being there once, as text perhaps.
    """

    dispatch = pickle._Unpickler.dispatch.copy()

    def __init__(self, file, size, **options):
        super().__init__(file, **options)
        self.dispatch = _Operations(self.dispatch)
        self._bytes_left = 2 * size

    def find_class(self, module, name):
        if (module, name) not in _ADMITTED:
            raise _Refused(
                f"refused: its pickle calls {module}.{name}"[:200]
                + ", and a data file needs no more than NumPy's array "
                "constructors"
            )
        return _ADMITTED[module, name]

    def _take(self, count):
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise _Refused("its pickle makes more arrays than it holds")

    def load_build(self):
        state = self.stack.pop()
        built = self.stack[-1]
        if not _is_state_of(built, state):
            raise _Refused(
                f"refused: its pickle sets a {type(built).__name__} to a "
                "state that NumPy does not write"
            )
        if isinstance(built, np.ndarray):
            values = state[-1]
            if isinstance(values, bytes):
                self._take(len(values))
            else:
                self.dispatch.take(len(values))
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
        raise _Refused("refused: its pickle makes a set or a bytearray")

    for _code in _NEEDLESS:
        dispatch[_code[0]] = load_needless


def _check_keys(keys):
    for key in keys:
        if not isinstance(key, _ATOMS):
            raise _Refused(f"its pickle has a {type(key).__name__} as a key")


def _is_state_of(built, state):
    if isinstance(built, np.dtype):
        return state == built.newbyteorder(state[1]).__reduce__()[2]
    if not isinstance(built, np.ndarray):
        return False
    _, shape, dtype, _, values = state
    if not all(type(side) is int and side >= 0 for side in shape):
        return False
    if dtype.hasobject:
        return type(values) is list and len(values) == math.prod(shape)
    # Of elements without bytes there could be any number.
    return type(values) is bytes and math.prod(shape) <= len(values)


_ATOMS = (str, bytes, bool, int, float, np.generic, type(None))


def _check_admitted(value, where):
    """Checks what a pickle holds: its types, its depth and its size.

    A list of ten lists that are one, and so on, is small and has any number
    of elements for those that go through it.
    """
    pending = [value]
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
                raise _Refused(f"{where} is nested too deeply")
            for inner in holders:
                if sizes.get(id(inner), 0) is None:
                    raise _Refused(f"{where} holds a list that holds itself")
                pending.append(inner)
            continue
        depth -= 1
        size = len(held) + sum(sizes[id(inner)] for inner in holders)
        if size > _MAX_STEPS:
            raise _Refused(f"{where} has more than {_MAX_STEPS} elements")
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
            raise _Refused(
                f"{where} holds a {type(inner).__name__}; expected arrays, "
                "dicts, lists, strings and numbers"
            )
    return held


def _write_object(file, value):
    holder = np.empty((), object)
    holder[()] = value
    header = {"descr": "|O", "fortran_order": False, "shape": ()}
    np.lib.format.write_array_header_1_0(file, header)
    # NumPy 2 says where its constructors live now, which NumPy 1 cannot
    # find.
    pickled = pickle.dumps(holder, protocol=2)
    new, old = b"numpy._core.multiarray", b"numpy.core.multiarray"
    start = 0
    for opcode, name, position in pickletools.genops(pickled):
        if opcode.name == "GLOBAL" and name.startswith(new.decode()):
            file.write(pickled[start : position + 1] + old)
            start = position + 1 + len(new)
    file.write(pickled[start:])

"""Reading `.npz` files from strangers without executing what is in them.

VideoPose3D's files hold pickled dictionaries. A pickle can call any function
of Python; the one in a data file needs only NumPy's array constructors.
"""

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

from ampose_tf import files

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


def read(path: str | os.PathLike, only: str | None = None) -> dict:
    """Reads the members of an `.npz`.

    Args:
        path: Its members are plain arrays, or pickled objects made of NumPy
            arrays, dicts, lists, tuples, strings, numbers and None.
        only: The one member to read, if it is there; all where None.

    Returns:
        {name: array, or the object within a 0-d object array}.

    Raises:
        OSError: Where the file cannot be read.
        ValueError: Where it is no `.npz`, is damaged, or holds anything
            else, which the message names. Nothing of it has run by then.
    """
    try:
        with zipfile.ZipFile(path) as members:
            return {
                name.removesuffix(".npy"): _read_member(members, name)
                for name in members.namelist()
                if only is None or name == f"{only}.npy"
            }
    except _Refused as error:
        raise ValueError(f"{path}: {error}") from error
    except (OSError, *_DAMAGE) as error:
        # What decompression raises, unlike opening, names no file.
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise ValueError(
            f"{path}: not a readable .npz file, or a damaged one "
            f"({_described(error)})"
        ) from error


def read_npy(path: str | os.PathLike) -> np.ndarray:
    """Reads an `.npy` of a plain array.

    Raises:
        OSError: Where the file cannot be read.
        ValueError: Where it is no `.npy`, is damaged, or holds objects.
    """
    try:
        with open(path, "rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except _DAMAGE as error:
        raise ValueError(
            f"{path}: not a readable .npy file, or a damaged one "
            f"({_described(error)})"
        ) from error


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


def _described(error):
    """Returns an error in one line; some quote half the file."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message[:200]}"


class _Refused(ValueError):
    """What the file holds is intact and not admitted."""


def _read_member(members, name):
    if not name.endswith(".npy"):
        raise _Refused(f"expected .npy members, found {name!r}")
    file = io.BytesIO(members.read(name))
    version = np.lib.format.read_magic(file)
    read_header = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    _, _, dtype = read_header(file)
    if not dtype.hasobject:
        file.seek(0)
        return np.lib.format.read_array(file, allow_pickle=False)
    value = _ArraysOnlyUnpickler(file).load()
    _check_admitted(value, name)
    return value.item() if value.shape == () else value


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


def _scalar(dtype, *state):
    if dtype.hasobject:
        raise _Refused("its pickle makes a scalar of objects")
    return _SCALAR(dtype, *state)


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


# Private: pickle.Unpickler, which is in C, has no hook for BUILD. What is used
# of the one in Python is held by tests/test_private_apis.py.
class _ArraysOnlyUnpickler(pickle._Unpickler):
    """Admits NumPy's constructors, with states that NumPy would write.

    NumPy trusts the state that BUILD hands it: a short list or a forged
    dtype makes it follow wild pointers. The unpickler in C has no hook
    there, the one in Python does; big arrays are as fast in either.
    """

    dispatch = pickle._Unpickler.dispatch.copy()

    def find_class(self, module, name):
        if (module, name) not in _ADMITTED:
            raise _Refused(
                f"refused: its pickle calls {module}.{name}, and a data file "
                "needs no more than NumPy's array constructors"
            )
        return _ADMITTED[module, name]

    def load_build(self):
        state = self.stack.pop()
        built = self.stack[-1]
        if not _is_state_of(built, state):
            raise _Refused(
                f"refused: its pickle sets a {type(built).__name__} to a "
                "state that NumPy does not write"
            )
        built.__setstate__(state)

    dispatch[pickle.BUILD[0]] = load_build


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
    return type(values) is bytes


def _check_admitted(value, where):
    pending = [value]
    seen = set()  # A list can hold itself.
    while pending:
        value = pending.pop()
        if id(value) in seen:
            continue
        if isinstance(value, (np.ndarray, dict, list, tuple)):
            seen.add(id(value))
        if isinstance(value, np.ndarray):
            if value.dtype.hasobject:
                pending.extend(value.ravel().tolist())
        elif isinstance(value, dict):
            pending.extend(value)
            pending.extend(value.values())
        elif isinstance(value, (list, tuple)):
            pending.extend(value)
        elif not isinstance(
            value, (str, bytes, bool, int, float, np.generic, type(None))
        ):
            raise _Refused(
                f"{where} holds a {type(value).__name__}; expected arrays, "
                "dicts, lists, strings and numbers"
            )


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

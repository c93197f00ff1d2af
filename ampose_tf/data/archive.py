"""Reads `.npz` files from untrusted sources without executing code in them.

VideoPose3D's files contain pickled dictionaries. A pickle can call any Python
function, but those in data files need only NumPy's array constructors.
"""

import contextlib
import io
import os
import pickle
import pickletools
import zipfile
from collections.abc import Callable

import numpy as np

from ampose_tf import files, reading, unpacking, unpickling

# The limit of unpacked contents is the larger of these: a number of bytes, and
# a multiple of the file's size. Motion is hard to compress.
_MOST_BYTES = 256 * 2**20
_MOST_TIMES = 8


def read(
    source: str | os.PathLike | bytes,
    only: str | Callable[[str], bool] | None = None,
    most: int | None = None,
) -> dict:
    """Reads the members of an `.npz` file.

    Args:
        source: Path of the file, or its contents. Members are plain arrays, or
            pickled objects that consist of NumPy arrays, dicts, lists, tuples,
            strings, numbers and None.
        only: Name of the only member to read, if it exists, or a function of
            a name that returns whether to read the member; None for all.
        most: Largest size in bytes of the unpacked contents; None for 256 MiB
            or 8 times the file's size, whichever is larger.

    Returns:
        {name: array, or the object in a 0-d object array}.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If the file is not an `.npz` file, is damaged or too large,
            or contains other objects. Code in the file is never executed.
    """

    def is_wanted(member):
        name = member.removesuffix(".npy")
        return only(name) if callable(only) else only in (None, name)

    with _explained(source, ".npz"), _opened(source) as file:
        if most is None:
            size = file.seek(0, os.SEEK_END)
            most = max(_MOST_BYTES, _MOST_TIMES * size)
        return {
            name.removesuffix(".npy"): _read_member(name, content)
            for name, content in unpacking.zip_members(file, most, is_wanted)
        }


def names(source: str | os.PathLike | bytes) -> list[str]:
    """Returns the names of the members of an `.npz` file.

    Args:
        source: Path of the file, or its contents.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If the file is not an `.npz` file.
    """
    with _explained(source, ".npz"), _opened(source) as file:
        return [n.removesuffix(".npy") for n in unpacking.zip_names(file)]


def read_npy(source: str | os.PathLike | bytes) -> np.ndarray:
    """Reads an `.npy` file with a plain array.

    Args:
        source: Path of the file, or its contents.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If the file is not an `.npy` file, is damaged, or contains
            objects.
    """
    with _explained(source, ".npy"), _opened(source) as file:
        _check_header(file)
        return np.lib.format.read_array(file, allow_pickle=False)


def write(path: str | os.PathLike, **values) -> None:
    """Writes an `.npz` file for `read` and for NumPy 1.20 to 2.

    Arrays are stored plainly. As in VideoPose3D, a dict is stored in a pickled
    0-d object array; `np.load(path, allow_pickle=True)[name].item()` returns
    it.
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
    """Converts errors to one line with the file's name.

    Some errors would quote half of the file.
    """
    start = "" if isinstance(source, bytes) else f"{source}: "
    try:
        with reading.guarded():
            yield
    except (unpickling.Refused, unpacking.TooLarge) as error:
        raise ValueError(f"{start}{error}") from error
    except (OSError, ValueError) as error:
        # Errors of decompression, unlike those of opening, have no file name.
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise ValueError(
            f"{start}not a readable {kind} file "
            f"({reading.line(str(error), 100)})"
        ) from error


def _opened(source):
    return (
        io.BytesIO(source)
        if isinstance(source, bytes)
        else reading.opened(source)
    )


def _read_member(name, content):
    if not name.endswith(".npy"):
        raise unpickling.Refused(f"expected .npy members, found {name!r}")
    file = io.BytesIO(content)
    if not _check_header(file).hasobject:
        return np.lib.format.read_array(file, allow_pickle=False)
    _read_header(file)
    value = unpickling.load(file, name)
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
    """Returns the dtype of an `.npy` file, and rewinds the file.

    Raises:
        ValueError: If the array's shape requires more bytes than the file has.
    """
    shape, _, dtype = _read_header(file)
    here = file.tell()
    rest = file.seek(0, os.SEEK_END) - here
    file.seek(0)
    if not dtype.hasobject and not unpickling.is_possible(
        shape, dtype.itemsize, rest
    ):
        raise ValueError(f"{rest} bytes for shape {shape} of {dtype}")
    return dtype


def _write_object(file, value):
    holder = np.empty((), object)
    holder[()] = value
    header = {"descr": "|O", "fortran_order": False, "shape": ()}
    np.lib.format.write_array_header_1_0(file, header)
    # NumPy 2 writes the new module of its constructors, which NumPy 1 does not
    # have.
    pickled = pickle.dumps(holder, protocol=2)
    new, old = b"numpy._core.multiarray", b"numpy.core.multiarray"
    start = 0
    for opcode, name, position in pickletools.genops(pickled):
        if opcode.name == "GLOBAL" and name.startswith(new.decode()):
            file.write(pickled[start : position + 1] + old)
            start = position + 1 + len(new)
    file.write(pickled[start:])

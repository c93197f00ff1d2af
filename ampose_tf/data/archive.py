"""Reading `.npz` files from strangers without executing what is in them.

VideoPose3D's files hold pickled dictionaries. A pickle can call any function
of Python; the one in a data file needs only NumPy's array constructors.
"""

import contextlib
import io
import os
import pickle
import pickletools
import zipfile

import numpy as np

from ampose_tf import files, reading, unpacking, unpickling

# Of what a file unpacks to, the larger one: bytes, and times its own size.
# Motion is hard to compress.
_MOST_BYTES = 256 * 2**20
_MOST_TIMES = 8


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
        most: How many bytes it may unpack to; None for 256 MiB or 8 times
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
    """Turns what reading raises into one line with the file's name.

    Some errors quote half the file.
    """
    start = "" if isinstance(source, bytes) else f"{source}: "
    try:
        with reading.guarded():
            yield
    except (unpickling.Refused, unpacking.TooLarge) as error:
        raise ValueError(f"{start}{error}") from error
    except (OSError, ValueError) as error:
        # What decompression raises, unlike opening, names no file.
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
    """Returns an `.npy`'s dtype; the file is at its beginning again.

    Raises:
        ValueError: If the array claims to be larger than the file.
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

"""What is in files from strangers, as bytes and as JSON, within bounds."""

import json
import os
import zipfile
from collections.abc import Callable

# Of a file, of what an .npz unpacks to, of all files of a folder, and of
# standard input. An hour of one person at 30 frames a second is 100 MB of
# COCO's results.
MAX_BYTES = 256 * 2**20
# Of lists and objects in JSON, which take up to 200 bytes each, however short
# they are written: with the numbers in them, a file takes some 4 GB. That
# hour has 4 million where every joint is an object.
MAX_NODES = 16_000_000


def read(path: str | os.PathLike, most: int | None = None) -> bytes:
    """Returns what is in a file.

    Args:
        path: Of the file.
        most: Bytes; `MAX_BYTES` where None.

    Raises:
        OSError: Where it cannot be read.
        ValueError: Where it is larger.
    """
    most = MAX_BYTES if most is None else most
    with open(path, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"larger than {most} bytes")
    return content


def check_unpacked_size(path: str | os.PathLike) -> None:
    """Checks what a zip archive, as `.npz` are, would unpack to.

    Raises:
        ValueError: Where that is more than `MAX_BYTES`.
    """
    try:
        with zipfile.ZipFile(path) as members:
            size = sum(member.file_size for member in members.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return  # Which `archive` will explain.
    if size > MAX_BYTES:
        raise ValueError(f"unpacks to more than {MAX_BYTES} bytes")


def parse(text: str | bytes, object_of: Callable | None = None):
    """Parses JSON.

    Args:
        text: Text, or bytes in UTF-8.
        object_of: Makes an object of its (name, value) pairs, and raises a
            ValueError where it does not want to; None for a dict.

    Raises:
        ValueError: Where it is none; it says where, in one line.
    """
    signs = ("[", "{") if isinstance(text, str) else (b"[", b"{")
    if sum(map(text.count, signs)) > MAX_NODES:
        raise ValueError(
            f"not read: more than {MAX_NODES} lists and objects; split it"
        )
    try:
        return json.loads(text, object_pairs_hook=object_of)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"not JSON: {error.msg} (line {error.lineno}, column "
            f"{error.colno})"
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError("not JSON: its text is not UTF-8") from error
    except RecursionError as error:
        raise ValueError("not read: its JSON is nested too deeply") from error

"""Decompresses untrusted bytes within limits.

Sizes in headers are not trusted: decompressors are told how much they may
return.
"""

import bz2
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

# Archives have one member per recording. A member of 50 bytes in the file
# takes ten times as much memory.
MAX_MEMBERS = 50_000

# `gzip` and `pigz` write one part, `bgzip` one per 64 kB.
_MAX_PARTS = 10_000
_PIECE_BYTES = 2**16
_GZIP = b"\x1f\x8b"

_DIRECTORY_ENTRY = b"PK\x01\x02"
_LOCAL_HEADER = b"PK\x03\x04"
_ENCRYPTED = 0x1
# Directory entries are counted in this part at the end of the file.
_TAIL_BYTES = 16 * 2**20


def gunzipped(content: bytes, most: int) -> bytes:
    """Returns the content of a gzip file; other content is unchanged.

    Args:
        content: Bytes of a file.
        most: Largest size of the result in bytes.

    Raises:
        ValueError: If it is larger, or the gzip file is damaged.
    """
    if not content.startswith(_GZIP):
        return content
    found = []
    size = 0
    parts = 0
    part = None
    # In pieces, because the rest of each part is copied.
    for start in range(0, len(content), _PIECE_BYTES):
        rest = content[start : start + _PIECE_BYTES]
        while rest:
            if part is None:
                rest = rest.lstrip(b"\0") if parts else rest  # Padding.
                if not rest:
                    break
                part = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
                parts += 1
            try:
                found.append(part.decompress(rest, most - size + 1))
            except zlib.error as error:
                raise ValueError(f"damaged gzip file ({error})") from error
            size += len(found[-1])
            if size > most:
                raise ValueError(f"unpacks to more than {most} bytes")
            if parts > _MAX_PARTS:
                raise ValueError(f"gzip file of more than {_MAX_PARTS} parts")
            rest = part.unused_data
            if part.eof:
                part = None
    if part is not None:
        raise ValueError("truncated gzip file")
    return b"".join(found)


def zip_names(file: BinaryIO) -> list[str]:
    """Returns the names of a zip archive's members.

    Args:
        file: The archive, which must be seekable.

    Raises:
        zipfile.BadZipFile: If it is not a zip archive, or is damaged.
        TooLarge: If it has too many members.
    """
    with _archive(file) as archive:
        return archive.namelist()


def zip_members(
    file: BinaryIO,
    most: int,
    only: str | Callable[[str], bool] | None = None,
) -> Iterator[tuple[str, bytes]]:
    """Yields the names and contents of a zip archive's members.

    Args:
        file: The archive, which must be seekable.
        most: Largest total size of the yielded contents in bytes.
        only: Name of the only member to yield, if it exists, or a function
            of a name that returns whether to yield the member.

    Raises:
        zipfile.BadZipFile: If it is not a zip archive, or is damaged. Damage
            inside it may raise other exceptions of `zipfile` and
            decompressors.
        TooLarge: If it is larger.
    """
    size = file.seek(0, os.SEEK_END)
    with _archive(file) as archive:
        members = archive.infolist()
        if sum(member.compress_size for member in members) > size:
            raise zipfile.BadZipFile("its members overlap")
        if callable(only):
            members = [m for m in members if only(m.filename)]
        elif only is not None:
            members = [m for m in members if m.filename == only]
        if sum(member.file_size for member in members) > most:
            raise TooLarge(f"unpacks to more than {most} bytes")
        for member in members:
            yield member.filename, _unpacked(file, member)


class TooLarge(ValueError):
    """An intact archive whose content is too large."""


def _archive(file):
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL_BYTES))
    if file.read().count(_DIRECTORY_ENTRY) > MAX_MEMBERS:
        raise TooLarge(f"more than {MAX_MEMBERS} members")
    return zipfile.ZipFile(file)


def _unpacked(file, member):
    """Returns a member's content, never more than its claimed size.

    `zipfile` itself decompresses 4 kB at a time, which for bzip2 may become
    gigabytes.
    """
    if member.flag_bits & _ENCRYPTED:
        raise zipfile.BadZipFile(f"{member.filename!r} is encrypted")
    file.seek(member.header_offset)
    header = file.read(30)
    if len(header) < 30 or not header.startswith(_LOCAL_HEADER):
        raise zipfile.BadZipFile(f"{member.filename!r} has no header")
    file.seek(sum(struct.unpack("<HH", header[26:])), os.SEEK_CUR)
    packed = file.read(member.compress_size)
    most = max(member.file_size, 1)  # 0 would mean no limit.
    if member.compress_type == zipfile.ZIP_STORED:
        content = packed
    elif member.compress_type == zipfile.ZIP_DEFLATED:
        content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, most)
    elif member.compress_type == zipfile.ZIP_BZIP2:
        content = bz2.BZ2Decompressor().decompress(packed, most)
    elif member.compress_type == zipfile.ZIP_LZMA:
        content = _lzma(packed, most)
    else:
        raise zipfile.BadZipFile(
            f"{member.filename!r} is compressed by the unknown method "
            f"{member.compress_type}"
        )
    if len(content) != member.file_size or zlib.crc32(content) != member.CRC:
        raise zipfile.BadZipFile(f"{member.filename!r} fails its checksum")
    return content


def _lzma(packed, most):
    """Decompresses LZMA as stored in zip archives (APPNOTE 5.8)."""
    _, length, properties, dictionary = struct.unpack("<HHBI", packed[:9])
    if length != 5:
        raise zipfile.BadZipFile("LZMA with unknown properties")
    coder = {
        "id": lzma.FILTER_LZMA1,
        "lc": properties % 9,
        "lp": properties // 9 % 5,
        "pb": properties // 45,
        # The dictionary takes that much memory and never needs more than the
        # size of the result.
        "dict_size": min(dictionary, max(most, 4096)),
    }
    unpacker = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[coder])
    return unpacker.decompress(packed[9:], most)

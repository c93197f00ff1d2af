"""Bytes that unpack to more than they should."""

import gzip
import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from ampose_tf import unpacking

MiB = 2**20
BOMB = bytes(32 * MiB)
METHODS = pytest.mark.parametrize(
    "method",
    [
        zipfile.ZIP_STORED,
        zipfile.ZIP_DEFLATED,
        zipfile.ZIP_BZIP2,
        zipfile.ZIP_LZMA,
    ],
)


def zipped(method, **members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def unzipped(content, most=MiB, only=None):
    return dict(unpacking.zip_members(io.BytesIO(content), most, only))


@pytest.fixture
def memory():
    """Returns the most bytes that were taken since the test began."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


def claiming(content, size):
    """Returns a zip archive whose last member claims another size."""
    content = bytearray(content)
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = struct.pack("<I", size)
    return bytes(content)


@METHODS
def test_members_are_what_was_packed(method):
    members = {
        "a.npy": np.random.default_rng(0).bytes(70_001),
        "empty": b"",
        "b": b"abc" * 9973,
    }
    content = zipped(method, **members)
    assert unzipped(content) == members
    # Something before an archive, as in programs that unpack themselves.
    assert unzipped(b"#!/bin/sh\n" + content) == members
    assert unzipped(content, only="b") == {"b": members["b"]}
    assert unzipped(content, only="c") == {}
    assert unzipped(content, 99_920) == members
    with pytest.raises(unpacking.TooLarge, match="more than 99919 bytes"):
        unzipped(content, 99_919)


@METHODS
def test_memory_is_bounded_by_what_comes_out(method, memory):
    content = zipped(method, bomb=BOMB)
    for size in (1000, MiB):
        lying = claiming(content, size)
        tracemalloc.reset_peak()
        before = memory()
        with pytest.raises(zipfile.BadZipFile, match="'bomb' fails its check"):
            unzipped(lying)
        # Stored members have their true size on disk.
        most = 4 * MiB if method else 34 * MiB
        assert memory() - before < most
    with pytest.raises(unpacking.TooLarge, match="more than 1048576 bytes"):
        unzipped(content)


def test_all_members_count_together():
    content = zipped(zipfile.ZIP_DEFLATED, a=bytes(600), b=bytes(500))
    with pytest.raises(unpacking.TooLarge, match="more than 1000 bytes"):
        unzipped(content, 1000)
    assert list(unzipped(content, 1000, only="b")) == ["b"]


def test_members_that_overlap_are_refused():
    content = zipped(zipfile.ZIP_STORED, a=bytes(600))
    entry = content.index(b"PK\x01\x02")
    end = content.index(b"PK\x05\x06")
    twice = bytearray(content[:end] + content[entry:])
    struct.pack_into("<HHI", twice, len(twice) - 14, 2, 2, 2 * (end - entry))
    with pytest.raises(zipfile.BadZipFile, match="overlap"):
        unzipped(bytes(twice))


def test_lzmas_dictionary_is_what_comes_out_at_most(memory):
    content = bytearray(zipped(zipfile.ZIP_LZMA, a=b"abc" * 100))
    place = 30 + len("a") + 5
    assert struct.unpack_from("<I", content, place)[0] == 8 * MiB
    struct.pack_into("<I", content, place, 2**32 - 1)
    tracemalloc.reset_peak()
    before = memory()
    assert unzipped(bytes(content)) == {"a": b"abc" * 100}
    assert memory() - before < MiB


def test_archives_of_too_many_members_are_refused(monkeypatch):
    content = zipped(zipfile.ZIP_STORED, a=b"", b=b"", c=b"")
    monkeypatch.setattr(unpacking, "MAX_MEMBERS", 2)
    with pytest.raises(unpacking.TooLarge, match="more than 2 members"):
        unzipped(content)


@METHODS
def test_damaged_members_are_refused(method):
    content = zipped(method, a=b"abc" * 100)
    place = content.index(b"PK\x01\x02")
    for at, new, message in (
        (place + 10, b"\x63\x00", "unknown method 99"),
        (place + 8, b"\x01", "encrypted"),
        (place + 16, b"\0\0\0\0", "checksum"),
        (0, b"XX", "has no header"),
    ):
        damaged = bytearray(content)
        damaged[at : at + len(new)] = new
        with pytest.raises(zipfile.BadZipFile, match=f"'a' .*{message}"):
            unzipped(bytes(damaged))


def test_gzip_and_what_is_none():
    content = np.random.default_rng(0).bytes(200_001)
    for most in (200_001, MiB):
        assert unpacking.gunzipped(gzip.compress(content), most) == content
        assert unpacking.gunzipped(content, most) == content
    assert unpacking.gunzipped(gzip.compress(b""), 10) == b""
    # Parts one after the other, and what tapes are filled up with.
    parts = [content[start : start + 997] for start in range(0, 200_001, 997)]
    several = b"".join(map(gzip.compress, parts)) + bytes(512)
    assert unpacking.gunzipped(several, 200_001) == content


def test_gzip_is_bounded(memory):
    packed = gzip.compress(BOMB)
    tracemalloc.reset_peak()
    before = memory()
    for content in (packed, 40 * gzip.compress(bytes(MiB // 32))):
        with pytest.raises(ValueError, match="to more than 1048576 bytes"):
            unpacking.gunzipped(content, MiB)
    assert memory() - before < 3 * MiB


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda packed: packed[:-1], "truncated"),
        (lambda packed: packed[:2], "truncated"),
        (lambda packed: packed + b"x" * 20, "damaged gzip file"),
        (lambda packed: packed[:-8] + bytes(8), "damaged gzip file"),
        (lambda packed: packed * 10_001, "of more than 10000 parts"),
    ],
)
def test_damaged_gzip_is_refused(damage, message):
    with pytest.raises(ValueError, match=message) as error:
        unpacking.gunzipped(damage(gzip.compress(b"abc")), MiB)
    assert str(error.value).isprintable()

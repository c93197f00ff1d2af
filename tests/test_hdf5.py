"""HDF5 from strangers."""

import tracemalloc
import zlib

import h5py
import numpy as np
import pytest

from ampose_tf import hdf5

PACKED = [
    {},
    {"chunks": (5, 3)},
    {"chunks": (5, 3), "compression": "gzip"},
    {"chunks": (7, 7), "compression": "gzip", "shuffle": True},
    {"chunks": (2, 7), "compression": "gzip", "fletcher32": True},
    {"chunks": (2, 7), "shuffle": True, "fletcher32": True},
    {"chunks": (11, 1), "maxshape": (None, 7), "compression": "gzip"},
]


def read(path, name="a"):
    with h5py.File(path) as file:
        return hdf5.values(hdf5.dataset(file, name))


@pytest.mark.parametrize("options", PACKED)
@pytest.mark.parametrize("dtype", ["f8", ">i2", "S3", "rows"])
def test_values_are_those_that_h5py_reads(tmp_path, options, dtype):
    numbers = np.random.default_rng(0).integers(0, 99, (11, 7))
    if dtype == "rows":
        dtype = [("index", "i8"), ("values", "f4", (3,))]
        array = np.zeros((11, 7), dtype)
        array["index"] = numbers
        array["values"] = numbers[..., None] + np.arange(3)
    else:
        array = numbers.astype(dtype)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", data=array, **options)
    np.testing.assert_array_equal(read(tmp_path / "a.h5"), array)


def test_chunks_that_were_never_written(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = file.create_dataset(
            "a", (9, 4), "f4", chunks=(2, 4), compression="gzip", fillvalue=7
        )
        made[4] = 5
    expected = np.full((9, 4), 7)
    expected[4] = 5
    np.testing.assert_array_equal(read(tmp_path / "a.h5"), expected)


def test_a_chunk_unpacks_to_its_size_at_most(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        made = file.create_dataset(
            "a", (1000,), "f8", chunks=(1000,), compression="gzip"
        )
        made.id.write_direct_chunk((0,), zlib.compress(bytes(64 * 2**20)))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="'/a': a chunk of 8004 bytes"):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_nothing_outside_is_opened(tmp_path):
    outside = tmp_path / "outside.h5"
    with h5py.File(outside, "w") as file:
        file["a"] = np.arange(3)
    (tmp_path / "raw").write_bytes(bytes(24))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["link"] = h5py.ExternalLink(str(outside), "a")
        file["soft"] = h5py.SoftLink("/whole")
        file["whole"] = np.arange(3)
        file.create_dataset(
            "raw", (3,), "f8", external=[(str(tmp_path / "raw"), 0, 24)]
        )
        layout = h5py.VirtualLayout((3,), "i8")
        layout[:] = h5py.VirtualSource(str(outside), "a", (3,))
        file.create_virtual_dataset("virtual", layout)
        file["reference"] = file["whole"].ref
        file.create_dataset("references", (3,), h5py.ref_dtype)
        file["group/b"] = 1
        file["empty"] = h5py.Empty("f8")
    # Nothing of it is looked at.
    outside.unlink()
    (tmp_path / "raw").unlink()
    for name, message in (
        ("link", "missing, or a link"),
        ("soft", "missing, or a link"),
        ("nothing", "missing, or a link"),
        ("raw", "in another file"),
        ("virtual", "in another file"),
        ("reference", "values of type"),
        ("references", "values of type"),
        ("group", "got a group"),
        ("empty", "is empty"),
    ):
        with pytest.raises(ValueError, match=message):
            read(tmp_path / "a.h5", name)
    assert read(tmp_path / "a.h5", "whole").tolist() == [0, 1, 2]
    with h5py.File(tmp_path / "a.h5") as file:
        assert hdf5.is_group(file, "group")
        assert not any(hdf5.is_group(file, n) for n in ("whole", "link", "x"))


def test_sizes_are_bounded_before_anything_is_read(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("large", (2**15, 2**15), "f8", chunks=True)
        file.create_dataset(
            "long", (2**40, 0), "f8", chunks=(1, 1), maxshape=(None, None)
        )
        options = {"maxshape": (None,), "compression": "gzip"}
        file.create_dataset("few", (3,), "f8", chunks=(2**26,), **options)
        file.create_dataset("many", (2**20,), "f8", chunks=(1,), **options)
        file.create_dataset("lzf", (9,), "f8", compression="lzf")
        texts = h5py.string_dtype()
        file.create_dataset("texts", (10_001,), texts)
        file["text"] = ["x" * 10_001]
    for name, message in (
        ("large", "more than 268435456 bytes"),
        ("long", "more than 268435456 bytes"),
        ("few", "1 chunks of 536870912 bytes"),
        ("many", "1048576 chunks"),
        ("lzf", "filter 32000"),
        ("texts", "more than 10000 texts"),
        ("text", "a text of 10001 bytes"),
    ):
        with pytest.raises(ValueError, match=message):
            read(tmp_path / "a.h5", name)


def test_texts_and_attributes(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = ["nose", "Übung"]
        file.attrs["one"] = np.bytes_(b"x")
        file.attrs["several"] = [1, 2]
    assert read(tmp_path / "a.h5").tolist() == [b"nose", "Übung".encode()]
    with h5py.File(tmp_path / "a.h5") as file:
        assert hdf5.attribute(file, "one") == b"x"
        with pytest.raises(ValueError, match="'several': .* of one value"):
            hdf5.attribute(file, "several")
        with pytest.raises(KeyError):
            hdf5.attribute(file, "none")

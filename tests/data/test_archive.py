import ast
import codecs
import functools
import io
import os
import pathlib
import pickle
import tracemalloc
import zipfile

import numpy as np
import pytest

from ampose_tf import unpickling
from ampose_tf.data import archive

RECONSTRUCT = np.empty(0).__reduce__()[0]
SCALAR = np.float32(0).__reduce__()[0]


class Calls:
    """An object whose pickle calls a function and then sets a state."""

    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


def held(value):
    """Returns a 0-d object array with `value`."""
    holder = np.empty((), object)
    holder[()] = value
    return holder


def write_member(path, content, name="positions_3d.npy"):
    with zipfile.ZipFile(path, "w") as members:
        members.writestr(name, content)


def pickled_member(value, protocol=4):
    """Returns a .npy file with the pickle of `value`, which need not fit."""
    file = io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": ()}
    np.lib.format.write_array_header_1_0(file, header)
    file.write(pickle.dumps(value, protocol=protocol))
    return file.getvalue()


def recordings():
    rng = np.random.default_rng(3)
    return {
        "S1": {
            "Walking 1": rng.normal(size=(5, 32, 3)).astype(np.float32),
            "Eating": rng.normal(size=(7, 32, 3)),
        },
        "S11": {
            "Eating": [
                rng.normal(size=(5, 17, 2)).astype(np.float32)
                for _ in range(4)
            ],
        },
    }


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    else:
        assert one == other


EVERYTHING = {
    "text": "Übung",
    "none": None,
    "numbers": [1, -(2**70), 2.5, True, (np.float32(3), np.int64(-5))],
    "bytes": b"\x00\xff",
    7: {"nested": {"deeper": []}},
    "strings": np.array(["S1", "S11"]),
    "ints": np.arange(6).reshape(2, 3),
    "bools": np.array([True, False]),
    "empty": np.empty((0, 17, 2), np.float32),
    "zero": np.array(3.5),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "again": np.array([["numpy._core.multiarray\n"]]),
    "objects": np.array([None, "a", {"b": 1}], object),
}


def test_round_trip(tmp_path):
    path = tmp_path / "everything.npz"
    plain = np.arange(15, dtype=np.float32).reshape(3, 5)
    archive.write(path, everything=EVERYTHING, plain=plain)
    read = archive.read(path)
    assert list(read) == ["everything", "plain"]
    assert_same(read["everything"], EVERYTHING)
    assert_same(read["plain"], plain)


def test_numpy_reads_what_is_written(tmp_path):
    path = tmp_path / "everything.npz"
    archive.write(path, everything=EVERYTHING, plain=np.arange(3))
    with np.load(path, allow_pickle=True) as members:
        assert_same(members["everything"].item(), EVERYTHING)
        np.testing.assert_array_equal(members["plain"], [0, 1, 2])


def test_written_files_name_numpy_1s_modules_alone(tmp_path):
    path = tmp_path / "data.npz"
    value = {"array": np.ones(3), "scalar": np.float32(3)}
    archive.write(path, positions_3d=value)
    with zipfile.ZipFile(path) as members:
        content = members.read("positions_3d.npy")
    pickled = content[content.index(b"\n") + 1 :]
    assert pickled.startswith(b"\x80\x02cnumpy.core.multiarray\n_reconstruct")
    assert b"cnumpy.core.multiarray\nscalar\n" in pickled
    assert b"numpy._core" not in content


def test_plain_arrays_need_no_pickle(tmp_path):
    path = tmp_path / "data.npz"
    archive.write(path, plain=np.arange(3.0), names=np.array(["a", "bc"]))
    with np.load(path, allow_pickle=False) as members:
        np.testing.assert_array_equal(members["plain"], [0, 1, 2])
        assert members["names"].tolist() == ["a", "bc"]
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        archive.write(path, objects=np.array([None], object))
    assert list(archive.read(path)) == ["plain", "names"]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_reads_what_numpy_writes(tmp_path, save):
    path = tmp_path / "data.npz"
    plain = np.arange(6).reshape(3, 2)
    save(path, positions_3d=recordings(), plain=plain)
    read = archive.read(path)
    assert_same(read["positions_3d"], recordings())
    assert_same(read["plain"], plain)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_reads_every_protocol_that_numpy_has_written(tmp_path, protocol):
    path = tmp_path / "data.npz"
    value = recordings() | {"scalar": np.float64(2.5)}
    write_member(path, pickled_member(held(value), protocol))
    assert_same(archive.read(path)["positions_3d"], value)


def test_reads_the_module_names_of_numpy_1(tmp_path):
    path = tmp_path / "data.npz"
    member = pickled_member(held(recordings()), protocol=2)
    old = member.replace(b"cnumpy._core.multi", b"cnumpy.core.multi")
    assert old != member
    write_member(path, old)
    assert_same(archive.read(path)["positions_3d"], recordings())


def test_reads_object_arrays_with_a_shape(tmp_path):
    path = tmp_path / "data.npz"
    value = np.array([[None, "a"], [{"b": np.ones(3)}, 2.5]], object)
    np.savez(path, boxes=value)
    read = archive.read(path)["boxes"]
    assert read.shape == (2, 2)
    assert read[0, 1] == "a"
    np.testing.assert_array_equal(read[1, 0]["b"], np.ones(3))


def test_big_endian_values_are_kept(tmp_path):
    path = tmp_path / "data.npz"
    value = np.arange(3, dtype=">i4")
    archive.write(path, plain=value, held={"inside": value})
    read = archive.read(path)
    assert read["plain"].tolist() == [0, 1, 2]
    assert read["held"]["inside"].tolist() == [0, 1, 2]


def nested(depth, width=1):
    value = 0
    for _ in range(depth):
        value = [value] * width
    return value


def test_lists_that_would_never_end_are_refused(tmp_path):
    path = tmp_path / "data.npz"
    endless = [1]
    endless.append(endless)
    for value, message in (
        (endless, "holds a list that holds itself"),
        (nested(30, width=10), "more than 16000000 elements"),
        (nested(65), "nested too deeply"),
    ):
        write_member(path, pickled_member(held(value)))
        with pytest.raises(ValueError, match=f"^{path}: .*{message}"):
            archive.read(path)
    write_member(path, pickled_member(held(nested(5, width=10))))
    assert archive.read(path)["positions_3d"] == nested(5, width=10)


def test_keys_that_take_forever_to_hash_are_refused(tmp_path):
    path = tmp_path / "data.npz"
    key = ()
    for _ in range(20):
        key = (key, key)
    for protocol in (0, 2, 4):
        write_member(path, pickled_member(held({key: 1}), protocol))
        with pytest.raises(ValueError, match="has a tuple as a key"):
            archive.read(path)
    write_member(path, pickled_member(held({1: 1, key: 1}), 2))
    with pytest.raises(ValueError, match="has a tuple as a key"):
        archive.read(path)


@pytest.mark.parametrize("protocol", [2, 4])
def test_arrays_that_share_their_bytes_are_bounded(tmp_path, protocol):
    """Big-endian arrays are copies, for some 100 bytes of a pickle each."""
    path = tmp_path / "data.npz"
    shared = bytes(1_000_000)
    dtype = np.dtype(">f4")
    state = (1, (250_000,), dtype, False, shared)
    arrays = [
        Calls(RECONSTRUCT, (np.ndarray, (0,), b"b"), state) for _ in range(50)
    ]
    write_member(path, pickled_member(held(arrays), protocol))
    assert path.stat().st_size < 1_100_000
    with pytest.raises(ValueError, match="larger arrays than it holds"):
        archive.read(path)


@pytest.mark.parametrize("value", [{1}, frozenset({1}), bytearray(5)])
def test_sets_and_bytearrays_are_refused(tmp_path, value):
    path = tmp_path / "data.npz"
    member = pickled_member(held([value]), 5)
    write_member(path, member)
    with pytest.raises(ValueError, match=f"^{path}: .*a set or a bytearray"):
        archive.read(path)


def test_pickles_of_many_steps_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "data.npz"
    write_member(path, pickled_member(held([[] for _ in range(300)])))
    archive.read(path)
    monkeypatch.setattr(unpickling, "_MAX_STEPS", 300)
    with pytest.raises(ValueError, match="takes more than 300 steps"):
        archive.read(path)


ATTACKS = {
    "posix.system": lambda marker: Calls(os.system, (f"touch {marker}",)),
    "builtins.eval": lambda marker: Calls(
        eval, (f"__import__('os').mkdir({str(marker)!r})",)
    ),
    "builtins.getattr": lambda _: Calls(getattr, ("", "join")),
    "functools.partial": lambda _: Calls(functools.partial, (print,)),
    "numpy.load": lambda marker: Calls(np.load, (str(marker),)),
    "numpy.save": lambda marker: Calls(np.save, (str(marker), 1)),
    "a scalar of type object": lambda _: Calls(
        SCALAR, (np.dtype("O"), 8 * b"1")
    ),
    "encodes text as 'utf-16'": lambda _: Calls(
        codecs.encode, ("a", "utf-16")
    ),
}

# What passes for NumPy's own, and would make it follow wild pointers.
FORGERIES = {
    "array unlike NumPy's pickles": lambda: Calls(
        np.ndarray, ((1,), np.dtype("O"), 8 * b"1")
    ),
    "gives a ObjectDType a state": lambda: Calls(
        np.dtype, ("O8", False, True), (3, "|", *(None,) * 3, -1, -1, 0)
    ),
    "gives a StrDType a state": lambda: Calls(
        np.dtype, ("U5", False, True), (3, "<", *(None,) * 3, 200, 4, 8)
    ),
    "gives a ndarray a state": lambda: Calls(
        RECONSTRUCT,
        (np.ndarray, (0,), b"b"),
        (1, (3,), np.dtype("O"), False, [1]),
    ),
    "values of type": lambda: np.zeros(2, [("a", "f4"), ("b", "O")]),
}


def bare(value):
    return value


def in_a_dict(value):
    return held({"S1": {"Walking": value}})


def in_an_array(value):
    return held({"S1": [np.array([None, {"a": value}], object)]})


@pytest.mark.parametrize("wrap", [bare, in_a_dict, in_an_array])
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("called", ATTACKS)
def test_calls_are_refused_by_name(tmp_path, called, protocol, wrap):
    path = tmp_path / "data.npz"
    marker = tmp_path / "marker.npy"
    attack = wrap(ATTACKS[called](marker))
    write_member(path, pickled_member(attack, protocol))
    with pytest.raises(ValueError) as caught:
        archive.read(path)
    # Protocol 2 has other names for Python's own modules.
    assert called.split(".")[-1] in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    assert "damaged" not in str(caught.value)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("called", "is_made"),
    [("posix.system", os.path.isfile), ("builtins.eval", os.path.isdir)],
)
def test_the_attacks_are_real(tmp_path, called, is_made):
    marker = tmp_path / "marker"
    pickle.loads(pickle.dumps(ATTACKS[called](marker)))
    assert is_made(marker)


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("message", FORGERIES)
def test_forged_states_are_refused(tmp_path, message, protocol):
    path = tmp_path / "data.npz"
    write_member(path, pickled_member(held(FORGERIES[message]()), protocol))
    with pytest.raises(ValueError, match=f"^{path}: .*{message}"):
        archive.read(path)


def test_pickles_cannot_change_the_readers_functions(tmp_path):
    path = tmp_path / "data.npz"
    # Get _codecs.encode, set its attributes to (None, {"__name__": 7}).
    pickled = b"\x80\x02c_codecs\nencode\n(N}U\x08__name__K\x07stb."
    write_member(path, pickled_member(None)[:-4] + pickled)
    with pytest.raises(ValueError, match="gives a function a state"):
        archive.read(path)
    archive.write(path, value={"bytes": b"\xff"})
    assert archive.read(path)["value"] == {"bytes": b"\xff"}


def test_numpys_own_dtypes_are_out_of_reach(tmp_path):
    # Without the copy that pickles ask for, its state would be NumPy's own.
    path = tmp_path / "data.npz"
    state = (3, ">", None, None, None, -1, -1, 0)
    swapped = Calls(np.dtype, ("f8", False, False), state)
    write_member(path, pickled_member(held([Calls(SCALAR, (swapped, b""))])))
    with pytest.raises(ValueError):
        archive.read(path)
    assert np.dtype("f8").isnative


@pytest.mark.parametrize(
    ("value", "kind"),
    [({1, 2}, "set"), (1j, "complex"), (bytearray(b"a"), "bytearray")],
)
def test_other_types_are_refused_by_name(tmp_path, value, kind):
    path = tmp_path / "data.npz"
    write_member(path, pickled_member(held({"S1": [value]})))
    with pytest.raises(ValueError, match=f"^{path}: .*{kind}"):
        archive.read(path)


def read_or_refuse(path):
    """Returns whether a damaged file still reads; any other end fails."""
    try:
        archive.read(path)
    except (ValueError, OSError) as error:
        assert str(path) in str(error)
        return False
    return True


@pytest.fixture
def intact(tmp_path):
    path = tmp_path / "data.npz"
    plain = np.arange(35, dtype=np.float32).reshape(5, 7)
    archive.write(path, positions_3d=recordings(), plain=plain)
    return path.read_bytes()


def test_truncated_files_are_refused(tmp_path, intact):
    path = tmp_path / "truncated.npz"
    offsets = [*range(0, len(intact), 97), len(intact) - 1]
    assert len(offsets) > 50
    for offset in offsets:
        path.write_bytes(intact[:offset])
        assert not read_or_refuse(path), offset


def test_flipped_bits_do_not_break_the_reader(tmp_path, intact):
    path = tmp_path / "flipped.npz"
    rng = np.random.default_rng(5)
    # The directory, at the end, is where a flip does most.
    places = [
        *rng.integers(len(intact), size=200),
        *rng.integers(len(intact) - 200, len(intact), size=200),
    ]
    refused = 0
    for place in places:
        flipped = bytearray(intact)
        flipped[place] ^= 1 << rng.integers(8)
        path.write_bytes(flipped)
        refused += not read_or_refuse(path)
    assert refused > 200


@pytest.mark.parametrize("protocol", [2, 4])
def test_flipped_bits_that_the_checksum_misses(tmp_path, protocol):
    """A writer's mistake, or malice: the archive is whole, its content not."""
    path = tmp_path / "flipped.npz"
    value = {"a": [np.ones((2, 3), np.float32), np.array([None, "b"])]}
    content = pickled_member(held(value), protocol)
    rng = np.random.default_rng(7)
    refused = 0
    for _ in range(1500):
        flipped = bytearray(content)
        for place in rng.integers(6, len(content), size=rng.integers(1, 3)):
            flipped[place] ^= 1 << rng.integers(8)
        write_member(path, bytes(flipped))
        refused += not read_or_refuse(path)
    assert 500 < refused < 1500


@pytest.mark.parametrize(
    "content",
    [b"", b"S1 Walking 1 2 3\n", b"PK\x03\x04", b"\x93NUMPY\x01\x00v\x00{"],
)
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "data.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{path}: not a readable .npz"):
        archive.read(path)


def test_files_that_cannot_be_opened(tmp_path):
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        archive.read(tmp_path)
    with pytest.raises(FileNotFoundError, match="missing.npz"):
        archive.read(tmp_path / "missing.npz")


def test_other_members_are_refused_by_name(tmp_path):
    path = tmp_path / "data.npz"
    write_member(path, b"import os", name="setup.py")
    with pytest.raises(ValueError, match=f"^{path}: .*'setup.py'"):
        archive.read(path)


def test_files_that_would_take_all_memory_are_refused(tmp_path):
    """6.5 kB took 8.4 GB: bzip2 packs zeros by a million."""
    path = tmp_path / "data.npz"
    shape = (2**26 + 1,)
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as members,
        members.open("a.npy", "w") as file,
    ):
        np.lib.format.write_array_header_1_0(file, header)
        for _ in range(2**6):
            file.write(bytes(2**22))
        file.write(bytes(4))
    assert path.stat().st_size < 1000
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="to more than 268435456 bytes"):
            archive.read(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert archive.read(path, most=2**28 + 200)["a"].shape == shape


@pytest.mark.parametrize("dtype", ["<f4", "<U0", "|S0"])
@pytest.mark.parametrize("shape", [(10**6, 10**6), (10**15, 0, 5), (3,)])
def test_arrays_that_claim_more_than_there_is(tmp_path, shape, dtype):
    npz, npy = tmp_path / "data.npz", tmp_path / "data.npy"
    with npy.open("wb") as file:
        header = {"descr": dtype, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
    write_member(npz, npy.read_bytes())
    for read, path in ((archive.read, npz), (archive.read_npy, npy)):
        with pytest.raises(ValueError, match=f"^{path}: .*0 bytes for shape"):
            read(path)
    forged = Calls(
        RECONSTRUCT,
        (np.ndarray, (0,), b"b"),
        (1, shape, np.dtype(dtype), False, b""),
    )
    write_member(npz, pickled_member(held([forged])))
    with pytest.raises(ValueError, match="a ndarray a state"):
        archive.read(npz)


def test_bytes_are_read_as_files_are(tmp_path):
    path = tmp_path / "data.npz"
    archive.write(path, plain=np.arange(3))
    assert archive.read(path.read_bytes())["plain"].tolist() == [0, 1, 2]
    np.save(tmp_path / "data.npy", np.arange(3))
    content = (tmp_path / "data.npy").read_bytes()
    assert archive.read_npy(content).tolist() == [0, 1, 2]
    for read in (archive.read, archive.read_npy):
        with pytest.raises(ValueError, match="^not a readable"):
            read(content[:-1])


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED]
)
def test_damage_within_every_compression(tmp_path, method):
    path = tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w", method) as members:
        members.writestr("a.npy", pickled_member(held(recordings())))
    content = bytearray(path.read_bytes())
    content[60:90] = 30 * b"\xff"
    path.write_bytes(content)
    assert not read_or_refuse(path)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "data.npz"
    archive.write(path, plain=np.arange(3))
    with pytest.raises(TypeError, match="pickle"):
        archive.write(path, plain=np.arange(5), held={"a": (i for i in ())})
    assert archive.read(path)["plain"].tolist() == [0, 1, 2]
    assert [entry.name for entry in tmp_path.iterdir()] == ["data.npz"]


# What writes pickles, and what reads them.
PICKLES = ("archive.py", "unpickling.py")


def test_nothing_else_in_the_package_unpickles():
    package = pathlib.Path(archive.__file__).parents[1]
    for path in package.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert node.value.value is False, path
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = {alias.name for alias in node.names}
                unpickles = names & {"pickle", "cPickle", "dill", "joblib"}
                assert not unpickles or path.name in PICKLES, path

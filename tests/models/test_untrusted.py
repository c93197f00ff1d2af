"""Hand-made `.keras` files: what their checks refuse builds no model."""

import io
import json
import time
import zipfile

import h5py
import keras
import numpy as np
import pytest

from ampose_tf import weights
from ampose_tf.models import stored, untrusted
from ampose_tf.models.ampose import AMPose
from ampose_tf.models.refinement import RefinedLifter
from ampose_tf.skeleton import H36M_17

CONFIG = {"depth": 1, "width": 4, "heads": 2}


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "model.keras"
    keras.utils.set_random_seed(3)
    AMPose(H36M_17.adjacency(), **CONFIG).save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def write(members, tmp_path):
    def write(**changed):
        path = tmp_path / "model.keras"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                short = name.split(".")[0]
                archive.writestr(name, changed.get(short, content))
        return path

    return write


def assert_refused(path, match):
    start = time.process_time()
    with pytest.raises(ValueError, match=match) as caught:
        stored.load_both(path)
    assert time.process_time() - start < 5
    message = str(caught.value)
    assert message.startswith(f"{path}: not a readable .keras file (")
    assert len(message.replace(str(path), "")) < 280
    assert "\n" not in message


def test_unchanged_it_is_loaded(write):
    stored.load(write())


MORE_DESIGNS = [
    {"gcn": "transformer", "dropout": 0.1},
    {"gcn": "convnext", "position": "shared"},
    {"gcn": "vanilla", "gc_bias": "shared"},
    {"gcn": "none", "initializer": "torch"},
    {"seen_input": True, "frame": "person"},
]


def assert_loaded(saved, path):
    saved.save(path)
    found, refinement = stored.load_both(path)
    assert (refinement is not None) == isinstance(saved, RefinedLifter)
    expected = getattr(saved, "lifter", saved)
    assert found.get_config() == expected.get_config()
    for one, other in zip(
        found.get_weights(), expected.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "design",
    [
        {"gcn": "two_residual", "gcn_norm": "bn"},
        {"gcn": "gcn_only", "dtype": "mixed_float16"},
        *(pytest.param(d, marks=pytest.mark.slow) for d in MORE_DESIGNS),
    ],
)
def test_every_design_is_loaded(tmp_path, design):
    model = AMPose(H36M_17.adjacency(), **CONFIG, **design)
    assert_loaded(model, tmp_path / "model.keras")


def test_a_refinement_is_loaded(tmp_path):
    lifter = AMPose(H36M_17.adjacency(), **CONFIG).get_config()
    model = RefinedLifter(lifter, hidden=5, dtype="mixed_bfloat16")
    assert_loaded(model, tmp_path / "model.keras")


def test_released_models_are_loaded():
    for path in weights.RELEASED.values():
        assert stored.load(path).depth in (4, 5)


def of_config(**changed):
    def change(whole):
        whole["config"] |= changed
        return whole

    return change


def of_whole(**changed):
    return lambda whole: whole | changed


def a_lambda_layer(whole):
    """What safe mode refuses, and older versions of Keras ran."""
    return {
        "module": "keras.layers",
        "class_name": "Lambda",
        "config": {"function": {"class_name": "__lambda__", "config": "x"}},
        "registered_name": None,
    }


def another_module(whole):
    return {
        "module": "os",
        "class_name": "system",
        "config": "true",
        "registered_name": "system",
    }


def a_layer_inside(whole):
    whole["config"]["width"] = {
        "module": "keras.layers",
        "class_name": "Dense",
        "config": {"units": 3},
    }
    return whole


def without(name):
    def change(whole):
        del whole["config"][name]
        return whole

    return change


ADJACENCY = H36M_17.adjacency().tolist()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (of_config(depth=100_000), "depth: expected 1 to"),
        (of_config(depth=25), "depth: expected 1 to 24, got 25"),
        (of_config(depth=0), "depth"),
        (of_config(depth=-1), "depth"),
        (of_config(depth=True), "depth"),
        (of_config(depth=1.0), "depth"),
        (of_config(depth=24, width=4096, heads=1), "are too large"),
        (of_config(width=10**9), "width: expected 1 to"),
        (of_config(width=4098), "width: expected 1 to 4096"),
        (of_config(heads=0), "heads"),
        (of_config(heads=3), "width 4 is not divisible by 3"),
        (of_config(mlp_ratio=17), "mlp_ratio: expected 1 to 16"),
        (of_config(gcn_mlp_ratio=17), "gcn_mlp_ratio: expected 1 to 16"),
        (of_config(dropout=1.5), "dropout"),
        (of_config(dropout=float("nan")), "dropout"),
        (of_config(gcn="gat" * 10_000), "gcn: expected one of"),
        (of_config(gcn=["ours"]), "gcn"),
        (of_config(frame="\x1b[31m"), "frame"),
        (of_config(dtype="int8"), "dtype: expected"),
        (of_config(dtype={"class_name": "Evil"}), "dtype|TypeError"),
        (of_config(name="a/b"), "name: expected"),
        (of_config(name="a" * 5000), "name: expected"),
        (of_config(trainable=1), "trainable"),
        (of_config(surprise=1), "unknown field surprise"),
        (of_config(adjacency=[]), "three groups"),
        (of_config(adjacency=3), "three groups"),
        (of_config(adjacency=[[], [], []]), "1 to 32 joints"),
        (of_config(adjacency=[[[1.0]]] * 3), "its weights"),
        (of_config(adjacency=ADJACENCY[:2]), "three groups"),
        (of_config(adjacency=[ADJACENCY[0], *ADJACENCY[:1], 3]), "rows of 17"),
        (
            of_config(adjacency=[[row[:3] for row in g] for g in ADJACENCY]),
            "17",
        ),
        (of_config(adjacency=[[[1e9] * 17] * 17] * 3), "small numbers"),
        (of_config(adjacency=[[["x"] * 17] * 17] * 3), "small numbers"),
        (of_config(adjacency=[[[10**400] * 17] * 17] * 3), "small|Overflow"),
        (of_config(adjacency=[[[0.0] * 40] * 40] * 3), "1 to 32 joints"),
        (without("adjacency"), "three groups"),
        (a_lambda_layer, "holds a Lambda, not an AMPose"),
        (another_module, "holds a system, not an AMPose"),
        (a_layer_inside, "width"),
        (of_whole(class_name="RefinedLifter"), "two different class names"),
        (of_whole(registered_name="ampose_tf>MLP"), "holds a AMPose, no"),
        (of_whole(config=[]), "expected arguments"),
        (lambda whole: [whole], "expected an object"),
        (lambda whole: None, "expected an object"),
    ],
)
def test_a_config_that_is_refused(write, members, change, match):
    whole = change(json.loads(members["config.json"]))
    assert_refused(write(config=json.dumps(whole).encode()), match)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b'{"config":' * 10**5, "RecursionError|damaged"),
        (b"[" * 10**6 + b"]" * 10**6, "unpacks to more"),
        (b"{" + b" " * 2**21 + b"}", "unpacks to more than 1048576"),
        (b"\xff\xfe", "Expecting value|utf"),
        (b"9" * 10_000, "integer string conversion"),
    ],
)
def test_json_that_is_no_config(write, content, match):
    assert_refused(write(config=content), match)


def of_refinement(**changed):
    lifter = AMPose(H36M_17.adjacency(), **CONFIG).get_config()
    arguments = {"lifter": lifter, "hidden": 5, "dropout": 0.5} | changed
    return {
        "class_name": "RefinedLifter",
        "registered_name": "ampose_tf>RefinedLifter",
        "config": arguments,
    }


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"hidden": 10**9}, "hidden: expected 1 to 8192"),
        ({"hidden": 1.5}, "hidden"),
        ({"dropout": "0"}, "dropout"),
        ({"lifter": None}, "no lifter"),
        ({"lifter": {"lifter": {}}}, "three groups"),
        ({"other": 1}, "unknown argument 'other'"),
    ],
)
def test_a_refinement_that_is_refused(write, changed, match):
    whole = json.dumps(of_refinement(**changed)).encode()
    assert_refused(write(config=whole), match)


def changed_weights(members, change):
    file = io.BytesIO(members["model.weights.h5"])
    with h5py.File(file, "a") as opened:
        change(opened)
    return file.getvalue()


DENSE = "layers/dense/vars/0"


def packed(file):
    """A bomb: 1 GB of zeros in some kilobytes."""
    del file[DENSE]
    file.create_dataset(
        DENSE,
        (2**28,),
        np.float32,
        chunks=(2**24,),
        compression="gzip",
        fillvalue=0,
    )[: 2**24] = 0


def never_written(file):
    del file[DENSE]
    file.create_dataset(DENSE, (2**26,), np.float32)


def huge(file):
    del file[DENSE]
    file.create_dataset(DENSE, (2**40,), np.float32)


def a_link(file):
    del file[DENSE]
    file[DENSE] = h5py.SoftLink("/layers")


def in_a_circle(file):
    file["layers/dense/again"] = file["layers"]


def texts(file):
    del file[DENSE]
    file[DENSE] = np.array([b"x"] * 4, object)


def not_finite(file):
    file[DENSE][...] = np.nan


def of_another_shape(file):
    values = file[DENSE][()]
    del file[DENSE]
    file[DENSE] = values.T


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (packed, "packed|more than"),
        (never_written, "truncated"),
        (huge, "more than 268435456 bytes"),
        (a_link, "missing, or a link"),
        (in_a_circle, "more than 20000"),
        (texts, "not plain numbers"),
        (not_finite, "not finite"),
        (of_another_shape, "of another model"),
    ],
)
def test_weights_that_are_refused(write, members, change, match):
    content = changed_weights(members, change)
    assert_refused(write(model=content), match)


@pytest.mark.parametrize("kind", ["link", "external"])
def test_weights_in_another_file_are_refused(write, members, tmp_path, kind):
    """HDF5 itself reads them."""
    secret = np.arange(8, dtype=np.float32).reshape(2, 4)
    other, path = tmp_path / "other", tmp_path / "weights.h5"
    path.write_bytes(members["model.weights.h5"])
    with h5py.File(path, "a") as file:
        shape = file[DENSE].shape
        del file[DENSE]
        if kind == "link":
            with h5py.File(other, "w") as opened:
                opened["x"] = secret
            file[DENSE] = h5py.ExternalLink(str(other), "/x")
        else:
            secret.tofile(other)
            place = [(str(other), 0, secret.nbytes)]
            file.create_dataset(DENSE, shape, np.float32, external=place)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file[DENSE][()], secret)
    match = {"link": "missing, or a link", "external": "another file"}[kind]
    assert_refused(write(model=path.read_bytes()), match)


def test_weights_that_unpack_to_too_much(write, tmp_path, monkeypatch):
    monkeypatch.setattr(untrusted, "MAX_BYTES", 2**20)
    assert_refused(write(model=bytes(2**20 + 1)), "more than 1048576 bytes")


def test_members_that_come_twice(write):
    path = write()
    with (
        pytest.warns(UserWarning, match="Duplicate name"),
        zipfile.ZipFile(path, "a") as archive,
    ):
        archive.writestr("config.json", "{}")
    assert_refused(path, "occurs twice")


def test_members_that_are_encrypted_or_damaged(write):
    path = write()
    whole = path.read_bytes()
    place = whole.index(b"PK\x01\x02", whole.index(b"model.weights.h5"))
    for offset in range(place, len(whole) - 4):
        if whole[offset : offset + 4] == b"PK\x01\x02":
            content = bytearray(whole)
            content[offset + 8] |= 1
            path.write_bytes(content)
            if whole[offset + 46 : offset + 50] != b"meta":
                assert_refused(path, "encrypted")
    start = whole.index(b"config.json") + 20
    path.write_bytes(whole[:start] + b"\xff" * 50 + whole[start + 50 :])
    assert_refused(path, "damaged or not supported|checksum")

"""Damaged models end in poses or in one line: .keras, .tflite, SavedModel."""

import contextlib
import json
import random
import shutil
import zipfile

import h5py
import hypothesis
import keras
import numpy as np
import pytest
from hypothesis import strategies

from ampose_tf import weights
from ampose_tf.export import describe, saved_model
from ampose_tf.export.checks import graphs, tflite_files
from ampose_tf.export.checks import tables as tflite_tables
from ampose_tf.lifting.predictor import load_predictor
from ampose_tf.models import stored
from ampose_tf.models.ampose import AMPose
from ampose_tf.skeleton import H36M_17
from tests.fuzz import damage
from tests.fuzz.damage import DAMAGES
from tests.fuzz.test_files import (
    EXAMPLES,
    NUMBERS,
    fuzzed,
    outcome,
)

KEYPOINTS_2D = np.random.default_rng(0).uniform(-1, 1, (3, 17, 2))
# Of a .tflite, all but the weights is in few of its bytes.
FLIPS = strategies.lists(
    strategies.tuples(strategies.floats(0, 1), strategies.integers(0, 7)),
    min_size=1,
    max_size=3,
)
RELEASED = [
    weights.LIFTING["ampose_t"].with_name(f"ampose_t_{format}.tflite")
    for format in ("float32", "float16", "dynamic_int8", "float16_lift_coco17")
]
WHICH = strategies.integers(0, len(RELEASED) - 1)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    return AMPose(H36M_17.adjacency(), depth=1, width=8, heads=2)


def poses(path):
    predict = load_predictor(path)
    seen = np.ones((3, 17), bool)
    return predict(KEYPOINTS_2D, seen)


def check_poses(path):
    lifted = outcome(lambda: poses(path), path)
    assert lifted is None or lifted.shape == (3, 17, 3)
    return lifted is not None


def tables(content):
    """Returns the places of a `.tflite` that are not a weight's bytes."""
    inside = np.ones(len(content), bool)
    for buffer in tflite_tables.Reader(content).model()["buffers"]:
        data = buffer["data"]
        if len(data) > 64:
            start = data.ctypes.data - np.frombuffer(content, "B").ctypes.data
            inside[start : start + len(data)] = False
    return np.flatnonzero(inside)


@pytest.fixture(scope="module")
def tflites():
    contents = [path.read_bytes() for path in RELEASED]
    return [(content, tables(content)) for content in contents]


def flipped(tflite, flips, damages, form):
    content, places = tflite
    if form % 8 == 0:
        return damage.damaged_bytes(content, damages)
    content = bytearray(content)
    for share, bit in flips:
        place = places[int(share * (len(places) - 1))]
        if form % 8 < 4:
            content[place] ^= 1 << bit
        else:
            # An offset, an index or a length.
            place = int(place) // 4 * 4
            value = (0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1, place, 7)[bit]
            content[place : place + 4] = value.to_bytes(4, "little")
    return bytes(content)


def test_tflite_checker(tflites):
    refused = []

    @fuzzed(EXAMPLES)
    @hypothesis.given(WHICH, FLIPS, DAMAGES, NUMBERS)
    def run(which, flips, damages, form):
        content = flipped(tflites[which], flips, damages, form)

        def check():
            tflite_files.check(content)
            return True

        refused.append(outcome(check, "model") is None)

    run()
    assert 0.2 < np.mean(refused) < 1


def test_tflite_runs(tflites, tmp_path):
    path = tmp_path / "model.tflite"
    refused = []

    @fuzzed(EXAMPLES // 10)
    @hypothesis.given(WHICH, FLIPS, DAMAGES, NUMBERS)
    def run(which, flips, damages, form):
        path.write_bytes(flipped(tflites[which], flips, damages, form))
        refused.append(not check_poses(path))
        if form % 16 == 1:
            outcome(lambda: describe.describe(path), path)

    run()
    # So few may all be refused.
    assert np.mean(refused) > 0.2


def test_a_tflite_with_another_description_is_run(tmp_path):
    path = tmp_path / "model.tflite"
    content = RELEASED[0].read_bytes()
    changed = content.replace(b"MLIR Converted.", b"\x1b[2J verted.   ")
    assert changed != content
    path.write_bytes(changed)
    assert check_poses(path)


def damaged_weights(path, damages, form):
    with h5py.File(path, "a") as file:
        names = []
        file.visititems(
            lambda name, item: (
                names.append(name) if isinstance(item, h5py.Dataset) else None
            )
        )
        for one in damages:
            name = damage.pick(names, one.place)
            # What was changed before may be a link by now.
            if not isinstance(file.get(name), h5py.Dataset):
                continue
            array = damage.damaged_array(file[name][()], one)
            del file[name]
            try:
                if form % 3 == 0 and array.ndim:
                    file.create_dataset(name, data=array, compression="gzip")
                else:
                    file[name] = array
            except (TypeError, ValueError):  # No type of HDF5.
                file[name] = h5py.SoftLink("/layers")


def test_keras(model, tmp_path):
    whole = tmp_path / "whole.keras"
    model.save(whole)
    with zipfile.ZipFile(whole) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    path = tmp_path / "model.keras"
    unpacked = tmp_path / "weights.h5"
    refused = []

    @fuzzed(EXAMPLES // 10)
    @hypothesis.given(DAMAGES, NUMBERS)
    def run(damages, form):
        new = dict(members)
        kind = form % 5
        if kind < 2:
            changed = damage.damaged(config, damages)
            new["config.json"] = json.dumps(changed).encode()
        elif kind == 2:
            unpacked.write_bytes(members["model.weights.h5"])
            damaged_weights(unpacked, damages, form)
            new["model.weights.h5"] = unpacked.read_bytes()
        elif kind == 3:
            name = damage.pick(list(new), form // 5)
            new[name] = damage.damaged_bytes(new[name], damages)
        method = damage.pick(
            (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2),
            form // 7,
        )
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, content in new.items():
                archive.writestr(name, content)
        if kind == 4:
            path.write_bytes(damage.damaged_bytes(path.read_bytes(), damages))

        def load():
            loaded = stored.load(path)
            return loaded.predict_on_batch(
                np.zeros((2, *loaded.input.shape[1:]))
            )

        lifted = outcome(load, path)
        refused.append(lifted is None)

    run()
    assert 0.2 < np.mean(refused) < 1


OPERATORS = (
    "ReadFile",
    "WriteFile",
    "PyFunc",
    "EagerPyFunc",
    "MatchingFiles",
    "SaveV2",
    "RestoreV2",
    "While",
    "PartitionedCall",
    "LoadLibrary",
    "Fill",
    "Placeholder",
)


def damaged_message(message, damages):
    """Changes fields of a protobuf message, wherever they are."""
    for one in damages:
        choose = random.Random(one.place)
        node = message
        while True:
            found = [f for f, _ in node.ListFields()]
            if not found:
                break
            field = choose.choice(found)
            value = getattr(node, field.name)
            many = field.is_repeated
            if many and field.message_type is not None:
                if field.message_type.GetOptions().map_entry:
                    keys = sorted(value)
                    key = choose.choice(keys)
                    if choose.random() < 0.1:
                        del value[key]
                        break
                    if not hasattr(value[key], "ListFields"):
                        break
                    node = value[key]
                    continue
                place = choose.randrange(len(value))
                if choose.random() < 0.1:
                    if one.form % 2:
                        del value[place]
                    else:
                        value.add().CopyFrom(value[place])
                    break
                node = value[place]
                continue
            if field.message_type is not None:
                if choose.random() < 0.1:
                    node.ClearField(field.name)
                    break
                node = value
                continue
            new = {
                "str": damage.pick(
                    (*OPERATORS, "", "x", "\u202e\n"), one.form
                ),
                "bytes": damage.pick(
                    (b"", b"\xff" * 9, b"/etc/passwd"), one.form
                ),
                "bool": one.form % 2 == 1,
                "float": damage.pick((0.0, -1.0, 1e30), one.form),
                "int": damage.pick((0, 1, 2, -1, 7, 2**31 - 1), one.form),
            }
            kind = type(value[0] if many else value).__name__
            if many:
                value[choose.randrange(len(value))] = new[kind]
            elif kind in new:
                setattr(node, field.name, new[kind])
            break


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "1"
    saved_model.write(model, folder, "x: test")
    return folder


def write_damaged_graph(content, path, damages, form):
    from tensorflow.core.protobuf import saved_model_pb2

    if form % 4 == 0:
        path.write_bytes(damage.damaged_bytes(content, damages))
        return
    message = saved_model_pb2.SavedModel.FromString(content)
    graph = message.meta_graphs[0]
    part = (message, graph.graph_def, graph.object_graph_def)[form % 4 - 1]
    # What is of another range or type stays.
    with contextlib.suppress(ValueError, TypeError):
        damaged_message(part, damages)
    path.write_bytes(message.SerializeToString())


def test_saved_model_checker(exported, tmp_path):
    content = (exported / "saved_model.pb").read_bytes()
    path = tmp_path / "saved_model.pb"
    refused = []

    @fuzzed(EXAMPLES)
    @hypothesis.given(DAMAGES, NUMBERS)
    def run(damages, form):
        write_damaged_graph(content, path, damages, form)

        def check():
            graphs.check(path)
            return True

        refused.append(outcome(check, path) is None)

    run()
    assert 0.2 < np.mean(refused) < 1


@pytest.fixture
def folder(exported, tmp_path):
    """A copy of an export, to damage."""
    return shutil.copytree(exported, tmp_path / "1")


def test_a_saved_model_with_another_name_is_loaded(folder):
    from tensorflow.core.protobuf import saved_model_pb2

    path = folder / "saved_model.pb"
    message = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    message.meta_graphs[0].meta_info_def.tensorflow_version = "x"
    path.write_bytes(message.SerializeToString())
    assert check_poses(folder)


def test_a_saved_model_without_the_end_of_its_weights_is_refused(folder):
    (path,) = (folder / "variables").glob("*.data-*")
    path.write_bytes(path.read_bytes()[:-100])
    assert not check_poses(folder)


# Each takes seconds.
@pytest.mark.slow
def test_saved_model_loads(exported, tmp_path):
    refused = []

    @fuzzed(max(20, EXAMPLES * 3 // 100))
    @hypothesis.given(DAMAGES, NUMBERS)
    def run(damages, form):
        folder = tmp_path / "1"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(exported, folder)
        kind = form % 3
        if kind:
            pattern = ("", "*.index", "*.data-*")[kind]
            (file,) = (folder / "variables").glob(pattern)
            file.write_bytes(damage.damaged_bytes(file.read_bytes(), damages))
        else:
            file = folder / "saved_model.pb"
            write_damaged_graph(file.read_bytes(), file, damages, form // 3)
        refused.append(not check_poses(folder))

    run()
    assert np.mean(refused) > 0.2

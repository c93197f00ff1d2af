"""Hand-made SavedModels: none is loaded that could do more than compute."""

import json
import os
import pathlib
import shutil
import time

import keras
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from ampose_tf.export import runtime, saved_model, untrusted
from ampose_tf.export.checks import graphs
from ampose_tf.lifting.predictor import load_predictor
from ampose_tf.models.ampose import AMPose
from ampose_tf.skeleton import H36M_17

DESCRIBED = {
    "joints": 17,
    "normalisation": "longest",
    "seen_input": False,
    "checkpoint": "x",
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    keras.utils.set_random_seed(3)
    model = AMPose(H36M_17.adjacency(), depth=1, width=8, heads=2)
    folder = tmp_path_factory.mktemp("exported") / "1"
    saved_model.write(model, folder, "x: test")
    return folder


@pytest.fixture
def folder(exported, tmp_path):
    shutil.copytree(exported, tmp_path / "1")
    return tmp_path / "1"


def rewrite(folder, change):
    path = folder / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    change(model, model.meta_graphs[0])
    path.write_bytes(model.SerializeToString())


def assert_refused(folder, match):
    with pytest.raises(ValueError, match=match) as caught:
        load_predictor(folder)
    message = str(caught.value)
    assert message.startswith(f"{folder}: ")
    assert message.endswith("; if you trust the file, add --trust_model")
    assert len(message.replace(str(folder), "")) < 200


def write_module(folder, function, **more):
    """Writes what a stranger could send: it calls itself one of ours."""
    module = tf.Module()
    for name, value in more.items():
        setattr(module, name, value)
    spec = tf.TensorSpec((None, 17, 2), tf.float32, "keypoints_2d")
    lift = tf.function(function, input_signature=[spec])
    tf.saved_model.save(module, str(folder), signatures={"lift": lift})
    extra = folder / "assets.extra"
    extra.mkdir()
    (extra / "ampose.json").write_text(json.dumps(DESCRIBED))


def padded(keypoints_2d):
    return {"poses_3d": tf.concat([keypoints_2d, keypoints_2d[..., :1]], -1)}


def test_it_is_data_that_computes(tmp_path, make_poses):
    write_module(tmp_path / "1", padded)
    keypoints_2d = make_poses(5).keypoints_2d
    lifted = load_predictor(tmp_path / "1")(keypoints_2d)
    assert (lifted[..., :2] == keypoints_2d).all()


def file_functions(path):
    path = str(path)

    def write(keypoints_2d):
        tf.io.write_file(path, "written")
        return padded(keypoints_2d)

    def read(keypoints_2d):
        size = tf.strings.length(tf.io.read_file(path))
        return padded(keypoints_2d + tf.cast(size, tf.float32))

    def list_files(keypoints_2d):
        count = tf.size(tf.io.matching_files(path))
        return padded(keypoints_2d + tf.cast(count, tf.float32))

    def python(keypoints_2d):
        return padded(tf.py_function(lambda x: x, [keypoints_2d], tf.float32))

    def say(keypoints_2d):
        tf.print("x", output_stream=f"file://{path}")
        return padded(keypoints_2d)

    def loop(keypoints_2d):
        def body(x):
            tf.io.write_file(path, "written")
            return x + 1

        tf.while_loop(lambda x: x < 1.0, body, [tf.constant(0.0)])
        return padded(keypoints_2d)

    def branch(keypoints_2d):
        def true():
            tf.io.write_file(path, "written")
            return 1.0

        return padded(
            keypoints_2d
            + tf.cond(keypoints_2d[0, 0, 0] > 0, true, lambda: 0.0)
        )

    @tf.function(autograph=False)
    def inner(x):
        tf.io.write_file(path, "written")
        return x

    def nested(keypoints_2d):
        return padded(inner(keypoints_2d))

    def save(keypoints_2d):
        tf.raw_ops.SaveV2(
            prefix=path,
            tensor_names=["x"],
            shape_and_slices=[""],
            tensors=[keypoints_2d],
        )
        return padded(keypoints_2d)

    def restore(keypoints_2d):
        (found,) = tf.raw_ops.RestoreV2(
            prefix=path,
            tensor_names=["x"],
            shape_and_slices=[""],
            dtypes=[tf.float32],
        )
        return padded(keypoints_2d + tf.reduce_sum(found))

    def data(keypoints_2d):
        # A loop over the lines never ends where AutoGraph does not support
        # the version of Python.
        lines = tf.data.TextLineDataset(path).reduce(
            0.0, lambda count, _: count + 1
        )
        return padded(keypoints_2d + lines)

    return {
        "WriteFile": write,
        "ReadFile": read,
        "MatchingFiles": list_files,
        "EagerPyFunc": python,
        "PrintV2|StringFormat": say,
        "While|WriteFile|Less": loop,
        "If|WriteFile|Greater": branch,
        "WriteFile'": nested,
        "SaveV2": save,
        "RestoreV2": restore,
        # Whichever comes first in the file.
        "(TextLine|TensorSlice|Reduce)Dataset|_tf_data_function": data,
    }


@pytest.mark.parametrize("operator", file_functions(""))
def test_operators_that_do_more_are_refused(tmp_path, operator):
    target = tmp_path / "target"
    write_module(tmp_path / "1", file_functions(target)[operator])
    assert_refused(tmp_path / "1", f"'({operator.rstrip(chr(39))})")
    assert not target.exists()


def test_trusted_they_are_run(tmp_path, make_poses):
    """That the attack is one."""
    target = tmp_path / "target"
    write_module(tmp_path / "1", file_functions(target)["WriteFile"])
    load_predictor(tmp_path / "1", trust_model=True)(
        make_poses(2).keypoints_2d
    )
    assert target.read_text() == "written"


def test_a_table_from_a_file_is_refused(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("a\n")
    table = tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(
            str(words),
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        ),
        -1,
    )

    def lift(keypoints_2d):
        found = table.lookup(tf.constant("a"))
        return padded(keypoints_2d + tf.cast(found, tf.float32))

    write_module(tmp_path / "1", lift, table=table)
    assert_refused(tmp_path / "1", "words.txt|asset_file_def")


def savers(graph):
    """Returns the operators that call the saver's functions."""
    nodes = {node.name: node for node in graph.graph_def.node}
    return (
        nodes[graph.saver_def.save_tensor_name.split(":")[0]],
        nodes[graph.saver_def.restore_op_name],
    )


def called_by_a_signature(model, graph):
    save, _ = savers(graph)
    lift = graph.signature_def["lift"].outputs["poses_3d"].name
    (node,) = (n for n in graph.graph_def.node if n.name == lift.split(":")[0])
    node.attr["f"].func.name = save.attr["f"].func.name


def given_by_a_signature(model, graph):
    save, _ = savers(graph)
    graph.signature_def["lift"].outputs["poses_3d"].name = save.name + ":0"


def run_by_the_initialiser(model, graph):
    save, _ = savers(graph)
    collection = graph.collection_def["saved_model_main_op"]
    collection.node_list.value[:] = [save.name]


def waited_for(model, graph):
    _, restore = savers(graph)
    for node in graph.graph_def.node:
        if node.op == "NoOp":
            node.input.append(f"^{restore.name}")


def an_object(model, graph):
    save, _ = savers(graph)
    node = graph.object_graph_def.nodes.add()
    node.bare_concrete_function.concrete_function_name = save.attr[
        "f"
    ].func.name


def in_a_function(model, graph):
    save, _ = savers(graph)
    for function in graph.graph_def.library.function:
        for node in function.node_def:
            if node.op == "StatefulPartitionedCall":
                node.attr["f"].func.name = save.attr["f"].func.name
                return


def as_an_operator(model, graph):
    save, _ = savers(graph)
    function = graph.graph_def.library.function[0]
    function.node_def.add(name="x", op=save.attr["f"].func.name)


def named_as_an_operator(model, graph):
    graph.graph_def.library.function.add().signature.name = "Identity"


def no_function(model, graph):
    graph.saver_def.save_tensor_name = "lift_keypoints_2d:0"


def a_saver_that_reads(model, graph):
    save, _ = savers(graph)
    for function in graph.graph_def.library.function:
        if function.signature.name == save.attr["f"].func.name:
            function.node_def.add(name="x", op="ReadFile")


def a_saver_that_restores(model, graph):
    save, _ = savers(graph)
    for function in graph.graph_def.library.function:
        if function.signature.name == save.attr["f"].func.name:
            function.node_def.add(name="x", op="RestoreV2")


def a_substitute(model, graph):
    """What grappler would put in the place of another function."""
    for function in graph.graph_def.library.function:
        function.attr["api_implements"].s = b"x"


def a_gradient(model, graph):
    graph.graph_def.library.gradient.add(function_name="a", gradient_func="b")


def an_attribute(model, graph):
    function = graph.graph_def.library.function[0]
    function.node_def[0].attr["body"].func.name = "gone"


def no_such(model, graph):
    for function in graph.graph_def.library.function:
        for node in function.node_def:
            if node.op == "StatefulPartitionedCall":
                node.attr["f"].func.name = "gone"


def an_endless_call(model, graph):
    function = graph.graph_def.library.function[0]
    node = function.node_def.add(name="x", op="PartitionedCall")
    node.attr["f"].func.name = function.signature.name


def many_calls(model, graph):
    """Each function calls the next one twice."""
    functions = graph.graph_def.library.function
    last = functions[0].signature.name
    for number in range(40):
        function = functions.add()
        function.signature.name = f"double_{number}"
        for name in "ab":
            node = function.node_def.add(name=name, op="PartitionedCall")
            node.attr["f"].func.name = last
        last = function.signature.name


def huge_constant(model, graph):
    for function in graph.graph_def.library.function:
        for node in function.node_def:
            if node.op == "Const":
                shape = node.attr["value"].tensor.tensor_shape
                shape.dim.add(size=2**40)
                return


def huge_variable(model, graph):
    for node in graph.object_graph_def.nodes:
        if node.WhichOneof("kind") == "variable":
            node.variable.shape.dim.add(size=2**40)


def an_asset(model, graph):
    graph.asset_file_def.add(filename="x").tensor_info.name = "x"


def two_graphs(model, graph):
    model.meta_graphs.add().CopyFrom(graph)


def tensorflow_1(model, graph):
    graph.ClearField("object_graph_def")


def an_optimizer(model, graph):
    node = graph.object_graph_def.nodes.add()
    node.user_object.identifier = "optimizer"


def a_keras_layer(model, graph):
    graph.object_graph_def.nodes[0].registered_name = "Keras.Sequential"


def a_saver_of_its_own(model, graph):
    graph.object_graph_def.nodes[0].registered_saver = "x"


def a_restore_of_its_own(model, graph):
    graph.object_graph_def.nodes[0].saveable_objects["x"].save_function = 0


def a_method(model, graph):
    child = graph.object_graph_def.nodes[0].children.add()
    child.local_name = "_restore_from_tensors"


def another_object(model, graph):
    child = graph.object_graph_def.nodes[0].children.add()
    child.local_name, child.node_id = "x", 10**6


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (called_by_a_signature, "saves or restores, is called"),
        (given_by_a_signature, "runs the saver"),
        (run_by_the_initialiser, "runs the saver"),
        (waited_for, "waits for the saver"),
        (an_object, "saves or restores, is called"),
        (in_a_function, "saves or restores, is called"),
        (as_an_operator, "the operator '__inference__traced_save"),
        (named_as_an_operator, "the name of an operator"),
        (no_function, "saver_def names no function"),
        (a_saver_that_reads, "operator 'ReadFile'"),
        (a_saver_that_restores, "operator 'RestoreV2'"),
        (a_substitute, "api_implements"),
        (a_gradient, "gradient"),
        (an_attribute, "a function of its own"),
        (no_such, "no function 'gone'"),
        (an_endless_call, "calls itself"),
        (many_calls, "more than 200000 operators"),
        (huge_constant, "constants of more than"),
        (huge_variable, "variables of more than"),
        (an_asset, "asset_file_def"),
        (two_graphs, "one graph, got 2"),
        (tensorflow_1, "TensorFlow 1"),
        (an_optimizer, "kind 'optimizer'"),
        (a_keras_layer, "registered_name"),
        (a_saver_of_its_own, "registered_saver"),
        (a_restore_of_its_own, "saveable_objects"),
        (a_method, "_restore_from_tensors"),
        (another_object, "no object 1000000"),
    ],
)
def test_graphs_that_are_refused(folder, change, match):
    rewrite(folder, change)
    start = time.process_time()
    assert_refused(folder, match)
    assert time.process_time() - start < 5


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"\x12\xff\xff\xff\x7f"])
def test_a_damaged_graph(folder, content):
    (folder / "saved_model.pb").write_bytes(content)
    assert_refused(folder, "damaged|one graph, got 0")


def test_a_graph_that_is_too_large(folder):
    with open(folder / "saved_model.pb", "ab") as file:
        file.truncate(17 * 2**20)
    assert_refused(folder, "saved_model.pb: larger than 16777216 bytes")


def test_variables_that_are_too_large(folder):
    (data,) = (folder / "variables").glob("*.data-*")
    with open(data, "ab") as file:
        file.truncate(2**40)
    assert_refused(folder, "more than 512 MiB")


def test_damaged_variables(folder):
    index = folder / "variables/variables.index"
    index.write_bytes(index.read_bytes()[:-9])
    assert_refused(folder, "not a readable SavedModel|not supported")


@pytest.mark.parametrize(
    "name",
    [
        "saved_model.cpb",
        "saved_model.pbtxt",
        "keras_metadata.pb",
        "debug/saved_model_debug_info.pb",
        "assets/words.txt",
        "variables/x",
        ".git/config",
    ],
)
def test_files_of_other_programs_are_refused(folder, name):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    assert_refused(folder, "is not a file that exports have")


@pytest.mark.parametrize("place", ["", "variables"])
def test_what_file_managers_leave_is_no_file_of_it(folder, place):
    inside = untrusted.check_folder(folder)
    for name in (".DS_Store", "._saved_model.pb", "desktop.ini", "Thumbs.db"):
        (folder / place / name).write_bytes(b"x")
    assert untrusted.check_folder(folder) == inside
    load_predictor(folder)


def test_a_hidden_link_is_refused(folder):
    (folder / ".DS_Store").symlink_to("saved_model.pb")
    assert_refused(folder, "'.DS_Store' is a link or no file")


@pytest.mark.parametrize("name", ["variables", "saved_model.pb"])
def test_links_are_refused(folder, exported, name):
    path = folder / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.symlink_to(exported / name)
    assert_refused(folder, f"'{name}' is a link or no file")


def test_a_pipe_is_refused(folder):
    (folder / "fingerprint.pb").unlink()
    os.mkfifo(folder / "fingerprint.pb")
    assert_refused(folder, "'fingerprint.pb' is a link or no file")


def test_exports_are_good(exported):
    inside = untrusted.check_folder(exported)
    assert {path.name for path in inside} == {
        "saved_model.pb",
        "fingerprint.pb",
        "ampose.json",
        "variables.index",
        "variables.data-00000-of-00001",
    }
    graphs.check(exported / "saved_model.pb")


@pytest.mark.parametrize(
    "design",
    [
        {"gcn": "two_residual", "gcn_norm": "bn", "gcn_act": "relu"},
        {"gcn": "convnext", "position": "shared", "final_norm": True},
        {"gcn": "vanilla", "seen_input": True, "frame": "person"},
    ],
    ids=str,
)
def test_every_design_is_good(tmp_path, design):
    model = AMPose(H36M_17.adjacency(), depth=1, width=4, heads=2, **design)
    saved_model.write(model, tmp_path / "1", "x: test")
    untrusted.check_folder(tmp_path / "1")
    graphs.check(tmp_path / "1" / "saved_model.pb")


def test_metadata_of_another_kind(folder):
    path = pathlib.Path(folder / "assets.extra" / runtime.METADATA)
    for content in (
        "[]",
        "1",
        "{}",
        "[" * 100_000,
        json.dumps(DESCRIBED | {"joints": "17"}),
        json.dumps(DESCRIBED | {"joints": True}),
        json.dumps(DESCRIBED | {"seen_input": 1}),
        json.dumps(DESCRIBED | {"checkpoint": "\x1b[31m"}),
        json.dumps(DESCRIBED | {"x": [[[[[[[[[[]]]]]]]]]]}),
        json.dumps(DESCRIBED | {"x": "x" * 2**20}),
    ):
        path.write_text(content)
        with pytest.raises(ValueError, match=r"no ampose\.json inside"):
            load_predictor(folder)
    for name, value in (("joints", 10**9), ("normalisation", "none")):
        path.write_text(json.dumps(DESCRIBED | {name: value}))
        with pytest.raises(ValueError, match=f"{folder}: .*[Ee]xpected"):
            load_predictor(folder)

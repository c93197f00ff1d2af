"""Checks untrusted SavedModels before TensorFlow loads them.

A SavedModel is a program, and some of TensorFlow's operators read and write
files. `check` only allows operators that exports have, which have no side
effects, and raises an error that names any other operator. Operators that
save and restore variables are only allowed in the two functions of
`saver_def`, which nothing else may call; `tf.saved_model.load` does not run
them.
"""

import collections
import math
import pathlib

from ampose_tf import reading

_MAX_GRAPH_BYTES = 16 * 2**20
MAX_BYTES = 512 * 2**20  # For the folder, and for all variables.
# Bytes of all constants.
_MAX_CONSTANTS = 64 * 2**20
# Operators of all signatures; a function counts each time it is called.
_MAX_NODES = 200_000
_MAX_OBJECTS = 20_000

_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_COMPUTING = frozenset(
    {
        "AddV2",
        "BatchMatMulV2",
        "BiasAdd",
        "ConcatV2",
        "Const",
        "DisableCopyOnRead",
        "EnsureShape",
        "Erfc",
        "ExpandDims",
        "Floor",
        "GatherV2",
        "Identity",
        "MatMul",
        "Maximum",
        "Mean",
        "Minimum",
        "Mul",
        "Neg",
        "NoOp",
        "Pack",
        "Prod",
        "ReadVariableOp",
        "RealDiv",
        "Relu",
        "Reshape",
        "Rsqrt",
        "Select",
        "Shape",
        "Softmax",
        "Split",
        "SplitV",
        "Sqrt",
        "Square",
        "SquaredDifference",
        "StopGradient",
        "StridedSlice",
        "Sub",
        "Sum",
        "Transpose",
        "VarIsInitializedOp",
    }
)
# Operators outside of functions, which create their inputs.
# `tf.saved_model.load` does not run them.
_OUTSIDE = (
    _COMPUTING | _CALLS | {"AssignVariableOp", "Placeholder", "VarHandleOp"}
)
_SAVING = frozenset(
    {
        "MergeV2Checkpoints",
        "SaveV2",
        "ShardedFilename",
        "StaticRegexFullMatch",
        "StringJoin",
    }
)
_RESTORING = frozenset({"AssignVariableOp", "RestoreV2"})

# Attributes of functions: the target of compilation, and hints of shapes.
_FUNCTION_ATTRIBUTES = {"_construction_context", "_input_shapes"}
_GRAPH_FIELDS = {
    "meta_info_def",
    "graph_def",
    "saver_def",
    "collection_def",
    "signature_def",
    "object_graph_def",
}
_OBJECT_FIELDS = {
    "children",
    "dependencies",
    "user_object",
    "variable",
    "function",
    "bare_concrete_function",
}
# Lists and dictionaries. TensorFlow and Keras run special code for other
# objects.
_OBJECTS = {
    "_generic_user_object",
    "signature_map",
    "trackable_dict_wrapper",
    "trackable_list_wrapper",
    "trackable_tuple_wrapper",
}
# Present in exports of earlier versions.
_LISTS = {"_all_variables", "_misc_assets"}


def check(path: pathlib.Path) -> None:
    """Checks the graph of a SavedModel, `saved_model.pb`.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If the file is damaged, or contains anything that exports
            do not have.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString(reading.content(path, _MAX_GRAPH_BYTES))
    except DecodeError as error:
        raise ValueError("saved_model.pb is damaged") from error
    except ValueError as error:
        raise ValueError(f"saved_model.pb: {error}") from error
    if len(model.meta_graphs) != 1:
        raise ValueError(f"expected one graph, got {len(model.meta_graphs)}")
    (whole,) = model.meta_graphs
    _check_fields(whole, _GRAPH_FIELDS, "the graph")
    if not whole.HasField("object_graph_def"):
        raise ValueError("a SavedModel of TensorFlow 1")
    library = whole.graph_def.library
    _check_fields(library, {"function"}, "the library")
    _check_constants(whole)
    functions = {f.signature.name: f for f in library.function}
    if len(functions) < len(library.function):
        raise ValueError("two functions with the same name")
    if not functions.keys().isdisjoint(_OUTSIDE | _SAVING | _RESTORING):
        raise ValueError("a function with the name of an operator")
    called = {name: _called(f) for name, f in functions.items()}
    _check_size(functions, called)
    saving, restoring = _savers(whole, called)
    for name, function in functions.items():
        admitted = _COMPUTING | _CALLS
        if name in saving:
            admitted |= _SAVING
        if name in restoring:
            admitted |= _RESTORING
        _check_operators(function.node_def, admitted, functions)
        _check_keys(function.attr, _FUNCTION_ATTRIBUTES, "a function")
        if name not in saving | restoring:
            _check_apart(called[name], saving | restoring)
    _check_operators(whole.graph_def.node, _OUTSIDE, functions)
    _check_objects(whole.object_graph_def, functions, saving | restoring)


def _check_fields(message, known, name):
    _check_keys([field.name for field, _ in message.ListFields()], known, name)


def _check_keys(keys, known, name):
    for key in keys:
        if key not in known:
            raise ValueError(
                f"{name} has {reading.shown(repr(key))}, which exports do not "
                "have"
            )


def _check_apart(names, savers):
    for name in names:
        if name in savers:
            raise ValueError(
                f"{reading.shown(repr(name))}, which saves or restores, is "
                "called by others"
            )


def _references(attributes):
    """Yields the functions that the attributes of an operator name."""
    for value in attributes.values():
        if value.HasField("func"):
            yield value.func
        yield from value.list.func


def _called(function):
    """Returns the number of calls from a function to each other function."""
    return collections.Counter(
        reference.name
        for node in function.node_def
        for reference in _references(node.attr)
    )


def _check_operators(nodes, admitted, functions):
    for node in nodes:
        if node.op not in admitted:
            raise ValueError(
                f"the operator {reading.shown(repr(node.op))} is not one that "
                "exports have"
            )
        for reference in _references(node.attr):
            if node.op not in _CALLS or node.attr["f"].func != reference:
                raise ValueError(f"{node.op} with a function of its own")
            if reference.name not in functions:
                raise ValueError(
                    f"no function {reading.shown(repr(reference.name))}"
                )


def _savers(whole, called):
    """Returns the functions used only for saving, and only for restoring."""
    nodes = {node.name: node for node in whole.graph_def.node}
    if len(nodes) < len(whole.graph_def.node):
        raise ValueError("two operators with the same name")
    saver = whole.saver_def
    ends = (
        saver.save_tensor_name.partition(":")[0],
        saver.restore_op_name.partition(":")[0],
    )
    reached = []
    for end in ends:
        roots = set()
        if end:
            if end not in nodes or nodes[end].op not in _CALLS:
                raise ValueError("saver_def names no function")
            roots = {r.name for r in _references(nodes[end].attr)}
        reached.append(_reachable(roots, called))
    savers = reached[0] | reached[1]
    for node in nodes.values():
        if node.name not in ends:
            _check_apart((r.name for r in _references(node.attr)), savers)
            for name in node.input:
                if name.lstrip("^").partition(":")[0] in filter(None, ends):
                    raise ValueError("an operator waits for the saver")
    # Initialisers, and inputs and outputs of signatures.
    named = [
        value
        for collection in whole.collection_def.values()
        for value in collection.node_list.value
    ]
    for signature in whole.signature_def.values():
        for tensor in (
            *signature.inputs.values(),
            *signature.outputs.values(),
        ):
            named.append(tensor.name)
    for collection in whole.collection_def.values():
        _check_fields(collection, {"node_list"}, "a collection")
    for name in named:
        if name.partition(":")[0] in filter(None, ends):
            raise ValueError("a signature or an initialiser runs the saver")
    return reached


def _reachable(roots, called):
    found, waiting = set(), list(roots)
    while waiting:
        name = waiting.pop()
        if name in called and name not in found:
            found.add(name)
            waiting += called[name]
    return found


def _check_size(functions, called):
    """Checks that functions are not recursive, or too large when inlined.

    TensorFlow inlines each call of a function.
    """
    sizes = {}
    waiting = list(functions)
    entered = set()
    while waiting:
        name = waiting[-1]
        if name in sizes:
            waiting.pop()
            continue
        inner = [n for n in called[name] if n in functions]
        missing = [n for n in inner if n not in sizes]
        if not missing:
            waiting.pop()
            sizes[name] = len(functions[name].node_def) + sum(
                called[name][n] * sizes[n] for n in inner
            )
            if sizes[name] > _MAX_NODES:
                raise ValueError(f"more than {_MAX_NODES} operators")
        elif name in entered:
            raise ValueError(
                f"the function {reading.shown(repr(name))} calls itself"
            )
        else:
            entered.add(name)
            waiting += missing


def _check_constants(whole):
    """Checks that constants do not exceed the limit."""
    size = 0
    graph = whole.graph_def
    for nodes in (graph.node, *(f.node_def for f in graph.library.function)):
        for node in nodes:
            for value in node.attr.values():
                for tensor in (value.tensor, *value.list.tensor):
                    sides = tensor.tensor_shape.dim
                    size += 8 * _elements(sides, "a constant")
                    if size > _MAX_CONSTANTS:
                        raise ValueError(
                            "constants of more than "
                            f"{_MAX_CONSTANTS // 2**20} MiB"
                        )


def _elements(sides, name):
    """Returns the number of elements of a tensor, at most `MAX_BYTES`."""
    # TensorFlow's limit.
    if len(sides) > 254 or any(side.size < 0 for side in sides):
        raise ValueError(f"{name} of unknown size or with too many dimensions")
    # A product of large integers would be slow.
    if any(side.size == 0 for side in sides):
        return 0
    return min(math.prod(min(s.size, MAX_BYTES) for s in sides), MAX_BYTES)


def _check_objects(graph, functions, savers):
    """Checks the objects that TensorFlow converts to Python objects."""
    _check_fields(graph, {"nodes", "concrete_functions"}, "the objects")
    if len(graph.nodes) > _MAX_OBJECTS:
        raise ValueError(f"more than {_MAX_OBJECTS} objects")
    names = list(graph.concrete_functions)
    size = 0
    for node in graph.nodes:
        _check_fields(node, _OBJECT_FIELDS, "an object")
        for child in (*node.children, *node.dependencies):
            # Special attributes of Python, and methods of TensorFlow's
            # classes.
            name = child.local_name
            if name.startswith("_") and name not in _LISTS:
                raise ValueError(
                    f"an object named {reading.shown(repr(name))}"
                )
            if not 0 <= child.node_id < len(graph.nodes):
                raise ValueError(f"no object {child.node_id}")
        kind = node.WhichOneof("kind")
        named = node.user_object.identifier
        if kind == "user_object" and named not in _OBJECTS:
            raise ValueError(f"an object of kind {reading.shown(repr(named))}")
        if kind == "variable":
            size += _elements(node.variable.shape.dim, "a variable")
        if kind == "function":
            names += node.function.concrete_functions
        if kind == "bare_concrete_function":
            names.append(node.bare_concrete_function.concrete_function_name)
    if 4 * size > MAX_BYTES:
        raise ValueError(f"variables of more than {MAX_BYTES // 2**20} MiB")
    _check_apart(names, savers)
    for name in names:
        if name not in functions:
            raise ValueError(f"no function {reading.shown(repr(name))}")

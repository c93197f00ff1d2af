"""Reads, edits and writes the tables of `.tflite` files.

The tables are the Python classes of TensorFlow Lite's schema, from LiteRT's
package.
"""

import copy
import dataclasses

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

# Minimum size of constants that are halved. Smaller ones take little space in
# float32, and may contain values that float16 rounds to zero.
_WEIGHTS = 1024

_TYPES = {
    value: name
    for name, value in vars(schema.TensorType).items()
    if name.isupper()
}
_OPERATORS = {
    value: name
    for name, value in vars(schema.BuiltinOperator).items()
    if name.isupper()
}


@dataclasses.dataclass(frozen=True)
class Tensor:
    """One tensor of a subgraph.

    Attributes:
        name: Name that the converter derived from scopes of the traced graph.
        shape: Stored shape; () for a scalar.
        dynamic: Whether a dimension may change.
        type: `FLOAT32`, `INT8`, ...
        constant: Whether the file contains its value.
    """

    name: str
    shape: tuple[int, ...]
    dynamic: bool
    type: str
    constant: bool


@dataclasses.dataclass(frozen=True)
class Operator:
    """One operator of a subgraph.

    Attributes:
        name: `FULLY_CONNECTED`, ...; the custom name of custom operators.
        inputs: Input tensors, without absent optional ones.
        outputs: Output tensors.
        options: Options by name.
    """

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    options: dict


def read(content: bytes) -> schema.ModelT:
    """Returns the tables of a `.tflite`; bytes after its end are ignored.

    Raises:
        ValueError: If the content is not a valid `.tflite` file.
    """
    if content[4:8] != b"TFL3":
        raise ValueError("not a .tflite file")
    try:
        return flatbuffer_utils.read_model_from_bytearray(content)
    except Exception as error:  # struct.error, TypeError, IndexError, ...
        raise ValueError(f"a damaged .tflite file: {error}") from error


def write(model: schema.ModelT) -> bytes:
    """Returns the bytes of a file, with every buffer aligned to 16 bytes."""
    builder = _Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


class _Builder(flatbuffers.Builder):
    """Aligns buffers, and writes equal arrays only once.

    The schema requires an alignment that the Python classes do not implement.
    Scales of a channel-wise weight are repeated in every signature, and its
    zero points, all 0, in every weight.
    """

    def __init__(self, initial_size):
        super().__init__(initial_size)
        self._written = {}

    def CreateNumpyVector(self, x):
        key = x.dtype.str, x.tobytes()
        if key not in self._written:
            self._written[key] = super().CreateNumpyVector(x)
        return self._written[key]

    def StartVector(self, elemSize, numElems, alignment):
        if elemSize == 1:
            alignment = 16
        return super().StartVector(elemSize, numElems, alignment)


def operators(model: schema.ModelT) -> list[list[Operator]]:
    """Returns the operators of every subgraph, in order."""
    return [
        _operators_of(model, subgraph, _tensors_of(model, subgraph))
        for subgraph in model.subgraphs
    ]


def tensors(model: schema.ModelT) -> list[list[Tensor]]:
    """Returns the tensors of every subgraph, in order."""
    return [_tensors_of(model, subgraph) for subgraph in model.subgraphs]


def signatures(model: schema.ModelT) -> dict[str, int]:
    """Returns the index of each signature's subgraph."""
    return {
        defined.signatureKey.decode(): int(defined.subgraphIndex)
        for defined in model.signatureDefs or []
    }


def only(model: schema.ModelT, name: str) -> schema.ModelT:
    """Returns the tables of a single signature; `model` is not modified."""
    subgraph = copy.deepcopy(model.subgraphs[signatures(model)[name]])
    buffers = [model.buffers[0]]
    for tensor in subgraph.tensors:
        # The first buffer is the empty one of all that is computed.
        if tensor.buffer:
            buffers.append(model.buffers[tensor.buffer])
            tensor.buffer = len(buffers) - 1
    alone = copy.copy(model)
    alone.subgraphs, alone.buffers, alone.metadata = [subgraph], buffers, []
    (defined,) = (
        copy.copy(d)
        for d in model.signatureDefs
        if d.signatureKey.decode() == name
    )
    defined.subgraphIndex = 0
    alone.signatureDefs = [defined]
    share_buffers(alone)
    return alone


def batched(model: schema.ModelT, name: str, batch: int) -> schema.ModelT:
    """Returns one signature of a file of one pose, for several poses per call.

    The first dimension of all computed tensors, and of the shapes that they
    are reshaped to, changes from 1 to `batch`. The caller must check that the
    results are the same.

    Raises:
        ValueError: If a computed tensor has another first dimension than 1.
    """
    alone = copy.copy(only(model, name))
    alone.buffers = list(alone.buffers)
    (subgraph,) = alone.subgraphs
    reshaped = set()

    def of_several(shape):
        shape = np.array(shape, np.int32)
        if not shape.size or shape.flat[0] != 1:
            raise ValueError(f"not of one pose: shape {_listed(shape)}")
        shape[0] = batch
        return shape

    computed = {int(index) for index in subgraph.inputs}
    for operator, described in zip(
        subgraph.operators, operators(alone)[0], strict=True
    ):
        if not computed.intersection(map(int, operator.inputs)):
            continue
        computed.update(map(int, operator.outputs))
        if described.name == "RESHAPE":
            operator.builtinOptions = None
            operator.builtinOptionsType = schema.BuiltinOptions.NONE
            reshaped.add(int(operator.inputs[1]))
    for index in computed:
        tensor = subgraph.tensors[index]
        tensor.shape = of_several(tensor.shape)
        tensor.shapeSignature = None
    for index in reshaped:
        tensor = subgraph.tensors[index]
        shape = np.frombuffer(bytes(alone.buffers[tensor.buffer].data), "<i4")
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(of_several(shape).tobytes(), np.uint8)
        tensor.buffer = len(alone.buffers)
        alone.buffers.append(buffer)
    return alone


def share_buffers(model: schema.ModelT) -> None:
    """Stores buffers that several signatures of a file share only once."""
    first, kept, place = {}, [], []
    for buffer in model.buffers:
        # The first buffer is the empty one of all that is computed.
        data = b"" if buffer.data is None else bytes(buffer.data)
        if data not in first:
            first[data] = len(kept)
            kept.append(buffer)
        place.append(first[data])
    model.buffers = kept
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            tensor.buffer = place[tensor.buffer]
    for entry in model.metadata or []:
        entry.buffer = place[entry.buffer]


def halve_weights(model: schema.ModelT) -> None:
    """Stores float32 weights in float16; they are converted back on loading.

    The converter's float16 mode would also convert small constants: 1e-8,
    which keeps a square root away from zero, would become zero, and a pose
    with all joints in one point would become NaN.
    """
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = (
        schema.BuiltinOperator.DEQUANTIZE
    )
    code.version = 3  # the first to take float16
    model.operatorCodes.append(code)
    halved = {}
    for subgraph in model.subgraphs:
        reading = []
        for index, tensor in enumerate(list(subgraph.tensors)):
            data = model.buffers[tensor.buffer].data
            if (
                tensor.type != schema.TensorType.FLOAT32
                or data is None
                or len(data) < 4 * _WEIGHTS
            ):
                continue
            if tensor.buffer not in halved:
                buffer = schema.BufferT()
                floats = np.frombuffer(bytes(data), "<f4")
                buffer.data = np.frombuffer(
                    floats.astype("<f2").tobytes(), np.uint8
                )
                halved[tensor.buffer] = len(model.buffers)
                model.buffers.append(buffer)
            stored = schema.TensorT()
            stored.name = tensor.name + b"_float16"
            stored.shape = tensor.shape
            stored.type = schema.TensorType.FLOAT16
            stored.buffer = halved[tensor.buffer]
            stored.hasRank = tensor.hasRank
            tensor.buffer = 0
            subgraph.tensors.append(stored)
            operator = schema.OperatorT()
            operator.opcodeIndex = len(model.operatorCodes) - 1
            operator.inputs = [len(subgraph.tensors) - 1]
            operator.outputs = [index]
            operator.builtinOptionsType = (
                schema.BuiltinOptions.DequantizeOptions
            )
            operator.builtinOptions = schema.DequantizeOptionsT()
            reading.append(operator)
        subgraph.operators = reading + subgraph.operators
    for index in halved:
        model.buffers[index].data = None


def _tensors_of(model, subgraph):
    found = []
    for tensor in subgraph.tensors:
        data = model.buffers[tensor.buffer].data
        shape = tuple(int(n) for n in _listed(tensor.shape))
        signature = tuple(int(n) for n in _listed(tensor.shapeSignature))
        found.append(
            Tensor(
                tensor.name.decode(),
                shape,
                -1 in signature,
                _TYPES[tensor.type],
                data is not None and len(data) > 0,
            )
        )
    return found


def _operators_of(model, subgraph, found):
    made = []
    for operator in subgraph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        name = _OPERATORS[number]
        if name == "CUSTOM":
            name = code.customCode.decode()
        made.append(
            Operator(
                name,
                tuple(found[i] for i in operator.inputs if i >= 0),
                tuple(found[i] for i in operator.outputs),
                dict(vars(operator.builtinOptions))
                if operator.builtinOptions is not None
                else {},
            )
        )
    return made


def _listed(values):
    return [] if values is None else list(values)

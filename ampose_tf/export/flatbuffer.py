"""The bytes of a `.tflite`: what they hold, and what converters leave undone.

Tables as in TensorFlow Lite's schema, which LiteRT's package brings as Python
classes.
"""

import copy
import dataclasses

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

# Of constants: what is smaller costs nothing in float32, and may be a number
# that float16 rounds to zero.
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
        name: As the converter made it of the scopes of the traced graph.
        shape: As stored; () of a scalar.
        dynamic: Whether a dimension may change.
        type: `FLOAT32`, `INT8`, ...
        constant: Whether the file holds its value.
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
        name: `FULLY_CONNECTED`, ...; of custom operators their own name.
        inputs: What it reads, optional ones that are absent left out.
        outputs: What it makes.
        options: What its table of options says, by name.
    """

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    options: dict


def read(content: bytes) -> schema.ModelT:
    """Returns the tables of a `.tflite`; bytes after its end are not read.

    Raises:
        ValueError: Where it is no such file.
    """
    if content[4:8] != b"TFL3":
        raise ValueError("not a .tflite file")
    try:
        return flatbuffer_utils.read_model_from_bytearray(content)
    except Exception as error:  # struct.error, TypeError, IndexError, ...
        raise ValueError(f"a damaged .tflite file: {error}") from error


def write(model: schema.ModelT) -> bytes:
    """Returns the file of the tables, every buffer aligned to 16 bytes."""
    builder = _Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


class _Builder(flatbuffers.Builder):
    """Aligns bytes as the schema asks for and the Python classes do not.

    And writes equal arrays once: the scales of a channel-wise weight come
    again in every signature, its zero points, all 0, in every weight.
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
    """Returns which subgraph each signature runs."""
    return {
        defined.signatureKey.decode(): int(defined.subgraphIndex)
        for defined in model.signatureDefs or []
    }


def only(model: schema.ModelT, name: str) -> schema.ModelT:
    """Returns the tables of one signature alone; `model` stays as it is."""
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
    """Returns one signature of a file of one pose, for several poses a call.

    All that is computed of the inputs gets `batch` in place of 1 as its first
    dimension, and so do the shapes that it is reshaped to. Whether the graph
    then computes the same is for the caller to check.

    Raises:
        ValueError: If something computed has another first dimension.
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
    """Stores once what the signatures of a file have in common."""
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
    """Stores float32 weights in float16, to be read back on loading.

    The converter's own float16 would halve every constant, and so lose what
    small ones say: 1e-8, which keeps a root away from zero, becomes zero, and
    a person whose joints all lie in one point NaN.
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

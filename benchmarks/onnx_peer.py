"""AMPose as an ONNX graph, the peer that `mobile.py` compares with.

It takes one pose, so that every tensor is a matrix of joints by channels and
every dense layer one Gemm with packed weights and bias. MatMul and Add
instead, whether fused by ONNX Runtime or not, are no faster.
"""

import pathlib
import tempfile

import numpy as np
import onnx
from onnxruntime import quantization

from ampose_tf.models.ampose import AMPose

# The first opset with Gelu; every supported ONNX Runtime reads it.
_OPSET = 20
_IR_VERSION = 10

# Options that the builder below supports.
_DESIGN = {
    "position": "per_layer",
    "gcn": "ours",
    "residual_from": "mid",
    "gcn_norm": "ln",
    "gcn_act": "gelu",
    "gc_bias": "group",
    "final_norm": False,
}


def float32(model: AMPose) -> bytes:
    """Returns an ONNX model: `keypoints_2d` (1, J, 2) -> `poses_3d`.

    A model with `seen_input` also takes `seen`, (1, J).

    Raises:
        ValueError: If the model does not have the default design.
    """
    for name, expected in _DESIGN.items():
        if getattr(model, name) != expected:
            raise ValueError(
                f"Expected a model of {name}={expected!r}, got "
                f"{getattr(model, name)!r}"
            )
    graph = _Graph(model.adjacency.shape[1], model.seen_input)
    x = graph.dense(graph.channels(model.frame), model.get_layer("embedding"))
    for index in range(1, model.depth + 1):
        position = model.get_layer(f"position_{index}").embedding
        x = graph.add("Add", x, graph.constant(position))
        x = graph.encoder(x, model.get_layer(f"encoder_{index}"))
        x = graph.gcn_block(x, model.get_layer(f"gcn_{index}"))
    x = graph.dense(x, model.get_layer("poses_3d"))
    return graph.finish(graph.reshape(x, (1, graph.joints, 3)))


def dynamic_int8(model: AMPose) -> bytes:
    """Returns `float32(model)` with ONNX Runtime's dynamic quantisation.

    Weights are int8 with one scale per output channel, activations uint8 with
    one scale per call. Weights use seven bits: on a CPU without VNNI, ONNX
    Runtime's faster kernel would overflow with eight.
    """
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "float32.onnx")
        target = pathlib.Path(folder, "dynamic_int8.onnx")
        source.write_bytes(float32(model))
        quantization.quantize_dynamic(
            source,
            target,
            per_channel=True,
            reduce_range=True,
            weight_type=quantization.QuantType.QInt8,
        )
        return target.read_bytes()


class _Graph:
    """Builds nodes and constants; methods return a tensor's name."""

    def __init__(self, joints, seen_input):
        self.joints = joints
        self.inputs = {"keypoints_2d": (1, joints, 2)}
        if seen_input:
            self.inputs["seen"] = (1, joints)
        self.nodes = []
        self.constants = []

    def constant(self, array):
        name = f"constant_{len(self.constants)}"
        self.constants.append(
            onnx.numpy_helper.from_array(np.ascontiguousarray(array), name)
        )
        return name

    def add(self, operator, *inputs, outputs=1, **attributes):
        """Adds a node; returns its output, or a list of several."""
        names = [f"node_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(
            onnx.helper.make_node(operator, inputs, names, **attributes)
        )
        return names[0] if outputs == 1 else names

    def reshape(self, x, shape):
        return self.add("Reshape", x, self.constant(np.int64(shape)))

    def channels(self, frame):
        """Builds the input of the embedding, (J, C): see `InputChannels`."""
        x = self.reshape("keypoints_2d", (self.joints, 2))
        told = []
        if "seen" in self.inputs:
            seen = self.reshape("seen", (self.joints, 1))
            told = [seen]
            x = self.add("Mul", x, seen)
        else:
            seen = self.constant(np.ones((self.joints, 1), np.float32))
        if frame == "person":
            one = self.constant(np.float32(1))
            count = self.add("Max", self.sum(seen, [0]), one)
            middle = self.add("Div", self.sum(x, [0]), count)
            x = self.add("Mul", self.add("Sub", x, middle), seen)
            squared = self.sum(self.add("Mul", x, x), [0, 1])
            spread = self.add(
                "Sqrt",
                self.add(
                    "Add",
                    self.add("Div", squared, count),
                    self.constant(np.float32(1e-8)),
                ),
            )  # (1, 1)
            place = self.add("Concat", middle, spread, axis=1)  # (1, 3)
            told = [self.add("Mul", place, seen), *told]
            x = self.add("Div", x, spread)
        return self.add("Concat", x, *told, axis=1) if told else x

    def sum(self, x, axes):
        return self.add("ReduceSum", x, self.constant(np.int64(axes)))

    def dense(self, x, layer):
        kernel, bias = self.constant(layer.kernel), self.constant(layer.bias)
        return self.add("Gemm", x, kernel, bias)

    def layer_norm(self, x, layer):
        return self.add(
            "LayerNormalization",
            x,
            self.constant(layer.gamma),
            self.constant(layer.beta),
            axis=-1,
            epsilon=layer.epsilon,
        )

    def encoder(self, x, encoder):
        attended = self.attention(self.layer_norm(x, encoder.norm_1), encoder)
        x = self.add("Add", x, attended)
        y = self.dense(self.layer_norm(x, encoder.norm_2), encoder.mlp.expand)
        return self.add(
            "Add", x, self.dense(self.add("Gelu", y), encoder.mlp.contract)
        )

    def attention(self, x, encoder):
        heads, width = encoder.heads, encoder.width
        channels = width // heads
        query, key, value = self.add(
            "Split",
            self.dense(x, encoder.query_key_value),
            outputs=3,
            axis=1,
            num_outputs=3,
        )  # (J, C) each

        def split_heads(part, order):
            part = self.reshape(part, (self.joints, heads, channels))
            return self.add("Transpose", part, perm=order)

        per_head = encoder.attention_scale == "head_dim"
        scale = np.float32((channels if per_head else width) ** -0.5)
        logits = self.add(
            "MatMul",
            self.add(
                "Mul", split_heads(query, (1, 0, 2)), self.constant(scale)
            ),
            split_heads(key, (1, 2, 0)),
        )  # (H, J, J)
        x = self.add(
            "MatMul",
            self.add("Softmax", logits, axis=-1),
            split_heads(value, (1, 0, 2)),
        )  # (H, J, D)
        x = self.add("Transpose", x, perm=(1, 0, 2))
        return self.dense(
            self.reshape(x, (self.joints, width)), encoder.projection
        )

    def gcn_block(self, x, block):
        y = self.phi(self.graph_conv(x, block.convs[0]), block.norms[0])
        z = self.phi(self.graph_conv(y, block.convs[1]), block.norms[1])
        return self.add("Add", y, z)

    def phi(self, x, norm):
        return self.add("Gelu", self.layer_norm(x, norm))

    def graph_conv(self, x, conv):
        groups = len(conv.adjacency)
        x = self.dense(x, conv.dense)  # (J, K C)
        x = self.reshape(x, (self.joints * groups, conv.units))
        # Row i of (J, J K) weights the input from joint k through group g.
        aggregation = conv.adjacency.transpose(1, 2, 0).reshape(
            self.joints, self.joints * groups
        )
        return self.add("MatMul", self.constant(aggregation), x)

    def finish(self, x):
        """Returns the model whose output is `x`."""
        self.nodes[-1].output[0] = "poses_3d"
        joints, floats = self.joints, onnx.TensorProto.FLOAT
        info = onnx.helper.make_tensor_value_info
        model = onnx.helper.make_model(
            onnx.helper.make_graph(
                self.nodes,
                "ampose",
                [
                    info(name, floats, shape)
                    for name, shape in self.inputs.items()
                ],
                [info("poses_3d", floats, (1, joints, 3))],
                self.constants,
            ),
            opset_imports=[onnx.helper.make_opsetid("", _OPSET)],
            ir_version=_IR_VERSION,
        )
        # quantize_dynamic would suggest simplifications that do not apply.
        onnx.helper.set_model_props(
            model, {"onnx.quant.pre_process": "onnxruntime.quant"}
        )
        onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString()

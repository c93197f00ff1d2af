"""Layers of AMPose: graph convolution, GCN block, transformer encoder.

The adjacency that they are given defines the joints. Equation and figure
numbers refer to the paper (arXiv 2210.04216).
"""

import functools

import keras
import numpy as np
from keras import ops

from ampose_tf.models import elements

_serializable = keras.saving.register_keras_serializable(package="ampose_tf")


@_serializable
class PositionEmbedding(keras.layers.Layer):
    """Adds a learned vector to each joint: Z' = Z + W_pos (equation 5)."""

    def build(self, input_shape):
        self.embedding = self.add_weight(
            shape=input_shape[1:],
            initializer=keras.initializers.RandomNormal(stddev=0.02),
            name="embedding",
        )

    def call(self, x):
        return x + ops.cast(self.embedding, x.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape


@_serializable
class PartitionedGraphConv(keras.layers.Layer):
    """Graph convolution with separate weights for each neighbour group.

    GC(x) = sum_g A_g (x W_g + b_g), equation 9. As some joints have no
    children, A_g may factor into (J, R) and (R, J) with R < J; W_g then
    multiplies only R rows (`elements.factors`).

    Args:
        units: Number of output channels.
        adjacency: (K, J, J), normalised; rows are the receiving joints.
        bias: `"group"`, b_g as above, or `"shared"`, one b added after
            aggregation.
        initializer: Initializer of the kernel, see `config.Model`.

    Call arguments:
        x: (B, J, C).

    Returns:
        (B, J, units).
    """

    def __init__(
        self,
        units,
        adjacency,
        bias="group",
        initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if bias not in ("group", "shared"):
            raise ValueError(f"Unknown bias {bias!r}; expected group, shared")
        self.units = units
        self.adjacency = np.asarray(adjacency, np.float32)
        self.bias = bias
        self.initializer = initializer
        self.factors = [elements.factors(group) for group in self.adjacency]
        groups = len(self.adjacency)
        self.dense = elements.dense(
            self, groups * units, "dense", use_bias=bias == "group"
        )

    def build(self, input_shape):
        if input_shape[1] != self.adjacency.shape[1]:
            raise ValueError(
                f"Expected input of {self.adjacency.shape[1]} joints, got "
                f"shape {tuple(input_shape)}"
            )
        self.dense.build(input_shape)
        self.shared_bias = None
        if self.bias == "shared":
            self.shared_bias = self.add_weight(
                shape=(self.units,), initializer="zeros", name="bias"
            )

    def call(self, x):
        _, joints, channels = x.shape
        # Joints first: the product with the graph is then a single matrix
        # product for any batch size.
        x = ops.reshape(ops.transpose(x, (1, 0, 2)), (joints, -1))  # (J, B C)
        kernels = ops.split(self.dense.kernel, len(self.factors), axis=1)
        received = []
        for (scatter, gather), kernel in zip(
            self.factors, kernels, strict=True
        ):
            sent = ops.reshape(_product(gather, x), (-1, channels))
            sent = ops.matmul(sent, kernel)  # (R B, units)
            sent = ops.reshape(sent, (len(gather), -1))  # (R, B units)
            received.append(_product(scatter, sent))
        x = functools.reduce(ops.add, received)  # (J, B units)
        x = ops.transpose(
            ops.reshape(x, (joints, -1, self.units)), (1, 0, 2)
        )  # (B, J, units)
        return x + self._received_bias(x.dtype)

    def _received_bias(self, dtype):
        """Returns the sum of biases that each joint receives, (J, units)."""
        if self.shared_bias is not None:
            return ops.cast(self.shared_bias, dtype)
        biases = ops.reshape(self.dense.bias, (-1, self.units))  # (K, units)
        received = self.adjacency.sum(axis=2).T  # (J, K)
        return ops.matmul(ops.cast(received, dtype), ops.cast(biases, dtype))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return super().get_config() | {
            "units": self.units,
            "adjacency": self.adjacency.tolist(),
            "bias": self.bias,
            "initializer": self.initializer,
        }


def _product(matrix, x):
    """Returns a constant matrix times x; an identity is skipped."""
    if elements.is_identity(matrix):
        return x
    return ops.matmul(ops.cast(matrix, x.dtype), x)


def _without_groups(adjacency):
    """Returns D^-1/2 (A + I) D^-1/2, (1, J, J), of a partitioned graph."""
    graph = (adjacency != 0).any(axis=0)
    # Some normalisations lose an edge in one direction.
    graph = (graph | graph.T).astype(np.float32)
    root = np.sqrt(graph.sum(axis=1))
    return (graph / np.outer(root, root))[None]


@_serializable
class GCNBlock(keras.layers.Layer):
    """The local part of AMPose, in the four designs of Figure 3.

    GC is a graph convolution, phi a norm followed by an activation, MLP two
    dense layers with a GELU between them:

    * `"ours"`: y = phi(GC(x)), z = y + phi(GC(y)); or, with
      `residual_from="input"`, z = x + GC(phi(GC(x)))
    * `"two_residual"`: y = x + phi(GC(x)), z = y + phi(GC(y))
    * `"transformer"`: y = x + GC(LN(x)), z = y + MLP(LN(y))
    * `"convnext"`: z = x + MLP(LN(GC(x)))

    and, to measure the benefit of the partition, `"vanilla"`: `"ours"` with
    one kernel for a joint and all its neighbours (equation 8).

    Args:
        width: Number of channels C.
        adjacency: (K, J, J), normalised.
        design: One of the above.
        residual_from: For `"ours"` only: `"mid"` or `"input"`.
        mlp_ratio: Hidden width of the MLP as a multiple of `width`.
        norm: Norm in phi: `"ln"`, `"bn"` or `"none"`.
        activation: Activation in phi: `"gelu"`, `"relu"` or `"none"`.
        bias: See `PartitionedGraphConv`.
        initializer: Initializer of the kernels, see `config.Model`.

    Call arguments:
        x: (B, J, C).
        training: Whether batch norms use the batch's statistics.

    Returns:
        (B, J, C).
    """

    def __init__(
        self,
        width,
        adjacency,
        design="ours",
        residual_from="mid",
        mlp_ratio=1,
        norm="ln",
        activation="gelu",
        bias="group",
        initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if residual_from not in ("mid", "input"):
            raise ValueError(
                f"Unknown residual_from {residual_from!r}; expected mid, input"
            )
        self.width = width
        self.adjacency = np.asarray(adjacency, np.float32)
        self.design = design
        self.residual_from = residual_from
        self.mlp_ratio = mlp_ratio
        self.norm = norm
        self.activation = activation
        self.bias = bias
        self.initializer = initializer
        self._activate = elements.activation(activation)
        # Number of graph convolutions and norms of each design.
        if design in ("ours", "vanilla"):
            convs, norms = 2, [norm] * (2 if residual_from == "mid" else 1)
        elif design == "two_residual":
            convs, norms = 2, [norm] * 2
        elif design == "transformer":
            convs, norms = 1, ["ln"] * 2
        elif design == "convnext":
            convs, norms = 1, ["ln"]
        else:
            raise ValueError(
                f"Unknown GCN block design {design!r}; expected ours, "
                "two_residual, transformer, convnext or vanilla"
            )
        graph = self.adjacency
        if design == "vanilla":
            graph = _without_groups(graph)
        self.convs = [
            PartitionedGraphConv(
                width,
                graph,
                bias=bias,
                initializer=initializer,
                dtype=self.dtype_policy,
                name=f"conv_{index + 1}",
            )
            for index in range(convs)
        ]
        self.norms = [
            elements.normalization(
                kind, f"norm_{index + 1}", self.dtype_policy
            )
            for index, kind in enumerate(norms)
        ]
        self.mlp = None
        if design in ("transformer", "convnext"):
            self.mlp = elements.MLP(
                width,
                width * mlp_ratio,
                initializer,
                dtype=self.dtype_policy,
                name="mlp",
            )

    def build(self, input_shape):
        for layer in (*self.convs, *self.norms, self.mlp):
            if layer is not None:
                layer.build(input_shape)

    def call(self, x, training=None):
        if self.design == "transformer":
            y = x + self.convs[0](self.norms[0](x))
            return y + self.mlp(self.norms[1](y))
        if self.design == "convnext":
            return x + self.mlp(self.norms[0](self.convs[0](x)))
        y = self._phi(self.convs[0](x), 0, training)
        if self.design == "two_residual":
            y = x + y
        elif self.residual_from == "input":
            return x + self.convs[1](y)
        return y + self._phi(self.convs[1](y), 1, training)

    def _phi(self, x, index, training):
        if self.norms[index] is not None:
            x = self.norms[index](x, training=training)
        return self._activate(x)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return super().get_config() | {
            "width": self.width,
            "adjacency": self.adjacency.tolist(),
            "design": self.design,
            "residual_from": self.residual_from,
            "mlp_ratio": self.mlp_ratio,
            "norm": self.norm,
            "activation": self.activation,
            "bias": self.bias,
            "initializer": self.initializer,
        }


@_serializable
class TransformerEncoder(keras.layers.Layer):
    """The global part of AMPose: a pre-LN transformer encoder.

    Z'' = MSA(LN(Z')) + Z', Z = MLP(LN(Z'')) + Z'' (equations 1 to 4, 6, 7;
    equation 5 is `PositionEmbedding`). The softmax is computed in float32.

    Args:
        width: Number of channels C.
        heads: Number of heads H; must divide C.
        mlp_ratio: Hidden width of the MLP as a multiple of `width`.
        attention_scale: `"head_dim"` divides logits by sqrt(C / H),
            `"full_dim"` by sqrt(C), as equation 1 is printed.
        dropout: Rate after attention and MLP.
        drop_path: Rate at which a pose skips a residual branch.
        initializer: Initializer of the kernels, see `config.Model`.

    Call arguments:
        x: (B, J, C).
        training: Whether to apply dropout.

    Returns:
        (B, J, C).
    """

    def __init__(
        self,
        width,
        heads,
        mlp_ratio=2,
        attention_scale="head_dim",
        dropout=0.0,
        drop_path=0.0,
        initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if width % heads:
            raise ValueError(
                f"width {width} is not divisible by {heads} heads"
            )
        if attention_scale not in ("head_dim", "full_dim"):
            raise ValueError(
                f"Unknown attention_scale {attention_scale!r}; expected "
                "head_dim or full_dim"
            )
        self.width = width
        self.heads = heads
        self.mlp_ratio = mlp_ratio
        self.attention_scale = attention_scale
        self.dropout = dropout
        self.drop_path = drop_path
        self.initializer = initializer
        per_head = attention_scale == "head_dim"
        self.scale = (width // heads if per_head else width) ** -0.5
        policy = self.dtype_policy
        self.norm_1 = elements.layer_norm("norm_1", policy)
        self.query_key_value = elements.dense(
            self, 3 * width, "query_key_value"
        )
        self.projection = elements.dense(self, width, "projection")
        self.norm_2 = elements.layer_norm("norm_2", policy)
        self.mlp = elements.MLP(
            width, width * mlp_ratio, initializer, dtype=policy, name="mlp"
        )
        self.drop = keras.layers.Dropout(dropout, dtype=policy, name="drop")
        self.skip = keras.layers.Dropout(
            drop_path, noise_shape=(None, 1, 1), dtype=policy, name="skip"
        )

    def build(self, input_shape):
        for layer in (
            self.norm_1,
            self.query_key_value,
            self.projection,
            self.norm_2,
            self.mlp,
        ):
            layer.build(input_shape)

    def call(self, x, training=None):
        x = x + self._dropped(self._attend(self.norm_1(x)), training)
        return x + self._dropped(self.mlp(self.norm_2(x)), training)

    def _dropped(self, x, training):
        return self.skip(self.drop(x, training=training), training=training)

    def _attend(self, x):
        query, key, value = (
            self._split_heads(part)
            for part in ops.split(self.query_key_value(x), 3, axis=-1)
        )
        # Scaled before the product, which could overflow in float16.
        logits = ops.matmul(
            query * self.scale, ops.transpose(key, (0, 1, 3, 2))
        )  # (B, H, J, J)
        weights = ops.softmax(ops.cast(logits, "float32"), axis=-1)
        x = ops.matmul(ops.cast(weights, value.dtype), value)  # (B, H, J, D)
        x = ops.transpose(x, (0, 2, 1, 3))
        return self.projection(
            ops.reshape(x, (-1, x.shape[1], self.width))
        )  # (B, J, C)

    def _split_heads(self, x):
        x = ops.reshape(
            x, (-1, x.shape[1], self.heads, self.width // self.heads)
        )
        return ops.transpose(x, (0, 2, 1, 3))  # (B, H, J, D)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return super().get_config() | {
            "width": self.width,
            "heads": self.heads,
            "mlp_ratio": self.mlp_ratio,
            "attention_scale": self.attention_scale,
            "dropout": self.dropout,
            "drop_path": self.drop_path,
            "initializer": self.initializer,
        }

"""What the layers are made of: dense layers, norms, activations, MLP.

And what a graph convolution multiplies by: the factors of an adjacency.
"""

import keras
import numpy as np
from keras import ops


def kernel_initializer(name: str) -> keras.initializers.Initializer:
    """Returns a new initializer; one instance draws one kernel."""
    if name == "torch":
        # U(-1/sqrt(fan_in), 1/sqrt(fan_in)), as torch.nn.Linear draws.
        return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
    if name == "trunc_normal":
        return keras.initializers.TruncatedNormal(stddev=0.02)
    return keras.initializers.get(name)


def dense(owner, units, name, use_bias=True):
    """Returns a dense layer with its owner's initializer and policy."""
    return keras.layers.Dense(
        units,
        use_bias=use_bias,
        kernel_initializer=kernel_initializer(owner.initializer),
        dtype=owner.dtype_policy,
        name=name,
    )


def normalization(kind, name, policy):
    """Returns a layer norm ("ln"), batch norm ("bn") or None ("none")."""
    if kind == "ln":
        return layer_norm(name, policy)
    if kind == "bn":
        # PyTorch's figures, which the paper's peers use.
        return keras.layers.BatchNormalization(
            momentum=0.9, epsilon=1e-5, dtype=policy, name=name
        )
    if kind == "none":
        return None
    raise ValueError(f"Unknown norm {kind!r}; expected ln, bn or none")


def layer_norm(name: str, policy) -> keras.layers.LayerNormalization:
    """Returns a layer norm with an epsilon that transformers use.

    Keras's own, 1e-3, is as large as what it is added to. Statistics are
    computed in float32 under every policy.
    """
    return keras.layers.LayerNormalization(
        epsilon=1e-6, dtype=policy, name=name
    )


def activation(kind):
    """Returns the function called "gelu", "relu" or "none"."""
    if kind == "gelu":
        return exact_gelu
    if kind == "relu":
        return ops.relu
    if kind == "none":
        return lambda x: x
    raise ValueError(f"Unknown activation {kind!r}; expected gelu, relu, none")


def exact_gelu(x):
    """GELU by the error function, not by its tanh approximation."""
    return ops.gelu(x, approximate=False)


def factors(adjacency: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (J, R) and (R, J), whose product is an adjacency (J, J).

    R counts the rows that are neither zero nor multiples of another; for a
    group of parents or children that is its rank. Rows of the second matrix
    sum to one: so a bias that is added between the two comes out as one
    added before the adjacency. Where that saves nothing, the first matrix is
    the adjacency and the second the identity.
    """
    joints = len(adjacency)
    rows, scatter = [], np.zeros_like(adjacency)
    for joint, total in enumerate(adjacency.sum(axis=1)):
        if total == 0:
            continue
        row = adjacency[joint] / total
        alike = [n for n, other in enumerate(rows) if np.allclose(row, other)]
        if not alike:
            alike = [len(rows)]
            rows.append(row)
        scatter[joint, alike] = total
    if len(rows) in (0, joints) or (adjacency < 0).any():
        return adjacency, np.eye(joints, dtype=np.float32)
    return scatter[:, : len(rows)], np.stack(rows)


def is_identity(matrix: np.ndarray) -> bool:
    return np.array_equal(matrix, np.eye(len(matrix)))


@keras.saving.register_keras_serializable(package="ampose_tf")
class MLP(keras.layers.Layer):
    """Dense, exact GELU, dense, on each joint by itself (equation 7).

    Args:
        width: Channels C in and out.
        hidden: Channels between.
        initializer: Of the kernels, see `config.Model`.
    """

    def __init__(self, width, hidden, initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.hidden = hidden
        self.initializer = initializer
        self.expand = dense(self, hidden, "expand")
        self.contract = dense(self, width, "contract")

    def build(self, input_shape):
        self.expand.build(input_shape)
        self.contract.build((*input_shape[:-1], self.hidden))

    def call(self, x):
        return self.contract(exact_gelu(self.expand(x)))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return super().get_config() | {
            "width": self.width,
            "hidden": self.hidden,
            "initializer": self.initializer,
        }

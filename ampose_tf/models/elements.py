"""Building blocks of the layers: dense layers, norms, activations, MLP.

Also factors the adjacencies of graph convolutions.
"""

import keras
import numpy as np
from keras import ops


def kernel_initializer(name: str) -> keras.initializers.Initializer:
    """Returns a new initializer; use one instance per kernel."""
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
        # PyTorch's values, which the paper's peers use.
        return keras.layers.BatchNormalization(
            momentum=0.9, epsilon=1e-5, dtype=policy, name=name
        )
    if kind == "none":
        return None
    raise ValueError(f"Unknown norm {kind!r}; expected ln, bn or none")


def layer_norm(name: str, policy) -> keras.layers.LayerNormalization:
    """Returns a layer norm with the epsilon usual in transformers.

    Keras's default, 1e-3, is as large as the variances that it is added to.
    Statistics are computed in float32 under every policy.
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
    """Returns the exact GELU (error function, not its tanh approximation)."""
    return ops.gelu(x, approximate=False)


def factors(adjacency: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns factors (J, R) and (R, J) of an adjacency (J, J).

    R is the number of rows that are neither zero nor a multiple of another
    row; for a group of parents or children it equals the rank. The rows of
    the second factor sum to one, so adding a bias between the two products
    has the same effect as adding it before the adjacency. If factoring saves
    nothing, the factors are the adjacency and the identity.
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
    """Dense, exact GELU, dense, applied to each joint (equation 7).

    Args:
        width: Number of input and output channels C.
        hidden: Number of hidden channels.
        initializer: Initializer of the kernels, see `config.Model`.
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

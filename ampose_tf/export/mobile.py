"""A second implementation of AMPose, for inference on phones.

It computes the same as `models.ampose.AMPose`, from the same weights, as a
graph of few and simple operators, so that delegates (XNNPACK, GPU, NPU) can
run it without falling back to the CPU:

* the batch is static, and tensors have at most four dimensions;
* the left operand of a product is never constant, operands are not
  transposed by the product, and no mask is added;
* layer norms are written out without NEG; GELU is a single, exact operator;
* products of two tensors never broadcast both, which GPUs do not support.

Query, key and value are computed by one product, with the logits' scale in
its weights. As 12 of the 17 joints have children, a graph convolution
multiplies 12 rows, not 17, by the kernel of parents and by the kernel of
children. Nothing else is folded into kernels here, as this would save only
one hundredth of the time (`benchmarks/mobile_graph.md`). The converter folds
the scale and shift of a layer norm into the following dense layer, which
would break up clusters; `compression.folded` therefore does so before
clustering.

The scopes below name parts of the graph; `tflite` uses them to select what to
quantise.
"""

import functools

import numpy as np
import tensorflow as tf

from ampose_tf.models import elements
from ampose_tf.models.ampose import AMPose

# Preprocessing of keypoints; layer norms; sums of two branches; the first and
# the last dense layer; the other dense layers; the products of attention.
FRONT, NORM, RESIDUAL, ENDS, DENSE, ATTENTION = (
    "front",
    "norm",
    "residual",
    "ends",
    "dense",
    "attention",
)


def constant_dense(layer, x, factors=None, channels=slice(None)):
    """Returns a dense layer's output; its weights are constants.

    Args:
        layer: A `keras.layers.Dense`.
        x: (..., C).
        factors: Factors of the output channels; None for ones.
        channels: Output channels to compute.
    """

    def changed(array):
        array = array if factors is None else array * factors
        return array[..., channels]

    x = tf.matmul(x, _constant(layer.kernel, changed))
    if layer.bias is not None:
        x = x + _constant(layer.bias, changed)
    return x


def split_graph_conv(conv, x, dense):
    """Returns a graph convolution's output, without the shared bias.

    An adjacency matrix of rank R is a product of (J, R) and (R, J). The
    group's kernel is applied between them, to R instead of J rows.

    Args:
        conv: A `models.layers.PartitionedGraphConv`.
        x: (B, J, C).
        dense: See `constant_dense`.
    """
    received, spread, matrices = [], [], []
    for group, (scatter, gather) in enumerate(conv.factors):
        channels = slice(group * conv.units, (group + 1) * conv.units)
        gathered = _mix(gather, x)
        with tf.name_scope(DENSE):
            sent = dense(conv.dense, gathered, channels=channels)
        if elements.is_identity(scatter):
            received.append(sent)
        else:
            spread.append(sent)
            matrices.append(scatter)
    if spread:
        matrix = np.concatenate(matrices, axis=1)
        received.append(_mix(matrix, tf.concat(spread, axis=1)))
    with tf.name_scope(RESIDUAL):
        return functools.reduce(tf.add, received)


def _mix(matrix, x):
    """Returns a constant (R, J) times (B, J, C)."""
    if elements.is_identity(matrix):
        return x
    with tf.name_scope(RESIDUAL):
        # (X^T A^T)^T, not A X: phones' GPUs do not support constants on the
        # left.
        x = tf.matmul(tf.transpose(x, (0, 2, 1)), tf.constant(matrix.T))
        return tf.transpose(x, (0, 2, 1))


def stacked_graph_conv(conv, x, dense):
    """Same as `split_graph_conv`, with one dense layer for all groups.

    Args:
        conv: A `models.layers.PartitionedGraphConv`.
        x: (B, J, C).
        dense: See `constant_dense`, without `channels`.
    """
    with tf.name_scope(DENSE):
        x = dense(conv.dense, x)  # (B, J, K units)
    # Column k K + g of (J, J K) contains the weights of joint k in group g.
    joints = x.shape[1]
    matrix = conv.adjacency.transpose(1, 2, 0).reshape(joints, -1)
    x = tf.reshape(x, (_batch(x), matrix.shape[1], conv.units))
    return _mix(matrix, x)


def lift(
    model: AMPose,
    keypoints_2d: tf.Tensor,
    seen=None,
    dense=constant_dense,
    graph_conv=split_graph_conv,
) -> tf.Tensor:
    """Returns the poses of keypoints; called while a graph is traced.

    Args:
        model: Model in float32; its weights become constants of the graph.
        keypoints_2d: (B, J, 2), screen-normalised. B must be static if the
            graph is converted to a file.
        seen: (B, J), 1 or 0, if the model has this input.
        dense: Implementation of dense layers, see `constant_dense`.
        graph_conv: Implementation of graph convolutions, `split_graph_conv`
            or `stacked_graph_conv`.

    Returns:
        poses_3d, (B, J, 3) metres.
    """
    with tf.name_scope(FRONT):
        x = _channels(model.frame, keypoints_2d, seen)
    with tf.name_scope(ENDS):
        x = dense(model.get_layer("embedding"), x)
    for index in range(1, model.depth + 1):
        if model.gcn != "gcn_only":
            shared = model.position == "shared"
            position = model.get_layer(f"position_{1 if shared else index}")
            with tf.name_scope(RESIDUAL):
                x = x + _constant(position.embedding, lambda e: e[None])
            x = _encode(model.get_layer(f"encoder_{index}"), x, dense)
        if model.gcn != "none":
            block = model.get_layer(f"gcn_{index}")
            x = _gcn_block(block, x, dense, graph_conv)
    if model.final_norm:
        x = _normalize(model.get_layer("final_norm"), x)
    with tf.name_scope(ENDS):
        return dense(model.get_layer("poses_3d"), x)


def _channels(frame, keypoints, seen):
    """`models.inputs.InputChannels`; (B, J, C)."""
    joints = keypoints.shape[1]
    told = []
    if seen is None:
        if frame == "screen":
            return keypoints
        seen = tf.ones_like(keypoints[..., :1])
    else:
        seen = tf.reshape(seen, (_batch(seen), joints, 1))
        told = [seen]
        keypoints = keypoints * seen
    if frame == "screen":
        return tf.concat([keypoints, *told], axis=-1)
    count = tf.maximum(tf.reduce_sum(seen, axis=1, keepdims=True), 1.0)
    middle = tf.reduce_sum(keypoints, axis=1, keepdims=True) / count
    keypoints = (keypoints - middle) * seen
    squared = tf.reduce_sum(keypoints * keypoints, axis=(1, 2), keepdims=True)
    spread = tf.sqrt(squared / count + 1e-8)  # (B, 1, 1)
    place = tf.concat([middle, spread], axis=-1)  # (B, 1, 3)
    # (B, J, 1) times (B, 1, 3) would broadcast both, and the converter would
    # turn a product with ones into such a product.
    everywhere = tf.concat([seen] * 3, axis=-1)  # (B, J, 3)
    return tf.concat([keypoints / spread, everywhere * place, *told], axis=-1)


def _batch(x):
    """Returns the batch dimension for a shape, -1 if it is dynamic."""
    return x.shape[0] or -1


def _encode(encoder, x, dense):
    """`models.layers.TransformerEncoder`."""
    attended = _attend(encoder, _normalize(encoder.norm_1, x), dense)
    with tf.name_scope(RESIDUAL):
        x = x + attended
    changed = _mlp(encoder.mlp, _normalize(encoder.norm_2, x), dense)
    with tf.name_scope(RESIDUAL):
        return x + changed


def _attend(encoder, x, dense):
    _, joints, width = x.shape
    heads = encoder.heads
    batch = _batch(x)
    shape = (batch, joints, heads, width // heads)
    scale = np.ones(3 * width, np.float32)
    scale[:width] = encoder.scale
    with tf.name_scope(DENSE):
        x = dense(encoder.query_key_value, x, scale)
    with tf.name_scope(ATTENTION):
        query, key, value = tf.split(x, 3, axis=-1)
        query = tf.transpose(tf.reshape(query, shape), (0, 2, 1, 3))
        # Transpose joints first, and then reshape to heads: a transpose next
        # to the product would be fused into it, as a flag that GPUs ignore.
        key = tf.reshape(
            tf.transpose(key, (0, 2, 1)),
            (batch, heads, width // heads, joints),
        )
        value = tf.transpose(tf.reshape(value, shape), (0, 2, 1, 3))
        weights = tf.nn.softmax(tf.matmul(query, key))  # (B, H, J, J)
        x = tf.transpose(tf.matmul(weights, value), (0, 2, 1, 3))
        x = tf.reshape(x, (batch, joints, width))
    with tf.name_scope(DENSE):
        return dense(encoder.projection, x)


def _gcn_block(block, x, dense, graph_conv):
    """`models.layers.GCNBlock`."""

    def convolve(index, x):
        conv = block.convs[index]
        x = graph_conv(conv, x, dense)
        if conv.shared_bias is not None:
            x = x + _constant(conv.shared_bias)
        return x

    if block.design == "transformer":
        changed = convolve(0, _normalize(block.norms[0], x))
        with tf.name_scope(RESIDUAL):
            y = x + changed
        changed = _mlp(block.mlp, _normalize(block.norms[1], y), dense)
        with tf.name_scope(RESIDUAL):
            return y + changed
    if block.design == "convnext":
        changed = _mlp(
            block.mlp, _normalize(block.norms[0], convolve(0, x)), dense
        )
        with tf.name_scope(RESIDUAL):
            return x + changed
    y = _phi(block, 0, convolve(0, x))
    if block.design == "two_residual":
        with tf.name_scope(RESIDUAL):
            y = x + y
    elif block.residual_from == "input":
        changed = convolve(1, y)
        with tf.name_scope(RESIDUAL):
            return x + changed
    changed = _phi(block, 1, convolve(1, y))
    with tf.name_scope(RESIDUAL):
        return y + changed


def _phi(block, index, x):
    norm = block.norms[index]
    return _activate(
        block.activation, x if norm is None else _normalize(norm, x)
    )


def _mlp(mlp, x, dense):
    with tf.name_scope(DENSE):
        x = dense(mlp.expand, x)
    x = _activate("gelu", x)
    with tf.name_scope(DENSE):
        return dense(mlp.contract, x)


def _activate(kind, x):
    if kind == "gelu":
        return tf.nn.gelu(x, approximate=False)
    return tf.nn.relu(x) if kind == "relu" else x


def _normalize(norm, x):
    """Applies a layer norm, or a batch norm with its moving statistics."""
    with tf.name_scope(NORM):
        if hasattr(norm, "moving_mean"):
            scale, shift = _of_batch_norm(norm)
            return x * scale + shift
        x = x - tf.reduce_mean(x, axis=-1, keepdims=True)
        variance = tf.reduce_mean(x * x, axis=-1, keepdims=True)
        x = x * tf.math.rsqrt(variance + norm.epsilon)
        return x * _constant(norm.gamma) + _constant(norm.beta)


def _of_batch_norm(norm):
    with tf.init_scope():
        gamma, beta, mean, variance = map(np.asarray, norm.weights)
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return tf.constant(scale), tf.constant(beta - mean * scale)


def _constant(variable, changed=lambda array: array):
    """Returns a variable's value, `changed`, as a constant of the graph."""
    # Variables have no value in the graph that is being traced.
    with tf.init_scope():
        array = np.asarray(variable)
    return tf.constant(changed(array), tf.float32)

"""Pruning, clustering and quantisation-aware training of a trained AMPose.

tensorflow-model-optimization compresses Keras 2 models. Therefore
`mobile.lift` builds a `tf_keras` twin of the network, in which dense layers
are `tf_keras` layers and everything else is constant. The library wraps these
dense layers, the twin is fine-tuned, and its weights are copied back to an
AMPose, which is exported like any other.

The first and the last dense layer, a thousandth of the weights, are
fine-tuned but not compressed.
"""

import contextlib
import math
import warnings
from collections.abc import Callable

import numpy as np
import scipy.cluster.vq
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras
from absl import logging

# Private: the public `cluster_weights` cannot preserve zeros. Guarded by
# tests/test_private_apis.py.
from tensorflow_model_optimization.python.core.clustering.keras.experimental import (  # noqa: E501
    cluster,
)

from ampose_tf.config import Export, Train
from ampose_tf.export import mobile
from ampose_tf.models.ampose import AMPose
from ampose_tf.models.losses import LOSSES

# How often pruning selects the smallest weights again.
_PRUNINGS = 25


def compress(
    model: AMPose,
    techniques: tuple[str, ...],
    batches: Callable[[range], tf.data.Dataset],
    steps_per_epoch: int,
    recipe: Train,
    options: Export,
    verbose: int = 1,
) -> AMPose:
    """Compresses a trained model, and fine-tunes it.

    Args:
        model: Model to compress; it is not modified.
        techniques: Some of "prune", "cluster" and "qat", in this order; each
            preserves the result of the previous ones.
        batches: Function of a range of epochs that returns their batches of
            the model's inputs and poses_3d.
        steps_per_epoch: Batches per epoch.
        recipe: Training settings, of which the loss, Adam's epsilon and the
            use of XLA apply.
        options: Strength of compression and duration of training, which the
            techniques share.
        verbose: See `keras.Model.fit`.

    Returns:
        A copy in float32. Pruned kernels contain zeros, and clustered kernels
        contain few distinct values (before the logits' scale, which files
        apply to a third of `query_key_value`). After quantisation-aware
        training, kernels are integer multiples of one scale per output
        channel, or per kernel if it was clustered. The scales of layer norms
        that are followed by a dense layer are folded into its kernel.

    Raises:
        FloatingPointError: If the training diverges.
    """
    model = folded(model)
    epochs = options.finetune_epochs / len(techniques)
    steps = max(1, round(epochs * steps_per_epoch))
    for index, technique in enumerate(techniques):
        print(f"{technique}: {steps} steps", flush=True)
        wrap = _wrapper(technique, techniques[:index], steps, options)
        network, made = twin(model, wrap)
        network.compile(
            tf_keras.optimizers.Adam(
                tf_keras.optimizers.schedules.CosineDecay(
                    options.finetune_learning_rate, steps
                ),
                epsilon=recipe.adam_epsilon,
            ),
            LOSSES[recipe.loss],
            jit_compile=recipe.jit_compile,
        )
        # Otherwise the first step would create its variables and be traced
        # twice.
        network.optimizer.build(network.trainable_variables)
        count = max(1, math.ceil(epochs))
        with _quiet():
            network.fit(
                batches(range(index * count, (index + 1) * count)),
                steps_per_epoch=steps,
                callbacks=[
                    # For wrappers that count steps; others ignore it.
                    tfmot.sparsity.keras.UpdatePruningStep(),
                    tf_keras.callbacks.TerminateOnNaN(),
                ],
                verbose=verbose,
            )
        _take_over(made)
    return model


@contextlib.contextmanager
def _quiet():
    """Hides warnings of kernels without gradients, as clusters have none."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def folded(model: AMPose) -> AMPose:
    """Returns the same network, with layer norms folded into dense layers.

    The converter does so for every layer norm that is followed by a dense
    layer. Folding before compression ensures that the compressed kernel is
    the one in the file.
    """
    model = model.rebuilt()
    for norm, dense in _normalised(model):
        gamma, beta = np.asarray(norm.gamma), np.asarray(norm.beta)
        kernel = np.asarray(dense.kernel)
        dense.bias.assign(dense.bias + beta @ kernel)
        dense.kernel.assign(gamma[:, None] * kernel)
        norm.gamma.assign(np.ones_like(gamma))
        norm.beta.assign(np.zeros_like(beta))
    return model


def _normalised(model):
    """Yields (layer norm, the dense layer that is its only consumer)."""
    for index in range(1, model.depth + 1):
        if model.gcn != "gcn_only":
            encoder = model.get_layer(f"encoder_{index}")
            yield encoder.norm_1, encoder.query_key_value
            yield encoder.norm_2, encoder.mlp.expand
        if model.gcn == "none":
            continue
        block = model.get_layer(f"gcn_{index}")
        if block.design == "transformer":
            # A norm's shift can only be folded into a bias per group.
            if block.bias == "group":
                yield block.norms[0], block.convs[0].dense
            yield block.norms[1], block.mlp.expand
        elif block.design == "convnext":
            yield block.norms[0], block.mlp.expand


def twin(model: AMPose, wrap: Callable = lambda layer: ([], layer, [])):
    """Returns AMPose as a `tf_keras` model, weights included.

    Args:
        model: The model, in float32.
        wrap: Function of a built `tf_keras` dense layer that returns its
            replacement: layers before it, the layer in its place, and layers
            after it.

    Returns:
        The model, and a list of tuples: each dense layer of AMPose, its
        `tf_keras` layer, and the layer that replaces that.
    """
    ends = (model.get_layer("embedding"), model.get_layer("poses_3d"))
    made = []

    def dense(layer, x, factors=None):
        plain = tf_keras.layers.Dense(
            layer.units,
            use_bias=layer.bias is not None,
            name=f"dense_{len(made)}",
        )
        plain.build(x.shape)
        plain.set_weights(layer.get_weights())
        is_end = any(layer is end for end in ends)
        before, wrapped, after = ([], plain, []) if is_end else wrap(plain)
        made.append((layer, plain, wrapped))
        for replacing in (*before, wrapped):
            x = replacing(x)
        if factors is not None:
            x = x * factors
        for replacing in after:
            x = replacing(x)
        return x

    joints = model.adjacency.shape[1]
    shapes = {"keypoints_2d": (joints, 2)}
    if model.seen_input:
        shapes["seen"] = (joints,)
    inputs = {n: tf_keras.Input(shape, name=n) for n, shape in shapes.items()}
    # A graph convolution's kernel is compressed as a whole, as AMPose stores
    # it. Activations are rounded before joints are gathered; in files, after.
    graph_conv = mobile.stacked_graph_conv
    poses_3d = mobile.lift(model, **inputs, dense=dense, graph_conv=graph_conv)
    if not model.seen_input:
        inputs = inputs["keypoints_2d"]
    return tf_keras.Model(inputs, poses_3d), made


def _take_over(made):
    """Copies the twin's weights to AMPose's dense layers."""
    for layer, plain, wrapped in made:
        # A call of a wrapper stores the computed kernel in the layer.
        wrapped(tf.zeros((1, 1, plain.input_spec.axes[-1])), training=False)
        weights = [np.asarray(plain.kernel)]
        if plain.use_bias:
            weights.append(np.asarray(plain.bias))
        if not all(np.isfinite(array).all() for array in weights):
            raise FloatingPointError(
                "The weights are not finite after fine-tuning; lower "
                "export.finetune_learning_rate"
            )
        layer.set_weights(weights)


def _wrapper(technique, before, steps, options):
    """Returns the `wrap` function of a technique, see `twin`."""
    if technique == "prune":
        return _pruning(steps, options)
    if technique == "cluster":
        return _clustering(options.clusters, "prune" in before)
    return _quantising(before, options.qat_bits)


def _pruning(steps, options):
    last = max(1, round(options.pruning_share * steps))
    interval = max(1, last // _PRUNINGS)
    schedule = {
        "pruning_schedule": tfmot.sparsity.keras.PolynomialDecay(
            initial_sparsity=0.0,
            final_sparsity=options.sparsity,
            begin_step=0,
            # The library prunes only at multiples of the interval.
            end_step=last - last % interval,
            frequency=interval,
        )
    }
    if options.sparsity_pattern == "2:4":
        schedule = {"sparsity_m_by_n": (2, 4)}
    prune = tfmot.sparsity.keras.prune_low_magnitude
    return lambda layer: ([], prune(layer, **schedule), [])


def _clustering(clusters, sparse):
    def wrap(layer):
        kernel = np.asarray(layer.kernel)
        wrapped = cluster.cluster_weights(
            layer, number_of_clusters=clusters, preserve_sparsity=sparse
        )
        wrapped.build((None, *kernel.shape[:1]))
        centroids = wrapped.cluster_centroids["kernel"]
        centroids.assign(_means(kernel, np.asarray(centroids), sparse))
        return [], wrapped, []

    return wrap


def _means(kernel, centroids, sparse):
    """Returns centroids by k-means; the library selects random weights."""
    values, moving = kernel.ravel(), np.full(len(centroids), True)
    if sparse:
        # The centroid at zero is reserved for pruned weights.
        values, moving = values[values != 0], centroids != 0
    quantiles = (np.arange(moving.sum()) + 0.5) / moving.sum()
    with warnings.catch_warnings():
        # A centroid that is not the nearest of any weight does not move.
        warnings.filterwarnings("ignore", "One of the clusters is empty")
        found, _ = scipy.cluster.vq.kmeans2(
            values, np.quantile(values, quantiles), minit="matrix"
        )
    centroids = centroids.copy()
    centroids[moving] = np.sort(found)
    return centroids


class _Quantisation(tfmot.quantization.keras.QuantizeConfig):
    """Quantises a kernel, or the output of a layer without a kernel.

    Args:
        weights: The kernel's `Quantizer`; None to quantise the output to its
            range in each batch.
    """

    def __init__(self, weights=None):
        self._weights = weights

    def get_weights_and_quantizers(self, layer):
        return [(layer.kernel, self._weights)] if self._weights else []

    def get_activations_and_quantizers(self, layer):
        return []

    def set_quantize_weights(self, layer, quantize_weights):
        for kernel in quantize_weights:
            layer.kernel = kernel

    def set_quantize_activations(self, layer, quantize_activations):
        pass

    def get_output_quantizers(self, layer):
        if self._weights:
            return []
        return [
            tfmot.quantization.keras.quantizers.LastValueQuantizer(
                num_bits=8, per_axis=False, symmetric=False, narrow_range=False
            )
        ]

    def get_config(self):
        return {"weights": self._weights}


def _quantising(before, bits):
    wrapper = tfmot.quantization.keras.QuantizeWrapperV2

    def passing(name):
        layer = tf_keras.layers.Activation("linear", name=name)
        return wrapper(layer, _Quantisation())

    def wrap(layer):
        weights = _weight_quantizer(layer, before, bits)
        return (
            [passing(f"{layer.name}_input")],
            wrapper(layer, _Quantisation(weights)),
            [passing(f"{layer.name}_output")],
        )

    return wrap


def _weight_quantizer(layer, before, bits):
    """Returns a kernel's quantiser, which preserves earlier techniques."""
    if "cluster" in before:
        scheme = tfmot.experimental.combine
        scheme = scheme.Default8BitClusterPreserveQuantizeScheme(
            preserve_sparsity="prune" in before
        )
    elif "prune" in before:
        scheme = tfmot.quantization.keras.collab_opts
        scheme = scheme.Default8BitPrunePreserveQuantizeScheme()
    else:
        return tfmot.quantization.keras.quantizers.LastValueQuantizer(
            num_bits=bits, per_axis=True, symmetric=True, narrow_range=True
        )
    config = scheme.get_quantize_registry().get_quantize_config(layer)
    quantizer = config.weight_quantizer
    quantizer.num_bits = bits
    # One scale per output channel, as in the files, unless the kernel was
    # clustered: different scales would split a cluster.
    quantizer.per_axis = "cluster" not in before
    return quantizer

import inspect
import itertools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from scipy.special import erf

from ampose_tf.models import elements, layers
from ampose_tf.skeleton import Skeleton

# Five joints, six channels and three heads of two.
JOINTS, WIDTH, HEADS = 5, 6, 3
TREE = Skeleton(
    ("hip", "right", "left", "spine", "head"),
    (-1, 0, 0, 0, 3),
    left=(2,),
    right=(1,),
)
ADJACENCY = TREE.adjacency()


def numbers(*shape, seed=3):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def randomise(layer, seed=5):
    """Gives every weight a value of its own, biases and norms included."""
    random = np.random.default_rng(seed)
    for variable in layer.variables:
        if not variable.dtype.startswith("float"):
            continue  # The state of dropout's generator.
        values = random.normal(scale=0.5, size=variable.shape)
        if variable.name in ("gamma", "moving_variance"):
            values = 1 + np.abs(values)
        variable.assign(values)
    return layer


def built(layer, joints=JOINTS, width=WIDTH):
    layer.build((None, joints, width))
    return randomise(layer)


# The formulas in NumPy, each from a layer's own weights.


def gelu(x):
    return x * (1 + erf(x / np.sqrt(2))) / 2


def dense(layer, x):
    return x @ np.float64(layer.kernel) + np.float64(layer.bias)


def layer_norm(layer, x):
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(
        x.var(-1, keepdims=True) + 1e-6
    )
    return x * np.float64(layer.gamma) + np.float64(layer.beta)


def batch_norm(layer, x):
    x = (x - np.float64(layer.moving_mean)) / np.sqrt(
        np.float64(layer.moving_variance) + 1e-5
    )
    return x * np.float64(layer.gamma) + np.float64(layer.beta)


def mlp(layer, x):
    return dense(layer.contract, gelu(dense(layer.expand, x)))


def graph_conv(layer, x):
    """A slow loop over groups, joints and neighbours."""
    units, adjacency = layer.units, layer.adjacency
    kernel = np.float64(layer.dense.kernel)
    result = np.zeros((*x.shape[:2], units))
    for group, joint, neighbour in itertools.product(
        *map(range, adjacency.shape)
    ):
        columns = slice(group * units, (group + 1) * units)
        sent = x[:, neighbour] @ kernel[:, columns]
        if layer.bias == "group":
            sent = sent + np.float64(layer.dense.bias)[columns]
        result[:, joint] += adjacency[group, joint, neighbour] * sent
    if layer.bias == "shared":
        result += np.float64(layer.shared_bias)
    return result


def attention(encoder, x, divisor):
    """Multi-head attention, one pose and one head after the other."""
    qkv = dense(encoder.query_key_value, x)
    mixed = np.zeros_like(x)
    size = WIDTH // HEADS
    for pose, head in itertools.product(range(len(x)), range(HEADS)):
        query, key, value = (
            qkv[pose, :, part * WIDTH + head * size :][:, :size]
            for part in range(3)
        )
        weights = np.exp(query @ key.T / divisor)
        weights /= weights.sum(axis=1, keepdims=True)
        mixed[pose, :, head * size : (head + 1) * size] = weights @ value
    return dense(encoder.projection, mixed)


def encode(encoder, x, divisor):
    x = x + attention(encoder, layer_norm(encoder.norm_1, x), divisor)
    return x + mlp(encoder.mlp, layer_norm(encoder.norm_2, x))


def assert_close(one, other):
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=2e-5)


def test_position_embedding_adds():
    layer = layers.PositionEmbedding()
    layer.build((None, 2, 3))
    layer.embedding.assign([[1, 2, 3], [4, 5, 6]])
    added = layer(np.array([[[10, 20, 30]] * 2, [[0, 0, 7]] * 2], np.float32))
    np.testing.assert_array_equal(
        added,
        [[[11, 22, 33], [14, 25, 36]], [[1, 2, 10], [4, 5, 13]]],
    )


def test_position_embedding_starts_small():
    layer = layers.PositionEmbedding()
    # So many that 5 % are nine standard deviations of what is measured.
    layer.build((None, 17, 1009))
    assert np.std(layer.embedding) == pytest.approx(0.02, rel=0.05)


# Joint 0 hears itself; joint 1 itself and, four times, joint 0.
HAND = [[[1, 0], [0, 1]], [[0, 0], [4, 0]]]


def test_graph_convolution_by_hand():
    conv = layers.PartitionedGraphConv(1, HAND)
    conv.build((None, 2, 1))
    conv.set_weights([np.array([[2, 3]]), np.array([10, 100])])
    # 2·1 + 10 = 12; 2·5 + 10 + 4 (3·1 + 100) = 432.
    values = conv(np.array([[[1], [5]]], np.float32))
    np.testing.assert_array_equal(values, [[[12], [432]]])


def test_graph_convolution_with_a_shared_bias_by_hand():
    conv = layers.PartitionedGraphConv(1, HAND, bias="shared")
    conv.build((None, 2, 1))
    conv.dense.kernel.assign([[2, 3]])
    conv.shared_bias.assign([7])
    # 2·1 + 7 = 9; 2·5 + 4·3·1 + 7 = 29.
    values = conv(np.array([[[1], [5]]], np.float32))
    np.testing.assert_array_equal(values, [[[9], [29]]])


@pytest.mark.parametrize("bias", ["group", "shared"])
@pytest.mark.parametrize("groups", [1, 2, 3])
def test_graph_convolution_equals_a_slow_loop(groups, bias):
    # Full and asymmetric: neither axis nor group can be taken for another.
    adjacency = numbers(groups, JOINTS, JOINTS)
    conv = layers.PartitionedGraphConv(7, adjacency, bias=bias)
    built(conv, width=2)
    x = numbers(11, JOINTS, 2)
    assert_close(conv(x), graph_conv(conv, np.float64(x)))


def test_a_group_bias_is_not_a_shared_one():
    # The hip has three children and no parent: it gets b_0 + 3 b_2 / sqrt 3.
    conv = layers.PartitionedGraphConv(1, ADJACENCY)
    conv.build((None, JOINTS, 2))
    conv.set_weights([np.zeros((2, 3)), np.array([1, 10, 100])])
    values = np.ravel(conv(np.zeros((1, JOINTS, 2))))
    leg = 1 + 10 / np.sqrt(3)
    expected = [1 + np.sqrt(3) * 100, leg, leg, leg + 100, 11]
    np.testing.assert_allclose(values, expected, rtol=1e-6)


def test_graph_convolution_of_other_joints():
    conv = layers.PartitionedGraphConv(7, ADJACENCY)
    with pytest.raises(ValueError, match="input of 5 joints, got shape"):
        conv(numbers(2, 3, WIDTH))


def test_unknown_options():
    with pytest.raises(ValueError, match="'none'; expected group, shared"):
        layers.PartitionedGraphConv(3, ADJACENCY, bias="none")
    with pytest.raises(ValueError, match="'out'; expected mid, input"):
        layers.GCNBlock(3, ADJACENCY, residual_from="out")
    with pytest.raises(ValueError, match="design 'gat'; expected ours"):
        layers.GCNBlock(3, ADJACENCY, design="gat")
    with pytest.raises(ValueError, match="7 is not divisible by 3 heads"):
        layers.TransformerEncoder(7, 3)
    with pytest.raises(ValueError, match="'width'; expected head_dim or full"):
        layers.TransformerEncoder(6, 3, attention_scale="width")


def phi(block, x, index):
    norms = {"ln": layer_norm, "bn": batch_norm}
    if block.norm in norms:
        x = norms[block.norm](block.norms[index], x)
    return {"gelu": gelu, "relu": lambda y: np.maximum(y, 0)}.get(
        block.activation, lambda y: y
    )(x)


def formula(block, x):
    """Spec, section 2.2."""
    convs = block.convs
    if block.design == "transformer":
        y = x + graph_conv(convs[0], layer_norm(block.norms[0], x))
        return y + mlp(block.mlp, layer_norm(block.norms[1], y))
    if block.design == "convnext":
        y = layer_norm(block.norms[0], graph_conv(convs[0], x))
        return x + mlp(block.mlp, y)
    if block.residual_from == "input":
        y = phi(block, graph_conv(convs[0], x), 0)
        return x + graph_conv(convs[1], y)
    y = phi(block, graph_conv(convs[0], x), 0)
    if block.design == "two_residual":
        y = x + y
    return y + phi(block, graph_conv(convs[1], y), 1)


BLOCKS = [
    *(
        {"design": design, "norm": norm, "activation": activation}
        for design, norm, activation in itertools.product(
            ("ours", "two_residual"),
            ("ln", "bn", "none"),
            ("gelu", "relu", "none"),
        )
    ),
    {"design": "ours", "residual_from": "input"},
    {"design": "ours", "residual_from": "input", "norm": "bn"},
    {"design": "ours", "bias": "shared"},
    {"design": "vanilla"},
    {"design": "transformer"},
    {"design": "transformer", "mlp_ratio": 3},
    {"design": "convnext"},
    {"design": "convnext", "mlp_ratio": 3, "bias": "shared"},
]


@pytest.mark.parametrize(
    "options", BLOCKS, ids=lambda options: "-".join(map(str, options.values()))
)
def test_gcn_block_equals_its_formula(options):
    block = built(layers.GCNBlock(WIDTH, ADJACENCY, **options))
    x = numbers(7, JOINTS, WIDTH)
    values = block(x)
    assert_close(values, formula(block, np.float64(x)))
    assert np.abs(values - x).max() > 0.1


def test_gcn_block_has_the_layers_of_its_design():
    def parts(**options):
        block = layers.GCNBlock(WIDTH, ADJACENCY, **options)
        hidden = block.mlp.hidden if block.mlp else 0
        return len(block.convs), len(block.norms), hidden

    assert parts() == (2, 2, 0)
    assert parts(residual_from="input") == (2, 1, 0)
    assert parts(design="two_residual") == (2, 2, 0)
    assert parts(design="vanilla") == (2, 2, 0)
    assert parts(design="transformer") == (1, 2, WIDTH)
    assert parts(design="convnext", mlp_ratio=2) == (1, 1, 2 * WIDTH)


def test_vanilla_shares_one_kernel():
    """Equation 8 by hand: the hip of TREE has three neighbours."""
    block = built(layers.GCNBlock(WIDTH, ADJACENCY, design="vanilla"))
    conv = block.convs[0]
    assert conv.dense.kernel.shape == (WIDTH, WIDTH)
    x = numbers(1, JOINTS, WIDTH)
    y = np.array(conv.dense(x))[0]
    # Degrees with the joint itself: hip 4, right 2, left 2, spine 3, head 2.
    expected = [
        y[0] / 4 + (y[1] + y[2]) / np.sqrt(8) + y[3] / np.sqrt(12),
        y[1] / 2 + y[0] / np.sqrt(8),
        y[2] / 2 + y[0] / np.sqrt(8),
        y[3] / 3 + y[0] / np.sqrt(12) + y[4] / np.sqrt(6),
        y[4] / 2 + y[3] / np.sqrt(6),
    ]
    assert_close(conv(x)[0], expected)


def test_batch_norm_of_a_block_trains():
    block = built(layers.GCNBlock(WIDTH, ADJACENCY, norm="bn"))
    x = numbers(7, JOINTS, WIDTH)
    before = np.array(block.norms[0].moving_mean)
    asked, trained = block(x), block(x, training=True)
    assert np.abs(asked - trained).max() > 0.1
    # Statistics over poses and joints.
    mean = graph_conv(block.convs[0], np.float64(x)).mean(axis=(0, 1))
    assert_close(block.norms[0].moving_mean, 0.9 * before + 0.1 * mean)


@pytest.mark.parametrize("options", BLOCKS[-7:])
def test_gcn_block_of_renumbered_joints(options):
    order = np.array([3, 0, 4, 2, 1])
    block = built(layers.GCNBlock(WIDTH, ADJACENCY, **options))
    renumbered = layers.GCNBlock(
        WIDTH, ADJACENCY[:, order][:, :, order], **options
    )
    built(renumbered).set_weights(block.get_weights())
    x = numbers(7, JOINTS, WIDTH)
    assert_close(renumbered(x[:, order]), np.array(block(x))[:, order])


@pytest.mark.parametrize("options", BLOCKS[-7:])
def test_gcn_block_mirrors_as_its_input_does(options):
    # The tree is its own mirror image: left and right share their weights.
    block = built(layers.GCNBlock(WIDTH, ADJACENCY, **options))
    x = numbers(7, JOINTS, WIDTH)
    mirrored = np.array(block(x[:, list(TREE.mirrored)]))
    assert_close(mirrored[:, list(TREE.mirrored)], block(x))
    assert np.abs(mirrored - block(x)).max() > 0.1


@pytest.mark.parametrize(
    ("design", "reach"),
    [
        ("ours", 2),
        ("two_residual", 2),
        ("vanilla", 2),
        ("transformer", 1),
        ("convnext", 1),
    ],
)
def test_gcn_block_is_local(design, reach):
    chain = Skeleton(tuple("abcdefg"), (-1, 0, 1, 2, 3, 4, 5), (), ())
    block = built(
        layers.GCNBlock(WIDTH, chain.adjacency(), design=design), joints=7
    )
    x = numbers(1, 7, WIDTH)
    moved = x.copy()
    moved[:, 3] += numbers(WIDTH)
    change = np.abs(np.array(block(moved)) - np.array(block(x)))[0].max(axis=1)
    distance = np.abs(np.arange(7) - 3)
    assert (change[distance > reach] == 0).all()
    assert (change[distance <= reach] > 1e-3).all()


def test_encoder_by_hand():
    encoder = layers.TransformerEncoder(2, 1)
    encoder.build((None, 2, 2))
    encoder.query_key_value.kernel.assign(
        [[0, 0, 0, 0, 1, 2], [0, 0, 0, 0, 3, 4]]
    )
    encoder.query_key_value.bias.assign([1, 2, 3, 4, 10, 20])
    encoder.projection.kernel.assign([[1, 0], [1, 2]])
    encoder.projection.bias.assign([100, 200])
    encoder.mlp.expand.kernel.assign([[10, -10, 0, 0], [30, -30, 20, 40]])
    encoder.mlp.contract.kernel.assign([[1, 2], [3, 4], [5, 6], [7, 8]])
    encoder.mlp.contract.bias.assign([1, 2])
    # The norms are (-1, 1) and (1, -1), the values (12, 22) and (8, 18). All
    # keys are alike, so each joint hears the mean, (10, 20): (30, 40) +
    # (100, 200) are added. The norms of (133, 245) and (135, 243) are
    # (-1, 1): GELU of (20, -20, 20, 40) is (20, 0, 20, 40), and
    # (400, 480) + (1, 2) are added.
    values = encoder(np.array([[[3, 5], [5, 3]]], np.float32))
    np.testing.assert_allclose(values, [[[534, 727], [536, 725]]], rtol=1e-5)


@pytest.mark.parametrize(
    ("scale", "divisor"),
    [("head_dim", np.sqrt(WIDTH / HEADS)), ("full_dim", np.sqrt(WIDTH))],
)
def test_encoder_equals_its_formula(scale, divisor):
    encoder = built(
        layers.TransformerEncoder(WIDTH, HEADS, attention_scale=scale)
    )
    x = numbers(7, JOINTS, WIDTH)
    values = encoder(x)
    assert_close(values, encode(encoder, np.float64(x), divisor))
    # The other scale, or a mistaken one, is another function.
    for other in (np.sqrt(WIDTH / HEADS), np.sqrt(WIDTH), 1, WIDTH):
        if other != divisor:
            wrong = encode(encoder, np.float64(x), other)
            assert np.abs(values - wrong).max() > 1e-2


def test_encoder_hidden_width():
    encoder = layers.TransformerEncoder(WIDTH, HEADS, mlp_ratio=4)
    assert encoder.mlp.hidden == 24
    assert layers.TransformerEncoder(WIDTH, HEADS).mlp.hidden == 12


def test_encoder_knows_no_order_of_joints():
    encoder = built(layers.TransformerEncoder(WIDTH, HEADS))
    x = numbers(7, JOINTS, WIDTH)
    order = [3, 0, 4, 2, 1]
    assert_close(encoder(x[:, order]), np.array(encoder(x))[:, order])


def test_encoder_is_global():
    encoder = built(layers.TransformerEncoder(WIDTH, HEADS))
    x = numbers(1, JOINTS, WIDTH)
    moved = x.copy()
    moved[:, 3] += numbers(WIDTH)
    change = np.abs(np.array(encoder(moved)) - np.array(encoder(x)))
    assert (change.max(axis=-1) > 1e-4).all()


@pytest.mark.parametrize("option", ["dropout", "drop_path"])
def test_dropping_everything_leaves_the_input(option):
    encoder = built(
        layers.TransformerEncoder(WIDTH, HEADS, **{option: 0.999999})
    )
    x = numbers(7, JOINTS, WIDTH)
    np.testing.assert_array_equal(encoder(x, training=True), x)
    for asked in (encoder(x), encoder(x, training=False)):
        assert_close(asked, encode(encoder, np.float64(x), np.sqrt(2)))


def test_drop_path_drops_whole_poses():
    encoder = built(layers.TransformerEncoder(WIDTH, HEADS, drop_path=0.5))
    x = np.float64(numbers(97, JOINTS, WIDTH))
    # With a rate of a half, what stays counts twice.
    double = x + 2 * attention(
        encoder, layer_norm(encoder.norm_1, x), np.sqrt(2)
    )
    outcomes = np.stack(
        [
            y + 2 * kept * mlp(encoder.mlp, layer_norm(encoder.norm_2, y))
            for y in (x, double)
            for kept in (0, 1)
        ]
    )
    values = np.array(encoder(x.astype(np.float32), training=True))
    errors = np.abs(outcomes - values).max(axis=(2, 3))  # (4, 97)
    assert errors.min(axis=0).max() < 1e-4
    counts = np.bincount(errors.argmin(axis=0), minlength=4)
    # A quarter each, to four standard deviations.
    assert counts.min() > 24 - 17
    assert counts.max() < 24 + 17


def test_dropout_drops_single_channels():
    encoder = built(layers.TransformerEncoder(WIDTH, HEADS, dropout=0.5))
    encoder.mlp.contract.kernel.assign(np.zeros((2 * WIDTH, WIDTH)))
    encoder.mlp.contract.bias.assign(np.zeros(WIDTH))
    x = np.float64(numbers(31, JOINTS, WIDTH))
    attended = attention(encoder, layer_norm(encoder.norm_1, x), np.sqrt(2))
    values = np.array(encoder(x.astype(np.float32), training=True))
    dropped = np.abs(values - x) < 1e-6
    kept = np.abs(values - x - 2 * attended) < 1e-4
    assert (dropped | kept).all()
    assert 0.4 < dropped.mean() < 0.6
    # In most joints some are dropped and some kept.
    count = dropped.sum(axis=-1)
    assert ((count > 0) & (count < WIDTH)).mean() > 0.8


# Every layer, with no argument at its default.
LAYERS = {
    "position": (layers.PositionEmbedding, {}),
    "conv": (
        layers.PartitionedGraphConv,
        {
            "units": 7,
            "adjacency": ADJACENCY.tolist(),
            "bias": "shared",
            "initializer": "torch",
        },
    ),
    "block": (
        layers.GCNBlock,
        {
            "width": WIDTH,
            "adjacency": ADJACENCY.tolist(),
            "design": "two_residual",
            "residual_from": "input",
            "mlp_ratio": 2,
            "norm": "bn",
            "activation": "relu",
            "bias": "shared",
            "initializer": "trunc_normal",
        },
    ),
    "block_with_mlp": (
        layers.GCNBlock,
        {
            "width": WIDTH,
            "adjacency": ADJACENCY.tolist(),
            "design": "transformer",
            "residual_from": "input",
            "mlp_ratio": 2,
            "norm": "none",
            "activation": "none",
            "bias": "shared",
            "initializer": "torch",
        },
    ),
    "encoder": (
        layers.TransformerEncoder,
        {
            "width": WIDTH,
            "heads": HEADS,
            "mlp_ratio": 4,
            "attention_scale": "full_dim",
            "dropout": 0.25,
            "drop_path": 0.125,
            "initializer": "torch",
        },
    ),
    "mlp": (
        elements.MLP,
        {"width": WIDTH, "hidden": 7, "initializer": "torch"},
    ),
}
every_layer = pytest.mark.parametrize(
    ("kind", "arguments"), LAYERS.values(), ids=LAYERS
)


@every_layer
def test_arguments_survive_get_config(kind, arguments):
    names = list(inspect.signature(kind).parameters)
    assert set(names) - {"args", "kwargs"} == set(arguments)
    layer = built(kind(**arguments, name="some_name"))
    config = json.loads(json.dumps(layer.get_config()))
    for name, value in arguments.items():
        if name == "adjacency":
            np.testing.assert_array_equal(
                np.float32(config[name]), np.float32(value)
            )
        else:
            assert config[name] == value
    copy = kind.from_config(config)
    assert copy.name == "some_name"
    assert copy.get_config() == layer.get_config()
    built(copy).set_weights(layer.get_weights())
    x = numbers(7, JOINTS, WIDTH)
    np.testing.assert_array_equal(copy(x), layer(x))


@every_layer
def test_layers_survive_a_file(tmp_path, kind, arguments):
    inputs = keras.Input((JOINTS, WIDTH))
    model = randomise(keras.Model(inputs, kind(**arguments)(inputs)))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    x = numbers(7, JOINTS, WIDTH)
    np.testing.assert_array_equal(loaded(x), model(x))
    assert isinstance(loaded.layers[1], kind)


@every_layer
def test_output_shapes(kind, arguments):
    layer = kind(**arguments)
    width = arguments.get("units", WIDTH)
    assert layer.compute_output_shape((7, JOINTS, WIDTH)) == (7, JOINTS, width)
    symbolic = layer(keras.Input((JOINTS, WIDTH)))
    assert symbolic.shape == (None, JOINTS, width)
    for batch in (0, 1, 7):
        x = numbers(batch, JOINTS, WIDTH)
        assert layer(x).shape == (batch, JOINTS, width)


@every_layer
@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_mixed_precision(kind, arguments, half):
    layer = built(kind(**arguments, dtype=f"mixed_{half}"))
    assert {v.dtype for v in layer.weights} == {"float32"}
    # Private, see tests/test_private_apis.py.
    for inner in layer._flatten_layers():
        assert inner.compute_dtype == half
    x = numbers(7, JOINTS, WIDTH)
    values = layer(x)
    assert values.dtype == half
    full = kind(**arguments)
    built(full)
    error = np.abs(np.float32(ops.cast(values, "float32")) - full(x))
    assert 0 < error.max() < (0.2 if half == "bfloat16" else 0.03)


@every_layer
def test_gradients_reach_every_weight(kind, arguments):
    layer = built(kind(**arguments))
    x = tf.constant(numbers(7, JOINTS, WIDTH))
    with tf.GradientTape() as tape:
        tape.watch(x)
        values = layer(x)
        loss = ops.sum(values * numbers(*values.shape, seed=7))
    variables = [v.value for v in layer.trainable_variables]
    *gradients, to_input = tape.gradient(loss, [*variables, x])
    without = [
        variable.path
        for variable, gradient in zip(
            layer.trainable_variables, gradients, strict=True
        )
        if gradient is None or np.abs(gradient).max() < 1e-4
    ]
    assert without == []
    assert (np.abs(to_input).max(axis=-1) > 1e-4).all()


def test_logits_that_float16_could_not_hold():
    # Queries and keys of 200 in each of a head's two channels: 80,000, beyond
    # float16's 65,504; 57,000 with the scale.
    encoder = layers.TransformerEncoder(WIDTH, HEADS, dtype="mixed_float16")
    encoder.build((None, JOINTS, WIDTH))
    encoder.query_key_value.bias.assign([200.0] * 12 + [1.0] * 6)
    assert np.isfinite(encoder(numbers(7, JOINTS, WIDTH))).all()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_softmax_in_float32(policy, monkeypatch):
    seen = []
    original = ops.softmax

    def recording_softmax(x, axis):
        seen.append(keras.backend.standardize_dtype(x.dtype))
        return original(x, axis=axis)

    monkeypatch.setattr(ops, "softmax", recording_softmax)
    encoder = layers.TransformerEncoder(WIDTH, HEADS, dtype=policy)
    encoder(numbers(7, JOINTS, WIDTH))
    assert seen == ["float32"]

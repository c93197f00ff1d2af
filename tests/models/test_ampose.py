import dataclasses
import functools
import inspect
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from ampose_tf import config
from ampose_tf.models import layers
from ampose_tf.models.ampose import AMPose
from ampose_tf.models.losses import mse_joint
from ampose_tf.skeleton import H36M_16, H36M_17, Skeleton

# Five joints, six channels and three heads of two.
JOINTS = 5
TREE = Skeleton(
    ("hip", "right", "left", "spine", "head"),
    (-1, 0, 0, 0, 3),
    left=(2,),
    right=(1,),
)
ADJACENCY = TREE.adjacency()
SMALL = {"depth": 2, "width": 6, "heads": 3}

# No argument is at its default.
OTHERS = {
    "depth": 3,
    "width": 6,
    "heads": 2,
    "attention_scale": "full_dim",
    "mlp_ratio": 3,
    "position": "shared",
    "gcn": "transformer",
    "residual_from": "input",
    "gcn_mlp_ratio": 2,
    "gcn_norm": "bn",
    "gcn_act": "relu",
    "gc_bias": "shared",
    "initializer": "torch",
    "dropout": 0.25,
    "drop_path": 0.5,
    "final_norm": True,
    "normalisation": "width",
    "seen_input": True,
    "frame": "person",
}


def small(**options):
    return randomise(AMPose(ADJACENCY, **(SMALL | options)))


def randomise(model, seed=5):
    """Gives every weight a value of its own, biases and norms included."""
    random = np.random.default_rng(seed)
    for variable in model.weights:
        values = random.normal(scale=0.4, size=variable.shape)
        if variable.name in ("gamma", "moving_variance"):
            values = 1 + np.abs(values)
        variable.assign(values)
    return model


def inputs_of(model, keypoints_2d):
    """Returns what a model takes: with `seen`, some joints are not."""
    if not model.seen_input:
        return keypoints_2d
    seen = np.ones(keypoints_2d.shape[:2], np.float32)
    seen[::2, 1] = seen[::3, 4] = 0
    return {"keypoints_2d": keypoints_2d, "seen": seen}


def keypoints(count=7, joints=JOINTS, seed=3):
    random = np.random.default_rng(seed)
    return random.uniform(-1, 1, (count, joints, 2)).astype(np.float32)


def test_arguments_are_those_of_the_configuration():
    parameters = dict(inspect.signature(AMPose).parameters)
    assert next(iter(parameters)) == "adjacency"
    del parameters["adjacency"]
    for name, default in (
        ("dtype", "float32"),
        ("name", None),
        ("trainable", True),
    ):
        assert parameters.pop(name).default == default
    defaults = {name: p.default for name, p in parameters.items()}
    assert defaults == dataclasses.asdict(config.Model())
    assert list(defaults) == [f.name for f in dataclasses.fields(config.Model)]


def test_others_are_all_other():
    defaults = dataclasses.asdict(config.Model())
    assert list(OTHERS) == list(defaults)
    assert [n for n in OTHERS if OTHERS[n] == defaults[n]] == []


@functools.cache
def full_size(skeleton=H36M_17, **options):
    """(layer, name of the weight, shape) of a model of the paper's size."""
    model = AMPose(skeleton.adjacency(), **options)
    return [
        (layer.name, variable.path, tuple(variable.shape))
        for layer in model.layers
        for variable in layer.trainable_variables
    ]


def count(weights, layer="", ending=""):
    return sum(
        int(np.prod(shape))
        for name, path, shape in weights
        if name.startswith(layer) and path.endswith(ending)
    )


DESIGNS = ("ours", "two_residual", "transformer", "convnext")


@pytest.mark.parametrize(
    ("design", "kernels", "total"),
    [
        ("ours", 18_350_080, 18_450_435),
        ("two_residual", 18_350_080, 18_450_435),
        ("transformer", 17_039_360, 17_137_155),
        ("convnext", 17_039_360, 17_132_035),
    ],
)
def test_parameters_of_the_papers_network(design, kernels, total):
    # Spec, sections 2.1 and 2.4.
    weights = full_size(gcn=design)
    blocks = [w for w in weights if w[0].startswith(("encoder_", "gcn_"))]
    assert count(blocks, ending="kernel") == kernels
    assert count(weights) == total


def test_parameters_of_the_designs_for_comparison():
    """Per block d = 512: encoder 8 d d, GCN 6 d d or, by eq. 8, 2 d d."""
    square, both_ends = 512 * 512, 5 * 512
    for design, per_block in (("none", 8), ("gcn_only", 6), ("vanilla", 10)):
        kernels = count(full_size(gcn=design), ending="kernel")
        assert kernels == 5 * per_block * square + both_ends
    layers = {w[0].split("_")[0] for w in full_size(gcn="none")}
    assert layers == {"embedding", "position", "encoder", "poses"}
    layers = {w[0].split("_")[0] for w in full_size(gcn="gcn_only")}
    assert layers == {"embedding", "gcn", "poses"}


def test_breakdown_of_the_parameters():
    # Spec, section 2.4.
    weights = full_size(gcn="ours")
    norms = ("gamma", "beta")
    encoders = [w for w in weights if w[0].startswith("encoder_")]
    attention = [w for w in encoders if "mlp" not in w[1]]
    mlps = [w for w in encoders if "mlp" in w[1]]
    assert count(weights, "embedding") == 1536
    assert count(weights, "poses_3d") == 1539
    assert count(weights, "position_") == 43_520
    assert count(attention, ending="kernel") == 5_242_880
    assert count(attention, ending="bias") == 10_240
    assert count(mlps, ending="kernel") == 5_242_880
    assert count(mlps, ending="bias") == 7_680
    assert count(encoders, ending=norms) == 10_240
    assert count(weights, "gcn_", "kernel") == 7_864_320
    assert count(weights, "gcn_", "bias") == 15_360
    assert count(weights, "gcn_", norms) == 10_240


@pytest.mark.parametrize(
    ("skeleton", "options", "total"),
    [
        (H36M_16, {}, 18_447_875),
        (H36M_17, {"gc_bias": "shared"}, 18_450_435 - 10_240),
        (H36M_17, {"position": "shared"}, 18_450_435 - 4 * 17 * 512),
        (H36M_17, {"final_norm": True}, 18_450_435 + 2 * 512),
        # One norm fewer per block, which takes 1024.
        (H36M_17, {"residual_from": "input"}, 18_450_435 - 5 * 1024),
    ],
    ids=["16", "shared_bias", "shared_position", "final_norm", "input"],
)
def test_parameters_of_its_variants(skeleton, options, total):
    assert count(full_size(skeleton, **options)) == total


@pytest.mark.parametrize("position", ["per_layer", "shared"])
@pytest.mark.parametrize("final_norm", [False, True])
def test_the_network_is_its_layers_in_the_papers_order(position, final_norm):
    model = small(position=position, final_norm=final_norm)
    x = keypoints()
    y = model.get_layer("embedding")(x)
    for index in ("1", "2"):
        first = "1" if position == "shared" else index
        y = model.get_layer(f"position_{first}")(y)
        y = model.get_layer(f"encoder_{index}")(y)
        y = model.get_layer(f"gcn_{index}")(y)
    if final_norm:
        y = model.get_layer("final_norm")(y)
    y = model.get_layer("poses_3d")(y)
    np.testing.assert_allclose(model(x), y, atol=1e-6)
    positions = [
        layer
        for layer in model.layers
        if isinstance(layer, layers.PositionEmbedding)
    ]
    assert len(positions) == (1 if position == "shared" else 2)


def test_every_argument_reaches_its_layers():
    # design, which needs two values to show residual_from.
    for design in DESIGNS:
        model = AMPose(ADJACENCY, **(OTHERS | {"gcn": design}))
        encoders = [model.get_layer(f"encoder_{i}") for i in (1, 2, 3)]
        blocks = [model.get_layer(f"gcn_{i}") for i in (1, 2, 3)]
        assert len(model.layers) == 2 + 1 + 1 + 1 + 3 + 3 + 1 + 1
        assert model.get_layer("channels").frame == "person"
        assert [e.drop_path for e in encoders] == [0, 0.25, 0.5]
        for encoder in encoders:
            assert encoder.width == 6
            assert encoder.heads == 2
            assert encoder.attention_scale == "full_dim"
            assert encoder.mlp_ratio == 3
            assert encoder.dropout == 0.25
            assert encoder.initializer == "torch"
        for block in blocks:
            assert block.width == 6
            assert block.design == design
            assert block.residual_from == "input"
            assert block.mlp_ratio == 2
            assert block.norm == "bn"
            assert block.activation == "relu"
            assert block.bias == "shared"
            assert block.initializer == "torch"
            np.testing.assert_array_equal(block.adjacency, ADJACENCY)


def test_one_layer_alone_is_never_skipped():
    model = small(depth=1, drop_path=0.5)
    assert model.get_layer("encoder_1").drop_path == 0


@pytest.mark.parametrize("name", ["torch", "trunc_normal"])
def test_every_kernel_is_initialised_as_asked(name):
    model = AMPose(ADJACENCY, **(SMALL | {"initializer": name, "width": 48}))
    kernels = [v for v in model.variables if v.path.endswith("kernel")]
    # Embedding, head; 4 in each encoder, 2 in each block.
    assert len(kernels) == 2 + 2 * (4 + 2)
    for kernel in kernels:
        largest = np.abs(kernel).max()
        bound = 0.04 if name == "trunc_normal" else kernel.shape[0] ** -0.5
        if kernel.path == "poses_3d/kernel":
            # Cut at two deviations of 1e-3, whatever the others do.
            bound = 2e-3
        assert 0.7 * bound < largest <= bound


def test_the_seed_decides_the_weights():
    def weights(seed):
        keras.utils.set_random_seed(seed)
        return np.concatenate(
            [w.ravel() for w in AMPose(ADJACENCY, **SMALL).get_weights()]
        )

    np.testing.assert_array_equal(weights(3), weights(3))
    assert np.mean(weights(3) != weights(4)) > 0.5


def test_dropping_is_for_training_alone():
    for option in ("dropout", "drop_path"):
        model = small(**{option: 0.5})
        x = keypoints()
        np.testing.assert_array_equal(model(x), model(x, training=False))
        np.testing.assert_array_equal(model(x), small()(x))
        change = np.abs(model(x, training=True) - model(x))
        assert change.max() > 1e-3


def test_an_unknown_argument():
    with pytest.raises(TypeError, match="gcn_bias"):
        AMPose(ADJACENCY, **SMALL, gcn_bias="shared")


def test_not_trainable():
    model = AMPose(ADJACENCY, **SMALL, trainable=False)
    assert model.trainable_variables == []
    assert not AMPose.from_config(model.get_config()).trainable


def test_unknown_position():
    with pytest.raises(ValueError, match="'sine'; expected per_layer, shared"):
        AMPose(ADJACENCY, **SMALL, position="sine")


def test_a_batch_of_any_size():
    model = small()
    x = keypoints(11)
    whole = np.array(model(x))
    assert whole.shape == (11, JOINTS, 3)
    for start, stop in ((0, 1), (1, 3), (3, 10), (10, 11)):
        np.testing.assert_allclose(
            model(x[start:stop]), whole[start:stop], atol=1e-5
        )
    assert model(x[:0]).shape == (0, JOINTS, 3)
    assert model.output_shape == (None, JOINTS, 3)
    assert model.input.name == "keypoints_2d"


@pytest.mark.parametrize("design", DESIGNS)
def test_gradients_reach_every_weight(design):
    model = small(gcn=design, final_norm=True)
    x = tf.constant(keypoints())
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(mse_joint(np.ones((7, JOINTS, 3)), model(x)))
    variables = model.trainable_variables
    gradients = tape.gradient(loss, [v.value for v in variables])
    without = [
        variable.path
        for variable, gradient in zip(variables, gradients, strict=True)
        if gradient is None or np.abs(gradient).max() < 1e-6
    ]
    assert without == []
    assert len(variables) == len(model.weights)


def test_arguments_survive_get_config():
    model = AMPose(
        ADJACENCY, **OTHERS, name="some_name", dtype="mixed_float16"
    )
    config_ = model.get_config()
    assert {name: config_[name] for name in OTHERS} == OTHERS
    copy = AMPose.from_config(config_)
    assert copy.get_config() == config_
    assert copy.name == "some_name"
    assert copy.dtype_policy.name == "mixed_float16"
    np.testing.assert_array_equal(copy.adjacency, ADJACENCY)


LOADING = """
import sys
import keras
import numpy as np
import ampose_tf.models.ampose

folder = sys.argv[1]
for name in sys.argv[2:]:
    model = keras.models.load_model(f"{folder}/{name}", safe_mode=True)
    inputs = np.load(f"{folder}/{name}.inputs.npz")
    inputs = inputs["plain"] if "plain" in inputs else dict(inputs)
    np.save(f"{folder}/{name}.npy", model(inputs))
    np.save(f"{folder}/{name}.adjacency.npy", model.adjacency)
    print(type(model).__name__, model.normalisation, model.dtype_policy.name)
"""


def test_files_load_in_another_process(tmp_path):
    x = keypoints()
    # An adjacency that no skeleton of the package has.
    adjacency = ADJACENCY * np.float32(0.7)
    models = {
        "plain.keras": small(),
        "others.keras": randomise(AMPose(adjacency, **OTHERS)),
        "mixed.keras": small(dtype="mixed_bfloat16"),
    }
    for name, model in models.items():
        model.save(tmp_path / name)
        inputs = inputs_of(model, x)
        if not model.seen_input:
            inputs = {"plain": inputs}
        np.savez(tmp_path / f"{name}.inputs.npz", **inputs)
    ended = subprocess.run(
        [sys.executable, "-c", LOADING, tmp_path, *models],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        "AMPose longest float32",
        "AMPose width float32",
        "AMPose longest mixed_bfloat16",
    ]
    for name, model in models.items():
        np.testing.assert_allclose(
            np.load(tmp_path / f"{name}.npy"),
            model(inputs_of(model, x)),
            atol=1e-6,
        )
        np.testing.assert_array_equal(
            np.load(tmp_path / f"{name}.adjacency.npy"), model.adjacency
        )
    assert not np.array_equal(models["others.keras"].adjacency, ADJACENCY)


MIXED = ("mixed_float16", "mixed_bfloat16")
mixed = pytest.mark.parametrize("policy", MIXED)


def test_float16_trains_with_a_scaled_loss():
    def optimizer(dtype):
        model = small(dtype=dtype)
        model.compile("adam", loss=mse_joint)
        return type(model.optimizer)

    scaled = keras.optimizers.LossScaleOptimizer
    assert optimizer("mixed_float16") is scaled
    assert optimizer("mixed_bfloat16") is keras.optimizers.Adam
    assert optimizer("float32") is keras.optimizers.Adam


@mixed
def test_where_mixed_precision_is_mixed(policy):
    model = small(dtype=policy)
    assert model.dtype_policy.name == policy
    half = policy.removeprefix("mixed_")
    for layer in model.layers[1:]:
        ends = layer.name in ("embedding", "poses_3d")
        assert layer.compute_dtype == ("float32" if ends else half)
    assert {w.dtype for w in model.weights} == {"float32"}
    values = model(keypoints())
    assert values.dtype == "float32"
    assert model.output.dtype == "float32"
    # The head's result, too, is finer than its inputs were.
    assert (tf.cast(tf.cast(values, half), "float32") != values).numpy().any()


@mixed
def test_mixed_precision_computes_nearly_the_same(policy):
    model = small(dtype=policy)
    x = keypoints()
    full = np.array(model.rebuilt()(x))
    error = np.abs(model(x) - full).max() / np.abs(full).max()
    assert 0 < error < (0.05 if "b" in policy[6:] else 0.005)


def recorded_calls(monkeypatch, layer):
    """Returns a list that the layer's coming (input, output) end up in."""
    calls = []
    original = layer.call

    def recording_call(inputs, **kwargs):
        calls.append((inputs, original(inputs, **kwargs)))
        return calls[-1][1]

    monkeypatch.setattr(layer, "call", recording_call)
    return calls


@mixed
@pytest.mark.parametrize("name", ["embedding", "poses_3d"])
def test_the_ends_compute_in_float32(policy, name, monkeypatch):
    # Within the model, that is, with weights that half has no numbers for.
    model = small(dtype=policy)
    layer = model.get_layer(name)
    calls = recorded_calls(monkeypatch, layer)
    model(keypoints())
    ((inputs, outputs),) = calls
    kernel, bias = (np.array(w, np.float64) for w in layer.get_weights())
    expected = np.float64(inputs) @ kernel + bias
    np.testing.assert_allclose(outputs, expected, atol=3e-6)


@mixed
def test_embedding_sees_what_half_precision_would_round_away(
    policy, monkeypatch
):
    # Between 0.5 and 1, bfloat16 has steps of 1/256 and float16 of 1/2048.
    step = 1e-3 if policy == "mixed_bfloat16" else 1e-4
    model = small(dtype=policy)
    embedding = model.get_layer("embedding")
    calls = recorded_calls(monkeypatch, embedding)
    x = np.full((1, JOINTS, 2), 0.9, np.float32)
    moved = x * np.float32(1 - step)
    half = policy.removeprefix("mixed_")
    np.testing.assert_array_equal(tf.cast(x, half), tf.cast(moved, half))
    model(x)
    model(moved)
    (_, one), (_, other) = calls
    np.testing.assert_allclose(
        np.array(other - one),
        (moved - x) @ np.array(embedding.kernel),
        atol=step / 100,
    )
    assert np.abs(other - one).max() > step / 10


@mixed
def test_large_inputs_stay_finite(policy):
    # Someone feeds pixels. float16's square of 300 would be infinite.
    model = small(dtype=policy)
    x = 300 * keypoints()
    values = model(x)
    assert np.isfinite(values).all()
    assert np.abs(values - model(keypoints())).max() > 1
    model.compile("sgd", loss=mse_joint, run_eagerly=True)
    loss = model.train_on_batch(x, np.ones((7, JOINTS, 3), np.float32))
    assert np.isfinite(loss)


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_rebuilt(dtype):
    model = small(dtype=dtype, normalisation="width", gcn_norm="bn")
    model.compile("adam", loss=mse_joint)
    rebuilt = model.rebuilt()
    assert isinstance(rebuilt, AMPose)
    assert rebuilt.dtype_policy.name == "float32"
    assert rebuilt.get_layer("encoder_1").compute_dtype == "float32"
    assert not rebuilt.compiled
    assert rebuilt.get_config() | {"dtype": dtype} == model.get_config()
    x = keypoints()
    if dtype == "float32":
        np.testing.assert_array_equal(rebuilt(x), model(x))
    before = np.array(model(x))
    rebuilt.set_weights([w + 1 for w in rebuilt.get_weights()])
    np.testing.assert_array_equal(model(x), before)
    assert model.rebuilt("mixed_float16").compute_dtype == "float16"


def test_it_learns():
    # By heart: seven poses, most of whose error 200 steps take away.
    keras.utils.set_random_seed(7)
    model = AMPose(ADJACENCY, **(SMALL | {"depth": 1}))
    target = np.random.default_rng(7).normal(size=(7, JOINTS, 3))
    model.compile(
        keras.optimizers.Adam(0.02), loss=mse_joint, jit_compile=False
    )
    losses = [
        model.train_on_batch(keypoints(), target.astype(np.float32))
        for _ in range(200)
    ]
    # `train_on_batch` gives the mean of all so far.
    assert losses[-1] < 0.4 * losses[0]


@pytest.mark.parametrize("frame", ["screen", "person"])
def test_unseen_joints_have_no_influence(frame):
    model = small(seen_input=True, frame=frame)
    inputs = inputs_of(model, keypoints())
    moved = np.where(
        inputs["seen"][..., None] == 1, inputs["keypoints_2d"], 9.0
    )
    np.testing.assert_array_equal(
        model(inputs), model(inputs | {"keypoints_2d": moved})
    )
    # A joint that is not seen is not one at the centre of the image.
    seen = np.ones_like(inputs["seen"])
    centred = inputs["keypoints_2d"] * inputs["seen"][..., None]
    other = model({"keypoints_2d": centred, "seen": seen})
    assert np.abs(other - model(inputs)).max() > 1e-3

import keras
import numpy as np
import pytest
from keras import ops
from scipy.special import erf

from ampose_tf.models import elements


def call(function, *values, dtype="float32"):
    return np.asarray(
        function(ops.convert_to_tensor(values, dtype)), np.float64
    )


def test_torch_draws_as_torch_does():
    # U(-1/sqrt(7), 1/sqrt(7)), whose variance is a third of the bound's
    # square. Glorot's bound would be sqrt(6 / (7 + 3001)).
    kernel = np.asarray(elements.kernel_initializer("torch")((7, 3001)))
    bound = 1 / np.sqrt(7)
    assert 0.999 * bound < np.abs(kernel).max() <= bound
    assert kernel.var() == pytest.approx(bound**2 / 3, rel=0.02)
    assert kernel.mean() == pytest.approx(0, abs=0.01 * bound)


def test_glorot_uniform():
    kernel = np.asarray(
        elements.kernel_initializer("glorot_uniform")((7, 3001))
    )
    bound = np.sqrt(6 / 3008)
    assert 0.999 * bound < np.abs(kernel).max() <= bound


def test_trunc_normal():
    kernel = np.asarray(elements.kernel_initializer("trunc_normal")((7, 3001)))
    # Cut at two deviations, which leaves 0.88 of the deviation.
    assert 0.039 < np.abs(kernel).max() <= 0.04
    assert kernel.std() == pytest.approx(0.88 * 0.02, rel=0.02)


@pytest.mark.parametrize("name", ["glorot_uniform", "torch", "trunc_normal"])
def test_each_initializer_draws_a_kernel_of_its_own(name):
    one, other = (elements.kernel_initializer(name)((3, 5)) for _ in range(2))
    assert not np.allclose(one, other)


def test_unknown_names():
    with pytest.raises(ValueError, match="glorot_normel"):
        elements.kernel_initializer("glorot_normel")
    with pytest.raises(ValueError, match="'gn'; expected ln, bn or none"):
        elements.normalization("gn", "norm", "float32")
    with pytest.raises(ValueError, match="'tanh'; expected gelu, relu, none"):
        elements.activation("tanh")


def test_layer_norm_has_a_small_epsilon():
    # Mean 0, variance 1e-6: over sqrt(1e-6 + 1e-6), where Keras's epsilon
    # would leave 0.03.
    norm = elements.layer_norm("norm", "float32")
    np.testing.assert_allclose(
        call(norm, [-1e-3, 1e-3]), [[-np.sqrt(0.5), np.sqrt(0.5)]], rtol=1e-5
    )


def test_layer_norm_of_what_float16_cannot_square():
    norm = elements.layer_norm("norm", "mixed_float16")
    values = call(norm, [-3000, 3000, -3000, 3000], dtype="float16")
    np.testing.assert_allclose(values, [[-1, 1, -1, 1]], atol=1e-3)
    assert norm(ops.ones((1, 4), "float16")).dtype == "float16"


def test_batch_norm_has_torchs_figures():
    norm = elements.normalization("bn", "norm", "float32")
    # Two poses of two joints with one channel: mean 4, variance 5.
    x = ops.convert_to_tensor([[[1.0], [3.0]], [[5.0], [7.0]]])
    trained = norm(x, training=True)
    np.testing.assert_allclose(
        np.ravel(trained),
        np.array([-3, -1, 1, 3]) / np.sqrt(5 + 1e-5),
        rtol=1e-5,
    )
    # Momentum 0.9: a tenth of the batch's, and nine of 0 and 1.
    np.testing.assert_allclose(norm.moving_mean, [0.4], rtol=1e-6)
    np.testing.assert_allclose(norm.moving_variance, [1.4], rtol=1e-6)
    np.testing.assert_allclose(
        np.ravel(norm(x)),
        (np.array([1, 3, 5, 7]) - 0.4) / np.sqrt(1.4 + 1e-5),
        rtol=1e-5,
    )
    assert norm.epsilon == 1e-5


def test_normalization_by_name():
    norm = elements.normalization("ln", "some_name", "mixed_bfloat16")
    assert isinstance(norm, keras.layers.LayerNormalization)
    assert norm.name == "some_name"
    assert norm.compute_dtype == "bfloat16"
    assert elements.normalization("none", "norm", "float32") is None


def test_relu_and_none():
    values = [-2.0, 0.0, 3.0]
    np.testing.assert_array_equal(
        call(elements.activation("relu"), *values), [0, 0, 3]
    )
    np.testing.assert_array_equal(
        call(elements.activation("none"), *values), values
    )


def test_gelu_is_exact():
    x = np.linspace(-4, 4, 101)
    # The approximation by tanh is up to 5e-4 off.
    np.testing.assert_allclose(
        call(elements.activation("gelu"), *x),
        x * (1 + erf(x / np.sqrt(2))) / 2,
        rtol=0,
        atol=2e-6,
    )


def test_mlp_by_hand():
    # Far from zero GELU leaves what is positive and removes the rest.
    mlp = elements.MLP(2, 3)
    mlp.build((None, 1, 2))
    mlp.set_weights(
        [
            np.array([[20, 0, -30], [0, 30, 0]]),
            np.array([20, -20, 0]),
            np.array([[1, 2], [3, 4], [5, 6]]),
            np.array([100, 200]),
        ]
    )
    # (1, 2) -> (40, 40, -30) -> (40, 40, 0) -> (160, 240) + (100, 200).
    # (-2, 0) -> (-20, -20, 60) -> (0, 0, 60) -> (300, 360) + (100, 200).
    np.testing.assert_allclose(
        call(mlp, [[1, 2]], [[-2, 0]]), [[[260, 440]], [[400, 560]]], rtol=1e-6
    )


def test_mlp_equals_its_formula():
    random = np.random.default_rng(2)
    mlp = elements.MLP(5, 7)
    mlp.build((None, 3, 5))
    expand, bias_1, contract, bias_2 = weights = [
        random.normal(size=shape) for shape in ((5, 7), (7,), (7, 5), (5,))
    ]
    mlp.set_weights(weights)
    x = random.normal(size=(2, 3, 5))
    hidden = x @ expand + bias_1
    hidden = hidden * (1 + erf(hidden / np.sqrt(2))) / 2
    np.testing.assert_allclose(
        call(mlp, *x), hidden @ contract + bias_2, atol=1e-5
    )


def test_factors_by_hand():
    """A hip, 0, of 1 and 2, of which the latter has a child, 3."""
    half, third = 1 / 2, 1 / 3
    adjacency = np.zeros((3, 4, 4), np.float32)
    adjacency[0] = np.eye(4)
    adjacency[1, [1, 2], 0], adjacency[1, 3, 2] = (half, third), 1
    adjacency[2, 0, [1, 2]], adjacency[2, 2, 3] = (1.5, 0.5), 2
    same, parents, children = map(elements.factors, adjacency)
    np.testing.assert_array_equal(same, [np.eye(4)] * 2)
    scatter, gather = parents
    np.testing.assert_array_equal(gather, [[1, 0, 0, 0], [0, 0, 1, 0]])
    np.testing.assert_allclose(
        scatter, [[0, 0], [half, 0], [third, 0], [0, 1]]
    )
    scatter, gather = children
    np.testing.assert_allclose(gather, [[0, 0.75, 0.25, 0], [0, 0, 0, 1]])
    np.testing.assert_array_equal(scatter, [[2, 0], [0, 0], [0, 2], [0, 0]])
    # Rows whose sum says nothing, and no rows at all.
    for whole in (np.float32([[1, -1], [0, 1]]), np.zeros((2, 2), np.float32)):
        for factor, expected in zip(
            elements.factors(whole), (whole, np.eye(2)), strict=True
        ):
            np.testing.assert_array_equal(factor, expected)

import numpy as np
import pytest
import tensorflow as tf

from ampose_tf.models.inputs import InputChannels

JOINTS = 5


def numbers(*shape, seed=3):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_channels_of_the_screen():
    points = numbers(3, JOINTS, 2)
    seen = np.float32([[1, 1, 0, 1, 0]] * 3)
    layer = InputChannels()
    channels = layer([points, seen]).numpy()
    assert layer.compute_output_shape([(3, 5, 2), (3, 5)]) == (3, 5, 3)
    assert channels.shape == (3, 5, 3)
    np.testing.assert_array_equal(channels[..., 2], seen)
    rest = [0, 1, 3]
    np.testing.assert_array_equal(channels[:, rest, :2], points[:, rest])
    assert not channels[:, [2, 4]].any()
    np.testing.assert_array_equal(layer(points), points)


def test_channels_of_the_person_by_hand():
    points = np.float32([[[1, 2], [3, 2], [99, 99], [2, 5], [2, -1]]])
    seen = np.float32([[1, 1, 0, 1, 1]])
    layer = InputChannels("person")
    (channels,) = layer([points, seen]).numpy()
    # Middle (2, 2); squared distances 1, 1, 9, 9.
    spread = np.sqrt(5)
    expected = [
        (-1 / spread, 0, 2, 2, spread, 1),
        (1 / spread, 0, 2, 2, spread, 1),
        (0, 0, 0, 0, 0, 0),
        (0, 3 / spread, 2, 2, spread, 1),
        (0, -3 / spread, 2, 2, spread, 1),
    ]
    np.testing.assert_allclose(channels, expected, atol=1e-6)
    assert layer.compute_output_shape([(1, 5, 2), (1, 5)]) == (1, 5, 6)
    all_seen = np.delete(points, 2, axis=1)
    (channels,) = layer(all_seen).numpy()
    np.testing.assert_allclose(
        channels, np.delete(expected, 2, axis=0)[:, :5], atol=1e-6
    )
    assert layer.compute_output_shape((1, 4, 2)) == (1, 4, 5)


def test_a_person_at_another_place_and_size():
    layer = InputChannels("person")
    points = numbers(7, JOINTS, 2)
    moved = np.float32(0.3) * points + np.float32([0.2, -0.1])
    before, after = layer(points).numpy(), layer(moved).numpy()
    np.testing.assert_allclose(after[..., :2], before[..., :2], atol=1e-5)
    np.testing.assert_allclose(after[..., 4], 0.3 * before[..., 4], rtol=1e-5)


def test_nobody_seen():
    layer = InputChannels("person")
    nobody = layer([numbers(2, JOINTS, 2), np.zeros((2, JOINTS), np.float32)])
    assert not nobody.numpy().any()
    # All joints on one point.
    assert np.isfinite(layer(np.ones((2, JOINTS, 2), np.float32))).all()


def test_gradients_of_channels_are_finite():
    points = tf.Variable(np.zeros((2, JOINTS, 2), np.float32))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(InputChannels("person")(points))
    assert np.isfinite(tape.gradient(total, points)).all()


def test_unknown_frame():
    with pytest.raises(ValueError, match="Unknown frame 'world'"):
        InputChannels("world")

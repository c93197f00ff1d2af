import keras
import numpy as np
import pytest

from ampose_tf.evaluation import metrics
from ampose_tf.models.losses import joints_and_bones, mpjpe_mm, mse_joint


def random_poses(seed, count=7, joints=5):
    poses = np.random.default_rng(seed).normal(size=(count, joints, 3))
    return poses.astype(np.float32)


def test_mse_joint_by_hand():
    target = np.zeros((2, 2, 3), np.float32)
    predicted = target.copy()
    # (1 + 4 + 4) and (4): over two joints, not over their six numbers.
    predicted[0] = [[1, 2, 2], [0, -2, 0]]
    predicted[1, 1, 2] = 3
    np.testing.assert_allclose(mse_joint(target, predicted), [6.5, 4.5])


def test_mse_joint_does_not_subtract_the_hip():
    target = random_poses(2)
    np.testing.assert_allclose(
        mse_joint(target, target + [0, 3, 0]), [9] * 7, rtol=1e-5
    )


def test_joints_and_bones_by_hand():
    target = random_poses(4, joints=17)
    foot, knee, moved = target.copy(), target.copy(), target + np.float32(1)
    foot[:, 3, 1] += 0.34
    # The shank, from the knee on, is as it was.
    knee[:, [2, 3], 2] += 0.34
    # Of 17 joints and of 16 bones.
    for predicted, expected in (
        (foot, 0.34 / 17 + 0.34 / 16),
        (knee, 2 * 0.34 / 17 + 0.34 / 16),
        (moved, np.sqrt(3)),
    ):
        np.testing.assert_allclose(
            joints_and_bones(target, predicted), [expected] * 7, rtol=1e-4
        )


def test_mpjpe_mm_by_hand():
    target = np.zeros((1, 4, 3), np.float32)
    predicted = target.copy()
    # The hip is 1 m off, which is subtracted: 0, 5 mm, 12 mm and 0.
    predicted[..., 2] = 1
    predicted[0, 1, :2] = 0.003, 0.004
    predicted[0, 2, 0] = -0.012
    np.testing.assert_allclose(
        mpjpe_mm(target, predicted), [17 / 4], rtol=1e-5
    )


def test_mpjpe_mm_subtracts_both_hips():
    target = random_poses(3)
    moved = target + np.float32([3, -5, 7])
    assert np.abs(mpjpe_mm(target, moved)).max() < 1e-2
    assert np.abs(mpjpe_mm(moved, target)).max() < 1e-2


def test_mpjpe_mm_is_that_of_the_protocols():
    target, predicted = random_poses(4, 41), random_poses(5, 41)
    expected = 1000 * metrics.mpjpe(predicted, target)
    np.testing.assert_allclose(
        mpjpe_mm(target, predicted), expected, rtol=1e-5
    )


@pytest.mark.parametrize("function", [mse_joint, mpjpe_mm])
def test_what_fit_logs_is_the_mean_over_poses(function):
    # The last batch is smaller and counts for as much less.
    inputs = keras.Input((5, 3))
    model = keras.Model(inputs, keras.layers.Identity()(inputs))
    model.compile(loss=function, metrics=[function], run_eagerly=True)
    target, predicted = random_poses(6, 11), random_poses(7, 11)
    logs = model.evaluate(predicted, target, 4, verbose=0, return_dict=True)
    expected = np.mean(function(target, predicted))
    assert logs[function.__name__] == pytest.approx(expected, rel=1e-5)
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("function", [mse_joint, mpjpe_mm])
def test_they_are_found_by_name(function):
    name = f"ampose_tf>{function.__name__}"
    assert keras.saving.get_registered_object(name) is function

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ampose_tf.evaluation import metrics

ERRORS = (metrics.mpjpe, metrics.p_mpjpe, metrics.n_mpjpe)
ALL = (*ERRORS, metrics.pck, metrics.auc, metrics.joint_distances)


def random_poses(seed, count=7, joints=5):
    return np.random.default_rng(seed).normal(size=(count, joints, 3))


def slow_mpjpe(predicted, target):
    errors = []
    for p, t in zip(predicted, target, strict=True):
        distances = [
            np.sqrt(sum(((p[j] - p[0]) - (t[j] - t[0])) ** 2))
            for j in range(len(p))
        ]
        errors.append(sum(distances) / len(p))
    return errors


def slow_p_mpjpe(predicted, target):
    """Umeyama, with SciPy's solution for the rotation."""
    errors = []
    for p, t in zip(predicted, target, strict=True):
        p, t = p - p.mean(axis=0), t - t.mean(axis=0)
        turned = Rotation.align_vectors(t, p)[0].apply(p)
        scale = sum(turned[j] @ t[j] / np.sum(p * p) for j in range(len(p)))
        distances = [
            np.linalg.norm(scale * turned[j] - t[j]) for j in range(len(p))
        ]
        errors.append(sum(distances) / len(p))
    return errors


def slow_n_mpjpe(predicted, target):
    errors = []
    for p, t in zip(predicted, target, strict=True):
        p, t = p - p[0], t - t[0]
        # The best scale by a general least-squares solver.
        scale = np.linalg.lstsq(p.reshape(-1, 1), t.ravel())[0]
        distances = [
            np.linalg.norm(scale * p[j] - t[j]) for j in range(len(p))
        ]
        errors.append(sum(distances) / len(p))
    return errors


@pytest.mark.parametrize(
    ("fast", "slow"),
    [
        (metrics.mpjpe, slow_mpjpe),
        (metrics.p_mpjpe, slow_p_mpjpe),
        (metrics.n_mpjpe, slow_n_mpjpe),
    ],
)
def test_equals_a_slow_computation(fast, slow):
    # Half of them near the truth, half unlike it, some of these reflected.
    target = random_poses(2, count=41)
    predicted = random_poses(3, count=41)
    predicted[::2] = target[::2] + 0.1 * predicted[::2]
    expected = slow(predicted, target)
    assert min(expected) > 0.01
    np.testing.assert_allclose(
        fast(predicted, target), expected, rtol=0, atol=1e-9
    )


def test_mpjpe_by_hand():
    target = np.array([[[1, 1, 1], [1, 1, 1], [2, 1, 1.0]]])
    # Hip 10 off in x, which is subtracted: 0, |(3, 4, 0)|, |(0, 0, 1)|.
    predicted = target + [[[10, 0, 0], [13, 4, 0], [10, 0, 1.0]]]
    assert metrics.joint_distances(predicted, target).tolist() == [[0, 5, 1]]
    assert metrics.mpjpe(predicted, target) == pytest.approx([2], abs=1e-12)


def test_the_hip_counts_as_a_joint():
    target = np.zeros((1, 4, 3))
    predicted = target.copy()
    predicted[0, 1:, 2] = 1
    assert metrics.mpjpe(predicted, target).tolist() == [0.75]


def test_n_mpjpe_by_hand():
    # s = <p, t> / <p, p> = (1·3 + 0·1) / 1 = 3: what is left is |(0, 1)|.
    predicted = np.array([[[5, 5, 5], [6, 5, 5.0]]])
    target = np.array([[[2, 2, 2], [5, 3, 2.0]]])
    assert metrics.n_mpjpe(predicted, target).tolist() == [0.5]


def test_p_mpjpe_by_hand():
    # Two parallel lines of points at -1, 0, 1 and -1, 0, 4 less their means:
    # p = (-1, 0, 1), t = (-2, -1, 3): s = 5 / 2, and s p - t is
    # (-0.5, 1, -0.5).
    predicted = np.zeros((1, 3, 3))
    target = np.zeros((1, 3, 3))
    predicted[0, :, 1] = -1, 0, 1
    target[0, :, 2] = -1, 0, 4
    assert metrics.p_mpjpe(predicted, target) == pytest.approx([2 / 3])


def test_p_mpjpe_is_zero_under_any_similarity():
    target = random_poses(5)
    turns = Rotation.random(7, rng=6)
    scales = np.linspace(0.1, 10, 7)
    moved = np.stack(
        [
            scale * turn.apply(pose) + [3, -5, 7]
            for scale, turn, pose in zip(scales, turns, target, strict=True)
        ]
    )
    assert metrics.mpjpe(moved, target).min() > 0.1
    np.testing.assert_allclose(metrics.p_mpjpe(moved, target), 0, atol=1e-12)


def test_p_mpjpe_does_not_reflect():
    target = random_poses(7)
    assert metrics.p_mpjpe(target * [-1, 1, 1], target).min() > 0.1
    assert metrics.p_mpjpe(-target, target).min() > 0.1


def test_p_mpjpe_of_flat_poses():
    # In a plane, a reflection is a rotation through space.
    target = random_poses(8)
    target[..., 2] = 0
    predicted = target * [-1, 1, 1]
    np.testing.assert_allclose(
        metrics.p_mpjpe(predicted, target), 0, atol=1e-12
    )


@pytest.mark.parametrize("scale", [0.01, 0.5, 3, 1000])
def test_n_mpjpe_is_zero_under_scaling_about_the_hip(scale):
    target = random_poses(12)
    hip = target[:, :1]
    predicted = scale * (target - hip) + 17
    np.testing.assert_allclose(
        metrics.n_mpjpe(predicted, target), 0, atol=1e-12
    )


def test_n_mpjpe_does_not_rotate():
    target = random_poses(13)
    turned = Rotation.from_euler("y", 0.2).apply(target.reshape(-1, 3))
    turned = turned.reshape(target.shape)
    assert metrics.n_mpjpe(turned, target).min() > 0.02
    np.testing.assert_allclose(metrics.p_mpjpe(turned, target), 0, atol=1e-12)


def test_a_prediction_that_is_one_point():
    target = random_poses(14)
    point = np.full_like(target, 3)
    center = target.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(
        metrics.p_mpjpe(point, target),
        np.linalg.norm(target - center, axis=-1).mean(axis=1),
    )
    np.testing.assert_allclose(
        metrics.n_mpjpe(point, target),
        np.linalg.norm(target - target[:, :1], axis=-1).mean(axis=1),
    )


def test_a_target_that_is_one_point():
    predicted = random_poses(15)
    for error in (metrics.p_mpjpe, metrics.n_mpjpe):
        np.testing.assert_allclose(
            error(predicted, np.ones_like(predicted)), 0, atol=1e-12
        )


def test_pck_counts_what_is_strictly_nearer():
    target = np.zeros((1, 5, 3))
    predicted = target.copy()
    predicted[0, 1:, 0] = 0.1499, 0.15, -0.15, 0.1501
    # The hip and the first of the four.
    assert metrics.pck(predicted, target).tolist() == [0.4]
    assert metrics.pck(predicted, target, 0.1501).tolist() == [0.8]


def test_pck_is_of_joints_relative_to_the_hip():
    predicted = random_poses(16) * 0.1
    assert metrics.pck(predicted + [5, 0, 0], predicted).tolist() == [1] * 7


def test_joints_that_count_are_measured_from_the_hip():
    # All are off by what the hip is: nothing is wrong, the hip aside.
    target = random_poses(24)
    predicted = target + [0.3, 0, 0]
    predicted[:, 2, 1] += 0.2
    for joints, share in ([1], 1), ([2], 0), ([1, 2, 3], 2 / 3), ([0], 1):
        np.testing.assert_allclose(
            metrics.pck(predicted, target, joints=joints), share
        )
        np.testing.assert_allclose(
            metrics.auc(predicted, target, joints), share * 30 / 31
        )


def test_auc_of_a_perfect_pose_lacks_the_threshold_of_zero():
    target = random_poses(17)
    np.testing.assert_allclose(metrics.auc(target, target), 30 / 31)


@pytest.mark.parametrize(
    ("millimetres", "thresholds"),
    # 15, 20, ..., 150 lie beyond 10 and 12; none lies beyond 150.
    [(12, 28), (10, 28), (9.9, 29), (149, 1), (150, 0), (2000, 0)],
)
def test_auc_by_hand(millimetres, thresholds):
    target = np.zeros((1, 2, 3))
    predicted = target.copy()
    predicted[0, 1, 1] = millimetres / 1000
    # The hip, which is perfect, and the one joint.
    assert metrics.auc(predicted, target) == pytest.approx(
        [(30 + thresholds) / 2 / 31]
    )


def test_auc_equals_the_mean_of_pck():
    target = random_poses(18)
    predicted = target + 0.05 * random_poses(19)
    curve = [
        metrics.pck(predicted, target, t / 1000) for t in range(0, 151, 5)
    ]
    assert len(curve) == 31
    np.testing.assert_allclose(
        metrics.auc(predicted, target), np.mean(curve, axis=0)
    )


@pytest.mark.parametrize("metric", ALL)
def test_float32_is_computed_in_float64(metric):
    # Ten kilometres away, float32 leaves a millimetre of each distance.
    predicted = (0.1 * random_poses(20) + 1e4).astype(np.float32)
    target = (0.1 * random_poses(21) + 1e4).astype(np.float32)
    values = metric(predicted, target)
    assert values.dtype == np.float64
    np.testing.assert_array_equal(
        values, metric(predicted.astype(float), target.astype(float))
    )


@pytest.mark.parametrize("metric", ALL)
def test_one_value_per_pose_of_that_pose_alone(metric):
    predicted, target = random_poses(22) * 0.1, random_poses(23) * 0.1
    whole = metric(predicted, target)
    assert len(whole) == 7
    for index in range(7):
        one = metric(predicted[index, None], target[index, None])
        np.testing.assert_allclose(one[0], whole[index], rtol=1e-12)


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((7, 5, 3), (7, 3, 3)),
        ((7, 5, 3), (1, 5, 3)),
        ((7, 5, 2), (7, 5, 2)),
        ((5, 3), (5, 3)),
        ((2, 7, 5, 3), (2, 7, 5, 3)),
    ],
)
def test_shapes_that_are_refused(metric, one, other):
    with pytest.raises(ValueError, match=r"the same shape \(N, J, 3\), got"):
        metric(np.zeros(one), np.zeros(other))

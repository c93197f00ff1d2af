"""Drawn cameras, bodies and detectors."""

import dataclasses

import numpy as np
import pytest

from ampose_tf.camera import Camera
from ampose_tf.config.ranges import Bodies, Detector, Viewpoints
from ampose_tf.conversion import SEEN_SCORE
from ampose_tf.data import sampling
from ampose_tf.data.augmentation import bodies, detector, viewpoints
from ampose_tf.data.augmentation.randomness import between_logarithms
from ampose_tf.data.mocap import Motion3D
from ampose_tf.skeleton import H36M_17
from tests.people import STANDING

COUNT = 211


class Draws:
    """A source of random numbers for tests."""

    def __init__(self, seed=0):
        self._random = np.random.default_rng(seed)

    def uniform(self, shape):
        return self._random.uniform(size=shape).astype(np.float32)

    def normal(self, shape):
        return self._random.normal(size=shape).astype(np.float32)


def people(count=COUNT, seed=1):
    """People who stand somewhere, turned anyhow."""
    random = np.random.default_rng(seed)
    angle = random.uniform(0, 2 * np.pi, count)
    turn = np.zeros((count, 3, 3))
    turn[:, 0, 0] = turn[:, 1, 1] = np.cos(angle)
    turn[:, 0, 1], turn[:, 1, 0] = -np.sin(angle), np.sin(angle)
    turn[:, 2, 2] = 1
    place = random.uniform(-9, 9, (count, 1, 3)) * [1, 1, 0]
    return (STANDING @ turn + place).astype(np.float32)


def seen(ranges=None, seed=0, world=None):
    world = people() if world is None else world
    views = viewpoints.seen(world, ranges or Viewpoints(), Draws(seed))
    return viewpoints.Views(*map(np.asarray, views))


def bone_lengths(joints):
    return np.stack(
        [
            np.linalg.norm(joints[:, child] - joints[:, parent], axis=-1)
            for parent, child in H36M_17.edges
        ],
        axis=1,
    )


def angles_of(views):
    """Returns the field of view of the longest side, in degrees."""
    joints = views.joints
    focal = (views.keypoints_2d * joints[..., 2:] / joints[..., :2])[:, 3, 0]
    return np.degrees(2 * np.arctan(1 / focal))


# Viewpoints


def test_a_view_is_a_rigid_motion_and_a_projection():
    world = people()
    views = seen(world=world)
    np.testing.assert_allclose(
        bone_lengths(views.joints), bone_lengths(world), atol=1e-5
    )
    # Not mirrored: right hand, left hand and head turn the same way.
    before = world[:, [16, 13, 10]] - world[:, :1]
    after = views.joints[:, [16, 13, 10]] - views.joints[:, :1]
    np.testing.assert_allclose(
        np.linalg.det(after), np.linalg.det(before), rtol=1e-3, atol=1e-5
    )
    focal = 1 / np.tan(np.radians(angles_of(views)) / 2)
    camera = Camera(2, 2, (1.0, 1.0), (0.0, 0.0))
    np.testing.assert_allclose(
        views.keypoints_2d,
        focal[:, None, None] * camera.project(views.joints),
        rtol=1e-4,
        atol=1e-5,
    )
    np.testing.assert_allclose(
        views.person_size[:, 0, 0],
        1.7 * focal / views.joints[:, 0, 2],
        rtol=1e-4,
    )


def test_cameras_fill_their_ranges():
    ranges = Viewpoints(fit=0.0)
    views = seen(ranges, world=people(1999))
    field = angles_of(views)
    low, high = ranges.field_of_view_deg
    assert low <= field.min() < low + 3 and high - 3 < field.max() <= high
    half = views.half_image[:, 0]
    assert (half.max(axis=1) == 1).all()
    aspect = half[:, 0] / half[:, 1]
    assert aspect.min() == pytest.approx(9 / 16, rel=0.02)
    assert aspect.max() == pytest.approx(16 / 9, rel=0.02)
    assert abs((aspect > 1).mean() - 0.5) < 0.05
    depth = views.joints[:, 0, 2]
    assert 1.4 < depth.min() < 2.3 and 6 < depth.max() < 9


def test_people_stand_upright_but_for_the_roll():
    """A level camera at the height that it aims at sees the head above."""
    level = dict(height_m=(1.0, 1.0), aim_m=(1.0, 1.0), off_center=0.0)
    upright = seen(Viewpoints(roll_deg=0.0, **level))
    spine = upright.joints[:, 10] - upright.joints[:, 0]
    np.testing.assert_allclose(spine, [[0, -0.75, 0]] * COUNT, atol=1e-5)
    # The hip is 0.1 m below the optical axis, which passes above its place.
    np.testing.assert_allclose(
        upright.joints[:, 0, :2], [[0, 0.1]] * COUNT, atol=1e-5
    )
    rolled = seen(Viewpoints(roll_deg=20.0, **level))
    x, y, z = (rolled.joints[:, 10] - rolled.joints[:, 0]).T
    roll = np.degrees(np.arctan2(x, -y))
    np.testing.assert_allclose(z, 0, atol=1e-5)
    assert 15 < np.abs(roll).max() <= 20
    assert np.percentile(np.abs(roll), 50) < 8  # triangular: 20 (1 - √½)


def test_low_cameras_look_up():
    low = seen(Viewpoints(height_m=(0.1, 0.1), aim_m=(1.0, 1.0), roll_deg=0.0))
    spine = low.joints[:, 10] - low.joints[:, 0]
    # Aimed upwards, the camera sees heads farther away than hips.
    assert (spine[:, 2] > 0).all()


def test_people_fit_into_the_image():
    views = seen(Viewpoints(fit=1.15, off_center=0.5, roll_deg=0.0))
    inside = np.abs(views.keypoints_2d) <= views.half_image
    assert inside.all(axis=(1, 2)).mean() > 0.9
    cut = seen(Viewpoints(fit=0.3, distance_m=(0.8, 0.9)))
    inside = np.abs(cut.keypoints_2d) <= cut.half_image
    assert inside.all(axis=(1, 2)).mean() < 0.3


def test_nobody_is_behind_the_camera():
    near = seen(Viewpoints(distance_m=(0.5, 0.6), fit=0.0))
    assert near.joints[..., 2].min() == pytest.approx(0.5, abs=1e-4)
    assert np.isfinite(near.keypoints_2d).all()


def test_where_people_stand_does_not_matter():
    world = people()
    moved = world + np.float32([3, -4, 0])
    np.testing.assert_allclose(
        seen(world=world).keypoints_2d,
        seen(world=moved).keypoints_2d,
        atol=1e-4,
    )


# Bodies


def resized(ranges, world=None, seed=0):
    world = people() if world is None else world
    return np.asarray(bodies.resized(world, ranges, Draws(seed)))


SAME = Bodies(
    size=(1.0, 1.0),
    limbs=0.0,
    hips=(1.0, 1.0),
    shoulders=(1.0, 1.0),
    thorax=(0.0, 0.0),
)


def test_the_same_body_again():
    np.testing.assert_allclose(resized(SAME), people(), atol=1e-5)


def test_bones_keep_directions_and_sides_stay_alike():
    world = people()
    ranges = Bodies(thorax=(0.0, 0.0))
    other = resized(ranges, world)
    for parent, child in H36M_17.edges:
        before = world[:, child] - world[:, parent]
        after = other[:, child] - other[:, parent]
        cross = np.cross(before, after)
        np.testing.assert_allclose(cross, 0, atol=1e-5)
        assert (np.sum(before * after, axis=-1) > 0).all()
    factors = bone_lengths(other) / bone_lengths(world)
    edges = [child for _, child in H36M_17.edges]
    for left, right in zip(H36M_17.left, H36M_17.right, strict=True):
        np.testing.assert_allclose(
            factors[:, edges.index(left)],
            factors[:, edges.index(right)],
            rtol=1e-4,
        )


@pytest.mark.parametrize(
    ("changes", "joints", "low", "high"),
    [
        ({"hips": (0.8, 1.6)}, ("LHip", "RHip"), 0.8, 1.6),
        (
            {"shoulders": (0.9, 1.2)},
            ("LShoulder", "RShoulder"),
            0.9,
            1.2,
        ),
        ({"size": (0.7, 1.3)}, H36M_17.joints[1:], 0.7, 1.3),
    ],
)
def test_factors_fill_their_ranges(changes, joints, low, high):
    ranges = dataclasses.replace(SAME, **changes)
    world = people(997)
    factors = bone_lengths(resized(ranges, world)) / bone_lengths(world)
    for (_, child), factor in zip(H36M_17.edges, factors.T, strict=True):
        if H36M_17.joints[child] in joints:
            assert low - 1e-3 < factor.min() < low + 0.05
            assert high - 0.05 < factor.max() < high + 1e-3
        else:
            np.testing.assert_allclose(factor, 1, atol=1e-3)


def test_feet_stay_on_the_floor():
    ranges = dataclasses.replace(SAME, size=(0.8, 1.2))
    feet = resized(ranges)[:, [3, 6], 2]
    # 0.1 m above it, the same share of the body.
    np.testing.assert_allclose(feet[:, 0], feet[:, 1], atol=1e-5)
    assert (feet > 0.079).all() and (feet < 0.121).all()


def test_thorax_moves_to_the_middle_of_the_shoulders():
    world = people()
    world[:, 8, 2] -= 0.06
    middle = dataclasses.replace(SAME, thorax=(1.0, 1.0))
    other = resized(middle, world)
    np.testing.assert_allclose(
        other[:, 8], (world[:, 11] + world[:, 14]) / 2, atol=1e-5
    )
    rest = np.delete(np.arange(17), 8)
    np.testing.assert_allclose(other[:, rest], world[:, rest], atol=1e-5)


# Detections

EXACT = dict(
    clean=1.0,
    swap=0.0,
    hide_joint=0.0,
    hide_limb=0.0,
    hide_half=0.0,
    crop=0.0,
)


def detected(views, seed=0, **changes):
    ranges = Detector(**(EXACT | changes))
    keypoints_2d, scores = detector.detected(views, ranges, Draws(seed))
    return np.asarray(keypoints_2d), np.asarray(scores)


@pytest.fixture(scope="module")
def inside():
    """People who are wholly in the image."""
    views = seen(Viewpoints(fit=1.5, off_center=0.1), world=people(997))
    kept = (np.abs(views.keypoints_2d) <= views.half_image).all(axis=(1, 2))
    assert kept.mean() > 0.9
    return viewpoints.Views(*(array[kept] for array in views))


def test_an_ideal_detector(inside):
    keypoints_2d, scores = detected(inside)
    np.testing.assert_array_equal(keypoints_2d, inside.keypoints_2d)
    np.testing.assert_allclose(scores, 1)


def test_noise_is_in_proportion_to_the_person(inside):
    noise = dict(clean=0.0, noise=(0.01, 0.01), tail=0.0, drift=0.0)
    keypoints_2d, _ = detected(inside, **noise)
    error = (keypoints_2d - inside.keypoints_2d) / inside.person_size
    assert error.std() == pytest.approx(0.01, rel=0.02)
    small = inside.person_size[:, 0, 0] < np.median(inside.person_size)
    assert error[small].std() == pytest.approx(0.01, rel=0.03)


def test_share_of_clean_poses(inside):
    keypoints_2d, _ = detected(inside, clean=0.25)
    clean = (keypoints_2d == inside.keypoints_2d).all(axis=(1, 2))
    assert abs(clean.mean() - 0.25) < 0.05


def test_heavy_tails(inside):
    noise = dict(clean=0.0, noise=(0.01, 0.01), drift=0.0)
    keypoints_2d, _ = detected(inside, tail=0.1, tail_factor=10.0, **noise)
    error = (keypoints_2d - inside.keypoints_2d) / inside.person_size
    # 90 % with a variance of 1, 10 % of 100.
    assert error.std() == pytest.approx(0.01 * np.sqrt(10.9), rel=0.05)
    assert np.median(np.abs(error)) < 0.009


def test_limbs_drift_together(inside):
    keypoints_2d, _ = detected(
        inside, clean=0.0, noise=(0.01, 0.01), tail=0.0, drift=3.0
    )
    error = (keypoints_2d - inside.keypoints_2d)[..., 0]
    error = error / inside.person_size[..., 0]
    together = np.corrcoef(error[:, 11], error[:, 13])[0, 1]  # left arm
    apart = np.corrcoef(error[:, 11], error[:, 16])[0, 1]
    assert together == pytest.approx(0.9, abs=0.03)  # 9 / (9 + 1)
    assert abs(apart) < 0.15


def test_swapped_sides(inside):
    keypoints_2d, _ = detected(inside, swap=0.6)
    exact = inside.keypoints_2d
    other = exact[:, list(H36M_17.mirrored)]
    kinds = {"none": 0, "arms": 0, "legs": 0, "both": 0}
    arms, legs = [11, 12, 13, 14, 15, 16], [1, 2, 3, 4, 5, 6]
    for i in range(len(exact)):
        arm = np.allclose(keypoints_2d[i, arms], other[i, arms])
        leg = np.allclose(keypoints_2d[i, legs], other[i, legs])
        kind = ("none", "arms", "legs", "both")[arm + 2 * leg]
        kinds[kind] += 1
        for group, swapped in ((arms, arm), (legs, leg)):
            source = other if swapped else exact
            np.testing.assert_allclose(
                keypoints_2d[i, group], source[i, group], atol=1e-6
            )
    shares = np.array(list(kinds.values())) / len(exact)
    np.testing.assert_allclose(shares, [0.4, 0.2, 0.2, 0.2], atol=0.06)


def test_joints_hidden_singly(inside):
    _, scores = detected(inside, hide_joint=0.4)
    hidden = scores < SEEN_SCORE
    # The share is uniform from 0 to 0.4.
    np.testing.assert_allclose(hidden.mean(axis=0), 0.2, atol=0.05)
    assert hidden.sum(axis=1).std() > np.sqrt(17 * 0.2 * 0.8)


def test_limbs_and_halves_are_hidden(inside):
    for rate, marks in (
        ("hide_limb", detector._HIDDEN_LIMBS),
        ("hide_half", detector._HIDDEN_HALVES),
    ):
        _, scores = detected(inside, **{rate: 0.5})
        hidden = (scores < SEEN_SCORE).astype(int)
        rows, counts = np.unique(hidden, axis=0, return_counts=True)
        expected = {(0,) * 17} | {tuple(row) for row in marks.astype(int)}
        assert {tuple(row) for row in rows} == expected
        none = counts[rows.sum(axis=1) == 0] / len(hidden)
        assert abs(none - 0.5) < 0.05


def test_cropping_hides_what_lies_beyond_a_border(inside):
    _, scores = detected(inside, crop=1.0)
    hidden = scores < SEEN_SCORE
    assert 0.1 < hidden.mean() < 0.5
    sides = set()
    for points, gone in zip(inside.keypoints_2d, hidden, strict=True):
        found = [
            side
            for side, along in enumerate(np.hstack([points, -points]).T)
            if gone.any() and along[gone].min() > along[~gone].max()
        ]
        assert found or not gone.any()
        sides.update(found)
    assert sides == {0, 1, 2, 3}


def test_joints_outside_the_image_are_not_seen():
    views = seen(Viewpoints(fit=0.3, distance_m=(0.8, 0.9)))
    _, scores = detected(views)
    outside = (np.abs(views.keypoints_2d) > views.half_image).any(axis=-1)
    assert outside.any()
    np.testing.assert_array_equal(scores < SEEN_SCORE, outside)


def test_scores_fall_with_the_error(inside):
    keypoints_2d, scores = detected(
        inside, clean=0.0, noise=(0.002, 0.2), tail=0.0
    )
    error = (keypoints_2d - inside.keypoints_2d) / inside.person_size
    length = np.linalg.norm(error, axis=-1)
    good, bad = scores[length < 0.01], scores[length > 0.2]
    assert good.mean() > 0.9 > 0.7 > bad.mean()
    assert (scores >= 0).all() and (scores <= 1).all()
    assert 0.02 < (bad < SEEN_SCORE).mean() < 0.5


# What they are made of


def test_between_logarithms():
    values = between_logarithms((0.25, 4.0), np.float32([0, 0.25, 0.5, 1]))
    np.testing.assert_allclose(values, [0.25, 0.5, 1, 4], rtol=1e-6)


# Sampling


def motion(frames):
    """Of {trial name: frames (T, 17, 3)}."""
    names = tuple(frames)
    counts = [len(frames[name]) for name in names]
    trials = np.repeat(np.arange(len(names), dtype=np.int32), counts)
    owners = np.array([name.split("/")[0] for name in names])
    joints = np.concatenate(list(frames.values())).astype(np.float32)
    return Motion3D(joints, owners[trials], trials, names, names)


def raising_arm(heights):
    """All stand still; the left wrist is raised to one height per frame."""
    frames = np.tile(STANDING, (len(heights), 1, 1))
    frames[:, 13, 2] += heights
    # Where somebody stands is no pose.
    return frames + np.arange(len(heights))[:, None, None] * [1, 2, 0]


def test_thinning_by_hand():
    # One joint of 17: 0.17 m at the wrist are 10 mm on average.
    both = motion(
        {
            "P/a": raising_arm([0, 0.1, 0.2, 0.3, 0.5, 0.5]),
            "P/b": raising_arm([0.5, 0.5, 0.0]),
        }
    )
    thin = sampling.thinned(both, 0.0099)
    assert thin.trials.tolist() == [0, 0, 0, 1, 1]
    np.testing.assert_array_equal(thin.joints, both.joints[[0, 2, 4, 6, 8]])
    assert thin.subjects.tolist() == ["P"] * 5
    assert thin.trial_names == both.trial_names
    assert len(sampling.thinned(both, 0.0).joints) == 9


def test_shares_by_hand():
    still = np.tile(STANDING, (100, 1, 1))
    some = motion({"P/a": still[:16], "P/b": still[:4], "Q/a": still[:4]})

    def of_trials(balance):
        shares = sampling.shares(some, balance)
        assert shares.sum() == pytest.approx(1)
        for trial in range(3):  # Frames of a trial are alike.
            assert len(set(shares[some.trials == trial])) == 1
        return np.bincount(some.trials, weights=shares)

    np.testing.assert_allclose(of_trials(0.0), np.array([16, 4, 4]) / 24)
    np.testing.assert_allclose(of_trials(1.0), [0.25, 0.25, 0.5])
    # √20 : √4 between the subjects, √16 : √4 between the first one's trials.
    p, q = np.sqrt(20), np.sqrt(4)
    np.testing.assert_allclose(
        of_trials(0.5), np.array([p * 4 / 6, p * 2 / 6, q]) / (p + q)
    )

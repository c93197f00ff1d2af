"""Drawn bodies."""

import dataclasses

import numpy as np
import pytest

from ampose_tf.config.ranges import Bodies
from ampose_tf.data.augmentation import bodies
from ampose_tf.data.augmentation.randomness import between_logarithms
from ampose_tf.skeleton import H36M_17
from tests.drawn import Draws, bone_lengths, people


def test_between_logarithms():
    values = between_logarithms((0.25, 4.0), np.float32([0, 0.25, 0.5, 1]))
    np.testing.assert_allclose(values, [0.25, 0.5, 1, 4], rtol=1e-6)


def resized(ranges, world=None, seed=0, as_joints=1.0):
    world = people() if world is None else world
    return np.asarray(bodies.resized(world, as_joints, ranges, Draws(seed)))


SAME = Bodies(
    size=(1.0, 1.0),
    limbs=0.0,
    hips=(1.0, 1.0),
    shoulders=(1.0, 1.0),
    thorax=(0.0, 0.0),
    hips_up_m=(0.0, 0.0),
    shoulders_up_m=(0.0, 0.0),
)


def test_the_same_body_again():
    np.testing.assert_allclose(resized(SAME), people(), atol=1e-5)


def test_bones_keep_directions_and_sides_stay_alike():
    world = people()
    ranges = Bodies(
        thorax=(0.0, 0.0), hips_up_m=(0.0, 0.0), shoulders_up_m=(0.0, 0.0)
    )
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


def test_only_data_sets_move_the_thorax():
    world = people(5)
    world[:, 8, 2] -= 0.06
    chosen = np.float32([0, 1, 1, 0, 1])[:, None]
    middle = dataclasses.replace(SAME, thorax=(1.0, 1.0))
    moved = np.abs(resized(middle, world, as_joints=chosen) - world)
    assert ((moved[:, 8].max(axis=1) > 0.05) == (chosen[:, 0] > 0)).all()


def test_hips_and_shoulders_move_along_the_trunk():
    world = people()
    moved = dataclasses.replace(
        SAME, hips_up_m=(-0.03, -0.03), shoulders_up_m=(0.02, 0.02)
    )
    by = resized(moved, world) - world
    expected = np.zeros((17, 3))
    expected[[0, 1, 4], 2] = -0.03
    expected[[11, 14], 2] = 0.02
    np.testing.assert_allclose(
        by, np.broadcast_to(expected, by.shape), atol=1e-5
    )
    drawn = dataclasses.replace(SAME, hips_up_m=(-0.04, 0.03))
    up = (resized(drawn, world) - world)[:, 0, 2]
    assert -0.04 < up.min() < -0.038 and 0.028 < up.max() < 0.03

"""Postures that were not captured."""

import numpy as np
import pytest

from ampose_tf.config.ranges import Postures
from ampose_tf.data.augmentation import postures
from ampose_tf.skeleton import H36M_17
from tests.drawn import Constant, Draws, bone_lengths, people, turned
from tests.people import STANDING

LOWER = [0, 1, 2, 3, 4, 5, 6]
UPPER = list(range(7, 17))


def varied(world, random=None, exchanged=0.0, turned=1.0, turn_deg=0.0):
    ranges = Postures(exchanged, turned, turn_deg)
    return np.asarray(postures.varied(world, ranges, random or Draws()))


def flexion(joints, names):
    hip, knee, foot = (joints[:, H36M_17.joints.index(name)] for name in names)
    thigh, shank = knee - hip, foot - knee
    cosine = np.sum(thigh * shank, axis=-1) / (
        np.linalg.norm(thigh, axis=-1) * np.linalg.norm(shank, axis=-1)
    )
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def test_captured_postures_stay():
    np.testing.assert_allclose(varied(people()), people(), atol=1e-5)


def test_limbs_turn_and_keep_lengths_knees_and_elbows():
    world = people(997)
    other = varied(world, turn_deg=20.0)
    np.testing.assert_allclose(
        bone_lengths(other), bone_lengths(world), atol=1e-4
    )
    for names in (
        ("LHip", "LKnee", "LFoot"),
        ("RShoulder", "RElbow", "RWrist"),
    ):
        np.testing.assert_allclose(
            flexion(other, names), flexion(world, names), atol=0.1
        )
    np.testing.assert_array_equal(other[:, [0, 1, 4]], world[:, [0, 1, 4]])
    # Three axes of deviations that are even from 0 to 20 degrees.
    thighs, before = (joints[:, 2] - joints[:, 1] for joints in (other, world))
    cosine = np.sum(thighs * before, axis=-1) / (
        np.linalg.norm(thighs, axis=-1) * np.linalg.norm(before, axis=-1)
    )
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    # Two of the three axes move a thigh.
    assert np.sqrt((angle**2).mean()) == pytest.approx(
        20 * np.sqrt(2 / 3), rel=0.1
    )


def test_a_turn_by_hand():
    """All turn by half a degree about each axis: the right-hand rule."""
    random = Constant(uniform=0.5, normal=1.0)
    other = varied(STANDING[None].astype(np.float32), random, turn_deg=1.0)[0]
    turn = np.radians([0.5, 0.5, 0.5])
    spine, hip = STANDING[7], STANDING[0]
    np.testing.assert_allclose(
        other[7],
        hip + (spine - hip) + np.cross(turn, spine - hip),
        atol=1e-4,
    )


def test_upper_bodies_are_exchanged_to_the_same_front():
    """A person who waves, and one who does not, each facing another way."""
    waving = STANDING.copy()
    waving[13] += [0.1, 0.2, 0.5]
    world = turned(np.stack([STANDING, waving]), np.radians([20.0, 130.0]))
    other = varied(world.astype(np.float32), exchanged=1.0)
    expected = turned(np.stack([waving, STANDING]), np.radians([20.0, 130.0]))
    np.testing.assert_allclose(other[:, UPPER], expected[:, UPPER], atol=1e-5)
    np.testing.assert_allclose(other[:, LOWER], world[:, LOWER], atol=1e-5)


def test_people_who_lie_keep_their_upper_bodies():
    lying = STANDING[:, [2, 1, 0]] * [1, 1, -1]
    world = np.stack([STANDING, lying]).astype(np.float32)
    other = varied(world, exchanged=1.0)
    np.testing.assert_allclose(other, world, atol=1e-6)


def test_the_share_of_turned_postures():
    world = people(997)
    other = varied(world, turned=0.4, turn_deg=30.0)
    has_changed = np.abs(other - world).max(axis=(1, 2)) > 1e-3
    assert has_changed.mean() == pytest.approx(0.4, abs=0.04)


def test_the_share_of_exchanged_bodies():
    tall = np.arange(997) % 2 == 1
    world = people(997)
    world[tall, 10, 2] += 0.1
    other = varied(world, exchanged=0.3)
    has_changed = np.abs(other - world).max(axis=(1, 2)) > 0.05
    assert has_changed.mean() == pytest.approx(0.3, abs=0.04)

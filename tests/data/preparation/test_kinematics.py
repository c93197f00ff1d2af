import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ampose_tf.data.preparation import kinematics

# An upper arm of 2 along x, and a forearm of 3.
ARM = kinematics.Hierarchy(
    ("shoulder", "elbow", "elbow end"),
    (-1, 0, 1),
    np.array([[0, 0, 0], [2, 0, 0], [3, 0, 0]], float),
)


def moving(frames, fps):
    """Turns at a constant rate while the shoulder goes along y."""
    time = np.arange(frames)[:, None] / fps
    return kinematics.JointMotion(
        time * [0, 1, 0],
        (
            Rotation.from_euler("z", 60 * time, degrees=True),
            Rotation.from_euler("y", 45 * time, degrees=True),
            Rotation.identity(frames),
        ),
        fps,
    )


def test_positions_by_hand():
    quarter = Rotation.from_euler("z", [[0], [90]], degrees=True)
    motion = kinematics.JointMotion(
        np.array([[1.0, 0, 0], [1, 0, 0]]),
        (quarter, quarter, Rotation.identity(2)),
        120.0,
    )
    np.testing.assert_allclose(
        kinematics.positions(ARM, motion),
        [
            [(1, 0, 0), (3, 0, 0), (6, 0, 0)],
            [(1, 0, 0), (1, 2, 0), (-2, 2, 0)],
        ],
        atol=1e-12,
    )
    np.testing.assert_allclose(
        kinematics.at_rest(ARM), [(0, 0, 0), (2, 0, 0), (5, 0, 0)]
    )


def test_scale():
    skeleton, motion = kinematics.scaled(ARM, moving(3, 2.0), 0.01)
    np.testing.assert_allclose(
        kinematics.positions(skeleton, motion),
        kinematics.positions(ARM, moving(3, 2.0)) / 100,
    )


@pytest.mark.parametrize(
    ("fps", "step"),
    [(120, 4), (1 / 0.0083333, 4), (60, 2), (59.94, 2), (30, 1), (29.97, 1)],
)
def test_rates_that_divide_pick_frames(fps, step):
    motion = moving(23, fps)
    thinned, places = kinematics.sampled(motion, 30.0)
    assert thinned.fps == 30
    np.testing.assert_array_equal(places, np.arange(0, 23, step))
    np.testing.assert_array_equal(
        kinematics.positions(ARM, thinned),
        kinematics.positions(ARM, motion)[::step],
    )


@pytest.mark.parametrize("fps", [100, 50, 25, 24, 144])
def test_other_rates_interpolate_turns(fps):
    """At constant rates that is exact; bones keep their lengths."""
    seconds = 1.3
    motion = moving(int(seconds * fps) + 1, fps)
    resampled, places = kinematics.sampled(motion, 30.0)
    count = len(places)
    assert count == int((len(motion.root) - 1) / fps * 30 + 1e-9) + 1
    assert places[-1] <= len(motion.root) - 1
    np.testing.assert_allclose(places, np.arange(count) * fps / 30)
    found = kinematics.positions(ARM, resampled)
    expected = kinematics.positions(ARM, moving(count, 30.0))
    np.testing.assert_allclose(found, expected, atol=1e-9)
    lengths = np.linalg.norm(np.diff(found, axis=1), axis=-1)
    np.testing.assert_allclose(lengths, [[2, 3]] * count)


def test_rounding_does_not_lead_beyond_the_end():
    # 50 steps of 33/30 are 55.00000000000001.
    resampled, places = kinematics.sampled(moving(56, 33.0), 30.0)
    assert (len(resampled.root), places[-1]) == (51, 55)


def test_a_single_frame():
    for fps in (120.0, 50.0):
        alone, places = kinematics.sampled(moving(1, fps), 30.0)
        assert (len(alone.root), alone.fps, places.tolist()) == (1, 30, [0])

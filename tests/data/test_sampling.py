"""Which frames training sees, and how often."""

import numpy as np
import pytest

from ampose_tf.data import sampling
from ampose_tf.data.mocap import Motion3D
from tests.people import STANDING


def motion(frames):
    """Of {"subject/movement", and a number: frames (T, 17, 3)}."""
    names = tuple(frames)
    counts = [len(frames[name]) for name in names]
    trials = np.repeat(np.arange(len(names), dtype=np.int32), counts)
    owners = np.array([name.split("/")[0] for name in names])
    joints = np.concatenate(list(frames.values())).astype(np.float32)
    described = tuple(
        name.split("/")[1].rstrip("0123456789") for name in names
    )
    return Motion3D(joints, owners[trials], trials, names, described)


def raising_arm(heights):
    """All stand still; the left wrist is raised to one height per frame."""
    frames = np.tile(STANDING, (len(heights), 1, 1))
    frames[:, 13, 2] += heights
    # Where a person stands is no pose.
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


def test_trials_of_one_movement_share_what_it_has():
    still = np.tile(STANDING, (100, 1, 1))
    some = motion({"P/a1": still[:6], "P/a2": still[:2], "P/b": still[:4]})
    shares = sampling.shares(some, 1.0)
    np.testing.assert_allclose(
        np.bincount(some.trials, weights=shares), [0.375, 0.125, 0.5]
    )
    # Another subject's movement of the same name is another one.
    both = motion({"P/a": still[:6], "P/b": still[:2], "Q/a": still[:50]})
    shares = sampling.shares(both, 1.0)
    np.testing.assert_allclose(
        np.bincount(both.trials, weights=shares), [0.25, 0.25, 0.5]
    )

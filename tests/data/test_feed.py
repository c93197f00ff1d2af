"""Both feeds: the same members, and what each of them gives."""

import numpy as np
import pytest

from ampose_tf.data import human36m, synthetic
from ampose_tf.data.augmentation import drawing
from ampose_tf.data.feed import (
    MotionFeed,
    PosesFeed,
    make_feed,
    validation_arrays,
)
from ampose_tf.data.mocap import Motion3D


@pytest.fixture
def motion():
    joints = synthetic.generate("S1", "Walking", 31, seed=0)
    return Motion3D(
        joints[:, human36m.JOINTS_OF_32],
        subjects=np.full(31, "S1"),
        trials=np.zeros(31, np.int32),
        trial_names=("S1/walk",),
        descriptions=("walk",),
    )


@pytest.fixture
def config(tiny_config):
    tiny_config.data.poses_per_epoch = 23
    # Detectors' landmarks take seconds to trace.
    tiny_config.data.detector.exact = 1
    tiny_config.model.seen_input = True
    return tiny_config


def public(feed):
    return {name for name in dir(feed) if not name.startswith("_")}


def equal(one, other):
    assert len(one) == len(other)
    for (given, target), (given_too, target_too) in zip(
        one, other, strict=True
    ):
        assert set(given) == set(given_too)
        for name, array in given.items():
            np.testing.assert_array_equal(array, given_too[name])
        np.testing.assert_array_equal(target, target_too)


def test_both_have_the_same_members(config, make_poses, motion):
    of_poses = make_feed(config, make_poses(17))
    of_motion = make_feed(config, motion)
    assert isinstance(of_poses, PosesFeed)
    assert isinstance(of_motion, MotionFeed)
    assert public(of_poses) == public(of_motion)
    assert of_poses.inputs == of_motion.inputs == ("keypoints_2d", "seen")
    assert (of_poses.steps, of_motion.steps) == (3, 3)  # of 17 and 23 by 7
    assert of_poses.description == "17 training poses"
    assert of_motion.description == (
        "31 training frames, 21 drawn poses per epoch"
    )


def test_a_refinement_takes_cameras_too(config, make_poses):
    config.train.lifter = "lifter.keras"
    feed = make_feed(config, make_poses(17))
    assert feed.inputs == ("keypoints_2d", "seen", "intrinsics", "root_depth")


def test_epochs_do_not_depend_on_where_a_run_starts(
    config, make_poses, motion
):
    for training in (make_poses(17), motion):
        feed = make_feed(config, training)
        whole = list(feed.batches(range(2)).as_numpy_iterator())
        assert len(whole) == 2 * feed.steps
        second = list(feed.batches(range(1, 2)).as_numpy_iterator())
        equal(whole[feed.steps :], second)
        with pytest.raises(AssertionError):
            equal(whole[: feed.steps], second)


def test_validation_is_all_poses_in_order(make_poses):
    poses = make_poses(13)
    given, target = validation_arrays(poses, ("keypoints_2d",))
    np.testing.assert_array_equal(given, poses.keypoints_2d)
    np.testing.assert_array_equal(target, poses.poses_3d)
    given, _ = validation_arrays(poses, ("keypoints_2d", "seen"))
    assert set(given) == {"keypoints_2d", "seen"}
    np.testing.assert_array_equal(given["seen"], np.ones((13, 17)))
    unknown = poses._replace(intrinsics=None)
    with pytest.raises(ValueError, match="needs intrinsics, which is unknown"):
        validation_arrays(unknown, ("keypoints_2d", "intrinsics"))


def test_mean_pose(config, make_poses, motion, monkeypatch):
    poses = make_poses(17)
    mean = make_feed(config, poses).mean_pose()
    assert mean.dtype == np.float64
    np.testing.assert_allclose(mean, poses.poses_3d.mean(axis=0), atol=1e-6)
    traced, drawn = [], drawing.drawn

    def noted(*given):
        traced.append(given)
        return drawn(*given)

    monkeypatch.setattr(drawing, "drawn", noted)
    feed = make_feed(config, motion)
    first = [target for _, target in feed.batches(range(1))]
    np.testing.assert_allclose(
        feed.mean_pose(), np.concatenate(first).mean(axis=0), atol=1e-6
    )
    assert len(traced) == 1  # It takes seconds.


def test_calibration_shows_fixed_poses_from_first_to_last(config, make_poses):
    poses = make_poses(17)
    feed = make_feed(config, poses)
    shown = feed.calibration(3, seen_input=True)
    np.testing.assert_array_equal(
        shown["keypoints_2d"], poses.keypoints_2d[[0, 8, 16]]
    )
    assert set(shown) == {"keypoints_2d", "seen"}
    assert set(feed.calibration(3, seen_input=False)) == {"keypoints_2d"}
    assert len(feed.calibration(99, seen_input=False)["keypoints_2d"]) == 17
    with pytest.raises(ValueError, match="no training poses to calibrate"):
        make_feed(config, poses.select(slice(0))).calibration(3, True)


def test_calibration_draws_from_motion_as_the_first_epoch(config, motion):
    feed = make_feed(config, motion)
    (given, _), *_ = feed.batches(range(1)).as_numpy_iterator()
    shown = feed.calibration(7, seen_input=True)  # a batch
    for name in ("keypoints_2d", "seen"):
        np.testing.assert_array_equal(shown[name], given[name])
    # Of the model's inputs, not of the config's; an epoch has 23.
    shown = feed.calibration(99, seen_input=False)
    assert set(shown) == {"keypoints_2d"}
    assert shown["keypoints_2d"].shape == (23, 17, 2)

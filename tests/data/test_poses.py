import numpy as np
import pytest

from ampose_tf.data import poses

NAMES = ("Eating", "Walking")


def sequence(frames, action=0, subject="S1", names=NAMES, joints=3):
    """Poses whose values tell frame, joint and axis apart."""
    count = frames * joints
    return poses.make_poses(
        np.arange(count * 2.0).reshape(frames, joints, 2),
        np.arange(count * 3.0).reshape(frames, joints, 3) ** 2,
        action,
        subject,
        names,
    )


def test_make_poses_subtracts_each_frames_hip():
    camera_joints = np.array(
        [
            [[1, 2, 3], [2, 4, 7]],
            [[10, 20, 30], [9, 20, 31]],
            [[0, 0, 5], [0, 0, 5]],
        ],
        np.float64,
    )
    made = poses.make_poses(np.ones((3, 2, 2)), camera_joints, 1, "S11", NAMES)
    np.testing.assert_array_equal(
        made.poses_3d,
        [
            [[0, 0, 0], [1, 2, 4]],
            [[0, 0, 0], [-1, 0, 1]],
            [[0, 0, 0], [0, 0, 0]],
        ],
    )
    assert made.count == 3
    assert made.actions.tolist() == [1, 1, 1]
    assert made.subjects.tolist() == ["S11"] * 3
    assert made.action_names == NAMES


def test_make_poses_subtracts_before_rounding():
    # Far from the origin, float32 would round a micrometre away.
    joints = np.array([[[1000.0, 0, 0], [1000.0 + 1e-6, 0, 0]]])
    made = poses.make_poses(np.ones((1, 2, 2)), joints, 0, "S1", NAMES)
    assert made.poses_3d[0, 1, 0] == pytest.approx(1e-6, rel=1e-4)


def test_types():
    made = sequence(5)
    assert made.keypoints_2d.dtype == made.poses_3d.dtype == np.float32
    assert made.actions.dtype == np.int32
    assert made.subjects.dtype.kind == "U"


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        (slice(None, None, 3), [0, 3, 6]),
        (np.array([5, 0, 5]), [5, 0, 5]),
        (np.arange(7) > 4, [5, 6]),
    ],
    ids=["slice", "indices", "mask"],
)
def test_select_keeps_rows_together(index, rows):
    whole = poses.concatenate([sequence(3, 0, "S1"), sequence(4, 1, "S11")])
    picked = whole.select(index)
    assert picked.count == len(rows)
    for new, old in enumerate(rows):
        for array, source in zip(picked[:4], whole[:4], strict=True):
            np.testing.assert_array_equal(array[new], source[old])
    assert picked.action_names == NAMES


def test_concatenate_keeps_the_order_and_long_names():
    whole = poses.concatenate([sequence(2, 1, "S1"), sequence(3, 0, "S11")])
    assert whole.count == 5
    assert whole.actions.tolist() == [1, 1, 0, 0, 0]
    assert whole.subjects.tolist() == ["S1", "S1", "S11", "S11", "S11"]
    np.testing.assert_array_equal(
        whole.keypoints_2d[2:], sequence(3).keypoints_2d
    )
    np.testing.assert_array_equal(whole.poses_3d[:2], sequence(2).poses_3d)


def test_concatenate_needs_a_part():
    with pytest.raises(ValueError, match="got none"):
        poses.concatenate([])


def test_concatenate_needs_the_same_action_names():
    other = sequence(2, names=("Walking", "Eating"))
    with pytest.raises(ValueError, match="same action names"):
        poses.concatenate([sequence(2), other])


@pytest.mark.parametrize(
    ("at_most", "rows"),
    [(3, [0, 3, 6]), (1, [0]), (7, range(7)), (99, range(7))],
)
def test_spread_goes_from_the_first_to_the_last(at_most, rows):
    whole = sequence(7)
    some = whole.spread(at_most)
    np.testing.assert_array_equal(some.poses_3d, whole.poses_3d[list(rows)])
    assert some.count == len(rows)


def test_sample_inputs_hide_one_joint_in_ten():
    made = sequence(400, joints=17)
    assert set(made.sample_inputs(False)) == {"keypoints_2d"}
    inputs = made.sample_inputs(True)
    np.testing.assert_array_equal(inputs["keypoints_2d"], made.keypoints_2d)
    assert inputs["seen"].dtype == np.float32
    assert set(np.unique(inputs["seen"])) == {0, 1}
    # Of 6,800 joints, 680 with a standard deviation of 25.
    assert inputs["seen"].mean() == pytest.approx(0.9, abs=0.015)
    again = made.sample_inputs(True)["seen"]
    np.testing.assert_array_equal(inputs["seen"], again)

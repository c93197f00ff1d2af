"""Joints that were not seen, completed in 2D."""

import numpy as np
import pytest

from ampose_tf.lifting import completion
from ampose_tf.skeleton import H36M_17
from tests.people import STANDING

# From the front: x is to the left of somebody who faces us, y is down.
FRONT = STANDING[:, [1, 2]] * (300, -300) + (320, 500)


def index(joint):
    return H36M_17.joints.index(joint)


def clip(frames=7):
    """Returns somebody who moves evenly, and the frames' numbers."""
    shift = np.arange(frames)[:, None, None] * (5.0, -2.0)
    return (FRONT + shift).astype(np.float32), np.arange(frames)


def without(*joints, frames=slice(None), of=7):
    seen = np.ones((of, 17), bool)
    for joint in joints:
        seen[frames, index(joint)] = False
    return seen


def complete(pixels, seen, frames):
    hidden = np.where(seen[..., None], pixels, np.nan)
    completed = completion.complete(hidden, seen, frames)
    np.testing.assert_array_equal(completed[seen], pixels[seen])
    assert np.isfinite(completed).all() and completed.dtype == np.float32
    return completed


def test_nothing_to_complete():
    pixels, frames = clip()
    seen = np.ones((7, 17), bool)
    np.testing.assert_array_equal(complete(pixels, seen, frames), pixels)


def test_even_motion_is_interpolated():
    pixels, frames = clip()
    seen = without("LWrist", "Head", frames=slice(2, 5))
    np.testing.assert_allclose(
        complete(pixels, seen, frames), pixels, atol=1e-3
    )
    # By the frames' numbers, not their places.
    uneven = np.array([0, 1, 3, 4, 9])
    pixels = pixels[:1] + uneven[:, None, None] * np.float32([5, -2])
    seen = without("LWrist", frames=slice(2, 4), of=5)
    np.testing.assert_allclose(
        complete(pixels, seen, uneven), pixels, atol=1e-3
    )


def test_a_long_gap_is_filled_from_the_body():
    """Even where the joint was elsewhere before and after."""
    pixels, _ = clip(3)
    pixels[[0, 2], index("RWrist")] += 100
    seen = without("RWrist", frames=1, of=3)
    for gap, near in ((completion.MAX_GAP, False), (100, True)):
        frames = np.array([0, 1, gap + 1])
        made = complete(pixels, seen, frames)[1, index("RWrist")]
        expected = 2 * pixels[1, index("RElbow")]
        expected -= pixels[1, index("RShoulder")]
        assert np.allclose(made, expected, atol=1e-3) == near


@pytest.mark.parametrize(
    ("joint", "made_of"),
    [
        ("LElbow", {"LShoulder": 0.5, "LWrist": 0.5}),
        ("RKnee", {"RHip": 0.5, "RFoot": 0.5}),
        ("LWrist", {"LElbow": 2, "LShoulder": -1}),
        ("RFoot", {"RKnee": 2, "RHip": -1}),
        ("Hip", {"RHip": 0.5, "LHip": 0.5}),
        ("RShoulder", {"Thorax": 2, "LShoulder": -1}),
        ("Spine", {"Hip": 0.55, "Thorax": 0.45}),
        ("Neck/Nose", {"Thorax": 0.54, "Head": 0.46}),
    ],
)
def test_one_joint_from_its_neighbours(joint, made_of):
    pixels, frames = clip(2)
    made = complete(pixels, without(joint, of=2), frames)[:, index(joint)]
    expected = sum(
        weight * pixels[:, index(name)] for name, weight in made_of.items()
    )
    np.testing.assert_allclose(made, expected, atol=1e-3)


def test_a_limb_is_the_other_one_mirrored():
    pixels, frames = clip(1)
    # The right arm is raised; the trunk is upright in the image.
    raised = {"RElbow": (-40, -60), "RWrist": (-45, -150)}
    for joint, place in raised.items():
        pixels[0, index(joint)] = pixels[0, index("RShoulder")] + place
    made = complete(pixels, without("LElbow", "LWrist", of=1), frames)[0]
    for joint, (x, y) in raised.items():
        expected = pixels[0, index("LShoulder")] + (-x, y)
        np.testing.assert_allclose(
            made[index("L" + joint[1:])], expected, atol=1e-3
        )


def test_legs_out_of_the_image_hang_down():
    pixels, frames = clip(1)
    legs = [side + joint for side in "LR" for joint in ("Knee", "Foot")]
    made = complete(pixels, without(*legs, of=1), frames)[0]
    size = np.ptp(FRONT[:, 1])
    for joint in legs:
        error = np.linalg.norm(made[index(joint)] - pixels[0, index(joint)])
        assert error < 0.08 * size


def test_every_single_joint_may_be_the_only_one():
    pixels, frames = clip(1)
    for joint in range(17):
        seen = np.zeros((1, 17), bool)
        seen[0, joint] = True
        made = complete(pixels, seen, frames)
        # There is nothing to tell where the others are.
        assert np.abs(made - pixels[0, joint]).max() < 1e-3
    with pytest.raises(ValueError, match="at least one joint seen in every"):
        completion.complete(pixels, np.zeros((1, 17), bool), frames)


def test_any_set_of_joints_may_be_missing():
    random = np.random.default_rng(11)
    pixels, frames = clip(29)
    size = np.hypot(*np.ptp(FRONT, axis=0))
    for share in (0.1, 0.5, 0.9):
        seen = random.uniform(size=(29, 17)) > share
        seen[np.arange(29), random.integers(17, size=29)] = True
        made = complete(pixels, seen, frames)
        assert np.linalg.norm(made - pixels, axis=2).max() < size


def test_independent_poses_are_completed_as_if_each_were_alone():
    pixels, _ = clip()
    seen = np.random.default_rng(3).random((7, 17)) < 0.6
    at_once = complete(pixels, seen, None)
    for frame in range(7):
        one = slice(frame, frame + 1)
        np.testing.assert_array_equal(
            at_once[one], complete(pixels[one], seen[one], np.array([frame]))
        )
    assert not np.allclose(at_once, complete(pixels, seen, np.arange(7)))

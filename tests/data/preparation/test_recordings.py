import numpy as np
import pytest

from ampose_tf.data.preparation import recordings
from ampose_tf.skeleton import H36M_17
from tests.people import STANDING


def standing(frames):
    return np.tile(STANDING, (frames, 1, 1))


def joint(name):
    return H36M_17.joints.index(name)


@pytest.mark.parametrize("fps", [30, 60, 120])
@pytest.mark.parametrize(
    ("name", "speed"),
    [
        ("Hip", 12),
        ("Head", 12),
        ("LHip", 12),
        ("RShoulder", 12),
        ("LKnee", 15),
        ("RElbow", 15),
        ("LFoot", 25),
        ("RWrist", 25),
    ],
)
def test_speeds(name, speed, fps):
    """A joint that goes out and back within two frames, fast or not."""
    count = 4 * fps
    for factor, parts in ((0.99, 1), (1.01, 2)):
        joints = standing(count)
        joints[count // 2, joint(name), 1] += factor * speed / fps
        assert len(recordings.whole_parts(joints, fps)) == parts


def test_a_jump_is_cut_with_a_margin():
    joints = standing(400)
    joints[200:] += [2, 0, 0]
    # 1/30 s on either side: 4 frames before the jump and 4 after.
    assert recordings.whole_parts(joints, 120) == [(0, 196), (204, 400)]


def test_a_stretch_of_rubbish_is_dropped():
    joints = standing(400)
    joints[200:240, joint("LWrist")] += [0, 0.5, 0]
    assert recordings.whole_parts(joints, 120) == [(0, 196), (244, 400)]


def test_short_parts_are_dropped():
    joints = standing(400)
    joints[64:] += [2, 0, 0]
    # 60 frames remain before it: half a second.
    assert recordings.whole_parts(joints, 120) == [(0, 60), (68, 400)]
    joints = standing(400)
    joints[63:] += [2, 0, 0]
    assert recordings.whole_parts(joints, 120) == [(67, 400)]


def test_nothing_remains():
    assert recordings.whole_parts(standing(59), 120) == [(0, 59)]
    broken = standing(100)
    broken[50:] += 1
    assert recordings.whole_parts(broken, 120) == []
    assert recordings.whole_parts(standing(1), 120) == []
    random = np.random.default_rng(0)
    assert recordings.whole_parts(random.normal(size=(200, 17, 3)), 120) == []


def test_people_who_run_jump_and_box_are_whole():
    frames, fps = 600, 120
    time = np.arange(frames)[:, None] / fps
    joints = standing(frames)
    joints[..., 0] += 8 * time  # a sprint indoors
    joints[:, joint("RWrist"), 2] += 0.4 * np.sin(40 * time[:, 0])  # 16 m/s
    assert recordings.whole_parts(joints, fps) == [(0, frames)]

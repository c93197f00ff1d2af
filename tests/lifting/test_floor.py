"""Up, and the world with a floor."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ampose_tf.lifting.floor import (
    align,
    estimate_up,
    parse_up,
    rotation_to_world,
    world_positions,
)
from ampose_tf.lifting.motion import LEVEL, LiftedTrack, Motion
from ampose_tf.lifting.writers.axes import y_up
from tests.lifting.filmed import film
from tests.people import STANDING


def standing(frames, turn):
    """A motion of somebody who stands, z up turned into a camera's frame."""
    poses_3d = (STANDING - STANDING[0]) @ turn.T
    return Motion(
        (
            LiftedTrack(
                0,
                np.arange(frames),
                np.broadcast_to(poses_3d, (frames, 17, 3)),
                np.zeros((frames, 17, 2)),
                np.ones((frames, 17)),
                np.ones((frames, 17), bool),
                np.zeros((frames, 17)),
            ),
        ),
        (5, 7),
    )


@pytest.mark.parametrize(
    ("text", "up"),
    [
        ("y", (0, -1, 0)),
        ("auto", "auto"),
        ("0", (0, -1, 0)),
        # Straight down: up is behind the camera.
        ("90", (0, 0, -1)),
        ("-30", (0, -np.sqrt(3) / 2, 0.5)),
        ("0,-4,3", (0, -0.8, 0.6)),
    ],
)
def test_up_is_parsed(text, up):
    parsed = parse_up(text)
    if up == "auto":
        assert parsed == "auto"
    else:
        np.testing.assert_allclose(parsed, up, atol=1e-15)


@pytest.mark.parametrize("text", ["", "z", "91", "1,2", "0,0,0", "nan,1,1"])
def test_other_ups_are_refused(text):
    with pytest.raises(ValueError, match="--up: expected y, auto"):
        parse_up(text)


def test_level_camera_sees_the_world_upright():
    """Right is x, forwards y, upwards z."""
    np.testing.assert_allclose(
        rotation_to_world(LEVEL), [[1, 0, 0], [0, 0, 1], [0, -1, 0]]
    )
    points = np.array([[1.0, 2.0, 3.0]])
    np.testing.assert_array_equal(y_up(points), [[1, 3, -2]])


def test_world_is_never_mirrored():
    ups = [*np.random.default_rng(0).normal(size=(20, 3)), *np.eye(3)]
    ups += [-axis for axis in np.eye(3)]
    for up in ups:
        up = np.asarray(up) / np.linalg.norm(up)
        rotation = rotation_to_world(up)
        np.testing.assert_allclose(
            rotation @ rotation.T, np.eye(3), atol=1e-12
        )
        assert np.linalg.det(rotation) == pytest.approx(1)
        np.testing.assert_allclose(rotation @ up, [0, 0, 1], atol=1e-12)
        if abs(up[0]) < 0.9:
            # The camera's right is level and to the right.
            right = rotation @ [1, 0, 0]
            assert right[0] > 0 and right[1] == pytest.approx(0)


def test_true_up_gives_back_the_world():
    """But for where it begins and which way is north."""
    filmed = film(frames=60)
    motion = align(filmed.motion, tuple(filmed.up))
    (world,) = world_positions(motion)
    heights = world[..., 2] - filmed.world[..., 2]
    assert np.ptp(heights) < 1e-5
    np.testing.assert_allclose(
        np.linalg.norm(world - world[:1, :1], axis=-1),
        np.linalg.norm(filmed.world - filmed.world[:1, :1], axis=-1),
        atol=1e-5,
    )
    lowest = world[:, [3, 6], 2].min(axis=1)
    assert np.percentile(lowest, 5) == pytest.approx(0.09)
    # Below the camera is the origin.
    camera = rotation_to_world(motion.up) @ motion.tracks[0].root[0]
    np.testing.assert_allclose(world[0, 0, :2], camera[:2], atol=1e-5)
    assert motion.notes[0].startswith("The up direction is given: (")


def test_a_few_low_feet_do_not_lower_the_floor():
    motion = film(frames=60).motion
    (track,) = motion.tracks
    sunk = track.root.copy()
    sunk[7] += [0, 1, 0]
    (world,) = world_positions(motion)
    (other,) = world_positions(
        dataclasses.replace(motion, tracks=(track._replace(root=sunk),))
    )
    assert abs(other[0, 0, 2] - world[0, 0, 2]) < 0.01


def test_people_share_the_floor_but_not_without_a_root():
    """A child on a box of 0.5 m stands on the floor when there is no root."""
    motion = film(frames=13).motion
    (track,) = motion.tracks
    raised = track._replace(track_id=4, root=track.root - [0, 0.5, 0])
    rootless = track._replace(track_id=5, root=None)
    one, other, still = world_positions(
        dataclasses.replace(motion, tracks=(track, raised, rootless))
    )
    np.testing.assert_allclose((other - one)[..., 2], 0.5, atol=1e-5)
    np.testing.assert_allclose(still[:, 0, :2], 0, atol=1e-6)
    # One foot is on the floor in every frame; upright means what it did.
    np.testing.assert_allclose(still[:, [3, 6], 2].min(axis=1), 0.09)
    relative = [there - there[:, :1] for there in (still, one)]
    np.testing.assert_allclose(*relative, atol=1e-6)


def test_who_stands_points_upwards():
    """STANDING's thorax is straight above the middle of the feet."""
    turn = Rotation.from_euler("xz", [97, 20], degrees=True).as_matrix()
    motion = standing(11, turn)
    np.testing.assert_allclose(estimate_up(motion), turn[:, 2], atol=1e-6)
    aligned = align(motion, "auto")
    np.testing.assert_allclose(aligned.up, turn[:, 2], atol=1e-6)
    assert aligned.notes[0].startswith(
        "The up direction is estimated from people"
    )


@pytest.mark.parametrize("posture", ["bent", "on one leg"])
def test_up_is_asked_of_those_who_stand(posture):
    """A quarter of the frames, here 11 of 44, is enough, not 10 of 44."""
    motion = standing(44, np.eye(3))
    (track,) = motion.tracks
    for standing_frames in (11, 10):
        poses_3d = track.poses_3d.copy()
        others = poses_3d[standing_frames:]
        if posture == "bent":
            bend = Rotation.from_euler("y", 30, degrees=True).as_matrix()
            others[:, 7:] = others[:, 7:] @ bend.T
        else:
            others[:, 3] = others[:, 2] - [0.4, 0, 0]
        changed = dataclasses.replace(
            motion, tracks=(track._replace(poses_3d=poses_3d),)
        )
        if standing_frames == 11:
            np.testing.assert_allclose(
                estimate_up(changed), [0, 0, 1], atol=1e-6
            )
        else:
            with pytest.raises(ValueError, match="in 10 of 44 frames"):
                estimate_up(changed)


def test_walking_says_where_up_is():
    filmed = film("Walking", frames=100)
    off = np.degrees(np.arccos(estimate_up(filmed.motion) @ filmed.up))
    # The camera is tilted by more than twice as much.
    assert off < 3
    assert np.degrees(np.arccos(-filmed.up[1])) > 6


def test_up_needs_somebody_standing():
    with pytest.raises(ValueError, match="only 9 of 9 frames"):
        estimate_up(standing(9, np.eye(3)))
    with pytest.raises(ValueError, match="only 0 of 60 .* --up"):
        align(film("Sitting", frames=60).motion, "auto")
    with pytest.raises(ValueError, match="in 0 of 0"):
        estimate_up(Motion((), (5, 7)))


def test_align_refuses_what_is_no_direction():
    motion = standing(1, np.eye(3))
    with pytest.raises(ValueError, match="auto, got 'y'"):
        align(motion, "y")
    with pytest.raises(ValueError, match="unit vector"):
        align(motion, (0, -2, 0))
    assert align(motion).up == LEVEL
    assert "level" in align(motion).notes[0]

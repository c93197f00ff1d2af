"""Drawn cameras."""

import numpy as np
import pytest

from ampose_tf.camera import Camera
from ampose_tf.config.ranges import Viewpoints
from tests.drawn import COUNT, LEVEL, bone_lengths, people, seen


def angles_of(views):
    """Returns the field of view of the longest side, in degrees."""
    joints = views.joints
    focal = (views.keypoints_2d * joints[..., 2:] / joints[..., :2])[:, 3, 0]
    return np.degrees(2 * np.arctan(1 / focal))


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
    np.testing.assert_allclose(views.focal[:, 0, 0], focal, rtol=1e-4)
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
    level = LEVEL | dict(height_m=(1.0, 1.0), aim_m=(1.0, 1.0), off_center=0.0)
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
    low = seen(
        Viewpoints(
            height_m=(0.1, 0.1), aim_m=(1.0, 1.0), roll_deg=0.0, **LEVEL
        )
    )
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


def test_no_person_is_behind_the_camera():
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


def test_tilted_cameras_look_down_or_up():
    ranges = Viewpoints(
        tilted=1.0,
        tilt_deg=(-10.0, 60.0),
        aim_m=(1.0, 1.0),
        off_center=0.0,
        fit=0.0,
        roll_deg=0.0,
        rolled=0.0,
    )
    views = seen(ranges, world=people(997))
    # The line of sight meets the axis of the body, 0.1 m above the hip.
    spine = views.joints[:, 10] - views.joints[:, 0]
    middle = views.joints[:, 0] + spine * (0.1 / 0.75)
    np.testing.assert_allclose(middle[:, :2], 0, atol=1e-4)
    assert 2 - 1e-3 < middle[:, 2].min() < 2.2
    assert 6.6 < middle[:, 2].max() < 7 + 1e-3
    # Seen from above, heads are nearer than hips.
    tilt = np.degrees(np.arcsin(-spine[:, 2] / 0.75))
    assert -10 - 1e-3 < tilt.min() < -9 and 59 < tilt.max() < 60 + 1e-3
    assert np.median(tilt) == pytest.approx(25, abs=3)


def test_share_of_tilted_cameras():
    ranges = Viewpoints(
        tilted=0.3,
        tilt_deg=(60.0, 60.0),
        height_m=(1.0, 1.0),
        aim_m=(1.0, 1.0),
        roll_deg=0.0,
        rolled=0.0,
    )
    views = seen(ranges, world=people(997))
    spine = views.joints[:, 10] - views.joints[:, 0]
    assert (spine[:, 2] < -0.3).mean() == pytest.approx(0.3, abs=0.05)


def test_some_cameras_are_held_askew():
    ranges = Viewpoints(
        **LEVEL
        | dict(rolled=0.4, rolled_deg=30.0, roll_deg=0.0, off_center=0.0),
        height_m=(1.0, 1.0),
        aim_m=(1.0, 1.0),
    )
    views = seen(ranges, world=people(997))
    x, y, _ = (views.joints[:, 10] - views.joints[:, 0]).T
    roll = np.abs(np.degrees(np.arctan2(x, -y)))
    assert (roll > 1e-3).mean() == pytest.approx(0.4, abs=0.05)
    assert 25 < roll.max() <= 30

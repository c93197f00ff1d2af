"""Roots: exact, against a general solver, and where nothing is seen."""

import dataclasses

import numpy as np
import pytest
from scipy import optimize
from scipy.spatial.transform import Rotation

from ampose_tf.camera import Camera
from ampose_tf.lifting.root import camera_of, place, solve, stature
from ampose_tf.skeleton import H36M_16, H36M_17
from tests.lifting.filmed import film
from tests.people import STANDING


@pytest.fixture(scope="module")
def filmed():
    return film(frames=23)


def changed(motion, **arrays):
    """Returns the motion without root and with other arrays."""
    track = motion.tracks[0]._replace(root=None, **arrays)
    return dataclasses.replace(motion, tracks=(track,))


def error_share(motion, filmed):
    """Distance to the true roots, as a share of that to the camera."""
    true = filmed.motion.tracks[0].root
    error = np.linalg.norm(motion.tracks[0].root - true, axis=1)
    return error / np.linalg.norm(true, axis=1)


def test_field_of_view_is_of_the_longer_side():
    camera = camera_of((640, 480), 90)
    assert camera.focal_length == pytest.approx((320, 320))
    assert camera.center == (320, 240)
    portrait = camera_of((480, 640), 60)
    # An edge of 320 pixels seen under 30 degrees.
    assert portrait.focal_length[1] == pytest.approx(320 * np.sqrt(3))
    for degrees in (0, 180, np.nan):
        with pytest.raises(ValueError, match="field of view"):
            camera_of((5, 7), degrees)


def test_stature_adds_the_links():
    # Head, neck, thorax, spine, hip; knee and foot; sole.
    expected = np.hypot(0.05, 0.15) + np.hypot(0.05, 0.1) + 0.25 + 0.25
    expected += 0.4 + 0.4 + 0.09
    assert stature(STANDING, H36M_17) == pytest.approx(expected)
    # Of one side's shank by 0.1 m longer, half; whoever bends stays tall.
    other = np.stack([STANDING, STANDING])
    other[0, 3, 2] -= 0.1
    bend = Rotation.from_euler("y", 70, degrees=True).as_matrix()
    other[1, 7:] = other[1, 0] + (other[1, 7:] - other[1, 0]) @ bend.T
    np.testing.assert_allclose(
        stature(other, H36M_17), [expected + 0.05, expected]
    )
    without_neck = STANDING[[j for j in range(17) if j != 9]]
    assert stature(without_neck, H36M_16) == pytest.approx(1.64)


def test_exact_projections_give_exact_roots(filmed):
    placed = place(changed(filmed.motion), filmed.camera)
    assert error_share(placed, filmed).max() < 1e-4
    assert "focal lengths of 1145 and 1145 pixels" in placed.notes[0]
    np.testing.assert_array_equal(
        placed.tracks[0].poses_3d, filmed.motion.tracks[0].poses_3d
    )


def test_unequal_focal_lengths_and_any_centre(filmed):
    camera = Camera(1000, 1000, (800.0, 1300.0), (350.0, 720.0))
    (track,) = filmed.motion.tracks
    pixels = camera.project(track.root[:, None] + track.poses_3d)
    placed = place(changed(filmed.motion, keypoints_px=pixels), camera)
    assert error_share(placed, filmed).max() < 1e-4


def test_least_squares_are_those_of_a_general_solver(filmed):
    """On true pixels, weighted by scores, and only over seen joints."""
    random = np.random.default_rng(4)
    (track,) = filmed.motion.tracks
    pixels = track.keypoints_px + random.normal(0, 12, (23, 17, 2))
    scores = random.uniform(0.1, 1, (23, 17))
    seen = random.random((23, 17)) < 0.6
    pixels[~seen] = np.nan
    placed = place(
        changed(filmed.motion, keypoints_px=pixels, scores=scores, seen=seen),
        filmed.camera,
    )
    for frame in range(0, 23, 4):
        on = seen[frame]

        def residuals(root, frame=frame, on=on):
            projected = filmed.camera.project(
                root + track.poses_3d[frame, on].astype(float)
            )
            return np.ravel(
                np.sqrt(scores[frame, on])[:, None]
                * (projected - pixels[frame, on])
            )

        found = optimize.least_squares(
            residuals, track.root[frame], xtol=1e-14, ftol=1e-14, gtol=1e-14
        )
        np.testing.assert_allclose(
            placed.tracks[0].root[frame], found.x, rtol=2e-5
        )


def test_pixel_noise_moves_people_little(filmed):
    noise = np.random.default_rng(0).normal(0, 3, (23, 17, 2))
    (track,) = filmed.motion.tracks
    noisy = changed(filmed.motion, keypoints_px=track.keypoints_px + noise)
    # A person of 400 pixels, 3 / sqrt(17) off at both ends.
    assert np.median(error_share(place(noisy, filmed.camera), filmed)) < 0.01


def test_height_sets_the_scale(filmed):
    """A network that takes everybody for 20 % too small."""
    (track,) = filmed.motion.tracks
    small = changed(filmed.motion, poses_3d=0.8 * track.poses_3d)
    height_m = float(np.median(stature(track.poses_3d, H36M_17)))
    right = place(small, filmed.camera, height_m)
    assert error_share(right, filmed).max() < 1e-4
    np.testing.assert_allclose(
        right.tracks[0].poses_3d, track.poses_3d, atol=1e-5
    )
    np.testing.assert_allclose(right.tracks[0].spread_m, 0.01 / 0.8, rtol=1e-4)
    assert f"height of {height_m:g} m" in right.notes[0]
    # Without, people are as much nearer as they are smaller.
    wrong = place(small, filmed.camera)
    np.testing.assert_allclose(error_share(wrong, filmed), 0.2, rtol=1e-3)


def test_assumed_field_of_view_is_noted(filmed):
    placed = place(changed(filmed.motion))
    assert "assume a field of view of 60 degrees" in placed.notes[0]
    distance = np.linalg.norm(placed.tracks[0].root, axis=1)
    true = np.linalg.norm(filmed.motion.tracks[0].root, axis=1)
    # The true focal length is 1145, the assumed one 866 pixels.
    np.testing.assert_allclose(distance / true, 866 / 1145, rtol=0.02)


def test_frames_that_do_not_tell_are_filled(filmed):
    (track,) = filmed.motion.tracks
    frames = track.frames.copy()
    frames[12:] += 4
    seen = track.seen.copy()
    seen[[0, 1, 10, 11, 12, 22]] = False
    seen[10, :3] = True  # Too few.
    track = track._replace(frames=frames, seen=seen)
    motion = dataclasses.replace(filmed.motion, tracks=(track,))
    root = place(motion, filmed.camera).tracks[0].root
    np.testing.assert_allclose(root[:2], root[[2, 2]])
    np.testing.assert_allclose(root[22], root[21])
    # Frames 9 and 17 are known, 10, 11 and 16 are between.
    for index, share in ((10, 1 / 8), (11, 2 / 8), (12, 7 / 8)):
        np.testing.assert_allclose(
            root[index],
            (1 - share) * track.root[9] + share * track.root[13],
            rtol=1e-4,
        )


def test_nothing_seen_is_no_root(filmed):
    """Also where there was one before."""
    hidden = filmed.motion.tracks[0]._replace(
        seen=np.zeros((23, 17), bool),
        keypoints_px=np.full((23, 17, 2), np.nan),
    )
    motion = dataclasses.replace(filmed.motion, tracks=(hidden,))
    assert place(motion, filmed.camera).tracks[0].root is None
    unsure = changed(filmed.motion, scores=np.zeros((23, 17)))
    assert place(unsure, filmed.camera).tracks[0].root is None


def test_impossible_frames_are_nan(filmed):
    (track,) = filmed.motion.tracks
    poses_3d = track.poses_3d[:5].astype(float)
    pixels = track.keypoints_px[:5].astype(float)
    pixels[1] = 500 + 0.001 * (pixels[1] - 500)  # All joints on one point.
    poses_3d[2] = 0.0  # All joints at one place.
    poses_3d[3] = 0.7
    poses_3d[4] *= -1  # Fits from behind, as pinholes turn images over.
    root = solve(poses_3d, pixels, np.ones((5, 17)), filmed.camera)
    np.testing.assert_array_equal(
        np.isnan(root).any(axis=1), [False, True, True, True, True]
    )


def test_steps_never_make_it_worse(filmed):
    """On poses that have little to do with the keypoints."""
    random = np.random.default_rng(3)
    (track,) = filmed.motion.tracks
    poses_3d = np.tile(track.poses_3d, (10, 1, 1))
    poses_3d = poses_3d + random.normal(0, 0.5, (230, 17, 3))
    pixels = np.tile(track.keypoints_px, (10, 1, 1))
    pixels = pixels + random.normal(0, 100, (230, 17, 2))
    root = solve(poses_3d, pixels, np.ones((230, 17)), filmed.camera)
    rays = (pixels - filmed.camera.center) / filmed.camera.focal_length
    solved = np.flatnonzero(np.isfinite(root).all(axis=1))
    assert len(solved) > 100
    for frame in solved:
        rows, sides = [], []
        for (x, y, z), (u, v) in zip(
            poses_3d[frame], rays[frame], strict=True
        ):
            rows += [(1, 0, -u), (0, 1, -v)]
            sides += [u * z - x, v * z - y]
        linear = np.linalg.lstsq(np.array(rows), np.array(sides))[0]
        least, start = (
            np.sum(
                (filmed.camera.project(r + poses_3d[frame]) - pixels[frame])
                ** 2
            )
            for r in (root[frame], linear)
        )
        assert least <= start * (1 + 1e-9)


def test_unfit_cameras_and_heights_are_refused(filmed):
    motion = filmed.motion
    with pytest.raises(ValueError, match="keypoints', 1000x1000, got 5x7"):
        place(motion, camera_of((5, 7)))
    bent = dataclasses.replace(
        filmed.camera, radial_distortion=(-0.2, 0.0, 0.0)
    )
    with pytest.raises(ValueError, match="undistort the keypoints"):
        place(motion, bent)
    for height_m in (0, 175, np.nan):
        with pytest.raises(ValueError, match="between 0.3 and 3 metres"):
            place(motion, filmed.camera, height_m)

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ampose_tf import camera
from ampose_tf.camera import Camera, denormalize_screen, normalize_screen
from ampose_tf.data import human36m

IDEAL = Camera(width=640, height=480, focal_length=(2, 3), center=(10, 20))

# Every figure differs from every other, so that none can be taken for it.
DISTORTING = Camera(
    width=1000,
    height=1002,
    focal_length=(1145.0, 1143.0),
    center=(512.0, 515.0),
    radial_distortion=(-0.21, 0.25, -0.003),
    tangential_distortion=(-0.0010, -0.0014),
    orientation=(0.5, -0.5, 0.1, 0.7),
    translation=(1.8, 4.9, 1.6),
)


def calibrated():
    return [
        (subject, index, view)
        for subject in human36m.SUBJECTS
        for index, view in enumerate(human36m.cameras(subject))
    ]


def test_quarter_turn_about_x_by_hand():
    # Turns camera axes so that z, forward, becomes -y of the world.
    view = dataclasses.replace(
        IDEAL,
        orientation=(np.sqrt(0.5), np.sqrt(0.5), 0, 0),
        translation=(1, 2, 3),
    )
    np.testing.assert_allclose(
        view.rotation(), [[1, 0, 0], [0, 0, -1], [0, 1, 0]], atol=1e-15
    )
    np.testing.assert_allclose(
        view.camera_to_world(np.array([0.0, 0.0, 5.0])), [1, -3, 3]
    )
    np.testing.assert_allclose(
        view.world_to_camera(np.array([1.0, -3.0, 3.0])),
        [0, 0, 5],
        atol=1e-14,
    )


def test_rotation_matrix_is_scipys():
    rng = np.random.default_rng(2)
    for quaternion in rng.normal(size=(11, 4)):
        quaternion /= np.linalg.norm(quaternion)
        expected = Rotation.from_quat(quaternion, scalar_first=True)
        np.testing.assert_allclose(
            camera.rotation_matrix(quaternion),
            expected.as_matrix(),
            atol=1e-14,
        )


@pytest.mark.parametrize(
    "quaternion", [(0, 0, 0, 0), (1, 1, 0, 0), (1.002, 0, 0, 0)]
)
def test_orientation_must_be_a_unit_quaternion(quaternion):
    view = dataclasses.replace(IDEAL, orientation=quaternion)
    with pytest.raises(ValueError, match="unit quaternion, got length"):
        view.rotation()


def test_rounded_quaternion_still_gives_a_rotation():
    quaternion = np.round([0.14070565, -0.15007018, -0.755240, 0.622328], 4)
    rotation = camera.rotation_matrix(quaternion)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-14)


@pytest.mark.parametrize("subject", human36m.SUBJECTS)
def test_world_and_camera_are_inverse(subject):
    rng = np.random.default_rng(3)
    points = rng.uniform(-5, 5, size=(5, 7, 3))
    for view in human36m.cameras(subject):
        seen = view.world_to_camera(points)
        np.testing.assert_allclose(
            view.camera_to_world(seen), points, atol=1e-13
        )
        # It is rigid, and the camera stands at its translation.
        np.testing.assert_allclose(
            np.linalg.norm(seen, axis=-1),
            np.linalg.norm(points - view.translation, axis=-1),
        )


def test_pinhole_by_hand():
    points = np.array([[4.0, -6.0, 2.0], [0.0, 0.0, 1.0]])
    # 2 * 4/2 + 10, 3 * -6/2 + 20.
    np.testing.assert_array_equal(IDEAL.project(points), [[14, 11], [10, 20]])


def test_pinhole_does_not_clip():
    np.testing.assert_array_equal(
        IDEAL.project(np.array([5.0, 0.0, 1.0])), [20, 20]
    )


def test_distortion_by_hand():
    # x = 0.5, y = -1: r2 = 1.25, r4 = 1.5625, r6 = 1.953125;
    # k.r = 0.125 + 0.3125 + 0.5859375 = 1.0234375; p.x = 0.25 - 0.25 * 1;
    # factor = 1 + 1.0234375 + 0.125 - 0.0625 = 2.0859375;
    # x' = 0.5 factor + 0.25 * 1.25, y' = -factor + 0.0625 * 1.25.
    view = dataclasses.replace(
        IDEAL,
        radial_distortion=(0.1, 0.2, 0.3),
        tangential_distortion=(0.25, 0.0625),
    )
    np.testing.assert_allclose(
        view.project(np.array([1.0, -2.0, 2.0])),
        [
            2 * (0.5 * 2.0859375 + 0.3125) + 10,
            3 * (-2.0859375 + 0.078125) + 20,
        ],
        rtol=1e-14,
    )


def test_distortion_clips_as_videopose3d_does():
    far = DISTORTING.project(np.array([7.0, -9.0, 2.0]))
    corner = DISTORTING.project(np.array([2.0, -2.0, 2.0]))
    np.testing.assert_array_equal(far, corner)


@pytest.mark.parametrize("kind", ["radial_distortion", "both", "tangential"])
def test_projection_equals_a_slow_loop(kind):
    view = DISTORTING
    if kind == "radial_distortion":
        view = dataclasses.replace(view, tangential_distortion=(0.0, 0.0))
    elif kind == "tangential":
        view = dataclasses.replace(view, radial_distortion=(0.0, 0.0, 0.0))
    rng = np.random.default_rng(5)
    points = rng.uniform([-2, -2, 3], [2, 2, 7], size=(5, 7, 3))
    expected = np.empty((5, 7, 2))
    k, p = view.radial_distortion, view.tangential_distortion
    for index in np.ndindex(5, 7):
        x, y = points[index][:2] / points[index][2]
        r2 = x * x + y * y
        factor = (
            1
            + (k[0] * r2 + k[1] * r2**2 + k[2] * r2**3)
            + (p[0] * x + p[1] * y)
        )
        for axis, ray in enumerate((x, y)):
            expected[index][axis] = (
                view.focal_length[axis] * (ray * factor + p[axis] * r2)
                + view.center[axis]
            )
    np.testing.assert_allclose(view.project(points), expected, rtol=1e-13)


def test_projection_of_float32_is_exact_to_a_hundredth_of_a_pixel():
    rng = np.random.default_rng(7)
    points = rng.uniform([-2, -2, 3], [2, 2, 7], size=(11, 3))
    np.testing.assert_allclose(
        DISTORTING.project(points.astype(np.float32)),
        DISTORTING.project(points),
        atol=1e-2,
    )


@pytest.mark.parametrize("depth", [0.0, -2.0, np.nan])
def test_points_behind_the_camera_are_refused(depth):
    points = np.array([[0.1, 0.2, 3.0], [0.1, 0.2, depth]])
    with pytest.raises(ValueError, match="in front of the camera"):
        IDEAL.project(points)


def test_normalize_by_hand():
    corners = np.array([[0.0, 0.0], [1000.0, 500.0], [500.0, 250.0]])
    for by in ("width", "longest"):
        np.testing.assert_array_equal(
            normalize_screen(corners, (1000, 500), by),
            [[-1, -0.5], [1, 0.5], [0, 0]],
        )


def test_normalize_portrait_by_hand():
    corners = np.array([[0.0, 0.0], [720.0, 1280.0]])
    np.testing.assert_array_equal(
        normalize_screen(corners, (720, 1280)),
        [[-0.5625, -1], [0.5625, 1]],
    )
    np.testing.assert_allclose(
        normalize_screen(corners, (720, 1280), by="width"),
        [[-1, -1280 / 720], [1, 1280 / 720]],
        rtol=1e-15,
    )


def test_normalize_is_human36ms_formula():
    # u' = 2 u / w - [1, h / w]
    rng = np.random.default_rng(11)
    pixels = rng.uniform(0, 1000, size=(5, 17, 2))
    np.testing.assert_allclose(
        normalize_screen(pixels, (1000, 1002), by="width"),
        2 * pixels / 1000 - np.array([1, 1.002]),
        atol=1e-14,
    )


@pytest.mark.parametrize("by", camera.SCREEN_NORMALISATIONS)
@pytest.mark.parametrize(
    "size", [(1000, 1002), (1280, 720), (720, 1280), (13, 7)]
)
def test_denormalize_is_the_inverse(size, by):
    rng = np.random.default_rng(13)
    pixels = rng.uniform(-100, 1500, size=(5, 17, 2))
    normalised = normalize_screen(pixels, size, by)
    np.testing.assert_allclose(
        denormalize_screen(normalised, size, by), pixels, atol=1e-10
    )


@pytest.mark.parametrize("change", [normalize_screen, denormalize_screen])
def test_normalisation_keeps_float32(change):
    points = np.ones((3, 2), np.float32)
    assert change(points, (1000, 1002)).dtype == np.float32


@pytest.mark.parametrize("change", [normalize_screen, denormalize_screen])
@pytest.mark.parametrize(
    "size", [(0, 480), (640, 0), (-640, 480), (np.nan, 480), (640, np.inf)]
)
def test_bad_image_sizes(change, size):
    with pytest.raises(ValueError, match=f"size, got {size[0]}x{size[1]}"):
        change(np.ones((3, 2)), size)


@pytest.mark.parametrize("change", [normalize_screen, denormalize_screen])
def test_unknown_screen_normalisation(change):
    with pytest.raises(ValueError, match="'height'.*width or longest"):
        change(np.ones((3, 2)), (640, 480), by="height")


def test_human36m_has_four_cameras_of_seven_subjects():
    sizes = [(1000, 1002), (1000, 1000), (1000, 1000), (1000, 1002)]
    for subject in human36m.SUBJECTS:
        views = human36m.cameras(subject)
        assert [view.image_size for view in views] == sizes
        for view in views:
            assert all(1140 < f < 1155 for f in view.focal_length)
            assert all(500 < c < 520 for c in view.center)


def test_human36m_orientations_are_unit_quaternions():
    for _, _, view in calibrated():
        assert np.linalg.norm(view.orientation) == pytest.approx(1, abs=1e-6)


def test_human36m_cameras_stand_around_the_room():
    # A camera within ten metres and above the floor: metres, not millimetres.
    for _, _, view in calibrated():
        x, y, z = view.translation
        assert 3 < np.hypot(x, y) < 10
        assert 1 < z < 2


def test_human36m_cameras_see_the_capture_area():
    for subject, index, view in calibrated():
        seen = view.world_to_camera(np.array([0.0, 0.0, 1.0]))
        u, v = view.project(seen)
        assert 0 < u < view.width, (subject, index)
        assert 0 < v < view.height, (subject, index)


def test_human36m_cameras_stand_upright():
    # Up in the world is up in the image, where y grows downwards.
    for subject, index, view in calibrated():
        floor, head = view.project(
            view.world_to_camera(np.array([[0.0, 0, 0], [0, 0, 1.7]]))
        )
        assert head[1] < floor[1] - 200, (subject, index)


def test_known_figure_of_human36m():
    # Camera 54138969, subject 1: its published calibration.
    view = human36m.cameras("S1")[0]
    assert view.translation == pytest.approx(
        (1.84110705, 4.95528466, 1.56344543), abs=1e-8
    )
    assert view.orientation[0] == pytest.approx(0.14070564, abs=1e-8)


def test_no_calibration_of_other_subjects():
    with pytest.raises(ValueError, match="'S2'.*S1, S5, S6, S7, S8, S9, S11"):
        human36m.cameras("S2")

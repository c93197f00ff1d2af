"""Regions: where they are, what they show, and how they are steadied."""

import math

import numpy as np
import pytest

from ampose_tf.lifting.blazepose import regions


def test_who_stands_straight_has_an_upright_region():
    region = regions.around(np.array([30, 50]), np.array([30, 10]))
    # Twice the radius of 40, and a quarter more.
    assert region == (30, 50, 100, 0)


@pytest.mark.parametrize(
    ("end", "degrees"),
    [((0, -8), 0), ((8, 0), 90), ((0, 8), 180), ((-8, 0), -90), ((8, -8), 45)],
)
def test_a_region_turns_with_the_person(end, degrees):
    region = regions.around(np.array([30, 50]), np.array([30, 50]) + end)
    assert math.degrees(region.angle) == pytest.approx(degrees)
    # The head is up in the region.
    up = region.place(np.array([0.5, 0.5 - 1 / 2.5]))
    np.testing.assert_allclose(up, np.array([30, 50]) + end, atol=1e-9)


def test_corners_of_a_turned_region():
    region = regions.Region(10, 20, 4, math.pi / 2)
    corners = region.place(np.array([[0, 0], [1, 0], [1, 1]]))
    np.testing.assert_allclose(corners, [[12, 18], [12, 22], [8, 22]])


def slow(image, region, size, outside):
    """Bilinear sampling, pixel by pixel."""
    height, width = image.shape[:2]
    made = np.empty((size, size, 3))
    for i in range(size):
        for j in range(size):
            x, y = region.place(np.array([(j + 0.5) / size, (i + 0.5) / size]))
            if outside is not None and not (
                0 <= x <= width and 0 <= y <= height
            ):
                made[i, j] = outside
                continue
            x, y = x - 0.5, y - 0.5
            left, top = math.floor(x), math.floor(y)
            made[i, j] = sum(
                (1 - abs(x - column))
                * (1 - abs(y - row))
                * image[
                    min(max(row, 0), height - 1),
                    min(max(column, 0), width - 1),
                ].astype(float)
                for column in (left, left + 1)
                for row in (top, top + 1)
            )
    return made


@pytest.mark.parametrize("outside", [None, 7.0])
@pytest.mark.parametrize("shape", [(13, 17), (1, 5), (5, 1), (1, 1)])
def test_sampling_is_that_of_a_slow_loop(shape, outside):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    for region in (
        regions.Region(8, 6, 9, 0.7),
        regions.Region(2, 11, 30, -2.5),
        regions.whole(image),
    ):
        np.testing.assert_allclose(
            regions.sample(image, region, 11, outside),
            slow(image, region, 11, outside),
            atol=1e-3,
        )


def test_pixels_of_a_region_of_the_images_size_are_the_images():
    image = np.random.default_rng(0).integers(0, 256, (7, 7, 3), np.uint8)
    np.testing.assert_array_equal(
        regions.sample(image, regions.whole(image), 7), image
    )


def test_a_landmark_is_where_it_was_seen():
    """A bright pixel is sampled, found, and placed back."""
    image = np.zeros((90, 110, 3), np.uint8)
    image[37, 61] = 255
    region = regions.Region(55, 40, 64, 0.4)
    pixels = regions.sample(image, region, 256)[..., 0]
    weights = pixels / pixels.sum()
    rows, columns = np.indices(weights.shape)
    found = np.array([(weights * columns).sum(), (weights * rows).sum()])
    placed = region.place((found + 0.5) / 256)
    np.testing.assert_allclose(placed, [61.5, 37.5], atol=0.02)


def test_every_person_of_half_a_side_is_whole_in_a_tile():
    image = np.empty((90, 160, 3), np.uint8)
    for parts in (2, 3):
        tiles = regions.tiles(image, parts)
        side = 90 / parts
        assert {tile.side for tile in tiles} == {side}
        for x in np.linspace(side / 4, 160 - side / 4, 53):
            for y in np.linspace(side / 4, 90 - side / 4, 31):
                assert any(
                    max(abs(tile.x - x), abs(tile.y - y)) <= side / 4 + 1e-9
                    for tile in tiles
                )


@pytest.mark.parametrize(
    ("region", "usable"),
    [
        ((50, 30, 20, 1), True),
        ((-9, 30, 20, 1), True),
        ((-11, 30, 20, 1), False),
        ((50, 71, 20, 1), False),
        ((50, 30, 1, 0), False),
        ((50, 30, 900, 0), False),
        ((math.nan, 30, 20, 0), False),
    ],
)
def test_regions_that_show_something_of_the_image(region, usable):
    image = np.empty((60, 100, 3), np.uint8)
    assert regions.is_usable(regions.Region(*region), image) is usable


def one_euro(values, times, scale):
    """MediaPipe's filter of one coordinate, as its C++ has it."""
    share = lambda c, t: 1 / (1 + (1 / (2 * math.pi * c)) / t)  # noqa: E731
    made, raw, smooth, speed = [], None, None, 0.0
    for index, (value, now) in enumerate(zip(values, times, strict=True)):
        if raw is None:
            smooth = value
        else:
            elapsed = now - times[index - 1]
            change = (value - raw) * scale / elapsed
            speed += share(1.0, elapsed) * (change - speed)
            alpha = share(0.01 + 10 * abs(speed), elapsed)
            smooth = alpha * value + (1 - alpha) * smooth
        raw = value
        made.append(smooth)
    return made


def test_alignment_points_are_steadied_as_by_mediapipe():
    random = np.random.default_rng(0)
    times = np.cumsum(random.uniform(0.01, 0.1, 23))
    hips = np.cumsum(random.normal(0, 5, (23, 2)), axis=0)
    points = np.stack([hips, hips + (0, -50)], axis=1)  # Diameters of 100.
    steady = regions.Steady()
    made = np.array([steady(p, t) for p, t in zip(points, times, strict=True)])
    for point in (0, 1):
        for axis in (0, 1):
            np.testing.assert_allclose(
                made[:, point, axis],
                one_euro(points[:, point, axis], times, 1 / 100),
                rtol=1e-9,
            )

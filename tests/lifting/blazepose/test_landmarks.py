"""Landmarks: what the network's outputs stand for."""

import math

import numpy as np
import pytest

from ampose_tf.lifting.blazepose import landmarks, regions


def slow(points, heatmaps):
    """MediaPipe's refinement, cell by cell."""
    made = points.copy()
    height, width, count = heatmaps.shape
    for index in range(count):
        column = int(points[index, 0] * width)
        row = int(points[index, 1] * height)
        if not (0 <= column < width and 0 <= row < height):
            continue
        mass = x = y = most = 0.0
        for i in range(max(0, row - 3), min(height, row + 4)):
            for j in range(max(0, column - 3), min(width, column + 4)):
                sure = 1 / (1 + math.exp(-heatmaps[i, j, index]))
                mass, most = mass + sure, max(most, sure)
                x, y = x + j * sure, y + i * sure
        if most >= 0.5:
            made[index] = x / width / mass, y / height / mass
    return made


def test_refinement_is_that_of_a_slow_loop():
    random = np.random.default_rng(0)
    points = random.uniform(-0.2, 1.2, (39, 2))
    heatmaps = random.normal(-2.2, 1, (13, 17, 39))
    refined = landmarks.refine(points, heatmaps)
    np.testing.assert_allclose(refined, slow(points, heatmaps), rtol=1e-9)
    moved = (refined != points).any(axis=1)
    assert 5 < moved.sum() < 34  # Some of each kind.


def test_a_sharp_heatmap_moves_a_point_to_its_cell():
    heatmaps = np.full((64, 64, 2), -50.0)
    heatmaps[20, 33] = 50
    points = np.array([[30.2 / 64, 22.9 / 64], [28.9 / 64, 20.5 / 64]])
    refined = landmarks.refine(points, heatmaps)
    np.testing.assert_allclose(refined[0], [33 / 64, 20 / 64], atol=1e-9)
    # Five columns away, the peak is beyond the kernel.
    np.testing.assert_array_equal(refined[1], points[1])


def outputs(flag=0.9):
    values = np.zeros((39, 5), np.float32)
    values[:, 0] = 128
    values[:, 1] = np.arange(39)
    values[:33, 3] = math.log(4)
    values[33, :2] = 128, 128
    values[34, :2] = 128, 64
    heatmaps = np.full((1, 64, 64, 39), -50, np.float32)
    empty = np.zeros(1)
    return values.reshape(1, 195), np.array([[flag]]), empty, heatmaps, empty


def test_landmarks_are_placed_in_the_image():
    given = []

    def network(tensor):
        given.append(tensor)
        return outputs()

    image = np.full((40, 60, 3), 51, np.uint8)
    region = regions.Region(30, 20, 25.6, math.pi / 2)
    pose = landmarks.Landmarker(network)(image, region)
    (tensor,) = given
    assert tensor.shape == (1, 256, 256, 3)
    assert tensor.dtype == np.float32
    np.testing.assert_allclose(tensor, 0.2, rtol=1e-6)
    assert pose.pixels.shape == (33, 2)
    assert pose.pixels.dtype == pose.scores.dtype == np.float32
    # The region's upper side is at the right: 12.8 pixels from the centre.
    np.testing.assert_allclose(pose.pixels[0], [42.8, 20], rtol=1e-6)
    np.testing.assert_allclose(pose.pixels[32], [39.6, 20], rtol=1e-6)
    np.testing.assert_allclose(pose.scores, 0.8, rtol=1e-6)
    assert pose.presence == pytest.approx(0.9)
    np.testing.assert_allclose(pose.alignment, [[30, 20], [36.4, 20]])


def test_absurd_logits_are_scores_all_the_same():
    def network(tensor):
        values, *rest = outputs()
        values = values.reshape(39, 5).copy()
        values[0, 3], values[1, 3] = 1e6, -1e6
        return values.reshape(1, 195), *rest

    image = np.zeros((40, 60, 3), np.uint8)
    pose = landmarks.Landmarker(network)(image, regions.whole(image))
    np.testing.assert_allclose(pose.scores[:2], [1, 0], atol=1e-9)

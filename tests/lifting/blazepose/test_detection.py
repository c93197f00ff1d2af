"""The detector: anchors, what its output stands for, and one box a person."""

import numpy as np
import pytest

from ampose_tf.lifting.blazepose import detection, regions


def test_anchors_lie_at_the_centres_of_cells():
    centres = detection.anchors()
    # 28² cells of 8 pixels and 14² of 16 with two anchors each, and 7² of 32
    # with two for each of three layers.
    assert len(centres) == 2 * 28**2 + 2 * 14**2 + 6 * 7**2 == 2254
    np.testing.assert_allclose(centres[:2], [[4 / 224, 4 / 224]] * 2)
    np.testing.assert_allclose(centres[2], [12 / 224, 4 / 224])
    np.testing.assert_allclose(centres[2 * 28], [4 / 224, 12 / 224])
    np.testing.assert_allclose(centres[1568], [8 / 224, 8 / 224])
    np.testing.assert_allclose(centres[-6:], [[208 / 224, 208 / 224]] * 6)


def test_decoding_by_hand():
    centres = np.array([[0.5, 0.25], [0.1, 0.1], [0.2, 0.2]], np.float32)
    boxes = np.zeros((3, 12), np.float32)
    boxes[0] = [22.4, -22.4, 44.8, 89.6, *(0, 56), *(0, 0), *(112, 0), 0, 0]
    boxes[2, 2] = -1  # A box without an extent is none.
    logits = np.array([[np.log(3)], [-0.01], [50]], np.float32)
    scores, values = detection.decode(boxes, logits, centres)
    np.testing.assert_allclose(scores, [0.75], rtol=1e-6)
    expected = [(0.5, -0.05), (0.7, 0.35), (0.5, 0.5), (0.5, 0.25)]
    expected += [(1.0, 0.25), (0.5, 0.25)]
    np.testing.assert_allclose(values, [expected], atol=1e-6)


def test_scores_are_clipped_before_the_sigmoid():
    scores, _ = detection.decode(
        np.ones((1, 12), np.float32),
        np.array([1e5], np.float32),
        np.zeros((1, 2), np.float32),
    )
    assert scores == [1]


def values_of(left, top, side, mark):
    return [(left, top), (left + side, top + side), *[(mark, mark)] * 4]


def test_boxes_of_one_person_are_averaged_by_their_scores():
    values = np.array(
        [
            values_of(0.50, 0.5, 0.2, 0.0),
            values_of(0.10, 0.1, 0.2, 1.0),
            values_of(0.12, 0.1, 0.2, 5.0),
        ]
    )
    scores, found = detection.merged(np.array([0.5, 0.6, 0.9]), values)
    # The surest first; its box overlaps with the second by 0.9 / 1.1.
    np.testing.assert_allclose(scores, [0.9, 0.5])
    np.testing.assert_allclose(found[0, 0], [0.12 - 0.4 * 0.02, 0.1])
    np.testing.assert_allclose(found[0, 2:], np.full((4, 2), 3.4))
    np.testing.assert_allclose(found[1], values[0])


@pytest.mark.parametrize(("shift", "count"), [(0.05, 1), (0.06, 2)])
def test_boxes_are_one_persons_from_three_tenths_of_their_union(shift, count):
    # Of sides of 0.1: 0.05 / 0.15 and 0.04 / 0.16.
    values = np.array(
        [values_of(0.1, 0.1, 0.1, 0), values_of(0.1 + shift, 0.1, 0.1, 0)]
    )
    assert len(detection.merged(np.array([0.9, 0.8]), values)[0]) == count


def test_no_boxes_are_no_people():
    scores, values = detection.merged(np.zeros(0), np.zeros((0, 6, 2)))
    assert scores.shape == (0,)
    assert values.shape == (0, 6, 2)


def test_an_image_is_letterboxed_and_boxes_are_placed_in_it():
    given = []

    def network(tensor):
        given.append(tensor)
        boxes = np.zeros((1, 2254, 12), np.float32)
        logits = np.full((1, 2254, 1), -9, np.float32)
        # The anchor of the middle cell of 32 pixels, at (112, 112).
        boxes[0, -6 * 25] = [0, 0, 22.4, 22.4, 0, 0, 0, -56, *[0] * 4]
        logits[0, -6 * 25] = 9
        return boxes, logits

    image = np.full((50, 100, 3), 255, np.uint8)
    (person,) = detection.Detector(network)(image)
    (tensor,) = given
    assert tensor.shape == (1, 224, 224, 3)
    # White from a quarter to three quarters, black above and below.
    np.testing.assert_allclose(tensor[0, 56:168], 1)
    np.testing.assert_allclose(tensor[0, :56], -1)
    np.testing.assert_allclose(tensor[0, 168:], -1)
    np.testing.assert_allclose(person.box, [45, 20, 55, 30], atol=1e-4)
    np.testing.assert_allclose(person.points[0], [50, 25], atol=1e-4)
    np.testing.assert_allclose(person.points[1], [50, 0], atol=1e-4)
    np.testing.assert_allclose(person.region, [50, 25, 62.5, 0], atol=1e-4)

    # In a tile, the same is smaller and elsewhere.
    tile = regions.Region(30, 20, 40)
    (person,) = detection.Detector(network)(image, tile)
    np.testing.assert_allclose(person.region, [30, 20, 25, 0], atol=1e-4)

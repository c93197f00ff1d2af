"""People of all frames in arrays."""

import numpy as np
import pytest

from ampose_tf.conversion import COCO_17
from ampose_tf.lifting.readers.detections import Detection, gather


@pytest.mark.parametrize("named", [False, True])
def test_everybody_lies_in_the_skeletons_order(named):
    """Joints by name in any order and number, or by their place."""
    random = np.random.default_rng(3)
    frames, expected = [], []
    for number in (2, 5, 7):
        people = []
        for track_id in (None, number):
            points = random.uniform(0, 500, (17, 2))
            scores = random.uniform(0.1, 1, 17)
            row = points.copy(), scores.copy(), track_id or -1, number
            order, names = np.arange(17), None
            if named:
                order = random.permutation(17)[: 17 - number]
                names = tuple(COCO_17.joints[joint] for joint in order)
                left_out = np.setdiff1d(np.arange(17), order)
                row[0][left_out], row[1][left_out] = np.nan, 0
            people.append(
                Detection(points[order], scores[order], names, track_id)
            )
            expected.append(row)
        frames.append((number, people))
    batch, skeleton = gather(frames, None)
    assert skeleton is COCO_17
    points, scores, ids, numbers = (
        np.array(column) for column in zip(*expected, strict=True)
    )
    np.testing.assert_array_equal(batch.points, points)
    np.testing.assert_array_equal(batch.scores, scores)
    np.testing.assert_array_equal(batch.track_ids, ids)
    np.testing.assert_array_equal(batch.frames, numbers)


def test_joints_beyond_body_and_feet_are_left_out():
    points = np.random.default_rng(4).uniform(0, 500, (133, 2))
    person = Detection(points, np.ones(133))
    batch, skeleton = gather([(0, [person, person])], None)
    assert skeleton.name == "COCO-WholeBody-133"
    np.testing.assert_array_equal(batch.points[1], points[:23])

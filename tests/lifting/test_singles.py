"""Poses that are independent of each other, lifted at once."""

import types

import numpy as np
import pytest

from ampose_tf import weights
from ampose_tf.camera import normalize_screen
from ampose_tf.conversion import COCO_17
from ampose_tf.lifting import completion, singles
from ampose_tf.lifting.keypoints import Keypoints, Track
from ampose_tf.lifting.lifter import Lifter
from ampose_tf.lifting.predictor import load_predictor
from ampose_tf.skeleton import H36M_17
from tests import clips

SIZES = np.array([(640, 480), (480, 640), (1000, 1002)])


def people(hidden=True):
    """Returns pixels (10, 17, 2), scores (10, 17) and sizes (10, 2)."""
    pixels, scores = clips.truth()
    pixels, scores = pixels.reshape(-1, 17, 2), scores.reshape(-1, 17)
    if hidden:
        random = np.random.default_rng(5)
        scores = np.where(random.random(scores.shape) < 0.2, 0.1, scores)
        scores[3] = 0.1  # No joint is seen.
        scores[7, 4:] = 0  # A face, which does not tell where people stand.
    return pixels, scores, SIZES[np.arange(len(pixels)) % len(SIZES)]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"flip_ensemble": False, "field_of_view_deg": 45.0},
        {"seen_score": 0.6, "intrinsics": (900.0, 950.0, 300.0, 250.0)},
    ],
)
def test_it_is_what_a_lifter_makes_of_each(settings):
    pixels, scores, sizes = people()
    predict = load_predictor(weights.LIFTING["ampose_t"])
    lifted = singles.lift(predict, pixels, scores, sizes, COCO_17, **settings)
    own = {
        name: settings[name]
        for name in ("flip_ensemble", "seen_score")
        if name in settings
    }
    clip = {n: value for n, value in settings.items() if n not in own}
    lifter = Lifter("ampose_t", **own)
    frame = np.array([0])
    for row in range(len(pixels)):
        track = Track(
            0,
            frame,
            pixels[row, None].astype(np.float32),
            scores[row, None].astype(np.float32),
        )
        people_of_one = Keypoints(
            "COCO-17", tuple(sizes[row].tolist()), None, 1, (track,)
        )
        if not lifted.seen[row].any():
            assert np.isnan(lifted.poses_3d[row]).all()
            with pytest.raises(ValueError, match="no person has a joint"):
                lifter(people_of_one, **clip)
            continue
        (expected,) = lifter(people_of_one, **clip).tracks
        np.testing.assert_array_equal(lifted.seen[row], expected.seen[0])
        np.testing.assert_allclose(
            lifted.poses_3d[row], expected.poses_3d[0], atol=1e-6
        )
        np.testing.assert_allclose(
            lifted.spread_m[row], expected.spread_m[0], atol=1e-6
        )
        root = [np.full(3, np.nan)] if expected.root is None else expected.root
        np.testing.assert_allclose(lifted.root[row], root[0], rtol=1e-5)
    assert np.isfinite(lifted.root).all(axis=1).sum() == 8


def test_a_model_without_the_input_seen_gets_completed_keypoints():
    pixels, scores, sizes = people()
    given = []

    def predict(keypoints_2d, seen):
        given.append(keypoints_2d)
        return np.zeros((*keypoints_2d.shape[:2], 3), np.float32)

    model = _Model(predict)
    lifted = singles.lift(
        model, pixels, scores, sizes, COCO_17, flip_ensemble=False
    )
    rows = np.flatnonzero(lifted.seen.any(axis=1))
    converted = COCO_17.convert(pixels, scores)
    for row, keypoints_2d in zip(rows, given[0], strict=True):
        one = slice(row, row + 1)
        whole = completion.complete(
            converted[one], lifted.seen[one], np.array([0])
        )
        np.testing.assert_allclose(
            keypoints_2d,
            normalize_screen(whole[0], sizes[row]),
            atol=1e-5,
        )


class _Model(types.SimpleNamespace):
    def __init__(self, predict):
        super().__init__(
            predict=predict,
            skeleton=H36M_17,
            normalisation="longest",
            seen_input=False,
        )

    def __call__(self, *arguments):
        return self.predict(*arguments)


def test_no_poses_are_none():
    predict = load_predictor(weights.LIFTING["ampose_t"])
    lifted = singles.lift(
        predict,
        np.empty((0, 17, 2)),
        np.empty((0, 17)),
        np.empty((0, 2)),
        COCO_17,
    )
    assert lifted.poses_3d.shape == (0, 17, 3)

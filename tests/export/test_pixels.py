import keras
import numpy as np
import pytest
import tensorflow as tf

from ampose_tf import camera
from ampose_tf.conversion import COCO_17, SEEN_SCORE
from ampose_tf.export import pixels


@pytest.mark.parametrize("normalisation", camera.SCREEN_NORMALISATIONS)
def test_three_conversions_agree_whatever_is_seen(normalisation):
    """Of lifting (NumPy), of training (keras.ops) and of exported files."""
    random = np.random.default_rng(1)
    size = np.float32([720, 1280])
    points = random.uniform(0, size, (1000, 17, 2)).astype(np.float32)
    least = np.float32(SEEN_SCORE)
    scores = np.where(
        random.random((1000, 17)) < random.uniform(0, 0.8, (1000, 1)),
        random.choice([0, np.nextafter(least, np.float32(0))], (1000, 17)),
        random.choice([least, np.float32(1)], (1000, 17)),
    ).astype(np.float32)

    lifting = COCO_17.convert(points, scores)
    seen = COCO_17.convert_scores(scores) >= least
    training = keras.ops.convert_to_numpy(
        COCO_17.convert(*map(keras.ops.convert_to_tensor, (points, scores)))
    )
    taken = pixels.taken_of_coco(tf.constant(scores))
    exported = pixels.normalize_coco(
        tf.constant(points),
        tf.constant(np.tile(size, (1000, 1))),
        normalisation,
        taken,
    )

    np.testing.assert_allclose(training, lifting, atol=1e-3)
    np.testing.assert_array_equal(
        pixels.seen_of_coco(tf.constant(scores), taken), seen
    )
    # Some of every joint, and of the alternatives all.
    assert ((seen.mean(axis=0) > 0.1) & (seen.mean(axis=0) < 0.95)).all()
    assert (tf.reduce_sum(taken, axis=0).numpy() > 0).all()
    expected = camera.normalize_screen(lifting, tuple(size), normalisation)
    np.testing.assert_allclose(
        exported.numpy()[seen], expected[seen], atol=1e-5
    )
    assert np.isfinite(exported).all()


def test_without_scores_the_first_alternatives_are_taken():
    points = np.random.default_rng(2).uniform(0, 100, (7, 17, 2))
    size = np.full((7, 2), 100)

    made = pixels.normalize_coco(
        tf.constant(points, tf.float32),
        tf.constant(size, tf.float32),
        "longest",
        None,
    )

    expected = camera.normalize_screen(COCO_17.convert(points), (100, 100))
    np.testing.assert_allclose(made, expected, atol=1e-5)

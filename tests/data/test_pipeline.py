import numpy as np
import pytest
import tensorflow as tf

from ampose_tf.data import pipeline
from ampose_tf.data.poses import Poses
from ampose_tf.skeleton import H36M_17, Skeleton, mirror

# hip, right leg, left leg.
FORK = Skeleton(("hip", "right", "left"), (-1, 0, 0), left=(2,), right=(1,))


def numbered(count):
    """Pose i has 2D and 3D of its own, both with i in every y."""
    random = np.random.default_rng(count)
    keypoints_2d = random.normal(size=(count, 3, 2)).astype(np.float32)
    poses_3d = random.normal(size=(count, 3, 3)).astype(np.float32)
    keypoints_2d[..., 1] = poses_3d[..., 1] = np.arange(count)[:, None]
    return Poses(
        keypoints_2d,
        poses_3d,
        np.zeros(count, np.int32),
        np.full(count, "S1"),
        ("Walking",),
    )


def batches(poses, batch_size=5, seed=3, epochs=range(1), flip=True):
    return [
        (keypoints_2d.numpy(), poses_3d.numpy())
        for keypoints_2d, poses_3d in pipeline.training_batches(
            poses, FORK, batch_size, seed, epochs, flip
        )
    ]


def order(pairs):
    return np.concatenate([poses_3d[:, 0, 1] for _, poses_3d in pairs])


def assert_same(ones, others):
    for one, other in zip(ones, others, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


def test_each_pose_comes_once_per_epoch():
    pairs = batches(numbered(23), epochs=range(2))
    # 23 = 4 · 5 + 3: the smaller batch is kept, in each epoch.
    assert [len(poses_3d) for _, poses_3d in pairs] == 2 * [5, 5, 5, 5, 3]
    for epoch in (pairs[:5], pairs[5:]):
        assert sorted(order(epoch)) == list(range(23))


@pytest.mark.parametrize(
    ("count", "batch_size", "steps"),
    [(23, 5, 5), (20, 5, 4), (3, 5, 1), (1, 1, 1)],
)
def test_steps_per_epoch(count, batch_size, steps):
    poses = numbered(count)
    assert pipeline.steps_per_epoch(poses, batch_size) == steps
    assert len(batches(poses, batch_size)) == steps


def test_the_order_is_that_of_seed_and_epoch():
    poses = numbered(23)
    first = order(batches(poses))
    assert_same(batches(poses), batches(poses))
    assert not np.array_equal(first, np.arange(23))
    assert not np.array_equal(first, order(batches(poses, seed=4)))
    assert not np.array_equal(first, order(batches(poses, epochs=range(1, 2))))
    # The order is one of poses, however many go into a batch.
    np.testing.assert_array_equal(first, order(batches(poses, 7)))


def test_the_order_is_uniform():
    # Each of the 6 orders of three poses, over 600 epochs, about 100 times.
    seen = order(batches(numbered(3), 3, epochs=range(600))).reshape(600, 3)
    _, counts = np.unique(seen, axis=0, return_counts=True)
    assert len(counts) == 6
    assert counts.min() > 60 and counts.max() < 145


def test_a_later_start_gives_what_a_full_run_gives_from_there():
    poses = numbered(13)
    whole = batches(poses, epochs=range(5))
    assert_same(whole[3 * 3 :], batches(poses, epochs=range(3, 5)))


def test_without_flip_pairs_stay_as_they_are():
    poses = numbered(23)
    pairs = batches(poses, flip=False)
    index = order(pairs).astype(int)
    assert_same(
        [
            (
                np.concatenate([k for k, _ in pairs]),
                np.concatenate([p for _, p in pairs]),
            )
        ],
        [(poses.keypoints_2d[index], poses.poses_3d[index])],
    )


def test_flip_mirrors_both_of_a_pair_or_neither():
    poses = numbered(401)
    mirrored = 0
    for keypoints_2d, poses_3d in batches(poses, 7):
        for two, three in zip(keypoints_2d, poses_3d, strict=True):
            index = int(three[0, 1])
            pair = poses.keypoints_2d[index], poses.poses_3d[index]
            turned = three[0, 0] != pair[1][0, 0]
            mirrored += turned
            if turned:
                pair = tuple(mirror(points, FORK) for points in pair)
            np.testing.assert_array_equal(two, pair[0])
            np.testing.assert_array_equal(three, pair[1])
    # Half of 401, to four standard deviations.
    assert 160 < mirrored < 241


def test_flips_differ_between_epochs_and_steps():
    poses = numbered(64)

    def flipped(epoch):
        pairs = batches(poses, 8, epochs=range(epoch, epoch + 1))
        signs = [
            poses_3d[:, 0, 0]
            != poses.poses_3d[poses_3d[:, 0, 1].astype(int), 0, 0]
            for _, poses_3d in pairs
        ]
        return np.array(signs)

    one, other = flipped(0), flipped(1)
    assert not np.array_equal(one, other)
    assert len(np.unique(one, axis=0)) > 4


def test_mirror_at_random_by_hand():
    keypoints_2d = tf.constant([[[1, 2], [3, 4], [5, 6.0]]] * 31)
    poses_3d = tf.constant([[[1, 2, 3], [4, 5, 6], [7, 8, 9.0]]] * 31)
    two, three = (
        points.numpy()
        for points in pipeline.mirror_at_random(
            keypoints_2d, poses_3d, FORK, (3, 5)
        )
    )
    turned = two[:, 0, 0] < 0
    assert 5 < turned.sum() < 26
    assert (two[turned] == [[-1, 2], [-5, 6], [-3, 4]]).all()
    assert (three[turned] == [[-1, 2, 3], [-7, 8, 9], [-4, 5, 6]]).all()
    np.testing.assert_array_equal(two[~turned], keypoints_2d[~turned])
    np.testing.assert_array_equal(three[~turned], poses_3d[~turned])


def test_mirror_at_random_is_the_same_in_tf_data():
    random = np.random.default_rng(5)
    pair = (
        random.normal(size=(11, 17, 2)).astype(np.float32),
        random.normal(size=(11, 17, 3)).astype(np.float32),
    )
    eager = pipeline.mirror_at_random(*map(tf.constant, pair), H36M_17, (7, 2))
    graph = next(
        iter(
            tf.data.Dataset.from_tensors(pair).map(
                lambda two, three: pipeline.mirror_at_random(
                    two, three, H36M_17, (7, 2)
                )
            )
        )
    )
    assert_same([eager], [graph])
    assert not np.array_equal(eager[0], pair[0])
    other = pipeline.mirror_at_random(*map(tf.constant, pair), H36M_17, (7, 3))
    assert not np.array_equal(eager[0], other[0])


def test_validation_batches_are_all_poses_in_order():
    poses = numbered(13)
    pairs = list(pipeline.validation_batches(poses, 5))
    assert [len(two) for two, _ in pairs] == [5, 5, 3]
    np.testing.assert_array_equal(
        np.concatenate([two for two, _ in pairs]), poses.keypoints_2d
    )
    np.testing.assert_array_equal(
        np.concatenate([three for _, three in pairs]), poses.poses_3d
    )

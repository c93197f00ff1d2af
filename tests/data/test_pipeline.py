import functools
import threading

import numpy as np
import pytest
import tensorflow as tf

from ampose_tf.config import Data
from ampose_tf.data import pipeline
from ampose_tf.data.mocap import Motion3D
from ampose_tf.data.poses import Poses
from ampose_tf.skeleton import H36M_17, Skeleton, mirror
from tests.people import STANDING

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
    assert poses.batches(batch_size) == steps
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
            (keypoints_2d, poses_3d), FORK, (3, 5)
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
        tf.constant(random.normal(size=(11, 17, 2)), tf.float32),
        tf.constant(random.normal(size=(11, 17, 3)), tf.float32),
    )
    eager = pipeline.mirror_at_random(pair, H36M_17, (7, 2))
    graph = next(
        iter(
            tf.data.Dataset.from_tensors(pair).map(
                lambda two, three: pipeline.mirror_at_random(
                    (two, three), H36M_17, (7, 2)
                )
            )
        )
    )
    assert_same([eager], [graph])
    assert not np.array_equal(eager[0], pair[0])
    other = pipeline.mirror_at_random(pair, H36M_17, (7, 3))
    assert not np.array_equal(eager[0], other[0])


def bending(frames=13):
    """Two people who raise the left hand, each frame higher."""
    joints = np.tile(STANDING, (2 * frames, 1, 1)).astype(np.float32)
    joints[:, 13, 2] += np.tile(np.linspace(0, 0.5, frames), 2)
    trials = np.repeat(np.arange(2, dtype=np.int32), frames)
    names = ("P/a", "Q/a")
    return Motion3D(joints, np.array(["P", "Q"])[trials], trials, names, names)


@functools.cache  # Tracing takes seconds.
def made(seed=3, seen_input=True, **changes):
    data = Data(dataset="mocap", poses_per_epoch=23, **changes)
    return pipeline.make_motion_batches(bending(), data, 5, seed, seen_input)


def drawn(epochs=range(1), **given):
    return [
        tf.nest.flatten(tf.nest.map_structure(lambda t: t.numpy(), batch))
        for batch in made(**given)(epochs)
    ]


def test_motion_batches():
    batches = drawn(epochs=range(2))
    # 23 = 4 · 5 + 3: batches of one size, so that XLA compiles once.
    assert len(batches) == 8
    for keypoints_2d, seen, poses_3d in batches:
        assert keypoints_2d.shape == (5, 17, 2)
        assert seen.shape == (5, 17) and set(np.unique(seen)) <= {0, 1}
        assert poses_3d.shape == (5, 17, 3) and not poses_3d[:, 0].any()
        assert {a.dtype for a in (keypoints_2d, seen, poses_3d)} == {
            np.dtype(np.float32)
        }
    assert 0.6 < np.mean([seen for _, seen, _ in batches]) < 1
    plain = drawn(seen_input=False)
    for (keypoints_2d, _, poses_3d), pair in zip(batches, plain, strict=False):
        np.testing.assert_array_equal(keypoints_2d, pair[0])
        np.testing.assert_array_equal(poses_3d, pair[1])


def test_a_resumed_epoch_draws_the_same():
    both, second = drawn(epochs=range(2)), drawn(epochs=range(1, 2))
    for one, other in zip(both[4:], second, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
    poses = [poses_3d for *_, poses_3d in (*both, *drawn(seed=4))]
    # No two of them alike: cameras differ within and between batches.
    hands = np.concatenate(poses)[:, 16]
    assert len(np.unique(hands.round(4), axis=0)) == len(hands)


def test_sums_of_drawn_poses_do_not_depend_on_timing(monkeypatch):
    """TensorFlow may reorder x + y + z while x and y are still in use."""
    x, y, z = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    in_use, summed = threading.Event(), threading.Event()

    def use(*_):
        in_use.set()
        summed.wait(timeout=1)
        return np.float32(0)

    def await_use(_):
        in_use.wait(timeout=1)
        return z

    traced = []

    def drawn(world, *_):
        traced.append(world)
        ones = tf.ones_like(world[:, 0, 0])
        first, second = ones * x, ones * y
        third = 1 * tf.ensure_shape(
            tf.py_function(await_use, [ones], tf.float32), (5,)
        )
        used = tf.py_function(use, [first, second], tf.float32)
        total = first + second + third
        told = tf.py_function(lambda _: summed.set(), [total], [])
        with tf.control_dependencies([told]):
            return total, tf.identity(used)

    monkeypatch.setattr(pipeline.drawing, "drawn", drawn)
    batches = pipeline.make_motion_batches(
        bending(), Data(poses_per_epoch=5), 5, 0, False
    )
    assert ((x + y) + z != (z + y) + x).any()
    for _ in range(2):
        in_use.clear()
        summed.clear()
        ((total, _),) = batches(range(1))
        np.testing.assert_array_equal(total, (x + y) + z)
    assert len(traced) == 1  # The second dataset has the first one's graph.


def test_motion_is_mirrored_only_where_asked():
    def raised(flip):
        left = right = 0
        for *_, poses_3d in drawn(epochs=range(9), flip_training=flip):
            spine = poses_3d[:, 8] / np.linalg.norm(
                poses_3d[:, 8], axis=-1, keepdims=True
            )
            hands = np.einsum("bhi,bi->bh", poses_3d[:, [13, 16]], spine)
            left += (hands[:, 0] > hands[:, 1] + 0.1).sum()
            right += (hands[:, 1] > hands[:, 0] + 0.1).sum()
        return left, right

    left, right = raised(False)
    assert left > 100 and right == 0
    left, right = raised(True)
    assert min(left, right) > 40


def test_no_thread_tunes_what_training_reads():
    """It would keep an epoch from ending, for up to a minute."""
    poses = numbered(13)
    for dataset in (
        pipeline.training_batches(poses, FORK, 5, 3, range(1), True),
        pipeline.in_order((poses.keypoints_2d, poses.poses_3d), 5),
    ):
        assert dataset.options().autotune.enabled is False


def test_validation_in_order():
    poses = numbered(13)
    arrays = {"keypoints_2d": poses.keypoints_2d}, poses.poses_3d
    got = list(pipeline.in_order(arrays, 5))
    assert [len(poses_3d) for _, poses_3d in got] == [5, 5, 3]
    assert order(got).tolist() == list(range(13))
    np.testing.assert_array_equal(
        np.concatenate([given["keypoints_2d"] for given, _ in got]),
        poses.keypoints_2d,
    )


def test_poses_for_a_network_that_is_told():
    plain = batches(numbered(13))
    told = pipeline.training_batches(
        numbered(13), FORK, 5, 3, range(1), True, ("keypoints_2d", "seen")
    )
    for (inputs, poses_3d), pair in zip(told, plain, strict=True):
        np.testing.assert_array_equal(inputs["keypoints_2d"], pair[0])
        assert inputs["seen"].shape == (len(pair[0]), 3)
        assert (inputs["seen"].numpy() == 1).all()
        np.testing.assert_array_equal(poses_3d, pair[1])

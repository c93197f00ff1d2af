import keras
import numpy as np
import pytest
import tensorflow as tf

from ampose_tf import skeleton
from ampose_tf.skeleton import (
    H36M_16,
    H36M_17,
    Skeleton,
    flip_ensemble,
    mirror,
    predict_mirrored,
)

SKELETONS = (H36M_17, H36M_16)

# hip, right leg, left leg: 0 - 1 and 0 - 2.
FORK = Skeleton(("hip", "right", "left"), (-1, 0, 0), left=(2,), right=(1,))

# From the task's figures: distance to the hip, joint by joint.
HOPS = {
    17: [0, 1, 2, 3, 1, 2, 3, 1, 2, 3, 4, 3, 4, 5, 3, 4, 5],
    16: [0, 1, 2, 3, 1, 2, 3, 1, 2, 3, 3, 4, 5, 3, 4, 5],
}


def hops_to_root(tree, joint):
    hops = 0
    while tree.parents[joint] >= 0:
        joint, hops = tree.parents[joint], hops + 1
    return hops


@pytest.mark.parametrize("tree", SKELETONS, ids=lambda t: len(t.joints))
def test_hops_to_the_hip(tree):
    count = len(tree.joints)
    assert [hops_to_root(tree, j) for j in range(count)] == HOPS[count]


@pytest.mark.parametrize("tree", SKELETONS, ids=lambda t: len(t.joints))
def test_edges_join_each_joint_but_the_hip_to_its_parent(tree):
    assert len(tree.edges) == len(tree.joints) - 1
    assert [child for _, child in tree.edges] == list(
        range(1, len(tree.joints))
    )
    assert all(tree.parents[child] == parent for parent, child in tree.edges)


@pytest.mark.parametrize("tree", SKELETONS, ids=lambda t: len(t.joints))
def test_names_of_sides_agree_with_left_and_right(tree):
    names = tree.joints
    assert [names[j] for j in tree.left] == [
        "L" + names[j][1:] for j in tree.right
    ]
    assert all(names[j].startswith("R") for j in tree.right)
    assert len(tree.left) == 6


def test_the_16_joints():
    assert " ".join(H36M_16.joints) == (
        "Hip RHip RKnee RFoot LHip LKnee LFoot Spine Thorax Head LShoulder "
        "LElbow LWrist RShoulder RElbow RWrist"
    )
    parents = [-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 8, 10, 11, 8, 13, 14]
    assert H36M_16.parents == tuple(parents)
    assert H36M_16.left == (4, 5, 6, 10, 11, 12)
    assert H36M_16.right == (1, 2, 3, 13, 14, 15)


def test_without_moves_children_to_the_grandparent():
    chain = Skeleton(("a", "b", "c", "d"), (-1, 0, 1, 2), (), ())
    assert chain.without("b").parents == (-1, 0, 1)
    assert chain.without("b").joints == ("a", "c", "d")
    assert chain.without("d").parents == (-1, 0, 1)


def test_by_joint_count():
    assert skeleton.by_joint_count(17) is H36M_17
    assert skeleton.by_joint_count(16) is H36M_16
    with pytest.raises(ValueError, match="17 or 16 joints, got 13"):
        skeleton.by_joint_count(13)


def test_partition_of_a_fork():
    self_, parents, children = FORK.partition()
    np.testing.assert_array_equal(self_, np.eye(3))
    np.testing.assert_array_equal(parents, [[0, 0, 0], [1, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(children, [[0, 1, 1], [0, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize("tree", SKELETONS, ids=lambda t: len(t.joints))
def test_partition_by_hops_to_the_hip(tree):
    groups = tree.partition()
    adjacent = np.eye(len(tree.joints))
    for parent, child in tree.edges:
        adjacent[parent, child] = adjacent[child, parent] = 1
    np.testing.assert_array_equal(groups.sum(axis=0), adjacent)
    hops = HOPS[len(tree.joints)]
    for _, center, neighbour in np.argwhere(groups[1:2]):
        assert hops[neighbour] == hops[center] - 1
    for _, center, neighbour in np.argwhere(groups[2:3]):
        assert hops[neighbour] == hops[center] + 1


def test_partition_degrees():
    parents = H36M_17.partition()[1]
    np.testing.assert_array_equal(parents.sum(axis=1), [0] + [1] * 16)
    children = {0: 3, 8: 3, 3: 0, 6: 0, 10: 0, 13: 0, 16: 0}
    np.testing.assert_array_equal(
        parents.sum(axis=0), [children.get(j, 1) for j in range(17)]
    )


@pytest.mark.parametrize("normalisation", ["rc", "rw", "global", "alpha"])
@pytest.mark.parametrize(
    ("tree", "edges"), [(H36M_17, (17, 16, 16)), (H36M_16, (16, 15, 15))]
)
def test_every_edge_survives(tree, edges, normalisation):
    adjacency = tree.adjacency(normalisation)
    assert tuple(np.count_nonzero(adjacency, axis=(1, 2))) == edges
    np.testing.assert_array_equal(adjacency != 0, tree.partition() != 0)


@pytest.mark.parametrize(
    ("normalisation", "edges", "lost"),
    [
        # The children of the hip stop hearing it; parents stop hearing the
        # five leaves.
        ("literal_row", (17, 13, 11), {(1, 0), (4, 0), (7, 0)}),
        # The leaves stop hearing their parents; the hip its children.
        (
            "literal_col",
            (17, 11, 13),
            {(3, 2), (6, 5), (10, 9), (13, 12), (16, 15)},
        ),
    ],
)
def test_edges_that_the_literal_equation_loses(normalisation, edges, lost):
    adjacency = H36M_17.adjacency(normalisation)
    assert np.isfinite(adjacency).all()
    assert tuple(np.count_nonzero(adjacency, axis=(1, 2))) == edges
    missing = (H36M_17.partition()[1] != 0) & (adjacency[1] == 0)
    assert {(int(i), int(k)) for i, k in np.argwhere(missing)} == lost


def test_default_normalisation_values():
    itself, parents, children = H36M_17.adjacency()
    np.testing.assert_array_equal(itself, np.eye(17))
    third = {(1, 0), (4, 0), (7, 0), (9, 8), (11, 8), (14, 8)}
    for parent, child in H36M_17.edges:
        expected = 1 / np.sqrt(3) if (child, parent) in third else 1
        assert parents[child, parent] == pytest.approx(expected, abs=1e-7)
    np.testing.assert_array_equal(children, parents.T)


def test_default_normalisation_is_rc():
    np.testing.assert_array_equal(H36M_17.adjacency(), H36M_17.adjacency("rc"))
    assert H36M_17.adjacency().dtype == np.float32


# On the fork: degrees of the rows of group 1 are 0, 1, 1 and of its columns
# 2, 0, 0; of the whole graph with self-loops 3, 2, 2.
@pytest.mark.parametrize(
    ("normalisation", "itself", "parent", "child"),
    [
        ("rc", (1, 1), 1 / np.sqrt(2), 1 / np.sqrt(2)),
        ("rw", (1, 1), 1, 1 / 2),
        ("global", (1 / 3, 1 / 2), 1 / np.sqrt(6), 1 / np.sqrt(6)),
        (
            "alpha",
            (1 / 1.001, 1 / 1.001),
            1 / np.sqrt(1.001 * 0.001),
            1 / np.sqrt(2.001 * 0.001),
        ),
        ("literal_row", (1, 1), 0, 0),
        ("literal_col", (1, 1), 0, 0),
    ],
)
def test_normalisations_of_a_fork(normalisation, itself, parent, child):
    expected = np.zeros((3, 3, 3))
    expected[0] = np.diag([itself[0], itself[1], itself[1]])
    expected[1, 1:, 0] = parent
    expected[2, 0, 1:] = child
    np.testing.assert_allclose(
        FORK.adjacency(normalisation), expected, rtol=1e-6
    )


# A chain has edges whose literal weights survive: a - b - c - d.
@pytest.mark.parametrize(
    ("normalisation", "parent", "child"),
    [
        ("literal_row", [0, 1, 1], [1, 1, 0]),
        ("literal_col", [1, 1, 0], [0, 1, 1]),
    ],
)
def test_literal_normalisations_of_a_chain(normalisation, parent, child):
    chain = Skeleton(("a", "b", "c", "d"), (-1, 0, 1, 2), (), ())
    adjacency = chain.adjacency(normalisation)
    np.testing.assert_array_equal(np.diag(adjacency[1], -1), parent)
    np.testing.assert_array_equal(np.diag(adjacency[2], 1), child)


def test_row_normalisation_is_a_mean():
    sums = H36M_17.adjacency("rw").sum(axis=2)
    np.testing.assert_allclose(
        sums, np.minimum(H36M_17.partition().sum(axis=2), 1), rtol=1e-6
    )


def test_global_normalisation_is_split_afterwards():
    whole = H36M_17.partition().sum(axis=0)
    degree = np.diag(whole.sum(axis=1) ** -0.5)
    np.testing.assert_allclose(
        H36M_17.adjacency("global").sum(axis=0),
        degree @ whole @ degree,
        rtol=1e-6,
    )


@pytest.mark.parametrize("normalisation", skeleton.NORMALISATIONS)
@pytest.mark.parametrize("tree", SKELETONS, ids=lambda t: len(t.joints))
def test_adjacency_is_the_same_in_a_mirror(tree, normalisation):
    adjacency = tree.adjacency(normalisation)
    swap = list(tree.mirrored)
    assert swap != list(range(len(swap)))
    np.testing.assert_array_equal(adjacency[:, swap][:, :, swap], adjacency)


def test_unknown_normalisation():
    with pytest.raises(ValueError, match="'sym'.*rc, rw, global"):
        H36M_17.adjacency("sym")


def test_mirror_by_hand():
    points = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.float32)
    np.testing.assert_array_equal(
        mirror(points, FORK), [[-1, 2, 3], [-7, 8, 9], [-4, 5, 6]]
    )


@pytest.mark.parametrize("tree", SKELETONS, ids=lambda t: len(t.joints))
@pytest.mark.parametrize("dimensions", [2, 3])
def test_mirror_equals_a_loop_and_inverts_itself(tree, dimensions):
    rng = np.random.default_rng(3)
    points = rng.normal(size=(5, 7, len(tree.joints), dimensions))
    mirrored = mirror(points, tree)
    for joint, name in enumerate(tree.joints):
        other = {"L": "R" + name[1:], "R": "L" + name[1:]}.get(name[0], name)
        source = points[..., tree.joints.index(other), :]
        np.testing.assert_array_equal(mirrored[..., joint, 0], -source[..., 0])
        np.testing.assert_array_equal(
            mirrored[..., joint, 1:], source[..., 1:]
        )
    np.testing.assert_array_equal(mirror(mirrored, tree), points)


def test_mirror_leaves_its_argument_alone():
    points = np.ones((2, 3, 2), np.float32)
    mirror(points, FORK)
    np.testing.assert_array_equal(points, np.ones((2, 3, 2)))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_mirror_of_tensors_is_that_of_arrays(dtype):
    rng = np.random.default_rng(5)
    points = rng.normal(size=(5, 17, 3)).astype(dtype)
    expected = mirror(points, H36M_17)
    assert isinstance(expected, np.ndarray)
    assert expected.dtype == dtype
    tensor = mirror(keras.ops.convert_to_tensor(points), H36M_17)
    assert keras.ops.is_tensor(tensor)
    assert keras.backend.standardize_dtype(tensor.dtype) == dtype
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(tensor), expected)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_mirror_inside_tf_data(dtype):
    rng = np.random.default_rng(7)
    points = rng.normal(size=(6, 16, 2)).astype(dtype)
    dataset = tf.data.Dataset.from_tensor_slices(points).batch(2)
    batches = list(dataset.map(lambda batch: mirror(batch, H36M_16)))
    assert [batch.dtype.name for batch in batches] == [dtype] * 3
    np.testing.assert_array_equal(
        np.concatenate(batches), mirror(points, H36M_16)
    )


@pytest.mark.parametrize("convert", [np.asarray, tf.constant])
def test_mirror_keeps_nan_in_its_joint(convert):
    points = np.ones((2, 17, 3), np.float32)
    points[1, 13] = np.nan  # LWrist, seen from the other side as RWrist.
    mirrored = np.array(mirror(convert(points), H36M_17))
    assert np.isnan(mirrored[1, 16]).all()
    mirrored[1, 16] = 0
    assert np.isfinite(mirrored).all()


def test_the_flip_ensemble_by_hand():
    asked = []

    def predict(keypoints_2d, seen=None):
        asked.append((keypoints_2d.tolist(), seen))
        return np.array([[[0, 0, 0], [1, 2, 3], [5, 6, 7.0]]])

    keypoints_2d = np.array([[[1, 2], [3, 4], [5, 6.0]]])
    single, mirrored, mean = flip_ensemble(predict, keypoints_2d, FORK)
    assert asked == [
        ([[[1, 2], [3, 4], [5, 6]]], None),
        ([[[-1, 2], [-5, 6], [-3, 4]]], None),
    ]
    np.testing.assert_array_equal(single, predict(keypoints_2d))
    # Mirrored back, right is left's (-5, 6, 7), and left is (-1, 2, 3).
    np.testing.assert_array_equal(
        mirrored, [[[0, 0, 0], [-5, 6, 7], [-1, 2, 3]]]
    )
    np.testing.assert_array_equal(mean, [[[0, 0, 0], [-2, 4, 5], [2, 4, 5]]])


def test_the_flip_ensemble_exchanges_what_was_seen_with_the_sides():
    told = []

    def predict(keypoints_2d, seen):
        told.append(seen.tolist())
        return np.zeros((*keypoints_2d.shape[:2], 3))

    seen = np.array([[True, True, False]])
    flip_ensemble(predict, np.ones((1, 3, 2)), FORK, seen)
    assert told == [[[True, True, False]], [[True, False, True]]]


def test_an_equivariant_predictor_gains_nothing_from_the_mirror_image():
    def predict(keypoints_2d):
        return np.concatenate([keypoints_2d, keypoints_2d[..., :1] ** 2], -1)

    keypoints_2d = np.random.default_rng(3).normal(size=(5, 17, 2))
    np.testing.assert_array_equal(
        predict_mirrored(predict, keypoints_2d, H36M_17),
        predict(keypoints_2d),
    )

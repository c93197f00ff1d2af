import json

import numpy as np
import pytest

from ampose_tf.data.poses import Poses, concatenate, make_poses
from ampose_tf.evaluation import metrics, protocols
from ampose_tf.skeleton import H36M_16, H36M_17, Skeleton, mirror

# hip, right leg, left leg.
FORK = Skeleton(("hip", "right", "left"), (-1, 0, 0), left=(2,), right=(1,))
NAMES = ("Directions", "Eating", "Walking")


def made_poses(actions, seed=2):
    """One random pose of FORK per action."""
    random = np.random.default_rng(seed)
    return concatenate(
        [
            make_poses(
                random.normal(size=(1, 3, 2)),
                random.normal(size=(1, 3, 3)),
                action,
                "S9",
                NAMES,
            )
            for action in actions
        ]
    )


def with_errors(errors_mm, actions):
    """Poses, and an equivariant predictor with given MPJPEs on them."""
    count = len(errors_mm)
    keypoints_2d = np.zeros((count, 3, 2), np.float32)
    keypoints_2d[..., 1] = np.arange(count)[:, None]
    poses = Poses(
        keypoints_2d,
        np.zeros((count, 3, 3), np.float32),
        np.array(actions, np.int32),
        np.full(count, "S9"),
        NAMES,
    )

    def predict(keypoints_2d, seen=None):
        # y tells which pose; both legs are off downwards.
        index = keypoints_2d[:, 0, 1].astype(int)
        predicted = np.zeros((len(index), 3, 3))
        predicted[:, 1:, 1] = np.array(errors_mm)[index, None] * 1.5 / 1000
        return predicted

    return predict, poses


def lift(keypoints_2d, seen=None):
    """Mirrors as its input does."""
    x, y = keypoints_2d[..., :1], keypoints_2d[..., 1:]
    return np.concatenate([x * y, y, x * x + y], axis=-1)


def test_mean_of_action_means_is_not_the_mean_of_poses():
    # Directions: 10; Walking: 20, 30, 70, mean 40. Nobody eats.
    predict, poses = with_errors([10, 20, 30, 70], [0, 2, 2, 2])
    actions = protocols.evaluate(predict, poses, FORK, "actions", True)
    assert actions["mpjpe_mm"] == pytest.approx(25)
    whole = protocols.evaluate(predict, poses, FORK, "poses", True)
    assert whole["mpjpe_mm"] == pytest.approx(32.5)
    for report in (actions, whole):
        assert report["poses"] == 4
        assert list(report["actions"]) == ["Directions", "Walking"]
        assert report["actions"]["Directions"]["mpjpe_mm"] == pytest.approx(10)
        assert report["actions"]["Walking"]["mpjpe_mm"] == pytest.approx(40)
        assert report["actions"]["Directions"]["poses"] == 1
        assert report["actions"]["Walking"]["poses"] == 3


@pytest.mark.parametrize("average", ["actions", "poses"])
def test_every_error_is_that_of_metrics(average):
    poses = made_poses([0, 1, 1, 2, 2])
    report = protocols.evaluate(lift, poses, FORK, average, False)
    predicted = lift(poses.keypoints_2d)
    for name, metric in (
        ("mpjpe_mm", metrics.mpjpe),
        ("p_mpjpe_mm", metrics.p_mpjpe),
        ("n_mpjpe_mm", metrics.n_mpjpe),
    ):
        errors = 1000 * metric(predicted, poses.poses_3d)
        of_actions = [errors[0], errors[1:3].mean(), errors[3:].mean()]
        expected = np.mean(errors if average == "poses" else of_actions)
        assert report[name] == pytest.approx(expected)
        assert [r[name] for r in report["actions"].values()] == pytest.approx(
            of_actions
        )


def test_ensemble_by_hand():
    constant = np.array([[0, 0, 0], [1, 2, 3], [5, 6, 7.0]])
    # Mirrored back, right is left's (-5, 6, 7), and left is (-1, 2, 3).
    ensemble = np.array([[0, 0, 0], [-2, 4, 5], [2, 4, 5.0]])
    target = ensemble + [[0, 0, 0], [0, 0, 0.003], [0, 0, 0]]
    poses = make_poses(np.ones((1, 3, 2)), target[None], 1, "S9", NAMES)

    def predict(keypoints_2d, seen=None):
        return constant[None]

    # 3 mm over three joints; alone, right is (3, -2, -2.003) off and left
    # (3, 2, 2).
    single = 1000 / 3 * (np.sqrt(9 + 4 + 2.003**2) + np.sqrt(17))
    for flip, headline in ((True, 1), (False, single)):
        report = protocols.evaluate(predict, poses, FORK, "actions", flip)
        assert report["flip_ensemble"] is flip
        assert report["mpjpe_mm"] == pytest.approx(headline, rel=1e-3)
        assert report["ensemble_mpjpe_mm"] == pytest.approx(1, rel=1e-3)
        assert report["single_mpjpe_mm"] == pytest.approx(single)
        eating = report["actions"]["Eating"]
        assert eating["mpjpe_mm"] == pytest.approx(headline, rel=1e-3)


def test_an_equivariant_predictor_gains_nothing_from_the_ensemble():
    poses = made_poses([0, 2, 2])
    report = protocols.evaluate(lift, poses, FORK, "poses", True)
    assert report["ensemble_mpjpe_mm"] == pytest.approx(
        report["single_mpjpe_mm"]
    )


def test_the_network_sees_the_mirror_image():
    poses = made_poses([0, 1])
    seen = []

    def predict(keypoints_2d):
        seen.append(keypoints_2d)
        return lift(keypoints_2d)

    protocols.evaluate(predict, poses, FORK, "poses", True)
    as_it_is, mirrored = seen
    np.testing.assert_array_equal(as_it_is, poses.keypoints_2d)
    np.testing.assert_array_equal(mirrored, mirror(poses.keypoints_2d, FORK))
    assert mirrored[0, 1, 0] == -poses.keypoints_2d[0, 2, 0]


@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("call", [0, 1])
def test_predictions_that_are_not_finite(call, value, flip):
    poses = made_poses([0, 1, 2])
    calls = []

    def predict(keypoints_2d):
        predicted = lift(keypoints_2d)
        if len(calls) == call:
            predicted[2, 1, 0] = value
        calls.append(call)
        return predicted

    with pytest.raises(ValueError, match="NaN or infinite"):
        protocols.evaluate(predict, poses, FORK, "actions", flip)


def test_no_poses():
    nothing = made_poses([0]).select(slice(0, 0))
    with pytest.raises(ValueError, match="got none"):
        protocols.evaluate(lift, nothing, FORK, "actions", True)


def test_an_unknown_average():
    with pytest.raises(ValueError, match="'frames'; expected actions, poses"):
        protocols.evaluate(lift, made_poses([0]), FORK, "frames", True)


def test_the_report_is_json():
    report = protocols.evaluate(lift, made_poses([0, 2]), FORK, "poses", True)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert set(report) == {
        "poses",
        "average",
        "flip_ensemble",
        "actions",
        "subjects",
        "mpjpe_mm",
        "p_mpjpe_mm",
        "n_mpjpe_mm",
        "single_mpjpe_mm",
        "ensemble_mpjpe_mm",
        "joints",
        "median_mm",
        "percentile_90_mm",
        "seconds",
    }


def test_spread_and_joints():
    """Eleven poses of 0, 10, ... 100 mm; legs alone are off (with_errors)."""
    predict, poses = with_errors(list(range(0, 101, 10)), [0] * 11)
    report = protocols.evaluate(predict, poses, FORK, "poses", False)
    assert report["median_mm"] == pytest.approx(50)
    assert report["percentile_90_mm"] == pytest.approx(90)
    assert list(report["joints"]) == list(FORK.joints)
    assert list(report["joints"].values()) == pytest.approx([0, 75, 75])
    assert report["seconds"] > 0
    predict, poses = with_errors([10, 20], [0, 0])
    report = protocols.evaluate(
        predict, poses, FORK, "poses", False, joints=np.array([0, 2])
    )
    assert list(report["joints"]) == [FORK.joints[0], FORK.joints[2]]


def test_subjects_are_told_apart():
    predict, poses = with_errors([10, 20, 30, 70], [0, 2, 2, 2])
    poses = poses._replace(subjects=np.array(["S9", "S11", "S9", "S11"]))
    report = protocols.evaluate(predict, poses, FORK, "poses", False)
    assert {
        name: (row["mpjpe_mm"], row["poses"])
        for name, row in report["subjects"].items()
    } == {
        "S11": (pytest.approx(45), 2),
        "S9": (pytest.approx(20), 2),
    }


def test_hidden_joints_and_those_that_are_judged():
    """The ensemble hides the other side's joint from the mirror image."""
    poses = made_poses([0, 1, 2])
    seen = np.array([[True, False, True]] * 3)
    told = []

    def predict(keypoints_2d, seen=None):
        told.append(seen)
        lifted = np.zeros((len(keypoints_2d), 3, 3))
        lifted[:, 1:] = [[0.003, 0, 0], [0, 0.4, 0]]
        return poses.poses_3d + lifted

    report = protocols.evaluate(
        predict, poses, FORK, "poses", False, seen, np.array([0, 1])
    )
    np.testing.assert_array_equal(told[0], seen)
    np.testing.assert_array_equal(told[1], seen[:, [0, 2, 1]])
    assert report["mpjpe_mm"] == pytest.approx(1.5, rel=1e-4)
    assert report["subjects"]["S9"]["mpjpe_mm"] == report["mpjpe_mm"]


SEQUENCES = ("TS1", "TS2", "TS3", "TS4", "TS5", "TS6")
# Human3.6M's numbers of the official tool's joints, by the task's table.
OFFICIAL = {
    17: [10, 8, 14, 15, 16, 11, 12, 13, 1, 2, 3, 4, 5, 6],
    16: [9, 8, 13, 14, 15, 10, 11, 12, 1, 2, 3, 4, 5, 6],
}


def test_set(sequences, distances_m):
    """Poses at rest, and a predictor that is off by a distance per joint.

    Args:
        sequences: (N,) indices into SEQUENCES.
        distances_m: (N, J), along the depth.
    """
    distances_m = np.asarray(distances_m, float)
    count, joints = distances_m.shape
    keypoints_2d = np.zeros((count, joints, 2), np.float32)
    keypoints_2d[..., 1] = np.arange(count)[:, None]
    poses = Poses(
        keypoints_2d,
        np.zeros((count, joints, 3), np.float32),
        np.array(sequences, np.int32),
        np.array(SEQUENCES)[sequences],
        SEQUENCES,
    )

    def predict(keypoints_2d, seen=None):
        predicted = np.zeros((count, joints, 3))
        predicted[..., 2] = distances_m[keypoints_2d[:, 0, 1].astype(int)]
        return predicted

    return predict, poses


test_set.__test__ = False


def test_mpi_inf_3dhp_by_hand():
    distances_m = np.zeros((5, 17))
    # TS1: one pose without a fault, one with 7 of the 14 joints at exactly
    # 150 mm, which do not count as near.
    distances_m[1, OFFICIAL[17][:7]] = 0.15
    # TS2: spine and neck are off, which the official tool does not look at.
    distances_m[2, [7, 9]] = 0.5
    # TS5: one joint of the 14 at 72 mm, of 31 thresholds beyond 15.
    distances_m[3, 6] = 0.072
    # TS6: all joints but the hip, off.
    distances_m[4, 1:] = 1
    predict, poses = test_set([0, 0, 1, 4, 5], distances_m)
    report = protocols.judge_mpi_inf_3dhp(
        protocols.lift(predict, poses, H36M_17, False), poses, H36M_17
    )
    whole = 100 * 30 / 31
    expected = {
        # (pck, auc, pck_all_joints, auc_all_joints, poses)
        "GS": (
            250 / 3,
            whole * 2.5 / 3,
            (100 + 1000 / 17 + 1500 / 17) / 3,
            whole * (1 + 10 / 17 + 15 / 17) / 3,
            3,
        ),
        "Outdoor": (
            50,
            (13 * whole + 100 * 16 / 31) / 14 / 2,
            (100 + 100 / 17) / 2,
            (16 * whole + 100 * 16 / 31 + whole) / 17 / 2,
            2,
        ),
    }
    expected["All"] = tuple(
        (3 * gs + 2 * outdoor) / 5
        for gs, outdoor in zip(*expected.values(), strict=True)
    )[:4] + (5,)
    assert list(report["scenes"]) == ["GS", "Outdoor", "All"]
    for scene, values in expected.items():
        row = report["scenes"][scene]
        assert tuple(row[name] for name in row) == pytest.approx(values)
    # 7 * 150 + 2 * 500 + 72 + 16 * 1000 millimetres over 5 times 17 joints.
    assert report["mpjpe_mm"] == pytest.approx(18122 / 85)
    assert report["average"] == "poses"
    assert list(report["actions"]) == ["TS1", "TS2", "TS5", "TS6"]
    assert report["actions"]["TS6"]["mpjpe_mm"] == pytest.approx(16000 / 17)


@pytest.mark.parametrize("skeleton", [H36M_17, H36M_16])
def test_mpi_inf_3dhp_equals_a_slow_loop(skeleton):
    joints = len(skeleton.joints)
    random = np.random.default_rng(5)
    sequences = random.integers(0, 6, 37)
    distances_m = random.uniform(0, 0.3, (37, joints))
    # Some at thresholds, to the bit.
    distances_m[::3] = np.round(distances_m[::3] / 0.005) * 5 / 1000
    distances_m[:, 0] = 0
    predict, poses = test_set(sequences, distances_m)
    report = protocols.judge_mpi_inf_3dhp(
        protocols.lift(predict, poses, skeleton, False), poses, skeleton
    )
    scenes = {"GS": (0, 1), "noGS": (2, 3), "Outdoor": (4, 5)}
    scenes["All"] = range(6)
    for scene, members in scenes.items():
        for suffix, counted in (
            ("", OFFICIAL[joints]),
            ("_all_joints", range(joints)),
        ):
            near, under, total = 0, 0, 0
            for sequence, row in zip(sequences, distances_m, strict=True):
                if sequence not in members:
                    continue
                for joint in counted:
                    total += 1
                    near += row[joint] < 0.15
                    for threshold in range(0, 151, 5):
                        under += row[joint] < threshold / 1000
            values = report["scenes"][scene]
            assert abs(values[f"pck{suffix}"] - 100 * near / total) < 1e-9
            auc = 100 * under / total / 31
            assert abs(values[f"auc{suffix}"] - auc) < 1e-9
    assert report["scenes"]["All"]["poses"] == 37
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_scenes_weigh_frames_as_in_the_official_tool():
    # The task's formula: GS = (603 TS1 + 540 TS2) / 1143.
    distances_m = np.zeros((1143, 17))
    distances_m[:603, 3] = 1
    predict, poses = test_set(603 * [0] + 540 * [1], distances_m)
    report = protocols.judge_mpi_inf_3dhp(
        protocols.lift(predict, poses, H36M_17, False), poses, H36M_17
    )
    expected = (603 * 13 / 14 + 540) / 1143
    assert report["scenes"]["GS"]["pck"] == pytest.approx(100 * expected)


def test_mpi_inf_3dhp_with_and_without_ensemble():
    """A hip that is off to the right is undone by the mirror image."""
    _, poses = test_set([0], np.zeros((1, 17)))

    def predict(keypoints_2d, seen=None):
        predicted = np.zeros((1, 17, 3))
        predicted[:, 0, 0] = 0.2
        return predicted

    for flip, pck in ((True, 100), (False, 0)):
        report = protocols.judge_mpi_inf_3dhp(
            protocols.lift(predict, poses, H36M_17, flip), poses, H36M_17
        )
        assert report["scenes"]["All"]["pck"] == pck
        assert report["flip_ensemble"] is flip


@pytest.mark.parametrize(
    ("dataset", "average"),
    [("human36m", 25), ("synthetic", 25), ("mocap", 32.5)],
)
def test_each_data_set_has_its_average(dataset, average):
    predict, poses = with_errors([10, 20, 30, 70], [0, 2, 2, 2])
    report = protocols.judge_dataset(
        dataset, protocols.lift(predict, poses, FORK, False), poses, FORK
    )
    assert report["mpjpe_mm"] == pytest.approx(average)
    assert "scenes" not in report


def test_the_data_set_with_scenes():
    predict, poses = test_set([2, 3], np.zeros((2, 17)))
    report = protocols.judge_dataset(
        "mpi_inf_3dhp",
        protocols.lift(predict, poses, H36M_17, True),
        poses,
        H36M_17,
    )
    assert list(report["scenes"]) == ["noGS", "All"]

import pytest

from ampose_tf.data import human36m
from ampose_tf.evaluation import tables


def test_the_columns_are_the_papers():
    # Table 1: Dire. Discu. Eat Greet Phone Photo Pose Purch. Sit SitD. Smoke
    # Wait WalkD. Walk WalkT. Avg.
    assert " ".join(tables.PAPER_COLUMNS.values()) == (
        "Dire. Discu. Eat Greet Phone Photo Pose Purch. Sit SitD. Smoke "
        "Wait WalkD. Walk WalkT."
    )
    assert set(tables.PAPER_COLUMNS) == set(human36m.ACTIONS)


def made_report(**changes):
    return {
        "model": "last.keras",
        "checkpoint": "the last epoch",
        "data": "Human3.6M, gt, 17 joints",
        "generated": False,
        "poses": 12,
        "flip_ensemble": True,
        "mpjpe_mm": 50.04,
        "actions": {
            "Directions": {"mpjpe_mm": 60.06},
            "WalkTogether": {"mpjpe_mm": 40.0},
        },
        "config": {
            "data": {
                "dataset": "human36m",
                "joints": 17,
                "validation_subjects": ("S9", "S11"),
                "validation_stride": 1,
            }
        },
    } | changes


def test_ours_stands_below_the_published_rows():
    header, *papers, ours = tables.rows(1, [made_report()])
    assert header == [
        "method",
        "joints",
        *tables.PAPER_COLUMNS.values(),
        "Avg.",
    ]
    assert papers[-1] == ["AMPose, refined", "17", *15 * [""], "48.5"]
    assert ours == ["last.keras", "17", "60.1", *13 * [""], "40.0", "50.0"]
    _, *papers, ours = tables.rows(2, [made_report()])
    assert papers[-1] == ["AMPose", "17", *15 * [""], "33.7"]


def test_a_refined_model_has_two_rows():
    refined = {"mpjpe_mm": 47.0, "actions": {}}
    *_, lifted, after = tables.rows(1, [made_report(refined=refined)])
    assert lifted[-1] == "50.0"
    assert after == ["last.keras, refined", "17", *15 * [""], "47.0"]
    assert tables.notes([made_report(refined=refined)])[-1].startswith(
        "refined: with the hip's true distance"
    )


def test_generated_motion_is_marked():
    report = made_report(generated=True, data="generated motion")
    *_, ours = tables.rows(2, [report])
    assert ours[0] == "last.keras, generated motion"
    assert tables.notes([report])[1] == (
        "last.keras, generated motion: the last epoch; measured on generated "
        "motion, 12 poses, with flip ensemble; generated motion, not "
        "comparable with the papers' rows"
    )


@pytest.mark.parametrize(
    "change", [{"validation_subjects": ("S9",)}, {"validation_stride": 64}]
)
def test_a_part_of_the_test_set_is_marked(change):
    report = made_report()
    report["config"]["data"] |= change
    *_, ours = tables.rows(2, [report])
    assert ours[0] == "last.keras, in part"
    assert tables.notes([report])[1].endswith(
        "; part of the test set, not comparable with the papers'"
    )


def of_3dhp(poses, **scenes):
    report = made_report(poses=poses, scenes=scenes)
    report["config"]["data"] |= {
        "dataset": "mpi_inf_3dhp",
        "validation_subjects": (),
    }
    return report


def test_shares_of_the_test_set():
    row = {"pck": 80.0, "auc": 40.0}
    row |= {"pck_all_joints": 81.0, "auc_all_joints": 41.0}
    report = of_3dhp(2929, GS=row | {"pck": 70.0}, All=row)
    header, *papers, official, everything = tables.rows(3, [report])
    assert header == ["method", "GS", "noGS", "Outdoor", "All", "AUC"]
    assert papers[-1] == ["AMPose", "86.1", "87.5", "87.4", "87.0", "55.2"]
    assert papers[0] == ["Ci et al. 2019", "", "", "", "74.0", ""]
    name = "last.keras, official 14 joints"
    assert official == [name, "70.0", "", "", "80.0", "40.0"]
    name = "last.keras, all joints"
    assert everything == [name, "81.0", "", "", "81.0", "41.0"]
    *_, part, _ = tables.rows(3, [of_3dhp(2928, All=row)])
    assert part[0] == "last.keras, in part, official 14 joints"


# Not in the order of the paper.
ACTIONS = {"Walking": {"mpjpe_mm": 40.0}, "Directions": {"mpjpe_mm": 60.04}}


def test_action_table():
    report = made_report(mpjpe_mm=50.0, actions=ACTIONS)
    assert tables.action_table(report, 49.5) == (
        "MPJPE (mm)      Dire.  Walk  Avg.\n"
        "this model       60.0  40.0  50.0\n"
        "AMPose (paper)               49.5"
    )


def test_action_table_without_a_published_figure():
    report = made_report(mpjpe_mm=50.0, actions=ACTIONS)
    assert tables.action_table(report) == (
        "MPJPE (mm)  Dire.  Walk  Avg.\nthis model   60.0  40.0  50.0"
    )


def test_action_table_of_a_refined_model():
    refined = {"mpjpe_mm": 48.0, "actions": ACTIONS}
    report = made_report(mpjpe_mm=50.0, actions=ACTIONS, refined=refined)
    assert tables.action_table(report, 48.5) == (
        "MPJPE (mm)               Dire.  Walk  Avg.\n"
        "this model                60.0  40.0  50.0\n"
        "this model, refined       60.0  40.0  48.0\n"
        "AMPose, refined (paper)               48.5"
    )


def scene(pck, auc, poses):
    return {
        "pck": pck,
        "auc": auc,
        "pck_all_joints": pck + 1,
        "auc_all_joints": auc + 1,
        "poses": poses,
    }


def of_all_scenes(poses):
    return of_3dhp(
        poses,
        GS=scene(80.04, 40, 3),
        noGS=scene(70.06, 30, 4),
        Outdoor=scene(60, 20, 5),
        All=scene(69.5, 33.3, poses),
    )


def test_scene_table():
    assert tables.scene_table(of_all_scenes(12)) == (
        "PCK (%)               GS  noGS  Outdoor   All   AUC\n"
        "poses                  3     4        5    12\n"
        "official 14 joints  80.0  70.1     60.0  69.5  33.3\n"
        "all joints          81.0  71.1     61.0  70.5  34.3"
    )


def test_scene_table_of_the_whole_test_set_has_the_papers_row():
    # Table 3: 86.1 87.5 87.4 87.0 55.2
    last = tables.scene_table(of_all_scenes(2929)).splitlines()[-1]
    assert last == "AMPose (paper)      86.1  87.5     87.4  87.0  55.2"


def test_scene_table_of_generated_motion_has_not():
    generated = of_all_scenes(2929) | {"generated": True}
    assert "paper" not in tables.scene_table(generated)


def test_scene_table_of_a_part():
    part = of_3dhp(3, GS=scene(80.04, 40, 3), All=scene(69.5, 33.3, 3))
    assert tables.scene_table(part) == (
        "PCK (%)               GS   All   AUC\n"
        "poses                  3     3\n"
        "official 14 joints  80.0  69.5  33.3\n"
        "all joints          81.0  70.5  34.3"
    )


def test_designs():
    """Counted the paper's way, and cut as it cuts: 18.386 is 18.3 there."""
    counted = {
        "parameters": 18_450_435,
        "counted_parameters": 18_386_435,
        "counted_macs": 312_256_000,
    }
    *papers, ours = tables.rows(
        4, [made_report(complexity=counted, gcn="convnext")]
    )
    assert papers[-1] == [
        "ours",
        "AMPose (paper)",
        "17",
        "18.3",
        "312.2",
        "",
        "49.5",
    ]
    assert ours == [
        "convnext",
        "last.keras",
        "17",
        "18.3",
        "312.2",
        "18,450,435",
        "50.0",
    ]
    # Of a .tflite neither is known.
    *_, ours = tables.rows(4, [made_report()])
    assert ours == ["", "last.keras", "17", "", "", "", "50.0"]


@pytest.mark.parametrize(
    ("number", "dataset", "keypoints"),
    [
        (1, "human36m", "cpn_ft_h36m_dbb"),
        (2, "human36m", "gt"),
        (2, "synthetic", "gt"),
        (3, "mpi_inf_3dhp", "gt"),
        (4, "human36m", "cpn_ft_h36m_dbb"),
    ],
)
def test_data_that_fits(number, dataset, keypoints):
    tables.check(number, dataset, keypoints)


@pytest.mark.parametrize(
    ("number", "dataset", "keypoints", "message"),
    [
        (1, "human36m", "gt", "keypoints=cpn_ft_h36m_dbb; the config has gt"),
        (2, "human36m", "cpn_ft_h36m_dbb", "data.keypoints=gt"),
        (2, "mocap", "gt", "data.dataset=human36m; the config has mocap"),
        (3, "synthetic", "gt", "data.dataset=mpi_inf_3dhp"),
        (4, "mpi_inf_3dhp", "gt", "data.dataset=human36m"),
    ],
)
def test_data_that_does_not_fit(number, dataset, keypoints, message):
    with pytest.raises(ValueError, match=message):
        tables.check(number, dataset, keypoints)

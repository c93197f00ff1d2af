import json

import pytest

from ampose_tf.config import Config
from ampose_tf.evaluation import report, tables


def errors(mpjpe_mm, poses):
    return {
        "mpjpe_mm": mpjpe_mm,
        "p_mpjpe_mm": mpjpe_mm / 2,
        "n_mpjpe_mm": mpjpe_mm - 1,
        "poses": poses,
    }


def made_report(average="actions", model="best.keras", megabytes=73.0):
    return {
        "average": average,
        "flip_ensemble": True,
        **errors(50.0, 12),
        "single_mpjpe_mm": 51.25,
        "ensemble_mpjpe_mm": 50.0,
        "median_mm": 44.44,
        "percentile_90_mm": 88.88,
        "seconds": 2.04,
        # Not in the order of the paper.
        "actions": {
            "Walking": errors(40.0, 5),
            "Directions": errors(60.04, 7),
        },
        "subjects": {"S9": errors(50.0, 12)},
        "joints": {"Hip": 0.0, "Head": 61.5},
        "model": model,
        "checkpoint": "some rule",
        "data": "some data",
        "megabytes": megabytes,
    }


@pytest.mark.parametrize(
    ("keypoints", "joints", "published"),
    [
        ("cpn_ft_h36m_dbb", 17, 49.5),
        ("gt", 17, 33.7),
        ("cpn_ft_h36m_dbb", 16, 50.5),
        ("gt", 16, 34.1),
    ],
)
def test_published_figures(keypoints, joints, published):
    config = Config()
    config.data.keypoints = keypoints
    config.data.joints = joints
    assert report.published_mpjpe_mm(config) == published


def test_published_figures_of_variants():
    config = Config()
    config.data.keypoints = "cpn_ft_h36m_dbb"
    config.train.lifter = "last.keras"
    assert report.published_mpjpe_mm(config) == 48.5
    config.train.lifter = ""
    for gcn, figure in (("convnext", 50.0), ("vanilla", None)):
        config.model.gcn = gcn
        assert report.published_mpjpe_mm(config) == figure
    config.model.gcn = "convnext"
    config.data.joints = 16
    assert report.published_mpjpe_mm(config) is None
    config.data.joints, config.data.keypoints = 17, "gt"
    assert report.published_mpjpe_mm(config) is None


@pytest.mark.parametrize("dataset", ["mocap", "synthetic", "mpi_inf_3dhp"])
def test_nothing_is_published_of_other_data(dataset):
    config = Config()
    config.data.dataset = dataset
    assert report.published_mpjpe_mm(config) is None


def test_motion_table_keeps_its_order():
    assert report.motion_table(made_report()) == (
        "motion      poses  MPJPE  P-MPJPE  N-MPJPE (mm)\n"
        "Walking         5   40.0     20.0          39.0\n"
        "Directions      7   60.0     30.0          59.0\n"
        "all            12   50.0     25.0          49.0"
    )


def scene(pck, auc, poses):
    return {
        "pck": pck,
        "auc": auc,
        "pck_all_joints": pck + 1,
        "auc_all_joints": auc + 1,
        "poses": poses,
    }


def made_test_report(poses):
    scenes = {
        "GS": scene(80.04, 40, 3),
        "noGS": scene(70.06, 30, 4),
        "Outdoor": scene(60, 20, 5),
        "All": scene(69.5, 33.3, poses),
    }
    return made_report("poses") | {"scenes": scenes, "poses": poses}


def test_text_has_scenes_and_motions():
    blocks = report.as_text([made_test_report(12)], None).split("\n\n")
    assert blocks[1] == tables.scene_table(made_test_report(12))
    assert blocks[2].startswith("motion ")
    assert blocks[3].startswith("MPJPE 50.00 mm")


def test_text_of_one_report():
    assert report.as_text([made_report()], 49.5) == (
        "best.keras (some rule)\n"
        "on some data: 12 poses, mean of action means, with flip ensemble\n"
        "\n"
        "MPJPE (mm)      Dire.  Walk  Avg.\n"
        "this model       60.0  40.0  50.0\n"
        "AMPose (paper)               49.5\n"
        "\n"
        "MPJPE 50.00 mm, P-MPJPE 25.00 mm, N-MPJPE 49.00 mm; MPJPE without "
        "ensemble 51.25 mm, with it 50.00 mm; half of the poses within "
        "44.4 mm, 90 % within 88.9 mm; 12 poses in 2.0 s"
    )


def test_text_of_a_refined_report():
    refined = errors(48.0, 12) | {"actions": made_report()["actions"]}
    text = report.as_text([made_report() | {"refined": refined}], 48.5)
    assert (
        "this model                60.0  40.0  50.0\n"
        "this model, refined       60.0  40.0  48.0\n"
        "AMPose, refined (paper)               48.5\n"
    ) in text
    assert text.endswith(
        "\n\nrefined with the hip's true distance and the camera's "
        "intrinsics: MPJPE 48.00 mm, P-MPJPE 24.00 mm, N-MPJPE 47.00 mm"
    )


def test_text_of_several_reports():
    one = made_report("poses") | {"flip_ensemble": False}
    other = made_report("poses", "ampose_float32.tflite", 8.125)
    text = report.as_text([one, other], None)
    assert text.count("mean of poses, without flip ensemble") == 1
    assert text.count("mean of poses, with flip ensemble") == 1
    assert text.count("motion ") == 2
    assert text.endswith(
        "\n\n"
        "model                     MB  MPJPE  P-MPJPE  N-MPJPE (mm)\n"
        "best.keras             73.00   50.0     25.0          49.0\n"
        "ampose_float32.tflite   8.12   50.0     25.0          49.0"
    )


def test_one_report_has_no_table_of_models():
    assert "MB" not in report.as_text([made_report("poses")], None)


def test_write_one_report(tmp_path):
    path = tmp_path / "evaluation.json"
    report.write(path, [made_report()], "what is printed")
    text = path.read_text(encoding="utf-8")
    assert json.loads(text) == made_report()
    assert text.endswith("}\n")
    text = (tmp_path / "evaluation_printed.txt").read_text(encoding="utf-8")
    assert text == "what is printed\n"
    text = (tmp_path / "evaluation_groups.csv").read_text(encoding="utf-8")
    assert text == report.as_csv([made_report()])


def test_write_several_reports(tmp_path):
    path = tmp_path / "evaluation.json"
    several = [made_report(), made_report(model="last.keras")]
    report.write(path, several, "")
    assert json.loads(path.read_text(encoding="utf-8")) == several


@pytest.mark.parametrize("name", ["report.npz", "report.csv", "report"])
def test_a_report_is_json(name):
    report.check_path("runs/report.json")
    with pytest.raises(ValueError, match=f"in .json, got runs/{name}"):
        report.check_path(f"runs/{name}")


def test_csv():
    label = "best.keras,some data,no"
    assert report.as_csv([made_test_report(12)]).splitlines() == [
        "model,data,refined,group,name,poses,mpjpe_mm,p_mpjpe_mm,n_mpjpe_mm,"
        "pck,auc,pck_all_joints,auc_all_joints",
        f"{label},all,all,12,50.0,25.0,49.0,,,,",
        f"{label},action,Walking,5,40.0,20.0,39.0,,,,",
        f"{label},action,Directions,7,60.04,30.02,59.04,,,,",
        f"{label},subject,S9,12,50.0,25.0,49.0,,,,",
        f"{label},scene,GS,3,,,,80.04,40,81.04,41",
        f"{label},scene,noGS,4,,,,70.06,30,71.06,31",
        f"{label},scene,Outdoor,5,,,,60,20,61,21",
        f"{label},scene,All,12,,,,69.5,33.3,70.5,34.3",
        f"{label},joint,Hip,,0.0,,,,,,",
        f"{label},joint,Head,,61.5,,,,,,",
    ]
    refined = errors(48.0, 12) | {"joints": {"Head": 60.0}}
    refined |= {"actions": {"Walking": errors(39.0, 5)}}
    lines = report.as_csv([made_report() | {"refined": refined}]).splitlines()
    assert lines[-3:] == [
        "best.keras,some data,yes,all,all,12,48.0,24.0,47.0,,,,",
        "best.keras,some data,yes,action,Walking,5,39.0,19.5,38.0,,,,",
        "best.keras,some data,yes,joint,Head,,60.0,,,,,,",
    ]

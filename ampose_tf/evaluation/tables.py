"""The paper's four tables, with rows of our own below the published ones."""

from ampose_tf import published
from ampose_tf.evaluation.protocols import ALL_SCENES, OFFICIAL_POSES, SCENES

# The columns of Tables 1 and 2, by Human3.6M's action names.
PAPER_COLUMNS = {
    "Directions": "Dire.",
    "Discussion": "Discu.",
    "Eating": "Eat",
    "Greeting": "Greet",
    "Phoning": "Phone",
    "Photo": "Photo",
    "Posing": "Pose",
    "Purchases": "Purch.",
    "Sitting": "Sit",
    "SittingDown": "SitD.",
    "Smoking": "Smoke",
    "Waiting": "Wait",
    "WalkDog": "WalkD.",
    "Walking": "Walk",
    "WalkTogether": "WalkT.",
}

TITLES = {
    1: "Table 1: MPJPE in mm on Human3.6M, S9 and S11, 2D of CPN",
    2: "Table 2: MPJPE in mm on Human3.6M, S9 and S11, ground-truth 2D",
    3: "Table 3: PCK and AUC in percent, MPI-INF-3DHP's test set",
    4: "Table 4: designs of the GCN block; MPJPE in mm as in Table 1",
}
# What each is measured on: (data.dataset, data.keypoints).
_SETTINGS = {
    1: ("human36m", "cpn_ft_h36m_dbb"),
    2: ("human36m", "gt"),
    3: ("mpi_inf_3dhp", None),
    4: ("human36m", "cpn_ft_h36m_dbb"),
}


def check(number: int, dataset: str, keypoints: str) -> None:
    """Checks that a table can have a row of some data.

    Args:
        number: Of the table, 1 to 4.
        dataset: `config.Data.dataset`; generated motion passes for
            Human3.6M, whose format it has, and is marked in the table.
        keypoints: `config.Data.keypoints`.

    Raises:
        ValueError: Where it cannot; the message says what it needs.
    """
    wanted = _SETTINGS[number]
    format = "human36m" if dataset == "synthetic" else dataset
    if format != wanted[0]:
        raise ValueError(
            f"Table {number} is measured on data.dataset={wanted[0]}; the "
            f"config has {dataset}"
        )
    if wanted[1] not in (None, keypoints):
        raise ValueError(
            f"Table {number} is measured with data.keypoints={wanted[1]}; the "
            f"config has {keypoints}"
        )


def rows(number: int, reports: list[dict]) -> list[list[str]]:
    """Returns a table as cells, its header first.

    Args:
        number: Of the table, 1 to 4.
        reports: From `evaluating.evaluate`.
    """
    return _BUILDERS[number](
        published.figures()[f"table_{number}"],
        [(_label(report), report) for report in reports],
    )


def notes(reports: list[dict]) -> list[str]:
    """Returns what must be known of our rows: data, model, conditions."""
    lines = ["Figures without a file's name are the papers'."]
    for report in reports:
        ensemble = "with" if report["flip_ensemble"] else "without"
        line = (
            f"{_label(report)}: {report['checkpoint']}; measured on "
            f"{report['data']}, {report['poses']} poses, {ensemble} flip "
            "ensemble"
        )
        if report["generated"]:
            line += "; generated motion, not comparable with the papers' rows"
        if not is_whole(report):
            line += "; a part of the test set, not comparable, either"
        lines.append(line)
    if any("refined" in report for report in reports):
        lines.append(
            "refined: by the hip's true distance and the camera's intrinsics"
        )
    return lines


def is_whole(report: dict) -> bool:
    """Returns whether a report is of all that the paper's tables are of.

    Of Human3.6M, every frame of S9 and S11; of MPI-INF-3DHP, 2,929 frames.
    """
    data = report["config"]["data"]
    if data["dataset"] == "mpi_inf_3dhp":
        return report["poses"] == OFFICIAL_POSES
    subjects = set(data["validation_subjects"])
    return subjects == {"S9", "S11"} and data["validation_stride"] == 1


def _label(report):
    marks = [report["model"]]
    if report["generated"]:
        marks.append("generated motion")
    if not is_whole(report):
        marks.append("in part")
    return ", ".join(marks)


def _human36m(papers, ours):
    made = [["method", "joints", *PAPER_COLUMNS.values(), "Avg."]]
    for row in papers:
        blank = [""] * len(PAPER_COLUMNS)
        average = _tenths(row["mpjpe_mm"])
        made.append([row["method"], str(row["joints"]), *blank, average])
    for label, report in ours:
        joints = str(report["config"]["data"]["joints"])
        for name, errors in (
            (label, report),
            (f"{label}, refined", report.get("refined")),
        ):
            if errors is None:
                continue
            actions = errors["actions"]
            cells = [
                _tenths(actions[action]["mpjpe_mm"])
                if action in actions
                else ""
                for action in PAPER_COLUMNS
            ]
            made.append([name, joints, *cells, _tenths(errors["mpjpe_mm"])])
    return made


def _mpi_inf_3dhp(papers, ours):
    scenes = (*SCENES, ALL_SCENES)
    made = [["method", *scenes, "AUC"]]
    for row in papers:
        made.append(
            [
                row["method"],
                *(_tenths(row["pck"].get(scene)) for scene in scenes),
                _tenths(row.get("auc")),
            ]
        )
    for label, report in ours:
        for name, suffix in (
            (f"{label}, official 14 joints", ""),
            (f"{label}, all joints", "_all_joints"),
        ):
            found = report["scenes"]
            made.append(
                [
                    name,
                    *(
                        _tenths(found.get(scene, {}).get(f"pck{suffix}"))
                        for scene in scenes
                    ),
                    _tenths(found[ALL_SCENES][f"auc{suffix}"]),
                ]
            )
    return made


def _designs(papers, ours):
    """Both counts are the paper's way, and cut as it cuts: `complexity`."""
    made = [
        [
            *("GCN block", "model", "joints", "parameters (M)", "MACs (M)"),
            *("all parameters", "MPJPE (mm)"),
        ]
    ]
    for row in papers:
        parameters, macs = row["million_parameters"], row["million_macs"]
        counts = _tenths(parameters), _tenths(macs), ""
        label = row["gcn"], "AMPose (paper)", "17"
        made.append([*label, *counts, _tenths(row["mpjpe_mm"])])
    for label, report in ours:
        counts = "", "", ""
        if "complexity" in report:
            counted = report["complexity"]
            counts = (
                _cut_millions(counted["counted_parameters"]),
                _cut_millions(counted["counted_macs"]),
                f"{counted['parameters']:,}",
            )
        joints = str(report["config"]["data"]["joints"])
        mpjpe = _tenths(report["mpjpe_mm"])
        made.append([report.get("gcn", ""), label, joints, *counts, mpjpe])
    return made


_BUILDERS = {1: _human36m, 2: _human36m, 3: _mpi_inf_3dhp, 4: _designs}


def _cut_millions(count):
    return f"{count // 100_000 / 10:.1f}"


def _tenths(value):
    return "" if value is None else f"{value:.1f}"

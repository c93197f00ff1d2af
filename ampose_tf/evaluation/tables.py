"""The paper's four tables with rows of our own, as cells and as text."""

from ampose_tf import published
from ampose_tf.evaluation.protocols import ALL_SCENES, OFFICIAL_POSES, SCENES

# Columns of Tables 1 and 2, by Human3.6M's action names.
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
# Data that each table is measured on: (data.dataset, data.keypoints).
_SETTINGS = {
    1: ("human36m", "cpn_ft_h36m_dbb"),
    2: ("human36m", "gt"),
    3: ("mpi_inf_3dhp", None),
    4: ("human36m", "cpn_ft_h36m_dbb"),
}


def check(number: int, dataset: str, keypoints: str) -> None:
    """Checks that results on some data can be a row of a table.

    Args:
        number: Number of the table, 1 to 4.
        dataset: `config.Data.dataset`; generated motion is accepted as
            Human3.6M, whose format it has, and is marked in the table.
        keypoints: `config.Data.keypoints`.

    Raises:
        ValueError: If they cannot; the message states what the table needs.
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
    """Returns the cells of a table, header first.

    Args:
        number: Number of the table, 1 to 4.
        reports: From `evaluating.evaluate`.
    """
    return _BUILDERS[number](
        published.figures()[f"table_{number}"],
        [(_label(report), report) for report in reports],
    )


def notes(reports: list[dict]) -> list[str]:
    """Returns notes on our rows: data, model, conditions."""
    lines = ["Rows without a file name are published figures."]
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
            line += "; part of the test set, not comparable with the papers'"
        lines.append(line)
    if any("refined" in report for report in reports):
        lines.append(
            "refined: with the hip's true distance and the camera's intrinsics"
        )
    return lines


def is_whole(report: dict) -> bool:
    """Returns whether a report covers all the data of the paper's tables.

    These are every frame of S9 and S11 for Human3.6M, and 2,929 frames for
    MPI-INF-3DHP.
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
        cells = _action_cells(row, PAPER_COLUMNS)
        made.append([row["method"], str(row["joints"]), *cells])
    for label, report in ours:
        joints = str(report["config"]["data"]["joints"])
        for name, cells in _action_rows(label, report, PAPER_COLUMNS):
            made.append([name, joints, *cells])
    return made


def _mpi_inf_3dhp(papers, ours):
    scenes = (*SCENES, ALL_SCENES)
    made = [["method", *scenes, "AUC"]]
    for row in papers:
        made.append([row["method"], *_scene_cells(row, scenes)])
    for label, report in ours:
        for name, cells in _scene_rows(report, scenes):
            made.append([f"{label}, {name}", *cells])
    return made


def _designs(papers, ours):
    """Counts and truncates as the paper does, see `complexity`."""
    made = [
        [
            "GCN block",
            "model",
            "joints",
            "parameters (M)",
            "MACs (M)",
            "all parameters",
            "MPJPE (mm)",
        ]
    ]
    for row in papers:
        parameters, macs = row["million_parameters"], row["million_macs"]
        counts = tenths(parameters), tenths(macs), ""
        label = row["gcn"], "AMPose (paper)", "17"
        made.append([*label, *counts, tenths(row["mpjpe_mm"])])
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
        mpjpe = tenths(report["mpjpe_mm"])
        made.append([report.get("gcn", ""), label, joints, *counts, mpjpe])
    return made


_BUILDERS = {1: _human36m, 2: _human36m, 3: _mpi_inf_3dhp, 4: _designs}


def _cut_millions(count):
    return f"{count // 100_000 / 10:.1f}"


def action_table(report: dict, published_mm: float | None = None) -> str:
    """Returns MPJPE per action in the layout of the paper's Table 1.

    Args:
        report: From `protocols.evaluate`, with Human3.6M's actions.
        published_mm: The paper's average for the same setting, with
            refinement if the report has it; adds a row. This package does not
            hold the paper's figures for single actions.
    """
    names = [name for name in PAPER_COLUMNS if name in report["actions"]]
    made = [["MPJPE (mm)", *(PAPER_COLUMNS[name] for name in names), "Avg."]]
    for name, cells in _action_rows("this model", report, names):
        made.append([name, *cells])
    if published_mm is not None:
        method = "AMPose, refined" if "refined" in report else "AMPose"
        cells = _action_cells({"mpjpe_mm": published_mm}, names)
        made.append([f"{method} (paper)", *cells])
    return aligned(made)


def _action_rows(label, report, names):
    """Yields (label, cells) of a report, and of its refined poses if any."""
    yield label, _action_cells(report, names)
    if "refined" in report:
        yield f"{label}, refined", _action_cells(report["refined"], names)


def _action_cells(errors, names):
    actions = errors.get("actions", {})
    values = [actions.get(name, {}).get("mpjpe_mm") for name in names]
    return [tenths(value) for value in (*values, errors["mpjpe_mm"])]


def scene_table(report: dict) -> str:
    """Returns PCK per scene and AUC in the layout of the paper's Table 3.

    A report on all frames of the test set gets a row with the paper's figures.

    Args:
        report: From `protocols.judge_mpi_inf_3dhp`.
    """
    scenes = report["scenes"]
    counts = (str(row["poses"]) for row in scenes.values())
    made = [["PCK (%)", *scenes, "AUC"], ["poses", *counts, ""]]
    for name, cells in _scene_rows(report, scenes):
        made.append([name, *cells])
    whole = scenes[ALL_SCENES]["poses"] == OFFICIAL_POSES
    if whole and not report.get("generated"):
        (row,) = (
            row
            for row in published.figures()["table_3"]
            if row["method"] == "AMPose"
        )
        made.append(["AMPose (paper)", *_scene_cells(row, scenes)])
    return aligned(made)


def _scene_rows(report, scenes):
    """Yields (name of the judged joints, cells) of a report."""
    found = report["scenes"]
    for name, suffix in (
        ("official 14 joints", ""),
        ("all joints", "_all_joints"),
    ):
        shares = {scene: row[f"pck{suffix}"] for scene, row in found.items()}
        auc = found[ALL_SCENES][f"auc{suffix}"]
        yield name, _scene_cells({"pck": shares, "auc": auc}, scenes)


def _scene_cells(shares, scenes):
    values = [shares["pck"].get(scene) for scene in scenes]
    return [tenths(value) for value in (*values, shares.get("auc"))]


def tenths(value: float | None) -> str:
    """Returns a value with one decimal, "" if it is not known."""
    return "" if value is None else f"{value:.1f}"


def aligned(rows: list[list[str]]) -> str:
    """Aligns cells in columns, the first to the left, others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(
                zip(row, widths, strict=True)
            )
        ).rstrip()
        for row in rows
    )

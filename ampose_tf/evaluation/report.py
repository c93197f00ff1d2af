"""Reports as text tables and JSON."""

import importlib.resources
import json
import os

from ampose_tf import files
from ampose_tf.config import Config
from ampose_tf.evaluation.protocols import ALL_SCENES

# The columns of the paper's Tables 1 and 2, by Human3.6M's action names.
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


def published_mpjpe_mm(config: Config) -> float | None:
    """Returns the paper's average for a config's setting, where it has one.

    It has one for every frame of S9 and S11.
    """
    data = config.data
    if (
        data.dataset != "human36m"
        or set(data.validation_subjects) != {"S9", "S11"}
        or data.validation_stride != 1
    ):
        return None
    return _published("mpjpe_mm")[f"{data.keypoints}/{data.joints}"]


def as_text(reports: list[dict], published_mm: float | None) -> str:
    """Returns what `evaluate.py` prints of one or more models.

    Args:
        reports: From `protocols.evaluate`, each with `model`, `checkpoint`,
            `data` and `megabytes`.
        published_mm: From `published_mpjpe_mm`.
    """
    blocks = []
    for report in reports:
        ensemble = "with" if report["flip_ensemble"] else "without"
        over = {"actions": "action means", "poses": "poses"}
        blocks.append(
            f"{report['model']} ({report['checkpoint']})\n"
            f"on {report['data']}: {report['poses']} poses, mean of "
            f"{over[report['average']]}, {ensemble} flip ensemble"
        )
        if report["average"] == "actions":
            blocks.append(action_table(report, published_mm))
        else:
            if "scenes" in report:
                blocks.append(scene_table(report))
            blocks.append(motion_table(report))
        blocks.append(
            f"MPJPE {report['mpjpe_mm']:.2f} mm, "
            f"P-MPJPE {report['p_mpjpe_mm']:.2f} mm, "
            f"N-MPJPE {report['n_mpjpe_mm']:.2f} mm; MPJPE without ensemble "
            f"{report['single_mpjpe_mm']:.2f} mm, with it "
            f"{report['ensemble_mpjpe_mm']:.2f} mm"
        )
    if len(reports) > 1:
        blocks.append(model_table(reports))
    return "\n\n".join(blocks)


def write(path: str | os.PathLike, reports: list[dict]) -> None:
    """Writes one report as a JSON object, several as a list of them.

    Raises:
        OSError: Where it cannot be written.
    """
    content = reports[0] if len(reports) == 1 else reports
    files.write_text(path, json.dumps(content, indent=2) + "\n")


def action_table(report: dict, published_mm: float | None = None) -> str:
    """Returns MPJPE per action in the layout of the paper's Table 1.

    Args:
        report: From `protocols.evaluate`, with Human3.6M's actions.
        published_mm: The paper's average for the same setting, which gets a
            row of its own; the paper's single actions are not in this
            package.
    """
    names = [name for name in PAPER_COLUMNS if name in report["actions"]]
    rows = [
        ["MPJPE (mm)", *(PAPER_COLUMNS[name] for name in names), "Avg."],
        [
            "this model",
            *(_tenths(report["actions"][name]["mpjpe_mm"]) for name in names),
            _tenths(report["mpjpe_mm"]),
        ],
    ]
    if published_mm is not None:
        rows.append(
            ["AMPose (paper)", *("" for _ in names), _tenths(published_mm)]
        )
    return _aligned(rows)


def scene_table(report: dict) -> str:
    """Returns PCK per scene and AUC in the layout of the paper's Table 3.

    The paper's figures get a row of their own where the report is of all
    frames of the test set.

    Args:
        report: From `protocols.evaluate_mpi_inf_3dhp`.
    """
    scenes, published = report["scenes"], _published("mpi_inf_3dhp")
    everything = scenes[ALL_SCENES]
    rows = [
        ["PCK (%)", *scenes, "AUC"],
        ["poses", *(str(row["poses"]) for row in scenes.values()), ""],
    ]
    for label, suffix in (
        ("official 14 joints", ""),
        ("all joints", "_all_joints"),
    ):
        pck = (_tenths(row[f"pck{suffix}"]) for row in scenes.values())
        rows.append([label, *pck, _tenths(everything[f"auc{suffix}"])])
    if everything["poses"] == published["poses"]:
        pck = (_tenths(published["pck"][scene]) for scene in scenes)
        rows.append(["AMPose (paper)", *pck, _tenths(published["auc"])])
    return _aligned(rows)


def motion_table(report: dict) -> str:
    """Returns the three errors per action, one row each, and their mean."""
    rows = [["motion", "poses", "MPJPE", "P-MPJPE", "N-MPJPE (mm)"]]
    for name, errors in report["actions"].items():
        rows.append([name, str(errors["poses"]), *_errors(errors)])
    rows.append(["all", str(report["poses"]), *_errors(report)])
    return _aligned(rows)


def model_table(reports: list[dict]) -> str:
    """Returns several models' figures on the same poses, side by side.

    Args:
        reports: From `protocols.evaluate`, each with `model` (its name) and
            `megabytes`.
    """
    rows = [["model", "MB", "MPJPE", "P-MPJPE", "N-MPJPE (mm)"]]
    for report in reports:
        size = f"{report['megabytes']:.2f}"
        rows.append([report["model"], size, *_errors(report)])
    return _aligned(rows)


def _published(name):
    """Returns some of the paper's figures."""
    file = importlib.resources.files(__package__).joinpath("published.json")
    return json.loads(file.read_text(encoding="utf-8"))[name]


def _errors(report):
    return [
        _tenths(report[name])
        for name in ("mpjpe_mm", "p_mpjpe_mm", "n_mpjpe_mm")
    ]


def _tenths(value):
    return f"{value:.1f}"


def _aligned(rows):
    """Joins cells into columns: the first to the left, others to the right."""
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

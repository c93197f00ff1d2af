"""Formats reports as text tables, JSON and CSV."""

import csv
import io
import json
import os
import pathlib

from ampose_tf import files, published
from ampose_tf.config import Config
from ampose_tf.evaluation import tables


def published_mpjpe_mm(config: Config) -> float | None:
    """Returns the paper's average for a config's setting, None if unknown.

    The paper reports averages over every frame of S9 and S11; those of other
    GCN blocks and of pose refinement exist for CPN's 2D and 17 joints only.
    """
    data = config.data
    if (
        data.dataset != "human36m"
        or set(data.validation_subjects) != {"S9", "S11"}
        or data.validation_stride != 1
    ):
        return None
    table = "table_2" if data.keypoints == "gt" else "table_1"
    method = "AMPose, refined" if config.train.lifter else "AMPose"
    wanted = {"method": method, "joints": data.joints}
    if config.model.gcn != "ours":
        if (table, data.joints, method) != ("table_1", 17, "AMPose"):
            return None
        table, wanted = "table_4", {"gcn": config.model.gcn}
    rows = published.figures()[table]
    found = (row["mpjpe_mm"] for row in rows if wanted.items() <= row.items())
    return next(found, None)


def as_text(reports: list[dict], published_mm: float | None) -> str:
    """Returns the text that `evaluate.py` prints for one or more models.

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
            blocks.append(tables.action_table(report, published_mm))
        else:
            if "scenes" in report:
                blocks.append(tables.scene_table(report))
            blocks.append(motion_table(report))
        blocks.append(
            f"{_in_words(report)}; MPJPE without ensemble "
            f"{report['single_mpjpe_mm']:.2f} mm, with it "
            f"{report['ensemble_mpjpe_mm']:.2f} mm; half of the poses within "
            f"{report['median_mm']:.1f} mm, 90 % within "
            f"{report['percentile_90_mm']:.1f} mm; {report['poses']} poses in "
            f"{report['seconds']:.1f} s"
        )
        if "refined" in report:
            blocks.append(
                "refined with the hip's true distance and the camera's "
                f"intrinsics: {_in_words(report['refined'])}"
            )
    if len(reports) > 1:
        blocks.append(model_table(reports))
    return "\n\n".join(blocks)


def paper_table(number: int, reports: list[dict]) -> str:
    """Returns a table of the paper with our own rows, and notes on them.

    Args:
        number: Number of the table, 1 to 4.
        reports: From `evaluating.evaluate`.
    """
    return "\n".join(
        [
            tables.TITLES[number],
            "",
            tables.aligned(tables.rows(number, reports)),
            "",
            *tables.notes(reports),
        ]
    )


def check_path(path: str | os.PathLike) -> None:
    """Raises a ValueError if a report's path does not end in .json."""
    if pathlib.Path(path).suffix != ".json":
        raise ValueError(f"--report: expected a path in .json, got {path}")


def beside(path: str | os.PathLike, ending: str) -> pathlib.Path:
    """Returns the path of a file next to a report: "a.json" to "a_x.csv"."""
    path = pathlib.Path(path)
    return path.with_name(f"{path.stem}_{ending}")


def write(path: str | os.PathLike, reports: list[dict], text: str) -> None:
    """Writes reports as JSON, text and CSV.

    Args:
        path: Path of the JSON file, which holds one object or a list of
            them. The text is written next to it as `<stem>_printed.txt`, the
            errors of all groups as `<stem>_groups.csv`.
        reports: From `evaluating.evaluate`.
        text: The printed text.

    Raises:
        OSError: If the files cannot be written.
    """
    content = reports[0] if len(reports) == 1 else reports
    files.write_text(path, json.dumps(content, indent=2) + "\n")
    files.write_text(beside(path, "printed.txt"), text + "\n")
    files.write_text(beside(path, "groups.csv"), as_csv(reports))


def as_csv(reports: list[dict]) -> str:
    """Returns CSV: each model overall, by action, subject, joint and scene."""
    names = ("poses", "mpjpe_mm", "p_mpjpe_mm", "n_mpjpe_mm")
    shares = ("pck", "auc", "pck_all_joints", "auc_all_joints")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["model", "data", "refined", "group", "name", *names, *shares]
    )
    for report in reports:
        for refined, errors in (
            ("no", report),
            ("yes", report.get("refined")),
        ):
            if errors is None:
                continue
            for group, name, row in _groups(errors):
                cells = (row.get(column, "") for column in (*names, *shares))
                label = report["model"], report["data"], refined
                writer.writerow([*label, group, name, *cells])
    return text.getvalue()


def _groups(errors):
    """Yields (kind of group, name, errors)."""
    yield "all", "all", errors
    for group in ("actions", "subjects", "scenes"):
        for name, row in errors.get(group, {}).items():
            yield group.removesuffix("s"), name, row
    for name, distance in errors["joints"].items():
        yield "joint", name, {"mpjpe_mm": distance}


def motion_table(report: dict) -> str:
    """Returns the three errors per action, one row each, and their mean."""
    rows = [["motion", "poses", "MPJPE", "P-MPJPE", "N-MPJPE (mm)"]]
    for name, errors in report["actions"].items():
        rows.append([name, str(errors["poses"]), *_errors(errors)])
    rows.append(["all", str(report["poses"]), *_errors(report)])
    return tables.aligned(rows)


def model_table(reports: list[dict]) -> str:
    """Returns a table of several models' errors on the same poses.

    Args:
        reports: From `protocols.evaluate`, each with `model` (its name) and
            `megabytes`.
    """
    rows = [["model", "MB", "MPJPE", "P-MPJPE", "N-MPJPE (mm)"]]
    for report in reports:
        size = f"{report['megabytes']:.2f}"
        rows.append([report["model"], size, *_errors(report)])
    return tables.aligned(rows)


def _in_words(report):
    return (
        f"MPJPE {report['mpjpe_mm']:.2f} mm, "
        f"P-MPJPE {report['p_mpjpe_mm']:.2f} mm, "
        f"N-MPJPE {report['n_mpjpe_mm']:.2f} mm"
    )


def _errors(report):
    return [
        tables.tenths(report[name])
        for name in ("mpjpe_mm", "p_mpjpe_mm", "n_mpjpe_mm")
    ]

"""Writes the model card of a released model."""

import datetime
import pathlib
import re

from benchmarks import measures, real_detections

_TEMPLATE = pathlib.Path(__file__).with_name("card.md")


def filled_in(**facts) -> str:
    """Returns card.md, filled in with the facts of a run.

    Args:
        facts: `name`, `command`, `experiment` (`Config`), `motion`
            (`Motion3D`, the training data), `parameters`, `history` (rows of
            history.csv), `machine` (what the run was trained on), `released`
            ({file: measurements of the export}), `judged` (from
            `conditions.judge`) and `real` ({file: from
            `real_detections.judge`}).
    """
    experiment, judged = facts["experiment"], facts["judged"]
    fixed = judged["fixed"]
    data, recipe = experiment.data, experiment.train
    steps = data.poses_per_epoch // recipe.batch_size
    seconds = sum(float(row["seconds"]) for row in facts["history"])
    return _TEMPLATE.read_text(encoding="utf-8").format(
        name=facts["name"],
        command=facts["command"],
        depth=experiment.model.depth,
        width=experiment.model.width,
        parameters=facts["parameters"],
        date=_today(),
        exported=_today(),
        archives=", ".join(data.archives),
        subjects=len(set(facts["motion"].subjects)),
        frames=len(facts["motion"].joints),
        drawn=recipe.epochs * steps * recipe.batch_size,
        seed=recipe.seed,
        epochs=recipe.epochs,
        hours=seconds / 3600,
        machine=facts["machine"],
        verified=_verified(facts["released"]),
        files=_files(facts["released"]),
        poses=fixed["poses"],
        conditions=_table(
            (
                name,
                f"{row['poses']:,}",
                f"{row['mpjpe_mm']:.1f}",
                f"{row['single_mpjpe_mm']:.1f}",
                f"{row['p_mpjpe_mm']:.1f}",
                f"{row['n_mpjpe_mm']:.1f}",
            )
            for name, row in judged.items()
        ),
        measures=_table(
            (name, *measures.as_cells(row["measures"]))
            for name, row in judged.items()
            if "measures" in row
        ),
        real=_real(facts["real"]),
        by_subject=_table(map(_errors, fixed["subjects"].items())),
        by_motion=_table(map(_errors, fixed["actions"].items())),
    )


def with_files(text: str, released: dict) -> str:
    """Returns a card whose statements about files are replaced by new ones.

    Args:
        text: A card.
        released: See `filled_in`.

    Raises:
        ValueError: If the text is not a card.
    """
    for pattern, new in (
        (r"(^\| `[^`]+\.(keras|tflite)` .*\n)+", _files(released) + "\n"),
        (r"(?<=over )[\d,]+(?= validation poses)", f"{_verified(released):,}"),
        (r"(?<=exported on )[\d-]+", _today()),
    ):
        text, count = re.subn(pattern, new, text, flags=re.MULTILINE)
        if count != 1:
            raise ValueError(
                f"{count} places of a card match {pattern!r}, not one"
            )
    return text


def _today():
    return datetime.date.today().isoformat()


def _verified(released):
    """Returns the number of poses that the files were verified on."""
    return next(row["poses"] for row in released.values() if "poses" in row)


def _files(released):
    return _table(
        (f"`{name}`", f"{row['bytes'] / 1e6:.2f}", *_deviation(row))
        for name, row in released.items()
    )


def _deviation(measured):
    if "mean_mm" not in measured:
        return ("", "", "", "")
    in_float16 = [
        f"{changed['mean_mm']:.2f}"
        for changed in measured.get("float16_arithmetic", {}).values()
    ]
    return (
        f"{measured['mean_mm']:.3f}",
        f"{measured['max_mm']:.2f}",
        # The truth has no keypoints in a detector's order.
        f"{measured['mpjpe_mm']:.1f}" if "mpjpe_mm" in measured else "",
        ", ".join(in_float16),
    )


def _real(reports):
    """Returns a table of errors on real detections, or says there is none."""
    rows = []
    for file, report in reports.items():
        (judged,) = report["models"].values()
        rows += [
            (f"`{file}`", "detected", judged),
            ("", "true 2D", judged.get("given_truth_px")),
            ("", "MediaPipe's own 3D", report.get("mediapipe")),
        ]
    table = _table(
        (file, what, str(row["poses"]), *real_detections.error_cells(row))
        for file, what, row in rows
        if row
    )
    heads = "| file | keypoints | poses | MPJPE | P-MPJPE | N-MPJPE |"
    return f"{heads}\n|---|---|---|---|---|---|\n{table}"


def _errors(item):
    name, row = item
    errors = ("mpjpe_mm", "p_mpjpe_mm", "n_mpjpe_mm")
    return name, f"{row['poses']:,}", *(f"{row[e]:.1f}" for e in errors)


def _table(rows):
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)

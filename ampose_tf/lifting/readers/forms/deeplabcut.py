"""Reader for DeepLabCut's tables, which have three or four header rows."""

import numpy as np

from ampose_tf.lifting import untrusted
from ampose_tf.lifting.readers import sequences, vocabulary
from ampose_tf.lifting.readers.forms import cells
from ampose_tf.lifting.readers.records import (
    Account,
    Detection,
    Group,
    Recording,
)
from ampose_tf.lifting.readers.sequences import Options

HEADER_ROWS = ("scorer", "individuals", "bodyparts", "coords")
_AXES = (vocabulary.X, vocabulary.Y, vocabulary.SCORE)


def read(
    first: list[str], rows, options: Options, account: Account
) -> Recording:
    """Reads a table after its first row.

    Args:
        first: Cells of the first header row.
        rows: `csv.reader` of the remaining rows.
        options: The user's options.
        account: Account of the file.

    Raises:
        ValueError: If it is not such a table, or a cell is not a number.
    """
    levels = {first[0].lower(): first}
    body = []
    for row in rows:
        if not row:
            continue
        name = row[0].strip().lower()
        if name in HEADER_ROWS:
            levels[name] = [cell.strip() for cell in row]
        else:
            body.append((rows.line_num, row))
    if not {"bodyparts", "coords"} <= levels.keys():
        raise ValueError(
            "expected DeepLabCut's header rows scorer, bodyparts and coords"
        )
    width = len(levels["coords"])
    if any(len(row) != width for row in levels.values()):
        raise ValueError("expected header rows with the same number of cells")
    people = levels.get("individuals", ["individual"] * width)
    columns = {}
    first = next(
        (
            place
            for place, axis in enumerate(levels["coords"])
            if vocabulary.meaning(axis) in _AXES
        ),
        1,
    )
    for place in range(first, width):
        axis = vocabulary.meaning(levels["coords"][place])
        joint = levels["bodyparts"][place]
        if axis in _AXES:
            own = columns.setdefault(people[place], {}).setdefault(joint, {})
            own[axis] = place
    groups = []
    for number, (line, row) in enumerate(body):
        if len(row) != width:
            raise ValueError(
                f"line {line}: {len(row)} cells, but the header has {width}"
            )
        said = {}
        index = cells.float_of(row[first - 1])
        if index is None:  # The name of an image.
            said["image"] = "/".join(filter(None, row[:first]))
        else:
            said["number"] = untrusted.whole_number(
                index, f"row {number + 1}, frame"
            )
        found = [
            _individual(row, line, joints, name if len(columns) > 1 else None)
            for name, joints in columns.items()
        ]
        groups.append(Group(found, **said))
    clip = sequences.numbered(groups, options, account)
    return sequences.record(clip, options.skeleton, account, "csv")


def _individual(row, line, joints, name):
    """Returns one person in a row of the table."""
    names = [j for j, axes in joints.items() if vocabulary.Y in axes]
    values = np.array(
        [
            [
                cells.number(row[joints[joint][axis]], line)
                if axis in joints[joint]
                else 1.0
                for axis in (vocabulary.X, vocabulary.Y, vocabulary.SCORE)
            ]
            for joint in names
        ]
    ).reshape(-1, 3)
    return Detection(values[:, :2], values[:, 2], tuple(names), name)

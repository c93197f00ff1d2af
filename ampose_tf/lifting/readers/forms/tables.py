"""Readers for keypoints in tables: `.csv`, with commas, semicolons or tabs.

* A row for each person and frame: `<joint>_x`, `<joint>_y` and optionally a
  score for every joint by name or number, such as `nose_x`, `x1`, `x_nose` or
  `NOSE.x`, `nose_conf` or `v1`; optionally the frame's number, image or time,
  and the person's id. Empty cells are joints that were not seen.
* A row for each joint: its name or number, x, y and optionally a score.
* DeepLabCut's, with three or four header rows,
  https://deeplabcut.github.io/DeepLabCut/docs/standardDeepLabCut_UserGuide.html.
* Ultralytics' `Results.to_csv`, with `keypoints` as text.

Names of columns are looked up in `vocabulary`.
"""

import csv
import io
import itertools
import re

import numpy as np

from ampose_tf.lifting import untrusted
from ampose_tf.lifting.readers import (
    labels,
    recognition,
    sequences,
    vocabulary,
)
from ampose_tf.lifting.readers.forms import (
    cells,
    deeplabcut,
    fields,
    frame_forms,
)
from ampose_tf.lifting.readers.records import (
    Account,
    Detection,
    Group,
    Recording,
)
from ampose_tf.lifting.readers.sequences import Options
from ampose_tf.lifting.untrusted import brief

_DELIMITERS = ",;\t|"
# Decimal commas, as in the spreadsheets of many countries.
_DECIMAL_COMMA = re.compile(
    r"(?<![^;\t|\n\" ])(-?[0-9]+),([0-9]+)(?=[;\t|\r\n\" ]|$)"
)
# The number of lines that may precede a header.
_BEFORE = 10
_FEW = 4
_UNITS = {
    "px",
    "pixel",
    "pixels",
    "mm",
    "cm",
    "m",
    "s",
    "ms",
    "frame",
    "frames",
}
_AXES = (vocabulary.X, vocabulary.Y, vocabulary.Z, vocabulary.SCORE)


def read(text: str, options: Options, account: Account) -> Recording:
    """Reads a table with a header; see the module.

    Raises:
        ValueError: If it has no header with joints, or a cell is not a
            number.
    """
    sequences.check_format("csv", options.format)
    before = 0
    for line in itertools.islice(io.StringIO(text), _BEFORE):
        if is_header(line):
            break
        before += 1
    else:
        before = 0
        line = text.partition("\n")[0]
    if before:
        account.note(f"Not read: {before} lines before the table's header.")
    delimiter = _delimiter(line)
    if delimiter != ",":
        text = _DECIMAL_COMMA.sub(r"\1.\2", text)
    file = io.StringIO(text, newline="")
    for _ in range(before):
        file.readline()
    rows = csv.reader(file, delimiter=delimiter, skipinitialspace=True)
    try:
        return _table(rows, options, account)
    except csv.Error as error:
        raise ValueError(f"line {rows.line_num}: {error}") from error


def read_records(
    records: list[dict], options: Options, account: Account
) -> Recording:
    """Reads a list of objects that are the rows of a table; see `read`."""
    header = list(dict.fromkeys(key for record in records for key in record))
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(header)
    for record in records:
        writer.writerow([record.get(name) for name in header])
    return read(file.getvalue(), options, account)


def are_records(value) -> bool:
    """Whether a JSON value is a list of objects that are rows of a table."""
    return (
        isinstance(value, list)
        and all(isinstance(item, dict) for item in value)
        and any(
            vocabulary.joint_column(name) and not isinstance(own, (list, dict))
            for item in value[:1]
            for name, own in item.items()
        )
    )


def _delimiter(line):
    most = max(_DELIMITERS, key=line.count)
    return most if most in line else " "


def is_header(line: str) -> bool:
    """Whether a line may be a table's header."""
    line = line[:4096].removeprefix("#").strip()
    named = [cell.strip(" \"'") for cell in line.split(_delimiter(line))]
    if named[0].lower() in deeplabcut.HEADER_ROWS:
        return True
    known = [what for what in map(vocabulary.meaning, named) if what]
    if vocabulary.JOINTS in known and len(known) > 1:
        return True
    axes = [
        column[1] for column in map(vocabulary.joint_column, named) if column
    ]
    names = {vocabulary.meaning(cell) for cell in named}
    return vocabulary.X in axes or {vocabulary.X, vocabulary.Y} <= names


def _table(rows, options, account):
    header = [name.strip(" #") for name in next(rows, [])]
    if header and header[0].lower() in deeplabcut.HEADER_ROWS:
        return deeplabcut.read(header, rows, options, account)
    if len(set(header)) < len(header):
        raise ValueError("two columns of the header have the same name")
    about, joints, unread = {}, {}, []
    for place, name in enumerate(header):
        column = vocabulary.joint_column(name)
        if column:
            joint, axis = column
            joints.setdefault(joint, {}).setdefault(axis, place)
        elif vocabulary.is_clip(name):
            about.setdefault(vocabulary.VIDEO, place)
        elif vocabulary.meaning(name) is not None:
            about.setdefault(vocabulary.meaning(name), place)
        elif _is_of_box(name):
            continue
        elif name and not re.fullmatch(r"(?i)unnamed[:_ ]*[0-9]+", name):
            unread.append(name)
    for joint, axes in list(joints.items()):
        if not {vocabulary.X, vocabulary.Y} <= axes.keys():
            unread += [header[place] for place in axes.values()]
            del joints[joint]
    account.unread(unread, "columns")
    if joints:
        if vocabulary.X in about or "left" in map(str.lower, header):
            # Width and height are a box's.
            about.pop(vocabulary.WIDTH, None)
        groups = _wide(rows, header, joints, about, account)
    elif {vocabulary.X, vocabulary.Y} <= about.keys() and (
        about.keys() & set(_NAMES)
    ):
        groups = _long(rows, header, about, account)
    elif vocabulary.JOINTS in about or _are_joints(header):
        groups = _of_text(rows, header, account)
    else:
        raise ValueError(
            "expected a header with <joint>_x and <joint>_y for every joint, "
            f"got {brief(header)}"
        )
    clip = sequences.numbered(groups, options, account)
    return sequences.record(clip, options.skeleton, account, "csv")


def _is_of_box(name):
    words = re.split(r"[\W_]+", name.strip())
    return (
        len(words) > 1
        and vocabulary.meaning(words[0]) == vocabulary.IRRELEVANT
    )


def _checked_rows(rows, header, account):
    """Yields rows, after checking that they are as long as the header.

    Comments, a row of units such as "px" and repeated headers are skipped.
    """
    for count, row in enumerate(filter(None, rows), 1):
        if row[0].startswith("#") and len(row) != len(header):
            continue  # A comment.
        texts = (
            {cell.strip(" ()[]").lower() for cell in row} - {""}
            if count == 1
            else ()
        )
        if texts and texts <= _UNITS:
            account.note(
                f"Not read: line {rows.line_num}, which contains units."
            )
            continue
        if row[0].strip() == header[0] and [c.strip() for c in row] == header:
            continue
        if len(row) != len(header):
            raise ValueError(
                f"line {rows.line_num}: {len(row)} cells, but the header has "
                f"{len(header)}"
            )
        if count > untrusted.MAX_FRAMES:
            raise ValueError(
                f"more than {untrusted.MAX_FRAMES} rows, which is too many"
            )
        yield row


def _wide(rows, header, joints, about, account):
    """Reads tables with a row for each person."""
    keys = list(joints)
    are_numbered = all(isinstance(joint, int) for joint in keys)
    if are_numbered:
        keys.sort()
    elif any(isinstance(joint, int) for joint in keys):
        account.unread(
            [
                header[joints[joint][vocabulary.X]]
                for joint in keys
                if isinstance(joint, int)
            ],
            "columns",
        )
        keys = [joint for joint in keys if isinstance(joint, str)]
    places = [joints[j][axis] for j in keys for axis in _AXES[:2]]
    scored = [j for j in keys if vocabulary.SCORE in joints[j]]
    places += [joints[j][vocabulary.SCORE] for j in scored]
    numbers, groups = [], []
    for row in _checked_rows(rows, header, account):
        numbers.append(
            [cells.number(row[place], rows.line_num) for place in places]
        )
        groups.append(_labels(row, header, about, len(groups) + 1, account))
    table = untrusted.numbers(numbers, "table").reshape(-1, len(places))
    points = table[:, : 2 * len(keys)].reshape(-1, len(keys), 2)
    scores = np.ones(points.shape[:2])
    own = [keys.index(joint) for joint in scored]
    scores[:, own] = table[:, 2 * len(keys) :]
    third = "score" if scored else "none"
    names = None if are_numbered else tuple(keys)
    return [
        group._replace(
            people=[
                person._replace(
                    points=points[row],
                    scores=scores[row],
                    names=names,
                    third=third,
                )
                for person in group.people
            ]
        )
        for row, group in enumerate(groups)
    ]


# Meanings of the column with a row's joint, the most certain first.
_NAMES = (
    vocabulary.NAME,
    vocabulary.JOINT_NAMES,
    vocabulary.JOINT_NUMBER,
    vocabulary.ID,
)
_NOWHERE = np.empty((0, 2)), np.empty(0)


def _labels(row, header, about, count, account):
    """Returns the group for a row; its person has no joints yet."""

    def cell(what):
        own = row[about[what]].strip() if what in about else ""
        return own or None

    number = image = time = None
    own = cell(vocabulary.FRAME)
    if own is not None:
        number = cells.float_of(own)
        if number is None:
            number, image = None, own
        else:
            number = untrusted.whole_number(number, f"row {count}, frame")
    image = image or cell(vocabulary.IMAGE)
    if image is not None and image.isdecimal() and len(image) < 18:
        image = int(image)
    unit = None
    own = cell(vocabulary.TIME)
    if own is not None:
        time, unit = labels.time_of(
            header[about[vocabulary.TIME]], own, account
        )
    account.clip(cell(vocabulary.VIDEO))
    own = cell(vocabulary.FPS)
    fps = fields.rate_of(own, account)
    score = cell(vocabulary.PERSON_SCORE) or cell(vocabulary.SCORE)
    score = fields.score_of(score, "score", account)
    own = cell(vocabulary.PERSON) or cell(vocabulary.ID)
    if own is not None:
        value = cells.float_of(own)
        own = own if value is None else value
        own = None if value is not None and value < 0 else own
        own = fields.person_id(own, "track_id", account)
    sides = cell(vocabulary.WIDTH), cell(vocabulary.HEIGHT)
    size = None
    if None not in sides:
        named = dict(
            zip(("width", "height"), map(cells.float_of, sides), strict=True)
        )
        size = fields.size_of(named, account)
    return Group(
        [Detection(*_NOWHERE, track_id=own, score=score)],
        number,
        image,
        time,
        unit,
        size=size,
        fps=fps,
        is_person=True,
    )


def _long(rows, header, about, account):
    """Reads tables with a row for each joint."""
    people = {}
    named = next(what for what in _NAMES if what in about)
    joint_place = about[named]
    about = {k: v for k, v in about.items() if k != named}
    score_place = about.pop(vocabulary.SCORE, None)
    for count, row in enumerate(_checked_rows(rows, header, account), 1):
        group = _labels(row, header, about, count, account)
        name = row[joint_place].strip()
        joints = people.setdefault(
            (group.label, group.people[0].track_id), (group, {})
        )[1]
        if name in joints:
            place = (
                "a table without a column of frames; add one named frame"
                if group.label is None
                else f"frame {brief(group.label)}"
            )
            raise ValueError(
                f"line {rows.line_num}: the joint {brief(name)} occurs twice "
                f"in {place}"
            )
        joints[name] = [
            cells.number(row[place], rows.line_num)
            for place in (
                about[vocabulary.X],
                about[vocabulary.Y],
                *([] if score_place is None else [score_place]),
            )
        ]
    groups = []
    for group, joints in people.values():
        names, values = list(joints), np.array(list(joints.values()))
        has_scores = values.shape[1] == 3
        person = group.people[0]._replace(
            points=values[:, :2],
            scores=values[:, 2] if has_scores else np.ones(len(values)),
            third="score" if has_scores else "none",
            names=None if all(n.isdecimal() for n in names) else tuple(names),
        )
        if person.names is None:
            order = np.argsort(list(map(int, names)))
            person = person._replace(
                points=person.points[order], scores=person.scores[order]
            )
        groups.append(group._replace(people=[person]))
    return groups


def _are_joints(header):
    """Whether columns are named like joints; their cells contain x and y."""
    names = {vocabulary.joint(name) for name in header}
    return len(names & recognition.JOINTS) > _FEW


def _of_text(rows, header, account):
    """Reads tables whose cells contain joints as JSON or Python's text."""
    groups = []
    for row in _checked_rows(rows, header, account):
        value = {}
        for name, cell in zip(header, row, strict=True):
            if not name:  # The column of pandas' index.
                continue
            number = cells.float_of(cell)
            if number is not None:
                value[name] = number
            elif cell.strip()[:1] in ("{", "[", "("):
                value[name] = cells.parsed(cell, rows.line_num)
            elif cell.strip():
                value[name] = cell
        value = {
            name: int(own)
            if isinstance(own, float) and own.is_integer()
            else own
            for name, own in value.items()
        }
        try:
            groups.append(frame_forms.read(value, account))
        except ValueError as error:
            raise ValueError(f"line {rows.line_num}: {error}") from error
    return groups

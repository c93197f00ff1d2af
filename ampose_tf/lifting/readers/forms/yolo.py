"""Reader for YOLO pose labels, as Ultralytics' `save_txt` writes them.

https://docs.ultralytics.com/datasets/pose: a line for each person with class,
box (x, y, width, height), then x, y and optionally a visibility or score of
each joint, all normalised; optionally followed by the person's score
(`save_conf`) and track.
"""

import numpy as np

from ampose_tf.lifting import untrusted
from ampose_tf.lifting.readers.records import Detection, Group

_BEFORE = 5
_JOINTS = (17, 16, 18, 25, 26, 133, 136)


def is_label(line: str) -> bool:
    """Whether a line is a person in a YOLO label file."""
    cells = line.split()
    if len(cells) <= _BEFORE + 6 or not cells[0].isdecimal():
        return False
    try:
        return all(abs(float(cell)) < 2 for cell in cells[1:_BEFORE])
    except ValueError:
        return False


def read(text: str) -> Group:
    """Reads the people in one image.

    Raises:
        ValueError: If a line is not a YOLO pose label.
    """
    people = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = np.array(line.split(), np.float64)
        except ValueError as error:
            raise ValueError(
                f"line {number}: expected numbers of a YOLO label, got "
                f"{untrusted.brief(line.strip())}"
            ) from error
        people.append(_person(values, number))
    return Group(people)


def settled(groups: list[Group]) -> list[Group]:
    """Returns the people in all images, with the last number interpreted.

    A single number after the joints is a score, or a track if it is above 1
    in any line.
    """
    last = [person.score for group in groups for person in group.people]
    if not any(score is not None and score > 1 for score in last):
        return groups
    return [
        group._replace(
            people=[
                person
                if person.score is None or person.track_id is not None
                else person._replace(
                    score=None,
                    track_id=untrusted.whole_number(person.score, "track"),
                )
                for person in group.people
            ]
        )
        for group in groups
    ]


def _person(values, line):
    rest = values[_BEFORE:]
    for joints in _JOINTS:
        for columns in (3, 2):
            more = len(rest) - joints * columns
            if 0 <= more <= 2:
                return _split(rest, joints, columns, more)
    if len(rest) > 5 and len(rest) % 3 == 0:
        return _split(rest, len(rest) // 3, 3, 0)
    raise ValueError(
        f"line {line}: {len(values)} numbers; expected class, box and joints "
        "of a YOLO pose model: x, y and optionally a score for each"
    )


def _split(rest, joints, columns, more):
    table = rest[: joints * columns].reshape(joints, columns)
    score = track = None
    if more:
        score = float(rest[joints * columns])
        if more == 2:
            track = untrusted.whole_number(float(rest[-1]), "track")
    scores = table[:, 2] if columns == 3 else np.ones(joints)
    return Detection(
        table[:, :2],
        scores,
        track_id=track,
        score=score,
        third="score" if columns == 3 else "none",
    )

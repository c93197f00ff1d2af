"""The joints of one person, as JSON's and arrays' points."""

import numpy as np

from ampose_tf.lifting.readers.detections import Detection
from ampose_tf.lifting.untrusted import brief, numbers


def is_point(value) -> bool:
    """Whether a value of JSON is an object with x and y."""
    return isinstance(value, dict) and "x" in value and "y" in value


def is_numeric(value: list) -> bool:
    """Whether a list of JSON holds nothing but numbers and null."""
    return all(
        item is None or isinstance(item, (int, float)) for item in value
    )


def of_points(points: list) -> Detection:
    """Reads a person's points.

    Args:
        points: All objects with x, y and optionally a score and a name, or
            all lists as `split_columns` wants them.

    Raises:
        ValueError: Where they are not.
    """
    if not isinstance(points, list) or not points:
        raise ValueError(f"expected a list of points, got {brief(points)}")
    if not all(isinstance(point, dict) for point in points):
        return _of_rows(numbers(points, "points"))
    if not all(is_point(point) for point in points):
        raise ValueError("expected points with x and y")
    rows = [
        (point["x"], point["y"], _score_of_point(point)) for point in points
    ]
    table = numbers(rows, "points")
    names = [point.get("name") for point in points]
    if not all(isinstance(name, str) for name in names):
        names = None
    elif len(set(names)) < len(names):
        raise ValueError("two points of a person have the same name")
    return Detection(
        table[:, :2], table[:, 2], None if names is None else tuple(names)
    )


def of_named_points(points: dict) -> Detection:
    """Reads a person's points by their names; see `of_points`."""
    return of_points(
        [
            {**point, "name": name}
            for name, point in points.items()
            if is_point(point)
        ]
    )


def _score_of_point(point):
    for key in ("score", "visibility", "confidence"):
        # null where a model does not have them.
        if point.get(key) is not None:
            return point[key]
    return 1


def _of_rows(table):
    if table.ndim != 2 or table.shape[1] not in (2, 3, 4):
        raise ValueError(
            f"expected points of 2 to 4 numbers, got shape {table.shape}"
        )
    return Detection(*split_columns(table))


def split_columns(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Splits joints into points (..., S, 2) and scores (..., S).

    Args:
        table: (..., S, 2), or 3 with scores. Of MediaPipe's 33 joints, a
            third column outside [0, 1] is z, and a fourth the visibility.

    Raises:
        ValueError: Where the third column is none of these.
    """
    joints, columns = table.shape[-2:]
    scores = np.ones(table.shape[:-1])
    if columns == 4 and joints == 33:
        scores = table[..., 3]
    elif columns == 3 and is_score(table[..., 2]):
        scores = table[..., 2]
    elif columns == 4 or (columns == 3 and joints != 33):
        raise ValueError(
            "expected joints of x, y and a score within [0, 1]; the third "
            "numbers are something else"
        )
    return table[..., :2], scores


def is_score(values: np.ndarray) -> bool:
    """Whether numbers may be scores: within [0, 1], but for NaN."""
    return not (values < 0).any() and not (values > 1).any()


def check_shapes(points: np.ndarray, scores: np.ndarray) -> None:
    """Checks that there are points (S, 2) and scores (S,).

    Raises:
        ValueError: Where their shapes are others.
    """
    if points.shape != (*scores.shape, 2) or scores.ndim != 1:
        raise ValueError(
            "expected x, y and a score for every joint, got shapes "
            f"{points.shape} and {scores.shape}"
        )

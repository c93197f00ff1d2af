"""Keypoints in arrays: `.npy`, `.npz` and `.csv`.

* `.npy`: (T, S, 2) pixels, (T, S, 3) with scores, or without T for one
  frame; also MediaPipe's 33 landmarks, (T, 33, 4) of x, y, z and visibility.
  MoveNet's outputs, stacked to (T, 1, 1, 17, 3): y, x and score, normalised
  to the image that it was given,
  https://www.tensorflow.org/hub/tutorials/movenet; where that was padded to
  a square, so are the pixels, and the image size is (side, side).
* `.npz`: such an array alone or as `keypoints_px`, then optionally with
  `scores` (T, S), `image_size` (width, height), `fps` and `skeleton`, a name.
* `.npz` of VideoPose3D's `inference/infer_video_d2.py`: Detectron2's people
  as `keypoints[frame][1]`, (P, 4, 17) of x, y, logit and probability, and
  `metadata` with w and h.
* `.npz` of VideoPose3D's `data/prepare_data_2d_custom.py`: `positions_2d`
  `{video: {"custom": [(T, 17, 2)]}}` and `metadata`. One video a file.
* `.csv`: a header with `<joint>_x`, `<joint>_y` and optionally
  `<joint>_score` for every joint by name, in any order, `frame` and
  `track_id`, both optional; a row for every person in every frame, without
  `frame` one for every frame; empty cells where nothing was seen.
"""

import csv
import io

import numpy as np

from ampose_tf.conversion import SEEN_SCORE, Conversion
from ampose_tf.lifting import untrusted
from ampose_tf.lifting.keypoints import find_skeleton
from ampose_tf.lifting.readers import recognition
from ampose_tf.lifting.readers.detections import (
    Batch,
    Detection,
    Recording,
    gather,
)
from ampose_tf.lifting.readers.points import is_score, split_columns
from ampose_tf.lifting.readers.sequences import check_format, check_span
from ampose_tf.lifting.untrusted import brief

# Detectron2 gives a joint the probability of one cell of its heatmap, and
# draws those above 0.05 (`_KEYPOINT_THRESHOLD` of its visualiser); so that
# these are the ones that count as seen, 0.05 becomes `SEEN_SCORE`.
_DETECTRON2_SCALE = round(SEEN_SCORE / 0.05)


def read_array(
    array: np.ndarray, format: str | None, skeleton: Conversion | None
) -> Recording:
    """Reads keypoints of one person, or MoveNet's.

    Args:
        array: Of an `.npy`, or the only one of an `.npz`.
        format: One of `formats.FORMATS`, where the user says it.
        skeleton: Of its joints, where the user says it.

    Raises:
        ValueError: Where its shape is another, or its values are.
    """
    if _is_movenet(array, format):
        check_format("movenet", format)
        return _movenet(array, skeleton)
    check_format("array", format)
    return _plain(array, None, skeleton)


def read_npz(
    members: dict, format: str | None, skeleton: Conversion | None
) -> Recording:
    """Reads what `archive.read` found in an `.npz`; see `read_array`."""
    if "positions_2d" in members:
        check_format("detectron2", format)
        return _custom(members, skeleton)
    if "keypoints" in members and "boxes" in members:
        check_format("detectron2", format)
        return _detectron2(members, skeleton)
    if "keypoints_px" in members:
        check_format("array", format)
        return _explained(members, skeleton)
    size = members.get("image_size")
    rest = [value for name, value in members.items() if name != "image_size"]
    if len(rest) != 1:
        raise ValueError(
            f"expected an array keypoints_px, found "
            f"{', '.join(map(brief, members)) or 'nothing'}"
        )
    recording = read_array(rest[0], format, skeleton)
    return recording._replace(image_size=_size(size))


def read_csv(
    text: str, format: str | None, skeleton: Conversion | None
) -> Recording:
    """Reads a table with a header; see the module."""
    check_format("csv", format)
    rows = csv.reader(io.StringIO(text, newline=""))
    try:
        return _table(rows, skeleton)
    except csv.Error as error:
        raise ValueError(f"line {rows.line_num}: {error}") from error


def _is_movenet(array, format):
    if not isinstance(array, np.ndarray) or array.shape[-2:] != (17, 3):
        return False
    return format == "movenet" or (
        array.ndim > 3 and all(side == 1 for side in array.shape[1:-2])
    )


def _movenet(array, skeleton):
    if array.dtype.kind not in "iuf" or not array.size:
        raise ValueError(f"expected numbers, got {brief(array)}")
    array = untrusted.numbers(array.reshape(-1, 17, 3), "array")
    if not is_score(array[..., 2]):
        raise ValueError("expected MoveNet's y, x and score within [0, 1]")
    return _one_person(
        array[..., 1::-1],
        array[..., 2],
        recognition.by_count(17, skeleton or find_skeleton("MoveNet-17")),
        "normalised",
    )


def _plain(array, scores, skeleton):
    if isinstance(array, np.ndarray) and array.ndim == 2:
        array = array[None]
        scores = None if scores is None else scores[None]
    if (
        not isinstance(array, np.ndarray)
        or array.dtype.kind not in "iuf"
        or array.ndim != 3
        or array.shape[2] not in (2, 3, 4)
        or not array.size
    ):
        raise ValueError(
            "expected pixels of shape (frames, joints, 2), or 3 with scores, "
            f"got {getattr(array, 'shape', brief(array))}"
        )
    points, own = split_columns(untrusted.numbers(array, "array"))
    scores = own if scores is None else scores
    if scores.shape != points.shape[:2] or not is_score(scores):
        raise ValueError(
            f"scores: expected {points.shape[:2]} of them, within [0, 1]"
        )
    joints = array.shape[1]
    try:
        if skeleton is None:
            skeleton = recognition.of_arrays(points)
        skeleton = recognition.by_count(joints, skeleton)
    except ValueError as error:
        raise ValueError(f"{error}; got {array.shape}") from error
    return _one_person(
        points, scores, skeleton, "either" if joints == 33 else "pixels"
    )


def _one_person(points, scores, skeleton, coordinates):
    # Whole-body models: the body's joints come first.
    body = slice(len(skeleton.joints))
    batch = Batch(
        np.arange(len(points)),
        points[:, body],
        scores[:, body],
        np.zeros(len(points), np.int64),
    )
    return Recording(batch, skeleton, len(points), coordinates)


def _explained(members, skeleton):
    """Reads this project's own `.npz`."""
    scores = members.get("scores")
    if scores is not None:
        scores = untrusted.numbers(scores, "scores")
    name = members.get("skeleton")
    if skeleton is None and name is not None:
        if getattr(name, "shape", None) != () or name.dtype.kind != "U":
            raise ValueError("skeleton: expected a name")
        skeleton = find_skeleton(str(name))
    recording = _plain(members["keypoints_px"], scores, skeleton)
    fps = members.get("fps")
    if fps is not None:
        fps = untrusted.frame_rate(fps, "fps")
    return recording._replace(
        image_size=_size(members.get("image_size")), fps=fps
    )


def _size(size):
    return None if size is None else untrusted.image_size(size, "image_size")


def _detectron2(members, skeleton):
    frames = []
    for number, classes in enumerate(
        _items(members["keypoints"], "keypoints")
    ):
        what = f"keypoints[{number}]"
        classes = _items(classes, what)
        if len(classes) != 2:
            raise ValueError(
                f"{what}: expected those of two classes, the second people, "
                f"got {len(classes)}"
            )
        people = _items(classes[1], what)
        frames.append((number, [_of_rows(person, what) for person in people]))
    batch, skeleton = gather(frames, skeleton)
    return Recording(
        batch, skeleton, len(frames), image_size=_metadata_size(members, None)
    )


def _items(value, what):
    if isinstance(value, (list, tuple)) or getattr(value, "ndim", 0) > 0:
        return list(value)
    raise ValueError(f"{what}: expected a list, got {brief(value)}")


def _of_rows(person, what):
    rows = untrusted.numbers(person, what)
    if rows.ndim != 2 or len(rows) != 4 or not rows.size:
        raise ValueError(
            f"{what}: expected rows of x, y, logit and probability, got shape "
            f"{rows.shape}"
        )
    return Detection(rows[:2].T, rows[3] * _DETECTRON2_SCALE)


def _custom(members, skeleton):
    videos = members["positions_2d"]
    what = "positions_2d"
    path = []
    while isinstance(videos, dict) and len(path) < 2:
        if len(videos) != 1:
            raise ValueError(
                f"{what}: expected one video, found {len(videos)}: "
                f"{', '.join(brief(name) for name in list(videos)[:5])}"
            )
        ((name, videos),) = videos.items()
        path.append(name)
    if isinstance(videos, (list, tuple)) and len(videos) == 1:
        videos = videos[0]
    elif isinstance(videos, (list, tuple)):
        raise ValueError(f"{what}: expected one camera, found {len(videos)}")
    layout = _metadata(members).get("layout_name")
    if skeleton is None and isinstance(layout, str):
        name = {"coco": "COCO-17", "h36m": "H36M-17"}.get(layout)
        skeleton = find_skeleton(name) if name else None
    return _plain(videos, None, skeleton)._replace(
        image_size=_metadata_size(members, path[0] if path else None)
    )


def _metadata(members):
    metadata = members.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _metadata_size(members, video):
    metadata = _metadata(members)
    if video is not None:
        videos = metadata.get("video_metadata")
        metadata = videos.get(video) if isinstance(videos, dict) else None
    if not isinstance(metadata, dict) or not {"w", "h"} <= metadata.keys():
        return None
    return untrusted.image_size((metadata["w"], metadata["h"]), "metadata")


def _table(rows, skeleton):
    header = [name.strip() for name in next(rows, [])]
    columns = {name: place for place, name in enumerate(header)}
    if len(columns) < len(header):
        raise ValueError("two columns of the header have the same name")
    names = tuple(
        name[:-2]
        for name in header
        if name.endswith("_x") and f"{name[:-2]}_y" in columns
    )
    if not names:
        raise ValueError(
            "expected a header with <joint>_x and <joint>_y for every joint, "
            f"got {brief(header)}"
        )
    cells = []
    for row in filter(None, rows):
        cells.append(_cells(row, header, rows.line_num))
        if len(cells) > untrusted.MAX_FRAMES:
            raise ValueError(
                f"more than {untrusted.MAX_FRAMES} rows, which is not read"
            )
    table = untrusted.numbers(cells, "table").reshape(-1, len(header))
    points = np.stack(
        [
            table[:, [columns[f"{name}_{axis}"] for name in names]]
            for axis in "xy"
        ],
        axis=2,
    )  # (rows, S, 2)
    scores = np.ones(points.shape[:2])
    for joint, name in enumerate(names):
        if f"{name}_score" in columns:
            scores[:, joint] = table[:, columns[f"{name}_score"]]
    numbers = range(len(table))
    if "frame" in columns:
        numbers = table[:, columns["frame"]].tolist()
    ids = [None] * len(table)
    if "track_id" in columns:
        ids = table[:, columns["track_id"]].tolist()
    frames = {}
    for row, (number, own) in enumerate(zip(numbers, ids, strict=True)):
        what = f"row {row + 1}"
        person = Detection(
            points[row],
            scores[row],
            names,
            None
            if own is None or np.isnan(own) or own < 0
            else untrusted.whole_number(own, f"{what}, track_id"),
        )
        number = untrusted.whole_number(number, f"{what}, frame")
        frames.setdefault(number, []).append(person)
    check_span(frames)
    batch, found = gather(sorted(frames.items()), skeleton)
    return Recording(batch, found, max(frames, default=-1) + 1)


def _cells(row, header, line):
    if len(row) != len(header):
        raise ValueError(
            f"line {line}: {len(row)} cells, the header has {len(header)}"
        )
    return [_number(cell, line) for cell in row]


def _number(cell, line):
    if not cell.strip():
        return np.nan
    try:
        return float(cell)
    except ValueError as error:
        raise ValueError(
            f"line {line}: expected a number, got {brief(cell)}"
        ) from error

"""Readers for keypoints in arrays: `.npy` and `.npz`.

* `.npy`: (T, S, 2) pixels, (T, S, 3) with scores, or without T for one
  frame; for several people (T, P, S, 2) or (T, P, S, 3), or with P before T;
  also MediaPipe's 33 landmarks, (T, 33, 4) of x, y, z and visibility.
  MoveNet's outputs, stacked to (T, 1, 1, 17, 3): y, x and score, normalised
  to the network's input image,
  https://www.tensorflow.org/hub/tutorials/movenet; if that was padded to a
  square, pixels refer to the square, and the image size is (side, side).
* `.npz`: a single array as above, or one named `keypoints_px`, optionally with
  `scores` (T, S), `frame_numbers` (T,), `image_size` (width, height), `fps`
  and `skeleton`, a name; and members whose names `vocabulary` contains.
* `.npz` of VideoPose3D's `inference/infer_video_d2.py`: Detectron2's people
  as `keypoints[frame][1]`, (P, 4, 17) of x, y, logit and probability, and
  `metadata` with w and h.
* `.npz` of VideoPose3D's `data/prepare_data_2d_custom.py`: `positions_2d`
  `{video: {"custom": [(T, 17, 2)]}}` and `metadata`. One video per file.
"""

import numpy as np

from ampose_tf.lifting import untrusted
from ampose_tf.lifting.keypoints import find_skeleton
from ampose_tf.lifting.readers import labels, recognition, vocabulary
from ampose_tf.lifting.readers.confidence import DETECTRON2_SCALE
from ampose_tf.lifting.readers.detections import gather
from ampose_tf.lifting.readers.forms import fields, layouts
from ampose_tf.lifting.readers.records import (
    Account,
    Batch,
    Detection,
    Recording,
)
from ampose_tf.lifting.readers.sequences import Options, check_format
from ampose_tf.lifting.untrusted import brief

# Arrays of VideoPose3D's two scripts.
_OF_VIDEOPOSE3D = {
    *("boxes", "segments", "keypoints", "metadata", "positions_2d"),
}
# If half of all coordinates are smaller than this, they are not pixels.
_NORMALISED = 2
_SIDES = (vocabulary.WIDTH, vocabulary.HEIGHT, vocabulary.SHAPE)
_KNOWN = (
    *_SIDES,
    vocabulary.SIZE,
    vocabulary.FPS,
    vocabulary.FRAME,
    vocabulary.JOINTS,
    vocabulary.SCORE,
    vocabulary.JOINT_SCORES,
    vocabulary.IRRELEVANT,
)
# Meanings of arrays with a value for each body.
_OF_BODIES = (
    vocabulary.TIME,
    vocabulary.PERSON,
    vocabulary.PERSON_SCORE,
    vocabulary.JOINT_NAMES,
    vocabulary.IMAGE,
)


def read_array(array, options: Options, account: Account) -> Recording:
    """Reads keypoints of one person or several, or MoveNet's outputs.

    Args:
        array: Array of an `.npy` file, or the only one of an `.npz` file.
        options: The user's options.
        account: Account of the file.

    Raises:
        ValueError: If the array's shape or values are invalid.
    """
    if _is_movenet(array, options.format):
        check_format("movenet", options.format)
        return _movenet(array, options.skeleton)
    check_format("array", options.format)
    return _plain(array, None, options.skeleton, account)


def read_npz(members: dict, options: Options, account: Account) -> Recording:
    """Reads an `.npz` file's members from `archive.read`; see `read_array`."""
    if "positions_2d" in members:
        check_format("detectron2", options.format)
        account.unread(members.keys() - _OF_VIDEOPOSE3D, "arrays")
        return _custom(members, options.skeleton, account)
    if "keypoints" in members and "boxes" in members:
        check_format("detectron2", options.format)
        account.unread(members.keys() - _OF_VIDEOPOSE3D, "arrays")
        return _detectron2(members, options.skeleton)
    joints = [
        name
        for name, value in members.items()
        if vocabulary.meaning(name) == vocabulary.JOINTS
        and getattr(value, "ndim", 0) > 1
    ]
    if joints:
        check_format("array", options.format)
        return _explained(members, options, account)
    size = members.get("image_size")
    rest = [value for name, value in members.items() if name != "image_size"]
    if len(rest) != 1:
        solid = [
            name
            for name in members
            if vocabulary.meaning(name) == vocabulary.JOINTS_3D
        ]
        raise ValueError(
            f"its joints ({brief(solid[0])}) are already 3D; expected 2D"
            if solid
            else "expected an array keypoints_px, found "
            f"{', '.join(map(brief, members)) or 'nothing'}"
        )
    recording = read_array(rest[0], options, account)
    return recording._replace(
        image_size=_of(untrusted.image_size, size, account)
    )


def rows_of(members: dict) -> dict | None:
    """Returns arrays as JSON if only the reader for JSON understands them.

    These are times, ids and scores of people, and names of joints. None for
    other arrays, see `read_npz`.
    """
    by_meaning = {vocabulary.meaning(name): name for name in members}
    if vocabulary.JOINTS not in by_meaning or not members.keys().isdisjoint(
        ("boxes", "keypoints_px")  # VideoPose3D's and this project's own.
    ):
        return None
    if by_meaning.keys().isdisjoint(_OF_BODIES):
        return None
    return {
        name: value.tolist()
        for name, value in members.items()
        if isinstance(value, np.ndarray) and value.dtype.kind in "biufU"
    }


def _is_movenet(array, format):
    if not isinstance(array, np.ndarray) or array.shape[-2:] != (17, 3):
        return False
    return format == "movenet" or (
        array.ndim > 3
        and all(side == 1 for side in array.shape[1:-2])
        and array.dtype.kind in "iuf"
        and array.size
        and np.nanmedian(np.abs(array[..., :2])) < _NORMALISED
    )


def _movenet(array, skeleton):
    if array.dtype.kind not in "iuf" or not array.size:
        raise ValueError(f"expected numbers, got {brief(array)}")
    array = untrusted.numbers(array.reshape(-1, 17, 3), "array")
    if not ((array[..., 2] >= 0) & (array[..., 2] <= 1)).all():
        raise ValueError("expected MoveNet's y, x and score within [0, 1]")
    return _one_person(
        array[..., 1::-1],
        array[..., 2],
        recognition.by_count(17, skeleton or find_skeleton("MoveNet-17")),
        "normalised",
    )


def _plain(array, scores, skeleton, account):
    shape = getattr(array, "shape", brief(array))
    is_numeric = isinstance(array, np.ndarray) and array.dtype.kind in "iuf"
    if is_numeric and array.size:
        array = layouts.laid_out(untrusted.numbers(array, "array"), account)
        if array.ndim == 2:
            array = array[None]
            scores = None if scores is None else scores[None]
    if (
        not is_numeric
        or array.ndim not in (3, 4)
        or array.shape[-1] not in (2, 3, 4)
        or not array.size
    ):
        raise ValueError(
            "expected pixels of shape (frames, joints, 2), or (frames, "
            f"joints, 3) with scores, got {shape}"
        )
    points, own, third = layouts.split_columns(array)
    if scores is not None:
        if scores.shape == (*points.shape[:-1], 1):
            scores = scores[..., 0]
        if scores.shape != points.shape[:-1]:
            raise ValueError(
                f"scores: expected shape {points.shape[:-1]}, got "
                f"{scores.shape}"
            )
        own, third = scores, "score"
    if points.ndim == 4:
        points, own = layouts.frames_first(points, own, account)
    if len(points) > untrusted.MAX_FRAMES:
        raise ValueError(
            f"{len(points)} frames; at most {untrusted.MAX_FRAMES} are read"
        )
    joints = array.shape[-2]
    flat = points.reshape(-1, joints, 2)
    try:
        counted = recognition.by_count(joints, skeleton)
        if skeleton is None:
            counted = recognition.by_places(flat, counted, "array", account)
    except ValueError as error:
        raise ValueError(f"{error}; got {array.shape}") from error
    if points.ndim == 4:
        return _several_people(points, own, counted, third)
    return _one_person(points, own, counted, "either", third)


def _several_people(points, scores, skeleton, third):
    frames, people = points.shape[:2]
    if people > untrusted.MAX_PEOPLE:
        raise ValueError(
            f"{people} people in a frame; at most {untrusted.MAX_PEOPLE}"
        )
    body = slice(len(skeleton.joints))
    count = frames * people
    batch = Batch(
        np.repeat(np.arange(frames), people),
        points.reshape(count, -1, 2)[:, body],
        scores.reshape(count, -1)[:, body],
        np.full(count, -1),
        np.full(count, np.nan),
    )
    return Recording(batch, skeleton, frames, third=third)


def _one_person(points, scores, skeleton, coordinates, third="score"):
    # Whole-body models: the body's joints come first.
    body = slice(len(skeleton.joints))
    batch = Batch(
        np.arange(len(points)),
        points[:, body],
        scores[:, body],
        np.zeros(len(points), np.int64),
        np.full(len(points), np.nan),
    )
    return Recording(batch, skeleton, len(points), coordinates, third)


def _explained(members, options, account):
    """Reads this project's own `.npz` format, and similar ones."""
    by_meaning, unread = {}, []
    for name in members:
        what = vocabulary.meaning(name)
        if what not in _KNOWN and name != "skeleton":
            unread.append(name)
        else:
            by_meaning.setdefault(what, members[name])
    account.unread(unread, "arrays")
    scores = by_meaning.get(
        vocabulary.SCORE, by_meaning.get(vocabulary.JOINT_SCORES)
    )
    if scores is not None:
        scores = untrusted.numbers(scores, "scores")
    skeleton, name = options.skeleton, members.get("skeleton")
    if skeleton is None and name is not None:
        if getattr(name, "shape", None) != () or name.dtype.kind != "U":
            raise ValueError("skeleton: expected a name")
        skeleton = find_skeleton(str(name))
    recording = _plain(
        by_meaning[vocabulary.JOINTS], scores, skeleton, account
    )
    recording = _with_frames(
        recording, by_meaning.get(vocabulary.FRAME), account
    )
    sides = {
        name: value.tolist()
        for name, value in members.items()
        if getattr(getattr(value, "dtype", None), "kind", "") in "iuf"
        and vocabulary.meaning(name) in _SIDES
    }
    size = by_meaning.get(vocabulary.SIZE)
    return recording._replace(
        image_size=fields.size_of(sides, account)
        if size is None
        else _of(untrusted.image_size, size, account),
        fps=_of(untrusted.frame_rate, by_meaning.get(vocabulary.FPS), account),
    )


def _with_frames(recording, numbers, account):
    """Returns a recording whose frames have the numbers of an array."""
    if numbers is None:
        return recording
    numbers = untrusted.numbers(numbers, "frame numbers")
    if (
        numbers.shape != (recording.frame_count,)
        or not (np.diff(numbers) > 0).all()
        or not (numbers == np.rint(numbers)).all()
        or not 0 <= numbers[0] <= numbers[-1] <= untrusted.MAX_FRAME
    ):
        account.note(
            "The array of frame numbers is not used: expected "
            f"{recording.frame_count} increasing whole numbers."
        )
        return recording
    labels.check_span(numbers.astype(np.int64).tolist())
    frames = numbers.astype(np.int64)[recording.batch.frames]
    return recording._replace(
        batch=recording.batch._replace(frames=frames),
        frame_count=int(numbers[-1]) + 1,
    )


def _of(read, value, account):
    """Returns `read`'s result for a value; None, with a note, if invalid."""
    if value is None:
        return None
    try:
        return read(value, read.__name__)
    except ValueError as error:
        account.note(f"Not used: {error}.")
        return None


def _detectron2(members, skeleton):
    frames = []
    for number, classes in enumerate(
        _items(members["keypoints"], "keypoints")
    ):
        what = f"keypoints[{number}]"
        classes = _items(classes, what)
        if len(classes) != 2:
            raise ValueError(
                f"{what}: expected two classes, the second one people, got "
                f"{len(classes)}"
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
    return Detection(rows[:2].T, rows[3] * DETECTRON2_SCALE)


def _custom(members, skeleton, account):
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
    return _plain(videos, None, skeleton, account)._replace(
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

"""Self-describing `.npz` and `.json` files that contain a whole motion."""

import contextlib
import json
import os
import pathlib

import numpy as np
import orjson

from ampose_tf import reading
from ampose_tf.camera import normalize_screen
from ampose_tf.data import archive
from ampose_tf.data.poses import FRAME, ROOT, UNITS
from ampose_tf.lifting import schema, untrusted
from ampose_tf.lifting.motion import LiftedTrack, Motion
from ampose_tf.skeleton import by_joint_count

FORMAT = "ampose_tf motion 1"
# Arrays of an `.npz` that describe all tracks, and values in JSON.
_DESCRIBED = (
    "joint_names",
    "image_size",
    "fps",
    "up",
    "notes",
    "normalisation",
    "image_corner",
    "units",
    "frame",
    "root",
)


def write_npz(path: pathlib.Path, motion: Motion) -> None:
    """Writes plain arrays.

    Each of the N rows is one frame of one track; the tracks follow each other.

    * `track_ids`, `frame_numbers` (N,);
    * `poses_3d` (N, J, 3), `keypoints_px` (N, J, 2), `scores`, `seen`,
      `spread_m` (N, J) as in `LiftedTrack`, and `keypoints_2d` (N, J, 2),
      the screen-normalised input of the network;
    * `root_positions` (N, 3), the hip in the camera's frame in metres; NaN
      if it was not estimated;
    * `joint_names` (J,), `edges` (J - 1, 2) of parent and child;
    * `image_size` (2,), `image_corner` (2,), `fps` (NaN if unknown),
      `up` (3,), `notes`, `normalisation` as in `Motion`, and its
      `provenance`, if it has one, as JSON;
    * `units`, `frame`, `root` and `format`, in words.

    Args:
        path: Output path.
        motion: Motion to write.
    """
    tracks = [_rows(track) for track in motion.tracks]
    rows = {
        name: np.concatenate([track[name] for track in tracks])
        for name in tracks[0]
    }
    np.savez_compressed(
        path,
        keypoints_2d=normalize_screen(
            rows["keypoints_px"], motion.image_size, motion.normalisation
        ),
        fps=np.array(np.nan if motion.fps is None else motion.fps),
        **rows,
        **_described(motion),
        **_provenance(motion, json.dumps),
    )


def write_json(path: pathlib.Path, motion: Motion) -> None:
    """Writes one object with the fields of `write_npz` and a list `tracks`.

    Each track has a `track_id` and its arrays as nested lists. Unknown values
    are null: `fps`, and single numbers in arrays. `keypoints_2d` are left
    out.

    Args:
        path: Output path.
        motion: Motion to write.
    """
    content = {
        name: value.tolist() for name, value in _described(motion).items()
    }
    content |= _provenance(motion, dict)
    content["fps"] = motion.fps
    content["tracks"] = []
    for track in motion.tracks:
        rows = _rows(track)
        del rows["track_ids"]
        content["tracks"].append(
            {"track_id": int(track.track_id)}
            | {name: np.ascontiguousarray(a) for name, a in rows.items()}
        )
    # orjson writes the shortest decimals that restore the same float32, and
    # null for NaN.
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY))


def answer(motion: Motion, frame: int, is_first: bool) -> str:
    """Returns a frame of a stream as a line of JSON.

    The object contains the `frame_number` and the `people`. Each person has a
    `track_id` and the frame's `poses_3d`, `root_position` (null if unknown),
    `keypoints_px`, `scores`, `seen` and `spread_m`, as in `LiftedTrack`,
    rounded to six decimals. The first line also contains the description of
    `write_json`.

    Args:
        motion: Motion of this single frame.
        frame: Frame number.
        is_first: Whether this is the first line of the stream.
    """
    content = {"frame_number": frame}
    if is_first:
        content |= {n: v.tolist() for n, v in _described(motion).items()}
        content["fps"] = motion.fps
    content["people"] = []
    for track in motion.tracks:
        rows = _rows(track)
        rows["root_position"] = rows.pop("root_positions")
        del rows["track_ids"], rows["frame_numbers"]
        content["people"].append(
            {"track_id": int(track.track_id)}
            | {name: _rounded(array[0]) for name, array in rows.items()}
        )
        if track.root is None:
            content["people"][-1]["root_position"] = None
    return json.dumps(content, allow_nan=False, ensure_ascii=False)


def is_motion(content) -> bool:
    """Whether the content of an `.npz` or JSON is marked as a motion."""
    found = content.get("format") if isinstance(content, dict) else None
    if isinstance(found, np.ndarray) and found.shape == ():
        found = found.item()
    return isinstance(found, str) and found == FORMAT


def is_saved(path: str | os.PathLike) -> bool:
    """Whether a file is a saved motion, for `load`, rather than keypoints.

    False for a file that cannot be read; the reader of keypoints reports why.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        return False
    # The reader of keypoints reports errors.
    with contextlib.suppress(OSError, ValueError), reading.guarded():
        if path.suffix == ".npz":
            return is_motion(_members(path, only="format"))
        if path.suffix == ".json":
            content = untrusted.read(path)
            # Avoids parsing keypoints, which may be large.
            if FORMAT.encode() in content:
                return is_motion(untrusted.parse(content))
    return False


def load(path: str | os.PathLike) -> Motion:
    """Reads a motion saved as `.npz` or `.json`, without loss.

    Args:
        path: Path of the file.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If the file is not a saved motion, or is damaged.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    try:
        with reading.guarded():
            if path.suffix == ".npz":
                return _of_npz(_members(path))
            if path.suffix == ".json":
                return _of_json(untrusted.parse(untrusted.read(path)))
    except ValueError as error:
        raise ValueError(
            f"{path}: not a motion saved by ampose_tf: "
            f"{reading.shown(str(error), 200)}"
        ) from error
    raise ValueError(f"{path}: expected an .npz or .json file")


def _members(path, only=None):
    content = untrusted.read(path)
    return archive.read(content, only, untrusted.MAX_BYTES)


def _described(motion):
    """Returns the description of all tracks in both formats, as arrays."""
    skeleton = motion.skeleton
    return {
        "joint_names": np.array(skeleton.joints),
        "edges": np.array(skeleton.edges),
        "image_size": np.array(motion.image_size),
        "image_corner": np.array(motion.image_corner),
        "up": np.array(motion.up),
        "notes": np.array(motion.notes, str),
        "normalisation": np.array(motion.normalisation),
        "units": np.array(UNITS),
        "frame": np.array(FRAME),
        "root": np.array(ROOT),
        "format": np.array(FORMAT),
    }


def _provenance(motion, form):
    """Returns the provenance, if the motion has one, as a member of a file."""
    if not motion.provenance:
        return {}
    return {"provenance": form(motion.provenance)}


def _rows(track):
    """Returns a track as arrays with one row per frame."""
    count = len(track.frames)
    root = track.root
    return {
        "track_ids": np.full(count, track.track_id, np.int64),
        "frame_numbers": track.frames,
        "poses_3d": track.poses_3d,
        "root_positions": np.full((count, 3), np.nan, np.float32)
        if root is None
        else root,
        "keypoints_px": track.keypoints_px,
        "scores": track.scores,
        "seen": track.seen,
        "spread_m": track.spread_m,
    }


def _rounded(array):
    """Returns nested lists, rounded to six decimals, with None for NaN."""
    if array.dtype.kind != "f":
        return array.tolist()
    rounded = array.astype(np.float64).round(6)
    return np.where(np.isfinite(array), rounded, None).tolist()


def _of_npz(members):
    _check_format(members)
    for name, array in members.items():
        if not isinstance(array, np.ndarray) or array.dtype.hasobject:
            raise ValueError(f"{name}: expected a plain array")
    described = {name: members[name].tolist() for name in _DESCRIBED}
    if described["fps"] != described["fps"]:
        described["fps"] = None
    if "provenance" in members:
        described["provenance"] = untrusted.parse(
            str(members["provenance"]).encode()
        )
    identities = members["track_ids"]
    if identities.dtype.kind not in "iu" or identities.ndim != 1:
        raise ValueError(
            f"track_ids: expected whole numbers (N,), got "
            f"{identities.dtype} of shape {identities.shape}"
        )
    arrays = {name: members[name] for name in schema.ROWS}
    for name, array in arrays.items():
        if array.shape[:1] != identities.shape:
            raise ValueError(
                f"{name}: expected {len(identities)} rows, got shape "
                f"{array.shape}"
            )
    schema.check_frames([arrays["frame_numbers"]])
    # The rows of each person, in the order in which people were written.
    different, first, whose = np.unique(
        identities, return_index=True, return_inverse=True
    )
    ends = np.cumsum(np.bincount(whose))[:-1]
    own = np.split(np.argsort(whose, kind="stable"), ends)
    return _motion(
        described,
        [
            {"track_id": int(different[person])}
            | {name: array[own[person]] for name, array in arrays.items()}
            for person in np.argsort(first)
        ],
    )


def _of_json(content):
    _check_format(content)
    tracks = content["tracks"]
    schema.check_frames([track["frame_numbers"] for track in tracks])
    return _motion(content, tracks)


def _check_format(content):
    if not is_motion(content):
        found = untrusted.brief(content["format"])
        raise ValueError(f"format: expected {FORMAT!r}, got {found}")


def _motion(described, tracks):
    skeleton = by_joint_count(len(described["joint_names"]))
    if tuple(described["joint_names"]) != skeleton.joints:
        raise ValueError("joint_names: expected Human3.6M's joints")
    arguments = schema.described(described)
    tracks = tuple(map(_track, tracks))
    return Motion(tracks, skeleton=skeleton, **arguments)


def _track(values):
    rows = schema.rows(values)
    frames, root = rows.pop("frame_numbers"), rows.pop("root_positions")
    return LiftedTrack(
        track_id=schema.track_id(values["track_id"]),
        frames=frames,
        root=None if np.isnan(root).all() else root,
        **rows,
    )

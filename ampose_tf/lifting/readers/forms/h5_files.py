"""Readers for keypoints in HDF5: DeepLabCut's and SLEAP's analysis files.

* DeepLabCut writes tables with pandas, in its format "table"; "fixed" is read
  too. The levels of a column are scorer, individual (in projects of several
  animals), body part, and x, y or likelihood,
  https://deeplabcut.github.io/DeepLabCut/docs/convert_maDLC.html. pandas
  stores their names as pickles, which `unpickling` reads.
* SLEAP writes `tracks` (tracks, 2, nodes, frames) and `point_scores` (tracks,
  nodes, frames), or transposed (frames, nodes, 2, tracks), with `node_names`,
  https://sleap.ai/api/sleap.info.write_tracking_h5.html.

`hdf5` reads the values, limits their size and follows no links to other files.
"""

import io
import os
import pathlib

import numpy as np

from ampose_tf import confined, hdf5, reading, unpickling
from ampose_tf.lifting import untrusted
from ampose_tf.lifting.readers import sequences
from ampose_tf.lifting.readers.records import Account, Detection, Recording
from ampose_tf.lifting.readers.sequences import Numbered, Options
from ampose_tf.lifting.untrusted import MAX_BYTES, brief

# Address space for reading, in bytes. Arrays within the size limits are copied
# several times.
_MEMORY = 4 * 2**30

_COORDINATES = ("x", "y", "likelihood")


def read(
    path: str | os.PathLike, options: Options, account: Account
) -> Recording:
    """Reads the people in a clip.

    Args:
        path: Path of the file.
        options: The user's options.
        account: Account of the file.

    Raises:
        ImportError: If h5py is installed, but cannot be loaded.
        OSError: If the file cannot be read.
        ValueError: If the file is neither DeepLabCut's nor SLEAP's, is too
            large or damaged, or if h5py is not installed.
    """
    sequences.check_format("h5", options.format)
    if pathlib.Path(path).stat().st_size > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES} bytes")
    try:
        # HDF5 is a library in C.
        numbers, people, names, third = confined.call(
            _people, os.fspath(path), memory=_MEMORY
        )
    except ImportError as error:
        # The child process does not preserve the exception's subclass.
        if str(error) != "No module named 'h5py'":
            raise
        raise ValueError(
            "reading HDF5 requires h5py; install it with pip install "
            "'ampose_tf[h5]'"
        ) from error
    frames = _frames(numbers, people, tuple(names), third)
    clip = Numbered(sorted(frames.items()))
    return sequences.record(clip, options.skeleton, account)


def _people(path):
    """Returns the arguments of `_frames`."""
    import h5py

    try:
        with reading.guarded(), h5py.File(path, "r") as file:
            if hdf5.has(file, "tracks") and hdf5.has(file, "node_names"):
                return _sleap(file)
            return _deeplabcut(file)
    except OSError as error:
        # h5py's own errors for damaged files contain no file name.
        if error.filename is not None:
            raise
        raise ValueError(
            "not an HDF5 file, or a damaged one "
            f"({reading.shown(str(error), 120)})"
        ) from error


def _sleap(file):
    names = _names(hdf5.dataset(file, "node_names"))
    tracks = _floats(hdf5.values(hdf5.dataset(file, "tracks")), "tracks")
    count = len(names)
    if tracks.ndim == 4 and tracks.shape[1:3] == (count, 2) != (2, 2):
        tracks = tracks.T
        is_transposed = True
    elif tracks.ndim == 4 and tracks.shape[1:3] == (2, count):
        is_transposed = False
    else:
        raise ValueError(
            f"tracks: expected SLEAP's (tracks, 2, {count}, frames), got "
            f"{tracks.shape}"
        )
    points = tracks.transpose(0, 3, 2, 1)  # (tracks, frames, nodes, 2)
    scores, third = np.ones(points.shape[:3]), "none"
    if hdf5.has(file, "point_scores"):
        scores = hdf5.values(hdf5.dataset(file, "point_scores"))
        scores = _floats(scores, "point_scores")
        scores = scores.T if is_transposed else scores
        if scores.shape != tracks[:, 0].shape:
            raise ValueError(
                f"point_scores: expected {tracks[:, 0].shape} to match "
                f"tracks, got {scores.shape}"
            )
        scores, third = scores.swapaxes(1, 2), "score"
    people = list(enumerate(zip(points, scores, strict=True)))
    return np.arange(points.shape[1]), people, names, third


def _deeplabcut(file):
    tables = [
        name
        for name in file
        if hdf5.is_group(file, name) and "pandas_type" in file[name].attrs
    ]
    if len(tables) != 1:
        found = ", ".join(brief(name) for name in list(file)[:5]) or "nothing"
        if {"pred_points", "videos_json"} <= set(file):
            raise ValueError(
                "a SLEAP project; export it with sleap-convert --format "
                "analysis"
            )
        raise ValueError(
            "expected DeepLabCut's table or SLEAP's analysis in HDF5; it "
            f"contains {found}"
        )
    group = file[tables[0]]
    is_table = hdf5.has(group, "table")
    numbers, columns, values = (_table if is_table else _fixed)(group)
    if len(set(columns)) < len(columns):
        raise ValueError("two of its columns have the same name")
    if any(column[-1] == "z" for column in columns):
        raise ValueError("its columns are x, y and z, already 3D; expected 2D")
    places = {column: place for place, column in enumerate(columns)}
    # Exactly one scorer is expected.
    scorers = {column[0] for column in columns}
    depths = {len(column) for column in columns}
    if len(scorers) != 1 or depths not in ({3}, {4}):
        raise ValueError(
            "expected DeepLabCut's columns of one scorer, with body parts and "
            "x, y, likelihood; got "
            f"{len(columns)} columns of {len(scorers)} scorers"
        )
    people = {}
    for column in columns:
        *whose, part, coordinate = column
        if coordinate == "x" and (*whose, part, "y") in places:
            people.setdefault(tuple(whose), []).append(part)
    # Parts that belong to no individual, for example the corners of a box.
    single = next(iter(scorers)), "single"
    if len(people) > 1:
        people.pop(single, None)
    if not people:
        raise ValueError(
            "expected columns x and y of each body part, got "
            f"{', '.join(brief(name) for name in columns[0])}"
        )
    if len(set(map(tuple, people.values()))) > 1:
        raise ValueError("its individuals have different body parts")
    names = tuple(next(iter(people.values())))
    found = []
    for number, whose in enumerate(people):
        taken = np.full((3, len(values), len(names)), 1.0)
        for axis, coordinate in enumerate(_COORDINATES):
            for joint, part in enumerate(names):
                place = places.get((*whose, part, coordinate))
                if place is not None:
                    taken[axis, :, joint] = values[:, place]
        points = np.moveaxis(taken[:2], 0, 2)  # (frames, joints, 2)
        track_id = number if len(people) > 1 else None
        found.append((track_id, (points, taken[2])))
    has_scores = any(column[-1] == "likelihood" for column in columns)
    third = "score" if has_scores else "none"
    return numbers, found, names, third


def _frames(numbers, people, names, third):
    """Returns {frame number: people with at least one joint in the frame}.

    Args:
        numbers: T frame numbers.
        people: (track id, (points (T, S, 2), scores (T, S))) of each person.
        names: Names of the S joints.
        third: See `Detection`.
    """
    if len(numbers) > untrusted.MAX_FRAMES:
        raise ValueError(f"more than {untrusted.MAX_FRAMES} frames")
    frames = {int(number): [] for number in numbers}
    for track_id, (points, scores) in people:
        present = ~np.isnan(points).any(axis=2).all(axis=1)
        for row in np.flatnonzero(present):
            person = Detection(
                points[row], scores[row], names, track_id, third=third
            )
            frames[int(numbers[row])].append(person)
    return frames


def _table(group):
    """Reads pandas' format "table", written by PyTables."""
    table = hdf5.dataset(group, "table")
    if table.dtype.names is None or table.ndim != 1:
        raise ValueError(f"table: expected rows, got {table.dtype}")
    rows = hdf5.values(table)
    blocks = [
        name
        for name in rows.dtype.names or ()
        if name.startswith("values_block_")
    ]
    columns, values = [], []
    for block in blocks:
        columns += _columns(
            _unpickled(hdf5.attribute(table, f"{block}_kind"), block)
        )
        values.append(_floats(rows[block].reshape(len(rows), -1), block))
    return _of_blocks(rows, columns, values)


def _of_blocks(rows, columns, values):
    values = np.concatenate(values, axis=1) if values else np.empty((0, 0))
    if values.shape[1] != len(columns) or not columns:
        raise ValueError(
            f"{values.shape[1]} columns of numbers, but {len(columns)} names"
        )
    index = rows["index"] if "index" in (rows.dtype.names or ()) else None
    return _numbers(index, len(values)), columns, values


def _fixed(group):
    """Reads pandas' format "fixed"."""
    count = int(hdf5.attribute(group, "nblocks"))
    if not 0 < count <= 100:
        raise ValueError(f"nblocks: expected 1 to 100, got {count}")
    index = None
    if hdf5.attribute(group, "axis1_variety") == b"regular":
        index = hdf5.values(hdf5.dataset(group, "axis1"))
    columns, values = [], []
    for block in range(count):
        name = f"block{block}_items"
        levels = int(hdf5.attribute(group, f"{name}_nlevels"))
        if levels not in (3, 4):
            raise ValueError(
                f"expected three or four levels of columns, got {levels}"
            )
        texts = []
        for level in range(levels):
            names = _names(hdf5.dataset(group, f"{name}_level{level}"))
            labels = hdf5.values(hdf5.dataset(group, f"{name}_label{level}"))
            if labels.dtype.kind not in "iu" or (
                labels.size
                and not 0 <= labels.min() <= labels.max() < len(names)
            ):
                raise ValueError(
                    f"{name}_label{level}: expected indices of its names"
                )
            texts.append([names[label] for label in labels.ravel().tolist()])
        own = list(zip(*texts, strict=True))
        block = hdf5.values(hdf5.dataset(group, f"block{block}_values"))
        block = _floats(block, name)
        if block.ndim != 2 or len(own) not in block.shape:
            raise ValueError(
                f"{name}: {len(own)} names for values of shape {block.shape}"
            )
        values.append(block if block.shape[1] == len(own) else block.T)
        columns += own
    if len({len(block) for block in values}) > 1:
        raise ValueError("its columns have different lengths")
    values = np.concatenate(values, axis=1)
    return _numbers(index, len(values)), columns, values


def _columns(names):
    if not isinstance(names, (list, tuple)) or not all(
        isinstance(column, tuple)
        and all(isinstance(part, str) for part in column)
        and len(column) > 1
        for column in names
    ):
        raise ValueError(
            f"expected the names of DeepLabCut's columns, got {brief(names)}"
        )
    return [tuple(map(str, column)) for column in names]


def _numbers(index, count):
    """Returns the file's frame numbers; 0, 1, ... if it has none."""
    if index is None or index.dtype.kind not in "iu" or index.ndim != 1:
        return np.arange(count)  # Rows have names, as for photographs.
    if len(index) != count or len(np.unique(index)) < count:
        raise ValueError("two of its frames have the same number")
    if count and not 0 <= index.min() <= index.max() <= untrusted.MAX_FRAME:
        raise ValueError(
            f"frame numbers: expected 0 to {untrusted.MAX_FRAME}, got "
            f"{index.min()} to {index.max()}"
        )
    return index


def _floats(values, what):
    return untrusted.numbers(values, reading.shown(what))


def _unpickled(content, what):
    if not isinstance(content, bytes):
        raise ValueError(f"{what}: expected column names written by pandas")
    return unpickling.load(io.BytesIO(content), what)


def _names(dataset):
    if dataset.dtype.kind in "SO":
        values = hdf5.values(dataset).ravel().tolist()
        if all(isinstance(value, bytes) for value in values):
            return tuple(
                value.decode("utf-8", "replace").strip() for value in values
            )
    raise ValueError(f"{dataset.name}: expected names, got {dataset.dtype}")

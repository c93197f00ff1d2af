"""Lifts keypoint files with `Lifter`, and returns tables of poses."""

import os

import numpy as np
import pyarrow as pa

from ampose_tf import reading
from ampose_tf.bulk import lists, tables
from ampose_tf.lifting.lifter import Lifter

# Schema of files that could not be lifted.
BAD = tables.bad_schema(pa.schema([pa.field("file", pa.string())]))

# The columns of a clip's rows; `tables` describes the poses.
COLUMNS = {
    "file": pa.string(),
    "track_id": pa.int64(),
    "frame": pa.int64(),
    "notes": pa.string(),
    "scores": pa.list_(pa.float32()),
} | tables.POSES


class Clips:
    """Lifts clips to tables.

    Args:
        lifter: The lifter.
        settings: Arguments for each clip, see `Lifter.__call__`.
        schema: The schema of `COLUMNS`.
    """

    def __init__(self, lifter: Lifter, settings: dict, schema: pa.Schema):
        self._lifter = lifter
        self._settings = settings
        self._schema = schema

    def __call__(
        self, path: str | os.PathLike, name: str
    ) -> tuple[pa.Table, pa.Table]:
        """Lifts a clip.

        Args:
            path: Path of the file on this machine.
            name: Name of the file in the tables.

        Returns:
            A table with a row for each person and frame, see `COLUMNS`, and a
            table of bad files, see `BAD`. One of them is empty.
        """
        schema = self._schema
        try:
            motion = self._lifter(path, **self._settings)
        except (ValueError, OSError) as error:
            reason = reading.line(str(error).replace(str(path), name))
            bad = pa.table([[name], [reason]], schema=BAD)
            return schema.empty_table(), bad
        notes = " ".join(reading.line(note) for note in motion.notes)
        parts = []
        for track in motion.tracks:
            count = len(track.frames)
            where = np.full((count, 3), np.nan, np.float32)
            arrays = {
                "scores": track.scores,
                "poses_3d": track.poses_3d,
                "seen": track.seen,
                "spread_m": track.spread_m,
                "root": where if track.root is None else track.root,
            }
            columns = {
                "file": pa.repeat(name, count),
                "track_id": pa.repeat(np.int64(track.track_id), count),
                "frame": pa.array(track.frames),
                "notes": pa.repeat(notes, count),
            }
            for column, array in arrays.items():
                kind = schema.field(column).type
                columns[column] = lists.column(array, kind)
            parts.append(
                pa.table([columns[n] for n in schema.names], schema=schema)
            )
        return pa.concat_tables(parts), BAD.empty_table()

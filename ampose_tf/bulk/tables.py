"""Lifts record batches of Parquet files with keypoints.

Each row is a pose; rows are independent of each other. Columns are:

* `keypoints_px`: a list of numbers x, y for each joint, or of lists [x, y], in
  pixels of the whole image.
* `scores`: a list of numbers in [0, 1], one for each joint. Without this
  column, all joints count as seen.
* `image_size`: a list of two numbers, width and height in pixels.
* `skeleton`: the name of the joints' skeleton, one of
  `ampose_tf.lifting.keypoints.SKELETONS`.

The last two can be set for all rows instead. All columns are copied.
"""

import dataclasses
import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ampose_tf.bulk import lists
from ampose_tf.conversion import SEEN_SCORE, Conversion
from ampose_tf.lifting import root, singles, untrusted
from ampose_tf.lifting.keypoints import SKELETONS
from ampose_tf.lifting.predictor import Predictor
from ampose_tf.lifting.schema import MAX_METRES
from ampose_tf.skeleton import Skeleton

# The column with the reason why a bad row was not lifted.
REASON = "reason"

# The columns that are added to a lifted row. Not of fixed size, as Parquet
# cannot read lists of a fixed size if some are null.
POSES = {
    "poses_3d": pa.list_(pa.float32()),
    "seen": pa.list_(pa.bool_()),
    "spread_m": pa.list_(pa.float32()),
    "root": pa.list_(pa.float32()),
}

# Some scores of detectors are larger than 1; larger values are percentages.
_MOST_SCORE = 15
# In pixels; people are larger.
_NORMALISED = 2


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings for all rows.

    Attributes:
        image_size: (width, height) in pixels, which overrides the column.
        skeleton: The joints' skeleton, which overrides the column.
        seen_score: See `Lifter`.
        flip_ensemble: See `Lifter`.
        field_of_view_deg: See `Lifter`.
        intrinsics: See `Lifter`.
    """

    image_size: tuple[int, int] | None = None
    skeleton: Conversion | None = None
    seen_score: float = SEEN_SCORE
    flip_ensemble: bool = True
    field_of_view_deg: float = root.FIELD_OF_VIEW_DEG
    intrinsics: tuple[float, float, float, float] | None = None


def check(schema: pa.Schema, settings: Settings) -> None:
    """Checks that a Parquet file contains keypoints.

    Raises:
        ValueError: If a column is missing, has an invalid type, or has the
            name of an output column.
    """
    for name, given in (
        ("keypoints_px", None),
        ("image_size", settings.image_size),
        ("skeleton", settings.skeleton),
    ):
        if given is None and name not in schema.names:
            instead = "" if name == "keypoints_px" else f" or --{name}=..."
            listed = ", ".join(schema.names) or "none"
            raise ValueError(
                f"expected a column {name}{instead}; its columns: "
                f"{untrusted.brief(listed)}"
            )
    twice = {name for name in schema.names if schema.names.count(name) > 1}
    if twice:
        raise ValueError(f"two columns are named {min(twice)}; rename one")
    for name, kinds, expected in (
        (
            "keypoints_px",
            (lists.is_numbers, lists.is_pairs),
            "a list of numbers x, y",
        ),
        ("scores", (lists.is_numbers,), "a list of numbers"),
        ("image_size", (lists.is_numbers,), "a list of two numbers"),
        ("skeleton", (lists.is_text,), "text"),
    ):
        if name in schema.names:
            kind = schema.field(name).type
            if not any(is_kind(kind) for is_kind in kinds):
                raise ValueError(
                    f"column {name}: expected {expected}, got "
                    f"{untrusted.brief(str(kind))}"
                )
    for name in (*POSES, REASON):
        if name in schema.names:
            raise ValueError(
                f"column {name}: the output has a column of this name; "
                "rename it"
            )


def lifted_schema(schema: pa.Schema, skeleton: Skeleton) -> pa.Schema:
    """Returns the schema of lifted rows.

    Args:
        schema: The schema of the input columns, which come first.
        skeleton: The model's skeleton.
    """
    for name, kind in POSES.items():
        schema = schema.append(pa.field(name, kind))
    return described(schema, skeleton)


def described(schema: pa.Schema, skeleton: Skeleton) -> pa.Schema:
    """Adds a description of poses to the metadata of a schema.

    Args:
        schema: The schema.
        skeleton: Skeleton of the poses.

    Returns:
        The schema with metadata `ampose`, JSON with the names of joints,
        edges, unit and frame.
    """
    text = json.dumps(
        {
            "joint_names": skeleton.joints,
            "edges": skeleton.edges,
            "units": "metres",
            "frame": "camera: x right, y down, z forward",
            "poses_3d": "relative to the hip",
            "root": "the hip in the camera's frame",
        }
    )
    metadata = dict(schema.metadata or {}) | {b"ampose": text.encode()}
    return schema.with_metadata(metadata)


def bad_schema(schema: pa.Schema) -> pa.Schema:
    """Returns the schema of rows that are not lifted, with reasons."""
    return schema.append(pa.field(REASON, pa.string()))


def lift(
    batch: pa.RecordBatch, predict: Predictor, settings: Settings
) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """Lifts the rows of a record batch.

    Args:
        batch: Rows with a schema that was checked by `check`.
        predict: The model.
        settings: Settings for all rows.

    Returns:
        The lifted rows in their order, see `lifted_schema`, and the bad rows,
        see `bad_schema`.
    """
    rows = _Rows(batch, settings)
    lifted = {}
    for skeleton, chosen in rows.by_skeleton():
        pixels, scores, chosen = rows.points(chosen, skeleton)
        poses = singles.lift(
            predict,
            pixels,
            scores,
            rows.image_size[chosen],
            skeleton,
            seen_score=settings.seen_score,
            flip_ensemble=settings.flip_ensemble,
            field_of_view_deg=settings.field_of_view_deg,
            intrinsics=settings.intrinsics,
        )
        for name, array in poses._asdict().items():
            if name not in lifted:
                shape = (batch.num_rows, *array.shape[1:])
                lifted[name] = np.zeros(shape, array.dtype)
            lifted[name][chosen] = array
        rows.refuse(
            chosen[~poses.seen.any(axis=1)],
            f"no joint has a score of at least {settings.seen_score:g}",
        )
        inside = (np.abs(poses.poses_3d) <= MAX_METRES).all(axis=(1, 2))
        rows.refuse(
            chosen[~inside],
            f"the model's pose contains NaN or values above {MAX_METRES:g} m",
        )
    is_good = np.array([reason is None for reason in rows.reasons], bool)
    bad = batch.filter(pa.array(~is_good)).append_column(
        REASON, pa.array(rows.reasons[~is_good], pa.string())
    )
    good = batch.filter(pa.array(is_good))
    for name, kind in POSES.items():
        array = lifted[name][is_good] if lifted else np.empty((0, 1))
        good = good.append_column(name, lists.column(array, kind))
    return good, bad


class _Rows:
    """The rows of a record batch as arrays.

    Attributes:
        reasons: (N,), reasons why rows are bad; None for good rows.
        image_size: (N, 2) float64.
    """

    def __init__(self, batch, settings):
        self._count = batch.num_rows
        self._settings = settings
        self.reasons = np.full(self._count, None, object)
        self._skeletons = None
        if settings.skeleton is None:
            self._skeletons = batch["skeleton"]
        self._pixels = lists.read(batch["keypoints_px"])
        self._scores = None
        if "scores" in batch.schema.names:
            self._scores = lists.read(batch["scores"])
        self.image_size = np.empty((self._count, 2))
        if settings.image_size is not None:
            self.image_size[:] = settings.image_size
        else:
            self._read_sizes(lists.read(batch["image_size"]))

    def refuse(self, rows, reason):
        """Stores the reason for bad rows, unless they already have one."""
        for row in rows:
            self.reasons[row] = self.reasons[row] or reason

    def by_skeleton(self):
        """Yields each skeleton and the rows that have this skeleton."""
        if self._skeletons is None:
            yield self._settings.skeleton, np.arange(self._count)
            return
        # Each name once, as names can be long.
        column = self._skeletons
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        names = [*column.dictionary.to_pylist(), None]
        indices = pc.fill_null(pc.cast(column.indices, pa.int64()), -1)
        indices = indices.to_numpy()
        for index in np.unique(indices):
            name, rows = names[index], np.flatnonzero(indices == index)
            if name in SKELETONS:
                yield SKELETONS[name], rows
            else:
                self.refuse(
                    rows, f"unknown skeleton {untrusted.brief(str(name))}"
                )

    def points(self, rows, skeleton):
        """Returns pixels (K, S, 2), scores (K, S), and the rows (K,)."""
        joints = len(skeleton.joints)
        named = f"the {joints} joints of {skeleton.name}"
        kept = self._of_length(
            rows, self._pixels, 2 * joints, "keypoints_px", f"x, y of {named}"
        )
        if self._scores is not None:
            kept = self._of_length(
                kept,
                self._scores,
                joints,
                "scores",
                f"one for each of {named}",
            )
        kept = kept[[self.reasons[row] is None for row in kept]]
        pixels = lists.gathered(self._pixels, kept, 2 * joints)
        pixels = pixels.reshape(-1, joints, 2)
        scores = np.ones(pixels.shape[:2])
        if self._scores is not None:
            scores = lists.gathered(self._scores, kept, joints)
        # The same rules as for files in `readers.detections`.
        nowhere = (
            np.isnan(pixels).any(axis=2)
            | (pixels == 0).all(axis=2)
            | (pixels == -1).all(axis=2)
            | ~(scores > 0)
        )
        pixels = np.where(nowhere[..., None], 0, pixels)
        scores = np.where(nowhere, 0, scores)
        largest = np.abs(pixels).max(axis=(1, 2), initial=0)
        for wrong, reason in (
            (
                ~(largest <= untrusted.MAX_PIXEL),
                "keypoints_px: a joint is more than "
                f"{untrusted.MAX_PIXEL} pixels from the corner",
            ),
            (
                (largest < _NORMALISED) & ~nowhere.all(axis=1),
                "keypoints_px: expected pixels, but all numbers are below "
                f"{_NORMALISED}, like normalised coordinates",
            ),
            (
                ~(scores.max(axis=1, initial=0) <= _MOST_SCORE),
                f"scores: expected numbers in [0, 1], got one above "
                f"{_MOST_SCORE}",
            ),
        ):
            self.refuse(kept[wrong], reason)
        good = np.array([self.reasons[row] is None for row in kept], bool)
        return pixels[good], np.minimum(scores[good], 1), kept[good]

    def _of_length(self, rows, column, length, name, expected):
        _, _, lengths = column
        fits = lengths[rows] == length
        for row in rows[~fits]:
            found = lists.FOUND.get(lengths[row], f"{lengths[row]} numbers")
            self.refuse(
                [row],
                f"{name}: expected {length} numbers, {expected}, got {found}",
            )
        return rows[fits]

    def _read_sizes(self, column):
        rows = np.flatnonzero(column[2] == 2)
        sizes = np.zeros((self._count, 2))
        sizes[rows] = np.nan_to_num(lists.gathered(column, rows, 2))
        inside = (sizes >= 1) & (sizes <= untrusted.MAX_PIXEL)
        self.refuse(
            np.flatnonzero(~inside.all(axis=1)),
            "image_size: expected a width and a height from 1 to "
            f"{untrusted.MAX_PIXEL} pixels",
        )
        self.image_size = sizes

"""The Beam pipeline, which reads files and writes poses and bad rows.

Workers receive short descriptions of parts of files. Each worker reads, lifts
and writes its parts, so that rows are not sent between workers.
"""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

import apache_beam as beam
import pyarrow as pa
from apache_beam.io import filesystem, filesystems, parquetio, tfrecordio
from apache_beam.metrics import Metrics
from apache_beam.utils import shared
from pyarrow import parquet

from ampose_tf import reading
from ampose_tf.bulk import clips, examples, tables
from ampose_tf.export import runtime

# Written at the end of a run; a folder without this file is incomplete.
SUCCESS = "_SUCCESS"

# Folders and the files in them.
POSES, BAD_ROWS = "poses", "bad_rows"

# The most rows that a worker reads, lifts and writes at a time, and the most
# bytes of them according to the file.
_ROWS, _BYTES = 16_384, 2**27

# Parquet is read through a buffer of this size for each column. Without it,
# the column of a whole row group would be read at once.
_BUFFER = 2**20

_NAMESPACE = "ampose_tf"
ROWS, LIFTED, BAD = "rows", "poses", "bad_rows"


class Part(NamedTuple):
    """A row group of a Parquet file.

    Not less, because Parquet can only be read from the start of a row group.
    """

    path: str
    group: int


class Plan(NamedTuple):
    """Files to lift, and how to lift them.

    Attributes:
        paths: Paths of the files; all or none are Parquet.
        schema: Schema of Parquet's rows; None if the files are clips.
        lifted: Schema of the output.
        load: Function that creates the lifter, called once per process.
        settings: Settings of rows; None if the files are clips.
        format: `"parquet"` or `"tfrecord"`.
        described: Contents of `SUCCESS`.
    """

    paths: list[str]
    schema: pa.Schema | None
    lifted: pa.Schema
    load: Callable
    settings: tables.Settings | None
    format: str
    described: str


def build(pipeline: beam.Pipeline, plan: Plan, output: str) -> None:
    """Adds the transforms to a pipeline.

    Args:
        pipeline: The pipeline.
        plan: Files to lift, and how to lift them.
        output: Output folder for `POSES`, `BAD_ROWS` and finally `SUCCESS`.
    """
    paths = pipeline | "Files" >> beam.Create(plan.paths)
    if plan.schema is None:
        bad_schema = clips.BAD
        parts = paths
        lift = beam.ParDo(LiftClip(plan.load))
    else:
        bad_schema = tables.bad_schema(plan.schema)
        parts = paths | "Parts" >> beam.ParDo(FindParts(plan.schema))
        lift = beam.ParDo(LiftPart(plan.load, plan.settings, plan.schema))
    lifted = (
        parts
        | "Share out" >> beam.Reshuffle()
        | "Lift" >> lift.with_outputs(BAD, main=LIFTED)
    )
    join = filesystems.FileSystems.join
    poses = join(output, POSES, "part")
    if plan.format == "tfrecord":
        written = (
            lifted[LIFTED]
            | "Examples" >> beam.FlatMap(examples.serialized)
            | "Write poses"
            >> tfrecordio.WriteToTFRecord(poses, file_name_suffix=".tfrecord")
        )
    else:
        written = lifted[LIFTED] | "Write poses" >> _to_parquet(
            poses, plan.lifted
        )
    bad = lifted[BAD] | "Write bad rows" >> _to_parquet(
        join(output, BAD_ROWS, "part"), bad_schema
    )
    _ = (
        pipeline
        | "Once" >> beam.Create([plan.described])
        | "Write success"
        >> beam.Map(
            _write_success,
            join(output, SUCCESS),
            beam.pvalue.AsList(written),
            beam.pvalue.AsList(bad),
        )
    )


def _to_parquet(prefix, schema):
    return parquetio.WriteToParquetBatched(
        prefix, schema, codec="snappy", file_name_suffix=".parquet"
    )


def _write_success(described, path, *_):
    # The inputs are names of files, available when all files are written.
    with filesystems.FileSystems.create(path) as file:
        file.write(described.encode())


def schema_of(path: str) -> pa.Schema:
    """Returns the schema of a Parquet file on any of Beam's file systems.

    All columns are nullable, because they may be in the other files.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If the file is not Parquet, or is damaged.
    """
    with _parquet(path) as file:
        schema = file.schema_arrow
    fields = [field.with_nullable(True) for field in schema]
    return pa.schema(fields, schema.metadata)


def is_parquet(path: str) -> bool:
    """Returns whether a file starts like a Parquet file.

    Raises:
        OSError: If the file cannot be read.
    """
    with opened(path) as file:
        return file.read(4) == b"PAR1"


def opened(path: str) -> BinaryIO:
    """Opens a file on any of Beam's file systems, without decompression.

    Raises:
        OSError: If the file cannot be opened.
    """
    return filesystems.FileSystems.open(
        path, compression_type=filesystem.CompressionTypes.UNCOMPRESSED
    )


@contextlib.contextmanager
def _parquet(path):
    with opened(path) as source:
        with _naming(path):
            file = parquet.ParquetFile(
                source, buffer_size=_BUFFER, pre_buffer=False
            )
        yield file


@contextlib.contextmanager
def _naming(path):
    """Names the file in errors within a block that only reads the file."""
    try:
        with reading.guarded():
            yield
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path}: not readable as Parquet: {error}"
        ) from error


class FindParts(beam.DoFn):
    """Splits Parquet files into parts, and checks their schema.

    Args:
        schema: Schema that all files must have, see `check_alike`.
    """

    def __init__(self, schema):
        self._schema = schema

    def process(self, path: str) -> Iterator[Part]:
        with _parquet(path) as file:
            check_alike(path, file.schema_arrow, self._schema)
            for group in range(file.num_row_groups):
                yield Part(path, group)


def check_alike(path: str, schema: pa.Schema, expected: pa.Schema) -> None:
    """Checks that a file has the same columns as the first file.

    Their order and whether they are nullable can differ.

    Raises:
        ValueError: If names or types of columns differ.
    """
    for field in expected:
        index = schema.get_field_index(field.name)
        found = None if index < 0 else schema.field(index).type
        if found != field.type:
            raise ValueError(
                f"{path}: another schema than the first file's: expected a "
                f"column {field.name} of type {field.type}, got "
                f"{reading.shown(str(found or 'none'))}"
            )
    further = [name for name in schema.names if name not in expected.names]
    if further:
        raise ValueError(
            f"{path}: another schema than the first file's, which has no "
            f"column {reading.shown(further[0])}"
        )


class _Lifting(beam.DoFn):
    """Base of transforms that lift.

    The lifter is created once per process, and shared by its threads.
    """

    def __init__(self, load):
        self._load = load
        self._shared = shared.Shared()
        self._counters = {
            name: Metrics.counter(_NAMESPACE, name)
            for name in (ROWS, LIFTED, BAD)
        }
        self._lifter = None

    def setup(self):
        # LiteRT prints a greeting once per process.
        with runtime.without_greeting():
            self._lifter = self._shared.acquire(self._load)

    def _outputs(self, rows, lifted, bad):
        """Yields tables that are not empty, and counts rows."""
        self._counters[ROWS].inc(rows)
        if lifted.num_rows:
            self._counters[LIFTED].inc(lifted.num_rows)
            yield lifted
        if bad.num_rows:
            self._counters[BAD].inc(bad.num_rows)
            yield beam.pvalue.TaggedOutput(BAD, bad)


class LiftPart(_Lifting):
    """Lifts the rows of parts of Parquet files.

    Args:
        load: Function that returns a `Predictor`.
        settings: Settings for all rows.
        schema: Schema of the rows.
    """

    def __init__(self, load, settings, schema):
        super().__init__(load)
        self._settings = settings
        self._schema = schema

    def process(self, part: Part) -> Iterator:
        for batch in batches(part, self._schema):
            try:
                lifted = tables.lift(batch, self._lifter, self._settings)
            except (OSError, ValueError) as error:
                # Rows are bad or lifted, so this is not a user's mistake.
                raise AssertionError(
                    f"{part.path}: cannot lift row group {part.group}: "
                    f"{type(error).__name__}: {error}"
                ) from error
            good, bad = (pa.Table.from_batches([rows]) for rows in lifted)
            yield from self._outputs(batch.num_rows, good, bad)


def batches(part: Part, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a part, without reading all of them at once.

    Args:
        part: The part.
        schema: The schema of the rows, see `check_alike`.

    Raises:
        OSError: If the file cannot be opened.
        ValueError: If the file is damaged.
    """
    with _parquet(part.path) as file:
        group = file.metadata.row_group(part.group)
        most = _BYTES * group.num_rows // max(group.total_byte_size, 1)
        read = file.iter_batches(
            min(max(most, 1), _ROWS), row_groups=[part.group]
        )
        while True:
            with _naming(part.path):
                batch = next(read, None)
            if batch is None:
                return
            columns = batch.select(schema.names).columns
            yield pa.RecordBatch.from_arrays(columns, schema=schema)


class LiftClip(_Lifting):
    """Lifts keypoint files.

    Args:
        load: Function that returns a `clips.Clips`.
    """

    def process(self, path: str) -> Iterator:
        with _local(path) as place:
            lifted, bad = self._lifter(place, path)
        yield from self._outputs(1, lifted, bad)


@contextlib.contextmanager
def _local(path):
    """Yields a local path of a file, which is copied if necessary."""
    if filesystems.FileSystems.get_scheme(path) is None:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        place = os.path.join(folder, os.path.basename(path))
        with opened(path) as source, open(place, "wb") as copy:
            while content := source.read(2**20):
                copy.write(content)
        yield place


def counted(result: beam.runners.runner.PipelineResult) -> dict[str, int]:
    """Returns counts by name: `ROWS`, `LIFTED` and `BAD`."""
    counts = dict.fromkeys((ROWS, LIFTED, BAD), 0)
    for counter in result.metrics().query()["counters"]:
        if counter.key.metric.namespace == _NAMESPACE:
            counts[counter.key.metric.name] += counter.result
    return counts

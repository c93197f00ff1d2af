"""Converts rows to TensorFlow's examples, for TFRecord files."""

import importlib.util
from collections.abc import Iterator

import pyarrow as pa

# Packages that Beam can use to compute checksums of TFRecord.
_CHECKSUMS = ("google_crc32c", "snappy", "crcmod")


def check(schema: pa.Schema) -> None:
    """Checks that rows of a schema can be written as examples.

    Raises:
        ValueError: If examples do not support the type of a column, or no
            library for checksums is installed.
    """
    if not any(importlib.util.find_spec(name) for name in _CHECKSUMS):
        raise ValueError(
            "TFRecord needs google_crc32c: pip install 'ampose_tf[beam]'"
        )
    for field in schema:
        kind = field.type
        while (
            pa.types.is_list(kind)
            or pa.types.is_large_list(kind)
            or pa.types.is_fixed_size_list(kind)
        ):
            kind = kind.value_type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if pa.types.is_uint64(kind) or not (
            pa.types.is_integer(kind)
            or pa.types.is_boolean(kind)
            or pa.types.is_floating(kind)
            or pa.types.is_string(kind)
            or pa.types.is_large_string(kind)
            or pa.types.is_binary(kind)
            or pa.types.is_large_binary(kind)
            or pa.types.is_fixed_size_binary(kind)
        ):
            raise ValueError(
                f"column {field.name}: TFRecord does not support {kind}; "
                "write Parquet, or remove the column"
            )


def serialized(table: pa.Table) -> Iterator[bytes]:
    """Yields each row as a serialized `tf.train.Example`.

    Each column becomes a feature: integers and booleans are int64, other
    numbers float, and strings UTF-8 bytes. Lists of lists are flattened, and
    null becomes an empty feature.
    """
    # Takes seconds to import, and is not needed for Parquet.
    import tensorflow as tf

    train = tf.train

    def feature(value):
        values = list(_flat(value))
        if not values:
            return train.Feature()
        first = values[0]
        if isinstance(first, (bool, int)):
            values = [int(v) for v in values]
            return train.Feature(int64_list=train.Int64List(value=values))
        if isinstance(first, float):
            return train.Feature(float_list=train.FloatList(value=values))
        values = [v.encode() if isinstance(v, str) else v for v in values]
        return train.Feature(bytes_list=train.BytesList(value=values))

    for row in table.to_pylist():
        features = {name: feature(value) for name, value in row.items()}
        example = train.Example(features=train.Features(feature=features))
        yield example.SerializeToString(deterministic=True)


def _flat(value):
    if isinstance(value, list):
        for inner in value:
            yield from _flat(inner)
    elif value is not None:
        yield value

"""Reads the tables of untrusted `.tflite` files, and checks every offset."""

import struct
from collections.abc import Iterable

import numpy as np

_MAX_TABLES = 200_000
_MAX_NAME = 2000

# Widths of elements: scalars, and vectors of them.
_WIDTHS = {"b": 1, "i": 4, "q": 8}
# The schema, slot by slot: (name, kind). A kind is a scalar ("b", "i", "q"),
# a vector of scalars ("[i]"), a string ("s"), a table ("Tensor"), a vector of
# tables ("[Tensor]"), or "" for slots that must be empty.
_SCHEMA = {
    "Model": (
        ("version", "i"),
        ("codes", "[OperatorCode]"),
        ("subgraphs", "[SubGraph]"),
        ("description", "s"),
        ("buffers", "[Buffer]"),
        ("metadata_buffer", "[i]"),
        ("metadata", "[Metadata]"),
        ("signatures", "[SignatureDef]"),
    ),
    "OperatorCode": (
        ("old_code", "b"),
        ("custom_code", "s"),
        ("version", "i"),
        ("code", "i"),
    ),
    "SubGraph": (
        ("tensors", "[Tensor]"),
        ("inputs", "[i]"),
        ("outputs", "[i]"),
        ("operators", "[Operator]"),
        ("name", "s"),
        ("debug_metadata", "i"),
    ),
    "Tensor": (
        ("shape", "[i]"),
        ("type", "b"),
        ("buffer", "i"),
        ("name", "s"),
        ("quantization", "Quantization"),
        ("is_variable", "b"),
        ("sparsity", ""),
        ("shape_signature", "[i]"),
        ("has_rank", "b"),
    ),
    "Quantization": (
        ("min", "[i]"),
        ("max", "[i]"),
        ("scale", "[i]"),
        ("zero_point", "[q]"),
        ("details_type", "b"),
        ("details", ""),
        ("dimension", "i"),
    ),
    "Operator": (
        ("code", "i"),
        ("inputs", "[i]"),
        ("outputs", "[i]"),
        ("options_type", "b"),
        ("options", "Options"),
        ("custom_options", ""),
        ("custom_format", "b"),
        ("mutating_inputs", ""),
        ("intermediates", ""),
        ("large_offset", "q"),
        ("large_size", "q"),
    ),
    "Buffer": (("data", "[b]"), ("offset", "q"), ("size", "q")),
    "Metadata": (("name", "s"), ("buffer", "i")),
    "SignatureDef": (
        ("inputs", "[TensorMap]"),
        ("outputs", "[TensorMap]"),
        ("key", "s"),
        ("deprecated", ""),
        ("subgraph", "i"),
    ),
    "TensorMap": (("name", "s"), ("tensor", "i")),
}


class Reader:
    """Reads tables as dictionaries, and checks every offset.

    Invalid offsets raise a ValueError.

    Args:
        content: Bytes of the file.
    """

    def __init__(self, content):
        self._content = content
        self._size = len(content)
        self._tables = 0

    def model(self) -> dict:
        """Returns all tables; vectors of scalars are views of the bytes."""
        if self._size < 8 or self._content[4:8] != b"TFL3":
            raise ValueError("not a .tflite file")
        return self._table(self._number("<I", 0), _SCHEMA["Model"])

    def _number(self, form, place):
        if place < 0 or place + struct.calcsize(form) > self._size:
            raise ValueError(f"an offset leads to byte {place}, outside it")
        return struct.unpack_from(form, self._content, place)[0]

    def _table(self, place, slots):
        self._tables += 1
        if self._tables > _MAX_TABLES:
            raise ValueError(f"more than {_MAX_TABLES} tables")
        if place % 4:
            raise ValueError(f"a table at byte {place}, which is not aligned")
        start = place - self._number("<i", place)
        length = self._number("<H", start)
        width = self._number("<H", start + 2)
        if (
            start % 2
            or length % 2
            or length < 4
            or width < 4
            or start + length > self._size
            or place + width > self._size
        ):
            raise ValueError(f"the table at byte {place} is damaged")
        offsets = struct.unpack_from(
            f"<{length // 2 - 2}H", self._content, start + 4
        )
        if any(offsets[len(slots) :]):
            raise ValueError("a table has an unknown field")
        offsets += (0,) * (len(slots) - len(offsets))
        found = {}
        for (name, kind), offset in zip(slots, offsets, strict=False):
            if not offset:
                found[name] = self._absent(kind)
                continue
            wide = _WIDTHS.get(kind, 4)
            if offset < 4 or offset + wide > width or (place + offset) % wide:
                raise ValueError(f"{name}: outside its table")
            found[name] = self._value(place + offset, name, kind)
        return found

    @staticmethod
    def _absent(kind):
        if kind in _WIDTHS:
            return 0
        return () if kind.startswith("[") else None

    def _value(self, place, name, kind):
        if not kind:
            raise ValueError(f"{name}: not supported")
        if kind in _WIDTHS:
            form = {"b": "<B", "i": "<i", "q": "<q"}[kind]
            return self._number(form, place)
        place += self._number("<I", place)
        if kind == "s":
            return self._text(place, name)
        if kind == "Options":
            # The type of this table depends on the operator.
            return place
        if not kind.startswith("["):
            return self._table(place, _SCHEMA[kind])
        return self._vector(place, name, kind[1:-1])

    def _vector(self, place, name, kind):
        length = self._number("<I", place)
        width = _WIDTHS.get(kind, 4)
        place += 4
        if place + length * width > self._size or place % min(width, 4):
            raise ValueError(f"{name}: {length} values, outside the file")
        if kind in _WIDTHS:
            return np.frombuffer(
                self._content, f"<i{width}", length, offset=place
            )
        if length > _MAX_TABLES:
            raise ValueError(f"{name}: {length} tables")
        return [
            self._table(at + self._number("<I", at), _SCHEMA[kind])
            for at in range(place, place + 4 * length, 4)
        ]

    def _text(self, place, name):
        length = self._number("<I", place)
        end = place + 4 + length
        if length > _MAX_NAME or self._number("<B", end):
            raise ValueError(
                f"{name}: a string of {length} bytes, or not terminated"
            )
        try:
            return bytes(self._content[place + 4 : end]).decode()
        except UnicodeDecodeError:
            raise ValueError(f"{name}: a string that is not UTF-8") from None

    def check_options(self, place: int, kinds: Iterable[str]) -> None:
        """Checks an operator's options, given the kinds of their slots."""
        self._table(place, [(f"option {n}", k) for n, k in enumerate(kinds)])

"""Damage that knows what it damages: JSON, arrays, tables, bytes.

`Damage` is three numbers, which hypothesis draws and makes smaller; what they
do depends on the value.
"""

import copy
import random
from typing import NamedTuple

import numpy as np
from hypothesis import strategies

from ampose_tf.lifting.untrusted import MAX_FRAME

_MOST = 1 << 20
_LONGEST = 600

NAMES = (
    "score",
    "scores",
    "conf",
    "visibility",
    "keypoints",
    "KeyPoints",
    "keypoints_px",
    "landmarks",
    "people",
    "frames",
    "frame",
    "frame_id",
    "frameIndex",
    "frame_numbers",
    "image_id",
    "file_name",
    "id",
    "idx",
    "track_id",
    "person",
    "x",
    "Y",
    "0",
    "width",
    "image_size",
    "fps",
    "name",
    "class",
    "format",
    "",
    "a\nb",
    "\x1b[31m\u202e",
    "x" * 500,
)

EXTREMES = (
    None,
    True,
    False,
    0,
    -1,
    1e308,
    -1e308,
    10**30,
    10**400,
    2**63,
    # A frame's number and a person's may be as large.
    100_000,
    1_000_000,
    9_999_999,
    MAX_FRAME,
    float("nan"),
    float("inf"),
    -float("inf"),
    0.5,
    1e-320,
    -0.0,
    1_700_000_000,
    "",
    "x",
    "a\nb",
    "\x1b[31m\u202e",
    "y" * 5000,
    "12",
    "1.5e400",
    "\u2028",
    "\ud800",
    "0001.jpg",
    [],
    {},
    [[]],
    [None],
    {"x": 1, "y": 2},
    [1, 2, 3],
    [[1, 2]] * 17,
    [[1, 2, 3]] * 33,
    [0] * 51,
    [[[[[[1]]]]]],
    {"": None},
)


class Damage(NamedTuple):
    """Where, which kind, and which of its forms."""

    place: int
    kind: int
    form: int


DAMAGES = strategies.lists(
    strategies.builds(
        Damage,
        strategies.integers(0, _MOST),
        strategies.integers(0, _MOST),
        strategies.integers(0, _MOST),
    ),
    min_size=1,
    max_size=4,
)


def pick(options, number):
    return options[number % len(options)]


# Of which nothing is read, whatever is in them.
_IRRELEVANT = ("box", "bbox", "meta_info", "categories", "version")


def renamed(value, seed, name):
    """Returns JSON with another name for one field that a reader may read."""
    value = copy.deepcopy(value)
    places = []

    def visit(node):
        if isinstance(node, dict):
            places.extend((node, key) for key in node)
        inner = node.items() if isinstance(node, dict) else enumerate(node)
        for key, one in inner:
            if isinstance(one, (dict, list)) and key not in _IRRELEVANT:
                visit(one)

    visit(value)
    parent, key = places[seed % len(places)]
    # In its place: the order of fields is the file's.
    fields = [(name if k == key else k, v) for k, v in parent.items()]
    parent.clear()
    parent.update(fields)
    return value


def damaged(value, damages):
    """Returns a value as JSON has it, or as pickles do, damaged."""
    holder = [copy.deepcopy(value)]
    for damage in damages:
        parent, key = _place(holder, damage.place)
        pick(_KINDS, damage.kind)(parent, key, damage.form)
        if not holder:
            return None
    return holder[0]


def _place(holder, seed):
    """Returns a node; those nearer to the root matter more."""
    choose = random.Random(seed)
    parent, key = holder, 0
    while True:
        node = parent[key]
        keys = list(node) if isinstance(node, dict) else []
        if isinstance(node, list):
            keys = range(len(node))
        if not keys or choose.random() < (0.03 if parent is holder else 0.2):
            return parent, key
        parent, key = node, choose.choice(keys)


def _extreme(parent, key, form):
    parent[key] = copy.deepcopy(pick(EXTREMES, form))


def _remove(parent, key, form):
    if len(parent) > 1 or form % 4 == 0:
        del parent[key]


def _rename(parent, key, form):
    if isinstance(parent, dict):
        parent[pick(NAMES, form)] = parent.pop(key)
    else:
        _swap(parent, key, form)


def _recase(parent, key, form):
    if isinstance(parent, dict) and isinstance(key, str):
        words = key.split("_")
        other = (
            "".join([words[0], *map(str.title, words[1:])]),
            key.upper(),
            "-".join(words),
            f"{key}s",
            f"_{key} ",
        )
        parent[pick(other, form)] = parent.pop(key)


def _add(parent, key, form):
    if isinstance(parent, dict):
        parent[pick(NAMES, form)] = copy.deepcopy(parent[key])
    else:
        parent.insert(key, copy.deepcopy(parent[key]))


def _swap(parent, key, form):
    other = pick(list(parent) if isinstance(parent, dict) else parent, form)
    if isinstance(parent, list):
        other = form % len(parent)
    parent[key], parent[other] = parent[other], parent[key]


def _nest(parent, key, form):
    value = parent[key]
    parent[key] = pick(
        ([value], {pick(NAMES, form): value}, [[value]], [value, value]), form
    )


def _unnest(parent, key, form):
    value = parent[key]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list) and value:
        parent[key] = pick(value, form)


def _retype(parent, key, form):
    value = parent[key]
    if isinstance(value, dict):
        parent[key] = pick(
            (
                list(value.values()),
                list(value),
                list(map(list, value.items())),
            ),
            form,
        )
    elif isinstance(value, list):
        parent[key] = {str(n): inner for n, inner in enumerate(value)}
    elif isinstance(value, (int, float)):
        number = float(value) if abs(value) < 1e300 else 0.0
        others = (str(value), [value], bool(value), number, -1)
        parent[key] = pick(others, form)
    else:
        parent[key] = pick((0, [value], None), form)


def _scale(parent, key, form):
    factor = pick((-1, 0, 3, 1000, 0.001, 1e300), form)

    def scaled(value):
        if isinstance(value, list):
            return [scaled(inner) for inner in value]
        if isinstance(value, float):
            return value * factor
        return value

    parent[key] = scaled(parent[key])


def _cut(parent, key, form):
    value = parent[key]
    if isinstance(value, (list, str)):
        parent[key] = value[: form % (len(value) + 1)]


def _repeat(parent, key, form):
    value = parent[key]
    if isinstance(value, list) and value:
        times = min(pick((2, 3, 17, 250), form), _LONGEST // len(value))
        parent[key] = [
            copy.deepcopy(inner) for _ in range(times) for inner in value
        ]


def _split(parent, key, form):
    """A flat list as lists of 2, 3, 4 or 17; lists of lists as a flat one."""
    value = parent[key]
    if not isinstance(value, list):
        return
    if value and all(isinstance(inner, list) for inner in value):
        parent[key] = [one for inner in value for one in inner]
    else:
        size = pick((2, 3, 4, 17), form)
        parent[key] = [
            value[start : start + size] for start in range(0, len(value), size)
        ]


_KINDS = (
    _extreme,
    _extreme,
    _remove,
    _rename,
    _rename,
    _recase,
    _add,
    _swap,
    _nest,
    _unnest,
    _retype,
    _scale,
    _cut,
    _repeat,
    _split,
)


_DTYPES = (
    "U3",
    "S5",
    "complex64",
    "bool",
    "float16",
    "int8",
    "uint64",
    ">f4",
    "float64",
    "longdouble",
    "datetime64[s]",
    [("a", "f4"), ("b", "i4")],
)


def damaged_array(array, damage):
    """Returns an array with other values, types or shapes."""
    form = damage.form
    kind = damage.place % 9
    if array.dtype.hasobject:
        value = damaged(array.tolist(), [damage])
        holder = np.empty((), object)
        holder[()] = value
        if kind or not isinstance(value, list):
            return holder
        holder = np.empty(len(value), object)
        holder[:] = value
        return holder
    if kind < 3 and array.size and array.dtype.kind == "f":
        array = array.copy()
        values = (np.nan, np.inf, -np.inf, -1e30, 1e30, -1, 0, 1e6)
        step = pick((1, 3, array.size), damage.kind)
        # Earlier damage may have made it float16.
        with np.errstate(over="ignore"):
            value = np.array(pick(values, damage.kind // 3)).astype(
                array.dtype
            )
        array.flat[form % array.size :: step] = value
        return array
    if kind == 3:
        with np.errstate(all="ignore"):
            other = pick(_DTYPES, form)
            if isinstance(other, list) or array.dtype.kind not in "biuf":
                return np.zeros(array.shape, other)
            return array.astype(other)
    if kind == 4 and array.ndim:
        return array[: form % (len(array) + 1)]
    if kind == 5:
        return pick((array[None], array[..., None], array.ravel()), form)
    if kind == 6:
        return pick(
            (array.T, array.swapaxes(0, -1) if array.ndim else array), form
        )
    if kind == 7 and array.ndim:
        return np.concatenate([array] * (2 + form % 3), form % array.ndim)
    return np.asarray(pick((0, -1, 1e30, "x", True, [], [[1, 2]]), form))


def damaged_members(members, damages):
    """Returns the arrays of an `.npz`, damaged."""
    members = dict(members)
    for damage in damages:
        if not members:
            break
        name = pick(list(members), damage.place)
        kind = damage.kind % 7
        if kind == 0:
            del members[name]
        elif kind == 1:
            # Not what cannot be the name of a file.
            members[pick(NAMES[:28], damage.form)] = members.pop(name)
        elif kind == 2:
            members[pick(NAMES[:28], damage.form)] = members[name]
        else:
            members[name] = damaged_array(members[name], damage)
    return members


def damaged_bytes(content, damages):
    content = bytearray(content)
    for place, kind, form in damages:
        start = place % (len(content) + 1)
        length = 1 + form % 64
        kind %= 6
        if kind == 0:
            del content[start:]
        elif kind == 1:
            del content[start : start + length]
        elif kind == 2:
            content[start:start] = content[start : start + length]
        elif kind == 3:
            content[start:start] = random.Random(form).randbytes(length)
        else:
            for at in range(start, len(content), 1 + form % 997):
                content[at] ^= 1 << form % 8
                if kind == 4:
                    break
    return bytes(content)


def damaged_table(text, damages):
    """Returns a `.csv` with other cells, columns, rows or separators."""
    rows = [line.split(",") for line in text.splitlines()]
    for place, kind, form in damages:
        kind %= 9
        column = form % max(1, len(rows[0]))
        row = place % len(rows)
        if kind == 0 and rows[0]:
            header = rows[0][column]
            others = (
                pick(NAMES, form // 7),
                header.replace("_score", "_conf"),
                header.title(),
                header.replace("_", "."),
                header.removesuffix("_x"),
            )
            rows[0][column] = pick(others, place)
        elif kind == 1 and rows[row]:
            cell = form // 11 % len(rows[row])
            rows[row][cell] = str(pick(EXTREMES[:31], form))
        elif kind == 2:
            rows = [r[:column] + r[column + 1 :] for r in rows]
        elif kind == 3:
            rows = [[*r, *r[column : column + 1]] for r in rows]
        elif kind == 4:
            del rows[max(row, 1) :]
        elif kind == 5:
            rows.insert(row, list(rows[row]))
        elif kind == 6:
            rows[row] = rows[row][:column]
        elif kind == 7:
            rows = [[pick(("", "x", "nan"), form), *r] for r in rows]
        else:
            wide = slice(column, column + 1 + place % 60)
            for cells in rows[1:]:
                cells[wide] = ["" for _ in cells[wide]]
    separator = pick((",", ",", ",", ",", ";", "\t"), damages[0].place)
    end = pick(("\n", "\n", "\r\n", "\r"), damages[0].form)
    text = end.join(separator.join(cells) for cells in rows)
    return text if damages[0].kind % 3 else f'"{text}'

"""Numbers of frames, from what a file calls them.

A number that a field of frames says is the frame's. A name says one if a
single place in it counts: "walk-0044_jpg.rf.<hash>.jpg" is 44. Times are
frames at a constant rate.
"""

import contextlib
import datetime
import itertools
import re
from collections.abc import Collection, Sequence

import numpy as np

from ampose_tf.lifting import untrusted
from ampose_tf.lifting.readers import vocabulary
from ampose_tf.lifting.readers.records import Account

# Frames a second that films have.
_SLOWEST, _FASTEST = 0.5, 1000
# Nanoseconds since 1970 are 2e18.
_LATEST = 1e20
# How much of a step a time may be away from its frame.
_OFF_BEAT = 0.35


def own_numbers(numbers: list[int | None], account: Account) -> list[int]:
    """Returns the frames' own numbers; their places if one has none.

    Raises:
        ValueError: If one is there twice, see also `check_span`.
    """
    if None in numbers:
        if set(numbers) != {None}:
            account.note(
                "Only some frames have a number: they are counted in the "
                "order of the file."
            )
        return list(range(len(numbers)))
    ordered = sorted(numbers)
    for number, following in itertools.pairwise(ordered):
        if number == following:
            raise ValueError(f"frame {number} is there twice")
    check_span(numbers)
    return numbers


def check_span(numbers: Collection[int]) -> None:
    """Checks that different numbers may count the frames of one clip.

    Two frames a year apart would make a film of a year.

    Raises:
        ValueError: If they are too far apart.
    """
    first, last = min(numbers, default=0), max(numbers, default=0)
    strides = set(np.diff(sorted(numbers)).tolist())
    if len(numbers) > 3 and len(strides) == 1 and last <= untrusted.MAX_FRAME:
        return  # A constant stride is time.
    if last - first + 1 > max(untrusted.SPARSE * len(numbers), untrusted.HOUR):
        raise ValueError(
            f"{len(numbers)} frames with numbers from {first} to {last}; "
            "expected those of one clip, counted from its first frame on"
        )


def time_of(
    name: str, value, account: Account
) -> tuple[float | None, float | None]:
    """Returns a time and seconds of its unit, None where they are not said.

    Args:
        name: Of its field or column.
        value: A number, or text: a number, a time of day or a date and one.
        account: Account of the file; told of what is no time.
    """
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = float(value)
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            text = value.strip().replace(",", ".")
            if clock := re.fullmatch(
                r"(?:([0-9]+):)?([0-9]+):([0-9]{2}(?:\.[0-9]+)?)", text
            ):
                hours, minutes, seconds = map(float, clock.groups("0"))
                return 3600 * hours + 60 * minutes + seconds, 1.0
            date = datetime.datetime.fromisoformat(text)
            if date.tzinfo is None:  # Of no matter: the same in all frames.
                date = date.replace(tzinfo=datetime.UTC)
            return date.timestamp(), 1.0
    elif isinstance(value, (int, float)) and abs(value) < _LATEST:
        return float(value), vocabulary.time_unit(name)
    account.note(f"Not used: {name}: {untrusted.brief(value)} is no time.")
    return None, None


def of_images(labels: Sequence[int | str], account: Account) -> list[int]:
    """Numbers the frames of a clip by their images' names or ids.

    If the numbers in them are no count of frames, as ids of photographs are
    not, frames are counted in the order of the numbers, or of the labels.

    Args:
        labels: One for each frame, all different.
        account: Account of the file; told if the numbers are not used.

    Returns:
        Their numbers, all different.
    """
    numbers = _numbers_in(labels)
    if numbers is None:
        if len(labels) > 1:
            account.note(
                "Frames are counted in the order of the file: the names of "
                "their images have no number that counts them."
            )
        return list(range(len(labels)))
    ordered = sorted(numbers)
    span = ordered[-1] - ordered[0] + 1 if ordered else 0
    strides = set(np.diff(ordered).tolist())
    constant = len(ordered) > 2 and len(strides) == 1
    if max(ordered, default=0) <= untrusted.MAX_FRAME and (
        constant or span <= untrusted.SPARSE * len(numbers)
    ):
        return numbers
    account.note(
        "Frames are counted in the order of their images' numbers, which are "
        f"too far apart to be frames ({ordered[0]} to {ordered[-1]})."
    )
    rank = {number: place for place, number in enumerate(ordered)}
    return [rank[number] for number in numbers]


def of_name(label: int | str) -> int | None:
    """Returns the last number in one name of an image, or None.

    Of a single name there is no telling which of its numbers counts.
    """
    if isinstance(label, int):
        return label if label >= 0 else None
    numbers = _last(_table([label]))
    return numbers[0] if numbers else None


def of_times(
    times: Sequence[float], unit: float | None, account: Account
) -> tuple[list[int], float | None]:
    """Numbers frames by their times.

    Args:
        times: One for each frame.
        unit: Seconds of their unit; None to tell it by the rate that follows.
        account: Account of the file.

    Returns:
        Frame numbers from 0 on, and frames a second; None if the times have
        no constant rate, whose frames are counted in their order.
    """
    order = np.argsort(times, kind="stable")
    rank = np.empty(len(times), np.int64)
    rank[order] = np.arange(len(times))
    ordered = np.asarray(times, np.float64)[order]
    steps = np.diff(ordered)
    step = float(np.median(steps)) if len(steps) else 0.0
    if step <= 0 or not np.isfinite(ordered).all() or (steps <= 0).any():
        return rank.tolist(), None
    # The step of frames that follow each other, to a fraction.
    close = steps[steps < 1.5 * step]
    step = float(close.mean())
    fps = rate_of(step, unit)
    if fps is None:
        return rank.tolist(), None
    places = (ordered - ordered[0]) / step
    numbers = np.rint(places)
    if (
        np.abs(places - numbers).max() > _OFF_BEAT
        or (np.diff(numbers) < 1).any()
        or numbers[-1] > untrusted.MAX_FRAME
    ):
        account.note(
            f"The frames' times are uneven, about {fps:.3g} a second: frames "
            "are counted in their order."
        )
        return rank.tolist(), fps
    found = numbers[rank].astype(np.int64).tolist()
    return found, fps


def rate_of(step: float, unit: float | None) -> float | None:
    """Returns the frames a second of a step in time.

    Args:
        step: From a frame to the next.
        unit: Seconds of its unit; None to try milliseconds, seconds,
            microseconds and nanoseconds.

    Returns:
        None if no film has as many.
    """
    for seconds in (unit,) if unit else (1e-3, 1.0, 1e-6, 1e-9):
        if step > 0 and _SLOWEST <= 1 / (step * seconds) <= _FASTEST:
            return 1 / (step * seconds)
    return None


def _numbers_in(labels):
    """Returns the numbers that count the frames of these labels, or None."""
    if all(isinstance(label, int) for label in labels):
        return list(labels) if min(labels, default=0) >= 0 else None
    table = _table([str(label) for label in labels])
    if len({len(fields) for fields in table}) != 1:
        return _last(table)
    varying = [
        column
        for column in zip(*table, strict=True)
        if len(set(column)) > 1 and all(isinstance(f, int) for f in column)
    ]
    if len(table) == 1:
        return _last(table)
    if len(varying) == 1 and len(set(varying[0])) == len(labels):
        return list(varying[0])
    # A date and a time, or a clip and a frame: in the order of them all.
    rows = list(zip(*varying, strict=True))
    if len(set(rows)) < len(labels):
        _refuse_several(labels, table, rows)
        return None
    rank = {row: place for place, row in enumerate(sorted(rows))}
    return [rank[row] for row in rows]


def _refuse_several(labels, table, rows):
    """Raises ValueError if images are of several clips, each with a word.

    As "a/001.jpg" and "b/001.jpg" are: the numbers come again under another
    word, and never under the same.
    """
    clips = [
        tuple(part for part in parts if isinstance(part, str))
        for parts in table
    ]
    if len(set(clips)) <= len(clips) / 2 and len(
        set(zip(clips, rows, strict=True))
    ) == len(rows):
        again = next(p for p, row in enumerate(rows) if row in rows[:p])
        one, two = labels[rows.index(rows[again])], labels[again]
        raise ValueError(
            f"images of several clips, as {untrusted.brief(one)} and "
            f"{untrusted.brief(two)}; expected one a file: save each on its "
            "own"
        )


def _last(table):
    """Returns the last numbers of names that are not of one pattern."""
    numbers = [[f for f in fields if isinstance(f, int)] for fields in table]
    if not all(numbers):
        return None
    last = [found[-1] for found in numbers]
    return last if len(set(last)) == len(last) else None


def _table(names):
    """Returns the parts of names, numbers as int; hashes are left out."""
    table = []
    for name in names:
        stem = name.rsplit(".", 1)[0] if "." in name[1:] else name
        table.append(re.split(r"[\W_]+", stem))
    if len(set(map(len, table))) == 1:
        # Now and then a hash looks like a number; those beside it do not.
        columns = [
            column
            for column in zip(*table, strict=True)
            if not any(map(_is_hash, column))
        ]
        table = list(zip(*columns, strict=True)) or [()] * len(names)
    return [
        [
            int(part) if part.isdecimal() and len(part) <= 18 else part
            for word in words
            if not _is_hash(word)
            for part in re.findall(r"[0-9]+|[^0-9]+", word)
        ]
        for words in table
    ]


def _is_hash(word):
    """Whether a word is a hash or a UUID's part: letters among digits."""
    if len(word) < 8 or not re.fullmatch(r"[0-9a-fA-F]+", word):
        return len(word) >= 16 and bool(
            re.fullmatch(r"[0-9a-zA-Z]+", word)
            and len(re.findall(r"[0-9]+", word)) > 3
        )
    return len(word) in (32, 40, 64) or len(re.findall("[0-9]+", word)) > 1

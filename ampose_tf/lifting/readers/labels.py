"""Numbers frames by their labels in a file.

A field with frame numbers is used as it is. In names of images, the part that
counts is the number: "walk-0044_jpg.rf.<hash>.jpg" is 44. Times are converted
to numbers at a constant rate.
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

# Plausible frame rates of films.
_SLOWEST, _FASTEST = 0.5, 1000
# For comparison, nanoseconds since 1970 are 2e18.
_LATEST = 1e20
# The distance of a time from its frame, as a share of a step.
_OFF_BEAT = 0.35


def own_numbers(numbers: list[int | None], account: Account) -> list[int]:
    """Returns the frames' numbers; their indices if any number is missing.

    Raises:
        ValueError: If a number occurs twice, see also `check_span`.
    """
    if None in numbers:
        if set(numbers) != {None}:
            account.note(
                "Only some frames have a number: they are numbered in the "
                "order of the file."
            )
        return list(range(len(numbers)))
    ordered = sorted(numbers)
    for number, following in itertools.pairwise(ordered):
        if number == following:
            raise ValueError(f"frame {number} occurs twice")
    check_span(numbers)
    return numbers


def check_span(numbers: Collection[int]) -> None:
    """Checks that different numbers can be those of one clip's frames.

    Numbers that are far apart would create a clip of enormous length.

    Raises:
        ValueError: If the numbers are too far apart.
    """
    first, last = min(numbers, default=0), max(numbers, default=0)
    strides = set(np.diff(sorted(numbers)).tolist())
    if len(numbers) > 3 and len(strides) == 1 and last <= untrusted.MAX_FRAME:
        return  # With a constant stride, the numbers count time.
    if last - first + 1 > max(untrusted.SPARSE * len(numbers), untrusted.HOUR):
        raise ValueError(
            f"{len(numbers)} frames with numbers from {first} to {last}; "
            "expected the frames of one clip, counted from its first frame"
        )


def time_of(
    name: str, value, account: Account
) -> tuple[float | None, float | None]:
    """Returns a time and its unit in seconds; None if unknown.

    Args:
        name: Name of the field or column.
        value: A number, or text that is a number, a time of day, or a date
            with a time of day.
        account: Account of the file; a value that is not a time is noted.
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
            if date.tzinfo is None:  # Any zone will do for all frames.
                date = date.replace(tzinfo=datetime.UTC)
            return date.timestamp(), 1.0
    elif isinstance(value, (int, float)) and abs(value) < _LATEST:
        return float(value), vocabulary.time_unit(name)
    account.note(f"Not used: {name}: {untrusted.brief(value)} is not a time.")
    return None, None


def of_images(labels: Sequence[int | str], account: Account) -> list[int]:
    """Numbers the frames of a clip by the names or ids of their images.

    If these contain no frame numbers, as ids of photographs, frames are
    numbered in the order of the numbers in them, or in the order of the file.

    Args:
        labels: One for each frame, all different.
        account: Account of the file; it is noted if the numbers are not used.

    Returns:
        The frames' numbers, all different.
    """
    numbers = _numbers_in(labels)
    if numbers is None:
        if len(labels) > 1:
            account.note(
                "Frames are numbered in the order of the file, because the "
                "names of their images contain no frame number."
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
        "Frames are numbered in the order of their images' numbers, which are "
        f"too far apart to be frame numbers ({ordered[0]} to {ordered[-1]})."
    )
    rank = {number: place for place, number in enumerate(ordered)}
    return [rank[number] for number in numbers]


def of_name(label: int | str) -> int | None:
    """Returns the last number in the name of a single image, or None.

    From a single name one cannot tell which of its numbers counts frames.
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
        unit: Their unit in seconds; None to detect it from the resulting
            frame rate.
        account: Account of the file.

    Returns:
        Frame numbers from 0 on, in the order of the times if these have no
        constant rate; and frames per second, None if it is unknown.
    """
    order = np.argsort(times, kind="stable")
    rank = np.empty(len(times), np.int64)
    rank[order] = np.arange(len(times))
    ordered = np.asarray(times, np.float64)[order]
    steps = np.diff(ordered)
    step = float(np.median(steps)) if len(steps) else 0.0
    if step <= 0 or not np.isfinite(ordered).all() or (steps <= 0).any():
        return rank.tolist(), None
    # The mean step between consecutive frames.
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
            f"The frames' times are uneven, about {fps:.3g} per second: "
            "frames are numbered in the order of their times."
        )
        return rank.tolist(), fps
    found = numbers[rank].astype(np.int64).tolist()
    return found, fps


def rate_of(step: float, unit: float | None) -> float | None:
    """Returns the frame rate for a step in time.

    Args:
        step: Time from a frame to the next.
        unit: Unit of the step in seconds; None to try milliseconds, seconds,
            microseconds and nanoseconds.

    Returns:
        Frames per second; None if it is not a plausible rate.
    """
    for seconds in (unit,) if unit else (1e-3, 1.0, 1e-6, 1e-9):
        if step > 0 and _SLOWEST <= 1 / (step * seconds) <= _FASTEST:
            return 1 / (step * seconds)
    return None


def _numbers_in(labels):
    """Returns the frame numbers in these labels, or None."""
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
    # A date and a time, or a clip and a frame: sorted by all of them.
    rows = list(zip(*varying, strict=True))
    if len(set(rows)) < len(labels):
        _refuse_several(labels, table, rows)
        return None
    rank = {row: place for place, row in enumerate(sorted(rows))}
    return [rank[row] for row in rows]


def _refuse_several(labels, table, rows):
    """Raises ValueError if the images' names belong to several clips.

    For example "a/001.jpg" and "b/001.jpg": the same number occurs with
    different words, and never with the same word.
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
            f"images of several clips, such as {untrusted.brief(one)} and "
            f"{untrusted.brief(two)}; expected one clip per file: save each "
            "clip to its own file"
        )


def _last(table):
    """Returns the last number in each name, for names without a pattern."""
    numbers = [[f for f in fields if isinstance(f, int)] for fields in table]
    if not all(numbers):
        return None
    last = [found[-1] for found in numbers]
    return last if len(set(last)) == len(last) else None


def _table(names):
    """Splits names into parts, numbers as int; hashes are left out."""
    table = []
    for name in names:
        stem = name.rsplit(".", 1)[0] if "." in name[1:] else name
        table.append(re.split(r"[\W_]+", stem))
    if len(set(map(len, table))) == 1:
        # A hash may look like a number, but then others in its column do not.
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
    """Whether a word is a hash or part of a UUID: letters among digits."""
    if len(word) < 8 or not re.fullmatch(r"[0-9a-fA-F]+", word):
        return len(word) >= 16 and bool(
            re.fullmatch(r"[0-9a-zA-Z]+", word)
            and len(re.findall(r"[0-9]+", word)) > 3
        )
    return len(word) in (32, 40, 64) or len(re.findall("[0-9]+", word)) > 1

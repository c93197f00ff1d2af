"""Numbers of frames by hand-known times."""

import math

import numpy as np
import pytest

from ampose_tf.lifting.blazepose import timing


def numbered(times, rates=()):
    found = timing.number(times, rates)
    assert found.numbers.dtype == np.int64
    return found.numbers.tolist(), found.fps, found.uneven


@pytest.mark.parametrize(
    ("said", "meant"),
    [(25, 25), (29.97, 30 / 1.001), (23.98, 24 / 1.001), (59.94, 60 / 1.001)],
)
def test_rates_that_files_say(said, meant):
    """Two decimals are said; after an hour that is some frames."""
    count = np.arange(100_000, 100_013)
    assert numbered(count / meant, [said]) == (
        count.tolist(),
        pytest.approx(meant, rel=1e-12),
        0,
    )


def test_times_that_are_rounded():
    """To the thousandth, as Matroska's are; two are missing."""
    count = np.array([0, 1, 2, 4, 5, 7, 8, 9])
    times = np.round(count / 59.94, 3)
    assert numbered(times, [52.1, 59.94])[:2] == (
        count.tolist(),
        pytest.approx(59.94, rel=1e-4),
    )


def test_a_mean_is_not_the_rate():
    """Ten frames at 30 a second, of which every third is missing."""
    count = np.array([0, 1, 3, 4, 6, 7, 9, 10, 12, 13])
    numbers, fps, uneven = numbered(count / 30, [20.77])
    assert (numbers, uneven) == (count.tolist(), 0)
    assert fps == pytest.approx(30, rel=1e-9)


def test_times_of_a_phone_in_the_dark():
    """Its rate falls from 30 to 24 a second half-way."""
    times = np.concatenate([np.arange(60) / 30, 2 + np.arange(48) / 24])
    found = timing.number(times, [27.0])
    assert (np.diff(found.numbers) > 0).all()
    off = np.abs(found.numbers / found.fps - times)
    assert off.max() <= 0.5 / found.fps + 1e-9 and found.uneven == 0


def test_frames_too_near_to_each_other_keep_their_order():
    """Of a burst, numbers run ahead of times, and the note says so."""
    times = np.concatenate([np.arange(300) / 25, 12 + np.arange(3) / 1000])
    numbers, fps, uneven = numbered(times, [])
    assert numbers == list(range(303)) and fps == pytest.approx(25, rel=1e-3)
    assert uneven == 2


def test_times_that_run_backwards_or_are_unknown():
    """Two parts one after the other; the second begins at 0 once more."""
    times = np.concatenate([np.arange(50) / 25, np.arange(40) / 25])
    numbers, fps, uneven = numbered(times, [])
    assert numbers == list(range(90)) and fps == pytest.approx(25)
    assert uneven == 40
    times[49:] = np.arange(49, 90) / 25
    times[[7, 60]] = math.nan
    assert numbered(times, [19]) == (list(range(90)), pytest.approx(25), 0)


def test_the_first_frame_of_a_part():
    assert numbered([2.0, 2.04, 2.08], [25])[0] == [50, 51, 52]


@pytest.mark.parametrize(
    ("times", "rates", "expected"),
    [
        ([math.nan] * 3, [], ([0, 1, 2], None, 0)),
        ([math.nan] * 3, [25], ([0, 1, 2], 25, 0)),
        ([0.0], [], ([0], None, 0)),
        ([0.4], [25], ([10], 25, 0)),
        # All at once.
        ([0.0, 0.0, 0.0], [], ([0, 1, 2], None, 0)),
        # What cannot be is not taken.
        ([0.0, 0.5], [0, 1e9, math.nan], ([0, 1], 2, 0)),
    ],
)
def test_what_little_is_known(times, rates, expected):
    assert numbered(times, rates) == expected


def test_no_rate_is_beyond_all_bounds():
    numbers, fps, _ = numbered([0.0, 1e-7, 2e-7], [])
    assert numbers == [0, 1, 2] and fps == 10_000

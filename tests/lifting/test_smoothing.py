"""Smoothing: lag, gain, gaps, and stream against batch."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ampose_tf.lifting.smoothing import METHODS, Butterworth, OneEuro, smooth
from tests.lifting.filmed import film, only

FPS = 30.0
BOTH = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


def noise(frames, *shape, seed=0):
    return np.random.default_rng(seed).normal(size=(frames, *shape))


@BOTH
@pytest.mark.parametrize("frames", [1, 2, 3, 11, 40])
def test_constant_stays(method, frames):
    points = np.full((frames, 5, 3), 0.7, np.float32)
    smoothed = method(points, np.arange(frames), FPS)
    np.testing.assert_allclose(smoothed, points, rtol=1e-6)
    assert smoothed.dtype == np.float32


@BOTH
def test_direction_of_axes_does_not_matter(method):
    points = noise(23, 5, 3)
    turn = Rotation.from_euler("xyz", [0.3, 1.1, -2]).as_matrix()
    frames = np.arange(23)
    np.testing.assert_allclose(
        method(points @ turn.T, frames, FPS),
        method(points, frames, FPS) @ turn.T,
        atol=1e-12,
    )


def test_butterworth_passes_half_the_power_at_its_cutoff():
    time = np.arange(600) / FPS
    for order in (2, 4, 8):
        smoothed = Butterworth(6.0, order)(
            np.sin(2 * np.pi * 6 * time)[:, None], np.arange(600), FPS
        )[100:500, 0]
        assert smoothed.std() == pytest.approx(0.5, rel=1e-3)


def test_butterworth_does_not_lag():
    """What runs backwards comes out backwards; a steady walk as it is."""
    points, frames = noise(151, 2, 3), np.arange(151)
    method = Butterworth(5.0)
    np.testing.assert_allclose(
        method(points[::-1], frames, FPS)[50:-50],
        method(points, frames, FPS)[::-1][50:-50],
        atol=1e-12,
    )
    walk = frames[:, None] * np.array([0.1, 0, -0.3])
    np.testing.assert_allclose(method(walk, frames, FPS), walk, atol=1e-6)
    step = (np.arange(101) >= 50).astype(float)[:, None]
    smoothed = method(step, np.arange(101), FPS)[:, 0]
    # Symmetrical about the step, which lies between frames 49 and 50.
    np.testing.assert_allclose(
        smoothed[50:90], 1 - smoothed[10:50][::-1], atol=1e-6
    )


def test_butterworth_reduces_noise_as_its_gain_says():
    """White noise keeps the mean of the squared gain over all frequencies."""
    cutoff, order, frames = 4.0, 4, 40_000
    frequency = (np.arange(2000) + 0.5) / 2000 * FPS / 2
    bent = np.tan(np.pi * frequency / FPS) / np.tan(np.pi * cutoff / FPS)
    # Twice second order, together at half power where bent is 1.
    gain = 1 / (1 + (np.sqrt(2) - 1) * bent**order)
    smoothed = Butterworth(cutoff, order)(
        noise(frames, 3), np.arange(frames), FPS
    )
    assert smoothed.var() == pytest.approx((gain**2).mean(), rel=0.03)
    assert smoothed.var() < 0.3


def test_butterworth_smooths_segments_by_themselves():
    points = noise(20, 2, 3)
    frames = np.array([*range(4, 13), *range(20, 30), 40])
    method = Butterworth(5.0)
    smoothed = method(points, frames, FPS)
    for part in (slice(0, 9), slice(9, 19), slice(19, 20)):
        alone = method(points[part], np.arange(20)[part], FPS)
        np.testing.assert_array_equal(smoothed[part], alone)
    np.testing.assert_allclose(smoothed[-1], points[-1], rtol=1e-12)


def test_every_other_frame_is_half_the_rate():
    points = noise(20, 3)
    np.testing.assert_array_equal(
        Butterworth(5.0)(points, np.arange(3, 43, 2), 2 * FPS),
        Butterworth(5.0)(points, np.arange(20), FPS),
    )
    with pytest.raises(ValueError, match="half of 10 frames per second"):
        Butterworth(5.0)(points, np.arange(0, 60, 3), FPS)


def test_one_euro_streams_what_it_gives_in_one_go():
    points = noise(29, 4, 3).astype(np.float32)
    frames = np.cumsum(np.random.default_rng(1).integers(1, 4, 29))
    method = OneEuro()
    stream = method.stream()
    streamed = [
        stream(p, f / FPS).astype(np.float32)
        for p, f in zip(points, frames, strict=True)
    ]
    np.testing.assert_array_equal(method(points, frames, FPS), streamed)


def one_euro_as_printed(values, rate, min_cutoff, beta, derivative_cutoff):
    """Algorithm 1 of the paper, for one coordinate."""

    def alpha(cutoff):
        tau = 1 / (2 * np.pi * cutoff)
        return 1 / (1 + tau * rate)

    filtered, last, derivative = [], None, 0.0
    for value in values:
        if last is None:
            last = value
        else:
            weight = alpha(derivative_cutoff)
            derivative = (
                weight * (value - last) * rate + (1 - weight) * derivative
            )
            weight = alpha(min_cutoff + beta * abs(derivative))
            last = weight * value + (1 - weight) * last
        filtered.append(last)
    return filtered


def test_one_euro_is_the_papers():
    values = noise(37)
    method = OneEuro(1.5, 0.7, 2.0)
    np.testing.assert_allclose(
        method(values[:, None], np.arange(0, 111, 3), FPS)[:, 0],
        one_euro_as_printed(values, FPS / 3, 1.5, 0.7, 2.0),
        rtol=1e-12,
    )


def test_one_euro_approaches_a_step():
    """Without beta, a first-order low-pass: 1 - (1 - a)^n."""
    step = np.array([0.0, *[1] * 12])[:, None]
    weight = 1 / (1 + FPS / (2 * np.pi * 2.0))
    smoothed = OneEuro(2.0, 0.0)(step, np.arange(13), FPS)[:, 0]
    np.testing.assert_allclose(
        smoothed, 1 - (1 - weight) ** np.arange(13), rtol=1e-12
    )
    # With it, the step is followed sooner.
    sooner = OneEuro(2.0, 5.0)(step, np.arange(13), FPS)[:, 0]
    assert (sooner[1:] > smoothed[1:]).all() and sooner[3] > 0.9


def test_one_euro_reduces_noise_as_its_weight_says():
    """A first-order low-pass of weight a keeps a / (2 - a) of variance."""
    weight = 1 / (1 + FPS / (2 * np.pi * 1.0))
    smoothed = OneEuro(1.0, 0.0)(noise(20_000, 3), np.arange(20_000), FPS)
    assert smoothed[100:].var() == pytest.approx(
        weight / (2 - weight), rel=0.05
    )


def test_one_euro_starts_anew_after_a_pause():
    points = noise(8, 3)
    frames = np.array([0, 1, 2, 17, 33, 34, 35, 36])
    smoothed = OneEuro()(points, frames, FPS)
    # 15 frames are half a second, 16 are more.
    assert not np.allclose(smoothed[3], points[3])
    np.testing.assert_array_equal(smoothed[4], points[4])
    np.testing.assert_array_equal(
        smoothed[4:], OneEuro()(points[4:], frames[4:], FPS)
    )
    stream = OneEuro().stream()
    stream(points[0], 1.0)
    with pytest.raises(ValueError, match="later frame"):
        stream(points[1], 1.0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: OneEuro(min_cutoff_hz=0),
        lambda: OneEuro(derivative_cutoff_hz=-1),
        lambda: OneEuro(beta_per_m=-1),
        lambda: Butterworth(cutoff_hz=0),
        lambda: Butterworth(order=3),
        lambda: Butterworth(order=0),
    ],
)
def test_settings_are_checked(make):
    with pytest.raises(ValueError, match="Expected"):
        make()


@BOTH
def test_motion_is_smoothed(method):
    motion = film(frames=41).motion
    (true,) = motion.tracks
    shaken = true._replace(
        poses_3d=true.poses_3d + 0.02 * noise(41, 17, 3),
        root=true.root + 0.02 * noise(41, 3, seed=1),
    )
    shaky = dataclasses.replace(motion, tracks=(shaken,))
    (smoothed,) = smooth(shaky, method).tracks

    def jitter(track, name):
        error = getattr(track, name) - getattr(true, name)
        return np.diff(error, 2, axis=0).std()

    for name in ("poses_3d", "root"):
        assert jitter(smoothed, name) < 0.5 * jitter(shaken, name)
    np.testing.assert_array_equal(smoothed.keypoints_px, true.keypoints_px)
    assert type(method).__name__ in smooth(shaky, method).notes[0]
    rootless = dataclasses.replace(
        motion, tracks=(shaken._replace(root=None),)
    )
    assert smooth(rootless, method).tracks[0].root is None
    timeless, assumed = (
        smooth(dataclasses.replace(shaky, fps=fps), method).tracks[0].poses_3d
        for fps in (None, 30.0)
    )
    np.testing.assert_array_equal(timeless, assumed)


def test_notes_count_what_was_smoothed():
    (track,) = film(frames=41).motion.tracks
    track = track._replace(poses_3d=track.poses_3d + 0.02 * noise(41, 17, 3))
    passing = only(track._replace(track_id=8), [3, 20])
    motion = dataclasses.replace(
        film(frames=41).motion, tracks=(track, passing)
    )
    assert smooth(motion, Butterworth()).notes[0].startswith("41 of 43 poses")
    # Its first frame a causal filter leaves as it is.
    assert smooth(motion, OneEuro()).notes[0].startswith("40 of 43 poses")
    # At half a frame per second every frame is a stream's first.
    slow = dataclasses.replace(motion, fps=0.5)
    (note,) = smooth(slow, OneEuro()).notes
    assert note.startswith("No pose is smoothed")


def test_whoever_is_there_now_and_then_stays_as_they_are():
    """A frame rate of 30 / 17 is that person's, not the clip's."""
    motion = film(frames=41).motion
    (track,) = motion.tracks
    passing = only(track._replace(track_id=8), [3, 20])
    both = dataclasses.replace(motion, tracks=(track, passing))
    smoothed = smooth(both, Butterworth())
    np.testing.assert_array_equal(
        smoothed.tracks[1].poses_3d, passing.poses_3d
    )
    alone = smooth(motion, Butterworth()).tracks[0]
    np.testing.assert_array_equal(smoothed.tracks[0].poses_3d, alone.poses_3d)
    with pytest.raises(ValueError, match="half of"):
        smooth(dataclasses.replace(motion, tracks=(passing,)), Butterworth())

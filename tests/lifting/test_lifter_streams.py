"""The facade, frame by frame."""

import dataclasses
import gc
import itertools
import json
import tracemalloc

import numpy as np
import pytest

from ampose_tf import weights
from ampose_tf.lifting import Lifter, results, smoothing
from ampose_tf.skeleton import H36M_17
from tests import clips
from tests.lifting.filmed import film, only


def stream_lines(frames=5):
    results = [clips.openpose_frames()[f % 5] for f in range(frames)]
    return [json.dumps(frame) for frame in results]


def test_a_stream_is_the_clip(able_lifter, tmp_path):
    """Frame by frame, roots and all, except for what needs the clip."""
    text = stream_lines()
    (tmp_path / "clip.jsonl").write_text("\n".join(text))
    options = {"image_size": (640, 480), "field_of_view_deg": 70}
    clip = able_lifter(tmp_path / "clip.jsonl", **options)
    answers = list(able_lifter.stream(text, **options))
    assert [number for number, _ in answers] == [0, 1, 2, 3, 4]
    for number, motion in answers:
        for track, whole in zip(motion.tracks, clip.tracks, strict=True):
            assert track.frames.tolist() == [number]
            assert track.track_id == whole.track_id
            for name in ("poses_3d", "root", "spread_m", "keypoints_px"):
                np.testing.assert_allclose(
                    getattr(track, name)[0],
                    getattr(whole, name)[number],
                    atol=1e-4,
                )


def test_a_smoothed_stream_is_the_smoothed_clip(tmp_path):
    text = [*stream_lines()[:2], "null", *stream_lines()[2:]]
    (tmp_path / "clip.jsonl").write_text("\n".join(text))
    lift = Lifter(weights.AMPOSE_T, smooth="one_euro")
    clip = lift(tmp_path / "clip.jsonl", image_size=(640, 480), fps=30)
    answers = dict(lift.stream(text, (640, 480), fps=30))
    assert answers[2].tracks == ()
    for person in (0, 1):
        whole = clip.tracks[person]
        for place, frame in enumerate(whole.frames):
            track = answers[frame].tracks[person]
            for name in ("poses_3d", "root"):
                np.testing.assert_allclose(
                    getattr(track, name)[0],
                    getattr(whole, name)[place],
                    atol=1e-4,
                )
    note = "The frame rate is unknown"
    assert answers[0].fps == 30
    assert not any(note in said for said in answers[0].notes)
    first = next(lift.stream(text, (640, 480)))[1]
    assert first.fps is None
    assert any(note in said for said in first.notes)
    raw = Lifter(weights.AMPOSE_T)
    assert next(raw.stream(text, (640, 480)))[1].fps is None


def test_a_stream_forgets_who_is_gone():
    settings = smoothing.OneEuro()
    stream = smoothing.MotionStream(settings)
    motion = film(frames=90).motion
    (track,) = motion.tracks
    for frame in range(90):
        now = only(track, [frame])._replace(track_id=frame)
        stream(dataclasses.replace(motion, tracks=(now,)), frame)
    # At 50 frames per second, half a second and the present.
    assert len(stream._people) == 26


def test_a_stream_keeps_nothing(lifter):
    values = map(json.dumps, itertools.cycle(clips.openpose_frames()))
    answers = lifter.stream(values, (640, 480))
    for _ in range(30):  # By then, everything that is kept has been made.
        next(answers)
    tracemalloc.start()
    next(answers)
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(60):
        next(answers)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    # Two people's motion is some 5,000 bytes a frame.
    assert grown < 60_000


def test_answers_are_lines_of_json(seeing_lifter):
    text = ["null", *stream_lines(2)]
    answers = seeing_lifter.stream(text, (640, 480))
    written = [
        results.answer(motion, number, number == 0)
        for number, motion in answers
    ]
    assert not any("\n" in line for line in written)
    nobody, first, second = (json.loads(line) for line in written)
    assert nobody["people"] == [] and nobody["units"] == "metres"
    assert nobody["joint_names"] == list(H36M_17.joints)
    assert set(second) == {"frame_number", "people"}
    assert [a["frame_number"] for a in (nobody, first, second)] == [0, 1, 2]
    person = second["people"][1]
    assert person["track_id"] == 1
    _, motion = list(seeing_lifter.stream(text, (640, 480)))[-1]
    track = motion.tracks[1]
    for name, expected in (
        ("poses_3d", track.poses_3d[0]),
        ("root_position", track.root[0]),
        ("keypoints_px", track.keypoints_px[0]),
        ("spread_m", track.spread_m[0]),
        ("scores", track.scores[0]),
    ):
        np.testing.assert_allclose(person[name], expected, atol=1e-6)
    assert person["seen"] == [True] * 17
    # Without a root and without a spread, null.
    bare = track._replace(root=None, spread_m=np.full((1, 17), np.nan))
    bare = dataclasses.replace(motion, tracks=(bare,))
    person = json.loads(results.answer(bare, 2, False))["people"][0]
    assert person["root_position"] is None
    assert person["spread_m"] == [None] * 17


def test_what_is_refused_of_a_stream(lifter, deaf_model):
    def refuse(message, lift=lifter, text=(), size=(640, 480), **options):
        with pytest.raises(ValueError, match=message):
            list(lift.stream(text, size, **options))

    refuse("--image_size=WIDTHxHEIGHT", size=None)
    refuse("expected a width and height", size=(0, 5))
    refuse("fps: expected frames per second", fps=0)
    refuse("line 2: not JSON", text=[*stream_lines(1), "x"])
    smoothed = Lifter(deaf_model, smooth="butterworth")
    refuse("Butterworth needs the whole clip", smoothed)

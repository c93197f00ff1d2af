"""Bodies that are there twice, mixed up, or frames that are people."""

import time

import numpy as np
import pytest

from ampose_tf.lifting import doctor
from ampose_tf.lifting.keypoints import Keypoints, Track
from benchmarks import damages
from benchmarks.mixups import MIXUPS
from tests.lifting.doctor.examined import at_frames, filmed_clip, kinds


def two_people(frames=20):
    """Returns people who stand beside each other by 250 pixels."""
    clip = filmed_clip(skeleton="COCO-17", frames=frames)
    (track,) = clip.tracks
    beside = track._replace(
        track_id=1, pixels=track.pixels[::-1] + np.float32([250, 0])
    )
    return clip._replace(tracks=(track, beside))


def finding(clip, kind):
    (found,) = [f for f in doctor.examine(clip) if f.kind == kind]
    return found


def test_two_people_are_two():
    clip = two_people()
    assert kinds(clip) == []
    # They walk through each other, and are alike in two frames of twenty.
    first, second = clip.tracks
    towards = np.linspace(0, -500, 20)[:, None, None] * np.array([1, 0])
    crossing = second._replace(pixels=np.float32(second.pixels + towards))
    assert "duplicates" not in kinds(clip._replace(tracks=(first, crossing)))


def test_a_body_that_is_there_twice_is_named():
    clip = two_people()
    again = clip.tracks[1]._replace(track_id=7)
    again = again._replace(pixels=again.pixels + np.float32([3, -4]))
    found = finding(clip._replace(tracks=(*clip.tracks, again)), "duplicates")
    assert found.sentence.startswith("persons 1 and 7 are the same body")
    assert found.certainty == doctor.LIKELY


def test_one_body_in_two_tracks():
    (track,) = filmed_clip(frames=20).tracks
    clip = filmed_clip(frames=20)

    def split(first):
        return clip._replace(
            tracks=tuple(
                Track(number, *(part[rows] for part in track[1:]))
                for number, rows in ((0, first), (1, ~first))
            )
        )

    found = finding(split(np.arange(20) // 5 % 2 == 0), "duplicates")
    assert "switches between two tracks" in found.sentence
    # A person who is lost once and found again has two tracks, and is not
    # said to be wrong.
    assert kinds(split(np.arange(20) < 9)) == []


def test_ghosts_are_few_and_doubtful():
    clip = two_people()
    first, second = clip.tracks
    rows = slice(4, 6)
    ghost = Track(2, second.frames[rows], second.pixels[rows] - 100, None)

    def with_ghost(score, track=ghost):
        scores = np.full(track.pixels.shape[:2], score, np.float32)
        return clip._replace(
            tracks=(first, second, track._replace(scores=scores))
        )

    found = finding(with_ghost(0.2), "duplicates")
    assert found.sentence.startswith("person 2 is in few frames")
    assert found.certainty == doctor.POSSIBLE
    assert kinds(with_ghost(0.9)) == []
    # The detector doubts all joints of a person far away, but always.
    away = second._replace(track_id=2, pixels=second.pixels - 100)
    assert "duplicates" not in kinds(with_ghost(0.32, away))


def test_two_people_in_one_track():
    clip = two_people()
    first, second = (track.pixels for track in clip.tracks)

    def mixed(second_rows):
        pixels = first.copy()
        pixels[second_rows] = second[second_rows]
        return damages.one_person(pixels, "COCO-17", clip.image_size)

    for rows in (slice(1, None, 2), [3, 4, 5, 9, 10, 11, 16, 17]):
        found = finding(mixed(rows), "mixed_tracks")
        assert "jumps back and forth between two bodies" in found.sentence
    # A detector's slips are shorter; what leaves for good is a jump.
    assert "mixed_tracks" not in kinds(mixed([5, 12]))
    assert kinds(mixed(slice(11, None))) == ["missing_frames"]


def test_a_slow_camera_shows_large_steps_of_one_body():
    """Two pictures a second of a person who walks to and fro."""
    clip = filmed_clip(frames=20)
    away = 300 * np.abs((np.arange(20) + 5) % 10 - 5) / 5
    moved = damages.moved(
        clip, lambda pixels: pixels + away[:, None, None] * [1.0, 0.0]
    )
    assert not {"mixed_tracks", "frames_or_people"} & set(kinds(moved))


def test_frames_as_people_and_people_as_frames():
    clip = two_people()
    random = np.random.default_rng(3)
    (one,) = (at_frames(clip._replace(tracks=clip.tracks[:1]), range(20)),)
    for (kind, what), change in MIXUPS.items():
        if kind == "frames_or_people":
            assert kind in kinds(change(one, random)), what
    as_people = MIXUPS["frames_or_people", "20 frames of two as people"]
    assert "40 people of one frame seem to be 2 bodies" in (
        finding(as_people(one, random), "frames_or_people").sentence
    )
    # Five people beside each other are people.
    (track,) = one.tracks
    row = tuple(
        track._replace(
            track_id=number,
            pixels=track.pixels + np.float32([160, 0]) * number,
        )
        for number in range(5)
    )
    assert "frames_or_people" not in kinds(
        one._replace(tracks=row, image_size=(1800, 1000))
    )


def test_what_mixes_people_hides_what_needs_one():
    clip = two_people()
    mixed = MIXUPS["mixed_tracks", "by turns"](
        clip._replace(tracks=clip.tracks[:1]), np.random.default_rng(1)
    )
    lines = doctor.report(mixed).splitlines()
    assert (
        "[?] missing_frames: not checked, fix the marked problems first"
        in (lines)
    )


@pytest.mark.parametrize("people", [1, 200])
def test_time_is_bounded(people):
    """200 people of 200 frames: seconds would be pairs of all frames."""
    clip = filmed_clip(skeleton="COCO-17", frames=200)
    (track,) = clip.tracks
    tracks = tuple(
        track._replace(
            track_id=number,
            pixels=track.pixels + np.float32([37, 11]) * number,
        )
        for number in range(people)
    )
    crowd = Keypoints("COCO-17", None, 30.0, 200, tracks)
    doctor.examine(crowd)
    started = time.process_time()
    doctor.examine(crowd)
    assert time.process_time() - started < 5

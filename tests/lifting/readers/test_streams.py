"""JSON lines, frame by frame."""

import itertools
import json

import numpy as np
import pytest

from ampose_tf.lifting import formats
from ampose_tf.lifting.readers.forms.streams import stream
from tests import clips
from tests.clips import FRAMES, IMAGE_SIZE


def lines(values):
    return [json.dumps(value) for value in values]


@pytest.mark.parametrize(
    "name",
    ["openpose_frames", "mmpose_video", "ultralytics", "tfjs", "coco_results"],
)
def test_equal_to_reading_the_file(tmp_path, name):
    values = getattr(clips, name)()
    if name in ("ultralytics", "tfjs"):
        values = [getattr(clips, name)(frame) for frame in range(FRAMES)]
    (tmp_path / "clip.json").write_text(json.dumps(values))
    read = formats.read(tmp_path / "clip.json")
    frames = list(stream(lines(values)))
    assert [frame.index for frame in frames] == list(range(FRAMES))
    for frame in frames:
        assert frame.skeleton == read.skeleton
        assert frame.track_ids.tolist() == [0, 1]
        for person, track in enumerate(read.tracks):
            np.testing.assert_array_equal(
                frame.pixels[person], track.pixels[frame.index]
            )
            np.testing.assert_array_equal(
                frame.scores[person], track.scores[frame.index]
            )


def same_tracks(one, other):
    assert one[:4] == other[:4] and one.notes == other.notes
    assert len(one.tracks) == len(other.tracks)
    for track, twin in zip(one.tracks, other.tracks, strict=True):
        assert track.track_id == twin.track_id
        for array, its in zip(track[1:], twin[1:], strict=True):
            np.testing.assert_array_equal(array, its)


def thinned():
    """Every fifteenth frame of a film, with its number there."""
    frames = clips.mmpose_video()
    for frame in frames:
        frame["frame_id"] *= 15
    return frames


def confirmed_late():
    """The tool's tracker has not yet confirmed one of them in frame 0."""
    frames = [clips.ultralytics(frame, True) for frame in range(FRAMES)]
    del frames[0][0]["track_id"], frames[0][1]
    return frames


def one_of_index_nought():
    """Who is alone in the first frame has AlphaPose's idx 0."""
    people = clips.alphapose("COCO-17", lambda person: 5 * person)
    return [person for person in people if person is not people[1]]


def alone_with_id_nought():
    frames = clips.mmpose_video()
    for frame in frames:
        for own, person in enumerate(frame["instances"]):
            person["track_id"] = 5 * own
    del frames[0]["instances"][1]
    return frames


ODD = [thinned, confirmed_late, one_of_index_nought, alone_with_id_nought]


@pytest.mark.parametrize("make", ODD)
def test_lines_of_a_file_are_the_same_as_a_list(tmp_path, make):
    """Whatever is told by the whole file rather than by its first frame."""
    (tmp_path / "clip.json").write_text(json.dumps(make()))
    (tmp_path / "clip.jsonl").write_text("\n".join(lines(make())))
    read = formats.read(tmp_path / "clip.json")
    assert len(read.tracks) == 2
    same_tracks(formats.read(tmp_path / "clip.jsonl"), read)


@pytest.mark.parametrize("make", ODD)
def test_a_stream_comes_to_the_ids_of_the_file(tmp_path, make):
    (tmp_path / "clip.json").write_text(json.dumps(make()))
    read = formats.read(tmp_path / "clip.json")
    of_file = {
        (track.track_id, frame)
        for track in read.tracks
        for frame in track.frames.tolist()
    }
    frames = list(stream(lines(make())))
    streamed = {
        (own, frame.index)
        for frame in frames
        for own in frame.track_ids.tolist()
    }
    # Before somebody has an id, people are followed here.
    extra = {(0, 0)} if make is confirmed_late else set()
    assert streamed == of_file | extra


def test_images_far_apart_are_frames_one_after_another(tmp_path):
    people = clips.coco_results(1)
    images = (785, 4008, 196141, 197388, 581781)
    for person, image in zip(people, images, strict=True):
        person["image_id"] = image
    (tmp_path / "clip.jsonl").write_text("\n".join(lines(people)))
    (track,) = formats.read(tmp_path / "clip.jsonl").tracks
    assert track.frames.tolist() == [0, 1, 2, 3, 4]


def test_frames_come_as_soon_as_their_line():
    """Of a stream without end, nothing is kept."""
    values = map(json.dumps, itertools.cycle([clips.mediapipe()]))
    frames = stream(values, IMAGE_SIZE)
    for index in range(1000):
        frame = next(frames)
        assert frame.index == index and frame.track_ids.tolist() == [0]


def test_frames_without_people_keep_their_place():
    values = [None, clips.openpose_frames()[0], {"people": []}, []]
    text = "\n\n".join(lines(values)).splitlines()
    frames = list(stream(line.encode() for line in text))
    assert [len(frame.track_ids) for frame in frames] == [0, 2, 0, 0]
    assert [frame.skeleton for frame in frames] == [None] + ["BODY_25"] * 3
    assert frames[0].pixels.shape == (0, 0, 2)
    assert frames[2].pixels.shape == (0, 25, 2)
    assert list(stream([])) == []


@pytest.mark.parametrize("empty", [None, [], {}])
def test_a_frame_without_people_ends_an_image_of_cocos(empty):
    person, other = (p | {"image_id": 5} for p in clips.coco_results()[:2])
    later = person | {"image_id": 7}
    frames = list(stream(lines([person, other, empty, later])))
    assert [len(frame.track_ids) for frame in frames] == [2, 0, 1]
    assert [frame.index for frame in frames] == [5, 6, 7]


def test_ids_of_the_tool_are_kept():
    values = [clips.ultralytics(frame, True) for frame in range(FRAMES)]
    del values[3][0]["track_id"]
    frames = list(stream(lines(values)))
    assert [frame.track_ids.tolist() for frame in frames] == [
        *[[7, 6]] * 3,
        [6],
        [7, 6],
    ]
    values[4][1]["track_id"] = 7
    with pytest.raises(ValueError, match="line 5: frame 4 contains person 7"):
        list(stream(lines(values)))


def test_what_is_refused():
    frame = clips.openpose_frames()[0]

    def refuse(message, *values, **options):
        with pytest.raises(ValueError, match=message):
            list(stream([*lines([frame]), *values], **options))

    refuse("line 2: not JSON: Expecting value", "x")
    refuse("line 2: not read: its JSON is nested", "[" * 100_000)
    refuse("line 2: .* is not a known form", '{"cars": []}')
    mixed = [clips.mmpose_image()]
    refuse("line 2: its people have 17 joints; BODY_25", *lines(mixed))
    other = clips.openpose_frames("COCO-18")[:1]
    refuse("line 2: its people have 18 joints; BODY_25 has", *lines(other))
    refuse("line 1: it is in the format openpose", format="coco")
    results = clips.coco_results()
    with pytest.raises(ValueError, match="line 1: results of 5 images"):
        list(stream(lines([results])))
    with pytest.raises(
        ValueError, match="line 1: image_id: expected .* got a list"
    ):
        list(stream(lines([{**results[0], "image_id": [1]}])))
    with pytest.raises(ValueError, match="line 201: more than 200 people in"):
        list(stream(lines(results[:1] * 300)))
    backwards = [{"frame_id": 5, "instances": clips.mmpose_image()}] * 2
    with pytest.raises(ValueError, match="line 2: frame 5 after frame 5"):
        list(stream(lines(backwards)))
    with pytest.raises(ValueError, match="line 1: .*--image_size"):
        list(stream(lines([clips.mediapipe()])))


def test_notes_are_said_once():
    values = clips.mmpose_video()
    values[1]["mood"] = "good"
    values[3]["mood"] = "bad"
    notes = [frame.notes for frame in stream(lines(values))]
    assert [len(own) for own in notes] == [0, 1, 0, 0, 0]
    assert notes[1][0].startswith("Not read: fields 'mood'.")


def test_notes_of_other_counts_are_said_once():
    values = clips.mmpose_video()
    for frame, value in enumerate(values):
        value["instances"] += value["instances"][:1] * (frame % 2 + 1)
    notes = [note for frame in stream(lines(values)) for note in frame.notes]
    assert len(notes) == 1 and "duplicates of people" in notes[0]


@pytest.mark.parametrize("scale", [1, 3.25, 100])
def test_ghosts_are_left_out_of_frames_of_their_own(tmp_path, scale):
    values = clips.mmpose_video()
    for frame, value in enumerate(values):
        person, ghost = value["instances"]
        person["bbox_score"] = [0.9 * scale]
        ghost["bbox_score"] = [0.15 * scale]
        value["instances"] = [ghost] if frame == 2 else [person, ghost]
    (tmp_path / "clip.json").write_text(json.dumps(values))
    (track,) = formats.read(tmp_path / "clip.json").tracks
    frames = list(stream(lines(values)))
    assert [len(frame.track_ids) for frame in frames] == [1, 1, 0, 1, 1]
    assert track.frames.tolist() == [0, 1, 3, 4]


def test_a_frame_whose_scores_are_0_has_nobody_as_in_the_file(tmp_path):
    values = clips.mmpose_video()
    for person in values[2]["instances"]:
        person["keypoint_scores"] = [0.0] * 17
    (tmp_path / "clip.json").write_text(json.dumps(values))
    read = formats.read(tmp_path / "clip.json")
    assert [t.frames.tolist() for t in read.tracks] == [[0, 1, 3, 4]] * 2
    frames = list(stream(lines(values)))
    assert [len(frame.track_ids) for frame in frames] == [2, 2, 0, 2, 2]


def test_what_the_first_line_says_of_the_clip_is_not_used():
    about = {"fps": 25, "image_size": IMAGE_SIZE}
    frames = list(stream(lines([about, *clips.mmpose_video()])))
    assert [frame.index for frame in frames] == list(range(FRAMES))
    assert "--image_size and --fps" in frames[0].notes[0]


@pytest.mark.parametrize("score", [0.02, 0.1])
def test_detectron2s_scores_if_the_user_says_so(tmp_path, score):
    people = clips.coco_results(people=1)
    for person in people:
        person["score"] = 0.9
        person["keypoints"][2::3] = [score] * 17
    text = "\n".join(lines(people))
    (tmp_path / "clip.json").write_text(json.dumps(people))
    (tmp_path / "clip.jsonl").write_text(text)
    for name in ("clip.json", "clip.jsonl"):
        (track,) = formats.read(tmp_path / name, format="detectron2").tracks
        np.testing.assert_allclose(track.scores, 6 * score, rtol=1e-6)
    for frame in stream(text.splitlines(), format="detectron2"):
        np.testing.assert_allclose(frame.scores, 6 * score, rtol=1e-6)


@pytest.mark.parametrize("key", ["frame", "image_name", "timestamp_ms"])
def test_a_frame_in_one_line_is_answered_at_once(key):
    """MediaPipe's line has all of its frame, whose number it says."""

    def sent():
        for number in range(3):
            received.append(number)
            landmarks = clips.mediapipe(number)
            yield json.dumps({key: number, "landmarks": landmarks})

    received = []
    for answered, frame in enumerate(stream(sent(), IMAGE_SIZE)):
        assert received == list(range(answered + 1))
        assert frame.index == answered

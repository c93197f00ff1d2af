"""Files as users bring them: each kind of trouble, in several dresses."""

import gzip
import json
import time

import numpy as np
import pytest

from ampose_tf.lifting import formats, untrusted
from ampose_tf.lifting.keypoints import find_skeleton
from ampose_tf.lifting.readers import crowd, vocabulary
from tests import clips
from tests.clips import COCO, FRAMES, IMAGE_SIZE

PIXELS, SCORES = clips.truth()
BLAZE = find_skeleton("MediaPipe-33").joints


def write(folder, value, name="clip.json"):
    path = folder / name
    if isinstance(value, bytes):
        path.write_bytes(value)
    else:
        path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def read(folder, value, name="clip.json", size=None, **options):
    return formats.read(write(folder, value, name), size, **options)


def triples(frame, person=0):
    rows = np.concatenate(
        [PIXELS[frame, person], SCORES[frame, person, :, None]], axis=1
    )
    return rows.round(4).tolist()


def flat(frame, person=0):
    return [number for row in triples(frame, person) for number in row]


def check(read, people=1, frames=range(FRAMES), scored=True):
    """Compares with the truth."""
    assert [len(track.frames) for track in read.tracks] == [
        len(frames)
    ] * people
    for person, track in enumerate(read.tracks):
        assert track.frames.tolist() == list(frames)
        np.testing.assert_allclose(track.pixels, PIXELS[:, person], atol=2e-3)
        if scored:
            np.testing.assert_allclose(
                track.scores, SCORES[:, person], atol=2e-4
            )
        else:
            assert (track.scores == 1).all()


def noted(read, part):
    return any(part in note for note in read.notes)


# 1. Names of fields and columns.

SCORES_OF_COLUMNS = (
    *("score", "conf", "confidence", "visibility", "likelihood", "prob"),
    *("c", "v", "p", "Confidence", "inFrameLikelihood", "certainty"),
)


@pytest.mark.parametrize("word", SCORES_OF_COLUMNS)
def test_scores_of_columns_by_any_name(tmp_path, word):
    read_table(tmp_path, "frame", "track_id", "{joint}_{axis}", word)


@pytest.mark.parametrize(
    "pattern",
    [
        "{joint}.{axis}",
        "{axis}_{joint}",
        "{joint} {axis}",
        "{upper}_{axis}",
        "{camel}_{axis}",
        "{camel}{Axis}",
        "{number}_{axis}",
        "{axis}{number}",
        "kp{number}_{axis}",
        "keypoint_{number}_{axis}",
        "landmark_{number}_{axis}",
    ],
)
def test_columns_of_joints_in_any_pattern(tmp_path, pattern):
    read_table(tmp_path, "frame", "track_id", pattern, "score")


@pytest.mark.parametrize(
    ("frame", "person"),
    [
        ("frame_number", "person"),
        ("Frame", "Track ID"),
        ("frameIdx", "trackId"),
        ("frame_id", "pid"),
        ("FrameNo", "object_id"),
        ("image_id", "id"),
        ("file_name", "person_id"),
        ("timestamp_ms", "idx"),
        ("time", "player"),
        ("timestamp", "subject"),
    ],
)
def test_frames_and_people_of_columns_by_any_name(tmp_path, frame, person):
    keypoints = read_table(tmp_path, frame, person, "{joint}_{axis}", "score")
    assert keypoints.fps == (25 if "time" in frame else None)


def read_table(folder, frame, person, pattern, score, separator=","):
    camel = {}
    for joint in COCO:
        first, *rest = joint.split("_")
        camel[joint] = first + "".join(word.capitalize() for word in rest)
    columns = [
        pattern.format(
            joint=joint,
            upper=joint.upper(),
            camel=camel[joint],
            number=number,
            axis=axis,
            Axis=axis[0].upper() + axis[1:],
        )
        for number, joint in enumerate(COCO)
        for axis in ("x", "y", score)
    ]
    label = {
        "file_name": "walk_{:04}.jpg",
        "timestamp_ms": "{}40.0",
        "timestamp": "{}",
        "time": "{}",
    }.get(frame, "{}")
    lines = [separator.join([frame, person, *columns])]
    for number in range(FRAMES):
        value = number * 0.04 if frame == "time" else number
        value = 40 * number if frame == "timestamp_ms" else value
        value = 40 * number if frame == "timestamp" else value
        text = label.format(value).replace("40.0", "")
        lines += [
            separator.join([text, str(own), *map(str, flat(number, own))])
            for own in range(2)
        ]
    keypoints = read(folder, "\n".join(lines), "clip.csv")
    check(keypoints, 2)
    assert not noted(keypoints, "Not read")
    return keypoints


@pytest.mark.parametrize("separator", [";", "\t"])
def test_tables_with_other_separators(tmp_path, separator):
    read_table(tmp_path, "frame", "id", "{joint}_{axis}", "score", separator)


def test_columns_that_no_reader_knows_are_named(tmp_path):
    header, *rows = clips.csv_text().splitlines()
    text = "\n".join([f"{header},mood", *(f"{row},good" for row in rows)])
    keypoints = read(tmp_path, text, "clip.csv")
    check(keypoints, 2)
    assert noted(keypoints, "Not read: columns 'mood'.")


def renamed(value, **names):
    """Returns JSON with other names of fields."""
    if isinstance(value, dict):
        return {
            names.get(key, key): renamed(own, **names)
            for key, own in value.items()
        }
    if isinstance(value, list):
        return [renamed(item, **names) for item in value]
    return value


@pytest.mark.parametrize(
    "names",
    [
        {"score": "confidence"},
        {"score": "visibility", "name": "part"},
        {"score": "inFrameLikelihood", "name": "bodyPart"},
        {"score": "Visibility", "x": "X", "y": "Y", "name": "Name"},
        {"keypoints": "joints", "score": "prob"},
        {"keypoints": "landmarks", "score": "likelihood", "name": "label"},
        {"keypoints": "keyPoints", "score": "accuracy", "name": "joint"},
        {"keypoints": "pose", "score": "presence", "name": "keypoint"},
    ],
)
def test_fields_of_points_by_any_name(tmp_path, names):
    frames = [renamed(clips.tfjs(frame), **names) for frame in range(FRAMES)]
    keypoints = read(tmp_path, frames)
    check(keypoints, 2)
    assert not noted(keypoints, "Not read")


def test_fields_that_no_reader_knows_are_named(tmp_path):
    frames = [clips.tfjs(frame) for frame in range(FRAMES)]
    frames[0][0]["keypoints"][0]["sureness"] = 0.5
    frames[1][0]["mood"] = "good"
    keypoints = read(tmp_path, {"frames": frames, "colour": "red"})
    check(keypoints, 2)
    assert noted(keypoints, "Not read: fields of points 'sureness'.")
    assert noted(keypoints, "Not read: fields 'colour', 'mood'.")


@pytest.mark.parametrize(
    ("key", "label"),
    [
        ("frame", str),
        ("frame", int),
        ("frame_index", int),
        ("frameNumber", int),
        ("image_id", "{:06}.png".format),
        ("image_name", "clip_{:03}.jpg".format),
        ("file_name", "walk-{:04}_jpg.rf.0a1b2c3d4e5f.jpg".format),
        ("timestamp_ms", lambda frame: 40 * frame),
        ("time", lambda frame: 0.04 * frame),
    ],
)
def test_frames_of_bodies_by_any_name(tmp_path, key, label):
    people = [
        {key: label(frame), "person_id": own, "keypoints": flat(frame, own)}
        for frame in (0, 1, 3, 4)
        for own in range(2)
    ]
    keypoints = read(tmp_path, people)
    assert [track.frames.tolist() for track in keypoints.tracks] == [
        [0, 1, 3, 4]
    ] * 2
    lines = "\n".join(map(json.dumps, people))
    of_lines = read(tmp_path, lines, "clip.jsonl")
    for one, other in zip(keypoints.tracks, of_lines.tracks, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
        assert one.frames.tolist() == other.frames.tolist()


@pytest.mark.parametrize(
    "size",
    [
        {"width": 640, "height": 480},
        {"frameWidth": 640, "frameHeight": 480},
        {"image_width": 640, "image_height": 480},
        {"imageSize": {"width": 640, "height": 480}},
        {"image_size": [640, 480]},
        {"img_shape": [480, 640, 3]},
        {"resolution": "640x480"},
    ],
)
def test_image_sizes_by_any_name(tmp_path, size):
    frames = [
        {"landmarks": clips.mediapipe(frame), **size}
        for frame in range(FRAMES)
    ]
    keypoints = read(tmp_path, frames)
    assert keypoints.image_size == IMAGE_SIZE
    np.testing.assert_allclose(
        keypoints.tracks[0].pixels,
        clips.truth("MediaPipe-33")[0][:, 0],
        atol=1e-3,
    )


JOINT_NAMES = {
    "camel": lambda side, part: side + part.capitalize(),
    "initial": lambda side, part: side[0].upper() + part.capitalize(),
    "small initial": lambda side, part: side[0] + part,
    "behind": lambda side, part: f"{part}_{side}",
    "dot": lambda side, part: f"{part}.{side[0].upper()}",
    "upper": lambda side, part: f"{side}_{part}".upper(),
    "spaces": lambda side, part: f"{side.capitalize()} {part}",
}


@pytest.mark.parametrize("style", JOINT_NAMES)
def test_joints_by_any_spelling(tmp_path, style):
    frames = []
    for frame in range(FRAMES):
        people = clips.tfjs(frame)
        for point in (p for own in people for p in own["keypoints"]):
            side, _, part = point["name"].partition("_")
            if part:
                point["name"] = JOINT_NAMES[style](side, part)
        frames.append(people)
    check(read(tmp_path, frames), 2)


# 2. Frames or people.


def bodies(people):
    return [
        {"keypoints": clips.tfjs(frame)[own]["keypoints"]}
        for frame, own in people
    ]


ONE_PERSON = [(frame, 0) for frame in range(FRAMES)]


def test_bodies_in_one_place_are_frames(tmp_path):
    for value in (
        bodies(ONE_PERSON),
        [flat(frame) for frame in range(FRAMES)],
        [triples(frame) for frame in range(FRAMES)],
        [clips.mmpose_image(frame)[0] for frame in range(FRAMES)],
        [clips.ultralytics(frame)[0] for frame in range(FRAMES)],
        {"poses": bodies(ONE_PERSON)}["poses"],
    ):
        keypoints = read(tmp_path, value)
        check(keypoints)
        assert noted(keypoints, "read as frames, because each is near")
        together = read(tmp_path, value, frames="people")
        assert together.frame_count == 1


def test_bodies_in_different_places_are_people(tmp_path):
    keypoints = read(tmp_path, bodies([(0, 0), (0, 1)]))
    assert keypoints.frame_count == 1 and len(keypoints.tracks) == 2
    assert noted(keypoints, "--frames=list reads them as frames")
    one_by_one = read(tmp_path, bodies([(0, 0), (0, 1)]), frames="list")
    assert one_by_one.frame_count == 2


def test_ids_that_come_back_are_frames(tmp_path):
    both = bodies([(f, own) for f in range(FRAMES) for own in range(2)])
    for place, body in enumerate(both):
        body["track_id"] = place % 2
    check(read(tmp_path, both), 2)


def test_what_nothing_tells_is_asked_for(tmp_path):
    mixed = bodies([(0, 0), (0, 1), (1, 0), (1, 1)])
    with pytest.raises(ValueError, match="--frames=list or --frames=people"):
        read(tmp_path, mixed)
    assert read(tmp_path, mixed, frames="people").frame_count == 1
    with pytest.raises(ValueError, match="frames: expected 'list' or 'peop"):
        read(tmp_path, mixed, frames="both")


@pytest.mark.parametrize("wide", [True, False])
def test_rows_without_frames(tmp_path, wide):
    """A row for every frame of one person, or people of one frame."""
    header = ",".join(f"{j}_{part}" for j in COCO for part in "xyc")
    of_frames = [flat(frame) for frame in range(FRAMES)]
    of_people = [flat(0, own) for own in range(2)]
    for rows, count in ((of_frames, FRAMES), (of_people, 1)):
        lines = [header, *(",".join(map(str, row)) for row in rows)]
        keypoints = read(tmp_path, "\n".join(lines), "clip.csv")
        assert keypoints.frame_count == count


def test_arrays_of_several_people_in_either_order(tmp_path):
    for array in (PIXELS, PIXELS.swapaxes(0, 1)):
        np.save(tmp_path / "clip.npy", array)
        check(formats.read(tmp_path / "clip.npy"), 2, scored=False)
        check(read(tmp_path, PIXELS.tolist()), 2, scored=False)


# 3. Scores of people, ghosts and duplicates.


def crowded(key, sure, ghost, frames=FRAMES):
    """One person, and a ghost beside them in every other frame."""
    people = []
    for frame in range(frames):
        people.append({"image_id": frame, "keypoints": flat(frame), key: sure})
        if frame % 2:
            people.append(
                {"image_id": frame, "keypoints": flat(0, 1), key: ghost}
            )
    return people


@pytest.mark.parametrize(
    ("key", "sure", "ghost"),
    [
        ("score", 0.9, 0.05),
        ("bbox_score", 0.9, 0.1),
        ("confidence", 0.8, 0.15),
        ("person_score", 95, 3),
        ("detectionConfidence", 0.9, 0.1),
        ("score", 3.0, 0.3),
    ],
)
def test_ghosts_are_left_out_and_said(tmp_path, key, sure, ghost):
    people = crowded(key, sure, ghost)
    keypoints = read(tmp_path, people)
    check(keypoints)
    assert noted(keypoints, "2 of 7 detections of people are left out")
    assert len(read(tmp_path, people, person_score=0.0).tracks) == 2
    people = crowded(key, ghost, ghost)
    if sure < 2:
        keypoints = read(tmp_path, people)
        assert noted(keypoints, "they are kept nevertheless")


@pytest.mark.parametrize("noise", [0.0, 3.0, 6.0])
def test_people_found_twice_are_merged_and_said(tmp_path, noise):
    random = np.random.default_rng(3)
    people = crowded("score", 3.0, 1.2)
    for person in people:
        if person["score"] == 1.2:
            twin = np.reshape(flat(person["image_id"]), (-1, 3))
            twin[:, :2] += random.normal(scale=noise + 0.01, size=(17, 2))
            twin[5, 2] = 0
            person["keypoints"] = twin.ravel().tolist()
    keypoints = read(tmp_path, people)
    check(keypoints)
    assert noted(keypoints, "2 of 7 detections are duplicates")
    # Each with an id of its own: the one who is there all the time stays.
    for person in people:
        person["track_id"] = 3 if person["score"] == 3.0 else 8
    keypoints = read(tmp_path, people)
    assert [track.track_id for track in keypoints.tracks] == [3]
    check(keypoints)


def test_ids_that_are_none_are_not_used(tmp_path):
    for ids, part in (
        (lambda frame, own: 2 * frame + own, "each occurs only once"),
        (lambda frame, own: 4 if frame == 2 else own, "2 times in frame 2"),
        (lambda frame, own: [[0.0], [0.0]], "Not used: track_id"),
    ):
        people = [
            {
                "image_id": frame,
                "keypoints": flat(frame, own),
                "track_id": ids(frame, own),
            }
            for frame in range(FRAMES)
            for own in range(2)
        ]
        keypoints = read(tmp_path, people)
        check(keypoints, 2)
        assert noted(keypoints, part)


def test_ids_are_numbered():
    numbered = crowd.numbered
    assert numbered([3, None, 0]).tolist() == [3, -1, 0]
    assert numbered(["b", None, "a", "b"]).tolist() == [0, -1, 1, 0]
    # A number among names is a name.
    assert numbered([1, "a", 1, "1"]).tolist() == [0, 1, 0, 0]


def test_ids_that_are_names(tmp_path):
    people = [
        {"frame": frame, "keypoints": flat(frame, own), "person": name}
        for frame in range(FRAMES)
        for own, name in enumerate(("Ann", "Bob"))
    ]
    check(read(tmp_path, people), 2)


# 4. Order and time of names.


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["000000", "000030", "000060", "000090"], [0, 30, 60, 90]),
        (["f_5000.jpg", "f_10000.jpg", "f_15000.jpg"], [5000, 10000, 15000]),
        (["1_a.jpg", "2_a.jpg", "10_a.jpg"], [1, 2, 10]),
        (
            [
                f"a-{n:04}_jpg.rf.{h}.jpg"
                for n, h in enumerate(
                    (
                        "d3d9446802a44259755d38e6d163e820",
                        "6512bd43d9caa6e02c990b0a82652dca",
                        "c20ad4d76fe97759aa27a0c99bff6710",
                    )
                )
            ],
            [0, 1, 2],
        ),
        (["v2_take3_7.png", "v2_take3_8.png", "v2_take3_9.png"], [7, 8, 9]),
        (
            ["20240101_120000_5.jpg", "20240101_120000_6.jpg"],
            [5, 6],
        ),
        (["20240101_235959.jpg", "20240102_000001.jpg"], [0, 1]),
        (["139.jpg", "285.jpg", "397133.jpg", "581781.jpg"], [0, 1, 2, 3]),
        (["b.jpg", "a.jpg", "c.jpg"], [0, 1, 2]),
    ],
)
def test_numbers_in_names(tmp_path, names, expected):
    people = [
        {"image_id": name, "keypoints": flat(place)}
        for place, name in enumerate(names)
    ]
    (track,) = read(
        tmp_path, people[::-1] if names[0] < "b" else people
    ).tracks
    assert track.frames.tolist() == expected
    np.testing.assert_allclose(
        track.pixels, PIXELS[: len(names), 0], atol=1e-3
    )


def test_uneven_times_keep_their_order(tmp_path):
    times = [0, 0.04, 0.055, 0.12, 0.9]
    people = [
        {"time": time, "keypoints": flat(frame)}
        for frame, time in enumerate(times)
    ]
    check(read(tmp_path, people))


# 6. One fact, one rule, every form.


def arrayed(folder, scores):
    np.save(
        folder / "clip.npy",
        np.concatenate([PIXELS[:, 0], scores[..., None]], axis=2),
    )
    return formats.read(folder / "clip.npy")


def in_json(folder, scores):
    rows = np.concatenate([PIXELS[:, 0], scores[..., None]], axis=2)
    return read(
        folder,
        [
            {"image_id": f, "keypoints": row.ravel().tolist()}
            for f, row in enumerate(rows)
        ],
    )


def in_a_table(folder, scores):
    rows = np.concatenate([PIXELS[:, 0], scores[..., None]], axis=2)
    header = ",".join(f"{j}_{part}" for j in COCO for part in "xyc")
    lines = [",".join(map(str, row.ravel())) for row in rows]
    return read(folder, "\n".join([header, *lines]), "clip.csv")


FORMS = [arrayed, in_json, in_a_table]


@pytest.mark.parametrize("form", FORMS)
def test_scores_above_one(tmp_path, form):
    scores = SCORES[:, 0] * 3
    keypoints = form(tmp_path, scores)
    np.testing.assert_allclose(
        keypoints.tracks[0].scores, np.minimum(scores, 1), atol=1e-4
    )
    assert noted(
        keypoints, "Scores above 1, as RTMPose writes them, count as 1"
    )
    keypoints = form(tmp_path, SCORES[:, 0] * 100)
    check(keypoints)
    assert noted(keypoints, "percent")
    keypoints = form(tmp_path, np.zeros((FRAMES, 17)))
    check(keypoints, scored=False)
    assert noted(keypoints, "All scores in the file are 0")
    with pytest.raises(ValueError, match="3D|a score of"):
        form(tmp_path, SCORES[:, 0] * 3000)


def test_low_probabilities_of_detectron2(tmp_path):
    people = [
        {
            "image_id": frame,
            "keypoints": (np.reshape(flat(frame), (17, 3)) * [1, 1, 0.15])
            .ravel()
            .tolist(),
            "score": 0.98,
        }
        for frame in range(FRAMES)
    ]
    keypoints = read(tmp_path, people)
    np.testing.assert_allclose(
        keypoints.tracks[0].scores, 0.9 * SCORES[:, 0], atol=1e-3
    )
    assert noted(keypoints, "like Detectron2's")
    for person in people:
        del person["score"]
    assert read(tmp_path, people).tracks[0].scores.max() < 0.2
    named = read(tmp_path, people, format="detectron2")
    np.testing.assert_array_equal(
        named.tracks[0].scores, keypoints.tracks[0].scores
    )


NORMALISED = PIXELS / IMAGE_SIZE


def normalised_forms():
    rows = np.concatenate([NORMALISED, SCORES[..., None]], axis=-1)
    header = ",".join(f"{j}_{part}" for j in COCO for part in "xyc")
    return {
        "coco.json": json.dumps(
            [
                {"image_id": f, "keypoints": rows[f, 0].ravel().tolist()}
                for f in range(FRAMES)
            ]
        ),
        "openpose.json": json.dumps(
            [
                {
                    "people": [
                        {"pose_keypoints_2d": rows[f, 0].ravel().tolist()}
                    ]
                }
                for f in range(FRAMES)
            ]
        ),
        "mmpose.json": json.dumps(
            [
                {
                    "frame_id": f,
                    "instances": [
                        {
                            "keypoints": NORMALISED[f, 0].tolist(),
                            "keypoint_scores": SCORES[f, 0].tolist(),
                        }
                    ],
                }
                for f in range(FRAMES)
            ]
        ),
        "table.csv": "\n".join(
            [header, *(",".join(map(str, r[0].ravel())) for r in rows)]
        ),
    }


@pytest.mark.parametrize("name", normalised_forms())
def test_normalised_coordinates_need_the_size(tmp_path, name):
    text = normalised_forms()[name]
    check(read(tmp_path, text, name, IMAGE_SIZE))
    with pytest.raises(ValueError, match="give --image_size=WIDTHxHEIGHT"):
        read(tmp_path, text, name)


def test_coordinates_around_the_middle_are_no_pixels(tmp_path):
    rows = NORMALISED * 2 - 1
    np.save(tmp_path / "clip.npy", rows[:, 0])
    with pytest.raises(ValueError, match="within a few units of 0"):
        formats.read(tmp_path / "clip.npy", IMAGE_SIZE)


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode("utf-16"),
        lambda text: b"\xff\xfe" + text.encode("utf-16-le"),
        lambda text: text.encode("utf-8-sig"),
        lambda text: gzip.compress(text.encode()),
    ],
    ids=["utf-16", "utf-16-le", "utf-8-sig", "gzip"],
)
def test_any_encoding(tmp_path, encode):
    json_text = json.dumps(clips.coco_results())
    lines = "\n".join(map(json.dumps, clips.openpose_frames()))
    for name, text in (
        ("clip.json", json_text),
        ("clip.jsonl", lines),
        ("clip.csv", clips.csv_text()),
    ):
        keypoints = read(tmp_path, encode(text), name)
        assert len(keypoints.tracks) == 2
        assert keypoints.frame_count == FRAMES


@pytest.mark.parametrize(
    "joints",
    [
        triples,
        lambda frame: [row[:2] for row in triples(frame)],
        lambda frame: [n for row in triples(frame) for n in row[:2]],
        lambda frame: dict(zip(COCO, triples(frame), strict=True)),
        lambda frame: {str(n): row for n, row in enumerate(triples(frame))},
        lambda frame: {
            "x": [row[0] for row in triples(frame)],
            "y": [row[1] for row in triples(frame)],
            "confidence": [row[2] for row in triples(frame)],
        },
    ],
)
def test_joints_in_any_nesting(tmp_path, joints):
    people = [
        {"image_id": frame, "keypoints": joints(frame)}
        for frame in range(FRAMES)
    ]
    check(read(tmp_path, people), scored=np.size(joints(0)) != 34)


@pytest.mark.parametrize(
    "name", ["._a_1.json", ".DS_Store", "notes.txt", "meta.json"]
)
def test_stray_files_in_a_folder(tmp_path, name):
    for number, frame in enumerate(clips.openpose_frames()):
        write(tmp_path, frame, f"a_{number}_keypoints.json")
    write(tmp_path, '{"camera": "GoPro"}', name)
    keypoints = formats.read(tmp_path)
    assert len(keypoints.tracks) == 2 and keypoints.frame_count == FRAMES
    assert noted(keypoints, "Not read: meta.json") == (name == "meta.json")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fps", 0),
        ("fps", "fast"),
        ("image_size", [0, 5]),
        ("image_size", "large"),
        ("fps", 1e400),
    ],
)
def test_a_bad_secondary_field_costs_that_field(tmp_path, field, value):
    frames = [clips.tfjs(frame) for frame in range(FRAMES)]
    keypoints = read(tmp_path, {"frames": frames, field: value})
    check(keypoints, 2)
    assert noted(keypoints, f"Not used: {field}")
    np.savez(
        tmp_path / "clip.npz", keypoints_px=PIXELS[:, 0], **{field: value}
    )
    keypoints = formats.read(tmp_path / "clip.npz")
    assert noted(keypoints, "Not used: ")


@pytest.mark.parametrize(
    ("field", "value"),
    [("track_id", {"a": 1}), ("track_id", [3, 4]), ("score", "high")],
)
def test_a_bad_field_of_people_costs_that_field(tmp_path, field, value):
    frames = [
        {"frame": f, "keypoints": triples(f), field: value}
        for f in range(FRAMES)
    ]
    keypoints = read(tmp_path, frames)
    check(keypoints)
    assert noted(keypoints, f"Not used: {field}")


def test_scores_of_people_as_text(tmp_path):
    check(read(tmp_path, crowded("score", "0.9", "0.05")))


# 7. Forms.


def test_alphaposes_format_open_and_cmu(tmp_path):
    frames = clips.openpose_frames("COCO-18")
    opened = {
        f"{number}.jpg": {
            "version": "AlphaPose v0.3",
            "people": [
                {"pose_keypoints_2d": person["pose_keypoints_2d"]}
                for person in frame["people"]
            ],
        }
        for number, frame in enumerate(frames)
    }
    cmu = {
        name: {
            "version": frame["version"],
            "bodies": [
                {"joints": person["pose_keypoints_2d"]}
                for person in frame["people"]
            ],
        }
        for name, frame in opened.items()
    }
    for value in (opened, cmu):
        keypoints = read(tmp_path, value)
        assert keypoints.skeleton == "COCO-18" and len(keypoints.tracks) == 2
        np.testing.assert_allclose(
            keypoints.tracks[1].pixels,
            clips.truth("COCO-18")[0][:, 1],
            atol=1e-3,
        )


def test_posenet_and_ml5(tmp_path):
    frames = []
    for frame in range(FRAMES):
        (person, _) = clips.tfjs(frame)
        points = [
            {
                "part": point["name"],
                "score": point["score"],
                "position": {"x": point["x"], "y": point["y"]},
            }
            for point in person["keypoints"]
        ]
        frames.append({"score": 0.9, "keypoints": points})
    check(read(tmp_path, [[frame] for frame in frames]))
    named = {
        point["part"]: {"confidence": 1, **point["position"]}
        for point in frames[0]["keypoints"]
    }
    ml5 = [[{"pose": {**frame, **named}, "skeleton": []}] for frame in frames]
    check(read(tmp_path, ml5))


def yolo(frame, more=""):
    lines = []
    for own in range(2):
        numbers = [
            f"{x:.6f} {y:.6f} {s:.6f}"
            for (x, y), s in zip(
                NORMALISED[frame, own], SCORES[frame, own], strict=True
            )
        ]
        lines.append(" ".join(["0 0.5 0.5 0.2 0.6", *numbers]) + more)
    return "\n".join(lines) + "\n"


def test_labels_of_yolo(tmp_path):
    path = write(tmp_path, yolo(0), "clip_0.txt")
    with pytest.raises(ValueError, match="give --image_size"):
        formats.read(path)
    assert len(formats.read(path, IMAGE_SIZE).tracks) == 2
    for frame in range(FRAMES):
        write(tmp_path, yolo(frame), f"clip_{frame}.txt")
    check(formats.read(tmp_path, IMAGE_SIZE), 2)
    write(tmp_path, yolo(0, " 0.9 4"), "clip_0.txt")
    with pytest.raises(ValueError, match="YOLO"):
        read(tmp_path, yolo(0) + "0 0.5 0.5 x", "other.txt", IMAGE_SIZE)


def test_ultralytics_tables(tmp_path):
    lines = ["name,class,confidence,box,keypoints"]
    for frame in range(FRAMES):
        person = clips.ultralytics(frame)[0]
        cells = (person["box"], person["keypoints"])
        texts = ",".join(f'"{cell}"' for cell in cells)
        lines.append(f"person,0,0.9,{texts}")
    check(read(tmp_path, "\n".join(lines), "clip.csv"))


@pytest.mark.parametrize("several", [False, True])
def test_deeplabcuts_tables(tmp_path, several):
    people = range(2 if several else 1)
    scorer, owners, parts, coords = (
        ["scorer"],
        ["individuals"],
        ["bodyparts"],
        ["coords"],
    )
    for own in people:
        for joint in COCO:
            scorer += ["DLC"] * 3
            owners += [f"mouse{own}"] * 3
            parts += [joint] * 3
            coords += ["x", "y", "likelihood"]
    header = (
        [scorer, owners, parts, coords] if several else [scorer, parts, coords]
    )
    rows = [
        [frame, *(n for own in people for n in flat(frame, own))]
        for frame in range(FRAMES)
    ]
    text = "\n".join(",".join(map(str, row)) for row in [*header, *rows])
    check(read(tmp_path, text, "clip.csv"), len(people))


@pytest.mark.parametrize(
    "columns",
    [
        lambda n, name: [f"x{n + 1}", f"y{n + 1}", f"z{n + 1}", f"v{n + 1}"],
        lambda n, name: [f"{name}_{a}" for a in ("x", "y", "z", "visibility")],
        lambda n, name: [f"{name.upper()}_{a}" for a in "XYZV"],
        lambda n, name: [f"landmark_{n}_{a}" for a in "xyzv"],
    ],
)
def test_mediapipes_tables(tmp_path, columns):
    header = [c for n, name in enumerate(BLAZE) for c in columns(n, name)]
    lines = [",".join(["class", *header])]
    for frame in range(FRAMES):
        numbers = [n for p in clips.mediapipe(frame) for n in p.values()]
        lines.append(",".join(["walk", *map(str, numbers)]))
    keypoints = read(tmp_path, "\n".join(lines), "clip.csv", IMAGE_SIZE)
    assert keypoints.skeleton == "MediaPipe-33"
    pixels, scores = clips.truth("MediaPipe-33")
    (track,) = keypoints.tracks
    np.testing.assert_allclose(track.pixels, pixels[:, 0], atol=1e-3)
    np.testing.assert_allclose(track.scores, scores[:, 0], atol=1e-4)


def test_tables_with_a_row_for_each_joint(tmp_path):
    for named in (True, False):
        lines = ["frame,person,landmark,x,y,z,visibility"]
        lines += [
            f"{frame},{own},{name if named else number},{x},{y},0,{s}"
            for frame in range(FRAMES)
            for own in range(2)
            for number, (name, (x, y, s)) in enumerate(
                zip(COCO, triples(frame, own), strict=True)
            )
        ]
        check(read(tmp_path, "\n".join(lines), "clip.csv"), 2)


def test_rtmlibs_lists(tmp_path):
    for value in (
        [
            {
                "frame": frame,
                "keypoints": PIXELS[frame].tolist(),
                "scores": SCORES[frame].tolist(),
            }
            for frame in range(FRAMES)
        ],
        {
            str(frame): {
                "keypoints": PIXELS[frame].tolist(),
                "scores": SCORES[frame].tolist(),
            }
            for frame in range(FRAMES)
        },
    ):
        check(read(tmp_path, value), 2)


def test_openpose_pairs(tmp_path):
    frames = clips.openpose_frames("COCO-18")
    for frame in frames:
        for person in frame["people"]:
            numbers = person["pose_keypoints_2d"]
            del numbers[2::3]
    keypoints = read(tmp_path, frames)
    assert keypoints.skeleton == "COCO-18" and len(keypoints.tracks) == 2
    assert noted(keypoints, "has no scores")


def test_frames_by_their_keys(tmp_path):
    for key in (str, "frame_{}".format, "{:05}.jpg".format):
        value = {
            key(frame): clips.mmpose_image(frame) for frame in range(FRAMES)
        }
        check(read(tmp_path, value), 2)
        check(read(tmp_path, {"frames": value}), 2)


# 8. Messages.


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.mp4",
            b"\0\0\0 ftypisom",
            "a video, not keypoints: use lift.py --video",
        ),
        ("a.avi", b"RIFF\0\0\0\0AVI LIST", "a video"),
        ("a.mkv", b"\x1a\x45\xdf\xa3", "a video"),
        ("a.json", b"\xff\xd8\xff\xe0", "an image"),
        ("a.png", b"\x89PNG\r\n", "an image"),
        (
            "a.json",
            b'{"people": [{"pose_keypoints_2d": [], '
            b'"pose_keypoints_3d": [1, 2, 3, 1]}]}',
            "OpenPose's 3D output; save its 2D",
        ),
        ("a.json", b'{"worldLandmarks": [[]]}', "metres from the hip"),
        ("a.json", b'[{"keypoints_3d": [[1, 2, 3]]}]', "already 3D"),
    ],
)
def test_messages_say_what_it_is(tmp_path, name, content, message):
    path = write(tmp_path, content, name)
    with pytest.raises(ValueError, match=message) as error:
        formats.read(path)
    said = str(error.value).removeprefix(str(path))
    assert said.isprintable() and len(said) <= 300


def test_3d_is_no_2d(tmp_path):
    """Millimetres of the world, metres from the hip, in arrays and lists."""
    random = np.random.default_rng(5)
    body = random.normal(size=(1, 33, 3)) * 300
    for array in (
        body + [100, 300, 900],
        (body + [100, 300, 900])[:, :17],
        body,
        body / 1000,
    ):
        array = np.repeat(array, 20, axis=0)
        np.save(tmp_path / "clip.npy", array)
        with pytest.raises(ValueError, match="3D"):
            formats.read(tmp_path / "clip.npy", IMAGE_SIZE)
        with pytest.raises(ValueError, match="3D"):
            read(tmp_path, array.tolist(), size=IMAGE_SIZE)


@pytest.mark.parametrize(
    ("usual", "other"), [("COCO-18", "trt_pose-18"), ("BODY_25", "BODY_25B")]
)
def test_necks_tell_skeletons_of_one_count(tmp_path, usual, other):
    for name in (usual, other):
        pixels, _ = clips.truth(name, 1)
        np.save(tmp_path / "clip.npy", pixels[:, 0])
        keypoints = formats.read(tmp_path / "clip.npy")
        assert keypoints.skeleton == name
        assert noted(keypoints, f"read as {other}") == (name == other)
        read_as = formats.read(
            tmp_path / "clip.npy", skeleton=find_skeleton(usual)
        )
        assert read_as.skeleton == usual


# 9. Wrappers, lists by field and by person.


def bodies_of(person=0):
    return [triples(frame, person) for frame in range(FRAMES)]


def frames_of_people():
    return [
        {
            "frame": frame,
            "people": [
                {"id": own, "keypoints": triples(frame, own)}
                for own in range(2)
            ],
        }
        for frame in range(FRAMES)
    ]


ABOUT = {"fps": 25, "width": 640, "height": 480}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda frames: {"result": {"predictions": frames}},
        lambda frames: {"data": {"frames": frames}},
        lambda frames: {"success": True, "code": 0, "result": frames},
        lambda frames: {"output": frames, "metadata": ABOUT},
        lambda frames: {"video": {"name": "a.mp4", **ABOUT}, "data": frames},
        lambda frames: {"info": ABOUT, "result": {"frames": frames}},
    ],
)
def test_what_is_around_frames(tmp_path, wrap):
    value = wrap(frames_of_people())
    keypoints = read(tmp_path, value)
    check(keypoints, 2)
    if "640" in json.dumps(value).replace(".", ""):
        assert keypoints.fps == 25 and keypoints.image_size == IMAGE_SIZE


@pytest.mark.parametrize(
    "value",
    [
        {"keypoints": bodies_of(), **ABOUT},
        {
            "keypoints": PIXELS[:, 0].tolist(),
            "scores": SCORES[:, 0].tolist(),
        },
        {"7": {"joints2d": bodies_of(), "frame_ids": list(range(FRAMES))}},
        {"frames": list(range(FRAMES)), "keypoints": bodies_of()},
    ],
)
def test_a_list_for_each_field(tmp_path, value):
    check(read(tmp_path, value))


def test_people_of_one_frame_in_a_list_for_each_field(tmp_path):
    """With what it says of each of them."""
    for scores, count in (([0.9, 0.8], 2), ([0.9, 0.05], 1)):
        frames = [
            {
                "frame": frame,
                "keypoints": PIXELS[frame].tolist(),
                "keypoint_scores": SCORES[frame].tolist(),
                "bbox_scores": scores,
                "track_ids": [3, 8],
            }
            for frame in range(FRAMES)
        ]
        keypoints = read(tmp_path, frames)
        check(keypoints, count)
        assert [t.track_id for t in keypoints.tracks] == [3, 8][:count]


@pytest.mark.parametrize(
    "value",
    [
        {
            "tracks": [
                {
                    "track_id": own,
                    "frames": [
                        {"frame": frame, "keypoints": triples(frame, own)}
                        for frame in range(FRAMES)
                    ],
                }
                for own in range(2)
            ]
        },
        {
            name: [
                {"frame": frame, "keypoints": triples(frame, own)}
                for frame in range(FRAMES)
            ]
            for own, name in enumerate(("anna", "bob"))
        },
        {
            str(own): {str(f): triples(f, own) for f in range(FRAMES)}
            for own in range(2)
        },
        {
            str(f): {str(own): triples(f, own) for own in range(2)}
            for f in range(FRAMES)
        },
        {
            str(own): {
                "joints2d": bodies_of(own),
                "frame_ids": list(range(FRAMES)),
            }
            for own in range(2)
        },
    ],
)
def test_a_list_for_each_person(tmp_path, value):
    check(read(tmp_path, value), 2)


def test_a_list_for_the_only_person(tmp_path):
    value = [{"frame": f, "keypoints": triples(f)} for f in range(FRAMES)]
    keypoints = read(tmp_path, {"7": value})
    check(keypoints)
    assert keypoints.tracks[0].track_id == 7
    keypoints = read(tmp_path, {"7": bodies_of()[:1] + bodies_of(1)[:1]})
    assert [track.frames.tolist() for track in keypoints.tracks] == [[7]] * 2


@pytest.mark.parametrize("rows", ["list", "lines", "columns"])
def test_tables_in_json(tmp_path, rows):
    header, *lines = clips.csv_text().splitlines()
    names = header.split(",")
    records = [
        dict(zip(names, map(float, line.split(",")), strict=True))
        for line in lines
    ]
    value = {
        "list": records,
        "lines": "\n".join(map(json.dumps, records)),
        "columns": {
            name: {str(n): row[name] for n, row in enumerate(records)}
            for name in names
        },
    }[rows]
    check(read(tmp_path, value), 2)


def test_frames_in_which_nobody_is(tmp_path):
    for empty in (
        {"frame": 2, "landmarks": None},
        {"frame": 2, "landmarks": []},
        {"frame": 2, "detected": False},
        {"frame": 2},
    ):
        frames = [
            {"frame": frame, "landmarks": triples(frame)}
            for frame in range(FRAMES)
        ]
        frames[2] = empty
        (track,) = read(tmp_path, frames).tracks
        assert track.frames.tolist() == [0, 1, 3, 4]


# 10. Times, clips and scores.


@pytest.mark.parametrize(
    "text", ["2024-05-03T12:00:00.{:03}Z", "2024-05-03 12:00:00.{:03}", "{}"]
)
def test_times_as_text(tmp_path, text):
    frames = [
        {"timestamp": text.format(40 * frame), "keypoints": triples(frame)}
        for frame in (4, 0, 1, 2, 3)
    ]
    keypoints = read(tmp_path, frames)
    check(keypoints)
    assert keypoints.fps == pytest.approx(25)
    rows = "\n".join(
        ",".join([frame["timestamp"], *map(str, np.ravel(frame["keypoints"]))])
        for frame in frames
    )
    columns = ",".join(f"{j}_{axis}" for j in COCO for axis in "xyv")
    keypoints = read(tmp_path, f"timestamp,{columns}\n{rows}", "clip.csv")
    check(keypoints)
    assert keypoints.fps == pytest.approx(25)


def test_what_is_no_time_is_not_used(tmp_path):
    """How long a frame took, and text."""
    for times in ([0.03] * FRAMES, [0.03, 0.05, 0.02, 0.07, 0.01], ["a"] * 5):
        frames = [
            {"time": own, "people": [{"keypoints": triples(frame)}]}
            for frame, own in enumerate(times)
        ]
        keypoints = read(tmp_path, frames)
        check(keypoints)
        assert noted(keypoints, "ot used")


def test_rates_of_frames(tmp_path):
    frames = frames_of_people()
    for frame in frames:
        frame["fps"] = "25"
    assert read(tmp_path, frames).fps == 25


def test_several_clips_in_a_file_are_refused(tmp_path):
    people = [
        {"video": name, "frame": frame, "keypoints": triples(frame)}
        for name in ("a.mp4", "b.mp4")
        for frame in range(FRAMES)
    ]
    columns = ",".join(f"{j}_{axis}" for j in COCO for axis in "xyv")
    rows = [
        ",".join([p["video"], str(p["frame"]), *map(str, flat(p["frame"]))])
        for p in people
    ]
    images = [
        {"image_id": f"{p['video']}/{p['frame']:05}.jpg", "keypoints": flat(0)}
        for p in people
    ]
    for value, name in (
        (people, "clip.json"),
        ("\n".join([f"camera,frame,{columns}", *rows]), "clip.csv"),
        (images, "clip.json"),
    ):
        with pytest.raises(ValueError, match="several clips"):
            read(tmp_path, value, name)


def test_scores_that_only_some_joints_have(tmp_path):
    frames = [clips.tfjs(frame) for frame in range(FRAMES)]
    del frames[1][0]["keypoints"][3]["score"]
    assert noted(
        read(tmp_path, frames), "1 joints have a position but no score"
    )


def test_scores_in_lists_of_one(tmp_path):
    frames = [
        {
            "frame": frame,
            "keypoints": PIXELS[frame, 0].tolist(),
            "scores": SCORES[frame, 0, :, None].tolist(),
        }
        for frame in range(FRAMES)
    ]
    check(read(tmp_path, frames))


def test_scores_of_people_behind_their_boxes(tmp_path):
    frames = [
        [
            {"bbox": [1, 2, 3, 4, score], "keypoints": triples(frame, own)}
            for own, score in enumerate((0.9, 0.05))
        ]
        for frame in range(FRAMES)
    ]
    check(read(tmp_path, frames))


@pytest.mark.parametrize("more", ["0.9", "{}", "0.9 {}"])
def test_last_numbers_of_labels(tmp_path, more):
    """A score, a track from 1 on, or both."""
    for frame in range(FRAMES):
        lines = [
            yolo(frame).splitlines()[own] + " " + more.format(own + 1)
            for own in range(2)
        ]
        write(tmp_path, "\n".join(lines), f"clip_{frame}.txt")
    keypoints = formats.read(tmp_path, IMAGE_SIZE)
    check(keypoints, 2)
    if "{}" in more:
        assert [track.track_id for track in keypoints.tracks] == [1, 2]


# 11. Arrays and tables as people lay them out.

ARRAY = np.concatenate([PIXELS, SCORES[..., None]], axis=-1)
ONE = ARRAY[:, 0]


@pytest.mark.parametrize(
    ("array", "people"),
    [
        (ONE.reshape(FRAMES, -1), 1),
        (ONE.swapaxes(1, 2), 1),
        (ONE.swapaxes(0, 1), 1),
        (ONE[:, None], 1),
        (ONE[:, :, None], 1),
        (ARRAY.swapaxes(2, 3), 2),
        (ARRAY.transpose(3, 0, 2, 1), 2),
    ],
)
def test_layouts_of_arrays(tmp_path, array, people):
    np.save(tmp_path / "clip.npy", array)
    check(formats.read(tmp_path / "clip.npy"), people)


def test_what_arrays_say_beside_the_joints(tmp_path):
    names = np.array(COCO[::-1])
    for members in (
        {"keypoints": ONE, "timestamps": np.arange(FRAMES) * 0.04},
        {"keypoints": ONE[:, ::-1], "joint_names": names},
        {"keypoints": ARRAY, "bbox_scores": np.array([[0.9, 0.05]] * FRAMES)},
    ):
        np.savez(tmp_path / "clip.npz", **members)
        keypoints = formats.read(tmp_path / "clip.npz")
        check(keypoints)
        assert keypoints.fps == (25 if "timestamps" in members else None)
    np.savez(
        tmp_path / "clip.npz",
        keypoints=ARRAY.reshape(-1, 17, 3),
        frame=np.repeat(np.arange(FRAMES), 2),
        track_id=np.tile([1, 2], FRAMES),
        img_shape=[480, 640, 3],
    )
    keypoints = formats.read(tmp_path / "clip.npz")
    check(keypoints, 2)
    assert keypoints.image_size == IMAGE_SIZE


HEADER, *ROWS = clips.csv_text().splitlines()


@pytest.mark.parametrize(
    "lines",
    [
        ["sep=,", HEADER, *ROWS],
        ["# of a tool", "# fps: 30", HEADER, *ROWS],
        ["Export of a clip", "", HEADER, *ROWS],
        [HEADER, ",," + ",".join(["px", "px", ""] * 17), *ROWS],
        [HEADER, *ROWS[:4], HEADER, *ROWS[4:]],
        [HEADER.replace("_x", " X (px)").replace("_y", " Y (px)"), *ROWS],
        [HEADER.replace("nose_", "keypoints.nose."), *ROWS],
        [line.replace(",", " ") for line in (HEADER, *ROWS)],
        [line.replace(",", ";").replace(".", ",") for line in (HEADER, *ROWS)],
    ],
)
def test_tables_with_other_lines_and_cells(tmp_path, lines):
    check(read(tmp_path, "\n".join(lines), "clip.csv"), 2)


@pytest.mark.parametrize("cell", ["", "NaN", "N/A", "None", "-"])
def test_cells_that_say_nothing(tmp_path, cell):
    row = ROWS[0].split(",")
    row[2:5] = [cell] * 3
    text = "\n".join([HEADER, ",".join(row), *ROWS[1:]])
    first, _ = read(tmp_path, text, "clip.csv").tracks
    assert first.scores[0, 0] == 0 and (first.scores[0, 1:] > 0).all()


def test_cells_of_whole_joints(tmp_path):
    lines = [",".join(["frame", *COCO])]
    for frame in range(FRAMES):
        cells = [f'"({x}, {y}, {s})"' for x, y, s in triples(frame)]
        lines.append(",".join([str(frame), *cells]))
    check(read(tmp_path, "\n".join(lines), "clip.csv"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.pkl", b"\x80\x04\x95"),
        ("a.mat", b"MATLAB 5.0 MAT-file"),
        ("a.xlsx", b"PK\3\4" + bytes(22) + b"\x08\0\0\0[Content"),
        ("a.bvh", b"HIERARCHY\n"),
        ("a.xml", b"<?xml version='1.0'?>"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c"),
        ("a.json", b"version https://git-lfs.github.com/spec/v1"),
        ("a.json", b"[{'frame': 0}]"),
    ],
)
def test_other_kinds_of_files_are_named(tmp_path, name, content):
    path = write(tmp_path, content, name)
    with pytest.raises(ValueError, match="is not supported: save") as error:
        formats.read(path)
    assert len(str(error.value).removeprefix(str(path))) <= 300


def test_an_empty_file_among_frames_costs_that_frame(tmp_path):
    for frame, value in enumerate(clips.openpose_frames("COCO-18")):
        content = "" if frame == 2 else json.dumps(value)
        write(tmp_path, content, f"clip_{frame:012}_keypoints.json")
    keypoints = formats.read(tmp_path)
    assert keypoints.tracks[0].frames.tolist() == [0, 1, 3, 4]
    assert noted(keypoints, "Not read: clip_000000000002")


def test_other_files_are_skipped_among_frames_only(tmp_path):
    for name in ("alphapose", "mmpose"):
        write(tmp_path, clips.coco_results(), f"{name}.json")
    write(tmp_path, clips.mmpose_image(), "image_1.json")
    with pytest.raises(ValueError, match="alphapose.json: several frames"):
        formats.read(tmp_path)


@pytest.mark.parametrize("key", ["index", "id", "n"])
def test_frames_by_their_own_ids(tmp_path, key):
    frames = [
        {key: 2 * frame, "people": [{"keypoints": triples(frame)}]}
        for frame in range(FRAMES)
    ]
    check(read(tmp_path, frames), frames=range(0, 2 * FRAMES, 2))
    for frame in frames:  # Of the camera.
        frame[key] = 7
    check(read(tmp_path, frames))


def test_ultralytics_attributes(tmp_path):
    for joints in (
        lambda frame: {"data": [triples(frame, own) for own in range(2)]},
        lambda frame: {
            "xy": PIXELS[frame].tolist(),
            "conf": SCORES[frame].tolist(),
        },
    ):
        frames = [
            {"frame": frame, "keypoints": joints(frame)}
            for frame in range(FRAMES)
        ]
        check(read(tmp_path, frames), 2)


def test_sizes_of_something_else(tmp_path):
    value = {
        "roi": {"x": 0, "y": 0, "width": 100, "height": 100},
        "model": {"input_size": [192, 256]},
        "frames": frames_of_people(),
    }
    keypoints = read(tmp_path, value)
    check(keypoints, 2)
    assert keypoints.image_size is None


def test_duplicates_in_a_file_of_one_frame(tmp_path):
    for frame in range(FRAMES):
        people = [
            {"keypoints": triples(frame), "bbox_score": score}
            for score in (0.9, 0.8)
        ]
        write(tmp_path, people, f"{frame:06}.json")
    check(formats.read(tmp_path))


@pytest.mark.parametrize("as_lines", [False, True])
def test_what_is_about_a_clip_before_its_frames(tmp_path, as_lines):
    value = [ABOUT, *frames_of_people()]
    if not as_lines:
        value.append({"fps": 25, "total_frames": FRAMES})
    else:
        value = "\n".join(map(json.dumps, value))
    keypoints = read(tmp_path, value)
    check(keypoints, 2)
    assert keypoints.fps == 25 and keypoints.image_size == IMAGE_SIZE


def test_numbers_as_text(tmp_path):
    frames = [
        {"frame": str(frame), "keypoints": list(map(str, flat(frame)))}
        for frame in range(FRAMES)
    ]
    check(read(tmp_path, frames))
    frames[2]["keypoints"][0] = "NaN"
    assert read(tmp_path, frames).tracks[0].scores[2, 0] == 0


def test_ids_that_are_large_are_names(tmp_path):
    people = [
        {
            "frame": frame,
            "id": 17_000_000_000 + own,
            "keypoints": triples(frame, own),
        }
        for frame in range(FRAMES)
        for own in range(2)
    ]
    keypoints = read(tmp_path, people)
    check(keypoints, 2)
    assert not noted(keypoints, "ot used")


def test_detectron2s_instances(tmp_path):
    """Their size is (height, width), and their scores are of people."""
    frames = [
        {
            "image_size": [480, 640],
            "pred_boxes": [[1, 2, 3, 4]] * 2,
            "pred_classes": [0, 0],
            "scores": [0.9, 0.05],
            "pred_keypoints": [triples(frame, own) for own in range(2)],
        }
        for frame in range(FRAMES)
    ]
    for value in (frames, [{"instances": frame} for frame in frames]):
        keypoints = read(tmp_path, value)
        check(keypoints)
    assert read(tmp_path, frames).image_size == IMAGE_SIZE


def test_z_of_mediapipe_in_flat_lists(tmp_path):
    """It is no score."""
    pixels, _ = clips.truth("MediaPipe-33", 1)
    depth = np.linspace(-200, 200, 33)[None, :, None].repeat(FRAMES, axis=0)
    depth[:, [23, 24]] = 0
    rows = np.concatenate([pixels[:, 0], depth], axis=2).reshape(FRAMES, -1)
    keypoints = read(tmp_path, rows.tolist())
    (track,) = keypoints.tracks
    np.testing.assert_allclose(track.pixels, pixels[:, 0], atol=1e-3)
    assert (track.scores == 1).all() and noted(keypoints, "MediaPipe's z")


def test_pixels_around_the_corner_are_3d(tmp_path):
    rows = [
        [
            {"name": name, "x": x - 210, "y": 220 - y, "z": 900.0}
            for name, (x, y) in zip(COCO, PIXELS[frame, 0], strict=True)
        ]
        for frame in range(FRAMES)
    ]
    with pytest.raises(ValueError, match="as 3D coordinates in millimetres"):
        read(tmp_path, rows)


def test_folders_of_packed_frames(tmp_path):
    for frame in range(FRAMES):
        content = json.dumps(clips.mmpose_image(frame)).encode()
        write(tmp_path, gzip.compress(content), f"{frame:06}.json.gz")
    check(formats.read(tmp_path), 2)


@pytest.mark.parametrize("count", [FRAMES, 17])
def test_boxes_beside_joints_are_no_points(tmp_path, count):
    frames = [
        {
            "predictions": [
                {
                    **{"x": 50, "y": 60, "width": 9 + frame, "height": 200},
                    "class": "person",
                    "confidence": 0.9,
                    "keypoints": [
                        {"x": x, "y": y, "confidence": score, "class": name}
                        for name, (x, y, score) in zip(
                            COCO, triples(frame % FRAMES), strict=True
                        )
                    ],
                }
            ],
            "image": {"width": 640, "height": 480},
        }
        for frame in range(count)
    ]
    rows = [frame["predictions"][0] for frame in frames]
    for value in (frames, rows):
        keypoints = read(tmp_path, value)
        assert keypoints.frame_count == count
        np.testing.assert_allclose(
            keypoints.tracks[0].pixels[:FRAMES], PIXELS[:, 0], atol=2e-3
        )
        assert keypoints.image_size == (
            (640, 480) if value is frames else None
        )


@pytest.mark.parametrize("place", ["x,y", "left,top"])
def test_the_box_of_a_table_is_no_image(tmp_path, place):
    header, *lines = clips.csv_text().splitlines()
    rows = [f"{place},width,height,{header}"]
    rows += [f"10,20,300,400,{line}" for line in lines]
    keypoints = read(tmp_path, "\n".join(rows), "clip.csv")
    check(keypoints, 2)
    assert keypoints.image_size is None


def test_people_of_frames_of_several_sizes_are_followed(tmp_path):
    frames = [
        {"frame": f, "keypoints": triples(f), "width": 99 + f, "height": 300}
        for f in range(FRAMES)
    ]
    keypoints = read(tmp_path, frames)
    check(keypoints)
    assert noted(keypoints, "different widths and heights")
    for frame in frames:
        frame["image_id"] = f"{frame.pop('frame')}.jpg"
    keypoints = read(tmp_path, frames)
    assert len(keypoints.tracks) == FRAMES
    assert noted(keypoints, "people are not tracked")


def test_notes_have_a_length(tmp_path):
    names = [f"a field whose name is long, and no. {n}" for n in range(9)]
    frames = [
        {"frame": f, "keypoints": triples(f), **dict.fromkeys(names, 1)}
        for f in range(FRAMES)
    ]
    (note,) = read(tmp_path, frames).notes
    assert names[0] in note and "and 7 more" in note and len(note) <= 300


def test_long_names_and_numbers_cost_no_time(tmp_path):
    before = time.process_time()
    assert vocabulary.meaning("s" * 39 + "q") is None
    with pytest.raises(ValueError, match="not a known form"):
        read(tmp_path, [["1" * 30_000 + "x"] * 6])
    assert time.process_time() - before < 5


def test_a_row_for_each_joint_needs_frames(tmp_path):
    rows = ["joint,x,y"]
    rows += [
        f"{name},{x},{y}"
        for frame in range(2)
        for name, (x, y, _) in zip(COCO, triples(frame), strict=True)
    ]
    with pytest.raises(
        ValueError, match="line 19: .* without a column of fra"
    ):
        read(tmp_path, "\n".join(rows), "clip.csv")


def test_tables_of_spreadsheets_in_latin_1(tmp_path):
    header, *rows = clips.csv_text().splitlines()
    text = "\n".join([f"{header},Größe", *(f"{row},5" for row in rows)])
    keypoints = read(tmp_path, text.encode("latin-1"), "clip.csv")
    check(keypoints, 2)
    assert noted(keypoints, "is read as Latin-1")
    assert noted(keypoints, "Not read: columns 'Größe'.")


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("timestamp_ms", 1e-3),
        ("timestampMs", 1e-3),
        ("time_s", 1.0),
        ("timeS", 1.0),
        ("time_sec", 1.0),
        ("milliseconds", 1e-3),
        ("timestamp_ns", 1e-9),
        # A plural, of whatever unit.
        ("timestamps", None),
        ("times", None),
    ],
)
def test_units_of_times(name, seconds):
    assert vocabulary.time_unit(name) == seconds


def test_what_is_around_a_frame_of_a_folder(tmp_path):
    for number, frame in enumerate(clips.openpose_frames()):
        around = {"result": frame, "width": 640, "height": 480}
        write(tmp_path, around, f"a_{number}.json")
    assert formats.read(tmp_path).image_size == IMAGE_SIZE


def test_a_damaged_file_of_a_folder_is_named(tmp_path):
    for number, frame in enumerate(clips.openpose_frames()):
        packed = gzip.compress(json.dumps(frame).encode())
        packed = packed[:40] if number == 2 else packed
        write(tmp_path, packed, f"a_{number}.json.gz")
    with pytest.raises(ValueError, match=r"a_2\.json\.gz: truncated gzip"):
        formats.read(tmp_path)


def test_the_number_of_frames_of_arrays_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(untrusted, "MAX_FRAMES", 4)
    for array in (PIXELS[:, 0], PIXELS, PIXELS.swapaxes(0, 1)):
        np.save(tmp_path / "clip.npy", array)
        with pytest.raises(ValueError, match="5 frames; at most 4"):
            formats.read(tmp_path / "clip.npy")

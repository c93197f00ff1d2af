"""Every tool's files, recognised and read."""

import io
import json
import os
import pathlib
import sys

import numpy as np
import pytest

from ampose_tf import conversion
from ampose_tf.data import archive
from ampose_tf.lifting import formats, keypoints
from ampose_tf.lifting.keypoints import find_skeleton
from tests import clips
from tests.clips import FRAMES, IMAGE_SIZE


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return clips.write_all(tmp_path_factory.mktemp("clips"))


def write(folder, value, name="clip.json"):
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def check_track(track, pixels, scores, tolerance=1e-3):
    """Compares a track with one person of `clips.truth`."""
    assert track.frames.tolist() == list(range(len(pixels)))
    assert track.pixels.dtype == track.scores.dtype == np.float32
    np.testing.assert_allclose(track.pixels, pixels, atol=tolerance)
    np.testing.assert_allclose(track.scores, scores, atol=1e-4)


# What of the truth each file holds: skeleton, frames, people.
TWO = ("COCO-17", FRAMES, 2)
HELD = {
    "coco": TWO,
    "alphapose": ("Halpe-26", FRAMES, 2),
    "openpose": ("BODY_25", 1, 2),
    "openpose_folder": ("COCO-18", FRAMES, 2),
    "lines": ("BODY_25", FRAMES, 2),
    "coco_lines": TWO,
    "mmpose_image": ("COCO-17", 1, 2),
    "mmpose_video": TWO,
    "mmpose_demo": TWO,
    "ultralytics": TWO,
    "ultralytics_text": TWO,
    "tfjs": TWO,
    "csv": TWO,
    "mediapipe": ("MediaPipe-33", FRAMES, 1),
    "own": ("MediaPipe-33", FRAMES, 1),
}


@pytest.mark.parametrize("name", HELD)
def test_people_and_scores_are_those_of_the_file(paths, name):
    skeleton, frames, people = HELD[name]
    size = IMAGE_SIZE if name == "mediapipe" else None
    read = formats.read(paths[name], size)
    assert (read.skeleton, read.frame_count) == (skeleton, frames)
    assert read.image_size == (IMAGE_SIZE if people == 1 else None)
    assert read.fps == (25 if name == "own" else None)
    pixels, scores = clips.truth(skeleton)
    assert [track.track_id for track in read.tracks] == list(range(people))
    for track in read.tracks:
        person = track.track_id
        check_track(track, pixels[:frames, person], scores[:frames, person])


def test_files_without_scores(paths):
    """Whoever places a joint without a score is sure of it."""
    pixels, scores = clips.truth()
    for name, people in {
        "coco_annotations": 2,
        "detectron2_custom": 1,
        "plain": 1,
        "by_name": 1,
    }.items():
        read = formats.read(paths[name])
        assert (read.skeleton, read.frame_count) == ("COCO-17", FRAMES)
        assert len(read.tracks) == people
        for track in read.tracks:
            check_track(
                track, pixels[:, track.track_id], np.ones((FRAMES, 17))
            )
    assert formats.read(paths["plain"]).fps == 30
    assert formats.read(paths["coco_annotations"]).image_size == IMAGE_SIZE
    assert formats.read(paths["detectron2_custom"]).image_size == IMAGE_SIZE


def test_movenet_is_y_before_x(paths):
    read = formats.read(paths["movenet"], IMAGE_SIZE)
    assert read.skeleton == "MoveNet-17"
    pixels, scores = clips.truth(people=1)
    check_track(read.tracks[0], pixels[:, 0], scores[:, 0])
    # One frame as the model gives it, and as stacked with the batch's axis.
    for array in (clips.movenet()[0], clips.movenet()[:, 0]):
        np.save(paths["movenet"].with_name("other.npy"), array)
        other = formats.read(
            paths["movenet"].with_name("other.npy"), IMAGE_SIZE
        )
        np.testing.assert_array_equal(
            other.tracks[0].pixels, read.tracks[0].pixels[: len(array)]
        )


def test_detectron2_probabilities_are_scaled(paths):
    """Its own threshold, 0.05, becomes 0.3."""
    read = formats.read(paths["detectron2"])
    assert read.image_size == IMAGE_SIZE
    pixels, scores = clips.truth()
    assert len(read.tracks) == 2
    for person, track in enumerate(read.tracks):
        check_track(
            track, pixels[:, person], np.minimum(0.6 * scores[:, person], 1)
        )


@pytest.mark.parametrize(
    "form",
    [
        lambda frame: [list(p.values()) for p in frame],  # x, y, z, visibility
        lambda frame: {"pose_landmarks": frame},
        lambda frame: {"landmarks": [frame], "worldLandmarks": [frame]},
        lambda frame: {"poseLandmarks": {"landmark": frame}, "frame": 7},
        lambda frame: {
            name.upper(): point
            for name, point in zip(
                find_skeleton("MediaPipe-33").joints, frame, strict=True
            )
        },
    ],
)
@pytest.mark.parametrize("normalised", [True, False])
def test_mediapipe_in_many_dresses(tmp_path, form, normalised):
    frame = form(clips.mediapipe(1, normalised))
    read = formats.read(write(tmp_path, [frame]), IMAGE_SIZE)
    assert read.skeleton == "MediaPipe-33"
    (track,) = read.tracks
    pixels, scores = clips.truth("MediaPipe-33")
    np.testing.assert_allclose(track.pixels[0], pixels[1, 0], atol=1e-3)
    np.testing.assert_allclose(track.scores[0], scores[1, 0], atol=1e-4)
    assert track.frames[0] == (7 if "frame" in frame else 0)


def test_mediapipe_rows_of_three(tmp_path):
    """The third number is a visibility where it can be one, else z."""
    pixels, scores = clips.truth("MediaPipe-33")
    rows = np.concatenate([pixels[0, 0], scores[0, 0][:, None]], axis=1)
    (track,) = formats.read(write(tmp_path, rows.tolist())).tracks
    np.testing.assert_allclose(track.scores[0], scores[0, 0], atol=1e-4)
    rows[:, 2] = np.linspace(-150, 150, 33)
    (track,) = formats.read(write(tmp_path, rows.tolist())).tracks
    assert (track.scores == 1).all()
    np.save(tmp_path / "clip.npy", rows[None])
    (array,) = formats.read(tmp_path / "clip.npy").tracks
    np.testing.assert_array_equal(array.pixels, track.pixels)


def test_ultralytics_normalised_and_tracked(tmp_path):
    value = [clips.ultralytics(f, True, True) for f in range(FRAMES)]
    # A person whom the tool's tracker has not confirmed.
    extra = clips.ultralytics(0, False, True)[0]
    extra["keypoints"]["x"] = [x + 0.3 for x in extra["keypoints"]["x"]]
    value[1].append(extra)
    path = write(tmp_path, value)
    read = formats.read(path, IMAGE_SIZE)
    assert [track.track_id for track in read.tracks] == [6, 7]
    pixels, scores = clips.truth()
    check_track(read.tracks[1], pixels[:, 0], scores[:, 0])
    with pytest.raises(ValueError, match="--image_size=WIDTHxHEIGHT"):
        formats.read(path)


def test_track_ids_of_alphapose(tmp_path):
    """Without tracking it gives everybody the id 0."""
    for idx, expected in (
        (lambda person: [0.0], [0, 1]),
        (lambda person: 9 - person, [8, 9]),
    ):
        path = write(tmp_path, clips.alphapose("COCO-17", idx))
        read = formats.read(path)
        assert [track.track_id for track in read.tracks] == expected
        assert [len(track.frames) for track in read.tracks] == [FRAMES] * 2


def test_a_long_list_of_poses_is_one_person(tmp_path):
    poses = [clips.tfjs(frame % FRAMES)[0] for frame in range(7)]
    (track,) = formats.read(write(tmp_path, poses)).tracks
    assert track.frames.tolist() == list(range(7))
    assert len(formats.read(write(tmp_path, poses[:2])).tracks) == 2


def test_whole_body_models_begin_with_the_body(tmp_path):
    for skeleton, count in (("COCO-17", 133), ("Halpe-26", 136)):
        results = clips.coco_results(1, skeleton)
        for person in results:
            person["keypoints"] += [5.0] * 3 * count
            person["keypoints"] = person["keypoints"][: 3 * count]
        read = formats.read(write(tmp_path, results))
        assert read.skeleton == skeleton
        pixels, scores = clips.truth(skeleton, 1)
        check_track(read.tracks[0], pixels[:, 0], scores[:, 0])


def test_joints_by_name_in_any_order_and_with_gaps(tmp_path):
    frames = [clips.by_name(frame) for frame in range(FRAMES)]
    for frame in frames:
        del frame["left_ear"]
    frames = [dict(reversed(frame.items())) for frame in frames]
    (track,) = formats.read(write(tmp_path, frames)).tracks
    ear = clips.COCO.index("left_ear")
    assert (track.scores[:, ear] == 0).all()
    assert (track.pixels[:, ear] == 0).all()
    pixels = clips.truth()[0][:, 0]
    others = np.arange(17) != ear
    np.testing.assert_allclose(
        track.pixels[:, others], pixels[:, others], atol=1e-3
    )


def test_categories_name_the_order_of_annotations(tmp_path):
    value = clips.coco_annotations()
    value["categories"][0]["keypoints"] = clips.COCO[::-1]
    for person in value["annotations"]:
        triples = np.reshape(person["keypoints"], (-1, 3))
        person["keypoints"] = triples[::-1].ravel().tolist()
    read = formats.read(write(tmp_path, value))
    check_track(read.tracks[0], clips.truth()[0][:, 0], np.ones((FRAMES, 17)))


def test_photographs_are_nobodys_clip(tmp_path):
    """Images of several sizes: everybody stays alone."""
    value = clips.coco_annotations()
    value["images"][1]["width"] = 800
    read = formats.read(write(tmp_path, value))
    assert read.image_size is None
    assert [len(track.frames) for track in read.tracks] == [1] * 2 * FRAMES


def test_visibility_of_annotations(tmp_path):
    value = clips.coco_annotations()
    keypoints_of_first = value["annotations"][0]["keypoints"]
    keypoints_of_first[2] = 1  # Labelled, though hidden.
    keypoints_of_first[5] = 0
    (track, _) = formats.read(write(tmp_path, value)).tracks
    assert track.scores[0].tolist() == [1, 0] + [1] * 15


MISSING = {
    "(0, 0)": [0, 0, 0.9],
    "(-1, -1)": [-1, -1, 0.9],
    "null": [None, None, 0.9],
    "NaN": [float("nan"), 5, 0.9],
    "score 0": [100, 100, 0],
    "score -1": [100, 100, -1],
    "no score": [100, 100, None],
}


@pytest.mark.parametrize("kind", MISSING)
def test_missing_joints_have_no_score(tmp_path, kind):
    value = clips.openpose_frames()
    for frame in value:
        frame["people"] = frame["people"][:1]
        frame["people"][0]["pose_keypoints_2d"][6:9] = MISSING[kind]
    (track,) = formats.read(write(tmp_path, value)).tracks
    assert (track.scores[:, 2] == 0).all() and (track.pixels[:, 2] == 0).all()
    assert (np.delete(track.scores, 2, axis=1) >= 0.5).all()


def test_frames_without_people(tmp_path):
    frames = clips.openpose_frames()
    frames[2]["people"] = []
    # Of whom only a hand was found, and of whom nothing was.
    frames[3]["people"][0]["pose_keypoints_2d"] = []
    frames[3]["people"][1]["pose_keypoints_2d"] = [0] * 75
    read = formats.read(write(tmp_path, [*frames, None, []]))
    assert read.frame_count == FRAMES + 2
    assert [t.frames.tolist() for t in read.tracks] == [[0, 1, 4]] * 2


def test_numbers_of_frames(tmp_path):
    results = [person | {} for person in clips.coco_results(1)]
    for numbers, expected in (
        ([3, 4, 5, 7, 9], [3, 4, 5, 7, 9]),
        ([9, 4, 5, 7, 3], [3, 4, 5, 7, 9]),
        # Ids of a collection of images.
        ([785, 40083, 196141, 197388, 2006], [0, 1, 2, 3, 4]),
        (["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"], [0, 1, 2, 3, 4]),
        ([f"v2_{n}.jpg" for n in (8, 9, 10, 11, 12)], [8, 9, 10, 11, 12]),
    ):
        for person, number in zip(results, numbers, strict=True):
            person["image_id"] = number
        read = formats.read(write(tmp_path, results))
        assert read.tracks[0].frames.tolist() == expected
        assert read.frame_count == expected[-1] + 1


def test_a_folder_is_in_the_order_of_its_numbers(tmp_path):
    for number, frame in enumerate(clips.openpose_frames(), 8):
        write(tmp_path, frame, f"clip_{number}_keypoints.json")
    (tmp_path / "clip.mp4").write_text("no keypoints")
    read = formats.read(tmp_path)
    assert read.tracks[0].frames.tolist() == [8, 9, 10, 11, 12]
    np.testing.assert_allclose(
        read.tracks[0].pixels, clips.truth("BODY_25")[0][:, 0], atol=1e-3
    )
    write(tmp_path, clips.openpose_frames()[0], "other_8_keypoints.json")
    with pytest.raises(ValueError, match="one clip a folder"):
        formats.read(tmp_path)


def test_standard_input(monkeypatch):
    lines = "\n".join(map(json.dumps, clips.openpose_frames()))
    standard = io.TextIOWrapper(io.BytesIO(lines.encode()))
    monkeypatch.setattr(sys, "stdin", standard)
    read = formats.read("-")
    assert len(read.tracks) == 2 and read.frame_count == FRAMES
    standard = io.TextIOWrapper(io.BytesIO(b"[]\n{"))
    monkeypatch.setattr(sys, "stdin", standard)
    with pytest.raises(ValueError, match="standard input: line 2: not JSON"):
        formats.read("-")


def test_arrays_of_seventeen_joints(tmp_path):
    """Human3.6M's order and COCO's are told apart by the face."""
    path = tmp_path / "clip.npy"
    pixels, scores = (part[:, 0] for part in clips.truth())
    np.save(path, pixels)
    assert formats.read(path).skeleton == "COCO-17"
    # Even where an ear, an elbow and a hip were never seen.
    partly = pixels.copy()
    partly[:, 3], partly[::2, 7], partly[:2, 11] = np.nan, 0, -1
    np.save(path, partly)
    assert formats.read(path).skeleton == "COCO-17"
    h36m, _ = keypoints.convert(pixels, scores, find_skeleton("COCO-17"))
    np.save(path, h36m)
    assert formats.read(path).skeleton == "H36M-17"
    read = formats.read(path, skeleton=find_skeleton("COCO-17"))
    assert read.skeleton == "COCO-17"
    np.save(path, h36m[:, :16])
    assert formats.read(path).skeleton == "H36M-16"
    path = write(tmp_path, np.dstack([pixels, scores]).tolist())
    check_track(formats.read(path).tracks[0], pixels, scores)


def test_the_format_may_be_named(paths, tmp_path):
    for name, format in {
        "coco": "coco",
        "coco_annotations": "coco",
        "alphapose": "alphapose",
        "openpose_folder": "openpose",
        "lines": "openpose",
        "mmpose_demo": "mmpose",
        "ultralytics_text": "ultralytics",
        "detectron2": "detectron2",
        "detectron2_custom": "detectron2",
        "mediapipe": "mediapipe",
        "movenet": "movenet",
        "tfjs": "tfjs",
        "plain": "array",
        "csv": "csv",
    }.items():
        named = formats.read(paths[name], IMAGE_SIZE, format)
        assert named.skeleton == formats.read(paths[name], IMAGE_SIZE).skeleton
        other = "csv" if format == "movenet" else "movenet"
        with pytest.raises(ValueError):
            formats.read(paths[name], IMAGE_SIZE, other)
    np.save(tmp_path / "flat.npy", clips.movenet()[:, 0, 0])
    read = formats.read(tmp_path / "flat.npy", IMAGE_SIZE, "movenet")
    assert read.skeleton == "MoveNet-17"
    with pytest.raises(ValueError, match="unknown format 'vicon'; known: coc"):
        formats.read(paths["coco"], format="vicon")


def test_a_skeleton_of_ones_own(tmp_path):
    own = conversion.CONVERSIONS["MPII-16"]
    own = conversion.Conversion("own", own.joints, own.sides, own.weights)
    pixels = np.random.default_rng(7).uniform(100, 900, (3, 16, 2))
    np.save(tmp_path / "clip.npy", pixels)
    read = formats.read(tmp_path / "clip.npy", skeleton=own)
    assert read.skeleton == "own"
    h36m = keypoints.to_h36m(read, own)
    np.testing.assert_allclose(
        h36m.tracks[0].pixels, own.convert(pixels), atol=1e-3
    )
    header = ",".join(f"{j}_x,{j}_y" for j in reversed(own.joints))
    rows = pixels[:, ::-1].reshape(3, -1).tolist()
    text = "\n".join([header, *(",".join(map(str, row)) for row in rows)])
    named = formats.read(write(tmp_path, text, "clip.csv"), skeleton=own)
    np.testing.assert_array_equal(
        named.tracks[0].pixels, read.tracks[0].pixels
    )
    with pytest.raises(ValueError, match="have 17 joints; own has 16"):
        formats.read(write(tmp_path, clips.coco_results()), skeleton=own)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{", "not JSON"),
        (" ", "an empty file"),
        ("What it does", "neither JSON, nor .npy or .npz, nor a table"),
        ("[" * 100_000, "nested too deeply"),
        ("[[[1, 2]]]", "have 1 joints; known are 16, 17"),
        ({"bodies": []}, "an object with 'bodies' is no known form"),
        ({"people": 3}, "people: expected a list, got 3"),
        ([{"keypoint_scores": []}], "nearest: mmpose"),
        ({"images": [], "annotations": []}, "nobody in its 0 frames"),
        ([], "nobody in its 1 frames"),
        ([[], None, {}], "nobody in its 3 frames"),
        ({"worldLandmarks": [[]]}, "metres from the hip"),
        ([{"class": 0, "box": {}}], "expected those of a pose model"),
        ({"frames": [], "fps": 0}, "fps: expected frames a second above 0"),
        ({"frames": [], "fps": -25}, "at most 10000, got -25"),
        ({"frames": [], "image_size": [0, 5]}, "positive width and height"),
        ({"frames": [], "image_size": [5, 10**6]}, "of at most 100000"),
        (
            [{"frame_id": 3, "instances": []}] * 2,
            "frame 3 is there twice",
        ),
        (
            [{"frame_id": 10**8, "instances": []}],
            "frame: expected a whole number from 0 to 10000000, got 100000000",
        ),
        ({"people": [{}] * 201}, "nobody"),
    ],
)
def test_what_is_refused(tmp_path, value, message):
    path = write(tmp_path, value)
    with pytest.raises(ValueError, match="clip.json: ") as error:
        formats.read(path)
    assert message in str(error.value)
    assert str(error.value).isprintable()


def test_damage_to_a_clip_is_refused(tmp_path):
    def refuse(message, value, change):
        change(value)
        with pytest.raises(ValueError, match=message) as error:
            formats.read(write(tmp_path, value))
        assert str(error.value).isprintable()

    def set_keypoint(place, number):
        def change(results):
            results[3]["keypoints"][place] = number

        return change

    refuse(
        r"joint 2 of frame 1 lies at \(1e\+06, ",
        clips.coco_results(),
        set_keypoint(6, 1e6),
    )
    refuse("lies at .inf", clips.coco_results(), set_keypoint(0, np.inf))
    refuse(
        "frame 1: keypoints: expected numbers",
        clips.coco_results(),
        set_keypoint(0, "left"),
    )
    refuse(
        "17 joints in frame 0 and one of 18 in frame 1; one skeleton a file",
        clips.coco_results(),
        lambda results: results[3]["keypoints"].extend([5, 5, 1]),
    )
    refuse(
        "no joint of anybody was seen in its 5 frames",
        clips.coco_results(),
        lambda results: [r.update(keypoints=[0] * 51) for r in results],
    )
    refuse(
        "as if they had been normalised",
        clips.coco_results(),
        lambda results: [
            r.update(keypoints=[k / 1000 for k in r["keypoints"]])
            for r in results
        ],
    )
    refuse(
        "frame 2 has the person 4 twice",
        clips.coco_results(),
        lambda results: [r.update(track_id=4) for r in results[4:6]],
    )
    refuse(
        "frame 0: 201 people; at most 200",
        clips.coco_results(),
        lambda results: results.extend(results[:1] * 199),
    )
    refuse(
        "frame 1: it has the form of coco, what came before that of openpose",
        clips.openpose_frames(),
        lambda frames: frames.insert(1, clips.coco_results()[:1]),
    )
    refuse(
        "they are in 3D",
        clips.mmpose_image(),
        lambda people: [p.update(keypoints=[[1, 2, 3]] * 17) for p in people],
    )


def test_coordinates_outside_of_the_image_stay(tmp_path):
    results = clips.coco_results(1)
    results[0]["keypoints"][:2] = [-55.5, 1234.5]
    (track,) = formats.read(write(tmp_path, results)).tracks
    assert track.pixels[0, 0].tolist() == [-55.5, 1234.5]


def test_size_of_files_is_limited(tmp_path, monkeypatch, paths):
    monkeypatch.setattr(formats, "MAX_BYTES", 3000)
    large = write(tmp_path, clips.coco_results())
    np.savez_compressed(tmp_path / "bomb.npz", np.zeros(10**5))
    for path in (large, tmp_path / "bomb.npz", paths["openpose_folder"]):
        with pytest.raises(ValueError, match="(larger|more) than 3000 bytes"):
            formats.read(path)


def test_arrays_are_refused(tmp_path):
    pixels = clips.truth()[0][:, 0]

    def refuse(message, **members):
        np.savez(tmp_path / "clip.npz", **members)
        with pytest.raises(ValueError, match=message):
            formats.read(tmp_path / "clip.npz")

    refuse("scores: expected", keypoints_px=pixels, scores=np.ones((5, 16)))
    refuse("within .0, 1.", keypoints_px=pixels, scores=np.full((5, 17), 2))
    refuse("the third numbers", keypoints_px=np.dstack([pixels, pixels]))
    refuse("fps", keypoints_px=pixels, fps=np.nan)
    refuse("unknown skeleton 'cat'", keypoints_px=pixels, skeleton="cat")
    refuse("skeleton: expected a name", keypoints_px=pixels, skeleton=3)
    refuse("has 16", keypoints_px=pixels, skeleton="MPII-16")
    refuse("got .5, 17, 1, 2.", keypoints_px=pixels[:, :, None])
    positions = clips.detectron2_custom()
    positions["positions_2d"][()]["other.mp4"] = {}
    refuse("expected one video, found 2", **positions)
    positions["positions_2d"][()] = {"a": {"custom": [pixels, pixels]}}
    refuse("expected one camera, found 2", **positions)


def test_tables_are_refused(tmp_path):
    good = clips.csv_text()
    lines = good.splitlines()
    for text, message in (
        ("a,b\n1,2\n", "expected a header with <joint>_x"),
        (good.replace("nose", "snout"), "not those of any known skeleton"),
        (good + "1,2\n", "line 12: 2 cells, the header has 53"),
        (good.replace("\n0,0,", "\n0,0,x"), "line 2: expected a number, got"),
        (good + lines[1] + "\n", "frame 0 has the person 0 twice"),
        (good.replace("\n3,", "\n-3,"), "row 7, frame: expected a whole num"),
        (lines[0] + "," + "nose_x\n", "have the same name"),
        (lines[0], "nobody"),
    ):
        with pytest.raises(ValueError, match=message):
            formats.read(write(tmp_path, text, "clip.csv"))


def test_empty_cells_are_missing(tmp_path):
    pixels = clips.truth()[0][0, 0]
    names = [f"{j}_{axis}" for j in clips.COCO for axis in "xy"]
    cells = list(map(str, pixels.ravel()))
    cells[4:6] = ["", " "]
    text = ",".join(names) + "\n" + ",".join(cells) + "\n"
    # By its content; the name says nothing.
    (track,) = formats.read(write(tmp_path, text, "clip.txt")).tracks
    assert np.flatnonzero(track.scores[0] == 0).tolist() == [2]


def test_nothing_of_a_pickle_runs(tmp_path):
    class Attack:
        def __reduce__(self):
            return print, ("attacked",)

    holder = np.empty((), object)
    holder[()] = Attack()
    np.savez(tmp_path / "clip.npz", positions_2d=holder)
    with pytest.raises(ValueError, match=r"refused: its pickle calls .*print"):
        formats.read(tmp_path / "clip.npz")
    np.save(tmp_path / "clip.npy", holder, allow_pickle=True)
    with pytest.raises(ValueError, match="not a readable .npy"):
        formats.read(tmp_path / "clip.npy")
    with pytest.raises(OSError):
        archive.read_npy(tmp_path / "missing.npy")


@pytest.fixture
def samples():
    root = os.environ.get("AMPOSE_SAMPLES")
    if not root:
        pytest.skip("AMPOSE_SAMPLES is not set")
    return pathlib.Path(root)


DETECTORS = (
    "coco_results.json",
    "alphapose-results.json",
    "mmpose_inferencer_image.json",
    "mmpose_inferencer_video.json",
    "mmpose_demo_instance_info.json",
    "openpose_json",
    "detectron2_infer_video_d2.mp4.npz",
    "data_2d_custom_clip.npz",
    "ultralytics_to_json.json",
    "movenet_1x1x17x3.npy",
)


@pytest.mark.parametrize("name", DETECTORS)
def test_samples_of_detectors_are_the_truth(samples, name):
    read = formats.read(samples / "made_from_cmu" / name, (1000, 1000))
    truth = np.load(samples / "made_from_cmu/detector_truth.npz")
    (track,) = read.tracks
    pixels = truth["keypoints"][track.frames]
    joints = find_skeleton(read.skeleton).joints
    own = [joints.index(joint) for joint in clips.COCO]
    assert len(track.frames) == (1 if "image" in name else len(pixels))
    # Files are rounded to a thousandth of a pixel, MoveNet's to float32.
    np.testing.assert_allclose(track.pixels[:, own], pixels, atol=2e-3)


THIRD_PARTY = {
    "tfjs_pose_squats.full.json": ("MediaPipe-33", 65, 1),
    "tfjs_pose_1.json": ("COCO-17", 120, 1),
    "openpose_body25_000.json": ("BODY_25", 1, 1),
    # Fourteen people, two of whom have no joints.
    "mmpose_test_coco.json": ("COCO-17", 4, 12),
}


@pytest.mark.parametrize("name", THIRD_PARTY)
def test_samples_of_real_tools_are_read(samples, name):
    read = formats.read(samples / "third_party" / name)
    assert (
        read.skeleton,
        read.frame_count,
        len(read.tracks),
    ) == THIRD_PARTY[name]
    for track in keypoints.to_h36m(read).tracks:
        # Upright people: the head is above the hip, which is above the feet.
        if (track.scores > 0).all():
            hip, foot, head = track.pixels[0, [0, 3, 10], 1]
            assert head < hip < foot
    assert keypoints.assumed_image_size(read)[0][0] > 0


def test_openpose_samples_as_a_folder(samples, tmp_path):
    for path in (samples / "third_party").glob("openpose_body25_*.json"):
        (tmp_path / path.name).symlink_to(path)
    read = formats.read(tmp_path)
    (track,) = read.tracks
    assert track.frames.tolist() == [0, 1, 2, 3, 4]
    assert (track.scores == 0).any(axis=0).nonzero()[0].tolist() == [17]

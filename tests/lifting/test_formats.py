"""Every tool's files, recognised and read."""

import gc
import io
import json
import sys
from concurrent import futures

import numpy as np
import pytest

from ampose_tf import conversion
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
    rows[:, 2] = np.linspace(-150, 60, 33)
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
    pair = [clips.tfjs(0)[0], clips.tfjs(0)[1]]
    assert len(formats.read(write(tmp_path, pair)).tracks) == 2


def test_whole_body_models_begin_with_body_and_feet(tmp_path):
    for skeleton, body, count in (
        ("COCO-WholeBody-133", "COCO-17", 133),
        ("Halpe-136", "Halpe-26", 136),
    ):
        results = clips.coco_results(1, skeleton)
        for person in results:
            person["keypoints"] += [5.0] * 3 * count
            person["keypoints"] = person["keypoints"][: 3 * count]
        path = write(tmp_path, results)
        read = formats.read(path)
        assert read.skeleton == skeleton
        pixels, scores = clips.truth(skeleton, 1)
        check_track(read.tracks[0], pixels[:, 0], scores[:, 0])
        named = formats.read(path, skeleton=find_skeleton(body))
        joints = len(find_skeleton(body).joints)
        np.testing.assert_array_equal(
            named.tracks[0].pixels, read.tracks[0].pixels[:, :joints]
        )


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
    with pytest.raises(ValueError, match="one clip per folder"):
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


def test_coordinates_outside_of_the_image_stay(tmp_path):
    results = clips.coco_results(1)
    results[0]["keypoints"][:2] = [-55.5, 1234.5]
    (track,) = formats.read(write(tmp_path, results)).tracks
    assert track.pixels[0, 0].tolist() == [-55.5, 1234.5]


def test_empty_cells_are_missing(tmp_path):
    pixels = clips.truth()[0][0, 0]
    names = [f"{j}_{axis}" for j in clips.COCO for axis in "xy"]
    cells = list(map(str, pixels.ravel()))
    cells[4:6] = ["", " "]
    text = ",".join(names) + "\n" + ",".join(cells) + "\n"
    # By its content; the name says nothing.
    (track,) = formats.read(write(tmp_path, text, "clip.txt")).tracks
    assert np.flatnonzero(track.scores[0] == 0).tolist() == [2]


@pytest.mark.parametrize("is_on", [True, False])
def test_the_collector_is_left_as_it_was(tmp_path, is_on):
    """Also where a file is refused."""
    paths = clips.write_all(tmp_path)
    (tmp_path / "wrong.json").write_text("[1, 2]")
    (gc.enable if is_on else gc.disable)()
    try:
        formats.read(paths["openpose_folder"])
        with pytest.raises(ValueError, match="wrong.json"):
            formats.read(tmp_path / "wrong.json")
        assert gc.isenabled() is is_on
    finally:
        gc.enable()


def test_the_collector_is_on_when_the_last_of_several_has_read():
    reading = formats._collector_paused
    with futures.ThreadPoolExecutor(1) as pool:
        with reading:
            pool.submit(reading.__enter__).result()
            assert not gc.isenabled()
        assert not gc.isenabled()
        pool.submit(reading.__exit__).result()
    assert gc.isenabled()

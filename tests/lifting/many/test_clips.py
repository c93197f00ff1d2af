"""Which clips a pattern or a folder names."""

import gzip
import json
import os
import pathlib

import pytest

from ampose_tf.lifting import formats, saving
from ampose_tf.lifting.many import clips
from tests import clips as made

TWO_FRAMES = made.coco_results(people=1)
FRAME = {"people": []}


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return pathlib.Path("clips")


def names(found):
    return [path.name for path in found]


def test_a_pattern_names_clips_in_the_order_of_their_numbers(folder):
    for name in ("b10", "b2", "a"):
        write(folder / f"{name}.json", TWO_FRAMES)
    (folder / "notes.txt").touch()
    assert names(clips.find("clips/*.json")) == ["a.json", "b2.json"] + [
        "b10.json"
    ]
    assert names(clips.find("**/b*.json")) == ["b2.json", "b10.json"]


def test_a_file_is_one_clip_whatever_its_name(folder):
    write(folder / "a[1].json", TWO_FRAMES)
    assert clips.find("clips/a[1].json") is None
    assert clips.find("clips/missing.json") is None
    assert clips.find("-") is None


def test_a_folder_of_clips(folder):
    for name in ("a.json", "b.jsonl", "c.npy", "d/f1.json", ".e/f.json"):
        write(folder / name, TWO_FRAMES)
    write(folder / "empty" / "readme.txt", [])
    write(folder / "video.mp4", [])
    write(folder / "d/f1.json", FRAME)
    expected = ["a.json", "b.jsonl", "c.npy", "d"]
    assert names(clips.find("clips")) == expected
    assert names(clips.find("clips", "each")) == expected
    assert clips.find("clips", "one") is None


def test_folders_of_frames_are_clips(folder):
    for video in ("v1", "v2"):
        for frame in range(2):
            write(folder / video / f"{frame}.json", FRAME)
    assert names(clips.find("clips")) == ["v1", "v2"]
    assert clips.find("clips/v1") is None


ONE_FRAME = {
    "openpose": FRAME,
    "nobody": [],
    "coco results": [
        person for person in TWO_FRAMES if person["image_id"] == 0
    ],
    "annotations": {"images": [{}], "annotations": []},
    "own": {"frames": [FRAME]},
    "demo": {
        "instance_info": [{"keypoints": [[0, 1]], "keypoint_scores": []}]
    },
    "tfjs": [
        {"keypoints": [{"x": x, "y": 2, "name": "nose"} for x in (x, x + 9)]}
        for x in (100, 300, 500)
    ],
    "unreadable": "x",
}
SEVERAL = {
    "coco results": TWO_FRAMES,
    "annotations": {"images": [{}, {}], "annotations": []},
    "own": {"frames": [FRAME, FRAME]},
    "list": [FRAME, FRAME],
    "demo": {
        "instance_info": [
            {"frame_id": number, "instances": []} for number in (1, 2)
        ]
    },
    "tfjs": [{"keypoints": [{"x": 1, "y": 2, "name": "nose"}]}] * 7,
}


@pytest.mark.parametrize("value", ONE_FRAME.values(), ids=ONE_FRAME)
def test_files_of_one_frame_are_one_clip(folder, value):
    write(folder / "1.json", value)
    write(folder / "2.json", value)
    assert clips.find("clips") is None
    assert names(clips.find("clips", "each")) == ["1.json", "2.json"]


@pytest.mark.parametrize("value", SEVERAL.values(), ids=SEVERAL)
def test_a_file_of_several_frames_is_a_clip(folder, value):
    write(folder / "1.json", FRAME)
    write(folder / "2.json", value)
    assert names(clips.find("clips")) == ["1.json", "2.json"]


def test_what_names_no_clips(folder):
    write(folder / "a.json", TWO_FRAMES)
    write(folder / "a.csv", TWO_FRAMES)
    (folder / "empty").mkdir()
    for source, mode, message in (
        ("clips/*.npy", None, "no file matches clips/\\*.npy"),
        ("clips/*.json", "one", "is a pattern"),
        ("clips/a.json", "each", "is for a folder or a pattern"),
        ("clips/empty", "each", "no keypoint file"),
        ("clips", None, "a.csv and clips/a.json would both be named a"),
    ):
        with pytest.raises(ValueError, match=message):
            clips.find(source, mode)


def check_output(source, output, formats=("npz",)):
    found = clips.find(source)
    stems = [clips.stem(clip) for clip in found]
    targets = [p for name in stems for p in saving.plan(output, name, formats)]
    clips.check_output(source, found, targets)


@pytest.mark.parametrize(
    ("source", "output", "formats"),
    [
        ("clips", "clips/lifted/", ["npz"]),
        ("clips", "clips/", ["npz"]),
        ("clips/", "clips/../clips/lifted/new/", ["npz"]),
        ("clips", "link/", ["npz"]),
        ("clips/*", "clips/", ["npz"]),
        ("**/*.json", "lifted/", ["json"]),
        ("clips/*.json", "clips/", ["npz", "json"]),
        ("*/v", "clips/v/", ["npz"]),
    ],
)
def test_results_do_not_lie_among_clips(folder, source, output, formats):
    write(folder / "a.json", TWO_FRAMES)
    write(folder / "v" / "0.json", FRAME)
    if output == "link/":
        pathlib.Path("link").symlink_to("clips")
    with pytest.raises(ValueError, match="among the keypoints"):
        check_output(source, output, formats)


def test_results_may_lie_beside_clips(folder):
    write(folder / "a.json", TWO_FRAMES)
    for source, output in (
        ("clips", "lifted/"),
        ("clips", "clips2/"),
        ("clips/*.json", "clips/"),
        ("clips/*.json", "clips/lifted/"),
        ("**/*.json", "lifted/"),
    ):
        check_output(source, output)


def test_frames_and_clips_in_one_folder_are_not_guessed(folder):
    write(folder / "1.json", FRAME)
    write(folder / "2.json", FRAME)
    write(folder / "w.npz", TWO_FRAMES)
    with pytest.raises(ValueError, match="1.json, and clips, such as w.npz"):
        clips.find("clips")
    assert clips.find("clips", "one") is None
    assert len(clips.find("clips", "each")) == 3


def test_a_folder_of_folders_of_clips_is_refused(folder):
    write(folder / "s1" / "x.json", TWO_FRAMES)
    write(folder / "s1" / "y.json", TWO_FRAMES)
    with pytest.raises(
        ValueError, match="s1 is a subfolder with several clips"
    ):
        clips.find("clips")
    # Neither is it a clip of two frames.
    with pytest.raises(ValueError, match="x.json: several frames"):
        formats.read(folder / "s1")


def test_what_cannot_be_read_is_left_to_lifting(folder):
    write(folder / "1.json", TWO_FRAMES)
    (folder / "0.json").symlink_to("nowhere.json")
    assert names(clips.find("clips")) == ["0.json", "1.json"]


def test_the_digest_is_of_what_is_read(folder):
    write(folder / "v" / "0.json", FRAME)
    before = clips.sha256(folder / "v")
    write(folder / "v" / "frame.jpg", [])
    (folder / "v" / ".DS_Store").touch()
    assert clips.sha256(folder / "v") == before
    write(folder / "v" / "1.JSON", FRAME)
    assert clips.sha256(folder / "v") != before
    os.mkfifo(folder / "pipe")
    assert clips.sha256(folder / "pipe") is None


def test_folders_of_yolo_labels_and_compressed_files(folder):
    label = "0 .5 .5 .1 .1 " + " ".join(["0.5 0.5 0.9"] * 17)
    folder.mkdir(exist_ok=True)
    (folder / "1.txt").write_text(label)
    (folder / "2.txt").write_text(label)
    write(folder / "about.json", {"camera": "GoPro"})
    assert clips.find("clips", "one") is None
    assert names(clips.find("clips", "each"))[-2:] == ["2.txt", "about.json"]
    before = clips.sha256(folder)
    (folder / "2.txt").write_text(label + "\n" + label)
    assert clips.sha256(folder) != before
    assert clips.stem(pathlib.Path("a/clip.json.gz")) == "clip"


def test_the_digest_of_compressed_frames(folder):
    (folder / "v").mkdir(parents=True)
    for name in ("0.json.gz", "1.json.gz"):
        (folder / "v" / name).write_bytes(
            gzip.compress(json.dumps(FRAME).encode())
        )
    before = clips.sha256(folder / "v")
    (folder / "v" / "1.json.gz").write_bytes(gzip.compress(b"[]"))
    assert clips.sha256(folder / "v") != before

"""Keypoint files that are not read, and what is said of them."""

import json

import numpy as np
import pytest

from ampose_tf.data import archive
from ampose_tf.lifting import formats, untrusted
from tests import clips
from tests.lifting.filmed import film


def write(folder, value, name="clip.json"):
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{", "not JSON"),
        (" ", "the file is empty"),
        (
            "What it does",
            "expected JSON, .npy, .npz, a YOLO label, or a table",
        ),
        ("[" * 100_000, "nested too deeply"),
        ("[[[1, 2]]]", "have 1 joints; expected 16, 17"),
        ({"cars": []}, "an object with 'cars' is not a known form"),
        ({"people": 3}, "people: expected a list, got 3"),
        ([{"keypoint_scores": []}], "nearest: mmpose"),
        ({"images": [], "annotations": []}, "no person in its 0 frames"),
        ([], "no person in its 0 frames"),
        ([[], None, {}], "no person in its 3 frames"),
        ({"worldLandmarks": [[]]}, "metres from the hip"),
        ([{"class": 0, "box": {}}], "expected those of a pose model"),
        (
            [{"frame_id": 3, "instances": []}] * 2,
            "frame 3 occurs twice",
        ),
        (
            [{"frame_id": 10**8, "instances": []}],
            "frame_id: expected a whole number from 0 to 10000000",
        ),
        ({"people": [{}] * 201}, "no person"),
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
        r"joint 2 in frame 1 is at \(1e\+06, ",
        clips.coco_results(),
        set_keypoint(6, 1e6),
    )
    refuse("is at .inf", clips.coco_results(), set_keypoint(0, np.inf))
    refuse(
        "frame 3: joints: expected numbers",
        clips.coco_results(),
        set_keypoint(0, "left"),
    )
    refuse(
        "17 joints in frame 0, and one has 18 in frame 1; expected one skel",
        clips.coco_results(),
        lambda results: results[3]["keypoints"].extend([5, 5, 1]),
    )
    refuse(
        "no joint of any person was seen in its 5 frames",
        clips.coco_results(),
        lambda results: [r.update(keypoints=[0] * 51) for r in results],
    )
    refuse(
        "normalised to .0, 1. and the file does not contain the image",
        clips.coco_results(),
        lambda results: [
            r.update(keypoints=[k / 1000 for k in r["keypoints"]])
            for r in results
        ],
    )
    refuse(
        "frame 0: 201 people; at most 200",
        clips.coco_results(),
        lambda results: results.extend(results[:1] * 199),
    )
    refuse(
        "they are already 3D",
        clips.mmpose_image(),
        lambda people: [p.update(keypoints=[[1, 2, 3]] * 17) for p in people],
    )


def test_size_of_files_is_limited(tmp_path, monkeypatch):
    folder = clips.write_all(tmp_path)["openpose_folder"]
    monkeypatch.setattr(untrusted, "MAX_BYTES", 3000)
    large = write(tmp_path, clips.coco_results())
    np.savez_compressed(tmp_path / "bomb.npz", np.zeros(10**5))
    for path in (large, tmp_path / "bomb.npz", folder):
        with pytest.raises(ValueError, match="(larger|more) than 3000 bytes"):
            formats.read(path)


def test_arrays_are_refused(tmp_path):
    pixels = clips.truth()[0][:, 0]

    def refuse(message, **members):
        np.savez(tmp_path / "clip.npz", **members)
        with pytest.raises(ValueError, match=message):
            formats.read(tmp_path / "clip.npz")

    refuse("scores: expected", keypoints_px=pixels, scores=np.ones((5, 16)))
    refuse("a score of 500", keypoints_px=pixels, scores=np.full((5, 17), 500))
    refuse("a score of 379", keypoints_px=np.dstack([pixels, pixels]))
    refuse("unknown skeleton 'cat'", keypoints_px=pixels, skeleton="cat")
    refuse("skeleton: expected a name", keypoints_px=pixels, skeleton=3)
    refuse("has 16", keypoints_px=pixels, skeleton="MPII-16")
    refuse("got .5, 5, 2.", keypoints_px=pixels[:, :5])
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
        (good + "1,2\n", "line 12: 2 cells, but the header has 53"),
        (good.replace("\n0,0,", "\n0,0,x"), "line 2: expected a number, got"),
        (good.replace("\n3,", "\n-3,"), "row 7, frame: expected a whole num"),
        (lines[0] + "," + "nose_x\n", "have the same name"),
        (lines[0], "no person"),
    ):
        with pytest.raises(ValueError, match=message):
            formats.read(write(tmp_path, text, "clip.csv"))


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


def numbered(numbers):
    """Returns a clip with frames of these numbers, in three formats."""
    header, *rows = clips.csv_text().splitlines()
    frames = clips.mmpose_video()[: len(numbers)]
    cells = []
    for place, number in enumerate(numbers):
        frames[place]["frame_id"] = number
        cells.append(f"{number}," + rows[2 * place].split(",", 1)[1])
    return {
        "clip.json": frames,
        "clip.jsonl": "\n".join(map(json.dumps, frames)),
        "clip.csv": "\n".join([header, *cells]),
    }


def test_frames_too_far_apart_for_one_clip_are_refused(tmp_path):
    """A .bvh of frames 0, 1 and 10,000,000 would have them all."""
    for name, value in numbered([0, 1, 10_000_000]).items():
        with pytest.raises(ValueError, match="from 0 to 10000000; expected"):
            formats.read(write(tmp_path, value, name))
    # Somebody who is back after ten minutes.
    for name, value in numbered([7, 8, 18_000]).items():
        read = formats.read(write(tmp_path, value, name))
        assert read.frame_count == 18_001


def test_number_of_frames_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(untrusted, "MAX_FRAMES", 4)
    for name, value in numbered(range(4)).items():
        assert formats.read(write(tmp_path, value, name)).frame_count == 4
    for name, value in numbered(range(5)).items():
        with pytest.raises(ValueError, match="(5|more than 4) (frames|rows)"):
            formats.read(write(tmp_path, value, name))


def test_number_of_lists_and_objects_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(untrusted, "MAX_NODES", 3)
    for value in ([[], [], []], {"frames": [{}, []]}):
        path = write(tmp_path, value)
        with pytest.raises(ValueError, match="more than 3 lists and objects"):
            formats.read(path)


@pytest.mark.parametrize("ending", [".npz", ".json"])
def test_what_was_lifted_is_no_keypoints(tmp_path, ending):
    film(frames=3).motion.save(tmp_path / f"clip{ending}")
    places = [tmp_path / f"clip{ending}"]
    if ending == ".json":
        places.append(tmp_path)
    for place in places:
        with pytest.raises(ValueError, match="lifted motion, .*results.load"):
            formats.read(place)

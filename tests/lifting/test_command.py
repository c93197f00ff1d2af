"""lift.py: which files it leaves, what it says, and answers on a pipe."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from ampose_tf.data import archive
from ampose_tf.lifting import command, formats, results, saving
from ampose_tf.lifting.doctor.findings import KINDS
from ampose_tf.lifting.viewers import scene
from tests import clips
from tests.lifting.pictures import count, decoded

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def script(tmp_path, monkeypatch, run_lift):
    """Runs lift.py with flags; returns what it prints, and its notes."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        status, *said = run_lift(*arguments)
        assert status is None
        return said

    return run


@pytest.fixture
def lift(script, seeing_model):
    """As `script`, with a small model; returns the paths it prints."""

    def run(*arguments):
        out, notes = script(f"--model={seeing_model}", *arguments)
        return out.split(), notes

    return run


def write_clip(people=1):
    path = pathlib.Path("clip.json")
    path.write_text(json.dumps(clips.coco_results(people)))
    return f"--keypoints={path}"


def test_a_folder_gets_npz_and_png(lift):
    written, notes = lift(write_clip())
    assert written == ["lifted/clip.npz", "lifted/clip.png"]
    assert "a square of" in notes and "30 frames per second" in notes
    assert "in space are not estimated" in notes and "level" in notes
    assert archive.read("lifted/clip.npz")["poses_3d"].shape == (5, 17, 3)
    written, notes = lift(
        write_clip(),
        "--output=new.folder/",
        "--image_size=640x480",
        "--fps=25",
        "--intrinsics=900,910,320,240",
        "--height_m=1.8",
        "--up=0,-1,0",
        "--smooth=butterworth",
    )
    assert written == ["new.folder/clip.npz", "new.folder/clip.png"]
    motion = results.load("new.folder/clip.npz")
    assert (motion.fps, motion.image_size) == (25, (640, 480))
    assert "focal lengths of 900 and 910" in notes
    assert "height of 1.8 m" in notes and "Butterworth" in notes
    assert motion.notes == tuple(notes.splitlines())


def test_the_doctor_lifts_nothing(lift, script):
    """Of a clip whose y grows upwards."""
    upright = clips.coco_results(1)
    for person in upright:
        person["keypoints"][1::3] = [
            480 - y for y in person["keypoints"][1::3]
        ]
    path = pathlib.Path("clip.json")
    path.write_text(json.dumps(upright))
    out, notes = script(f"--keypoints={path}", "--doctor")
    lines = out.splitlines()
    assert len(lines) == 1 + len(KINDS) and not notes
    assert [line for line in lines if line.startswith("[!] y_up (possible)")]
    assert [path.name for path in pathlib.Path().iterdir()] == ["clip.json"]
    # Whoever lifts it all the same is told so.
    _, notes = lift(f"--keypoints={path}")
    assert "Looks wrong (possible): people stand on their heads" in notes


def test_several_formats(lift):
    names = "npz,json,csv,angles,trc,bvh,png"
    assert set(names.split(",")) <= set(saving.FORMATS)
    written, _ = lift(write_clip(2), "--output=all", f"--formats={names}")
    assert sorted(written) == [
        "all/clip.csv",
        "all/clip.json",
        "all/clip.npz",
        "all/clip.png",
        "all/clip_0.bvh",
        "all/clip_0.trc",
        "all/clip_1.bvh",
        "all/clip_1.trc",
        "all/clip_angles.csv",
    ]
    result = archive.read("all/clip.npz")
    assert result["track_ids"].tolist() == [0] * 5 + [1] * 5
    motion = results.load("all/clip.json")
    np.testing.assert_array_equal(
        np.concatenate([track.poses_3d for track in motion.tracks]),
        result["poses_3d"],
    )
    # Of two people in five frames: headers, and a line for each row.
    for name, count_of_lines in (
        ("clip.csv", 1 + 2 * 5 * 17),
        ("clip_angles.csv", 1 + 2 * 5),
        ("clip_0.trc", 6 + 5),
        ("clip_1.trc", 6 + 5),
    ):
        lines = pathlib.Path("all", name).read_text().splitlines()
        assert len(lines) == count_of_lines, name
    for name in ("clip_0.bvh", "clip_1.bvh"):
        text = pathlib.Path("all", name).read_text()
        assert text.startswith("HIERARCHY") and "Frames: 5" in text
    picture = decoded("all/clip.png")
    for colour in (scene.LEFT, scene.RIGHT, *scene.PEOPLE[:2]):
        assert count(picture, colour)[0] > 100, colour


def test_the_ending_says_the_format(lift):
    for output, expected in (
        ("new/walk.bvh", ["new/walk.bvh"]),
        ("walk.npz", ["walk.npz", "walk.png"]),
        ("walk_angles.csv", ["walk_angles.csv"]),
    ):
        assert lift(write_clip(), f"--output={output}")[0] == expected


def test_a_name_that_ends_in_a_slash_is_a_folder(lift):
    for output, kind, expected in (
        ("walk.json/", "csv", ["walk.json/clip.csv"]),
        # It exists now.
        ("walk.json", "trc", ["walk.json/clip.trc"]),
        ("new/walk.npz/", "bvh", ["new/walk.npz/clip.bvh"]),
    ):
        flags = f"--output={output}", f"--formats={kind}"
        assert lift(write_clip(), *flags)[0] == expected


def test_outputs_are_kept_without_overwrite(lift, capsys):
    lift(write_clip(), "--output=walk.png")
    before = pathlib.Path("walk.png").read_bytes()
    with pytest.raises(OSError, match=r"walk\.png exists; give --overwrite"):
        lift(write_clip(), "--output=walk.npz")
    assert capsys.readouterr() == ("", "")
    assert not pathlib.Path("walk.npz").exists()
    written, _ = lift(write_clip(2), "--output=walk.npz", "--overwrite")
    assert written == ["walk.npz", "walk.png"]
    assert pathlib.Path("walk.png").read_bytes() != before


def test_the_keypoint_file_is_never_overwritten(lift):
    pixels = clips.truth(people=1)[0][:, 0]
    np.savez("clip.npz", keypoints_px=pixels, image_size=clips.IMAGE_SIZE)
    before = pathlib.Path("clip.npz").read_bytes()
    with pytest.raises(ValueError, match="clip.npz is the input file"):
        lift("--keypoints=clip.npz", "--output=./", "--overwrite")
    assert pathlib.Path("clip.npz").read_bytes() == before
    assert [file.name for file in pathlib.Path().iterdir()] == ["clip.npz"]


def test_nothing_is_lifted_in_vain(lift, monkeypatch):
    """What is known before is said before TensorFlow loads."""

    def never(options):
        raise AssertionError("lifted in vain")

    lift(write_clip(), "--formats=npz,bvh")
    monkeypatch.setattr(command, "_lifter", never)
    for formats_ in ("npz", "bvh"):
        with pytest.raises(OSError, match=f"clip.{formats_} exists; give"):
            lift(write_clip(), f"--formats={formats_}")
    with pytest.raises(ValueError, match="a stream needs the image size"):
        lift("--keypoints=-")


def write_folder(name):
    folder = pathlib.Path(name)
    folder.mkdir()
    for number, frame in enumerate(clips.openpose_frames()):
        path = folder / f"clip_{number:012}_keypoints.json"
        path.write_text(json.dumps(frame))
    return f"--keypoints={folder}"


def test_a_folder_of_keypoints_stays_what_it_is(lift):
    take = write_folder("json")
    for output in ("json/", "json/new/", "./json/out.json"):
        arguments = [take, f"--output={output}", "--overwrite"]
        if output.endswith("/"):
            arguments.append("--formats=json")
        with pytest.raises(ValueError, match="in the input folder"):
            lift(*arguments)
    assert len(formats.read("json").tracks) == 2


def test_folders_keep_their_whole_names(lift):
    written = [
        lift(write_folder(name), "--formats=npz")[0]
        for name in ("take.1", "take.2")
    ]
    assert written == [["lifted/take.1.npz"], ["lifted/take.2.npz"]]


@pytest.fixture
def convert(script, lift, monkeypatch):
    """Lifts a clip of two people; runs lift.py on what was saved."""
    lift(write_clip(2), "--formats=npz,json,csv", "--fps=25")
    monkeypatch.setattr(command, "_lifter", None)  # Not called.

    def run(*arguments):
        out, notes = script(*arguments)
        return out.split(), notes

    return run


@pytest.mark.parametrize("ending", ["npz", "json"])
def test_saved_results_are_written_and_not_lifted(convert, ending):
    saved = results.load(f"lifted/clip.{ending}")
    written, notes = convert(
        f"--keypoints=lifted/clip.{ending}", "--output=clip.html"
    )
    assert written == ["clip.html"]
    assert notes.splitlines() == list(saved.notes)
    convert(
        f"--keypoints=lifted/clip.{ending}",
        "--output=again/",
        "--formats=csv",
    )
    again = pathlib.Path("again/clip.csv").read_bytes()
    assert again == pathlib.Path("lifted/clip.csv").read_bytes()


def test_saved_results_want_no_flags_of_lifting(convert):
    source = "--keypoints=lifted/clip.npz"
    for flag in ("--fps=30", "--doctor", "--height_m=1.8", "--up=auto"):
        name = flag.split("=")[0]
        with pytest.raises(ValueError, match=f"{name} is for keypoints;"):
            convert(source, flag)
    with pytest.raises(ValueError, match="clip.npz is the input file"):
        convert(source, "--overwrite")
    with pytest.raises(OSError, match="clip.csv exists; give --overwrite"):
        convert(source, "--formats=csv")


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("unknown extension .fbx; expected", ["--output=clip.fbx"]),
        ("unknown format 'fbx'; known: angles", ["--formats=npz,fbx"]),
        (
            "to use --formats, give a folder",
            ["--output=x.npz", "--formats=bvh"],
        ),
        ("--up: expected y, auto", ["--up=sideways"]),
        ("--intrinsics: expected FX,FY,CX,CY", ["--intrinsics=900"]),
        ("fps: expected frames per second from", ["--fps=0"]),
        ("smooth: expected one of", ["--smooth=much"]),
        ("WIDTHxHEIGHT", ["--image_size=640"]),
        ("not both", ["--fov_deg=60", "--intrinsics=900,900,320,240"]),
        ("--image_size=WIDTHxHEIGHT", ["--keypoints=-"]),
        ("--model is for lifting; --doctor only", ["--doctor"]),
        (
            "--output is for files",
            ["--keypoints=-", "--image_size=5x7", "--output=x"],
        ),
    ],
)
def test_mistakes(lift, message, arguments):
    with pytest.raises(ValueError, match=message):
        lift(write_clip(), *arguments)
    assert [path.name for path in pathlib.Path().iterdir()] == ["clip.json"]


BAD = {
    "frame": ("clip.json", '{"cars": [1]}', "known form"),
    "mixed": (
        "clip.json",
        json.dumps(
            [
                {"image_id": f, "category_id": 1, "keypoints": [5.0] * 3 * s}
                for f, s in ((0, 17), (1, 26))
            ]
        ),
        "one skeleton per file",
    ),
    "nobody": ("clip.json", "[[], [], []]", "no person in its 3 frames"),
    "no joints": (
        "clip.json",
        json.dumps(
            [{"image_id": 0, "category_id": 1, "keypoints": [0.0] * 51}]
        ),
        "no joint of any person was seen",
    ),
    "huge": (
        "clip.json",
        json.dumps(
            [
                {
                    "image_id": 0,
                    "category_id": 1,
                    "keypoints": [3e6, 3e6, 1.0] * 17,
                }
            ]
        ),
        "at most 100000 pixels",
    ),
    "twice": (
        "clip.json",
        json.dumps([{"frame_id": 1, "instances": clips.mmpose_image()}] * 2),
        "frame 1 occurs twice",
    ),
    "normalised": (
        "clip.json",
        json.dumps([clips.mediapipe()]),
        "give --image_size=WIDTHxHEIGHT",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_end_in_a_message(lift, name):
    path, content, message = BAD[name]
    pathlib.Path(path).write_text(content)
    with pytest.raises(ValueError, match=message) as error:
        lift(f"--keypoints={path}")
    assert str(error.value).startswith("clip.json: ")
    assert [file.name for file in pathlib.Path().iterdir()] == [path]


def test_odd_clips_are_lifted(lift):
    """One frame; people beyond the image, as detectors guess them."""
    for pixels in (
        clips.truth()[0][:1, 0],
        clips.truth()[0][:, 0] - [500.0, 300.0],
        clips.truth()[0][:, 0] * 100,
    ):
        np.save("odd.npy", pixels)
        lift("--keypoints=odd.npy", "--overwrite", "--smooth=butterworth")
        lifted = archive.read("lifted/odd.npz")
        assert lifted["poses_3d"].shape == (len(pixels), 17, 3)


def test_lines_are_answered_as_they_come(seeing_model, tmp_path):
    """Line k is answered before line k + 1 is sent."""
    process = subprocess.Popen(
        [
            sys.executable,
            ROOT / "lift.py",
            "--keypoints=-",
            f"--model={seeing_model}",
            "--image_size=640x480",
            "--smooth=one_euro",
            "--fps=30",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        text=True,
    )
    frames = [*clips.openpose_frames(), {"people": []}]
    for number, frame in enumerate(frames):
        process.stdin.write(json.dumps(frame) + "\n")
        process.stdin.flush()
        # Would wait for ever, were the answer not there.
        answer = json.loads(process.stdout.readline())
        assert answer["frame_number"] == number
        assert len(answer["people"]) == len(frame["people"])
        assert ("units" in answer) == (number == 0)
    process.stdin.write("{]\n")
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 2 and out == ""
    assert errors.splitlines()[-1].startswith("lift.py: line 7: not JSON")
    assert "Traceback" not in errors
    assert not list(tmp_path.iterdir())


def test_long_lines_are_refused():
    class Endless:
        def readline(self, limit):
            return b"[" * limit

    with pytest.raises(ValueError, match="a line of more than"):
        next(formats.read_lines(Endless()))


@pytest.mark.parametrize("clips", ["clip.json", "c*.json"])
def test_no_formats_are_a_mistake(lift, clips):
    write_clip()
    with pytest.raises(ValueError, match="--formats: expected at least one"):
        lift(f"--keypoints={clips}", "--formats=")
    assert not pathlib.Path("lifted").exists()

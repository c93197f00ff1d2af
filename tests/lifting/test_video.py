"""Video to keypoints, and the command: with a follower that is not real."""

import functools
import json
import pathlib
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from absl import flags as absl_flags
from PIL import Image

import ampose_tf
from ampose_tf.conversion import CONVERSIONS
from ampose_tf.lifting import (
    doctor,
    flags,
    formats,
    results,
    untrusted,
    video,
)
from ampose_tf.lifting.blazepose import following, frames, models
from ampose_tf.lifting.keypoints import Keypoints, Track
from ampose_tf.lifting.viewers import web
from tests.filmed_clips import quarters

LANDMARKS = 33
# A standing person, in heights of the body from the middle of the hips.
BODY = np.array(
    [
        *[(0.0, -0.42), *[(x / 100, -0.45) for x in (1, 2, 3, -1, -2, -3)]],
        *[(0.04, -0.43), (-0.04, -0.43), (0.01, -0.39), (-0.01, -0.39)],
        *[(0.1, -0.3), (-0.1, -0.3), (0.13, -0.14), (-0.13, -0.14)],
        *[(0.14, 0.0), (-0.14, 0.0)],
        *[(0.15, 0.02), (-0.15, 0.02), (0.14, 0.03), (-0.14, 0.03)],
        *[(0.13, 0.02), (-0.13, 0.02)],
        *[(0.05, 0.0), (-0.05, 0.0), (0.06, 0.24), (-0.06, 0.24)],
        *[(0.06, 0.46), (-0.06, 0.46), (0.05, 0.5), (-0.05, 0.5)],
        *[(0.08, 0.5), (-0.08, 0.5)],
    ],
    np.float32,
)
SCORES = np.linspace(0.5, 1, LANDMARKS, dtype=np.float32)


def body(image, across, swing=0.0):
    """Returns a person as high as half of the image, somewhere in it."""
    height, width, _ = image.shape
    pose = BODY.copy()
    # Hands go up and down.
    pose[15:23:2, 1] -= swing
    return pose * height / 2 + np.array([across * width, 0.5 * height])


class Follower:
    """Two people: one walks to the right, one stands; not in frame 3."""

    made = None
    sha256 = {"detection": "d" * 64, "landmarks": "e" * 64}

    def __init__(self, detector="full", people=1):
        Follower.made = self
        self.detector, self.people = detector, people
        self.seen_at_once, self.times = 0, []

    def follow(self, image, seconds):
        assert image.dtype == np.uint8
        self.times.append(seconds)
        number = len(self.times) - 1
        if number == 3:
            return []
        self.seen_at_once = 2
        both = [
            following.Person(
                4, body(image, 0.25 + number / 40, number / 50), SCORES
            ),
            following.Person(7, body(image, 0.8), SCORES),
        ]
        return both[: self.people]


@pytest.fixture(autouse=True)
def follower(monkeypatch):
    monkeypatch.setattr(following, "Follower", Follower)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """640 x 360, ten frames at 25 a second."""
    path = tmp_path_factory.mktemp("video") / "clip.mp4"
    return quarters(path, "-pix_fmt", "yuv420p", size=(320, 180))


def test_keypoints_of_a_clip(clip):
    found = ampose_tf.read_video(clip)
    assert found.skeleton == "MediaPipe-33"
    assert found.skeleton in CONVERSIONS
    assert (found.image_size, found.fps) == ((640, 360), 25)
    assert found.frame_count == 10 and found.of_video
    (track,) = found.tracks
    assert track.track_id == 4
    assert track.frames.tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert track.pixels.dtype == track.scores.dtype == np.float32
    image = np.empty((360, 640, 3))
    expected = np.round(body(image, 0.25 + 0.1, 0.08).astype(float), 2)
    np.testing.assert_allclose(track.pixels[3], expected, rtol=1e-7)
    expected = np.tile(np.round(SCORES.astype(float), 3), (9, 1))
    np.testing.assert_allclose(track.scores, expected, rtol=1e-7)
    np.testing.assert_allclose(Follower.made.times, np.arange(10) / 25)
    who, empty = found.notes
    assert who == (
        "1 of at least 2 people in a frame is tracked, the one at 25 % of "
        "the width and 47 % of the height in frame 0; --people=2, in Python "
        "people=2, tracks more."
    )
    assert empty == "No person is found in 1 of 10 frames: 3."


def test_several_people_in_a_part_of_a_clip(clip):
    found = video.read_video(clip, "heavy", 2, start=0.08, end=0.38, every=2)
    assert Follower.made.detector == "heavy"
    # Frames 2, 4, 6 and 8; of these the follower leaves out the fourth.
    assert [t.track_id for t in found.tracks] == [4, 7]
    for track in found.tracks:
        assert track.frames.tolist() == [2, 4, 6]
    assert (found.fps, found.frame_count) == (25, 9)
    assert found.notes == ("No person is found in 1 of 4 frames: 8.",)
    shown = list(
        video.shown(clip, found, start=0.08, end=0.38, every=2, longest=64)
    )
    assert [frame for frame, _ in shown] == [2, 4, 6, 8]
    assert shown[0].pixels.shape == (36, 64, 3)
    # Of a video that was ended before its end.
    some = video.shown(clip, found._replace(frame_count=5), every=2)
    assert [frame for frame, _ in some] == [0, 2, 4]


def test_times_of_a_variable_rate(tmp_path):
    path = quarters(
        tmp_path / "variable.mkv",
        *("-c:v", "ffv1", "-fps_mode", "passthrough"),
        filters="select='eq(n,0)+eq(n,1)+eq(n,3)+eq(n,4)+eq(n,7)'",
    )
    found = video.read_video(path)
    assert found.fps == pytest.approx(25, rel=1e-3)
    assert found.tracks[0].frames.tolist() == [0, 1, 3, 7]
    assert [f for f, _ in video.shown(path, found)] == [0, 1, 3, 4, 7]


def test_images_have_no_rate(tmp_path):
    for number in (2, 10, 1):
        Image.new("RGB", (40, 30)).save(tmp_path / f"{number}.png")
    found = video.read_video(tmp_path)
    assert (found.fps, found.image_size) == (None, (40, 30))
    assert found.tracks[0].frames.tolist() == [0, 1, 2]
    np.testing.assert_allclose(Follower.made.times, np.arange(3) / 30)
    alone = video.read_video(tmp_path / "2.png")
    assert alone.tracks[0].frames.tolist() == [0] and alone.frame_count == 1


@pytest.mark.parametrize("people", [1, 2])
def test_saved_keypoints_are_read_back(clip, tmp_path, people):
    found = video.read_video(clip, people=people)
    path = tmp_path / "new" / "keypoints.json"
    found.save(path)
    assert_same(formats.read(path), found)
    with pytest.raises(OSError, match="exists"):
        found.save(path)
    found.save(path, overwrite=True)
    with pytest.raises(ValueError, match=r"ends in \.json"):
        found.save(tmp_path / "keypoints.npz")


def test_results_do_not_depend_on_whether_keypoints_are_saved(
    clip, lift, monkeypatch
):
    monkeypatch.setattr(untrusted, "MAX_NODES", 100)
    with pytest.raises(ValueError, match=r"k.json is not written: it would"):
        lift(f"--video={clip}", "--formats=npz", "--save_keypoints=k.json")
    assert not pathlib.Path("k.json").exists()
    assert len(results.load("lifted/clip.npz").tracks[0].frames) == 9


def test_keypoints_of_other_skeletons_are_read_back(tmp_path):
    """Frames that are few, joints that are not seen, nothing known beside."""
    random = np.random.default_rng(3)
    pixels = random.uniform(-50, 500, (4, 17, 2)).astype(np.float32)
    scores = random.uniform(0.1, 1, (4, 17)).astype(np.float32)
    scores[1, 3:7] = pixels[1, 3:7] = 0
    tracks = [
        Track(2, np.array([5, 6, 7, 900]), pixels, scores),
        Track(11, np.array([6, 8]), pixels[:2] + 600, scores[:2] / 2),
    ]
    tracks[1].pixels[1, 3:7] = 0
    found = Keypoints("COCO-17", None, None, 1000, tuple(tracks))
    found.save(tmp_path / "k.json")
    assert_same(formats.read(tmp_path / "k.json"), found)
    content = json.loads((tmp_path / "k.json").read_text())
    assert [f["frame"] for f in content["frames"]] == [5, 6, 7, 8, 900, 999]


def test_keypoints_that_would_not_be_read_back_are_not_saved(
    clip, tmp_path, monkeypatch
):
    found = video.read_video(clip)
    path = tmp_path / "keypoints.json"
    found.save(path)
    content = path.read_bytes()
    nodes = content.count(b"[") + content.count(b"{")
    for name, most in (
        ("MAX_BYTES", len(content)),
        ("MAX_NODES", nodes),
        ("MAX_FRAMES", 9),  # Those with a person.
    ):
        with monkeypatch.context() as patch:
            patch.setattr(untrusted, name, most)
            found.save(path, overwrite=True)
            assert_same(formats.read(path), found)
            patch.setattr(untrusted, name, most - 1)
            with pytest.raises(ValueError, match="keypoints.json is not wri"):
                found.save(path, overwrite=True)
            with pytest.raises(ValueError):
                formats.read(path)
    # The person is there for a moment of a long clip.
    long = found._replace(frame_count=2 * untrusted.HOUR)
    long.save(path, overwrite=True)
    assert_same(formats.read(path), long)
    beyond = found._replace(frame_count=untrusted.MAX_FRAME + 2)
    with pytest.raises(ValueError, match="frame 10000001 could not be read"):
        beyond.save(path, overwrite=True)


def assert_same(found, expected):
    assert found._replace(tracks=()) == expected._replace(tracks=())
    for own, other in zip(found.tracks, expected.tracks, strict=True):
        assert own.track_id == other.track_id
        for name in ("frames", "pixels", "scores"):
            one, two = getattr(own, name), getattr(other, name)
            np.testing.assert_array_equal(one, two)
            assert one.dtype == two.dtype


class Nobody(Follower):
    def follow(self, image, seconds):
        return []


def test_no_person(clip, monkeypatch):
    """As in a film of a screen."""
    monkeypatch.setattr(following, "Follower", Nobody)
    with pytest.raises(ValueError, match="no person is found in its 10 fr"):
        video.read_video(clip)


class Changing(Follower):
    """Another id for every three frames, and joints that are nowhere."""

    def follow(self, image, seconds):
        self.times.append(seconds)
        number = len(self.times) - 1
        pixels, scores = body(image, 0.5), SCORES.copy()
        pixels[0], pixels[1], scores[2] = np.nan, 1e9, 0
        return [following.Person(number // 3, pixels, scores)]


def test_a_person_who_is_lost(clip, monkeypatch):
    monkeypatch.setattr(following, "Follower", Changing)
    found = video.read_video(clip)
    assert [t.frames.tolist() for t in found.tracks] == [
        *([0, 1, 2], [3, 4, 5], [6, 7, 8]),
        [9],
    ]
    for track in found.tracks:
        assert not track.pixels[:, :3].any() and not track.scores[:, :3].any()
        assert (track.scores[:, 3:] > 0).all()
    assert found.notes == (
        "The tracked person was lost. The people found later, from frames 3, "
        "6 and 9, may be the same person or others; all have separate tracks.",
    )


def test_arguments(clip):
    for people in (0, 201):
        with pytest.raises(ValueError, match="people: expected 1 to 200"):
            video.read_video(clip, people=people)


def test_flags_name_the_detectors():
    assert flags.DETECTORS == models.DETECTORS


# The command.


@pytest.fixture
def lift(run_lift, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def lift(*arguments):
        return run_lift("--model=ampose_t", *arguments)

    return lift


def test_a_video_is_lifted(clip, lift):
    status, out, notes = lift(
        f"--video={clip}",
        "--output=new",
        "--formats=npz,html,bvh",
        "--save_keypoints=k/clip.json",
        "--people=2",
        "--every=2",
    )
    assert status is None
    assert out.split() == [
        "new/clip.npz",
        "new/clip.html",
        "new/clip_4.bvh",
        "new/clip_7.bvh",
    ]
    motion = results.load("new/clip.npz")
    assert (motion.fps, motion.image_size) == (25, (640, 360))
    assert motion.tracks[0].frames.tolist() == [0, 2, 4, 8]
    assert motion.tracks[0].root is not None
    assert motion.provenance["input"] == "clip.mp4"
    assert len(motion.provenance["input_sha256"]) == 64
    assert motion.provenance["detection_sha256"] == "d" * 64
    assert motion.provenance["landmarks_sha256"] == "e" * 64
    assert motion.provenance["settings"] == "--people=2 --every=2"
    assert "No person is found in 1 of 5 frames: 6." in notes
    page = pathlib.Path("new/clip.html").read_text()
    assert '"pictures":[]' in page
    # The keypoints are lifted to the same poses.
    lift("--keypoints=k/clip.json", "--output=again", "--formats=npz")
    again = results.load("again/clip.npz")
    for one, two in zip(motion.tracks, again.tracks, strict=True):
        np.testing.assert_array_equal(one.poses_3d, two.poses_3d)
        np.testing.assert_array_equal(one.root, two.root)


def test_a_preview_and_small_pictures(clip, lift):
    _, out, _ = lift(
        *(f"--video={clip}", "--formats=html", "--preview", "--with_frames"),
    )
    assert out.split() == ["lifted/clip.html", "lifted/clip_preview.mp4"]
    with frames.opened(out.split()[1]) as preview:
        shown = [picture.pixels for picture in preview]
    # Also the frame without a person.
    assert len(shown) == 10
    height, width, _ = shown[0].shape
    assert height == 720
    # The clip's quarters, red on the left, on the left half of the film.
    reddish = (shown[0][..., 0] > 200) & (shown[0][..., 1:] < 60).all(axis=2)
    rows, columns = np.nonzero(reddish)
    assert reddish.sum() > 0.05 * reddish.size
    assert columns.max() < width / 2
    page = pathlib.Path("lifted/clip.html").read_text()
    start = page.index('"pictures":[') + len('"pictures":')
    pictures, _ = json.JSONDecoder().raw_decode(page[start:])
    assert [p["frame"] for p in pictures] == list(range(10))


def test_the_preview_of_a_named_file_is_beside_it(clip, lift):
    _, out, _ = lift(
        *(f"--video={clip}", "--output=new/clip_preview.mp4", "--preview"),
    )
    assert out.split() == [
        "new/clip_preview.mp4",
        "new/clip_preview_preview.mp4",
    ]


@pytest.mark.parametrize("flag", ["--preview", "--formats=npz,mp4"])
def test_films_need_ffmpeg_before_the_work(lift, monkeypatch, flag):
    """Images are read without it."""
    pathlib.Path("images").mkdir()
    Image.new("RGB", (40, 30)).save("images/1.png")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    lift("--video=images", "--formats=npz")
    Follower.made = None
    with pytest.raises(OSError, match=r"pip install 'ampose_tf\[video\]'"):
        lift("--video=images", flag, "--output=films/")
    assert Follower.made is None
    assert not pathlib.Path("films").exists()


def test_small_pictures_stay_small(clip, monkeypatch):
    """Every other one is left out, until they are few enough."""
    found = video.read_video(clip)
    pictures = functools.partial(video.shown, clip, found)
    content = web._small(pictures)
    size = len(content[0]["data"])
    monkeypatch.setattr(web, "_PICTURES_BYTES", 4 * size)
    fewer = web._small(pictures)
    assert [p["frame"] for p in fewer] == [0, 4, 8]


def test_the_doctor_of_a_video(clip, lift, run_lift):
    """It doubts nothing that a video tells for sure."""
    _, out, _ = run_lift(
        f"--video={clip}", "--doctor", "--save_keypoints=k.json"
    )
    first, *lines = out.splitlines()
    assert first == (
        "1 person in 10 frames, MediaPipe-33, images of 640x360 pixels"
    )
    assert "[i] No person is found in 1 of 10 frames: 3." in lines
    for kind in ("order", "image_size", "missing_frames", "y_up"):
        assert [line for line in lines if line.startswith(f"[ ] {kind}: ")]
    found = formats.read("k.json")
    doubted = doctor.examine(found._replace(of_video=False))
    assert "missing_frames" in {finding.kind for finding in doubted}
    assert "missing_frames" not in {f.kind for f in doctor.examine(found)}
    assert not pathlib.Path("lifted").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--keypoints=k.json"], "--keypoints cannot be combined with"),
        (["--image_size=3x4"], "--image_size is for --keypoints"),
        (["--clips=one"], "--clips is for --keypoints"),
        (["--start=3", "--end=2"], "expected 0 <= start < end"),
        (["--start=9"], "no frame from 9 s on; it lasts 0.40 s"),
        (["--save_keypoints=k.npz"], "k.npz: keypoints are saved as JSON"),
        (["--doctor"], "--model is for lifting; --doctor only checks"),
        (
            ["--output=clip.bvh", "--formats=bvh"],
            "already determines the format",
        ),
        (
            ["--formats=json", "--save_keypoints=lifted/clip.json"],
            "is also the name of a result",
        ),
        (["--with_frames"], "--with_frames is for .html; add it to"),
        (["--smooth=both"], "smooth: expected one of"),
    ],
)
def test_flags_that_do_not_fit(clip, lift, arguments, said):
    with pytest.raises(ValueError) as raised:
        lift(f"--video={clip}", *arguments)
    assert said in str(raised.value)
    assert not pathlib.Path("lifted").exists()


def test_flags_of_a_video_are_not_for_keypoints(lift):
    for flag in ("--people=2", "--preview", "--every=3", "--end=3"):
        with pytest.raises(ValueError, match=f"{flag[:5]}.* is for --video"):
            lift("--keypoints=k.json", flag)
    with pytest.raises(ValueError, match=r"--video=\.\.\. or --keypoints=\."):
        lift()


@pytest.mark.parametrize("name", ["clip.npz", "clip_preview.mp4", "k.json"])
def test_files_that_exist_are_found_before_the_work(clip, lift, name):
    pathlib.Path(name).write_text("mine")
    Follower.made = None
    with pytest.raises(OSError, match=f"{name} exists"):
        lift(
            *(f"--video={clip}", "--output=./", "--formats=npz", "--preview"),
            "--save_keypoints=k.json",
        )
    assert Follower.made is None
    assert pathlib.Path(name).read_text() == "mine"


def test_the_video_is_not_written_over(clip, lift):
    with pytest.raises(ValueError, match="clip.mp4 is the input file"):
        lift(f"--video={clip}", f"--output={clip}", "--overwrite")


def test_models_that_are_missing(clip, lift, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", "nowhere")
    with pytest.raises(OSError) as raised:
        video.read_video(clip)
    message = str(raised.value)
    assert "python -m ampose_tf.lifting.blazepose.models" in message
    assert "\n" not in message


# Gets a signal in the sixth frame, as from Ctrl-C and from `kill`.
SIGNALLED = """
import os, signal, sys
from ampose_tf import config
from ampose_tf.lifting import command
from ampose_tf.lifting.blazepose import following
from tests.lifting import test_video

class Follower(test_video.Follower):
    def follow(self, image, seconds):
        if len(self.times) == 5:
            os.kill(os.getpid(), signal.{0})
        return super().follow(image, seconds)

following.Follower = Follower
sys.argv[0] = "lift.py"
config.run(command.main, command.define_flags)
"""


def signalled(number, *arguments):
    """Runs lift.py, which gets a signal, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", SIGNALLED.format(number), *arguments],
        capture_output=True,
        text=True,
        cwd=pathlib.Path(__file__).parents[2],
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("number", "status"), [("SIGINT", 130), ("SIGTERM", 143)]
)
def test_what_was_found_before_a_signal_is_lifted(
    clip, tmp_path, number, status
):
    ended = signalled(
        number,
        *(f"--video={clip}", "--formats=npz", "--model=ampose_t"),
        f"--output={tmp_path}",
    )
    assert ended.returncode == status, ended.stderr
    motion = results.load(tmp_path / "clip.npz")
    assert motion.tracks[0].frames.tolist() == [0, 1, 2, 4, 5]
    assert f"Keypoints up to frame 5: ended by {number}." in ended.stderr
    last = ended.stderr.splitlines()[-1]
    assert last == (
        f"lift.py: ended by {number} before the end of the video; the "
        "frames up to there are lifted"
    )


def test_what_was_found_before_a_signal_is_examined(clip):
    ended = signalled("SIGINT", f"--video={clip}", "--doctor")
    assert ended.returncode == 130, ended.stderr
    assert ended.stdout.startswith("1 person in 6 frames")
    assert ended.stderr == (
        "lift.py: ended by SIGINT before the end of the video; the frames up "
        "to there are examined\n"
    )


def test_a_signal_before_any_person_ends_at_once(clip, monkeypatch):
    from ampose_tf import interrupts

    class Signalled(Nobody):
        def follow(self, image, seconds):
            signal.raise_signal(signal.SIGINT)
            return []

    monkeypatch.setattr(following, "Follower", Signalled)
    with (
        pytest.raises(interrupts.Interrupted),
        interrupts.handled(),
    ):
        video.read_video(clip)
    # Without `handled`, as in a notebook, it is Python's own.
    with pytest.raises(KeyboardInterrupt):
        video.read_video(clip)


PAGE = pathlib.Path(__file__).parents[2] / "docs/video.md"


def test_the_page_names_what_there_is(clip, tmp_path, monkeypatch):
    text = PAGE.read_text(encoding="utf-8")
    options = absl_flags.FlagValues()
    flags.define(options)
    named = set(re.findall(r"--(\w+)", text))
    assert set(flags.OF_VIDEO) <= named <= set(options)
    assert models.COMMAND in text
    (snippet,) = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    monkeypatch.chdir(tmp_path)
    pathlib.Path("clip.mp4").symlink_to(clip)
    exec(snippet, {})
    assert pathlib.Path("clip.bvh").read_text().startswith("HIERARCHY")
    assert formats.read("clip_keypoints.json").frame_count == 10

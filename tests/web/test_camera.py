"""The page with a camera, in front of which a drawn person raises an arm."""

import json
import subprocess
import sys

import numpy as np
import pytest

import ampose_tf
from ampose_tf.skeleton import H36M_17
from tests.commands import ROOT
from tests.web import film
from tests.web.conftest import ALLOWED, CAMERA, wait_for_poses

FRAMES = 40


@pytest.fixture(scope="session")
def filmed(tmp_path_factory):
    """Returns the flags of a Chromium whose camera shows the person."""
    path = tmp_path_factory.mktemp("film") / "person.mjpeg"
    film.write(path, FRAMES)
    return (*ALLOWED, *CAMERA, f"--use-file-for-fake-video-capture={path}")


def start(page):
    page.click("#camera")
    page.wait_for_selector("#image[data-found=true]")


def test_a_recording_becomes_a_bvh(visit, filmed, tmp_path):
    page = visit(*filmed)
    start(page)
    page.keyboard.press("r")
    assert page.locator("#recording").is_visible()
    # One raise of the arm and more.
    wait_for_poses(page, FRAMES)
    page.keyboard.press("r")
    with page.expect_download() as download:
        page.keyboard.press("d")
    path = tmp_path / "recorded.json"
    download.value.save_as(path)
    # Stopped, the recording plays.
    page.keyboard.press("s")
    page.wait_for_selector("body[data-mode=clip]")
    assert page.locator("#timeline").is_visible()

    motion = ampose_tf.load_motion(path)
    (track,) = motion.tracks
    assert motion.image_size == film.SIZE
    assert len(track.frames) >= 5 and track.frames[0] == 0
    assert track.seen.mean() > 0.9
    # The person's left is on the right of the picture, mirrored or not.
    left, right = (H36M_17.joints.index(f"{side}Wrist") for side in "LR")
    x = track.keypoints_px[..., 0]
    assert (x[:, left] > x[:, right]).all()
    heights = np.ptp(track.keypoints_px[..., 1], axis=0)
    assert heights[left] > 5 * heights[right]
    # Two to twelve metres away, upright.
    assert 2 < np.median(track.root[:, 2]) < 12
    head = H36M_17.joints.index("Head")
    assert (track.poses_3d[:, head, 1] < -0.3).all()
    assert motion.provenance["input"] == "camera"
    assert_lift_py_reads(path)


def assert_lift_py_reads(path):
    subprocess.run(
        [
            sys.executable,
            ROOT / "lift.py",
            f"--keypoints={path}",
            f"--output={path.parent}",
            "--formats=bvh,trc,csv",
        ],
        cwd=ROOT,
        check=True,
    )
    for ending in ("bvh", "trc", "csv"):
        assert path.with_suffix(f".{ending}").stat().st_size > 500


def test_a_recording_is_not_lost_unasked(visit, filmed, tmp_path):
    page = visit(*filmed)
    start(page)
    page.keyboard.press("r")
    wait_for_poses(page, 3)
    # The camera starts anew, and the recording stays.
    page.keyboard.press("c")
    page.wait_for_selector("#image[data-found=true]")
    assert page.is_enabled("#download")
    page.keyboard.press("s")
    page.wait_for_selector("body[data-mode=clip]")
    (tmp_path / "bad.json").write_text("bad")
    asked = []

    def refuse(dialog):
        asked.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", refuse)
    page.keyboard.press("s")
    page.set_input_files("#file", tmp_path / "bad.json")
    assert len(asked) == 2 and "not been downloaded" in asked[0]
    assert page.get_attribute("body", "data-mode") == "clip"
    # A file that cannot be read replaces nothing.
    page.remove_listener("dialog", refuse)
    page.once("dialog", lambda dialog: dialog.accept())
    page.set_input_files("#file", tmp_path / "bad.json")
    page.locator("#error", has_text="bad.json").wait_for()
    with page.expect_download():
        page.click("#download")
    # Downloaded, it may go.
    page.keyboard.press("s")
    page.wait_for_selector("body[data-mode=idle]")


def test_a_camera_may_begin_without_pixels(visit, filmed):
    page = visit(
        *filmed,
        script="""
            const whole = createImageBitmap;
            let empty = 3;
            window.createImageBitmap = (...given) => empty-- > 0
                ? Promise.reject(new DOMException('', 'InvalidStateError'))
                : whole(...given);
        """,
    )
    start(page)


def test_camera_is_mirrored_paused_and_stopped(visit, filmed):
    page = visit(*filmed)
    start(page)
    # The picture alone is mirrored: neither 3D nor texts are in it.
    turned = "getComputedStyle(document.getElementById('film')).transform"
    assert page.evaluate(turned) == "matrix(-1, 0, 0, 1, 0, 0)"
    assert page.locator("#film :not(video, canvas)").count() == 0
    page.evaluate("document.getElementById('mirror').click()")
    assert page.evaluate(turned) == "none"
    # Nor is that of a camera that looks away from its user.
    page.evaluate("document.getElementById('mirror').click()")
    page.evaluate(
        """() => {
            const {getSettings} = MediaStreamTrack.prototype;
            MediaStreamTrack.prototype.getSettings = function () {
                return {...getSettings.call(this), facingMode: 'environment'};
            };
        }"""
    )
    page.click("#camera")
    page.locator("#status", has_text="Following a person").wait_for()
    assert page.evaluate(turned) == "none"

    # A page that no one sees films no one.
    hide = """hidden => {
        Object.defineProperty(
            document, 'hidden', {value: hidden, configurable: true}
        );
        document.dispatchEvent(new Event('visibilitychange'));
    }"""
    page.evaluate(
        "window.video = document.getElementById('video');"
        "window.track = video.srcObject.getVideoTracks()[0]"
    )
    page.evaluate(hide, True)
    assert page.evaluate("[track.enabled, video.paused]") == [False, True]
    page.evaluate(hide, False)
    assert page.evaluate("[track.enabled, video.paused]") == [True, False]

    page.click("#stop")
    assert page.evaluate("track.readyState") == "ended"
    assert page.evaluate("video.srcObject") is None
    assert page.inner_text("#status") == "Stopped."


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        # Without a user who allows it, a headless browser refuses.
        (CAMERA, "Access to the camera was denied."),
        (ALLOWED, "No camera was found."),
    ],
    ids=["refused", "none"],
)
def test_the_page_says_why_there_is_no_camera(visit, flags, message):
    page = visit(*flags)
    page.click("#camera")
    error = page.get_by_role("alert")
    error.get_by_text(message).wait_for()
    assert error.inner_text().startswith(message)
    assert page.inner_text("#status") == ""
    assert page.locator("#welcome").is_visible()
    # The page goes on.
    page.click("#welcome [data-does=example]")
    page.wait_for_selector("body[data-mode=clip]")


@pytest.fixture
def video(tmp_path):
    """Returns the path of a video of 30 frames."""
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    path = tmp_path / "person.mp4"
    writer = imageio_ffmpeg.write_frames(
        str(path), film.SIZE, fps=film.FPS, codec="libx264"
    )
    writer.send(None)
    for frame in range(30):
        writer.send(film.picture(frame / 30).tobytes())
    writer.close()
    return path


def test_a_browser_that_is_too_old_is_told_so(visit, tmp_path):
    page = visit(
        script="delete HTMLVideoElement.prototype.requestVideoFrameCallback"
    )
    (tmp_path / "any.mp4").write_bytes(b"any")
    page.set_input_files("#file", tmp_path / "any.mp4")
    page.locator("#error").wait_for()
    assert "this browser is too old" in page.inner_text("#error")


def test_what_was_lifted_before_damage_is_kept(visit, video):
    content = bytearray(video.read_bytes())
    start = content.index(b"mdat")
    # The frames' lengths are there, too, and become impossible.
    middle = start + (len(content) - start) // 2
    end = content.index(b"moov", start)
    content[middle : end - 8] = b"\xff" * (end - 8 - middle)
    video.write_bytes(content)
    page = visit()
    page.set_input_files("#file", video)
    page.wait_for_selector("body[data-mode=clip]")
    assert "person.mp4: cannot be read after" in page.inner_text("#error")
    assert page.is_enabled("#download")


def test_a_video_is_lifted_frame_by_frame(visit, video, tmp_path):
    page = visit()
    page.set_input_files("#file", video)
    page.wait_for_selector("body[data-mode=clip]")
    with page.expect_download() as download:
        page.click("#download")
    saved = tmp_path / "saved.json"
    download.value.save_as(saved)
    assert json.loads(saved.read_text())["provenance"]["input"] == "person.mp4"
    motion = ampose_tf.load_motion(saved)
    (track,) = motion.tracks
    # Chromium may leave out some where it cannot show them in time.
    assert motion.fps == film.FPS
    assert len(track.frames) >= 20
    assert track.frames[-1] <= 30

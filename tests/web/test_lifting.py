"""The page lifts as the package does, to 0.01 mm."""

import json

import numpy as np
import pytest

import ampose_tf
from ampose_tf.conversion import MEDIAPIPE_33
from ampose_tf.lifting import smoothing

FRAMES = 7
SIZE = (640, 480)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A file of MediaPipe's landmarks, in some of which joints are hidden."""
    random = np.random.default_rng(5)
    places = {
        "nose": (0.5, 0.2),
        "shoulder": (0.06, 0.32),
        "elbow": (0.1, 0.45),
        "wrist": (0.1, 0.57),
        "hip": (0.04, 0.58),
        "knee": (0.05, 0.74),
        "ankle": (0.05, 0.9),
        "ear": (0.02, 0.18),
        "eye": (0.015, 0.17),
    }
    frames = []
    for frame in range(FRAMES):
        landmarks = []
        for joint in MEDIAPIPE_33.joints:
            side = 1 if "left" in joint else -1
            across, down = places.get(joint.split("_")[-1], (0.03, 0.25))
            x = across if joint == "nose" else 0.5 + side * across
            landmarks.append(
                {
                    "x": x + 0.02 * frame + random.normal(0, 0.01),
                    "y": down + random.normal(0, 0.01),
                    "z": 0.0,
                    "visibility": random.choice([0.05, 0.6, 0.99]),
                }
            )
        frames.append(landmarks)
    frames[3] = []  # no person
    path = tmp_path_factory.mktemp("clip") / "landmarks.json"
    path.write_text(
        json.dumps({"frames": frames, "image_size": SIZE, "fps": 25})
    )
    return path


# Messages reach the worker after a second, in order.
SLOW_REQUESTS = """
const send = Worker.prototype.postMessage;
Worker.prototype.postMessage = function (...given) {
  setTimeout(() => send.apply(this, given), 1000);
}
"""


def lifted(page, path, folder):
    """Returns what the page makes of a file, as the package reads it."""
    page.set_input_files("#file", path)
    page.wait_for_selector("body[data-mode=clip]")
    with page.expect_download() as download:
        page.click("#download")
    saved = folder / f"{len(list(folder.iterdir()))}.json"
    download.value.save_as(saved)
    return ampose_tf.load_motion(saved)


def assert_same(motion, expected):
    (track,), (other,) = motion.tracks, expected.tracks
    np.testing.assert_array_equal(track.frames, other.frames)
    np.testing.assert_array_equal(track.seen, other.seen)
    np.testing.assert_allclose(track.scores, other.scores, atol=1e-6)
    apart_m = np.linalg.norm(track.poses_3d - other.poses_3d, axis=-1)
    assert apart_m.max() < 1e-5
    np.testing.assert_allclose(track.spread_m, other.spread_m, atol=1e-5)
    np.testing.assert_allclose(track.root, other.root, atol=1e-4)
    np.testing.assert_allclose(
        track.keypoints_px[track.seen],
        other.keypoints_px[track.seen],
        atol=1e-3,
    )
    assert (motion.fps, motion.image_size) == (
        expected.fps,
        expected.image_size,
    )


def test_the_page_lifts_as_the_package_does(visit, clip, tmp_path):
    page = visit()
    page.evaluate("document.getElementById('smooth').click()")
    for model in ("ampose_s", "ampose_t"):
        page.evaluate(f"document.querySelector('[value={model}]').click()")
        motion = lifted(page, clip, tmp_path)
        assert_same(motion, ampose_tf.Lifter(model)(clip))
        assert motion.provenance["model"] == f"{model}_float32.tflite"
        assert "field of view of 60 degrees" in motion.notes[0]
        page.click("#stop")


def test_results_name_the_network_that_was_used(visit, clip, tmp_path):
    """A file may be opened while the network chosen for it is loading."""
    # The page cannot know yet whether the network is loaded.
    page = visit(script=SLOW_REQUESTS)
    page.evaluate("document.getElementById('smooth').click()")
    page.evaluate("document.querySelector('[value=ampose_t]').click()")
    motion = lifted(page, clip, tmp_path)
    assert_same(motion, ampose_tf.Lifter("ampose_t")(clip))
    assert motion.provenance["model"] == "ampose_t_float32.tflite"


def test_a_network_is_chosen_while_the_page_loads(visit):
    page = visit(script=SLOW_REQUESTS, ready=False)
    page.wait_for_selector("body[data-mode=idle]")
    page.evaluate("document.querySelector('[value=ampose_t]').click()")
    page.locator("#status", has_text="Loading the network").wait_for()
    page.locator("#status", has_text="Ready.").wait_for()


def test_the_page_smooths_as_the_package_does(visit, clip, tmp_path):
    page = visit()
    page.evaluate(
        """() => {
        for (const [id, value] of [['cutoff', 0.5], ['beta', 3]]) {
            const range = document.getElementById(id);
            range.value = value;
            range.dispatchEvent(new Event('change', {bubbles: true}));
        }
        }"""
    )
    method = smoothing.OneEuro(min_cutoff_hz=0.5, beta_per_m=3)
    motion = lifted(page, clip, tmp_path)
    assert_same(motion, ampose_tf.Lifter(smooth=method)(clip))
    assert "0.5 Hz at rest" in motion.notes[-1]


def test_lifting_a_file_can_be_stopped(visit, clip, tmp_path):
    content = json.loads(clip.read_text())
    content["frames"] = 4000 * content["frames"][:1]
    path = tmp_path / "long.json"
    path.write_text(json.dumps(content))
    page = visit()
    page.set_input_files("#file", path)
    page.locator("#status", has_text="of 4000 poses").wait_for()
    assert page.locator("#welcome").is_hidden()
    page.click("#stop")
    assert page.inner_text("#status") == "Stopped."
    # The worker is free, and nothing of the file comes later.
    page.click("#welcome [data-does=example]")
    page.locator("#status", has_text="example.json: 100 poses").wait_for()


def test_a_result_of_the_package_comes_back_as_it_was(visit, clip, tmp_path):
    """Not smoothed: it is as its maker left it."""
    motion = ampose_tf.Lifter()(clip)
    motion.save(tmp_path / "result.json")
    again = lifted(visit(), tmp_path / "result.json", tmp_path)
    (track,), (other,) = again.tracks, motion.tracks
    for name in ("frames", "poses_3d", "scores", "seen", "root"):
        np.testing.assert_array_equal(
            getattr(track, name), getattr(other, name)
        )
    assert again.notes == motion.notes
    assert again.provenance == motion.provenance

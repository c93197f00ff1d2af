"""What the facade makes of a clip that does not say all, and says of it."""

import json

import numpy as np
import pytest

from ampose_tf import camera
from ampose_tf.lifting import root
from ampose_tf.skeleton import H36M_17
from tests import clips
from tests.people import STANDING

# Nobody, in COCO's order.
PIXELS = np.random.default_rng(2).uniform(100, 900, (5, 17, 2))


def noted(motion, text):
    return [note for note in motion.notes if text in note]


def test_an_assumed_image_is_noted(lifter):
    motion = lifter(PIXELS + 5000)
    (note,) = noted(motion, "The image size is unknown")
    side = int(np.ceil(1.25 * np.ptp(PIXELS, axis=(0, 1)).max()))
    assert f"a square of {side} pixels" in note
    assert motion.image_size == (side, side)
    # The image's corner gives the file's pixels back.
    (track,) = motion.tracks
    np.testing.assert_allclose(
        track.keypoints_px + motion.image_corner, PIXELS + 5000, atol=0.01
    )
    keypoints_2d = camera.normalize_screen(
        track.keypoints_px, motion.image_size
    )
    assert np.abs(keypoints_2d).max() == pytest.approx(0.8, abs=0.01)
    known = lifter(PIXELS, image_size=(1000, 1000), fps=25)
    assert known.image_corner == (0, 0)
    assert known.fps == 25 and not noted(known, "unknown")


def at_a_distance(metres):
    """Returns pixels of a person, by a camera of 60 degrees and 1920x1080."""
    x, y, z = STANDING.T
    joints = np.stack([y, 0.9 - z, metres - x], axis=-1)
    focal = 960 / np.tan(np.radians(30))
    return (joints[:, :2] / joints[:, 2:] * focal + (960, 540))[None]


def test_distance_needs_the_images_size(able_lifter, tmp_path):
    """The square around somebody is as full of them at any distance."""

    def depth(metres, **options):
        pixels = at_a_distance(metres)
        (track,) = able_lifter(pixels, skeleton="H36M-17", **options).tracks
        return track.root[0, 2]

    for options in (
        {"image_size": (1920, 1080)},
        {"image_size": (1920, 1080), "field_of_view_deg": 60},
        {"intrinsics": (1662.8, 1662.8, 960, 540)},
    ):
        depths = [depth(metres, **options) for metres in (3, 6, 12)]
        np.testing.assert_allclose(depths, [3, 6, 12], rtol=0.35)
    unknown = able_lifter(at_a_distance(6), skeleton="H36M-17", height_m=1.9)
    assert unknown.tracks[0].root is None
    assert noted(unknown, "positions in space are not estimated")
    assert not noted(unknown, "field of view of")
    tall = root.stature(unknown.tracks[0].poses_3d, H36M_17)
    assert np.median(tall) == pytest.approx(1.9, abs=1e-3)
    with pytest.raises(ValueError, match="a field of view requires the image"):
        able_lifter(at_a_distance(6), field_of_view_deg=60)


def test_an_assumed_frame_rate_is_nobodys_fact(lifter, tmp_path):
    lift = {"image_size": (1000, 1000)}
    motion = lifter(PIXELS, **lift)
    assert motion.fps is None and noted(motion, "frame rate is unknown: 30")
    motion.save(tmp_path / "clip.csv")
    first = (tmp_path / "clip.csv").read_text().splitlines()[1]
    assert first.split(",")[:4] == ["0", "0", "", "Hip"]
    motion.save(tmp_path / "clip.json")
    assert json.loads((tmp_path / "clip.json").read_text())["fps"] is None


def test_who_is_left_out_is_noted(lifter, tmp_path):
    """The tool's own tracker has not confirmed two of ten."""
    frames = [clips.ultralytics(f, tracked=True) for f in range(5)]
    del frames[0][0]["track_id"], frames[2][1]["track_id"]
    (tmp_path / "clip.json").write_text(json.dumps(frames))
    motion = lifter(tmp_path / "clip.json", image_size=clips.IMAGE_SIZE)
    assert sum(len(track.frames) for track in motion.tracks) == 8
    assert noted(motion, "2 detections without an id are left out")
    frames = [clips.ultralytics(f) for f in range(5)]
    (tmp_path / "clip.json").write_text(json.dumps(frames))
    motion = lifter(tmp_path / "clip.json", image_size=clips.IMAGE_SIZE)
    assert not noted(motion, "left out")

"""What real tools have written is read."""

import os
import pathlib

import numpy as np
import pytest

from ampose_tf.lifting import formats, keypoints
from ampose_tf.lifting.keypoints import find_skeleton
from tests import clips


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

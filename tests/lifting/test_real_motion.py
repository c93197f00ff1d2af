"""What people meet: detectors' own files, and recorded motion."""

import os
import pathlib

import numpy as np
import pytest

from ampose_tf.config.ranges import Cameras
from ampose_tf.data import mocap
from ampose_tf.evaluation import metrics
from ampose_tf.lifting import root
from ampose_tf.lifting.keypoints import Keypoints, Track
from ampose_tf.lifting.motion import LEVEL
from ampose_tf.skeleton import H36M_17
from tests.lifting.readers.test_samples import DETECTORS

ULTRALYTICS = "ultralytics_to_json.json"


def folder(name):
    path = os.environ.get(name)
    if not path:
        pytest.skip(f"{name} is not set")
    return pathlib.Path(path)


@pytest.fixture(scope="module")
def samples():
    return folder("AMPOSE_SAMPLES")


@pytest.fixture(scope="module")
def filmed():
    """Every fifteenth frame of each validation trial, as one camera sees it.

    Pairs of the camera and the joints (T, 17, 3) in its frame, in metres.
    """
    motion = mocap.load(folder("AMPOSE_MOCAP"), ("cmu17",), "validation")
    found = []
    for trial, name in enumerate(motion.trial_names):
        world = motion.joints[motion.trials == trial][::15]
        hip = world[:, 0].mean(axis=0, dtype=np.float64)
        camera = mocap.fixed_cameras(hip, name, Cameras(number=1), 1)[0]
        joints = camera.world_to_camera(world)
        joints = joints[joints[..., 2].min(axis=1) >= 1]
        if len(joints):
            found.append((camera, joints))
    assert sum(len(joints) for _, joints in found) > 300
    return found


def keypoints(camera, joints, scores=None):
    """Returns what a perfect detector finds of the joints that it sees."""
    count = len(joints)
    if scores is None:
        scores = np.ones((count, 17), np.float32)
    pixels = camera.project(joints).astype(np.float32)
    pixels = np.where(scores[..., None] > 0, pixels, 0)
    track = Track(0, np.arange(count), pixels, scores)
    return Keypoints("H36M-17", camera.image_size, 30.0, count, (track,))


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detectors_file_gives_the_same_poses(released, samples, name):
    """All 17 joints: in every file they come from COCO's, or are those."""
    known = samples / "made_from_cmu"
    with np.load(known / "detector_truth.npz") as truth:
        expected = released(
            truth["keypoints"], image_size=(1000, 1000), skeleton="COCO-17"
        )
        true = truth["pose3d_camera"]
    motion = released(known / name, image_size=(1000, 1000))
    (track,), (same,) = motion.tracks, expected.tracks
    of_an_image = name in ("mmpose_inferencer_image.json", ULTRALYTICS)
    assert len(track.frames) == (1 if of_an_image else 20)
    distance = track.poses_3d - same.poses_3d[track.frames]
    assert 1000 * np.linalg.norm(distance, axis=-1).max() < 1
    # And these are poses: always the mean pose is off by some 200 mm.
    lifted = same.poses_3d
    assert 1000 * metrics.mpjpe(lifted, true - true[:, :1]).mean() < 110


def test_people_who_squat(released, samples):
    motion = released(samples / "third_party/tfjs_pose_squats.full.json")
    (track,) = motion.tracks
    at = H36M_17.joints.index
    poses_3d, frames = track.poses_3d, len(track.frames)
    assert frames == 65
    up = np.array(LEVEL)
    height = poses_3d @ up  # Above the hip.
    ankles = height[:, [at("LFoot"), at("RFoot")]].mean(axis=1)
    # Upright: from the first frame to the last, the head over the hip.
    assert (height[:, at("Head")] > 0.6).all() and (ankles < -0.4).all()
    # They go down and come up again, by a third of their legs and more.
    assert ankles.max() - ankles.min() > 0.25
    assert ankles[0] < -0.75 and ankles[48] < -0.75 < -0.65 < ankles[32]
    # Who faces the camera has the left side at its right hand, and bends
    # knees towards it: forwards, not backwards.
    left = poses_3d[:, at("LShoulder"), 0] - poses_3d[:, at("RShoulder"), 0]
    assert (left > 0.1).all()
    knees = poses_3d[:, [at("LKnee"), at("RKnee")]].mean(axis=1)
    feet = poses_3d[:, [at("LFoot"), at("RFoot")]].mean(axis=1)
    assert knees[32, 2] < -0.15 and knees[32, 2] < feet[32, 2] - 0.05
    (note,) = [n for n in motion.notes if "size is unknown" in n]
    assert "a square of 989 pixels" in note


def openpose_folder(samples, tmp_path):
    for path in (samples / "third_party").glob("openpose_body25_*.json"):
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "people", "frames"),
    [
        ("tfjs_pose_1.json", 1, 120),
        ("openpose", 1, 5),
        ("mmpose_test_coco.json", 12, 1),
    ],
)
def test_other_tools_people(released, samples, tmp_path, name, people, frames):
    path = samples / "third_party" / name
    if name == "openpose":
        path = openpose_folder(samples, tmp_path)
    motion = released(path)
    assert [len(t.frames) for t in motion.tracks] == people * [frames]
    at = H36M_17.joints.index
    for track in motion.tracks:
        # All sit or stand: the thorax is above the hip, the head higher.
        heights = -track.poses_3d[:, [0, at("Thorax"), at("Head")], 1]
        assert (np.diff(heights, axis=1) > 0.05).all()
        # None of these files says how large its images are.
        assert track.root is None
        # Whoever is seen whole is of a person's size.
        if track.seen.all():
            tall = root.stature(track.poses_3d, H36M_17)
            assert (tall > 1.3).all() and (tall < 2.1).all()
    assert any("size is unknown" in note for note in motion.notes)


def test_roots_of_people_of_known_height(released, filmed):
    """Intrinsics and height are the true ones; see `root.stature`."""
    shares = []
    for camera, joints in filmed:
        motion = released(
            keypoints(camera, joints),
            intrinsics=(*camera.focal_length, *camera.center),
            height_m=float(np.median(root.stature(joints, H36M_17))),
        )
        (track,) = motion.tracks
        error = np.linalg.norm(track.root - joints[:, 0], axis=-1)
        shares.append(error / np.linalg.norm(joints[:, 0], axis=-1))
    assert np.median(np.concatenate(shares)) < 0.04


def test_missing_wrists_and_ankle(released, filmed):
    """The others stay, and these are guessed by what a body does."""
    at = H36M_17.joints.index
    dropped = [at("LWrist"), at("RWrist"), at("RFoot")]
    kept = [joint for joint in range(1, 17) if joint not in dropped]
    whole, partial = [], []
    for camera, joints in filmed:
        true = joints - joints[:, :1]
        scores = np.ones(joints.shape[:2], np.float32)
        for errors in (whole, partial):
            (track,) = released(keypoints(camera, joints, scores)).tracks
            errors.append(np.linalg.norm(track.poses_3d - true, axis=-1))
            scores = scores.copy()
            scores[:, dropped] = 0
        assert not track.seen[:, dropped].any()
    usual, worse = (np.concatenate(e).mean(axis=0) for e in (whole, partial))
    assert worse[kept].mean() < 1.15 * usual[kept].mean()
    # Measured: 152 mm, and 54 mm where they are seen.
    assert worse[dropped].mean() < 3.2 * usual[dropped].mean()

"""The facade: what it gives, what it assumes, and what it refuses."""

import dataclasses
import json
from concurrent import futures

import numpy as np
import pytest

import ampose_tf
from ampose_tf import camera, weights
from ampose_tf.conversion import CONVERSIONS
from ampose_tf.data import archive
from ampose_tf.lifting import Lifter, formats, results, root, smoothing
from ampose_tf.lifting.predictor import load_predictor
from ampose_tf.models.ampose import AMPose
from ampose_tf.skeleton import H36M_16, H36M_17, predict_mirrored
from tests import clips

# Nobody, and somebody in COCO's order.
PIXELS = np.random.default_rng(2).uniform(100, 900, (5, 17, 2))
PERSON = clips.truth()[0][:, 0]


def noted(motion, text):
    return [note for note in motion.notes if text in note]


def write_npz(path, **members):
    np.savez(path, **members)
    return path


def coco(folder, **members):
    """Writes one person in COCO's order; returns the path, and members."""
    pixels, scores = (part[:, 0] for part in clips.truth())
    members = {"keypoints_px": pixels, "scores": scores} | members
    return write_npz(folder / "clip.npz", **members)


def test_three_lines(tmp_path, monkeypatch):
    """As in the README, with the model that the package brings."""
    monkeypatch.chdir(tmp_path)
    with open("clip.json", "w") as file:
        json.dump(clips.coco_results(people=1), file)
    lifter = ampose_tf.lifting.Lifter()
    motion = lifter("clip.json")
    (path,) = motion.save("clip.bvh")
    assert path.read_text().startswith("HIERARCHY")
    (track,) = motion.tracks
    head, foot = track.poses_3d[:, 10, 1], track.poses_3d[:, 3, 1]
    assert (head < -0.4).all() and (foot > 0.6).all()  # y points down.


def test_npz_explains_itself(lifter, deaf_model, tmp_path):
    motion = lifter(PIXELS, image_size=(800, 1000), fps=25)
    written = motion.save(tmp_path / "new/clip.npz")
    assert written == (tmp_path / "new/clip.npz",)
    result = archive.read(written[0])  # No pickles in it.
    keypoints_2d = camera.normalize_screen(PIXELS, (800, 1000), "width")
    np.testing.assert_allclose(
        result["keypoints_2d"], keypoints_2d, rtol=1e-6, atol=1e-6
    )
    assert result["poses_3d"].shape == (5, 17, 3)
    assert result["seen"].shape == (5, 17) and result["seen"].all()
    assert tuple(result["joint_names"]) == H36M_17.joints
    assert [tuple(edge) for edge in result["edges"]] == list(H36M_17.edges)
    assert str(result["units"]) == "metres"
    assert "y down" in str(result["frame"])
    assert str(result["root"]).startswith("hip")
    assert result["root_positions"].shape == (5, 3)
    loaded = results.load(written[0])
    assert loaded.notes == motion.notes and loaded.fps == 25


def test_poses_are_the_models_mean_with_the_mirror_image(deaf_model):
    predict = load_predictor(deaf_model)
    keypoints_2d = camera.normalize_screen(PIXELS, (800, 1000), "width")
    single = predict(keypoints_2d)
    mirrored = predict_mirrored(predict, keypoints_2d, H36M_17)
    assert np.abs(single - mirrored).max() > 0.01
    (track,) = Lifter(deaf_model)(PIXELS, image_size=(800, 1000)).tracks
    np.testing.assert_allclose(
        track.poses_3d, (single + mirrored) / 2, atol=1e-5
    )
    np.testing.assert_allclose(
        track.spread_m,
        np.linalg.norm(single - mirrored, axis=-1) / 2,
        atol=1e-5,
    )
    (track,) = Lifter(deaf_model, flip_ensemble=False)(
        PIXELS, image_size=(800, 1000)
    ).tracks
    np.testing.assert_allclose(track.poses_3d, single, atol=1e-5)
    assert np.isnan(track.spread_m).all()


def test_arrays_and_keypoints_are_as_their_file(lifter, tmp_path):
    np.save(tmp_path / "clip.npy", PIXELS)
    expected = lifter(tmp_path / "clip.npy", image_size=(1000, 900))
    read = formats.read(tmp_path / "clip.npy")
    for keypoints in (PIXELS, read, read._replace(image_size=(5, 7))):
        motion = lifter(keypoints, image_size=(1000, 900))
        assert motion.image_size == (1000, 900)
        np.testing.assert_array_equal(
            motion.tracks[0].poses_3d, expected.tracks[0].poses_3d
        )
    assert lifter(read._replace(image_size=(5, 7))).image_size == (5, 7)


def test_skeletons_by_name_and_by_file(lifter, tmp_path):
    own = dataclasses.asdict(CONVERSIONS["COCO-17"]) | {"name": "mine"}
    (tmp_path / "mine.json").write_text(json.dumps(own))
    path = coco(tmp_path, image_size=clips.IMAGE_SIZE)
    expected = lifter(path).tracks[0].poses_3d
    for skeleton in (
        "COCO-17",
        CONVERSIONS["COCO-17"],
        tmp_path / "mine.json",
        str(tmp_path / "mine.json"),
    ):
        poses_3d = lifter(path, skeleton=skeleton).tracks[0].poses_3d
        np.testing.assert_array_equal(poses_3d, expected)
    other = lifter(path, skeleton="H36M-17").tracks[0].poses_3d
    assert np.abs(other - expected).max() > 1e-3
    with pytest.raises(ValueError, match="unknown skeleton 'cat'"):
        lifter(path, skeleton="cat")


def test_every_format_is_lifted(lifter, seeing_lifter, tmp_path):
    paths = clips.write_all(tmp_path)
    for lift in (lifter, seeing_lifter):
        for name, path in paths.items():
            motion = lift(path, image_size=clips.IMAGE_SIZE)
            assert [t.track_id for t in motion.tracks] in ([0], [0, 1]), name
            assert all(track.seen.all() for track in motion.tracks)
            assert not noted(motion, "size is unknown")
            assert not noted(motion, "not seen")
            known = {"own": 25, "plain": 30}.get(name)
            assert bool(noted(motion, "frame rate is unknown")) == (
                known is None
            )
            assert motion.fps == known


def test_people_are_lifted_as_if_alone(seeing_lifter, tmp_path):
    together = clips.coco_results()
    motions = []
    for people in (together, together[::2], together[1::2]):
        (tmp_path / "clip.json").write_text(json.dumps(people))
        motions.append(
            seeing_lifter(tmp_path / "clip.json", image_size=(640, 480))
        )
    both, *alone = motions
    for track, motion in zip(both.tracks, alone, strict=True):
        for name in ("poses_3d", "root", "spread_m", "keypoints_px"):
            np.testing.assert_allclose(
                getattr(track, name),
                getattr(motion.tracks[0], name),
                atol=1e-5,
            )


def test_joints_that_were_not_seen(lifter, seeing_lifter, tmp_path):
    pixels, scores = (part[:, 0] for part in clips.truth())
    shoulder = clips.COCO.index("left_shoulder")
    scores[1, shoulder] = 0.29
    pixels[2, shoulder], scores[2, shoulder] = np.nan, np.nan
    scores[3] = 0.1  # Nothing that counts.
    size = {"image_size": clips.IMAGE_SIZE}
    path = coco(tmp_path, keypoints_px=pixels, scores=scores, **size)
    unseen = ("LShoulder", "Thorax", "Neck/Nose")
    made = {H36M_17.joints.index(joint) for joint in unseen}
    tracks = {}
    for lift in (lifter, seeing_lifter):
        motion = lift(path)
        (track,) = motion.tracks
        tracks[lift] = track
        assert track.frames.tolist() == [0, 1, 2, 4]
        assert track.seen[[0, 3]].all()
        for frame in (1, 2):
            assert made < set(np.flatnonzero(~track.seen[frame]))
        assert np.isfinite(track.keypoints_px).all()
        count = (~track.seen).sum()
        assert noted(motion, f"{count} of 68 joints were not seen")
    # Where the unseen shoulder is said to be counts for neither.
    scores[1, shoulder] = 0
    path = coco(tmp_path, keypoints_px=pixels, scores=scores, **size)
    for lift, track in tracks.items():
        np.testing.assert_array_equal(
            lift(path).tracks[0].poses_3d, track.poses_3d
        )
    path = coco(tmp_path, keypoints_px=pixels, scores=0.2 * scores, **size)
    with pytest.raises(ValueError, match=r"clip\.npz: no person has a joint"):
        lifter(path)


def test_the_score_that_counts_as_seen(deaf_model):
    scores = np.full((5, 17, 1), 0.4)
    scores[1, 3] = 0
    scored = np.concatenate([PIXELS, scores], axis=-1)
    scored[2, 4, 2] = 0.1
    for least, seen in ((0.0, 84), (0.1, 84), (0.3, 83), (0.4, 83)):
        lift = Lifter(deaf_model, seen_score=least)
        (track,) = lift(scored, image_size=(1000, 1000)).tracks
        assert track.seen.sum() == seen
    lift = Lifter(deaf_model, seen_score=0.5)
    with pytest.raises(ValueError, match="no person has a joint .* least 0.5"):
        lift(scored, image_size=(1000, 1000))


def test_the_camera(able_lifter):
    """Angle, focal lengths and an assumed image say the same camera."""
    options = {"skeleton": "COCO-17"}
    size = options | {"image_size": (1000, 800)}
    focal = 500 / np.tan(np.radians(60) / 2)
    default = able_lifter(PERSON, **size)
    assert noted(default, "a field of view of 60 degrees")
    for same in (
        able_lifter(PERSON, **size, field_of_view_deg=60),
        able_lifter(PERSON, **size, intrinsics=(focal, focal, 500, 400)),
    ):
        assert noted(same, "focal lengths of 866.025")
        np.testing.assert_allclose(
            same.tracks[0].root, default.tracks[0].root, rtol=1e-5
        )
    narrow = able_lifter(PERSON, **size, field_of_view_deg=30)
    assert (narrow.tracks[0].root[:, 2] > default.tracks[0].root[:, 2]).all()
    # A principal point is in the file's pixels, wherever the image begins.
    near, far = (
        able_lifter(
            PERSON + by,
            intrinsics=(900, 900, 480 + by, 510 + by),
            **options,
        )
        for by in (0, 3000)
    )
    np.testing.assert_allclose(
        far.tracks[0].root, near.tracks[0].root, rtol=1e-3, atol=1e-3
    )


def test_height_and_up(lifter):
    motion = lifter(PIXELS, image_size=(900, 900), height_m=1.9)
    tall = root.stature(motion.tracks[0].poses_3d, H36M_17)
    assert np.median(tall) == pytest.approx(1.9, abs=1e-3)
    assert noted(motion, "camera is assumed to be level")
    up = (0.0, -0.8, -0.6)
    motion = lifter(PIXELS, image_size=(900, 900), up=up)
    assert motion.up == up and noted(motion, "up direction is given")


def test_smoothing_is_by_name_or_by_filter(able_lifter):
    options = {"image_size": (900, 900), "fps": 50, "skeleton": "COCO-17"}
    raw = able_lifter(PERSON, **options)
    for smooth, method in (
        ("butterworth", smoothing.Butterworth()),
        ("one_euro", smoothing.OneEuro()),
        (smoothing.Butterworth(3.0), smoothing.Butterworth(3.0)),
    ):
        lift = Lifter(weights.AMPOSE_T, smooth=smooth)
        motion = lift(PERSON, **options)
        (track,) = motion.tracks
        for name in ("poses_3d", "root"):
            np.testing.assert_array_equal(
                getattr(track, name),
                method(getattr(raw.tracks[0], name), track.frames, 50.0),
            )
        assert noted(motion, f"smoothed over time by {method}")


def test_either_number_of_joints_suits_either_model(lifter, tmp_path):
    sixteen = AMPose(H36M_16.adjacency(), depth=1, width=8, heads=2)
    sixteen.save(tmp_path / "16.keras")
    without = np.delete(PIXELS, 9, axis=1)
    between = PIXELS[:, [8, 10]].mean(axis=1)
    for pixels, lift, expected in (
        (PIXELS, Lifter(tmp_path / "16.keras"), without),
        (without, lifter, np.insert(without, 9, between, axis=1)),
    ):
        (track,) = lift(pixels, image_size=(1000, 1000)).tracks
        np.testing.assert_allclose(track.keypoints_px, expected, atol=1e-3)
        assert track.poses_3d.shape[1] == expected.shape[1]


def test_a_model_of_absurd_poses_is_named(tmp_path):
    model = AMPose(H36M_17.adjacency(), depth=1, width=8, heads=2)
    kernel = model.get_layer("poses_3d").kernel
    kernel.assign(1e15 * kernel)
    model.save(tmp_path / "far.keras")
    with pytest.raises(
        ValueError, match=r"far\.keras: the predicted poses contain"
    ):
        Lifter(tmp_path / "far.keras")(PIXELS, image_size=(7, 5))


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("seen_score: expected a score from 0 to 1", {"seen_score": 30}),
        ("smooth: expected one of butterworth", {"smooth": "kalman"}),
    ],
)
def test_what_no_clip_is_lifted_with(deaf_model, message, options):
    with pytest.raises(ValueError, match=message):
        Lifter(deaf_model, **options)
    with pytest.raises(OSError, match="no model"):
        Lifter("missing.keras")


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("fps: expected frames per second from", {"fps": 0}),
        ("expected a width and height", {"image_size": (0, 5)}),
        ("unknown format 'vicon'", {"format": "vicon"}),
        ("between 0 and 180 degrees", {"field_of_view_deg": 180}),
        ("fx, fy, cx, cy", {"intrinsics": (900, 900)}),
        ("fx, fy, cx, cy", {"intrinsics": (900, 0, 5, 7)}),
        (
            "not both",
            {"intrinsics": (9, 9, 5, 7), "field_of_view_deg": 60},
        ),
        ("between 0.3 and 3 metres", {"height_m": 190}),
        ("unit vector", {"up": (0, 0, 5)}),
        ("only 0 of 5 frames", {"up": "auto"}),
    ],
)
def test_what_is_refused_of_a_clip(lifter, message, options):
    with pytest.raises(ValueError, match=message):
        lifter(PIXELS, **({"image_size": (900, 900)} | options))


def test_several_threads_share_a_lifter():
    lifter = Lifter("ampose_t", smooth="butterworth")
    pixels, scores = clips.truth()
    people = [
        np.dstack([pixels[:, person], scores[:, person]]) for person in (0, 1)
    ]

    def lift(index):
        motion = lifter(people[index % 2], image_size=clips.IMAGE_SIZE)
        return motion.tracks[0].poses_3d

    expected = [lift(0), lift(1)]
    with futures.ThreadPoolExecutor(6) as pool:
        for index, lifted in enumerate(pool.map(lift, range(24))):
            np.testing.assert_array_equal(lifted, expected[index % 2])

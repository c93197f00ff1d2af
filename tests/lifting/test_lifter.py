"""The facade: what it gives, what it assumes, and what it refuses."""

import dataclasses
import gc
import itertools
import json
import tracemalloc

import numpy as np
import pytest

import ampose_tf
from ampose_tf import camera, weights
from ampose_tf.conversion import CONVERSIONS
from ampose_tf.data import archive
from ampose_tf.evaluation.protocols import predict_mirrored
from ampose_tf.lifting import Lifter, formats, results, root, smoothing
from ampose_tf.lifting.predictor import load_predictor
from ampose_tf.models.ampose import AMPose
from ampose_tf.skeleton import H36M_16, H36M_17
from tests import clips
from tests.lifting.filmed import film, only

# Nobody, and somebody in COCO's order.
PIXELS = np.random.default_rng(2).uniform(100, 900, (5, 17, 2))
PERSON = clips.truth()[0][:, 0]


@pytest.fixture(scope="module")
def lifter(deaf_model):
    """With a small model that hears nothing of what was seen."""
    return Lifter(deaf_model)


@pytest.fixture(scope="module")
def seeing_lifter(seeing_model):
    return Lifter(seeing_model)


@pytest.fixture(scope="module")
def able_lifter():
    """With a model whose people have depth, and so a place in the room."""
    return Lifter(weights.AMPOSE_T)


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
            assert not noted(motion, "size is not known")
            assert not noted(motion, "not seen")
            known = {"own": 25, "plain": 30}.get(name)
            assert bool(noted(motion, "frame rate is not")) == (known is None)
            assert motion.fps == (known or 30)


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
    made = {H36M_17.joints.index(j) for j in ("LShoulder", "Thorax", "Head")}
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
    with pytest.raises(ValueError, match=r"clip\.npz: nobody has a joint"):
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
    with pytest.raises(ValueError, match="nobody has a joint .* of 0.5"):
        lift(scored, image_size=(1000, 1000))


def test_an_assumed_image_is_noted(lifter):
    motion = lifter(PIXELS + 5000)
    (note,) = noted(motion, "The image's size is not known")
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
    assert known.fps == 25 and not noted(known, "not known")


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
    assert noted(motion, "camera is taken as level")
    up = (0.0, -0.8, -0.6)
    motion = lifter(PIXELS, image_size=(900, 900), up=up)
    assert motion.up == up and noted(motion, "Up is given")


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


def test_a_model_of_nan_is_named(tmp_path):
    model = AMPose(H36M_17.adjacency(), depth=1, width=8, heads=2)
    model.get_layer("poses_3d").bias.assign([np.nan, 0, 0])
    model.save(tmp_path / "nan.keras")
    with pytest.raises(ValueError, match=r"nan\.keras: its poses hold NaN"):
        Lifter(tmp_path / "nan.keras")(PIXELS, image_size=(7, 5))


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
        ("fps: expected frames a second above 0", {"fps": 0}),
        ("positive width and height", {"image_size": (0, 5)}),
        ("unknown format 'vicon'", {"format": "vicon"}),
        ("between 0 and 180 degrees", {"field_of_view_deg": 180}),
        ("fx, fy, cx, cy", {"intrinsics": (900, 900)}),
        ("fx, fy, cx, cy", {"intrinsics": (900, 0, 5, 7)}),
        (
            "got both",
            {"intrinsics": (9, 9, 5, 7), "field_of_view_deg": 60},
        ),
        ("height in metres", {"height_m": 190}),
        ("unit vector", {"up": (0, 0, 5)}),
        ("0 of 5 frames somebody stands", {"up": "auto"}),
    ],
)
def test_what_is_refused_of_a_clip(lifter, message, options):
    with pytest.raises(ValueError, match=message):
        lifter(PIXELS, **({"image_size": (900, 900)} | options))


# --- Streams ---------------------------------------------------------------


def stream_lines(frames=5):
    results = [clips.openpose_frames()[f % 5] for f in range(frames)]
    return [json.dumps(frame) for frame in results]


def test_a_stream_is_the_clip(able_lifter, tmp_path):
    """Frame by frame, roots and all, except for what needs the clip."""
    text = stream_lines()
    (tmp_path / "clip.jsonl").write_text("\n".join(text))
    options = {"image_size": (640, 480), "field_of_view_deg": 70}
    clip = able_lifter(tmp_path / "clip.jsonl", **options)
    answers = list(able_lifter.stream(text, **options))
    assert [number for number, _ in answers] == [0, 1, 2, 3, 4]
    for number, motion in answers:
        for track, whole in zip(motion.tracks, clip.tracks, strict=True):
            assert track.frames.tolist() == [number]
            assert track.track_id == whole.track_id
            for name in ("poses_3d", "root", "spread_m", "keypoints_px"):
                np.testing.assert_allclose(
                    getattr(track, name)[0],
                    getattr(whole, name)[number],
                    atol=1e-4,
                )


def test_a_smoothed_stream_is_the_smoothed_clip(tmp_path):
    text = [*stream_lines()[:2], "null", *stream_lines()[2:]]
    (tmp_path / "clip.jsonl").write_text("\n".join(text))
    lift = Lifter(weights.AMPOSE_T, smooth="one_euro")
    clip = lift(tmp_path / "clip.jsonl", image_size=(640, 480), fps=30)
    answers = dict(lift.stream(text, (640, 480), fps=30))
    assert answers[2].tracks == ()
    for person in (0, 1):
        whole = clip.tracks[person]
        for place, frame in enumerate(whole.frames):
            track = answers[frame].tracks[person]
            for name in ("poses_3d", "root"):
                np.testing.assert_allclose(
                    getattr(track, name)[0],
                    getattr(whole, name)[place],
                    atol=1e-4,
                )
    assert answers[0].fps == 30 and not noted(answers[0], "rate is not known")
    first = next(lift.stream(text, (640, 480)))[1]
    assert first.fps == 30 and noted(first, "frame rate is not known")
    raw = Lifter(weights.AMPOSE_T)
    assert next(raw.stream(text, (640, 480)))[1].fps is None


def test_a_stream_forgets_who_is_gone():
    settings = smoothing.OneEuro()
    stream = smoothing.MotionStream(settings)
    motion = film(frames=90).motion
    (track,) = motion.tracks
    for frame in range(90):
        now = only(track, [frame])._replace(track_id=frame)
        stream(dataclasses.replace(motion, tracks=(now,)), frame)
    # At 50 frames per second, half a second and the present.
    assert len(stream._people) == 26


def test_a_stream_keeps_nothing(lifter):
    values = map(json.dumps, itertools.cycle(clips.openpose_frames()))
    answers = lifter.stream(values, (640, 480))
    for _ in range(30):  # By then, everything that is kept has been made.
        next(answers)
    tracemalloc.start()
    next(answers)
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(60):
        next(answers)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    # Two people's motion is some 5,000 bytes a frame.
    assert grown < 60_000


def test_answers_are_lines_of_json(seeing_lifter):
    text = ["null", *stream_lines(2)]
    answers = seeing_lifter.stream(text, (640, 480))
    written = [
        results.answer(motion, number, number == 0)
        for number, motion in answers
    ]
    assert not any("\n" in line for line in written)
    nobody, first, second = (json.loads(line) for line in written)
    assert nobody["people"] == [] and nobody["units"] == "metres"
    assert nobody["joint_names"] == list(H36M_17.joints)
    assert set(second) == {"frame_number", "people"}
    assert [a["frame_number"] for a in (nobody, first, second)] == [0, 1, 2]
    person = second["people"][1]
    assert person["track_id"] == 1
    _, motion = list(seeing_lifter.stream(text, (640, 480)))[-1]
    track = motion.tracks[1]
    for name, expected in (
        ("poses_3d", track.poses_3d[0]),
        ("root_position", track.root[0]),
        ("keypoints_px", track.keypoints_px[0]),
        ("spread_m", track.spread_m[0]),
        ("scores", track.scores[0]),
    ):
        np.testing.assert_allclose(person[name], expected, atol=1e-6)
    assert person["seen"] == [True] * 17
    # Without a root and without a spread, null.
    bare = track._replace(root=None, spread_m=np.full((1, 17), np.nan))
    bare = dataclasses.replace(motion, tracks=(bare,))
    person = json.loads(results.answer(bare, 2, False))["people"][0]
    assert person["root_position"] is None
    assert person["spread_m"] == [None] * 17


def test_what_is_refused_of_a_stream(lifter, deaf_model):
    def refuse(message, lift=lifter, text=(), size=(640, 480), **options):
        with pytest.raises(ValueError, match=message):
            list(lift.stream(text, size, **options))

    refuse("--image_size=WIDTHxHEIGHT", size=None)
    refuse("positive width and height", size=(0, 5))
    refuse("fps: expected frames a second", fps=0)
    refuse("line 2: not JSON", text=[*stream_lines(1), "x"])
    smoothed = Lifter(deaf_model, smooth="butterworth")
    refuse("Butterworth needs the whole clip", smoothed)

"""What the doctor finds is what was done, and nothing where nothing was."""

import os
import pathlib

import numpy as np
import pytest

from ampose_tf.conversion import SEEN_SCORE
from ampose_tf.data import mocap
from ampose_tf.lifting import doctor, formats
from ampose_tf.lifting.doctor import symptoms
from ampose_tf.lifting.doctor.findings import (
    KINDS,
    LIKELY,
    POSSIBLE,
    people_of,
)
from ampose_tf.lifting.keypoints import SKELETONS, to_h36m
from ampose_tf.skeleton import H36M_17
from benchmarks import damages
from benchmarks import doctor as benchmark
from benchmarks.mixups import MIXUPS
from tests.lifting.doctor.examined import (
    at_frames,
    filmed_clip,
    kinds,
    marks,
    with_scores,
)

JOINT = {name: index for index, name in enumerate(H36M_17.joints)}


@pytest.mark.parametrize("skeleton", ["H36M-17", "COCO-17"])
@pytest.mark.parametrize(
    "action", ["Walking", "Sitting", "Greeting", "Photo", "WalkDog"]
)
def test_nothing_where_nothing_is_wrong(action, skeleton):
    assert kinds(filmed_clip(action, skeleton)) == []


def test_every_damage_is_found():
    for skeleton in ("H36M-17", "COCO-17"):
        clip = filmed_clip(skeleton=skeleton)
        for (kind, what), change in (damages.DAMAGES | MIXUPS).items():
            if (kind, what) in {
                # Not in every clip.
                ("sides_swapped", "all"),
                ("missing_frames", "renumbered"),
                ("image_size", "exchanged"),  # It is a square.
                ("aspect", "4:3 squeezed to a square"),
            } or kind == "frame_rate":
                continue
            if skeleton == "H36M-17" and (
                what == "body, not face"
                or what.split(" as ")[0] in damages.NEAR
            ):
                continue
            damaged = change(clip, np.random.default_rng(5))
            assert kind in kinds(damaged), (skeleton, kind, what)


def test_a_finding_says_what_to_do():
    clip = filmed_clip(skeleton="COCO-17")
    (finding,) = doctor.examine(clip._replace(skeleton="H36M-17"))
    assert finding.kind == "order" and finding.certainty == doctor.CERTAIN
    assert "--skeleton=COCO-17" in finding.sentence
    (finding,) = doctor.examine(clip._replace(image_size=(500, 500)))[:1]
    assert finding.kind == "image_size"
    assert "500x500" in finding.sentence and "--image_size" in finding.sentence


def test_a_report_has_a_line_for_each_kind():
    clip = filmed_clip()
    clip = clip._replace(fps=30.0, notes=("Not read: column a.",))
    lines = doctor.report(clip).splitlines()
    assert lines.pop(1) == "[i] Not read: column a."
    assert lines[0] == (
        "1 person in 41 frames, H36M-17, images of 1000x1000 pixels"
    )
    kinds_told = [line[4:].split()[0].rstrip(":") for line in lines[1:]]
    assert kinds_told == list(KINDS)
    upside_down = damages.DAMAGES["y_up", "height - y"](clip, None)
    marked = [
        line
        for line in doctor.report(upside_down).splitlines()
        if line.startswith("[!]")
    ]
    assert len(marked) == 1 and marked[0].startswith("[!] y_up (")
    unknown = doctor.report(clip._replace(image_size=None))
    assert "[?] image_size" in unknown and "[!]" not in unknown


def test_missing_frames_are_named():
    clip = filmed_clip(frames=20)
    rows = [*range(7), *range(9, 13), *range(14, 20)]
    (finding,) = doctor.examine(at_frames(clip, rows))
    assert finding.kind == "missing_frames"
    assert finding.certainty == POSSIBLE
    assert finding.sentence.startswith(
        "no person is seen in 3 frames: 7 to 8, 13; unless no one was there"
    )
    # Somebody who comes later.
    assert kinds(at_frames(clip, range(5, 20))) == []


@pytest.mark.parametrize("rate", [2, 2.5, 10 / 3, 30 / 25])
def test_thinned_films_miss_nothing(rate):
    """30 frames a second to 15, 12, 9 or 25, with their numbers."""
    clip = filmed_clip(frames=80)
    rows = (np.arange(80 / rate) * rate).astype(int)
    assert kinds(at_frames(clip, rows[rows < 80])) == []


def test_who_is_hidden_is_no_missing_frame():
    clip = filmed_clip(frames=20)
    rows = [*range(7), *range(12, 20)]
    (track,) = at_frames(clip, rows).tracks
    beside = track._replace(track_id=1, pixels=track.pixels + [250, 0])
    both = clip._replace(tracks=(*clip.tracks, beside))
    assert kinds(both) == []


def test_frames_are_missing_where_the_lifter_leaves_them_out():
    """It keeps a frame for one joint, from the user's own score on."""
    clip = filmed_clip(frames=20)
    scores = np.ones((20, 17))
    scores[11:13, 4:] = 0
    assert kinds(with_scores(clip, scores)) == []
    scores[11:13] = 0.25
    unsure = with_scores(clip, scores)
    (finding,) = doctor.examine(unsure)
    assert finding.kind == "missing_frames" and "11 to 12" in finding.sentence
    assert doctor.examine(unsure, seen_score=0.2) == ()
    # What is not seen has a score of 0, which no score counts as seen.
    scores[11:13] = 0
    lost = with_scores(clip, scores)
    assert [f.kind for f in doctor.examine(lost, seen_score=0.0)] == [
        "missing_frames"
    ]
    with pytest.raises(ValueError, match="seen_score: expected"):
        doctor.examine(clip, seen_score=1.5)


def test_the_frame_rate_counts():
    """Film of 50 a second: at 5, nobody moves enough to be judged."""
    clip = filmed_clip(frames=60)
    backwards = damages.DAMAGES["sides_swapped", "all"](clip, None)
    (finding,) = doctor.examine(backwards, fps=50)
    assert finding.kind == "sides_swapped"
    slow = backwards._replace(fps=50.0)
    (finding,) = doctor.examine(slow, fps=5)
    assert finding.kind == "frame_rate"
    assert finding.sentence.startswith(
        "at 5 frames per second people move too slowly"
    )
    assert "[!] sides_swapped" in doctor.report(backwards, fps=50)
    with pytest.raises(ValueError, match="fps: expected"):
        doctor.examine(clip, fps=0)


def test_what_was_not_examined_is_not_judged():
    clip = filmed_clip()
    found = marks(clip)
    assert found.pop("frame_rate") == "[?]"  # None is said.
    assert set(found.values()) == {"[ ]"}
    # Four joints are nobody; one frame has no others to be missing.
    few = np.zeros((41, 17))
    few[:, :4] = 1
    found = marks(with_scores(clip, few))
    assert set(found.values()) == {"[?]"}
    assert marks(at_frames(clip, [0]))["missing_frames"] == "[?]"
    # Eight joints have a place in the image, but no posture.
    some = np.zeros((41, 17))
    some[:, :8] = 1
    found = marks(with_scores(clip, some))
    assert found["normalised"] == found["image_size"] == "[ ]"
    assert found["y_up"] == found["order"] == found["sides_swapped"] == "[?]"
    # What is found hides others.
    order = damages.DAMAGES["order", "MPI-INF-3DHP's"](clip, None)
    found = marks(order)
    assert found.pop("order") == "[!]"
    for kind in ("normalised", "is_3d", "missing_frames"):
        assert found.pop(kind) == "[ ]"
    for kind in ("frames_or_people", "mixed_tracks", "duplicates"):
        assert found.pop(kind) == "[ ]"
    assert set(found.values()) == {"[?]"}
    normalised = damages.DAMAGES["normalised", "to [0, 1]"](clip, None)
    assert marks(normalised)["cut_off"] == "[?]"
    # Of somebody who stands still, nothing tells left from right.
    still = at_frames(clip, [0] * 20, range(20))
    found = marks(still)
    assert found["sides_swapped"] == found["missing_frames"] == "[?]"


def test_people_may_lie_and_stand_on_their_hands():
    """What is only unusual is possible; what no image shows is likely."""
    clip = filmed_clip()
    clip = clip._replace(image_size=(1000, 1400))

    def turned(change):
        (finding,) = [
            finding
            for finding in doctor.examine(damages.moved(clip, change))
            if finding.kind in ("y_up", "xy_swapped", "order")
        ]
        return finding

    lies = turned(lambda pixels: pixels[..., ::-1])
    assert lies.kind == "xy_swapped" and lies.certainty == POSSIBLE
    assert lies.sentence.endswith("unless they do lie")
    on_hands = turned(lambda pixels: [0, 1000] + [1, -1] * pixels)
    assert on_hands.kind == "y_up" and on_hands.certainty == POSSIBLE
    assert "unless they stand on their hands" in on_hands.sentence
    above = turned(lambda pixels: [1, -1] * pixels)
    assert above.kind == "y_up" and above.certainty == LIKELY
    # Below 1000, where the image ends once x and y are exchanged.
    low = [0, 1200 - clip.tracks[0].pixels[..., 1].max()]
    # Where they lie in the image is not held against people who may lie.
    assert kinds(
        damages.moved(
            clip._replace(image_size=(1400, 1000)),
            lambda pixels: pixels[..., ::-1],
        )
    ) == ["xy_swapped"]
    beyond = turned(lambda pixels: (pixels + low)[..., ::-1])
    assert beyond.kind == "xy_swapped" and beyond.certainty == LIKELY


def test_people_of_one_point():
    """Have no height; nothing is divided by it."""
    clip = damages.one_person(
        np.full((20, 17, 2), 300.0), "H36M-17", (1000, 1000)
    )
    assert kinds(clip) == ["order"]


def test_one_who_stands_shows_that_another_lies():
    clip = filmed_clip()
    (track,) = clip.tracks
    lying = [
        track._replace(track_id=number, pixels=track.pixels[..., ::-1])
        for number in (1, 2, 3)
    ]
    everybody = clip._replace(tracks=(track, *lying))
    assert "xy_swapped" not in kinds(everybody)
    assert "xy_swapped" in kinds(clip._replace(tracks=tuple(lying)))


def test_few_twisted_frames_do_not_decide():
    """Hips and shoulders are turned against each other in 3 of 300 frames."""
    clip = at_frames(filmed_clip(), [0] * 300, range(300))
    pixels = clip.tracks[0].pixels.copy()
    for part in ("Hip", "Shoulder"):
        pair = [JOINT[f"L{part}"], JOINT[f"R{part}"]]
        middle = pixels[:, pair].mean(axis=1)
        pixels[:, pair] = middle[:, None]  # In profile.
        away = 40 if part == "Hip" else -40
        pixels[100:103, pair[0], 0] += away
        pixels[100:103, pair[1], 0] -= away
    profile = damages.one_person(pixels, "H36M-17", (1000, 1000))
    assert "sides_swapped" not in kinds(profile)
    always = at_frames(profile, [*range(100, 103)] * 7, range(21))
    (finding,) = [
        f for f in doctor.examine(always) if f.kind == "sides_swapped"
    ]
    assert "hips and shoulders do not agree" in finding.sentence


def test_people_larger_than_the_image_are_not_normalised():
    """Six times as large, they lie on both sides of 0."""
    clip = filmed_clip()
    points = clip.tracks[0].pixels.reshape(-1, 2)
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    large = damages.moved(clip, lambda pixels: 6 * (pixels - middle) + 250)
    assert np.mean(large.tracks[0].pixels[..., 1] < 0) > 0.2
    assert "scale" in kinds(large) and "normalised" not in kinds(large)
    centred = damages.DAMAGES["normalised", "from the centre"]
    assert "normalised" in kinds(centred(clip, None))


def test_who_is_hidden_is_not_cut_off():
    """Without an image's size: what leaves the extents, not what is inside."""
    clip = filmed_clip()._replace(image_size=None)
    hidden = np.ones((41, 17))
    hidden[10:30, [JOINT["LElbow"], JOINT["LWrist"]]] = 0
    hidden[10:30, JOINT["RFoot"]] = 0
    assert kinds(with_scores(clip, hidden)) == []
    # Below the knees there is no image; one shin is seen while it swings up.
    pixels = clip.tracks[0].pixels
    edge = np.median(pixels[:, [JOINT["LFoot"], JOINT["RFoot"]], 1]) - 10
    scores = (pixels[..., 1] < edge).astype(float)
    cut = with_scores(clip, scores)
    assert "cut_off" in kinds(cut)


def test_a_jump_between_frames():
    pixels = np.array(filmed_clip(frames=20).tracks[0].pixels)
    pixels[8:] += 60  # Of about 390.
    clip = damages.one_person(pixels, "H36M-17", (1000, 1000))
    (finding,) = doctor.examine(clip)
    assert finding.kind == "missing_frames"
    assert "people jump from frame 7 to the next" in finding.sentence
    # A detector's slip goes there and back.
    pixels[8:] -= 60
    pixels[8] += 60
    slip = damages.one_person(pixels, "H36M-17", (1000, 1000))
    assert kinds(slip) == []
    # What one of three does while the others walk on is no cut of the film.
    (track,) = clip.tracks
    walks = np.array(track.pixels)
    walks[8:] -= 60
    walks += 10 * np.arange(20)[:, None, None]
    others = [track._replace(track_id=n, pixels=walks) for n in (1, 2)]
    assert "missing_frames" not in kinds(
        clip._replace(tracks=(track, *others))
    )


def test_heights_are_those_of_who_stands():
    """A thigh is 0.243 of the body, a shank 0.255."""
    pixels = np.zeros((2, 17, 2))
    pixels[:, JOINT["LHip"]] = 100, 200
    pixels[:, JOINT["LKnee"]] = 100, 200 + 24.3
    scores = np.zeros((2, 17))
    # Five joints make somebody who is looked at; none of these is a link.
    for name in ("LHip", "LKnee", "Spine", "RWrist", "Neck/Nose"):
        scores[:, JOINT[name]] = 1
    clip = damages.one_person(pixels, "H36M-17", (1000, 1000), scores)
    (person,) = people_of(clip, to_h36m(clip), SEEN_SCORE)
    np.testing.assert_allclose(person.height, 100, rtol=1e-6)


def test_symptoms_do_not_depend_on_place_and_size():
    pixels = filmed_clip().tracks[0].pixels.astype(np.float64)
    seen = np.random.default_rng(3).random((len(pixels), 17)) > 0.2
    expected = symptoms.postures(pixels, seen)
    np.testing.assert_allclose(np.exp(expected).sum(axis=1), 1, rtol=1e-5)
    moved = symptoms.postures(0.31 * pixels + (700, -90), seen)
    np.testing.assert_allclose(moved, expected, atol=1e-3)
    # What is not seen may be anywhere.
    hidden = np.where(seen[..., None], pixels, 1e4)
    np.testing.assert_allclose(
        symptoms.postures(hidden, seen), expected, atol=1e-3
    )


def test_exchanging_sides_changes_the_sign():
    pixels = filmed_clip().tracks[0].pixels.astype(np.float64)
    movements = pixels[None, : symptoms.STEPS] - 500
    seen = np.ones((1, 17), bool)
    mirrored = list(H36M_17.mirrored)
    odds = symptoms.sides_swapped(movements, seen, 500.0)
    swapped = symptoms.sides_swapped(movements[:, :, mirrored], seen, 500.0)
    assert odds < 0
    np.testing.assert_allclose(swapped, -odds, rtol=1e-4)
    # Of the place in an image of unknown size nothing can be told.
    np.testing.assert_allclose(
        symptoms.sides_swapped(movements + 300, seen, None),
        symptoms.sides_swapped(movements, seen, None),
        rtol=1e-3,
    )


def test_faces_of_detectors_look_ahead():
    """Somebody who stands and faces along y, his left along -x."""
    joints = np.zeros((17, 3))
    for name, x, z in (
        ("Thorax", 0, 1.4),
        ("Head", 0, 1.7),
        ("LShoulder", -0.2, 1.4),
        ("RShoulder", 0.2, 1.4),
    ):
        joints[JOINT[name]] = x, 0, z
    coco = SKELETONS["COCO-17"]
    made = dict(
        zip(
            coco.joints,
            damages.as_detected(joints, coco),
            strict=True,
        )
    )
    # The inverse of the conversion's Head.
    ears = (1.7 + 0.1 * 1.4) / 1.1
    np.testing.assert_allclose(made["nose"], (0, 0.115, ears - 0.01))
    np.testing.assert_allclose(made["left_ear"], (-0.075, 0, ears))
    np.testing.assert_allclose(
        coco.convert(np.stack(list(made.values())))[JOINT["Head"]],
        joints[JOINT["Head"]],
        atol=1e-7,
    )


def test_real_detections():
    if "AMPOSE_SAMPLES" not in os.environ:
        pytest.skip("AMPOSE_SAMPLES is not set")
    root = pathlib.Path(os.environ["AMPOSE_SAMPLES"])
    for name in (
        "made_from_cmu/coco_results.json",
        "made_from_cmu/openpose_json",
        "made_from_cmu/data_2d_custom_clip.npz",
        "third_party/tfjs_pose_1.json",
        "third_party/tfjs_pose_squats.full.json",
        "third_party/openpose_body25_000.json",
    ):
        clip = formats.read(root / name)
        assert kinds(clip) == [], name
    # Half of the pictures show parts of people.
    photographs = formats.read(root / "third_party/mmpose_test_coco.json")
    assert set(kinds(photographs)) <= {"cut_off"}


def test_real_detections_with_truth():
    """A man who balances, before cameras that look down and roll."""
    if "AMPOSE_REAL" not in os.environ:
        pytest.skip("AMPOSE_REAL is not set")
    root = pathlib.Path(os.environ["AMPOSE_REAL"])
    for name, skeleton in (
        ("balancing_openpose.npz", "COCO-17"),
        ("balancing_mediapipe_heavy.npz", "MediaPipe-33"),
    ):
        with np.load(root / name) as recorded:
            recorded = dict(recorded)
        for camera in np.unique(recorded["camera"]):
            rows = recorded["camera"] == camera
            clip = damages.one_person(
                recorded["keypoints_px"][rows],
                skeleton,
                tuple(recorded["image_size"].tolist()),
                recorded["scores"][rows],
            )._replace(fps=float(recorded["fps"]))
            parts = [
                at_frames(clip, np.arange(start, start + 20))
                for start in range(0, 100, 20)
            ]
            for part in (clip, *parts):
                assert all(
                    finding.certainty == POSSIBLE
                    for finding in doctor.examine(part)
                ), (name, camera)


# What is found less often than in 98 of 100 clips, see benchmarks/doctor.md.
# Of 38 clips each: two standard deviations below.
FOUND = {
    ("sides_swapped", "legs"): 0.9,
    ("sides_swapped", "body, not face"): 0.9,
    ("image_size", "1.5 times"): 0.9,
    ("missing_frames", "renumbered"): 0.9,
    ("cut_off", "not seen outside"): 0.9,
    ("cut_off", "not seen, size unknown"): 0.88,
    ("frames_or_people", "people as frames"): 0.88,
    ("frame_rate", "120 for 30"): 0.88,
    ("frame_rate", "7.5 for 30"): 0.85,
    # So little that it is hardly seen.
    ("aspect", "4:3 squeezed to a square"): 0.1,
}


@pytest.mark.slow
def test_motion_capture():
    """Each damage of an eighth of 300 clips, exchanged sides of all."""
    if "AMPOSE_MOCAP" not in os.environ:
        pytest.skip("AMPOSE_MOCAP is not set")
    motion = mocap.load(os.environ["AMPOSE_MOCAP"], ("cmu17",), "validation")
    clips = benchmark.samples(motion, 1, noise=0.01)
    # Eight of them are of recordings that jump themselves.
    flagged = [sample for sample in clips if kinds(sample.clip)]
    assert len(flagged) <= 0.02 * len(clips)
    chosen = np.random.default_rng(0).permutation(len(clips))[:300]
    clips = [clips[row] for row in chosen]  # Both skeletons take turns.
    assert len(clips) == 300
    found, _, _ = benchmark.judge(clips, thinned=8)
    sides = "sides_swapped", "all"
    del found[sides]
    for damage, (count, right) in found.items():
        assert right >= FOUND.get(damage, 0.93) * count, damage
    moving = [
        damages.DAMAGES[sides](sample.clip, None)
        for sample in clips
        if sample.moved_m > benchmark.MOVES_M
    ]
    told = sum("sides_swapped" in kinds(clip) for clip in moving)
    # 80 of 100, within two standard deviations of so many clips.
    assert told >= 0.76 * len(moving)

"""Drawn detectors."""

import numpy as np
import pytest

from ampose_tf.config.ranges import Detector, Viewpoints
from ampose_tf.conversion import CONVERSIONS, SEEN_SCORE
from ampose_tf.data.augmentation import detector, viewpoints
from ampose_tf.skeleton import H36M_17
from tests.drawn import Draws, before_camera, people, seen, views_of

EXACT = dict(
    exact=1.0,
    clean=1.0,
    stray=0.0,
    stray_covered=0.0,
    swap=0.0,
    hide_joint=0.0,
    hide_limb=0.0,
    hide_half=0.0,
    crop=0.0,
)


def detected(views, seed=0, **changes):
    ranges = Detector(**(EXACT | changes))
    keypoints_2d, scores = detector.detected(views, ranges, Draws(seed))
    return np.asarray(keypoints_2d), np.asarray(scores)


@pytest.fixture(scope="module")
def inside():
    """People who are wholly in the image."""
    views = seen(Viewpoints(fit=1.5, off_center=0.1), world=people(997))
    kept = (np.abs(views.keypoints_2d) <= views.half_image).all(axis=(1, 2))
    assert kept.mean() > 0.9
    return viewpoints.Views(*(array[kept] for array in views))


def test_an_ideal_detector(inside):
    keypoints_2d, scores = detected(inside)
    np.testing.assert_array_equal(keypoints_2d, inside.keypoints_2d)
    np.testing.assert_allclose(scores, 1, atol=1e-3)


def test_noise_is_in_proportion_to_the_person(inside):
    noise = dict(clean=0.0, noise=(0.01, 0.01), tail=0.0, drift=0.0)
    keypoints_2d, _ = detected(inside, **noise)
    error = (keypoints_2d - inside.keypoints_2d) / inside.person_size
    assert error.std() == pytest.approx(0.01, rel=0.02)
    small = inside.person_size[:, 0, 0] < np.median(inside.person_size)
    assert error[small].std() == pytest.approx(0.01, rel=0.03)


def test_share_of_clean_poses(inside):
    keypoints_2d, _ = detected(inside, clean=0.25)
    clean = (keypoints_2d == inside.keypoints_2d).all(axis=(1, 2))
    assert abs(clean.mean() - 0.25) < 0.05


def test_heavy_tails(inside):
    noise = dict(clean=0.0, noise=(0.01, 0.01), drift=0.0)
    keypoints_2d, _ = detected(inside, tail=0.1, tail_factor=10.0, **noise)
    error = (keypoints_2d - inside.keypoints_2d) / inside.person_size
    # 90 % with a variance of 1, 10 % of 100.
    assert error.std() == pytest.approx(0.01 * np.sqrt(10.9), rel=0.05)
    assert np.median(np.abs(error)) < 0.009


def test_limbs_drift_together(inside):
    keypoints_2d, _ = detected(
        inside, clean=0.0, noise=(0.01, 0.01), tail=0.0, drift=3.0
    )
    error = (keypoints_2d - inside.keypoints_2d)[..., 0]
    error = error / inside.person_size[..., 0]
    together = np.corrcoef(error[:, 11], error[:, 13])[0, 1]  # left arm
    apart = np.corrcoef(error[:, 11], error[:, 16])[0, 1]
    assert together == pytest.approx(0.9, abs=0.03)  # 9 / (9 + 1)
    assert abs(apart) < 0.15


def test_swapped_sides(inside):
    keypoints_2d, _ = detected(inside, swap=0.6)
    exact = inside.keypoints_2d
    other = exact[:, list(H36M_17.mirrored)]
    kinds = {"none": 0, "arms": 0, "legs": 0, "both": 0}
    arms, legs = [11, 12, 13, 14, 15, 16], [1, 2, 3, 4, 5, 6]
    for i in range(len(exact)):
        arm = np.allclose(keypoints_2d[i, arms], other[i, arms])
        leg = np.allclose(keypoints_2d[i, legs], other[i, legs])
        kind = ("none", "arms", "legs", "both")[arm + 2 * leg]
        kinds[kind] += 1
        for group, swapped in ((arms, arm), (legs, leg)):
            source = other if swapped else exact
            np.testing.assert_allclose(
                keypoints_2d[i, group], source[i, group], atol=1e-6
            )
    shares = np.array(list(kinds.values())) / len(exact)
    np.testing.assert_allclose(shares, [0.4, 0.2, 0.2, 0.2], atol=0.06)


def test_joints_hidden_singly(inside):
    _, scores = detected(inside, hide_joint=0.4)
    hidden = scores < SEEN_SCORE
    # The share is uniform from 0 to 0.4.
    np.testing.assert_allclose(hidden.mean(axis=0), 0.2, atol=0.05)
    assert hidden.sum(axis=1).std() > np.sqrt(17 * 0.2 * 0.8)


def test_limbs_and_halves_are_hidden(inside):
    for rate, marks in (
        ("hide_limb", detector._OF_JOINTS.limbs),
        ("hide_half", detector._OF_JOINTS.halves),
    ):
        _, scores = detected(inside, **{rate: 0.5})
        hidden = (scores < SEEN_SCORE).astype(int)
        rows, counts = np.unique(hidden, axis=0, return_counts=True)
        expected = {(0,) * 17} | {tuple(row) for row in marks.astype(int)}
        assert {tuple(row) for row in rows} == expected
        none = counts[rows.sum(axis=1) == 0] / len(hidden)
        assert abs(none - 0.5) < 0.05


def test_cropping_hides_what_lies_beyond_a_border(inside):
    _, scores = detected(inside, crop=1.0)
    hidden = scores < SEEN_SCORE
    assert 0.1 < hidden.mean() < 0.5
    sides = set()
    for points, gone in zip(inside.keypoints_2d, hidden, strict=True):
        found = [
            side
            for side, along in enumerate(np.hstack([points, -points]).T)
            if gone.any() and along[gone].min() > along[~gone].max()
        ]
        assert found or not gone.any()
        sides.update(found)
    assert sides == {0, 1, 2, 3}


def test_joints_outside_the_image_are_not_seen():
    views = seen(Viewpoints(fit=0.3, distance_m=(0.8, 0.9)))
    _, scores = detected(views)
    outside = (np.abs(views.keypoints_2d) > views.half_image).any(axis=-1)
    assert outside.any()
    np.testing.assert_array_equal(scores < SEEN_SCORE, outside)


def test_scores_fall_with_the_error(inside):
    keypoints_2d, scores = detected(
        inside, clean=0.0, noise=(0.002, 0.2), tail=0.0
    )
    error = (keypoints_2d - inside.keypoints_2d) / inside.person_size
    length = np.linalg.norm(error, axis=-1)
    good, bad = scores[length < 0.01], scores[length > 0.2]
    assert good.mean() > 0.85 > 0.5 > bad.mean()
    assert (scores >= 0).all() and (scores <= 1).all()
    assert 0.5 < (bad < SEEN_SCORE).mean() < 0.9


def test_joints_may_be_astray(inside):
    keypoints_2d, scores = detected(
        inside, clean=0.0, noise=(1e-6, 1e-6), stray=0.1, stray_size=0.2
    )
    error = (keypoints_2d - inside.keypoints_2d) / inside.person_size
    astray = np.linalg.norm(error, axis=-1) > 1e-3
    assert astray.mean() == pytest.approx(0.1, abs=0.01)
    assert error[astray].std() == pytest.approx(0.2, rel=0.05)
    # Most of these are noticed, and no other joint is dropped.
    assert (scores[astray] < SEEN_SCORE).mean() > 0.5
    np.testing.assert_allclose(scores[~astray], 1, atol=1e-3)


# As landmarks

SEEN_AS_IS = dict(
    exact=0.0,
    noise=(1e-6, 1e-6),
    head_turn_deg=0.0,
    head_nod_deg=0.0,
    hips_off_m=0.0,
    shoulders_off_m=0.0,
    hips_surface_m=(0.0, 0.0),
    honesty=(0.0, 0.0),
)
LIMBS = [i for i, name in enumerate(H36M_17.joints) if name[0] in "LR"]


def side(degrees, count=499):
    return views_of(np.repeat(before_camera(degrees)[None], count, axis=0))


def marked(name, views, **changes):
    """Returns keypoints and scores {joint of the detector: (B, ...)}."""
    ranges = Detector(**(EXACT | SEEN_AS_IS | changes))
    keypoints, scores = map(
        np.asarray, detector.marked(views, name, ranges, Draws(3))
    )
    joints = CONVERSIONS[name].joints
    return (
        dict(zip(joints, np.moveaxis(keypoints, 1, 0), strict=True)),
        dict(zip(joints, scores.T, strict=True)),
    )


def test_limbs_of_landmarks_are_where_they_are(inside):
    """All but the axis, which detectors do not have."""
    keypoints_2d, scores = detected(inside, **SEEN_AS_IS)
    np.testing.assert_allclose(
        keypoints_2d[:, LIMBS], inside.keypoints_2d[:, LIMBS], atol=3e-5
    )
    np.testing.assert_allclose(scores[:, LIMBS], 1, atol=1e-3)
    hips = keypoints_2d[:, [1, 4]].mean(axis=1)
    np.testing.assert_allclose(keypoints_2d[:, 0], hips, atol=1e-5)


def test_share_of_exact_joints(inside):
    keypoints_2d, _ = detected(inside, **SEEN_AS_IS | {"exact": 0.4})
    exact = (keypoints_2d == inside.keypoints_2d).all(axis=(1, 2))
    assert exact.mean() == pytest.approx(0.4, abs=0.002)
    ranges = Detector(exact=0.4)
    as_joints = detector.as_joints(len(exact), ranges)
    np.testing.assert_array_equal(as_joints[:, 0] > 0, exact)
    # The rest in equal parts, in order.
    ends = [end for _, end in detector._ends(1000, 0.4)]
    assert ends == [400, 550, 700, 850, 1000]


@pytest.mark.parametrize("name", detector.DETECTORS)
def test_a_detector_has_its_own_joints(name, inside):
    keypoints, _ = marked(name, inside)
    for h36m, joint in (
        ("LWrist", "left_wrist"),
        ("RKnee", "right_knee"),
        ("LFoot", "left_ankle"),
        ("RHip", "right_hip"),
    ):
        at = H36M_17.joints.index(h36m)
        np.testing.assert_allclose(
            keypoints[joint], inside.keypoints_2d[:, at], atol=3e-5
        )
    eyes = (keypoints["left_eye"] + keypoints["right_eye"]) / 2
    between_them = np.linalg.norm(eyes - keypoints["nose"], axis=-1)
    assert (between_them < 0.06 * inside.person_size[:, 0, 0]).all()
    # Every joint is where its counterpart is in the mirrored person's image.
    conversion = CONVERSIONS[name]
    rows = detector._ROWS[name]
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(
        rows[list(conversion.mirrored)],
        rows[:, detector._OF_LANDMARKS.mirrored],
    )


def test_middles_that_some_detectors_mark(inside):
    keypoints, _ = marked("BODY_25", inside)
    for middle, pair in (("neck", "shoulder"), ("mid_hip", "hip")):
        both = (keypoints[f"left_{pair}"] + keypoints[f"right_{pair}"]) / 2
        np.testing.assert_allclose(keypoints[middle], both, atol=1e-6)


def test_faces_are_dropped_where_they_are_not_seen():
    front, behind = side(0.0), side(180.0)
    for name in ("COCO-17", "BODY_25", "Halpe-26"):
        _, scores = marked(name, front)
        assert (scores["nose"] >= SEEN_SCORE).mean() > 0.9
        _, scores = marked(name, behind)
        for joint in ("nose", "left_eye", "right_eye"):
            assert (scores[joint] < SEEN_SCORE).mean() > 0.9
        assert (scores["left_ear"] >= SEEN_SCORE).mean() > 0.9
    # MediaPipe draws a face on the back of the head.
    _, scores = marked("MediaPipe-33", behind)
    np.testing.assert_allclose(scores["nose"], 1, atol=1e-3)


def test_faces_of_mediapipe_are_small():
    wide, _ = marked("COCO-17", side(0.0))
    small, _ = marked("MediaPipe-33", side(0.0))
    widths = [
        np.mean(points["left_ear"][:, 0] - points["right_ear"][:, 0])
        for points in (wide, small)
    ]
    assert widths[0] == pytest.approx(0.15 / 3, rel=0.03)
    assert widths[1] == pytest.approx(0.6 * widths[0], rel=0.03)


def test_honest_detectors_drop_what_they_do_not_see():
    """The right arm is behind the trunk, the left one before it."""
    views = side(90.0)
    shares = []
    for honesty in (0.0, 1.5, 6.0):
        _, scores = marked("COCO-17", views, honesty=(honesty, honesty))
        shares.append((scores["right_elbow"] < SEEN_SCORE).mean())
        assert (scores["left_elbow"] >= SEEN_SCORE).all()
    # Beyond 1, of a uniform share of the honesty.
    np.testing.assert_allclose(shares, [0, 1 / 3, 5 / 6], atol=0.08)


def test_errors_of_covered_joints_are_larger():
    views = side(90.0)
    keypoints, _ = marked(
        "COCO-17",
        views,
        clean=0.0,
        noise=(0.01, 0.01),
        tail=0.0,
        drift=0.0,
        covered_factor=3.0,
    )
    size = views.person_size[:, 0]
    deviations = {
        joint: (points / size).std(axis=0).mean()
        for joint, points in keypoints.items()
    }
    assert deviations["left_elbow"] == pytest.approx(0.01, rel=0.1)
    assert deviations["right_elbow"] == pytest.approx(0.03, rel=0.1)

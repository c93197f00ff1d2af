"""What detectors mark on a person, and what hides it."""

import numpy as np
import pytest

from ampose_tf.config.ranges import Detector
from ampose_tf.data.augmentation import visibility
from ampose_tf.data.augmentation.landmarks import (
    FACE,
    LANDMARKS,
    LIMBS,
    Landmarks,
    located,
)
from ampose_tf.skeleton import H36M_17
from tests.drawn import Constant, Draws, before_camera, people, seen
from tests.people import STANDING

PLAIN = dict(
    head_turn_deg=0.0,
    head_nod_deg=0.0,
    ears_up=(0.8, 0.8),
    ears_front_m=(0.0, 0.0),
    hips_off_m=0.0,
    shoulders_off_m=0.0,
    hips_surface_m=(0.0, 0.0),
)
MIRRORED = [
    LANDMARKS.index({"L": "R", "R": "L"}.get(n[0], n[0]) + n[1:])
    for n in LANDMARKS
]


def landmarks(joints, random=None, size=1.0, **changes):
    ranges = Detector(**(PLAIN | changes))
    found = located(joints, size, ranges, random or Constant())
    return Landmarks(*map(np.asarray, found))


def named(degrees, pose=STANDING, random=None, size=1.0, **changes):
    """Returns {landmark: (3,)} of a person before a camera."""
    joints = before_camera(degrees, pose)[None]
    points = landmarks(joints, random, size, **changes).points[0]
    return dict(zip(LANDMARKS, points, strict=True))


def hidden(degrees, pose=STANDING):
    """Returns {landmark: how far it is covered}."""
    found = landmarks(before_camera(degrees, pose)[None])
    covered = np.asarray(visibility.covered(found))[0]
    return dict(zip(LANDMARKS, covered, strict=True))


# Landmarks


def test_a_face_by_hand():
    """Shoulders are 1.4 m high, Head 1.65, the ears four fifths up."""
    points = named(0)
    for name, expected in {
        "LEar": (0.075, -0.6, 3.0),
        "REar": (-0.075, -0.6, 3.0),
        "Nose": (0.0, -0.58, 2.885),
        "LEye": (0.0325, -0.625, 2.91),
        "REye": (-0.0325, -0.625, 2.91),
    }.items():
        np.testing.assert_allclose(points[name], expected, atol=1e-5)
    small = named(0, size=0.5)
    np.testing.assert_allclose(small["Nose"], (0, -0.59, 2.9425), atol=1e-5)


def test_limbs_are_those_of_the_pose():
    joints = before_camera(30)
    points = named(30)
    for name in LIMBS:
        np.testing.assert_allclose(
            points[name], joints[H36M_17.joints.index(name)], atol=1e-6
        )


def test_ears_lie_in_their_ranges():
    top = named(0, ears_up=(1.0, 1.0), ears_front_m=(0.03, 0.03))
    np.testing.assert_allclose(top["LEar"], (0.075, -0.65, 2.97), atol=1e-5)
    joints = np.repeat(before_camera(0)[None], 997, axis=0)
    ears = landmarks(joints, Draws(), ears_up=(0.6, 0.9)).points[:, 3:5]
    up = (0.4 - -ears[..., 1].mean(axis=1)) / -0.25
    assert 0.6 < up.min() < 0.61 and 0.89 < up.max() < 0.9


def test_heads_turn_and_nod():
    """Of a size of 1.1, which `Constant` makes of a deviation of 1."""
    one = Constant(normal=1.0)
    turned = named(0, random=one, head_turn_deg=90.0)
    # To their left, the right of the image; the left ear goes to the back.
    np.testing.assert_allclose(
        turned["Nose"], (1.1 * 0.115, -0.6 + 1.1 * 0.02, 3.0), atol=1e-5
    )
    assert turned["LEar"][2] > 3.08 and turned["REar"][2] < 2.92
    nodding = named(0, random=one, head_nod_deg=90.0)
    np.testing.assert_allclose(
        nodding["Nose"], (0, -0.6 + 1.1 * 0.115, 3 + 1.1 * 0.02), atol=1e-5
    )


def test_hips_and_shoulders_lie_off_their_centers():
    """All four move 2 cm out and up."""
    plain, off = (
        named(0),
        named(
            0,
            random=Constant(normal=1.0),
            hips_off_m=0.02,
            shoulders_off_m=0.02,
        ),
    )
    for name in LIMBS:
        sign = 1 if name[0] == "L" else -1
        moves = name[1:] in ("Hip", "Shoulder")
        np.testing.assert_allclose(
            off[name] - plain[name],
            moves * np.array([0.02 * sign, -0.02, 0]),
            atol=1e-5,
        )


@pytest.mark.parametrize(
    ("degrees", "towards"), [(0, 0.04), (180, 0.04), (90, 0), (60, 0.02)]
)
def test_hips_are_marked_on_the_side_that_is_seen(degrees, towards):
    plain, off = named(degrees), named(degrees, hips_surface_m=(0.04, 0.04))
    move = off["LHip"] - plain["LHip"]
    # Along the front, 0.04 m times the cosine to the camera.
    assert np.linalg.norm(move) == pytest.approx(towards, abs=1e-3)
    assert move[2] <= 1e-5
    np.testing.assert_allclose(move, off["RHip"] - plain["RHip"], atol=1e-6)
    np.testing.assert_array_equal(off["LKnee"], plain["LKnee"])


def test_mirrored_people_have_mirrored_landmarks():
    joints = seen(world=people(97)).joints
    mirror = np.float32([-1, 1, 1])
    other = joints[:, list(H36M_17.mirrored)] * mirror
    changes = {"head_nod_deg": 12.0, "hips_off_m": 0.02}
    changes["hips_surface_m"] = (0.0, 0.04)
    one = landmarks(joints, Draws(5), **changes)
    two = landmarks(other, Draws(5), **changes)
    np.testing.assert_allclose(
        two.points, one.points[:, MIRRORED] * mirror, atol=1e-5
    )
    np.testing.assert_allclose(
        two.face_normals, one.face_normals[:, MIRRORED[:5]] * mirror, atol=1e-5
    )
    np.testing.assert_allclose(
        visibility.covered(two),
        np.asarray(visibility.covered(one))[:, MIRRORED],
        atol=1e-3,
    )


# Visibility


def test_faces_from_all_sides():
    front = hidden(0)
    assert max(front[name] for name in ("Nose", "LEye", "REye")) < 0.01
    assert max(front["LEar"], front["REar"]) < 0.2
    behind = hidden(180)
    assert min(behind[name] for name in ("Nose", "LEye", "REye")) > 0.99
    assert max(behind["LEar"], behind["REar"]) < 0.01
    left = hidden(60)
    assert left["LEar"] < 0.01 and left["REar"] > 0.99
    assert max(left["Nose"], left["LEye"], left["REye"]) < 0.1
    left = hidden(120)
    assert left["LEar"] < 0.01 and left["REar"] > 0.99
    assert left["Nose"] > 0.99
    # The far eye goes first, then the nose.
    profile = hidden(85)
    assert profile["REye"] > 0.5 > profile["Nose"]


def test_nothing_hides_a_person_who_faces_the_camera():
    for degrees in (0, 180):
        covered = hidden(degrees)
        assert max(covered[name] for name in LIMBS) < 0.05


def test_from_the_side_the_far_limbs_are_hidden():
    for degrees, far in ((90, "R"), (-90, "L")):
        covered = hidden(degrees)
        for name in LIMBS:
            if name[1:] in ("Elbow", "Wrist", "Knee", "Foot"):
                if name[0] != far:
                    assert covered[name] < 0.05, name
                elif name[1:] != "Foot":  # No sphere is at the near foot.
                    assert covered[name] > 0.7, name


def test_hands_before_the_belly_are_hidden_from_behind():
    pose = STANDING.copy()
    pose[[13, 16]] = (0.3, 0.03, 1.2), (0.3, -0.03, 1.2)
    for name in ("LWrist", "RWrist"):
        assert hidden(0, pose)[name] < 0.01
        assert hidden(180, pose)[name] > 0.95


def test_turning_the_camera_hides_nothing():
    """Rotations about the camera keep all lines of sight."""
    one = landmarks(seen(world=people(53)).joints, Draws(2))
    axes, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))
    axes = (axes * np.linalg.det(axes)).astype(np.float32)
    turned = Landmarks(one.points @ axes, one.face_normals @ axes)
    np.testing.assert_allclose(
        visibility.covered(turned), visibility.covered(one), atol=2e-3
    )


def test_covered_is_that_of_a_slow_loop():
    found = landmarks(seen(world=people(7)).joints, Draws(2))
    covered = np.asarray(visibility.covered(found))
    assert (covered > 0.5).any() and (covered < 0.1).any()

    def step(value):
        return 1 / (1 + np.exp(-np.clip(value, -99, 99)))

    spheres = list(
        zip(
            visibility._CENTERS,
            visibility._RADII_M,
            visibility._HIDES,
            strict=True,
        )
    )
    for person, points in enumerate(found.points.astype(np.float64)):
        for at, point in enumerate(points):
            distance = np.linalg.norm(point)
            ray = point / distance
            expected = 0.0
            for weights, radius, hides in spheres:
                if hides[at]:
                    center = weights @ points
                    along = center @ ray
                    beside = np.linalg.norm(center - along * ray)
                    inside = step((radius - beside) / 0.02)
                    behind = distance - along - visibility._BEHIND_M
                    expected = max(expected, inside * step(behind / 0.03))
            if at < len(FACE):
                looking = -found.face_normals[person, at] @ ray
                away = step((visibility._FACE_SEEN[at] - looking) / 0.06)
                expected = max(expected, away)
            assert covered[person, at] == pytest.approx(expected, abs=5e-3)

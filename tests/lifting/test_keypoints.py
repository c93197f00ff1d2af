"""Conversion of tracks, and the image that is assumed."""

import numpy as np
import pytest

from ampose_tf.conversion import CONVERSIONS, Conversion
from ampose_tf.lifting import keypoints
from ampose_tf.lifting.keypoints import Keypoints, Track
from ampose_tf.skeleton import H36M_17
from tests import clips

SIDES = ("left", "right")


def clip(skeleton="COCO-17", people=1):
    pixels, scores = clips.truth(skeleton, people)
    frames = np.arange(len(pixels))
    tracks = tuple(
        Track(
            person,
            frames,
            pixels[:, person].astype(np.float32),
            scores[:, person].astype(np.float32),
        )
        for person in range(people)
    )
    return Keypoints(skeleton, None, 25.0, len(pixels), tracks)


def test_tracks_are_converted():
    read = clip("BODY_25", 2)
    h36m = keypoints.to_h36m(read)
    assert h36m.skeleton == "H36M-17"
    assert h36m[1:4] == read[1:4]
    body = CONVERSIONS["BODY_25"]
    for before, after in zip(read.tracks, h36m.tracks, strict=True):
        assert after.pixels.dtype == after.scores.dtype == np.float32
        np.testing.assert_allclose(
            after.pixels, body.convert(before.pixels), atol=1e-3
        )
        np.testing.assert_array_equal(
            after.scores, body.convert_scores(before.scores)
        )
    again = keypoints.to_h36m(h36m)
    np.testing.assert_array_equal(
        again.tracks[1].pixels, h36m.tracks[1].pixels
    )


def test_a_made_joint_needs_what_one_of_its_alternatives_is_made_of():
    read = clip()
    (track,) = read.tracks
    face = [clips.COCO.index(joint) for joint in clips.COCO[:5]]
    track.scores[1, face] = 0
    track.pixels[1, face] = 0
    ear = clips.COCO.index("left_ear")
    track.scores[2, ear] = 0
    track.pixels[2, ear] = 0
    shoulder = clips.COCO.index("left_shoulder")
    track.scores[3, shoulder] = 0.01
    (h36m,) = keypoints.to_h36m(read).tracks
    neck, head = map(H36M_17.joints.index, ("Neck/Nose", "Head"))
    assert np.flatnonzero(h36m.scores[1] == 0).tolist() == [neck, head]
    assert (h36m.pixels[1, [neck, head]] == 0).all()
    assert (h36m.scores[2] > 0.3).all()
    # The head is between the ears; the neck needs both shoulders.
    ears = track.pixels[3, face[3:]].mean(axis=0)
    np.testing.assert_allclose(h36m.pixels[3, head], ears, atol=1e-3)
    assert h36m.scores[3, neck] == np.float32(0.01)


def test_what_counts_as_seen_decides_about_alternatives():
    read = clip()
    (track,) = read.tracks
    track.scores[:] = 1
    track.scores[:, [clips.COCO.index(f"{s}_ear") for s in SIDES]] = 0.5
    track.scores[:, clips.COCO.index("right_eye")] = 0.4
    head = H36M_17.joints.index("Head")
    made = {
        least: keypoints.to_h36m(read, seen_score=least).tracks[0]
        for least in (0.3, 0.6)
    }
    assert (made[0.3].scores[:, head] == 0.5).all()
    assert (made[0.6].scores[:, head] == 1).all()  # the left eye
    apart = made[0.3].pixels[:, head] - made[0.6].pixels[:, head]
    assert np.abs(apart).max() > 1


def test_the_skeleton_must_be_the_keypoints():
    own = CONVERSIONS["COCO-17"]
    own = Conversion("own", own.joints, own.sides, own.weights)
    with pytest.raises(ValueError, match="skeleton COCO-17, expected own"):
        keypoints.to_h36m(clip(), own)
    with pytest.raises(ValueError, match="unknown skeleton 'own'; known: C"):
        keypoints.to_h36m(clip()._replace(skeleton="own"))


def test_which_joints_count_as_seen():
    scores = np.float32([0, 0.1, 0.3, 1])
    for least, seen in (
        (0, [False, True, True, True]),
        (np.float32(0.3), [False, False, True, True]),
        (1, [False, False, False, True]),
    ):
        assert keypoints.is_seen(scores, least).tolist() == seen


def test_scores_that_none_can_have_are_refused():
    for possible in (0, 0.3, 1):
        keypoints.check_score(possible, "seen_score")
    for score in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=f"from 0 to 1, got {score}"):
            keypoints.check_score(score, "seen_score")


def test_the_diagonal_of_a_person():
    points = np.array([[[1, 2], [4, 6], [90, np.nan]]] * 2)
    placed = np.array([[True, True, False], [False, False, False]])
    assert keypoints.diagonals(points, placed).tolist() == [5, 0]


def test_the_assumed_image_is_the_square_around_everybody():
    read = clip(people=2)
    left, right = read.tracks
    left.pixels[:], right.pixels[:] = 100, 100
    left.pixels[0, 0] = 20, 50
    right.pixels[1, 1] = 220, 130
    # Not seen, and so nowhere.
    left.pixels[0, 2], left.scores[0, 2] = 9000, 0.1
    (width, height), corner = keypoints.assumed_image_size(read)
    # 20 to 220 is 200 wide; a quarter more is 250, around (120, 90).
    assert (width, height) == (250, 250)
    assert corner == (-5, -35)
    for track in read.tracks:
        track.scores[:] = 0
    with pytest.raises(ValueError, match="no joint of any person"):
        keypoints.assumed_image_size(read)


def test_similarity_of_bodies_by_hand():
    body = np.array([[0.0, 0.0], [3.0, 4.0], [9.0, 9.0]])  # Diagonal 5.
    placed = np.array([True, True, False])
    moved = body + [0.4, 0]
    expected = np.exp(-(0.4**2) / (2 * 0.4**2))  # 0.08 of the diagonal.
    found = keypoints.similarity(body, placed, moved, placed)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    people = np.stack([body, body + 100])
    both = np.stack([placed, placed])
    found = keypoints.similarity(
        people[:, None], both[:, None], people[None], both[None]
    )
    np.testing.assert_allclose(found, np.eye(2), atol=1e-12)
    none = keypoints.similarity(body, placed, body, ~placed)
    assert none == 0

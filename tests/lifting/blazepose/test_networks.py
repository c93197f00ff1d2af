"""The published networks, on a photograph that comes with matplotlib.

They are the user's, see conftest.py, or these tests skip.
"""

import pathlib
import subprocess
import sys

import numpy as np
import pytest
from matplotlib import cbook
from PIL import Image

from ampose_tf.lifting.blazepose import following, models

# Of MediaPipe: nose, eyes, ears, mouth and shoulders, and their counterparts.
FACE = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
MIRRORED = [0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9, 12, 11]
# By eye, in the photograph of 512 x 600 pixels: nose, pupils and ears.
SEEN = {0: (268, 225), 2: (305, 195), 5: (222, 195), 7: (346, 215)}
SEEN[8] = (182, 218)


@pytest.fixture
def follower():
    """Returns a maker of followers."""

    def make(people=1, detector="full"):
        try:
            return following.Follower(detector, people)
        except FileNotFoundError as error:
            pytest.skip(str(error))

    return make


@pytest.fixture(scope="module")
def photograph():
    with (
        cbook.get_sample_data("grace_hopper.jpg") as file,
        Image.open(file) as image,
    ):
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("detector", models.DETECTORS)
def test_a_face_is_where_one_sees_it(follower, photograph, detector):
    follow = follower(detector=detector)
    (person,) = follow.follow(photograph)
    for joint, seen in SEEN.items():
        away = np.hypot(*(person.pixels[joint] - seen))
        assert away < 20, joint  # The eyes are 83 apart.
    assert person.scores[:13].min() > 0.9
    assert person.scores[23:].max() < 0.2  # Hips and legs are not in it.
    # A picture that does not change does not move the landmarks.
    before = person.pixels
    (person,) = follow.follow(photograph)
    assert np.abs(person.pixels - before)[FACE].max() < 25


def test_a_mirrored_face_is_a_mirrored_result(follower, photograph):
    (person,) = follower().follow(photograph)
    (mirrored,) = follower().follow(photograph[:, ::-1])
    pixels = mirrored.pixels[MIRRORED]
    pixels[:, 0] = photograph.shape[1] - pixels[:, 0]
    away = np.linalg.norm(person.pixels[FACE] - pixels, axis=-1)
    assert np.median(away) < 12


def test_one_who_lies_is_found(follower, photograph):
    (upright,) = follower().follow(photograph)
    (lying,) = follower().follow(np.rot90(photograph))
    x, y = lying.pixels.T
    pixels = np.stack([photograph.shape[1] - y, x], axis=-1)
    away = np.linalg.norm(upright.pixels[FACE] - pixels[FACE], axis=-1)
    assert np.median(away) < 20


def test_a_small_person_is_found(follower, photograph):
    """A bust of a tenth of the image's height."""
    image = np.full((1200, 1600, 3), 128, np.uint8)
    small = Image.fromarray(photograph).resize((102, 120))
    image[700:820, 300:402] = np.asarray(small)
    (person,) = follower().follow(image)
    pixels = (person.pixels - (300, 700)) * 5
    for joint, seen in SEEN.items():
        assert np.hypot(*(pixels[joint] - seen)) < 40, joint


def test_two_people_side_by_side(follower, photograph):
    follow = follower(people=2)
    image = np.concatenate([photograph, photograph[:, ::-1]], axis=1)
    for _ in range(3):
        found = follow.follow(image)
        noses = {p.track_id: p.pixels[0, 0] for p in found}
        assert sorted(noses) == [0, 1]
        assert sorted(noses.values())[0] == pytest.approx(268, abs=40)
        assert sorted(noses.values())[1] == pytest.approx(756, abs=40)
    assert follow.seen_at_once == 2


def test_no_one_is_found_in_noise(follower):
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    follow = follower(people=3)
    for _ in range(3):
        assert follow.follow(noise) == []
    assert follow.seen_at_once == 0


def test_the_doctor_says_nothing_of_litert(follower, photograph, tmp_path):
    """In a process of its own: LiteRT greets the first time."""
    follower()
    Image.fromarray(photograph).save(tmp_path / "face.png")
    ended = subprocess.run(
        [sys.executable, "lift.py", "--doctor"]
        + [f"--video={tmp_path / 'face.png'}"],
        cwd=pathlib.Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout.startswith("1 person in 1 frame")
    assert ended.stderr == ""

"""Following people, with networks that know where they are."""

import numpy as np
import pytest

from ampose_tf.lifting.blazepose import (
    detection,
    following,
    landmarks,
    models,
    regions,
)

BODY = np.random.default_rng(0).uniform(-0.5, 0.5, (33, 2)) * (0.3, 1)
SMALLEST = 0.2  # Of a square's side, that the detector sees.


class Scene:
    """People as x, y and height, by name, of whom the networks know."""

    def __init__(self, **people):
        self.people = people
        self.hidden = set()
        self.detections = 0

    @property
    def seen(self):
        return {n: p for n, p in self.people.items() if n not in self.hidden}

    def detect(self, image, region=None):
        self.detections += 1
        region = region or regions.whole(image)
        found = []
        for x, y, height in self.seen.values():
            away = max(abs(x - region.x), abs(y - region.y))
            is_large = height >= SMALLEST * region.side
            if away + height / 2 <= region.side / 2 and is_large:
                points = np.array([[x, y], [x, y - height / 2]] * 2)
                found.append(detection.Detection(0.9, np.zeros(4), points))
        return found

    def find(self, image, region):
        def away(person):
            return np.hypot(person[0] - region.x, person[1] - region.y)

        near = [
            person
            for person in self.seen.values()
            if away(person) < region.side / 4
            and 0.5 < 1.25 * person[2] / region.side < 2
        ]
        x, y, height = min(near, key=away, default=(0, 0, 1))
        return landmarks.Pose(
            (BODY * height + (x, y)).astype(np.float32),
            np.full(33, 0.9, np.float32),
            np.array([[x, y], [x, y - height / 2]]),
            float(bool(near)),
        )


@pytest.fixture
def follow(monkeypatch):
    """Returns a maker of a follower in a scene, and of a step in time."""

    def make(scene, people=1):
        paths = models.Paths("detection", "landmarks")
        monkeypatch.setattr(models, "paths", lambda detector: paths)
        monkeypatch.setattr(following.files, "sha256", str)
        monkeypatch.setattr(following.networks, "load", lambda path: path)
        monkeypatch.setattr(
            detection, "Detector", lambda network: scene.detect
        )
        monkeypatch.setattr(
            landmarks, "Landmarker", lambda network: scene.find
        )
        follower = following.Follower("full", people)

        def step(image=None):
            if image is None:
                image = np.zeros((480, 640, 3), np.uint8)
            found = follower.follow(image)
            return {p.track_id: name_of(scene, p) for p in found}

        return follower, step

    return make


def name_of(scene, person):
    for name, (x, y, height) in scene.people.items():
        if np.allclose(person.pixels, BODY * height + (x, y), atol=1e-3):
            return name
    raise AssertionError("no person is there")


def move(scene, name, right, down=0):
    x, y, height = scene.people[name]
    scene.people[name] = x + right, y + down, height


def test_one_person_is_followed_without_the_detector(follow):
    scene = Scene(ann=(200, 240, 200))
    _, step = follow(scene)
    for _ in range(29):
        assert step() == {0: "ann"}
        move(scene, "ann", 5)
    assert scene.detections == 1  # The first; the 30th counts again.


def test_the_largest_person_comes_first(follow):
    scene = Scene(ann=(200, 240, 150), bob=(450, 240, 200))
    follower, step = follow(scene)
    assert step() == {0: "bob"}
    assert follower.seen_at_once == 2
    assert follower.sha256 == {n: n for n in ("detection", "landmarks")}


def test_who_comes_later_is_counted(follow):
    scene = Scene(ann=(200, 240, 200))
    follower, step = follow(scene)
    step()
    scene.people["bob"] = 450, 240, 200
    for _ in range(29):
        step()
    assert follower.seen_at_once == 1
    assert step() == {0: "ann"}
    assert follower.seen_at_once == 2


def test_a_jump_is_caught_up_with_in_the_same_image(follow):
    scene = Scene(ann=(200, 240, 200))
    _, step = follow(scene)
    step()
    move(scene, "ann", 70)  # A quarter of the region is 62.5.
    assert step() == {0: "ann"}


def test_a_lost_persons_place_is_kept_and_given_back(follow):
    scene = Scene(ann=(200, 240, 200), bob=(450, 240, 150))
    _, step = follow(scene)
    assert step() == {0: "ann"}
    scene.hidden = {"ann"}
    for _ in range(5):
        assert step() == {}
    for _ in range(3):
        assert step() == {1: "bob"}
    scene.hidden = set()
    found = [step() for _ in range(8)]
    # Eight squares around where she was are looked at in turn.
    assert {0: "ann"} in found
    assert found[-1] == {0: "ann"}


def test_who_is_found_elsewhere_is_a_new_person(follow):
    scene = Scene(ann=(200, 240, 200))
    _, step = follow(scene)
    step()
    scene.people = {"bob": (500, 240, 200)}
    assert [step() for _ in range(6)] == [{}] * 5 + [{1: "bob"}]


def test_four_people_keep_their_numbers(follow):
    scene = Scene(
        ann=(80, 240, 160),
        bob=(230, 240, 150),
        cat=(380, 240, 140),
        dan=(530, 240, 130),
    )
    follower, step = follow(scene, people=4)
    names = step()
    assert names == {0: "ann", 1: "bob", 2: "cat", 3: "dan"}
    for index in range(40):
        move(scene, "ann", 2)
        move(scene, "bob", -1)
        move(scene, "dan", 0, 3 * (-1) ** index)
        for number, name in step().items():
            assert names[number] == name
    # They pass through each other. For a while one body is seen, of either,
    # and then both are who they were.
    met = 0
    for _ in range(40):
        move(scene, "ann", 2)
        move(scene, "bob", -1)
        found = step()
        met += len(found) < 4
        if len(found) == 4:
            assert found == names
    assert found == names
    assert met > 3
    assert follower.seen_at_once == 4


def test_of_two_tracks_on_one_body_the_one_that_jumped_ends(follow):
    scene = Scene(ann=(200, 240, 200), bob=(255, 240, 200))
    _, step = follow(scene, people=2)
    names = step()
    assert sorted(names.values()) == ["ann", "bob"]
    scene.hidden = {"bob"}  # Behind ann, who is near enough to be taken.
    (number,) = step()
    assert names[number] == "ann"


@pytest.mark.parametrize("height", [72, 80, 100])
def test_a_small_person_is_found_in_tiles(follow, height):
    # 15 % of the image's height, and of 640 less than the detector sees.
    for x, y in ((60, 60), (331, 203), (590, 420)):
        scene = Scene(ann=(x, y, height))
        _, step = follow(scene)
        assert step() == {0: "ann"}


def test_a_small_person_who_comes_later_is_found_in_turn(follow):
    scene = Scene()
    _, step = follow(scene)
    step()
    scene.people["ann"] = 590, 420, 72
    before = scene.detections
    # There are fifty tiles.
    found = [step() for _ in range(13)]
    assert {0: "ann"} in found
    # No image takes more than four tiles and the whole.
    assert scene.detections - before <= 5 * len(found)


@pytest.mark.parametrize(
    ("size", "most"),
    [
        ((480, 480), 0 + 9 + 25),  # The first size is the whole image.
        ((480, 2880), 255),
        ((480, 3200), 13 + 78),
        ((90, 90), 9),
        ((40, 100), 4),
        ((31, 100), 0),
        ((1, 100_000), 0),
        ((600, 100_000), 0),
    ],
)
def test_no_image_takes_too_many_tiles(follow, size, most):
    scene = Scene()
    _, step = follow(scene)
    image = np.zeros((*size, 3), np.uint8)
    step(image)
    assert scene.detections == 1 + most
    step(image)
    assert scene.detections <= 1 + most + 5


def test_images_of_more_than_possible_sides_are_refused(follow):
    _, step = follow(Scene())
    with pytest.raises(ValueError, match="100000 pixels, got 100001x1$"):
        step(np.zeros((1, 100_001, 3), np.uint8))


def test_people_in_tiles_are_counted(follow):
    scene = Scene(ann=(60, 60, 72), bob=(590, 420, 72))
    follower, step = follow(scene)
    assert len(step()) == 1
    assert follower.seen_at_once == 2


def test_after_a_cut_all_are_new(follow):
    scene = Scene(ann=(200, 240, 200))
    _, step = follow(scene)
    assert step() == {0: "ann"}
    bright = np.full((480, 640, 3), 90, np.uint8)
    assert step(bright) == {1: "ann"}
    assert step(bright) == {1: "ann"}
    assert step(np.full((480, 800, 3), 90, np.uint8)) == {2: "ann"}


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((5, 7), np.uint8),
        np.zeros((5, 7, 4), np.uint8),
        np.zeros((5, 7, 3), np.float32),
        np.zeros((0, 7, 3), np.uint8),
    ],
)
def test_what_is_no_image(follow, image):
    _, step = follow(Scene())
    with pytest.raises(ValueError, match="^Expected"):
        step(image)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 2)])
def test_tiny_images_hold_no_people(follow, shape):
    _, step = follow(Scene())
    assert step(np.zeros((*shape, 3), np.uint8)) == {}


def test_time_goes_on(follow):
    follower, _ = follow(Scene())
    image = np.zeros((48, 64, 3), np.uint8)
    follower.follow(image, 2.0)
    follower.follow(image)
    with pytest.raises(ValueError, match="later image"):
        follower.follow(image, 2.0)


def test_at_least_one_person():
    with pytest.raises(ValueError, match="at least 1 person, got 0"):
        following.Follower("full", people=0)

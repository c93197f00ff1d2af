"""People followed by the distance of their joints."""

import itertools
import time

import numpy as np
import pytest

from ampose_tf.lifting.readers import tracks
from tests import clips


def walking(frames, people, seed=0, step=8.0):
    """Returns pixels (T, P, 17, 2) of people who walk past each other."""
    random = np.random.default_rng(seed)
    body = clips.truth()[0][0, 0] - clips.truth()[0][0, 0].mean(axis=0)
    lane = np.arange(people)
    where = np.stack([200.0 + 400 * (lane % 2), 300.0 + 60 * lane], axis=1)
    speed = np.where(lane % 2 == 0, step, -step)
    time = np.arange(frames)[:, None]
    x = where[:, 0] + speed * time  # (T, P)
    centre = np.stack([x, np.broadcast_to(where[:, 1], x.shape)], axis=2)
    noise = random.normal(scale=3, size=(frames, people, 17, 2))
    return centre[:, :, None] + body + noise


def shuffled(pixels, seed=0):
    """Returns arguments of `associate`, and who everybody really is."""
    random = np.random.default_rng(seed)
    count, people = pixels.shape[:2]
    order = np.stack([random.permutation(people) for _ in range(count)])
    mixed = np.take_along_axis(pixels, order[..., None, None], axis=1)
    frames = np.repeat(np.arange(count), people)
    flat = mixed.reshape(-1, 17, 2)
    return frames, flat, np.ones(flat.shape[:2]), order.ravel()


def names_of(ids, truth):
    """Returns the set of (id, person) pairs."""
    return set(zip(ids.tolist(), truth.tolist(), strict=True))


@pytest.mark.parametrize("people", [1, 2, 5])
def test_people_who_cross_keep_their_ids(people):
    frames, pixels, scores, truth = shuffled(walking(53, people))
    pairs = names_of(tracks.associate(frames, pixels, scores), truth)
    assert len(pairs) == people  # One id each.
    assert {own for own, _ in pairs} == set(range(people))


def test_a_short_gap_is_bridged_and_a_long_one_is_not():
    for gap, expected in ((tracks.MAX_GAP, 1), (tracks.MAX_GAP + 1, 2)):
        frames = np.array([0, 1, gap + 2, gap + 3])
        pixels = walking(gap + 4, 1)[frames, 0]
        ids = tracks.associate(frames, pixels, np.ones((4, 17)))
        assert len(set(ids.tolist())) == expected


def test_somebody_far_away_is_somebody_new():
    pixels = walking(2, 1)[:, 0]
    size = np.hypot(*np.ptp(pixels[0], axis=0))
    for reach, expected in ((0.45, 1), (0.6, 2)):
        pixels[1] = pixels[0] + (reach * size, 0)
        ids = tracks.associate(np.arange(2), pixels, np.ones((2, 17)))
        assert len(set(ids.tolist())) == expected


def test_births_and_deaths_next_to_somebody_else():
    pixels = walking(30, 3)
    frames, flat, scores, truth = shuffled(pixels)
    here = ~((truth == 1) & (frames < 11)) & ~((truth == 2) & (frames > 19))
    ids = tracks.associate(frames[here], flat[here], scores[here])
    assert len(names_of(ids, truth[here])) == 3


def test_joints_that_were_not_seen_do_not_count():
    pixels = walking(20, 2)
    frames, flat, scores, truth = shuffled(pixels)
    random = np.random.default_rng(3)
    scores[random.uniform(size=scores.shape) < 0.4] = 0
    flat[scores == 0] = 0
    pairs = names_of(tracks.associate(frames, flat, scores), truth)
    assert len(pairs) == 2
    # Nothing in common is no reason to be the same person.
    scores[:], flat[:] = 1, pixels[0, 0]
    scores[frames == 0, 8:] = 0
    scores[frames == 1, :8] = 0
    ids = tracks.associate(frames[:4], flat[:4], scores[:4])
    assert len(set(ids.tolist())) == 4


def test_gaps_count_in_steps_of_the_clip():
    """Every thirtieth frame of a clip is a clip all the same."""
    pixels = walking(7, 1)[:, 0]
    ids = tracks.associate(30 * np.arange(7), pixels, np.ones((7, 17)))
    assert set(ids.tolist()) == {0}


def test_the_assignment_is_the_best_one():
    """Equal to trying all permutations."""
    random = np.random.default_rng(5)
    before, after = random.uniform(0, 60, (2, 4, 17, 2))
    after = 0.7 * after + 0.3 * before[[2, 0, 3, 1]]
    cost = np.linalg.norm(before[:, None] - after, axis=3).mean(axis=2)
    sizes = np.hypot(*np.ptp(np.stack([before, after]), axis=2).T).T  # (2, P)
    cost /= np.maximum(sizes[0][:, None], sizes[1])
    assert cost.max() < tracks.REACH
    best = min(
        itertools.permutations(range(4)),
        key=lambda order: sum(cost[order[i], i] for i in range(4)),
    )
    tracker = tracks.Tracker()
    scores = np.ones((4, 17))
    assert tracker.step(0, before, scores).tolist() == [0, 1, 2, 3]
    assert tracker.step(1, after, scores).tolist() == list(best)


@pytest.mark.parametrize("seed", range(7))
def test_all_frames_at_once_are_as_one_after_another(seed):
    """Equal to the tracker's steps, with people who come, go and cross."""
    random = np.random.default_rng(seed)
    people = 1 + seed % 4
    pixels = walking(211, people, seed)
    pixels += np.cumsum(random.normal(0, 9, (211, people, 1, 2)), axis=0)
    frames, pixels, scores, _ = shuffled(pixels, seed)
    scores = scores * (random.uniform(size=scores.shape) > 0.2)
    # Single people who are not found, all of some frames, and one jump.
    there = random.uniform(size=len(frames)) > 0.02
    there &= (frames < 60) | (frames > 60 + 2 * seed)
    pixels[frames > 150] += 3000
    frames, pixels, scores = frames[there], pixels[there], scores[there]
    tracker = tracks.Tracker()
    steps = [
        tracker.step(int(number), pixels[own], scores[own])
        for number in np.unique(frames)
        for own in [frames == number]
    ]
    ids = tracks.associate(frames, pixels, scores)
    assert ids.tolist() == np.concatenate(steps).tolist()
    assert len(set(ids.tolist())) > people  # Somebody came anew.


def test_only_frames_that_are_not_obvious_are_stepped_through(monkeypatch):
    steps = []
    step = tracks.Tracker.step

    def counted(self, frame, *arguments):
        steps.append(frame)
        return step(self, frame, *arguments)

    monkeypatch.setattr(tracks.Tracker, "step", counted)
    frames, pixels, scores, _ = shuffled(walking(31, 3, step=0.0))
    there = frames != 11
    there[frames == 20] = [True, False, True]
    tracks.associate(frames[there], pixels[there], scores[there])
    # The first, one with fewer people, and those after it up to the one that
    # has them all again, from which on the next are obvious.
    assert steps == [0, 20, 21]


def test_speed():
    """10,000 people in a second; the limit allows for a busy machine."""
    frames, pixels, scores, _ = shuffled(walking(5000, 2, step=0.0))
    start = time.perf_counter()
    tracks.associate(frames, pixels, scores)
    assert time.perf_counter() - start < 10

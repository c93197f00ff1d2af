import dataclasses

import numpy as np

from ampose_tf.lifting.floor import world_positions
from ampose_tf.lifting.motion import Motion
from ampose_tf.lifting.viewers import scene
from ampose_tf.skeleton import H36M_17
from tests.lifting.filmed import FPS, film, only

ANKLES = [3, 6]


def people(*tracks):
    return Motion(tracks, film(frames=3).motion.image_size, FPS)


def unplaced(track_id, frames, x=0.0, action="Walking"):
    """Somebody of some frames, without a root, x pixels further right."""
    track = only(film(action, track_id=track_id).motion.tracks[0], frames)
    return track._replace(
        root=None, keypoints_px=track.keypoints_px + np.float32([x, 0])
    )


def test_who_has_a_root_stands_there():
    filmed = film(frames=11)
    motion = dataclasses.replace(filmed.motion, up=tuple(filmed.up))
    shown = scene.arrange(motion)
    (person,) = shown.people
    np.testing.assert_array_equal(person.positions, world_positions(motion)[0])
    assert shown.placed and person.beside == 0
    # The camera sees each joint along a ray from where it is said to be.
    track = motion.tracks[0]
    distance = np.linalg.norm(
        person.positions - shown.camera, axis=-1
    )  # (F, J)
    ray = track.root[:, None] + track.poses_3d
    np.testing.assert_allclose(
        distance, np.linalg.norm(ray, axis=-1), rtol=1e-5
    )


def test_without_a_root_the_lower_ankle_is_on_the_floor():
    (person,) = scene.arrange(people(unplaced(0, range(13)))).people
    lowest = person.positions[:, ANKLES, 2].min(axis=1)
    np.testing.assert_allclose(lowest, 0.09)
    # Moved up or down, not bent.
    np.testing.assert_allclose(
        np.ptp(person.positions[..., :2] - person.track.poses_3d[..., [0, 2]]),
        0,
        atol=1e-6,
    )


def test_people_without_roots_stand_side_by_side_as_in_the_image():
    motion = people(
        unplaced(5, range(20), x=300),
        unplaced(2, range(20), x=0),
        # Comes when the others have left, and takes the first place.
        unplaced(9, range(20, 30), x=150),
    )
    shown = scene.arrange(motion)
    assert not shown.placed
    right, left, late = (person.beside for person in shown.people)
    assert left == late == -right < 0
    # Nobody reaches a neighbour, however they turn.
    reach = max(
        np.linalg.norm(
            person.positions[..., :2] - [person.beside, 0], axis=-1
        ).max()
        for person in shown.people
    )
    np.testing.assert_allclose(right - left, 2 * reach + 0.4)


def test_who_has_no_root_stands_right_of_those_who_have():
    placed = film(frames=20).motion.tracks[0]
    with_root, without = scene.arrange(
        people(placed, unplaced(8, range(20)))
    ).people
    assert with_root.positions[..., 0].max() < without.positions[..., 0].min()
    middle = np.median(with_root.positions[..., 1])
    np.testing.assert_allclose(without.positions[:, 0, 1], middle)


def test_frames_go_in_the_step_that_meets_them_all():
    shown = scene.arrange(
        people(unplaced(0, [4, 8, 16]), unplaced(1, [10, 12]))
    )
    assert shown.frames == range(4, 17, 2)
    one, other = shown.people
    assert [one.row(f) for f in (4, 6, 16, 18)] == [0, None, 2, None]
    assert [(p.track.track_id, row) for p, row in shown.present(12)] == [
        (1, 1)
    ]
    assert shown.present(6) == []


def test_an_unknown_frame_rate_is_assumed_and_said_to_be():
    motion = film(frames=3).motion
    known, unknown = (
        scene.arrange(dataclasses.replace(motion, fps=fps))
        for fps in (12.5, None)
    )
    assert (known.fps, known.fps_known) == (12.5, True)
    assert (unknown.fps, unknown.fps_known) == (30.0, False)


def test_one_person_has_the_colours_of_the_sides_several_their_own():
    alone = scene.arrange(people(unplaced(0, [0]))).people[0]
    edges = H36M_17.edges
    by_edge = dict(zip(edges, alone.bone_colours(H36M_17), strict=True))
    # Right hip to knee, left elbow to wrist, thorax to neck.
    assert [by_edge[e] for e in ((1, 2), (12, 13), (8, 9))] == [
        scene.RIGHT,
        scene.LEFT,
        scene.MIDDLE,
    ]
    crowd = scene.arrange(people(*(unplaced(i, [0]) for i in range(9))))
    colours = [set(p.bone_colours(H36M_17)) for p in crowd.people]
    assert colours == [{c} for c in (*scene.PEOPLE, scene.PEOPLE[0])]
    sides = {scene.LEFT, scene.RIGHT, scene.MIDDLE}
    assert not sides & set(scene.PEOPLE)


def test_keypoints_that_are_nowhere_are_not_drawn():
    track = unplaced(0, range(3))
    seen, pixels = track.seen.copy(), track.keypoints_px.copy()
    seen[1, [4, 5, 6]] = False
    pixels[1, 4], pixels[1, 5] = 0, np.nan
    # Seen in the corner: a joint like any other.
    pixels[1, 7] = 0
    track = track._replace(seen=seen, keypoints_px=pixels)
    (person,) = scene.arrange(people(track)).people
    drawn = np.isfinite(person.pixels(1)).all(axis=1)
    assert np.flatnonzero(~drawn).tolist() == [4, 5]
    np.testing.assert_array_equal(person.pixels(1)[drawn], pixels[1][drawn])

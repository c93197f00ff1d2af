"""`.bvh`, read back by a library that knows nothing of ours."""

import dataclasses

import numpy as np
import pybvh
import pytest
from scipy.spatial.transform import Rotation

from ampose_tf.lifting.floor import world_positions
from ampose_tf.lifting.writers import rig
from ampose_tf.lifting.writers.axes import y_up
from ampose_tf.lifting.writers.bvh import euler_zxy_deg
from ampose_tf.skeleton import H36M_16, H36M_17
from tests.lifting.filmed import film, only

NAMES = [name.replace("/", "_") for name in H36M_17.joints]


def aligned(action, frames=31):
    filmed = film(action, frames)
    return dataclasses.replace(filmed.motion, up=tuple(filmed.up))


def read(path):
    """Returns the library's reading and the positions of our joints."""
    animation = pybvh.read_bvh_file(path)
    positions = np.asarray(animation.joint_positions())
    names = list(animation.joint_names)
    kept = [names.index(name) for name in NAMES if name in names]
    return animation, positions[:, kept]


@pytest.mark.parametrize("action", ["Walking", "Sitting", "Greeting"])
def test_joints_come_back(action, tmp_path):
    """The generated people's bones keep their lengths."""
    motion = aligned(action)
    motion.save(tmp_path / "clip.bvh")
    animation, positions = read(tmp_path / "clip.bvh")
    assert animation.frame_count == 31
    assert animation.frame_time == pytest.approx(1 / 50, abs=1e-8)
    expected = y_up(world_positions(motion)[0])
    np.testing.assert_allclose(positions, expected, atol=1e-4)


def test_lengths_that_vary_become_their_median(tmp_path):
    """Bones keep their directions, and the root its place."""
    motion = aligned("Walking")
    (track,) = motion.tracks
    # Longer forearms in two frames of 31.
    poses_3d = track.poses_3d.copy()
    poses_3d[4:6, 13] += 0.3 * (poses_3d[4:6, 13] - poses_3d[4:6, 12])
    longer = dataclasses.replace(
        motion, tracks=(track._replace(poses_3d=poses_3d),)
    )
    longer.save(tmp_path / "clip.bvh")
    _, positions = read(tmp_path / "clip.bvh")
    expected = y_up(world_positions(motion)[0])
    np.testing.assert_allclose(positions, expected, atol=1e-4)


def test_skeleton_at_rest_faces_the_viewer(tmp_path):
    """Left is +x, up +y, and toes point to +z: nothing is mirrored."""
    motion = aligned("Walking")
    motion.save(tmp_path / "clip.bvh")
    animation, _ = read(tmp_path / "clip.bvh")
    offsets = {node.name: np.array(node.offset) for node in animation.nodes}
    for name in ("LHip", "LShoulder", "LElbow", "LWrist"):
        assert offsets[name][0] > 0.05
        assert offsets["R" + name[1:]][0] < -0.05
        assert not offsets[name][1:].any()
    for name in ("Spine", "Thorax", "Neck_Nose", "Head"):
        assert offsets[name][1] > 0.05
    for name in ("LKnee", "RKnee", "LFoot", "RFoot"):
        assert offsets[name][1] < -0.3
    text = (tmp_path / "clip.bvh").read_text()
    assert text.count("End Site") == 5
    assert text.count("Zrotation Xrotation Yrotation") == 20
    assert text.count("Xposition Yposition Zposition") == 1
    assert text.count("OFFSET 0.000000 -0.090000 0.150000") == 2
    assert "-0.000000" not in text


def test_gaps_are_filled(tmp_path):
    motion = aligned("Walking")
    kept = [*range(9), *range(12, 31)]
    track = only(motion.tracks[0], kept)
    dataclasses.replace(motion, tracks=(track,)).save(tmp_path / "clip.bvh")
    _, positions = read(tmp_path / "clip.bvh")
    expected = y_up(world_positions(motion)[0])
    assert len(positions) == 31
    # Of the floor, which is that of fewer frames, nothing is asked.
    positions -= positions[0, 0] - expected[0, 0]
    np.testing.assert_allclose(positions[kept], expected[kept], atol=2e-4)
    np.testing.assert_allclose(
        positions[9:12, 0],
        np.linspace(expected[8, 0], expected[12, 0], 5)[1:4],
        atol=2e-4,
    )
    # Half-way, the limbs nearly are where they were.
    assert np.abs(positions[9:12] - expected[9:12]).max() < 0.03


@pytest.mark.parametrize("ending", [".bvh", ".mp4"])
def test_a_file_of_gaps_is_refused(tmp_path, ending):
    """5 kB of a saved result made 600 MB of .bvh, and took 4 GB."""
    motion = aligned("Walking")
    track = only(motion.tracks[0], range(3))
    for last in (999_990, 100_000 if ending == ".bvh" else 3):
        frames = np.array([0, 1, last])
        sparse = dataclasses.replace(
            motion, tracks=(track._replace(frames=frames),)
        )
        if last > 108_000:
            with pytest.raises(ValueError, match="of 999991 frames only 3"):
                sparse.save(tmp_path / f"clip{ending}")
        else:
            sparse.save(tmp_path / f"clip{ending}")


def test_one_frame_and_sixteen_joints(tmp_path):
    motion = aligned("Sitting", 3)
    kept = [j for j in range(17) if j != 9]
    track = only(motion.tracks[0], slice(1, 2))
    arrays = {
        name: getattr(track, name)[:, kept]
        for name in ("poses_3d", "keypoints_px", "scores", "seen", "spread_m")
    }
    fewer = dataclasses.replace(
        motion, tracks=(track._replace(**arrays),), skeleton=H36M_16
    )
    fewer.save(tmp_path / "clip.bvh")
    animation, positions = read(tmp_path / "clip.bvh")
    assert "Neck_Nose" not in animation.joint_names
    np.testing.assert_allclose(
        positions, y_up(world_positions(fewer)[0]), atol=1e-4
    )


# T-pose, facing +z, the person's left at +x; y up.
T_POSE = np.array(
    [
        (0, 0.9, 0),
        (-0.1, 0.9, 0),
        (-0.1, 0.5, 0),
        (-0.1, 0.1, 0),
        (0.1, 0.9, 0),
        (0.1, 0.5, 0),
        (0.1, 0.1, 0),
        (0, 1.1, 0),
        (0, 1.4, 0),
        (0, 1.5, 0),
        (0, 1.7, 0),
        (0.2, 1.4, 0),
        (0.5, 1.4, 0),
        (0.7, 1.4, 0),
        (-0.2, 1.4, 0),
        (-0.5, 1.4, 0),
        (-0.7, 1.4, 0),
    ]
)


def at_rest(frames):
    return np.tile(T_POSE, (frames, 1, 1))


def test_rest_is_no_rotation():
    animation = rig.fit(at_rest(2), H36M_17)
    np.testing.assert_allclose(
        animation.rotations,
        np.broadcast_to(np.eye(3), animation.rotations.shape),
        atol=1e-12,
    )


def test_whole_body_turns_at_the_root():
    turn = Rotation.random(5, rng=0).as_matrix()
    positions = np.einsum("fij,fkj->fki", turn, at_rest(5)) + 2
    animation = rig.fit(positions, H36M_17)
    np.testing.assert_allclose(animation.rotations[:, 0], turn, atol=1e-12)
    np.testing.assert_allclose(
        animation.rotations[:, 1:],
        np.broadcast_to(np.eye(3), animation.rotations[:, 1:].shape),
        atol=1e-12,
    )
    np.testing.assert_array_equal(animation.root, positions[:, 0])


def test_bones_swing_without_turning_about_themselves():
    """An arm that hangs: a quarter turn at the shoulder, about z alone."""
    positions = at_rest(1)
    for side, sign in (("L", 1), ("R", -1)):
        shoulder, elbow, wrist = (
            H36M_17.joints.index(side + joint)
            for joint in ("Shoulder", "Elbow", "Wrist")
        )
        for joint in (elbow, wrist):
            reach = abs(positions[0, joint, 0] - positions[0, shoulder, 0])
            positions[0, joint] = positions[0, shoulder] - [0, reach, 0]
        animation = rig.fit(positions, H36M_17)
        names = [node.name for node in animation.nodes]
        np.testing.assert_allclose(
            euler_zxy_deg(animation.rotations)[
                0,
                [names.index(side + "Shoulder"), names.index(side + "Elbow")],
            ],
            [[-90 * sign, 0, 0], [0, 0, 0]],
            atol=1e-9,
        )


@pytest.mark.parametrize(
    ("moved", "about", "turn", "nodes"),
    [
        # Shoulders turn with the upper spine.
        (slice(8, 17), "Spine", ("y", 30), {"Spine": (0, 0, 30)}),
        # A head's tilt does not take the shoulders along.
        (slice(9, 11), "Thorax", ("z", 20), {"Thorax": (20, 0, 0)}),
        # A shrug is the collar bone's.
        (slice(11, 14), "Thorax", ("z", 10), {"LClavicle": (10, 0, 0)}),
        # Bending in the loins.
        (slice(7, 17), "Hip", ("z", 15), {"LowerBack": (15, 0, 0)}),
    ],
)
def test_the_joint_that_moves_is_the_one_that_turns(moved, about, turn, nodes):
    positions = at_rest(1)
    centre = positions[0, H36M_17.joints.index(about)].copy()
    axis, degrees = turn
    matrix = Rotation.from_euler(axis, degrees, degrees=True).as_matrix()
    positions[0, moved] = centre + (positions[0, moved] - centre) @ matrix.T
    animation = rig.fit(positions, H36M_17)
    for node, angles in zip(
        animation.nodes, euler_zxy_deg(animation.rotations)[0], strict=True
    ):
        np.testing.assert_allclose(
            angles, nodes.get(node.name, (0, 0, 0)), atol=1e-9
        )


def test_degenerate_poses_stay_finite():
    """Opposite directions, bones of no length, a trunk along the hips."""
    positions = at_rest(4)
    elbow, shoulder = (
        H36M_17.joints.index(n) for n in ("LElbow", "LShoulder")
    )
    positions[0, elbow] = 2 * positions[0, shoulder] - positions[0, elbow]
    positions[1, elbow] = positions[1, shoulder]
    positions[2, 7] = positions[2, 4]
    positions[3] = 0
    rotations = rig.fit(positions, H36M_17).rotations
    np.testing.assert_allclose(
        rotations @ np.swapaxes(rotations, -1, -2),
        np.broadcast_to(np.eye(3), rotations.shape),
        atol=1e-9,
    )
    np.testing.assert_allclose(np.linalg.det(rotations), 1)


def compose(angles):
    z, x, y = np.moveaxis(np.radians(angles), -1, 0)
    zero, one = np.zeros_like(x), np.ones_like(x)

    def rows(*values):
        return np.moveaxis(
            np.reshape(np.stack(values), (3, 3, *x.shape)), (0, 1), (-2, -1)
        )

    about_z = rows(
        np.cos(z),
        -np.sin(z),
        zero,
        np.sin(z),
        np.cos(z),
        zero,
        zero,
        zero,
        one,
    )
    about_x = rows(
        one,
        zero,
        zero,
        zero,
        np.cos(x),
        -np.sin(x),
        zero,
        np.sin(x),
        np.cos(x),
    )
    about_y = rows(
        np.cos(y),
        zero,
        np.sin(y),
        zero,
        one,
        zero,
        -np.sin(y),
        zero,
        np.cos(y),
    )
    return about_z @ about_x @ about_y


def test_angles_are_of_z_x_y_and_do_not_jump():
    """Two turns about each axis in small steps, the middle one included.

    At 90 degrees about x itself, z and y are one axis; nothing asks there.
    """
    ramp = np.linspace(1, 701, 141)
    expected = np.zeros((141, 3, 3))
    for axis in range(3):
        expected[:, axis, axis] = ramp
    expected[:, :, 2] += 10
    rotations = compose(expected)
    angles = euler_zxy_deg(rotations)
    np.testing.assert_allclose(compose(angles), rotations, atol=1e-9)
    np.testing.assert_allclose(angles, expected, atol=1e-6)


def test_angles_are_those_nearest_to_the_frame_before():
    """Equal to a loop over the frames, of turns from slow to wild."""
    random = np.random.default_rng(2)
    steps = random.normal(0, [[[2]], [[20]], [[90]]], (3, 83, 5 * 3))
    ways = np.cumsum(steps.reshape(3 * 83, 5, 3), axis=0)
    rotations = compose(ways)
    angles = euler_zxy_deg(rotations)
    np.testing.assert_allclose(compose(angles), rotations, atol=1e-9)
    before = angles[0]
    for now in angles[1:]:
        choices = np.stack([now, now * [1, -1, 1] + 180])
        choices += 360 * np.round((before - choices) / 360)
        far = np.abs(choices - before).sum(axis=-1)
        nearest = np.where((far[0] <= far[1])[:, None], *choices)
        np.testing.assert_allclose(now, nearest, atol=1e-9)
        before = now

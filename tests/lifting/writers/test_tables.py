"""`.csv` and `.trc`, read back by the rules of their formats."""

import csv
import dataclasses

import numpy as np
import pytest

from ampose_tf.lifting.floor import world_positions
from ampose_tf.lifting.writers.angles import ANGLES, angles_deg
from ampose_tf.lifting.writers.tables import POSITION_COLUMNS
from ampose_tf.skeleton import H36M_17
from tests.lifting.filmed import film, only


@pytest.fixture(scope="module")
def motion():
    """Two people; of one, keypoints, spread and root are missing."""
    filmed = film(frames=11)
    (track,) = filmed.motion.tracks
    track = only(track, [0, 1, 2, 5, 6, 10])
    seen, pixels = track.seen.copy(), track.keypoints_px.copy()
    seen[1, 4], pixels[1, 4] = False, np.nan
    other = track._replace(
        track_id=8,
        root=None,
        seen=seen,
        keypoints_px=pixels,
        spread_m=np.full((6, 17), np.nan),
    )
    return dataclasses.replace(
        filmed.motion, tracks=(track, other), up=tuple(filmed.up)
    )


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_positions_are_one_row_per_person_frame_and_joint(motion, tmp_path):
    motion.save(tmp_path / "clip.csv")
    rows = rows_of(tmp_path / "clip.csv")
    assert tuple(rows[0]) == POSITION_COLUMNS
    assert len(rows) == 2 * 6 * 17
    for number, track in enumerate(motion.tracks):
        for index in (0, 3, 5):
            for joint in (0, 9, 16):
                row = rows[(number * 6 + index) * 17 + joint]
                assert row["track_id"] == str(track.track_id)
                assert row["frame"] == str([0, 1, 2, 5, 6, 10][index])
                assert float(row["time_s"]) == int(row["frame"]) / 50
                assert row["joint"] == H36M_17.joints[joint]
                read = [float(row[f"{axis}_m"]) for axis in "xyz"]
                np.testing.assert_allclose(
                    read, track.poses_3d[index, joint], atol=1e-6
                )
                read = [float(row[f"{axis}_px"]) for axis in "xy"]
                np.testing.assert_allclose(
                    read, track.keypoints_px[index, joint], atol=1e-4
                )
                assert (float(row["score"]), row["seen"]) == (0.9, "1")
                places = [row[f"camera_{axis}_m"] for axis in "xyz"]
                if track.root is None:
                    assert places == ["", "", ""] and row["spread_m"] == ""
                else:
                    np.testing.assert_allclose(
                        np.array(places, float),
                        track.root[index] + track.poses_3d[index, joint],
                        atol=1e-5,
                    )
                    assert float(row["spread_m"]) == 0.01
    hidden = rows[(6 + 1) * 17 + 4]
    assert (hidden["seen"], hidden["x_px"], hidden["y_px"]) == ("0", "", "")


def test_angles_are_one_row_per_person_and_frame(motion, tmp_path):
    motion.save(tmp_path / "clip_angles.csv")
    rows = rows_of(tmp_path / "clip_angles.csv")
    assert list(rows[0]) == [
        "track_id",
        "frame",
        "time_s",
        *(f"{name}_deg" for name in ANGLES),
    ]
    assert [row["track_id"] for row in rows] == ["3"] * 6 + ["8"] * 6
    assert rows[3]["frame"] == "5" and float(rows[3]["time_s"]) == 0.1
    # As in the world, however the camera is tilted.
    world = world_positions(motion)[0]
    for name, values in angles_deg(world, H36M_17, (0, 0, 1)).items():
        read = [float(row[f"{name}_deg"]) for row in rows[:6]]
        np.testing.assert_allclose(read, values, atol=1e-3)


@pytest.mark.parametrize("name", ["clip.csv", "clip_angles.csv"])
def test_unknown_time_is_empty(motion, tmp_path, name):
    dataclasses.replace(motion, fps=None).save(tmp_path / name)
    assert {row["time_s"] for row in rows_of(tmp_path / name)} == {""}


def read_trc(path):
    """Reads a .trc by its own counts, as OpenSim does.

    Returns:
        The header's values by name, markers, frames, times and positions.
    """
    lines = path.read_text(encoding="utf-8").split("\n")
    assert lines[0].split("\t") == ["PathFileType", "4", "(X/Y/Z)", path.name]
    header = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=True))
    count, frames = int(header["NumMarkers"]), int(header["NumFrames"])
    labels = lines[3].split("\t")
    assert labels[:2] == ["Frame#", "Time"]
    markers = [label for label in labels[2:] if label]
    # A marker's name is above its X.
    assert labels[2::3] == markers and len(markers) == count
    axes = lines[4].split("\t")
    assert axes == ["", ""] + [
        f"{axis}{n}" for n in range(1, count + 1) for axis in "XYZ"
    ]
    assert lines[5] == "" and lines[-1] == ""
    rows = np.array([line.split("\t") for line in lines[6:-1]], float)
    assert rows.shape == (frames, 2 + 3 * count)
    return (
        header,
        markers,
        rows[:, 0],
        rows[:, 1],
        rows[:, 2:].reshape(frames, count, 3),
    )


def test_trc_holds_the_markers_of_one_person(motion, tmp_path):
    paths = motion.save(tmp_path / "clip.trc")
    for path, world in zip(paths, world_positions(motion), strict=True):
        header, markers, frames, times, positions = read_trc(path)
        assert header["Units"] == "m"
        assert header["DataRate"] == header["OrigDataRate"] == "50"
        assert header["OrigDataStartFrame"] == "1"
        assert markers == [
            "Neck_Nose" if name == "Neck/Nose" else name
            for name in H36M_17.joints
        ]
        # Frames without the person have no row.
        np.testing.assert_array_equal(frames, [1, 2, 3, 6, 7, 11])
        np.testing.assert_allclose(times, [0, 0.02, 0.04, 0.1, 0.12, 0.2])
        np.testing.assert_allclose(
            positions,
            np.stack([world[..., 0], world[..., 2], -world[..., 1]], -1),
            atol=1e-6,
        )
        # Upright, y upwards.
        assert (positions[:, 10, 1] - positions[:, 3, 1] > 1).all()


def test_trc_of_every_other_frame_is_half_the_rate(motion, tmp_path):
    (track, _) = motion.tracks
    sparse = track._replace(frames=np.arange(7, 19, 2))
    dataclasses.replace(motion, tracks=(sparse,), fps=29.97).save(
        tmp_path / "clip.trc"
    )
    header, _, frames, times, _ = read_trc(tmp_path / "clip.trc")
    assert (header["DataRate"], header["OrigDataRate"]) == ("14.985", "29.97")
    assert header["OrigDataStartFrame"] == "8"
    np.testing.assert_array_equal(frames, np.arange(8, 20, 2))
    np.testing.assert_allclose(times, np.arange(7, 19, 2) / 29.97, atol=1e-6)


def test_pixels_are_the_files_where_the_image_is_assumed(motion, tmp_path):
    corner = (1200.25, -30.5)
    for name, image_corner in (("whole", (0, 0)), ("square", corner)):
        moved = dataclasses.replace(motion, image_corner=image_corner)
        moved.save(tmp_path / f"{name}.csv")
    for there, here in zip(
        rows_of(tmp_path / "square.csv"),
        rows_of(tmp_path / "whole.csv"),
        strict=True,
    ):
        for axis, by in zip("xy", corner, strict=True):
            pair = there[f"{axis}_px"], here[f"{axis}_px"]
            if pair != ("", ""):
                moved, still = map(float, pair)
                assert moved - still == pytest.approx(by, abs=1e-4)

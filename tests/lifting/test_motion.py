"""What a motion holds, and which file a path means."""

import dataclasses
import os
from unittest import mock

import numpy as np
import pytest

from ampose_tf.lifting import floor, saving
from ampose_tf.lifting.motion import Motion, ensemble_spread, frame_step
from ampose_tf.lifting.writers import trc
from tests.lifting.filmed import film, only


@pytest.fixture(scope="module")
def motion():
    return film(frames=7).motion


@pytest.fixture(scope="module")
def pair(motion):
    """Two people, numbers 3 and 8."""
    (track,) = motion.tracks
    other = only(track._replace(track_id=8), slice(2, 5))
    return dataclasses.replace(motion, tracks=(track, other))


def test_spread_is_half_the_members_distance():
    single = np.zeros((2, 1, 3), np.float32)
    mirrored = np.array([[[3, 4, 0]], [[0, 0, 0]]], np.float32)
    spread = ensemble_spread(single, mirrored)
    np.testing.assert_array_equal(spread, [[2.5], [0]])
    assert spread.dtype == np.float32


@pytest.mark.parametrize(
    ("frames", "step"),
    [([7], 1), ([0, 1, 2], 1), ([3, 9, 11], 2), ([0, 10, 15], 5)],
)
def test_step_of_frames(frames, step):
    assert frame_step(np.array(frames)) == step


def test_arrays_get_their_types(motion):
    (track,) = motion.tracks
    floats = [
        track.poses_3d,
        track.keypoints_px,
        track.scores,
        track.spread_m,
        track.root,
    ]
    assert {array.dtype for array in floats} == {np.dtype(np.float32)}
    assert track.frames.dtype == np.int64 and track.seen.dtype == bool


def test_notes_are_added(motion):
    noted = motion.noted("One.").noted("Two.", fps=5.0)
    assert noted.notes == ("One.", "Two.") and noted.fps == 5
    assert motion.notes == () and motion.fps == 50


def test_unseen_joints_may_be_anywhere(motion):
    (track,) = motion.tracks
    pixels, seen = track.keypoints_px.copy(), track.seen.copy()
    pixels[2, 5] = np.nan
    with pytest.raises(ValueError, match="track 3: keypoints_px of seen"):
        dataclasses.replace(
            motion, tracks=(track._replace(keypoints_px=pixels),)
        )
    seen[2, 5] = False
    dataclasses.replace(
        motion, tracks=(track._replace(keypoints_px=pixels, seen=seen),)
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": np.array([0, 1, 2, 3, 5, 5, 6])}, "increasing"),
        ({"frames": np.arange(-1, 6)}, "increasing"),
        ({"frames": np.arange(7.0)}, "frame numbers"),
        ({"frames": np.arange(0)}, "frame numbers"),
        ({"poses_3d": np.zeros((7, 16, 3))}, r"poses_3d of shape \(7, 17, 3"),
        ({"poses_3d": np.full((7, 17, 3), np.nan)}, "poses_3d contains NaN"),
        ({"scores": np.zeros((6, 17))}, "scores of shape"),
        ({"root": np.zeros((7, 17, 3))}, "root of shape"),
        ({"root": np.full((7, 3), np.inf)}, "root contains NaN"),
    ],
)
def test_bad_tracks_are_refused(motion, changes, message):
    track = motion.tracks[0]._replace(**changes)
    with pytest.raises(ValueError, match=f"track 3: .*{message}"):
        dataclasses.replace(motion, tracks=(track,))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fps": 0}, "frames per second"),
        ({"fps": np.nan}, "frames per second"),
        ({"image_size": (0, 5)}, "width and height"),
        ({"up": (0, -2, 0)}, "unit vector"),
        ({"normalisation": "height"}, "normalisation"),
    ],
)
def test_bad_fields_are_refused(motion, changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(motion, **changes)


def test_people_have_numbers_of_their_own(motion):
    with pytest.raises(ValueError, match="unique track ids"):
        dataclasses.replace(motion, tracks=motion.tracks * 2)


@pytest.mark.parametrize("ending", saving.ENDINGS)
def test_ending_chooses_the_writer(motion, tmp_path, ending):
    path = tmp_path / "folder" / f"clip{ending}"
    assert motion.save(path) == (path,)
    start = path.read_bytes()[:12].decode("latin1")
    assert start.startswith(
        {
            "_angles.csv": "track_id,fra",
            ".csv": "track_id,fra",
            ".json": "{",
            ".npz": "PK",
            ".bvh": "HIERARCHY",
            ".gif": "GIF89a",
            ".html": "<!DOCTYPE ht",
            # The size of the first box comes before its name.
            ".mp4": "\0\0\0 ftyp",
            ".png": "\x89PNG",
            ".trc": "PathFileType",
        }[ending]
    )
    header = path.read_bytes().splitlines()[0]
    assert (b"knee_flexion" in header) == (ending == "_angles.csv")
    # Nothing is left beside it.
    assert list(path.parent.iterdir()) == [path]


def test_files_are_not_overwritten_unasked(motion, tmp_path):
    path = tmp_path / "clip.csv"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match=r"clip\.csv exists; give --ov"):
        motion.save(path)
    assert path.read_text() == "mine"
    motion.save(path, overwrite=True)
    assert path.read_text() != "mine"
    (tmp_path / "clip.trc").mkdir()
    with pytest.raises(IsADirectoryError, match="is a folder"):
        motion.save(tmp_path / "clip.trc", overwrite=True)


def test_several_people_get_a_file_each(pair, tmp_path):
    for ending in (".trc", ".bvh"):
        paths = pair.save(tmp_path / f"clip{ending}")
        assert [path.name for path in paths] == [
            f"clip_3{ending}",
            f"clip_8{ending}",
        ]
        long, short = (path.read_text().splitlines() for path in paths)
        assert len(long) == len(short) + 4
    with pytest.raises(FileExistsError, match="clip_8"):
        (tmp_path / "clip_3.trc").unlink()
        pair.save(tmp_path / "clip.trc")
    assert not (tmp_path / "clip_3.trc").exists()


def test_all_files_are_written_or_none(pair, tmp_path, monkeypatch):
    def write(path, motion, track, positions):
        path.write_text("half")
        if track == 1:
            raise OSError("disk full")

    monkeypatch.setattr(trc, "write", write)
    with pytest.raises(OSError, match="disk full"):
        pair.save(tmp_path / "clip.trc")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["clip.c3d", "clip", "npz"])
def test_unknown_endings_are_refused(motion, tmp_path, name):
    with pytest.raises(ValueError, match=r"_angles\.csv, .csv, .gif, .html"):
        motion.save(tmp_path / name)


@pytest.mark.parametrize(
    ("ending", "rate"),
    [(".trc", "\nDataRate\t"), (".bvh", "\nFrame Time: 0.033333333\n")],
)
def test_formats_that_need_a_frame_rate_get_the_assumed_one(
    motion, tmp_path, ending, rate
):
    timeless, assumed = (
        dataclasses.replace(motion, fps=fps) for fps in (None, 30.0)
    )
    assert timeless.fps is None and timeless.frame_rate == 30
    (path,) = timeless.save(tmp_path / f"clip{ending}")
    written = path.read_bytes()
    assert rate in written.decode()
    assumed.save(path, overwrite=True)
    assert path.read_bytes() == written


def test_people_are_placed_once_however_many_files(
    motion, tmp_path, monkeypatch
):
    calls = []
    places = floor.world_positions
    monkeypatch.setattr(
        floor,
        "world_positions",
        lambda motion: calls.append(motion) or places(motion),
    )
    (track,) = motion.tracks
    crowd = dataclasses.replace(
        motion, tracks=tuple(track._replace(track_id=i) for i in range(4))
    )
    saving.save(crowd, [tmp_path / "clip.bvh", tmp_path / "clip.trc"])
    assert len(list(tmp_path.iterdir())) == 8 and len(calls) == 1


def test_nobody_is_not_written(motion, tmp_path):
    empty = Motion((), motion.image_size)
    with pytest.raises(ValueError, match="no people"):
        empty.save(tmp_path / "clip.npz")


def test_a_link_counts_as_a_file(motion, tmp_path):
    path = tmp_path / "clip.csv"
    path.symlink_to(tmp_path / "missing")
    with pytest.raises(FileExistsError, match=r"clip\.csv exists; give --ov"):
        motion.save(path)
    motion.save(path, overwrite=True)
    assert not path.is_symlink()
    assert [entry.name for entry in tmp_path.iterdir()] == ["clip.csv"]


def test_nothing_is_left_where_another_process_was_faster(pair, tmp_path):
    """The last file is placed first."""
    write, theirs = trc.write, tmp_path / "clip_3.trc"

    def writing(*arguments):
        write(*arguments)
        theirs.write_text("theirs")

    with (
        mock.patch.object(trc, "write", writing),
        pytest.raises(FileExistsError, match=r"clip_3\.trc exists"),
    ):
        pair.save(tmp_path / "clip.trc")
    assert [entry.name for entry in tmp_path.iterdir()] == ["clip_3.trc"]
    assert theirs.read_text() == "theirs"


@pytest.mark.parametrize("name", ["a\nb\tc", os.fsdecode(b"caf\xe9")])
def test_names_of_files_within_files(motion, tmp_path, name):
    for ending in saving.ENDINGS:
        if ending not in (".gif", ".mp4"):
            motion.save(tmp_path / f"{name}{ending}")
    header = (tmp_path / f"{name}.trc").read_text().splitlines()[0]
    assert header.count("\t") == 3 and header.endswith(".trc")
    assert len((tmp_path / f"{name}.trc").read_text().splitlines()[1]) > 40

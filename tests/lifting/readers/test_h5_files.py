"""DeepLabCut's and SLEAP's files in HDF5."""

import os
import pickle

import h5py
import numpy as np
import pytest

from ampose_tf.lifting.readers import detections
from ampose_tf.lifting.readers.forms import h5_files
from ampose_tf.lifting.readers.records import Account
from ampose_tf.lifting.readers.sequences import Options
from tests import clips, h5_clips
from tests.clips import FRAMES

WRITERS = {
    "table": h5_clips.write_table,
    "fixed": h5_clips.write_fixed,
}


def read(path):
    return h5_files.read(path, Options(), Account())


def check(recording, people=2, scored=True):
    read = detections.settle(recording, None, 0.2, Account())
    pixels, scores = clips.truth(people=people)
    assert (read.skeleton, read.frame_count) == ("COCO-17", FRAMES)
    assert len(read.tracks) == people
    for track in read.tracks:
        person = track.track_id
        assert track.frames.tolist() == list(range(FRAMES))
        np.testing.assert_allclose(track.pixels, pixels[:, person], atol=1e-3)
        expected = scores[:, person] if scored else 1
        np.testing.assert_allclose(track.scores, expected, atol=1e-4)


@pytest.mark.parametrize("people", [1, 2])
@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}])
@pytest.mark.parametrize("form", WRITERS)
def test_deeplabcut(tmp_path, form, options, people):
    path = tmp_path / "clip.h5"
    names, values = h5_clips.columns(people), h5_clips.cells(people)
    WRITERS[form](path, names, values, **options)
    check(read(path), people)


@pytest.mark.parametrize("form", WRITERS)
def test_annotations_have_no_likelihood(tmp_path, form):
    path = tmp_path / "clip.h5"
    names = h5_clips.columns(1)
    kept = [n for n, name in enumerate(names) if name[-1] != "likelihood"]
    values = h5_clips.cells(1)[:, kept]
    WRITERS[form](path, [names[n] for n in kept], values)
    check(read(path), 1, scored=False)


def test_frame_numbers_and_gaps_are_those_of_the_file(tmp_path):
    path = tmp_path / "clip.h5"
    values = h5_clips.cells(2)
    values[1] = np.nan
    values[2, : values.shape[1] // 2] = np.nan
    numbers = np.array([3, 4, 5, 7, 11])
    h5_clips.write_table(path, h5_clips.columns(2), values, numbers)
    recording = read(path)
    assert recording.frame_count == 12
    assert recording.batch.frames.tolist() == [3, 3, 5, 7, 7, 11, 11]
    assert recording.batch.track_ids.tolist() == [0, 1, 1, 0, 1, 0, 1]


def test_parts_of_no_individual_are_left_out(tmp_path):
    """DeepLabCut has unique parts, of an arena, as of an individual."""
    path = tmp_path / "clip.h5"
    corner = [(h5_clips.SCORER, "single", "corner", c) for c in "xy"]
    names = [*h5_clips.columns(2), *corner]
    values = np.concatenate([h5_clips.cells(2), np.ones((FRAMES, 2))], axis=1)
    h5_clips.write_table(path, names, values)
    check(read(path))


@pytest.mark.parametrize("people", [1, 2])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}])
def test_sleap(tmp_path, transposed, options, people):
    path = tmp_path / "clip.analysis.h5"
    h5_clips.write_sleap(path, transposed, people, **options)
    check(read(path), people)


def test_sleap_without_scores(tmp_path):
    path = tmp_path / "clip.analysis.h5"
    h5_clips.write_sleap(path)
    with h5py.File(path, "a") as file:
        del file["point_scores"]
    check(read(path), scored=False)


class Calls:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def test_column_names_call_nothing(tmp_path):
    path, marker = tmp_path / "clip.h5", tmp_path / "marker"
    h5_clips.write_table(path, Calls(marker), h5_clips.cells(1))
    with pytest.raises(ValueError, match=r"its pickle calls posix\.mkdir"):
        read(path)
    assert not marker.exists()
    with h5py.File(path) as file:
        names = file["df_with_missing/table"].attrs["values_block_0_kind"]
    pickle.loads(names)  # The attack is real.
    assert marker.exists()


def renamed(names, old, new):
    return [tuple(new if n == old else n for n in column) for column in names]


@pytest.mark.parametrize(
    ("message", "change"),
    [
        (
            "already 3D",
            lambda names: renamed(names, "likelihood", "z"),
        ),
        ("same name", lambda names: [names[0], *names[:-1]]),
        ("51 columns of numbers, but 50 names", lambda names: names[1:]),
        ("columns x and y", lambda names: renamed(names, "x", "u")),
        ("of one scorer", lambda names: [("B", *names[0][1:]), *names[1:]]),
        ("of one scorer", lambda names: [(*names[0], "x"), *names[1:]]),
        ("names of DeepLabCut's columns", lambda names: list(range(51))),
        ("names of DeepLabCut's columns", lambda names: None),
        ("joints", lambda names: [(s, p[::-1], c) for s, p, c in names]),
    ],
)
def test_columns_that_are_refused(tmp_path, message, change):
    path = tmp_path / "clip.h5"
    names = change(h5_clips.columns(1))
    h5_clips.write_table(path, names, h5_clips.cells(1))
    with pytest.raises(ValueError, match=message) as error:
        read(path)
    assert str(error.value).isprintable() and len(str(error.value)) < 300


def test_other_files_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "clip.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99))
    with pytest.raises(ValueError, match="not an HDF5 file"):
        read(path)
    with pytest.raises(FileNotFoundError, match="missing.h5"):
        read(tmp_path / "missing.h5")
    with h5py.File(path, "w") as file:
        file["weights\x1b[31m"] = np.arange(3)
    with pytest.raises(ValueError, match=r"HDF5; it contains 'weights\\x1b"):
        read(path)
    with h5py.File(path, "w") as file:
        file["pred_points"] = file["videos_json"] = np.arange(3)
    with pytest.raises(ValueError, match="a SLEAP project; export it"):
        read(path)
    h5_clips.write_sleap(path)
    with h5py.File(path, "a") as file:
        del file["tracks"]
        file["tracks"] = np.zeros((3, 17, 3, 5))
    with pytest.raises(ValueError, match="tracks: expected SLEAP's"):
        read(path)

    library = tmp_path / "h5py.py"
    library.write_text("raise ModuleNotFoundError(\"No module named 'h5py'\")")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"pip install 'ampose_tf\[h5\]'"):
        read(path)
    # A longer file: the compiled one may be of the same second.
    library.write_text("from re import nothing  # There is no such function.")
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        read(path)

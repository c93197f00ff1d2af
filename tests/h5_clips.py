"""The clip of `clips.py` in HDF5, laid out as pandas 3.1 and SLEAP 1.4 do."""

import itertools
import pickle

import h5py
import numpy as np

from tests import clips

SCORER = "DLC_resnet50_walkSep26"


def columns(people, parts=clips.COCO, coordinates=("x", "y", "likelihood")):
    """Returns DeepLabCut's names of columns; of one person without him."""
    levels = [[SCORER], [f"person{n}" for n in range(people)], parts]
    if people == 1:
        del levels[1]
    return list(itertools.product(*levels, coordinates))


def cells(people):
    """Returns (T, columns): x, y and likelihood of each joint of each."""
    pixels, scores = clips.truth(people=people)
    table = np.concatenate([pixels, scores[..., None]], axis=-1)
    return table.reshape(len(table), -1)


def write_table(path, names, values, numbers=None, **options):
    """Writes what `DataFrame.to_hdf(path, format="table")` does."""
    numbers = np.arange(len(values)) if numbers is None else numbers
    row = [("index", "i8"), ("values_block_0", "f8", values.shape[1:])]
    rows = np.zeros(len(values), row)
    rows["index"], rows["values_block_0"] = numbers, values
    with h5py.File(path, "w") as file:
        group = file.create_group("df_with_missing")
        group.attrs["pandas_type"] = np.bytes_(b"frame_table")
        table = group.create_dataset("table", data=rows, **options)
        pickled = np.bytes_(pickle.dumps(names, 0))
        table.attrs["values_block_0_kind"] = pickled
        # An index of PyTables, which is not read.
        group.create_group("_i_table").create_group("index")


def write_fixed(path, names, values, **options):
    """Writes what `DataFrame.to_hdf(path)` does."""
    with h5py.File(path, "w") as file:
        group = file.create_group("keypoints")
        group.attrs["pandas_type"] = np.bytes_(b"frame")
        group.attrs["axis1_variety"] = np.bytes_(b"regular")
        group.attrs["nblocks"] = 1
        group.attrs["block0_items_nlevels"] = len(names[0])
        group["axis1"] = np.arange(len(values))
        for level, texts in enumerate(zip(*names, strict=True)):
            different, labels = np.unique(texts, return_inverse=True)
            name = f"block0_items_level{level}"
            group[name] = np.char.encode(different, "utf-8")
            group[f"block0_items_label{level}"] = labels.astype(np.int8)
        group.create_dataset("block0_values", data=values, **options)


def write_sleap(path, transposed=False, people=2, **options):
    """Writes what SLEAP's export of analysis does."""
    pixels, scores = clips.truth(people=people)  # (T, P, S, 2)
    tracks = pixels.transpose(1, 3, 2, 0)
    scores = scores.transpose(1, 2, 0)
    if transposed:
        tracks, scores = tracks.T, scores.T
    with h5py.File(path, "w") as file:
        file.create_dataset("tracks", data=tracks, **options)
        file.create_dataset("point_scores", data=scores, **options)
        file["node_names"] = [name.encode() for name in clips.COCO]
        file["track_names"] = [b"track_0", b"track_1"][:people]
        file["video_path"] = "clip.mp4"

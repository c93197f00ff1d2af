"""Converts MPI-INF-3DHP's official test set to one file for `load`.

The input is `TS1/annot_data.mat` to `TS6/annot_data.mat` in MATLAB 7.3, which
is HDF5 with reversed axes: `annot2` (N, 1, 17, 2) pixels, `univ_annot3`
(N, 1, 17, 3) millimetres, `valid_frame` (N, 1).
"""

import os
import pathlib

import numpy as np

from ampose_tf import confined, files, reading
from ampose_tf.data import archive, mpi_inf_3dhp, synthetic
from ampose_tf.data.mpi_inf_3dhp import SEQUENCES
from ampose_tf.data.preparation import official_mat

_WHERE = (
    "download the data set from https://vcai.mpi-inf.mpg.de/3dhp-dataset and "
    "run its get_testset.sh"
)


def prepare(
    source: str | os.PathLike,
    output: str | os.PathLike,
    sequences: tuple[str, ...] = tuple(SEQUENCES),
    official: bool = False,
) -> None:
    """Converts the valid frames, verifies the result, and prints progress.

    Args:
        source: The folder `mpi_inf_3dhp_test_set`.
        output: Output folder for `mpi_inf_3dhp.FILE`.
        sequences: Sequences to convert.
        official: Whether to raise an error if numbers of frames differ from
            the official release's. They are always reported.

    Raises:
        OSError: If a file is missing or cannot be written.
        ValueError: If a file is damaged, or, with `official`, if it differs
            from the official release.
    """
    source, output = pathlib.Path(source), pathlib.Path(output)
    members, valid, differing = {}, {}, []
    for name in sequences:
        if name not in SEQUENCES:
            raise ValueError(
                f"Unknown sequence {name!r}; expected some of "
                f"{', '.join(SEQUENCES)}"
            )
        path = source / name / "annot_data.mat"
        keypoints_px, joints_mm, frames = _read(path)
        members[f"{name}/keypoints_px"] = keypoints_px.astype(np.float32)
        members[f"{name}/joints_mm"] = joints_mm.astype(np.float32)
        valid[name] = len(joints_mm)
        expected = SEQUENCES[name]
        differs = (frames, valid[name]) != (expected.frames, expected.valid)
        differing += [name] if differs else []
        print(
            f"{name}: {valid[name]} valid frames of {frames}; official: "
            f"{expected.valid} of {expected.frames}"
            f"{' (differs)' if differs else ''}",
            flush=True,
        )
    if differing and official:
        raise ValueError(
            f"{source}: {', '.join(differing)} "
            f"{'differs' if len(differing) == 1 else 'differ'} from the "
            "official release; nothing was written"
        )
    if (source / synthetic.MARK).exists():
        members["generator"] = np.array(synthetic.GENERATOR)
    # The file is verified before it replaces another.
    with files.workplace(output) as made:
        path = made / mpi_inf_3dhp.FILE
        archive.write(path, **members)
        poses = mpi_inf_3dhp.load(made)
        names, counts = np.unique(poses.subjects, return_counts=True)
        if dict(zip(names.tolist(), counts.tolist(), strict=True)) != valid:
            raise ValueError(
                f"{path.name}: the written file contains {counts} frames of "
                f"{names}, not {valid}; it was discarded"
            )
        path.replace(output / path.name)
    total = sum(sequence.valid for sequence in SEQUENCES.values())
    print(
        f"{output / mpi_inf_3dhp.FILE}: {len(valid)} of {len(SEQUENCES)} "
        f"sequences, {poses.count} valid frames; official: {total}"
    )


def _read(path):
    """Returns the valid frames' 2D and 3D, and the number of all frames."""
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}: {_WHERE}")
    with reading.opened(path) as file:
        if file.read(19).startswith(b"MATLAB 5.0 MAT-file"):
            raise ValueError(
                f"{path}: a MATLAB file of version 5, but official ones have "
                "version 7.3; download it again, or load it in MATLAB and use "
                "save(..., '-v7.3')"
            )
    try:
        # HDF5 is a library in C.
        arrays = confined.call(official_mat.read, str(path))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path}: not a readable MATLAB 7.3 (HDF5) file of the test set "
            f"({error})"
        ) from error
    valid = arrays["valid_frame"][:, 0]
    frames = len(valid)
    lengths = {name: len(array) for name, array in arrays.items()}
    if set(lengths.values()) != {frames} or not np.isin(valid, (0, 1)).all():
        raise ValueError(
            f"{path}: expected valid_frame to be 0 or 1, and arrays with the "
            f"same number of frames; got {lengths}"
        )
    keypoints_px, joints_mm = mpi_inf_3dhp.check_sequence(
        arrays["annot2"][valid == 1, 0],
        arrays["univ_annot3"][valid == 1, 0],
        str(path),
    )
    return keypoints_px, joints_mm, frames

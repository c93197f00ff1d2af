"""Reads the arrays of MPI-INF-3DHP's MATLAB 7.3 files, which are HDF5.

HDF5 is a library in C, so this runs in a child process (`confined.call`). It
is a separate module because the process starts four times as fast without
SciPy.
"""

import numpy as np

from ampose_tf import hdf5

# Official sequences have at most 6,151.
_MOST_FRAMES = 100_000


def read(path: str) -> dict[str, np.ndarray]:
    """Returns the arrays of a sequence, by name; see `official_mpi_inf_3dhp`.

    Raises:
        ImportError: If `h5py` is not installed.
        OSError: If the file cannot be read.
        ValueError: If it is damaged, too large, or has other arrays.
    """
    import h5py

    with h5py.File(path) as file:
        return {
            name: _dataset(file, name, shape)
            for name, shape in (
                ("annot2", (1, 17, 2)),
                ("univ_annot3", (1, 17, 3)),
                ("valid_frame", (1,)),
            )
        }


def _dataset(file, name, shape):
    if not hdf5.has(file, name):
        raise ValueError(f"no array {name}; it contains {', '.join(file)}")
    dataset = hdf5.dataset(file, name)
    if dataset.shape[1:] != shape or dataset.ndim != len(shape) + 1:
        expected = ", ".join(map(str, shape))
        raise ValueError(
            f"expected {name} of shape (N, {expected}), got {dataset.shape}"
        )
    if dataset.dtype.kind not in "biuf":
        raise ValueError(f"expected numbers in {name}, got {dataset.dtype}")
    if len(dataset) > _MOST_FRAMES:
        raise ValueError(f"{len(dataset)} frames are too many")
    return hdf5.values(dataset)

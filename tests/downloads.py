"""Files in the layouts of official downloads, for tests."""

import h5py
import numpy as np
from cdflib import cdfwrite

# For each joint of the test set of MPI-INF-3DHP, Human3.6M's (task's table).
H36M_OF_3DHP = [10, 8, 14, 15, 16, 11, 12, 13, 1, 2, 3, 4, 5, 6, 0, 7, 9]


def write_cdf(path, pose, name="Pose"):
    """Writes one variable, whose first axis are the records."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = cdfwrite.CDF(path, delete=True)
    file.write_var(
        {
            "Variable": name,
            "Data_Type": file.CDF_FLOAT,
            "Num_Elements": 1,
            "Rec_Vary": True,
            "Dim_Sizes": list(pose.shape[1:]),
            "Var_Type": "zVariable",
            "Compress": 0,
        },
        var_data=pose.astype(np.float32),
    )
    file.close()


def write_recording(path, joints):
    """Writes (T, 32, 3) metres as Human3.6M's D3 positions."""
    write_cdf(path, 1000 * joints.reshape(1, len(joints), 96))


def annotations(keypoints_px, camera_joints, valid):
    """Returns the arrays of annot_data.mat.

    Args:
        keypoints_px: (N, 17, 2) in Human3.6M's order.
        camera_joints: (N, 17, 3) metres in Human3.6M's order.
        valid: (N,) 0 or 1.
    """
    joints_mm = 1000 * camera_joints[:, H36M_OF_3DHP]
    return {
        "annot2": keypoints_px[:, None, H36M_OF_3DHP],
        # The body as large as it is; the protocol does not want it.
        "annot3": 1.07 * joints_mm[:, None],
        "univ_annot3": joints_mm[:, None],
        "valid_frame": np.array(valid, float)[:, None],
        "activity_annotation": np.ones((len(joints_mm), 1)),
    }


def write_annotations(path, arrays):
    """Writes a MATLAB 7.3 file: HDF5 after 512 bytes of MATLAB's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            file[name] = array
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")

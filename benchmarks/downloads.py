r"""Writes generated motion in the layout of the official downloads.

    python -m benchmarks.downloads --output=downloads --frames=50

Creates downloads/human36m (CDF files, and detections named like CPN's) and
downloads/mpi_inf_3dhp_test_set (MATLAB files), for reproduce.sh and tests. The
file generated.txt marks them, and data prepared from them stays marked.
"""

import pathlib
import zlib

import h5py
import numpy as np
from absl import flags
from cdflib import cdfwrite

from ampose_tf import config
from ampose_tf.camera import Camera
from ampose_tf.data import human36m, mpi_inf_3dhp, synthetic

# Human3.6M's joint for each joint of MPI-INF-3DHP's test set: the inverse of
# the table of `conversion.MPI_INF_3DHP_17`.
H36M_OF_3DHP = [10, 8, 14, 15, 16, 11, 12, 13, 1, 2, 3, 4, 5, 6, 0, 7, 9]


def write_cdf(path, pose, name="Pose"):
    """Writes one variable whose first axis is the records."""
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
        # The body in its own size, which the protocol does not use.
        "annot3": 1.07 * joints_mm[:, None],
        "univ_annot3": joints_mm[:, None],
        "valid_frame": np.array(valid, float)[:, None],
        "activity_annotation": np.ones((len(joints_mm), 1)),
    }


def write_annotations(path, arrays):
    """Writes a MATLAB 7.3 file: HDF5 after MATLAB's header of 512 bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            file[name] = array
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


def write_human36m(source: pathlib.Path, frames: int, seed: int) -> None:
    """Writes the subjects' CDF files, and detections like VideoPose3D's."""
    detected = {}
    for subject in human36m.SUBJECTS:
        detected[subject] = {}
        for name in synthetic.sequence_names(subject):
            joints = synthetic.generate(subject, name, frames, seed)
            folder = source / subject / "MyPoseFeatures" / "D3_Positions"
            write_recording(folder / f"{name}.cdf", joints)
            random = np.random.default_rng(
                [seed, zlib.crc32(f"{subject}/{name}".encode())]
            )
            detected[subject][name] = [
                synthetic.detect(view, random)
                for view in human36m.project(subject, joints)
            ]
        print(f"{subject}: {len(detected[subject])} recordings", flush=True)
    human36m.write(source, None, {"cpn_ft_h36m_dbb": detected})


def write_mpi_inf_3dhp(source: pathlib.Path, frames: int, seed: int) -> None:
    """Writes the six sequences, in which every second frame is valid."""
    for index, (name, sequence) in enumerate(mpi_inf_3dhp.SEQUENCES.items()):
        width, height = sequence.image_size
        # These cameras have a wider view than Human3.6M's.
        camera = Camera(
            *sequence.image_size,
            (0.75 * width, 0.75 * width),
            (width / 2, height / 2),
        )
        subject = human36m.SUBJECTS[index]
        joints = synthetic.generate(subject, "Greeting", frames, seed + 1)
        world = joints[:, human36m.JOINTS_OF_32]
        view = human36m.cameras(subject)[index % 4]
        camera_joints = view.world_to_camera(world)
        valid = np.arange(frames) % 2
        write_annotations(
            source / name / "annot_data.mat",
            annotations(camera.project(camera_joints), camera_joints, valid),
        )
        print(f"{name}: {valid.sum()} valid frames", flush=True)


def define_flags(flag_values):
    flags.DEFINE_string(
        "output",
        None,
        "Output folder.",
        required=True,
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "frames",
        50,
        "Frames per recording.",
        lower_bound=2,
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "seed",
        0,
        "Random seed.",
        lower_bound=0,
        flag_values=flag_values,
    )


def main(options):
    output = pathlib.Path(options.output)
    for name, write in (
        ("human36m", write_human36m),
        ("mpi_inf_3dhp_test_set", write_mpi_inf_3dhp),
    ):
        folder = output / name
        folder.mkdir(parents=True, exist_ok=True)
        mark = folder / synthetic.MARK
        if any(folder.iterdir()) and not mark.exists():
            raise ValueError(
                f"{folder} holds other files; choose another --output"
            )
        mark.write_text("Generated motion: no person ever moved like this.\n")
        write(folder, options.frames, options.seed)


if __name__ == "__main__":
    config.run(main, define_flags)

"""`.trc`: marker trajectories for OpenSim and Pose2Sim.

The format is Motion Analysis' Track Row Column, in the form that OpenSim
documents ("Marker (.trc) Files").
"""

import pathlib

import numpy as np

from ampose_tf import reading
from ampose_tf.lifting.motion import Motion, frame_step
from ampose_tf.lifting.writers.axes import marker_name, y_up
from ampose_tf.lifting.writers.decimals import rows_of


def write(
    path: pathlib.Path, motion: Motion, track: int, positions: np.ndarray
) -> None:
    """Writes one person's joints as markers.

    Units are metres. y points upwards, as OpenSim expects, x to the camera's
    right and z towards the camera; see `floor.world_positions` for the origin.
    Markers are named after joints, with `_` instead of `/`; `RFoot` and
    `LFoot` are the ankles.

    `Frame#` counts the video's frames from 1, and `Time` is the time in the
    video in seconds. Frames without the person have no row, because blank
    markers or NaN would stop OpenSim's inverse kinematics.

    Args:
        path: Output path.
        motion: Motion with the person. If it has no frame rate,
            `motion.ASSUMED_FPS` is written.
        track: Index of the person.
        positions: (F, J, 3), the person's joints from
            `floor.world_positions`.
    """
    fps = motion.frame_rate
    frames = motion.tracks[track].frames
    positions = y_up(positions)
    names = [marker_name(joint) for joint in motion.skeleton.joints]
    rate = f"{fps / frame_step(frames):.9g}"
    header = {
        "DataRate": rate,
        "CameraRate": rate,
        "NumFrames": len(frames),
        "NumMarkers": len(names),
        "Units": "m",
        "OrigDataRate": f"{fps:.9g}",
        "OrigDataStartFrame": frames[0] + 1,
        "OrigNumFrames": len(frames),
    }
    axes = [f"{axis}{n + 1}" for n in range(len(names)) for axis in "XYZ"]
    lines = [
        ("PathFileType", "4", "(X/Y/Z)", reading.escaped(path.name)),
        header,
        map(str, header.values()),
        ("Frame#", "Time", *(cell for n in names for cell in (n, "", ""))),
        ("", "", *axes),
        (),
    ]
    rows = rows_of(positions.reshape(len(frames), -1), "\t")
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.writelines("\t".join(line) + "\n" for line in lines)
        for frame, row in zip(frames.tolist(), rows, strict=True):
            file.write(f"{frame + 1}\t{frame / fps:.6f}\t{row}\n")

"""`.csv`: positions and joint angles for spreadsheets and pandas."""

import itertools
import pathlib

import numpy as np

from ampose_tf.lifting.motion import Motion
from ampose_tf.lifting.writers.angles import ANGLES, angles_deg
from ampose_tf.lifting.writers.decimals import rows_of

POSITION_COLUMNS = (
    "track_id",
    "frame",
    "time_s",
    "joint",
    "x_m",
    "y_m",
    "z_m",
    "spread_m",
    "camera_x_m",
    "camera_y_m",
    "camera_z_m",
    "x_px",
    "y_px",
    "score",
    "seen",
)


def write_positions(path: pathlib.Path, motion: Motion) -> None:
    """Writes one row per person, frame and joint.

    This format suits filters, pivot tables and
    `pandas.read_csv(path).pivot(...)`. `x_m`, `y_m`, `z_m` are relative to the
    hip, `camera_x_m`, ... to the camera, both with x to the camera's right, y
    down and z forwards. `x_px` and `y_px` are the input file's pixels, even if
    the image size is assumed. Unknown values are empty: times without a frame
    rate, positions relative to the camera without a root. `seen` is 1 or 0.

    Args:
        path: Output path.
        motion: Motion to write.
    """
    joints = motion.skeleton.joints
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        print(*POSITION_COLUMNS, sep=",", file=file)
        for track in motion.tracks:
            absolute = np.full_like(track.poses_3d, np.nan)
            if track.root is not None:
                absolute = track.root[:, None] + track.poses_3d
            values = np.concatenate(
                [
                    track.poses_3d,
                    track.spread_m[..., None],
                    absolute,
                    track.keypoints_px + np.asarray(motion.image_corner),
                    track.scores[..., None],
                ],
                axis=-1,
            )
            # Six decimals: micrometres.
            rows = rows_of(values.reshape(-1, values.shape[-1]), ",")
            for (when, joint), row, seen in zip(
                itertools.product(_times(track, motion.fps), joints),
                rows,
                track.seen.ravel().astype(int).tolist(),
                strict=True,
            ):
                file.write(f"{when},{joint},{row},{seen}\n")


def write_angles(path: pathlib.Path, motion: Motion) -> None:
    """Writes one row per person and frame, with a column per joint angle.

    The names of these columns end in `_deg`; `angles` defines them. Times are
    empty if the frame rate is unknown.

    Args:
        path: Output path.
        motion: Motion to write.
    """
    columns = "track_id", "frame", "time_s", *(f"{n}_deg" for n in ANGLES)
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        print(*columns, sep=",", file=file)
        for track in motion.tracks:
            angles = angles_deg(track.poses_3d, motion.skeleton, motion.up)
            values = np.stack([angles[n] for n in ANGLES], axis=1)  # (F, N)
            for when, row in zip(
                _times(track, motion.fps),
                rows_of(values, ",", decimals=3),
                strict=True,
            ):
                file.write(f"{when},{row}\n")


def _times(track, fps):
    """Yields the first three cells of each frame."""
    for frame in track.frames.tolist():
        time = "" if fps is None else f"{frame / fps:.6f}"
        yield f"{track.track_id},{frame},{time}"

"""`.csv`: positions and joint angles for spreadsheets and pandas."""

import csv
import pathlib

import numpy as np

from ampose_tf.lifting.motion import Motion
from ampose_tf.lifting.writers.angles import ANGLES, angles_deg

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

    A column holds one kind of value, so that filters, pivot tables and
    `pandas.read_csv(path).pivot(...)` do the rest. `x_m`, `y_m`, `z_m` are
    relative to the hip, `camera_x_m`, ... to the camera, both with x to the
    camera's right, y down and z forwards. `x_px` and `y_px` are the file's
    pixels, also where the image is assumed. What is unknown is empty: time
    without a frame rate, places without a root. `seen` is 1 or 0.

    Args:
        path: Of the file.
        motion: To write.
    """
    with open(path, "w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(POSITION_COLUMNS)
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
            for index, frame in enumerate(track.frames):
                when = [track.track_id, frame, _time(frame, motion.fps)]
                for joint, name in enumerate(motion.skeleton.joints):
                    rows.writerow(
                        [
                            *when,
                            name,
                            *map(_text, values[index, joint]),
                            int(track.seen[index, joint]),
                        ]
                    )


def write_angles(path: pathlib.Path, motion: Motion) -> None:
    """Writes one row per person and frame, a column per joint angle.

    The columns end in `_deg`; `angles` defines them. Time is empty where the
    frame rate is unknown.

    Args:
        path: Of the file.
        motion: To write.
    """
    with open(path, "w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(
            [
                "track_id",
                "frame",
                "time_s",
                *(f"{name}_deg" for name in ANGLES),
            ]
        )
        for track in motion.tracks:
            angles = angles_deg(track.poses_3d, motion.skeleton, motion.up)
            values = np.stack([angles[n] for n in ANGLES], axis=1)  # (F, N)
            for frame, row in zip(track.frames, values, strict=True):
                rows.writerow(
                    [
                        track.track_id,
                        frame,
                        _time(frame, motion.fps),
                        *(f"{value:z.3f}" for value in row),
                    ]
                )


def _time(frame, fps):
    return "" if fps is None else f"{frame / fps:.6f}"


def _text(value):
    """Six decimals: micrometres."""
    return f"{value:z.6f}" if np.isfinite(value) else ""

"""What lifting a clip gives: people's poses over time, and what they mean."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ampose_tf.camera import SCREEN_NORMALISATIONS
from ampose_tf.lifting import untrusted
from ampose_tf.skeleton import H36M_17, Skeleton

# Of videos of which nobody says their frame rate.
ASSUMED_FPS = 30.0

# Upwards in the frame of a camera that is held level: y points down.
LEVEL = (0.0, -1.0, 0.0)

# From the sole to the ankle, which Human3.6M's skeleton calls the foot.
ANKLE_HEIGHT_M = 0.09


class LiftedTrack(NamedTuple):
    """One person in F frames, with the J joints of the motion's skeleton.

    Attributes:
        track_id: The person's number in the clip.
        frames: (F,) int64, the video's frame numbers from 0, increasing.
        poses_3d: (F, J, 3) float32 metres, camera frame (x right, y down, z
            forward), relative to the hip.
        keypoints_px: (F, J, 2) float32 pixels; of joints that were not seen,
            NaN or, as `Lifter` has them, made up by `completion`.
        scores: (F, J) float32, the detector's confidence.
        seen: (F, J) bool, whether the joint counts as detected.
        spread_m: (F, J) float32, see `ensemble_spread`; NaN without ensemble.
        root: (F, 3) float32 metres, the hip in the camera's frame; None
            where it was not estimated.
    """

    track_id: int
    frames: np.ndarray
    poses_3d: np.ndarray
    keypoints_px: np.ndarray
    scores: np.ndarray
    seen: np.ndarray
    spread_m: np.ndarray
    root: np.ndarray | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Motion:
    """All people of a clip.

    Made with arrays of any numeric type, it holds those that `LiftedTrack`
    names. A changed copy is `dataclasses.replace(motion, ...)`.

    Attributes:
        tracks: The people.
        image_size: (width, height) in pixels.
        fps: The video's frames per second; None where unknown. What shows
            times as facts leaves them out then; what cannot do without a
            rate takes `frame_rate`.
        skeleton: Of the J joints.
        notes: What was assumed or done on the way, a sentence each.
        up: Unit vector that points upwards in the camera's frame.
        normalisation: What the network's keypoints were divided by, see
            `camera.normalize_screen`.
        image_corner: (x, y) in the file's pixels where the image begins, to
            be added to `keypoints_px`: (0, 0) unless the image is assumed.
        provenance: What it was made of and how, by name, as `lift.py` records
            it: `input` and `model`, names of files, with the SHA-256 of each
            (`input_sha256`, `model_sha256`), `settings` and `version`.

    Raises:
        ValueError: If the fields contradict each other or hold values that
            mean nothing.
    """

    tracks: tuple[LiftedTrack, ...]
    image_size: tuple[int, int]
    fps: float | None = None
    skeleton: Skeleton = H36M_17
    notes: tuple[str, ...] = ()
    up: tuple[float, float, float] = LEVEL
    normalisation: str = "longest"
    image_corner: tuple[float, float] = (0.0, 0.0)
    provenance: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        joints = len(self.skeleton.joints)
        tracks = tuple(_checked(track, joints) for track in self.tracks)
        identities = [track.track_id for track in tracks]
        if len(set(identities)) < len(identities):
            raise ValueError(f"Expected different track ids, got {identities}")
        if self.fps is not None and not 0 < self.fps < np.inf:
            raise ValueError(f"Expected frames per second, got {self.fps}")
        if len(self.image_size) != 2 or not min(self.image_size) > 0:
            raise ValueError(
                f"Expected an image's width and height, got {self.image_size}"
            )
        if np.shape(self.up) != (3,) or not np.isclose(
            np.linalg.norm(self.up), 1, atol=1e-5
        ):
            raise ValueError(f"Expected a unit vector upwards, got {self.up}")
        if self.normalisation not in SCREEN_NORMALISATIONS:
            raise ValueError(
                f"Unknown screen normalisation {self.normalisation!r}"
            )
        if (
            np.shape(self.image_corner) != (2,)
            or not np.isfinite(self.image_corner).all()
        ):
            raise ValueError(
                f"Expected an image's corner, got {self.image_corner}"
            )
        provenance = dict(self.provenance)
        if not all(
            isinstance(v, str) for pair in provenance.items() for v in pair
        ):
            raise ValueError(
                f"Expected text by its name as provenance, got {provenance}"
            )
        # The way to set a field of a frozen dataclass.
        object.__setattr__(self, "tracks", tracks)
        object.__setattr__(self, "notes", tuple(self.notes))
        object.__setattr__(self, "provenance", provenance)
        for name in ("up", "image_corner"):
            floats = tuple(float(value) for value in getattr(self, name))
            object.__setattr__(self, name, floats)

    @property
    def frame_rate(self) -> float:
        """Frames per second, `ASSUMED_FPS` where they are unknown."""
        return ASSUMED_FPS if self.fps is None else float(self.fps)

    def noted(self, note: str, **changes) -> "Motion":
        """Returns a copy with fields changed and one more note."""
        return dataclasses.replace(self, notes=(*self.notes, note), **changes)

    def save(
        self, path: str | os.PathLike, overwrite: bool = False
    ) -> tuple[pathlib.Path, ...]:
        """Writes the motion in the format that the path's ending names.

        * `.npz`, `.json`: everything, self-describing (`results`).
        * `.csv`: one row per person, frame and joint (`writers.tables`).
        * `_angles.csv`: joint angles, one row per person and frame
          (`writers.angles`).
        * `.trc`: markers for OpenSim (`writers.trc`), `.bvh`: an animated
          skeleton (`writers.bvh`); one file per person, of several with
          `_<track id>` after the stem.
        * `.html`: a viewer in one file (`viewers.web`); `.png`: some frames
          (`viewers.sheet`); `.gif`, `.mp4`: all of them, 2D beside 3D
          (`viewers.animation`).

        Args:
            path: Missing folders are made.
            overwrite: Whether files that exist are replaced.

        Returns:
            The paths of the files written: all of them, or none on failure.

        Raises:
            OSError: Where a file exists or cannot be written.
            ValueError: Where the ending is unknown, or the format needs what
                the motion lacks.
        """
        # The writers need the types above.
        from ampose_tf.lifting import saving

        return saving.save(self, [path], overwrite)


def ensemble_spread(single: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """Returns how far the flip ensemble's members are from their mean.

    Half the distance between what the network makes of an image and of its
    mirror image. It says nothing of what the network gets wrong both ways: a
    weak sign of the error, and no bound.

    Args:
        single: (..., J, 3) metres, the prediction.
        mirrored: (..., J, 3) metres, of the mirror image, mirrored back.

    Returns:
        (..., J) float32 metres.
    """
    distance = np.linalg.norm(single - mirrored, axis=-1)
    return (distance / 2).astype(np.float32)


def frame_step(frames: np.ndarray) -> int:
    """Returns the largest step between frame numbers that meets them all."""
    return int(np.gcd.reduce(np.diff(frames))) if len(frames) > 1 else 1


def check_gaps(path: pathlib.Path, written: int, there: int) -> None:
    """Checks that a file with every frame of a clip is not made of gaps.

    Args:
        path: Path of the file, for the message.
        written: Frames that it would have.
        there: Those with people in them.

    Raises:
        ValueError: If nearly all are gaps, and more than an hour's.
    """
    if written > max(untrusted.SPARSE * there, untrusted.HOUR):
        raise ValueError(
            f"{path.name}: {path.suffix} has every frame, and of {written} "
            f"there are people in {there}; .npz and .html leave frames out"
        )


def _checked(track, joints):
    """Returns the track with the types that `LiftedTrack` names."""
    frames = np.asarray(track.frames)
    if frames.ndim != 1 or not len(frames) or frames.dtype.kind not in "iu":
        raise ValueError(
            f"track {track.track_id}: expected frame numbers (F,), F > 0, "
            f"got {frames.dtype} of shape {frames.shape}"
        )
    frames = frames.astype(np.int64)
    if frames[0] < 0 or not (np.diff(frames) > 0).all():
        raise ValueError(
            f"track {track.track_id}: expected increasing frame numbers"
        )
    count = len(frames)
    arrays = {"frames": frames}
    for name, shape, dtype in (
        ("poses_3d", (count, joints, 3), np.float32),
        ("keypoints_px", (count, joints, 2), np.float32),
        ("scores", (count, joints), np.float32),
        ("seen", (count, joints), bool),
        ("spread_m", (count, joints), np.float32),
        ("root", (count, 3), np.float32),
    ):
        array = getattr(track, name)
        if name == "root" and array is None:
            continue
        if np.shape(array) != shape:
            raise ValueError(
                f"track {track.track_id}: expected {name} of shape {shape}, "
                f"got {np.shape(array)}"
            )
        arrays[name] = np.asarray(array, dtype)
    for name in ("poses_3d", "scores", "root"):
        if name in arrays and not np.isfinite(arrays[name]).all():
            raise ValueError(
                f"track {track.track_id}: {name} holds NaN or infinite values"
            )
    if not np.isfinite(arrays["keypoints_px"][arrays["seen"]]).all():
        raise ValueError(
            f"track {track.track_id}: keypoints_px of seen joints hold NaN "
            "or infinite values"
        )
    return track._replace(**arrays)

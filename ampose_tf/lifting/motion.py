"""`Motion`: the 3D poses of people over time, the result of lifting a clip."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ampose_tf.camera import SCREEN_NORMALISATIONS
from ampose_tf.lifting import untrusted
from ampose_tf.skeleton import H36M_17, Skeleton

# For videos of unknown frame rate.
ASSUMED_FPS = 30.0

# The up direction in the frame of a level camera, whose y points down.
LEVEL = (0.0, -1.0, 0.0)

# From the sole to the ankle, which Human3.6M's skeleton calls the foot.
ANKLE_HEIGHT_M = 0.09


class LiftedTrack(NamedTuple):
    """One person in F frames, with the J joints of the motion's skeleton.

    Attributes:
        track_id: The person's id in the clip.
        frames: (F,) int64, frame numbers of the video from 0, increasing.
        poses_3d: (F, J, 3) float32 metres, camera frame (x right, y down, z
            forward), relative to the hip.
        keypoints_px: (F, J, 2) float32 pixels. Joints that were not seen are
            NaN, or filled in by `completion` if a `Lifter` returned the track.
        scores: (F, J) float32, the detector's confidence.
        seen: (F, J) bool, whether the joint counts as seen.
        spread_m: (F, J) float32 metres, see `ensemble_spread`; NaN without
            the flip ensemble.
        root: (F, 3) float32 metres, the hip in the camera's frame; None if it
            was not estimated.
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
    """The lifted people of a clip.

    Arrays of any numeric type are converted to the types of `LiftedTrack`.
    Use `dataclasses.replace(motion, ...)` to make a changed copy.

    Attributes:
        tracks: The people.
        image_size: (width, height) in pixels.
        fps: Frames per second of the video; None if unknown. Viewers then
            show no times; functions that need a rate use `frame_rate`.
        skeleton: Skeleton of the J joints.
        notes: What was assumed or done, one sentence each.
        up: Unit vector that points upwards in the camera's frame.
        normalisation: Image side by which keypoints were divided for the
            network, see `camera.normalize_screen`.
        image_corner: (x, y) of the image's upper left corner in the pixels of
            the keypoint file, to be added to `keypoints_px`: (0, 0) unless
            the image is assumed.
        provenance: What the motion was made from, as recorded by `lift.py`:
            `input` and `model`, the names of files, with the SHA-256 of each
            (`input_sha256`, `model_sha256`), `settings` and `version`.

    Raises:
        ValueError: If the fields contradict each other or contain invalid
            values.
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
            raise ValueError(f"Expected unique track ids, got {identities}")
        if self.fps is not None and not 0 < self.fps < np.inf:
            raise ValueError(
                f"Expected frames per second above 0, got {self.fps}"
            )
        if len(self.image_size) != 2 or not min(self.image_size) > 0:
            raise ValueError(
                "Expected image_size to be a width and height above 0, got "
                f"{self.image_size}"
            )
        if np.shape(self.up) != (3,) or not np.isclose(
            np.linalg.norm(self.up), 1, atol=1e-5
        ):
            raise ValueError(f"Expected up to be a unit vector, got {self.up}")
        if self.normalisation not in SCREEN_NORMALISATIONS:
            raise ValueError(
                f"Unknown screen normalisation {self.normalisation!r}"
            )
        if (
            np.shape(self.image_corner) != (2,)
            or not np.isfinite(self.image_corner).all()
        ):
            raise ValueError(
                "Expected image_corner to be finite (x, y), got "
                f"{self.image_corner}"
            )
        provenance = dict(self.provenance)
        if not all(
            isinstance(v, str) for pair in provenance.items() for v in pair
        ):
            raise ValueError(
                "Expected provenance to be a dict of strings, got "
                f"{provenance}"
            )
        # This is how fields of a frozen dataclass are set.
        object.__setattr__(self, "tracks", tracks)
        object.__setattr__(self, "notes", tuple(self.notes))
        object.__setattr__(self, "provenance", provenance)
        for name in ("up", "image_corner"):
            floats = tuple(float(value) for value in getattr(self, name))
            object.__setattr__(self, name, floats)

    @property
    def frame_rate(self) -> float:
        """Frames per second, `ASSUMED_FPS` if unknown."""
        return ASSUMED_FPS if self.fps is None else float(self.fps)

    def noted(self, note: str, **changes) -> "Motion":
        """Returns a copy with fields changed and one more note."""
        return dataclasses.replace(self, notes=(*self.notes, note), **changes)

    def save(
        self, path: str | os.PathLike, overwrite: bool = False
    ) -> tuple[pathlib.Path, ...]:
        """Writes the motion in the format given by the path's extension.

        * `.npz`, `.json`: everything, self-describing (`results`).
        * `.csv`: one row per person, frame and joint (`writers.tables`).
        * `_angles.csv`: joint angles, one row per person and frame
          (`writers.angles`).
        * `.trc`: markers for OpenSim (`writers.trc`).
        * `.bvh`: an animated skeleton (`writers.bvh`).
        * `.html`: an interactive viewer in one file (`viewers.web`).
        * `.png`: a selection of frames, 2D and 3D (`viewers.sheet`).
        * `.gif`, `.mp4`: an animation, 2D beside 3D (`viewers.animation`).

        `.trc` and `.bvh` files contain one person each: several people are
        written to several files, with `_<track id>` after the stem.

        Args:
            path: Output path. Missing folders are created.
            overwrite: Whether to replace existing files.

        Returns:
            Paths of the written files. Either all files are written or none.

        Raises:
            OSError: If a file exists or cannot be written.
            ValueError: If the extension is unknown, or the motion lacks data
                that the format requires.
        """
        # The writers need the types above.
        from ampose_tf.lifting import saving

        return saving.save(self, [path], overwrite)


def ensemble_spread(single: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """Returns how much the two predictions of the flip ensemble disagree.

    This is half the distance between the predictions for an image and for its
    mirror image. It is a weak indicator of the error and no bound: an error
    that both predictions share is not included.

    Args:
        single: (..., J, 3) metres, the prediction.
        mirrored: (..., J, 3) metres, the prediction for the mirror image,
            mirrored back.

    Returns:
        (..., J) float32 metres.
    """
    distance = np.linalg.norm(single - mirrored, axis=-1)
    return (distance / 2).astype(np.float32)


def frame_step(frames: np.ndarray) -> int:
    """Returns the greatest common divisor of the steps between frames."""
    return int(np.gcd.reduce(np.diff(frames))) if len(frames) > 1 else 1


def check_gaps(path: pathlib.Path, written: int, there: int) -> None:
    """Checks that a file with every frame of a clip is not mostly gaps.

    Args:
        path: Path of the file, for the message.
        written: Number of frames that the file would have.
        there: Number of frames with people in them.

    Raises:
        ValueError: If the file would be longer than an hour and nearly all of
            its frames would be gaps.
    """
    if written > max(untrusted.SPARSE * there, untrusted.HOUR):
        raise ValueError(
            f"{path.name}: {path.suffix} stores every frame, but of {written} "
            f"frames only {there} have people in them; use .npz or .html, "
            "which leave empty frames out"
        )


def _checked(track, joints):
    """Checks a track; returns it with the types that `LiftedTrack` states."""
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
                f"track {track.track_id}: {name} contains NaN or infinity"
            )
    if not np.isfinite(arrays["keypoints_px"][arrays["seen"]]).all():
        raise ValueError(
            f"track {track.track_id}: keypoints_px of seen joints contain NaN "
            "or infinity"
        )
    return track._replace(**arrays)

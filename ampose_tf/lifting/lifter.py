"""`Lifter`: lifts 2D keypoints from any detector to motion in 3D."""

import functools
import os
from collections.abc import Iterable, Iterator

import numpy as np

from ampose_tf import progress, weights
from ampose_tf.camera import Camera, normalize_screen
from ampose_tf.conversion import SEEN_SCORE, Conversion
from ampose_tf.lifting import (
    completion,
    doctor,
    floor,
    formats,
    root,
    untrusted,
)
from ampose_tf.lifting.keypoints import (
    PERSON_SCORE,
    Keypoints,
    Track,
    assumed_image_size,
    check_score,
    is_seen,
    skeleton_of,
    to_h36m,
)
from ampose_tf.lifting.motion import (
    ASSUMED_FPS,
    LEVEL,
    LiftedTrack,
    Motion,
    ensemble_spread,
)
from ampose_tf.lifting.predictor import load_predictor
from ampose_tf.lifting.schema import MAX_METRES
from ampose_tf.lifting.smoothing import (
    METHODS,
    Butterworth,
    MotionStream,
    OneEuro,
    smooth,
)
from ampose_tf.skeleton import H36M_17, flip_ensemble

# Used if neither the file nor the caller gives the frame rate.
_FPS_NOTE = (
    f"The frame rate is unknown: {ASSUMED_FPS:g} frames per second are "
    "assumed where one is needed; give it if you know it."
)
# The square around a person shrinks with their distance, so a field of view
# along its side would always give the same distance.
_ROOT_NOTE = (
    "The people's positions in space are not estimated, because their "
    "distance cannot be derived without the image size; give it, or the "
    "camera's intrinsics."
)

# For a `.keras` file or SavedModel. As fast as any other size on two
# processors; a larger batch does not fit into their caches.
_BATCH_SIZE = 64


class Lifter:
    """Lifts clips with one model.

    Settings shared by all clips go to the constructor, and settings of a
    single clip to the call:

        lifter = ampose_tf.lifting.Lifter(smooth="butterworth")
        motion = lifter("clip.json", image_size=(1920, 1080), fps=25)
        motion.save("clip.bvh")

    LiteRT runs `.tflite` files, including the released models, without
    TensorFlow and Keras. Several threads may use one lifter at the same time.

    Args:
        model: Name of a released model, `ampose_s` or `ampose_t`, whose
            float32 `.tflite` file is used; or a path, see `load_predictor`.
        seen_score: Lowest score of a joint that counts as seen.
        person_score: People with a lower overall score are left out.
        flip_ensemble: Whether to average the predictions for each image and
            its mirror image. This improves the poses by some millimetres,
            takes twice the time and provides `spread_m`, which is NaN
            otherwise.
        smooth: `"one_euro"`, `"butterworth"`, or an instance of one of these
            filters, see `smoothing`. By default, None, frames are
            independent.
        threads: Number of threads for a `.tflite` file; None for the number
            of cores. It does not change the poses.
        trust_model: See `load_predictor`.

    Raises:
        OSError: If the model does not exist.
        ValueError: If the file is not a model, or an argument is out of
            range.
    """

    def __init__(
        self,
        model: str | os.PathLike = "ampose_s",
        *,
        seen_score: float = SEEN_SCORE,
        person_score: float = PERSON_SCORE,
        flip_ensemble: bool = True,
        smooth: str | OneEuro | Butterworth | None = None,
        threads: int | None = None,
        trust_model: bool = False,
    ):
        check_score(seen_score, "seen_score")
        check_score(person_score, "person_score")
        if isinstance(smooth, str):
            if smooth not in METHODS:
                raise ValueError(
                    f"smooth: expected one of {', '.join(METHODS)}, got "
                    f"{smooth!r}"
                )
            smooth = METHODS[smooth]
        self._model = model
        self._seen_score = seen_score
        self._person_score = person_score
        self._flip_ensemble = flip_ensemble
        self._smooth = smooth
        self._predict = load_predictor(
            weights.LIFTING.get(model, model),
            _BATCH_SIZE,
            threads,
            trust_model,
        )
        self._joints = [
            H36M_17.joints.index(joint)
            for joint in self._predict.skeleton.joints
        ]

    def __call__(
        self,
        keypoints: str | os.PathLike | np.ndarray | Keypoints,
        *,
        image_size: tuple[int, int] | None = None,
        fps: float | None = None,
        format: str | None = None,
        skeleton: str | os.PathLike | Conversion | None = None,
        frames: str | None = None,
        field_of_view_deg: float | None = None,
        intrinsics: tuple[float, float, float, float] | None = None,
        height_m: float | None = None,
        up: tuple[float, float, float] | str = LEVEL,
    ) -> Motion:
        """Lifts the people of a clip.

        A person's track contains the frames in which at least one joint is
        seen. Unseen joints in these frames are filled in by `completion`; a
        model with the input `seen` ignores them. The motion's notes list
        every assumption, and the problems that the `doctor` finds in the
        keypoints.

        Args:
            keypoints: A file, a folder or `-`, see `formats.read`; or an
                array (T, 17, 2) of pixels, or (T, 17, 3) with scores, in the
                order of COCO or Human3.6M, see `formats.read_array`; or
                `Keypoints`.
            image_size: (width, height) in pixels; overrides the file's. If
                unknown, the square around all people, enlarged by 25 %, is
                assumed, and `root` is None unless `intrinsics` are given.
            fps: Frames per second of the video; overrides the file's. If
                unknown, the motion's `fps` is None, and 30 are assumed where
                a rate is needed.
            format: See `formats.read`.
            skeleton: Skeleton of the joints, see `keypoints.skeleton_of`;
                None to detect it.
            frames: See `formats.read`.
            field_of_view_deg: Field of view of the camera along the image's
                longer side; requires the image size. By default
                `root.FIELD_OF_VIEW_DEG`, unless `intrinsics` are given.
            intrinsics: (fx, fy, cx, cy) of the camera in pixels.
            height_m: See `root.scale`.
            up: See `floor.align`.

        Returns:
            Motion of at least one person.

        Raises:
            OSError: If the file cannot be read.
            ValueError: If the keypoints or an argument are invalid.
        """
        skeleton = skeleton_of(skeleton)
        clip = self._read(keypoints, image_size, format, skeleton, frames)
        notes = list(clip.notes)
        notes += [
            f"Looks wrong ({finding.certainty}): {finding.sentence}."
            for finding in doctor.examine(
                clip, skeleton, fps=fps, seen_score=self._seen_score
            )
        ]
        size, corner = clip.image_size, (0.0, 0.0)
        if size is None:
            if field_of_view_deg is not None and intrinsics is None:
                raise ValueError(
                    f"{_name(keypoints)}: a field of view requires the image "
                    "size; give --image_size=WIDTHxHEIGHT, in Python "
                    "image_size, or the camera's intrinsics"
                )
            size, corner = assumed_image_size(clip)
            notes.append(
                "The image size is unknown or not the same for all images: a "
                f"square of {size[0]} pixels around the people is assumed, "
                f"with its upper left corner at ({corner[0]:.0f}, "
                f"{corner[1]:.0f}); give the size if you know it."
            )
        fps = clip.fps if fps is None else untrusted.frame_rate(fps, "fps")
        if fps is None:
            notes.append(_FPS_NOTE)
        converted = to_h36m(clip, skeleton, self._seen_score)
        tracks = self._lift(converted.tracks, size, corner)
        if not tracks:
            raise ValueError(
                f"{_name(keypoints)}: no person has a joint with a score of "
                f"at least {self._seen_score:g}"
            )
        motion = self._motion(tracks, size, corner, fps, notes)
        camera = _camera(size, corner, field_of_view_deg, intrinsics)
        if camera is not None or clip.image_size is not None:
            motion = root.place(motion, camera, height_m)
        else:
            if height_m is not None:
                motion = root.scale(motion, height_m)
            motion = motion.noted(_ROOT_NOTE)
        if self._smooth is not None:
            motion = smooth(motion, self._smooth)
        return floor.align(motion, up)

    def stream(
        self,
        lines: Iterable[str | bytes],
        image_size: tuple[int, int],
        *,
        fps: float | None = None,
        format: str | None = None,
        skeleton: str | os.PathLike | Conversion | None = None,
        field_of_view_deg: float | None = None,
        intrinsics: tuple[float, float, float, float] | None = None,
        height_m: float | None = None,
    ) -> Iterator[tuple[int, Motion]]:
        """Lifts frames as they arrive, in constant memory.

        Each frame is lifted and placed independently. The One-Euro filter is
        the only one that works on streams.

        Args:
            lines: JSON lines, see `formats.stream`.
            image_size: (width, height) in pixels; required, since it cannot
                be estimated from a stream.
            fps: Frames per second; only `smooth` uses it.
            format: As for a clip.
            skeleton: As for a clip.
            field_of_view_deg: As for a clip.
            intrinsics: As for a clip.
            height_m: As for a clip; each frame is scaled independently.

        Yields:
            The frame number and the motion of that frame, which may have no
            people. Its notes list what the reader newly assumed, left out or
            did not read.

        Raises:
            ValueError: If an argument or a line is invalid; the message says
                which.
        """
        size = formats.checked_image_size(image_size)
        if self._smooth is not None and not isinstance(self._smooth, OneEuro):
            raise ValueError(
                f"{type(self._smooth).__name__} needs the whole clip; use "
                "one_euro for a stream"
            )
        skeleton = skeleton_of(skeleton)
        notes, corner = [], (0.0, 0.0)
        if fps is not None:
            fps = untrusted.frame_rate(fps, "fps")
        elif self._smooth is not None:
            notes.append(_FPS_NOTE)
        camera = _camera(size, corner, field_of_view_deg, intrinsics)
        smoothed = self._smooth and MotionStream(self._smooth)
        for frame in formats.stream(
            lines, size, format, skeleton, self._person_score
        ):
            people = _people(frame, skeleton, self._seen_score)
            tracks = self._lift(people, size, corner)
            own = [*notes, *frame.notes]
            motion = self._motion(tracks, size, corner, fps, own)
            motion = root.place(motion, camera, height_m)
            if smoothed:
                motion = smoothed(motion, frame.index)
            yield frame.index, motion

    def _read(self, keypoints, image_size, format, skeleton, frames):
        if isinstance(keypoints, Keypoints):
            if image_size is not None:
                image_size = untrusted.image_size(image_size, "image_size")
                keypoints = keypoints._replace(image_size=image_size)
            return keypoints
        if isinstance(keypoints, np.ndarray):
            return formats.read_array(
                keypoints,
                image_size,
                format,
                skeleton,
                person_score=self._person_score,
            )
        return formats.read(
            keypoints,
            image_size,
            format,
            skeleton,
            frames=frames,
            person_score=self._person_score,
        )

    def _motion(self, tracks, size, corner, fps, notes):
        notes = list(notes)
        unseen = sum((~track.seen).sum() for track in tracks)
        if unseen:
            count = sum(track.seen.size for track in tracks)
            notes.append(
                f"{unseen} of {count} joints were not seen, with scores below "
                f"{self._seen_score:g}."
            )
        return Motion(
            tracks,
            size,
            fps,
            self._predict.skeleton,
            notes,
            normalisation=self._predict.normalisation,
            image_corner=corner,
        )

    def _lift(self, tracks, size, corner) -> tuple[LiftedTrack, ...]:
        """Lifts tracks in Human3.6M's order, in one call."""
        people = [self._completed(track) for track in tracks]
        people = [(track, seen) for track, seen in people if len(track.frames)]
        if not people:
            return ()
        pixels = np.concatenate([track.pixels for track, _ in people])
        pixels = pixels - np.asarray(corner, np.float32)
        seen = np.concatenate([seen for _, seen in people])
        keypoints_2d = normalize_screen(
            pixels, size, self._predict.normalisation
        )
        calls = len(pixels) * (2 if self._flip_ensemble else 1)
        with progress.bar(calls, "pose") as lifted:
            predict = functools.partial(self._predict, progress=lifted)
            if self._flip_ensemble:
                single, mirrored, poses_3d = flip_ensemble(
                    predict, keypoints_2d, self._predict.skeleton, seen
                )
                spread_m = ensemble_spread(single, mirrored)
            else:
                poses_3d = predict(keypoints_2d, seen)
                spread_m = np.full(seen.shape, np.nan, np.float32)
        # The comparison is also False for NaN.
        if not (np.abs(poses_3d) <= MAX_METRES).all():
            raise ValueError(
                f"{self._model}: the predicted poses contain NaN or values "
                f"beyond {MAX_METRES:g} m"
            )
        ends = np.cumsum([len(track.frames) for track, _ in people])[:-1]
        parts = [
            np.split(array, ends)
            for array in (poses_3d, pixels, seen, spread_m)
        ]
        return tuple(
            LiftedTrack(
                track.track_id,
                track.frames,
                poses_3d,
                keypoints_px,
                track.scores,
                seen,
                spread_m,
            )
            for (track, _), poses_3d, keypoints_px, seen, spread_m in zip(
                people, *parts, strict=True
            )
        )

    def _completed(self, track: Track) -> tuple[Track, np.ndarray]:
        """Returns the frames with a seen joint, completed, and `seen`."""
        seen = is_seen(track.scores, self._seen_score)
        present = seen[:, self._joints].any(axis=1)
        seen, frames = seen[present], track.frames[present]
        pixels = track.pixels[present]
        if not seen.all():
            pixels = completion.complete(pixels, seen, frames)
        track = Track(
            track.track_id,
            frames,
            pixels[:, self._joints],
            track.scores[present][:, self._joints],
        )
        return track, seen[:, self._joints]


def _name(keypoints):
    if isinstance(keypoints, (str, os.PathLike)):
        return keypoints
    return "the keypoints"


def _people(frame, skeleton, seen_score):
    """Returns the people in a frame of a stream, in Human3.6M's order."""
    if not len(frame.track_ids):
        return ()
    index = np.array([frame.index])
    tracks = tuple(
        Track(int(track_id), index, pixels[None], scores[None])
        for track_id, pixels, scores in zip(
            frame.track_ids, frame.pixels, frame.scores, strict=True
        )
    )
    clip = Keypoints(frame.skeleton, None, None, frame.index + 1, tracks)
    return to_h36m(clip, skeleton, seen_score).tracks


def _camera(size, corner, field_of_view_deg, intrinsics):
    """Returns the camera that the arguments describe, or None."""
    if intrinsics is None:
        if field_of_view_deg is None:
            return None
        return root.camera_of(size, field_of_view_deg)
    if field_of_view_deg is not None:
        raise ValueError("give either a field of view or intrinsics, not both")
    fx, fy, cx, cy = root.checked_intrinsics(intrinsics)
    return Camera(*size, (fx, fy), (cx - corner[0], cy - corner[1]))

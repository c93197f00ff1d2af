"""`Lifter`: keypoints of any tool in, people's motion in 3D out."""

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

# Where neither the file nor the user says it.
_FPS_NOTE = (
    f"The frame rate is not known: {ASSUMED_FPS:g} frames per second are "
    "assumed where one is needed; give it where you know it."
)
# A square around somebody is twice as small at twice the distance, and so no
# camera's image: a field of view along it would cancel the distance.
_ROOT_NOTE = (
    "Where people stand is not estimated: without the image's size, nothing "
    "says how far away they are; give it, or the camera's intrinsics."
)

# Of a `.keras` or SavedModel, as fast as any on two processors: a larger
# batch leaves their caches.
_BATCH_SIZE = 64


class Lifter:
    """Lifts clip after clip with one model.

    What holds for every clip is said here, what belongs to one clip when it
    is lifted:

        lifter = ampose_tf.lifting.Lifter(smooth="butterworth")
        motion = lifter("clip.json", image_size=(1920, 1080), fps=25)
        motion.save("clip.bvh")

    A `.tflite` file, as the released models are, is run by LiteRT, without
    TensorFlow and Keras. A lifter may be used by several threads at once.

    Args:
        model: The name of a released model, `ampose_s` or `ampose_t`, which
            means its float32 `.tflite`; or a file, see `load_predictor`.
        seen_score: A joint counts as seen from this score on.
        person_score: People are left out if their score, of the whole person,
            is lower.
        flip_ensemble: Whether to average what the network makes of each image
            and of its mirror image: better by some millimetres at twice the
            time, and the source of `spread_m`, which is NaN without.
        smooth: `"one_euro"`, `"butterworth"`, or one of these filters with
            settings of one's own, see `smoothing`; None leaves every frame
            by itself.
        threads: Threads that a `.tflite` file is run in; None for as many as
            there are cores. Poses do not depend on it.
        trust_model: See `load_predictor`.

    Raises:
        OSError: If there is no model.
        ValueError: If it is not a model, or an argument is out of its range.
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

        Frames in which no joint of a person is seen are left out of that
        person's track. Other joints that were not seen are placed in 2D by
        `completion`; a model with the input `seen` does not look at them.
        What was assumed is among the motion's notes, and so is what the
        `doctor` finds wrong with the keypoints.

        Args:
            keypoints: What `formats.read` takes: a file, a folder, or `-`;
                or an array (T, 17, 2) of pixels, with scores (T, 17, 3), in
                the order of COCO or Human3.6M, as a `.npy` may hold; or
                `Keypoints`.
            image_size: (width, height) in pixels, which beats the file's.
                Where the file does not say it either, the square around
                everybody is assumed, enlarged by 25 %, and nobody has a
                `root` unless there are `intrinsics`.
            fps: The video's frames per second, which beats the file's. Where
                neither says it, the motion's is None, and 30 are assumed
                where one is needed.
            format: See `formats.read`.
            skeleton: Of the joints, see `keypoints.skeleton_of`; None to
                recognise it.
            frames: See `formats.read`.
            field_of_view_deg: Of the camera along the image's longer side;
                `root.FIELD_OF_VIEW_DEG` where neither this nor `intrinsics`
                is given. It needs the image's size.
            intrinsics: (fx, fy, cx, cy) of the camera in pixels.
            height_m: See `root.scale`.
            up: See `floor.align`.

        Returns:
            Of at least one person.

        Raises:
            OSError: Where the file cannot be read.
            ValueError: Where the keypoints or an argument are not what they
                should be.
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
                    f"{_name(keypoints)}: a field of view needs the image's "
                    "size; give --image_size=WIDTHxHEIGHT, in Python "
                    "image_size, or the camera's intrinsics"
                )
            size, corner = assumed_image_size(clip)
            notes.append(
                "The image's size is not known, or not one: a square of "
                f"{size[0]} pixels around the people is assumed, from "
                f"({corner[0]:.0f}, {corner[1]:.0f}) on; give it where you "
                "know it."
            )
        fps = clip.fps if fps is None else untrusted.frame_rate(fps, "fps")
        if fps is None:
            notes.append(_FPS_NOTE)
        converted = to_h36m(clip, skeleton, self._seen_score)
        tracks = self._lift(converted.tracks, size, corner)
        if not tracks:
            raise ValueError(
                f"{_name(keypoints)}: nobody has a joint with a score of "
                f"{self._seen_score:g}"
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
        """Lifts frame by frame, as they come, in constant memory.

        Each frame is lifted and placed by itself; of the filters, only
        One-Euro's serves a stream.

        Args:
            lines: JSON lines, see `formats.stream`.
            image_size: As of a clip; a stream has no extents to guess it by.
            fps: As of a clip; nothing but `smooth` needs it.
            format: As of a clip.
            skeleton: As of a clip.
            field_of_view_deg: As of a clip.
            intrinsics: As of a clip.
            height_m: As of a clip, and by it every frame is scaled alone.

        Yields:
            The frame's number, and the motion of that frame, without people
            if there are none. Its notes have what the reader assumed, left
            out or did not read and has not said before.

        Raises:
            ValueError: Where an argument is wrong, or a line; it says which.
        """
        size = formats.checked_image_size(image_size)
        if self._smooth is not None and not isinstance(self._smooth, OneEuro):
            raise ValueError(
                f"{type(self._smooth).__name__} needs the whole clip; a "
                "stream is smoothed by one_euro"
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
        """Lifts tracks in Human3.6M's order, all in one go."""
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
        # NaN is in no range.
        if not (np.abs(poses_3d) <= MAX_METRES).all():
            raise ValueError(
                f"{self._model}: its poses hold NaN or values beyond "
                f"{MAX_METRES:g} m"
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
        """Returns the model's joints in frames where one is seen, and seen."""
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
    """Returns everybody in a frame of a stream, in Human3.6M's order."""
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
    """Returns the camera that the user describes, or None."""
    if intrinsics is None:
        if field_of_view_deg is None:
            return None
        return root.camera_of(size, field_of_view_deg)
    if field_of_view_deg is not None:
        raise ValueError(
            "expected a field of view or intrinsics, got both; these say more"
        )
    fx, fy, cx, cy = root.checked_intrinsics(intrinsics)
    return Camera(*size, (fx, fy), (cx - corner[0], cy - corner[1]))

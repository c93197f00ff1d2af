"""Real detections, lifted as users lift theirs."""

from typing import NamedTuple

import numpy as np

from ampose_tf.camera import normalize_screen
from ampose_tf.conversion import SEEN_SCORE
from ampose_tf.lifting import Lifter, completion
from ampose_tf.lifting.keypoints import (
    SKELETONS,
    Keypoints,
    Track,
    is_seen,
    to_h36m,
)
from ampose_tf.lifting.motion import LiftedTrack, Motion, ensemble_spread
from ampose_tf.skeleton import flip_ensemble
from benchmarks.detections import NAMES, Detections, from_hip

_FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")


class Lifted(NamedTuple):
    """What a model made of the rows of a file.

    Attributes:
        poses: (N, 1 + J, 3) metres, as `Detections.truth`; NaN for rows that
            were not lifted.
        seen: (N, J) bool; None where nothing says it.
        spread_m: (N, J); None likewise.
    """

    poses: np.ndarray
    seen: np.ndarray | None = None
    spread_m: np.ndarray | None = None


def lift(model, detections: Detections) -> Lifted:
    """Lifts each camera's frames of each person as a clip of its own.

    Raises:
        ValueError: If a person is twice in a frame.
    """
    if not isinstance(model, Lifter):
        model = _Lifting(model)
    count, joints = len(detections.frame), detections.joints[1:]
    poses = np.full((count, len(joints), 3), np.nan)
    seen = np.zeros(poses.shape[:2], bool)
    spread_m = np.full(poses.shape[:2], np.nan)
    clips = np.stack([detections.camera, detections.person], axis=1)
    for camera, person in np.unique(clips, axis=0):
        rows = np.flatnonzero((clips == (camera, person)).all(axis=1))
        rows = rows[np.argsort(detections.frame[rows])]
        frames = detections.frame[rows] - detections.frame[rows[0]]
        if not (np.diff(frames) > 0).all():
            raise ValueError(
                f"{detections.name}: person {person} is twice in a frame of "
                f"camera {camera}"
            )
        track = Track(
            0,
            frames,
            detections.pixels[rows].astype(np.float32),
            detections.scores[rows].astype(np.float32),
        )
        width, height = detections.image_size[rows[0]]
        clip = Keypoints(
            detections.skeleton,
            (int(width), int(height)),
            detections.fps,
            int(frames[-1]) + 1,
            (track,),
        )
        if not is_seen(to_h36m(clip).tracks[0].scores, SEEN_SCORE).any():
            continue
        motion = model(clip)
        (track,) = motion.tracks
        own = [motion.skeleton.joints.index(joint) for joint in joints]
        rows = rows[np.searchsorted(frames, track.frames)]
        poses[rows] = track.poses_3d[:, own]
        seen[rows] = track.seen[:, own]
        spread_m[rows] = track.spread_m[:, own]
    return Lifted(from_hip(poses, joints), seen, spread_m)


class _Lifting:
    """What `Lifter` does before it places people, for any `predict`."""

    def __init__(self, predict):
        self._predict = predict

    def __call__(self, clip: Keypoints) -> Motion:
        (track,) = to_h36m(clip).tracks
        seen = is_seen(track.scores, SEEN_SCORE)
        present = seen.any(axis=1)
        seen, frames = seen[present], track.frames[present]
        pixels, scores = track.pixels[present], track.scores[present]
        pixels = completion.complete(pixels, seen, frames)
        predict = self._predict
        single, mirrored, mean = flip_ensemble(
            predict,
            normalize_screen(pixels, clip.image_size, "longest"),
            predict.skeleton,
            seen,
        )
        spread_m = ensemble_spread(single, mirrored)
        lifted = LiftedTrack(0, frames, mean, pixels, scores, seen, spread_m)
        return Motion((lifted,), clip.image_size, clip.fps)


def with_truth_px(detections: Detections) -> Detections:
    """Returns detections whose keypoints are the truth's.

    The face, of which the truth says nothing, stays as it was detected;
    everything else counts as not seen.
    """
    names = SKELETONS[detections.skeleton].joints
    face = np.isin(names, _FACE)
    pixels = np.where(face[:, None], detections.pixels, 0)
    scores = np.where(face, detections.scores, 0)
    for row, name in enumerate(NAMES):
        if name not in names:
            continue
        there = np.isfinite(detections.truth_px[:, row]).all(axis=1)
        column = names.index(name)
        pixels[there, column] = detections.truth_px[there, row]
        scores[there, column] = 1
    return detections._replace(pixels=pixels, scores=scores)

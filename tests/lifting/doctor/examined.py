"""Generated people, and what the doctor finds."""

import numpy as np

from ampose_tf.lifting import doctor
from ampose_tf.lifting.keypoints import find_skeleton
from benchmarks import damages
from tests.lifting.filmed import film


def filmed_clip(action="Walking", skeleton="H36M-17", frames=41):
    """Returns generated people as a detector of that skeleton has them."""
    filmed = film(action, frames)
    joints = filmed.world
    if skeleton != "H36M-17":
        joints = damages.as_detected(joints, find_skeleton(skeleton))
    camera = filmed.camera
    return damages.one_person(
        camera.project(camera.world_to_camera(joints)),
        skeleton,
        camera.image_size,
    )


def kinds(clip):
    return [finding.kind for finding in doctor.examine(clip)]


def at_frames(clip, rows, frames=None):
    """Returns some frames of a clip of one person, with their numbers."""
    (track,) = clip.tracks
    track = track._replace(
        frames=np.array(rows if frames is None else frames),
        pixels=track.pixels[rows],
        scores=track.scores[rows],
    )
    return clip._replace(tracks=(track,))


def with_scores(clip, scores):
    (track,) = clip.tracks
    return clip._replace(
        tracks=(track._replace(scores=scores.astype(np.float32)),)
    )


def marks(clip):
    """Returns {kind: its mark} of a report."""
    lines = doctor.report(clip).splitlines()[1:]
    return {line[4:].split()[0].rstrip(":"): line[:3] for line in lines}

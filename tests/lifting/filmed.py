"""Generated people before a camera, as lifting would have given them."""

from typing import NamedTuple

import numpy as np

from ampose_tf.camera import Camera
from ampose_tf.config.ranges import Cameras
from ampose_tf.data import human36m, mocap, synthetic
from ampose_tf.lifting.motion import LiftedTrack, Motion

FPS = 50.0


class Filmed(NamedTuple):
    """A person, the camera, and the motion that a perfect lifter gives.

    Attributes:
        world: (F, 17, 3) metres, z up.
        camera: An ideal one, tilted.
        up: (3,) in the camera's frame.
        motion: Of one track, with exact poses, keypoints and roots.
    """

    world: np.ndarray
    camera: Camera
    up: np.ndarray
    motion: Motion


def film(action="Walking", frames=41, subject="S1", track_id=3) -> Filmed:
    """Returns somebody filmed; the bones keep their lengths."""
    world = synthetic.generate(subject, action, frames, seed=2)
    world = world[:, human36m.JOINTS_OF_32].astype(np.float64)
    camera = mocap.fixed_cameras(
        world[:, 0].mean(axis=0), action, Cameras(number=1), seed=5
    )[0]
    joints = camera.world_to_camera(world)
    track = LiftedTrack(
        track_id,
        np.arange(frames),
        joints - joints[:, :1],
        camera.project(joints),
        scores=np.full((frames, 17), 0.9),
        seen=np.ones((frames, 17), bool),
        spread_m=np.full((frames, 17), 0.01),
        root=joints[:, 0],
    )
    return Filmed(
        world,
        camera,
        camera.rotation().T @ [0, 0, 1],
        Motion((track,), camera.image_size, FPS),
    )


def only(track: LiftedTrack, kept) -> LiftedTrack:
    """Returns some frames of a track."""
    return LiftedTrack(
        track.track_id,
        *(None if a is None else np.asarray(a)[kept] for a in track[1:]),
    )

"""Where up is, and the floor: from a camera's frame to a world with z up.

A single camera does not say how it is tilted. It is taken as level, or its
tilt is given, or it is estimated from people who stand or walk.
"""

import itertools

import numpy as np

from ampose_tf.lifting.motion import (
    ANKLE_HEIGHT_M,
    LEVEL,
    LiftedTrack,
    Motion,
)
from ampose_tf.lifting.vectors import angle_deg, unit

# Whoever stands has knees as straight as this, one of them and both, and the
# trunk in line with the legs.
_STANDING_KNEE_DEG = 30.0
_OTHER_KNEE_DEG = 40.0
_STANDING_HIP_DEG = 20.0
_FEWEST_FRAMES = 10
_LEAST_SHARE = 0.25

# The floor is where ankles go down to in this share of the frames, so that a
# few wrong ones do not lower it.
_FLOOR_PERCENT = 5.0


def parse_up(text: str) -> tuple[float, float, float] | str:
    """Parses the flag --up, for `align`.

    Args:
        text: `y`, the camera is level; `auto`, see `estimate_up`; degrees
            that a camera without roll looks down by (negative where it looks
            up); or `x,y,z`, a vector in the camera's frame (x right, y down,
            z forward) that points upwards.

    Raises:
        ValueError: Where it is none of these.
    """
    if text == "auto":
        return text
    if text == "y":
        return LEVEL
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 1 and abs(numbers[0]) <= 90:
        pitch = np.radians(numbers[0])
        return (0.0, -float(np.cos(pitch)), -float(np.sin(pitch)))
    if len(numbers) == 3 and 0 < np.linalg.norm(numbers) < np.inf:
        return tuple(float(v) for v in numbers / np.linalg.norm(numbers))
    raise ValueError(
        "--up: expected y, auto, degrees that the camera looks down by, or "
        f"x,y,z, got {text!r}"
    )


def align(
    motion: Motion, up: tuple[float, float, float] | str = LEVEL
) -> Motion:
    """Returns the motion with `up` set; its poses stay in the camera's frame.

    Args:
        motion: The writers of `.trc`, `.bvh` and angles follow its `up`.
        up: In the camera's frame, of length 1; or `auto`, see `estimate_up`.

    Raises:
        ValueError: Where `auto` finds nobody to go by, or the length is not
            1.
    """
    if isinstance(up, str):
        if up != "auto":
            raise ValueError(f"Expected a vector or auto, got {up!r}")
        up = tuple(float(v) for v in estimate_up(motion))
        note = "Up is estimated from people who stand"
    elif tuple(up) == LEVEL:
        return motion.noted("The camera is taken as level.", up=tuple(up))
    else:
        note = "Up is given"
    x, y, z = up
    return motion.noted(f"{note}: ({x:.3f}, {y:.3f}, {z:.3f}).", up=up)


def estimate_up(motion: Motion) -> np.ndarray:
    """Returns the direction upwards, from people who stand or walk.

    Who stands on straight legs is in balance: the thorax is above the middle
    between the feet, on average over steps and swaying. So up is the median
    of the directions from there to the thorax, over the frames with straight
    legs in line with the trunk. Bent, sitting and lying people are not
    looked at; those who lean all the time, as runners do, mislead.

    On the CMU database's trials that qualify, true poses come within 2
    degrees (median) and 6 (95 %), those of a small network within 2 and 4.

    Raises:
        ValueError: Where less than ten frames, or a quarter of them, show
            somebody standing.
    """
    directions, standing = [np.empty((0, 3))], [np.empty(0, bool)]
    for track in motion.tracks:
        poses_3d = track.poses_3d.astype(np.float64)
        at = motion.skeleton.joints.index
        feet = poses_3d[:, [at("RFoot"), at("LFoot")]].mean(axis=1)
        trunk = poses_3d[:, at("Thorax")] - poses_3d[:, at("Hip")]
        hip = angle_deg(trunk, poses_3d[:, at("Hip")] - feet)
        knees = np.sort(
            [
                angle_deg(
                    poses_3d[:, at(f"{side}Knee")]
                    - poses_3d[:, at(f"{side}Hip")],
                    poses_3d[:, at(f"{side}Foot")]
                    - poses_3d[:, at(f"{side}Knee")],
                )
                for side in "LR"
            ],
            axis=0,
        )
        standing.append(
            (knees[0] < _STANDING_KNEE_DEG)
            & (knees[1] < _OTHER_KNEE_DEG)
            & (hip < _STANDING_HIP_DEG)
        )
        directions.append(unit(poses_3d[:, at("Thorax")] - feet))
    standing = np.concatenate(standing)
    if standing.sum() < max(_FEWEST_FRAMES, _LEAST_SHARE * len(standing)):
        raise ValueError(
            f"Up cannot be estimated: in {standing.sum()} of {len(standing)} "
            "frames somebody stands upright, too few; give the camera's "
            "tilt, --up"
        )
    return unit(np.median(np.concatenate(directions)[standing], axis=0))


def rotation_to_world(up: tuple[float, float, float]) -> np.ndarray:
    """Returns the matrix (3, 3) that turns camera axes into the world's.

    The world's z points upwards, x to the camera's right and y to where it
    looks, both horizontally.

    Args:
        up: Unit vector in the camera's frame.
    """
    up = np.asarray(up, np.float64)
    # Of a camera on its side, the right is up or down: no use as a start.
    if abs(up[0]) < 0.9:
        forward = unit(np.cross(up, [1, 0, 0]))
    else:
        forward = unit(np.array([0, 0, 1]) - up[2] * up)
    return np.stack([np.cross(forward, up), forward, up])


def world_positions(motion: Motion) -> tuple[np.ndarray, ...]:
    """Returns everybody's joints in a world with z up and the floor at 0.

    The origin is on the floor below the camera. The floor is 0.09 m, an
    ankle's height, below where the lower of the two ankles of anybody with a
    root goes in the lowest twentieth of the frames. Who never touches the
    floor still stands on it, and stairs are none.

    Whoever has no root has the hip above the origin and, in every frame, the
    lower ankle at its height: a hip that stayed where it is would make who
    squats draw up the feet.

    Returns:
        Per track (F, J, 3) float64 metres.
    """
    rotation = rotation_to_world(motion.up)
    turned = [
        (track.poses_3d if track.root is None else _absolute(track))
        @ rotation.T
        for track in motion.tracks
    ]
    ankles = [motion.skeleton.joints.index(side + "Foot") for side in "RL"]
    lowest = [positions[:, ankles, 2].min(axis=1) for positions in turned]
    rooted = [track.root is not None for track in motion.tracks]
    if any(rooted):
        anybody = np.concatenate(list(itertools.compress(lowest, rooted)))
        floor = np.percentile(anybody, _FLOOR_PERCENT) - ANKLE_HEIGHT_M
    placed = []
    for positions, low, has in zip(turned, lowest, rooted, strict=True):
        height = floor if has else (low - ANKLE_HEIGHT_M)[:, None]
        placed.append(positions.copy())
        placed[-1][..., 2] -= height
    return tuple(placed)


def _absolute(track: LiftedTrack) -> np.ndarray:
    return track.root[:, None].astype(np.float64) + track.poses_3d

"""`.bvh`: an animated skeleton for Blender and other animation programs.

The format is Biovision's, as the University of Wisconsin describes it
(research.cs.wisc.edu/graphics/Courses/cs-838-1999/Jeff/BVH.html).
"""

import pathlib

import numpy as np
from scipy.spatial.transform import Rotation

from ampose_tf.lifting.motion import Motion, frame_step
from ampose_tf.lifting.writers import rig
from ampose_tf.lifting.writers.axes import marker_name, y_up

_ROTATIONS = "Zrotation Xrotation Yrotation"
_POSITIONS = "Xposition Yposition Zposition"


def write(
    path: pathlib.Path, motion: Motion, track: int, positions: np.ndarray
) -> None:
    """Writes one person as a skeleton with rotations; see `rig`.

    Metres (other programs than Blender may want a scale of 100), y upwards,
    x to the camera's right, z towards the camera, the floor at y = 0. Nodes
    are called like joints, but `/` in a name becomes `_`.

    The first row is the person's first frame in the video. As BVH knows no
    time but the rows', frames in which the person is not there are filled in:
    joints move straight from where they were to where they come back.

    Args:
        path: Of the file.
        motion: Without a frame rate, `motion.ASSUMED_FPS` is written.
        track: Index of the person.
        positions: (F, J, 3), the person's by `floor.world_positions`.
    """
    fps = motion.frame_rate
    frames = motion.tracks[track].frames
    step = frame_step(frames)
    grid = np.arange(frames[0], frames[-1] + 1, step)
    positions = _between(y_up(positions), frames, grid)
    animation = rig.fit(positions, motion.skeleton)
    lines = ["HIERARCHY", *_hierarchy(animation.nodes, 0, 0)]
    lines += ["MOTION", f"Frames: {len(grid)}"]
    lines += [f"Frame Time: {step / fps:.9f}"]
    channels = np.concatenate(
        [
            animation.root,
            euler_zxy_deg(animation.rotations).reshape(len(grid), -1),
        ],
        axis=1,
    )
    lines += [_text(row) for row in channels]
    text = "\n".join(lines) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")


def euler_zxy_deg(rotations: np.ndarray) -> np.ndarray:
    """Returns angles about z, x and y, applied as Rz Rx Ry, without jumps.

    Every rotation has two such triples in a turn, (z, x, y) and (z + 180,
    180 - x, y + 180). Of them and their like in other turns, each frame takes
    the one nearest to the frame before: programs interpolate between frames.

    Args:
        rotations: (F, M, 3, 3).

    Returns:
        (F, M, 3) degrees.
    """
    angles = (
        Rotation.from_matrix(rotations.reshape(-1, 3, 3))
        .as_euler("ZXY", degrees=True, suppress_warnings=True)
        .reshape(*rotations.shape[:2], 3)
    )
    other = angles * [1, -1, 1] + 180
    for now in range(1, len(angles)):
        before = angles[now - 1]
        choices = np.stack([angles[now], other[now]])  # (2, M, 3)
        choices += 360 * np.round((before - choices) / 360)
        far = np.abs(choices - before).sum(axis=-1)
        angles[now] = np.where(
            (far[0] <= far[1])[:, None], choices[0], choices[1]
        )
    return angles


def _between(positions, frames, grid):
    """Interpolates positions (F, J, 3) linearly at the frames of a grid."""
    if len(frames) == 1:
        return positions
    after = np.clip(np.searchsorted(frames, grid), 1, len(frames) - 1)
    start, end = frames[after - 1], frames[after]
    share = ((grid - start) / (end - start))[:, None, None]
    return (1 - share) * positions[after - 1] + share * positions[after]


def _hierarchy(nodes, index, depth):
    """Yields the lines of a node and what hangs on it."""
    node = nodes[index]
    indent, inner = "\t" * depth, "\t" * (depth + 1)
    kind, channels = "JOINT", f"3 {_ROTATIONS}"
    if index == 0:
        kind, channels = "ROOT", f"6 {_POSITIONS} {_ROTATIONS}"
    yield f"{indent}{kind} {marker_name(node.name)}"
    yield f"{indent}{{"
    yield f"{inner}OFFSET {_text(node.offset)}"
    yield f"{inner}CHANNELS {channels}"
    for child, other in enumerate(nodes):
        if other.parent == index:
            yield from _hierarchy(nodes, child, depth + 1)
    if node.end is not None:
        yield f"{inner}End Site"
        yield f"{inner}{{"
        yield f"{inner}\tOFFSET {_text(node.end)}"
        yield f"{inner}}}"
    yield f"{indent}}}"


def _text(values):
    # z: without the sign of what rounds to 0.
    return " ".join(f"{value:z.6f}" for value in values)

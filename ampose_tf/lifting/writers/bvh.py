"""`.bvh`: an animated skeleton for Blender and other animation programs.

The format is Biovision's, as the University of Wisconsin describes it
(research.cs.wisc.edu/graphics/Courses/cs-838-1999/Jeff/BVH.html).
"""

import pathlib

import numpy as np
from scipy.spatial.transform import Rotation

from ampose_tf.lifting.motion import Motion, check_gaps, frame_step
from ampose_tf.lifting.writers import rig
from ampose_tf.lifting.writers.axes import marker_name, y_up
from ampose_tf.lifting.writers.decimals import rows_of

_ROTATIONS = "Zrotation Xrotation Yrotation"
_POSITIONS = "Xposition Yposition Zposition"

# Frames that are converted at once, which bounds the memory.
_BLOCK = 4096


def write(
    path: pathlib.Path, motion: Motion, track: int, positions: np.ndarray
) -> None:
    """Writes one person as a skeleton with rotations; see `rig`.

    Units are metres (programs other than Blender may need a scale of 100). y
    points upwards, x to the camera's right, z towards the camera, and the
    floor is at y = 0. Nodes are named after joints, with `_` instead of `/`.

    The first row is the person's first frame in the video. BVH has a constant
    frame rate and no gaps, so frames without the person are interpolated:
    joints move in straight lines.

    Args:
        path: Output path.
        motion: Motion with the person. If it has no frame rate,
            `motion.ASSUMED_FPS` is written.
        track: Index of the person.
        positions: (F, J, 3), the person's joints from
            `floor.world_positions`.
    """
    fps = motion.frame_rate
    frames = motion.tracks[track].frames
    step = frame_step(frames)
    grid = np.arange(frames[0], frames[-1] + 1, step)
    check_gaps(path, len(grid), len(frames))
    positions = _between(y_up(positions), frames, grid)
    animation = rig.fit(positions, motion.skeleton)
    channels = np.concatenate(
        [
            animation.root,
            euler_zxy_deg(animation.rotations).reshape(len(grid), -1),
        ],
        axis=1,
    )
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        print(
            "HIERARCHY",
            *_hierarchy(animation.nodes, 0, 0),
            sep="\n",
            file=file,
        )
        print(f"MOTION\nFrames: {len(grid)}", file=file)
        print(f"Frame Time: {step / fps:.9f}", file=file)
        file.writelines(f"{row}\n" for row in rows_of(channels, " "))


def euler_zxy_deg(rotations: np.ndarray) -> np.ndarray:
    """Returns angles about z, x and y, applied as Rz Rx Ry, without jumps.

    Every rotation has two triples of angles, (z, x, y) and (z + 180, 180 - x,
    y + 180), up to multiples of 360. For each frame the triple nearest to the
    frame before is chosen, because programs interpolate between frames.

    Args:
        rotations: (F, M, 3, 3).

    Returns:
        (F, M, 3) degrees.
    """
    angles = np.empty(rotations.shape[:-1])  # (F, M, 3)
    for start in range(0, len(angles), _BLOCK):
        block = rotations[start : start + _BLOCK]
        angles[start : start + _BLOCK] = (
            Rotation.from_matrix(block.reshape(-1, 3, 3))
            .as_euler("ZXY", degrees=True, suppress_warnings=True)
            .reshape(block.shape[:-1])
        )
    other = angles * [1, -1, 1] + 180
    # The distance from a triple to the next frame's triple of the same kind
    # does not depend on the kind, nor does that to the other kind. So changes
    # of kind are found for all frames at once, and their parity is the kind.
    changes = _apart(other[1:], angles[:-1]) < _apart(angles[1:], angles[:-1])
    is_other = np.cumsum(changes, axis=0) % 2 == 1  # (F - 1, M)
    angles[1:] = np.where(is_other[..., None], other[1:], angles[1:])
    turns = np.round((angles[:-1] - angles[1:]) / 360)
    angles[1:] += 360 * np.cumsum(turns, axis=0)
    return angles


def _apart(one, other):
    """Returns the distances of triples (..., 3), modulo 360 degrees."""
    away = one - other
    away -= 360 * np.round(away / 360)
    return np.abs(away).sum(axis=-1)


def _between(positions, frames, grid):
    """Interpolates positions (F, J, 3) linearly at the frames of a grid."""
    if len(frames) == 1:
        return positions
    after = np.clip(np.searchsorted(frames, grid), 1, len(frames) - 1)
    start, end = frames[after - 1], frames[after]
    share = ((grid - start) / (end - start))[:, None, None]
    return (1 - share) * positions[after - 1] + share * positions[after]


def _hierarchy(nodes, index, depth):
    """Yields the lines of a node and of its descendants."""
    node = nodes[index]
    indent, inner = "\t" * depth, "\t" * (depth + 1)
    kind, channels = "JOINT", f"3 {_ROTATIONS}"
    if index == 0:
        kind, channels = "ROOT", f"6 {_POSITIONS} {_ROTATIONS}"
    yield f"{indent}{kind} {marker_name(node.name)}"
    yield f"{indent}{{"
    yield f"{inner}OFFSET {_offset(node.offset)}"
    yield f"{inner}CHANNELS {channels}"
    for child, other in enumerate(nodes):
        if other.parent == index:
            yield from _hierarchy(nodes, child, depth + 1)
    if node.end is not None:
        yield f"{inner}End Site"
        yield f"{inner}{{"
        yield f"{inner}\tOFFSET {_offset(node.end)}"
        yield f"{inner}}}"
    yield f"{indent}}}"


def _offset(values):
    return next(rows_of(values[None], " "))

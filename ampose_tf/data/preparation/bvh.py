"""Reads BVH files, which contain a skeleton and its motion.

A joint's rotations are intrinsic, in the order in which its channels are
listed: "Zrotation Yrotation Xrotation" is Rz Ry Rx. OFFSET is the position of
a joint in its parent's frame. Angles are in degrees, y is up, and the unit of
length depends on the program that wrote the file.

Joints may have position channels, which Blender writes for all joints by
default. They replace OFFSET in most programs, and are added to it in others.
The first is assumed if positions are nearer to the OFFSETs than to zero.

The format: https://research.cs.wisc.edu/graphics/Courses/cs-838-1999/Jeff/
BVH.html.
"""

import os

import numpy as np
from scipy.spatial.transform import Rotation

from ampose_tf.data.preparation import motion_text
from ampose_tf.data.preparation.kinematics import Hierarchy, JointMotion

_PLACES = ("xposition", "yposition", "zposition")
_TURNS = ("xrotation", "yrotation", "zrotation")


def read(path: str | os.PathLike) -> tuple[Hierarchy, JointMotion]:
    """Reads a skeleton and its motion, in the file's own unit of length.

    The root's position is that of its channels. Its OFFSET is ignored, because
    some programs write that of the rest pose.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If the file is not a BVH file, is truncated, or its frames
            do not match the channels of its joints. The message contains the
            line.
    """
    lines = motion_text.read(path)
    start = next(
        (i for i, line in enumerate(lines) if line.strip() == "MOTION"), None
    )
    if start is None:
        raise ValueError(f"{path}: expected a line MOTION, got none")
    skeleton, channels = _hierarchy(path, lines[:start])
    # Some programs list position channels for all joints, but write only the
    # root's.
    turning = [
        channels[0],
        *(tuple(n for n in names if n in _TURNS) for names in channels[1:]),
    ]
    counts = [sum(map(len, names)) for names in (channels, turning)]
    fps, values = _frames(path, lines, start + 1, counts)
    if values.shape[1] < counts[0]:
        channels = turning
    motion_text.check_size(path, len(values), len(channels))
    places = np.full((len(values), len(channels), 3), np.nan)
    rotations, column = [], 0
    for joint, names in enumerate(channels):
        own = values[:, column : column + len(names)]
        column += len(names)
        turns = [i for i, name in enumerate(names) if name in _TURNS]
        if not turns:
            rotations.append(Rotation.identity(len(values)))
        else:
            # Upper-case letters are intrinsic axes in SciPy.
            order = "".join(names[i][0].upper() for i in turns)
            rotations.append(
                Rotation.from_euler(order, own[:, turns], degrees=True)
            )
        for i, name in enumerate(names):
            if name in _PLACES:
                places[:, joint, _PLACES.index(name)] = own[:, i]
    moved = _moved(places[:, 1:], skeleton.offsets[1:])
    return skeleton, JointMotion(places[:, 0], tuple(rotations), fps, moved)


def _moved(places, offsets):
    """Returns displacements of joints from their offsets, or None.

    Args:
        places: (T, J - 1, 3), position channels of all joints but the root;
            NaN for channels that the file does not have.
        offsets: (J - 1, 3).
    """
    stated = ~np.isnan(places[0])
    if not stated.any():
        return None
    mean = places.mean(axis=0)
    from_offsets, from_zero = (
        np.abs(mean - start)[stated].sum() for start in (offsets, 0)
    )
    start = offsets if from_offsets <= from_zero else 0
    moved = np.where(stated, places - start, 0)
    return np.pad(moved, ((0, 0), (1, 0), (0, 0)))  # Zero for the root.


def _hierarchy(path, lines):
    """Returns the skeleton and each joint's channels."""
    words = (
        (number, word)
        for number, line in enumerate(lines, 1)
        for word in line.split()
    )

    def following(expected=None):
        number, word = next(words, (0, None))
        if word is None:
            raise ValueError(f"{path}: its HIERARCHY is incomplete")
        if expected is not None and word.upper() != expected:
            raise ValueError(
                f"{path}:{number}: expected {expected}, got {word!r}"
            )
        return number, word

    def numbers(count, what):
        taken = [following() for _ in range(count)]
        return motion_text.numbers(
            [word for _, word in taken], count, f"{path}:{taken[0][0]}: {what}"
        )

    def opened(name, parent):
        following("{")
        if name in joints:
            raise ValueError(f"{path}: two joints have the name {name!r}")
        if len(joints) == motion_text.MOST_JOINTS:
            raise ValueError(f"{path}: more than {len(joints)} joints")
        following("OFFSET")
        joints.append(name)
        parents.append(parent)
        offsets.append(numbers(3, "OFFSET"))

    joints, parents, offsets, channels = [], [], [], []
    following("HIERARCHY")
    following("ROOT")
    opened(following()[1], -1)
    channels.append(_channels(path, following, is_root=True))
    open_joints = [0]
    while open_joints:
        number, word = following()
        parent = open_joints[-1]
        if word == "}":
            open_joints.pop()
        elif word.upper() == "END":
            following("SITE")
            opened(f"{joints[parent]} end", parent)
            channels.append(())
            following("}")
        elif word.upper() == "JOINT":
            opened(following()[1], parent)
            open_joints.append(len(joints) - 1)
            channels.append(_channels(path, following, is_root=False))
        else:
            raise ValueError(
                f"{path}:{number}: expected JOINT, End Site or }}, got "
                f"{word!r}"
            )
    number, word = next(words, (0, None))
    if word is not None:
        raise ValueError(f"{path}:{number}: expected MOTION, got {word!r}")
    return Hierarchy(
        tuple(joints), tuple(parents), np.array(offsets)
    ), channels


def _channels(path, following, is_root):
    following("CHANNELS")
    number, word = following()
    count = int(word) if word.isdecimal() else -1
    names = [following()[1].lower() for _ in range(min(count, 6))]
    if (
        len(names) != count
        or len(set(names)) < count
        or not set(names) <= {*_PLACES, *_TURNS}
        or (is_root and not set(_PLACES) <= set(names))
    ):
        least = "" if is_root else "up to "
        raise ValueError(
            f"{path}:{number}: CHANNELS: expected {least}three positions and "
            f"up to three rotations, got {' '.join([word, *names])}"
        )
    return tuple(names)


def _frames(path, lines, start, counts):
    """Returns the frames per second and the channels' values (T, count).

    Args:
        path: Path of the file, for messages.
        lines: Lines of the file.
        start: Index of the first line after MOTION.
        counts: Possible numbers of values per frame, the usual one first.
    """
    head = [
        (number, line)
        for number, line in enumerate(lines[start:], start + 1)
        if line.strip()
    ]
    stated = []
    for name in ("frames", "frame time"):
        number, line = head[len(stated)] if head[len(stated) :] else (0, "")
        key, _, value = line.partition(":")
        if " ".join(key.lower().split()) != name:
            raise ValueError(
                f"{path}:{number or len(lines)}: expected {name.title()}:, "
                f"got {line.strip()!r}"
            )
        stated.append(
            motion_text.numbers(value.split(), 1, f"{path}:{number}: {name}")[
                0
            ]
        )
    frames, frame_time = stated
    if frame_time <= 0:
        raise ValueError(
            f"{path}:{number}: expected a positive Frame Time, got "
            f"{frame_time:g}"
        )
    body = head[2:]
    if len(body) != frames or not body:
        raise ValueError(
            f"{path}: expected {frames:g} frames as stated, got {len(body)}"
        )
    given = len(body[0][1].split())
    count = given if given in counts else counts[0]
    values = np.array(
        [
            motion_text.numbers(line.split(), count, f"{path}:{number}")
            for number, line in body
        ]
    )
    return 1 / frame_time, values

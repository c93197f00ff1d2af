"""Reads Acclaim's skeletons (.asf) and motion (.amc), CMU's native files.

An ASF file contains the direction, length and axes of each bone, and its
degrees of freedom (`dof`); an AMC file contains the angles in each frame.

* A bone rotates about its own axes C, which the skeleton defines in the world
  at rest: relative to its parent, its rotation is C M inv(C).
* Angles in the order "rx ry rz" are about *fixed* axes, x first: M = Rz Ry
  Rx. The same holds for a bone's `axis`, with the order given by its letters,
  and for the root, with the order given by `order`.
* A bone starts where its parent ends. At rest, all have the world's axes.
* `length 0.45` means that lengths and root positions are inches times 0.45:
  one unit is 0.0254 / 0.45 metres (CMU's FAQ).

The formats: http://mocap.co.nz/downloads/ASF_spec_v1.html and
http://graphics.cs.cmu.edu/nsp/course/cs229/info/ACCLAIMdef.html.
"""

import os
import re
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from ampose_tf.data.preparation import motion_text
from ampose_tf.data.preparation.kinematics import Hierarchy, JointMotion

_INCH_M = 0.0254
_TURNS = ("rx", "ry", "rz")
_PLACES = ("tx", "ty", "tz")
_ROOT = "root"
# Other sections, such as :name and :documentation, do not describe the body.
_SECTIONS = ("units", "root", "bonedata", "hierarchy")
# Names of the rate in AMC headers, without hyphens.
_RATES = ("samplespersecond", "framespersecond", "framerate", "samplerate")
# Properties of bones that do not affect positions.
_UNUSED = ("id", "limits", "bodymass", "cofmass")


class Acclaim(NamedTuple):
    """A skeleton with the settings needed to read its AMC files.

    Attributes:
        skeleton: Hierarchy in metres, y up. Each joint is at the start of the
            bone with its name; ends of leaves are joints "<bone> end".
        axes: Axes C, see the module, of each of the J joints.
        turns: Axes of each joint's angles in AMC files: "xyz".
        root_order: Order of the root's values in AMC files, "tx" to "rz".
        unit_m: Metres per unit of the files.
        degrees: Whether angles are in degrees rather than radians.
    """

    skeleton: Hierarchy
    axes: tuple[Rotation, ...]
    turns: tuple[str, ...]
    root_order: tuple[str, ...]
    unit_m: float
    degrees: bool


class _Bone(NamedTuple):
    vector: np.ndarray
    axes: Rotation
    turns: str


def read_asf(path: str | os.PathLike) -> Acclaim:
    """Reads a skeleton.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If the file is not an ASF skeleton, has no units, or
            contains unknown entries. The message contains the line.
    """
    sections = _sections(path)
    unit_m, degrees = _units(path, sections["units"])
    root_order = _root_order(path, sections["root"])
    bones = _bones(path, sections["bonedata"], degrees)
    tree = _hierarchy(path, sections["hierarchy"], bones)

    joints, parents, offsets = [_ROOT], [-1], [np.zeros(3)]
    axes, turns = [Rotation.identity()], [""]

    def add(name, parent, axis, turn):
        start = bones[parent].vector if parent in bones else np.zeros(3)
        joints.append(name)
        parents.append(joints.index(parent))
        offsets.append(start * unit_m)
        axes.append(axis)
        turns.append(turn)

    for name, parent in tree.items():
        add(name, parent, bones[name].axes, bones[name].turns)
    for name in tree:
        if name not in tree.values():
            add(f"{name} end", name, Rotation.identity(), "")
    return Acclaim(
        Hierarchy(tuple(joints), tuple(parents), np.array(offsets)),
        tuple(axes),
        tuple(turns),
        root_order,
        unit_m,
        degrees,
    )


def read_amc(
    path: str | os.PathLike, acclaim: Acclaim, fps: float
) -> JointMotion:
    """Reads a motion of a skeleton.

    Args:
        path: Path of the AMC file.
        acclaim: Skeleton of the motion.
        fps: Frames per second, unless the file contains a rate, as few do.

    Returns:
        The motion, in metres.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If the file is not an AMC motion, is truncated, or belongs
            to another skeleton. The message contains the line.
    """
    lines = [
        (number, line)
        for number, line in enumerate(motion_text.read(path), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    degrees, start = acclaim.degrees, 0
    for number, line in lines:
        words = line.split()
        if not words[0].startswith(":"):
            break
        start += 1
        if words[0].upper() in (":DEGREES", ":RADIANS"):
            degrees = words[0].upper() == ":DEGREES"
        elif re.sub(r"[^a-z]", "", words[0].lower()) in _RATES:
            where = f"{path}:{number}: {words[0]}"
            fps = float(motion_text.numbers(words[1:], 1, where)[0])
        elif len(words) == 1 and words[0].upper() != ":FULLY-SPECIFIED":
            # A keyword without a value is about the numbers' format.
            raise ValueError(
                f"{path}:{number}: expected :FULLY-SPECIFIED, :DEGREES or "
                f":RADIANS, got {words[0]!r}"
            )
    values = _frames(path, lines[start:], acclaim)  # {name: (T, numbers)}

    place = np.array([acclaim.root_order.index(name) for name in _PLACES])
    turned = [i for i, name in enumerate(acclaim.root_order) if name in _TURNS]
    root = values[_ROOT]
    motion_text.check_size(path, len(root), len(acclaim.skeleton.joints))
    rotations = [
        Rotation.from_euler(
            "".join(acclaim.root_order[i][1] for i in turned),
            root[:, turned],
            degrees=degrees,
        )
    ]
    for joint, name in list(enumerate(acclaim.skeleton.joints))[1:]:
        if not acclaim.turns[joint]:
            rotations.append(Rotation.identity(len(root)))
            continue
        # Lower-case letters are fixed axes in SciPy.
        own = Rotation.from_euler(
            acclaim.turns[joint], values[name], degrees=degrees
        )
        axes = acclaim.axes[joint]
        rotations.append(axes * own * axes.inv())
    return JointMotion(root[:, place] * acclaim.unit_m, tuple(rotations), fps)


def _frames(path, lines, acclaim):
    """Returns each bone's numbers; every frame must contain all bones."""
    counts = {_ROOT: len(acclaim.root_order)} | {
        name: len(turns)
        for name, turns in zip(
            acclaim.skeleton.joints, acclaim.turns, strict=True
        )
        if turns
    }
    rows = {name: [] for name in counts}
    frame, missing = None, set()
    for number, line in lines:
        where = f"{path}:{number}"
        words = line.split()
        name = words[0].lower()
        if len(words) == 1 and name.isdecimal():
            _refuse_missing(where, frame, missing)
            if frame is not None and int(name) != frame + 1:
                raise ValueError(
                    f"{where}: expected frame {frame + 1}, got {name}"
                )
            frame, missing = int(name), set(counts)
            continue
        if frame is None:
            raise ValueError(
                f"{where}: expected a frame number, got {words[0]!r}"
            )
        if name not in missing:
            raise ValueError(
                f"{where}: expected one line for each bone with a dof in the "
                f"skeleton, got {words[0]!r}"
                + (" again" if name in counts else "")
            )
        missing.remove(name)
        rows[name].append(
            motion_text.numbers(
                words[1:], counts[name], f"{where}: {words[0]}"
            )
        )
    if frame is None:
        raise ValueError(f"{path}: expected frames, got none")
    _refuse_missing(f"{path}:{lines[-1][0]}: the file ends", frame, missing)
    return {name: np.array(row) for name, row in rows.items()}


def _refuse_missing(where, frame, missing):
    if missing:
        raise ValueError(
            f"{where}: frame {frame} has no {', '.join(sorted(missing))}"
        )


def _sections(path):
    """Returns {keyword: [(line number, words)]} of an ASF."""
    sections, name = {}, None
    for number, line in enumerate(motion_text.read(path), 1):
        line = line.split("#")[0].replace(",", " ")
        words = line.replace("(", " ( ").replace(")", " ) ").split()
        if not words:
            continue
        if words[0].startswith(":"):
            name = words[0][1:].lower()
            sections[name] = []
        elif name is None:
            raise ValueError(
                f"{path}:{number}: expected :version, got {words[0]!r}; not "
                "an Acclaim skeleton"
            )
        else:
            sections[name].append((number, words))
    for name in _SECTIONS:
        if name not in sections:
            raise ValueError(f"{path}: expected a section :{name}, got none")
    return sections


def _units(path, lines):
    found = {words[0].lower(): (number, words[1:]) for number, words in lines}
    for name in ("length", "angle"):
        if name not in found:
            raise ValueError(f"{path}: expected {name} in :units, got none")
    number, words = found["length"]
    where = f"{path}:{number}: length"
    length = motion_text.numbers(words, 1, where)[0]
    if length <= 0:
        raise ValueError(f"{where}: expected a positive number, got {length}")
    number, words = found["angle"]
    angle = " ".join(words).lower()
    if angle not in ("deg", "rad"):
        raise ValueError(
            f"{path}:{number}: expected angle deg or rad, got {angle!r}"
        )
    return _INCH_M / length, angle == "deg"


def _root_order(path, lines):
    order = None
    for number, words in lines:
        where = f"{path}:{number}"
        key, words = words[0].lower(), [word.lower() for word in words[1:]]
        if key == "order":
            order = tuple(words)
            if sorted(order) != sorted((*_PLACES, *_TURNS)):
                raise ValueError(
                    f"{where}: expected TX TY TZ RX RY RZ in some order, got "
                    f"{' '.join(order).upper()}"
                )
        elif key in ("position", "orientation"):
            # Programs interpret other values differently; CMU's are zero.
            if motion_text.numbers(words, 3, f"{where}: {key}").any():
                raise ValueError(f"{where}: expected a {key} of zeros")
        elif key != "axis":
            raise ValueError(
                f"{where}: expected order, axis, position or orientation, "
                f"got {key!r}"
            )
    if order is None:
        raise ValueError(f"{path}: expected an order in :root, got none")
    return order


def _bones(path, lines, degrees):
    bones, stated = {}, None
    for number, words in lines:
        where = f"{path}:{number}"
        key = words[0].lower()
        if key == "begin":
            stated = {}
        elif stated is None:
            raise ValueError(f"{where}: expected begin, got {words[0]!r}")
        elif key == "end":
            name, bone = _bone(where, stated, degrees)
            if name in bones or name == _ROOT:
                raise ValueError(f"{where}: two bones have the name {name!r}")
            bones[name], stated = bone, None
            if len(bones) > motion_text.MOST_JOINTS:
                raise ValueError(f"{where}: more than {len(bones) - 1} bones")
        elif key in ("name", "direction", "length", "axis", "dof"):
            stated[key] = (where, [word.lower() for word in words[1:]])
        elif key not in (*_UNUSED, "("):  # Limits may span several lines.
            raise ValueError(
                f"{where}: expected name, direction, length, axis, dof, "
                f"{', '.join(_UNUSED)} or end, got {words[0]!r}"
            )
    if stated is not None:
        raise ValueError(f"{path}: the last bone has no end")
    return bones


def _bone(where, stated, degrees):
    for key in ("name", "direction", "length", "axis"):
        if key not in stated:
            raise ValueError(f"{where}: expected a bone's {key}, got none")
    name = " ".join(stated["name"][1])

    def numbers(key, count):
        line, words = stated[key]
        return motion_text.numbers(words[:count], count, f"{line}: {key}")

    direction = numbers("direction", 3)
    norm = np.linalg.norm(direction)
    if norm == 0:
        raise ValueError(f"{stated['direction'][0]}: expected a direction")
    line, words = stated["axis"]
    order = "".join(words[3:])
    if sorted(order) != ["x", "y", "z"]:
        raise ValueError(
            f"{line}: axis: expected three angles and XYZ in some order, got "
            f"{' '.join(words)!r}"
        )
    axes = Rotation.from_euler(order, numbers("axis", 3), degrees=degrees)
    line, turns = stated.get("dof", (where, []))
    if len(set(turns)) < len(turns) or not set(turns) <= set(_TURNS):
        raise ValueError(
            f"{line}: dof: expected some of rx ry rz, got {' '.join(turns)!r}"
        )
    vector = direction / norm * numbers("length", 1)[0]
    return name, _Bone(vector, axes, "".join(turn[1] for turn in turns))


def _hierarchy(path, lines, bones):
    """Returns {bone: parent}, parents before their children."""
    children, parents = {}, {}
    for number, words in lines:
        parent, *names = [word.lower() for word in words]
        if (parent in ("begin", "end")) and not names:
            continue
        for name in (parent, *names):
            if name not in bones and name != _ROOT:
                raise ValueError(
                    f"{path}:{number}: expected bones of :bonedata, got "
                    f"{name!r}"
                )
        for name in names:
            if name in parents or name == _ROOT:
                raise ValueError(f"{path}:{number}: {name} has two parents")
            parents[name] = parent
            children.setdefault(parent, []).append(name)
    ordered, pending = {}, [_ROOT]
    while pending:
        parent = pending.pop()
        for name in children.get(parent, ()):
            ordered[name] = parent
            pending.append(name)
    lost = sorted(set(bones) - set(ordered))
    if lost:
        raise ValueError(f"{path}: {lost[0]} is not connected to the root")
    return ordered

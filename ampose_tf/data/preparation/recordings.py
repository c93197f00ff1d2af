"""Converts motion-capture recordings to Human3.6M's joints.

Parts in which joints jump are left out.
"""

import pathlib
import re
from typing import NamedTuple

import numpy as np

from ampose_tf import reading
from ampose_tf.data.preparation import asf_amc, bvh, kinematics, rigs
from ampose_tf.skeleton import H36M_17

# The frame rate of motion archives.
FPS = 30.0
# Recorded at 60 frames per second, which their files do not state.
_RECORDED_FPS = {"CMU60": 60.0, "CMU61": 60.0, "CMU88": 60.0}
# The slowest rate from which motion can be interpolated, and the fastest.
_FPS_RANGE = (15.0, 1000.0)
# Thigh and shank of children and adults, metres.
_LEG_RANGE_M = (0.4, 1.2)

# Upper bounds of joints' speeds in metres per second: about twice the largest
# ones in CMU's recordings without jumps, between frames 1/30 s apart (5.7 for
# the trunk, 7.7 for elbows and knees, 12.9 for wrists and ankles: backflips,
# kicks and boxing).
_TRUNK_SPEED = 12.0
_MIDDLE_SPEED = 15.0
_END_SPEED = 25.0
_SPEEDS = np.array(
    [
        _END_SPEED
        if joint.endswith(("Foot", "Wrist"))
        else _MIDDLE_SPEED
        if joint.endswith(("Knee", "Elbow"))
        else _TRUNK_SPEED
        for joint in H36M_17.joints
    ]
)
# Filters spread a jump, so this much is cut on both sides.
_MARGIN_S = 1 / 30
# Shorter parts between two jumps count as glitches themselves.
SHORTEST_S = 0.5

_CMU_FILE = re.compile(r"(\d+)_\d+")


class MotionFile(NamedTuple):
    """A motion file, and its names in an archive."""

    path: pathlib.Path
    subject: str
    trial: str


class Trial(NamedTuple):
    """The parts of a recording without jumps.

    Attributes:
        parts: (T, 17, 3) float32 each, metres, z up, 30 frames per second.
        cut: Number of frames left out, at 30 per second.
        fps: Frames per second of the recording.
        t_pose: Whether the recording began with a T-pose, which is dropped.
    """

    parts: list[np.ndarray]
    cut: int
    fps: float
    t_pose: bool


def find(source: pathlib.Path) -> list[MotionFile]:
    """Returns the .amc and .bvh files below a folder, sorted by name.

    In any folder, "01_02" is trial "01_02" of subject "CMU01". Other files are
    trials of the subject after whom their folder is named.

    Raises:
        OSError: If the folder does not exist, or contains no such files.
        ValueError: If two files are the same trial.
    """
    if not source.is_dir():
        raise NotADirectoryError(f"no folder {source}")
    found = {}
    for path in sorted(source.rglob("*")):
        # macOS creates files with a leading dot beside others.
        if (
            path.suffix.lower() not in (".amc", ".bvh")
            or path.name.startswith(".")
            or not path.is_file()
        ):
            continue
        cmu = _CMU_FILE.fullmatch(path.stem)
        subject = f"CMU{cmu[1]}" if cmu else path.resolve().parent.name
        key = (subject, path.stem)
        if key in found:
            raise ValueError(
                f"{path}: the same trial as {found[key].path}; keep one"
            )
        found[key] = MotionFile(path, *key)
    if not found:
        raise FileNotFoundError(f"no .amc or .bvh files below {source}")
    return [found[key] for key in sorted(found)]


def read(recording: MotionFile, amc_fps: float, bvh_unit_m: float) -> Trial:
    """Reads a recording.

    Args:
        recording: The recording's file.
        amc_fps: Frames per second of .amc files.
        bvh_unit_m: Metres per unit of .bvh files; 0 to guess.

    Raises:
        OSError: If a file cannot be read, or an .amc file has no .asf file.
        ValueError: If the file is damaged, or Human3.6M's joints cannot be
            found on its skeleton.
    """
    path = recording.path
    fps = _RECORDED_FPS.get(recording.subject)
    try:
        with reading.guarded():
            if path.suffix.lower() == ".amc":
                return _read_amc(path, fps or amc_fps)
            return _read_bvh(path, bvh_unit_m, fps)
    except ValueError as error:
        # The message may already start with the skeleton's file.
        if str(error).startswith(str(path.parent)):
            raise
        raise ValueError(f"{path}: {error}") from error


def check_fps(where: str, fps: float) -> None:
    """Checks that a frame rate is plausible for a recording.

    Raises:
        ValueError: If the rate is not between 15 and 1000.
    """
    low, high = _FPS_RANGE
    if not low <= fps <= high:
        raise ValueError(
            f"{where}: expected {low:g} to {high:g} frames per second, got "
            f"{fps:.4g}"
        )


def whole_parts(joints: np.ndarray, fps: float) -> list[tuple[int, int]]:
    """Returns the parts of a recording without jumps.

    A joint jumps if it is faster between two frames than people are: 12 m/s
    for trunk and head, 15 for elbows and knees, 25 for wrists and ankles.
    1/30 s is cut on both sides of a jump, and remaining parts shorter than
    half a second are dropped.

    Args:
        joints: (T, 17, 3) metres.
        fps: Frames per second.

    Returns:
        (first frame, frame after the last) of each part.
    """
    speeds = np.linalg.norm(np.diff(joints, axis=0), axis=-1) * fps
    whole = np.ones(len(joints), bool)
    margin = max(1, round(_MARGIN_S * fps))
    for before in np.flatnonzero((speeds > _SPEEDS).any(axis=1)):
        whole[max(0, before + 1 - margin) : before + 1 + margin] = False
    if whole.all() and len(joints) > 1:
        return [(0, len(joints))]
    # Indices of changes, with a glitch before the first and after the last
    # frame.
    edges = np.flatnonzero(np.diff(np.pad(whole, 1).astype(np.int8)))
    return [
        (int(start), int(stop))
        for start, stop in edges.reshape(-1, 2)
        if stop - start >= SHORTEST_S * fps
    ]


def _read_amc(path, fps):
    asf = _skeleton_of(path)
    acclaim = asf_amc.read_asf(asf)
    rig = rigs.recognise(acclaim.skeleton, str(asf))
    _check_leg(asf, rig)
    return _trial(path, rig, asf_amc.read_amc(path, acclaim, fps))


def _skeleton_of(amc):
    """Returns an .amc file's .asf: 01.asf for 01_02.amc, or the only one."""
    found = sorted(
        path for path in amc.parent.iterdir() if path.suffix.lower() == ".asf"
    )
    cmu = _CMU_FILE.fullmatch(amc.stem)
    own = [
        path
        for path in found
        # A number other than the recording's is another subject.
        if (cmu and path.stem == cmu[1])
        or (len(found) == 1 and not (cmu and path.stem.isdecimal()))
    ]
    if not own:
        expected = f"{cmu[1]}.asf" if cmu else "one .asf"
        got = ", ".join(path.name for path in found) or "none"
        raise FileNotFoundError(
            f"{amc}: expected {expected} in its folder, got {got}"
        )
    return own[0]


def _read_bvh(path, unit_m, fps):
    skeleton, motion = bvh.read(path)
    rig = rigs.recognise(skeleton, str(path))
    unit_m = unit_m or rigs.guess_unit(rig, str(path))
    skeleton, motion = kinematics.scaled(rig.skeleton, motion, unit_m)
    motion = motion._replace(fps=fps or motion.fps)
    rig = rig._replace(skeleton=skeleton)
    _check_leg(path, rig)
    first = kinematics.frames(motion, slice(0, 1))
    t_pose = rigs.is_t_pose(rigs.joints(rig, first)[0])
    if t_pose and len(motion.root) > 1:
        motion = kinematics.frames(motion, slice(1, None))
    return _trial(path, rig, motion)._replace(t_pose=t_pose)


def _check_leg(where, rig):
    leg, (low, high) = rigs.leg_length(rig), _LEG_RANGE_M
    if not low <= leg <= high:
        raise ValueError(
            f"{where}: expected thigh and shank of {low} to {high} m "
            f"together, got {leg:.3g}; check its unit of length"
        )


def _trial(path, rig, motion):
    check_fps(path, motion.fps)
    parts = whole_parts(rigs.joints(rig, motion), motion.fps)
    thinned, places = kinematics.sampled(motion, FPS)
    joints = rigs.joints(rig, thinned).astype(np.float32)
    # An interpolated frame is kept if both of its neighbours are.
    kept = [
        joints[(places >= start) & (places <= stop - 1)]
        for start, stop in parts
    ]
    cut = len(joints) - sum(len(part) for part in kept)
    return Trial(kept, cut, motion.fps, False)

"""One recording of motion capture -> Human3.6M's joints, whole parts only."""

import pathlib
import re
from typing import NamedTuple

import numpy as np

from ampose_tf import reading
from ampose_tf.data.preparation import asf_amc, bvh, kinematics, rigs
from ampose_tf.skeleton import H36M_17

# What motion archives are at.
FPS = 30.0
# Recorded at 60 frames per second, which no file of theirs says.
_RECORDED_FPS = {"CMU60": 60.0, "CMU61": 60.0, "CMU88": 60.0}
# The slowest rate from which motion can be interpolated, and a fastest.
_FPS_RANGE = (15.0, 1000.0)
# Thigh and shank of children and adults, metres.
_LEG_RANGE_M = (0.4, 1.2)

# Metres per second that no joint exceeds: about twice what CMU's recordings
# reach at most, between frames 1/30 s apart, where nothing jumps (5.7 of the
# trunk, 7.7 of elbows and knees, 12.9 of wrists and ankles: backflips, kicks
# and boxing).
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
# Filters smear a jump: this much is cut on both of its sides.
_MARGIN_S = 1 / 30
# What remains between two jumps is a glitch itself if it is shorter.
SHORTEST_S = 0.5

_CMU_FILE = re.compile(r"(\d+)_\d+")


class MotionFile(NamedTuple):
    """A file of motion, and what it is called in an archive."""

    path: pathlib.Path
    subject: str
    trial: str


class Trial(NamedTuple):
    """What is whole of a recording.

    Attributes:
        parts: (T, 17, 3) float32 each, metres, z up, 30 frames per second.
        cut: How many frames are left out, at 30 per second.
        fps: Frames per second of the recording.
        t_pose: Whether it began with a T-pose, which is dropped.
    """

    parts: list[np.ndarray]
    cut: int
    fps: float
    t_pose: bool


def find(source: pathlib.Path) -> list[MotionFile]:
    """Returns the .amc and .bvh files below a folder, sorted by name.

    "01_02" is trial "01_02" of subject "CMU01", in whatever folder; other
    files are trials of the subject after whom their folder is named.

    Raises:
        OSError: Where there is no such folder, or none of them in it.
        ValueError: Where two are the same trial.
    """
    if not source.is_dir():
        raise NotADirectoryError(f"no folder {source}")
    found = {}
    for path in sorted(source.rglob("*")):
        # Names with a dot first are what macOS packs beside the files.
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
        recording: Which.
        amc_fps: Frames per second of .amc files.
        bvh_unit_m: Metres per unit of .bvh files; 0 to guess.

    Raises:
        OSError: Where a file cannot be read, or an .amc has no .asf.
        ValueError: Where it is damaged, or no recording of a person of whom
            Human3.6M's joints can be told.
    """
    path = recording.path
    fps = _RECORDED_FPS.get(recording.subject)
    try:
        with reading.guarded():
            if path.suffix.lower() == ".amc":
                return _read_amc(path, fps or amc_fps)
            return _read_bvh(path, bvh_unit_m, fps)
    except ValueError as error:
        # It may be the skeleton's file that is named.
        if str(error).startswith(str(path.parent)):
            raise
        raise ValueError(f"{path}: {error}") from error


def check_fps(where: str, fps: float) -> None:
    """Refuses rates that no recording is at.

    Raises:
        ValueError: Outside of 15 to 1000.
    """
    low, high = _FPS_RANGE
    if not low <= fps <= high:
        raise ValueError(
            f"{where}: expected {low:g} to {high:g} frames per second, got "
            f"{fps:.4g}"
        )


def whole_parts(joints: np.ndarray, fps: float) -> list[tuple[int, int]]:
    """Returns the parts of a recording in which nothing jumps.

    A joint jumps where it is faster between two frames than people are:
    12 m/s for the trunk and head, 15 for elbows and knees, 25 for wrists and
    ankles. 1/30 s is cut on both sides of a jump, and what is left of it is
    dropped where it is shorter than half a second.

    Args:
        joints: (T, 17, 3) metres.
        fps: Frames per second.

    Returns:
        First frame of each part, and the one after its last.
    """
    speeds = np.linalg.norm(np.diff(joints, axis=0), axis=-1) * fps
    whole = np.ones(len(joints), bool)
    margin = max(1, round(_MARGIN_S * fps))
    for before in np.flatnonzero((speeds > _SPEEDS).any(axis=1)):
        whole[max(0, before + 1 - margin) : before + 1 + margin] = False
    if whole.all() and len(joints) > 1:
        return [(0, len(joints))]
    # Where it changes, with a glitch before the first frame and after the
    # last.
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
    """Returns the .asf of an .amc: 01.asf of 01_02.amc, or the only one."""
    found = sorted(
        path for path in amc.parent.iterdir() if path.suffix.lower() == ".asf"
    )
    cmu = _CMU_FILE.fullmatch(amc.stem)
    own = [
        path
        for path in found
        # A number other than the recording's is somebody else.
        if (cmu and path.stem == cmu[1])
        or (len(found) == 1 and not (cmu and path.stem.isdecimal()))
    ]
    if not own:
        expected = f"{cmu[1]}.asf" if cmu else "one .asf"
        got = ", ".join(path.name for path in found) or "none"
        raise FileNotFoundError(
            f"{amc}: expected {expected} beside it, got {got}"
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
            f"together, got {leg:.3g}: its unit of length is another"
        )


def _trial(path, rig, motion):
    check_fps(path, motion.fps)
    parts = whole_parts(rigs.joints(rig, motion), motion.fps)
    thinned, places = kinematics.sampled(motion, FPS)
    joints = rigs.joints(rig, thinned).astype(np.float32)
    # A frame in between is whole if both of its neighbours are.
    kept = [
        joints[(places >= start) & (places <= stop - 1)]
        for start, stop in parts
    ]
    cut = len(joints) - sum(len(part) for part in kept)
    return Trial(kept, cut, motion.fps, False)

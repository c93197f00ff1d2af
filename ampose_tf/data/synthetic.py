"""Generates human motion in the format of Human3.6M.

    python -m ampose_tf.data.synthetic --output=data/synthetic

writes VideoPose3D's three files (see `human36m`) without recordings, and the
keypoints of one clip for `lift.py`. Seven people of different build perform
the fifteen actions, by forward kinematics within the limits of joints
(`anatomy`, `movements`, `footwork`), in front of Human3.6M's own cameras.
`metadata` in the 3D file distinguishes generated files from real ones.
"""

import os
import pathlib
import zlib

import numpy as np
from absl import flags

from ampose_tf import config
from ampose_tf.config import Generated, fields
from ampose_tf.data import archive, human36m
from ampose_tf.data.synthesis import anatomy, footwork, movements
from ampose_tf.skeleton import H36M_17

FRAMES_PER_SECOND = 50
GENERATOR = "ampose_tf.data.synthetic"

_DETECTED = "cpn_ft_h36m_dbb"
# A person who is not used for training by the configs, in the first camera.
_CLIP = ("S9", "Walking")
_FILE_CLIP = "clip_S9_Walking.npz"
FILES = (
    human36m.FILE_3D,
    human36m.FILE_2D.format(keypoints="gt"),
    human36m.FILE_2D.format(keypoints=_DETECTED),
    _FILE_CLIP,
)

# Metres. Those of the test subjects, S9 and S11, are within the others' range.
_STATURES = {
    "S1": 1.66,
    "S5": 1.60,
    "S6": 1.80,
    "S7": 1.70,
    "S8": 1.86,
    "S9": 1.76,
    "S11": 1.72,
}
_STATURE_SPREAD = 0.015

# Errors of a simulated detector: 4 pixels in the median, 5 in the mean, with a
# heavy tail, for people who are 150 to 470 pixels tall. These figures are
# chosen, not measured on CPN.
#
# Standard deviations per axis in pixels without motion. Feet, elbows and
# wrists are the hardest to detect, hips and trunk the easiest.
_LEG_PX = (2.5, 3.0, 4.0)
_ARM_PX = (3.0, 4.0, 5.0)
_TRUNK_PX = (2.8, 2.5, 2.5, 3.0)
_JITTER_PX = np.array(
    [2.0, *_LEG_PX, *_LEG_PX, *_TRUNK_PX, *_ARM_PX, *_ARM_PX]
)
# Motion blur: pixels of jitter per pixel that a joint moves in a frame.
_JITTER_PER_SPEED = 0.25
# Errors in a video persist: the share of the variance that persists, and its
# correlation from one frame to the next (0.9: a fifth of a second).
_PERSISTENT_SHARE = 0.6
_PERSISTENCE = 0.9
# Left and right legs, or arms, are exchanged in about one frame in a hundred,
# for several consecutive frames.
_SWAP_RATE = 0.002
_SWAP_FRAMES = (2, 9)
# Outliers: the probability for the wrist, which scales with the jitter for
# other joints, and the distance in pixels.
_OUTLIER_RATE = 0.004
_OUTLIER_PX = (30.0, 300.0)

# Left and right joints of each pair of limbs.
_LIMBS = (
    (H36M_17.left[:3], H36M_17.right[:3]),
    (H36M_17.left[3:], H36M_17.right[3:]),
)


def write(
    root: str | os.PathLike,
    frames: int = Generated.frames,
    seed: int = Generated.seed,
) -> None:
    """Writes the files, replacing existing ones, and prints progress.

    Args:
        root: Output folder.
        frames: Number of frames per sequence, at 50 frames per second.
        seed: Seed of all random numbers. Each sequence depends only on the
            seed and its own name.

    Raises:
        OSError: If the files cannot be written.
        ValueError: If `frames` or `seed` is out of range.
    """
    fields.check_section(Generated(frames, seed))
    world, truth, detected = {}, {}, {}
    for subject in human36m.SUBJECTS:
        names = sequence_names(subject)
        world[subject] = {
            name: generate(subject, name, frames, seed) for name in names
        }
        truth[subject] = {
            name: human36m.project(subject, world[subject][name])
            for name in names
        }
        detected[subject] = {
            name: _detect(
                truth[subject][name], _rng(seed, subject, name, "detector")
            )
            for name in names
        }
        print(f"{subject}: {len(names)} sequences", flush=True)
    human36m.write(
        root,
        world,
        {"gt": truth, _DETECTED: detected},
        **_metadata(frames, seed),
    )
    subject, name = _CLIP
    archive.write(
        pathlib.Path(root) / _FILE_CLIP,
        keypoints_px=truth[subject][name][0],
        image_size=np.array(human36m.cameras(subject)[0].image_size),
        fps=np.array(FRAMES_PER_SECOND),
    )


def ensure(root: str | os.PathLike, frames: int, seed: int) -> None:
    """Writes the files if they are missing; other files are never replaced.

    Raises:
        OSError: If the files cannot be read or written.
        ValueError: If the folder contains files that were not generated, or
            that were generated with other settings.
    """
    root = pathlib.Path(root)
    missing = [name for name in FILES if not (root / name).exists()]
    if len(missing) == len(FILES):
        write(root, frames, seed)
        return
    # The 3D file is written first and contains the metadata.
    found = {} if FILES[0] in missing else _read_metadata(root)
    if found.get("generator") != GENERATOR:
        raise ValueError(
            f"{root}: its files were not generated; choose another folder for "
            "generated motion"
        )
    for name, value in _metadata(frames, seed).items():
        if found.get(name) != value:
            raise ValueError(
                f"{root}: its files were generated with {name}="
                f"{found.get(name)!r}, not {value!r}; delete them or use "
                "another folder"
            )
    if missing:  # An earlier run was interrupted.
        write(root, frames, seed)


# Marks a folder with generated files in the layout of an official download.
MARK = "generated.txt"


def is_generated(root: str | os.PathLike) -> bool:
    """Returns whether a folder's files of Human3.6M were generated.

    Raises:
        OSError: If the 3D file is missing.
        ValueError: If the 3D file is damaged.
    """
    return _read_metadata(pathlib.Path(root)).get("generator") == GENERATOR


def sequence_names(subject: str) -> list[str]:
    """Returns the names of a subject's sequences, two per action."""
    return [
        name
        for action in human36m.ACTIONS
        for name in (action, f"{action} 1")
        # Left out, as in the recordings, where it is corrupt.
        if (subject, name) != human36m.CORRUPT
    ]


def generate(subject: str, name: str, frames: int, seed: int) -> np.ndarray:
    """Generates one sequence, (T, 32, 3) float32 metres, world."""
    rng = _rng(seed, subject)
    stature = _STATURES[subject] + _STATURE_SPREAD * rng.uniform(-1, 1)
    body = anatomy.draw_body(rng, stature)
    posture = movements.perform(
        name.split(" ")[0],
        body,
        footwork.draw_style(rng),
        _rng(seed, subject, name),
        np.arange(frames) / FRAMES_PER_SECOND,
    )
    return anatomy.joints(body, posture).astype(np.float32)


def _read_metadata(root):
    found = archive.read(root / human36m.FILE_3D, only="metadata").get(
        "metadata"
    )
    return found if isinstance(found, dict) else {}


def _metadata(frames, seed):
    return {
        "generator": GENERATOR,
        "frames": frames,
        "seed": seed,
        "units": "metres",
        "fps": FRAMES_PER_SECOND,
    }


def _rng(seed, *names):
    return np.random.default_rng([seed, zlib.crc32("/".join(names).encode())])


def _detect(views, rng):
    return [detect(keypoints_px, rng) for keypoints_px in views]


def detect(keypoints_px: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns simulated detections, (T, 17, 2) float32 pixels.

    Args:
        keypoints_px: (T, 17, 2), exact positions of the joints.
        rng: Generator of the errors.
    """
    frames, joints, _ = keypoints_px.shape
    speed = np.linalg.norm(np.gradient(keypoints_px, axis=0), axis=-1)
    spread = _JITTER_PX + _JITTER_PER_SPEED * speed  # (T, 17)

    fresh = rng.normal(size=keypoints_px.shape)
    lasting = rng.normal(size=keypoints_px.shape)
    for t in range(1, frames):
        lasting[t] *= np.sqrt(1 - _PERSISTENCE**2)
        lasting[t] += _PERSISTENCE * lasting[t - 1]
    noise = (
        np.sqrt(1 - _PERSISTENT_SHARE) * fresh
        + np.sqrt(_PERSISTENT_SHARE) * lasting
    )
    found = keypoints_px + spread[..., None] * noise

    rate = _OUTLIER_RATE * _JITTER_PX / _JITTER_PX.max()
    astray = rng.random((frames, joints)) < rate
    angle = rng.uniform(0, 2 * np.pi, astray.sum())
    low, high = np.log(_OUTLIER_PX)
    distance = np.exp(rng.uniform(low, high, astray.sum()))
    found[astray] += distance[:, None] * footwork.direction(angle)

    for left, right in _LIMBS:
        swapped = np.zeros(frames, bool)
        for start in np.flatnonzero(rng.random(frames) < _SWAP_RATE):
            swapped[start : start + rng.integers(*_SWAP_FRAMES)] = True
        both, others = [*left, *right], [*right, *left]
        found[np.ix_(swapped, both)] = found[np.ix_(swapped, others)]
    return found.astype(np.float32)


def main(options: flags.FlagValues) -> None:
    """Writes the files for the flags, and prints a summary."""
    ensure(options.output, options.frames, options.seed)
    sequences = sum(len(sequence_names(s)) for s in human36m.SUBJECTS)
    frames = sequences * options.frames
    print(
        f"{options.output}: {len(human36m.SUBJECTS)} subjects, "
        f"{sequences} sequences, {frames} frames, {4 * frames} pairs"
    )


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags of `main`."""
    flags.DEFINE_string(
        "output",
        None,
        "Output folder.",
        required=True,
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "frames",
        Generated.frames,
        "Number of frames per sequence, at 50 per second.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "seed",
        Generated.seed,
        "Seed for people, movements and detector noise.",
        flag_values=flag_values,
    )


if __name__ == "__main__":
    config.run(main, define_flags)

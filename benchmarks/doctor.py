r"""Measures how often the doctor finds damage, and false alarms.

    python -m benchmarks.doctor --mocap=DIR --split=validation

Clips of 20 frames are cut from a motion archive's subjects, seen by the fixed
virtual cameras and those of `conditions`, entirely inside the image, in
Human3.6M's joints and in COCO's, exact and with noise. Thresholds were chosen
on the training subjects (--split=train). Undamaged clips that are harder
follow, see `harder`. The figures are in benchmarks/doctor.md.
"""

import collections
import dataclasses
import time
import zlib
from typing import NamedTuple

import numpy as np
from absl import flags

from ampose_tf import config
from ampose_tf.config.ranges import Cameras
from ampose_tf.conversion import CONVERSIONS
from ampose_tf.data import mocap
from ampose_tf.lifting import doctor
from ampose_tf.lifting.doctor.findings import POSSIBLE
from ampose_tf.lifting.keypoints import SKELETONS, Keypoints, Track
from benchmarks import conditions, damages
from benchmarks.mixups import MIXUPS

DAMAGES = damages.DAMAGES | MIXUPS
FRAMES = 20
# Metres over the clip from which a person counts as moving.
MOVES_M = 0.3


class Sample(NamedTuple):
    """An undamaged clip.

    Attributes:
        clip: Clip of one person.
        trial: "<subject>/<trial>".
        condition: One of `conditions.CONDITIONS`.
        moved_m: Distance that the hip moves.
    """

    clip: Keypoints
    trial: str
    condition: str
    moved_m: float


def samples(motion, per_camera, noise, seed=1, frames=FRAMES, turned=0):
    """Returns clips of all trials, alternating between two skeletons.

    Args:
        motion: A `Motion3D`.
        per_camera: Largest number of clips per trial and camera.
        noise: See `ranges.Cameras`. With noise, scores are drawn.
        seed: Seed of cameras and clips.
        frames: Length of each clip.
        turned: Degrees by which people are turned over, about the hip: 90 to
            lie, 180 to stand on their hands.
    """
    coco = CONVERSIONS["COCO-17"]
    found = []
    for trial, name in enumerate(motion.trial_names):
        world = motion.joints[motion.trials == trial].astype(np.float64)
        world = _turned(world, turned)
        starts = np.arange(0, len(world) - frames + 1, frames)
        hip = world[:, 0].mean(axis=0)
        for condition, changes in conditions.CONDITIONS.items():
            cameras = dataclasses.replace(Cameras(), **changes)
            if cameras.noise:
                continue
            for number, camera in enumerate(
                mocap.fixed_cameras(hip, name, cameras, seed)
            ):
                random = np.random.default_rng(
                    (seed, zlib.crc32(f"{name} {condition}".encode()), number)
                )
                kept = 0
                for start in random.permutation(starts)[: 4 * per_camera]:
                    clip = world[start : start + frames]
                    skeleton = "H36M-17"
                    if len(found) % 2:
                        clip = damages.as_detected(clip, coco)
                        skeleton = coco.name
                    joints = camera.world_to_camera(clip)
                    if joints[..., 2].min() < 1 or kept == per_camera:
                        continue
                    pixels = camera.project(joints)
                    if (pixels < 0).any() or (
                        pixels > camera.image_size
                    ).any():
                        continue
                    size_px = 1.7 * cameras.focal_length_px / joints[:, :1, 2:]
                    pixels += (
                        noise * size_px * random.normal(size=pixels.shape)
                    )
                    scores = np.ones(pixels.shape[:2])
                    if noise:
                        scores = random.uniform(0.4, 1, scores.shape)
                        scores[random.random(scores.shape) < 0.03] = 0.1
                    hips = world[[start, start + frames - 1], 0]
                    found.append(
                        Sample(
                            damages.one_person(
                                pixels, skeleton, camera.image_size, scores
                            )._replace(fps=30.0),
                            name,
                            condition,
                            float(np.linalg.norm(hips[1] - hips[0])),
                        )
                    )
                    kept += 1
    return found


def _turned(world, degrees):
    """Returns people (F, 17, 3) turned over, as low as before."""
    hip = world[:, :1]
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    made = hip + (world - hip) @ turn.T
    made[..., 2] += world[..., 2].min() - made[..., 2].min()
    return made


def _thinned(clip, rows):
    (track,) = clip.tracks
    track = track._replace(
        frames=track.frames[rows],
        pixels=track.pixels[rows],
        scores=track.scores[rows],
    )
    return clip._replace(tracks=(track,))


def _hidden(clip, parts):
    """Hides joints whose names contain one of `parts` in half the frames."""
    (track,) = clip.tracks
    joints = [
        row
        for row, name in enumerate(SKELETONS[clip.skeleton].joints)
        if any(part in name.lower() for part in parts)
    ]
    scores = track.scores.copy()
    scores[FRAMES // 4 : 3 * FRAMES // 4, joints] = 0
    return clip._replace(tracks=(track._replace(scores=scores),))


def _two(clip, other):
    """Returns two people; the second is hidden for eight frames."""
    rows = np.delete(np.arange(FRAMES), slice(6, 14))
    (second,) = _thinned(other, rows).tracks
    return clip._replace(
        tracks=(*clip.tracks, Track(1, *second[1:])),
    )


def harder(motion, per_camera, noise):
    """Returns {description: clips} of undamaged clips that are harder."""
    clips = [s.clip for s in samples(motion, per_camera, noise)]
    longer = [
        s.clip for s in samples(motion, per_camera, noise, frames=3 * FRAMES)
    ]
    others = {}
    for clip in clips:
        others.setdefault((clip.skeleton, clip.image_size), []).append(clip)
    uneven = (np.arange(3 * FRAMES * 9 // 30) * 30 / 9).astype(int)
    return {
        "200 frames": [
            s.clip for s in samples(motion, per_camera, noise, frames=200)
        ],
        "60 frames": longer,
        "60 frames, every third": [
            _thinned(clip, np.arange(0, 3 * FRAMES, 3)) for clip in longer
        ],
        "60 frames, 30 to 9 a second": [
            _thinned(clip, uneven) for clip in longer
        ],
        "two people, one hidden": [
            _two(clip, other)
            for same in others.values()
            for clip, other in zip(same, same[1:], strict=False)
        ],
        "one arm hidden": [
            _hidden(clip, ("lelbow", "lwrist", "left_elbow", "left_wrist"))
            for clip in clips
        ],
        "one foot hidden": [
            _hidden(clip, ("lfoot", "left_ankle")) for clip in clips
        ],
        "away for eight frames": [
            _thinned(clip, np.delete(np.arange(FRAMES), slice(6, 14)))
            for clip in clips
        ],
        "lying": [
            s.clip for s in samples(motion, per_camera, noise, turned=90)
        ],
        "on their hands": [
            s.clip for s in samples(motion, per_camera, noise, turned=180)
        ],
    }


def judge(clips, thinned=1):
    """Returns what is found for each damage, and in undamaged clips.

    Args:
        clips: List of `Sample`.
        thinned: Every n-th clip gets a given damage.

    Returns:
        {damage: (clips, clips in which it was found)}, {kind: undamaged clips
        flagged with it}, and the (sample, findings) of the latter.
    """
    found = {damage: np.zeros(2, int) for damage in DAMAGES}
    wrong = dict.fromkeys(doctor.KINDS, 0)
    flagged = []
    for number, sample in enumerate(clips):
        findings = doctor.examine(sample.clip)
        for finding in findings:
            wrong[finding.kind] += 1
        if findings:
            flagged.append((sample, findings))
        for row, (damage, change) in enumerate(DAMAGES.items()):
            # Skeletons alternate: every damage should meet both.
            turn = number // 2 + row
            if turn % thinned or not _applies(damage, sample):
                continue
            random = np.random.default_rng((number, row))
            kinds = {
                finding.kind
                for finding in doctor.examine(change(sample.clip, random))
            }
            found[damage] += [1, damage[0] in kinds]
    return found, wrong, flagged


def _applies(damage, sample):
    if damage[0] == "frame_rate" or damage in (
        ("sides_swapped", "all"),
        ("missing_frames", "renumbered"),
    ):
        return sample.moved_m > MOVES_M
    if damage == ("sides_swapped", "body, not face") or (
        damage[1].split(" as ")[0] in damages.NEAR
    ):
        return sample.clip.skeleton == "COCO-17"
    if damage == ("image_size", "exchanged"):
        width, height = sample.clip.image_size
        return width != height
    return True


def as_text(clips, found, wrong, flagged):
    lines = [
        f"{len(clips)} clips; {len(flagged)} "
        f"({len(flagged) / len(clips):.1%}) undamaged ones flagged: "
        + ", ".join(
            f"{kind} {count}" for kind, count in wrong.items() if count
        )
    ]
    for (kind, what), (count, right) in found.items():
        lines.append(
            f"{kind:15} {what:30} {count:5} {right / max(count, 1):7.1%}"
        )
    return "\n".join(lines)


def harder_as_text(clips):
    lines = []
    for what, those in clips.items():
        found = [doctor.examine(clip) for clip in those]
        kinds = collections.Counter(f.kind for own in found for f in own)
        flagged = sum(bool(own) for own in found)
        sure = sum(any(f.certainty != POSSIBLE for f in own) for own in found)
        lines.append(
            f"{what:30} {len(those):5} {flagged / max(len(those), 1):7.1%}, "
            f"more than possible {sure / max(len(those), 1):.1%}: "
            + ", ".join(f"{kind} {n}" for kind, n in kinds.most_common())
        )
    return "\n".join(lines)


def define_flags(flag_values):
    flags.DEFINE_string(
        "mocap",
        None,
        "Folder of the motion archives.",
        required=True,
        flag_values=flag_values,
    )
    flags.DEFINE_list(
        "archives", ["cmu17"], "Archive names.", flag_values=flag_values
    )
    flags.DEFINE_enum(
        "split",
        "validation",
        ["validation", "train"],
        "Split of the archives.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "per_camera",
        1,
        "Largest number of clips per trial, condition and camera.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "harder",
        True,
        "Whether to include undamaged clips that are harder.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "thinned",
        1,
        "Every n-th clip gets a given damage.",
        flag_values=flag_values,
    )


def main(options):
    motion = mocap.load(options.mocap, options.archives, options.split)
    for noise in (0.0, 0.01):
        clips = samples(motion, options.per_camera, noise)
        started = time.process_time()
        judged = judge(clips, options.thinned)
        print(f"\nnoise {noise:g}, {time.process_time() - started:.0f} s")
        print(as_text(clips, *judged))
        trials = collections.Counter(
            f"{finding.kind} {sample.trial}"
            for sample, findings in judged[2]
            for finding in findings
        )
        print("flagged most:", trials.most_common(8))
    if not options.harder:
        return
    print("\nundamaged and harder, noise 0.01")
    print(harder_as_text(harder(motion, options.per_camera, 0.01)))


if __name__ == "__main__":
    config.run(main, define_flags)

r"""How often the doctor finds what was damaged, and what was not.

    python benchmarks/doctor.py --mocap=DIR --split=validation

Clips of 20 frames are cut from a motion archive's subjects, as the fixed
virtual cameras and those of `conditions` see them, wholly in the image, in
Human3.6M's joints and in COCO's, exact and with noise. Thresholds were chosen
on the training subjects (--split=train).
"""

import dataclasses
import time
import zlib
from typing import NamedTuple

import numpy as np
from absl import flags

from ampose_tf import config
from ampose_tf.conversion import CONVERSIONS
from ampose_tf.data import mocap
from ampose_tf.lifting import doctor
from ampose_tf.lifting.keypoints import Keypoints
from ampose_tf.ranges import Cameras

FRAMES = 20
# Metres over the clip, from which on somebody moves.
MOVES_M = 0.3


class Sample(NamedTuple):
    """A clip as it should be.

    Attributes:
        clip: Of one person.
        trial: "<subject>/<trial>".
        condition: Of `conditions.CONDITIONS`.
        moved_m: How far the hip moves.
    """

    clip: Keypoints
    trial: str
    condition: str
    moved_m: float


def samples(motion, per_camera, noise, seed=1):
    """Returns clips of all trials, in two skeletons by turns.

    Args:
        motion: A `Motion3D`.
        per_camera: Clips of each trial and camera, at most.
        noise: As of `ranges.Cameras`. With it, scores are drawn.
        seed: Of cameras and clips.
    """
    import conditions
    import damages

    coco = CONVERSIONS["COCO-17"]
    found = []
    for trial, name in enumerate(motion.trial_names):
        world = motion.joints[motion.trials == trial].astype(np.float64)
        starts = np.arange(0, len(world) - FRAMES + 1, FRAMES)
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
                    clip = world[start : start + FRAMES]
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
                    hips = world[[start, start + FRAMES - 1], 0]
                    found.append(
                        Sample(
                            damages.one_person(
                                pixels, skeleton, camera.image_size, scores
                            ),
                            name,
                            condition,
                            float(np.linalg.norm(hips[1] - hips[0])),
                        )
                    )
                    kept += 1
    return found


def judge(clips, thinned=1):
    """Returns what is found of each damage, and in undamaged clips.

    Args:
        clips: `Sample`s.
        thinned: Each damage is done to one of so many clips.

    Returns:
        {damage: (clips, of them found)}, {kind: undamaged clips of which it
        is said}, and the (sample, findings) of these.
    """
    import damages

    found = {damage: np.zeros(2, int) for damage in damages.DAMAGES}
    wrong = dict.fromkeys(doctor.KINDS, 0)
    flagged = []
    for number, sample in enumerate(clips):
        findings = doctor.examine(sample.clip)
        for finding in findings:
            wrong[finding.kind] += 1
        if findings:
            flagged.append((sample, findings))
        for row, (damage, change) in enumerate(damages.DAMAGES.items()):
            # Skeletons take turns: no damage is to meet one of them alone.
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
    if damage in (
        ("sides_swapped", "all"),
        ("missing_frames", "renumbered"),
    ):
        return sample.moved_m > MOVES_M
    if damage == ("sides_swapped", "body, not face"):
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


def main():
    motion = mocap.load(_MOCAP.value, _ARCHIVES.value, _SPLIT.value)
    for noise in (0.0, 0.01):
        clips = samples(motion, _PER_CAMERA.value, noise)
        started = time.process_time()
        judged = judge(clips)
        print(f"\nnoise {noise:g}, {time.process_time() - started:.0f} s")
        print(as_text(clips, *judged))
        for sample, findings in judged[2][:12]:
            print(
                "   ",
                sample.trial,
                sample.condition,
                sample.clip.skeleton,
                *(f.kind for f in findings),
            )


if __name__ == "__main__":
    _MOCAP = flags.DEFINE_string(
        "mocap", None, "Folder of the motion archives.", required=True
    )
    _ARCHIVES = flags.DEFINE_list("archives", ["cmu17"], "Their names.")
    _SPLIT = flags.DEFINE_enum(
        "split", "validation", ["validation", "train"], "Of the archives."
    )
    _PER_CAMERA = flags.DEFINE_integer(
        "per_camera", 1, "Clips of each trial, condition and camera, at most."
    )
    config.run(main)

"""Converts motion-capture recordings to a motion archive for `mocap`.

The input is CMU's database as distributed (http://mocap.cs.cmu.edu: .asf and
.amc), cgspeed's conversions of it to .bvh, or other files with the same
skeletons (see the table of joints in `rigs`). The output format is described
in `mocap`: Human3.6M's 17 joints, metres, z up, 30 frames per second.

The floor, z = 0, is y = 0 in the files, which CMU calibrates to the floor: the
ankles of standing people are at 0.07 m. Positions are not shifted, so jumps
and stairs keep their heights; the summary contains the lowest joint's height.
"""

import itertools
import json
import math
import os
import pathlib
import re

import numpy as np

from ampose_tf import files, reading
from ampose_tf.data import archive, mocap
from ampose_tf.data.preparation import recordings
from ampose_tf.data.preparation.recordings import FPS
from ampose_tf.skeleton import H36M_17

# The subjects on which published figures for CMU's data are measured.
VALIDATION = ("CMU03", "CMU09", "CMU131", "CMU35", "CMU93")
_CMU_INDEX = "cmu-mocap-index-text.txt"
_CMU_LINE = re.compile(r"(\d+_\d+)\s+(\S.*)")
_LONGEST_INDEX = 2**22  # Bytes; CMU's has 170 kB.
_CMU_LICENCE = (
    "CMU Graphics Lab Motion Capture Database, mocap.cs.cmu.edu: free "
    "for all uses, not to be resold, even in converted form. "
    "Acknowledgement: The data used in this project was obtained from "
    "mocap.cs.cmu.edu. The database was created with funding from NSF "
    "EIA-0196217."
)
_LIMBS = {
    "hips": ("LHip", "RHip"),
    "thighs": ("LKnee", "RKnee"),
    "shanks": ("LFoot", "RFoot"),
    "shoulders": ("LShoulder", "RShoulder"),
    "upper arms": ("LElbow", "RElbow"),
    "forearms": ("LWrist", "RWrist"),
}


def prepare(
    source: str | os.PathLike,
    output: str | os.PathLike,
    name: str = "cmu17",
    validation: tuple[str, ...] = VALIDATION,
    amc_fps: float = 120.0,
    bvh_unit_m: float = 0.0,
    strict: bool = False,
) -> int:
    """Writes `output/name.npz` and `output/name.json`, replacing old files.

    All .amc and .bvh files below `source` are read, in any arrangement of
    folders. In any folder, "01_02" is trial "CMU01/01_02"; other files are
    "<folder>/<name>". An .amc file requires an .asf file in its folder:
    "01.asf" for "01_02.amc", or the only one. Descriptions of trials are from
    `cmu-mocap-index-text.txt`, which is part of cgspeed's files, if it exists
    below `source`.

    If the first frame of a .bvh file is a T-pose (`rigs.is_t_pose`), which
    cgspeed added, it is dropped. Trials are cut at jumps of a joint
    (`recordings.whole_parts`); the second part is "CMU01/01_02#2". Recordings
    at a multiple of 30 frames per second are subsampled, others interpolated
    (`kinematics.sampled`).

    Recordings that cannot be used are left out. A line is printed for each of
    them, followed by a line per subject and a summary. Files are replaced at
    the end, after they have been verified. After an interruption, run again
    from the start.

    Args:
        source: Folder of the recordings.
        output: Output folder.
        name: Name of the archive, for `data.archives` in configs.
        validation: Names of validation subjects; the others are for training.
            Missing subjects are ignored only for the default value.
        amc_fps: Frames per second of .amc files without a rate, except CMU60,
            CMU61 and CMU88, which are known to be at 60.
        bvh_unit_m: Metres per unit of .bvh files; 0 to guess it from the
            length of each skeleton's legs (`rigs.guess_unit`).
        strict: Whether to stop at the first recording that cannot be used.

    Returns:
        Number of recordings left out.

    Raises:
        OSError: If a file cannot be written, or `source` contains no
            recordings.
        ValueError: If no recording can be used, or a validation subject is
            missing. Nothing is written in this case.
    """
    source, output = pathlib.Path(source), pathlib.Path(output)
    _check_arguments(name, amc_fps, bvh_unit_m)
    if output.exists() and not output.is_dir():
        raise NotADirectoryError(f"{output} is not a folder")
    found = recordings.find(source)
    subjects = sorted({recording.subject for recording in found})
    missing = sorted(set(validation) - set(subjects))
    if missing and validation != VALIDATION:
        raise ValueError(
            f"{source}: no recording of the validation subject {missing[0]}; "
            f"found {', '.join(subjects)}"
        )
    trials = _read(found, amc_fps, bvh_unit_m, strict)
    read = {recording.subject for recording in trials}
    lost = sorted(set(validation) & set(subjects) - read)
    if lost and validation != VALIDATION:
        raise ValueError(
            f"{source}: no recording of the validation subject {lost[0]} can "
            "be used; nothing was written"
        )
    motion, meta = {}, {}
    descriptions = _descriptions(source)
    for recording, trial in trials.items():
        for number, part in enumerate(trial.parts, 1):
            whole = f"{recording.subject}/{recording.trial}"
            key = whole if number == 1 else f"{whole}#{number}"
            if key in motion:
                raise ValueError(f"{recording.path}: {key} exists twice")
            motion[key] = part
            meta[key] = {
                "subject": recording.subject,
                "trial": recording.trial,
                "description": descriptions.get(recording.trial, whole),
                "fps": FPS,
                "source_fps": round(trial.fps, 3),
                # For the whole recording, stated once.
                "glitch_removed": trial.cut if number == 1 else 0,
                "frames": len(part),
                "split": (
                    "validation"
                    if recording.subject in validation
                    else "train"
                ),
            }
    if not motion:
        raise ValueError(
            f"{source}: joints jump in all recordings, and no part between "
            f"two jumps lasts {recordings.SHORTEST_S} s"
        )
    card = _card(name, motion, meta)
    _write(output, name, motion, card)
    left_out = len(found) - len(trials)
    for line in _summary(output / f"{name}.npz", trials, motion, card):
        print(line)
    if left_out:
        print(f"left out, see above: {left_out} of {len(found)} recordings")
    return left_out


def _check_arguments(name, amc_fps, bvh_unit_m):
    if not re.fullmatch(r"[\w-]+", name):
        raise ValueError(
            f"name: expected a name of letters, digits, - and _, got {name!r}"
        )
    recordings.check_fps("amc_fps", amc_fps)
    if not 0 <= bvh_unit_m < math.inf:
        raise ValueError(
            f"bvh_unit_m: expected metres per unit or 0, got {bvh_unit_m}"
        )


def _read(found, amc_fps, bvh_unit_m, strict):
    """Returns {recording: trial} of usable recordings, and prints progress."""
    trials, faults = {}, []
    for subject, own in itertools.groupby(found, lambda r: r.subject):
        for recording in own:
            try:
                trials[recording] = recordings.read(
                    recording, amc_fps, bvh_unit_m
                )
            except (OSError, ValueError) as error:
                if strict:
                    raise
                print(f"left out: {reading.line(str(error))}", flush=True)
                faults.append(error)
        _say(subject, trials)
    if not trials:
        kind = OSError if isinstance(faults[0], OSError) else ValueError
        others = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise kind(f"{faults[0]}{others}; nothing was written")
    return trials


def _say(subject, trials):
    own = [t for r, t in trials.items() if r.subject == subject]
    frames = sum(len(part) for trial in own for part in trial.parts)
    print(
        f"{subject}: {len(own)} trials, {frames} frames, "
        f"{sum(trial.cut for trial in own)} cut",
        flush=True,
    )


def _descriptions(source):
    """Returns {"01_02": description} from CMU's index, if it exists."""
    found = {}
    for path in sorted(source.rglob(_CMU_INDEX)):
        try:
            content = reading.content(path, _LONGEST_INDEX)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        for line in content.decode("utf-8", "replace").splitlines():
            entry = _CMU_LINE.fullmatch(line.strip())
            if entry:
                found[entry[1]] = entry[2]
    return found


def _card(name, motion, meta):
    subjects = {
        split: sorted(
            {m["subject"] for m in meta.values() if m["split"] == split}
        )
        for split in ("train", "validation")
    }
    everybody = sorted({m["subject"] for m in meta.values()})
    card = {
        "name": name,
        "joints": list(H36M_17.joints),
        "parents": list(H36M_17.parents),
        "units": "metre",
        "up": "z",
        "dtype": "float32",
        "frames": sum(len(part) for part in motion.values()),
        "trials": len(motion),
        "subjects": len(everybody),
        **subjects,
        "meta": meta,
    }
    if any(subject.startswith("CMU") for subject in everybody):
        card["licence"] = _CMU_LICENCE
    return card


def _write(output, name, motion, card):
    """Writes the pair of files after verifying it."""
    text = json.dumps(card, indent=1, ensure_ascii=False)
    with files.workplace(output) as made:
        npz, beside = made / f"{name}.npz", made / f"{name}.json"
        archive.write(npz, **motion)
        files.write_text(beside, text)
        # The loader expects both files in one folder.
        for split in ("train", "validation"):
            if card[split]:
                _verify(made, name, split, motion, card)
        for path in (npz, beside):
            path.replace(output / path.name)


def _verify(root, name, split, motion, card):
    expected = [
        key for key in sorted(motion) if card["meta"][key]["split"] == split
    ]
    loaded = mocap.load(root, (name,), split)
    same = loaded.trial_names == tuple(expected) and np.array_equal(
        loaded.joints, np.concatenate([motion[key] for key in expected])
    )
    if not same:
        raise ValueError(
            f"{name}: the written archive differs from the motion; it was "
            "discarded"
        )


def _summary(path, trials, motion, card):
    cut = [trial.cut for trial in trials.values()]
    lines = [
        f"{path}: {card['trials']} trials of {card['subjects']} subjects, "
        f"{card['frames']} frames at {FPS:g} per second",
        f"validation: {', '.join(card['validation']) or 'none'}",
        f"left out at jumps and in short parts between them: {sum(cut)} "
        f"frames of {sum(c > 0 for c in cut)} recordings, "
        f"{sum(not trial.parts for trial in trials.values())} of them whole",
        f"T-poses dropped: {sum(t.t_pose for t in trials.values())}",
        f"median lengths: {_limbs(motion)}",
        f"lowest joint, median of trials: {_lowest(motion):.2f} m",
    ]
    if "licence" in card:
        lines.append(card["licence"])
    return lines


def _limbs(motion):
    firsts = np.stack([part[0] for part in motion.values()])
    lengths = {
        child: np.linalg.norm(firsts[:, child] - firsts[:, parent], axis=-1)
        for parent, child in H36M_17.edges
    }
    return ", ".join(
        f"{limb} "
        f"{np.median([lengths[H36M_17.joints.index(j)] for j in sides]):.3f} m"
        for limb, sides in _LIMBS.items()
    )


def _lowest(motion):
    return np.median([part[..., 2].min() for part in motion.values()])

r"""Lifts the keypoints of a clip to 3D.

    python lift.py --keypoints=clip.json --image_size=1920x1080 \
        --output=lifted/ --formats=npz,bvh

Reads what COCO, AlphaPose, OpenPose, MMPose, Ultralytics, Detectron2,
MediaPipe, MoveNet and tfjs write, and plain arrays; see
ampose_tf/lifting/formats.py. Writes lifted/clip.npz, which states units, frame
and joint names, and lifted/clip.png, 2D beside 3D, or the formats of your
choice. Says what it assumed.

JSON lines on standard input are answered line by line, as they come:

    detector | python lift.py --keypoints=- --image_size=640x480 \
        --smooth=one_euro

What it has saved as .npz or .json it writes in other formats, as it is:

    python lift.py --keypoints=lifted/clip.npz --formats=html

What looks wrong with a file, in plain words:

    python lift.py --keypoints=clip.json --doctor
"""

import os
import pathlib
import sys

from absl import flags

from ampose_tf import config

_KEYPOINTS = flags.DEFINE_string(
    "keypoints",
    None,
    "A keypoint file of any tool, a folder of one JSON file for each frame, "
    "- for JSON lines on standard input, answered on standard output, or a "
    "saved result, which is written in other formats.",
    required=True,
)
_MODEL = flags.DEFINE_string(
    "model",
    "ampose_s",
    "ampose_s (the default) or ampose_t, which are released, or a .keras, "
    "SavedModel folder or .tflite.",
)
_DOCTOR = flags.DEFINE_bool(
    "doctor",
    False,
    "Lift nothing; say in plain words what looks wrong with the keypoints.",
)
_OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "Folder, by default lifted/, or a file whose ending says its format; "
    "beside an .npz its .png is drawn.",
)
_FORMATS = flags.DEFINE_list(
    "formats",
    None,
    "Of the files in the output folder, by default npz,png: npz, json, csv, "
    "angles (as .csv), trc, bvh, html, gif, mp4, png.",
)
_OVERWRITE = flags.DEFINE_bool(
    "overwrite", False, "Whether files that exist are replaced."
)
_IMAGE_SIZE = flags.DEFINE_string(
    "image_size",
    None,
    "WIDTHxHEIGHT in pixels; where the file does not say it either, "
    "normalised keypoints cannot be read, and for others a square around the "
    "people is assumed, and where they stand is not estimated.",
)
_FPS = flags.DEFINE_float(
    "fps",
    None,
    "The video's frames per second; where the file does not say it either, "
    "30 are assumed.",
)
_FORMAT = flags.DEFINE_string(
    "format", None, "Of the file, where it should not be recognised."
)
_SKELETON = flags.DEFINE_string(
    "skeleton",
    None,
    "Of the file's joints, where it should not be recognised: a name, such as "
    "COCO-17, or a JSON file that describes one of your own, see "
    "ampose_tf.lifting.own_skeleton.load.",
)
_SEEN_SCORE = flags.DEFINE_float(
    "seen_score", 0.3, "A joint counts as seen from this score on."
)
_SMOOTH = flags.DEFINE_string(
    "smooth",
    "none",
    "Over time: none, butterworth (no lag, needs the whole clip) or one_euro.",
)
_FOV = flags.DEFINE_float(
    "fov_deg",
    None,
    "The camera's field of view along the image's longer side, in degrees; "
    "60 are assumed. It decides how far away people are, and needs the "
    "image's size.",
)
_INTRINSICS = flags.DEFINE_string(
    "intrinsics",
    None,
    "FX,FY,CX,CY of the camera in pixels, in place of --fov_deg.",
)
_HEIGHT = flags.DEFINE_float(
    "height_m",
    None,
    "Everybody's height in metres, to scale people by; without it they have "
    "the size that the model gives them.",
)
_UP = flags.DEFINE_string(
    "up",
    "y",
    "y, the camera is level; degrees that it looks down by; auto, from people "
    "who stand; or x,y,z in the camera's frame.",
)

# What a saved result has behind it.
_OF_LIFTING = (
    *("model", "doctor", "image_size", "fps", "format", "skeleton"),
    *("seen_score", "smooth", "fov_deg", "intrinsics", "height_m", "up"),
)


def main():
    from ampose_tf.lifting import (
        doctor,
        floor,
        formats,
        keypoints,
        results,
        root,
        saving,
    )

    source = _KEYPOINTS.value
    place = pathlib.Path(os.path.abspath(source))
    stem = place.name if place.is_dir() else place.stem
    paths = saving.plan(_OUTPUT.value or "lifted/", stem, _FORMATS.value)
    if results.is_saved(source):
        _refuse(_OF_LIFTING, f"is for keypoints, and {source} is lifted")
        motion = results.load(source)
        saving.check(saving.targets(motion, paths), source, _OVERWRITE.value)
        return _save(motion, paths)
    up = floor.parse_up(_UP.value)
    image_size = intrinsics = None
    if _IMAGE_SIZE.value is not None:
        image_size = formats.parse_image_size(_IMAGE_SIZE.value)
    if _INTRINSICS.value is not None:
        intrinsics = root.parse_intrinsics(_INTRINSICS.value)
    clip = {
        "image_size": image_size,
        "fps": _FPS.value,
        "format": _FORMAT.value,
        "skeleton": keypoints.skeleton_of(_SKELETON.value),
        "field_of_view_deg": _FOV.value,
        "intrinsics": intrinsics,
        "height_m": _HEIGHT.value,
    }
    if source == "-" and not _DOCTOR.value:
        return _answer(clip)
    # Read before TensorFlow is: most mistakes are in here.
    people = formats.read(source, image_size, _FORMAT.value, clip["skeleton"])
    if _DOCTOR.value:
        _refuse(
            (
                *("model", "output", "formats", "overwrite", "smooth"),
                *("fov_deg", "intrinsics", "height_m", "up"),
            ),
            "is for lifting, and --doctor lifts nothing",
        )
        report = doctor.report(
            people,
            clip["skeleton"],
            fps=_FPS.value,
            seen_score=_SEEN_SCORE.value,
        )
        print(report)
        return
    # What is known of the files by now is no reason to lift in vain.
    certain = saving.certain(paths, is_alone=len(people.tracks) == 1)
    saving.check(certain, source, _OVERWRITE.value)
    motion = _lifter()(people, up=up, **clip)
    saving.check(saving.targets(motion, paths), source, _OVERWRITE.value)
    _save(motion, paths)


def _save(motion, paths):
    from ampose_tf.lifting import saving

    written = saving.save(motion, paths, _OVERWRITE.value)
    # Not before: whoever made a mistake reads one line.
    for note in motion.notes:
        print(note, file=sys.stderr)
    for path in written:
        print(path)


def _refuse(names, why):
    for name in names:
        if flags.FLAGS[name].present:
            raise ValueError(f"--{name} {why}")


def _lifter():
    from ampose_tf.lifting import Lifter

    return Lifter(
        _MODEL.value,
        seen_score=_SEEN_SCORE.value,
        smooth=None if _SMOOTH.value == "none" else _SMOOTH.value,
    )


def _answer(clip):
    """Answers standard input line by line."""
    from ampose_tf.lifting import formats, results, streams

    _refuse(
        ("output", "formats", "overwrite", "up"),
        "is for files, and --keypoints=- is answered on standard output; name "
        "a .jsonl file for files",
    )
    # Before TensorFlow loads.
    streams.checked_image_size(clip["image_size"])
    lines = formats.read_lines(sys.stdin.buffer)
    is_first = True
    try:
        for number, motion in _lifter().stream(lines, **clip):
            print(results.answer(motion, number, is_first), flush=True)
            is_first = False
    except BrokenPipeError:
        # Who read the answers has enough. Python would still try to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    config.run(main)

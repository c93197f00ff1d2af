r"""Lifts the keypoints of a clip to 3D: what lift.py and ampose-lift run.

    ampose-lift --keypoints=clip.json --image_size=1920x1080 \
        --output=lifted/ --formats=npz,bvh

Reads what COCO, AlphaPose, OpenPose, MMPose, Ultralytics, Detectron2,
MediaPipe, MoveNet and tfjs write, and plain arrays; see
python -m pydoc ampose_tf.lifting.formats. Writes lifted/clip.npz, which
states units, frame and joint names, and lifted/clip.png, 2D beside 3D, or the
formats of your choice. Says what it assumed.

JSON lines on standard input are answered line by line, as they come:

    detector | ampose-lift --keypoints=- --image_size=640x480 \
        --smooth=one_euro

Many clips are lifted in one go, on all cores, by a quoted pattern or a folder;
run again, it goes on where it stopped:

    ampose-lift --keypoints='clips/*.json' --output=lifted/

A saved result, .npz or .json, is written in other formats as it is:

    ampose-lift --keypoints=lifted/clip.npz --formats=html

What looks wrong with a file, in plain words:

    ampose-lift --keypoints=clip.json --doctor
"""

import contextlib
import dataclasses
import os
import pathlib
import sys

from absl import flags

from ampose_tf import __version__, config, files, progress, reading, weights
from ampose_tf.conversion import SEEN_SCORE
from ampose_tf.lifting.keypoints import PERSON_SCORE

# What decides on the poses, beside the model.
_SETTINGS = (
    "image_size",
    "fps",
    "format",
    "skeleton",
    "frames",
    "seen_score",
    "person_score",
    "smooth",
    "fov_deg",
    "intrinsics",
    "height_m",
    "up",
)
# What a saved result has behind it.
_OF_LIFTING = (
    "model",
    "trust_model",
    "doctor",
    "clips",
    "threads",
    *_SETTINGS,
)

# A run that lifted some clips and failed at others.
_SOME_FAILED = 4


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags of `main`."""
    flags.DEFINE_string(
        "keypoints",
        None,
        "A keypoint file of any tool, a folder of one JSON file for each "
        "frame, - for JSON lines on standard input, answered on standard "
        "output, or a saved result, which is written in other formats; or "
        "many clips: a quoted pattern, or a folder of clips.",
        required=True,
        flag_values=flag_values,
    )
    flags.DEFINE_enum(
        "clips",
        None,
        ["each", "one"],
        "Of a folder: each file is a clip, or together they are one. By "
        "default they are one if each holds a single frame.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "model",
        "ampose_s",
        "ampose_s (the default) or ampose_t, which are released, or a .keras, "
        "SavedModel folder or .tflite.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "trust_model",
        False,
        "Run a .tflite or a SavedModel that is refused as untrusted. It may "
        "then read and write your files.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "doctor",
        False,
        "Lift nothing; say in plain words what looks wrong with the "
        "keypoints.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "output",
        None,
        "Folder, by default lifted/, or a file whose ending says its format; "
        "beside an .npz its .png is drawn.",
        flag_values=flag_values,
    )
    flags.DEFINE_list(
        "formats",
        None,
        "Of the files in the output folder, by default npz,png, of many "
        "clips npz: npz, json, csv, angles (as .csv), trc, bvh, html, gif, "
        "mp4, png.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "overwrite",
        False,
        "Whether files that exist are replaced; of many clips, those that "
        "were lifted from another input, by another model or with other "
        "flags.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "threads",
        None,
        "Threads to run a .tflite or a released model in, and clips that "
        "are worked on at a time; by default as many as there are cores. "
        "Poses do not depend on it.",
        lower_bound=1,
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "image_size",
        None,
        "WIDTHxHEIGHT in pixels; where the file does not say it either, "
        "normalised keypoints cannot be read, and for others a square around "
        "the people is assumed, and where they stand is not estimated.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "fps",
        None,
        "The video's frames per second; where the file does not say it "
        "either, 30 are assumed.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "format",
        None,
        "Format of the file, if it is not to be recognised.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "skeleton",
        None,
        "Skeleton of the file's joints, if it is not to be recognised: a "
        "name, such as COCO-17, or a JSON file that describes one of your "
        "own, see "
        "python -m pydoc ampose_tf.lifting.own_skeleton.",
        flag_values=flag_values,
    )
    flags.DEFINE_enum(
        "frames",
        None,
        ["list", "people"],
        "What bodies in a list are that says nothing else: frames one after "
        "another, or people of one frame; by default it is told by ids that "
        "come back and by how far bodies are from each other.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "person_score",
        PERSON_SCORE,
        "People are left out if their score, of the whole person, is lower.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "seen_score",
        SEEN_SCORE,
        "A joint counts as seen from this score on.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "smooth",
        "none",
        "Over time: none, butterworth (no lag, needs the whole clip) or "
        "one_euro.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "fov_deg",
        None,
        "The camera's field of view along the image's longer side, in "
        "degrees; 60 are assumed. It decides how far away people are, and "
        "needs the image's size.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "intrinsics",
        None,
        "FX,FY,CX,CY of the camera in pixels, in place of --fov_deg.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "height_m",
        None,
        "The people's height in metres, to scale them by; without it they "
        "have the size that the model gives them.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "up",
        "y",
        "y, the camera is level; degrees that it looks down by; auto, from "
        "people who stand; or x,y,z in the camera's frame.",
        flag_values=flag_values,
    )


def run() -> None:
    """Runs the installed command `ampose-lift`."""
    config.run(main, define_flags)


def main(options: flags.FlagValues) -> int | None:
    """Lifts what the flags name, or writes a saved result in other formats.

    Returns:
        The exit status, of many clips 4 if some failed.

    Raises:
        OSError: If a file cannot be read, or exists and --overwrite is not
            given.
        ValueError: If a flag or the keypoint file is wrong.
    """
    from ampose_tf.lifting import (
        clips,
        doctor,
        floor,
        formats,
        keypoints,
        many,
        results,
        root,
        saving,
    )

    source = options.keypoints
    found = clips.find(source, options.clips)
    place = pathlib.Path(os.path.abspath(source))
    stem = clips.stem(place)
    if found is None:
        paths = saving.plan(options.output or "lifted/", stem, options.formats)
    if found is None and results.is_saved(source):
        _refuse(
            options, _OF_LIFTING, f"is for keypoints, and {source} is lifted"
        )
        motion = results.load(source)
        saving.check(saving.targets(motion, paths), source, options.overwrite)
        return _save(motion, paths, options.overwrite)
    up = floor.parse_up(options.up)
    image_size = intrinsics = None
    if options.image_size is not None:
        image_size = formats.parse_image_size(options.image_size)
    if options.intrinsics is not None:
        intrinsics = root.parse_intrinsics(options.intrinsics)
    clip = {
        "image_size": image_size,
        "fps": options.fps,
        "format": options.format,
        "skeleton": keypoints.skeleton_of(options.skeleton),
        "frames": options.frames,
        "field_of_view_deg": options.fov_deg,
        "intrinsics": intrinsics,
        "height_m": options.height_m,
    }
    if found is not None:
        return _lift_many(options, found, clip | {"up": up})
    if source == "-" and not options.doctor:
        _refuse(options, ("frames",), "is for files: each line is a frame")
        del clip["frames"]
        return _answer(options, clip)
    # Read before a model is: most mistakes are in here.
    people = formats.read(
        source,
        image_size,
        options.format,
        clip["skeleton"],
        frames=options.frames,
        person_score=options.person_score,
    )
    if options.doctor:
        _refuse(
            options,
            (
                "model",
                "trust_model",
                "output",
                "formats",
                "overwrite",
                "threads",
                "smooth",
                "fov_deg",
                "intrinsics",
                "height_m",
                "up",
            ),
            "is for lifting, and --doctor lifts nothing",
        )
        report = doctor.report(
            people,
            clip["skeleton"],
            fps=options.fps,
            seen_score=options.seen_score,
        )
        print(report)
        return
    # What is known of the files by now is no reason to lift in vain.
    certain = saving.certain(paths, is_alone=len(people.tracks) == 1)
    saving.check(certain, source, options.overwrite)
    motion = _lifter(options)(people, up=up, **clip)
    provenance = {"input": many.readable(place.name), **_provenance(options)}
    digest = clips.sha256(place)
    if digest is not None:
        provenance["input_sha256"] = digest
    motion = dataclasses.replace(motion, provenance=provenance)
    saving.check(saving.targets(motion, paths), source, options.overwrite)
    _save(motion, paths, options.overwrite)


def _save(motion, paths, overwrite):
    from ampose_tf.lifting import saving

    written = saving.save(motion, paths, overwrite)
    # After saving: a mistake ends in one line, without notes.
    for note in motion.notes:
        print(reading.line(note), file=sys.stderr)
    for path in written:
        print(reading.escaped(str(path)))


def _refuse(options, names, why):
    for name in names:
        if options[name].present:
            raise ValueError(f"--{name} {why}")


def _lift_many(options, found, clip):
    """Lifts each clip to files of its own; returns the exit status."""
    from ampose_tf.lifting import clips, many, predictor, saving

    _refuse(options, ("doctor",), "examines one clip")
    named = options.output or "lifted/"
    output = pathlib.Path(named)
    is_file = output.exists() and not output.is_dir()
    has_ending = saving.format_of(output) is not None
    if is_file or (has_ending and not saving.is_folder(named)):
        raise ValueError(
            f"--output={output}: expected a folder for the files of "
            f"{len(found)} clips"
        )

    def plan(stem):
        formats = ["npz"] if options.formats is None else options.formats
        return saving.plan(f"{output}{os.sep}", stem, formats)

    targets = [path for clip in found for path in plan(clips.stem(clip))]
    clips.check_output(options.keypoints, found, targets)
    lifter = _lifter(options)
    outcome = many.lift(
        found,
        lambda path: lifter(path, **clip),
        plan,
        _provenance(options),
        options.overwrite,
        options.threads or predictor.cores(),
    )
    for note in outcome.notes:
        progress.say(note)
    print(
        f"{output}: {outcome.lifted} of {len(found)} clips lifted, "
        f"{outcome.skipped} skipped that had been lifted before, "
        f"{len(outcome.failed)} failed"
    )
    for path in outcome.failed:
        progress.say(f"failed: {' '.join(many.readable(str(path)).split())}")
    return _SOME_FAILED if outcome.failed else 0


def _lifter(options):
    from ampose_tf.export import runtime
    from ampose_tf.lifting.lifter import Lifter

    is_tflite = _model_path(options).suffix == ".tflite"
    with runtime.without_greeting() if is_tflite else contextlib.nullcontext():
        return Lifter(
            options.model,
            seen_score=options.seen_score,
            person_score=options.person_score,
            smooth=None if options.smooth == "none" else options.smooth,
            threads=options.threads,
            trust_model=options.trust_model,
        )


def _model_path(options):
    return pathlib.Path(weights.LIFTING.get(options.model, options.model))


def _provenance(options):
    """Returns what results of these flags say of how they were made."""
    model = _model_path(options)
    settings = [
        f"--{name}={options[name].value}"
        for name in _SETTINGS
        if options[name].value != options[name].default
    ]
    skeleton = options.skeleton
    if skeleton is not None and os.path.isfile(skeleton):
        # Wherever the file lies, and whatever it is called.
        settings.remove(f"--skeleton={skeleton}")
        settings.append(f"--skeleton=sha256:{files.sha256(skeleton)}")
    return {
        "model": model.name,
        "model_sha256": files.sha256(model),
        "settings": " ".join(settings),
        "version": f"ampose_tf {__version__}",
    }


def _answer(options, clip):
    """Answers standard input line by line."""
    from ampose_tf.lifting import formats, results

    _refuse(
        options,
        ("output", "formats", "overwrite", "up"),
        "is for files, and --keypoints=- is answered on standard output; name "
        "a .jsonl file for files",
    )
    # Before a model is loaded.
    formats.checked_image_size(clip["image_size"])
    lines = formats.read_lines(sys.stdin.buffer)
    is_first = True
    for number, motion in _lifter(options).stream(lines, **clip):
        print(results.answer(motion, number, is_first), flush=True)
        is_first = False

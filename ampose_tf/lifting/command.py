r"""Lifts people in a video, or their keypoints, to 3D.

This is the command ampose-lift, and lift.py:

    ampose-lift --video=clip.mp4 --output=lifted/ --formats=npz,bvh,html

BlazePose finds the people. Download its models once:

    python -m ampose_tf.lifting.blazepose.models

Keypoints from another detector can be lifted instead of a video:

    ampose-lift --keypoints=clip.json --image_size=1920x1080 \
        --output=lifted/ --formats=npz,bvh

Reads the output of COCO, AlphaPose, OpenPose, MMPose, Ultralytics, Detectron2,
MediaPipe, MoveNet and tfjs, and plain arrays; see
python -m pydoc ampose_tf.lifting.formats. By default, writes lifted/clip.npz,
which states its units, coordinate frame and joint names, and lifted/clip.png,
which shows 2D and 3D; --formats chooses other formats. Every assumption is
reported.

JSON lines on standard input are answered one by one, as they arrive:

    detector | ampose-lift --keypoints=- --image_size=640x480 \
        --smooth=one_euro

A quoted pattern or a folder lifts many clips, on all cores. Run the command
again to continue an interrupted run:

    ampose-lift --keypoints='clips/*.json' --output=lifted/

Convert a saved result, .npz or .json, to other formats without lifting again:

    ampose-lift --keypoints=lifted/clip.npz --formats=html

Check a file for common mistakes, without lifting it:

    ampose-lift --keypoints=clip.json --doctor
"""

import contextlib
import dataclasses
import functools
import os
import pathlib
import sys

from absl import flags

from ampose_tf import (
    __version__,
    config,
    files,
    interrupts,
    progress,
    reading,
    weights,
)
from ampose_tf.lifting.flags import (
    OF_KEYPOINTS,
    OF_LIFTING,
    OF_RESULTS,
    OF_VIDEO,
    SETTINGS,
)
from ampose_tf.lifting.flags import define as define_flags

_LIFTS_NOTHING = "is for lifting; --doctor only checks the input"

# Exit status if some clips failed.
_SOME_FAILED = 4


def run() -> None:
    """Runs the installed command `ampose-lift`."""
    config.run(main, define_flags)


def main(options: flags.FlagValues) -> int | None:
    """Lifts the input of the flags, or converts a saved result.

    Returns:
        The exit status: 4 if some of several clips failed.

    Raises:
        OSError: If a file cannot be read, or exists and --overwrite is not
            given.
        ValueError: If a flag or the keypoint file is invalid.
    """
    if options.video is None and options.keypoints is None:
        raise ValueError("expected --video=... or --keypoints=...; see --help")
    if options.video is not None:
        return _lift_video(options)
    from ampose_tf.lifting import formats, results, saving
    from ampose_tf.lifting.many import clips

    _refuse(options, OF_VIDEO, "is for --video")
    source = options.keypoints
    found = clips.find(source, options.clips)
    place = pathlib.Path(os.path.abspath(source))
    if found is None:
        paths = saving.plan(
            options.output or "lifted/", clips.stem(place), options.formats
        )
    if found is None and results.is_saved(source):
        _refuse(
            options,
            OF_LIFTING,
            f"is for keypoints; {source} is a result that is already lifted",
        )
        motion = results.load(source)
        saving.check(saving.targets(motion, paths), source, options.overwrite)
        return _save(motion, paths, options.overwrite)
    clip = _of_clip(options)
    if found is not None:
        return _lift_many(options, found, clip)
    if options.doctor:
        _refuse(options, OF_RESULTS, _LIFTS_NOTHING)
    elif source == "-":
        _refuse(
            options,
            ("frames",),
            "is for files; each line of standard input is one frame",
        )
        del clip["frames"], clip["up"]
        return _answer(options, clip)
    # Read before the model is loaded: most mistakes are in this file.
    people = formats.read(
        source,
        clip["image_size"],
        options.format,
        clip["skeleton"],
        frames=options.frames,
        person_score=options.person_score,
    )
    if options.doctor:
        return _examine(options, people, clip["skeleton"])
    # Fails before lifting if files that are certain to be written exist.
    certain = saving.certain(paths, is_alone=len(people.tracks) == 1)
    saving.check(certain, source, options.overwrite)
    motion = _lifter(options)(people, **clip)
    motion = _signed(options, motion, place, clips.sha256(place), {})
    saving.check(saving.targets(motion, paths), source, options.overwrite)
    _save(motion, paths, options.overwrite)


def _of_clip(options):
    """Returns the arguments of a `Lifter` call that describe the clip."""
    from ampose_tf.lifting import floor, formats, keypoints, root

    up = floor.parse_up(options.up)
    image_size = intrinsics = None
    if options.image_size is not None:
        image_size = formats.parse_image_size(options.image_size)
    if options.intrinsics is not None:
        intrinsics = root.parse_intrinsics(options.intrinsics)
    return {
        "image_size": image_size,
        "fps": options.fps,
        "format": options.format,
        "skeleton": keypoints.skeleton_of(options.skeleton),
        "frames": options.frames,
        "field_of_view_deg": options.fov_deg,
        "intrinsics": intrinsics,
        "height_m": options.height_m,
        "up": up,
    }


def _lift_video(options):
    """Lifts the people in a video."""
    from ampose_tf.export import runtime
    from ampose_tf.lifting import keypoints, saving, video
    from ampose_tf.lifting.many import clips

    _refuse(
        options, ("keypoints",), "cannot be combined with --video; give one"
    )
    _refuse(options, OF_KEYPOINTS, "is for --keypoints")
    source = options.video
    place = pathlib.Path(os.path.abspath(source))
    part = {name: options[name].value for name in ("start", "end", "every")}
    paths = saving.plan(
        options.output or "lifted/", clips.stem(place), options.formats
    )
    preview = saving.preview(paths[0])
    clip = _of_clip(options)
    lifter = None
    # A video takes long: everything else is checked first.
    if options.save_keypoints is not None:
        keypoints.check_target(options.save_keypoints, options.overwrite)
        if os.path.abspath(options.save_keypoints) in map(
            os.path.abspath, paths
        ):
            raise ValueError(
                f"--save_keypoints={options.save_keypoints} is also the name "
                "of a result; choose another name"
            )
    if options.with_frames and not any(p.suffix == ".html" for p in paths):
        raise ValueError("--with_frames is for .html; add it to --formats")
    if options.doctor:
        _refuse(options, OF_RESULTS, _LIFTS_NOTHING)
    else:
        certain = saving.certain(paths, is_alone=False)
        if options.preview:
            certain = (*certain, preview)
        saving.check(certain, source, options.overwrite)
    # LiteRT prints a greeting once per process.
    with runtime.without_greeting():
        networks = video.check_detector(options.detector)
    if not options.doctor:
        lifter = _lifter(options)
    people = video.read_video(source, options.detector, options.people, **part)
    refused = None
    if options.save_keypoints is not None:
        try:
            people.save(options.save_keypoints, options.overwrite)
        except ValueError as error:
            # Lifts nevertheless: finding the keypoints may take hours.
            refused = error
    if lifter is None:
        _examine(options, people, None)
    else:
        motion = lifter(people, **clip)
        motion = _signed(options, motion, place, video.sha256(place), networks)
        saving.check(saving.targets(motion, paths), source, options.overwrite)
        footage = saving.Footage(
            functools.partial(video.shown, source, people, **part),
            preview if options.preview else None,
            options.with_frames,
        )
        _save(motion, paths, options.overwrite, footage)
    if refused is not None:
        raise refused
    done = "examined" if lifter is None else "lifted"
    interrupts.check(
        f"before the end of the video; the frames up to there are {done}"
    )


def _examine(options, people, skeleton):
    from ampose_tf.lifting import doctor

    report = doctor.report(
        people, skeleton, fps=options.fps, seen_score=options.seen_score
    )
    print(report)


def _signed(options, motion, place, digest, networks):
    """Returns the motion with its provenance."""
    from ampose_tf.lifting.many import workers

    provenance = {
        "input": workers.readable(place.name),
        **_provenance(options),
    }
    if digest is not None:
        provenance["input_sha256"] = digest
    for name, sha256 in networks.items():
        provenance[f"{name}_sha256"] = sha256
    return dataclasses.replace(motion, provenance=provenance)


def _save(motion, paths, overwrite, footage=None):
    from ampose_tf.lifting import saving

    written = saving.save(motion, paths, overwrite, footage=footage)
    # After saving: an error is reported in one line, without notes.
    for note in motion.notes:
        print(reading.line(note), file=sys.stderr)
    for path in written:
        print(reading.escaped(str(path)))


def _refuse(options, names, why):
    for name in names:
        if options[name].present:
            raise ValueError(f"--{name} {why}")


def _lift_many(options, found, clip):
    """Lifts each clip to separate files; returns the exit status."""
    from ampose_tf.lifting import predictor, saving
    from ampose_tf.lifting.many import clips, workers

    _refuse(options, ("doctor",), "checks one clip at a time; name one file")
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
    outcome = workers.lift(
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
        f"{outcome.skipped} skipped as already lifted, "
        f"{len(outcome.failed)} failed"
    )
    for path in outcome.failed:
        progress.say(
            f"failed: {' '.join(workers.readable(str(path)).split())}"
        )
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
    """Returns the part of the provenance that the flags determine."""
    model = _model_path(options)
    settings = [
        f"--{name}={options[name].value}"
        for name in SETTINGS
        if options[name].value != options[name].default
    ]
    skeleton = options.skeleton
    if skeleton is not None and os.path.isfile(skeleton):
        # Independent of the file's location and name.
        settings.remove(f"--skeleton={skeleton}")
        settings.append(f"--skeleton=sha256:{files.sha256(skeleton)}")
    return {
        "model": model.name,
        "model_sha256": files.sha256(model),
        "settings": " ".join(settings),
        "version": f"ampose_tf {__version__}",
    }


def _answer(options, clip):
    """Answers each line of standard input."""
    from ampose_tf.lifting import formats, results

    _refuse(
        options,
        ("output", "formats", "overwrite", "up"),
        "is for files; --keypoints=- writes to standard output; to write "
        "files, name a .jsonl file",
    )
    # Checked before the model is loaded.
    formats.checked_image_size(clip["image_size"])
    lines = formats.read_lines(sys.stdin.buffer)
    is_first = True
    for number, motion in _lifter(options).stream(lines, **clip):
        print(results.answer(motion, number, is_first), flush=True)
        is_first = False

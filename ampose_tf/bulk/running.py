"""Runs the pipeline according to flags."""

import argparse
import contextlib
import functools
import io
import itertools
import json
import logging
import os
import pathlib
from collections.abc import Iterator

import apache_beam as beam
import pyarrow as pa
from absl import flags
from apache_beam.io import filesystems
from apache_beam.options import pipeline_options
from apache_beam.runners import runner

from ampose_tf import __version__, files, reading, weights
from ampose_tf.bulk import clips, errors, examples, pipeline, tables
from ampose_tf.export import runtime
from ampose_tf.lifting import formats, root
from ampose_tf.lifting.keypoints import check_score, skeleton_of
from ampose_tf.lifting.lifter import Lifter
from ampose_tf.lifting.predictor import load_predictor

_SOME_BAD = 4
_DIRECT = "DirectRunner"


def run(options: flags.FlagValues, beam_flags: list[str]) -> int | None:
    """Runs the pipeline according to flags, and waits for its end.

    Args:
        options: The flags of `ampose_tf.bulk.__main__`.
        beam_flags: Beam's flags.

    Returns:
        The exit status, 4 if there are bad rows.

    Raises:
        OSError: If a file cannot be read or written, or the output exists.
        ValueError: If a flag or a file is wrong.
    """
    source = _path(options.input, "--input")
    output = _path(options.output, "--output")
    beam_options = parsed(beam_flags)
    filesystems.FileSystems.set_options(beam_options)
    standard = beam_options.view_as(pipeline_options.StandardOptions)
    is_quiet = standard.runner == _DIRECT and not options.debug
    with errors.of_one_line(output):
        check_free(output)
        plan = planned(options, matched(source))
        with (
            _whole(output) as place,
            errors.logs_aside() if is_quiet else contextlib.nullcontext(),
        ):
            made = beam.Pipeline(options=beam_options)
            pipeline.build(made, plan, place)
            result = _started(made, standard.runner)
            state = result.wait_until_finish()
            if state != runner.PipelineState.DONE:
                raise ValueError(f"{output}: the job is {state}")
            counts = pipeline.counted(result)
    what = "file" if plan.schema is None else "row"
    rows, lifted, bad = (
        counts[name] for name in (pipeline.ROWS, pipeline.LIFTED, pipeline.BAD)
    )
    print(
        f"{output}: {_number(rows, what)} read, {_number(lifted, 'pose')}, "
        f"{_number(bad, f'bad {what}')}"
    )
    return _SOME_BAD if bad else None


def _number(count, noun):
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _path(value, flag):
    """Returns a path, without the scheme if it is local."""
    path = value.removeprefix("file://")
    if not path:
        raise ValueError(f"{flag}={value}: expected a path")
    return path


def _started(made, name):
    """Starts a pipeline, with errors of one line from a remote runner."""
    try:
        return made.run()
    except (RuntimeError, OSError) as error:
        if name == _DIRECT:
            # It also runs the pipeline.
            raise
        raise ValueError(
            f"--runner={name}: the job could not be started: "
            f"{reading.line(str(error))}"
        ) from error


def parsed(beam_flags: list[str]) -> pipeline_options.PipelineOptions:
    """Parses Beam's flags.

    Raises:
        ValueError: If a flag is invalid, or is unknown and the runner is
            local, or an argument is not a flag.
    """
    said = io.StringIO()
    unknown = []

    def look(parser: argparse.ArgumentParser):
        unknown.extend(parser.parse_known_args(beam_flags)[1])

    # Beam warns about unknown flags.
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stderr(said):
            options = pipeline_options.PipelineOptions(beam_flags)
            options.get_all_options(add_extra_args_fn=look)
    except SystemExit as error:
        line = said.getvalue().strip().splitlines()[-1]
        raise ValueError(line.partition("error: ")[2] or line) from error
    finally:
        logging.disable(logging.NOTSET)
    for before, word in itertools.pairwise(["", *unknown]):
        is_value = before.startswith("-") and "=" not in before
        if not word.startswith("-") and not is_value:
            raise ValueError(
                f"{word}: not a flag; put the pattern of --input in quotes"
            )
    standard = options.view_as(pipeline_options.StandardOptions)
    if standard.runner in (None, _DIRECT):
        standard.runner = _DIRECT
        # Flags of other runners may only be known to their servers.
        if unknown:
            raise ValueError(f"unknown flag {unknown[0]}; --help lists ours")
        # This pipeline has no triggers. Without this option, the DirectRunner
        # would download and run another runner, Prism.
        triggers = options.view_as(pipeline_options.TypeOptions)
        triggers.allow_unsafe_triggers = True
        direct = options.view_as(pipeline_options.DirectOptions)
        if direct.direct_num_workers < 0:
            raise ValueError(
                "--direct_num_workers: expected a number of workers, or 0 for "
                f"one on each core, got {direct.direct_num_workers}"
            )
        mode = "--direct_running_mode"
        is_given = any(flag.startswith(mode) for flag in beam_flags)
        if direct.direct_num_workers != 1 and not is_given:
            # By default, all workers share this process.
            direct.direct_running_mode = "multi_processing"
    return options


def matched(pattern: str) -> list[str]:
    """Returns the sorted paths of the files that match a pattern.

    The name of a local file can contain the characters of patterns.

    Raises:
        OSError: If the file system reports an error.
        ValueError: If no file matches.
    """
    wanted = pattern
    if filesystems.FileSystems.get_scheme(pattern) is None:
        if os.path.isdir(pattern):
            inside = os.path.join(pattern, "*.parquet")
            raise ValueError(
                f"--input={pattern}: is a folder; use a pattern of files, "
                f"--input='{inside}'"
            )
        # Patterns without a folder match nothing.
        wanted = os.path.abspath(pattern)
        if os.path.isfile(wanted):
            return [wanted]
    found = filesystems.FileSystems.match([wanted])[0].metadata_list
    if not found:
        raise ValueError(
            f"--input={pattern}: no files; expected a pattern in quotes, "
            "such as 'keypoints/*.parquet'"
        )
    return sorted(metadata.path for metadata in found)


def check_free(output: str) -> None:
    """Checks that the output does not exist.

    Raises:
        FileExistsError: If it exists.
    """
    if filesystems.FileSystems.get_scheme(output) is None:
        there = os.path.lexists(output)
        how = ""
    else:
        inside = filesystems.FileSystems.join(output, "**")
        found = filesystems.FileSystems.match([inside], limits=[1])
        there = bool(found[0].metadata_list)
        done = filesystems.FileSystems.join(output, pipeline.SUCCESS)
        is_whole = there and filesystems.FileSystems.exists(done)
        how = "" if is_whole else f", unfinished, without {pipeline.SUCCESS}"
    if there:
        raise FileExistsError(
            f"--output={output} exists{how}; remove it, or choose another"
        )


def planned(options: flags.FlagValues, paths: list[str]) -> pipeline.Plan:
    """Returns the files to lift, and how to lift them.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If a flag or the first file is invalid.
    """
    image_size = intrinsics = None
    if options.image_size is not None:
        image_size = formats.parse_image_size(options.image_size)
        formats.checked_image_size(image_size)
    if options.intrinsics is not None:
        intrinsics = root.parse_intrinsics(options.intrinsics)
        root.checked_intrinsics(intrinsics)
    if options.fov_deg is not None:
        if intrinsics is not None:
            raise ValueError("Give either --fov_deg or --intrinsics, not both")
        root.camera_of((1, 1), options.fov_deg)
    check_score(options.seen_score, "--seen_score")
    check_score(options.person_score, "--person_score")
    skeleton = skeleton_of(options.skeleton)
    model = weights.LIFTING.get(options.model, options.model)
    load = functools.partial(
        load_predictor,
        model,
        threads=1,
        trust_model=options.trust_model,
    )
    with runtime.without_greeting():
        lifts = load().skeleton
    # By name too, as the first file may be damaged.
    is_named = any(path.endswith(".parquet") for path in paths)
    if is_named or pipeline.is_parquet(paths[0]):
        if options["person_score"].present:
            raise ValueError("--person_score is for keypoint files")
        settings = tables.Settings(
            image_size,
            skeleton,
            options.seen_score,
            options.flip_ensemble,
            options.fov_deg or root.FIELD_OF_VIEW_DEG,
            intrinsics,
        )
        schema = pipeline.schema_of(paths[0])
        try:
            tables.check(schema, settings)
        except ValueError as error:
            raise ValueError(f"{paths[0]}: {error}") from error
        lifted = tables.lifted_schema(schema, lifts)
    else:
        settings = schema = None
        lifted = tables.described(pa.schema(clips.COLUMNS.items()), lifts)
        load = functools.partial(
            _load_clips,
            {
                "model": model,
                "seen_score": options.seen_score,
                "person_score": options.person_score,
                "flip_ensemble": options.flip_ensemble,
                "threads": 1,
                "trust_model": options.trust_model,
            },
            {
                "image_size": image_size,
                "skeleton": skeleton,
                "field_of_view_deg": options.fov_deg,
                "intrinsics": intrinsics,
            },
            lifted,
        )
    if options.format == "tfrecord":
        examples.check(lifted)
    described = {
        "input": options.input,
        "files": len(paths),
        "model": pathlib.Path(model).name,
        "model_sha256": files.sha256(model),
        "version": f"ampose_tf {__version__}",
    }
    return pipeline.Plan(
        paths,
        schema,
        lifted,
        load,
        settings,
        options.format,
        json.dumps(described, indent=1) + "\n",
    )


def _load_clips(lifter, clip, schema):
    return clips.Clips(Lifter(**lifter), clip, schema)


@contextlib.contextmanager
def _whole(output: str) -> Iterator[str]:
    """Yields the folder to write to.

    On local file systems, it is renamed to the output at the end of the
    block. Other file systems cannot rename folders; there, `_SUCCESS` marks
    complete output.
    """
    if filesystems.FileSystems.get_scheme(output) is not None:
        yield output
        return
    path = os.path.abspath(output)
    try:
        with files.replacing(path, overwrite=False) as place:
            yield str(place)
    except FileExistsError:
        # Another process has created it.
        check_free(output)
        raise

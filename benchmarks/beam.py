r"""Compares lifting with Apache Beam to a plain loop, and checks all rows.

    pip install -e '.[beam]'
    python -m benchmarks.beam
    python -m benchmarks.beam --poses=20000 --model=ampose_t

Writes Parquet files of a walking person, with noise and a few bad rows, and
lifts them: in a plain loop over record batches, which reads, lifts and writes
in one thread; with `ampose_tf.bulk` with one worker and with two; and again
after a run with two workers that was killed halfway. Processor time is the sum
of all processes. Beam's start-up is measured by a run with a few poses.

The exit status is 1 if a row is lost or duplicated, a pose differs from the
plain loop's by a single bit, a bad row has no reason, or the output of the
killed run looks complete. By default, flip ensemble is off, as it doubles the
time per pose of all methods. Each file has one row group per million rows; a
row group is lifted by one worker, so that --files=1 shows the cost of reading
a large row group, not the speed of two workers.
"""

import datetime
import hashlib
import importlib.metadata
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np
import pyarrow as pa
from absl import flags
from pyarrow import parquet

from ampose_tf import config
from ampose_tf.conversion import COCO_17

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_BAD = 7
_FEW = 64
_HEAD = (
    "| | seconds | poses/s | processor seconds | ratio to plain loop "
    "| peak MB of a process |",
    "|---|---|---|---|---|---|",
)


def define_flags(flag_values):
    flags.DEFINE_integer(
        "poses",
        1_000_000,
        "Rows.",
        lower_bound=1000,
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "files", 4, "Files.", lower_bound=1, flag_values=flag_values
    )
    flags.DEFINE_enum(
        "model",
        "ampose_s",
        ["ampose_s", "ampose_t"],
        "A released model.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "flip_ensemble", False, "Flip ensemble.", flag_values=flag_values
    )


def main(options):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        bad = _make(folder / "rows", options.poses, options.files)
        _make(folder / "few", _FEW, 1, bad=0)
        flip = f"--{'' if options.flip_ensemble else 'no'}flip_ensemble"
        ours = [f"--model={options.model}", flip]
        print("\n".join(_HEAD), flush=True)
        runs, faults = {}, []

        def keep(name, run):
            runs[name] = run
            print(_row(name, run, runs, options.poses), flush=True)

        keep("start-up of one", _beam(folder, "few", 1, ours))
        keep("start-up of two", _beam(folder, "few", 2, ours))
        keep("plain loop", _plain(folder, options))
        expected, _ = _digest(folder / "plain loop", options.poses, bad)
        for workers, name in ((1, "one worker"), (2, "two workers")):
            keep(name, _beam(folder, "rows", workers, ours, name))
            digest, wrong = _digest(folder / name, options.poses, bad)
            faults += [f"{name}: {fault}" for fault in wrong]
            if digest != expected:
                faults.append(f"{name}: poses differ from the plain loop's")
        _kill(folder, ours, runs["two workers"][0] / 2, faults)
        _beam(folder, "rows", 2, ours, "again")
        digest, wrong = _digest(folder / "again", options.poses, bad)
        faults += [f"after a kill: {fault}" for fault in wrong]
        if digest != expected:
            faults.append("after a kill: poses differ from the plain loop's")
    print(_summary(options, runs, expected))
    print("\n".join(faults) or "No row lost or duplicated, all poses equal.")
    return 1 if faults else None


def _row(name, run, runs, poses):
    wall, processor, peak = run
    count, ratio = poses, ""
    if name.startswith("start"):
        count = _FEW
    else:
        ratio = f"× {processor / runs['plain loop'][1]:.3f}"
    return (
        f"| {name} | {wall:.1f} | {count / wall:.0f} | {processor:.1f} | "
        f"{ratio} | {peak:.0f} |"
    )


def _summary(options, runs, digest):
    one, two = runs["one worker"], runs["two workers"]
    starts = [runs[f"start-up of {n}"] for n in ("one", "two")]
    without = (one[0] - starts[0][0]) / (two[0] - starts[1][0])
    plain = runs["plain loop"][1]
    shares = [
        (run[1] - start[1]) / plain
        for run, start in zip((one, two), starts, strict=True)
    ]
    return (
        f"\nTwo workers are {one[0] / two[0]:.2f} times as fast as one, "
        f"{without:.2f} times without start-up. Processor time without "
        f"start-up is {shares[0]:.3f} (one) and {shares[1]:.3f} (two) times "
        f"that of the plain loop.\n{options.model}, flip ensemble "
        f"{'on' if options.flip_ensemble else 'off'}, {options.poses} rows in "
        f"{options.files} files; {os.cpu_count()} cores; apache-beam "
        f"{importlib.metadata.version('apache-beam')}, "
        f"{datetime.date.today().isoformat()}; SHA-256 of keys and poses "
        f"{digest[:16]}…"
    )


def _make(folder, count, number, bad=_BAD):
    """Writes Parquet files; returns the keys of rows that are bad."""
    folder.mkdir()
    with np.load(_ROOT / "docs" / "walking.npz") as walking:
        pixels = np.linalg.pinv(COCO_17.matrix) @ walking["keypoints_px"]
    random = np.random.default_rng(0)
    wrong = np.sort(random.choice(count, bad, replace=False))
    for part, keys in enumerate(np.array_split(np.arange(count), number)):
        points = pixels[keys % len(pixels)]
        points = points + random.normal(0, 3, points.shape)
        scores = random.uniform(0.5, 1, points.shape[:2])
        scores[random.random(scores.shape) < 0.03] = 0.05
        points[np.isin(keys, wrong[::2])] *= 1e6
        scores[np.isin(keys, wrong[1::2])] = 0
        table = {
            "key": keys,
            "keypoints_px": _lists(points),
            "scores": _lists(scores),
        }
        parquet.write_table(pa.table(table), folder / f"{part:03}.parquet")
    return wrong


def _lists(array):
    flat = array.astype(np.float32).reshape(len(array), -1)
    return pa.FixedSizeListArray.from_arrays(flat.ravel(), flat.shape[1])


# Runs in a separate small process, because a child's peak memory is at least
# that of the process that started it.
_MEASURE = """
import json, resource, subprocess, sys, time

start = time.perf_counter()
ended = subprocess.run(sys.argv[1:], capture_output=True, text=True)
wall = time.perf_counter() - start
used = resource.getrusage(resource.RUSAGE_CHILDREN)
processor = used.ru_utime + used.ru_stime
print(json.dumps([wall, processor, 1.024e-3 * used.ru_maxrss]))
print(ended.stderr, file=sys.stderr)
sys.exit(ended.returncode)
"""

_LOOP = """
import pathlib, sys

from pyarrow import parquet

from ampose_tf import weights
from ampose_tf.bulk import tables
from ampose_tf.conversion import COCO_17
from ampose_tf.lifting.predictor import load_predictor

source, output, model, flip = sys.argv[1:]
settings = tables.Settings((1000, 1002), COCO_17, flip_ensemble=flip == "True")
predict = load_predictor(weights.LIFTING[model], threads=1)
output = pathlib.Path(output)
for path in sorted(pathlib.Path(source).glob("*.parquet")):
    file = parquet.ParquetFile(path)
    schema = tables.lifted_schema(file.schema_arrow, predict.skeleton)
    bad_schema = tables.bad_schema(file.schema_arrow)
    with (
        parquet.ParquetWriter(output / "poses" / path.name, schema) as good,
        parquet.ParquetWriter(output / "bad_rows" / path.name, bad_schema) as
            bad,
    ):
        for batch in file.iter_batches(16_384):
            lifted, refused = tables.lift(batch, predict, settings)
            good.write_batch(lifted.cast(schema))
            bad.write_batch(refused.cast(bad_schema))
"""


def _plain(folder, options):
    output = folder / "plain loop"
    for name in ("poses", "bad_rows"):
        (output / name).mkdir(parents=True)
    return _measured(
        ["-c", _LOOP, folder / "rows", output, options.model]
        + [str(options.flip_ensemble)]
    )


def _beam(folder, source, workers, ours, name=None):
    output = folder / (name or f"{source} by {workers}")
    return _measured(_command(folder / source, output, workers, ours), (0, 4))


def _command(source, output, workers, ours):
    return [
        "-m",
        "ampose_tf.bulk",
        f"--input={source}/*.parquet",
        f"--output={output}",
        "--image_size=1000x1002",
        "--skeleton=COCO-17",
        "--runner=DirectRunner",
        f"--direct_num_workers={workers}",
        "--direct_running_mode=multi_processing",
        *ours,
    ]


def _measured(arguments, good=(0,)):
    """Returns seconds, processor seconds, and peak memory in MB."""
    arguments = [str(argument) for argument in arguments]
    ended = subprocess.run(
        [sys.executable, "-c", _MEASURE, sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=_ROOT,
    )
    if ended.returncode not in good:
        raise ValueError(f"{arguments[:2]} failed: {ended.stderr[-500:]}")
    return json.loads(ended.stdout)


def _kill(folder, ours, seconds, faults):
    """Kills a run halfway, and checks that no output is left."""
    output = folder / "again"
    arguments = _command(folder / "rows", output, 2, ours)
    process = subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=_ROOT,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(seconds)
    if process.poll() is not None:
        faults.append("the run ended before it was killed")
        shutil.rmtree(output)
    process.send_signal(signal.SIGKILL)
    process.wait()
    if output.exists():
        faults.append("the output exists after a run was killed")
    # Workers end when they notice.
    time.sleep(15)


def _digest(output, poses, bad):
    """Returns the SHA-256 of rows sorted by key, and a list of faults."""
    faults = []
    lifted = parquet.read_table(output / "poses", columns=["key", "poses_3d"])
    keys = lifted["key"].to_numpy()
    poses_3d = lifted["poses_3d"].combine_chunks().flatten().to_numpy()
    order = np.argsort(keys, kind="stable")
    refused = parquet.read_table(output / "bad_rows")
    expected = np.setdiff1d(np.arange(poses), bad)
    if not np.array_equal(keys[order], expected):
        faults.append("rows are lost or duplicated")
    if sorted(refused["key"].to_pylist()) != bad.tolist():
        faults.append("bad rows are lost or duplicated")
    if not all(refused["reason"].to_pylist()):
        faults.append("a bad row has no reason")
    content = hashlib.sha256(keys[order])
    content.update(np.ascontiguousarray(poses_3d.reshape(-1, 51)[order]))
    return content.hexdigest(), faults


if __name__ == "__main__":
    config.run(main, define_flags)

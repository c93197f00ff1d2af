r"""Speed and memory of training data in shards.

    python -m benchmarks.shards

generates 1.56 million pairs, as many as in Human3.6M's training set, writes
them like `python -m ampose_tf.data.prepare shards`, and reads epochs in a
separate process, like `fit`: keypoints and poses in batches, with mirroring.
It prints poses per second and the peak memory of the process. As the pairs
are random numbers, time and memory do not include reading an archive.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time
from unittest import mock

import numpy as np
from absl import flags

from ampose_tf import config
from ampose_tf.config import sections
from benchmarks import runtimes

_SUBJECTS = ("S1", "S5", "S6", "S7", "S8")


def define_flags(flag_values):
    flags.DEFINE_integer(
        "pairs", 1_560_000, "Pairs.", 1000, flag_values=flag_values
    )
    flags.DEFINE_integer("number", 64, "Shards.", 1, flag_values=flag_values)
    flags.DEFINE_integer(
        "batch", 128, "Poses per batch.", 1, flag_values=flag_values
    )
    flags.DEFINE_integer(
        "epochs", 3, "Epochs to read.", 1, flag_values=flag_values
    )
    flags.DEFINE_string(
        "read", "", "Folder of shards to read only.", flag_values=flag_values
    )


def main(options):
    if options.read:
        print(json.dumps(_read(options)))
        return
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder, "shards")
        start = time.perf_counter()
        _write(output, options)
        seconds = time.perf_counter() - start
        size = sum(path.stat().st_size for path in output.iterdir())
        print(
            f"written: {options.pairs} pairs, {options.number} shards, "
            f"{size / 1e6:.0f} MB, {options.pairs / seconds:,.0f} poses/s, "
            f"peak memory {_peak_mb():.0f} MB",
            flush=True,
        )
        ended = subprocess.run(
            [
                sys.executable,
                "-m",
                "benchmarks.shards",
                f"--read={output}",
                f"--batch={options.batch}",
                f"--epochs={options.epochs}",
            ],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    figures = json.loads(ended.stdout)
    print(
        f"check before training: {figures['load_s']:.1f} s\n"
        f"read, batches of {options.batch}: "
        + ", ".join(f"{rate:,.0f}" for rate in figures["poses_per_s"])
        + " poses/s in epochs 1 to "
        f"{options.epochs}; processor time {figures['processor_us']:.2f} us "
        f"per pose; peak memory {figures['peak_mb']:.0f} MB"
    )


def _config(folder=""):
    return sections.Config(data=sections.Data(shards=str(folder)))


def _write(output, options):
    """Writes random pairs of realistic size, one subject at a time."""
    from ampose_tf.data.poses import Poses
    from ampose_tf.data.preparation import sharding

    random = np.random.default_rng(0)
    left = np.array_split(np.arange(options.pairs), len(_SUBJECTS))

    def made(experiment, split):
        (subject,) = experiment.data.train_subjects
        count = len(left[_SUBJECTS.index(subject)])
        poses_3d = random.uniform(-1, 1, (count, 17, 3)).astype(np.float32)
        poses_3d[:, 0] = 0
        return Poses(
            random.uniform(-1, 1, (count, 17, 2)).astype(np.float32),
            poses_3d,
            np.zeros(count, np.int32),
            np.full(count, subject),
            ("",),
        )

    origin = {"training_data": "random numbers", "licence": "none"}
    with (
        mock.patch.object(sharding.sources, "load", made),
        mock.patch.object(sharding.sources, "origin", lambda _: origin),
    ):
        sharding.prepare(_config(), output, options.number)


def _read(options):
    from ampose_tf.data import shards
    from ampose_tf.data.feed import make_feed

    experiment = _config(options.read)
    experiment.train.batch_size = options.batch
    start = time.perf_counter()
    found = shards.load(experiment)
    loaded = time.perf_counter() - start
    feed = make_feed(experiment, found)
    rates, spent = [], time.process_time()
    start, poses = time.perf_counter(), 0
    for step, (_, target) in enumerate(feed.batches(range(options.epochs)), 1):
        poses += len(target)
        if not step % feed.steps:
            rates.append(poses / (time.perf_counter() - start))
            start, poses = time.perf_counter(), 0
    spent = time.process_time() - spent
    return {
        "load_s": loaded,
        "poses_per_s": rates,
        "processor_us": 1e6 * spent / (found.count * options.epochs),
        "peak_mb": _peak_mb(),
    }


def _peak_mb():
    # `resource` would count the memory of the process's parent, too.
    return runtimes.memory("VmHWM")


if __name__ == "__main__":
    config.run(main, define_flags)

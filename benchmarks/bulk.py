r"""Times bulk lifting: the network next to its peers, and all of lift.py.

    pip install -e '.[benchmark]'
    python -m benchmarks.bulk
    python -m benchmarks.bulk --model=ampose_t --rounds=20 --clip_rounds=0

The network: thousands of poses, on all cores, from NumPy array to NumPy array.
Compares the `.tflite` as `Lifter` runs it, PyTorch eager and with
torch.compile (which needs a C++ compiler), ONNX Runtime, and a plain float32
matrix product in PyTorch with as many multiplications, which is the
processor's limit. Each has its own process (`bulk_peers.py`). Every round runs
all of them, in a random order, so that other load on the machine affects them
equally.

lift.py, from its start to its output files, on a generated person who walks:
10,000 frames in COCO's JSON, and 54,000 frames, half an hour at 30 per second,
in AlphaPose's; compared with the time of the network only, with two calls per
pose, measured before and after each.
"""

import contextlib
import datetime
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile

import numpy as np
from absl import flags

from ampose_tf import config
from ampose_tf.conversion import COCO_17
from benchmarks import bulk_peers
from benchmarks.bulk_peers import LIMIT, OURS, PEERS

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_METRES = 1e-4

# Number of frames, format of the input, output formats.
_CLIPS = ((10_000, "coco", "npz"), (54_000, "alphapose", "npz,bvh"))


def define_flags(flag_values):
    flags.DEFINE_enum(
        "model",
        "ampose_s",
        ["ampose_s", "ampose_t"],
        "Name of a released model.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "batches",
        16,
        "Batches of 256 poses per peer and round.",
        lower_bound=1,
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "rounds",
        12,
        "Number of rounds.",
        lower_bound=1,
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "clip_rounds",
        3,
        "Number of runs per clip.",
        lower_bound=0,
        flag_values=flag_values,
    )


def main(options):
    for package in ("torch", "onnx", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            raise ValueError(
                f"{package} is not installed: pip install -e '.[benchmark]'"
            )
    count = 256 * options.batches
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        macs = bulk_peers.write(folder, options.model, count)
        print(_network(folder, count, options.rounds), flush=True)
        if options.clip_rounds:
            print(
                _clips(folder, options.model, count, options.clip_rounds),
                flush=True,
            )
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("ai-edge-litert", "torch", "onnxruntime")
    )
    print(
        f"{options.model}, {macs / 1e6:.1f} million multiplications per pose, "
        f"float32; {os.cpu_count()} cores of "
        f"{platform.processor() or platform.machine()}; {versions}; medians "
        f"of {options.rounds} rounds of {count} poses and of "
        f"{options.clip_rounds} clips; {datetime.date.today().isoformat()}."
    )


def _network(folder, count, rounds):
    with contextlib.ExitStack() as stack:
        peers = {
            name: stack.enter_context(bulk_peers.Process(name, folder))
            for name in PEERS
        }
        for name, peer in peers.items():
            if name == LIMIT:
                continue
            error = np.abs(peer.poses_3d - peers[OURS].poses_3d).max()
            if not error < _METRES:
                raise ValueError(f"{name}: its poses are wrong by {error} m")
        seconds = {name: [] for name in peers}
        random = np.random.default_rng(0)
        for _ in range(rounds):
            for name in random.permutation(list(peers)):
                seconds[name].append(peers[name].seconds())
    lines = [
        f"| the network | poses/s | {OURS} to it | µs of processor a pose |",
        "|---|---|---|---|",
    ]
    ours = np.array(seconds[OURS])[:, 0]
    for name, measured in seconds.items():
        wall, processor = np.array(measured).T
        # Both from the same round.
        ratio = np.median(wall / ours)
        lines.append(
            f"| {name} | {count / np.median(wall):.0f} | × {ratio:.2f} | "
            f"{1e6 * np.median(processor) / count:.0f} |"
        )
    return "\n".join(lines) + "\n"


def _clips(folder, model, count, rounds):
    lines = [
        "| lift.py | seconds | to the network's | of processor | peak MB |",
        "|---|---|---|---|---|",
    ]
    with bulk_peers.Process(OURS, folder) as network:
        for frames, form, formats in _CLIPS:
            path = folder / f"{form}.json"
            path.write_text(json.dumps(_walking(frames, form)))
            measured = []
            for _ in range(rounds):
                before, _ = network.seconds()
                taken = _lift(path, folder / "lifted", model, formats)
                after, _ = network.seconds()
                alone = 2 * frames * (before + after) / 2 / count
                measured.append([taken[0], taken[0] / alone, *taken[1:]])
            wall, ratio, processor, peak = np.median(measured, axis=0)
            lines.append(
                f"| {frames} frames, {form}, to {formats} | {wall:.1f} | "
                f"× {ratio:.2f} | {processor:.1f} | {peak:.0f} |"
            )
    return "\n".join(lines) + "\n"


# In a small process of its own: a child's peak memory starts at that of the
# process that started it.
_MEASURE = """
import json, resource, subprocess, sys, time

start = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, capture_output=True)
wall = time.perf_counter() - start
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([wall, used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""


def _lift(path, output, model, formats):
    """Returns seconds of wall and processor time, and peak memory in MB."""
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            _MEASURE,
            sys.executable,
            str(_ROOT / "lift.py"),
            f"--keypoints={path}",
            f"--model={model}",
            f"--output={output}",
            f"--formats={formats}",
            "--image_size=1000x1002",
            "--overwrite",
        ],
        capture_output=True,
        text=True,
    )
    if ended.returncode:
        raise ValueError(f"lift.py failed on {path.name}: {ended.stderr}")
    wall, processor, peak = json.loads(ended.stdout)
    return wall, processor, 1.024e-3 * peak


def _walking(frames, form):
    """Returns a person who keeps walking, as detected."""
    with np.load(_ROOT / "docs" / "walking.npz") as walking:
        pixels = np.linalg.pinv(COCO_17.matrix) @ walking["keypoints_px"]
    random = np.random.default_rng(0)
    # Back and forth: after a jump they would be another person.
    last = len(pixels) - 1
    pixels = pixels[last - np.abs(np.arange(frames) % (2 * last) - last)]
    pixels = pixels + random.normal(0, 1, pixels.shape)
    scores = random.uniform(0.5, 1, pixels.shape[:2])
    scores[random.random(scores.shape) < 0.03] = 0.05
    points = np.concatenate([pixels, scores[..., None]], axis=-1).round(4)
    name = {"coco": int, "alphapose": "{}.jpg".format}[form]
    extra = {"coco": {}, "alphapose": {"box": [1.0, 2, 3, 4], "idx": [0.0]}}
    return [
        {
            "image_id": name(frame),
            "category_id": 1,
            "keypoints": person,
            "score": 0.9,
        }
        | extra[form]
        for frame, person in enumerate(points.reshape(frames, -1).tolist())
    ]


if __name__ == "__main__":
    config.run(main, define_flags)

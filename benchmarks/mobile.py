r"""Times exported files next to ONNX Runtime and PyTorch, pose by pose.

    pip install -e '.[benchmark]'
    python -m benchmarks.mobile
    python -m benchmarks.mobile --model=runs/demo/best.keras --rounds=50
    python -m benchmarks.mobile --file=runs/qat/export/ampose_int8.tflite

Compares the `.tflite` formats of each model in LiteRT (with XNNPACK, its
default), the same weights in ONNX (`onnx_peer.py`), as float32 and with ONNX
Runtime's dynamic int8, and PyTorch eager (`torch_peer.py`), for the released
models and, with random weights, the paper's size. An existing
NAME_<format>.tflite next to NAME.keras is used; missing files are created, and
formats that need calibration are then calibrated on random poses, so that only
their times are meaningful.

Each file has its own process (`runtimes.py`). A call is timed as a Python
program makes it, from NumPy arrays to NumPy array, with one thread and with
two. Every round calls all files, in a random order, so that other load on the
machine affects them equally. Before that, fresh processes measure the time to
the first pose, starting with opening the file (which is in the system's
cache), and their largest memory growth until 32 poses are lifted. Predictions
of float32 files are compared with Keras.
"""

import contextlib
import dataclasses
import datetime
import importlib.metadata
import importlib.util
import os
import pathlib
import platform
import tempfile
import time

import numpy as np
from absl import flags

from ampose_tf import config
from benchmarks import runtimes, timed_models

_CALLS = 30  # per file and round
_THREADS = (1, 2)
_FLOAT32_METRES = 1e-4
# Threads of the previous process spin for a while.
_PAUSE_S = 0.02

# Packages that each peer needs.
_PACKAGES = {"ONNX Runtime": ("onnx", "onnxruntime"), "PyTorch": ("torch",)}

# Instruction sets that kernels are chosen by.
_INSTRUCTIONS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "asimddp")


@dataclasses.dataclass(frozen=True)
class Entry:
    """One file in one runtime.

    Attributes:
        weights: Storage format of the weights.
        runtime: One of `runtimes.RUNTIMES`.
        path: Path of the file.
    """

    weights: str
    runtime: str
    path: pathlib.Path


def define_flags(flag_values):
    timed_models.define_flag(flag_values)
    flags.DEFINE_multi_string(
        "file",
        [],
        "Another .tflite file, timed together with the first model's.",
        flag_values=flag_values,
    )
    flags.DEFINE_list(
        "formats",
        ["float32", "float16", "dynamic_int8", "int8", "int8_float_attention"],
        "Formats of the .tflite files.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "rounds",
        30,
        "Number of rounds.",
        lower_bound=1,
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "starts",
        5,
        "Fresh processes per file for the first pose.",
        lower_bound=1,
        flag_values=flag_values,
    )


def main(options):
    absent = {}
    for runtime, packages in _PACKAGES.items():
        for package in packages:
            if importlib.util.find_spec(package) is None:
                absent.setdefault(runtime, package)
    further = [pathlib.Path(name) for name in options.file]
    for name in options.model:
        with tempfile.TemporaryDirectory() as folder:
            model, described, path = timed_models.load(name)
            # Mistakes first, because creating files takes longer.
            others = [_further(file, model) for file in further]
            entries = _entries(model, path, options.formats, folder, absent)
            further = []
            table = _measured(
                described,
                model,
                entries + others,
                folder,
                rounds=options.rounds,
                starts=options.starts,
            )
            print(table, flush=True)
    print(_circumstances(absent, options.rounds, options.starts))


def _entries(model, path, formats, folder, absent):
    """Returns all entries of a model; creates missing files."""
    folder = pathlib.Path(folder)
    entries = [
        Entry(
            format, "LiteRT", timed_models.file_of(model, path, format, folder)
        )
        for format in formats
    ]
    if "ONNX Runtime" not in absent:
        from benchmarks import onnx_peer

        for make in (onnx_peer.float32, onnx_peer.dynamic_int8):
            path = folder / f"{make.__name__}.onnx"
            path.write_bytes(make(model))
            entries.append(Entry(make.__name__, "ONNX Runtime", path))
    if "PyTorch" not in absent:
        from benchmarks import torch_peer

        path = folder / "float32.pt"
        torch_peer.save(model, path)
        entries.append(Entry("float32", "PyTorch", path))
    return entries


def _further(path, model):
    """Returns the entry of a `.tflite` with the same inputs as the model."""
    from ampose_tf.export import runtime

    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    held = runtime.signature_shapes(path).get("lift", {"inputs": "none"})
    given = timed_models.pose(timed_models.inputs(model))
    expected = {name: list(array.shape) for name, array in given.items()}
    if held["inputs"] != expected:
        raise ValueError(
            f"{path}: expected a signature lift of {expected}, got "
            f"{held['inputs']}"
        )
    return Entry(path.stem, "LiteRT", path)


def _measured(described, model, entries, folder, rounds, starts):
    """Returns the table of a model's entries."""
    given = timed_models.inputs(model)
    inputs = pathlib.Path(folder, "inputs.npz")
    np.savez(inputs, **{name: array[:, None] for name, array in given.items()})
    expected = model.predict_on_batch(
        given if model.seen_input else given["keypoints_2d"]
    )
    firsts, megabytes = _first(entries, inputs, described, expected, starts)
    milliseconds = {
        key: 1e3 * seconds
        for key, seconds in _time(entries, inputs, rounds).items()
    }
    return _table(described, entries, firsts, megabytes, milliseconds)


def _first(entries, inputs, described, expected, starts):
    """Returns each start's ms to the first pose and its MB, by entry."""
    firsts = {entry: [] for entry in entries}
    megabytes = {entry: [] for entry in entries}
    for start in range(starts):
        for entry in entries:
            with runtimes.Process(entry.runtime, entry.path, inputs) as held:
                firsts[entry].append(held.first_ms)
                megabytes[entry].append(held.megabytes)
                if start == 0:
                    _check(described, entry, held.poses_3d, expected)
    print()
    return firsts, megabytes


def _check(described, entry, lifted, expected):
    """Prints the deviation from Keras; raises if float32 is wrong."""
    name = f"{described}: {entry.runtime}, {entry.weights}"
    largest = np.abs(lifted - expected).max()
    # Not `>`, which is false for NaN.
    if entry.weights == "float32" and not largest <= _FLOAT32_METRES:
        raise ValueError(
            f"{name}: {largest:.2g} m from Keras, more than "
            f"{_FLOAT32_METRES:g} m; not worth timing"
        )
    size = np.linalg.norm(expected, axis=-1).mean()
    mean = np.linalg.norm(lifted - expected, axis=-1).mean()
    print(
        f"{name}: joints {1e3 * mean:.4f} mm from Keras's on average, "
        f"{mean / size:.2%} of their distance from the root"
    )


def _time(entries, inputs, rounds):
    """Returns seconds by (entry, threads), arrays (rounds, calls)."""
    with contextlib.ExitStack() as stack:
        held = {
            (entry, threads): stack.enter_context(
                runtimes.Process(entry.runtime, entry.path, inputs, threads)
            )
            for entry in entries
            for threads in _THREADS
        }
        turns = list(held)
        seconds = {key: np.empty((rounds, _CALLS)) for key in turns}
        for index in range(rounds):
            first = index % len(turns)
            for key in turns[first:] + turns[:first]:
                time.sleep(_PAUSE_S)
                seconds[key][index] = held[key].seconds(_CALLS)
    return seconds


def _table(described, entries, firsts, megabytes, milliseconds):
    figures = "median ms | 95th percentile ms | to ONNX Runtime"
    rows = [
        f"| {described} | runtime | MB | first pose, ms | memory, MB | "
        + " | ".join(f"{n} thread{'s' * (n > 1)}: {figures}" for n in _THREADS)
        + " |",
        "|---" * (5 + 3 * len(_THREADS)) + "|",
    ]
    for entry in entries:
        cells = [
            entry.weights,
            entry.runtime,
            f"{entry.path.stat().st_size / 1e6:.2f}",
            f"{np.median(firsts[entry]):.1f}",
            f"{np.median(megabytes[entry]):.1f}",
        ]
        for threads in _THREADS:
            times = milliseconds[entry, threads]
            cells += [
                f"{np.median(times):.3f}",
                f"{np.percentile(times, 95):.3f}",
                _ratio(entry, threads, milliseconds),
            ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _ratio(entry, threads, milliseconds):
    """Returns the rounds' median ratio to the same format in ONNX Runtime."""
    like = "dynamic_int8" if "int8" in entry.weights else "float32"
    reference = ("ONNX Runtime", like, threads)
    for (other, n), times in milliseconds.items():
        if (other.runtime, other.weights, n) == reference:
            rounds = np.median(milliseconds[entry, threads], axis=1)
            return f"× {np.median(rounds / np.median(times, axis=1)):.2f}"
    return ""


def _circumstances(absent, rounds, starts):
    packages = ["ai-edge-litert", "tensorflow"]
    for runtime, needed in _PACKAGES.items():
        if runtime not in absent:
            packages += needed
    versions = ", ".join(
        f"{package} {importlib.metadata.version(package)}"
        for package in packages
    )
    missing = "".join(
        f" Without {runtime}: {package} is not installed, pip install -e "
        "'.[benchmark]'."
        for runtime, package in absent.items()
    )
    return (
        f"Batch 1, {os.cpu_count()} cores of {_processor()}; {versions}; "
        f"{rounds} rounds of {_CALLS} calls, {starts} starts; "
        f"{datetime.date.today().isoformat()}.{missing}"
    )


def _processor():
    """Returns the processor's name and its relevant instruction sets."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = {}
    for line in lines:
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    name = fields.get("model name", platform.machine())
    known = fields.get("flags", fields.get("Features", "")).split()
    found = [flag for flag in _INSTRUCTIONS if flag in known]
    return f"{name} ({', '.join(found) or 'no vector extensions known'})"


if __name__ == "__main__":
    config.run(main, define_flags)

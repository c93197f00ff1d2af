r"""Times exported files beside ONNX Runtime, one pose at a time.

    pip install -e '.[benchmark]'
    python benchmarks/latency.py
    python benchmarks/latency.py --model=runs/demo/best.keras --rounds=50

Float32 and dynamic int8 `.tflite` files under LiteRT (with XNNPACK, its
default) and the same weights in ONNX (see `onnx_peer.py`) under ONNX Runtime,
each on one thread. Without --model, the paper's network with random weights.

A call is timed as an app makes it, from NumPy array to NumPy array:
set_tensor, invoke and get_tensor, or InferenceSession.run. Every round times
all of them, each time in another order, so that what else the machine does
meets them alike. Before, each is compared with Keras.
"""

import datetime
import importlib.metadata
import importlib.util
import pathlib
import platform
import tempfile
import time

import numpy as np
from absl import flags

from ampose_tf import config

_MODEL = flags.DEFINE_string(
    "model", None, "A .keras file; by default the paper's network, untrained."
)
_ROUNDS = flags.DEFINE_integer(
    "rounds", 30, "How often each runtime's turn comes.", lower_bound=1
)

_WARM_UP = 5
_CALLS = 30  # of one runtime, in one round
_POSES = 32
_FLOAT32_METRES = 1e-4

_FORMATS = ("float32", "dynamic_int8")
_RUNTIMES = ("LiteRT", "ONNX Runtime")

# Instruction sets that the kernels of both runtimes choose by.
_INSTRUCTIONS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "asimddp")


def main():
    for package in ("onnx", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            raise ValueError(
                f"{package} is not installed: pip install -e '.[benchmark]'"
            )
    model, checkpoint = _load(_MODEL.value)
    joints = model.adjacency.shape[1]
    keypoints_2d = np.random.default_rng(0).uniform(
        -1, 1, (_POSES, 1, joints, 2)
    )
    keypoints_2d = keypoints_2d.astype(np.float32)

    lifts, megabytes = _make(model, checkpoint)
    _check(lifts, keypoints_2d, model.predict_on_batch(keypoints_2d[:, 0]))
    milliseconds = {
        key: 1e3 * seconds
        for key, seconds in _time(lifts, keypoints_2d, _ROUNDS.value).items()
    }
    print(_table(milliseconds, megabytes))
    print(_circumstances(model, checkpoint))


def _load(path):
    """Returns a float32 model, and what it is."""
    from ampose_tf.models import stored

    if path is not None:
        return stored.load(path).rebuilt(), stored.describe_checkpoint(path)

    import keras

    from ampose_tf.models.ampose import AMPose
    from ampose_tf.skeleton import H36M_17

    keras.utils.set_random_seed(0)
    model = AMPose(H36M_17.adjacency())
    random = np.random.default_rng(0)
    for variable in model.variables:
        if len(variable.shape) == 1:
            # Zeros and ones would hide a bias or a scale that was lost.
            noise = random.normal(0, 0.1, variable.shape)
            variable.assign(variable + noise.astype(np.float32))
    return model, "random weights"


def _make(model, checkpoint):
    """Returns, by (runtime, format), callables and their files' sizes."""
    import onnx_peer

    from ampose_tf.export import tflite

    lifts, megabytes = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for format in _FORMATS:
            path = pathlib.Path(folder, f"{format}.tflite")
            tflite.write(model, path, format, checkpoint)
            lifts["LiteRT", format] = _litert(path.read_bytes())
            megabytes["LiteRT", format] = path.stat().st_size / 1e6
            peer = getattr(onnx_peer, format)(model)
            lifts["ONNX Runtime", format] = _onnx_runtime(peer)
            megabytes["ONNX Runtime", format] = len(peer) / 1e6
    return lifts, megabytes


def _litert(content):
    from ai_edge_litert import interpreter as litert

    interpreter = litert.Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]["index"]
    wanted = interpreter.get_output_details()[0]["index"]

    def lift(keypoints_2d):
        interpreter.set_tensor(given, keypoints_2d)
        interpreter.invoke()
        return interpreter.get_tensor(wanted)

    return lift


def _onnx_runtime(content):
    import onnx_peer

    session = onnx_peer.session(content)
    return lambda keypoints_2d: session.run(
        None, {"keypoints_2d": keypoints_2d}
    )[0]


def _check(lifts, keypoints_2d, expected):
    """Prints how far each is from Keras; raises where float32 is wrong."""
    size = np.linalg.norm(expected, axis=-1).mean()
    for (runtime, format), lift in lifts.items():
        lifted = np.concatenate([lift(pose) for pose in keypoints_2d])
        largest = np.abs(lifted - expected).max()
        # Not `>`, which NaN would pass.
        if format == "float32" and not largest <= _FLOAT32_METRES:
            raise ValueError(
                f"{runtime}, {format}: {largest:.2g} m from Keras, more than "
                f"{_FLOAT32_METRES:g} m; not worth timing"
            )
        mean = np.linalg.norm(lifted - expected, axis=-1).mean()
        print(
            f"{runtime}, {format}: joints {1e3 * mean:.4f} mm from Keras's on "
            f"average, {mean / size:.2%} of their distance from the root"
        )
    print()


def _time(lifts, keypoints_2d, rounds):
    """Returns seconds by (runtime, format), arrays (rounds, calls)."""
    turns = list(lifts)
    seconds = {key: np.empty((rounds, _CALLS)) for key in turns}
    for index in range(rounds):
        first = index % len(turns)
        for key in turns[first:] + turns[:first]:
            lift = lifts[key]
            # The caches hold another's weights.
            for _ in range(_WARM_UP):
                lift(keypoints_2d[0])
            for call in range(_CALLS):
                pose = keypoints_2d[call % len(keypoints_2d)]
                start = time.perf_counter()
                lift(pose)
                seconds[key][index, call] = time.perf_counter() - start
    return seconds


def _table(milliseconds, megabytes):
    rows = [
        "| weights | runtime | MB | median ms | 95th percentile ms "
        "| to ONNX Runtime |",
        "|---|---|---|---|---|---|",
    ]
    for format in _FORMATS:
        peer = np.median(milliseconds["ONNX Runtime", format], axis=1)
        for runtime in _RUNTIMES:
            times = milliseconds[runtime, format]
            ratio = np.median(np.median(times, axis=1) / peer)
            rows.append(
                f"| {format} | {runtime} | {megabytes[runtime, format]:.1f} "
                f"| {np.median(times):.2f} | {np.percentile(times, 95):.2f} "
                f"| × {ratio:.2f} |"
            )
    return "\n".join(rows)


def _circumstances(model, checkpoint):
    versions = ", ".join(
        f"{package} {importlib.metadata.version(package)}"
        for package in (
            "ai-edge-litert",
            "tensorflow",
            "onnxruntime",
            "onnx",
        )
    )
    return (
        f"\nDepth {model.depth}, width {model.width}, "
        f"{model.adjacency.shape[1]} joints ({checkpoint}); batch 1, one "
        f"thread of {_processor()}; {versions}; {_ROUNDS.value} rounds of "
        f"{_CALLS} calls; {datetime.date.today().isoformat()}."
    )


def _processor():
    """Returns the processor's name and the instruction sets that matter."""
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
    config.run(main)

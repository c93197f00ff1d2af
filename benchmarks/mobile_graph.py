r"""Repeats those measurements of mobile_graph.md that can be repeated.

    python -m benchmarks.mobile_graph --config=configs/mocap_s.py \
        --config.data.root=DIR --model=ampose_s

Prints three tables: the Keras graph next to the graph for phones, with graph
convolutions of one kernel and of one per group, by processor time; static int8
with increasing parts of the graph in float32; and the cost of additional
signatures in bytes and in memory (on Linux).
"""

import functools
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from absl import flags

from ampose_tf import config
from benchmarks import timed_models

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_CALLS = 20  # per file and round
_FORMATS = ("float32", "dynamic_int8")

# Memory growth of a process that runs all signatures of a file once.
_MEMORY = """
import sys
import numpy as np
from ai_edge_litert import interpreter as litert
from benchmarks import runtimes

before = runtimes.memory("VmHWM")
loaded = litert.Interpreter(model_path=sys.argv[1], num_threads=1)
for name in loaded.get_signature_list():
    runner = loaded.get_signature_runner(name)
    runner(**{
        n: np.ones(detail["shape"], np.float32)
        for n, detail in runner.get_input_details().items()
    })
print(runtimes.memory("VmHWM") - before)
"""


def define_flags(flag_values):
    config.define_flag(flag_values)
    flags.DEFINE_string(
        "model",
        None,
        "A .keras file, or the name of a size.",
        required=True,
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "rounds",
        20,
        "Number of rounds.",
        lower_bound=1,
        flag_values=flag_values,
    )


def main(options):
    from ampose_tf.data import sources

    experiment = options.config
    validation = sources.load(experiment, "validation")
    training = sources.load(experiment, "train")

    from ampose_tf.data.feed import make_feed
    from ampose_tf.export import verify

    model, *_ = timed_models.load(options.model)
    spread = np.linspace(0, validation.count - 1, 256).astype(int)
    poses = validation.select(spread)
    (case, *_) = verify.cases(model, poses, ("lift",))
    calibration = make_feed(experiment, training).calibration(
        experiment.export.calibration_poses, model.seen_input
    )
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        _graphs(model, case, folder, options.rounds)
        _static(model, case, poses, calibration, folder)
        _signatures(model, folder)


def _graphs(model, case, folder, rounds):
    from ampose_tf.export import mobile, tflite

    lift = mobile.lift
    for format in _FORMATS:
        paths = {
            "Keras layers as they are": folder / f"keras_{format}.tflite",
            "one kernel for all groups": folder / f"stacked_{format}.tflite",
            "mobile.py": folder / f"mobile_{format}.tflite",
        }
        as_it_is, whole, chosen = paths.values()
        as_it_is.write_bytes(_of_keras(model, format))
        try:
            mobile.lift = functools.partial(
                lift, graph_conv=mobile.stacked_graph_conv
            )
            tflite.write(model, whole, format, "")
        finally:
            mobile.lift = lift
        tflite.write(model, chosen, format, "")
        seconds = _seconds(paths.values(), case, rounds)
        print(f"\n| {format} | ms | ratio | mean deviation, mm |")
        print("|---|---|---|---|")
        for (name, path), taken in zip(paths.items(), seconds, strict=True):
            apart = _apart_mm(path, case)
            print(
                f"| {name} | {1e3 * taken:.2f} | {taken / seconds[0]:.3f} | "
                f"{apart.mean():.2f} |"
            )


def _of_keras(model, format):
    """Returns a .tflite of the Keras layers, for one pose."""
    import keras
    import tensorflow as tf

    from ampose_tf.export import signatures

    def forward(keypoints_2d, seen):
        given = keypoints_2d
        if model.seen_input:
            given = {"keypoints_2d": keypoints_2d, "seen": seen}
        return model(given, training=False)

    ends = signatures.endpoints(model, forward, ("lift",), batch=1)
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("lift", *ends["lift"])
    with tempfile.TemporaryDirectory() as folder:
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=["lift"]
        )
        if format == "dynamic_int8":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        return converter.convert()


def _seconds(paths, case, rounds):
    """Returns the median processor time of a call, by file."""
    from ai_edge_litert import interpreter as litert

    invoked = []
    for path in paths:
        loaded = litert.Interpreter(model_path=str(path), num_threads=1)
        loaded.allocate_tensors()
        # Keypoints and, if the model has it, seen differ in shape.
        given = {a[:1].shape: a[:1] for a in case.arrays.values()}
        for detail in loaded.get_input_details():
            array = given[tuple(detail["shape"].tolist())]
            loaded.set_tensor(detail["index"], array.astype(np.float32))
        loaded.invoke()
        invoked.append(loaded.invoke)
    taken = np.empty((rounds, len(invoked)))
    for index in range(rounds):
        for place in np.random.default_rng(index).permutation(len(invoked)):
            start = time.process_time()
            for _ in range(_CALLS):
                invoked[place]()
            taken[index, place] = (time.process_time() - start) / _CALLS
    return np.median(taken, axis=0)


def _apart_mm(path, case):
    from ampose_tf.export import runtime

    lifted = runtime.tflite(path, "lift")(**case.arrays)
    return 1000 * np.linalg.norm(lifted - case.expected, axis=-1)


def _static(model, case, poses, calibration, folder):
    from ampose_tf.evaluation.metrics import mpjpe
    from ampose_tf.export import mobile, runtime, tflite, verify

    stays = {"nothing but the front": [mobile.FRONT]}
    stays["attention"] = [mobile.FRONT, mobile.ATTENTION]
    stays["layer norms"] = [mobile.FRONT, mobile.NORM]
    stays["…, sums"] = [*stays["layer norms"], mobile.RESIDUAL]
    stays["…, ends"] = [*stays["…, sums"], mobile.ENDS]
    stays["…, attention (`int8`)"] = [*stays["…, ends"], mobile.ATTENTION]
    stays["all but dense layers (`int8_float_attention`)"] = None
    print(
        "\n| float32 | MPJPE | mean | kernels | bytes |\n|---|---|---|---|---|"
    )
    kept = tflite._FLOAT["int8"]
    try:
        for name, scopes in stays.items():
            tflite._FLOAT["int8"] = scopes
            path = folder / "static.tflite"
            tflite.write(model, path, "int8", "", calibration=calibration)
            lifted = runtime.tflite(path)(**case.arrays)
            change = mpjpe(lifted, poses.poses_3d) - mpjpe(
                case.expected, poses.poses_3d
            )
            step = len(lifted) // verify.REFERENCE_POSES
            some = {n: a[::step] for n, a in case.arrays.items()}
            kernels = runtime.tflite(path)(**some) - runtime.tflite(
                path, reference=True
            )(**some)
            print(
                f"| {name} | {1000 * change.mean():+.1f} mm | "
                f"{_apart_mm(path, case).mean():.1f} mm | "
                f"{1000 * np.linalg.norm(kernels, axis=-1).mean():.1f} mm | "
                f"{path.stat().st_size:,} |",
                flush=True,
            )
    finally:
        tflite._FLOAT["int8"] = kept


def _signatures(model, folder):
    from ampose_tf.export import flatbuffer, runtime, signatures, tflite

    print("\n| file | signatures | bytes | memory, MB |\n|---|---|---|---|")
    for format in _FORMATS:
        path = folder / f"all_{format}.tflite"
        names = signatures.possible(model)
        tflite.write(model, path, format, "", names)
        alone = folder / f"alone_{format}.tflite"
        tables = flatbuffer.only(runtime.tables(path), "lift")
        alone.write_bytes(flatbuffer.write(tables))
        for file, count in ((alone, 1), (path, len(names))):
            size = file.stat().st_size
            print(f"| {format} | {count} | {size:,} | {_memory(file)} |")


def _memory(path):
    ended = subprocess.run(
        [sys.executable, "-c", _MEMORY, str(path)],
        # So that the package `benchmarks` is found.
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return f"{float(ended.stdout):.1f}"


if __name__ == "__main__":
    config.run(main, define_flags)

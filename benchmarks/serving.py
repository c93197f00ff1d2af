r"""Measures the processor time of a SavedModel, to plan servers.

    python -m benchmarks.serving

Exports ampose_s and calls its signature lift_coco17 in a TensorFlow session,
like TensorFlow Serving, with 1, 8, 32 and 64 poses per call: first with one
thread, then with one thread per core. All results are compared with those of
the Keras model. The time in which a server parses requests and writes
responses is not included.
"""

import datetime
import pathlib
import platform
import tempfile
import time

import numpy as np
import tensorflow as tf
from absl import flags

from ampose_tf import config, weights
from ampose_tf.camera import denormalize_screen, normalize_screen
from ampose_tf.conversion import COCO_17, SEEN_SCORE
from ampose_tf.export import saved_model
from ampose_tf.lifting.predictor import cores, load_predictor
from ampose_tf.models import stored

_METRES = 1e-4
_IMAGE_SIZE = (1920, 1080)
_WARM_UP = 5


def define_flags(flag_values):
    flags.DEFINE_float(
        "seconds",
        20.0,
        "Seconds per line of the table.",
        lower_bound=0.1,
        flag_values=flag_values,
    )
    flags.DEFINE_list(
        "poses",
        ["1", "8", "32", "64"],
        "Numbers of poses per call.",
        flag_values=flag_values,
    )


def main(options):
    print(
        "| threads | poses per call | ms per call, median | poses/s | "
        "processor ms per pose |\n|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "1"
        model = stored.load(weights.AMPOSE_S)
        saved_model.write(model, path, "ampose_s: released")
        for threads in sorted({1, cores()}):
            lift = session(path, threads)
            for count in map(int, options.poses):
                print(_line(lift, threads, count, options.seconds), flush=True)
    print(
        f"\n{options.seconds:g} s per line; {cores()} cores of "
        f"{platform.processor() or platform.machine()}; "
        f"{datetime.date.today().isoformat()}."
    )


def session(path, threads):
    """Returns `lift_coco17` of a SavedModel as a function, in a session."""
    opened = tf.compat.v1.Session(
        graph=tf.Graph(),
        config=tf.compat.v1.ConfigProto(
            intra_op_parallelism_threads=threads,
            inter_op_parallelism_threads=threads,
            # By default, all sessions share the threads of the first one.
            use_per_session_threads=True,
        ),
    )
    with opened.graph.as_default():
        loaded = tf.compat.v1.saved_model.load(opened, ["serve"], str(path))
        signature = loaded.signature_def["lift_coco17"]
        names = ("keypoints_px", "scores", "image_size")
        return opened.make_callable(
            signature.outputs["poses_3d"].name,
            [signature.inputs[name].name for name in names],
        )


def inputs(count):
    """Returns pixels, scores and image sizes of some poses."""
    random = np.random.default_rng(count)
    keypoints_2d = random.uniform(-0.5, 0.5, (count, 17, 2))
    pixels = denormalize_screen(keypoints_2d, _IMAGE_SIZE, "longest")
    scores = random.uniform(0, 1, (count, 17))
    sizes = np.tile(_IMAGE_SIZE, (count, 1))
    return [array.astype(np.float32) for array in (pixels, scores, sizes)]


def _line(lift, threads, count, seconds):
    given = inputs(count)
    expected = _expected(*given)
    for _ in range(_WARM_UP):
        lift(*given)
    times, used = [], time.process_time()
    while sum(times) < seconds:
        began = time.perf_counter()
        poses_3d = lift(*given)
        times.append(time.perf_counter() - began)
        off = np.abs(poses_3d - expected).max()
        # Not `off > limit`, which is False for NaN.
        if not off <= _METRES:
            raise ValueError(
                f"a result differs from the Keras model's by {off} m"
            )
    used = 1e3 * (time.process_time() - used) / (len(times) * count)
    rate = count * len(times) / sum(times)
    return (
        f"| {threads} | {count} | {1e3 * np.median(times):.2f} | {rate:.0f} | "
        f"{used:.2f} |"
    )


def _expected(pixels, scores, sizes):
    predict = load_predictor(weights.AMPOSE_S)
    converted = COCO_17.convert(pixels.astype(np.float64), scores)
    keypoints_2d = normalize_screen(converted, sizes[0], "longest")
    seen = COCO_17.convert_scores(scores) >= SEEN_SCORE
    return predict(keypoints_2d.astype(np.float32), seen)


if __name__ == "__main__":
    config.run(main, define_flags)

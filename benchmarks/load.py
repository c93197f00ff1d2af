r"""Measures a server under load, and checks every response.

    python -m benchmarks.load
    python -m benchmarks.load --seconds=5 --clients=8 --poses=64
    python -m benchmarks.load --tf_serving_rest=localhost:8501 \
        --tf_serving_grpc=localhost:8500 --tf_serving_model=ampose_s

Starts `python -m ampose_tf.serving` with ampose_s and sends requests over
loopback by REST (V1 with JSON) and gRPC (V2 with raw tensors), from 1, 8 and
32 clients, each with one request at a time, with 1 and 64 poses per request.
Clients are threads of this process, and requests are prepared in advance, so
that most processor time is available to the server. Afterwards, responses are
compared with the Keras model's poses; failures and deviations of more than
0.1 mm count as errors. For comparison, the same poses are lifted in bulk, in a
plain loop in this process with two threads, while the server is idle. All
predictions are averaged over each pose and its mirror image.

With --tf_serving_rest and --tf_serving_grpc, a server with TensorFlow
Serving's protocols is also measured, with the signature lift_coco17 of a model
and without mirror images.
"""

import contextlib
import datetime
import hashlib
import http.client
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import threading
import time

import grpc
import numpy as np
import orjson
from absl import flags
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from ampose_tf import config, weights
from ampose_tf.camera import normalize_screen
from ampose_tf.conversion import COCO_17
from ampose_tf.lifting.keypoints import convert, is_seen
from ampose_tf.lifting.predictor import load_predictor
from ampose_tf.skeleton import H36M_17, flip_ensemble
from benchmarks.pose_requests import INFER, grpc_v2, instances

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_METRES = 1e-4
_IMAGE_SIZE = (1920, 1080)
# Number of different requests, which are sent in rotation.
_REQUESTS = 16
_MODEL = "ampose_s"


def define_flags(flag_values):
    flags.DEFINE_float(
        "seconds",
        60.0,
        "Seconds per line of the table.",
        lower_bound=0.1,
        flag_values=flag_values,
    )
    for name, default, text in (
        ("clients", ["1", "8", "32"], "Numbers of clients."),
        ("poses", ["1", "64"], "Numbers of poses per request."),
        ("protocols", ["REST", "gRPC"], "REST, gRPC."),
    ):
        flags.DEFINE_list(name, default, text, flag_values=flag_values)
    for name, text in (
        ("tf_serving_rest", "HOST:PORT of TensorFlow Serving's REST."),
        ("tf_serving_grpc", "HOST:PORT of TensorFlow Serving's gRPC."),
    ):
        flags.DEFINE_string(name, None, text, flag_values=flag_values)
    flags.DEFINE_string(
        "tf_serving_model",
        _MODEL,
        "Name of the model in TensorFlow Serving.",
        flag_values=flag_values,
    )


def main(options):
    poses = [int(number) for number in options.poses]
    asked = {count: requests(count) for count in poses}
    lines = [
        "| server | clients | poses a request | requests/s | poses/s | "
        "p50, p95, p99 ms | processor ms a request | errors |",
        "|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    rates = {}
    with server() as (rest, rpc, process):
        bulk, processor = _bulk(options.seconds)
        targets = {
            "REST": lambda count: Rest(rest, v1(asked[count]), _of_v1),
            "gRPC": lambda count: Rpc(rpc, v2(asked[count]), INFER, _of_v2),
        }
        for name in options.protocols:
            for count in poses:
                for clients in map(int, options.clients):
                    rates[name, count, clients] = _line(
                        f"KServe {name}",
                        targets[name](count),
                        clients,
                        count,
                        options.seconds,
                        expected(asked[count], mirrored=True),
                        process.pid,
                    )
    for name, place in (
        ("REST", options.tf_serving_rest),
        ("gRPC", options.tf_serving_grpc),
    ):
        if place is None:
            continue
        for count in poses:
            target = (
                Rest(place, _tf_rest(asked[count], options), _of_tf_rest)
                if name == "REST"
                else Rpc(
                    place, _tf_grpc(asked[count], options), _PREDICT, _of_tf
                )
            )
            for clients in map(int, options.clients):
                _line(
                    f"TF Serving {name}",
                    target,
                    clients,
                    count,
                    options.seconds,
                    expected(asked[count], mirrored=False),
                )
    print(
        f"\nbulk, two threads: {bulk:.0f} poses/s, {1e3 * processor:.2f} "
        "processor ms a pose"
    )
    best = [
        rate for (n, c, _), rate in rates.items() if (n, c) == ("gRPC", 64)
    ]
    if best:
        print(f"gRPC, 64 poses a request, to bulk: {max(best) / bulk:.0%}")
    print(
        f"{options.seconds:g} s a line; {os.cpu_count()} cores of "
        f"{platform.processor() or platform.machine()}, shared with the "
        f"clients; {datetime.date.today().isoformat()}."
    )


def requests(count):
    """Returns requests of `count` poses: pixels and scores of COCO-17."""
    with np.load(_ROOT / "docs" / "walking.npz") as walking:
        pixels = np.linalg.pinv(COCO_17.matrix) @ walking["keypoints_px"]
    random = np.random.default_rng(count)
    rows = random.integers(0, len(pixels), (_REQUESTS, count))
    pixels = pixels[rows] + random.normal(0, 1, (_REQUESTS, count, 17, 2))
    scores = random.uniform(0.5, 1, (_REQUESTS, count, 17))
    scores[random.random(scores.shape) < 0.03] = 0.05
    # Rounded, so that JSON and raw bytes contain the same values.
    return [
        (p.astype(np.float32), s.astype(np.float32))
        for p, s in zip(pixels.round(2), scores.round(3), strict=True)
    ]


def prepared(pixels, scores):
    """Returns the network's inputs: keypoints (N, 17, 2), and `seen`."""
    pixels, scores = convert(pixels, scores, COCO_17)
    seen = is_seen(scores, 0.3)
    return normalize_screen(pixels, _IMAGE_SIZE), seen


def expected(asked, mirrored):
    """Returns the Keras model's poses for requests, (N, 17, 3) each."""
    predict = load_predictor(weights.AMPOSE_S, 64)
    answers = []
    for pixels, scores in asked:
        keypoints_2d, seen = prepared(pixels, scores)
        answers.append(
            flip_ensemble(predict, keypoints_2d, H36M_17, seen).mean
            if mirrored
            else predict(keypoints_2d, seen)
        )
    return answers


def _bulk(seconds):
    """Returns poses per second and processor time per pose of a loop."""
    predict = load_predictor(weights.LIFTING[_MODEL], threads=2)
    ((pixels, scores),) = requests(2048)[:1]
    keypoints_2d, seen = prepared(pixels, scores)
    flip_ensemble(predict, keypoints_2d, H36M_17, seen)
    count, began, used = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        keypoints_2d, seen = prepared(pixels, scores)
        flip_ensemble(predict, keypoints_2d, H36M_17, seen)
        count += len(pixels)
    used = time.process_time() - used
    return count / (time.perf_counter() - began), used / count


@contextlib.contextmanager
def server(*arguments):
    """Yields the addresses of REST and gRPC of a server, and its process."""
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder) / "log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "ampose_tf.serving",
                    f"--model={_MODEL}",
                    "--port=0",
                    "--grpc_port=0",
                    *arguments,
                ],
                stdout=file,
                cwd=_ROOT,
            )
        process.log = log
        try:
            while b"}" not in log.read_bytes():
                if process.poll() is not None:
                    raise ValueError("the server did not start")
                time.sleep(0.1)
            ready = json.loads(log.read_text().splitlines()[0])
            yield (
                f"127.0.0.1:{ready['port']}",
                f"127.0.0.1:{ready['grpc_port']}",
                process,
            )
        finally:
            process.terminate()
            process.wait(60)


class Rest:
    """REST requests, and a function that reads their responses."""

    def __init__(self, place, asked, read):
        (path, bodies) = asked
        self._place, self._path, self._bodies = place, path, bodies
        self.read = read

    def client(self, stack):
        """Returns a function that sends a request; `stack` closes it."""
        connection = http.client.HTTPConnection(self._place, timeout=60)
        stack.callback(connection.close)
        headers = {"content-type": "application/json"}

        def ask(i):
            connection.request("POST", self._path, self._bodies[i], headers)
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != 200:
                raise ValueError(f"{answer.status}: {content[:200]}")
            return content

        return ask


class Rpc:
    """gRPC requests, and a function that reads their responses."""

    def __init__(self, place, bodies, method, read):
        self._place, self._bodies, self._method = place, bodies, method
        self.read = read

    def client(self, stack):
        """Returns a function that sends a request; `stack` closes it."""
        # By default, channels to the same address share a connection.
        channel = grpc.insecure_channel(
            self._place,
            [
                ("grpc.use_local_subchannel_pool", 1),
                ("grpc.max_receive_message_length", -1),
            ],
        )
        stack.callback(channel.close)
        method = channel.unary_unary(self._method)
        return lambda i: method(self._bodies[i], timeout=60)


def _line(name, target, clients, count, seconds, answers, pid=None):
    """Measures and prints a line; returns poses per second."""
    times, wrong = [], []
    contents = [{} for _ in answers]
    end = threading.Event()
    # All clients and this thread.
    together = threading.Barrier(clients + 1, timeout=120)

    def run(number):
        with contextlib.ExitStack() as stack:
            ask = target.client(stack)
            try:
                ask(0)
            except Exception as error:
                wrong.append(f"{type(error).__name__}: {error}")
            together.wait()
            i = number
            while not end.is_set():
                i = (i + 1) % len(answers)
                began = time.perf_counter()
                try:
                    content = ask(i)
                except Exception as error:
                    # `http.client` cannot use a connection again after an
                    # incomplete response.
                    wrong.append(f"{type(error).__name__}: {error}")
                    stack.close()
                    ask = target.client(stack)
                    end.wait(0.01)
                    continue
                times.append(time.perf_counter() - began)
                # Repeated responses are compared once.
                contents[i][hashlib.blake2b(content).digest()] = content

    threads = [
        threading.Thread(target=run, args=(number,), daemon=True)
        for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    together.wait()
    began, used = time.perf_counter(), _processor(pid)
    end.wait(seconds)
    end.set()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - began
    used = 1e3 * (_processor(pid) - used) / max(1, len(times))
    for answer, found in zip(answers, contents, strict=True):
        for content in found.values():
            off = np.abs(target.read(content, answer.shape) - answer).max()
            # Not `off > limit`, which is False for NaN.
            if not off <= _METRES:
                wrong.append(f"{off} m off")
    if not times:
        wrong.append("no responses")
    if wrong:
        print(wrong[0], file=sys.stderr)
    p50, p95, p99 = 1e3 * np.percentile(times or [np.nan], [50, 95, 99])
    rate = len(times) / elapsed
    print(
        f"| {name} | {clients} | {count} | {rate:.0f} | {count * rate:.0f} | "
        f"{p50:.1f}, {p95:.1f}, {p99:.1f} | {used:.2f} | {len(wrong)} |",
        flush=True,
    )
    return count * rate


def _processor(pid):
    """Returns processor seconds of a process; NaN if `pid` is None."""
    if pid is None:
        return np.nan
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    user, system = fields.split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def v1(asked):
    """Returns the path and the bodies of V1 requests."""
    return f"/v1/models/{_MODEL}:predict", [
        orjson.dumps({"instances": instances(*request, size=_IMAGE_SIZE)})
        for request in asked
    ]


def _of_v1(content, shape):
    predictions = orjson.loads(content)["predictions"]
    poses_3d = np.array([pose["poses_3d"] for pose in predictions])
    return poses_3d.reshape(shape)


_PREDICT = "/tensorflow.serving.PredictionService/Predict"


def v2(asked):
    """Returns the bodies of V2 requests for gRPC."""
    return [
        grpc_v2(_MODEL, *request, _IMAGE_SIZE).SerializeToString()
        for request in asked
    ]


def _of_v2(content, shape):
    answer = pb.ModelInferResponse.FromString(content)
    return np.frombuffer(answer.raw_output_contents[0], np.float32).reshape(
        shape
    )


def _tf_rest(asked, options):
    return f"/v1/models/{options.tf_serving_model}:predict", [
        orjson.dumps(
            {
                "signature_name": "lift_coco17",
                "instances": [
                    {
                        "keypoints_px": pixels,
                        "scores": scores,
                        "image_size": [float(side) for side in _IMAGE_SIZE],
                    }
                    for pixels, scores in zip(*request, strict=True)
                ],
            },
            option=orjson.OPT_SERIALIZE_NUMPY,
        )
        for request in asked
    ]


def _of_tf_rest(content, shape):
    predictions = orjson.loads(content)["predictions"]
    if isinstance(predictions[0], dict):
        predictions = [pose["poses_3d"] for pose in predictions]
    return np.array(predictions).reshape(shape)


def _tf_grpc(asked, options):
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    bodies = []
    for pixels, scores in asked:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = options.tf_serving_model
        request.model_spec.signature_name = "lift_coco17"
        size = np.tile(np.float32(_IMAGE_SIZE), (len(pixels), 1))
        for name, array in (
            ("keypoints_px", pixels),
            ("scores", scores),
            ("image_size", size),
        ):
            request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
        bodies.append(request.SerializeToString())
    return bodies


def _of_tf(content, shape):
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    answer = predict_pb2.PredictResponse.FromString(content)
    return tf.make_ndarray(answer.outputs["poses_3d"]).reshape(shape)


if __name__ == "__main__":
    config.run(main, define_flags)

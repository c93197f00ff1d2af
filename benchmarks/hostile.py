"""Sends malformed requests to a server, and measures its memory.

    python -m benchmarks.hostile
    python -m benchmarks.hostile --bodies=500 --connections=100 --good=2000

Starts `python -m ampose_tf.serving` and sends 10,000 malformed bodies by REST
and gRPC (shapes, datatypes, NaN, huge numbers, deep JSON, truncated, damaged).
The response to each must be 4xx, INVALID_ARGUMENT or RESOURCE_EXHAUSTED, with
a message of one sentence. Then it opens 1,000 concurrent connections of
clients that send nothing, or send a head or a body byte by byte, and finally
sends 100,000 valid requests. The resident memory of the server is printed
after each step. At the end, the server receives SIGTERM under load, and must
answer every request that it has accepted.
"""

import collections
import contextlib
import http.client
import json
import pathlib
import signal
import socket
import threading
import time

import grpc
import numpy as np
from absl import flags
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from ampose_tf import config
from benchmarks import load

_JSON = {"content-type": "application/json"}
_JOINTS = 17
_REFUSALS = ("INVALID_ARGUMENT", "RESOURCE_EXHAUSTED")


def define_flags(flag_values):
    for name, default, text in (
        ("bodies", 10_000, "Malformed bodies."),
        ("connections", 1_000, "Concurrent connections of slow clients."),
        ("good", 100_000, "Valid requests."),
    ):
        flags.DEFINE_integer(
            name, default, text, lower_bound=1, flag_values=flag_values
        )


def main(options):
    with load.server() as (rest, rpc, process):

        def memory(when):
            print(f"{when}: {resident(process.pid) / 1e6:.0f} MB", flush=True)

        good = [load.Rest(rest, *_of_rest()), load.Rpc(rpc, *_of_rpc())]
        _ask(good, 2000)
        memory("2000 valid requests")
        outcomes = send(rest, rpc, "ampose_s", options.bodies)
        for (kind, outcome), count in sorted(outcomes.items()):
            print(f"  {kind}: {outcome} × {count}")
        memory(f"{options.bodies} malformed bodies")
        for kind in SLOW:
            answers = slow(rest, "ampose_s", kind, options.connections)
            print(f"  {kind}: {dict(answers)}")
            _ask(good, 10)
        memory(f"{options.connections} slow clients of each kind")
        for _ in range(5):
            _ask(good, options.good // 5)
            memory(f"{options.good // 5} valid requests")
        _end(good, process)


def _of_rest():
    return load.v1(load.requests(1)), None


def _of_rpc():
    return load.v2(load.requests(1)), load.INFER, None


def resident(pid):
    """Returns the resident memory of a process in bytes."""
    fields = pathlib.Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * 4096


def _ask(targets, count):
    """Sends valid requests from eight clients."""

    def run(target):
        ask = target.client()
        for i in range(count // 8):
            ask(i % 16)

    _together([lambda t=t: run(t) for t in targets for _ in range(4)])


def _together(functions):
    """Runs functions in threads, and raises their exceptions."""
    failed = []

    def run(function):
        try:
            function()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(f,)) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def _end(targets, process):
    """Sends SIGTERM while clients send requests."""
    counts = collections.Counter()

    def run(target):
        ask = target.client()
        while True:
            try:
                ask(0)
            except grpc.RpcError as error:
                counts[error.code().name] += 1
                return
            except OSError as error:
                counts[type(error).__name__] += 1
                return
            except http.client.HTTPException:
                # Closed between two requests; the next one reconnects.
                counts["closed"] += 1
                ask = target.client()
                continue
            counts["answered"] += 1

    def end():
        time.sleep(2)
        process.send_signal(signal.SIGTERM)
        process.wait(60)

    _together([end, *(lambda t=t: run(t) for t in targets for _ in range(4))])
    *_, last = process.log.read_text().splitlines()
    last = json.loads(last)
    print(
        f"SIGTERM under load: status {process.returncode}, accepted "
        f"{last['accepted']}, answered {last['answered']}, lost "
        f"{last['lost']}; clients: {dict(counts)}"
    )


def _instance(random):
    return {
        "pixels": random.uniform(0, 900, (_JOINTS, 2)).round(1).tolist(),
        "scores": random.uniform(0.5, 1, _JOINTS).round(2).tolist(),
        "image_size": [1000, 900],
        "skeleton": "COCO-17",
    }


def _bad_values(random):
    """Yields values that are not keypoints, endlessly."""
    values = (
        None,
        True,
        "1",
        {},
        [],
        [[1, 2]] * 16,
        [[1, 2]] * 18,
        [[1, 2, 3]] * _JOINTS,
        [[1], *[[1, 2]] * 16],
        [["1", "2"]] * _JOINTS,
        [[1e30, -1e30]] * _JOINTS,
        [[10**40, 1]] * _JOINTS,
        [[None, 1]] * _JOINTS,
        -5,
        1e308,
    )
    while True:
        yield values[random.integers(len(values))]


def _of_v1(random):
    """Returns (kind, headers, body) of one malformed request."""
    kind = _KINDS_OF_V1[random.integers(len(_KINDS_OF_V1))]
    instances = [_instance(random) for _ in range(random.integers(1, 4))]
    one = instances[random.integers(len(instances))]
    key = ("pixels", "scores", "image_size", "skeleton")[random.integers(4)]
    headers, whole = dict(_JSON), {"instances": instances}
    if kind == "value":
        one[key] = next(_bad_values(random))
    elif kind == "missing":
        del one[("pixels", "image_size", "skeleton")[random.integers(3)]]
    elif kind == "unknown":
        one[f"x{random.integers(99)}"] = 1
    elif kind == "unseen":
        one["scores"] = [0.1] * _JOINTS
    elif kind == "another":
        whole = (None, 3, [], {}, "x", {"instances": {}})[random.integers(6)]
    elif kind == "many":
        whole = {"instances": [None] * 2000}
    elif kind == "type":
        headers = {"content-type": "text/plain"}
    body = json.dumps(whole).encode()
    if kind == "literal":
        literal = (b"NaN", b"Infinity", b"1e999", b"-", b"01")
        body = body.replace(b"1000", literal[random.integers(5)], 1)
    elif kind == "truncated":
        body = body[: random.integers(len(body))]
    elif kind == "deep":
        body = b'{"instances":' + b"[" * int(random.integers(1100, 99_000))
    elif kind == "nodes":
        body = b"[" + b"[]," * 300_000 + b"0]"
    elif kind == "bytes":
        body = b"\xff" + random.bytes(int(random.integers(200)))
    elif kind == "event":
        names = ("specversion", "id", "source", "type")
        headers |= {f"ce-{name}": "99" for name in names}
    return f"V1 {kind}", headers, body


_KINDS_OF_V1 = (
    *("value", "missing", "unknown", "unseen", "another", "many", "type"),
    *("literal", "truncated", "deep", "bytes", "event", "nodes"),
)


def _of_v2(random):
    kind = _KINDS_OF_V2[random.integers(len(_KINDS_OF_V2))]
    request = {
        "parameters": {"skeleton": "COCO-17"},
        "inputs": [
            {
                "name": name,
                "shape": list(shape),
                "datatype": "FP32",
                "data": [0.5] * int(np.prod(shape)),
            }
            for name, shape in (
                ("pixels", (2, _JOINTS, 2)),
                ("scores", (2, _JOINTS)),
            )
        ],
    }
    size = {"name": "image_size", "shape": [2], "datatype": "INT32"}
    request["inputs"].append(size | {"data": [1000, 900]})
    one = request["inputs"][random.integers(2)]
    headers = dict(_JSON)
    if kind == "field":
        del one[("name", "shape", "datatype", "data")[random.integers(4)]]
    elif kind == "shape":
        shapes = ([-1], [2**40], [1.5, 2], "2", None, [0], [2] * 40, [])
        one["shape"] = shapes[random.integers(len(shapes))]
    elif kind == "datatype":
        kinds = ("BYTES", "FP99", "", 3, None, "x" * 9999)
        one["datatype"] = kinds[random.integers(len(kinds))]
    elif kind == "data":
        values = (None, 3, "x", {}, [None], [1e300] * 68, [[1], [2, 3]])
        one["data"] = values[random.integers(len(values))]
    elif kind == "parameters":
        values = (None, 3, [], "x", {}, {"skeleton": "COCO"})
        request["parameters"] = values[random.integers(len(values))]
    elif kind == "inputs":
        values = (None, 3, {}, [3], [[]], [], request["inputs"] * 2)
        request["inputs"] = values[random.integers(len(values))]
    elif kind == "outputs":
        values = (3, [3], [{}], [{"name": "x"}], [{"name": []}])
        request["outputs"] = values[random.integers(len(values))]
    body = json.dumps(request).encode()
    if kind == "length":
        lengths = ("x", "-1", "0", "7", "9" * 30)
        length = lengths[random.integers(len(lengths))]
        headers["inference-header-content-length"] = length
    elif kind == "binary":
        del one["data"]
        sizes = (-1, 10**12, "x", None, 7)
        size = sizes[random.integers(len(sizes))]
        one["parameters"] = {"binary_data_size": size}
        body = json.dumps(request).encode()
        headers["inference-header-content-length"] = str(len(body))
        body += random.bytes(64)
    elif kind == "truncated":
        body = body[: random.integers(len(body))]
    return f"V2 {kind}", headers, body


_KINDS_OF_V2 = (
    *("field", "shape", "datatype", "data", "parameters", "inputs"),
    *("outputs", "length", "binary", "truncated"),
)


def _of_grpc(random, model):
    kind = _KINDS_OF_GRPC[random.integers(len(_KINDS_OF_GRPC))]
    pixels = random.uniform(0, 900, (2, _JOINTS, 2)).astype(np.float32)
    tensors = {
        "pixels": pixels,
        "scores": np.ones((2, _JOINTS), np.float32),
        "image_size": np.array([1000, 900], np.float32),
    }
    request = pb.ModelInferRequest(
        model_name=model,
        inputs=[
            {"name": name, "shape": array.shape, "datatype": "FP32"}
            for name, array in tensors.items()
        ],
        raw_input_contents=[array.tobytes() for array in tensors.values()],
    )
    request.parameters["skeleton"].string_param = "COCO-17"
    i = random.integers(3)
    one = request.inputs[i]
    if kind == "nan":
        worst = np.float32((np.nan, np.inf, 3e38)[random.integers(3)])
        request.raw_input_contents[0] = np.full_like(pixels, worst).tobytes()
    elif kind == "raw":
        request.raw_input_contents[i] += random.bytes(
            int(random.integers(1, 64))
        )
    elif kind == "fewer":
        del request.raw_input_contents[i]
    elif kind == "both":
        one.contents.fp32_contents.append(1)
    elif kind == "shape":
        del one.shape[:]
        shapes = ([], [-1, 2], [2**62, 2**62], [0, 17, 2], [3])
        one.shape.extend(shapes[random.integers(len(shapes))])
    elif kind == "datatype":
        kinds = ("BYTES", "FP64", "INT8", "", "x" * 9999)
        one.datatype = kinds[random.integers(len(kinds))]
    elif kind == "name":
        one.name = ("", "x", "pixels" if i else "scores")[random.integers(3)]
    elif kind == "parameter":
        request.parameters["skeleton"].int64_param = 3
    elif kind == "many":
        request.inputs[0].shape[0] = 2000
        request.raw_input_contents[0] = bytes(4 * 2000 * _JOINTS * 2)
    body = request.SerializeToString()
    if kind == "truncated":
        body = body[: random.integers(1, len(body))]
    elif kind == "bytes":
        body = b"\xff" + random.bytes(int(random.integers(200)))
    elif kind == "large":
        body = bytes(9 * 2**20)
    return f"gRPC {kind}", body


_KINDS_OF_GRPC = (
    *("nan", "raw", "fewer", "both", "shape", "datatype", "name"),
    *("parameter", "many", "truncated", "bytes", "large"),
)


def send(rest, rpc, model, count, seed=0):
    """Sends malformed requests, a third each by V1, V2 and gRPC.

    Args:
        rest: HOST:PORT of REST.
        rpc: HOST:PORT of gRPC.
        model: Name of the model.
        count: Number of requests.
        seed: Seed of the random errors.

    Returns:
        Counts of each (kind, outcome).

    Raises:
        ValueError: If a request is not refused correctly.
    """
    random = np.random.default_rng(seed)
    outcomes = collections.Counter()
    connection = http.client.HTTPConnection(rest, timeout=60)
    with contextlib.closing(connection), grpc.insecure_channel(rpc) as channel:
        infer = channel.unary_unary(load.INFER)
        for i in range(count):
            if i % 3 == 2:
                kind, body = _of_grpc(random, model)
                try:
                    infer(body, timeout=60)
                    outcome, sentence = "OK", ""
                except grpc.RpcError as error:
                    outcome, sentence = error.code().name, error.details()
                is_right = outcome in _REFUSALS
            else:
                path = (
                    f"/v1/models/{model}:predict",
                    f"/v2/models/{model}/infer",
                )[i % 3]
                kind, headers, body = (_of_v1, _of_v2)[i % 3](random)
                connection.request("POST", path, body, headers)
                answer = connection.getresponse()
                content, outcome = answer.read(), str(answer.status)
                is_right = outcome[0] == "4"
                sentence = json.loads(content)["error"] if is_right else ""
            is_right &= 0 < len(sentence) <= 400 and "\n" not in sentence
            if not is_right:
                raise ValueError(
                    f"{kind}, seed {seed}, number {i}: {outcome} {sentence!r}"
                )
            outcomes[kind, outcome] += 1
    return outcomes


SLOW = ("nothing", "head", "body", "unread")


def slow(place, model, kind, count, seconds=60):
    """Opens connections of slow clients.

    Args:
        place: HOST:PORT of REST.
        model: Name of the model.
        kind: One of `SLOW`.
        count: Number of concurrent connections.
        seconds: Time after which connections are counted as open.

    Returns:
        Counts of each status; `""` for connections that were closed.
    """
    host, _, port = place.partition(":")
    head = (
        f"POST /v1/models/{model}:predict HTTP/1.1\r\nhost: x\r\n"
        "content-type: application/json\r\ncontent-length: 99999\r\n\r\n"
    ).encode()
    begin = {
        "nothing": b"",
        "head": head[:9],
        "body": head + b"{",
        # Sends requests without reading responses.
        "unread": b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n" * 50,
    }[kind]
    trickle = {"head": b"a", "body": b" "}.get(kind, b"")
    found, end = collections.Counter(), time.monotonic() + seconds
    with contextlib.ExitStack() as stack:
        sockets = set()
        for _ in range(count):
            one = socket.socket()
            stack.callback(one.close)
            if kind == "unread":
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            one.connect((host, int(port)))
            one.sendall(begin)
            one.setblocking(False)
            sockets.add(one)
        if kind == "unread":
            time.sleep(3)
            return collections.Counter({"sent": count})
        while sockets and time.monotonic() < end:
            time.sleep(0.2)
            for one in list(sockets):
                try:
                    answer = one.recv(4096)
                    found[answer[9:12].decode()] += 1
                    sockets.remove(one)
                except BlockingIOError:
                    with contextlib.suppress(OSError):
                        one.send(trickle)
                except OSError:
                    found[""] += 1
                    sockets.remove(one)
        if sockets:
            found["open"] = len(sockets)
    return found


if __name__ == "__main__":
    config.run(main, define_flags)

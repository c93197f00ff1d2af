"""Sends malformed requests to a server, and measures its memory.

    python -m benchmarks.hostile
    python -m benchmarks.hostile --bodies=500 --connections=100 --good=2000

Starts `python -m ampose_tf.serving` and sends 10,000 malformed bodies by REST
and gRPC (shapes, datatypes, NaN, huge numbers, deep JSON, truncated, damaged).
The response to each must be 4xx, INVALID_ARGUMENT or RESOURCE_EXHAUSTED, with
a message of one sentence. Then it opens 1,000 concurrent connections of
clients that send nothing, send a head or a body byte by byte, or do not read,
and as many gRPC calls without a message, all of which the server must end.
Finally, it sends 100,000 valid requests. The resident memory of the server is
printed after each step. At the end, the server receives SIGTERM under load,
and must answer every request that it has accepted. The exit status is 2 if a
check fails or if memory grows.
"""

import collections
import contextlib
import http.client
import json
import select
import signal
import socket
import threading
import time

import grpc
import numpy as np
from absl import flags

from ampose_tf import config
from benchmarks import load
from benchmarks.pose_requests import (
    INFER,
    grpc_v2,
    instances,
    json_v2,
    resident,
)

_JSON = {"content-type": "application/json"}
_JOINTS = 17
_REFUSALS = ("INVALID_ARGUMENT", "RESOURCE_EXHAUSTED")
# Maximum growth of the server's memory in bytes from the first to the last
# fifth of the malformed bodies, and of the valid requests.
_MALFORMED_GROWTH = 100e6
_GOOD_GROWTH = 20e6
# What clients may see when the server ends.
_ENDS = {
    "answered",
    "closed",
    "BrokenPipeError",
    "ConnectionRefusedError",
    "ConnectionResetError",
    "RemoteDisconnected",
    "UNAVAILABLE",
}


def define_flags(flag_values):
    # Fewer would leave a fifth, or one of its eight clients, without requests.
    for name, default, least, text in (
        ("bodies", 10_000, 5, "Malformed bodies."),
        ("connections", 1_000, 1, "Concurrent connections of slow clients."),
        ("good", 100_000, 40, "Valid requests."),
    ):
        flags.DEFINE_integer(
            name, default, text, lower_bound=least, flag_values=flag_values
        )


def main(options):
    # Slow clients are ended sooner than by default.
    with load.server("--request_seconds=10") as (rest, rpc, process):

        def memory(when):
            used = resident(process.pid)
            print(f"{when}: {used / 1e6:.0f} MB", flush=True)
            return used

        good = [load.Rest(rest, *_of_rest()), load.Rpc(rpc, *_of_rpc())]
        _ask(good, 2000)
        memory("2000 valid requests")
        outcomes, used = collections.Counter(), []
        for seed in range(5):
            count = options.bodies // 5
            outcomes += send(rest, rpc, "ampose_s", count, seed)
            used.append(memory(f"{count} malformed bodies"))
        for (kind, outcome), count in sorted(outcomes.items()):
            print(f"  {kind}: {outcome} × {count}")
        check_growth(used[0], used[-1], _MALFORMED_GROWTH)
        count = options.connections
        for kind in SLOW:
            answers = slow(rest, "ampose_s", kind, count)
            _check_slow(kind, answers, SLOW[kind], count)
            _ask(good, 10)
        _check_slow("gRPC", stalled(rpc, count), "DEADLINE_EXCEEDED", count)
        memory(f"{count} slow clients of each kind")
        used = []
        for _ in range(5):
            _ask(good, options.good // 5)
            used.append(memory(f"{options.good // 5} valid requests"))
        check_growth(used[0], used[-1], _GOOD_GROWTH)
        check_end(*_end(good, process))


def check_growth(before, after, most):
    """Checks that memory has not grown by more than `most` bytes."""
    if after - before > most:
        raise ValueError(
            f"memory grew from {before / 1e6:.0f} to {after / 1e6:.0f} MB; "
            f"expected at most {most / 1e6:.0f} MB of growth"
        )


def _check_slow(kind, answers, expected, count):
    print(f"  {kind}: {dict(answers)}")
    if answers != {expected: count}:
        raise ValueError(
            f"slow clients, {kind}: expected {expected!r} for all {count}, "
            f"got {dict(answers)}"
        )


def check_end(status, lost, clients):
    """Checks how a server ended.

    Args:
        status: Exit status.
        lost: Number of lost requests in the log.
        clients: Counts of what clients saw.
    """
    wrong = sorted(set(clients) - _ENDS)
    if status != 128 + signal.SIGTERM or lost or wrong:
        raise ValueError(
            f"the server ended with status {status} and {lost} lost requests; "
            f"unexpected for clients: {', '.join(wrong) or 'nothing'}"
        )


def _of_rest():
    return load.v1(load.requests(1)), None


def _of_rpc():
    return load.v2(load.requests(1)), INFER, None


def _ask(targets, count):
    """Sends valid requests from eight clients."""

    def run(target):
        with contextlib.ExitStack() as stack:
            ask = target.client(stack)
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
    """Sends SIGTERM while clients send requests; see `check_end`."""
    counts = collections.Counter()

    def run(target):
        with contextlib.ExitStack() as stack:
            ask = target.client(stack)
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
                    stack.close()
                    ask = target.client(stack)
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
    return process.returncode, last["lost"], counts


def _people(random, count):
    """Returns (N, 17, 2) pixels and (N, 17) scores, float32."""
    pixels = random.uniform(0, 900, (count, _JOINTS, 2)).round(1)
    scores = random.uniform(0.5, 1, (count, _JOINTS)).round(2)
    return pixels.astype(np.float32), scores.astype(np.float32)


def _bad_values(random):
    """Yields values that are not keypoints, endlessly."""
    values = (
        None,
        True,
        "1",
        "x" * 50_000,
        ["x" * 50_000, 1],
        [1] * 50_000,
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
    poses = instances(*_people(random, random.integers(1, 4)))
    one = poses[random.integers(len(poses))]
    key = ("pixels", "scores", "image_size", "skeleton")[random.integers(4)]
    headers, whole = dict(_JSON), {"instances": poses}
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
    elif kind == "key":
        whole["x"] = [1.5] * int(random.integers(50_000))
    elif kind == "event":
        names = ("specversion", "id", "source", "type", "time")
        whole = dict.fromkeys(names, "99") | {"data": whole}
    elif kind == "encoding":
        headers["content-encoding"] = "gzip"
    body = json.dumps(whole).encode()
    if kind == "literal":
        literal = (b"[NaN,", b"[Infinity,", b"[1e999,", b"[-,", b"[01,")
        body = body.replace(b"[1000,", literal[random.integers(5)], 1)
    elif kind == "truncated":
        body = body[: random.integers(len(body))]
    elif kind == "deep":
        body = b'{"instances":' + b"[" * int(random.integers(1100, 99_000))
    elif kind == "nodes":
        body = b"[" + b"[]," * 300_000 + b"0]"
    elif kind == "bytes":
        body = b"\xff" + random.bytes(int(random.integers(200)))
    return f"V1 {kind}", headers, body


_KINDS_OF_V1 = (
    *("value", "missing", "unknown", "unseen", "another", "many", "type"),
    *("literal", "truncated", "deep", "bytes", "event", "nodes"),
    *("key", "encoding"),
)


def _of_v2(random):
    kind = _KINDS_OF_V2[random.integers(len(_KINDS_OF_V2))]
    request = json_v2(
        np.full((2, _JOINTS, 2), 0.5),
        np.full((2, _JOINTS), 0.5),
        datatypes=("FP32", "FP32", "INT32"),
    )
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
        again = [{"name": "poses_3d"}] * int(random.integers(2, 3000))
        values = (3, [3], [{}], [{"name": "x"}], [{"name": []}], again)
        request["outputs"] = values[random.integers(len(values))]
    elif kind == "number":
        count = len(one["data"])
        one["data"] = [(True, "0.5", "x" * 9999)[random.integers(3)]] * count
    elif kind == "integer":
        one["datatype"] = "INT8"
        one["data"] = [(0.5, 128)[random.integers(2)]] * len(one["data"])
    elif kind == "version":
        request["model_version"] = "9"
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
    elif kind == "reused":
        # Every second tensor would be the same bytes.
        del one["data"]
        request["inputs"] = [
            one | {"parameters": {"binary_data_size": size}}
            for size in (4000, -4000) * 500
        ]
        body = json.dumps(request).encode()
        headers["inference-header-content-length"] = str(len(body))
        body += bytes(4000)
    elif kind == "truncated":
        body = body[: random.integers(len(body))]
    return f"V2 {kind}", headers, body


_KINDS_OF_V2 = (
    *("field", "shape", "datatype", "data", "parameters", "inputs"),
    *("outputs", "length", "binary", "truncated", "number", "integer"),
    *("version", "reused"),
)


def _of_grpc(random, model):
    kind = _KINDS_OF_GRPC[random.integers(len(_KINDS_OF_GRPC))]
    pixels, scores = _people(random, 2)
    request = grpc_v2(model, pixels, scores)
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
    elif kind == "contents":
        request = grpc_v2(model, pixels, scores, raw=False)
        request.inputs[i].contents.fp64_contents.append(1)
    elif kind == "outputs":
        name = ("poses_3d", "x")[random.integers(2)]
        request.outputs.extend([request.InferRequestedOutputTensor(name=name)])
        request.outputs.extend([request.InferRequestedOutputTensor(name=name)])
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
    *("contents", "outputs"),
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
        infer = channel.unary_unary(INFER)
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


# Kinds of slow clients, and how the server ends their connections.
SLOW = {"nothing": "408", "head": "408", "body": "408", "unread": ""}


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
                # The kernel asks every second whether the server still has
                # the connection.
                one.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
            one.connect((host, int(port)))
            one.sendall(begin)
            one.setblocking(False)
            sockets.add(one)
        while sockets and time.monotonic() < end:
            time.sleep(0.2)
            for one in list(sockets):
                status = _status(one, kind, trickle)
                if status is not None:
                    found[status] += 1
                    sockets.remove(one)
        if sockets:
            found["open"] = len(sockets)
    return found


def _status(one, kind, trickle):
    """Returns an answer's status, "" if it was closed, or None."""
    if kind == "unread":
        # Errors are reported without reading.
        poll = select.poll()
        poll.register(one, 0)
        return "" if poll.poll(0) else None
    try:
        return one.recv(4096)[9:12].decode()
    except BlockingIOError:
        with contextlib.suppress(OSError):
            one.send(trickle)
        return None
    except OSError:
        return ""


def stalled(place, count, seconds=60):
    """Starts gRPC calls without a message.

    Args:
        place: HOST:PORT of gRPC.
        count: Number of concurrent calls.
        seconds: Time after which calls are cancelled.

    Returns:
        Counts of the status of each.
    """
    never = threading.Event()

    def messages():
        never.wait()
        yield from ()

    found, calls = collections.Counter(), []
    with contextlib.ExitStack() as stack:
        stack.callback(never.set)
        for start in range(0, count, 100):
            channel = stack.enter_context(
                grpc.insecure_channel(
                    place, [("grpc.use_local_subchannel_pool", 1)]
                )
            )
            calls += [
                channel.stream_unary(INFER).future(messages(), seconds)
                for _ in range(min(100, count - start))
            ]
        for call in calls:
            found[call.code().name] += 1
            # The client's own limit has the same status as the server's.
            if call.details() == "Deadline Exceeded":
                found["open"] += 1
    return found


if __name__ == "__main__":
    config.run(main, define_flags)

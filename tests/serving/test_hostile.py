"""A server refuses requests in one sentence, and continues to serve."""

import concurrent.futures
import contextlib
import gzip
import http.client
import json
import os
import socket
import time

import grpc
import pytest

from benchmarks import hostile, pose_requests
from benchmarks.pose_requests import instances, resident
from tests.serving.conftest import (
    JSON,
    MAX_BODY,
    MAX_POSES,
    people,
    serving,
)

V1 = "/v1/models/ampose_t:predict"
GOOD = json.dumps({"instances": instances(*people(2, 17))})


def places(served):
    return f"127.0.0.1:{served.port}", f"127.0.0.1:{served.grpc_port}"


@pytest.fixture(autouse=True)
def still_serves(served):
    yield
    assert served.process.poll() is None
    assert served.ask(V1, GOOD)[0] == 200
    assert [line for line in served.lines() if line["event"] == "bug"] == []


@pytest.mark.parametrize(
    ("count", "seed"),
    [(300, 0), pytest.param(10_000, 1, marks=pytest.mark.slow)],
)
def test_malformed_bodies(served, count, seed):
    before = resident(served.process.pid)
    outcomes = hostile.send(*places(served), "ampose_t", count, seed)
    assert sum(outcomes.values()) == count
    kinds = {kind for kind, _ in outcomes}
    assert len(kinds) > 30
    # Some memory is allocated once, and kept.
    assert resident(served.process.pid) - before < 100e6


@pytest.mark.parametrize("kind", ["nothing", "head", "body"])
@pytest.mark.parametrize(
    "count", [40, pytest.param(1000, marks=pytest.mark.slow)]
)
def test_slow_clients_are_refused_while_others_are_served(served, kind, count):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        slow = pool.submit(
            hostile.slow, places(served)[0], "ampose_t", kind, count
        )
        time.sleep(0.3)
        assert served.ask(V1, GOOD)[0] == 200
        assert slow.result() == {"408": count}


@pytest.mark.parametrize(
    "count", [200, pytest.param(1000, marks=pytest.mark.slow)]
)
def test_calls_without_a_message_are_ended(served, count):
    found = hostile.stalled(places(served)[1], count, 30)
    assert found == {"DEADLINE_EXCEEDED": count}


def test_clients_that_do_not_read_are_cut_off(served):
    assert hostile.slow(places(served)[0], "ampose_t", "unread", 5, 30) == {
        "": 5
    }


def test_files_of_clients_that_do_not_read_are_closed(served):
    def files():
        return len(os.listdir(f"/proc/{served.process.pid}/fd"))

    asked = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n" * 50
    before, end = files(), time.monotonic() + 30
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.connect(("127.0.0.1", served.port))
            client.sendall(asked)
        while files() < before + 5:
            assert time.monotonic() < end
        while files() > before:
            time.sleep(0.1)
            assert time.monotonic() < end


def test_too_large_a_body_is_read_and_dropped(served):
    status, _, body = served.ask(V1, bytes(40 * MAX_BODY))
    assert status == 413
    assert f"at most {MAX_BODY} bytes" in json.loads(body)["error"]


def test_a_chunked_body_is_counted_as_it_comes(served):
    pieces = (b" " * MAX_BODY for _ in range(3))
    assert served.ask(V1, pieces)[0] == 413
    assert served.ask(V1, iter([GOOD.encode()]))[0] == 200


def test_too_many_lists(served):
    status, _, body = served.ask(V1, b"[" + b"[]," * 110_000 + b"0]")
    assert status == 413
    assert "lists and objects" in json.loads(body)["error"]


def test_too_many_poses(served):
    asked = instances(*people(MAX_POSES + 1, 17))
    status, _, body = served.ask(V1, json.dumps({"instances": asked}))
    assert status == 413
    assert json.loads(body) == {
        "error": f"Expected at most {MAX_POSES} poses, got {MAX_POSES + 1}."
    }


def test_a_busy_server_refuses_further_requests(served):
    """At most 300 poses wait."""
    asked = json.dumps({"instances": instances(*people(MAX_POSES, 17))})
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        work = [pool.submit(served.ask, V1, asked) for _ in range(24)]
        found = [each.result() for each in work]
    statuses = {status for status, *_ in found}
    assert statuses == {200, 429}
    refused = next(body for status, _, body in found if status == 429)
    assert "busy" in json.loads(refused)["error"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01 hello\r\n\r\n", 400),
        (b"GET / HTTP/9\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 40_000, 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", 400),
        (
            b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n"
            b"transfer-encoding: chunked\r\n\r\nzz\r\n",
            400,
        ),
    ],
)
def test_bytes_that_are_not_http(served, sent, status):
    with socket.create_connection(("127.0.0.1", served.port), 30) as client:
        client.sendall(sent)
        answer = b""
        while part := client.recv(4096):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status
    assert json.loads(body)["error"].endswith(".")


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/nowhere", "GET", 404),
        (V1, "GET", 404),
        ("/v2/health/live", "DELETE", 405),
        ("/v1/models/other:predict", "POST", 404),
        ("/v2/models/other/infer", "POST", 404),
        ("/v2/models/ampose_t/versions/1/infer", "POST", 404),
        ("/v1/models/ampose_t:explain", "POST", 400),
    ],
)
def test_other_addresses(served, path, method, status):
    found, _, body = served.ask(path, GOOD, JSON, method)
    assert found == status
    assert json.loads(body)["error"].endswith(".")


def test_grpc_of_another_model_or_method(served):
    with grpc.insecure_channel(places(served)[1]) as channel:
        for method, code in (
            ("ModelInfer", grpc.StatusCode.NOT_FOUND),
            ("Nothing", grpc.StatusCode.UNIMPLEMENTED),
        ):
            ask = channel.unary_unary(
                f"/inference.GRPCInferenceService/{method}"
            )
            with pytest.raises(grpc.RpcError) as raised:
                ask(b"")
            assert raised.value.code() is code


@pytest.mark.parametrize(
    "kind",
    [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/a+json",
    ],
)
def test_content_types_of_json(served, kind):
    assert served.ask(V1, GOOD, {"content-type": kind})[0] == 200


def test_compressed_bodies_are_refused(served):
    headers = JSON | {"content-encoding": "gzip"}
    for path in (V1, "/v2/models/ampose_t/infer"):
        status, _, body = served.ask(path, gzip.compress(b"{}"), headers)
        assert status == 415
        assert "Compressed" in json.loads(body)["error"]


def test_grpc_of_a_version_is_refused(served):
    body = pose_requests.grpc_v2(
        "ampose_t", *people(2, 17), model_version="9"
    ).SerializeToString()
    with grpc.insecure_channel(places(served)[1]) as channel:
        with pytest.raises(grpc.RpcError) as raised:
            channel.unary_unary(pose_requests.INFER)(body)
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND
        assert "no versions" in raised.value.details()


def test_more_connections_than_the_limit(tmp_path):
    with (
        serving(
            tmp_path,
            "--model=ampose_t",
            "--max_connections=3",
            "--drain_seconds=0",
        ) as server,
        contextlib.ExitStack() as stack,
    ):
        for _ in range(3):
            address = ("127.0.0.1", server.port)
            stack.enter_context(socket.create_connection(address))
        time.sleep(0.2)
        assert server.ask("/v2/health/live")[0] == 429


@pytest.mark.slow
def test_memory_is_flat_over_many_good_requests(served):
    def ask(_):
        connection = http.client.HTTPConnection("127.0.0.1", served.port)
        with contextlib.closing(connection):
            for _ in range(1000):
                connection.request("POST", V1, GOOD, JSON)
                assert connection.getresponse().read()

    used = []
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            list(pool.map(ask, range(4)))
            used.append(resident(served.process.pid))
    # Caches grow during the first.
    assert used[-1] - used[1] < 10e6, used

"""Protocols, health, metrics, logs and shutdown of a server."""

import json
import pathlib
import re
import signal
import socket
import threading
import time

import grpc
import numpy as np
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as stubs

from ampose_tf.lifting import Lifter
from ampose_tf.lifting.keypoints import SKELETONS, Keypoints, Track
from benchmarks import pose_requests
from benchmarks.pose_requests import instances
from tests import commands
from tests.serving.conftest import ROOT, people, serving

V1 = "/v1/models/ampose_t:predict"
V2 = "/v2/models/ampose_t/infer"
PIXELS, SCORES = people(5, 17)
SIZE = (1000, 900)


@pytest.fixture(scope="module")
def lifter():
    return Lifter("ampose_t")


@pytest.fixture(scope="module")
def stub(served):
    with grpc.insecure_channel(f"127.0.0.1:{served.grpc_port}") as channel:
        yield stubs.GRPCInferenceServiceStub(channel)


def lifted(lifter, pixels, scores, skeleton="COCO-17"):
    """Returns poses of the package for the people of a frame."""
    tracks = tuple(
        Track(i, np.zeros(1, int), p[None], s[None])
        for i, (p, s) in enumerate(zip(pixels, scores, strict=True))
    )
    motion = lifter(Keypoints(skeleton, SIZE, 25.0, 1, tracks))
    return np.concatenate([track.poses_3d for track in motion.tracks])


def v1(served, asked):
    status, _, body = served.ask(V1, json.dumps({"instances": asked}))
    assert status == 200, body
    return json.loads(body)


def of_grpc(raw=True, **fields):
    fields = {"model_name": "ampose_t", "id": "seven"} | fields
    return pose_requests.grpc_v2("", PIXELS, SCORES, SIZE, raw=raw, **fields)


@pytest.mark.parametrize("skeleton", SKELETONS)
def test_poses_are_the_packages(served, lifter, skeleton):
    pixels, scores = people(3, len(SKELETONS[skeleton].joints))
    answer = v1(served, instances(pixels, scores, skeleton, SIZE))
    poses_3d = [pose["poses_3d"] for pose in answer["predictions"]]
    expected = lifted(lifter, pixels, scores, skeleton)
    np.testing.assert_allclose(poses_3d, expected, atol=1e-6)
    assert answer["joint_names"][0] == "Hip"
    assert answer["units"] == "metres"
    assert "camera" in answer["frame"]
    unseen = "joints were not seen, with scores below 0.3."
    assert all(unseen in note for note in answer["notes"])


def test_a_large_request_is_its_poses_one_by_one(served):
    pixels, scores = people(67, 17)
    asked = instances(pixels, scores, size=SIZE)
    whole = [pose["poses_3d"] for pose in v1(served, asked)["predictions"]]
    for i in (0, 31, 32, 66):
        (one,) = v1(served, asked[i : i + 1])["predictions"]
        np.testing.assert_array_equal(one["poses_3d"], whole[i])


def test_v2_by_json_and_by_binary_tensors(served, lifter):
    expected = lifted(lifter, PIXELS, SCORES)
    request = pose_requests.json_v2(
        PIXELS, SCORES, SIZE, ("FP32", "FP64", "INT64")
    )
    request["id"] = "seven"
    status, _, body = served.ask(V2, json.dumps(request))
    answer = json.loads(body)
    assert (status, answer["id"]) == (200, "seven")
    outputs = {output["name"]: output for output in answer["outputs"]}
    poses_3d = np.array(outputs["poses_3d"]["data"]).reshape(expected.shape)
    np.testing.assert_allclose(poses_3d, expected, atol=1e-6)
    assert outputs["joint_names"]["data"][16] == "RWrist"
    assert len(outputs["notes"]["data"]) == 1
    assert answer["parameters"]["units"] == "metres"

    request["outputs"] = [
        {"name": "poses_3d", "parameters": {"binary_data": True}}
    ]
    first = request["inputs"][0]
    del first["data"]
    first["parameters"] = {"binary_data_size": PIXELS.nbytes}
    head = json.dumps(request).encode()
    status, headers, body = served.ask(
        V2,
        head + PIXELS.tobytes(),
        {"inference-header-content-length": str(len(head))},
    )
    assert status == 200, body
    length = int(headers["inference-header-content-length"])
    (output,) = json.loads(body[:length])["outputs"]
    assert output["shape"] == list(expected.shape)
    np.testing.assert_allclose(
        np.frombuffer(body[length:], np.float32).reshape(expected.shape),
        expected,
        atol=1e-6,
    )


@pytest.mark.parametrize("raw", [True, False])
def test_grpc_with_raw_tensors_and_with_contents(stub, lifter, raw):
    expected = lifted(lifter, PIXELS, SCORES)
    answer = stub.ModelInfer(of_grpc(raw))
    assert answer.id == "seven"
    assert [o.name for o in answer.outputs] == [
        "poses_3d",
        "joint_names",
        "notes",
    ]
    assert list(answer.outputs[0].shape) == list(expected.shape)
    if raw:
        found = np.frombuffer(answer.raw_output_contents[0], np.float32)
    else:
        found = np.array(answer.outputs[0].contents.fp32_contents)
        names = answer.outputs[1].contents.bytes_contents
        assert names[0] == b"Hip"
    np.testing.assert_allclose(
        found.reshape(expected.shape), expected, atol=1e-6
    )
    assert answer.parameters["units"].string_param == "metres"


def test_health_readiness_and_metadata(served, stub):
    for path in ("/v2/health/live", "/v2/health/ready", "/v1/models/ampose_t"):
        assert served.ask(path)[0] == 200, path
    assert stub.ServerLive(pb.ServerLiveRequest()).live
    assert stub.ServerReady(pb.ServerReadyRequest()).ready
    assert stub.ModelReady(pb.ModelReadyRequest(name="ampose_t")).ready
    described = json.loads(served.ask("/v2/models/ampose_t")[2])
    answer = stub.ModelMetadata(pb.ModelMetadataRequest(name="ampose_t"))
    for kind, found in (
        ("inputs", answer.inputs),
        ("outputs", answer.outputs),
    ):
        assert [each["name"] for each in described[kind]] == [
            each.name for each in found
        ]
    assert stub.ServerMetadata(pb.ServerMetadataRequest()).name == "ampose_tf"


def test_clients_cannot_unload_the_model(served, stub):
    for action in ("load", "unload"):
        path = f"/v2/repository/models/ampose_t/{action}"
        assert served.ask(path, b"")[0] == 400
    with pytest.raises(grpc.RpcError) as raised:
        stub.RepositoryModelUnload(
            pb.RepositoryModelUnloadRequest(model_name="ampose_t")
        )
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert stub.ModelReady(pb.ModelReadyRequest(name="ampose_t")).ready


def metric(served, pattern):
    text = served.ask("/metrics")[2].decode()
    found = re.search(rf"^{pattern} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_metrics_count(served):
    names = (
        "ampose_poses_total",
        r'ampose_requests_total\{protocol="rest",status="200"\}',
        r'ampose_requests_total\{protocol="rest",status="400"\}',
        r'request_predict_seconds_count\{model_name="ampose_t"\}',
    )
    before = [metric(served, name) for name in names]
    v1(served, instances(PIXELS, SCORES))
    served.ask(V1, b"{}")
    after = [metric(served, name) for name in names]
    gained = np.subtract(after, before)
    # Reading the metrics is also a request.
    assert gained.tolist() == [5, 1 + len(names), 1, 1]
    assert metric(served, "ampose_waiting_poses") == 0
    assert metric(served, "process_resident_memory_bytes") > 1e7


def test_logs_are_json_and_contain_no_personal_data(served, stub):
    pixels = np.full((1, 17, 2), 123.25, np.float32)
    pixels += np.arange(17)[:, None]
    v1(served, instances(pixels, SCORES[:1], size=(1237, 1239)))
    secret = "a-secret-name"
    served.ask(f"/v1/models/{secret}:predict", b"{}")
    served.ask(f"/{secret}", b"{}")
    wrong = instances(pixels, SCORES[:1], secret)
    served.ask(V1, json.dumps({"instances": wrong, secret: 3}))
    wrong = instances(pixels * 1e6, SCORES[:1])
    served.ask(V1, json.dumps({"instances": wrong}), {secret: secret})
    stub.ModelInfer(of_grpc(id=secret))
    with pytest.raises(grpc.RpcError):
        stub.ModelInfer(of_grpc(model_name=secret))
    # The line is written after the answer.
    time.sleep(0.1)
    text = served.log.read_text()
    for hidden in (secret, "123.25", "1237", "127.0.0.1:"):
        assert hidden not in text
    lines = [line for line in served.lines() if line["event"] == "request"]
    assert {"time", "level", "route", "status", "milliseconds"} <= set(
        lines[-1]
    )
    assert {line["protocol"] for line in lines} == {"rest", "grpc"}
    assert [line for line in served.lines() if line["event"] == "bug"] == []
    assert served.errors() == ""


def test_sigterm_loses_no_accepted_request(tmp_path):
    """Clients send requests continuously while the server ends."""
    body = json.dumps({"instances": instances(PIXELS, SCORES)})
    request = of_grpc()
    with serving(
        tmp_path, "--model=ampose_t", "--drain_seconds=0.6"
    ) as server:
        counts = {"rest": [0, 0], "grpc": [0, 0]}
        unready = []
        end = threading.Event()

        def rest():
            while not end.is_set():
                try:
                    status, _, _ = server.ask(V1, body)
                except (ConnectionRefusedError, ConnectionResetError):
                    # If it had been accepted, the numbers below would differ.
                    return
                counts["rest"][status == 200] += 1

        def calls():
            place = f"127.0.0.1:{server.grpc_port}"
            with grpc.insecure_channel(place) as channel:
                stub = stubs.GRPCInferenceServiceStub(channel)
                while not end.is_set():
                    try:
                        stub.ModelInfer(request)
                    except grpc.RpcError as error:
                        # Refused before it was accepted.
                        unavailable = grpc.StatusCode.UNAVAILABLE
                        counts["grpc"][0] += error.code() is not unavailable
                        return
                    counts["grpc"][1] += 1

        def never():
            end.wait()
            yield from ()

        channel = grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}")
        infer = stubs.GRPCInferenceServiceStub(channel).ModelInfer
        # Takes some tenths of a second.
        many = pose_requests.grpc_v2("ampose_t", *people(1000, 17))
        cancelled = infer.future(many)
        waiting = readings = 0
        while not waiting and not cancelled.done():
            waiting = metric(server, "ampose_waiting_poses")
            readings += 1
        cancelled.cancel()
        # Without a message, it must neither count nor delay the end.
        stalled = channel.stream_unary(pose_requests.INFER).future(never())
        threads = [threading.Thread(target=t) for t in (rest, calls) * 2]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        unready.append(server.ask("/v2/health/ready")[0])
        status = server.process.wait(15)
        assert stalled.code() is grpc.StatusCode.UNAVAILABLE
        end.set()
        channel.close()
        for thread in threads:
            thread.join()
        lines = server.lines()
    assert status == 128 + signal.SIGTERM
    assert unready == [503]
    assert lines[-1]["event"] == "stopped"
    assert (counts["rest"][0], counts["grpc"][0]) == (0, 0)
    assert lines[-1]["lost"] == 0
    answered = counts["rest"][1] + counts["grpc"][1]
    # With the request for readiness.
    assert lines[-1]["answered"] == answered + readings + 1
    assert counts["rest"][1] > 0
    assert counts["grpc"][1] > 0
    ends = [line.get("status") for line in lines]
    assert "CANCELLED" in ends


def fails(*flags):
    ended = commands.run(
        "python -m ampose_tf.serving", pathlib.Path.cwd(), *flags
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("ampose_tf.serving: ")
    (line,) = ended.stderr.splitlines()
    return line


def test_a_port_in_use_is_one_line(served):
    assert "is in use" in fails(f"--port={served.port}", "--model=ampose_t")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = fails("--port=0", f"--grpc_port={port}", "--model=ampose_t")
        assert f"--grpc_port={port}" in said


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--model=ampose_xl"], "no model ampose_xl; expected ampose_s"),
        ([f"--model={ROOT}/setup.cfg", "--port=0"], "expected a .keras"),
        (["--name=a/b"], "--name"),
        (["--port=70000"], "--port"),
        (["--port=8081"], "--grpc_port=8081 is the same as --port"),
        (["--max_poses=9999"], "--max_waiting_poses=8192"),
        (["--threads=4096", "--port=0"], "--threads=4096"),
        (["--host=192.0.2.1", "--port=0"], "--port=0 of 192.0.2.1"),
        (["--seen_score=2"], "--seen_score"),
    ],
)
def test_mistakes_are_one_line(flags, said):
    assert said in fails(*flags)

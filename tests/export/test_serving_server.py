"""Tests REST and gRPC by TensorFlow Serving's protocols, over loopback.

All tests send requests to the small server of this folder. Those with the
fixture `server` also send them to `tensorflow_model_server`, if it is
installed.
"""

import contextlib
import http.client
import json
import shutil
import socket
import subprocess
import time

import numpy as np
import pytest
import tensorflow as tf

from ampose_tf.conversion import COCO_17
from ampose_tf.export import saved_model, signatures, tf_serving
from tests import pages
from tests.commands import ROOT
from tests.exports import model_of

pytest.importorskip(
    "tensorflow_serving", reason="tensorflow-serving-api is not installed"
)

import grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)

from tests.export import serving_models, serving_server

BINARY = shutil.which("tensorflow_model_server")
_IMAGE_SIZE = (1920, 1080)


@contextlib.contextmanager
def binary(base):
    """Runs TensorFlow Serving, with the interface of the small server."""

    class Served:
        rest, grpc = (f"127.0.0.1:{free_port()}" for _ in range(2))

    process = subprocess.Popen(
        [
            BINARY,
            f"--port={Served.grpc.rpartition(':')[2]}",
            f"--rest_api_port={Served.rest.rpartition(':')[2]}",
            "--model_name=ampose",
            f"--model_base_path={base}",
        ]
    )
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                if get(Served, "/v1/models/ampose")[0] == 200:
                    break
            time.sleep(0.1)
        yield Served
    finally:
        process.terminate()
        process.wait(60)


def free_port():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


@pytest.fixture(
    scope="module",
    params=[
        "small",
        pytest.param(
            "tensorflow_model_server",
            marks=pytest.mark.skipif(
                BINARY is None, reason="tensorflow_model_server is missing"
            ),
        ),
    ],
)
def server(request, served_version):
    base = served_version.parent
    opened = (
        serving_server.Server(serving_server.config_of(base))
        if request.param == "small"
        else binary(base)
    )
    with opened as served:
        yield served


def ask(server, method, path, body=None):
    """Returns the status and the JSON object of a response."""
    connection = http.client.HTTPConnection(server.rest, timeout=60)
    with contextlib.closing(connection):
        connection.request(method, path, body)
        answer = connection.getresponse()
        assert answer.headers["content-type"] == "application/json"
        return answer.status, json.loads(answer.read())


def get(server, path):
    return ask(server, "GET", path)


def post(server, body, path="/v1/models/ampose:predict"):
    text = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return ask(server, "POST", path, text)


@contextlib.contextmanager
def stubs(server):
    with grpc.insecure_channel(server.grpc) as channel:
        yield (
            prediction_service_pb2_grpc.PredictionServiceStub(channel),
            model_service_pb2_grpc.ModelServiceStub(channel),
        )


def predict(server, name, arrays, version=None):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "ampose"
    request.model_spec.signature_name = name
    if version is not None:
        request.model_spec.version.value = version
    for alias, array in arrays.items():
        request.inputs[alias].CopyFrom(tf.make_tensor_proto(array))
    with stubs(server) as (predictions, _):
        return predictions.Predict(request, timeout=60)


def case(model, name, count=5):
    """Returns inputs of a signature, and the poses of the Keras model."""
    random = np.random.default_rng(count)
    lifted = {
        "keypoints_2d": random.uniform(-0.5, 0.5, (count, 17, 2)),
        "seen": random.integers(0, 2, (count, 17)),
    }
    scores = random.uniform(0, 1, (count, 17))
    arrays = signatures.inputs(
        name if name != "serving_default" else "lift",
        {n: a.astype(np.float32) for n, a in lifted.items()},
        scores,
        _IMAGE_SIZE,
        "longest",
    )
    # Exact in JSON.
    arrays = {n: a.round(3).astype(np.float32) for n, a in arrays.items()}
    given = {
        n: arrays[n].astype(np.float64)
        for n in ("keypoints_2d", "seen")
        if n in arrays
    }
    if "keypoints_px" in arrays:
        pixels = arrays["keypoints_px"].astype(np.float64)
        if name == "lift_coco17":
            pixels = COCO_17.convert(pixels, arrays["scores"])
            given["seen"] = COCO_17.convert_scores(arrays["scores"]) >= 0.3
        given["keypoints_2d"] = (pixels - np.array(_IMAGE_SIZE) / 2) / (
            max(_IMAGE_SIZE) / 2
        )
    return arrays, np.asarray(
        model({n: a.astype(np.float32) for n, a in given.items()})
    )


@pytest.mark.parametrize(
    "name", ["lift", "lift_pixels", "lift_coco17", "serving_default"]
)
def test_rows_columns_and_grpc_agree_with_the_model(
    server, served_model, name
):
    arrays, expected = case(served_model, name)
    count = len(expected)
    rows = [
        {alias: array[i].tolist() for alias, array in arrays.items()}
        for i in range(count)
    ]
    columns = {alias: array.tolist() for alias, array in arrays.items()}
    # The default needs no name.
    named = {} if name == "serving_default" else {"signature_name": name}
    for body, key in (
        ({"instances": rows}, "predictions"),
        ({"inputs": columns}, "outputs"),
    ):
        status, answer = post(server, named | body)
        assert status == 200 and list(answer) == [key]
        assert np.abs(np.array(answer[key]) - expected).max() < 1e-5
    response = predict(server, named.get("signature_name", ""), arrays)
    poses_3d = tf.make_ndarray(response.outputs["poses_3d"])
    assert np.abs(poses_3d - expected).max() < 1e-5
    assert poses_3d.dtype == np.float32
    assert response.model_spec.signature_name == name
    assert response.model_spec.version.value == 1


def test_warm_up_requests_are_answered(server, served_version):
    """The server also replays them when it loads a version."""
    requests = serving_models.warm_up_requests(served_version)
    assert len(requests) == 12
    with stubs(server) as (predictions, _):
        for request in requests:
            response = predictions.Predict(request, timeout=60)
            poses_3d = tf.make_ndarray(response.outputs["poses_3d"])
            count = next(iter(request.inputs.values())).tensor_shape.dim[0]
            assert poses_3d.shape == (count.size, 17, 3)
            assert np.isfinite(poses_3d).all()


def test_status_and_metadata(server):
    available = {
        "version": "1",
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    for path in ("", "/versions/1"):
        status, answer = get(server, f"/v1/models/ampose{path}")
        assert (status, answer) == (200, {"model_version_status": [available]})
    status, answer = get(server, "/v1/models/ampose/metadata")
    assert status == 200
    assert answer["model_spec"]["version"] == "1"
    known = answer["metadata"]["signature_def"]["signature_def"]
    sides = [
        side["size"]
        for side in known["lift_coco17"]["inputs"]["image_size"][
            "tensor_shape"
        ]["dim"]
    ]
    assert sides == ["-1", "2"]
    # Every input of every signature has as many rows as there are poses.
    for name, signature in known.items():
        for info in (
            *signature["inputs"].values(),
            *signature["outputs"].values(),
        ):
            assert info["dtype"] in ("DT_FLOAT", "DT_INVALID")
            if name != "__saved_model_init_op":
                assert info["tensor_shape"]["dim"][0]["size"] == "-1"
    with stubs(server) as (predictions, models):
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            metadata_field=["signature_def"]
        )
        request.model_spec.name = "ampose"
        response = predictions.GetModelMetadata(request, timeout=60)
        held = get_model_metadata_pb2.SignatureDefMap()
        assert response.metadata["signature_def"].Unpack(held)
        assert set(held.signature_def) == set(known)
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = "ampose"
        (state,) = models.GetModelStatus(
            request, timeout=60
        ).model_version_status
        assert state.State.Name(state.state) == "AVAILABLE"


ROW = {
    "keypoints_px": [[1.0, 2.0]] * 17,
    "scores": [1.0] * 17,
    "image_size": [1920, 1080],
}


def rows(*changes):
    return {
        "signature_name": "lift_coco17",
        "instances": [ROW | change for change in changes],
    }


def columns(**changes):
    right = {name: [value] * 3 for name, value in ROW.items()}
    return {"signature_name": "lift_coco17", "inputs": right | changes}


WRONG = {
    "empty": ("", "JSON Parse error"),
    "truncated": ('{"instances": [', "JSON Parse error"),
    "deep": ("[" * 100_000, "JSON Parse error"),
    "list": ([], "Is not object"),
    "no inputs": ({}, "Missing 'inputs' or 'instances' key"),
    "both": ({"inputs": 1, "instances": [1]}, "expecting only one of"),
    "no rows": ({"instances": []}, "No values in 'instances'"),
    "object": ({"instances": {}}, "to be an list/array"),
    "signature": (
        {"signature_name": "lift_all", "instances": [1]},
        'signature name: "lift_all" not found',
    ),
    "plain list": ({"instances": [[1, 2]]}, "instances is a plain list"),
    "plain column": ({"inputs": [[1, 2]]}, "inputs is a plain value/list"),
    "another name": (rows({"pixels": [1]}), "does not have named input"),
    "a name is missing": (
        {"instances": [{"keypoints_2d": [[0, 0]] * 17}]},
        "keys must be equal to",
    ),
    "a column is missing": (
        {"inputs": {"keypoints_2d": [[[0, 0]] * 17]}},
        "Missing named input: seen",
    ),
    "text": (rows({"scores": ["1"] * 17}), "is not of expected type: float"),
    "null": (rows({"scores": [None] * 17}), "is not of expected type: float"),
    "true": (rows({"scores": [True] * 17}), "is not of expected type: float"),
    "large": (rows({"scores": [1e39] * 17}), "without loss of precision"),
    "ragged": (
        rows({"keypoints_px": [[1, 2]] * 16 + [[1]]}),
        "unexpected size: 1 at level: 1 expected size: 2",
    ),
    "rows differ": (
        rows({}, {"scores": [1.0] * 16}),
        "Expecting tensor size: 17 but got: 16",
    ),
    "16 joints": (
        rows({"keypoints_px": [[1, 2]] * 16}),
        r"keypoints_px\S* \[1,16,2\] is not compatible with .*\[\?,17,2\]",
    ),
    "one joint": (
        rows({"keypoints_px": [[1, 2]]}),
        r"keypoints_px\S* \[1,1,2\] is not compatible with",
    ),
    "a size for all": (
        columns(image_size=[[1920, 1080]]),
        r"must be equal: shape\[0\] = \[3,34\] vs. shape\[2\] = \[1,2\]",
    ),
    "a side": (
        columns(image_size=[1080] * 3),
        r"image_size\S* \[3\] is not compatible with expected shape \[\?,2\]",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_requests_of_rest(server, name):
    body, message = WRONG[name]
    status, answer = post(server, body)
    assert status == 400 and list(answer) == ["error"]
    if not isinstance(server, serving_server.Server):
        message = "."  # Its words differ from version to version.
    with pytest.raises(ValueError, match=message):
        raise ValueError(answer["error"])
    # Later requests are answered.
    assert post(server, rows({}))[0] == 200


def test_wrong_paths_of_rest(server):
    for path, expected in (
        ("/v1/models/other:predict", 404),
        ("/v1/models/ampose/versions/7:predict", 404),
        ("/v1/models/ampose:classify", 400),
        ("/v1/models/ampose", 400),
    ):
        status, answer = post(server, rows({}), path)
        assert status == expected and list(answer) == ["error"], path
    for path in ("other", "ampose/versions/7", "other/metadata"):
        assert get(server, f"/v1/models/{path}")[0] == 404


def right():
    return {n: np.float32([value] * 3) for n, value in ROW.items()}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"scores": np.ones((3, 17), np.float64)}, "INVALID_ARGUMENT"),
        ({"scores": np.ones((3, 17), np.int32)}, "INVALID_ARGUMENT"),
        ({"scores": np.full((3, 17), "1")}, "INVALID_ARGUMENT"),
        ({"scores": np.ones((3, 16), np.float32)}, "INVALID_ARGUMENT"),
        ({"scores": np.ones((1, 17), np.float32)}, "INVALID_ARGUMENT"),
        ({"image_size": np.ones((1, 2), np.float32)}, "INVALID_ARGUMENT"),
        ({"keypoints_px": np.float32(1)}, "INVALID_ARGUMENT"),
        ({"seen": np.ones((3, 17), np.float32)}, "INVALID_ARGUMENT"),
    ],
)
def test_wrong_requests_of_grpc(server, change, code):
    with pytest.raises(grpc.RpcError) as caught:
        predict(server, "lift_coco17", right() | change)
    assert caught.value.code().name == code
    assert caught.value.details()


def test_what_grpc_does_not_find(server):
    for name, version, code in (
        ("lift_all", None, "FAILED_PRECONDITION"),
        ("lift_coco17", 7, "NOT_FOUND"),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            predict(server, name, right(), version)
        assert caught.value.code().name == code
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "ampose"
    request.model_spec.signature_name = "lift_coco17"
    for alias, array in right().items():
        request.inputs[alias].CopyFrom(tf.make_tensor_proto(array))
    # Fewer bytes than its shape needs.
    request.inputs["scores"].tensor_content = b"\0" * 5
    with stubs(server) as stub, pytest.raises(grpc.RpcError) as caught:
        stub[0].Predict(request, timeout=60)
    assert caught.value.code().name == "INVALID_ARGUMENT"


def test_one_pose_of_nan_leaves_the_others(server, served_model):
    arrays, expected = case(served_model, "lift")
    arrays["keypoints_2d"][2] = np.nan
    response = predict(server, "lift", arrays)
    poses_3d = tf.make_ndarray(response.outputs["poses_3d"])
    assert np.isnan(poses_3d[2]).all()
    others = [0, 1, 3, 4]
    assert np.abs(poses_3d[others] - expected[others]).max() < 1e-5


def test_requests_of_the_page(server, monkeypatch, tmp_path):
    """docs/serving.md; tests/test_serving_page.py runs it with ampose_s."""

    def code(language):
        for block in pages.blocks(ROOT / "docs/serving.md", language):
            yield block.code.replace("localhost:8501", server.rest).replace(
                "localhost:8500", server.grpc
            )

    program = {}
    monkeypatch.chdir(ROOT)
    for block in code("python"):
        exec(block, program)
    assert program["by_rest"].shape == (8, 17, 3)
    np.testing.assert_allclose(
        program["by_rest"], program["by_grpc"], atol=1e-5
    )
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    _, *blocks = code("sh")
    ended = subprocess.run(
        ["bash", "-c", f"set -e\n{''.join(blocks)}"],
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    for found in ('"predictions"', '"AVAILABLE"', '"lift_coco17"'):
        assert found in ended.stdout


@pytest.mark.slow
def test_a_version_is_served_once_it_is_there_and_taken_back(
    served_model, served_version, tmp_path
):
    base = shutil.copytree(served_version.parent, tmp_path / "saved_model")
    arrays, expected = case(served_model, "lift")
    second = tmp_path / "2"
    saved_model.write(model_of(2, seen_input=True), second, "x: test")
    tf_serving.write_warm_up(second)

    def versions():
        _, answer = get(server, "/v1/models/ampose")
        return {
            state["version"]: state["state"]
            for state in answer["model_version_status"]
        }

    def answered(version=None):
        response = predict(server, "lift", arrays, version)
        number = response.model_spec.version.value
        poses_3d = tf.make_ndarray(response.outputs["poses_3d"])
        is_first = np.abs(poses_3d - expected).max() < 1e-5
        assert is_first == (number == 1)
        return number

    config = serving_server.config_of(base)
    with serving_server.Server(config) as server:
        assert versions() == {"1": "AVAILABLE"} and answered() == 1
        # Like an export in progress, which is not a version yet.
        shutil.copytree(second, base / ".ampose.abcdefgh/new/2")
        server.models.poll()
        assert answered() == 1
        (base / ".ampose.abcdefgh/new/2").rename(base / "2")
        server.models.poll()
        assert versions() == {"1": "END", "2": "AVAILABLE"}
        assert answered() == answered(2) == 2
        with pytest.raises(grpc.RpcError, match=r"Specific\(ampose, 1\)"):
            answered(1)
        (model,) = config.model_config_list.config
        model.model_version_policy.specific.versions.append(1)
        with stubs(server) as (_, models):
            models.HandleReloadConfigRequest(
                model_management_pb2.ReloadConfigRequest(config=config),
                timeout=60,
            )
        assert versions() == {"1": "AVAILABLE"} and answered() == 1


@pytest.mark.slow
def test_a_version_whose_warm_up_fails_is_not_served(served_version, tmp_path):
    base = shutil.copytree(served_version.parent, tmp_path / "base")
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.model_spec.signature_name = "lift_all"
    with tf.io.TFRecordWriter(str(base / "1" / tf_serving.WARM_UP)) as writer:
        writer.write(log.SerializeToString())
    with pytest.raises(Exception, match='"lift_all" not found'):
        serving_server.Server(serving_server.config_of(base))

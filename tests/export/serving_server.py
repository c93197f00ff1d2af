r"""A small server with the protocols of TensorFlow Serving.

    python -m tests.export.serving_server --model_base=DIR/saved_model

For tests and measurements if TensorFlow Serving cannot be installed. gRPC uses
the official stubs, REST follows TensorFlow Serving's documentation, and errors
follow its sources. As there, models run in TensorFlow's DirectSession, which
finds wrong shapes and types. The server does not batch.
"""

import argparse
import concurrent.futures
import http.server
import json
import pathlib
import re
import threading
import time

import grpc
import numpy as np
import orjson
import tensorflow as tf
from google.protobuf import json_format, text_format
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    model_management_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from tensorflow_serving.config import model_server_config_pb2

from tests.export.serving_json import of_json
from tests.export.serving_models import DEFAULT, Models, Refused

_MODEL = r"/v1/models/([^/:]+)(?:/versions/(\d+))?"
_POST = re.compile(rf"{_MODEL}:(classify|regress|predict)")
_GET = re.compile(rf"{_MODEL}(/metadata)?")

_HTTP = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.UNIMPLEMENTED: 501,
}


class _Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, models):
        self._models = models

    def Predict(self, request, context):
        def answer():
            number, version = self._models.version(request.model_spec)
            response = predict_pb2.PredictResponse()
            response.model_spec.name = request.model_spec.name
            response.model_spec.version.value = number
            response.model_spec.signature_name = (
                request.model_spec.signature_name or DEFAULT
            )
            for name, array in version.predict(request).items():
                response.outputs[name].CopyFrom(tf.make_tensor_proto(array))
            return response

        return _answered(answer, context)

    def GetModelMetadata(self, request, context):
        return _answered(lambda: self._models.metadata(request), context)


class _Management(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, models):
        self._models = models

    def GetModelStatus(self, request, context):
        return _answered(
            lambda: self._models.status(request.model_spec), context
        )

    def HandleReloadConfigRequest(self, request, context):
        self._models.configure(request.config)
        return model_management_pb2.ReloadConfigResponse()


def _answered(answer, context):
    try:
        return answer()
    except Refused as error:
        context.abort(error.code, error.message)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    models = None

    def do_GET(self):
        self._answer(self._get)

    def do_POST(self):
        size = int(self.headers.get("content-length", 0))
        content = self.rfile.read(size)
        self._answer(lambda: self._post(content))

    def log_message(self, format, *arguments):
        """Does not log requests."""

    def _answer(self, answer):
        try:
            status, content = 200, answer()
        except Refused as error:
            status = _HTTP.get(error.code, 500)
            content = json.dumps({"error": error.message}).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _matched(self, pattern):
        matched = pattern.fullmatch(self.path)
        if not matched:
            raise Refused(f"Malformed request: {self.command} {self.path}")
        spec = model_pb2.ModelSpec(name=matched[1])
        if matched[2]:
            spec.version.value = int(matched[2])
        return spec, matched[3]

    def _get(self):
        spec, metadata = self._matched(_GET)
        if not metadata:
            return _json(self.models.status(spec))
        response = self.models.metadata(
            get_model_metadata_pb2.GetModelMetadataRequest(
                model_spec=spec, metadata_field=["signature_def"]
            )
        )
        held = get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(held)
        described = b'{"model_spec": %s, "metadata": {"signature_def": %s}}'
        return described % (_json(response.model_spec), _json(held))

    def _post(self, content):
        spec, method = self._matched(_POST)
        if method != "predict":
            raise Refused(
                "Expected classification or regression signature; the model "
                "has none"
            )
        number, version = self.models.version(spec)
        request, is_rows = of_json(content, version.signatures)
        made = version.predict(request)
        (array,) = made.values()
        return b'{"%s": %s}' % (
            b"predictions" if is_rows else b"outputs",
            _numbers(array),
        )


def _json(message):
    return json_format.MessageToJson(
        message,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    ).encode()


def _numbers(array):
    if np.isfinite(array).all():
        # With the fewest digits that give the same float32.
        contiguous = np.ascontiguousarray(array)
        return orjson.dumps(contiguous, option=orjson.OPT_SERIALIZE_NUMPY)
    return json.dumps(array.tolist()).encode()


class _Listener(http.server.ThreadingHTTPServer):
    # By default, only five connections can wait.
    request_queue_size = 1024


class Server:
    """Serves REST and gRPC on two local ports; 0 means any free port.

    Attributes:
        models: The `Models`.
        rest, grpc: HOST:PORT of each.
    """

    def __init__(self, config, rest_port=0, port=0):
        self.models = Models(config)
        handler = type("Handler", (_Handler,), {"models": self.models})
        self._http = _Listener(("127.0.0.1", rest_port), handler)
        self._http.daemon_threads = True
        self.rest = f"127.0.0.1:{self._http.server_port}"
        self._grpc = grpc.server(
            concurrent.futures.ThreadPoolExecutor(16),
            options=[("grpc.max_receive_message_length", -1)],
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            _Predictions(self.models), self._grpc
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            _Management(self.models), self._grpc
        )
        port = self._grpc.add_insecure_port(f"127.0.0.1:{port}")
        self.grpc = f"127.0.0.1:{port}"

    def __enter__(self):
        self._grpc.start()
        self._thread = threading.Thread(target=self._http.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        self._grpc.stop(grace=None).wait()


def config_of(base, name="ampose"):
    """Returns the `ModelServerConfig` of one model base."""
    config = model_server_config_pb2.ModelServerConfig()
    config.model_config_list.config.add(
        name=name, base_path=str(base), model_platform="tensorflow"
    )
    return config


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--model_base", help="A folder of versions.")
    source.add_argument("--model_config_file", type=pathlib.Path)
    parser.add_argument("--model_name", default="ampose")
    parser.add_argument("--rest_port", type=int, default=8501)
    parser.add_argument("--port", type=int, default=8500, help="For gRPC.")
    options = parser.parse_args()
    if options.model_base is not None:
        config = config_of(options.model_base, options.model_name)
    else:
        config = text_format.Parse(
            options.model_config_file.read_text(),
            model_server_config_pb2.ModelServerConfig(),
        )
    with Server(config, options.rest_port, options.port) as server:
        print(f"REST on {server.rest}, gRPC on {server.grpc}", flush=True)
        while True:
            time.sleep(1)
            server.models.poll()


if __name__ == "__main__":
    main()

"""Models of the small server, with the rules of TensorFlow Serving."""

import pathlib
import threading

import grpc
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    prediction_log_pb2,
)

# The signature of requests without a signature name.
DEFAULT = "serving_default"

_MOST_WARM_UP_RECORDS = 1000
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class Refused(Exception):
    """A request that is refused with an error.

    Attributes:
        message: The message for the client.
        code: A `grpc.StatusCode`.
    """

    def __init__(self, message, code=grpc.StatusCode.INVALID_ARGUMENT):
        super().__init__(message)
        self.message, self.code = message, code


class Version:
    """A SavedModel in a TensorFlow session, warmed up.

    Attributes:
        signatures: `SignatureDef` by name.
    """

    def __init__(self, folder):
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        with self._session.graph.as_default():
            loaded = tf.compat.v1.saved_model.load(
                self._session, ["serve"], str(folder)
            )
        self.signatures = dict(loaded.signature_def)
        self._callables = {
            name: self._callable(signature)
            for name, signature in self.signatures.items()
            if signature.inputs
        }
        for request in warm_up_requests(folder):
            self.predict(request)

    def _callable(self, signature):
        options = config_pb2.CallableOptions(
            feed=[info.name for _, info in sorted(signature.inputs.items())],
            fetch=[info.name for _, info in sorted(signature.outputs.items())],
        )
        # Unlike `run`, it does not check the arrays.
        return self._session._make_callable_from_options(options)

    def predict(self, request):
        """Returns the requested arrays of a `PredictRequest`, by name."""
        name = request.model_spec.signature_name or DEFAULT
        if name not in self.signatures:
            raise Refused(
                f'Serving signature key "{name}" not found.',
                grpc.StatusCode.FAILED_PRECONDITION,
            )
        signature = self.signatures[name]
        given, expected = set(request.inputs), set(signature.inputs)
        if given != expected:
            raise Refused(
                f"input size does not match signature: {len(given)}!="
                f"{len(expected)} len({{{listed(given)}}}) != "
                f"len({{{listed(expected)}}}). Sent extra: "
                f"{{{listed(given - expected)}}}. Missing but required: "
                f"{{{listed(expected - given)}}}."
            )
        wanted = list(request.output_filter) or sorted(signature.outputs)
        for output in wanted:
            if output not in signature.outputs:
                raise Refused(
                    f"output tensor alias not found in signature: {output} "
                    "Outputs expected to be in the set "
                    f"{{{listed(signature.outputs)}}}."
                )
        arrays = []
        for alias in sorted(expected):
            try:
                arrays.append(tf.make_ndarray(request.inputs[alias]))
            except (TypeError, ValueError) as error:
                raise Refused(f"tensor parsing error: {alias}") from error
        try:
            made = self._callables[name](*arrays)
        except tf.errors.OpError as error:
            raise Refused(error.message, _CODES[error.error_code]) from error
        made = dict(zip(sorted(signature.outputs), made, strict=True))
        return {output: made[output] for output in wanted}


def warm_up_requests(folder):
    """Returns the warm-up requests of a SavedModel; [] without a file."""
    path = pathlib.Path(folder) / "assets.extra/tf_serving_warmup_requests"
    if not path.exists():
        return []
    with tf.device("CPU"):
        records = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    if len(records) > _MOST_WARM_UP_RECORDS:
        raise ValueError(f"{path}: {len(records)} records")
    logs = map(prediction_log_pb2.PredictionLog.FromString, records)
    return [log.predict_log.request for log in logs]


class Models:
    """Models and their versions, selected by a `ModelServerConfig`."""

    def __init__(self, config):
        self._lock = threading.Lock()
        self.configure(config)

    def configure(self, config):
        self._configs = {
            model.name: model for model in config.model_config_list.config
        }
        self._loaded = {name: {} for name in self._configs}
        self._states = {name: {} for name in self._configs}
        self.poll()

    def poll(self):
        """Loads the selected versions, and unloads the others."""
        with self._lock:
            for name, config in self._configs.items():
                self._poll(config, self._loaded[name], self._states[name])

    def _poll(self, config, loaded, states):
        there = {
            int(path.name): path
            for path in pathlib.Path(config.base_path).iterdir()
            if path.name.isdecimal()
        }
        policy = config.model_version_policy
        served = {max(there)} if there else set()
        if policy.HasField("specific"):
            served = set(policy.specific.versions) & set(there)
        for number in served - set(loaded):
            states[number] = "LOADING"
            loaded[number] = Version(there[number])
            states[number] = "AVAILABLE"
        for number in set(loaded) - served:
            del loaded[number]
            states[number] = "END"

    def version(self, spec):
        """Returns the number and the `Version` of a `ModelSpec`."""
        loaded = self._loaded.get(spec.name, {})
        if spec.HasField("version"):
            number = spec.version.value
            asked = f"Specific({spec.name}, {number})"
        else:
            number = max(loaded, default=None)
            asked = f"Latest({spec.name})"
        if number not in loaded:
            raise Refused(
                f"Servable not found for request: {asked}",
                grpc.StatusCode.NOT_FOUND,
            )
        return number, loaded[number]

    def status(self, spec):
        states = self._states.get(spec.name, {})
        missing = f"Could not find any versions of model {spec.name}"
        if spec.HasField("version"):
            number = spec.version.value
            states = {n: state for n, state in states.items() if n == number}
            missing = f"Could not find version {number} of model {spec.name}"
        if not states:
            raise Refused(missing, grpc.StatusCode.NOT_FOUND)
        response = get_model_status_pb2.GetModelStatusResponse()
        for number, state in sorted(states.items(), reverse=True):
            status = response.model_version_status.add()
            status.version = number
            status.state = status.State.Value(state)
            status.status.SetInParent()
        return response

    def metadata(self, request):
        if list(request.metadata_field) != ["signature_def"]:
            raise Refused("expected the metadata_field signature_def")
        number, version = self.version(request.model_spec)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = number
        held = get_model_metadata_pb2.SignatureDefMap()
        for name, signature in version.signatures.items():
            held.signature_def[name].CopyFrom(signature)
        response.metadata["signature_def"].Pack(held)
        return response


def listed(names):
    """Returns names in the format of TensorFlow Serving."""
    return ",".join(sorted(names))

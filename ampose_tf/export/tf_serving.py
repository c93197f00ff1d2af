"""Writes versions, configuration and warm-up requests for TensorFlow Serving.

An export's folder contains a model base, `saved_model/`, with one folder for
each version and nothing else. TensorFlow Serving serves the highest version
and looks for new ones while it runs; versions are therefore moved to the base
when they are complete, and never changed. Next to the base are
`models.config` and `batching.config`, which users may edit. Each version
contains requests that warm up the server before it serves the version.
"""

import json
import os
import pathlib

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from ampose_tf import reading
from ampose_tf.export import runtime

# The name under which `models.config` serves the model.
MODEL_NAME = "ampose"

# The path that TensorFlow Serving expects; it reads at most 1,000 records.
WARM_UP = "assets.extra/tf_serving_warmup_requests"
WARM_UP_BATCHES = (1, 8, 32)

# TensorFlow Serving ignores higher numbers.
_LAST_VERSION = 2**63 - 1

# Metadata that must be the same in all versions for clients.
_RELIED_ON = (
    "joints",
    "joint_names",
    "normalisation",
    "seen_input",
    "units",
    "frame",
)

_MODELS = f"""\
# Models that TensorFlow Serving serves:
#   tensorflow_model_server --model_config_file=/models/ampose/models.config
# where the folder of this file is /models/ampose. The highest version is
# served. To go back to version 1, add to the model below
#   model_version_policy {{ specific {{ versions: 1 }} }}
model_config_list {{
  config {{
    name: "{MODEL_NAME}"
    base_path: "/models/ampose/saved_model"
    model_platform: "tensorflow"
  }}
}}
"""

# Larger batches are not more efficient on a CPU, and increase latency.
_BATCHES = (1, 2, 4, 8, 16, 32, 64)
_BATCHING = f"""\
# How TensorFlow Serving joins requests that wait at the same time:
#   --enable_batching --batching_parameters_file=/models/ampose/batching.config
# A request of more than max_batch_size poses is then refused. By default
# there are as many batch threads as cores.
max_batch_size {{ value: {_BATCHES[-1]} }}
batch_timeout_micros {{ value: 1000 }}
max_enqueued_batches {{ value: 64 }}
# In increasing order; the last has to be max_batch_size.
{"".join(f"allowed_batch_sizes: {size}" + chr(10) for size in _BATCHES)}"""

_CONFIGS = {"models.config": _MODELS, "batching.config": _BATCHING}


def next_version(base: pathlib.Path, described: str) -> int:
    """Returns the number of the next version in a model base.

    A base contains versions of one model that clients can use in the same
    way: joints and their order, normalisation, units, axes, inputs and
    signatures are the same. Weights and the network's size may differ.

    Args:
        base: The model base; it may not exist yet.
        described: Metadata of the new version, see `signatures.metadata`.

    Returns:
        The highest existing version plus one, or 1.

    Raises:
        OSError: If the base cannot be read.
        ValueError: If the base contains another model, a damaged version, or
            the highest possible number.
    """
    if not os.path.lexists(base):
        return 1
    if not base.is_dir() or (base / "saved_model.pb").exists():
        raise ValueError(
            f"{base}: expected a folder of versions; choose another --output"
        )
    # Like TensorFlow Serving, which reads names as 64-bit integers.
    versions = sorted(
        (int(entry.name), entry)
        for entry in base.iterdir()
        if entry.name.isascii()
        and entry.name.isdecimal()
        and int(entry.name) <= _LAST_VERSION
    )
    new = json.loads(described)
    for number, folder in versions:
        problem = _problem(folder, new)
        if problem:
            raise ValueError(
                f"{base}: version {number} {problem}; choose another --output"
            )
    highest = versions[-1][0] if versions else 0
    if highest == _LAST_VERSION:
        raise ValueError(
            f"{base}: no version can follow {highest}; choose another --output"
        )
    return highest + 1


def _problem(folder, new):
    """Returns why a version cannot precede a new one, or an empty string."""
    try:
        old = runtime.metadata(folder)
        known = old.get("signatures", [])
        if not isinstance(known, list):
            raise ValueError("signatures: expected a list")
        if not (folder / "saved_model.pb").is_file():
            raise ValueError("no saved_model.pb inside")
    except ValueError:
        return (
            "is damaged, or was not exported by this project: expected "
            f"saved_model.pb and assets.extra/{runtime.METADATA} inside"
        )
    for name in _RELIED_ON:
        if old.get(name, new[name]) != new[name]:
            was, is_now = (
                reading.shown(json.dumps(each[name]), 60)
                for each in (old, new)
            )
            return f"is of another model: its {name} is {was}, not {is_now}"
    missing = [name for name in known if name not in new["signatures"]]
    if missing:
        shown = reading.shown(str(missing[0]), 60)
        return f"is of another model: it has the signature {shown}"
    return ""


def write_configs(
    output: pathlib.Path, place: pathlib.Path
) -> dict[str, pathlib.Path]:
    """Writes configuration files that are missing in an export's folder.

    Existing files are kept, as users may have edited them.

    Args:
        output: The export's folder.
        place: The folder to write to.

    Returns:
        Paths of the written files, by name.

    Raises:
        OSError: If a file cannot be written.
    """
    written = {}
    for name, text in _CONFIGS.items():
        if not os.path.lexists(output / name):
            written[name] = place / name
            written[name].write_text(text, encoding="utf-8")
    return written


def write_warm_up(path: pathlib.Path) -> None:
    """Writes warm-up requests to a SavedModel's folder.

    There is one request for each signature and each of `WARM_UP_BATCHES`, in
    which all values are 1. If the package tensorflow-serving-api is not
    installed, requests are omitted, and a message is printed.

    Args:
        path: Folder of the SavedModel.

    Raises:
        OSError: If the file cannot be written.
    """
    try:
        from tensorflow_serving.apis import prediction_log_pb2
    except ModuleNotFoundError as error:
        if error.name.partition(".")[0] != "tensorflow_serving":
            raise
        print(
            f"{path.parent.name}/{path.name}: without warm-up requests for "
            "TensorFlow Serving; to write them, pip install "
            "'ampose_tf[serving]'",
            flush=True,
        )
        return
    content = (path / "saved_model.pb").read_bytes()
    (graph,) = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    file = path / WARM_UP
    try:
        with tf.io.TFRecordWriter(str(file)) as writer:
            for name, signature in sorted(graph.signature_def.items()):
                # The initialiser of variables is listed as a signature, too.
                if not signature.inputs:
                    continue
                for batch in WARM_UP_BATCHES:
                    log = prediction_log_pb2.PredictionLog()
                    request = log.predict_log.request
                    request.model_spec.name = MODEL_NAME
                    request.model_spec.signature_name = name
                    _fill(request.inputs, signature, batch)
                    writer.write(log.SerializeToString(deterministic=True))
    except tf.errors.OpError as error:
        raise OSError(f"cannot write {file}: {error.message}") from error


def _fill(inputs, signature, batch):
    for name, info in signature.inputs.items():
        shape = [batch, *(side.size for side in info.tensor_shape.dim[1:])]
        ones = np.ones(shape, tf.as_dtype(info.dtype).as_numpy_dtype)
        inputs[name].CopyFrom(tf.make_tensor_proto(ones))

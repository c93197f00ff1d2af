"""What TensorFlow Serving finds beside a SavedModel, and in it.

An export's folder holds a model base, `saved_model/`, with one folder for
each version. TensorFlow Serving serves the highest number and looks for new
ones while it runs, so that a version is moved into place whole and is never
changed. The base holds versions alone. Beside it lie `models.config` and
`batching.config`, which users may edit; in each version lie the requests
that the server answers before it calls the version available.
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

# The place and the name that TensorFlow Serving expects; it reads at most
# 1,000 records.
WARM_UP = "assets.extra/tf_serving_warmup_requests"
WARM_UP_BATCHES = (1, 8, 32)

# What a client of one version relies on in the next.
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

# More poses a batch gain nothing on a CPU, and take longer.
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
    """Returns the number of a model base's next version.

    A base holds versions of one model: whatever its clients rely on is the
    same in all of them, namely joints and their order, normalisation, units,
    axes, and inputs and signatures. Weights and the network's size may
    differ.

    Args:
        base: The model base, which need not exist.
        described: What the new version says of itself, see
            `signatures.metadata`.

    Returns:
        One more than the highest number there, 1 if there is none.

    Raises:
        OSError: If the base cannot be read.
        ValueError: If it holds another model.
    """
    if not os.path.lexists(base):
        return 1
    if not base.is_dir() or (base / "saved_model.pb").exists():
        raise ValueError(
            f"{base}: expected a folder of versions; choose another --output"
        )
    # As TensorFlow Serving tells versions from other entries.
    versions = {
        int(entry.name): entry
        for entry in base.iterdir()
        if entry.name.isascii()
        and entry.name.isdecimal()
        and len(entry.name) < 19
    }
    new = json.loads(described)
    for number, folder in sorted(versions.items()):
        try:
            difference = _difference(runtime.metadata(folder), new)
        except ValueError as error:
            difference = str(error).removeprefix(f"{folder}: ")
        if difference:
            raise ValueError(
                f"{base}: version {number} is of another model: "
                f"{difference}; choose another --output"
            )
    return max(versions, default=0) + 1


def _difference(old, new):
    for name in _RELIED_ON:
        if old.get(name, new[name]) != new[name]:
            was, is_now = (
                reading.shown(json.dumps(each[name]), 60)
                for each in (old, new)
            )
            return f"its {name} is {was}, not {is_now}"
    missing = [
        name
        for name in old.get("signatures", ())
        if name not in new["signatures"]
    ]
    if missing:
        return f"it has the signature {reading.shown(str(missing[0]), 60)}"
    return ""


def write_configs(
    output: pathlib.Path, place: pathlib.Path
) -> dict[str, pathlib.Path]:
    """Writes the configurations that an export's folder lacks.

    Those that are there stay: users edit them.

    Args:
        output: The export's folder.
        place: The folder to write to.

    Returns:
        Where each was written, by its name.

    Raises:
        OSError: If one cannot be written.
    """
    written = {}
    for name, text in _CONFIGS.items():
        if not os.path.lexists(output / name):
            written[name] = place / name
            written[name].write_text(text, encoding="utf-8")
    return written


def write_warm_up(path: pathlib.Path) -> None:
    """Writes the requests that warm a SavedModel up, into its folder.

    There is one for each signature and each of `WARM_UP_BATCHES`; all their
    numbers are ones. Without the package tensorflow-serving-api, they are
    left out, and a line says so.

    Args:
        path: The SavedModel's folder.

    Raises:
        OSError: If the file cannot be written.
    """
    try:
        from tensorflow_serving.apis import prediction_log_pb2
    except ModuleNotFoundError as error:
        if error.name.partition(".")[0] != "tensorflow_serving":
            raise
        print(
            f"{path.parent.name}/{path.name}: without requests that warm "
            "TensorFlow Serving up; pip install 'ampose_tf[serving]' brings "
            "what they are written with",
            flush=True,
        )
        return
    content = (path / "saved_model.pb").read_bytes()
    (graph,) = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    file = path / WARM_UP
    try:
        with tf.io.TFRecordWriter(str(file)) as writer:
            for name, signature in sorted(graph.signature_def.items()):
                # What initialises the variables is called so, too.
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

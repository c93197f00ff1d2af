"""Serves a model over REST and gRPC:

    python -m ampose_tf.serving --model=ampose_s --port=8080

Speaks KServe's V1 protocol and the open inference protocol (V2), by REST at
--port and by gRPC at --grpc_port. /v2/health/ready says when it is ready,
/metrics has figures for Prometheus. SIGTERM ends it once the requests that it
has accepted are answered. It needs `pip install 'ampose_tf[kserve]'`; see
docs/kserve.md for what to send.
"""

import importlib.util
import os
import pathlib
import sys

from absl import flags

from ampose_tf import config, weights
from ampose_tf.conversion import SEEN_SCORE
from ampose_tf.lifting.keypoints import check_score
from ampose_tf.serving.limits import Limits, check_name


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags of `main`."""
    flags.DEFINE_string(
        "model",
        "ampose_s",
        "ampose_s (the default) or ampose_t, which are released and run "
        "without TensorFlow, or a .tflite, .keras or SavedModel folder.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "trust_model",
        False,
        "Run a .tflite or a SavedModel that is refused as untrusted. It may "
        "then read and write your files.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "name",
        None,
        "The model's name in addresses; by default its file's, without the "
        "ending.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "host",
        "127.0.0.1",
        "Address to listen at, for REST and gRPC; 0.0.0.0 for every IPv4 "
        "address of the machine, :: for IPv6 as well.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "port",
        8080,
        "Port for REST; 0 for a free one, which the log names.",
        lower_bound=0,
        upper_bound=65535,
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "grpc_port",
        8081,
        "Port for gRPC; 0 for a free one, -1 for no gRPC.",
        lower_bound=-1,
        upper_bound=65535,
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "threads",
        None,
        "Threads that lift, each with an interpreter of its own; by default "
        "as many as there are cores. Poses do not depend on it.",
        lower_bound=1,
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "seen_score",
        SEEN_SCORE,
        "A joint counts as seen from this score on.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "flip_ensemble",
        True,
        "Average what the network makes of each image and of its mirror "
        "image: better by some millimetres at twice the time.",
        flag_values=flag_values,
    )
    _define_limits(flag_values)


def _define_limits(flag_values):
    for name, text in (
        ("max_poses", "Poses in a request."),
        ("max_body_bytes", "Bytes of a request's body."),
        (
            "max_waiting_poses",
            "Poses of all requests that are being answered; beyond, further "
            "requests are refused.",
        ),
        ("max_connections", "Open connections for REST."),
    ):
        flags.DEFINE_integer(
            name,
            Limits._field_defaults[name],
            text,
            lower_bound=1,
            flag_values=flag_values,
        )
    for name, text in (
        ("request_seconds", "Time for a request, from its first byte on."),
        (
            "drain_seconds",
            "After SIGTERM, time in which requests are still accepted while "
            "/v2/health/ready says that the server is not ready.",
        ),
        (
            "grace_seconds",
            "After that, time to answer what has been accepted.",
        ),
    ):
        flags.DEFINE_float(
            name,
            Limits._field_defaults[name],
            text,
            lower_bound=0.0,
            flag_values=flag_values,
        )


def main(options: flags.FlagValues) -> int:
    """Serves until a signal ends it.

    Returns:
        The exit status, 128 and the signal's number.

    Raises:
        OSError: If there is no such model, or a port cannot be taken.
        ValueError: If a flag or the model is wrong, or KServe is missing.
    """
    if importlib.util.find_spec("kserve") is None:
        raise ValueError(
            "kserve is not installed: pip install 'ampose_tf[kserve]'"
        )
    check_score(options.seen_score, "--seen_score")
    limits = Limits(
        **{name: options[name].value for name in Limits._fields}
    ).checked()
    if 0 <= options.grpc_port == options.port != 0:
        raise ValueError(
            f"--grpc_port={options.grpc_port} is --port, too; expected two "
            "ports"
        )
    # KServe takes seconds to import; mistakes come before.
    path = pathlib.Path(weights.LIFTING.get(options.model, options.model))
    if not path.exists():
        raise FileNotFoundError(
            f"no model {options.model}; expected {', '.join(weights.LIFTING)} "
            "or a file"
        )
    name = options.name
    if name is not None:
        check_name(name)
    else:
        is_released = options.model in weights.LIFTING
        name = options.model if is_released else path.resolve().stem
    server = _imported()
    return server.serve(
        path,
        name,
        limits,
        host=options.host,
        port=options.port,
        grpc_port=None if options.grpc_port < 0 else options.grpc_port,
        threads=options.threads,
        seen_score=options.seen_score,
        flip_ensemble=options.flip_ensemble,
        trust_model=options.trust_model,
    )


def _imported():
    """Returns `server`, with which KServe is imported."""
    # gRPC's own messages are no JSON lines.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # KServe takes the process's arguments for its own.
    arguments = sys.argv
    sys.argv = arguments[:1]
    try:
        from ampose_tf.serving import server
    finally:
        sys.argv = arguments
    return server


if __name__ == "__main__":
    # Messages name the script.
    sys.argv[0] = "ampose_tf.serving"
    config.run(main, define_flags)

"""Serves a model over REST and gRPC:

    python -m ampose_tf.serving --model=ampose_s --port=8080

Supports KServe's V1 protocol and the open inference protocol (V2), by REST at
--port and by gRPC at --grpc_port. /v2/health/ready returns 200 once the server
is ready; /metrics contains metrics for Prometheus. After SIGTERM, the server
ends once it has answered the requests it has accepted. It requires
`pip install 'ampose_tf[kserve]'`; docs/kserve.md describes requests.
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
        "ampose_s (the default) or ampose_t, which run without TensorFlow, or "
        "a .tflite or .keras file or SavedModel folder.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "trust_model",
        False,
        "Run a .tflite or SavedModel that is refused as untrusted. It can "
        "then read and write your files.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "name",
        None,
        "Name of the model in addresses; by default the name of the file "
        "without the extension.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "host",
        "127.0.0.1",
        "Address to listen at, for REST and gRPC; 0.0.0.0 for all IPv4 "
        "addresses of the machine, :: to include IPv6.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "port",
        8080,
        "Port for REST; 0 for a free port, which the log contains.",
        lower_bound=0,
        upper_bound=65535,
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "grpc_port",
        8081,
        "Port for gRPC; 0 for a free port, -1 for no gRPC.",
        lower_bound=-1,
        upper_bound=65535,
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "threads",
        None,
        "Number of threads that lift poses; by default one per core. Results "
        "do not depend on it.",
        lower_bound=1,
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "seen_score",
        SEEN_SCORE,
        "Minimum score of joints that count as seen.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool(
        "flip_ensemble",
        True,
        "Average the predictions for each pose and its mirror image: better "
        "by some millimetres, at twice the time.",
        flag_values=flag_values,
    )
    _define_limits(flag_values)


def _define_limits(flag_values):
    for name, text in (
        ("max_poses", "Maximum number of poses in a request."),
        ("max_body_bytes", "Maximum size of a request's body in bytes."),
        (
            "max_waiting_poses",
            "Maximum number of poses of all requests that are being answered; "
            "more requests are refused.",
        ),
        ("max_connections", "Maximum number of open REST connections."),
    ):
        flags.DEFINE_integer(
            name,
            Limits._field_defaults[name],
            text,
            lower_bound=1,
            flag_values=flag_values,
        )
    for name, text in (
        ("request_seconds", "Time limit of a request, from its first byte."),
        (
            "drain_seconds",
            "Time after SIGTERM in which requests are accepted, but "
            "/v2/health/ready reports that the server is not ready.",
        ),
        (
            "grace_seconds",
            "Time after that to answer the accepted requests.",
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
    """Serves a model until a signal is received.

    Returns:
        The exit status, 128 plus the number of the signal.

    Raises:
        OSError: If the model cannot be read or a port cannot be used.
        ValueError: If a flag or the model is invalid, or KServe is missing.
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
            f"--grpc_port={options.grpc_port} is the same as --port; expected "
            "two ports"
        )
    # Mistakes are reported before KServe is imported, which takes seconds.
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
    """Returns the module `server`, which imports KServe."""
    # gRPC's messages are not JSON.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # KServe parses the arguments of the process when it is imported.
    arguments = sys.argv
    sys.argv = arguments[:1]
    try:
        from ampose_tf.serving import server
    finally:
        sys.argv = arguments
    return server


if __name__ == "__main__":
    # Messages start with the name of the script.
    sys.argv[0] = "ampose_tf.serving"
    config.run(main, define_flags)

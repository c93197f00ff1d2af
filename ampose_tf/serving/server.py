"""Serves a model over REST and gRPC until SIGTERM."""

import asyncio
import errno
import pathlib
import resource
import signal
import socket

import kserve
from kserve.errors import InvalidInput
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.model_repository_extension import (
    ModelRepositoryExtension,
)

from ampose_tf import __version__
from ampose_tf.export import runtime
from ampose_tf.serving import connections, logs, rest, rpc
from ampose_tf.serving.limits import Limits
from ampose_tf.serving.model import PoseModel

# Files, and connections of gRPC.
_FURTHER_FILES = 2000
_LAST_CONNECTIONS_SECONDS = 0.1


class _Plane(DataPlane):
    """KServe's data plane, which is not ready while the server ends."""

    draining = False

    def metadata(self):
        return {
            "name": "ampose_tf",
            "version": __version__,
            "extensions": ["binary_tensor_data"],
        }

    async def ready(self):
        return not self.draining


class _Repository(ModelRepositoryExtension):
    """Refuses to load or unload models."""

    async def load(self, model_name):
        raise InvalidInput("This server loads no other models.")

    async def unload(self, model_name):
        raise InvalidInput("This server keeps its model.")


class Server(kserve.ModelServer):
    """KServe's model server with limits and an orderly shutdown.

    Args:
        model: The model.
        bounds: The limits.
        host: Address to listen at.
        port: Port of REST; 0 for a free one.
        grpc_port: Port of gRPC; 0 for a free one, None for no gRPC.
    """

    def __init__(
        self,
        model: PoseModel,
        bounds: Limits,
        host: str,
        port: int,
        grpc_port: int | None,
    ):
        super().__init__(
            http_port=port,
            grpc_port=grpc_port,
            enable_grpc=grpc_port is not None,
            enable_latency_logging=False,
        )
        self._bounds, self._host = bounds, host
        self.register_model(model)
        self.dataplane = _Plane(self.registered_models)
        self.model_repository_extension = _Repository(self.registered_models)

    async def run(self, bound: socket.socket) -> int:
        """Serves until a signal is received.

        Args:
            bound: Socket for REST.

        Returns:
            Number of the signal.

        Raises:
            OSError: If the port for gRPC cannot be used.
        """
        loop = asyncio.get_running_loop()
        stopped = loop.create_future()

        def stop(number):
            # The second signal ends the process at once.
            for each in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(each)
            stopped.set_result(number)

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop, number)
        guard = rest.Guard(
            rest.application(self.dataplane, self.model_repository_extension),
            self._bounds,
        )
        doors, grpc_port = [guard], None
        if self.enable_grpc:
            calls = rpc.Rpc(
                self.dataplane, self.model_repository_extension, self._bounds
            )
            doors.append(calls)
            try:
                grpc_port = await calls.start(self._host, self.grpc_port)
            except OSError as error:
                raise OSError(
                    f"--grpc_port={self.grpc_port} of {self._host}: {error}; "
                    "choose another"
                ) from error
        web = connections.server(guard)
        serving = asyncio.create_task(web.serve([bound]))
        logs.write(
            "ready",
            models=list(self.registered_models.get_models()),
            host=self._host,
            port=bound.getsockname()[1],
            grpc_port=grpc_port,
            **self._bounds._asdict(),
        )
        number = await stopped
        logs.write("stopping", signal=signal.Signals(number).name)
        self.dataplane.draining = guard.draining = True
        await asyncio.sleep(self._bounds.drain_seconds)
        # Connections that were not accepted would be reset: the queue is
        # closed, and then emptied.
        bound.listen(0)
        await asyncio.sleep(_LAST_CONNECTIONS_SECONDS)
        web.should_exit = True
        ends = [serving]
        if self.enable_grpc:
            ends.append(calls.stop(self._bounds.grace_seconds))
        await asyncio.gather(*ends)
        accepted = sum(door.accepted for door in doors)
        answered = sum(door.answered for door in doors)
        logs.write(
            "stopped",
            accepted=accepted,
            answered=answered,
            lost=accepted - answered,
        )
        return number


def serve(
    path: pathlib.Path,
    name: str,
    bounds: Limits,
    *,
    host: str,
    port: int,
    grpc_port: int | None,
    threads: int | None,
    seen_score: float,
    flip_ensemble: bool,
    trust_model: bool,
) -> int:
    """Serves a model until a signal is received.

    Args:
        path: See `load_predictor`.
        name: Name of the model in addresses.
        bounds: The limits.
        host: Address to listen at.
        port: Port of REST; 0 for a free one.
        grpc_port: Port of gRPC; 0 for a free one, None for no gRPC.
        threads: See `PoseModel`.
        seen_score: See `PoseModel`.
        flip_ensemble: See `PoseModel`.
        trust_model: See `load_predictor`.

    Returns:
        The exit status, 128 plus the number of the signal.

    Raises:
        OSError: If the model cannot be read or a port cannot be used.
        ValueError: If the file is not a model or an argument is out of range.
    """
    logs.configure()
    try:
        bound = connections.bind(host, port, bounds.request_seconds)
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno == errno.EADDRINUSE:
            reason = "is in use"
        raise OSError(
            f"--port={port} of {host}: {reason}; choose another"
        ) from error
    with bound:
        _allow_files(bounds.max_connections + _FURTHER_FILES)
        # LiteRT prints a greeting once per process.
        with runtime.without_greeting():
            model = PoseModel(
                path,
                name,
                bounds,
                threads=threads,
                seen_score=seen_score,
                flip_ensemble=flip_ensemble,
                trust_model=trust_model,
            )
        served = Server(model, bounds, host, port, grpc_port)
        try:
            return 128 + asyncio.run(served.run(bound))
        finally:
            model.close()


def _allow_files(count):
    """Raises the limit of open files to `count`, or as far as possible."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= count:
        return
    if hard != resource.RLIM_INFINITY:
        count = min(count, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))

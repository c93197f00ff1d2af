"""The gRPC door: KServe's service behind limits."""

import asyncio
import time

import grpc
from google.protobuf import message, message_factory
from grpc import aio
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.servicer import InferenceServicer
from kserve.protocol.model_repository_extension import (
    ModelRepositoryExtension,
)

from ampose_tf.serving import logs, rest
from ampose_tf.serving.limits import Limits, Refused

_SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]
# Requests of all connections that are being answered; the poses in them are
# limited, too.
_MAX_RPCS = 1024
# Of one connection.
_MAX_STREAMS = 128
# Bytes of metadata.
_HEAD_BYTES = 2**14
# Connections that do nothing are closed; clients open new ones by themselves.
_IDLE_MILLISECONDS = 5 * 60_000
_HANDSHAKE_MILLISECONDS = 10_000
# Seconds in which requests are told that the server ends.
_LAST_SECONDS = 0.5


class Rpc:
    """The server of gRPC.

    Args:
        plane: What answers requests.
        repository: What loads and unloads models.
        bounds: The limits.

    Attributes:
        accepted: Requests that have come.
        answered: Requests that have been answered.
    """

    def __init__(
        self,
        plane: DataPlane,
        repository: ModelRepositoryExtension,
        bounds: Limits,
    ):
        self._servicer = InferenceServicer(plane, repository)
        self._bounds = bounds
        self.accepted = self.answered = 0
        self._is_ending = False
        self._server = aio.server(
            options=[
                ("grpc.max_receive_message_length", bounds.max_body_bytes),
                ("grpc.max_metadata_size", _HEAD_BYTES),
                ("grpc.max_concurrent_streams", _MAX_STREAMS),
                ("grpc.max_connection_idle_ms", _IDLE_MILLISECONDS),
                ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MILLISECONDS),
                # Otherwise two servers share a port, and each gets half.
                ("grpc.so_reuseport", 0),
            ],
            maximum_concurrent_rpcs=_MAX_RPCS,
        )
        handlers = {
            method.name: grpc.unary_unary_rpc_method_handler(
                self._handler(method)
            )
            for method in _SERVICE.methods
        }
        self._server.add_generic_rpc_handlers(
            [
                grpc.method_handlers_generic_handler(
                    _SERVICE.full_name, handlers
                )
            ]
        )

    async def start(self, host: str, port: int) -> int:
        """Starts it.

        Args:
            host: An IPv4 or IPv6 address, or a name of this machine.
            port: 0 for a free one.

        Returns:
            The port.

        Raises:
            OSError: If the port cannot be taken.
        """
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            port = self._server.add_insecure_port(place)
        except RuntimeError as error:
            raise OSError("is in use, or not this machine's") from error
        await self._server.start()
        return port

    async def stop(self, seconds: float) -> None:
        """Takes no more requests, and waits for those that have come.

        Args:
            seconds: After them, requests are broken off.
        """
        # gRPC breaks off what comes while it stops: clients are told before.
        self._is_ending = True
        await asyncio.sleep(_LAST_SECONDS)
        await self._server.stop(seconds)

    def _handler(self, method):
        """Returns a method that takes and returns bytes."""
        kind = message_factory.GetMessageClass(method.input_type)
        answer = getattr(self._servicer, method.name)

        async def handle(content, context):
            if self._is_ending:
                await context.abort(
                    grpc.StatusCode.UNAVAILABLE, "The server is ending."
                )
            request = {}
            logs.request.set(request)
            began = time.monotonic()
            self.accepted += 1
            refused = None
            try:
                async with asyncio.timeout(self._bounds.request_seconds):
                    asked = _parsed(kind, content)
                    response = await answer(asked, context)
                content = response.SerializeToString()
            except Exception as error:
                refused = rest.refusal(error)
                if refused is None:
                    logs.bug(error)
                    refused = rest.INTERNAL
            code = "OK" if refused is None else refused.code
            logs.REQUESTS.labels("grpc", code).inc()
            if refused is not None or method.name == "ModelInfer":
                logs.write(
                    "request",
                    protocol="grpc",
                    route=method.name,
                    status=code,
                    milliseconds=round(1e3 * (time.monotonic() - began), 2),
                    **request,
                )
            self.answered += 1
            if refused is not None:
                await context.abort(
                    getattr(grpc.StatusCode, code), refused.sentence
                )
            return content

        return handle


def _parsed(kind, content):
    try:
        return kind.FromString(content)
    except message.DecodeError:
        raise Refused(
            400,
            "INVALID_ARGUMENT",
            f"Expected a message {kind.DESCRIPTOR.name}.",
        ) from None

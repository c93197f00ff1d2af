"""gRPC: KServe's service with limits."""

import asyncio
import time

import grpc
from google.protobuf import message, message_factory
from grpc import aio
from kserve.errors import InvalidInput
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.servicer import InferenceServicer
from kserve.protocol.model_repository_extension import (
    ModelRepositoryExtension,
)

from ampose_tf.serving import logs, rest
from ampose_tf.serving.limits import Limits, Refused

_SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]
# Concurrent requests of all connections, from their headers on.
_MAX_RPCS = 1024
# Concurrent requests of a connection.
_MAX_STREAMS = 128
# Bytes of metadata.
_HEAD_BYTES = 2**14
# Idle connections are closed; clients reconnect automatically.
_IDLE_MILLISECONDS = 5 * 60_000
_HANDSHAKE_MILLISECONDS = 10_000
# Seconds in which requests are refused before the server ends.
_LAST_SECONDS = 0.5


class Rpc:
    """The server of gRPC.

    Args:
        plane: Answers requests.
        repository: Loads and unloads models.
        bounds: The limits.

    Attributes:
        accepted: Number of received requests, without those that their clients
            cancelled.
        answered: Number of answered requests.
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
        self._is_ending = self._is_over = False
        # Time limits of requests whose message has not arrived.
        self._receiving = set()
        self._server = aio.server(
            options=[
                ("grpc.max_receive_message_length", bounds.max_body_bytes),
                ("grpc.max_metadata_size", _HEAD_BYTES),
                ("grpc.max_concurrent_streams", _MAX_STREAMS),
                ("grpc.max_connection_idle_ms", _IDLE_MILLISECONDS),
                ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MILLISECONDS),
                # Otherwise two servers could share a port.
                ("grpc.so_reuseport", 0),
            ],
            maximum_concurrent_rpcs=_MAX_RPCS,
        )
        handlers = {
            method.name: grpc.stream_unary_rpc_method_handler(
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
        """Starts the server.

        Args:
            host: An IPv4 or IPv6 address, or a name of this machine.
            port: 0 for a free port.

        Returns:
            The port.

        Raises:
            OSError: If the port cannot be used.
        """
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            port = self._server.add_insecure_port(place)
        except RuntimeError as error:
            raise OSError(
                "is in use, or not an address of this machine"
            ) from error
        await self._server.start()
        return port

    async def stop(self, seconds: float) -> None:
        """Refuses new requests, and waits for those that were accepted.

        Args:
            seconds: Time after which requests are cancelled.
        """
        # gRPC cancels requests that arrive while it stops: they are refused
        # first, so that clients can send them to another server.
        self._is_ending = True
        await asyncio.sleep(_LAST_SECONDS)
        for limit in self._receiving:
            limit.reschedule(asyncio.get_running_loop().time())
        ended = asyncio.create_task(self._server.stop(seconds))
        await asyncio.wait([ended], timeout=seconds)
        self._is_over = True
        await ended

    def _handler(self, method):
        """Returns a method that receives and returns bytes.

        It receives a stream of one message: otherwise, gRPC would call it
        after the message, without a time limit for clients that do not send
        the message.
        """
        kind = message_factory.GetMessageClass(method.input_type)
        answer = getattr(self._servicer, method.name)

        async def handle(messages, context):
            request = {}
            logs.request.set(request)
            began = time.monotonic()
            is_accepted, refused = False, None
            try:
                async with asyncio.timeout(
                    self._bounds.request_seconds
                ) as limit:
                    content = await self._received(messages, limit)
                    if self._is_ending:
                        raise _ENDING
                    self.accepted += 1
                    is_accepted = True
                    response = await answer(_parsed(kind, content), context)
                content = response.SerializeToString()
                code = "OK"
            except asyncio.CancelledError:
                # By the client or its deadline.
                if not self._is_over:
                    self.accepted -= is_accepted
                self._log(method, "CANCELLED", began, request)
                raise
            except Exception as error:
                refused = rest.refusal(error)
                if self._is_ending and not is_accepted:
                    refused = _ENDING
                if refused is None:
                    logs.bug(error)
                    refused = rest.INTERNAL
                code = refused.code
            self._log(method, code, began, request)
            self.answered += is_accepted
            if refused is not None:
                await context.abort(
                    getattr(grpc.StatusCode, code), refused.sentence
                )
            return content

        return handle

    async def _received(self, messages, limit):
        """Returns the message of a request."""
        self._receiving.add(limit)
        try:
            return await anext(messages)
        except StopAsyncIteration:
            raise InvalidInput("Expected a message.") from None
        finally:
            self._receiving.discard(limit)

    def _log(self, method, code, began, request):
        logs.REQUESTS.labels("grpc", code).inc()
        if code != "OK" or method.name == "ModelInfer":
            logs.write(
                "request",
                protocol="grpc",
                route=method.name,
                status=code,
                milliseconds=round(1e3 * (time.monotonic() - began), 2),
                **request,
            )


_ENDING = Refused(503, "UNAVAILABLE", "The server is ending.")


def _parsed(kind, content):
    """Returns a request of a kind.

    Raises:
        InvalidInput: If it is malformed.
        NotImplementedError: If it asks for a version of the model.
    """
    try:
        asked = kind.FromString(content)
    except message.DecodeError:
        raise InvalidInput(
            f"Expected a message {kind.DESCRIPTOR.name}."
        ) from None
    for field in ("version", "model_version"):
        if getattr(asked, field, ""):
            raise NotImplementedError
    for i, tensor in enumerate(getattr(asked, "inputs", ())):
        if len(tensor.contents.ListFields()) > 1:
            raise InvalidInput(
                f"inputs[{i}].contents: expected numbers of one type."
            )
    return asked

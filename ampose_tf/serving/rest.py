"""The REST door: KServe's routes behind limits."""

import asyncio
import contextlib
import http
import math
import re
import socket
import time

import h11
import orjson
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from kserve.constants.constants import PredictorProtocol
from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady
from kserve.model_server import app
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.model_repository_extension import (
    ModelRepositoryExtension,
)
from kserve.protocol.rest.server import RESTServer
from kserve.protocol.rest.v2_endpoints import V2Endpoints
from starlette.exceptions import HTTPException
from uvicorn.protocols.http.h11_impl import H11Protocol

from ampose_tf import reading
from ampose_tf.serving import logs
from ampose_tf.serving.limits import Limits, Refused, busy, too_large

# Seconds that a client may take for a request's first line and headers.
_HEAD_SECONDS = 10
# Seconds that a connection without a request has at the server's end.
_LAST_SECONDS = 0.5
# As KServe has it: longer than proxies keep idle connections.
_IDLE_SECONDS = 65
# Bytes of a request's first line and headers.
_HEAD_BYTES = 2**15
# KServe's header of bodies that have binary tensors after their JSON.
_JSON_LENGTH = "inference-header-content-length"
_CLOSE = (b"connection", b"close")

# Of exceptions that should not have come.
INTERNAL = Refused(500, "INTERNAL", "Internal error.")


def refusal(error: BaseException) -> Refused | None:
    """Returns what a client is told of an exception; None if it is a bug."""
    match error:
        case Refused():
            return error
        case InvalidInput():
            return Refused(400, "INVALID_ARGUMENT", _sentence(error))
        case RequestValidationError():
            return Refused(
                400,
                "INVALID_ARGUMENT",
                "The request is not one of this protocol.",
            )
        case ModelNotFound():
            return Refused(404, "NOT_FOUND", "There is no model of this name.")
        case ModelNotReady():
            return Refused(503, "UNAVAILABLE", "The model is not ready.")
        case NotImplementedError():
            return Refused(
                404,
                "NOT_FOUND",
                "The model has no versions; leave them out of the address.",
            )
        case TimeoutError():
            return Refused(
                504,
                "DEADLINE_EXCEEDED",
                "The request took longer than the server allows.",
            )
        case HTTPException():
            phrase = http.HTTPStatus(error.status_code).phrase
            return Refused(error.status_code, "NOT_FOUND", f"{phrase}.")
    return None


def _sentence(error):
    text = reading.line(str(error))
    return text if text.endswith(".") else f"{text}."


class Guard:
    """An ASGI application that holds another to the limits.

    It reads bodies before the application sees them, so that time and memory
    are bounded, answers what is refused, and writes a line for each request.

    Args:
        app: KServe's routes.
        bounds: The limits.

    Attributes:
        draining: Whether connections are closed after their next answer.
        accepted: Requests that have come.
        answered: Requests that have been answered.
    """

    def __init__(self, app: FastAPI, bounds: Limits):
        self._app = app
        self.bounds = bounds
        self.draining = False
        self.accepted = self.answered = 0
        self._held = 0

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = {"status": 0}
        logs.request.set(request)
        began = time.monotonic()
        self.accepted += 1

        async def sending(message):
            if message["type"] == "http.response.start":
                request["status"] = message["status"]
                if self.draining:
                    headers = [*message.get("headers", ()), _CLOSE]
                    message = {**message, "headers": headers}
            await send(message)
            if message["type"] == "http.response.body" and not message.get(
                "more_body"
            ):
                self.answered += 1

        refused = None
        try:
            await self._answer(scope, receive, sending)
        except _Gone:
            request["status"] = 499
            self.accepted -= 1
        except Exception as error:
            refused = refusal(error)
            if refused is None:
                logs.bug(error)
                refused = INTERNAL
        if refused is not None and not request["status"]:
            await _respond(sending, refused)
        status = request.pop("status")
        logs.REQUESTS.labels("rest", str(status)).inc()
        if status != 200 or scope["method"] != "GET":
            route = scope.get("route")
            logs.write(
                "request",
                protocol="rest",
                route=getattr(route, "path", None),
                status=status,
                milliseconds=round(1e3 * (time.monotonic() - began), 2),
                **request,
            )

    async def _answer(self, scope, receive, send):
        body = bytearray()
        seconds = self.bounds.request_seconds
        try:
            try:
                async with asyncio.timeout(seconds) as limit:
                    await self._read(receive, body)
            except TimeoutError:
                raise Refused(
                    408,
                    "DEADLINE_EXCEEDED",
                    "The request's body did not arrive in time.",
                ) from None
            whole = [
                {
                    "type": "http.request",
                    "body": bytes(body),
                    "more_body": False,
                }
            ]

            async def replay():
                return whole.pop() if whole else await receive()

            async with asyncio.timeout_at(limit.when()):
                await self._app(scope, replay, send)
        finally:
            self._held -= len(body)

    async def _read(self, receive, body):
        """Reads a body into `body`."""
        size, more = 0, True
        most = self.bounds.max_body_bytes
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            more = message.get("more_body", False)
            part = message.get("body", b"")
            size += len(part)
            if size > most:
                # The rest is read and dropped: a client that still writes
                # does not read the answer.
                self._held -= len(body)
                body.clear()
                continue
            body += part
            self._held += len(part)
            if self._held > self.bounds.max_held_bytes:
                raise busy()
        if size > most:
            raise too_large(f"Expected a body of at most {most} bytes.")
        if body.count(b"[") + body.count(b"{") > self.bounds.max_nodes:
            raise too_large(
                f"Expected at most {self.bounds.max_nodes} lists and objects."
            )


class _Gone(Exception):
    """The client closed the connection."""


async def _respond(send, refused):
    body = orjson.dumps({"error": refused.sentence})
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        # A body may not have been read to its end.
        _CLOSE,
    ]
    await send(
        {
            "type": "http.response.start",
            "status": refused.status,
            "headers": headers,
        }
    )
    await send({"type": "http.response.body", "body": body})


class _Connection(H11Protocol):
    """A connection whose client has to send its request's head in time."""

    _deadline = None

    def connection_made(self, transport):
        super().connection_made(transport)
        if len(self.connections) > self.app.bounds.max_connections:
            self._refuse(busy())
        else:
            self._watch()

    def connection_lost(self, exc):
        self._unwatch()
        super().connection_lost(exc)

    def data_received(self, data):
        super().data_received(data)
        self._watch()

    def timeout_keep_alive_handler(self):
        super().timeout_keep_alive_handler()
        self._unwatch()

    def shutdown(self):
        if self.cycle is not None and not self.cycle.response_complete:
            super().shutdown()
            return
        # A request may be on its way.
        self._unwatch()
        self._deadline = self.loop.call_later(
            _LAST_SECONDS, self.transport.close
        )

    def send_400_response(self, msg):
        # Uvicorn's own answer is no JSON.
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._refuse(
                Refused(400, "INVALID_ARGUMENT", "Invalid HTTP request.")
            )
        else:
            self.transport.close()

    def _watch(self):
        """Begins to wait for a request's head, or ends it."""
        is_busy = self.cycle is not None and not self.cycle.response_complete
        if is_busy or self.transport.is_closing():
            self._unwatch()
        elif self._deadline is None:
            seconds = min(_HEAD_SECONDS, self.app.bounds.request_seconds)
            self._deadline = self.loop.call_later(seconds, self._expire)

    def _unwatch(self):
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self):
        self._deadline = None
        if not self.transport.is_closing():
            self._refuse(
                Refused(
                    408,
                    "DEADLINE_EXCEEDED",
                    "The request's head did not arrive in time.",
                )
            )

    def _refuse(self, refused):
        """Answers without a request, and closes the connection."""
        self._unwatch()
        body = orjson.dumps({"error": refused.sentence})
        phrase = http.HTTPStatus(refused.status).phrase
        self.transport.write(
            f"HTTP/1.1 {refused.status} {phrase}\r\n"
            "content-type: application/json\r\n"
            f"content-length: {len(body)}\r\n"
            "connection: close\r\n\r\n".encode()
            + body
        )
        self.transport.close()
        logs.REQUESTS.labels("rest", str(refused.status)).inc()


class Server(uvicorn.Server):
    """Uvicorn, of which another ends the process."""

    @contextlib.contextmanager
    def capture_signals(self):
        yield


def server(guard: Guard) -> Server:
    """Returns the server of REST, to be given a socket."""
    return Server(
        uvicorn.Config(
            guard,
            http=_Connection,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            h11_max_incomplete_event_size=_HEAD_BYTES,
            timeout_keep_alive=_IDLE_SECONDS,
            timeout_graceful_shutdown=math.ceil(guard.bounds.grace_seconds),
        )
    )


def bind(host: str, port: int, seconds: float) -> socket.socket:
    """Returns a socket that is bound.

    Args:
        host: An IPv4 or IPv6 address, or a name of this machine.
        port: 0 for a free one.
        seconds: After them, a client that does not read is cut off.

    Raises:
        OSError: If it cannot be bound.
    """
    ((family, kind, protocol, _, address), *_) = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if host == "::":
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Connections inherit it.
            bound.setsockopt(
                socket.IPPROTO_TCP,
                socket.TCP_USER_TIMEOUT,
                round(1e3 * seconds),
            )
        bound.bind(address)
        # Now, and not with the server: another process may bind the same.
        bound.listen(2048)
    except OSError:
        bound.close()
        raise
    return bound


class _Endpoints(V2Endpoints):
    """V2 without Pydantic, which takes 15 times orjson's time."""

    async def refuse(self, model_name: str, model_version: str) -> None:
        raise NotImplementedError

    async def answer(self, model_name: str, request: Request) -> Response:
        if not await self.dataplane.model_ready(model_name):
            raise ModelNotReady(model_name)
        headers = dict(request.headers)
        body = await request.body()
        length = headers.setdefault(_JSON_LENGTH, str(len(body)))
        if not re.fullmatch("[0-9]{1,12}", length) or int(length) > len(body):
            raise InvalidInput(
                f"{_JSON_LENGTH}: expected how many bytes of the body are "
                "JSON."
            )
        asked, _ = self.dataplane.decode(
            body, headers, PredictorProtocol.REST_V2.value, model_name
        )
        answer, _ = await self.dataplane.infer(model_name, asked, headers)
        content, headers = self.dataplane.encode(
            model_name, answer, headers, {}
        )
        if isinstance(content, bytes):
            return Response(content, 200, headers, "application/octet-stream")
        return _json(content)


def application(
    plane: DataPlane, repository: ModelRepositoryExtension
) -> FastAPI:
    """Returns KServe's routes.

    Args:
        plane: What answers requests.
        repository: What loads and unloads models.
    """
    # Before KServe's own routes of these addresses.
    endpoints = _Endpoints(plane, repository)
    for path, answer in (
        ("infer", endpoints.answer),
        ("versions/{model_version}/infer", endpoints.refuse),
    ):
        app.add_api_route(
            f"/v2/models/{{model_name}}/{path}",
            answer,
            methods=["POST"],
            response_model=None,
        )
    RESTServer("", plane, repository, 0).create_application()
    for kind in (
        Exception,
        HTTPException,
        InvalidInput,
        ModelNotFound,
        ModelNotReady,
        NotImplementedError,
        Refused,
        RequestValidationError,
    ):
        app.add_exception_handler(kind, _handle)
    return app


async def _handle(request, error):
    del request
    refused = refusal(error) or INTERNAL
    return _json({"error": refused.sentence}, refused.status)


def _json(content, status=200):
    text = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(text, status, media_type="application/json")

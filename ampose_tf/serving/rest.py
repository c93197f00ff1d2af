"""The REST door: KServe's routes behind limits."""

import asyncio
import http
import re
import time

import orjson
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

from ampose_tf import reading
from ampose_tf.serving import logs
from ampose_tf.serving.limits import Limits, Refused, busy, too_large

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

"""The REST door: KServe's routes behind limits."""

import asyncio
import http
import re
import time

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady
from kserve.model_server import app
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.model_repository_extension import (
    ModelRepositoryExtension,
)
from kserve.protocol.rest.server import RESTServer
from starlette.exceptions import HTTPException

from ampose_tf import reading
from ampose_tf.serving import bodies, logs
from ampose_tf.serving.limits import Limits, Refused, busy, too_large

# Header of bodies with binary tensors after their JSON.
_JSON_LENGTH = "inference-header-content-length"
_CLOSE = (b"connection", b"close")
# Content types of V1, besides those with +json.
_JSON_TYPES = ("application/json", "application/octet-stream")

# Answer to requests that raise unexpected exceptions.
INTERNAL = Refused(500, "INTERNAL", "Internal error.")


def refusal(error: BaseException) -> Refused | None:
    """Returns the answer to an exception; None if it is a bug."""
    match error:
        case Refused():
            return error
        case InvalidInput():
            return Refused(400, "INVALID_ARGUMENT", _sentence(error))
        case RequestValidationError():
            return Refused(
                400,
                "INVALID_ARGUMENT",
                "The request does not follow the protocol.",
            )
        case ModelNotFound():
            return Refused(404, "NOT_FOUND", "There is no model of this name.")
        case ModelNotReady():
            return Refused(503, "UNAVAILABLE", "The model is not ready.")
        case NotImplementedError():
            return Refused(
                404,
                "NOT_FOUND",
                "The model has no versions; do not specify one.",
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
    """An ASGI application that enforces limits on another.

    It receives bodies before it calls the application, so that time and memory
    are bounded, answers refused requests, and logs each request.

    Args:
        app: KServe's routes.
        bounds: The limits.

    Attributes:
        draining: Whether connections are closed after their next answer.
        accepted: Number of requests, without those of clients that closed the
            connection before they were answered.
        answered: Number of answered requests.
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
        size = 0
        seconds = self.bounds.request_seconds
        try:
            try:
                async with asyncio.timeout(seconds) as limit:
                    body = await self._read(receive)
            except TimeoutError:
                raise Refused(
                    408,
                    "DEADLINE_EXCEEDED",
                    "The request's body did not arrive in time.",
                ) from None
            size = len(body)
            # The application frees the body once it is decoded.
            whole = [{"type": "http.request", "body": body}]
            del body

            async def replay():
                return whole.pop() if whole else await receive()

            async with asyncio.timeout_at(limit.when()):
                await self._app(scope, replay, send)
        finally:
            self._held -= size

    async def _read(self, receive):
        """Returns a body, whose bytes are added to `_held`."""
        body, size, more = bytearray(), 0, True
        most = self.bounds.max_body_bytes
        try:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _Gone
                more = message.get("more_body", False)
                part = message.get("body", b"")
                size += len(part)
                if size > most:
                    # The rest is read and dropped: clients read the answer
                    # only after they have sent the body.
                    self._held -= len(body)
                    body.clear()
                    continue
                body += part
                self._held += len(part)
                if self._held > self.bounds.max_held_bytes:
                    raise busy()
            if size > most:
                raise too_large(f"Expected a body of at most {most} bytes.")
            nodes = self.bounds.max_nodes
            if body.count(b"[") + body.count(b"{") > nodes:
                raise too_large(f"Expected at most {nodes} lists and objects.")
        except BaseException:
            self._held -= len(body)
            raise
        return bytes(body)


class _Gone(Exception):
    """The client closed the connection."""


async def _respond(send, refused):
    body = orjson.dumps({"error": refused.sentence})
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        # The body may not have been received completely.
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


class _Endpoints:
    """V1 and V2 without CloudEvents, and without Pydantic for speed."""

    def __init__(self, plane):
        self._plane = plane

    async def answer_v1(self, model_name: str, request: Request) -> Response:
        await self._check(model_name, request)
        kind = request.headers.get("content-type", "application/json")
        kind = kind.partition(";")[0].strip().lower()
        if kind not in _JSON_TYPES and not kind.endswith("+json"):
            raise InvalidInput(
                "Expected JSON, with the header content-type: "
                "application/json."
            )
        content = bodies.decode(await _body(request))
        answer, _ = await self._plane.infer(model_name, content)
        return _json(answer)

    async def answer_v2(self, model_name: str, request: Request) -> Response:
        await self._check(model_name, request)
        asked = await self._decoded_v2(model_name, request)
        answer, _ = await self._plane.infer(model_name, asked)
        content, length = answer.to_rest()
        if length is None:
            return _json(content)
        headers = {_JSON_LENGTH: str(length)}
        return Response(content, 200, headers, "application/octet-stream")

    async def explain(self, model_name: str) -> None:
        raise InvalidInput("This model has no explainer; use :predict.")

    async def refuse_version(
        self, model_name: str, model_version: str
    ) -> None:
        raise NotImplementedError

    async def _check(self, model_name, request):
        if not await self._plane.model_ready(model_name):
            raise ModelNotReady(model_name)
        if request.headers.get("content-encoding", "identity") != "identity":
            raise Refused(
                415,
                "INVALID_ARGUMENT",
                "Compressed bodies are not supported; send the body without "
                "content-encoding.",
            )

    async def _decoded_v2(self, model_name, request):
        body = await _body(request)
        length = request.headers.get(_JSON_LENGTH, str(len(body)))
        if not re.fullmatch("[0-9]{1,12}", length) or int(length) > len(body):
            raise InvalidInput(
                f"{_JSON_LENGTH}: expected the number of bytes of JSON, at "
                f"most {len(body)}."
            )
        return bodies.decode_v2(body, int(length), model_name)


async def _body(request):
    """Returns a body, which `Request.body` would keep in memory."""
    return b"".join([part async for part in request.stream()])


def application(
    plane: DataPlane, repository: ModelRepositoryExtension
) -> FastAPI:
    """Returns KServe's routes.

    Args:
        plane: Answers requests.
        repository: Loads and unloads models.
    """
    # The first route of an address is used, before those of KServe.
    endpoints = _Endpoints(plane)
    for path, answer in (
        ("v1/models/{model_name}:predict", endpoints.answer_v1),
        ("v1/models/{model_name}:explain", endpoints.explain),
        ("v2/models/{model_name}/infer", endpoints.answer_v2),
        (
            "v2/models/{model_name}/versions/{model_version}/infer",
            endpoints.refuse_version,
        ),
    ):
        app.add_api_route(
            f"/{path}", answer, methods=["POST"], response_model=None
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

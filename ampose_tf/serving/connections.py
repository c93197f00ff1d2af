"""Connections of REST: sockets, Uvicorn, and time limits for clients."""

import contextlib
import http
import math
import socket

import h11
import orjson
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from ampose_tf.serving import logs
from ampose_tf.serving.limits import Refused, busy
from ampose_tf.serving.rest import Guard

# Time limit for the first line and headers of a request.
_HEAD_SECONDS = 10
# Seconds after which idle connections are closed when the server ends.
_LAST_SECONDS = 0.5
# KServe's default, longer than proxies keep idle connections.
_IDLE_SECONDS = 65
# Maximum size of the first line and headers of a request in bytes.
_HEAD_BYTES = 2**15


class _Connection(H11Protocol):
    """A connection with a time limit for the head of a request."""

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
        # The client may have just sent a request.
        self._unwatch()
        self._deadline = self.loop.call_later(
            _LAST_SECONDS, self.transport.close
        )

    def send_400_response(self, msg):
        # Uvicorn's own answer is not JSON.
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._refuse(
                Refused(400, "INVALID_ARGUMENT", "Invalid HTTP request.")
            )
        else:
            self.transport.close()

    def _watch(self):
        """Starts the time limit for a head, or stops it during requests."""
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
    """A Uvicorn server that leaves signals to this process."""

    @contextlib.contextmanager
    def capture_signals(self):
        yield


def server(guard: Guard) -> Server:
    """Returns the server of REST, whose `serve` expects a socket."""
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
    """Returns a bound socket.

    Args:
        host: An IPv4 or IPv6 address, or a name of this machine.
        port: 0 for a free port.
        seconds: Time after which a client that reads nothing is disconnected.

    Raises:
        OSError: If the address and port cannot be used.
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
            # Inherited by connections.
            bound.setsockopt(
                socket.IPPROTO_TCP,
                socket.TCP_USER_TIMEOUT,
                round(1e3 * seconds),
            )
        bound.bind(address)
        # Otherwise, another process could bind the same port until the
        # server starts.
        bound.listen(2048)
    except OSError:
        bound.close()
        raise
    return bound

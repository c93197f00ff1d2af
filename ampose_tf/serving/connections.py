"""Connections of REST: sockets, the time that clients have, and Uvicorn."""

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

# Seconds that a client may take for a request's first line and headers.
_HEAD_SECONDS = 10
# Seconds that a connection without a request has at the server's end.
_LAST_SECONDS = 0.5
# As KServe has it: longer than proxies keep idle connections.
_IDLE_SECONDS = 65
# Bytes of a request's first line and headers.
_HEAD_BYTES = 2**15


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

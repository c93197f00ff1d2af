"""Logs events as JSON lines on standard output, without personal data.

The line of a request contains the protocol, route, status, number of poses and
milliseconds. Keypoints, poses, bodies, identifiers, names in addresses and
addresses of clients are not logged. Messages of libraries can contain data of
clients and are not logged either: only the logger, level and line of code of
their records, and the type and lines of code of exceptions.
"""

import contextvars
import datetime
import logging
import sys
import traceback
import warnings
from typing import Any

import orjson
from prometheus_client import Counter, Gauge

_LOGGER = logging.getLogger("ampose_tf.serving")
# Loggers that write a message for every request.
_SILENT = ("kserve", "kserve.trace", "uvicorn", "uvicorn.access")

REQUESTS = Counter(
    "ampose_requests",
    "Requests by protocol and status",
    ["protocol", "status"],
)
POSES = Counter("ampose_poses", "Lifted poses")
WAITING = Gauge("ampose_waiting_poses", "Poses of requests being answered")

# Fields of the log line of the current request.
request: contextvars.ContextVar[dict[str, Any]] = contextvars.ContextVar(
    "request"
)


class _Lines(logging.Formatter):
    def format(self, record):
        content = {
            "time": datetime.datetime.fromtimestamp(
                record.created, datetime.UTC
            ).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        if record.name == _LOGGER.name:
            content |= record.args
        else:
            content |= {
                "event": "library",
                "logger": record.name,
                "at": f"{record.module}:{record.lineno}",
            }
        if record.exc_info and record.exc_info[0] is not None:
            kind, _, trace = record.exc_info
            content["exception"] = kind.__name__
            content["trace"] = [
                f"{frame.filename}:{frame.lineno}"
                for frame in traceback.extract_tb(trace)[-12:]
            ]
        return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY).decode(
            "utf-8"
        )


def configure() -> None:
    """Sends all logging of this process to standard output, as JSON lines."""
    # The server continues if nothing reads its standard output.
    logging.raiseExceptions = False
    # Raised by KServe's own routes.
    warnings.filterwarnings("ignore", "ORJSONResponse is deprecated")
    logging.captureWarnings(True)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Lines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    _LOGGER.setLevel(logging.INFO)
    for name in _SILENT:
        logger = logging.getLogger(name)
        # KServe adds its own handlers to loggers without handlers.
        logger.handlers = [logging.NullHandler()]
        logger.setLevel(logging.CRITICAL)
        logger.propagate = False


def write(event: str, level: int = logging.INFO, **fields) -> None:
    """Writes a line.

    Args:
        event: Name of the event.
        level: Level of `logging`.
        **fields: Other fields of the line.
    """
    # `logging` uses a single dict as the record's `args`.
    _LOGGER.log(level, "", {"event": event, **fields})


def bug(error: BaseException) -> None:
    """Writes a line about an unexpected exception."""
    _LOGGER.error(
        "",
        {"event": "bug"},
        exc_info=(type(error), error, error.__traceback__),
    )
